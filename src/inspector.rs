//! Looks over all queues, jobs and workers, and acts on single jobs.

use crate::error::Result;
use crate::job::{JobId, JobState, QueueName};
use crate::stats::{JobDetails, JobSummary, Page, QueueStats, QueueSummary, WorkerInfo};

/// Looks over everything under one prefix.
#[derive(Clone)]
pub struct Inspector {}

/// A job and the queue that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
}

/// What an act on a job did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Acted {
    /// The queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it stood.
    pub from: JobState,
    /// Where it stands; `None` when it is gone. `active` after a cancel: its worker is being told.
    pub to: Option<JobState>,
}

impl Inspector {
    /// Every queue that was ever used, by name.
    pub async fn queues(&self) -> Result<Vec<QueueSummary>> {
        unimplemented!()
    }

    /// The statistics of every queue, by name.
    pub async fn stats(&self) -> Result<Vec<QueueStats>> {
        unimplemented!()
    }

    /// Every worker that said something lately, and those whose claims wait to be recovered.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        unimplemented!()
    }

    /// Jobs of a queue in these states, in their order, from `offset` on, at most `limit` (1,000) of them.
    pub async fn jobs(
        &self,
        _queue: &QueueName,
        _states: &[JobState],
        _offset: u64,
        _limit: u64,
    ) -> Result<Page<JobSummary>> {
        unimplemented!()
    }

    /// Finds a job by its id, or by a suffix of it that only one job has, in `queue` or in all.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the suffix fits several (they are named) or is shorter than four characters.
    pub async fn find(&self, _id_or_suffix: &str, _queue: Option<&QueueName>) -> Result<Located> {
        unimplemented!()
    }

    /// Everything about a job.
    pub async fn job(&self, _job: &Located) -> Result<JobDetails> {
        unimplemented!()
    }

    /// Cancels: a waiting job at once; for an active one its worker is told within a second.
    ///
    /// # Errors
    /// `Refused` when it has ended; `NotFound` when it is gone.
    pub async fn cancel(&self, _job: &Located) -> Result<Acted> {
        unimplemented!()
    }

    /// Revives a dead letter, or lets a retrying job run now.
    ///
    /// # Errors
    /// `Refused` in any other state.
    pub async fn retry(&self, _job: &Located) -> Result<Acted> {
        unimplemented!()
    }

    /// Lets a scheduled or retrying job run now.
    ///
    /// # Errors
    /// `Refused` in any other state.
    pub async fn promote(&self, _job: &Located) -> Result<Acted> {
        unimplemented!()
    }

    /// Removes a job for good.
    ///
    /// # Errors
    /// `Refused` when it is active.
    pub async fn delete(&self, _job: &Located) -> Result<Acted> {
        unimplemented!()
    }
}
