//! Signals and closed pipes: an orderly end, and a disorderly one without loss.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

const LONG: Duration = Duration::from_secs(90);

#[test]
fn r06_the_first_signal_lets_running_jobs_end_and_takes_no_more() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 5");
    cli.keep_completed("q");
    cli.enqueue_lines("q", (0..108).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let mut worker = cli.work(["q", "--concurrency", "8", "--grace", "30s", "--exec", &program]);
    ledger.wait("start", 8, LONG);
    let signalled = Instant::now();
    assert_eq!(worker.stop(LONG), Some(0));
    // The jobs had at most 5 s to go; the rest is slack for a busy machine.
    assert!(signalled.elapsed() < Duration::from_secs(7), "{:?}", signalled.elapsed());

    assert_eq!((ledger.of("start").len(), ledger.of("end").len()), (8, 8));
    let snapshot = Snapshot::of(&redis, "q");
    assert_eq!((snapshot.count("completed"), snapshot.count("pending")), (8, 100));
    let accepted: Vec<_> = (0..108).map(|n| format!("job-{n}")).collect();
    snapshot.assert_conserves(&accepted);
    let crashes: u64 = redis.query(&["HLEN", &redis.key("q", "crashes")]);
    assert_eq!(crashes, 0, "giving back what had not started is no crash");
}

#[test]
fn r07_what_outlives_the_grace_is_given_back_with_its_attempt() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 60");
    let ids: Vec<_> = (0..4).map(|_| cli.enqueue("q", "1", &[])).collect();
    let work = ["q", "--concurrency", "4", "--grace", "2s", "--lease", "30s", "--exec", &program];
    let mut first = cli.work(work);
    ledger.wait("start", 4, LONG);
    let mut second = cli.work(work).ready();
    let signalled_ms = now_ms();
    assert_eq!(first.stop(LONG), Some(0));
    ledger.wait("start", 8, LONG);
    let again: Vec<_> = ledger.of("start").into_iter().skip(4).collect();
    for line in &again {
        // The grace, two seconds to start again, and slack for a busy machine.
        assert!(line.attempt == 1 && line.at_ms - signalled_ms < 2_000 + 2_000 + 2_500, "{line:?}");
    }

    second.signal(Signal::TERM);
    second.wait_event("worker_stopping");
    let signalled = Instant::now();
    second.signal(Signal::INT);
    let code = second.wait(LONG);
    assert!(signalled.elapsed() < Duration::from_secs(2), "a second signal exits now: {:?}", signalled.elapsed());
    assert!(matches!(code, Some(0 | 75 | 130)), "{code:?}");
    let snapshot = Snapshot::of(&redis, "q");
    snapshot.assert_conserves(&ids);
    assert_eq!(snapshot.count("pending") + snapshot.count("active"), 4);
    assert_eq!(ledger.of("end").len(), 0);
}

#[test]
fn r07_a_second_signal_leaves_no_command_behind_that_ignores_being_told() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("trap '' TERM; note $$; while :; do sleep 1; done");
    let id = cli.enqueue("q", "1", &[]);
    let mut worker = cli.work(["q", "--concurrency", "1", "--exec", &program]);
    ledger.wait("start", 1, LONG);
    let pid = wait_for(LONG, "it says which process it is", || {
        ledger.lines().into_iter().find_map(|line| line.event.parse::<i32>().ok())
    });
    worker.signal(Signal::TERM);
    worker.wait_event("worker_stopping");
    worker.signal(Signal::INT);
    assert_eq!(worker.wait(LONG), Some(130));
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait_until(LONG, "its command is gone", gone);
    Snapshot::of(&redis, "q").assert_conserves([&id]);
}

#[test]
fn r08_closed_pipes_and_a_hangup_end_commands_quietly() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    bury(&cli, "q", 3_000);
    let binary = Cli::binary().display();
    let shell = |line: &str| {
        let mut command = guarded("bash");
        let line = line.replace("IREVA", &binary.to_string());
        command.args(["-c", &line]).env_clear().envs(redis.env()).env("PATH", std::env::var("PATH").unwrap());
        cli.finish(command)
    };
    for (line, codes) in [
        ("IREVA stats | head -1 > /dev/null; exit ${PIPESTATUS[0]}", &[0][..]),
        ("IREVA dlq list q --limit 3000 | head -1 > /dev/null; exit ${PIPESTATUS[0]}", &[0]),
        ("IREVA dlq list q --limit 3000 -o json | head -c 10 > /dev/null; exit ${PIPESTATUS[0]}", &[0]),
        ("IREVA jobs list q --state dead | true; exit ${PIPESTATUS[0]}", &[0]),
        ("IREVA enqueue q - < /dev/null", &[2]),
        ("IREVA enqueue q - <&-", &[2]),
        ("IREVA stats > /dev/full", &[1]),
        ("IREVA stats >&-", &[0, 1]),
        ("IREVA stats nosuch 2>&-", &[4]),
    ] {
        let output = shell(line);
        assert!(output.code.is_some_and(|code| codes.contains(&code)), "{line}: {output:?}");
        assert!(!output.stderr.contains("panicked") && !output.stderr.contains("backtrace"), "{line}: {output:?}");
    }

    let mut watch = cli.command(["stats", "--watch", "1s"]);
    let mut watch = Guarded(watch.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    wait_until(LONG, "it asks Redis", || {
        redis.query::<String>(&["CLIENT", "LIST", "TYPE", "NORMAL"]).lines().count() > 1
    });
    signal(watch.pid(), Signal::HUP);
    watch.wait(LONG, "stats --watch after SIGHUP");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut watch.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}
