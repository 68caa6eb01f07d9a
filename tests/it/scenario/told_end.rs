//! How a worker's process ended, told by whoever started it.

use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// Far from over when a test ends: what comes back before came back because the end was told.
const LEASE: &str = "10m";
/// Whoever takes over looks every second.
const HEIR_LEASE: &str = "4s";

#[test]
fn jobs_of_a_worker_whose_end_is_told_run_again_at_once_and_say_by_which_signal_it_ended() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("test $IREVA_ATTEMPT != 1 || { kill -ABRT $PPID; sleep 60; }");
    cli.keep_completed("q");
    let id = cli.enqueue("q", "1", &[]);

    let mut worker = cli.work(["q", "--concurrency", "1", "--lease", LEASE, "--exec", &program]);
    let pid = worker.pid().to_string();
    assert_eq!(worker.wait(LONG), None, "its job killed it");
    let heir = cli.work(["q", "--concurrency", "1", "--lease", HEIR_LEASE, "--exec", &program]).ready();

    let told = Instant::now();
    let ended = cli.json(["workers", "ended", "--pid", &pid, "--status", "134"]);
    assert_eq!((&ended[0]["ended"], &ended[0]["active"]), (&"SIGABRT".into(), &1.into()), "{ended}");
    wait_until(LONG, "the job is completed", || cli.json(["stats", "q"])["completed"] == 1);
    assert!(told.elapsed() < Duration::from_secs(10), "after {:?}", told.elapsed());
    let recovered = heir.wait_event("recovered");
    let message = recovered["message"].as_str().unwrap();
    assert_eq!(message, "its worker was killed by SIGABRT; that happened to it once");
    drop(heir);

    let job = cli.json(["jobs", "show", &id]);
    let crash = &job["crashed"][0];
    assert_eq!((&crash["code"], &crash["ended"]), (&"worker_killed".into(), &"SIGABRT".into()), "{job}");
    let shown = cli.ok(["jobs", "show", &id, "-o", "table"]);
    assert!(shown.contains("its worker was killed by SIGABRT"), "{shown}");
    Snapshot::of(&redis, "q").assert_conserves([&id]);
    // Whoever tells once more is told that there is nobody.
    let again = cli.run(["workers", "ended", "--pid", &pid, "--status", "134"]).expect(4);
    assert!(again.stderr.contains("it has signed off"), "{again:?}");
}

#[test]
fn systemd_tells_by_the_environment_of_what_it_runs_afterwards() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 60");
    cli.enqueue("q", "1", &[]);
    let service = cli.clone().env("INVOCATION_ID", "8a3f0c");
    let mut worker = service.work(["q", "--concurrency", "1", "--lease", LEASE, "--exec", &program]);
    ledger.wait("start", 1, LONG);
    let workers = || cli.json(["workers", "list"]);
    wait_until(LONG, "it has said which start it is", || workers()[0]["invocation"] == "8a3f0c");
    worker.kill9();

    let after = |code: &str, status: &str| service.clone().env("EXIT_CODE", code).env("EXIT_STATUS", status);
    // It ended well, or another start of the service did not: nothing is told.
    assert_eq!(after("exited", "0").json(["workers", "ended"]), serde_json::json!([]));
    let other = after("killed", "KILL").env("INVOCATION_ID", "another");
    assert_eq!(other.json(["workers", "ended"]), serde_json::json!([]));
    assert!(workers()[0].get("ended").is_none());

    let ended = after("killed", "KILL").json(["workers", "ended"]);
    assert_eq!(ended[0]["ended"], "SIGKILL", "{ended}");
    assert_eq!((&workers()[0]["ended"], &workers()[0]["silent"]), (&"SIGKILL".into(), &true.into()));
    let table = cli.ok(["workers", "list", "-o", "table"]);
    assert!(table.contains("SIGKILL"), "{table}");
    for (status, wrong) in [("SIGNOT", "no signal is called"), ("", "no signal is called")] {
        let refused = after("killed", status).run(["workers", "ended"]).expect(2);
        assert!(refused.stderr.contains(wrong), "{refused:?}");
    }
    let refused = cli.run(["workers", "ended"]).expect(2);
    assert!(refused.stderr.contains("--pid PID") && refused.stderr.contains("EXIT_CODE"), "{refused:?}");
}

#[test]
fn a_live_worker_that_is_called_dead_goes_on() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    cli.keep_completed("q");
    let ids: Vec<_> = (0..3).map(|n| cli.enqueue("q", &n.to_string(), &[])).collect();
    let program = ledger.program("sleep 3");
    let work = ["q", "--concurrency", "1", "--lease", HEIR_LEASE, "--exec", &program];
    let mut worker = cli.work(work).ready();
    ledger.wait("start", 1, LONG);
    let pid = worker.pid().to_string();
    let told = cli.json(["workers", "ended", "--pid", &pid, "--signal", "TERM"]);
    assert_eq!(told[0]["ended"], "SIGTERM", "{told}");
    wait_until(LONG, "all are completed", || cli.json(["stats", "q"])["completed"] == 3);
    assert_eq!(worker.stop(LONG), Some(0));
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
