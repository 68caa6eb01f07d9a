//! What happens to jobs and workers, as it is logged and handed to a listener.

use std::time::Duration;

use serde::Serialize;

use crate::job::{JobId, QueueName};
use crate::retry::ErrorClass;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A job was accepted; a worker tells it when it first claims the job, and `delay` is how long ago it was.
    Enqueued,
    /// A processor began an attempt.
    Started,
    /// An attempt succeeded.
    Completed,
    /// An attempt failed; what becomes of the job follows as `Retrying`, `Snoozed` or `Dead`.
    Failed,
    /// The job runs again after `delay`.
    Retrying,
    /// The job was put off by `delay` without using an attempt.
    Snoozed,
    /// The job is among the dead letters.
    Dead,
    /// A job of a dead or silent worker is back in line.
    Recovered,
    /// A claimed job is back in line without an attempt used.
    Released,
    /// The job was cancelled.
    Cancelled,
    /// The claim was no longer this worker's; its result was dropped.
    LeaseLost,
    /// The worker takes jobs.
    WorkerStarted,
    /// The worker fetches no more and lets its jobs end.
    WorkerStopping,
    /// The worker is done.
    WorkerStopped,
    /// Redis has not taken a renewal for a while; `duration` is how long.
    RedisLost,
    /// Redis takes renewals again.
    RedisBack,
    /// Something that an operator should know; `message` says it.
    Alert,
}

impl EventKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
            Self::Snoozed => "snoozed",
            Self::Dead => "dead",
            Self::Recovered => "recovered",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::LeaseLost => "lease_lost",
            Self::WorkerStarted => "worker_started",
            Self::WorkerStopping => "worker_stopping",
            Self::WorkerStopped => "worker_stopped",
            Self::RedisLost => "redis_lost",
            Self::RedisBack => "redis_back",
            Self::Alert => "alert",
        }
    }
}

/// One thing that happened. Fields that do not apply are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened.
    pub event: EventKind,
    /// The queue it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The job it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How long the attempt ran, in milliseconds.
    #[serde(rename = "durationMs", serialize_with = "millis", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How long until it may start again, in milliseconds.
    #[serde(rename = "delayMs", serialize_with = "millis", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// The class of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<ErrorClass>,
    /// The stable code word of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

fn millis<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => serializer.serialize_f64((span.as_secs_f64() * 1e6).round() / 1e3),
        None => serializer.serialize_none(),
    }
}

impl Event {
    /// An event of `kind` about nothing in particular yet.
    pub fn new(kind: EventKind) -> Self {
        Self {
            event: kind,
            queue: None,
            job: None,
            attempt: None,
            duration: None,
            delay: None,
            class: None,
            code: None,
            message: None,
        }
    }

    /// An event about a job.
    pub fn of_job(kind: EventKind, queue: &QueueName, job: &JobId) -> Self {
        Self { queue: Some(queue.clone()), job: Some(job.clone()), ..Self::new(kind) }
    }

    /// The same with something said.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}
