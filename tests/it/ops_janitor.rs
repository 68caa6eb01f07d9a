//! What the janitor of a worker puts right, at its start and each minute.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::config::Setting;
use ireva_queue::{Event, EventKind, JobContext, Outcome, ProcessError, Processor, Registry, Worker};

use crate::ops_seed::{Seed, client, name, run};
use crate::support::*;

struct Nothing;

impl Processor for Nothing {
    type Payload = serde_json::Value;

    async fn process(&self, _payload: Self::Payload, _ctx: &JobContext) -> Result<Outcome, ProcessError> {
        Ok(Outcome::done())
    }
}

/// Runs a worker on a paused queue until `done` is true of the server and of what the worker said.
fn janitor(redis: &TestRedis, what: &str, mut done: impl FnMut(&[Event]) -> bool) {
    let client = client(redis);
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    let mut registry = Registry::new();
    registry.register(name("q"), Nothing);
    let worker = Worker::builder(&client, registry).on_event(move |event| sink.lock().unwrap().push(event.clone()));
    let worker = worker.build().unwrap();
    let stopper = worker.stopper();
    run(async {
        client.queue(name("q")).pause().await.unwrap();
        let running = tokio::spawn(worker.run());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !done(&events.lock().unwrap()) {
            assert!(tokio::time::Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stopper.stop();
        running.await.unwrap().unwrap();
    });
}

fn now_ms(redis: &TestRedis) -> i64 {
    let [secs, micros]: [i64; 2] = redis.query(&["TIME"]);
    secs * 1000 + micros / 1000
}

#[test]
fn r33_retention_that_was_tightened_drops_the_rest_counted() {
    let redis = TestRedis::start();
    let (seed, now) = (Seed { redis: &redis, queue: "q" }, now_ms(&redis));
    seed.many("dead", 1_700, (now - 1_700, 1));
    for job in 0..1_700 {
        redis.query::<()>(&["HSET", &seed.key("history"), &format!("job{job}"), "{}"]);
    }
    let queue = client(&redis).queue(name("q"));
    run(queue.set(&[Setting::RemoveOnFail("10".parse().unwrap())])).unwrap();
    janitor(&redis, "1,690 letters are dropped", |_| redis.query::<u64>(&["ZCARD", &seed.key("dead")]) == 10);
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert_eq!(left.records.len(), 10);
    assert_eq!(run(queue.stats()).unwrap().totals.dropped, 1_690);
}

#[test]
fn locks_and_remembered_ids_whose_time_is_over_are_swept() {
    let redis = TestRedis::start();
    let (seed, now) = (Seed { redis: &redis, queue: "q" }, now_ms(&redis));
    seed.job("scheduled", "live", (now + 99_000_000) * 4, "");
    let locks = [
        ("live", "0|live".to_owned()),
        ("open", format!("{}|gone", now + 99_000)),
        ("stale", "0|gone".to_owned()),
        ("over", format!("{}|gone", now - 1)),
        ("broken", "x".to_owned()),
    ];
    for (key, lock) in &locks {
        redis.query::<()>(&["HSET", &seed.key("unique"), key, lock]);
    }
    for n in 0..1_200 {
        redis.query::<()>(&["ZADD", &seed.key("seen"), &(now - n).to_string(), &format!("id{n}")]);
    }
    redis.query::<()>(&["ZADD", &seed.key("seen"), "inf", "live"]);
    janitor(&redis, "what is over is gone", |_| {
        redis.query::<u64>(&["ZCARD", &seed.key("seen")]) == 1
            && redis.query::<u64>(&["HLEN", &seed.key("unique")]) == 2
    });
    let mut kept: Vec<String> = redis.query(&["HKEYS", &seed.key("unique")]);
    kept.sort();
    assert_eq!(kept, ["live", "open"]);
}

/// What may be stored of a job beside its record.
fn belongings(seed: &Seed<'_>, id: &str) {
    let key = format!("key-{id}");
    for (hash, field, value) in
        [("history", id, "{}"), ("crashes", id, "1"), ("keys", id, &key), ("unique", &key, &format!("0|{id}"))]
    {
        seed.redis.query::<()>(&["HSET", &seed.key(hash), field, value]);
    }
}

#[test]
fn r34_ids_without_a_record_leave_their_sets_counted_and_told() {
    let redis = TestRedis::start();
    let (seed, now) = (Seed { redis: &redis, queue: "q" }, now_ms(&redis));
    seed.job("pending:2", "good", now * 1000, "");
    seed.active("lost", "host-1-AAAA", now + 60_000);
    seed.active("held", "host-1-AAAA", now + 60_000);
    redis.query::<()>(&["HDEL", &seed.key("jobs"), "lost"]);
    redis.query::<()>(&["HSET", &seed.key("handed"), "host-1-AAAA#", "7"]);
    for set in ["pending:0", "scheduled", "retrying", "dead", "completed", "cancelled"] {
        let ghost = format!("ghost-{set}");
        redis.query::<()>(&["ZADD", &seed.key(set), &(now * 4000).to_string(), &ghost]);
        belongings(&seed, &ghost);
    }
    belongings(&seed, "lost");
    // What it found is told after the last change is made.
    janitor(&redis, "the audit tells what it found", |said| {
        let alert = said.iter().find(|event| event.event == EventKind::Alert);
        alert.and_then(|event| event.message.as_deref()).is_some_and(|message| message.contains("orphan 7"))
    });
    assert_eq!(redis.query::<u64>(&["HGET", &seed.key("meta"), "orphaned"]), 7);
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    for hash in ["history", "crashes", "keys", "unique"] {
        assert_eq!(redis.query::<u64>(&["HLEN", &seed.key(hash)]), 0, "{hash}");
    }
    assert_eq!(left.records.into_iter().collect::<Vec<_>>(), ["good", "held"]);
    assert_eq!(redis.query::<u64>(&["HGET", &seed.key("handed"), "host-1-AAAA#"]), 1);
}
