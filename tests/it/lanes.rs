//! Workers of a queue of several partitions: they work in every place, and share among the places what they share.

mod change;
mod moved;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ireva_queue::config::Config;
use ireva_queue::{
    Client, Concurrency, JobContext, NewJob, Outcome, Priority, ProcessError, Processor, Registry, Stopper, Worker,
    WorkerBuilder, WorkerReport,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::ops_seed::{NOW_US, Seed, client, id, name};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(4);

/// The names of the places of a queue of so many partitions.
fn places(queue: &str, count: u16) -> Vec<String> {
    match count {
        1 => vec![queue.to_owned()],
        _ => (1..=count).map(|number| format!("{queue}:{number}/{count}")).collect(),
    }
}

/// Completed jobs of a queue of so many partitions are gone at once.
fn keep_none(redis: &TestRedis, queue: &str, count: u16) {
    for place in places(queue, count) {
        redis.query::<()>(&["HSET", &redis.key(&place, "config"), "remove_on_complete", "0"]);
    }
}

/// Begins a change: nothing is added any more to the places that the queue had, the new ones take jobs, and both hold some.
fn spread(redis: &TestRedis, queue: &str, before: u16, after: u16) {
    for place in places(queue, before) {
        redis.query::<()>(&["HSET", &redis.key(&place, "meta"), "layout", "1", "partitions", &after.to_string()]);
    }
    for place in places(queue, after) {
        redis.query::<()>(&["HDEL", &redis.key(&place, "meta"), "partitions"]);
    }
    keep_none(redis, queue, after);
    let (config, before, after) = (redis.key(queue, "config"), before.to_string(), after.to_string());
    redis.query::<()>(&["HSET", &config, "partitions", &after, "partitions_was", &before]);
}

/// Ends a change: the places that the queue had are empty.
fn settle(redis: &TestRedis, queue: &str) {
    redis.query::<()>(&["HDEL", &redis.key(queue, "config"), "partitions_was"]);
}

/// The settings of every place have changed.
fn raise(redis: &TestRedis, queue: &str, counts: [u16; 2]) {
    for place in counts.into_iter().flat_map(|count| places(queue, count)) {
        redis.query::<()>(&["HINCRBY", &redis.key(&place, "config"), "version", "1"]);
    }
}

/// A queue that has always had so many partitions.
fn lay_out(redis: &TestRedis, queue: &str, count: u16) {
    spread(redis, queue, 1, count);
    settle(redis, queue);
}

fn lines(redis: &TestRedis, place: &str) -> Vec<String> {
    (0..4)
        .flat_map(|level| {
            redis.query::<Vec<String>>(&["ZRANGE", &redis.key(place, &format!("pending:{level}")), "0", "-1"])
        })
        .collect()
}

fn held(redis: &TestRedis, places: &[String]) -> u64 {
    places.iter().map(|place| redis.query::<u64>(&["HLEN", &redis.key(place, "jobs")])).sum()
}

/// The workers that a place knows.
fn workers(redis: &TestRedis, place: &str) -> Vec<String> {
    redis.query(&["ZRANGE", &redis.key(place, "workers"), "0", "-1"])
}

fn job(id_of: &str) -> NewJob {
    NewJob::new(&0).unwrap().id(id(id_of))
}

async fn enqueue(client: &Client, queue: &str, jobs: impl IntoIterator<Item = NewJob>) {
    let answers = client.queue(name(queue)).enqueue_many(jobs.into_iter().collect()).await.unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| !answer.duplicate)));
}

/// A run of a job.
#[derive(Clone, Debug)]
struct Run {
    id: String,
    queue: String,
    attempt: u32,
    began: Instant,
    ended: Option<Instant>,
    /// How many others ran when it began.
    beside: usize,
}

/// Notes what it runs. Its jobs take as many milliseconds as their payload says; with -1 they wait until they are let go.
#[derive(Clone, Default)]
struct Noting {
    runs: Arc<Mutex<Vec<Run>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    let_go: Arc<Notify>,
    free: Arc<AtomicBool>,
}

impl Noting {
    fn count(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    fn runs(&self) -> Vec<Run> {
        self.runs.lock().unwrap().clone()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.runs().into_iter().map(|run| run.id).collect()
    }

    fn has_run(&self, id: &str) -> bool {
        self.runs.lock().unwrap().iter().any(|run| run.id == id)
    }

    /// Those that wait end, and so do all that come.
    fn release(&self) {
        self.free.store(true, Ordering::SeqCst);
        self.let_go.notify_waiters();
    }
}

impl Processor for Noting {
    type Payload = i64;

