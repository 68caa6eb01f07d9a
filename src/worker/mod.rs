//! The worker: fetcher, executor and finisher, with heartbeat, promoter, recoverer and janitor beside them.

use std::time::Duration;

use crate::client::Client;
use crate::config::Rate;
use crate::error::Result;
use crate::event::Event;
use crate::job::QueueName;
use crate::processor::Registry;

/// A process that runs jobs. Made by [`Worker::builder`], run by [`Worker::run`].
pub struct Worker {}

/// How many jobs run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concurrency {
    /// So many over all queues of the worker.
    Shared(usize),
    /// So many for each queue.
    PerQueue(Vec<(QueueName, usize)>),
}

/// Why a worker came to its end, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WorkerReport {
    /// Jobs that ended well.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs given back at shutdown.
    pub released: u64,
    /// Ends of jobs that Redis never confirmed.
    pub unconfirmed: u64,
}

/// Builds a [`Worker`].
pub struct WorkerBuilder {}

impl Worker {
    /// A worker on `client` for the queues that `registry` has a processor for.
    pub fn builder(_client: &Client, _registry: Registry) -> WorkerBuilder {
        unimplemented!()
    }

    /// A handle that stops it, to be taken before [`Worker::run`].
    pub fn stopper(&self) -> Stopper {
        unimplemented!()
    }

    /// Runs until it is stopped, until the queues are empty, or until so many jobs have ended, as built.
    ///
    /// # Errors
    /// `Config` when the server does not fit; `NotNow` when Redis was silent for too long.
    pub async fn run(self) -> Result<WorkerReport> {
        unimplemented!()
    }
}

impl WorkerBuilder {
    /// How many jobs run at once; by default as configured.
    pub fn concurrency(self, _concurrency: Concurrency) -> Self {
        self
    }

    /// How long it may stay silent before others take its claims; at least 4 s.
    pub fn lease(self, _lease: Duration) -> Self {
        self
    }

    /// How long running jobs get at shutdown; 30 s unless said.
    pub fn grace(self, _grace: Duration) -> Self {
        self
    }

    /// How long an attempt may take where the job says nothing; 5 minutes unless said.
    pub fn timeout(self, _timeout: Duration) -> Self {
        self
    }

    /// Starts at most so many jobs in a span of time in this worker alone.
    pub fn rate(self, _rate: Rate) -> Self {
        self
    }

    /// Ends when nothing is pending, scheduled within a second, retrying within a second or running here.
    pub fn until_empty(self, _until_empty: bool) -> Self {
        self
    }

    /// Ends after so many jobs.
    pub fn max_jobs(self, _max_jobs: u64) -> Self {
        self
    }

    /// Hands every step of a job's life to `listener`. It is called on the worker's threads and must not block.
    pub fn on_event(self, _listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self
    }

    /// The worker.
    ///
    /// # Errors
    /// `Invalid` when a queue has no processor or a number is out of bounds.
    pub fn build(self) -> Result<Worker> {
        unimplemented!()
    }
}

/// Stops a worker. Cloning shares it.
#[derive(Clone)]
pub struct Stopper {}

impl Stopper {
    /// Fetches no more, lets running jobs end within the grace period, releases the rest.
    pub fn stop(&self) {
        unimplemented!()
    }

    /// Cancels and releases at once.
    pub fn stop_now(&self) {
        unimplemented!()
    }

    /// Whether Redis has answered lately: what a watchdog goes by.
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }
}
