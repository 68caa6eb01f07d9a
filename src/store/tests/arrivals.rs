//! What comes to a place of a queue that another one has left: what it meets there, and what servers have forgotten.

use std::time::Duration;

use super::mover::{Bench, Hand, job, queue_name};
use crate::batch::{OnComplete, Opened};
use crate::error::ErrorKind;
use crate::job::{BatchName, Partition, Partitions, QueueName};
use crate::mover;
use crate::store::{Apart, End, Gate, Last, Way};

const DEADLINE: Duration = Duration::from_secs(60);

fn partitions(count: u16) -> Partitions {
    Partitions::new(count).unwrap()
}

/// The place of a queue that is not spread.
fn whole() -> Partition {
    partitions(1).of("")
}

/// Unique keys of three places among eight.
fn keys_apart() -> Vec<String> {
    let mut places = std::collections::BTreeSet::new();
    (0..).map(|n| format!("k{n}")).filter(|key| places.insert(partitions(8).place_of(key))).take(3).collect()
}

/// What stands in `field` of the hash `key` of all places of the queue.
async fn standing(bench: &Bench, key: &str, field: &str) -> Vec<String> {
    let places = bench.places().await;
    let look = |keys| bench.redis.query::<Option<String>>(&["HGET", &format!("{}{key}", Bench::base(keys)), field]);
    places.iter().filter_map(look).collect()
}

#[tokio::test]
async fn two_jobs_of_one_id_are_both_kept_where_their_places_become_one() {
    let bench = Bench::new();
    bench.spread(8).await;
    bench.settle().await;
    let keyed = |key: &'static str| (0..4).map(move |n| job(&format!("y{n}")).order_key(key));
    let long = "x".repeat(128);
    // Two order keys of two places, as the table of job/partition.rs says; each place knows only its own ids.
    assert_eq!(bench.add(keyed("order-42").chain([job(&long).order_key("order-42")])).await, [true; 5]);
    assert_eq!(bench.add(keyed("a").chain([job(&long).order_key("a")])).await, [true; 5]);
    assert_eq!(bench.add(keys_apart().into_iter().map(|key| job("u").unique(key))).await, [true; 3]);
    bench.spread(1).await;
    bench.settle().await;
    let (mut hand, mut ran) = (Hand::new(1), Vec::new());
    for claim in hand.claim(&bench.store, 20).await {
        hand.end(&bench.store, &claim, End::Complete { result: "null" }).await;
        ran.push(claim.1.to_string());
    }
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), 13, "{ran:?}");
    for own in ["y0", "y1", "y2", "y3", "u", long.as_str()] {
        assert!(ran.iter().any(|id| id == own), "one of them keeps its id: {ran:?}");
    }
    assert_eq!(ran.iter().filter(|id| id.contains("-of-8")).count(), 7, "{ran:?}");
    assert!(ran.iter().all(|id| crate::job::JobId::new(id).is_ok()), "{ran:?}");
    let events: Vec<(String, Vec<String>)> =
        bench.redis.query(&["XRANGE", &format!("{}events", Bench::base(&bench.places().await[0])), "-", "+"]);
    let told: Vec<_> = events.iter().filter(|(_, fields)| fields[1] == "renamed").collect();
    let told: usize = told.iter().map(|(_, fields)| fields[3].split(' ').count()).sum();
    assert_eq!(told, 7, "each is told: {events:?}");
}

#[tokio::test]
async fn a_job_of_another_id_holds_its_unique_key() {
    let bench = Bench::new();
    bench.spread(8).await;
    bench.settle().await;
    bench.add(keys_apart().into_iter().map(|key| job("u").unique(key))).await;
    bench.spread(1).await;
    bench.settle().await;
    for key in keys_apart() {
        assert_eq!(bench.add([job(&format!("other-{key}")).unique(key.clone())]).await, [false], "{key}");
    }
}

