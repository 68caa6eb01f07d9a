//! What happens to jobs and workers, as it is logged and handed to a listener.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::job::{Failure, JobId, QueueName};
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
    /// A schedule's tick was fired; `message` names both.
    Fired,
    /// The worker takes jobs.
    WorkerStarted,
    /// The worker fetches no more and lets its jobs end.
    WorkerStopping,
    /// The worker is done.
    WorkerStopped,
    /// A dependency failed too often: jobs that need it wait; `message` names it.
    BreakerOpened,
    /// A dependency answers again.
    BreakerClosed,
    /// Redis has not taken a renewal for a while; `duration` is how long.
    RedisLost,
    /// Redis takes renewals again.
    RedisBack,
    /// An alert fires; `message` names its rule and says what is the matter.
    AlertFiring,
    /// An alert is over.
    AlertRecovered,
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
            Self::Fired => "fired",
            Self::WorkerStarted => "worker_started",
            Self::WorkerStopping => "worker_stopping",
            Self::WorkerStopped => "worker_stopped",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerClosed => "breaker_closed",
            Self::RedisLost => "redis_lost",
            Self::RedisBack => "redis_back",
            Self::AlertFiring => "alert_firing",
            Self::AlertRecovered => "alert_recovered",
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

fn millis<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
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

/// The place of an event in the stream of its queue: `<milliseconds since 1970>-<number>`, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct EventId {
    at_ms: u64,
    number: u64,
}

impl EventId {
    /// Before every event.
    pub const START: Self = Self { at_ms: 0, number: 0 };

    /// Before every event of this millisecond, and behind all earlier ones.
    pub(crate) fn before_ms(at_ms: i64) -> Self {
        let at_ms = u64::try_from(at_ms).unwrap_or_default();
        at_ms.checked_sub(1).map_or(Self::START, |at_ms| Self { at_ms, number: u64::MAX })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.number)
    }
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = text.split_once('-').filter(|(at, number)| digits(at) && digits(number));
        let parsed =
            parts.and_then(|(at, number)| Some(Self { at_ms: at.parse().ok()?, number: number.parse().ok()? }));
        parsed.ok_or_else(|| Error::invalid(format!("event id {text:?} is not like 1764000000000-0")))
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

/// How much an event wants to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The way it goes.
    Info,
    /// Something went wrong and is seen to.
    Warn,
    /// Something ended badly.
    Error,
}

impl Level {
    /// Every level, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of what a stream calls `event`.
    fn of(event: &str) -> Self {
        match event {
            "dead" | "crash_loop" | "expired" | "orphaned" => Self::Error,
            "retrying" | "snoozed" | "recovered" | "dropped" | "renamed" | "reconciled" | "alert_firing" => Self::Warn,
            "undoubled" | "reclaimed" | "swept" | "rebatched" | "relocked" | "unlocked" | "reindexed" | "recounted" => {
                Self::Warn
            }
            _ => Self::Info,
        }
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let level = Self::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| Error::invalid(format!("level {text:?} is not one of info, warn, error")))
    }
}

/// A failed attempt of a job that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobFailure {
    /// The job.
    pub job: JobId,
    /// What went wrong.
    #[serde(flatten)]
    pub failure: Failure,
}

/// Something that a queue noted in its event stream: one entry for all jobs that it happened to in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueEvent {
    /// Its place in the stream, from which reading can go on.
    pub id: EventId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// How much it wants to be looked at.
    pub level: Level,
    /// The queue.
    pub queue: QueueName,
    /// What happened: retrying, snoozed, released, recovered, dead, crash_loop, expired, dropped, cancelling, cancelled,
    /// promoted, revived, replaced (the old job, then the new one), removed, orphaned, reconciled, undoubled, reclaimed,
    /// swept, rebatched, relocked, unlocked, reindexed, recounted, settings, paused,
    /// resumed, schedule, batch_completed, breaker_opened, breaker_closed, alert_firing, alert_recovered; where the queue is
    /// set to tell all, also enqueued, started, completed.
    pub event: String,
    /// The jobs that it happened to; empty where they are only counted.
    pub jobs: Vec<JobId>,
    /// How many jobs it happened to.
    pub count: u64,
    /// The settings that changed, as `field=value`; of `schedule` its name and what became of it: added, changed, removed,
    /// paused, resumed, `missed:` and how many ticks; the batch that is over and its job on completion; the dependency of a
    /// breaker; what an alert says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Who did it: a worker's id, a producer's id, `operator`, `janitor`; empty where the queue did.
    pub by: String,
    /// The attempts that ended in this, where they were asked for and are still known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<JobFailure>,
}

