//! What acts on many jobs take comes back: undo, the audit, protection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ireva_queue::stats::BulkReport;
use ireva_queue::{ActEnd, ActOptions, BulkAct, Client, ErrorKind, JobState, Selection, UndoReport};

use crate::ops_seed::{NOW_US, Seed, client, id, name, run};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;
/// Everything that belongs to jobs.
const STORED: [&str; 16] = [
    "jobs",
    "history",
    "crashes",
    "pending:0",
    "pending:1",
    "pending:2",
    "pending:3",
    "scheduled",
    "retrying",
    "completed",
    "cancelled",
    "dead",
    "unique",
    "keys",
    "expiring",
    "seen",
];

/// All that is stored of the jobs of a queue, byte for byte.
fn stored(redis: &TestRedis, queue: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let read = |suffix: &&str| {
        let key = redis.key(queue, suffix);
        let kind: String = redis.query(&["TYPE", &key]);
        let mut values: Vec<(String, String)> = match kind.as_str() {
            "hash" => redis.query(&["HGETALL", &key]),
            "zset" => redis.query(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]),
            _ => Vec::new(),
        };
        values.sort();
        ((*suffix).to_owned(), values)
    };
    STORED.iter().map(read).collect()
}

fn of(states: &[JobState]) -> Selection {
    Selection { states: states.to_vec(), ..Selection::default() }
}

fn act(client: &Client, act: BulkAct, selection: &Selection) -> ireva_queue::Result<BulkReport> {
    run(client.queue(name("q")).bulk().run(act, selection, &ActOptions::default(), &mut |_| ()))
}

fn undo(client: &Client, act: &str) -> ireva_queue::Result<UndoReport> {
    run(async {
        let entry = client.audit().find(act).await?;
        client.audit().undo(&entry, &ActOptions::default(), &mut |_| ()).await
    })
}

