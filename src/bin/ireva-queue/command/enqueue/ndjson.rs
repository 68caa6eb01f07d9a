//! One line, one job.

use std::io::{self, BufRead};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ireva_queue::retry::Backoff;
use ireva_queue::{JobId, NewJob, Priority};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::parse;

/// A payload at the library's limit with its options around it.
const LINE_MAX_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// A line by its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object such as {\"payload\":…}")]
struct Line<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    id: Option<JobId>,
    priority: Option<Priority>,
    delay: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    at: Option<DateTime<Utc>>,
    attempts: Option<u32>,
    backoff: Option<Backoff>,
    timeout: Option<String>,
    ttl: Option<String>,
    unique: Option<String>,
    #[serde(alias = "unique_for")]
    unique_for: Option<String>,
}

/// The job of a line; `defaults` puts on it what the flags say, the line's own fields win.
///
/// # Errors
/// Why the line is refused.
pub fn job(line: &str, bare: bool, defaults: impl Fn(NewJob) -> NewJob) -> Result<NewJob, String> {
    let job = if bare {
        defaults(NewJob::from_json(line.to_owned()).map_err(|error| error.to_string())?)
    } else {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| short(&error))?;
        line.job(defaults)?
    };
    job.check().map_err(|error| error.to_string())?;
    Ok(job)
}

impl Line<'_> {
    fn job(self, defaults: impl Fn(NewJob) -> NewJob) -> Result<NewJob, String> {
        if self.delay.is_some() && self.at.is_some() {
            return Err("it has both delay and at".to_owned());
        }
        if self.attempts == Some(0) {
            return Err("attempts must be 1 or more".to_owned());
        }
        if self.unique_for.is_some() && self.unique.is_none() {
            return Err("uniqueFor needs unique".to_owned());
        }
        let mut job = defaults(NewJob::from_raw(self.payload.to_owned()).map_err(|error| error.to_string())?);
        job = self.id.into_iter().fold(job, NewJob::id);
        job = self.priority.into_iter().fold(job, NewJob::priority);
        job = span("delay", self.delay)?.into_iter().fold(job, NewJob::delay);
        job = self.at.into_iter().fold(job, NewJob::at);
        job = self.attempts.into_iter().fold(job, NewJob::attempts);
        job = self.backoff.into_iter().fold(job, NewJob::backoff);
        job = span("timeout", self.timeout)?.into_iter().fold(job, NewJob::timeout);
        job = span("ttl", self.ttl)?.into_iter().fold(job, NewJob::ttl);
        job = self.unique.into_iter().fold(job, NewJob::unique);
        Ok(span("uniqueFor", self.unique_for)?.into_iter().fold(job, NewJob::unique_for))
    }
}

/// What is wrong, without a line number that is always 1.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        Category::Eof => "it is not JSON: it ends too early".to_owned(),
        Category::Syntax => format!("it is not JSON: {said} at column {}", error.column()),
        Category::Data | Category::Io => said.to_owned(),
    }
}

/// A span by the name of its field.
fn span(field: &str, text: Option<String>) -> Result<Option<Duration>, String> {
    text.map(|text| parse::span(&text).map_err(|why| format!("{field} {text:?}: {why}"))).transpose()
}

fn instant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse::instant(&text).map_err(|why| serde::de::Error::custom(format!("at {text:?}: {why}"))))
        .transpose()
}

/// Lines of a reader, each held to a length.
pub struct Lines<R> {
    from: R,
    /// The number of the line that was read last, from 1.
    pub number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `from`.
    pub fn new(from: R) -> Self {
        Self { from, number: 0 }
    }

    /// Reads the next line into `line`: `None` at the end, an inner error when it is no text or too long.
    ///
    /// # Errors
    /// What the reader says.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Result<(), String>>> {
        line.clear();
        let (mut total, mut ended) = (0, false);
        while !ended {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            total += part.len();
            // What is over the limit is read past, not kept.
            if total <= LINE_MAX_BYTES {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            ended = end.is_some();
            self.from.consume(used);
        }
        if total == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        if total > LINE_MAX_BYTES {
            return Ok(Some(Err(format!("it has {total} bytes, more than {LINE_MAX_BYTES}"))));
        }
        Ok(Some(std::str::from_utf8(line).map(|_| ()).map_err(|_| "it is not UTF-8".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        job(line, false, |job| job).unwrap_err()
    }

    #[test]
    fn a_line_becomes_a_job() {
        let line = r#"{"payload":{"n":19.999999999999998},"id":"a-1","priority":"high","delay":"5m","attempts":3}"#;
        let job = job(line, false, |job| job).unwrap();
        assert_eq!((job.job_id().as_str(), job.payload().get()), ("a-1", r#"{"n":19.999999999999998}"#));
    }

    #[test]
    fn a_refused_line_says_why() {
        let table = [
            ("{", "not JSON: it ends too early"),
            ("{\"payload\" 1}", "not JSON: expected `:` at column 12"),
            ("1", "invalid type: integer `1`, expected an object such as {\"payload\":…}"),
            ("{}", "payload"),
            (r#"{"payload":1,"prio":"high"}"#, "prio"),
            (r#"{"payload":1,"delay":"-1"}"#, "delay \"-1\""),
            (r#"{"payload":1,"delay":"1s","at":"2026-01-01T00:00:00Z"}"#, "both"),
            (r#"{"payload":1,"at":"2026-01-01"}"#, "zone"),
            (r#"{"payload":1,"attempts":0}"#, "attempts"),
            (r#"{"payload":1,"id":"a b"}"#, "job id"),
        ];
        for (line, part) in table {
            assert!(refused(line).contains(part), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn long_lines_are_read_past() {
        let text = format!("1\n{}\n2", "x".repeat(LINE_MAX_BYTES + 1));
        let mut lines = Lines::new(io::BufReader::with_capacity(1000, text.as_bytes()));
        let mut line = Vec::new();
        assert!(lines.next(&mut line).unwrap().unwrap().is_ok() && line == b"1");
        assert!(lines.next(&mut line).unwrap().unwrap().is_err() && line.len() <= LINE_MAX_BYTES);
        assert!(lines.next(&mut line).unwrap().unwrap().is_ok() && line == b"2" && lines.number == 3);
        assert!(lines.next(&mut line).unwrap().is_none());
    }
}
