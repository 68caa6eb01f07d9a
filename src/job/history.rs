//! What happened to a job since it was enqueued. Exists only once there is something to tell.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::Crash;
use crate::retry::ErrorClass;

const FAILURES_KEPT: usize = 20;
const CRASHES_KEPT: usize = 5;
const MESSAGE_MAX_BYTES: usize = 2_000;

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// When it ended (the worker's clock: shown, never decided by).
    pub at: DateTime<Utc>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Transient, throttled or permanent.
    pub class: ErrorClass,
    /// The stable code word, such as `smtp_4xx`.
    pub code: String,
    /// What the processor said, at most 2,000 bytes.
    pub message: String,
    /// How long the attempt ran, in milliseconds.
    pub duration_ms: u64,
    /// The worker that ran it.
    pub worker: String,
}

/// A job's failures (the last twenty; counts exact), its last five crashes, snoozes and releases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// How many attempts failed since the job was enqueued or last revived.
    #[serde(default)]
    pub failed: u32,
    /// How often it was put off because a service told it to wait, since the last failure or revival.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub snoozed: u32,
    /// When the first of those snoozes was, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_since_ms: Option<i64>,
    /// How often it was revived from the dead letters.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revived: u32,
    /// How it ended where no attempt failed: `expired` or `crash_loop`, written by the script that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The last failures, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// The last crashes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crashed: Vec<Crash>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl History {
    /// Reads a stored history.
    ///
    /// # Errors
    /// `Corrupt` when it is not this JSON.
    pub fn decode(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::corrupt(format!("the history is not readable: {error}")))
    }

    /// The stored form.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a history holds only strings, numbers and times")
    }

    /// Adds a failure that used an attempt.
    pub fn push(&mut self, mut failure: Failure) {
        truncate(&mut failure.message, MESSAGE_MAX_BYTES);
        self.failed += 1;
        (self.snoozed, self.snoozed_since_ms) = (0, None);
        self.failures.push(failure);
        let surplus = self.failures.len().saturating_sub(FAILURES_KEPT);
        self.failures.drain(..surplus);
    }

    /// Adds a crash, which is no failure: it uses no attempt, and how many there were stands elsewhere.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.end = None;
        self.crashed.push(crash);
        let surplus = self.crashed.len().saturating_sub(CRASHES_KEPT);
        self.crashed.drain(..surplus);
    }

    /// Notes that the job was put off at `now_ms` without using an attempt.
    pub fn snooze(&mut self, now_ms: i64) {
        self.snoozed += 1;
        self.snoozed_since_ms.get_or_insert(now_ms);
    }

    /// The last failure, if any.
    pub fn last(&self) -> Option<&Failure> {
        self.failures.last()
    }
}

/// Cuts `text` to at most `max_bytes`, on a character border.
pub(crate) fn truncate(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(attempt: u32) -> Failure {
        Failure {
            at: DateTime::from_timestamp_millis(0).unwrap(),
            attempt,
            class: ErrorClass::Transient,
            code: "timeout".to_owned(),
            message: "é".repeat(1_500),
            duration_ms: 3,
            worker: "w".to_owned(),
        }
    }

    #[test]
    fn the_last_twenty_failures_are_kept_and_all_are_counted() {
        let mut history = History::default();
        (1..=25).for_each(|attempt| history.push(failure(attempt)));
        assert_eq!((history.failed, history.failures.len()), (25, 20));
        assert_eq!((history.failures[0].attempt, history.last().unwrap().attempt), (6, 25));
        assert_eq!(history.last().unwrap().message.len(), 2_000);
        assert_eq!(History::decode(&history.encode()).unwrap(), history);
    }

    #[test]
    fn a_failure_ends_a_row_of_snoozes() {
        let mut history = History::default();
        history.snooze(10);
        history.snooze(20);
        assert_eq!((history.snoozed, history.snoozed_since_ms), (2, Some(10)));
        history.push(failure(1));
        assert_eq!((history.snoozed, history.snoozed_since_ms), (0, None));
    }

    #[test]
    fn fuzz_a_history_is_written_as_it_was_read_and_stays_bounded() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            "\"failed\":",
            "\"snoozed\":",
            "\"snoozedSinceMs\":",
            "\"end\":\"expired\"",
            "\"failures\":",
            "\"at\":\"2026-12-01T08:00:00Z\"",
            "\"attempt\":1",
            "\"class\":\"transient\"",
            "4294967295",
            "-1",
            "0",
            "null",
        ];
        let shaped = text_of(pieces, 5).prop_map(|inside| format!("{{\"failed\":2,{inside}}}"));
        fuzz((prop_oneof![text_of(pieces, 14), shaped, Just(String::from("{}"))], ".{0,900}"), |(text, said)| {
            let Ok(mut history) = History::decode(&text) else { return Ok(()) };
            prop_assert_eq!(&History::decode(&history.encode()).unwrap(), &history);
            history.failed = history.failed.min(u32::MAX - 40);
            for attempt in 0..30 {
                history.push(Failure { message: said.repeat(3), ..failure(attempt) });
            }
            prop_assert!(
                history.failures.len() == FAILURES_KEPT && history.last().unwrap().message.len() <= MESSAGE_MAX_BYTES
            );
            prop_assert_eq!(&History::decode(&history.encode()).unwrap(), &history);
            Ok(())
        });
    }
}
