//! The way to Redis is slow, cut, or loses answers: calls end in time, and no job is lost, doubled or left lying.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ireva_queue::NewJob;
use rustix::process::Signal;

use crate::ops_seed::{client, id, name, run};
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
const FLAGS: [&str; 4] = ["--concurrency", "4", "--lease", "4s"];
/// How long a server is held up.
const HELD_UP: Duration = Duration::from_secs(5);
/// A command ends after five seconds; the two are granted by R13.
const ENDS_WITHIN: Duration = Duration::from_secs(7);
/// What a busy machine may add to a promise.
const SLACK_MS: u64 = 1_500;

/// Producers of both kinds and workers, while the server is held up for five seconds.
fn hold_up(fault: impl FnOnce(&TestRedis)) {
    let redis = TestRedis::start();
    let mut load = Load::start(&Cli::new(&redis), 2, &FLAGS, "sleep 0.05");
    load.produce(&redis, 1);
    load.wait_confirmed(20);
    // A producer that uses the library: each call ends in time, and is repeated with the same job.
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, queue) = (stop.clone(), client(&redis).queue(name(QUEUE)));
    let mut task = None;
    run(async {
        task = Some(tokio::spawn(async move {
            let (mut confirmed, mut slowest) = (BTreeSet::new(), Duration::ZERO);
            for n in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let job = NewJob::new(&1).unwrap().id(id(&format!("lib-{n}")));
                loop {
                    let began = Instant::now();
                    let outcome = queue.enqueue(job.clone()).await;
                    slowest = slowest.max(began.elapsed());
                    match outcome {
                        Ok(_) => break,
                        Err(error) => assert!(error.is_transient(), "{error:?}"),
                    }
                }
                confirmed.insert(format!("lib-{n}"));
                // A pace that the workers keep up with.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (confirmed, slowest)
        }));
    });

    fault(&redis);
    let before = load.told().confirmed.len();
    load.wait_confirmed(before + 20);
    stop.store(true, Ordering::SeqCst);
    let (confirmed, slowest) = run(task.unwrap()).unwrap();
    let mut told = load.drain(&redis);
    told.confirmed.extend(confirmed);
    wait_until(LONG, "the library's jobs have ended, too", || {
        redis.query::<usize>(&["ZCARD", &redis.key(QUEUE, "completed")]) == told.confirmed.len()
    });
    eprintln!("{} failed, the slowest took {:?} and {slowest:?}", told.failed.len(), told.slowest);
    assert!(told.slowest > Duration::from_secs(2) || slowest > Duration::from_secs(2), "the fault was felt");
    assert!(told.slowest < ENDS_WITHIN && slowest < ENDS_WITHIN, "{:?} and {slowest:?}", told.slowest);
    for output in &told.failed {
        let says = ["outcome is unknown", "did not answer", "no answer", "no connection in time"];
        assert!(matches!(output.code, Some(69 | 75)), "{output:?}");
        assert!(says.iter().any(|words| output.stderr.contains(words)), "{}", output.stderr);
    }
    assert_eq!(load.repeats(), 0, "a lease outlasts it");
    load.close(&redis, &told);
}

#[test]
fn r13_a_stopped_server_holds_up_no_command_for_longer_than_its_time() {
    hold_up(|redis| {
        redis.signal(Signal::STOP);
        last(HELD_UP);
        redis.signal(Signal::CONT);
    });
}

#[test]
fn r13_a_sleeping_server_holds_up_no_command_for_longer_than_its_time() {
    hold_up(|redis| redis.query::<()>(&["DEBUG", "SLEEP", "5"]));
}

#[test]
fn r13_a_paused_server_holds_up_no_command_for_longer_than_its_time() {
    hold_up(|redis| {
        redis.query::<()>(&["CLIENT", "PAUSE", "5000", "ALL"]);
        last(HELD_UP);
    });
}

