//! How a key by which jobs are limited stands.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config::Rate;
use crate::job::{LimitKey, QueueName};

/// A key of a queue, and the limits that hold for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyLimit {
    /// The key.
    pub key: LimitKey,
    /// The queue.
    pub queue: QueueName,
    /// Jobs of it that run.
    pub running: u64,
    /// Jobs of it that wait because of its limits.
    pub parked: u64,
    /// How many may run at once; `None`: as many as there are.
    pub concurrency: Option<u32>,
    /// How many may start in a span of time; `None`: as many as there are.
    pub rate: Option<Rate>,
    /// Whether any of its limits is its own.
    pub own: bool,
    /// When the first of those that wait may start; `None` where none waits, or one that runs must end first.
    pub next_at: Option<DateTime<Utc>>,
}
