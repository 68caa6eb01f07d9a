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
    /// Where it stands; `None` where it is not there yet: it follows a batch.
    pub state: Option<JobState>,
    /// When it entered this state (scheduled and retrying: due at; without a state: when its batch was opened, or over).
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
    /// Its stable code word: `paused`, `no_worker`, `concurrency_limit`, `rate_limit`, `key_limit`,
    /// `busy`, `line`, `next`, `alone`, `due`, `retry`, `snoozed`, `breaker_open`, `overdue`, `running`, `silent_worker`, `completed`, `cancelled`; of the job on completion of a
    /// batch `batch`, `batch_open`, `handed_over`; of a dead letter, that of its error.
    pub code: String,
    /// The reason, for people.
    pub text: String,
}
