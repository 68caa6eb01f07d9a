//! What a job may be given beside its payload, as lines and queries say it.

use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::clock::{instant_from_text, span_from_text};
use crate::error::{Error, FieldProblem, Result};
#[cfg(feature = "api")]
use crate::job::Priority;
use crate::job::{BatchName, JobId, NewJob};

/// Options of a job as they are written: `priority`, `delay` or `at`, `attempts`, `backoff`, `timeout`, `ttl`, `unique`,
/// `uniqueFor`, `orderKey`, `unlessQueued`, `batch`. They are read when they are put on a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "api", into_params(parameter_in = Query))]
#[serde(default, rename_all = "camelCase")]
pub struct JobOptions {
    /// How urgent it is: critical, high, normal or low
    #[cfg_attr(feature = "api", param(value_type = Option<Priority>))]
    pub priority: Option<String>,
    /// Start no sooner than after this span, such as 10m
    pub delay: Option<String>,
    /// Start no sooner than at this time, such as 2026-12-01T08:00:00Z
    pub at: Option<String>,
    /// How often it may run in all
    #[serde(deserialize_with = "attempts")]
    #[cfg_attr(feature = "api", param(minimum = 1))]
    pub attempts: Option<u32>,
    /// The wait between attempts: 5s, fixed:10s, linear:5s, exponential:5s:1h
    pub backoff: Option<String>,
    /// How long one attempt may take, such as 5m
    pub timeout: Option<String>,
    /// How long it is worth starting, such as 24h
    pub ttl: Option<String>,
    /// A key that one live job of the queue may hold
    pub unique: Option<String>,
    /// Hold the key for this long, even when the job ends sooner
    #[serde(alias = "unique_for")]
    pub unique_for: Option<String>,
    /// Keep the order among jobs of this key, also where the queue has several partitions
    #[serde(alias = "order_key")]
    pub order_key: Option<String>,
    /// Add nothing where a job of the queue waits or runs
    #[serde(alias = "unless_queued")]
    pub unless_queued: Option<bool>,
    /// Count it in this batch of the queue
    #[cfg_attr(feature = "api", param(value_type = Option<BatchName>))]
    pub batch: Option<String>,
}

impl JobOptions {
    /// `job` with what these options say; the rest of it stays.
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong.
    pub fn put_on(&self, job: NewJob) -> Result<NewJob> {
        let mut problems = Vec::new();
        if self.delay.is_some() && self.at.is_some() {
            problems.push(FieldProblem::new("at", "is given beside delay: only one of them can be"));
        }
        if self.unique_for.is_some() && self.unique.is_none() {
            problems.push(FieldProblem::new("uniqueFor", "needs unique"));
        }
        let mut job = job;
        job = option("priority", &self.priority, FromStr::from_str, &mut problems)
            .into_iter()
            .fold(job, NewJob::priority);
        job = option("delay", &self.delay, span_from_text, &mut problems).into_iter().fold(job, NewJob::delay);
        job = option("at", &self.at, instant_from_text, &mut problems).into_iter().fold(job, NewJob::at);
        job = self.attempts.into_iter().fold(job, NewJob::attempts);
        job = option("backoff", &self.backoff, FromStr::from_str, &mut problems).into_iter().fold(job, NewJob::backoff);
        job = option("timeout", &self.timeout, positive, &mut problems).into_iter().fold(job, NewJob::timeout);
        job = option("ttl", &self.ttl, positive, &mut problems).into_iter().fold(job, NewJob::ttl);
        job = self.unique.iter().fold(job, |job, key| job.unique(key));
        let window = option("uniqueFor", &self.unique_for, positive, &mut problems);
        job = window.into_iter().fold(job, NewJob::unique_for);
        job = self.order_key.iter().fold(job, |job, key| job.order_key(key));
        if self.unless_queued == Some(true) {
            job = job.unless_queued();
        }
        job = option("batch", &self.batch, BatchName::new, &mut problems).into_iter().fold(job, NewJob::batch);
        if !problems.is_empty() {
            return Err(Error::invalid_fields(problems));
        }
        job.check()?;
        Ok(job)
    }
}

fn positive(text: &str) -> Result<Duration> {
    match span_from_text(text)? {
        Duration::ZERO => Err(Error::invalid("it must be longer than zero")),
        span => Ok(span),
    }
}

