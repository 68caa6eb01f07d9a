//! The life of one job, step by step: from what is stored of it and from what its queue noted.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::Result;
use crate::event::{EventId, QueueEvent};
use crate::inspector::Located;
use crate::job::{Crash, Failure, JobId, JobState};
use crate::stats::JobDetails;
use crate::store::Store;

/// Entries of the event stream that are read at a time.
const STEP: usize = 200;
/// A worker's clock may differ by this from the server's for what both noted to be taken for the same.
const SKEW_MS: i64 = 60_000;
/// A call takes less, and a job crashes at most once in this time.
const CALL_MS: i64 = 1_000;

/// One step of a job's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineStep {
    /// The job.
    pub job: JobId,
    /// When; ahead for what is due.
    pub at: DateTime<Utc>,
    /// What happened: enqueued, failed, an event of its queue, the state that it is in, or due.
    pub event: String,
    /// The failed attempt that it tells of.
    pub attempt: Option<u32>,
    /// How long that attempt ran, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The stable code word of its error.
    pub code: Option<String>,
    /// What was said.
    pub message: Option<String>,
    /// Who did it: a worker's id, `operator`, `janitor`.
    pub by: Option<String>,
}

impl TimelineStep {
    fn new(job: &JobId, at: DateTime<Utc>, event: &str, by: Option<&str>) -> Self {
        let by = by.filter(|by| !by.is_empty()).map(str::to_owned);
        let event = event.to_owned();
        Self { job: job.clone(), at, event, attempt: None, duration_ms: None, code: None, message: None, by }
    }

    /// The same, telling of an attempt.
    fn of(self, failure: &Failure) -> Self {
        Self {
            attempt: Some(failure.attempt),
            duration_ms: Some(failure.duration_ms),
            code: Some(failure.code.clone()),
            message: Some(failure.message.clone()),
            ..self
        }
    }

    /// The same, telling of a crash.
    fn of_crash(self, crash: &Crash) -> Self {
        let (code, message) = (Some(crash.code.clone()), Some(crash.told()));
        Self { attempt: Some(crash.attempt), code, message, ..self }
    }
}

/// The steps of a job that is there.
pub(crate) async fn of(store: &Store, job: &Located, details: &JobDetails) -> Result<Vec<TimelineStep>> {
    let spread = store.spread(&job.queue).await?;
    let stands = store.find_one(&job.queue, &job.id, job.seen_in).await?;
    // What happened before it was moved is told where it was.
    let mut places = spread.former().to_vec();
    let here = stands.map_or_else(|| spread.present().to_vec(), |stands| vec![stands.keys]);
    places.extend(here.into_iter().filter(|keys| !spread.former().iter().any(|other| other.is_same_place(keys))));
    let arrived_ms = details.summary.enqueued_at.map_or(0, |at| at.timestamp_millis());
    let mut events = Vec::new();
    for keys in places {
        let mut from = EventId::before_ms(arrived_ms);
        loop {
            let page = store.events_from(&keys, from, STEP).await?;
            let Some(last) = page.last() else { break };
            from = last.id;
            events.extend(page.into_iter().filter(|event| event.jobs.contains(&job.id)));
        }
    }
    events.sort_by_key(|event| event.id);
    Ok(steps(details, &events))
}

/// What is stored and what was noted, in one row.
fn steps(details: &JobDetails, events: &[QueueEvent]) -> Vec<TimelineStep> {
    let summary = &details.summary;
    let id = &summary.id;
    let mut untold: Vec<&Failure> = details.failures.iter().collect();
    let mut steps = Vec::new();
    for event in events {
        let step = TimelineStep::new(id, event.at, &event.event, Some(&event.by));
        let failure = event.failure_of(&details.failures);
        let failure = failure.filter(|failure| (failure.at - event.at).num_milliseconds().abs() < SKEW_MS);
        // Each attempt is told once: with the event that it ended in.
        let told = failure.and_then(|failure| untold.iter().position(|other| *other == failure));
        let crash = details.crashed.iter().find(|crash| is_told_by(crash, event));
        steps.push(match (told, crash) {
            (Some(at), _) => step.of(untold.remove(at)),
            (None, Some(crash)) => step.of_crash(crash),
            (None, None) => step,
        });
    }
    let failed = untold
        .into_iter()
        .map(|failure| TimelineStep::new(id, failure.at, "failed", Some(&failure.worker)).of(failure));
    steps.extend(failed);
    let noted = steps.iter().any(|step| step.event == "enqueued");
    let arrived = summary.enqueued_at.filter(|_| !noted);
    steps.extend(arrived.map(|at| TimelineStep::new(id, at, "enqueued", None)));
    // Stable, and what it arrived as comes first.
    steps.sort_by_key(|step| (step.at, step.event != "enqueued"));
    let stands = match summary.state {
        JobState::Scheduled | JobState::Retrying => Some("due"),
        JobState::Pending => None,
        JobState::Active => Some("started"),
        state => Some(state.as_str()),
    };
    let ends = |step: &TimelineStep| match summary.state {
        JobState::Dead => ["dead", "crash_loop", "expired"].contains(&step.event.as_str()),
        _ => Some(step.event.as_str()) == stands,
    };
    if let Some(stands) = stands.filter(|_| !steps.last().is_some_and(ends)) {
        steps.push(TimelineStep::new(id, summary.since, stands, details.worker.as_deref()));
    }
    steps
}

/// Whether an event is that of a crash: both bear the server's time, within one call.
fn is_told_by(crash: &Crash, event: &QueueEvent) -> bool {
    let apart_ms = (crash.at - event.at).num_milliseconds().abs();
    ["recovered", "crash_loop"].contains(&event.event.as_str()) && apart_ms < CALL_MS
}