#[tokio::test]
async fn a_queue_takes_jobs_again_before_its_batches_of_last_week_are_moved() {
    let bench = Bench::new();
    let home = Bench::base(&bench.store.keys(&queue_name()));
    for n in 0..600 {
        let (created, name) = ((1_000 + n).to_string(), format!("old-{n}"));
        bench.redis.query::<i64>(&["ZADD", &format!("{home}batches"), &created, &name]);
        let batch = format!("{home}batch:{name}");
        let set = ["total", "1", "completed", "1", "sealed", "1", "finished_ms", "2000", "created_ms"];
        bench.redis.query::<i64>(&[&["HSET", batch.as_str()], &set[..], &[created.as_str()]].concat());
    }
    let (open, batches) = ("open".parse::<BatchName>().unwrap(), bench.client.batches());
    batches.open(&queue_name(), &open, None).await.unwrap();
    let calls = || {
        let info: redis::InfoDict = bench.redis.query(&["INFO", "commandstats"]);
        let said: String = info.get("cmdstat_evalsha").unwrap();
        said.trim_start_matches("calls=").split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = calls();
    bench.spread(8).await;
    bench.settle().await;
    assert!(calls() - before < 600, "not one by one: {}", calls() - before);
    let all = batches.list(Some(&queue_name()), 1_000).await.unwrap();
    assert_eq!((all.len(), all.iter().filter(|batch| batch.finished_at.is_some()).count()), (601, 600));
    assert_eq!(batches.open(&queue_name(), &open, None).await.unwrap(), Opened::Joined);
}

#[tokio::test]
async fn a_batch_is_known_wherever_its_queue_is_being_moved() {
    let bench = Bench::new();
    let (name, batches) = (queue_name(), bench.client.batches());
    let (one, two): (BatchName, BatchName) = ("one".parse().unwrap(), "two".parse().unwrap());
    batches.open(&name, &two, None).await.unwrap();
    bench.add([job("long"), job("last").batch(two.clone())]).await;
    let mut hand = Hand::new(1);
    let running = hand.claim(&bench.store, 2).await;
    batches.open(&name, &one, None).await.unwrap();
    batches.seal(&name, &two).await.unwrap();
    // Closed, and the head of the batch gone to where the queue does not say that it is yet.
    bench.store.intend(&name, partitions(4)).await.unwrap().unwrap();
    let course = bench.store.course(&name).await.unwrap();
    let closed = Gate::Closed(partitions(4));
    bench.store.set_gate(&bench.store.keys(&name), &course.change, closed, Last::default()).await.unwrap().unwrap();
    let way = Way { queue: &name, from: whole(), to: partitions(4), change: &course.change };
    let names = ["one".to_owned(), "two".to_owned()];
    assert_eq!(bench.store.move_apart(way, Apart::Open(&names)).await.unwrap(), 1, "the sealed one stays");
    let sealing = tokio::spawn({
        let (batches, name) = (batches.clone(), name.clone());
        async move { batches.seal(&name, &one).await }
    });
    mover::carry_on(&bench.store, &name, Some(Duration::ZERO), &mut |_| ()).await.unwrap();
    assert!(sealing.await.unwrap().unwrap().sealed);
    assert!(bench.store.course(&name).await.unwrap().layout.was.is_some());
    // Whether it has come meanwhile or not.
    assert_eq!(batches.open(&name, &two, None).await.unwrap(), Opened::Sealed);
    assert!(batches.seal(&name, &two).await.unwrap().sealed);
    // One that a mover has not come to yet.
    let (three, home): (BatchName, _) = ("three".parse().unwrap(), Bench::base(&bench.store.keys(&name)));
    let stands = ["created_ms", "1000", "total", "0", "sealed", "1", "finished_ms", "2000"];
    bench.redis.query::<i64>(&[&["HSET", format!("{home}batch:three").as_str()], &stands[..]].concat());
    bench.redis.query::<i64>(&["ZADD", &format!("{home}batches"), "1000", "three"]);
    assert_eq!(batches.open(&name, &three, None).await.unwrap(), Opened::Sealed);
    assert!(batches.seal(&name, &three).await.unwrap().sealed);
    let never: BatchName = "never".parse().unwrap();
    assert_eq!(batches.seal(&name, &never).await.unwrap_err().kind(), ErrorKind::NotFound);
    for claim in &running {
        hand.end(&bench.store, claim, End::Complete { result: "null" }).await;
    }
    bench.settle().await;
    let two = batches.find(&two, Some(&name)).await.unwrap();
    assert!((two.total, two.completed) == (1, 1) && two.finished_at.is_some(), "{two:?}");
}

#[tokio::test]
async fn a_change_ends_though_ids_without_a_record_and_jobs_for_other_queues_are_left() {
    let bench = Bench::new();
    let home = Bench::base(&bench.store.keys(&queue_name()));
    for set in ["completed", "dead", "cancelled"] {
        bench.redis.query::<i64>(&["ZADD", &format!("{home}{set}"), "1000", &format!("ghost-{set}")]);
    }
    bench.add([job("a")]).await;
    bench.redis.query::<i64>(&["HSET", &format!("{home}outbox"), "out", "mail {\"payload\":1}"]);
    bench.spread(4).await;
    tokio::time::timeout(DEADLINE, bench.settle()).await.unwrap();
    assert_eq!(standing(&bench, "outbox", "out").await, ["mail {\"payload\":1}"]);
}

#[tokio::test]
async fn a_job_on_completion_for_another_queue_moves_with_the_rest() {
    let bench = Bench::new();
    let (batches, name): (_, BatchName) = (bench.client.batches(), "b".parse().unwrap());
    let next =
        OnComplete { queue: QueueName::new("mail").unwrap(), payload: serde_json::value::to_raw_value(&1).unwrap() };
    batches.open(&queue_name(), &name, Some(&next)).await.unwrap();
    let sealed = batches.seal(&queue_name(), &name).await.unwrap();
    bench.spread(4).await;
    bench.settle().await;
    assert_eq!(standing(&bench, "outbox", sealed.on_complete.unwrap().id.as_str()).await.len(), 1);
}

#[tokio::test]
async fn a_change_goes_on_where_a_server_has_lost_the_number_of_the_last_one() {
    let bench = Bench::new();
    bench.add((0..20).map(|n| job(&format!("{n}")))).await;
    let ahead = "9000000000000000";
    for place in partitions(1).each().chain(partitions(4).each()) {
        let meta = format!("{}meta", Bench::base(&bench.store.partition_keys(&queue_name(), place)));
        bench.redis.query::<i64>(&["HSET", &meta, "change", ahead]);
    }
    tokio::time::timeout(DEADLINE, async { bench.spread(4).await }).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.places().await.len(), 4);
    assert_eq!(Hand::new(1).claim(&bench.store, 20).await.len(), 20);
}

