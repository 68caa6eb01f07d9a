//! Holds one number of a queue against its thresholds, as monitoring asks for it.
//!
//! A check never fails: what keeps it from an answer is its answer. Thresholds are those of the call, else those stored
//! for the queue (fields `check_…` of its `config`), else those of [`Check::usual`].

use serde::Serialize;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::job::QueueName;
use crate::stats::QueueStats;

pub use crate::measure::Check;

/// Fewer attempts than this in an hour tell nothing of their rate of failure.
const ATTEMPTS_MIN: u64 = 5;

/// From where on a number is a warning, and from where on critical.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// At this and beyond.
    pub warn: f64,
    /// At this and beyond.
    pub crit: f64,
}

/// How a check ended, in the words and numbers of monitoring plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// 0
    Ok,
    /// 1
    Warning,
    /// 2
    Critical,
    /// 3
    Unknown,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The check.
    pub check: Check,
    /// The queue.
    pub queue: QueueName,
    /// How it ended.
    pub state: CheckState,
    /// The number; `None` where there is none.
    pub value: Option<f64>,
    /// What it was held against; `None` where they are not known.
    #[serde(flatten)]
    pub thresholds: Option<Thresholds>,
    /// In words.
    pub message: String,
}

/// The thresholds of a check as they hold for a queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckThresholds {
    /// The check.
    pub check: Check,
    /// What it is held against.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// Whether they are stored for the queue.
    pub stored: bool,
}

impl Check {
    /// What holds where nobody says otherwise.
    pub fn usual(self) -> Thresholds {
        let (warn, crit) = match self {
            Self::Backlog => (1_000.0, 10_000.0),
            Self::Latency => (300.0, 1_800.0),
            Self::Failures => (5.0, 25.0),
            Self::Dead => (1.0, 100.0),
            Self::Workers | Self::Schedules => (1.0, 1.0),
        };
        Thresholds { warn, crit }
    }

    /// Its field in the settings of a queue.
    fn field(self) -> &'static str {
        match self {
            Self::Backlog => "check_backlog",
            Self::Latency => "check_latency",
            Self::Failures => "check_failures",
            Self::Dead => "check_dead",
            Self::Workers => "check_workers",
            Self::Schedules => "check_schedules",
        }
    }

    /// Thresholds as they are stored and written: `WARN:CRIT`.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong.
    pub fn thresholds(self, text: &str) -> Result<Thresholds> {
        let (warn, crit) = text.split_once(':').ok_or_else(|| Error::invalid("write both like WARN:CRIT"))?;
        Thresholds { warn: self.number(warn)?, crit: self.number(crit)? }.checked(self)
    }

    fn thresholds_text(self, thresholds: Thresholds) -> String {
        format!("{}:{}", self.text(thresholds.warn), self.text(thresholds.crit))
    }

    /// The number of a queue.
    pub(crate) fn measure(self, stats: &QueueStats) -> f64 {
        let hour = &stats.last_hour;
        match self {
            Self::Backlog => stats.pending as f64,
            Self::Latency => stats.oldest_pending_ms.max(stats.late_ms).unwrap_or_default() as f64 / 1000.0,
            Self::Failures if hour.completed + hour.failed < ATTEMPTS_MIN => 0.0,
            Self::Failures => hour.failure_rate.unwrap_or_default() * 100.0,
            Self::Dead => stats.dead as f64,
            Self::Workers => stats.workers as f64,
            Self::Schedules => stats.late_schedules as f64,
        }
    }

    /// The number in words.
    pub(crate) fn message(self, stats: &QueueStats, value: f64) -> String {
        let queue = &stats.queue;
        let (count, s) = (format!("{value:.0}"), if value == 1.0 { "" } else { "s" });
        let what = match self {
            Self::Backlog => format!("{count} job{s} in line in {queue}"),
            Self::Latency => format!("the first job in line in {queue} has waited {}", self.text(value.round())),
            Self::Failures => format!("{} of the attempts in {queue} failed in the last hour", self.text(value)),
            Self::Dead => format!("{count} dead letter{s} in {queue}"),
            Self::Workers => format!("{count} worker{s} for the jobs of {queue}"),
            Self::Schedules => format!("{count} late schedule{s} of {} in {queue}", stats.schedules),
        };
        if stats.paused { format!("{what}, which is paused") } else { what }
    }
}

