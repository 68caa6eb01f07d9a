//! Jobs as lines of a file, from one server to another: written by an export, read by an import.

mod redact;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

pub use redact::Redaction;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, JobState, Layout, Partitions, Priority, QueueName, Record};
use crate::queue::Queue;
use crate::selection::Selection;
use crate::stats::Skipped;
use crate::store::{Accepted, Admission, Admitted, Course, Detail, Found, Key, QueueKeys};
use crate::walk::Walk;

/// Jobs that one call takes in, and about how many bytes.
const STEP: usize = 200;
const STEP_BYTES: usize = 1 << 20;
/// So long jobs are offered again while the number of partitions changes, and so long after the time before.
const MOVING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// The longest line that is read: the largest payload and all that may stand beside it.
pub const JOB_LINE_MAX_BYTES: usize = 4 << 20;

/// A job as a line of a file (one JSON object, no line ends inside).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobLine {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Where it stood. An active one becomes pending where it is taken in.
    pub state: JobState,
    /// Its place there: pending by its rank in µs, scheduled and retrying by due time in ms × 4 + level, ended ones by the
    /// time of their end in ms.
    pub place: i64,
    /// When it was accepted, in µs since 1970.
    pub arrival_us: i64,
    /// What the producer wrote: payload and options.
    pub record: Box<RawValue>,
    /// What happened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Box<RawValue>>,
    /// How often its worker died.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crashes: u32,
    /// Whether something was blackened: then it cannot be taken in and run as it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Jobs that are in by this, or would be.
    pub imported: u64,
    /// Jobs that are or lately were there: they are left as they are.
    pub duplicates: u64,
    /// Jobs that were not taken in, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Whether it only looked: then nothing was changed.
    pub dry_run: bool,
}

impl ImportReport {
    /// What became of one.
    fn tell(&mut self, job: &Admission, answer: Admitted) {
        match answer {
            Admitted::In => self.imported += 1,
            Admitted::Taken => self.duplicates += 1,
            Admitted::Held(holder) => {
                let reason = format!("job {holder} holds its unique key");
                self.skipped.push(Skipped { id: job.id.clone(), reason });
            }
        }
    }

    /// Both in one.
    pub fn add(&mut self, other: Self) {
        self.imported += other.imported;
        self.duplicates += other.duplicates;
        self.skipped.extend(other.skipped);
    }
}

impl JobLine {
    /// Reads a line.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong with it.
    pub fn parse(line: &str) -> Result<Self> {
        let job: Self = serde_json::from_str(line).map_err(|error| Error::invalid(format!("no job: {error}")))?;
        job.stored()?;
        Ok(job)
    }

    /// A job as it was found; what cannot be read says so.
    fn of(found: &Found, queue: &QueueName) -> Result<Self> {
        let record = found.record().ok_or_else(|| Error::corrupt("what is stored of it cannot be read"))?;
        let raw = |text: &str| {
            // Line ends stand only between the parts of a JSON text, where a space says the same.
            let line = text.replace(['\n', '\r'], " ");
            RawValue::from_string(line).map_err(|error| Error::corrupt(format!("it is no JSON: {error}")))
        };
        let written = &found.record[found.record.find('{').unwrap_or_default()..];
        let state = found.place.state;
        let in_line = matches!(state, JobState::Active | JobState::Pending);
        let place = if in_line { found.place.rank_us() } else { found.place.score() };
        Ok(Self {
            id: found.id.clone(),
            queue: queue.clone(),
            state,
            place,
            arrival_us: record.arrival_us,
            record: raw(written)?,
            history: if found.history.is_empty() { None } else { raw(&found.history).ok() },
            crashes: found.crashes,
            redacted: false,
        })
    }

    /// The record as it is stored, and what it says.
    fn stored(&self) -> Result<Record> {
        let record = Record::decode(&format!("{}{}", self.arrival_us, self.record.get()));
        record.map_err(|error| Error::invalid(format!("job {}: {error}", self.id)))
    }

