//! How a schedule stands: plain data that every shell renders.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Missed, Overlap, Schedule, ScheduleName};
use crate::clock::span_text;
use crate::job::{JobId, Priority, QueueName};

/// Whether a schedule has ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ScheduleState {
    /// It waits for its next tick.
    Active,
    /// It has none until it is resumed.
    Paused,
    /// Its last one is over.
    Ended,
}

impl ScheduleState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// A schedule, and how it stands.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInfo {
    /// Its name.
    pub name: ScheduleName,
    /// The queue of its jobs.
    pub queue: QueueName,
    /// Whether it has ticks.
    pub state: ScheduleState,
    /// Its cron pattern.
    pub cron: Option<String>,
    /// The time zone of the pattern.
    pub timezone: Option<String>,
    /// Its span, where it has no pattern.
    pub every: Option<String>,
    /// When its next tick comes, or should have come.
    pub next_at: Option<DateTime<Utc>>,
    /// How long its next tick has been waiting to be fired, in milliseconds.
    pub late_ms: Option<u64>,
    /// What becomes of ticks that nobody fired in time.
    pub missed: Missed,
    /// How late a tick may be and still be fired; `None`: however late.
    pub grace: Option<String>,
    /// What becomes of a tick while the job of the one before is not done.
    pub overlap: Overlap,
    /// Over how much time after the tick the start of its job is spread.
    pub jitter: Option<String>,
    /// There are no ticks after this.
    pub until: Option<DateTime<Utc>>,
    /// The priority of its jobs.
    pub priority: Priority,
    /// How often each may run.
    pub attempts: Option<u32>,
    /// The wait between their attempts.
    pub backoff: Option<String>,
    /// How long an attempt may take.
    pub timeout: Option<String>,
    /// How long a job is worth starting.
    pub ttl: Option<String>,
    /// Their unique key.
    pub unique: Option<String>,
    /// How long the key is held even when a job ends sooner.
    pub unique_for: Option<String>,
    /// Their payload.
    #[cfg_attr(feature = "api", schema(value_type = serde_json::Value))]
    pub payload: Box<RawValue>,
    /// Ticks whose job was enqueued.
    pub ticks_fired: u64,
    /// Ticks that were dropped since they came while nobody fired them; after one outage at most 10,000 are counted.
    pub ticks_missed: u64,
    /// Ticks whose job was not enqueued since another one was still there.
    pub ticks_overlapped: u64,
    /// What became of its last tick.
    pub last: Option<LastTick>,
}

/// What became of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LastTick {
    /// The tick.
    pub tick: DateTime<Utc>,
    /// When it was fired.
    pub fired_at: DateTime<Utc>,
    /// `enqueued`; `overlapped`: the job of the tick before is not done; `held`: another job holds the unique key;
    /// `duplicate`: its id was taken.
    pub outcome: String,
    /// The job that was enqueued last, by this tick or one before it.
    pub job: Option<JobId>,
}

/// A tick that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tick {
    /// The schedule.
    pub name: ScheduleName,
    /// The queue of its job.
    pub queue: QueueName,
    /// When it comes.
    pub at: DateTime<Utc>,
    /// The same on the wall clock of the schedule's zone.
    pub local: String,
    /// The job that it will enqueue.
    pub job: JobId,
}

/// What became of a schedule that was to be written or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was there, and is another now.
    Changed,
    /// It was there, in another queue.
    Moved,
    /// It was there already, just so.
    Unchanged,
    /// It is gone.
    Removed,
}

impl ChangeKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Moved => "moved",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// A schedule that was written or removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleChange {
    /// Its name.
    pub name: ScheduleName,
    /// Its queue.
    pub queue: QueueName,
    /// What became of it.
    pub change: ChangeKind,
    /// Its next tick.
    pub next_at: Option<DateTime<Utc>>,
    /// Whether nothing was done on purpose.
    pub dry_run: bool,
}

/// A schedule that was paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSwitched {
    /// Its name.
    pub name: ScheduleName,
    /// Its queue.
    pub queue: QueueName,
    /// Whether it is paused now.
    pub paused: bool,
    /// Whether it was not so before.
    pub changed: bool,
    /// Its next tick.
    pub next_at: Option<DateTime<Utc>>,
}

impl ScheduleInfo {
    /// Whether its tick came longer ago than `by` and nobody fired it.
    pub fn is_late(&self, by: Duration) -> bool {
        self.late_ms.is_some_and(|late_ms| u128::from(late_ms) > by.as_millis())
    }

    /// The part that the schedule itself says; as of one that never had a tick.
    pub(crate) fn of(schedule: &Schedule) -> Self {
        let options = schedule.options();
        let jitter = (!schedule.jitter.is_zero()).then(|| span_text(schedule.jitter));
        let grace = schedule.grace_ms().map(|grace_ms| Duration::from_millis(grace_ms.unsigned_abs()));
        Self {
            name: schedule.name.clone(),
            queue: schedule.queue.clone(),
            state: ScheduleState::Ended,
            cron: schedule.timing.pattern().map(str::to_owned),
            timezone: schedule.timing.zone().map(str::to_owned),
            every: schedule.timing.span().map(span_text),
            next_at: None,
            late_ms: None,
            missed: schedule.missed,
            grace: grace.map(span_text),
            overlap: schedule.overlap,
            jitter,
            until: schedule.until,
            priority: schedule.job.priority,
            attempts: options.attempts,
            backoff: options.backoff,
            timeout: options.timeout,
            ttl: options.ttl,
            unique: options.unique,
            unique_for: options.unique_for,
            payload: schedule.job.payload.clone(),
            ticks_fired: 0,
            ticks_missed: 0,
            ticks_overlapped: 0,
            last: None,
        }
    }
}
