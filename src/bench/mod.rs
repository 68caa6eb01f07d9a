//! Measures how fast the queue is on the Redis that is configured, and what a job costs there.
//!
//! ```no_run
//! # async fn measure() -> ireva_queue::Result<()> {
//! use ireva_queue::bench::{Bench, Plan};
//! use ireva_queue::{Client, QueueName, config::Config};
//!
//! let client = Client::new(&Config::from_env()?)?;
//! let bench = Bench::begin(&client, QueueName::new("bench")?, Plan::default()).await?;
//! for measurement in bench.drain(100).await? {
//!     println!("{} {:.0} {}", measurement.measure, measurement.value, measurement.unit);
//! }
//! bench.end().await
//! # }
//! ```

mod usage;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::bulk::ActOptions;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobState, NewJob, QueueName};
use crate::queue::Queue;
use crate::worker::{Concurrency, Stopper, WorkerReport, memory_bytes};
use usage::Usage;
use work::Noop;

/// An email job of 199 bytes; the digits of its investor are those of its number.
const PAYLOAD: &str = r#"{"to":"investor.000001@example.com","subject":"Your monthly statement","template":"monthly-roi","context":{"firstName":"John","investorId":12345,"month":"2024-01","amount":"1250.00","currency":"EUR"}}"#;
/// What is replaced in it.
const NUMBER: &str = "000001";

/// How long a worker may take to end.
const LEAVING: Duration = Duration::from_secs(5);

/// How much is measured, and with what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many jobs a measurement takes.
    pub jobs: usize,
    /// The payload of each, JSON; `None`: an email job of 199 bytes.
    pub payload: Option<String>,
    /// How long latency and idling are looked at.
    pub span: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { jobs: 100_000, payload: None, span: Duration::from_secs(10) }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Jobs enqueued by one call each, so many calls at once.
    Enqueue,
    /// Jobs enqueued by one call.
    EnqueueBulk,
    /// What Redis holds for a waiting job.
    Memory,
    /// Waiting jobs that a worker whose processor does nothing has ended.
    Drain,
    /// From the call that enqueues a job to its start in an idle worker.
    Latency,
    /// Reads of a worker that has nothing to do, as Redis counts them.
    IdleReads,
    /// The time of a core that it takes.
    IdleCpu,
    /// The memory of its process.
    WorkerMemory,
}

impl Measure {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::EnqueueBulk => "enqueue-bulk",
            Self::Memory => "memory",
            Self::Drain => "drain",
            Self::Latency => "latency",
            Self::IdleReads => "idle-reads",
            Self::IdleCpu => "idle-cpu",
            Self::WorkerMemory => "worker-memory",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One number, with what it cost.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// What was measured.
    pub measure: Measure,
    /// Calls in flight, or the worker's concurrency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Over how many jobs; where it is about idling, over how many seconds.
    pub n: u64,
    /// The number, in `unit`: of [`Measure::Latency`] the median.
    pub value: f64,
    /// `jobs/s`, `bytes/job`, `ms`, `reads/s`, `% of a core` or `MiB`.
    pub unit: &'static str,
    /// Half are this or less, in `unit`; of latencies alone, like the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 99 of 100 are this or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// The greatest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The time of a core that this process took for each job, in microseconds; of rates alone, like the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_cpu_us_per_job: Option<f64>,
    /// The time of a core that Redis took for each, of all masters together where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_cpu_us_per_job: Option<f64>,
}

impl Measurement {
    fn new(measure: Measure, n: u64, value: f64, unit: &'static str) -> Self {
        Self {
            measure,
            concurrency: None,
            n,
            value,
            unit,
            p50: None,
            p99: None,
            max: None,
            worker_cpu_us_per_job: None,
            redis_cpu_us_per_job: None,
        }
    }

    /// So many jobs since `before`.
    fn rate(measure: Measure, concurrency: Option<usize>, jobs: u64, (before, after): (&Usage, &Usage)) -> Self {
        let each = |used: f64| Some(used / jobs as f64);
        Self {
            concurrency,
            worker_cpu_us_per_job: each(after.own_us - before.own_us),
            redis_cpu_us_per_job: each(after.redis_us - before.redis_us),
            ..Self::new(measure, jobs, jobs as f64 / after.at.duration_since(before.at).as_secs_f64(), "jobs/s")
        }
    }
}

