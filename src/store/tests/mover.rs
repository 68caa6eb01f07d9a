//! The number of partitions of a queue changes while producers and workers go on: what it holds is conserved, runs once and
//! in order, whoever dies meanwhile. Workers are made by hand here, over every place of the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::config;
use super::redis_server::TestRedis;
use crate::client::Client;
use crate::config::Setting;
use crate::error::ErrorKind;
use crate::job::{BatchName, JobId, NewJob, QueueName};
use crate::mover;
use crate::queue::Queue;
use crate::store::{End, FetchCall, QueueKeys, Store};

const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn queue_name() -> QueueName {
    QueueName::new("q").unwrap()
}

pub(super) fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

pub(super) fn job(text: &str) -> NewJob {
    NewJob::new(&1).unwrap().id(id(text))
}

pub(super) struct Bench {
    pub(super) redis: TestRedis,
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) queue: Queue,
}

impl Bench {
    pub(super) fn new() -> Self {
        let redis = TestRedis::start();
        let client = Client::new(&config(redis.env())).unwrap();
        let (store, queue) = (client.open_store(), client.queue(queue_name()));
        Self { redis, client, store, queue }
    }

    pub(super) async fn add(&self, jobs: impl IntoIterator<Item = NewJob>) -> Vec<bool> {
        let answers = self.queue.enqueue_many(jobs.into_iter().collect()).await.unwrap();
        answers.into_iter().map(|answer| !answer.unwrap().duplicate).collect()
    }

    pub(super) async fn spread(&self, count: u16) {
        self.queue.set(&[Setting::Partitions(count)]).await.unwrap();
    }

    /// Until all is where it belongs.
    pub(super) async fn settle(&self) {
        let began = Instant::now();
        while !self.queue.move_over(&mut |_| ()).await.unwrap().done {
            assert!(began.elapsed() < DEADLINE, "the move does not end");
        }
    }

    pub(super) async fn places(&self) -> Vec<QueueKeys> {
        self.store.places(&queue_name()).await.unwrap()
    }

    pub(super) fn base(keys: &QueueKeys) -> String {
        keys.log_of(&id("x")).trim_end_matches("log:x").to_owned()
    }

    /// Everything that is stored of each job, wherever it is, but for the place.
    pub(super) async fn image(&self) -> BTreeMap<String, Vec<String>> {
        const SETS: [&str; 9] = [
            "pending:0",
            "pending:1",
            "pending:2",
            "pending:3",
            "scheduled",
            "retrying",
            "completed",
            "cancelled",
            "dead",
        ];
        let mut image = BTreeMap::<String, Vec<String>>::new();
        for keys in self.places().await {
            let base = Self::base(&keys);
            for set in SETS {
                let held: Vec<(String, String)> =
                    self.redis.query(&["ZRANGE", &format!("{base}{set}"), "0", "-1", "WITHSCORES"]);
                held.into_iter().for_each(|(id, score)| image.entry(id).or_default().push(format!("{set} {score}")));
            }
            for hash in ["jobs", "history", "crashes", "keys", "batched"] {
                let held: Vec<(String, String)> = self.redis.query(&["HGETALL", &format!("{base}{hash}")]);
                held.into_iter().for_each(|(id, text)| image.entry(id).or_default().push(format!("{hash} {text}")));
            }
            for set in ["expiring", "seen"] {
                let held: Vec<(String, String)> =
                    self.redis.query(&["ZRANGE", &format!("{base}{set}"), "0", "-1", "WITHSCORES"]);
                held.into_iter().for_each(|(id, score)| image.entry(id).or_default().push(format!("{set} {score}")));
            }
            let locks: Vec<(String, String)> = self.redis.query(&["HGETALL", &format!("{base}unique")]);
            locks.into_iter().for_each(|(key, lock)| image.entry(format!("unique {key}")).or_default().push(lock));
            let schedules: Vec<(String, String)> = self.redis.query(&["HGETALL", &format!("{base}schedules")]);
            for (name, text) in schedules {
                let tick: Option<String> = self.redis.query(&["ZSCORE", &format!("{base}ticks"), &name]);
                image.entry(format!("schedule {name}")).or_default().push(format!("{text} {tick:?}"));
            }
        }
        image.values_mut().for_each(|facts| facts.sort());
        image
    }