/// A queue of a thousand jobs in every state but active, with all that can belong to a job.
fn a_thousand(seed: &Seed<'_>) {
    for n in 0..1_000_i64 {
        let job = format!("job-{n:04}");
        let set = ["pending:0", "pending:1", "pending:2", "pending:3", "scheduled", "retrying", "completed", "dead"];
        let set = set[n as usize % set.len()];
        let score = match set {
            "scheduled" | "retrying" => (NOW_MS + 99_000 + n) * 4 + n % 4,
            "completed" | "dead" => NOW_MS + n,
            _ => NOW_US + n,
        };
        seed.job(set, &job, score, "");
    }
    let put = |command: &[&str]| seed.redis.query::<()>(command);
    // What a JSON reader would change: big numbers, empty lists, escapes, bytes that are no text.
    let odd = format!("{NOW_US}{{\"payload\":{{\"n\":9007199254740993,\"f\":1.10,\"e\":[],\"s\":\"a\\/\\u0041é\"}}}}");
    put(&["HSET", &seed.key("jobs"), "job-0004", &odd]);
    put(&["HSET", &seed.key("history"), "job-0005", r#"{"failed":2,"failures":[]}"#, "job-0007", "no json \u{1}"]);
    put(&["HSET", &seed.key("crashes"), "job-0005", "2"]);
    put(&["HSET", &seed.key("keys"), "job-0002", "key-2"]);
    put(&["HSET", &seed.key("unique"), "key-2", "0|job-0002"]);
    put(&["ZADD", &seed.key("expiring"), &(NOW_MS * 2).to_string(), "job-0002"]);
    put(&["ZADD", &seed.key("seen"), "inf", "job-0003", "inf", "job-0007"]);
    put(&["SET", &seed.key("log:job-0005"), "line 1\nline 2", "EX", "99"]);
}

#[test]
fn a_thousand_jobs_cleared_by_mistake_come_back_byte_for_byte() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    a_thousand(&seed);
    seed.active("busy", "host-1-AAAA", NOW_MS);
    let (before, client) = (stored(&redis, "q"), client(&redis));
    let report = act(&client, BulkAct::Remove, &of(&[])).unwrap();
    assert_eq!((report.matched, report.changed, report.no_undo), (1_000, 1_000, None));
    assert_eq!(Snapshot::of(&redis, "q").records.len(), 1, "the active one is left");
    assert_eq!(redis.query::<u64>(&["EXISTS", &seed.key("log:job-0005")]), 0);
    assert_eq!(schema_faults(&redis), Vec::<String>::new(), "what is kept aside is mortal");

    let name = report.act.unwrap();
    let undone = undo(&client, &name[name.len() - 8..]).unwrap();
    assert_eq!((undone.restored, undone.left, undone.before), (1_000, 0, 0));
    assert_eq!(stored(&redis, "q"), before);
    assert_eq!(redis.query::<String>(&["GET", &seed.key("log:job-0005")]), "line 1\nline 2");
    Snapshot::of(&redis, "q").assert_agrees();
    assert_eq!(redis.query::<u64>(&["LLEN", &seed.key("wake")]), 1, "a worker is woken");

    let twice = undo(&client, &name).unwrap();
    assert_eq!((twice.restored, twice.left, twice.before, twice.act), (0, 0, 1_000, None));
    assert_eq!(stored(&redis, "q"), before);
}

#[test]
fn jobs_that_came_again_meanwhile_are_left_and_counted() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    for job in ["again", "held", "free"] {
        seed.job("pending:2", job, NOW_US, "");
    }
    for (field, value, key) in [("held", "k", "keys"), ("k", "0|held", "unique")] {
        redis.query::<()>(&["HSET", &seed.key(key), field, value]);
    }
    let client = client(&redis);
    let name = act(&client, BulkAct::Remove, &of(&[JobState::Pending])).unwrap().act.unwrap();
    seed.job("pending:1", "again", NOW_US + 5, ",\"priority\":\"high\"").job("pending:2", "other", NOW_US + 6, "");
    for (field, value, key) in [("other", "k", "keys"), ("k", "0|other", "unique")] {
        redis.query::<()>(&["HSET", &seed.key(key), field, value]);
    }
    let undone = undo(&client, &name).unwrap();
    assert_eq!((undone.restored, undone.left), (1, 2));
    assert_eq!(undone.left_ids, [id("again"), id("held")]);
    let record: String = redis.query(&["HGET", &seed.key("jobs"), "again"]);
    assert!(record.contains("high"), "what came again is not written over: {record}");
    assert_eq!(redis.query::<Vec<String>>(&["ZRANGE", &seed.key("pending:2"), "0", "-1"]), ["free", "other"]);
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn cancelled_jobs_come_back_kept_or_not() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 300, (NOW_US, 1)).job("retrying", "r", (NOW_MS + 9_000) * 4 + 2, "");
    let (before, client) = (stored(&redis, "q"), client(&redis));
    let report = act(&client, BulkAct::Cancel, &of(&[])).unwrap();
    assert_eq!((report.matched, report.changed), (301, 301));
    assert_eq!(Snapshot::of(&redis, "q").count("cancelled"), 100, "retention keeps the last hundred");
    let undone = undo(&client, &report.act.unwrap()).unwrap();
    assert_eq!((undone.restored, undone.left), (301, 0));
    assert_eq!(stored(&redis, "q"), before);
}

