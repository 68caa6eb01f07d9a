//! Redis, or a worker, is away for longer than a lease: live workers keep what they hold.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

const LEASE: &str = "4s";
const LONG: Duration = Duration::from_secs(150);
/// Two and a half leases.
const AWAY: Duration = Duration::from_secs(10);
const QUEUES: [&str; 3] = ["qa", "qb", "qc"];

/// How long the fault lasts is what is tested.
fn last(since: Instant) {
    wait_until(LONG, "the fault has lasted", || since.elapsed() >= AWAY);
}

/// Two workers hold four long jobs of three queues while `fault` strikes.
fn strike(fault: impl FnOnce(&TestRedis)) {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 20");
    let mut ids = Vec::new();
    for queue in QUEUES {
        cli.keep_completed(queue);
        ids.extend((0..4).map(|_| cli.enqueue(queue, "1", &[])));
    }
    let concurrency = ["--concurrency", "6", "--lease", LEASE, "--exec", &program];
    let work = || cli.work(QUEUES.iter().chain(&concurrency));
    let mut workers = [work(), work()];
    ledger.wait("start", ids.len(), LONG);
    fault(&redis);
    ledger.wait("end", ids.len(), LONG);
    for queue in QUEUES {
        wait_until(LONG, "they are acknowledged", || cli.json(["stats", queue])["completed"] == 4);
        let totals = &cli.json(["stats", queue])["totals"];
        assert_eq!((&totals["recovered"], &totals["completed"]), (&0.into(), &4.into()), "{queue}: {totals}");
    }
    assert!(ledger.starts().values().all(|starts| *starts == 1), "{:?}", ledger.starts());
    for worker in &mut workers {
        assert_eq!(
            (worker.events("redis_lost").len(), worker.events("redis_back").len()),
            (1, 1),
            "{:?}",
            worker.log()
        );
        assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
        let odd: Vec<_> = worker.log().into_iter().filter(|line| !line.starts_with('{')).collect();
        assert!(odd.is_empty(), "a log of JSON lines holds nothing else: {odd:?}");
    }
}

#[test]
fn a_server_that_is_away_for_longer_than_a_lease_takes_no_live_workers_jobs() {
    strike(|redis| {
        redis.signal(Signal::STOP);
        last(Instant::now());
        redis.signal(Signal::CONT);
    });
}

#[test]
fn writes_that_are_refused_for_longer_than_a_lease_take_no_live_workers_jobs() {
    strike(|redis| {
        redis.query::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        last(Instant::now());
        redis.query::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    });
}

#[test]
fn r03_a_paused_worker_keeps_its_own_jobs_and_starts_none_of_them_twice() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 13");
    cli.keep_completed("q");
    let ids: Vec<_> = (0..4).map(|_| cli.enqueue("q", "1", &[])).collect();
    let mut worker = cli.work(["q", "--concurrency", "4", "--lease", LEASE, "--exec", &program]);
    ledger.wait("start", 4, LONG);
    worker.signal(Signal::STOP);
    last(Instant::now());
    worker.signal(Signal::CONT);
    ledger.wait("end", 4, LONG);
    wait_until(LONG, "they are acknowledged", || cli.json(["stats", "q"])["completed"] == 4);
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
    assert!(ledger.starts().values().all(|starts| *starts == 1), "{:?}", ledger.starts());
    assert_eq!(cli.json(["stats", "q"])["totals"]["recovered"], 0);
    Snapshot::of(&redis, "q").assert_conserves(&ids);
}

#[test]
fn an_acknowledgement_that_is_refused_is_repeated_and_the_job_not_run_again() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    let id = cli.enqueue("q", "1", &[]);
    let key = redis.key("q", "completed");
    redis.query::<()>(&["SET", &key, "of another type"]);
    let mut worker = cli.work(["q", "--lease", LEASE, "--exec", &program]);
    ledger.wait("end", 1, LONG);
    last(Instant::now());
    assert_eq!(ledger.starts()[&id], 1);
    redis.query::<()>(&["DEL", &key]);
    wait_until(LONG, "it is acknowledged", || cli.json(["stats", "q"])["completed"] == 1);
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
    assert_eq!(ledger.starts()[&id], 1);
}