    /// What the places have counted, all together.
    pub(super) async fn total(&self, what: &str) -> u64 {
        let places = self.places().await;
        let count = |keys: &QueueKeys| -> Option<u64> {
            self.redis.query(&["HGET", &format!("{}meta", Self::base(keys)), what])
        };
        places.iter().filter_map(count).sum()
    }
}

/// A worker over every place of the queue, looked up each time.
pub(super) struct Hand {
    name: String,
    calls: BTreeMap<String, u64>,
}

impl Hand {
    pub(super) fn new(number: usize) -> Self {
        Self { name: format!("host-{number}-01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEK"), calls: BTreeMap::new() }
    }

    /// Claims up to `slots` jobs of each place.
    pub(super) async fn claim(&mut self, store: &Store, slots: usize) -> Vec<(QueueKeys, JobId, Arc<str>)> {
        let mut claims = Vec::new();
        for keys in store.places(&queue_name()).await.unwrap() {
            let call = self.calls.entry(Bench::base(&keys)).or_default();
            *call += 1;
            let ask = FetchCall { worker: &self.name, call: *call, slots, prefetch: 0, lease_ms: 60_000, alone: false };
            let fetched = store.fetch(&keys, ask).await.unwrap();
            claims.extend(fetched.jobs.into_iter().map(|job| (keys.clone(), job.id, job.claim)));
        }
        claims
    }

    pub(super) async fn end(&self, store: &Store, (keys, id, claim): &(QueueKeys, JobId, Arc<str>), end: End<'_>) {
        let settled = store.end(keys, &self.name, &[(id, claim, end)]).await.unwrap();
        assert!(settled.others.is_empty(), "{id}: the claim stands: {:?}", settled.others);
    }
}

