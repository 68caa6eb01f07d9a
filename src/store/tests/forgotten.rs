//! What one node of a cluster has lost of a change of the number of partitions, with a failover, is said once more.

use std::time::{Duration, Instant};

use super::mover::{Bench, Hand, job, queue_name};
use crate::ActOptions;
use crate::BulkAct;
use crate::config::Setting;
use crate::error::ErrorKind;
use crate::job::{BatchName, Partitions};
use crate::mover;
use crate::selection::Selection;
use crate::store::{Apart, End, Gate, Last, QueueKeys, Way};

const DEADLINE: Duration = Duration::from_secs(60);
const DONE: End<'_> = End::Complete { result: "null" };

fn partitions(count: u16) -> Partitions {
    Partitions::new(count).unwrap()
}

impl Bench {
    fn place(&self, number: usize, of: u16) -> QueueKeys {
        let place = partitions(of).each().nth(number).unwrap();
        self.store.partition_keys(&queue_name(), place)
    }

    /// What stands in `field` of the `meta` of a place is `value` again; '' where nothing did.
    fn put_back(&self, keys: &QueueKeys, field: &str, value: &str) {
        let meta = format!("{}meta", Self::base(keys));
        match value {
            "" => self.redis.query::<i64>(&["HDEL", &meta, field]),
            value => self.redis.query::<i64>(&["HSET", &meta, field, value]),
        };
    }

    async fn settles(&self) {
        tokio::time::timeout(DEADLINE, self.settle()).await.unwrap();
    }
}

/// Names whose jobs belong to each place of so many.
fn one_of_each(count: u16) -> Vec<String> {
    let among = partitions(count);
    let of = |place| (0..).map(|n| format!("k{n}")).find(|name| among.place_of(name) == place).unwrap();
    (0..usize::from(count)).map(of).collect()
}

#[tokio::test]
async fn a_place_that_has_forgotten_that_it_is_left_is_left_all_the_same() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.spread(4).await;
    bench.settles().await;
    bench.add(one_of_each(4).iter().map(|name| job(name))).await;
    let running = hand.claim(&bench.store, 1).await;
    assert_eq!(running.len(), 4);
    let before = bench.store.course(&queue_name()).await.unwrap().number_when_settled().unwrap();
    bench.spread(8).await;
    let lost = bench.place(1, 4);
    bench.put_back(&lost, "change", &before);
    bench.put_back(&lost, "partitions", "");
    for claim in &running {
        hand.end(&bench.store, claim, DONE).await;
    }
    bench.settles().await;
    assert_eq!(bench.places().await.len(), 8);
    assert_eq!(bench.queue.stats().await.unwrap().completed, 4);
}