    async fn process(&self, millis: i64, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let beside = self.running.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(beside + 1, Ordering::SeqCst);
        let run = Run {
            id: ctx.job_id().to_string(),
            queue: ctx.queue().to_string(),
            attempt: ctx.attempt(),
            began: Instant::now(),
            ended: None,
            beside,
        };
        let at = {
            let mut runs = self.runs.lock().unwrap();
            runs.push(run);
            runs.len() - 1
        };
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
        }
        while millis < 0 && !self.free.load(Ordering::SeqCst) {
            let _ = tokio::time::timeout(Duration::from_millis(100), self.let_go.notified()).await;
        }
        self.runs.lock().unwrap()[at].ended = Some(Instant::now());
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(Outcome::done())
    }
}

fn builder(client: &Client, queues: &[&str], noting: &Noting) -> WorkerBuilder {
    let mut registry = Registry::new();
    queues.iter().for_each(|queue| _ = registry.register(name(queue), noting.clone()));
    Worker::builder(client, registry).concurrency(Concurrency::Shared(4)).lease(LEASE)
}

/// A worker that runs.
struct Started {
    id: String,
    stopper: Stopper,
    running: JoinHandle<ireva_queue::Result<WorkerReport>>,
}

impl Started {
    fn new(builder: WorkerBuilder) -> Self {
        let worker = builder.build().unwrap();
        Self { id: worker.id().to_owned(), stopper: worker.stopper(), running: tokio::spawn(worker.run()) }
    }

    async fn stop(self) -> WorkerReport {
        self.stopper.stop();
        self.ends().await
    }