/// A queue with some of everything, all of it at rest.
async fn fill(bench: &Bench) {
    bench
        .store
        .set(&bench.store.keys(&queue_name()), &[Setting::RemoveOnComplete("never".parse().unwrap())])
        .await
        .unwrap();
    let priorities = ["critical", "high", "normal", "low"];
    let waiting = (0..400).map(|n| {
        let waits = job(&format!("wait-{n}")).priority(priorities[n % 4].parse().unwrap());
        match n % 3 {
            0 => waits.order_key(format!("order-{}", n % 7)),
            1 => waits.unique(format!("unique-{n}")).unique_for(Duration::from_secs(3_600)),
            _ => waits.ttl(Duration::from_secs(600)),
        }
    });
    assert!(bench.add(waiting).await.into_iter().all(|added| added));
    bench.add((0..100).map(|n| job(&format!("later-{n}")).delay(Duration::from_secs(3_600 + n)))).await;
    let batch: BatchName = "nightly".parse().unwrap();
    bench.client.batches().open(&queue_name(), &batch, None).await.unwrap();
    bench
        .add((0..30).map(|n| job(&format!("batch-{n}")).batch(batch.clone()).priority("critical".parse().unwrap())))
        .await;
    // Of those at the head some end in each way: history, dead letters, retrying, snoozed.
    let mut hand = Hand::new(0);
    let claims = hand.claim(&bench.store, 80).await;
    assert_eq!(claims.len(), 80);
    for (n, claim) in claims.iter().enumerate() {
        let end = match n % 5 {
            0 => End::Complete { result: r#"{"done":1}"# },
            1 => End::Retry { delay_ms: 3_600_000, history: r#"{"failures":[]}"# },
            2 => End::Bury { history: r#"{"failures":[],"end":"buried"}"# },
            3 => End::Release,
            _ => End::Snooze { delay_ms: 3_600_000, history: r#"{"snoozes":1}"# },
        };
        hand.end(&bench.store, claim, end).await;
    }
}

#[tokio::test]
async fn a_queue_keeps_everything_that_it_holds_through_every_change() {
    let bench = Bench::new();
    fill(&bench).await;
    let (before, enqueued) = (bench.image().await, bench.total("enqueued").await);
    assert!(before.len() > 600, "{}", before.len());
    let mut was = 1;
    for count in [8, 3, 1, 2, 64, 1] {
        bench.spread(count).await;
        bench.settle().await;
        assert_eq!(bench.places().await.len(), usize::from(count));
        let after = bench.image().await;
        let differs = before.iter().find(|(name, facts)| after.get(*name) != Some(facts));
        assert_eq!(differs.map(|(name, facts)| (name, facts, after.get(name))), None, "{was} to {count}");
        assert_eq!((after.len(), bench.total("enqueued").await), (before.len(), enqueued), "{was} to {count}");
        // What is known stays known: by its id, by its unique key while its window is open.
        assert_eq!(
            bench.add([job("wait-2"), job("other").unique("unique-1"), job("wait-3").order_key("order-3")]).await,
            [false; 3]
        );
        was = count;
    }
    let info = bench.store.batch(&bench.store.keys(&queue_name()), &"nightly".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((info.total, info.completed + info.dead + info.pending), (30, 30));
    let left: Vec<String> = bench.redis.query(&["KEYS", "*q:*/*"]);
    let stays = |key: &&String| !key.ends_with(":meta") && bench.redis.query::<i64>(&["PTTL", key]) < 0;
    let left: Vec<_> = left.iter().filter(stays).collect();
    assert!(left.is_empty(), "nothing stays but what keeps others out: {left:?}");
}

/// What a crowd of producers and workers did while the number changed.
#[derive(Default)]
struct Ledger {
    added: Mutex<Vec<String>>,
    ran: Mutex<BTreeMap<String, u32>>,
}

async fn produce(bench: Arc<Bench>, ledger: Arc<Ledger>, number: usize, stop: Arc<AtomicBool>) {
    let client = Client::new(&config(bench.redis.env())).unwrap();
    let queue = client.queue(queue_name());
    for n in 0.. {
        if stop.load(Ordering::Acquire) && n > 300 {
            return;
        }
        let name = format!("p{number}-{n}");
        // Each is told twice, by its id, and some ask for a key that one of them alone may hold.
        let new = || match n % 4 {
            0 => job(&name).order_key(format!("order-{}", n % 11)),
            1 => job(&name).delay(Duration::from_millis(30)),
            _ => job(&name),
        };
        let first = queue.enqueue(new()).await.unwrap();
        assert!(!first.duplicate, "{name}");
        ledger.added.lock().unwrap().push(name.clone());
        assert!(queue.enqueue(new()).await.unwrap().duplicate, "{name} again");
    }
}

async fn work(bench: Arc<Bench>, ledger: Arc<Ledger>, number: usize, over: Arc<AtomicBool>) {
    let mut hand = Hand::new(number);
    let mut turn = 0;
    while !over.load(Ordering::Acquire) {
        let claims = hand.claim(&bench.store, 5).await;
        if claims.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for claim in claims {
            turn += 1;
            // Some go back, some are tried again, one at a time.
            match turn % 10 {
                0 => hand.end(&bench.store, &claim, End::Release).await,
                1 => hand.end(&bench.store, &claim, End::Retry { delay_ms: 20, history: "{}" }).await,
                _ => {
                    *ledger.ran.lock().unwrap().entry(claim.1.to_string()).or_default() += 1;
                    hand.end(&bench.store, &claim, End::Complete { result: "null" }).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_runs_once_while_movers_die_at_any_moment() {
    let bench = Arc::new(Bench::new());
    let ledger = Arc::new(Ledger::default());
    let (stop, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    bench.add((0..1_000).map(|n| job(&format!("old-{n}")).order_key(format!("order-{}", n % 11)))).await;
    let producers: Vec<_> =
        (0..2).map(|n| tokio::spawn(produce(Arc::clone(&bench), Arc::clone(&ledger), n, Arc::clone(&stop)))).collect();
    let workers: Vec<_> =
        (1..5).map(|n| tokio::spawn(work(Arc::clone(&bench), Arc::clone(&ledger), n, Arc::clone(&over)))).collect();
    let mut killed = 0;
    for (turn, count) in [8, 2, 1, 5, 1].into_iter().enumerate() {
        let mut patience = 1;
        loop {
            // A mover is dropped wherever it is; another client goes on, in its turn or not.
            patience += 3 + turn as u64;
            let (store, name) = (Client::new(&config(bench.redis.env())).unwrap().open_store(), queue_name());
            let limit = Duration::from_millis(patience % 97);
            let change = async {
                let begun = mover::change(&store, &name, count).await.map(drop);
                mover::carry_on(&store, &name, None, &mut |_| ()).await.and_then(|moved| begun.map(|()| moved))
            };
            match tokio::time::timeout(limit, change).await {
                Err(_) => killed += 1,
                Ok(_) => {
                    let course = store.course(&name).await.unwrap();
                    if course.layout.now.count() == count && !course.is_moving() {
                        break;
                    }
                }
            }
            if patience > 200 {
                bench.settle().await;
            }
        }
    }
    stop.store(true, Ordering::Release);
    for producer in producers {
        producer.await.unwrap();
    }
    let expected: BTreeSet<String> =
        ledger.added.lock().unwrap().iter().cloned().chain((0..1_000).map(|n| format!("old-{n}"))).collect();
    let began = Instant::now();
    while ledger.ran.lock().unwrap().len() < expected.len() && began.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Ordering::Release);
    for worker in workers {
        worker.await.unwrap();
    }
    let ran = ledger.ran.lock().unwrap();
    let missing: Vec<_> = expected.iter().filter(|name| !ran.contains_key(*name)).take(5).collect();
    let twice: Vec<_> = ran.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(missing.is_empty() && twice.is_empty(), "missing {missing:?}, more than once {twice:?}");
    assert!(killed > 30, "{killed} movers died");
    assert_eq!(ran.len(), expected.len());
}

#[tokio::test]
async fn order_keys_keep_their_order_over_changes() {
    let bench = Bench::new();
    let (name, mut hand, mut ran) = (queue_name(), Hand::new(1), BTreeMap::<usize, Vec<usize>>::new());
    let mut number = 0;
    for count in [4, 2, 1, 8] {
        bench.add((number..number + 200).map(|n| job(&format!("{n}")).order_key(format!("key-{}", n % 10)))).await;
        bench.store.intend(&name, crate::job::Partitions::new(count).unwrap()).await.unwrap().unwrap();
        // One job at a time, whatever the mover has done meanwhile; new ones come while it is at work.
        let (store, queue) = (bench.store.clone(), name.clone());
        let moving = tokio::spawn(async move { mover::carry_on(&store, &queue, None, &mut |_| ()).await.unwrap() });
        number += 200;
        for round in 0.. {
            let claims = hand.claim(&bench.store, 1).await;
            for claim in &claims {
                let n: usize = claim.1.as_str().parse().unwrap();
                ran.entry(n % 10).or_default().push(n);
                hand.end(&bench.store, claim, End::Complete { result: "null" }).await;
            }
            if moving.is_finished() && claims.is_empty() {
                break;
            }
            if round % 7 == 0 && !moving.is_finished() {
                bench.add([job(&format!("{number}")).order_key(format!("key-{}", number % 10))]).await;
                number += 1;
            }
        }
        assert!(moving.await.unwrap().done);
    }
    assert_eq!(ran.values().map(Vec::len).sum::<usize>(), number);
    for (key, order) in ran {
        assert!(order.is_sorted(), "key {key}: {order:?}");
    }
}

#[tokio::test]
async fn the_new_partitions_wait_for_what_waits_in_the_former_ones() {
    let bench = Bench::new();
    let (name, mut hand) = (queue_name(), Hand::new(1));
    bench.store.set(&bench.store.keys(&name), &[Setting::Concurrency(Some(4))]).await.unwrap();
    bench.add((0..10).map(|n| job(&format!("old-{n}")))).await;
    let running = hand.claim(&bench.store, 2).await;
    bench.spread(2).await;
    let course = bench.store.course(&name).await.unwrap();
    assert!(course.held && course.layout.was.is_some());
    assert_eq!(bench.add([job("new"), job("old-3")]).await, [true, false]);
    assert!(hand.claim(&bench.store, 4).await.is_empty(), "the limit of the queue holds over both: two still run");
    for claim in &running {
        hand.end(&bench.store, claim, End::Retry { delay_ms: 3_600_000, history: "{}" }).await;
    }
    bench.settle().await;
    assert_eq!(hand.claim(&bench.store, 9).await.len(), 4, "two in each");
    let texts: Vec<String> = bench.redis.query(&["KEYS", "*{q:*/2}:config"]);
    for config in texts {
        let fields: BTreeMap<String, String> = bench.redis.query(&["HGETALL", &config]);
        assert_eq!((fields["concurrency"].as_str(), fields.contains_key("held")), ("2", false));
    }
}

#[tokio::test]
async fn what_cannot_be_divided_is_refused_by_name() {
    let bench = Bench::new();
    let refused = |error: crate::error::Error, word: &str| {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    let limits = [
        (Setting::Key(Some("tenant".parse().unwrap())), Setting::Key(None), "limits per key"),
        (Setting::Concurrency(Some(3)), Setting::Concurrency(None), "concurrency"),
        (Setting::MaxLength(Some(7)), Setting::MaxLength(None), "maxLength"),
    ];
    for (limit, lifted, word) in limits.clone() {
        bench.queue.set(&[limit]).await.unwrap();
        refused(bench.queue.set(&[Setting::Partitions(8)]).await.unwrap_err(), word);
        bench.queue.set(&[lifted]).await.unwrap();
    }
    bench.spread(8).await;
    bench.settle().await;
    for (limit, ..) in limits {
        refused(bench.queue.set(&[limit]).await.unwrap_err(), "8 partitions");
    }
    let batch: BatchName = "b".parse().unwrap();
    let keyed = job("a").batch(batch).unique("u");
    refused(bench.queue.enqueue(keyed).await.unwrap_err(), "batch");
    refused(bench.queue.enqueue(job("a").unless_queued()).await.unwrap_err(), "unlessQueued");
    for wrong in [0, 65] {
        assert_eq!(bench.queue.set(&[Setting::Partitions(wrong)]).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    // A change under way keeps another off, and is gone on with under its own number.
    bench.add((0..5).map(|n| job(&format!("{n}")))).await;
    let mut hand = Hand::new(1);
    let claims = hand.claim(&bench.store, 9).await;
    bench.spread(3).await;
    refused(bench.queue.set(&[Setting::Partitions(4)]).await.unwrap_err(), "--partitions 3 goes on");
    bench.spread(3).await;
    for claim in &claims {
        hand.end(&bench.store, claim, End::Complete { result: "null" }).await;
    }
    bench.settle().await;
    bench.spread(4).await;
}

#[tokio::test]
async fn settings_reach_every_partition_and_come_back_as_they_were_set() {
    let bench = Bench::new();
    bench.spread(8).await;
    bench.settle().await;
    let settings = [Setting::Rate(Some("80/s".parse().unwrap())), Setting::MaxLength(Some(803))];
    assert_eq!(bench.queue.set(&settings).await.unwrap().partitions, 8);
    bench.queue.pause().await.unwrap();
    let of_places = async || {
        let mut found = Vec::new();
        for keys in bench.places().await {
            let fields: BTreeMap<String, String> =
                bench.redis.query(&["HGETALL", &format!("{}config", Bench::base(&keys))]);
            found.push(fields);
        }
        found
    };
    let places = of_places().await;
    assert!(places.iter().all(|fields| fields["rate_us"] == "100000" && fields["paused"] == "1"), "{places:?}");
    assert_eq!(places.iter().map(|fields| fields["max_length"].parse::<u64>().unwrap()).sum::<u64>(), 803);
    let versions: BTreeSet<_> = places.iter().map(|fields| fields["version"].clone()).collect();
    assert_eq!(versions.len(), 1);
    // What a hand took away comes back with the round of a janitor.
    let keys = bench.places().await.remove(3);
    bench.redis.query::<()>(&["DEL", &format!("{}config", Bench::base(&keys))]);
    mover::keep_on(&bench.store, &keys).await.unwrap();
    assert_eq!(of_places().await, places);
    bench.queue.resume().await.unwrap();
    assert!(of_places().await.iter().all(|fields| !fields.contains_key("paused")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_movers_at_once_move_each_job_once() {
    let bench = Arc::new(Bench::new());
    bench.add((0..2_000).map(|n| job(&format!("{n}")))).await;
    let before = bench.image().await;
    bench.store.intend(&queue_name(), crate::job::Partitions::new(5).unwrap()).await.unwrap().unwrap();
    let moved = Arc::new(AtomicU64::new(0));
    let movers: Vec<_> = (0..4)
        .map(|_| {
            let (bench, moved) = (Arc::clone(&bench), Arc::clone(&moved));
            tokio::spawn(async move {
                let (store, name) = (Client::new(&config(bench.redis.env())).unwrap().open_store(), queue_name());
                loop {
                    let limit = Some(Duration::from_millis(5));
                    let told = mover::carry_on(&store, &name, limit, &mut |_| ()).await.unwrap();
                    moved.fetch_add(told.moved, Ordering::AcqRel);
                    if told.left == 0 {
                        return;
                    }
                }
            })
        })
        .collect();
    for mover in movers {
        tokio::time::timeout(DEADLINE, mover).await.unwrap().unwrap();
    }
    bench.settle().await;
    assert_eq!(bench.image().await, before);
    assert!(moved.load(Ordering::Acquire) >= 2_000);
}