#[tokio::test]
async fn pages_arrive_where_a_server_has_lost_the_numbers_of_the_last_ones() {
    let bench = Bench::new();
    bench.add((0..600).map(|n| job(&format!("{n}")))).await;
    // Two of four places have taken in pages that the old place knows nothing of.
    for (place, ahead) in partitions(4).each().zip(["9000000000000", "", "9000000000000777", ""]) {
        let meta = format!("{}meta", Bench::base(&bench.store.partition_keys(&queue_name(), place)));
        if !ahead.is_empty() {
            bench.redis.query::<i64>(&["HSET", &meta, "from:1/1", ahead]);
        }
    }
    bench.spread(4).await;
    bench.settle().await;
    assert_eq!(Hand::new(1).claim(&bench.store, 600).await.len(), 600, "each once");
}

#[tokio::test]
async fn a_schedule_that_was_written_where_it_goes_is_not_overwritten() {
    let bench = Bench::new();
    let home = Bench::base(&bench.store.keys(&queue_name()));
    let stored = |revision: u32, every: &str| format!("{revision}|1|0|0|0|{{\"every\":\"{every}\",\"payload\":1}}");
    bench.redis.query::<i64>(&["HSET", &format!("{home}schedules"), "s", &stored(2, "1m"), "t", &stored(4, "1m")]);
    for place in partitions(4).each() {
        let there = format!("{}schedules", Bench::base(&bench.store.partition_keys(&queue_name(), place)));
        bench.redis.query::<i64>(&["HSET", &there, "s", &stored(3, "5m"), "t", &stored(3, "5m")]);
    }
    bench.spread(4).await;
    bench.settle().await;
    let texts = standing(&bench, "schedules", "s").await;
    assert!(texts.iter().all(|text| *text == stored(3, "5m")), "{texts:?}");
    let texts = standing(&bench, "schedules", "t").await;
    assert_eq!(texts.iter().filter(|text| **text == stored(4, "1m")).count(), 1, "{texts:?}");
}

#[tokio::test]
async fn a_schedule_on_its_way_is_not_said_to_be_gone() {
    let bench = Bench::new();
    bench.add([job("long")]).await;
    let mut hand = Hand::new(1);
    let running = hand.claim(&bench.store, 1).await;
    bench.spread(4).await;
    let home = Bench::base(&bench.store.keys(&queue_name()));
    let look = async || bench.store.schedule_of(&queue_name(), "s").await.map(|found| found.1.is_some());
    assert!(!look().await.unwrap());
    // As one whose mover has died with it.
    bench.redis.query::<i64>(&["HSET", &format!("{home}leaving"), "ss", "packed"]);
    assert_eq!(look().await.unwrap_err().kind(), ErrorKind::Moved);
    bench.redis.query::<i64>(&["DEL", &format!("{home}leaving")]);
    for claim in &running {
        hand.end(&bench.store, claim, End::Complete { result: "null" }).await;
    }
    bench.settle().await;
}