#[tokio::test]
async fn a_place_that_has_forgotten_that_it_takes_all_jobs_takes_them_again() {
    let bench = Bench::new();
    bench.spread(4).await;
    bench.settles().await;
    let number = bench.store.course(&queue_name()).await.unwrap().change;
    let names = one_of_each(4);
    for (at, heals) in [(1, false), (2, true)] {
        let lost = bench.place(at, 4);
        bench.put_back(&lost, "change", &number);
        bench.put_back(&lost, "partitions", "<1");
        let found = bench.store.standstill(&queue_name(), 0).await.unwrap().unwrap();
        assert_eq!((found.partitions, found.stops), (4, true));
        if heals {
            mover::heal(&bench.store, &queue_name(), true).await.unwrap().unwrap();
            assert!(bench.store.standstill(&queue_name(), 0).await.unwrap().is_some(), "a dry run");
            mover::heal(&bench.store, &queue_name(), false).await.unwrap().unwrap();
        } else {
            mover::keep_on(&bench.store, &lost).await.unwrap();
        }
        assert_eq!(bench.store.standstill(&queue_name(), 0).await.unwrap(), None);
        assert_eq!(bench.add([job(&names[at])]).await, [true]);
    }
    // One that a change under way has closed to most is left as it is.
    let next = (number.parse::<i64>().unwrap() + 9).to_string();
    let place = bench.place(0, 4);
    bench.store.set_gate(&place, &next, Gate::OpenTo(partitions(8)), Last::default()).await.unwrap().unwrap();
    mover::keep_on(&bench.store, &place).await.unwrap();
    let error = bench.queue.enqueue(job(&names[0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved);
}

#[tokio::test]
async fn a_change_whose_number_lies_ahead_of_the_clock_is_seen_to_stand_still() {
    let bench = Bench::new();
    bench.add([job("a")]).await;
    let home = format!("{}config", Bench::base(&bench.store.keys(&queue_name())));
    let ahead = ((bench.store.now_ms().await.unwrap() + 86_400_000) * 1_000).to_string();
    bench.redis.query::<i64>(&["HSET", &home, "partitions_next", "4", "partitions_change", &ahead]);
    assert!(bench.store.standstill(&queue_name(), 60_000).await.unwrap().is_some());
    mover::heal(&bench.store, &queue_name(), false).await.unwrap().unwrap();
    bench.settles().await;
    assert_eq!(bench.places().await.len(), 4);
}

#[tokio::test]
async fn a_batch_that_comes_twice_under_two_numbers_is_counted_once() {
    let bench = Bench::new();
    let (name, queue): (BatchName, _) = ("b".parse().unwrap(), queue_name());
    let batches = bench.client.batches();
    batches.open(&queue, &name, None).await.unwrap();
    bench.add((0..10).map(|n| job(&format!("{n}")).batch(name.clone()))).await;
    let home = bench.store.keys(&queue);
    let (batch, all) = (format!("{}batch:b", Bench::base(&home)), format!("{}batches", Bench::base(&home)));
    let stands: Vec<String> = bench.redis.query(&["HGETALL", &batch]);
    let created = stands.chunks(2).find(|pair| pair[0] == "created_ms").unwrap()[1].clone();
    bench.store.intend(&queue, partitions(4)).await.unwrap().unwrap();
    let change = bench.store.course(&queue).await.unwrap().change;
    bench.store.set_gate(&home, &change, Gate::Closed(partitions(4)), Last::default()).await.unwrap().unwrap();
    let way = Way { queue: &queue, from: partitions(1).of(""), to: partitions(4), change: &change };
    assert_eq!(bench.store.move_apart(way, Apart::Open(&["b".to_owned()])).await.unwrap(), 1);
    // The server of the old place is replaced by one that has not seen it leave.
    let written: Vec<&str> = ["HSET", &batch].into_iter().chain(stands.iter().map(String::as_str)).collect();
    bench.redis.query::<i64>(&written);
    bench.redis.query::<i64>(&["ZADD", &all, &created, "b"]);
    bench.settles().await;
    let found = batches.find(&name, Some(&queue)).await.unwrap();
    assert_eq!((found.total, found.pending), (10, 10));
    batches.seal(&queue, &name).await.unwrap();
    let mut hand = Hand::new(1);
    for claim in &hand.claim(&bench.store, 10).await {
        hand.end(&bench.store, claim, DONE).await;
    }
    let ended = batches.find(&name, Some(&queue)).await.unwrap();
    assert!(ended.completed == 10 && ended.finished_at.is_some(), "{ended:?}");
}

#[tokio::test]
async fn a_dead_letter_of_a_batch_goes_where_its_unique_key_is_asked_for() {
    let bench = Bench::new();
    let name: BatchName = "b".parse().unwrap();
    assert_ne!(partitions(8).place_of("b"), partitions(8).place_of("K"));
    bench.client.batches().open(&queue_name(), &name, None).await.unwrap();
    bench.add([job("letter").batch(name.clone()).unique("K")]).await;
    let mut hand = Hand::new(1);
    for claim in &hand.claim(&bench.store, 1).await {
        hand.end(&bench.store, claim, End::Bury { history: r#"{"failures":[],"end":"buried"}"# }).await;
    }
    bench.spread(8).await;
    bench.settles().await;
    let bulk = bench.queue.bulk();
    let all = Selection::default();
    let report = bulk.run(BulkAct::Retry, &all, &ActOptions::default(), &mut |_| ()).await.unwrap();
    assert_eq!(report.changed, 1);
    assert_eq!(bench.add([job("second").unique("K")]).await, [false], "the letter holds it");
}

#[tokio::test]
async fn a_slot_that_becomes_free_goes_to_a_partition_whose_jobs_wait() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    let names = one_of_each(4);
    bench.store.set(&bench.store.keys(&queue_name()), &[Setting::Concurrency(Some(4))]).await.unwrap();
    let old = [("a", 1), ("b", 1), ("c", 2), ("d", 3)].map(|(id, place)| job(id).order_key(names[place].clone()));
    bench.add(old).await;
    let running = hand.claim(&bench.store, 4).await;
    assert_eq!(running.len(), 4);
    bench.spread(4).await;
    while bench.queue.move_over(&mut |_| ()).await.unwrap().held {}
    bench.add([job("waits").order_key(names[2].clone())]).await;
    let ended = running.iter().find(|(_, id, _)| id.as_str() == "c").unwrap();
    hand.end(&bench.store, ended, DONE).await;
    let began = Instant::now();
    let started = loop {
        let started = hand.claim(&bench.store, 4).await;
        if !started.is_empty() {
            break started;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it waits beside a free slot");
        mover::carry_on(&bench.store, &queue_name(), Some(Duration::from_millis(300)), &mut |_| ()).await.unwrap();
    };
    assert_eq!(started.iter().map(|(_, id, _)| id.as_str()).collect::<Vec<_>>(), ["waits"]);
}
