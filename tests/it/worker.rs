//! The worker through the library: what becomes of a job, whatever its processor does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ireva_queue::config::{Config, QueueSettings, Setting};
use ireva_queue::{
    BatchJob, BatchProcessor, Client, Concurrency, Event, EventKind, JobContext, JobId, JobState, NewJob, Outcome,
    ProcessError, Processor, Queue, QueueName, Registry, Selection, Stopper, Worker, WorkerReport,
};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::support::TestRedis;

const SOON: Duration = Duration::from_secs(20);

/// What a test job says to do.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Do {
    Succeed,
    Panic,
    Hang,
    Fail { class: ireva_queue::ErrorClass, after_ms: Option<u64> },
    FailTimes { times: u32 },
    Take { millis: u64 },
    Tell { done: u64 },
}

/// Does what its jobs say, and counts.
#[derive(Clone, Default)]
struct Doer {
    started: Arc<Mutex<Vec<(JobId, u32)>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// Counts a running job until it is dropped, also where its future is.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Doer {
    async fn act(&self, what: Do, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        self.started.lock().unwrap().push((ctx.job_id().clone(), ctx.attempt()));
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        match what {
            Do::Succeed => {}
            Do::Panic => panic!("told to"),
            Do::Hang => std::future::pending().await,
            Do::Take { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
            Do::Tell { done } => {
                ctx.progress(done, Some(400), "rows");
                std::future::pending().await
            }
            Do::FailTimes { times } if ctx.attempt() > times => {}
            Do::FailTimes { .. } => return Err(ProcessError::transient("told_to", "told to fail")),
            Do::Fail { class, after_ms } => {
                let error = ProcessError::new(class, "told_to", "told to fail");
                return Err(after_ms.map_or(error.clone(), |ms| error.retry_after(Duration::from_millis(ms))));
            }
        }
        Ok(Outcome::with_result(&"done").unwrap())
    }

    fn starts(&self, id: &JobId) -> usize {
        self.started.lock().unwrap().iter().filter(|(started, _)| started == id).count()
    }
}

impl Processor for Doer {
    type Payload = Do;

    async fn process(&self, payload: Do, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        self.act(payload, ctx).await
    }
}

fn config(redis: &TestRedis) -> Config {
    let env: BTreeMap<String, String> = redis.env().into_iter().collect();
    Config::from_lookup(|name| env.get(name).cloned(), None).unwrap()
}

fn client(redis: &TestRedis) -> Client {
    Client::new(&config(redis)).unwrap()
}

fn name(queue: &str) -> QueueName {
    QueueName::new(queue).unwrap()
}

fn job(payload: &str) -> NewJob {
    NewJob::from_json(payload.to_owned()).unwrap()
}

async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A running worker on queue `q`.
struct Bench {
    client: Client,
    queue: Queue,
    doer: Doer,
    events: Arc<Mutex<Vec<Event>>>,
    stopper: Stopper,
    running: JoinHandle<ireva_queue::Result<WorkerReport>>,
}

impl Bench {
    fn start(redis: &TestRedis, adjust: impl FnOnce(ireva_queue::WorkerBuilder) -> ireva_queue::WorkerBuilder) -> Self {
        let client = client(redis);
        let (doer, events) = (Doer::default(), Arc::new(Mutex::new(Vec::new())));
        let mut registry = Registry::new();
        registry.register(name("q"), doer.clone());
        let heard = Arc::clone(&events);
        let builder = Worker::builder(&client, registry)
            .concurrency(Concurrency::Shared(4))
            .on_event(move |event| heard.lock().unwrap().push(event.clone()));
        let worker = adjust(builder).build().unwrap();
        let stopper = worker.stopper();
        let running = tokio::spawn(worker.run());
        Self { queue: client.queue(name("q")), client, doer, events, stopper, running }
    }

    async fn stop(self) -> WorkerReport {
        self.stopper.stop();
        self.running.await.unwrap().unwrap()
    }

    fn heard(&self, id: &JobId) -> Vec<EventKind> {
        let of = |event: &&Event| event.job.as_ref() == Some(id);
        self.events.lock().unwrap().iter().filter(of).map(|event| event.event).collect()
    }

