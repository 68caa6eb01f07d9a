//! Workers that die or fall silent: what they held runs again, once more and no oftener.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

const LEASE: &str = "4s";
/// Lease 4 s and a look every second, a slot that frees itself within a second, and slack for a busy machine.
const RECOVERY_MS: u64 = 5_000 + 1_000 + 2_500;
const LONG: Duration = Duration::from_secs(150);

#[test]
fn r01_a_killed_workers_jobs_run_again() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 1");
    cli.keep_completed("q");
    cli.enqueue_lines("q", (0..200).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let work = ["q", "--concurrency", "8", "--lease", LEASE, "--until-empty", "--exec", &program];

    let mut first = cli.work(work);
    ledger.wait("end", 32, LONG);
    first.kill9();
    let killed_ms = now_ms();
    let in_hand: Vec<String> = redis.query(&["HKEYS", &redis.key("q", "active")]);
    let mut second = cli.work(work);
    let done = || cli.json(["stats", "q"])["completed"] == 200;
    wait_until(LONG, "all 200 are done", done);
    assert_eq!(second.wait(LONG), Some(0));

    let twice: Vec<_> = ledger.starts().into_iter().filter(|(_, starts)| *starts > 1).collect();
    // What had ended, and whose end the worker had yet to tell, runs again as well.
    let ends = ledger.of("end");
    let ended = |id: &String| ends.iter().any(|end| end.id == *id && end.attempt == 1 && end.at_ms <= killed_ms);
    let interrupted = twice.iter().filter(|(id, _)| !ended(id)).count();
    assert!((1..=8).contains(&interrupted), "{interrupted} of {twice:?}");
    assert!(twice.iter().all(|(id, starts)| *starts == 2 && in_hand.contains(id)), "{twice:?} of {in_hand:?}");
    for line in ledger.of("start").iter().filter(|line| line.attempt == 2) {
        assert!(line.at_ms - killed_ms <= RECOVERY_MS, "{} came back after {} ms", line.id, line.at_ms - killed_ms);
    }
    for (id, _) in &twice {
        let details = cli.json(["jobs", "show", id]);
        assert_eq!((&details["crashes"], &details["failed"]), (&1.into(), &0.into()), "{details}");
    }
    let stats = cli.json(["stats", "q"]);
    assert_eq!((&stats["totals"]["completed"], &stats["totals"]["failed"]), (&200.into(), &0.into()));
    let accepted: Vec<_> = (0..200).map(|n| format!("job-{n}")).collect();
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn r03_a_stopped_worker_loses_its_job_and_cannot_complete_it() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 16");
    cli.keep_completed("q");
    let id = cli.enqueue("q", "1", &[]);
    let work = ["q", "--concurrency", "1", "--lease", LEASE, "--exec", &program];

    let mut stalled = cli.work(work).ready();
    ledger.wait("start", 1, LONG);
    let mut heir = cli.work(work).ready();
    stalled.signal(Signal::STOP);
    let paused = Instant::now();
    ledger.wait("start", 2, LONG);
    wait_until(LONG, "it was paused for two and a half leases", || paused.elapsed() >= Duration::from_secs(10));
    stalled.signal(Signal::CONT);
    stalled.wait_event("lease_lost");

    let starts = ledger.of("start");
    assert!(starts[1].fence > starts[0].fence, "fences rise: {starts:?}");
    assert_eq!((starts[0].attempt, starts[1].attempt), (1, 2));
    ledger.wait("end", 1, LONG);
    wait_until(LONG, "it is completed", || cli.json(["stats", "q"])["completed"] == 1);
    assert_eq!((stalled.stop(LONG), heir.stop(LONG)), (Some(0), Some(0)));

    let ends = ledger.of("end");
    assert_eq!((ends.len(), ends[0].attempt), (1, 2), "the stalled worker's processor was cancelled: {ends:?}");
    let totals = &cli.json(["stats", "q"])["totals"];
    assert_eq!((&totals["completed"], &totals["recovered"], &totals["failed"]), (&1.into(), &1.into(), &0.into()));
    Snapshot::of(&redis, "q").assert_conserves([&id]);
}

/// Whether a request is the recovery's own: the script that may end claims for good and knows nothing of delays.
fn is_recovery(request: &Request) -> bool {
    let names = |suffix: &str| request.words.iter().any(|word| word.ends_with(suffix.as_bytes()));
    names("}:workers") && names("}:crashes") && names("}:cancelled") && !names("}:scheduled")
}

