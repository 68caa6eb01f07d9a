//! The engine's speeds on a private Redis: enqueue, drain, what limits per key cost it, latency, bytes per waiting job.
//!
//! `cargo bench` runs them all; `cargo bench -- --jobs 10000` makes them smaller, a word (`drain`) picks those whose name
//! has it. Rates depend on the machine: compare only inside one run.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ireva_queue::config::{
    AlertsConfig, Config, Endpoint, ProcessorsConfig, RedisConfig, RedisMode, Setting, TlsConfig, WorkerConfig,
};
use ireva_queue::{
    Client, Concurrency, JobContext, NewJob, Outcome, ProcessError, Processor, QueueName, Registry, Worker,
};
use serde_json::value::RawValue;

/// An email job of 199 bytes.
const PAYLOAD: &str = r#"{"to":"investor.0001@example.com","subject":"Your monthly statement is ready","template":"monthly-roi","context":{"firstName":"John","investorId":12345,"month":"2024-01","amount":"1250.00","cur":"EUR"}}"#;

/// A server of its own, gone with the value.
struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::yield_now();
        }
        Self { child, port, _dir: dir }
    }

    fn client(&self) -> Client {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: self.port, tls: false };
        let redis = RedisConfig {
            mode: RedisMode::Standalone(endpoint),
            username: None,
            password: None,
            db: 0,
            tls: TlsConfig::default(),
            prefix: "ireva:queue:".to_owned(),
            read_only: false,
        };
        let config = Config {
            redis,
            worker: WorkerConfig::default(),
            data_dir: std::path::PathBuf::new(),
            processors: ProcessorsConfig::default(),
            queues: std::collections::BTreeMap::new(),
            alerts: AlertsConfig::default(),
            durable_wait: Duration::from_secs(2),
        };
        Client::new(&config).expect("a client")
    }

    fn info(&self, field: &str) -> f64 {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
        let mut connection = client.get_connection().expect("a connection");
        let info: String = redis::cmd("INFO").query(&mut connection).expect("INFO");
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
        line.parse().expect("a number")
    }

    /// CPU time used so far, in microseconds, to the microsecond.
    fn cpu_us(&self) -> f64 {
        (self.info("used_cpu_user") + self.info("used_cpu_sys")) * 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process, in microseconds, from /proc.
fn cpu_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * 10_000
}

fn queue_name() -> QueueName {
    QueueName::new("email").expect("a valid name")
}

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|_| NewJob::from_json(PAYLOAD.to_owned()).expect("a payload")).collect()
}

/// Succeeds at once and notes when.
#[derive(Clone, Default)]
struct Noop {
    done: Arc<AtomicU64>,
    started: Arc<Mutex<Vec<Instant>>>,
    notes: bool,
}

impl Processor for Noop {
    type Payload = Box<RawValue>;

    async fn process(&self, _payload: Self::Payload, _ctx: &JobContext) -> Result<Outcome, ProcessError> {
        if self.notes {
            self.started.lock().expect("no panic").push(Instant::now());
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(Outcome::done())
    }
}

fn say(name: &str, value: f64, unit: &str, more: &str) {
    println!("{name:<34} {value:>12.1} {unit:<8} {more}");
}

async fn enqueue_bulk(server: &Server, count: usize) {
    let queue = server.client().queue(queue_name());
    let jobs = jobs(count);
    let before = (server.cpu_us(), Instant::now());
    let empty = server.info("used_memory");
    queue.enqueue_many(jobs).await.expect("enqueued");
    let rate = count as f64 / before.1.elapsed().as_secs_f64();
    let redis_us = (server.cpu_us() - before.0) / count as f64;
    say("enqueue, bulk", rate, "jobs/s", &format!("redis {redis_us:.1} µs/job"));
    say("memory of a waiting job", (server.info("used_memory") - empty) / count as f64, "bytes", "");
}

async fn enqueue_single(server: &Server, count: usize, in_flight: usize) {
    let queue = server.client().queue(queue_name());
    queue.enqueue(jobs(1).remove(0)).await.expect("enqueued");
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (queue, jobs) = (queue.clone(), jobs(count / in_flight));
        tasks.spawn(async move {
            for job in jobs {
                queue.enqueue(job).await.expect("enqueued");
            }
        });
    }
    tasks.join_all().await;
    let rate = (count / in_flight * in_flight) as f64 / started.elapsed().as_secs_f64();
    say(&format!("enqueue, {in_flight} in flight"), rate, "jobs/s", "");
}

async fn drain(server: &Server, count: usize, concurrency: usize) {
    let client = server.client();
    client.queue(queue_name()).enqueue_many(jobs(count)).await.expect("enqueued");
    let (rate, redis_us, own_us) = run_empty(server, &client, concurrency).await;
    let more = format!("worker {own_us:.1} + redis {redis_us:.1} µs/job");
    say(&format!("drain, concurrency {concurrency}"), rate, "jobs/s", &more);
}

