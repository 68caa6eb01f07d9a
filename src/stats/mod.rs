//! Plain data about queues, jobs, dead letters and workers: what every shell renders, and its JSON form.

mod acts;
mod explanation;
mod in_force;
mod key_limit;
mod unreached;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::config::QueueSettings;
use crate::job::{Crash, Failure, JobId, JobState, Priority, QueueName};
use crate::retry::ErrorClass;

pub use acts::{BulkReport, Protected, Skipped, StateCount};
pub use explanation::{Explanation, Reason};
pub use in_force::{PartitionShare, SettingsInForce};
pub use key_limit::KeyLimit;
pub use unreached::{LeftOut, Unreached};

impl QueueStats {
    /// Of a queue in which nothing has happened yet.
    pub fn new(queue: QueueName) -> Self {
        Self {
            queue,
            pending: 0,
            parked: 0,
            pending_by_priority: [0; 4],
            scheduled: 0,
            active: 0,
            retrying: 0,
            completed: 0,
            cancelled: 0,
            dead: 0,
            oldest_pending_ms: None,
            late_ms: None,
            totals: Totals::default(),
            last_minute: Rates::default(),
            last_hour: Rates::default(),
            paused: false,
            protected: false,
            settings: QueueSettings::default(),
            workers: 0,
            partitions: 1,
            partitions_was: None,
            partitions_next: None,
            partitions_away: Vec::new(),
            schedules: 0,
            late_schedules: 0,
        }
    }
}

/// The state of one queue at one instant.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueStats {
    /// The queue.
    pub queue: QueueName,
    /// Jobs in line.
    pub pending: u64,
    /// Jobs in line, by priority: critical, high, normal, low.
    pub pending_by_priority: [u64; 4],
    /// Of the pending jobs, those that wait for the limit of their key.
    pub parked: u64,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs held by workers.
    pub active: u64,
    /// Jobs that wait for their next attempt.
    pub retrying: u64,
    /// Jobs that are kept after success.
    pub completed: u64,
    /// Jobs that are kept after cancellation.
    pub cancelled: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest job in line has waited, in milliseconds.
    pub oldest_pending_ms: Option<u64>,
    /// How far the most overdue scheduled or retrying job is past its time, in milliseconds.
    pub late_ms: Option<u64>,
    /// Counted since the queue exists.
    pub totals: Totals,
    /// Counted over the last sixty seconds (to the nearest second of a sliding minute).
    pub last_minute: Rates,
    /// Counted over the last sixty minutes.
    pub last_hour: Rates,
    /// Whether no job starts until `queues resume`.
    pub paused: bool,
    /// Whether acts on many jobs are kept from removing any until `queues unprotect`.
    pub protected: bool,
    /// Rate, concurrency and the like, as set.
    pub settings: QueueSettings,
    /// Workers that take jobs of this queue.
    pub workers: u64,
    /// Over how many partitions it is spread.
    pub partitions: u16,
    /// Over how many it was spread, while jobs are still being moved from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_was: Option<u16>,
    /// Over how many it is to be spread, once that is written down and until it holds for new jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_next: Option<u16>,
    /// Partitions that are not counted, such as `3/8`: the nodes that have them are away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions_away: Vec<String>,
    /// Schedules of this queue.
    pub schedules: u64,
    /// Schedules whose tick came more than a minute ago and that nobody fired.
    pub late_schedules: u64,
}

/// How often each thing has happened since the queue exists. Never falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Jobs accepted.
    pub enqueued: u64,
    /// Jobs that succeeded.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Failed attempts that led to another.
    pub retried: u64,
    /// Jobs that went to the dead letters, expired and crash-looping ones included.
    pub dead: u64,
    /// Jobs cancelled.
    pub cancelled: u64,
    /// Jobs taken back from dead or silent workers.
    pub recovered: u64,
    /// Jobs given back unstarted or at shutdown.
    pub released: u64,
    /// Jobs put off without using an attempt.
    pub snoozed: u64,
    /// Jobs past their `ttl`.
    pub expired: u64,
    /// Dead letters brought back.
    pub revived: u64,
    /// Jobs removed by hand.
    pub removed: u64,
    /// Dead letters dropped by retention.
    pub dropped: u64,
    /// Ids found without a record.
    pub orphaned: u64,
}

/// What happened in a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// Jobs accepted.
    pub enqueued: u64,
    /// Jobs that succeeded.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs that went to the dead letters.
    pub dead: u64,
    /// Failed attempts as a part of all ended attempts, 0 to 1; `None` when none ended.
    pub failure_rate: Option<f64>,
}

/// A queue in a list.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueSummary {
    /// The queue.
    pub queue: QueueName,
    /// Whether no job starts until it is resumed.
    pub paused: bool,
    /// Whether acts on many jobs are kept from removing any.
    pub protected: bool,
    /// Jobs in line, scheduled, held and waiting for their next attempt.
    pub live: u64,
    /// Dead letters.
    pub dead: u64,
    /// Workers that take its jobs.
    pub workers: u64,
    /// What is set.
    pub settings: QueueSettings,
    /// Over how many partitions it was spread, while jobs are still being moved from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_was: Option<u16>,
    /// Over how many it is to be spread, once that is written down and until it holds for new jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_next: Option<u16>,
}