/// Measurements on one queue, which holds nothing else.
pub struct Bench {
    client: Client,
    queue: Queue,
    plan: Plan,
    payload: Arc<str>,
}

impl Bench {
    /// Begins on a queue that is empty.
    ///
    /// # Errors
    /// `Refused` where it holds jobs; `Invalid` where the payload is no JSON; those of the first call.
    pub async fn begin(client: &Client, queue: QueueName, plan: Plan) -> Result<Self> {
        let payload: Arc<str> = plan.payload.as_deref().unwrap_or(PAYLOAD).into();
        NewJob::from_json(payload.to_string())?;
        let queue = client.queue(queue);
        let held = queue.count(&JobState::ALL).await?;
        if held > 0 {
            let name = queue.name();
            return Err(Error::refused(format!(
                "queue {name} holds {held} jobs: measure on one that holds none (--queue)"
            )));
        }
        Ok(Self { client: client.clone(), queue, plan, payload })
    }

    /// Enqueues by one call each, one after the other and fifty at once, then all by one call; the memory that these take.
    ///
    /// # Errors
    /// Those of enqueueing.
    pub async fn enqueue(&self) -> Result<Vec<Measurement>> {
        let one = self.enqueue_single(1, (self.plan.jobs / 10).max(1)).await?;
        let fifty = self.enqueue_single(50, self.plan.jobs).await?;
        let [bulk, memory] = self.enqueue_bulk().await?;
        Ok(vec![one, fifty, bulk, memory])
    }

    async fn enqueue_single(&self, in_flight: usize, jobs: usize) -> Result<Measurement> {
        // Connected, and the queue known, before the clock runs.
        self.queue.enqueue(self.job(0)?).await?;
        let (each, mut callers) = (jobs.div_ceil(in_flight), JoinSet::new());
        let batches: Vec<Vec<_>> = (0..in_flight)
            .map(|caller| (caller * each..(caller + 1) * each).map(|n| self.job(n)).collect())
            .collect::<Result<_>>()?;
        let before = Usage::now(&self.client).await?;
        for jobs in batches {
            let queue = self.queue.clone();
            callers.spawn(async move {
                for job in jobs {
                    queue.enqueue(job).await?;
                }
                Ok(())
            });
        }
        callers.join_all().await.into_iter().collect::<Result<()>>()?;
        let after = Usage::now(&self.client).await?;
        self.empty().await?;
        Ok(Measurement::rate(Measure::Enqueue, Some(in_flight), (each * in_flight) as u64, (&before, &after)))
    }

    async fn enqueue_bulk(&self) -> Result<[Measurement; 2]> {
        let jobs = self.jobs()?;
        let before = Usage::now(&self.client).await?;
        for outcome in self.queue.enqueue_many(jobs).await? {
            outcome?;
        }
        let (after, jobs) = (Usage::now(&self.client).await?, self.plan.jobs as u64);
        let bytes = (after.redis_bytes - before.redis_bytes) / jobs as f64;
        self.empty().await?;
        let bulk = Measurement::rate(Measure::EnqueueBulk, None, jobs, (&before, &after));
        Ok([bulk, Measurement::new(Measure::Memory, jobs, bytes, "bytes/job")])
    }

    /// Has waiting jobs ended by a worker that runs so many at once.
    ///
    /// # Errors
    /// Those of enqueueing and of working.
    pub async fn drain(&self, concurrency: usize) -> Result<Vec<Measurement>> {
        for outcome in self.queue.enqueue_many(self.jobs()?).await? {
            outcome?;
        }
        let before = Usage::now(&self.client).await?;
        let ended = self.work(concurrency).await?;
        let after = Usage::now(&self.client).await?;
        Ok(vec![Measurement::rate(Measure::Drain, Some(concurrency), ended, (&before, &after))])
    }

