//! How a batch stands: plain data that every shell renders, and its JSON form.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::job::{BatchName, JobId, QueueName};

/// Jobs of one queue that are counted together, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// Its name.
    pub batch: BatchName,
    /// The queue of its jobs.
    pub queue: QueueName,
    /// Jobs that were added to it.
    pub total: u64,
    /// Those that have not ended: waiting, active, retrying.
    pub pending: u64,
    /// Those that succeeded.
    pub completed: u64,
    /// Those that went to the dead letters; a revival changes nothing here.
    pub dead: u64,
    /// Those that were cancelled, or removed before they ended.
    pub cancelled: u64,
    /// Whether it takes no more jobs.
    pub sealed: bool,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When the last of its jobs had ended and it was sealed; it is forgotten a week later.
    pub finished_at: Option<DateTime<Utc>>,
    /// The job that follows once it is over.
    pub on_complete: Option<BatchFollower>,
}

/// The job that follows a batch, by the id that it has or will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchFollower {
    /// Its queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
}

/// What to enqueue once a batch is over.
#[derive(Debug, Clone)]
pub struct OnComplete {
    /// Where.
    pub queue: QueueName,
    /// The payload, kept byte for byte.
    pub payload: Box<RawValue>,
}

/// What opening a batch found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: it begins now.
    Begun,
    /// It takes jobs already.
    Joined,
    /// It takes no more jobs; those that are in it are duplicates all the same.
    Sealed,
}
