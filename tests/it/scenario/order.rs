//! Priorities, limits and pauses: in what order, how many at once, how fast, and not at all.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::*;

const LONG: Duration = Duration::from_secs(150);
const LEVELS: [&str; 3] = ["high", "normal", "low"];

#[test]
fn r35_higher_priorities_go_first_and_equals_in_their_order() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    // Only the id, without a clock: three thousand shells are slow enough.
    let order = ledger.directory().join("order");
    let program = ledger.write("note", &format!("#!/bin/sh\necho $IREVA_JOB_ID >> '{}'\n", order.display()));
    let line =
        |n: usize| format!(r#"{{"id":"{}-{n:04}","payload":{n},"priority":"{}"}}"#, LEVELS[n % 3], LEVELS[n % 3]);
    cli.enqueue_lines("q", (0..3_000).map(line));
    let mut worker = cli.work(["q", "--concurrency", "1", "--until-empty", "--exec", &program]);
    assert_eq!(worker.wait(LONG), Some(0));

    let ran: Vec<_> = fs::read_to_string(order).unwrap().lines().map(str::to_owned).collect();
    let level = |level: usize| (0..3_000).filter(move |n| n % 3 == level).map(|n| format!("{}-{n:04}", LEVELS[n % 3]));
    let expected: Vec<_> = level(0).chain(level(1)).chain(level(2)).collect();
    let wrong = ran.iter().zip(&expected).position(|(ran, expected)| ran != expected);
    assert_eq!((ran.len(), wrong), (3_000, None));
}

