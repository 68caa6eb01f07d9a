//! What a command or an endpoint says: one result for one job, or a line for each job of a batch.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::JobId;
pub(super) use crate::processor::RESULT_MAX_BYTES;
use crate::processor::{BatchJob, Outcome, ProcessError};
use crate::retry::ErrorClass;

/// What lines of a batch may be, for whoever wrote something else.
pub(super) const ANSWERS: &str = r#"write {"id":"…","ok":true} or {"id":"…","error":"why"} a line"#;
/// The largest answer to a batch.
pub(super) const BATCH_ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that are kept up to a bound; what comes after it is counted, not kept.
#[derive(Debug)]
pub(super) struct Bounded {
    pub bytes: Vec<u8>,
    pub max_bytes: usize,
    pub dropped_bytes: u64,
}

impl Bounded {
    pub fn new(max_bytes: usize) -> Self {
        Self { bytes: Vec::new(), max_bytes, dropped_bytes: 0 }
    }

    pub fn push(&mut self, more: &[u8]) {
        let kept = more.len().min(self.max_bytes - self.bytes.len());
        self.bytes.extend_from_slice(&more[..kept]);
        self.dropped_bytes += (more.len() - kept) as u64;
    }

    pub fn is_full(&self) -> bool {
        self.dropped_bytes > 0
    }
}

/// The output as a result: JSON if it is JSON, else a JSON string; nothing if there is none.
pub(super) fn outcome(output: &Bounded) -> Outcome {
    let text = String::from_utf8_lossy(&output.bytes);
    let text = text.trim();
    if text.is_empty() {
        return Outcome::done();
    }
    if !output.is_full()
        && let Ok(json) = serde_json::from_str::<&RawValue>(text)
    {
        return Outcome::with_result(&json).unwrap_or_default();
    }
    // Escapes can make a string up to six times longer than what it holds.
    let mut end = text.len();
    loop {
        let quoted = serde_json::to_string(&text[..end]).unwrap_or_default();
        if quoted.len() <= RESULT_MAX_BYTES {
            return Outcome::with_result(&&text[..end]).unwrap_or_default();
        }
        end = text.floor_char_boundary(end - (quoted.len() - RESULT_MAX_BYTES).div_ceil(6).max(1));
    }
}

#[derive(Serialize)]
struct Question<'a> {
    id: &'a JobId,
    attempt: u32,
    payload: Box<RawValue>,
}

/// The jobs as NDJSON, one `{"id","attempt","payload"}` a line.
pub(super) fn questions(jobs: &[BatchJob<Box<RawValue>>]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(jobs.iter().map(|job| job.payload.get().len() + 80).sum());
    for BatchJob { payload, ctx } in jobs {
        let payload = on_one_line(payload);
        let question = Question { id: ctx.job_id(), attempt: ctx.attempt(), payload };
        serde_json::to_writer(&mut lines, &question).expect("ids, numbers and JSON can be written as JSON");
        lines.push(b'\n');
    }
    lines
}

/// The same JSON without line breaks: inside strings JSON has none, and between them they are only white space.
fn on_one_line(payload: &RawValue) -> Box<RawValue> {
    if payload.get().contains(['\n', '\r']) {
        RawValue::from_string(payload.get().replace(['\n', '\r'], " ")).expect("white space for white space is JSON")
    } else {
        payload.to_owned()
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    id: String,
    #[serde(borrow, default)]
    ok: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    class: Option<ErrorClass>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "retryAfter", alias = "retry_after")]
    retry_after: Option<String>,
}

