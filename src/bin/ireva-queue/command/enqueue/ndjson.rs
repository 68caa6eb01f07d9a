//! One line, one job.

use std::io::{self, BufRead};

use ireva_queue::{JobId, NewJob};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::parse;

/// A payload at the library's limit with its options around it.
const LINE_MAX_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// A line by its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    id: Option<Value>,
    priority: Option<Value>,
    delay: Option<Value>,
    at: Option<Value>,
    attempts: Option<Value>,
    backoff: Option<Value>,
    timeout: Option<Value>,
    ttl: Option<Value>,
    unique: Option<Value>,
    #[serde(alias = "unique_for")]
    unique_for: Option<Value>,
}

const FIELDS: &str = "payload, id, priority, delay, at, attempts, backoff, timeout, ttl, unique, uniqueFor";
const BARE: &str = "with --bare each line is a payload by itself";

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
        if self.unique_for.is_some() && self.unique.is_none() {
            return Err("uniqueFor needs unique".to_owned());
        }
        let mut job = defaults(NewJob::from_raw(self.payload.to_owned()).map_err(|error| error.to_string())?);
        job = text("id", self.id, said(JobId::new))?.into_iter().fold(job, NewJob::id);
        job = text("priority", self.priority, said(str::parse))?.into_iter().fold(job, NewJob::priority);
        job = text("delay", self.delay, parse::span)?.into_iter().fold(job, NewJob::delay);
        job = text("at", self.at, parse::instant)?.into_iter().fold(job, NewJob::at);
        job = attempts(self.attempts)?.into_iter().fold(job, NewJob::attempts);
        job = text("backoff", self.backoff, said(str::parse))?.into_iter().fold(job, NewJob::backoff);
        job = text("timeout", self.timeout, parse::span)?.into_iter().fold(job, NewJob::timeout);
        job = text("ttl", self.ttl, parse::span)?.into_iter().fold(job, NewJob::ttl);
        job = text("unique", self.unique, |key| Ok(key.to_owned()))?.into_iter().fold(job, NewJob::unique);
        Ok(text("uniqueFor", self.unique_for, parse::span)?.into_iter().fold(job, NewJob::unique_for))
    }
}

/// What is wrong, without a line number that is always 1.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text);
    if let Some(name) = said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        return format!("unknown field {name:?}: a line has {FIELDS}; {BARE}");
    }
    if said.starts_with("missing field") {
        return format!("payload is missing: a line is {{\"payload\":…}}; {BARE}");
    }
    if said.starts_with("invalid type") {
        return format!("it is no object such as {{\"payload\":…}}; {BARE}");
    }
    match error.classify() {
        Category::Eof => "it is not JSON: it ends too early".to_owned(),
        Category::Syntax => format!("it is not JSON: {said} at column {}", error.column()),
        Category::Data | Category::Io => said.to_owned(),
    }
}

/// A field that is written as a text.
fn text<T>(field: &str, value: Option<Value>, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => read(&text).map(Some).map_err(|why| format!("{field} {text:?}: {why}")),
        Some(other) => Err(format!("{field} must be a text in quotes, not {other}")),
    }
}

/// The same reader, its error in words.
fn said<T, E: std::fmt::Display>(read: impl Fn(&str) -> Result<T, E>) -> impl Fn(&str) -> Result<T, String> {
    move |text| read(text).map_err(|error| error.to_string())
}

fn attempts(value: Option<Value>) -> Result<Option<u32>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0);
    number.map(Some).ok_or_else(|| format!("attempts must be a whole number, 1 or more, not {value}"))
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
            ("1", "it is no object such as {\"payload\":…}; with --bare"),
            ("{}", "payload is missing: a line is {\"payload\":…}; with --bare"),
            (r#"{"payload":1,"prio":"high"}"#, "unknown field \"prio\": a line has payload, id, priority"),
            (r#"{"payload":1,"priority":"highest"}"#, "priority \"highest\""),
            (r#"{"payload":1,"attempts":"3"}"#, "attempts must be a whole number, 1 or more, not \"3\""),
            (r#"{"payload":1,"delay":5}"#, "delay must be a text in quotes, not 5"),
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
