//! A new job written as the line that [`NewJob::from_line`] reads.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::job::new::Start;
use crate::job::{JobId, NewJob, Priority};

/// What a line says; what equals its default is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    id: &'a JobId,
    #[serde(skip_serializing_if = "Priority::is_default")]
    priority: Priority,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_key: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unless_queued: bool,
    payload: &'a RawValue,
}

impl NewJob {
    /// The job as one JSON object on one line, with its id, its payload byte for byte. That somebody waits for it is not
    /// part of it.
    ///
    /// # Errors
    /// `Invalid` when [`NewJob::from_line`] would not read it back.
    pub fn to_line(&self) -> Result<String> {
        let span = |span: Option<Duration>| span.map(|span| format!("{}ms", span.as_millis()));
        let (delay, at) = match self.start {
            Start::Now => (None, None),
            Start::After(delay) => (span(Some(delay)), None),
            Start::AtMs(at_ms) => (None, DateTime::from_timestamp_millis(at_ms)),
        };
        let written = Written {
            id: &self.id,
            priority: self.priority,
            delay,
            at: at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            attempts: self.attempts,
            backoff: self.backoff.map(|backoff| backoff.to_string()),
            timeout: span(self.timeout),
            ttl: span(self.ttl),
            unique: self.unique.as_ref().map(|unique| unique.key.as_str()),
            unique_for: span(self.unique.as_ref().and_then(|unique| unique.window)),
            order_key: self.order_key.as_deref(),
            unless_queued: self.unless_queued,
            payload: &self.payload,
        };
        let line = serde_json::to_string(&written).map_err(|error| Error::internal(format!("line: {error}")))?;
        Self::from_line(&line, |job| job)?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_the_same_job() {
        let job = NewJob::from_json(r#"{"n":19.999999999999998, "s":"a\/b"}"#.to_owned())
            .unwrap()
            .id(JobId::new("mine-1").unwrap())
            .priority(Priority::High)
            .at(DateTime::from_timestamp_millis(1_764_000_000_123).unwrap())
            .attempts(7)
            .backoff("exponential:5s:1h".parse().unwrap())
            .timeout(Duration::from_millis(90_001))
            .ttl(Duration::from_secs(7_200))
            .unique("k")
            .unique_for(Duration::from_secs(60))
            .order_key("o")
            .unless_queued();
        let read = NewJob::from_line(&job.to_line().unwrap(), |job| job).unwrap();
        assert_eq!(read.to_record().unwrap(), job.to_record().unwrap());
        assert_eq!((&read.id, read.start, &read.unique), (&job.id, job.start, &job.unique));
        assert!(read.unless_queued && read.id_is_chosen);
        let delayed = NewJob::new(&1).unwrap().delay(Duration::from_millis(1_500));
        assert_eq!(NewJob::from_line(&delayed.to_line().unwrap(), |job| job).unwrap().start, delayed.start);
    }

    #[test]
    fn what_a_line_cannot_say_is_refused() {
        let beyond = NewJob::new(&1).unwrap().at(DateTime::from_timestamp_millis(300_000_000_000_000).unwrap());
        assert!(beyond.to_line().is_err());
        assert!(NewJob::new(&1).unwrap().unique("").to_line().is_err());
    }
}