impl QueueEvent {
    /// An entry as it is stored: `about` names jobs, or says `+` and how many, or names changed settings.
    pub(crate) fn read(id: EventId, queue: QueueName, event: String, about: &str, by: String) -> Self {
        let at = i64::try_from(id.at_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
        let words = || about.split(' ').filter(|word| !word.is_empty());
        let (mut jobs, mut changes) = (Vec::new(), Vec::new());
        let counted = about.strip_prefix('+').and_then(|count| count.parse().ok());
        match event.as_str() {
            "settings" | "paused" | "resumed" | "schedule" | "batch_completed" => {
                changes = words().map(str::to_owned).collect();
            }
            "breaker_opened" | "breaker_closed" | "alert_firing" | "alert_recovered" => {
                changes = vec![about.to_owned()]
            }
            _ if counted.is_some() => {}
            _ => jobs = words().map(JobId::trusted).collect(),
        }
        let count = counted.unwrap_or(jobs.len() as u64);
        let level = Level::of(&event);
        Self { id, at, level, queue, event, jobs, count, changes, by, failures: Vec::new() }
    }

    /// Whether it is about what is set for its queue: each partition of a queue hears of that.
    pub(crate) fn is_about_settings(&self) -> bool {
        matches!(self.event.as_str(), "settings" | "paused" | "resumed" | "protected" | "unprotected")
    }

    /// Whether a failed attempt is what it tells of.
    pub(crate) fn tells_of_failures(&self) -> bool {
        matches!(self.event.as_str(), "retrying" | "dead")
    }

    /// Of the failures that are known of a job, the one that ended in this: its own worker's that is nearest in time, since
    /// that worker wrote the one by its clock and the server the other.
    pub(crate) fn failure_of<'a>(&self, failures: &'a [Failure]) -> Option<&'a Failure> {
        let distance = |failure: &&Failure| (failure.at - self.at).num_milliseconds().unsigned_abs();
        let own = failures.iter().filter(|failure| failure.worker == self.by);
        own.min_by_key(distance).filter(|_| self.tells_of_failures())
    }

    /// The same for each job by itself, in their order; what is not about several jobs, or about a pair of them, as it is.
    pub fn each(self) -> Vec<Self> {
        if self.jobs.len() < 2 || self.event == "replaced" {
            return vec![self];
        }
        let of_job = |job: &JobId| Self {
            jobs: vec![job.clone()],
            count: 1,
            failures: self.failures.iter().filter(|failure| failure.job == *job).cloned().collect(),
            changes: self.changes.clone(),
            queue: self.queue.clone(),
            event: self.event.clone(),
            by: self.by.clone(),
            ..self
        };
        self.jobs.iter().map(of_job).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str, about: &str) -> QueueEvent {
        let queue = QueueName::new("q").unwrap();
        QueueEvent::read("1764000000123-4".parse().unwrap(), queue, event.to_owned(), about, String::new())
    }

    #[test]
    fn an_entry_names_jobs_or_counts_them_or_tells_changes() {
        let dead = read("dead", "a b");
        assert_eq!((dead.jobs.len(), dead.count, dead.at.timestamp_millis()), (2, 2, 1_764_000_000_123));
        let removed = read("removed", "+500");
        assert_eq!((removed.jobs.len(), removed.count), (0, 500));
        assert_eq!(read("removed", "25").jobs[0].as_str(), "25");
        let set = read("settings", "rate=5/s rate_us=200000");
        assert_eq!((set.count, set.changes.len()), (0, 2));
        assert_eq!(read("batch_completed", "batch=b job=x").changes, ["batch=b", "job=x"]);
        let opened = read("breaker_opened", "dependency=database b at db:5432");
        assert_eq!(opened.changes, ["dependency=database b at db:5432"]);
        let fires = read("alert_firing", "alert=backlog 12 jobs in line");
        assert_eq!((fires.level, fires.changes.len(), fires.jobs.len()), (Level::Warn, 1, 0));
    }

    #[test]
    fn an_entry_about_several_jobs_is_one_event_for_each() {
        let each = |event, about| read(event, about).each();
        let dead = each("dead", "a b");
        assert_eq!(
            dead.iter().map(|event| (event.jobs[0].as_str(), event.count)).collect::<Vec<_>>(),
            [("a", 1), ("b", 1)]
        );
        assert!(dead.iter().all(|event| event.level == Level::Error && event.id == dead[0].id));
        assert_eq!(
            (each("replaced", "a b").len(), each("removed", "+500").len(), each("settings", "a=1 b=2").len()),
            (1, 1, 1)
        );
    }

    #[test]
    fn the_failure_of_an_event_is_its_workers_nearest() {
        let failure = |worker: &str, at_ms: i64| Failure {
            at: DateTime::from_timestamp_millis(at_ms).unwrap(),
            attempt: 1,
            class: ErrorClass::Transient,
            code: "x".to_owned(),
            message: String::new(),
            duration_ms: 1,
            worker: worker.to_owned(),
        };
        let at_ms = 1_764_000_000_123;
        let failures = [failure("w", at_ms - 9_000), failure("w", at_ms + 40), failure("other", at_ms)];
        let event = |kind| QueueEvent { by: "w".to_owned(), ..read(kind, "a") };
        assert_eq!(event("retrying").failure_of(&failures), Some(&failures[1]));
        assert_eq!(event("released").failure_of(&failures), None);
        assert_eq!(QueueEvent { by: "third".to_owned(), ..event("dead") }.failure_of(&failures), None);
    }

    #[test]
    fn ids_rise_and_are_read_strictly() {
        let id = |text: &str| text.parse::<EventId>().unwrap();
        assert!(EventId::START < id("0-1") && id("9-9") < id("10-0") && id("10-0") < id("10-1"));
        assert_eq!(id("18446744073709551615-0").to_string(), "18446744073709551615-0");
        for bad in ["", "-", "1", "1-", "-1", "+1-0", "1-0-0", "$", "a-b", "18446744073709551616-0"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