#[test]
fn r35_with_aging_a_low_job_overtakes_high_ones_that_came_so_much_later() {
    const SPAN_MS: u64 = 500;
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 0.02");
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--priority-mode", "aging:500ms"]);
    cli.enqueue_lines("q", (0..40).map(|n| format!(r#"{{"id":"first-{n}","payload":1,"priority":"high"}}"#)));
    cli.enqueue("q", "1", &["--priority", "low", "--id", "low"]);
    let mut worker = cli.work(["q", "--concurrency", "1", "--exec", &program]).ready();
    // More high jobs than the worker can do, for as long as the low one waits.
    let mut wave = 0;
    wait_until(LONG, "the low job starts under load", || {
        wave += 1;
        let line = |n| format!(r#"{{"id":"wave-{wave}-{n}","payload":1,"priority":"high"}}"#);
        cli.enqueue_lines("q", (0..20).map(line));
        ledger.starts().contains_key("low")
    });
    assert_eq!(worker.stop(LONG), Some(0));

    let arrival_ms = |id: &str| {
        let record: String = redis.query(&["HGET", &redis.key("q", "jobs"), id]);
        record[..record.find('{').unwrap()].parse::<u64>().unwrap() / 1_000
    };
    // Low is two levels below high, so it goes before every high job that came two spans later than it.
    let mut claims = ledger.of("start");
    claims.sort_by_key(|line| line.fence);
    let place = claims.iter().position(|line| line.id == "low").unwrap();
    let bound_ms = arrival_ms("low") + 2 * SPAN_MS;
    assert!(claims[..place].iter().all(|line| arrival_ms(&line.id) <= bound_ms), "overtaken by later high jobs");
    let snapshot = Snapshot::of(&redis, "q");
    assert!(snapshot.count("pending") > 0, "high jobs were still waiting when it started");
}

#[test]
fn r36_a_queue_wide_limit_holds_over_workers_and_survives_one() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 0.4");
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--concurrency", "3"]);
    cli.enqueue_lines("q", (0..120).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let work = ["q", "--concurrency", "8", "--lease", "4s", "--exec", &program];
    let mut workers: Vec<_> = (0..4).map(|_| cli.work(work)).collect();
    ledger.wait("end", 20, LONG);
    // Whoever holds a slot by what Redis says, and holds it still when it can say nothing more.
    let holds = |worker: &WorkProcess| {
        let claims: Vec<String> = redis.query(&["HVALS", &redis.key("q", "active")]);
        claims.iter().any(|claim| claim.contains(&format!("-{}-", worker.pid())))
    };
    let holder = wait_for(LONG, "a slot is held", || {
        let holder = workers.iter().position(holds)?;
        workers[holder].signal(Signal::STOP);
        // What it had sent before is executed by the time that these are answered.
        for _ in 0..10 {
            redis.query::<u64>(&["DBSIZE"]);
        }
        let still = holds(&workers[holder]);
        if !still {
            workers[holder].signal(Signal::CONT);
        }
        still.then_some(holder)
    });
    workers[holder].kill9();
    let killed_ms = now_ms();
    wait_until(LONG, "all are done", || cli.json(["stats", "q"])["completed"] == 120);
    for (index, mut worker) in workers.into_iter().enumerate() {
        assert!(index == holder || worker.stop(LONG) == Some(0));
    }

    // The processor of the killed worker may run on as an orphan; its slot stays taken for longer than it runs.
    assert_eq!(ledger.most_at_once(Duration::from_millis(500)), 3);
    let last = ledger.of("start").into_iter().filter(|line| line.attempt == 2).map(|line| line.at_ms).max();
    assert!(last.is_some_and(|at| at - killed_ms < 5_000 + 1_000 + 2_500), "its jobs and slots came back: {last:?}");
    let accepted: Vec<_> = (0..120).map(|n| format!("job-{n}")).collect();
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
}

#[test]
fn r37_a_rate_holds_over_workers_and_a_restart_of_redis() {
    let mut redis = TestRedis::builder().append_only().start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--rate", "10/s"]);
    cli.enqueue_lines("q", (0..300).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let work = ["q", "--concurrency", "4", "--lease", "4s", "--exec", &program];
    let mut workers: Vec<_> = (0..3).map(|_| cli.work(work)).collect();
    ledger.wait("start", 150, LONG);
    redis.restart();
    let back_ms = now_ms();
    wait_until(LONG, "all are done", || cli.json(["stats", "q"])["completed"] == 300);
    workers.iter_mut().for_each(|worker| assert_eq!(worker.stop(LONG), Some(0)));

    // By the instants of the claims: ten a second, and the burst of one on top.
    let most = ledger.most_claims_within(Duration::from_secs(1));
    assert!(most <= 10 + 1, "{most} starts in a second");
    let claims = ledger.of("start");
    let (first, last) = (claims[0].fence, claims.iter().map(|line| line.fence).max().unwrap());
    assert!(last - first >= 29_000_000, "300 jobs take 30 s at least");
    // No stall: from the restart on, the rest comes at the rate after at most 5 s.
    let after = claims.iter().filter(|line| line.at_ms > back_ms).count() as u64;
    let took_ms = last / 1_000 - back_ms;
    assert!(took_ms <= after * 100 + 5_000 + 2_500, "{after} jobs took {took_ms} ms");
}

#[test]
fn r38_a_paused_queue_starts_nothing_and_leaves_the_others_alone() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let other = cli.clone().env("QUEUE_PREFIX", "p2:");
    let program = ledger.program("");
    let mut worker = cli.work(["a", "b", "--concurrency", "2", "--exec", &program]).ready();
    let mut elsewhere = other.work(["a", "--concurrency", "2", "--exec", &program]).ready();
    let enqueue = |cli: &Cli, queue: &str, id: &str, options: &[&str]| {
        cli.enqueue(queue, "1", &[&["--id", id], options].concat());
    };
    cli.ok(["queues", "pause", "a"]);
    enqueue(&cli, "a", "a-late", &["--delay", "300ms"]);
    (0..5).for_each(|n| enqueue(&cli, "a", &format!("a-{n}"), &[]));
    (0..5).for_each(|n| enqueue(&cli, "b", &format!("b-{n}"), &[]));
    (0..5).for_each(|n| enqueue(&other, "a", &format!("p2-{n}"), &[]));
    ledger.wait("end", 10, LONG);
    wait_until(LONG, "the delayed job is promoted", || {
        let stats = cli.json(["stats", "a"]);
        stats["scheduled"] == 0 && stats["pending"] == 6
    });
    assert_eq!(cli.json(["stats", "a"])["paused"], true);
    let ran: Vec<_> = ledger.starts().into_keys().collect();
    assert!(ran.iter().all(|id| !id.starts_with("a-")), "started while paused: {ran:?}");

    cli.ok(["queues", "resume", "a"]);
    ledger.wait("end", 16, LONG);
    let mut claims: Vec<_> = ledger.of("start").into_iter().filter(|line| line.id.starts_with("a-")).collect();
    claims.sort_by_key(|line| line.fence);
    let order: Vec<_> = claims.iter().map(|line| line.id.as_str()).collect();
    let plain: Vec<_> = order.iter().copied().filter(|id| *id != "a-late").collect();
    assert_eq!(plain, ["a-0", "a-1", "a-2", "a-3", "a-4"], "in their order: {order:?}");
    assert_eq!((worker.stop(LONG), elsewhere.stop(LONG)), (Some(0), Some(0)));
}