#[test]
fn r14_every_tenth_reply_is_lost_and_each_id_has_one_job() {
    let redis = TestRedis::start();
    // Every tenth of all, and every tenth of those that change something: each command asks the same number of questions,
    // so that the tenth may always be the same one.
    let (changes, lost) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let counted = lost.clone();
    let proxy = Proxy::start(&redis, move |request| {
        let tenth_change = request.verb() == "EVALSHA" && changes.fetch_add(1, Ordering::SeqCst) % 10 == 9;
        counted.fetch_add(u64::from(tenth_change), Ordering::SeqCst);
        if tenth_change || request.number.is_multiple_of(10) { Fault::DropReply } else { Fault::None }
    });
    let cli = Cli::new(&redis).env("REDIS_PORT", proxy.port().to_string());
    let count = if is_full_length() { 1_000 } else { 50 };
    let ids: Vec<_> = (0..count).map(|n| format!("job-{n}")).collect();
    for id in &ids {
        // Where its reply was lost, the command itself asks again.
        let output = cli.run(["enqueue", "-q", "q", "1", "--id", id]).expect(0);
        assert_eq!(output.stdout.trim(), id);
    }
    let lost = lost.load(Ordering::SeqCst);
    assert!(proxy.faults() > lost && lost >= count / 10, "{} replies were lost, {lost} to changes", proxy.faults());
    let snapshot = Snapshot::of(&redis, "q");
    snapshot.assert_conserves(&ids);
    for id in ids.iter().take(20) {
        assert_eq!(cli.json(["enqueue", "-q", "q", "1", "--id", id])["duplicate"], true, "{id}");
    }
    assert_eq!(Snapshot::of(&redis, "q").states, snapshot.states);
    assert_balanced(&redis, &Cli::new(&redis), "q");
}

#[test]
fn r15_a_worker_that_was_cut_off_is_replaced_and_cannot_acknowledge() {
    let redis = TestRedis::start();
    let proxy = Proxy::start(&redis, |_| Fault::None);
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    // The second attempt runs until the first one's acknowledgement has been refused.
    let go_on = ledger.directory().join("go-on");
    let wait = format!("until test -e {}; do sleep 0.1; done", go_on.display());
    let program = ledger.program(&format!("case $payload$IREVA_ATTEMPT in 11) sleep 6;; 12) {wait};; esac"));
    cli.keep_completed("q");
    let id = cli.enqueue("q", "1", &[]);
    let work = ["q", "--concurrency", "1", "--lease", "4s", "--exec", &program];
    let mut cut_off = cli.clone().env("REDIS_PORT", proxy.port().to_string()).work(work).ready();
    ledger.wait("start", 1, LONG);
    let mut heir = cli.work(work).ready();

    proxy.cut();
    let (cut, cut_ms) = (Instant::now(), now_ms());
    let noticed_ms = cut_off.wait_event_ms("redis_lost") - cut_ms;
    assert!(noticed_ms < 10_000, "it noticed after {noticed_ms} ms");
    // Two leases and a little: the job ends here, too, before the way is open again.
    ledger.wait("end", 1, LONG);
    ledger.wait("start", 2, LONG);
    wait_until(LONG, "the way was cut for two leases", || cut.elapsed() >= Duration::from_secs(9));
    proxy.mend();
    let mended_ms = now_ms();
    let back_ms = cut_off.wait_event_ms("redis_back") - mended_ms;
    assert!(back_ms < 5_000 + SLACK_MS, "back after {back_ms} ms");
    cut_off.wait_event("lease_lost");
    assert_eq!(cli.json(["stats", "q"])["totals"]["completed"], 0, "its acknowledgement was refused");
    std::fs::write(&go_on, "").unwrap();
    wait_until(LONG, "the other completes it", || cli.json(["stats", "q"])["completed"] == 1);

    let starts = ledger.of("start");
    assert_eq!(starts.iter().map(|line| line.attempt).collect::<Vec<_>>(), [1, 2], "{starts:?}");
    assert!(starts[0].fence < starts[1].fence);
    let totals = &cli.json(["stats", "q"])["totals"];
    assert_eq!((&totals["completed"], &totals["recovered"]), (&1.into(), &1.into()), "{totals}");
    assert!(cut_off.events("completed").is_empty(), "{:?}", cut_off.log());
    // It takes jobs again.
    assert_eq!(heir.stop(LONG), Some(0));
    let next = cli.enqueue("q", "2", &["--attempts", "1"]);
    wait_until(LONG, "the next job is done by who was cut off", || cli.json(["stats", "q"])["completed"] == 2);
    assert_eq!(cut_off.stop(LONG), Some(0), "{:?}", cut_off.log());
    Snapshot::of(&redis, "q").assert_conserves([&id, &next]);
    assert_balanced(&redis, &cli, "q");
}

/// The connections of the server that are not `own`: their ids.
fn others(redis: &TestRedis, own: &BTreeSet<u64>) -> Vec<u64> {
    let list: String = redis.query(&["CLIENT", "LIST"]);
    let ids = list.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok());
    ids.filter(|id| !own.contains(id)).collect()
}

/// How often anybody has connected, or tried to.
fn connections(redis: &TestRedis) -> u64 {
    let info: redis::InfoDict = redis.query(&["INFO", "stats"]);
    ["total_connections_received", "rejected_connections"].iter().map(|what| info.get::<u64>(what).unwrap()).sum()
}