    /// How it is taken in.
    fn admission(&self) -> Result<Admission> {
        let record = self.stored()?;
        let live = !self.state.is_final();
        let expiry = record.ttl.filter(|_| live && self.state != JobState::Active);
        let ttl_ms = |ttl: Duration| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        Ok(Admission {
            partition_key: record.partition_key(self.id.as_str()).to_owned(),
            id: self.id.clone(),
            set: set_of(self.state, record.priority),
            score: self.place,
            record: format!("{}{}", self.arrival_us, self.record.get()),
            history: self.history.as_ref().map(|history| history.get().to_owned()).unwrap_or_default(),
            crashes: self.crashes,
            unique: record.unique.clone().filter(|_| live),
            expiry_ms: expiry.map(|ttl| (self.arrival_us / 1000).saturating_add(ttl_ms(ttl))),
        })
    }
}

/// By what a job is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// What decides its partition.
    Key,
    /// Its id, where that is remembered by itself.
    Id,
}

/// How many of these go in one call.
fn step(admissions: &[Admission]) -> usize {
    let mut bytes = 0;
    let fits = |admission: &&Admission| {
        bytes += admission.record.len() + admission.history.len();
        bytes <= STEP_BYTES
    };
    admissions.iter().take(STEP).take_while(fits).count().max(1)
}

fn set_of(state: JobState, priority: Priority) -> Key {
    match state {
        // Nobody here holds it.
        JobState::Active | JobState::Pending => Key::line(priority.level()),
        state => Key::of_state(state)[0],
    }
}