/// Whether jobs of a queue start, after it was paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// The queue.
    pub queue: QueueName,
    /// Whether no job starts now.
    pub paused: bool,
    /// Whether that was different before.
    pub changed: bool,
}

/// A queue that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The queue.
    pub queue: QueueName,
    /// Always true.
    pub deleted: bool,
}

/// A worker process and a queue that it takes jobs of.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    /// Its id: host, pid and a ULID.
    pub worker: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// The crate version it runs.
    pub version: String,
    /// The queues it takes jobs of.
    pub queues: Vec<QueueName>,
    /// How many jobs it runs at once.
    pub concurrency: u64,
    /// How long it may stay silent, in milliseconds.
    pub lease_ms: u64,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Jobs that it holds, over all its queues.
    pub active: u64,
    /// Jobs that it ended well since its start.
    pub completed: u64,
    /// Attempts that failed since its start.
    pub failed: u64,
    /// When its lease ends; in the past: it is silent.
    pub lease_until: DateTime<Utc>,
    /// Whether its lease has ended.
    pub silent: bool,
    /// Which start of a service it is, where a supervisor has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    /// How its process ended, where whoever started it has told: `SIGKILL`, `exit 101`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Where it stands.
    pub state: JobState,
    /// Its priority.
    pub priority: Priority,
    /// Attempts begun and not yet followed by another: failures + crashes (+ 1 while it runs and once it has succeeded).
    pub attempt: u32,
    /// When it was accepted; `None` when its record is unreadable.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When it entered this state (pending: in line since; scheduled and retrying: due at).
    pub since: DateTime<Utc>,
    /// Its last error.
    pub last_error: Option<Failure>,
}

/// Everything about a job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobDetails {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The payload as it was written; `None` when the record is unreadable.
    #[cfg_attr(feature = "api", schema(value_type = serde_json::Value))]
    pub payload: Option<Box<RawValue>>,
    /// The stored bytes, when they are not a readable record (made printable).
    pub raw: Option<String>,
    /// How many attempts it has in all, where the job says so.
    pub max_attempts: Option<u32>,
    /// The wait between attempts, where the job says so.
    pub backoff: Option<String>,
    /// How long an attempt may take, in milliseconds, where the job says so.
    pub timeout_ms: Option<u64>,
    /// How long it is worth starting, in milliseconds, where the job says so.
    pub ttl_ms: Option<u64>,
    /// The unique key that it holds.
    pub unique: Option<String>,
    /// The key among whose jobs it keeps its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_key: Option<String>,
    /// The partition of its queue that it is in, such as `3/8`, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The batch that it was enqueued in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The worker that holds it.
    pub worker: Option<String>,
    /// The fence of its claim.
    pub fence: Option<i64>,
    /// How far it says it is, while it runs and has said so.
    pub progress: Option<Progress>,
    /// How often its worker died or fell silent.
    pub crashes: u32,
    /// Attempts that failed.
    pub failed: u32,
    /// Times it was put off.
    pub snoozed: u32,
    /// Times it was revived.
    pub revived: u32,
    /// The dead letter that it was made from.
    pub revives: Option<JobId>,
    /// The jobs that it hands over, where its payload says which: one for each channel of a notification.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// The last twenty failures, oldest first.
    pub failures: Vec<Failure>,
    /// The last five crashes, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crashed: Vec<Crash>,
    /// Its result, while it is kept.
    #[cfg_attr(feature = "api", schema(value_type = serde_json::Value))]
    pub result: Option<Box<RawValue>>,
    /// Its log, while it is kept.
    pub log: Option<String>,
    /// Why it stands there, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// How far a running job says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// Of how much, where that is known.
    pub total: Option<u64>,
    /// What is counted, such as rows.
    pub unit: String,
    /// When it said so.
    pub at: DateTime<Utc>,
}

/// A job that another one hands over, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Child {
    /// What it is for: the channel of a notification.
    pub channel: String,
    /// Its queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it stands; `None` when it is not there: not handed over yet, or ended and not kept.
    pub state: Option<JobState>,
}

/// A dead letter in a list.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// When it was buried.
    pub died_at: DateTime<Utc>,
    /// When it was accepted.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// Attempts that it had.
    pub attempts: u32,
    /// The class of its last error.
    pub class: ErrorClass,
    /// The code of its last error (`expired`, `crash_loop` and `record_unreadable` come from the queue itself).
    pub code: String,
    /// Its last error.
    pub error: String,
}

/// Dead letters that share a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadGroup {
    /// The code, class or error that they share.
    pub key: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them died.
    pub oldest: DateTime<Utc>,
    /// When the last of them died.
    pub newest: DateTime<Utc>,
    /// One of them.
    pub example: JobId,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// The answer to an enqueue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Enqueued {
    /// The job: the new one, or the one that is there already.
    pub id: JobId,
    /// The queue.
    pub queue: QueueName,
    /// Whether nothing was added because that id, or its unique key, is taken.
    pub duplicate: bool,
}

/// How an awaited job ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobEnd {
    /// The job.
    pub id: JobId,
    /// Completed, dead or cancelled.
    pub state: JobState,
    /// Its result.
    pub result: Option<Box<RawValue>>,
    /// Its last error.
    pub error: Option<Failure>,
}
