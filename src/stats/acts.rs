//! What acts on many jobs, and on queues, tell.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::job::{JobId, JobState, QueueName};
use crate::stats::JobSummary;

/// What a bulk act did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BulkReport {
    /// Jobs that it was about.
    pub matched: u64,
    /// Jobs that were changed.
    pub changed: u64,
    /// Jobs left as they were, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Whether it only counted: then nothing was changed.
    pub dry_run: bool,
    /// Where it only counted: how many jobs of each state it would be about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateCount>,
    /// Where it only counted: some of those jobs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<JobSummary>,
    /// The name that the audit has of it; `None` where it changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// Until when it can be undone; `None` where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_until: Option<DateTime<Utc>>,
    /// Why what it took, or would take, is not copied aside for an undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_undo: Option<String>,
    /// Whether it was stopped before its end: what was done stays done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// How many jobs are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StateCount {
    /// The state.
    pub state: JobState,
    /// How many.
    pub count: u64,
}

/// A job that a bulk act left as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// The job.
    pub id: JobId,
    /// Why.
    pub reason: String,
}

/// Whether acts on many jobs may remove jobs of a queue, after it was protected or was not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Protected {
    /// The queue.
    pub queue: QueueName,
    /// Whether they may not now.
    pub protected: bool,
    /// Whether that was different before.
    pub changed: bool,
}
