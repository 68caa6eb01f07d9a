//! A Redis that dies: with its append-only file it comes back whole, without it comes back empty, and workers go on.

use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
const FLAGS: [&str; 4] = ["--concurrency", "4", "--lease", "4s"];
/// Five seconds are promised; the rest is the slack of a busy machine.
const BACK_MS: u64 = 5_000 + 2_500;

/// Fills another database, which loads slowly, so that the server says for a while that it is loading.
fn fill(redis: &TestRedis) {
    let (keys, bytes) = if is_full_length() { ("200000", "1000") } else { ("20000", "100") };
    let mut connection = redis.connect().unwrap();
    let mut ask =
        |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection).unwrap();
    ask(&["SELECT", "1"]);
    ask(&["DEBUG", "POPULATE", keys, "pad", bytes]);
    ask(&["BGREWRITEAOF"]);
    wait_until(LONG, "the file is written anew", || {
        let info: redis::InfoDict = redis.query(&["INFO", "persistence"]);
        info.get::<u8>("aof_rewrite_in_progress") == Some(0) && info.get::<u8>("aof_rewrite_scheduled") == Some(0)
    });
}

#[test]
fn r09_a_killed_redis_loses_nothing_that_it_confirmed_and_everybody_comes_back() {
    // Loading is slow by a setting, so that it is seen on any machine: about two seconds.
    let delay = if is_full_length() { "key-load-delay 10" } else { "key-load-delay 100" };
    let settings = TestRedis::builder().append_only().set(delay).set("loading-process-events-interval-bytes 2048");
    let mut redis = settings.start();
    fill(&redis);
    let mut load = Load::start(&Cli::new(&redis), 4, &FLAGS, "sleep 0.05");
    load.produce(&redis, 4);
    load.wait_confirmed(40);

    let before = load.told().confirmed;
    redis.kill9();
    last(length(2, 3));
    redis.restart();
    let loaded_ms = now_ms();
    let held: std::collections::BTreeSet<String> = redis.query(&["HKEYS", &redis.key(QUEUE, "jobs")]);
    let lost: Vec<_> = before.difference(&held).collect();
    assert!(lost.is_empty(), "confirmed before the kill and gone: {lost:?}");
    let resumed = wait_for(LONG, "jobs start again", || {
        load.ledger.of("start").iter().map(|line| line.at_ms).find(|at| *at > loaded_ms)
    });
    assert!(resumed - loaded_ms <= BACK_MS, "the first start came {} ms after loading", resumed - loaded_ms);
    load.wait_confirmed(before.len() + 40);
    let told = load.drain(&redis);

    let said: Vec<_> = told.failed.iter().map(|output| output.stderr.trim()).collect();
    assert!(told.failed.iter().all(|output| matches!(output.code, Some(69 | 75))), "{:?}", told.failed);
    assert!(told.slowest < Duration::from_secs(7), "{:?}", told.slowest);
    assert!(said.iter().any(|said| said.contains("connection refused")), "while it is down: {said:?}");
    assert!(said.iter().any(|said| said.contains("LOADING")), "while it loads: {said:?}");
    let repeats = load.repeats();
    eprintln!("{} jobs, {repeats} repeated, back after {} ms", told.confirmed.len(), resumed - loaded_ms);
    assert!(repeats <= 16, "{repeats} repeats, 16 were in flight");
    let mut connection = redis.connect().unwrap();
    redis::cmd("SELECT").arg(1).exec(&mut connection).unwrap();
    redis::cmd("FLUSHDB").exec(&mut connection).unwrap();
    load.close(&redis, &told);
}

/// A worker with a job in hand loses all that the server held; it goes on with what comes then.
fn forget_everything(forget: impl FnOnce(&mut TestRedis)) {
    let mut redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let found = cli.run(["doctor", "-o", "json"]);
    assert!(found.stdout.contains("persistence_off"), "the doctor warns before: {found:?}");

    let mut load = Load::start(&cli, 2, &FLAGS, "sleep 0.$payload; test $payload != 9 || sleep 1.5");
    cli.enqueue_lines(QUEUE, (0..8).map(|n| format!(r#"{{"id":"old-{n}","payload":9}}"#)));
    load.ledger.wait("start", 8, LONG);
    forget(&mut redis);
    let gone = cli.run(["jobs", "show", "old-1"]).expect(4);
    assert!(gone.stderr.contains("old-1") && gone.stderr.contains("not found"), "{}", gone.stderr);
    let forgot_ms = now_ms();
    cli.keep_completed(QUEUE);
    cli.enqueue_lines(QUEUE, (0..20).map(|n| format!(r#"{{"id":"new-{n}","payload":1}}"#)));
    wait_until(LONG, "what came afterwards is done", || cli.json(["stats", QUEUE])["completed"] == 20);
    let began = load.ledger.of("start").iter().filter(|line| line.id.starts_with("new")).map(|line| line.at_ms).min();
    assert!(began.unwrap() - forgot_ms <= BACK_MS, "the first start came {} ms later", began.unwrap() - forgot_ms);
    wait_until(LONG, "both workers are known again", || cli.json(["stats", QUEUE])["workers"] == 2);

    wait_until(LONG, "the ends of what is gone are told", || {
        load.workers.iter().map(|worker| worker.events("lease_lost").len()).sum::<usize>() == 8
    });
    for worker in &mut load.workers {
        assert!(worker.ended().is_none(), "{:#?}", worker.log());
        let trouble = worker.events("alert").len();
        assert!(trouble <= 10, "a flood of {trouble} alerts: {:#?}", worker.events("alert"));
    }
    let accepted = (0..20).map(|n| format!("new-{n}")).collect();
    load.close(&redis, &Told { confirmed: accepted, ..Told::default() });
}

#[test]
fn r10_a_redis_that_comes_back_empty_is_served_at_once() {
    forget_everything(|redis| {
        redis.kill9();
        redis.restart();
    });
}

#[test]
fn r10_a_flush_under_load_costs_what_was_there_and_no_more() {
    forget_everything(|redis| redis.query::<()>(&["FLUSHALL"]));
}
