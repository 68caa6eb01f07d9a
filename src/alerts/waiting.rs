//! A notice that some sinks have not got yet.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::{AlertName, AlertNotice};
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName};

/// A notice that a sink does not take for so long is dropped.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MOST: Duration = Duration::from_secs(600);
/// The longest error that is kept.
const ERROR_MAX_CHARS: usize = 300;

/// A job that tells a sink, and has not ended yet as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Carried {
    pub queue: QueueName,
    pub job: JobId,
    /// Since when the queue has it.
    pub since_ms: i64,
    /// Whether it is to be taken out of the queue, and told directly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

/// A notice and who is still to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    pub notice: AlertNotice,
    pub owed: Vec<AlertName>,
    /// Who is told by a job: it has the notice when the job is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<AlertName, Carried>,
    /// Those of the owed whom no job has told: directly from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<AlertName>,
    /// Rounds in which somebody did not take it.
    #[serde(default)]
    pub attempts: u32,
    /// Not tried again before this.
    #[serde(default)]
    pub next_ms: i64,
    /// Why it was not taken last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Waiting {
    pub(crate) fn new(notice: AlertNotice, owed: Vec<AlertName>) -> Self {
        Self { notice, owed, carried: BTreeMap::new(), direct: Vec::new(), attempts: 0, next_ms: 0, error: None }
    }

    /// Where it is stored: each sink has one of its own, so that none waits for another.
    pub(super) fn field(&self) -> String {
        let owed: Vec<_> = self.owed.iter().map(AlertName::as_str).collect();
        format!("{}:{}", self.notice.id, owed.join(":"))
    }

    /// The alerts of it.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<_> = self.notice.alerts.iter().map(|told| told.alert.as_str()).collect();
        names.dedup();
        names.join(" ")
    }

    /// As it is stored; empty where nobody is owed anything.
    pub(super) fn text(&self) -> Result<String> {
        if self.owed.is_empty() && self.carried.is_empty() {
            return Ok(String::new());
        }
        serde_json::to_string(self).map_err(|error| Error::internal(format!("alert: {error}")))
    }

    /// Who has not got it as far as is known.
    pub(crate) fn without(&self) -> impl Iterator<Item = &AlertName> {
        self.owed.iter().chain(self.carried.keys())
    }

    /// Whether it is to be tried now. Further ahead than any pause is long: the clock was put back.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.next_ms <= now_ms || self.next_ms > now_ms + 2 * PAUSE_MOST.as_millis() as i64
    }

    /// Whether it has waited for too long.
    pub(super) fn is_stale(&self, now_ms: i64) -> bool {
        now_ms - self.notice.at.timestamp_millis() >= GIVE_UP.as_millis() as i64
    }

    /// It was not taken by all; the next attempt comes after a pause that doubles.
    pub(super) fn put_off(&mut self, now_ms: i64, interval: Duration, error: String) {
        let pause = PAUSE_FIRST.min(interval).saturating_mul(1 << self.attempts.min(12)).min(PAUSE_MOST);
        self.attempts += 1;
        self.next_ms = now_ms + pause.as_millis() as i64;
        self.error = Some(error.chars().take(ERROR_MAX_CHARS).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn attempts_come_ever_more_seldom_and_end_after_a_day() {
        let mut waiting = Waiting::new(AlertNotice::for_test(("p:", "w"), DateTime::UNIX_EPOCH), Vec::new());
        let mut pauses = Vec::new();
        for _ in 0..9 {
            waiting.put_off(0, Duration::from_secs(5), "no".to_owned());
            pauses.push(waiting.next_ms / 1000);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert!(!waiting.is_due(1) && waiting.is_due(600_000) && waiting.is_due(-10_000_000));
        assert!(!waiting.is_stale(86_399_000) && waiting.is_stale(86_400_000));
        assert_eq!(waiting.text().unwrap(), "", "nobody is owed anything");
    }
}