impl Thresholds {
    /// Itself, where the critical one is not met before the other.
    fn checked(self, check: Check) -> Result<Self> {
        let in_order = if check.is_floor() { self.crit <= self.warn } else { self.warn <= self.crit };
        let way = if check.is_floor() { "below" } else { "above" };
        match in_order {
            true => Ok(self),
            false => {
                Err(Error::invalid(format!("the critical threshold must lie {way} that of a warning, or be the same")))
            }
        }
    }

    fn judge(self, check: Check, value: f64) -> CheckState {
        let is_met = |threshold: f64| if check.is_floor() { value < threshold } else { value >= threshold };
        match () {
            () if is_met(self.crit) => CheckState::Critical,
            () if is_met(self.warn) => CheckState::Warning,
            () => CheckState::Ok,
        }
    }
}

impl CheckState {
    /// The word, as plugins write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl Checked {
    /// A check that got no number for this reason. What lies outside, such as a server that is down, is critical; what
    /// the check itself lacks, such as a right or a queue of that name, is unknown: so the guidelines of plugins have it.
    pub fn without_number(check: Check, queue: &QueueName, error: &Error) -> Self {
        let state = match error.kind() {
            ErrorKind::Unreachable | ErrorKind::OutcomeUnknown | ErrorKind::NotNow | ErrorKind::Timeout => {
                CheckState::Critical
            }
            _ => CheckState::Unknown,
        };
        Self { check, queue: queue.clone(), state, value: None, thresholds: None, message: error.to_string() }
    }
}

impl Client {
    /// Holds a number of a queue against thresholds: those given here, each by itself, before those stored.
    pub async fn check(&self, queue: &QueueName, check: Check, given: (Option<f64>, Option<f64>)) -> Checked {
        let outcome = self.checked(queue, check, given).await;
        outcome.unwrap_or_else(|error| Checked::without_number(check, queue, &error))
    }

    async fn checked(
        &self,
        queue: &QueueName,
        check: Check,
        (warn, crit): (Option<f64>, Option<f64>),
    ) -> Result<Checked> {
        let handle = self.queue(queue.clone());
        let (stats, stored) = tokio::join!(handle.stats(), self.stored_thresholds(queue));
        let (stats, stored) = (stats?, stored?[check as usize].thresholds);
        let thresholds = Thresholds { warn: warn.unwrap_or(stored.warn), crit: crit.unwrap_or(stored.crit) };
        let value = check.measure(&stats);
        let (mut state, mut message) = (thresholds.judge(check, value), check.message(&stats, value));
        // What is not counted may be beyond any threshold.
        if let Some(unreached) = self.unreached().first() {
            (state, message) =
                (CheckState::Critical, format!("{message}, without what does not answer: {}", unreached.error()));
        }
        Ok(Checked { check, queue: queue.clone(), state, value: Some(value), thresholds: Some(thresholds), message })
    }

    async fn stored_thresholds(&self, queue: &QueueName) -> Result<Vec<CheckThresholds>> {
        let keys = self.store().keys(queue);
        let texts = match self.store().absence_of_home(queue).await {
            // They are not known: the usual ones, or those of the call.
            Some(_) => Default::default(),
            None => self.store().setting_texts(&keys, Check::ALL.map(Check::field)).await?,
        };
        let read = |(check, text): (Check, String)| {
            // What a hand broke counts as not set.
            let stored = check.thresholds(&text).ok();
            CheckThresholds { check, thresholds: stored.unwrap_or(check.usual()), stored: stored.is_some() }
        };
        Ok(Check::ALL.into_iter().zip(texts).map(read).collect())
    }