    /// Enqueues a hundred jobs a second for an idle worker.
    ///
    /// # Errors
    /// Those of enqueueing and of working.
    pub async fn latency(&self) -> Result<Vec<Measurement>> {
        let (noop, mut started) = Noop::telling();
        let worker = noop.worker(&self.client, self.queue.name())?.build()?;
        let (stopper, running) = (Stopping(worker.stopper()), tokio::spawn(worker.run()));
        let count = (self.plan.span.as_millis() / 10).max(10);
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let mut waits = Vec::new();
        // The first ones find a worker that has yet to connect.
        for n in 0..count + 10 {
            ticks.tick().await;
            let called = Instant::now();
            self.queue.enqueue(self.job(n as usize)?).await?;
            let Some(at) = started.recv().await else { break };
            if n >= 10 {
                waits.push(at.saturating_duration_since(called).as_secs_f64() * 1e3);
            }
        }
        drop(stopper);
        ended(running).await?;
        waits.sort_by(f64::total_cmp);
        let part = |part: f64| waits.get(((waits.len().max(1) - 1) as f64 * part).round() as usize).copied();
        let (p50, p99, max) = (part(0.5), part(0.99), part(1.0));
        let latency = Measurement::new(Measure::Latency, waits.len() as u64, p50.unwrap_or_default(), "ms");
        Ok(vec![Measurement { p50, p99, max, ..latency }])
    }

    /// What a worker takes that has nothing to do.
    ///
    /// # Errors
    /// Those of working.
    pub async fn idle(&self) -> Result<Vec<Measurement>> {
        let worker = Noop::default().worker(&self.client, self.queue.name())?.build()?;
        let (stopper, running) = (Stopping(worker.stopper()), tokio::spawn(worker.run()));
        // Until it has connected, introduced itself and found nothing.
        tokio::time::sleep(Duration::from_secs(2).min(self.plan.span)).await;
        let before = Usage::now(&self.client).await?;
        tokio::time::sleep(self.plan.span).await;
        let after = Usage::now(&self.client).await?;
        let memory = memory_bytes();
        drop(stopper);
        ended(running).await?;
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        let n = seconds.round() as u64;
        // One of them was this look itself.
        let reads = (after.redis_reads - before.redis_reads - 1.0).max(0.0) / seconds;
        let cpu = (after.own_us - before.own_us) / seconds / 1e4;
        let mut measured = vec![
            Measurement::new(Measure::IdleReads, n, reads, "reads/s"),
            Measurement::new(Measure::IdleCpu, n, cpu, "% of a core"),
        ];
        measured
            .extend(memory.map(|bytes| Measurement::new(Measure::WorkerMemory, n, bytes as f64 / 1_048_576.0, "MiB")));
        Ok(measured)
    }

    /// Leaves nothing behind: runs what waits, removes what ended, and the queue with it.
    ///
    /// # Errors
    /// Those of working, clearing and deleting.
    pub async fn end(&self) -> Result<()> {
        self.empty().await?;
        let ended = [JobState::Completed, JobState::Cancelled, JobState::Dead];
        self.queue.clear(&ended, &mut |_| {}).await?;
        let deadline = Instant::now() + LEAVING;
        loop {
            match self.queue.delete(&ActOptions::default()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                // The worker of a measurement that was broken off takes its leave.
                Err(error) if error.kind() == ErrorKind::Refused && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn empty(&self) -> Result<()> {
        self.work(100).await.map(drop)
    }

    /// Works until nothing waits; how many jobs ended.
    async fn work(&self, concurrency: usize) -> Result<u64> {
        let worker = Noop::default().worker(&self.client, self.queue.name())?;
        let worker = worker.concurrency(Concurrency::Shared(concurrency)).until_empty(true).build()?;
        Ok(worker.run().await?.completed)
    }

    fn job(&self, n: usize) -> Result<NewJob> {
        let is_own = self.plan.payload.is_none();
        let text = if is_own { self.payload.replacen(NUMBER, &format!("{n:06}"), 1) } else { self.payload.to_string() };
        NewJob::from_json(text)
    }

    fn jobs(&self) -> Result<Vec<NewJob>> {
        (0..self.plan.jobs).map(|n| self.job(n)).collect()
    }
}

/// Stops its worker when it goes, also where a measurement is broken off.
struct Stopping(Stopper);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn ended(running: tokio::task::JoinHandle<Result<WorkerReport>>) -> Result<()> {
    let report = running.await.map_err(|error| Error::internal(format!("the worker panicked: {error}")))?;
    report.map(drop)
}
