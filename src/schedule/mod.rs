//! What a schedule is: when its ticks come, what becomes of those that were missed, and the job of each.

mod file;
mod form;
mod info;
mod name;
mod plan;
mod policy;
#[cfg(test)]
mod tests;
mod timing;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

pub(crate) use file::{read_file, write_file};
pub use info::{ChangeKind, LastTick, ScheduleChange, ScheduleInfo, ScheduleState, ScheduleSwitched, Tick};
pub use name::ScheduleName;
pub(crate) use plan::Plan;
pub use policy::{Missed, Overlap};
pub use timing::Timing;

use crate::clock::span_text;
use crate::error::{Error, Result};
use crate::job::{JobId, JobOptions, LONGEST, NewJob, QueueName, Start};

/// The largest payload of a schedule, in bytes: it is read with every tick.
pub const SCHEDULE_PAYLOAD_MAX_BYTES: usize = 64 * 1024;
/// How late a tick may be where what was missed is skipped and nothing else is said.
const SKIP_GRACE: Duration = Duration::from_secs(60);
const JITTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// A rule by which jobs are enqueued: at each tick of its timing one, under an id that follows from the schedule's name and
/// the tick, so that a tick has at most one job whoever fires it and however often.
///
/// ```
/// use ireva_queue::{NewJob, QueueName, Schedule, ScheduleName, Timing};
/// let timing = Timing::cron("0 9 * * MON-FRI", "Africa/Lagos")?;
/// let job = NewJob::new(&serde_json::json!({"type": "portfolio-summary"}))?.attempts(3);
/// let schedule = Schedule::new(ScheduleName::new("morning")?, QueueName::new("report-generation")?, timing, job)?;
/// assert_eq!(schedule.timing().to_string(), "0 9 * * MON-FRI Africa/Lagos");
/// # Ok::<(), ireva_queue::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    name: ScheduleName,
    queue: QueueName,
    timing: Timing,
    missed: Missed,
    grace: Option<Duration>,
    overlap: Overlap,
    jitter: Duration,
    until: Option<DateTime<Utc>>,
    paused: Option<bool>,
    job: NewJob,
}

impl Schedule {
    /// A schedule for jobs like `job`: its payload and options, without an id or a start of its own.
    ///
    /// # Errors
    /// `Invalid` when the job breaks a rule, has a start or a payload over 64 KiB.
    pub fn new(name: ScheduleName, queue: QueueName, timing: Timing, job: NewJob) -> Result<Self> {
        job.check()?;
        if job.start != Start::Now {
            return Err(
                Error::invalid("a job of a schedule starts at its tick: use jitter to spread them").about("delay")
            );
        }
        let size = job.payload().get().len();
        if size > SCHEDULE_PAYLOAD_MAX_BYTES {
            let why = format!("payload of a schedule has {size} bytes, more than {SCHEDULE_PAYLOAD_MAX_BYTES}");
            return Err(Error::invalid(why).about("payload"));
        }
        Ok(Self {
            name,
            queue,
            timing,
            missed: Missed::default(),
            grace: None,
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
            until: None,
            paused: None,
            job,
        })
    }

    /// What becomes of ticks that nobody fired in time; one job for all of them unless said.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// A tick later than this is not fired any more; unless said a minute where what was missed is skipped, else however
    /// late it is.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace.min(LONGEST));
        self
    }

    /// What becomes of a tick while the job of the one before is not done; its job is added all the same unless said.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Starts each job up to so much after its tick (a day at most), each tick its own part of it.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter.min(JITTER_MAX);
        self
    }

    /// There are no ticks after this.
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until);
        self
    }

    /// Paused, or not; unless said a new schedule is not, and one that is there stays as it is.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = Some(paused);
        self
    }

    /// Its name, which is one in all queues of a prefix.
    pub fn name(&self) -> &ScheduleName {
        &self.name
    }

    /// What decides in which partition of its queue it is, and its jobs: their unique key, which must be held in one place,
    /// else its name.
    pub(crate) fn partition_key(&self) -> &str {
        self.job.unique_key().unwrap_or(self.name.as_str())
    }

    /// The queue of its jobs.
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// When its ticks come.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Whether it says that it is paused, or not.
    pub(crate) fn wants_paused(&self) -> Option<bool> {
        self.paused
    }

    /// Whether the other one has the same ticks.
    pub(crate) fn ticks_like(&self, other: &Self) -> bool {
        self.timing.to_string() == other.timing.to_string() && self.until == other.until
    }

    /// The first tick after `at`.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_after_ms(at.timestamp_millis()).and_then(DateTime::from_timestamp_millis)
    }

    pub(crate) fn next_after_ms(&self, at_ms: i64) -> Option<i64> {
        let ends = |tick_ms: &i64| self.until.is_none_or(|until| *tick_ms <= until.timestamp_millis());
        self.timing.next_after_ms(at_ms).filter(ends)
    }

    /// How late a tick may be and still be fired; `None`: however late.
    pub(crate) fn grace_ms(&self) -> Option<i64> {
        let grace = self.grace.or((self.missed == Missed::Skip).then_some(SKIP_GRACE))?;
        i64::try_from(grace.as_millis()).ok()
    }

    /// Which of its jobs stand in each other's way.
    pub(crate) fn overlaps(&self) -> Overlap {
        self.overlap
    }

    /// The job of a tick that is fired at `now_ms`.
    pub(crate) fn job_of(&self, tick_ms: i64, now_ms: i64) -> NewJob {
        let job = self.job.clone().id(self.id_of(tick_ms));
        let jitter_ms = u64::try_from(self.jitter.as_millis()).unwrap_or_default();
        if jitter_ms == 0 {
            return job;
        }
        let part_ms = spread(self.name.as_str(), tick_ms) % (jitter_ms + 1);
        let start_ms = tick_ms.max(now_ms).saturating_add_unsigned(part_ms);
        NewJob { start: Start::AtMs(start_ms), ..job }
    }

    /// A job of its kind that no tick asked for.
    pub(crate) fn job_by_hand(&self) -> NewJob {
        self.job.clone().id(JobId::trusted(&format!("{}@{}", self.name, JobId::generate())))
    }

    /// The id of a tick's job: the name, and the tick in UTC.
    pub(crate) fn id_of(&self, tick_ms: i64) -> JobId {
        let tick = DateTime::from_timestamp_millis(tick_ms).unwrap_or_default();
        JobId::trusted(&format!("{}@{}", self.name, tick.to_rfc3339_opts(SecondsFormat::Secs, true)))
    }

    /// The options of its jobs as they are written.
    fn options(&self) -> JobOptions {
        let job = &self.job;
        let unique = job.unique.as_ref();
        JobOptions {
            priority: (!job.priority.is_default()).then(|| job.priority.as_str().to_owned()),
            attempts: job.attempts,
            backoff: job.backoff.map(|backoff| backoff.to_string()),
            timeout: job.timeout.map(span_text),
            ttl: job.ttl.map(span_text),
            unique: unique.map(|unique| unique.key.clone()),
            unique_for: unique.and_then(|unique| unique.window).map(span_text),
            ..JobOptions::default()
        }
    }
}

/// A number that follows from a name and a tick, the same everywhere (64-bit FNV-1a).
fn spread(name: &str, tick_ms: i64) -> u64 {
    let bytes = name.bytes().chain(tick_ms.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