#[test]
fn a_protected_queue_keeps_its_jobs() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:2", "p", NOW_US, "").letter("d", NOW_MS, ["transient", "x", "y"]);
    let client = client(&redis);
    let queue = client.queue(name("q"));
    assert_eq!((run(queue.protect()).unwrap(), run(queue.protect()).unwrap()), (true, false));
    assert!(run(queue.stats()).unwrap().protected);
    let refused = [
        act(&client, BulkAct::Remove, &of(&[])).unwrap_err(),
        act(&client, BulkAct::Cancel, &of(&[])).unwrap_err(),
        run(queue.clear(&[], &mut |_| ())).unwrap_err(),
        run(client.dead_letters(name("q")).delete(&Selection::default(), false, &mut |_| ())).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("queues unprotect q"), "{error}");
    }
    assert_eq!(Snapshot::of(&redis, "q").records.len(), 2);
    assert_eq!(run(client.audit().list(None, None, 9)).unwrap(), [], "what was refused did not begin");
    // Single jobs may still be taken, and letters run again.
    let located = ireva_queue::Located::new(name("q"), id("p"), JobState::Pending);
    run(client.inspector().delete(&located)).unwrap();
    assert_eq!(act(&client, BulkAct::Retry, &of(&[])).unwrap().changed, 1);
    assert!(run(queue.unprotect()).unwrap());
    assert_eq!(act(&client, BulkAct::Remove, &of(&[])).unwrap().changed, 1);
    seed.job("pending:2", "p", NOW_US, "");
    redis.query::<()>(&["DEL", &seed.key("pending:2"), &seed.key("jobs")]);
    run(queue.protect()).unwrap();
    let error = run(queue.delete(&ActOptions::default())).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("protected"), "{error}");
}

#[test]
fn nothing_is_kept_aside_where_memory_is_nearly_full() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 50, (NOW_US, 1));
    let client = client(&redis);
    run(client.ping()).unwrap();
    // So much that a tenth of it is room enough for everything else.
    redis.query::<()>(&["SET", "filler", &"x".repeat(20_000_000)]);
    let info: redis::InfoDict = redis.query(&["INFO", "memory"]);
    let used: u64 = info.get("used_memory").unwrap();
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", &(used * 10 / 9).to_string()]);
    let counting = ActOptions { dry_run: true, ..ActOptions::default() };
    let bulk = client.queue(name("q")).bulk();
    let dry = run(bulk.run(BulkAct::Remove, &of(&[]), &counting, &mut |_| ())).unwrap();
    assert!(dry.no_undo.is_some_and(|why| why.contains('%')) && dry.matched == 50, "said before anything is done");
    let report = act(&client, BulkAct::Remove, &of(&[])).unwrap();
    assert_eq!((report.changed, report.undo_until), (50, None));
    let name = report.act.unwrap();
    assert_eq!(redis.query::<Vec<String>>(&["KEYS", "*undo*"]), Vec::<String>::new());
    let error = undo(&client, &name).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("memory"), "{error}");
    // A server that is full can still be drained, and that is written down.
    seed.many("pending:2", 50, (NOW_US, 1));
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", &(used * 9 / 10).to_string()]);
    assert_eq!(act(&client, BulkAct::Remove, &of(&[])).unwrap().changed, 50);
    assert_eq!(run(client.audit().list(None, None, 1)).unwrap()[0].count, Some(50));
}

#[test]
fn large_jobs_are_kept_aside_in_bounded_steps() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 40, (NOW_US, 1));
    let large = format!("{NOW_US}{{\"payload\":\"{}\"}}", "x".repeat(200_000));
    for n in 0..40 {
        redis.query::<()>(&["HSET", &seed.key("jobs"), &format!("job{n}"), &large]);
    }
    let (before, client) = (stored(&redis, "q"), client(&redis));
    let report = act(&client, BulkAct::Remove, &of(&[])).unwrap();
    assert_eq!(report.changed, 40);
    let name = report.act.unwrap();
    let pieces: u64 = redis.query(&["HGET", &seed.key(&format!("undo:{name}")), "pieces"]);
    assert_eq!(pieces, 8, "five of 200 kB make a mebibyte");
    let ttl: i64 = redis.query(&["TTL", &seed.key(&format!("undo:{name}:8"))]);
    assert!((3_000..=3_600).contains(&ttl), "{ttl}");
    assert_eq!(undo(&client, &name).unwrap().restored, 40);
    assert_eq!(stored(&redis, "q"), before);
}

