//! A schedule as it is written: the stored JSON object and the table of a file have the same fields.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{JITTER_MAX, Missed, Overlap, Schedule, ScheduleName, Timing};
use crate::clock::{instant_from_text, span_from_text, span_text};
use crate::error::{Error, FieldProblem, Result};
use crate::job::{JobOptions, NewJob, QueueName};

/// The fields of a schedule; the payload in the form `P`. One that equals its default is left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
pub(super) struct Form<P> {
    /// In a file alone: what is stored lies with its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "unique_for")]
    pub unique_for: Option<String>,
    #[serde(default = "none", deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub payload: Option<P>,
}

fn none<P>() -> Option<P> {
    None
}

/// What is there; null is a payload, too.
fn some<'de, D: Deserializer<'de>, P: Deserialize<'de>>(deserializer: D) -> std::result::Result<Option<P>, D::Error> {
    P::deserialize(deserializer).map(Some)
}

impl<P> Form<P> {
    /// The fields of `schedule`.
    pub(super) fn of(schedule: &Schedule, payload: P) -> Self {
        let options = schedule.options();
        Self {
            queue: None,
            cron: schedule.timing.pattern().map(str::to_owned),
            timezone: schedule.timing.zone().map(str::to_owned),
            every: schedule.timing.span().map(span_text),
            missed: (schedule.missed != Missed::default()).then(|| schedule.missed.to_string()),
            grace: schedule.grace.map(span_text),
            overlap: (schedule.overlap != Overlap::default()).then(|| schedule.overlap.to_string()),
            jitter: (!schedule.jitter.is_zero()).then(|| span_text(schedule.jitter)),
            until: schedule.until.map(|until| until.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            paused: None,
            priority: options.priority,
            attempts: options.attempts,
            backoff: options.backoff,
            timeout: options.timeout,
            ttl: options.ttl,
            unique: options.unique,
            unique_for: options.unique_for,
            payload: Some(payload),
        }
    }

    /// The schedule that these fields say; `payload` reads what is there.
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong.
    pub(super) fn read(
        self,
        name: ScheduleName,
        queue: QueueName,
        payload: impl FnOnce(P) -> Result<String>,
    ) -> Result<Schedule> {
        let mut problems = Vec::new();
        let timing = self.timing().map_err(|error| note(&mut problems, "cron", &error)).ok();
        let missed = one(&mut problems, "missed", self.missed.as_deref(), str::parse).unwrap_or_default();
        let grace = one(&mut problems, "grace", self.grace.as_deref(), span_from_text);
        let overlap = one(&mut problems, "overlap", self.overlap.as_deref(), str::parse).unwrap_or_default();
        let jitter = one(&mut problems, "jitter", self.jitter.as_deref(), jitter).unwrap_or_default();
        let until = one(&mut problems, "until", self.until.as_deref(), instant_from_text);
        if self.attempts == Some(0) {
            problems.push(FieldProblem::new("attempts", "must be a whole number, 1 or more"));
        }
        let options = JobOptions {
            priority: self.priority,
            attempts: self.attempts,
            backoff: self.backoff,
            timeout: self.timeout,
            ttl: self.ttl,
            unique: self.unique,
            unique_for: self.unique_for,
            ..JobOptions::default()
        };
        let text = self.payload.map_or_else(|| Ok("{}".to_owned()), payload);
        let job = text.and_then(NewJob::from_json).map_err(|error| note(&mut problems, "payload", &error)).ok();
        let job = job.and_then(|job| options.put_on(job).map_err(|error| note(&mut problems, "", &error)).ok());
        let (Some(timing), Some(job), true) = (timing, job, problems.is_empty()) else {
            return Err(Error::invalid_fields(problems));
        };
        let schedule = Schedule::new(name, queue, timing, job)?;
        Ok(Schedule { missed, grace, overlap, jitter, until, paused: self.paused, ..schedule })
    }

    fn timing(&self) -> Result<Timing> {
        match (&self.cron, &self.every) {
            (Some(pattern), None) => Timing::cron(pattern, self.timezone.as_deref().unwrap_or("UTC")),
            (None, Some(_)) if self.timezone.is_some() => {
                Err(Error::invalid_fields(vec![FieldProblem::new("timezone", "is for cron alone")]))
            }
            (None, Some(span)) => span_from_text(span)
                .map_err(|error| Error::invalid(format!("every {span:?}: {error}")).about("every"))
                .and_then(Timing::every),
            (Some(_), Some(_)) => {
                let why = "is given beside cron: only one of them can be";
                Err(Error::invalid_fields(vec![FieldProblem::new("every", why)]))
            }
            (None, None) => {
                let why = "is missing: a schedule needs cron or every";
                Err(Error::invalid_fields(vec![FieldProblem::new("cron", why)]))
            }
        }
    }
}

/// A span over which starts are spread.
fn jitter(text: &str) -> Result<Duration> {
    match span_from_text(text)? {
        span if span > JITTER_MAX => Err(Error::invalid("it is longer than a day")),
        span => Ok(span),
    }
}

fn one<T>(
    problems: &mut Vec<FieldProblem>,
    field: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T>,
) -> Option<T> {
    let text = text?;
    let wrong = |error: Error| {
        let said = error.to_string();
        let rest = said.strip_prefix(field).and_then(|rest| rest.strip_prefix(' ')).map(str::to_owned);
        problems.push(FieldProblem::new(field, rest.unwrap_or_else(|| format!("{text:?}: {said}"))));
    };
    read(text).map_err(wrong).ok()
}

/// Takes down what an error is about: its own fields, else `field`.
fn note(problems: &mut Vec<FieldProblem>, field: &str, error: &Error) {
    if error.fields().is_empty() {
        let said = error.to_string();
        let rest = said.strip_prefix(field).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(&said);
        problems.push(FieldProblem::new(field, rest));
    }
    for problem in error.fields() {
        let rest = problem.message.strip_prefix(problem.field.as_str()).and_then(|rest| rest.strip_prefix(' '));
        problems.push(FieldProblem::new(&problem.field, rest.unwrap_or(&problem.message)));
    }
}

impl Schedule {
    /// A schedule that is written as one JSON object, with the fields that a table of a file has: `queue`, `cron` or `every`, and
    /// as wanted the others. The payload is kept byte for byte.
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong.
    pub fn from_json(name: ScheduleName, text: &str) -> Result<Self> {
        let mut form: Form<Box<RawValue>> = serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            match said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
                Some(field) => Error::invalid_fields(vec![FieldProblem::new(field, "is no field of a schedule")]),
                None => Error::invalid(format!("it is no schedule: {said}")),
            }
        })?;
        let missing = || Error::invalid_fields(vec![FieldProblem::new("queue", "is missing")]);
        let queue = form.queue.take().ok_or_else(missing)?;
        let queue = QueueName::new(&queue).map_err(|error| error.about("queue"))?;
        form.read(name, queue, |payload| Ok(payload.get().to_owned()))
    }

    /// Its payload, and the queue whose processor is to understand it.
    pub fn payload(&self) -> &str {
        self.job.payload.get()
    }

    /// The JSON object that is stored.
    pub(crate) fn to_stored(&self) -> Result<String> {
        let form = Form::of(self, self.job.payload.clone());
        serde_json::to_string(&form).map_err(|error| Error::internal(format!("schedule: {error}")))
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// `Corrupt`, naming the schedule.
    pub(crate) fn from_stored(name: &str, queue: &QueueName, text: &str) -> Result<Self> {
        let unreadable = |why: String| {
            Error::corrupt(format!(
                "schedule {name:?} of queue {queue} is not readable: {why}; remove it, and add it anew"
            ))
        };
        let form: Form<Box<RawValue>> = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        let checked = ScheduleName::new(name).map_err(|error| unreadable(error.to_string()))?;
        form.read(checked, queue.clone(), |payload| Ok(payload.get().to_owned()))
            .map_err(|error| unreadable(error.to_string()))
    }
}