#[test]
fn a_lost_reply_to_a_recovery_loses_no_job() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("test $IREVA_ATTEMPT != 1 || sleep 60");
    cli.keep_completed("q");
    let ids: Vec<_> = (0..4).map(|n| format!("job-{n}")).collect();
    cli.enqueue_lines("q", ids.iter().map(|id| format!(r#"{{"id":"{id}","payload":1}}"#)));
    let work = ["q", "--concurrency", "4", "--lease", LEASE, "--exec", &program];

    let mut first = cli.work(work);
    ledger.wait("start", 4, LONG);
    first.kill9();
    // The server recovers them, and the one that asked for it never hears of that. The first call is answered that the
    // server does not know the script yet; the second is the one that counts.
    let asked = std::sync::atomic::AtomicU64::new(0);
    let proxy = Proxy::start(&redis, move |request| {
        let second = is_recovery(request) && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1;
        if second { Fault::DropReply } else { Fault::None }
    });
    let mut second = cli.clone().env("REDIS_PORT", proxy.port().to_string()).work(work);
    wait_until(Duration::from_millis(3 * RECOVERY_MS), "all four run again and end", || {
        cli.json(["stats", "q"])["completed"] == 4
    });
    assert_eq!((proxy.faults(), second.stop(LONG)), (1, Some(0)));
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_eq!(cli.json(["stats", "q"])["totals"]["recovered"], 4);
}

#[test]
fn r04_a_job_that_kills_its_worker_is_buried_at_its_third_crash_and_alone() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    // Of the worker itself, as an abort or a segmentation fault would.
    let program = ledger.program("case $payload in *poison*) kill -9 $PPID; sleep 1; exit 1;; esac; sleep 0.05");
    cli.keep_completed("q");
    let payload = |n| if n == 10 { r#""poison""#.to_owned() } else { format!("{n}") };
    cli.enqueue_lines("q", (0..101).map(|n| format!(r#"{{"id":"job-{n}","payload":{}}}"#, payload(n))));
    let work = ["q", "--concurrency", "4", "--lease", LEASE, "--exec", &program];

    let mut worker = cli.work(work);
    wait_until(LONG, "the poison is buried and the rest is done", || {
        if worker.ended().is_some() {
            worker = cli.work(work);
        }
        let stats = cli.json(["stats", "q"]);
        stats["dead"] == 1 && stats["completed"] == 100
    });
    assert_eq!(worker.stop(LONG), Some(0));

    assert_eq!(ledger.starts()["job-10"], 3);
    let letters = cli.json(["dlq", "list", "q"]);
    let letter = &letters[0];
    assert_eq!((&letter["id"], &letter["code"]), (&"job-10".into(), &"crash_loop".into()), "{letter}");
    let accepted: Vec<_> = (0..101).map(|n| format!("job-{n}")).collect();
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
}

#[test]
fn r04_the_history_of_a_poison_job_among_a_thousand_names_what_was_known_of_each_crash() {
    const GOOD: usize = 1_000;
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    // It waits for a sign, so that what it said has been stored and others run beside it.
    let sign = ledger.directory().join("go").display().to_string();
    let program = ledger.program(&format!(
        "case $payload in *poison*) echo \"attempt $IREVA_ATTEMPT goes wrong\" >&2; \
         until test -e {sign}-$IREVA_ATTEMPT; do sleep 0.02; done; kill -9 $PPID; sleep 1; exit 1;; esac; sleep 0.05"
    ));
    cli.keep_completed("q");
    let payload = |n| if n == 10 { r#""poison""#.to_owned() } else { format!("{n}") };
    cli.enqueue_lines("q", (0..=GOOD).map(|n| format!(r#"{{"id":"job-{n}","payload":{}}}"#, payload(n))));
    let work = ["q", "--concurrency", "8", "--lease", LEASE, "--exec", &program];
    let said = |attempt: usize| {
        let log: Option<String> = redis.query(&["GET", &redis.key("q", "log:job-10")]);
        log.is_some_and(|log| log.contains(&format!("attempt {attempt} goes wrong")))
    };

    let (mut worker, mut attempt) = (cli.work(work), 1);
    wait_until(LONG, "the poison is buried and the rest is done", || {
        if worker.ended().is_some() {
            worker = cli.work(work);
        }
        if said(attempt) {
            std::fs::write(format!("{sign}-{attempt}"), "").unwrap();
            attempt += 1;
        }
        let stats = cli.json(["stats", "q"]);
        stats["dead"] == 1 && stats["completed"] == GOOD
    });
    assert_eq!(worker.stop(LONG), Some(0));

    assert_eq!(ledger.starts()["job-10"], 3);
    let letter = cli.json(["dlq", "show", "q", "job-10"]);
    let crashed = letter["crashed"].as_array().unwrap_or_else(|| panic!("{letter}"));
    assert_eq!((crashed.len(), &letter["crashes"]), (3, &3.into()), "{letter}");
    for (n, crash) in crashed.iter().enumerate() {
        assert_eq!((&crash["code"], &crash["attempt"]), (&"worker_silent".into(), &(n + 1).into()), "{crash}");
        let log = crash["log"].as_str().unwrap();
        assert!(log.lines().last().unwrap().contains(&format!("attempt {} goes wrong", n + 1)), "{crash}");
    }
    let beside = crashed[0]["beside"].as_array().unwrap_or_else(|| panic!("{letter}"));
    assert!((1..=20).contains(&beside.len()) && !beside.contains(&"job-10".into()), "{letter}");
    assert!(crashed[2]["alone"] == true && crashed[2].get("beside").is_none(), "{letter}");
    let shown = cli.ok(["dlq", "show", "q", "job-10", "-o", "table"]);
    for part in ["its worker died or fell silent; beside it: job-", "it was handed out alone", "  | "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let why = cli.ok(["explain", "job-10", "-o", "json"]);
    assert!(why.contains("where it ran alone; it said last: ") && why.contains("attempt 3 goes wrong"), "{why}");
    let accepted: Vec<_> = (0..=GOOD).map(|n| format!("job-{n}")).collect();
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
}

#[test]
fn r05_a_delivery_before_the_crash_is_repeated_once_under_the_same_key() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("note delivered; test $IREVA_ATTEMPT != 1 || { kill -9 $PPID; sleep 1; }");
    cli.keep_completed("q");
    let id = cli.enqueue("q", "1", &[]);
    let work = ["q", "--concurrency", "2", "--lease", LEASE, "--exec", &program];

    let mut first = cli.work(work);
    assert_eq!(first.wait(LONG), None, "it was killed by its job");
    let _second = cli.work(work);
    wait_until(LONG, "it is completed", || cli.json(["stats", "q"])["completed"] == 1);
    assert_eq!(ledger.count("delivered").into_iter().collect::<Vec<_>>(), [(id.clone(), 2)]);
    Snapshot::of(&redis, "q").assert_conserves([&id]);
}
