//! The engine's speeds on private servers: what `ireva-queue bench` measures, and what limits per key cost.
//!
//! `cargo bench` runs them all; `cargo bench -- --jobs 10000` makes them smaller, a word (`drain`) picks those whose name
//! has it. Rates depend on the machine: compare only inside one run.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ireva_queue::bench::{Bench, Measurement, Plan};
use ireva_queue::config::{
    AlertsConfig, Config, Endpoint, ProcessorsConfig, RedisConfig, RedisMode, Setting, TlsConfig, WorkerConfig,
};
use ireva_queue::{
    Client, Concurrency, JobContext, NewJob, Outcome, ProcessError, Processor, QueueName, Registry, Worker,
};
use serde_json::value::RawValue;

/// A payload without the key of the limits.
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

/// Succeeds at once.
struct Noop;

impl Processor for Noop {
    type Payload = Box<RawValue>;

    async fn process(&self, _payload: Self::Payload, _ctx: &JobContext) -> Result<Outcome, ProcessError> {
        Ok(Outcome::done())
    }
}

fn say(name: &str, value: f64, unit: &str, more: &str) {
    println!("{name:<34} {value:>12.1} {unit:<8} {more}");
}

fn show(measured: &[Measurement]) {
    for one in measured {
        let name = one.concurrency.map_or_else(|| one.measure.to_string(), |many| format!("{}, {many}", one.measure));
        let cost = one.worker_cpu_us_per_job.zip(one.redis_cpu_us_per_job);
        let cost = cost.map(|(worker, redis)| format!("worker {worker:.1} + redis {redis:.1} µs/job"));
        let tail = one.p99.zip(one.max).map(|(p99, max)| format!("p99 {p99:.2}, max {max:.2}"));
        say(&name, one.value, one.unit, &cost.or(tail).unwrap_or_default());
    }
}

/// Measurements on a server of their own.
async fn on_a_server(jobs: usize, measure: impl AsyncFnOnce(&Bench) -> ireva_queue::Result<Vec<Measurement>>) {
    let server = Server::start();
    let plan = Plan { jobs, span: Duration::from_secs(if jobs < 100_000 { 1 } else { 10 }), ..Plan::default() };
    let bench = Bench::begin(&server.client(), queue_name(), plan).await.expect("an empty queue");
    show(&measure(&bench).await.expect("measured"));
    bench.end().await.expect("ended");
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
    registry.register(queue_name(), Noop);
    let worker = Worker::builder(client, registry).concurrency(Concurrency::Shared(concurrency)).until_empty(true);
    let worker = worker.build().expect("a worker");
    let own = std::process::id();
    let before = (server.cpu_us(), cpu_us(own), Instant::now());
    let jobs = worker.run().await.expect("drained").completed as f64;
    let rate = jobs / before.2.elapsed().as_secs_f64();
    (rate, (server.cpu_us() - before.0) / jobs, (cpu_us(own) - before.1) as f64 / jobs)
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
    println!("{count} jobs; load average {}", load.trim());
    runtime.block_on(async {
        if wanted("idle") {
            on_a_server(count, async |bench| bench.idle().await).await;
        }
        if wanted("latency") {
            on_a_server(count, async |bench| bench.latency().await).await;
        }
        if wanted("enqueue") {
            on_a_server(count, async |bench| bench.enqueue().await).await;
        }
        for concurrency in [100, 10, 1] {
            if wanted("drain") {
                on_a_server(count, async |bench| bench.drain(concurrency).await).await;
            }
        }
        if wanted("keys") {
            keys(count, 3).await;
        }
    });
}