/// Drains in turns with limits per key that nothing reaches and without any, in batches of 500: what the limits cost.
async fn keys(count: usize, rounds: usize) {
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..rounds * 2 {
        let limited = round % 2 == 1;
        let server = Server::start();
        let client = server.client();
        let queue = client.queue(queue_name());
        if limited {
            let field = Some("tenantId".parse().expect("a field"));
            let settings = [Setting::Key(field), Setting::KeyConcurrency(Some(100_000))];
            queue.set(&settings).await.expect("set");
            // The answer tells the producer the field.
            queue.enqueue(jobs(1).remove(0)).await.expect("enqueued");
        }
        let tenant = |n: usize| PAYLOAD.replacen('{', &format!("{{\"tenantId\":\"tenant-{:02}\",", n % 50), 1);
        let jobs = (0..count).map(|n| NewJob::from_json(tenant(n)).expect("a payload")).collect();
        queue.enqueue_many(jobs).await.expect("enqueued");
        let (rate, redis_us, worker_us) = run_empty(&server, &client, 500).await;
        let name = if limited { "drain, 50 keys with limits" } else { "drain, no limits" };
        say(name, rate, "jobs/s", &format!("worker {worker_us:.1} + redis {redis_us:.2} µs/job"));
        costs[usize::from(limited)].push((rate, redis_us));
    }
    let middle = |of: &[(f64, f64)], part: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<_> = of.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let change = |part| 100.0 * (middle(&costs[1], part) / middle(&costs[0], part) - 1.0);
    say("limits per key, throughput", change(|cost| cost.0), "%", "between the medians");
    say("limits per key, time of redis", change(|cost| cost.1), "%", "between the medians");
}

/// Runs a worker until the queue is empty: jobs a second, and the time of Redis and of this process for each.
async fn run_empty(server: &Server, client: &Client, concurrency: usize) -> (f64, f64, f64) {
    let mut registry = Registry::new();
    registry.register(queue_name(), Noop::default());
    let worker = Worker::builder(client, registry).concurrency(Concurrency::Shared(concurrency)).until_empty(true);
    let worker = worker.build().expect("a worker");
    let own = std::process::id();
    let before = (server.cpu_us(), cpu_us(own), Instant::now());
    let jobs = worker.run().await.expect("drained").completed as f64;
    let rate = jobs / before.2.elapsed().as_secs_f64();
    (rate, (server.cpu_us() - before.0) / jobs, (cpu_us(own) - before.1) as f64 / jobs)
}

async fn latency(server: &Server, seconds: u64) {
    let client = server.client();
    let queue = client.queue(queue_name());
    let noop = Noop { notes: true, ..Noop::default() };
    let mut registry = Registry::new();
    registry.register(queue_name(), noop.clone());
    let worker = Worker::builder(&client, registry).build().expect("a worker");
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    queue.enqueue(jobs(1).remove(0)).await.expect("enqueued");
    while noop.done.load(Ordering::Relaxed) < 1 {
        tokio::task::yield_now().await;
    }
    noop.started.lock().expect("no panic").clear();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let mut waits = Vec::new();
    for _ in 0..seconds * 100 {
        ticks.tick().await;
        let before = Instant::now();
        queue.enqueue(jobs(1).remove(0)).await.expect("enqueued");
        while noop.started.lock().expect("no panic").is_empty() {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
        let at = noop.started.lock().expect("no panic").remove(0);
        waits.push(at.saturating_duration_since(before).as_secs_f64() * 1e3);
    }
    stopper.stop();
    running.await.expect("no panic").expect("stopped");
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    say("latency, enqueue to start, p50", at(0.5), "ms", &format!("p99 {:.2} ms, max {:.2} ms", at(0.99), at(1.0)));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let count = arguments.windows(2).find(|pair| pair[0] == "--jobs").and_then(|pair| pair[1].parse().ok());
    let count = count.unwrap_or(100_000);
    let words: Vec<_> =
        arguments.iter().filter(|word| !word.starts_with("--") && word.parse::<u64>().is_err()).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{count} jobs of {} bytes; load average {}", PAYLOAD.len(), load.trim());
    runtime.block_on(async {
        if wanted("enqueue bulk") {
            enqueue_bulk(&Server::start(), count).await;
        }
        for in_flight in [1, 50] {
            if wanted("enqueue single") {
                enqueue_single(&Server::start(), count / if in_flight == 1 { 10 } else { 1 }, in_flight).await;
            }
        }
        for concurrency in [100, 10, 1] {
            if wanted("drain") {
                drain(&Server::start(), count, concurrency).await;
            }
        }
        if wanted("keys") {
            keys(count, 3).await;
        }
        if wanted("latency") {
            latency(&Server::start(), if count < 100_000 { 1 } else { 10 }).await;
        }
    });
}