#[test]
fn lost_replies_neither_lose_nor_double_what_is_undone() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 700, (NOW_US, 1));
    let before = stored(&redis, "q");
    let calls = AtomicUsize::new(0);
    let proxy = Proxy::start(&redis, move |request| {
        let script = request.verb() == "EVALSHA";
        let turn = script && calls.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if turn { Fault::DropReply } else { Fault::None }
    });
    let client = crate::ops_acts::client_through(&proxy);
    let report = act(&client, BulkAct::Remove, &of(&[])).unwrap();
    assert_eq!((report.changed, redis.query::<u64>(&["HLEN", &seed.key("jobs")])), (700, 0));
    assert_eq!(undo(&client, &report.act.unwrap()).unwrap().restored, 700);
    assert!(proxy.faults() > 2);
    assert_eq!(stored(&redis, "q"), before);
}

#[test]
fn the_audit_says_who_did_what_to_which_and_why() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 3, (NOW_US, 1)).letter("d", NOW_MS, ["transient", "x", "y"]);
    let client = client(&redis);
    let bulk = client.queue(name("q")).bulk();
    let told = ActOptions { by: Some("ada@host".into()), reason: Some("test mails".into()), ..ActOptions::default() };
    let selection = Selection { payload: vec!["to=~@example.com$".parse().unwrap()], ..of(&[JobState::Pending]) };
    let report = run(bulk.run(BulkAct::Remove, &selection, &told, &mut |_| ())).unwrap();
    act(&client, BulkAct::Retry, &of(&[JobState::Dead])).unwrap();
    undo(&client, report.act.as_ref().unwrap()).unwrap();
    let nothing = act(&client, BulkAct::Retry, &of(&[JobState::Dead])).unwrap();
    assert_eq!((nothing.changed, nothing.act), (0, None), "what changed nothing is no act");

    let acts = run(client.audit().list(Some(&name("q")), None, 9)).unwrap();
    let words: Vec<_> = acts.iter().map(|act| (act.act.as_str(), act.count, act.ended)).collect();
    let done = ActEnd::Done;
    assert_eq!(words, [("undo", Some(3), done), ("retry", Some(1), done), ("remove", Some(3), done)]);
    let removal = &acts[2];
    assert_eq!(removal.selection, "state pending; payload to=~@example.com$");
    assert_eq!((removal.by.as_str(), removal.reason.as_deref()), ("ada@host", Some("test mails")));
    assert_eq!((&removal.undone_by, acts[1].undo_until), (&Some(acts[0].id.clone()), None));
    assert_eq!(run(client.audit().list(Some(&name("other")), None, 9)).unwrap(), []);
    assert_eq!(run(client.audit().list(None, None, 2)).unwrap(), acts[..2]);
    let error = undo(&client, &acts[1].id).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("retry"), "{error}");
    assert_eq!(undo(&client, "nowhere").unwrap_err().kind(), ErrorKind::NotFound);
    // What is past its hour is gone, and that is said.
    seed.many("pending:2", 3, (NOW_US, 1));
    let late = act(&client, BulkAct::Remove, &of(&[JobState::Pending])).unwrap().act.unwrap();
    redis.query::<()>(&["DEL", &seed.key(&format!("undo:{late}"))]);
    assert_eq!(undo(&client, &late).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_act_that_is_stopped_ends_after_its_step_and_goes_on_when_repeated() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 1_000, (NOW_US, 1));
    let client = client(&redis);
    let bulk = client.queue(name("q")).bulk();
    let options = ActOptions { rate_per_sec: Some(1_000.0), ..ActOptions::default() };
    let stop = options.stop.clone();
    let mut stop_soon = move |done| {
        if done >= 300 {
            stop.cancel()
        }
    };
    let report = run(bulk.run(BulkAct::Remove, &of(&[]), &options, &mut stop_soon)).unwrap();
    assert_eq!((report.changed, report.stopped), (300, true));
    assert_eq!(run(client.audit().list(None, None, 1)).unwrap()[0].ended, ActEnd::Stopped);
    assert_eq!(act(&client, BulkAct::Remove, &of(&[])).unwrap().changed, 700);
    assert_eq!(undo(&client, &report.act.unwrap()).unwrap().restored, 300);
}