    async fn ends(self) -> WorkerReport {
        tokio::time::timeout(LONG, self.running).await.expect("it ends").unwrap().unwrap()
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "not within {LONG:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nothing is left in the places but what stays of a queue.
#[track_caller]
fn assert_left(redis: &TestRedis, places: &[String]) {
    assert_eq!(held(redis, places), 0);
    for place in places {
        for key in ["active", "workers", "handed", "pending:2", "retrying"] {
            assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key(place, key)]), 0, "{place}: {key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_every_place_are_worked_each_once_by_the_slots_of_one_queue() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let one = |n: i64| NewJob::new(&(n % 2)).unwrap().id(id(&format!("job-{n}")));
    enqueue(&client, "q", (0..2_000).map(one)).await;
    let all = places("q", 8);
    assert!(all.iter().all(|place| lines(&redis, place).len() > 100));
    let report = Started::new(builder(&client, &["q"], &noting).until_empty(true)).ends().await;
    assert_eq!((report.completed, report.failed, report.released, noting.count()), (2_000, 0, report.released, 2_000));
    assert_eq!((noting.ids().len(), noting.most.load(Ordering::SeqCst)), (2_000, 4));
    assert!(noting.runs().iter().all(|run| run.queue == "q"), "a job knows its queue, not its place");
    assert_left(&redis, &all);
    assert_eq!(
        redis.query::<Vec<String>>(&["KEYS", &redis.key("q", "*")]).len(),
        2,
        "the queue's own: config and meta"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_comes_first_inside_a_place_and_the_order_of_arrival_next() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 3);
    let priorities = [Priority::Low, Priority::Normal, Priority::Critical, Priority::High];
    enqueue(&client, "q", (0..240).map(|n| job(&format!("job-{n:03}")).priority(priorities[n % 4]))).await;
    let expected: Vec<_> = places("q", 3).iter().map(|place| lines(&redis, place)).collect();
    let one = builder(&client, &["q"], &noting).concurrency(Concurrency::Shared(1)).until_empty(true);
    assert_eq!(Started::new(one).ends().await.completed, 240);
    let started: Vec<_> = noting.runs().into_iter().map(|run| run.id).collect();
    for line in expected {
        let of_place: BTreeSet<_> = line.iter().collect();
        let found: Vec<_> = started.iter().filter(|id| of_place.contains(id)).cloned().collect();
        assert_eq!(found, line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_an_order_key_follow_one_another_where_a_place_runs_one_at_a_time() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 4);
    for place in places("q", 4) {
        redis.query::<()>(&["HSET", &redis.key(&place, "config"), "concurrency", "1", "version", "1"]);
    }
    let ordered =
        |n: usize| NewJob::new(&1).unwrap().id(id(&format!("{}-{n:03}", n % 20))).order_key((n % 20).to_string());
    enqueue(&client, "q", (0..200).map(ordered)).await;
    let eight = || builder(&client, &["q"], &noting).concurrency(Concurrency::Shared(8)).until_empty(true);
    let (one, other) = (Started::new(eight()), Started::new(eight()));
    assert_eq!(one.ends().await.completed + other.ends().await.completed, 200);
    let mut of_key = BTreeMap::<String, Vec<Run>>::new();
    for run in noting.runs() {
        of_key.entry(run.id.split('-').next().unwrap().to_owned()).or_default().push(run);
    }
    for (key, runs) in of_key {
        assert_eq!(runs.len(), 10);
        assert!(runs.is_sorted_by(|a, b| a.id < b.id), "key {key}: {runs:?}");
        assert!(runs.windows(2).all(|two| two[0].ended.unwrap() <= two[1].began), "key {key} runs one at a time");
    }
    assert!((2..=4).contains(&noting.most.load(Ordering::SeqCst)), "places run beside one another");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claims_of_a_dead_worker_are_taken_back_in_every_place() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    for (n, place) in places("q", 8).iter().enumerate() {
        let seed = Seed { redis: &redis, queue: place };
        seed.active(&format!("job-{n}"), "host-1-01KAQ8Z3V7X9Y2N4M6P8R0S1T3-dead", NOW_US / 1_000);
        redis.query::<()>(&["HSET", &seed.key("jobs"), &format!("job-{n}"), &format!("{NOW_US}{{\"payload\":0}}")]);
    }
    let report = Started::new(builder(&client, &["q"], &noting).until_empty(true)).ends().await;
    assert_eq!((report.completed, noting.count()), (8, 8));
    assert!(noting.runs().iter().all(|run| run.attempt == 2), "{:?}", noting.runs());
    assert_left(&redis, &places("q", 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_are_shared_by_queues_however_many_places_they_have() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "a", 8);
    // Jobs that are claimed one by one, and such as are claimed hundreds at a time.
    for (takes, jobs) in [(10, 200), (0, 4_000)] {
        noting.runs.lock().unwrap().clear();
        for queue in ["a", "b"] {
            let one = |n: usize| NewJob::new(&takes).unwrap().id(id(&format!("{queue}-{takes}-{n}")));
            enqueue(&client, queue, (0..jobs).map(one)).await;
        }
        Started::new(builder(&client, &["a", "b"], &noting).until_empty(true)).ends().await;
        let first: Vec<_> = noting.runs().into_iter().take(jobs).collect();
        let part = first.iter().filter(|run| run.queue == "a").count() as f64 / jobs as f64;
        assert!((part - 0.5).abs() < 0.08, "{takes} ms: {part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_with_few_jobs_does_not_wait_for_one_with_many() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 2);
    for (place, word, jobs) in [("q:1/2", "many", 1_000), ("q:2/2", "few", 50)] {
        let seed = Seed { redis: &redis, queue: place };
        for n in 0..jobs {
            seed.job("pending:2", &format!("{word}-{n}"), NOW_US + n, "");
            let record = format!("{NOW_US}{{\"payload\":2}}");
            redis.query::<()>(&["HSET", &seed.key("jobs"), &format!("{word}-{n}"), &record]);
        }
    }
    Started::new(builder(&client, &["q"], &noting).until_empty(true)).ends().await;
    let few = noting.runs().iter().take(150).filter(|run| run.id.starts_with("few")).count();
    assert!(few >= 40, "{few} of 50 are among the first 150");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_any_place_wakes_an_idle_worker() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let worker = Started::new(builder(&client, &["q"], &noting));
    let waits = || redis.query::<String>(&["INFO", "clients"]).contains("blocked_clients:1");
    let mut late = Vec::new();
    for n in 0..24 {
        until("it waits for tokens", waits).await;
        let asked = Instant::now();
        enqueue(&client, "q", [job(&format!("job-{n}"))]).await;
        until("the job is run", || noting.has_run(&format!("job-{n}"))).await;
        late.push(asked.elapsed());
    }
    late.sort();
    // The poll alone would take half a second on the average.
    assert!(late[12] < Duration::from_millis(250), "{late:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_one_partition_asks_nothing_more_for_its_jobs() {
    let redis = TestRedis::start();
    let (verbs, sink) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let listener = Arc::clone(&verbs);
    let proxy = Proxy::start(&redis, move |request| {
        listener.lock().unwrap().push(request.verb());
        Fault::None
    });
    let mut env: BTreeMap<_, _> = redis.env().into_iter().collect();
    env.insert("REDIS_PORT".to_owned(), proxy.port().to_string());
    let heard = Client::new(&Config::from_lookup(|name| env.get(name).cloned(), None).unwrap()).unwrap();
    for jobs in [200, 2_000] {
        let noting = Noting::default();
        enqueue(&client(&redis), "q", (0..jobs).map(|n| job(&format!("{jobs}-{n}")))).await;
        verbs.lock().unwrap().clear();
        let one = builder(&heard, &["q"], &noting).concurrency(Concurrency::Shared(1)).until_empty(true);
        assert_eq!(Started::new(one).ends().await.completed, jobs);
        sink.lock().unwrap().push(verbs.lock().unwrap().iter().filter(|verb| *verb == "HMGET").count());
    }
    let asked = sink.lock().unwrap().clone();
    assert!(asked.iter().all(|asked| (2..=6).contains(asked)), "at the start and at the end: {asked:?}");
}