    async fn state(&self, id: &JobId) -> Option<JobState> {
        let inspector = self.client.inspector();
        inspector.find(id.as_str(), Some(&name("q"))).await.ok().map(|found| found.state)
    }

    async fn reaches(&self, id: &JobId, state: JobState) {
        until(&format!("{id} is {state}"), async || (self.state(id).await == Some(state)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_an_attempt_leads_where_it_should() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder.timeout(Duration::from_millis(200)));
    let soon = |payload: &str| job(payload).attempts(2).backoff("fixed:10ms".parse().unwrap());
    let cases = [
        (r#""succeed""#, JobState::Completed, 1, ""),
        (r#""panic""#, JobState::Dead, 2, "panic"),
        (r#""hang""#, JobState::Dead, 2, "timeout"),
        (r#"{"fail":{"class":"permanent"}}"#, JobState::Dead, 1, "told_to"),
        (r#"{"fail":{"class":"transient"}}"#, JobState::Dead, 2, "told_to"),
        (r#"{"fail_times":{"times":1}}"#, JobState::Completed, 2, ""),
        (r#"{"no":"such thing"}"#, JobState::Dead, 0, "payload_invalid"),
    ];
    for (payload, state, starts, code) in cases {
        let id = bench.queue.enqueue(soon(payload)).await.unwrap().id;
        bench.reaches(&id, state).await;
        assert_eq!(bench.doer.starts(&id), starts, "{payload}");
        if state == JobState::Dead {
            let selection = Selection { ids: vec![id.clone()], ..Selection::default() };
            let letters = bench.client.dead_letters(name("q")).list(&selection, 0, 10).await.unwrap().items;
            assert_eq!(letters[0].code, code, "{payload}");
        }
    }
    let stats = bench.queue.stats().await.unwrap();
    assert_eq!((stats.totals.completed, stats.totals.dead, stats.totals.failed), (2, 5, 9));
    assert_eq!(bench.stop().await.completed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_job_waits_as_told_and_keeps_its_attempts() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder);
    let payload = r#"{"fail":{"class":"throttled","after_ms":30}}"#;
    let id = bench.queue.enqueue(job(payload).attempts(1)).await.unwrap().id;
    until("three starts", async || (bench.doer.starts(&id) >= 3).then_some(())).await;
    assert!(bench.doer.started.lock().unwrap().iter().all(|(_, attempt)| *attempt == 1));
    assert!(bench.heard(&id).contains(&EventKind::Snoozed) && !bench.heard(&id).contains(&EventKind::Dead));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_running_job_says_it_is_is_shown_until_it_ends() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder.grace(Duration::from_millis(100)));
    let quiet = bench.queue.enqueue(job(r#""hang""#)).await.unwrap().id;
    let id = bench.queue.enqueue(job(r#"{"tell":{"done":100}}"#)).await.unwrap().id;
    let inspector = bench.client.inspector();
    let look = async |id: &JobId| {
        let found = inspector.find(id.as_str(), Some(&name("q"))).await.unwrap();
        inspector.job(&found).await.unwrap()
    };
    let progress = until("it tells of itself", async || look(&id).await.progress).await;
    assert_eq!((progress.done, progress.total, &*progress.unit), (100, Some(400), "rows"));
    assert!((chrono::Utc::now() - progress.at).num_seconds().abs() < 60, "the server's instant");
    let ttl: i64 = redis.query(&["PTTL", &redis.key("q", &format!("progress:{id}"))]);
    assert!((1..=90_000).contains(&ttl), "it ends by itself: {ttl}");
    assert_eq!(look(&quiet).await.progress, None);
    bench.stop().await;
    let after = look(&id).await;
    assert_eq!((after.summary.state, after.progress), (JobState::Pending, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_running_job_stops_its_processor_within_two_seconds() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder);
    let id = bench.queue.enqueue(job(r#""hang""#)).await.unwrap().id;
    bench.reaches(&id, JobState::Active).await;
    until("it runs", async || (bench.doer.starts(&id) == 1).then_some(())).await;
    let inspector = bench.client.inspector();
    let found = inspector.find(id.as_str(), None).await.unwrap();
    let asked = Instant::now();
    inspector.cancel(&found).await.unwrap();
    bench.reaches(&id, JobState::Cancelled).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(bench.doer.running.load(Ordering::SeqCst), 0);
    until("it is told", async || bench.heard(&id).contains(&EventKind::Cancelled).then_some(())).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_back_what_does_not_end_in_time() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder.grace(Duration::from_millis(100)));
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(bench.queue.enqueue(job(r#""hang""#)).await.unwrap().id);
    }
    until("four run", async || (bench.doer.running.load(Ordering::SeqCst) == 4).then_some(())).await;
    let (queue, doer, stopper) = (bench.queue.clone(), bench.doer.clone(), bench.stopper.clone());
    let stopped = Instant::now();
    stopper.stop();
    let report = bench.running.await.unwrap().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    assert_eq!((report.released, report.unconfirmed), (4, 0));
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.pending, stats.active, stats.totals.failed, stats.workers), (10, 0, 0, 0));
    assert_eq!(doer.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_jobs_behind_fast_ones_are_not_kept_from_other_workers() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder.concurrency(Concurrency::Shared(1)));
    // The fast ones make the worker claim ahead; then it sits on a slow one with others behind it.
    let fast = (0..2_000).map(|_| job(r#""succeed""#));
    let slow = (0..50).map(|_| job(r#"{"take":{"millis":1500}}"#));
    bench.queue.enqueue_many(fast.chain(slow).collect()).await.unwrap();
    until("the slow ones are given back", async || {
        let stats = bench.queue.stats().await.ok()?;
        (stats.totals.completed == 2_000 && stats.active == 1 && stats.pending == 49).then_some(())
    })
    .await;
    bench.stopper.stop_now();
    bench.running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_when_its_queues_are_empty_or_it_has_done_its_share() {
    let redis = TestRedis::start();
    let client = client(&redis);
    for queue in ["a", "b"] {
        let jobs = (0..30).map(|_| job(r#"{"fail_times":{"times":1}}"#).backoff("fixed:50ms".parse().unwrap()));
        client.queue(name(queue)).enqueue_many(jobs.collect()).await.unwrap();
    }
    let mut registry = Registry::new();
    let doer = Doer::default();
    registry.register(name("a"), doer.clone()).register(name("b"), doer.clone());
    let share = Worker::builder(&client, registry.clone()).max_jobs(10).build().unwrap();
    let report = tokio::time::timeout(SOON, share.run()).await.unwrap().unwrap();
    assert_eq!((report.completed + report.failed, doer.started.lock().unwrap().len()), (10, 10));
    let rest =
        Worker::builder(&client, registry).concurrency(Concurrency::Shared(3)).until_empty(true).build().unwrap();
    let report = tokio::time::timeout(SOON, rest.run()).await.unwrap().unwrap();
    assert_eq!(report.completed, 60);
    assert!(doer.most.load(Ordering::SeqCst) <= 3, "the queues share their slots");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_reach_a_running_worker() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder);
    let retry = ireva_queue::retry::RetryPolicy {
        attempts: 2,
        transient: "fixed:10ms".parse().unwrap(),
        ..QueueSettings::default().retry
    };
    bench.queue.set(&[Setting::Retry(retry)]).await.unwrap();
    let id = bench.queue.enqueue(job(r#"{"fail":{"class":"transient"}}"#)).await.unwrap().id;
    bench.reaches(&id, JobState::Dead).await;
    assert_eq!(bench.doer.starts(&id), 2);
    bench.stop().await;
}

/// Fails the jobs whose payload is odd, and gives no answer for the last of a batch of ten.
#[derive(Clone, Default)]
struct Tens(Arc<Mutex<Vec<usize>>>);

impl BatchProcessor for Tens {
    type Payload = u32;

    async fn process_batch(&self, jobs: Vec<BatchJob<u32>>) -> Vec<Result<Outcome, ProcessError>> {
        self.0.lock().unwrap().push(jobs.len());
        let odd = |job: &BatchJob<u32>| job.payload % 2 == 1 && job.ctx.attempt() == 1;
        let answer = |job| if odd(job) { Err(ProcessError::transient("odd", "odd")) } else { Ok(Outcome::done()) };
        let answered = if jobs.len() == 10 { 9 } else { jobs.len() };
        jobs.iter().take(answered).map(answer).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_fails_job_by_job() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let queue = client.queue(name("tens"));
    let jobs = (0..100_u32).map(|n| NewJob::new(&n).unwrap().backoff("fixed:10ms".parse().unwrap()));
    queue.enqueue_many(jobs.collect()).await.unwrap();
    let (tens, mut registry) = (Tens::default(), Registry::new());
    registry.register_batch(name("tens"), tens.clone(), 10, Duration::from_millis(100));
    let worker =
        Worker::builder(&client, registry).concurrency(Concurrency::Shared(1)).until_empty(true).build().unwrap();
    let report = tokio::time::timeout(SOON, worker.run()).await.unwrap().unwrap();
    assert_eq!(report.completed, 100);
    let sizes = tens.0.lock().unwrap().clone();
    assert!(sizes[..10].iter().all(|size| *size == 10), "{sizes:?}");
    let stats = queue.stats().await.unwrap();
    assert!(stats.totals.retried >= 50, "{:?}", stats.totals);
    assert_eq!(stats.totals.dead, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_finds_no_room_is_left_to_another_worker() {
    let redis = TestRedis::start();
    let bench = Bench::start(&redis, |builder| builder.concurrency(Concurrency::Shared(1)));
    // A job that came without a token, so that the worker found it while it waited for one.
    redis.query::<()>(&["HSET", &redis.key("q", "meta"), "layout", "1"]);
    redis.query::<()>(&["HSET", &redis.key("q", "jobs"), "quiet", "1764000000000000{\"payload\":\"hang\"}"]);
    redis.query::<()>(&["ZADD", &redis.key("q", "pending:2"), "1764000000000000", "quiet"]);
    until("it runs", async || (bench.doer.starts(&JobId::new("quiet").unwrap()) == 1).then_some(())).await;
    for _ in 0..3 {
        bench.queue.enqueue(job("\"succeed\"")).await.unwrap();
        let length = || redis.query::<u64>(&["LLEN", &redis.key("q", "wake")]);
        until("its token lies there", async || (length() == 1).then_some(())).await;
    }
    bench.stopper.stop_now();
    assert_eq!(bench.running.await.unwrap().unwrap().released, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_jobs_are_run_whichever_queue_they_are_in() {
    let redis = TestRedis::start();
    let client = client(&redis);
    for round in 1..=20 {
        let (doer, mut registry) = (Doer::default(), Registry::new());
        for queue in ["one", "two"] {
            client.queue(name(queue)).enqueue(job("\"succeed\"")).await.unwrap();
            registry.register(name(queue), doer.clone());
        }
        let per_queue = Concurrency::PerQueue(vec![(name("one"), 8), (name("two"), 8)]);
        let worker = Worker::builder(&client, registry).concurrency(per_queue).max_jobs(2).build().unwrap();
        let report = tokio::time::timeout(SOON, worker.run()).await.unwrap().unwrap();
        assert_eq!((report.completed, report.released), (2, 0), "round {round}");
    }
}

/// Never gives its thread back until it is told to.
struct Blocker(Mutex<std::sync::mpsc::Receiver<()>>);

impl Processor for Blocker {
    type Payload = serde_json::Value;

    async fn process(&self, _: Self::Payload, _: &JobContext) -> Result<Outcome, ProcessError> {
        let _ = self.0.lock().unwrap().recv();
        Ok(Outcome::done())
    }
}

#[test]
fn a_worker_whose_processors_block_every_thread_ends_and_leaves_its_jobs_to_others() {
    let redis = TestRedis::start();
    let (unblock, blocked) = std::sync::mpsc::channel();
    let client = client(&redis);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        client.queue(name("q")).enqueue(job("1")).await.unwrap();
        let mut registry = Registry::new();
        registry.register(name("q"), Blocker(Mutex::new(blocked)));
        Worker::builder(&client, registry).lease(Duration::from_secs(4)).build().unwrap().run().await
    });
    assert_eq!(ended.unwrap_err().kind(), ireva_queue::ErrorKind::NotNow);
    let other = tokio::runtime::Runtime::new().unwrap();
    other.block_on(async {
        let bench = Bench::start(&redis, |builder| builder.lease(Duration::from_secs(4)));
        let recovered = async || (bench.queue.stats().await.unwrap().totals.recovered == 1).then_some(());
        until("another worker has taken the job", recovered).await;
        bench.stop().await;
    });
    drop(unblock);
    runtime.shutdown_background();
}
