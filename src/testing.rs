//! Runs payloads through a processor as a worker would, without Redis: for the tests of processors.

mod by_hand;

pub use by_hand::{Accepted, Ask, ByHand, Ending, HandOut, Held, Standing, TakenBack};

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::job::{JobId, QueueName};
use crate::processor::{BatchJob, BatchProcessor, Facts, JobContext, Outcome, ProcessError, Processor};

/// The job that a payload is run as.
#[derive(Debug, Clone)]
pub struct TestJob {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// The fence of the claim.
    pub fence: i64,
    /// After which the processor is dropped.
    pub timeout: Option<Duration>,
    /// After which the attempt is cancelled: the processor is told, and not dropped.
    pub cancel_after: Option<Duration>,
}

impl TestJob {
    /// The first of five attempts of a fresh job of `queue`, without a timeout.
    ///
    /// # Panics
    /// When `queue` is not a valid name.
    pub fn new(queue: &str) -> Self {
        let queue = QueueName::new(queue).expect("a test names a valid queue");
        let id = JobId::generate();
        Self { id, queue, attempt: 1, max_attempts: 5, fence: 1, timeout: None, cancel_after: None }
    }

    fn context(&self) -> JobContext {
        let Self { id, queue, attempt, max_attempts, fence, timeout, cancel_after } = self.clone();
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let cancelled = CancellationToken::new();
        if let Some(cancel_after) = cancel_after {
            let cancelled = cancelled.clone();
            tokio::spawn(async move {
                tokio::time::sleep(cancel_after).await;
                cancelled.cancel();
            });
        }
        let facts = Facts { id, queue, attempt, max_attempts, fence, deadline, gate: None, dependency: None };
        JobContext::new(facts, cancelled, Arc::default())
    }
}

/// What one attempt came to.
#[derive(Debug)]
pub struct TestRun {
    /// How it ended.
    pub result: Result<Outcome, ProcessError>,
    /// What the processor logged, one line each.
    pub log: String,
}

/// Runs `payload`, JSON text, through `processor` as the first attempt of a job.
pub async fn run<P: Processor>(processor: &P, payload: &str) -> Result<Outcome, ProcessError> {
    run_as(processor, payload, &TestJob::new("test")).await.result
}

/// Runs `payload`, JSON text, through `processor` as an attempt of `job`; at its timeout the processor is dropped and
/// the attempt fails transiently as `timeout`.
pub async fn run_as<P: Processor>(processor: &P, payload: &str, job: &TestJob) -> TestRun {
    let ctx = job.context();
    let result = match serde_json::from_str(payload) {
        Ok(payload) => within(job.timeout, processor.process(payload, &ctx)).await.unwrap_or_else(|| Err(timed_out())),
        Err(error) => Err(ProcessError::permanent("payload_invalid", format!("payload does not fit: {error}"))),
    };
    TestRun { result, log: ctx.take_said().text }
}

/// Runs JSON texts through a batch processor, each as the job beside it; the shortest timeout holds for all.
///
/// # Panics
/// When a payload is not JSON.
pub async fn run_batch<P>(processor: &P, jobs: &[(TestJob, &str)]) -> Vec<TestRun>
where
    P: BatchProcessor<Payload = Box<RawValue>>,
{
    let contexts: Vec<JobContext> = jobs.iter().map(|(job, _)| job.context()).collect();
    let batch = jobs.iter().zip(&contexts).map(|((_, payload), ctx)| BatchJob {
        payload: serde_json::from_str(payload).expect("a test hands in JSON"),
        ctx: ctx.clone(),
    });
    let timeout = jobs.iter().filter_map(|(job, _)| job.timeout).min();
    let answers = within(timeout, processor.process_batch(batch.collect())).await;
    let answers = answers.unwrap_or_else(|| jobs.iter().map(|_| Err(timed_out())).collect());
    answers.into_iter().zip(contexts).map(|(result, ctx)| TestRun { result, log: ctx.take_said().text }).collect()
}

async fn within<T>(timeout: Option<Duration>, run: impl Future<Output = T>) -> Option<T> {
    match timeout {
        Some(timeout) => tokio::time::timeout(timeout, run).await.ok(),
        None => Some(run.await),
    }
}

fn timed_out() -> ProcessError {
    ProcessError::transient("timeout", "the attempt took longer than it may")
}