fn option<T>(
    field: &str,
    text: &Option<String>,
    read: impl Fn(&str) -> Result<T>,
    problems: &mut Vec<FieldProblem>,
) -> Option<T> {
    let text = text.as_deref()?;
    let wrong = |error: Error| {
        let said = error.to_string();
        let rest = said.strip_prefix(field).and_then(|rest| rest.strip_prefix(' ')).map(str::to_owned);
        problems.push(FieldProblem::new(field, rest.unwrap_or_else(|| format!("{text:?}: {said}"))));
    };
    read(text).map_err(wrong).ok()
}

/// A number, or in a query its digits.
fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    struct Attempts;

    impl Visitor<'_> for Attempts {
        type Value = Option<u32>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("attempts to be a whole number, 1 or more")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
            let attempts = u32::try_from(number).ok().filter(|&attempts| attempts > 0);
            attempts.map(Some).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let attempts = text.parse().ok().filter(|&attempts| attempts > 0);
            attempts.map(Some).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_any(Attempts)
}

/// A job as one JSON object, a line of a file or an entry of a list. Values are read one by one, so that what is wrong
/// with one is told by its name.
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
    #[serde(alias = "order_key")]
    order_key: Option<Value>,
    #[serde(alias = "unless_queued")]
    unless_queued: Option<Value>,
    batch: Option<Value>,
}

const FIELDS: &str = "payload, id, priority, delay, at, attempts, backoff, timeout, ttl, unique, uniqueFor, orderKey, unlessQueued, batch";

impl NewJob {
    /// A job written as one JSON object: `{"payload":…}` with, as wanted, `id`, `priority`, `delay`, `at`, `attempts`,
    /// `backoff`, `timeout`, `ttl`, `unique`, `uniqueFor`, `orderKey`, `unlessQueued` (true), `batch`. `defaults` puts on it what
    /// holds where the object says nothing. The payload is kept byte for byte.
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong.
    pub fn from_line(line: &str, defaults: impl Fn(Self) -> Self) -> Result<Self> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| short(&error))?;
        let mut problems = Vec::new();
        let mut text = |field: &str, value: Option<Value>| match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                problems.push(FieldProblem::new(field, format!("must be a text in quotes, not {other}")));
                None
            }
        };
        let id = text("id", line.id);
        let mut options = JobOptions {
            priority: text("priority", line.priority),
            delay: text("delay", line.delay),
            at: text("at", line.at),
            attempts: None,
            backoff: text("backoff", line.backoff),
            timeout: text("timeout", line.timeout),
            ttl: text("ttl", line.ttl),
            unique: text("unique", line.unique),
            unique_for: text("uniqueFor", line.unique_for),
            order_key: text("orderKey", line.order_key),
            batch: text("batch", line.batch),
            unless_queued: None,
        };
        if let Some(value) = line.attempts.filter(|value| !value.is_null()) {
            options.attempts =
                value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|&number| number > 0);
            if options.attempts.is_none() {
                let message = format!("must be a whole number, 1 or more, not {value}");
                problems.push(FieldProblem::new("attempts", message));
            }
        }
        options.unless_queued = match line.unless_queued {
            None | Some(Value::Null) => None,
            Some(Value::Bool(wanted)) => Some(wanted),
            Some(other) => {
                problems.push(FieldProblem::new("unlessQueued", format!("must be true or false, not {other}")));
                None
            }
        };
        if !problems.is_empty() {
            return Err(Error::invalid_fields(problems));
        }
        let id = id.map(|id| JobId::new(&id).map_err(|error| error.about("id"))).transpose()?;
        let job = defaults(Self::from_raw(line.payload.to_owned())?);
        options.put_on(id.into_iter().fold(job, Self::id))
    }
}

