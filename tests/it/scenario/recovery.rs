//! How long recovery takes, what is lost and what runs twice, measured on real processes: the rows of the table in the
//! README. `make recovery` takes five runs of each and prints it; with every test each is run once and held to its promise.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failover::Producers;
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// What a busy machine may add to a promise.
const SLACK_MS: u64 = 2_500;
const QUEUE: &str = "q";
/// One job a producer in this time.
const PACE: Duration = Duration::from_millis(50);

/// What came of one run.
#[derive(Debug, Clone, Copy)]
struct Run {
    took_ms: u64,
    lost: usize,
    /// Starts beyond the first of each job.
    again: usize,
    jobs: usize,
}

fn runs() -> usize {
    std::env::var("RECOVERY_RUNS").map_or(1, |runs| runs.parse().expect("RECOVERY_RUNS is a number"))
}

/// Prints the row and holds it to the promise.
fn row(what: &str, until: &str, promise_ms: u64, runs: &[Run]) {
    let mut took: Vec<_> = runs.iter().map(|run| run.took_ms).collect();
    took.sort_unstable();
    let secs = |ms: u64| format!("{:.2} s", ms as f64 / 1000.0);
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    let sum = |of: fn(&Run) -> usize| runs.iter().map(of).sum::<usize>();
    // Behind the name of the test, which the runner has just begun a line with.
    println!(
        "\n| {what} | {until} | {} | {} | {} | {} of {} | {} |",
        secs(median),
        secs(worst),
        secs(promise_ms),
        sum(|run| run.lost),
        sum(|run| run.jobs),
        sum(|run| run.again)
    );
    assert!(worst <= promise_ms + SLACK_MS, "{what}: {worst} ms");
}

/// Starts beyond the first of each job.
fn again(ledger: &Ledger) -> usize {
    ledger.starts().values().map(|starts| starts - 1).sum()
}

/// Workers that are killed while each of their jobs would run for long; idle ones take over. All runs at once: they wait.
fn killed_worker(lease: &str, promise_ms: u64) {
    const HELD: usize = 4;
    let mut pairs = Vec::new();
    for _ in 0..runs() {
        let redis = TestRedis::start();
        let (cli, ledger) = (Cli::new(&redis), Ledger::new());
        cli.keep_completed(QUEUE);
        let program = ledger.program("test $IREVA_ATTEMPT != 1 || sleep 600");
        let work = || cli.work([QUEUE, "--concurrency", "4", "--lease", lease, "--exec", &program]).ready();
        let doomed = work();
        cli.enqueue_lines(QUEUE, (0..HELD).map(|n| format!(r#"{{"id":"{n}","payload":{n}}}"#)));
        ledger.wait("start", HELD, LONG);
        let heir = work();
        pairs.push((redis, cli, ledger, doomed, heir));
    }
    let mut measured = Vec::new();
    let mut kills = Vec::new();
    for (.., doomed, _) in &mut pairs {
        kills.push(now_ms());
        doomed.kill9();
    }
    for ((_, cli, ledger, _, heir), killed_ms) in pairs.iter_mut().zip(kills) {
        ledger.wait("end", HELD, LONG);
        let last = ledger.of("start").into_iter().map(|line| line.at_ms).max().unwrap();
        wait_until(LONG, "all are acknowledged", || cli.json(["stats", QUEUE])["completed"] == HELD);
        let lost = HELD - ledger.count("end").len();
        measured.push(Run { took_ms: last - killed_ms, lost, again: again(ledger), jobs: HELD });
        assert_eq!((lost, again(ledger)), (0, HELD), "what was interrupted runs again, once");
        assert_eq!(heir.stop(LONG), Some(0), "{:#?}", heir.log());
    }
    row(&format!("`kill -9` of a worker, lease {lease}"), "its jobs run again", promise_ms, &measured);
}

#[test]
fn recovery_of_a_killed_worker() {
    killed_worker("30s", 35_000);
}

#[test]
fn recovery_of_a_killed_worker_with_the_shortest_lease() {
    killed_worker("4s", 5_000);
}

/// Two workers and two producers on the server of `env`, until `fault` has struck and all that was confirmed since has
/// run. `fault` returns the moment from which the promise counts.
fn under_load(env: &[(String, String)], durable: bool, fault: impl FnOnce() -> u64) -> Run {
    let cli = env.iter().fold(Cli::bare(), |cli, (name, value)| cli.env(name, value));
    let ledger = Ledger::new();
    let program = ledger.program("sleep 0.05");
    let wait_for_replicas = if durable { "on" } else { "off" };
    cli.ok(["queues", "set", QUEUE, "--durable", wait_for_replicas]);
    let work = || cli.work([QUEUE, "--concurrency", "4", "--lease", "10s", "--exec", &program]).ready();
    let mut workers = [work(), work()];
    let producers = Producers::to(QUEUE, env, 2, PACE);
    producers.produce(40);
    ledger.wait("end", 20, LONG);
    let from_ms = fault();
    producers.produce(40);
    wait_until(LONG, "work resumes", || ledger.of("start").iter().any(|line| line.at_ms >= from_ms));
    let resumed = ledger.of("start").iter().map(|line| line.at_ms).filter(|at_ms| *at_ms >= from_ms).min();
    let confirmed = producers.stop();
    wait_until(LONG, "nothing is left in hand", || {
        let stats = cli.json(["stats", QUEUE]);
        stats["active"] == 0 && stats["pending"] == 0
    });
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    let ends: BTreeMap<_, _> = ledger.count("end");
    let lost = confirmed.iter().filter(|id| !ends.contains_key(*id)).count();
    Run { took_ms: resumed.unwrap() - from_ms, lost, again: again(&ledger), jobs: confirmed.len() }
}

/// A server that is killed under load and started again at once; counted from its first answer.
fn killed_server(fsync: &str) {
    let measured: Vec<_> = (0..runs())
        .map(|_| {
            let mut redis = TestRedis::builder().append_only().set(&format!("appendfsync {fsync}")).start();
            let env = redis.env();
            under_load(&env, false, || {
                redis.restart();
                now_ms()
            })
        })
        .collect();
    assert!(measured.iter().all(|run| run.lost == 0), "{measured:?}");
    row(
        &format!("`kill -9` of Redis, appendfsync {fsync}"),
        "work resumes, from Redis's first answer",
        5_000,
        &measured,
    );
}

#[test]
fn recovery_of_a_killed_server() {
    killed_server("everysec");
}

#[test]
fn recovery_of_a_killed_server_that_syncs_always() {
    killed_server("always");
}

fn killed_master(durable: bool) {
    let measured: Vec<_> = (0..runs())
        .map(|_| {
            let mut set = Sentinels::start();
            let env = set.env();
            under_load(&env, durable, || {
                set.kill_master();
                now_ms()
            })
        })
        .collect();
    assert!(!durable || measured.iter().all(|run| run.lost == 0), "{measured:?}");
    let how = if durable { "durable queue" } else { "queue not durable" };
    row(&format!("`kill -9` of a sentinel master, {how}"), "work resumes, from the election", 5_000, &measured);
}

#[test]
fn recovery_of_a_killed_master() {
    killed_master(false);
}

#[test]
fn recovery_of_a_killed_master_of_a_durable_queue() {
    killed_master(true);
}
