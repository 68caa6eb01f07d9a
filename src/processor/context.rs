//! What a processor is told about the job that it runs, and what it may say while it runs.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::job::{JobId, QueueName};
use crate::processor::gate::Gate;
use crate::processor::outcome::ProcessError;
use crate::processor::progress::{Board, Told};
use crate::processor::said::{Said, Voice};

/// The running job, its deadline, and the ways to report from it. Cloning shares them.
#[derive(Clone)]
pub struct JobContext(Arc<Inner>);

struct Inner {
    id: JobId,
    queue: QueueName,
    attempt: u32,
    max_attempts: u32,
    fence: i64,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
    lingering: AtomicUsize,
    voice: Voice,
    board: Arc<Board>,
    gate: Option<Arc<dyn Gate>>,
    dependency: Option<Arc<str>>,
    /// The services that the attempt said it needs.
    needed: Mutex<Vec<String>>,
}

/// The attempt was cancelled: by an operator, at the end of the grace period, or because the claim was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Held by a processor that needs a while to clean up; see [`JobContext::linger`].
#[derive(Debug)]
#[must_use = "the while ends when this is dropped"]
pub struct Linger(JobContext);

impl Drop for Linger {
    fn drop(&mut self) {
        self.0.0.lingering.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The facts that a context is made of.
#[derive(Clone)]
pub(crate) struct Facts {
    pub id: JobId,
    pub queue: QueueName,
    pub attempt: u32,
    pub max_attempts: u32,
    pub fence: i64,
    pub deadline: Option<Instant>,
    /// Knows which services are down; without one, none is.
    pub gate: Option<Arc<dyn Gate>>,
    /// The service that every job of the queue needs, which was seen to when the job was claimed.
    pub dependency: Option<Arc<str>>,
}

impl JobContext {
    pub(crate) fn new(facts: Facts, cancelled: CancellationToken, board: Arc<Board>) -> Self {
        let Facts { id, queue, attempt, max_attempts, fence, deadline, gate, dependency } = facts;
        Self(Arc::new(Inner {
            id,
            queue,
            attempt,
            max_attempts,
            fence,
            deadline,
            cancelled,
            lingering: AtomicUsize::new(0),
            voice: Voice::default(),
            board,
            gate,
            dependency,
            needed: Mutex::default(),
        }))
    }

    /// The job's id: the same at every attempt, so it serves as idempotency key.
    pub fn job_id(&self) -> &JobId {
        &self.0.id
    }

    /// The queue.
    pub fn queue(&self) -> &QueueName {
        &self.0.queue
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// How many attempts there are in all.
    pub fn max_attempts(&self) -> u32 {
        self.0.max_attempts
    }

    /// The fence of the claim: rises with every claim of the queue. A system that remembers the highest fence it has
    /// seen for a job can refuse a late worker.
    pub fn fence(&self) -> i64 {
        self.0.fence
    }

    /// When the attempt is cut off; `None` when it has no timeout.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Says which service the attempt is about to ask, such as `https://example.com`, where the jobs of the queue differ in
    /// theirs. To be called before the service is asked.
    ///
    /// # Errors
    /// `breaker_open`, to be returned: the service is down, and the job is put off without using an attempt.
    pub async fn needs(&self, dependency: &str) -> Result<(), ProcessError> {
        // The one job that was claimed to try the queue's service must not be held up by itself.
        let Some(gate) = self.0.gate.as_ref().filter(|_| self.0.dependency.as_deref() != Some(dependency)) else {
            return Ok(());
        };
        if let Some(wait) = gate.ask(dependency).await {
            return Err(ProcessError::held(dependency, wait));
        }
        self.0.needed.lock().unwrap_or_else(PoisonError::into_inner).push(dependency.to_owned());
        Ok(())
    }

    /// The services that the attempt has needed.
    pub(crate) fn take_needed(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.needed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the attempt is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Waits until the attempt is cancelled. Cancellation safe.
    pub async fn cancelled(&self) -> Cancelled {
        self.0.cancelled.cancelled().await;
        Cancelled
    }

    /// Asks for a while to clean up: as long as the guard is held, the end of an attempt that is cancelled or out of time
    /// waits up to 3 s for `process` to return, instead of dropping its future at once. For what must not go on beside
    /// the next attempt, such as a process; [`JobContext::cancelled`] says when it is time.
    pub fn linger(&self) -> Linger {
        self.0.lingering.fetch_add(1, Ordering::AcqRel);
        Linger(self.clone())
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.0.lingering.load(Ordering::Acquire) > 0
    }

    /// Tells the processor that its time is up.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    /// Adds a line to the job's log (kept for 24 h, 64 KiB an attempt), where it stands at most a second later.
    pub fn log(&self, line: impl AsRef<str>) {
        if self.0.voice.say(line.as_ref()) {
            self.0.board.hear(&self.0.id, self.0.fence, &self.0.voice);
        }
    }

    /// Says how far the job is: `done` of `total`, where that is known, of what `unit` names ("rows"). Shown while it runs,
    /// at most a second late and until the worker has been silent for three leases; as cheap as a lock, so it may be said
    /// of every step.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &str) {
        self.0.board.tell(&self.0.id, Told::new(self.0.fence, done, total, unit));
    }

    /// Ends what it says: takes what was not passed on yet.
    pub(crate) fn take_said(&self) -> Said {
        let said = self.0.voice.end();
        if said.spoke() {
            self.0.board.forget(&self.0.id, self.0.fence);
        }
        said
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { id, queue, attempt, .. } = &*self.0;
        f.debug_struct("JobContext").field("id", id).field("queue", queue).field("attempt", attempt).finish()
    }
}