    /// The thresholds of every check as they hold for a queue.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn thresholds(&self, queue: &QueueName) -> Result<Vec<CheckThresholds>> {
        self.queue(queue.clone()).must_exist().await?;
        self.stored_thresholds(queue).await
    }

    /// Stores thresholds for a queue, or lifts them; those that hold then.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn set_thresholds(
        &self,
        queue: &QueueName,
        changes: &[(Check, Option<Thresholds>)],
    ) -> Result<Vec<CheckThresholds>> {
        self.queue(queue.clone()).must_exist().await?;
        let text = |(check, thresholds): &(Check, Option<Thresholds>)| {
            (check.field(), thresholds.map(|thresholds| check.thresholds_text(thresholds)).unwrap_or_default())
        };
        let fields = changes.iter().map(text).collect();
        self.store().set_texts(&self.store().keys(queue), fields).await?;
        self.stored_thresholds(queue).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_met_at_their_number_and_workers_below_it() {
        let judge = |check: Check, text: &str, value| check.thresholds(text).unwrap().judge(check, value);
        assert_eq!(judge(Check::Backlog, "10:20", 9.0), CheckState::Ok);
        assert_eq!(judge(Check::Backlog, "10:20", 10.0), CheckState::Warning);
        assert_eq!(judge(Check::Backlog, "10:20", 20.0), CheckState::Critical);
        assert_eq!(judge(Check::Workers, "3:1", 3.0), CheckState::Ok);
        assert_eq!(judge(Check::Workers, "3:1", 2.0), CheckState::Warning);
        assert_eq!(judge(Check::Workers, "3:1", 0.0), CheckState::Critical);
    }

    #[test]
    fn numbers_are_written_as_people_write_them_and_come_back() {
        for (check, text) in [
            (Check::Backlog, "1000:5000"),
            (Check::Latency, "5m:30m"),
            (Check::Latency, "500ms:90s"),
            (Check::Failures, "2.5%:20%"),
            (Check::Dead, "1:1"),
            (Check::Workers, "2:1"),
            (Check::Schedules, "1:3"),
        ] {
            assert_eq!(check.thresholds_text(check.thresholds(text).unwrap()), text, "{check}");
        }
        assert_eq!(Check::Failures.thresholds("5:20").unwrap(), Thresholds { warn: 5.0, crit: 20.0 });
        for (check, text) in [
            (Check::Backlog, "10"),
            (Check::Backlog, "20:10"),
            (Check::Backlog, "-1:1"),
            (Check::Backlog, "1.5:2"),
            (Check::Latency, "5:6"),
            (Check::Failures, "5%:101%"),
            (Check::Failures, "NaN:1"),
            (Check::Workers, "1:2"),
        ] {
            assert!(check.thresholds(text).is_err(), "{check} {text}");
        }
    }

    #[test]
    fn the_order_of_the_checks_is_that_of_their_numbers() {
        assert!(Check::ALL.iter().enumerate().all(|(index, check)| *check as usize == index));
        assert!(Check::ALL.iter().all(|check| check.as_str().parse::<Check>().unwrap() == *check));
    }

    #[test]
    fn what_lies_outside_is_critical_and_what_the_check_lacks_unknown() {
        let queue = QueueName::new("q").unwrap();
        let state = |kind| Checked::without_number(Check::Dead, &queue, &Error::new(kind, "x")).state;
        assert_eq!(state(ErrorKind::Unreachable), CheckState::Critical);
        assert_eq!(state(ErrorKind::NotNow), CheckState::Critical);
        assert_eq!(state(ErrorKind::NotFound), CheckState::Unknown);
        assert_eq!(state(ErrorKind::Config), CheckState::Unknown);
    }
}