#[test]
fn r16_a_server_without_room_is_asked_at_a_bounded_pace_until_it_has_some() {
    const WORKERS: u64 = 4;
    let redis = TestRedis::start();
    // Command, heartbeat and wake-up, and none per job; the fourth is that of a moment.
    let per_worker = 4;
    let load = Load::start(&Cli::new(&redis), WORKERS as usize, &["--concurrency", "32"], "sleep 0.2");
    load.cli.enqueue_lines(QUEUE, (0..200).map(|n| format!(r#"{{"id":"a-{n}","payload":1}}"#)));
    load.ledger.wait("start", 100, LONG);
    let mut own = BTreeSet::from([redis.query::<u64>(&["CLIENT", "ID"])]);
    let open = others(&redis, &own).len() as u64;
    assert!(open <= WORKERS * per_worker, "{open} connections of {WORKERS} workers with 32 slots each");

    // Two places are left for twelve connections.
    let mut idle: Vec<_> = (0..17).map(|_| redis.connect().unwrap()).collect();
    own.extend(idle.iter_mut().map(|connection| redis::cmd("CLIENT").arg("ID").query::<u64>(connection).unwrap()));
    redis.query::<()>(&["CONFIG", "SET", "maxclients", "20"]);
    for other in others(&redis, &own) {
        let _ = redis.try_query::<()>(&["CLIENT", "KILL", "ID", &other.to_string()]);
    }
    let (began, before) = (Instant::now(), connections(&redis));
    let taken = || others(&redis, &own).len() == 2;
    wait_until(LONG, "the last places are taken", taken);
    let refused = wait_for(LONG, "a command finds no place", || {
        Some(load.cli.run(["stats", QUEUE])).filter(|output| output.code != Some(0))
    });
    let refused = refused.expect(75);
    assert!(refused.stderr.contains("max number of clients reached"), "{}", refused.stderr);
    wait_until(LONG, "it lasted", || began.elapsed() >= length(5, 30));
    let tried = connections(&redis) - before;
    let per_second = tried as f64 / began.elapsed().as_secs_f64() / WORKERS as f64;
    eprintln!("{per_second:.1} connections a second and worker");
    assert!(per_second < 5.0, "{tried} connections in {:?}", began.elapsed());

    redis.query::<()>(&["CONFIG", "SET", "maxclients", "10000"]);
    let restored_ms = now_ms();
    load.cli.enqueue_lines(QUEUE, (0..200).map(|n| format!(r#"{{"id":"b-{n}","payload":1}}"#)));
    let done = || redis.query::<usize>(&["ZCARD", &redis.key(QUEUE, "completed")]) == 400;
    wait_until(LONG, "all are done", done);
    let first = load.ledger.of("start").iter().filter(|line| line.id.starts_with('b')).map(|line| line.at_ms).min();
    assert!(first.unwrap() - restored_ms < 5_000 + SLACK_MS, "{} ms", first.unwrap() - restored_ms);
    for worker in &load.workers {
        assert!(worker.events("alert").len() <= 60, "a flood: {:?}", worker.events("alert").len());
    }
    let confirmed = (0..200).flat_map(|n| [format!("a-{n}"), format!("b-{n}")]).collect();
    assert_eq!(load.repeats(), 0);
    load.close(&redis, &Told { confirmed, ..Told::default() });
}

#[test]
fn r17_an_idle_worker_outlives_limits_on_idle_connections() {
    let redis = TestRedis::start();
    let proxy = Proxy::start(&redis, |_| Fault::None);
    let cli = Cli::new(&redis);
    cli.keep_completed("q");
    let ledger = Ledger::new();
    let program = ledger.program("");
    let work = ["q", "--concurrency", "2", "--exec", &program];
    let mut worker = cli.clone().env("REDIS_PORT", proxy.port().to_string()).work(work).ready();
    let mut count = 0;
    let mut starts_soon = |why: &str| {
        count += 1;
        let pushed_ms = now_ms();
        cli.enqueue("q", "1", &[]);
        ledger.wait("start", count, LONG);
        let late = ledger.of("start")[count - 1].at_ms - pushed_ms;
        assert!(late <= 2_000 + SLACK_MS, "{why}: it started {late} ms after the push");
    };
    redis.query::<()>(&["CONFIG", "SET", "timeout", "2"]);
    last(length(5, 10));
    starts_soon("the server closes what is idle for two seconds");
    // The server has closed the test's own connection, too.
    wait_until(LONG, "the limit is lifted", || redis.try_query::<()>(&["CONFIG", "SET", "timeout", "0"]).is_ok());
    // A wait for a token is the longest silence, five seconds.
    proxy.forget_idle(length(6, 30));
    last(length(8, 40));
    starts_soon("a box on the way forgets idle flows");
    assert_eq!(worker.events("alert").len() + worker.events("redis_lost").len(), 0, "{:?}", worker.log());
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
}