/// What is wrong with a line as a whole, without a line number that is always 1.
fn short(error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text);
    if let Some(name) = said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        let problem = FieldProblem::new(name, format!("is not known: a job has {FIELDS}"));
        return Error::invalid(format!("unknown field {name:?}: a job has {FIELDS}")).with_fields(vec![problem]);
    }
    if said.starts_with("missing field") {
        return Error::invalid("payload is missing: a job is {\"payload\":…}").about("payload");
    }
    if said.starts_with("invalid type") {
        return Error::invalid("it is no object such as {\"payload\":…}");
    }
    Error::invalid(match error.classify() {
        Category::Eof => "it is not JSON: it ends too early".to_owned(),
        Category::Syntax => format!("it is not JSON: {said} at column {}", error.column()),
        Category::Data | Category::Io => said.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        NewJob::from_line(line, |job| job).unwrap_err().to_string()
    }

    #[test]
    fn a_line_becomes_a_job() {
        let line = r#"{"payload":{"n":19.999999999999998},"id":"a-1","priority":"high","delay":"5m","attempts":3}"#;
        let job = NewJob::from_line(line, |job| job.attempts(9)).unwrap();
        assert_eq!((job.job_id().as_str(), job.payload().get()), ("a-1", r#"{"n":19.999999999999998}"#));
        assert_eq!((job.attempts, job.priority.as_str()), (Some(3), "high"));
        assert_eq!(NewJob::from_line("{\"payload\":1}", |job| job.attempts(9)).unwrap().attempts, Some(9));
    }

    #[test]
    fn a_refused_line_says_why() {
        let table = [
            ("{", "not JSON: it ends too early"),
            ("{\"payload\" 1}", "not JSON: expected `:` at column 12"),
            ("1", "it is no object such as {\"payload\":…}"),
            ("{}", "payload is missing: a job is {\"payload\":…}"),
            (r#"{"payload":1,"prio":"high"}"#, "unknown field \"prio\": a job has payload, id, priority"),
            (r#"{"payload":1,"attempts":"3"}"#, "attempts must be a whole number, 1 or more, not \"3\""),
            (r#"{"payload":1,"delay":5}"#, "delay must be a text in quotes, not 5"),
            (r#"{"payload":1,"priority":"urgent"}"#, "priority \"urgent\" is not one of"),
            (r#"{"payload":1,"backoff":"often"}"#, "backoff \"often\" is not"),
            (r#"{"payload":1,"delay":"-1"}"#, "delay \"-1\""),
            (r#"{"payload":1,"delay":"1s","at":"2026-01-01T00:00:00Z"}"#, "beside delay"),
            (r#"{"payload":1,"at":"2026-01-01"}"#, "zone"),
            (r#"{"payload":1,"attempts":0}"#, "attempts"),
            (r#"{"payload":1,"attempts":-1}"#, "attempts"),
            (r#"{"payload":1,"timeout":"0s"}"#, "timeout"),
            (r#"{"payload":1,"uniqueFor":"1h"}"#, "needs unique"),
            (r#"{"payload":1,"unique":""}"#, "unique"),
            (r#"{"payload":1,"orderKey":""}"#, "order key must have 1 to 512 bytes"),
            (r#"{"payload":1,"orderKey":7}"#, "orderKey must be a text in quotes, not 7"),
            (r#"{"payload":1,"id":"a b"}"#, "job id"),
            (r#"{"payload":1,"batch":"a b"}"#, "batch name"),
            (r#"{"payload":1,"unlessQueued":"yes"}"#, "unlessQueued must be true or false"),
        ];
        for (line, part) in table {
            assert!(refused(line).contains(part), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn every_wrong_option_is_named() {
        let options = JobOptions {
            priority: Some("x".into()),
            ttl: Some("-1".into()),
            at: Some("x".into()),
            ..JobOptions::default()
        };
        let error = options.put_on(NewJob::new(&1).unwrap()).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["priority", "at", "ttl"]);
    }

    #[test]
    fn fuzz_a_line_is_a_job_or_says_why_not() {
        use crate::fuzz::{any_json, fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &["a-1", "high", "5m", "-1", "2026-12-01T08:00:00Z", "exponential:5s", "é", "", " ", "\u{1b}["];
        let fields = prop::sample::select(vec![
            "id",
            "priority",
            "delay",
            "at",
            "attempts",
            "backoff",
            "timeout",
            "ttl",
            "unique",
            "uniqueFor",
            "batch",
            "x",
        ]);
        let value = prop_oneof![3 => text_of(pieces, 2).prop_map(Value::from), 1 => any_json()];
        let lines = (any_json(), prop::collection::vec((fields, value), 0..5)).prop_map(|(payload, fields)| {
            let mut line: serde_json::Map<String, Value> =
                fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
            line.insert("payload".to_owned(), payload);
            Value::Object(line).to_string()
        });
        let loose = text_of(&["{", "}", "\"payload\":", "1", ",", "\"id\":\"a\"", "[", "\\u12", "\""], 12);
        fuzz(prop_oneof![3 => lines, 1 => loose], |line| {
            match NewJob::from_line(&line, |job| job) {
                // The payload's own bytes.
                Ok(job) => prop_assert!(line.contains(job.payload().get())),
                Err(error) => prop_assert!(error.to_string().len() <= 8 * line.len() + 2_000, "{}", error),
            }
            Ok(())
        });
    }
}
