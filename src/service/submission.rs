//! A request that is put together and then handed over.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::QueueService;
use crate::error::Result;
use crate::job::{JobId, NewJob, Priority, QueueName};
use crate::stats::Enqueued;

/// A request of [`QueueService`]: options are put on it, and awaiting it hands it over and gives the job's id.
#[must_use = "nothing is handed over before it is awaited"]
pub struct Submission<'a> {
    service: &'a QueueService,
    queue: &'static str,
    job: Result<NewJob>,
}

impl<'a> Submission<'a> {
    pub(super) fn new(service: &'a QueueService, queue: &'static str, payload: &impl Serialize) -> Self {
        Self { service, queue, job: NewJob::new(payload) }
    }

    /// The same where the payload may be one that cannot be made.
    pub(super) fn of(service: &'a QueueService, queue: &'static str, job: Result<NewJob>) -> Self {
        Self { service, queue, job }
    }

    /// Starts no sooner than after `delay`.
    pub fn delay(self, delay: Duration) -> Self {
        self.with(|job| job.delay(delay))
    }

    /// Starts no sooner than at `at`.
    pub fn at(self, at: DateTime<Utc>) -> Self {
        self.with(|job| job.at(at))
    }

    /// How urgent it is.
    pub fn priority(self, priority: Priority) -> Self {
        self.with(|job| job.priority(priority))
    }

    /// How often it may run in all.
    pub fn attempts(self, attempts: u32) -> Self {
        self.with(|job| job.attempts(attempts))
    }

    /// Its id: the same again adds nothing.
    pub fn id(self, id: JobId) -> Self {
        self.with(|job| job.id(id))
    }

    /// Any other option of a job.
    pub fn with(self, change: impl FnOnce(NewJob) -> NewJob) -> Self {
        Self { job: self.job.map(change), ..self }
    }

    /// Hands it over, and tells whether the job was there already.
    ///
    /// # Errors
    /// As of [`QueueService::submit`].
    pub async fn enqueue(self) -> Result<Enqueued> {
        self.service.submit(&QueueName::new(self.queue)?, self.job?).await
    }
}

impl<'a> IntoFuture for Submission<'a> {
    type Output = Result<JobId>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<JobId>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.enqueue().await?.id) })
    }
}
