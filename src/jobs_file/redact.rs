//! Blackens fields of payloads before they leave the server.

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::jobs_file::JobLine;
use crate::selection::find;

/// What stands in the place of a value.
const BLACK: &str = "[redacted]";
/// Shorter values are not looked for elsewhere: they stand in too many places.
const ELSEWHERE_MIN_BYTES: usize = 4;

/// The fields whose values do not leave: paths like those of
/// [`PayloadMatch`](crate::PayloadMatch), `to`, `context.firstName`, `items.0`.
///
/// Where the value is a text of four bytes or more it is blackened in every other text of the job too: error messages repeat
/// addresses, unique keys are made from them.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    paths: Vec<Vec<String>>,
}

impl Redaction {
    /// Of these fields.
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        Self { paths: fields.into_iter().map(|field| field.split('.').map(str::to_owned).collect()).collect() }
    }

    /// The same job without them.
    pub(crate) fn apply(&self, job: JobLine) -> Result<JobLine> {
        if self.paths.is_empty() {
            return Ok(job);
        }
        let record = job.record.get();
        let payload = find(record, &["payload".to_owned()]);
        // Of a payload that is a list the elements were found.
        let parts = payload.into_iter().flat_map(|part| self.paths.iter().map(move |path| (part, path)));
        let found: Vec<&str> = parts.flat_map(|(part, path)| find(part, path)).collect();
        let texts: Vec<String> = found
            .iter()
            .filter_map(|value| serde_json::from_str::<String>(value).ok())
            .filter(|text| text.len() >= ELSEWHERE_MIN_BYTES)
            .collect();
        let blackened = blacken(&cut(record, &found), &texts);
        let history = job.history.as_ref().map(|history| raw(blacken(history.get(), &texts))).transpose()?;
        Ok(JobLine { record: raw(blackened)?, history, redacted: true, ..job })
    }
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| Error::internal(format!("redaction: {error}")))
}

/// `text` without its parts `found`, which lie in it.
fn cut(text: &str, found: &[&str]) -> String {
    let mut ranges: Vec<_> = found
        .iter()
        .map(|part| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        })
        .collect();
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut cut, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        // A path may lie inside another one.
        if range.start >= at {
            cut.push_str(&text[at..range.start]);
            cut.push_str(&format!("\"{BLACK}\""));
            at = range.end;
        }
    }
    cut + &text[at..]
}

/// A JSON text whose strings, but not the names of its fields, hold none of `texts`.
fn blacken(json: &str, texts: &[String]) -> String {
    let (mut out, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(start) = rest.find('"') {
        let body = &rest[start + 1..];
        let mut escaped = false;
        let end = body.find(|letter: char| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { break };
        let token = &rest[start..start + end + 2];
        let behind = &rest[start + end + 2..];
        out.push_str(&rest[..start]);
        let is_name = behind.trim_start().starts_with(':');
        match serde_json::from_str::<String>(token) {
            Ok(text) if !is_name && texts.iter().any(|hidden| text.contains(hidden.as_str())) => {
                let text = texts.iter().fold(text, |text, hidden| text.replace(hidden.as_str(), BLACK));
                out.push_str(&serde_json::Value::from(text).to_string());
            }
            _ => out.push_str(token),
        }
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(record: &str, history: &str, fields: &[&str]) -> (String, String) {
        let line = format!(
            r#"{{"id":"a","queue":"q","state":"dead","place":1,"arrivalUs":1,"record":{record},"history":{history}}}"#
        );
        let job = Redaction::new(fields.iter().copied()).apply(JobLine::parse(&line).unwrap()).unwrap();
        (job.record.get().to_owned(), job.history.unwrap().get().to_owned())
    }

    #[test]
    fn a_value_is_blackened_in_its_field_and_in_every_text() {
        let record = r#"{"payload":{"to":["ada@x.org","bob@y.org"],"n":1.10, "context":{"name":"Ada \"A\"","big":9007199254740993}},"unique":"mail-ada@x.org"}"#;
        let history = r#"{"failed":1,"failures":[{"message":"550 <ada@x.org> unknown, Ada \"A\"","code":"smtp_5xx"}]}"#;
        let (record, history) = redacted(record, history, &["to", "context.name", "missing"]);
        assert_eq!(
            record,
            r#"{"payload":{"to":["[redacted]","[redacted]"],"n":1.10, "context":{"name":"[redacted]","big":9007199254740993}},"unique":"mail-[redacted]"}"#
        );
        assert_eq!(
            history,
            r#"{"failed":1,"failures":[{"message":"550 <[redacted]> unknown, [redacted]","code":"smtp_5xx"}]}"#
        );
    }

    #[test]
    fn names_numbers_and_short_texts_elsewhere_stay() {
        let record = r#"{"payload":{"a":"name","name":"x name","b":true,"ab":"b"},"attempts":3}"#;
        let (record, history) = redacted(record, r#"{"name":true}"#, &["a", "b", "ab"]);
        let wanted =
            r#"{"payload":{"a":"[redacted]","name":"x [redacted]","b":"[redacted]","ab":"[redacted]"},"attempts":3}"#;
        assert_eq!((record.as_str(), history.as_str()), (wanted, r#"{"name":true}"#));
    }

    #[test]
    fn a_payload_that_is_a_list_or_a_text_is_looked_into() {
        let (record, _) = redacted(r#"{"payload":[{"to":"ada@x.org"},{"to":5}]}"#, "{}", &["to"]);
        assert_eq!(record, r#"{"payload":[{"to":"[redacted]"},{"to":"[redacted]"}]}"#);
        assert_eq!(redacted(r#"{"payload":"text"}"#, "{}", &["to"]).0, r#"{"payload":"text"}"#);
    }
}
