//! Why a job stands where it stands.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::job::{JobId, JobState, QueueName};

/// Why a job waits, or where it ended, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Where it stands.
    pub state: JobState,
    /// When it entered this state (scheduled and retrying: due at).
    pub since: DateTime<Utc>,
    /// Why, the first thing to look at first.
    pub reasons: Vec<Reason>,
    /// What to do next, in this order.
    pub next: Vec<String>,
}

/// One reason for where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// Its stable code word: `paused`, `no_worker`, `concurrency_limit`, `rate_limit`, `key_limit`, `line`, `next`, `alone`, `due`, `retry`,
    /// `snoozed`, `overdue`, `running`, `silent_worker`, `completed`, `cancelled`; of a dead letter, that of its error.
    pub code: String,
    /// The reason, for people.
    pub text: String,
}
