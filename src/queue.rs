//! One queue: enqueue, settings, pause, statistics, clearing.

use std::time::Duration;

use crate::config::{QueueSettings, Setting};
use crate::error::Result;
use crate::job::{JobId, JobState, NewJob, QueueName};
use crate::stats::{BulkReport, Enqueued, JobEnd, QueueStats};

/// A queue. Cloning shares the connection.
#[derive(Clone)]
pub struct Queue {}

impl Queue {
    /// Its name.
    pub fn name(&self) -> &QueueName {
        unimplemented!()
    }

    /// Hands over one job. Calls that run at the same time share round trips.
    ///
    /// # Errors
    /// `Invalid`: the job breaks a rule; `Refused`: the queue is full; `OutcomeUnknown`: no answer came, repeat under the
    /// same id; `Unreachable`, `NotNow`, `AccessDenied`.
    pub async fn enqueue(&self, _job: NewJob) -> Result<Enqueued> {
        unimplemented!()
    }

    /// Hands over many jobs, in bounded calls and in their order; one answer for each.
    ///
    /// # Errors
    /// As for one job. Where the error is of the whole (`Unreachable`, …), jobs before it may have been accepted; the
    /// same jobs again are then duplicates.
    pub async fn enqueue_many(&self, _jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        unimplemented!()
    }

    /// Waits until a job has ended, at most `timeout`.
    ///
    /// # Errors
    /// `Timeout`; `NotFound` when no such job is there and it left no result.
    pub async fn wait(&self, _id: &JobId, _timeout: Option<Duration>) -> Result<JobEnd> {
        unimplemented!()
    }

    /// Counts, rates and settings at one instant.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn stats(&self) -> Result<QueueStats> {
        unimplemented!()
    }

    /// What is set.
    pub async fn settings(&self) -> Result<QueueSettings> {
        unimplemented!()
    }

    /// Sets some of it; the rest stays. Live for every worker.
    pub async fn set(&self, _changes: &[Setting]) -> Result<QueueSettings> {
        unimplemented!()
    }

    /// Sets what nobody has set yet.
    pub async fn set_defaults(&self, _defaults: &[Setting]) -> Result<()> {
        unimplemented!()
    }

    /// Lets no more jobs start; running ones go on. Whether that changed anything.
    pub async fn pause(&self) -> Result<bool> {
        unimplemented!()
    }

    /// Lets jobs start again. Whether that changed anything.
    pub async fn resume(&self) -> Result<bool> {
        unimplemented!()
    }

    /// How many jobs are in these states.
    pub async fn count(&self, _states: &[JobState]) -> Result<u64> {
        unimplemented!()
    }

    /// Removes the jobs in these states, in bounded steps; `progress` gets the number removed after each. Safe to break
    /// off and to repeat.
    ///
    /// # Errors
    /// `Invalid` when `states` names `active`.
    pub async fn clear(&self, _states: &[JobState], _progress: &mut (dyn FnMut(u64) + Send)) -> Result<BulkReport> {
        unimplemented!()
    }
}