/// The answers of a batch, in the order of `jobs`; who got none has what `missing` says.
///
/// A line is `{"id":…,"ok":true}` (anything but true is kept as the result) or
/// `{"id":…,"error":"why","class":"transient"}`, with `code` and `retryAfter` (`"30s"`) if wanted. Lines that are not
/// this, or about no job of the batch, are told to `stray`; a second line about a job is one of these.
pub(super) fn answers(
    jobs: &[BatchJob<Box<RawValue>>],
    output: &Bounded,
    missing: impl Fn() -> ProcessError,
    mut stray: impl FnMut(&str),
) -> Vec<Result<Outcome, ProcessError>> {
    let text = String::from_utf8_lossy(&output.bytes);
    // The last line of an answer that was cut is no line.
    let whole = if output.is_full() { text.rfind('\n').map_or("", |end| &text[..end]) } else { &text };
    let mut places: HashMap<&str, usize> =
        jobs.iter().enumerate().map(|(index, job)| (job.ctx.job_id().as_str(), index)).collect();
    let mut answers: Vec<Option<Result<Outcome, ProcessError>>> = Vec::new();
    answers.resize_with(jobs.len(), || None);
    for line in whole.lines().filter(|line| !line.trim().is_empty()) {
        let read = serde_json::from_str::<Line<'_>>(line).ok();
        let place = read.as_ref().and_then(|read| places.remove(read.id.as_str()));
        match (read, place) {
            (Some(read), Some(place)) => answers[place] = Some(answer(read)),
            _ => stray(line),
        }
    }
    answers.into_iter().map(|given| given.unwrap_or_else(|| Err(missing()))).collect()
}

fn answer(line: Line<'_>) -> Result<Outcome, ProcessError> {
    let refused = line.ok.is_some_and(|ok| ok.get() == "false");
    match (line.ok, line.error) {
        (Some(ok), None) if !refused => match ok.get() {
            "true" | "null" => Ok(Outcome::done()),
            text if text.len() > RESULT_MAX_BYTES => Ok(Outcome::done()),
            _ => Ok(Outcome::with_result(&ok).unwrap_or_default()),
        },
        (_, error) => {
            let message = error.unwrap_or_else(|| format!("the line said neither ok nor error: {ANSWERS}"));
            let wait = line.retry_after.and_then(|wait| parse_wait(&wait));
            let class = match (line.class, wait) {
                (Some(class), _) => class,
                (None, Some(_)) => ErrorClass::Throttled,
                (None, None) => ErrorClass::Transient,
            };
            let error = ProcessError::new(class, line.code.unwrap_or_else(|| "batch_failed".to_owned()), message);
            Err(wait.into_iter().fold(error, ProcessError::retry_after))
        }
    }
}

/// A wait as a span (`30s`, `1m 30s`) or as bare seconds.
pub(super) fn parse_wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    text.parse().ok().map(Duration::from_secs).or_else(|| humantime::parse_duration(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(text: &[u8], max_bytes: usize) -> Bounded {
        let mut bounded = Bounded::new(max_bytes);
        bounded.push(text);
        bounded
    }

    #[test]
    fn output_is_json_or_a_json_string_or_nothing() {
        let table: [(&[u8], Option<&str>); 6] = [
            (b"", None),
            (b" \n", None),
            (b"{\"a\": 1.10}\n", Some("{\"a\": 1.10}")),
            (b"done", Some("\"done\"")),
            (b"two\nlines", Some("\"two\\nlines\"")),
            (b"\xff", Some("\"\u{fffd}\"")),
        ];
        for (output, result) in table {
            assert_eq!(outcome(&bounded(output, 100)).result(), result, "{output:?}");
        }
        assert_eq!(outcome(&bounded(b"[1,2]", 4)).result(), Some("\"[1,2\""));
    }

    #[test]
    fn a_result_never_passes_its_bound() {
        for text in ["\u{1}".repeat(RESULT_MAX_BYTES), "é".repeat(RESULT_MAX_BYTES), "x".repeat(RESULT_MAX_BYTES)] {
            let outcome = outcome(&bounded(text.as_bytes(), RESULT_MAX_BYTES));
            let length = outcome.result().unwrap().len();
            assert!(length <= RESULT_MAX_BYTES && length > RESULT_MAX_BYTES - 20, "{length}");
        }
    }

    #[test]
    fn waits_are_spans_or_seconds() {
        assert_eq!(parse_wait(" 30s "), Some(Duration::from_secs(30)));
        assert_eq!(parse_wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse_wait("soon"), None);
    }

    #[test]
    fn a_payload_with_line_breaks_stays_one_line() {
        let payload = RawValue::from_string("{\r\n\"a\":\n1}".to_owned()).unwrap();
        assert_eq!(on_one_line(&payload).get(), "{  \"a\": 1}");
    }
}