impl Queue {
    /// Hands the selected jobs to `take`, page by page, until it returns false; those that cannot be read are returned.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn export(
        &self,
        selection: &Selection,
        redaction: &Redaction,
        take: &mut (dyn FnMut(Vec<JobLine>) -> bool + Send),
    ) -> Result<Vec<Skipped>> {
        let store = self.store();
        let states = if selection.states.is_empty() { JobState::ALL.to_vec() } else { selection.states.clone() };
        let mut walk = Walk::begin(store, self.name(), (selection, &states), Detail::Whole).await?;
        let mut skipped = Vec::new();
        while let Some(jobs) = walk.look().await? {
            let mut lines = Vec::with_capacity(jobs.len());
            for found in &jobs {
                match JobLine::of(found, self.name()).and_then(|line| redaction.apply(line)) {
                    Ok(line) => lines.push(line),
                    Err(error) => skipped.push(Skipped { id: found.id.clone(), reason: error.to_string() }),
                }
            }
            if !take(lines) {
                break;
            }
        }
        Ok(skipped)
    }

    /// Takes jobs in as they stood where they were exported. An id that is or lately was here is left as it is, so it may be
    /// repeated.
    ///
    /// # Errors
    /// `NotNow` when the server's memory is full; `Unreachable` and its like.
    pub async fn import(&self, jobs: &[JobLine], dry_run: bool) -> Result<ImportReport> {
        let mut report = ImportReport { dry_run, ..ImportReport::default() };
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job.admission() {
                _ if job.redacted => {
                    let reason = "it was redacted, and would run without what was blackened".to_owned();
                    report.skipped.push(Skipped { id: job.id.clone(), reason });
                }
                Ok(admission) => waiting.push(admission),
                Err(error) => report.skipped.push(Skipped { id: job.id.clone(), reason: error.to_string() }),
            }
        }
        let until = Instant::now() + MOVING;
        while !waiting.is_empty() {
            let course = self.store().course(self.name()).await?;
            waiting = self.take_in(&course, waiting, &mut report).await?;
            if !waiting.is_empty() && Instant::now() >= until {
                let why =
                    format!("the number of partitions of queue {} is changing: repeat it for the rest", self.name());
                return Err(Error::new(ErrorKind::Moved, why));
            }
            if !waiting.is_empty() {
                sleep(PAUSE).await;
            }
        }
        if report.imported > 0 && !dry_run {
            self.make_known().await?;
        }
        Ok(report)
    }

    /// Takes jobs in where they belong; those that belong elsewhere by now come back.
    async fn take_in(
        &self,
        course: &Course,
        mut jobs: Vec<Admission>,
        report: &mut ImportReport,
    ) -> Result<Vec<Admission>> {
        let Layout { now, was } = course.layout;
        // What moves meanwhile is met where it comes from, or where it goes to.
        if let Some(was) = was {
            jobs = self.unknown(was, jobs, (By::Key, report)).await?;
        }
        if course.remembers {
            for partitions in was.into_iter().chain([now]) {
                jobs = self.unknown(partitions, jobs, (By::Id, report)).await?;
            }
        }
        let mut back = Vec::new();
        for (keys, share) in self.shares(now, By::Key, jobs) {
            let mut rest = share.as_slice();
            while !rest.is_empty() {
                let step = &rest[..step(rest)];
                match self.store().admit(&keys, step, was, report.dry_run).await {
                    Ok(answers) => step.iter().zip(answers).for_each(|(job, answer)| report.tell(job, answer)),
                    Err(error) if error.kind() == ErrorKind::Moved => break,
                    Err(error) => return Err(error),
                }
                rest = &rest[step.len()..];
            }
            back.extend_from_slice(rest);
        }
        Ok(back)
    }

    /// Those that places beside the one that they belong to do not know: places that are being left, and those where ids are
    /// remembered that outlived their jobs in a change.
    async fn unknown(
        &self,
        partitions: Partitions,
        jobs: Vec<Admission>,
        (by, report): (By, &mut ImportReport),
    ) -> Result<Vec<Admission>> {
        let mut unknown = Vec::with_capacity(jobs.len());
        for (keys, share) in self.shares(partitions, by, jobs) {
            for step in share.chunks(STEP) {
                let unique = |job: &Admission| job.unique.clone().filter(|_| by == By::Key);
                let asked: Vec<_> = step.iter().map(|job| (&job.id, unique(job))).collect();
                let asked: Vec<_> = asked.iter().map(|(id, unique)| (*id, unique.as_deref())).collect();
                for (job, known) in step.iter().zip(self.store().known_at(&keys, &asked).await?) {
                    match known {
                        None => unknown.push(job.clone()),
                        Some(Accepted::Held(holder)) => report.tell(job, Admitted::Held(holder)),
                        Some(_) => report.tell(job, Admitted::Taken),
                    }
                }
            }
        }
        Ok(unknown)
    }

    /// The jobs of each partition.
    fn shares(&self, partitions: Partitions, by: By, jobs: Vec<Admission>) -> Vec<(QueueKeys, Vec<Admission>)> {
        let keys = partitions.each().map(|partition| self.store().partition_keys(self.name(), partition));
        let mut shares: Vec<_> = keys.map(|keys| (keys, Vec::new())).collect();
        for job in jobs {
            let key = if by == By::Key { job.partition_key.as_str() } else { job.id.as_str() };
            shares[partitions.place_of(key)].1.push(job);
        }
        shares.retain(|(_, share)| !share.is_empty());
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"a-1","queue":"q","state":"scheduled","place":7056000000001,"arrivalUs":1764000000000000,"record":{"payload":{"n":1.10},"ttl_ms":5000,"priority":"high","unique":"k"}}"#;

    #[test]
    fn a_line_says_all_that_is_stored() {
        let job = JobLine::parse(LINE).unwrap();
        assert_eq!(serde_json::to_string(&job).unwrap(), LINE);
        let admission = job.admission().unwrap();
        assert!(admission.record.starts_with(r#"1764000000000000{"payload":{"n":1.10}"#));
        assert_eq!((admission.set, admission.unique.as_deref()), (Key::Scheduled, Some("k")));
        assert_eq!(admission.expiry_ms, Some(1_764_000_005_000));
        let dead = JobLine { state: JobState::Dead, ..job.clone() }.admission().unwrap();
        assert_eq!((dead.set, dead.unique), (Key::Dead, None), "a dead one holds nothing");
        assert_eq!(JobLine { state: JobState::Active, ..job }.admission().unwrap().set, Key::Pending1);
    }

    #[test]
    fn what_is_no_job_is_refused_with_its_reason() {
        let bad = [
            "",
            "{}",
            &LINE.replace("\"a-1\"", "\"a b\""),
            &LINE.replace("scheduled", "lost"),
            &LINE.replace("{\"payload\":{\"n\":1.10},", "{"),
            &LINE.replace("\"place\"", "\"plaice\""),
        ];
        for line in bad {
            assert_eq!(JobLine::parse(line).unwrap_err().kind(), crate::ErrorKind::Invalid, "{line}");
        }
    }
}
