//! What can be set for a queue while it runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::span_text;
use crate::error::{Error, Result};
use crate::job::{KeyField, QueueName};
use crate::retry::RetryPolicy;

/// The known queues whose jobs move money: durable unless set otherwise.
const DURABLE: [&str; 1] = ["roi-distribution"];

/// The longest span of a rate: an hour's share of one of 64 partitions.
const SPAN_MAX_SECS: u32 = 64 * 3600;

/// The settings of a queue. They live in Redis, hold for every worker, and take effect without a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueSettings {
    /// Starts per span of time over all workers; `None`: no limit.
    pub rate: Option<Rate>,
    /// Jobs running at once over all workers; `None`: no limit.
    pub concurrency: Option<u32>,
    /// Where payloads hold the key by which jobs are limited, such as `tenantId`; `None`: there are no limits per key.
    pub key: Option<KeyField>,
    /// Jobs of one key running at once over all workers; `None`: no limit. A key may have limits of its own
    /// ([`KeyLimits`](crate::KeyLimits)).
    pub key_concurrency: Option<u32>,
    /// Starts per span of time of jobs of one key over all workers; `None`: no limit.
    pub key_rate: Option<Rate>,
    /// What is kept of completed and cancelled jobs.
    pub remove_on_complete: Retention,
    /// What is kept of dead letters.
    pub remove_on_fail: Retention,
    /// How the next job is chosen among the priorities.
    pub priority_mode: PriorityMode,
    /// How many jobs may wait (pending, scheduled, retrying) before enqueue is refused; `None`: no bound.
    pub max_length: Option<u64>,
    /// How many crashes bury a job.
    pub crash_limit: u32,
    /// Whether a replica must hold a job before its enqueue is a success.
    pub durable: Durable,
    /// When and how often failed jobs run again.
    pub retry: RetryPolicy,
    /// Over how many partitions the queue is spread, 1 to 64. Limits are divided among them.
    pub partitions: u16,
}

impl QueueSettings {
    /// What holds for `queue` where nothing is set.
    pub fn of(queue: &QueueName) -> Self {
        Self { durable: Durable::of(queue), ..Self::default() }
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            rate: None,
            concurrency: None,
            key: None,
            key_concurrency: None,
            key_rate: None,
            remove_on_complete: Retention::Count(100),
            remove_on_fail: Retention::Never,
            priority_mode: PriorityMode::Strict,
            max_length: None,
            crash_limit: 3,
            durable: Durable::Off,
            retry: RetryPolicy::default(),
            partitions: 1,
        }
    }
}

/// One setting of a queue and its new value; `None` lifts a limit.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// Starts per span of time.
    Rate(Option<Rate>),
    /// Jobs running at once.
    Concurrency(Option<u32>),
    /// Where payloads hold the key of their job.
    Key(Option<KeyField>),
    /// Jobs of one key running at once.
    KeyConcurrency(Option<u32>),
    /// Starts per span of time of jobs of one key.
    KeyRate(Option<Rate>),
    /// What is kept of completed and cancelled jobs.
    RemoveOnComplete(Retention),
    /// What is kept of dead letters.
    RemoveOnFail(Retention),
    /// How the next job is chosen.
    PriorityMode(PriorityMode),
    /// How many jobs may wait.
    MaxLength(Option<u64>),
    /// How many crashes bury a job.
    CrashLimit(u32),
    /// Whether a replica must hold a job before its enqueue is a success.
    Durable(Durable),
    /// When and how often failed jobs run again.
    Retry(RetryPolicy),
    /// Over how many partitions the queue is spread, 1 to 64. A change moves every job; see
    /// [`Queue::move_over`](crate::Queue::move_over).
    Partitions(u16),
}

/// So many starts in a span of time, written `100/s`, `30/m`, `5000/h`, or `100/8s` for another span; with a burst `100/s:20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: u32,
    per_secs: u32,
    burst: Option<u32>,
}

impl Rate {
    /// The time between two starts, in microseconds, at least 1.
    pub fn interval_us(&self) -> u64 {
        (u64::from(self.per_secs) * 1_000_000 / u64::from(self.count)).max(1)
    }

    /// How many may start at once after a pause: as written, else a tenth of a second's worth, at least 1.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or_else(|| (self.count / self.per_secs / 10).max(1))
    }

    /// What one of so many partitions may start: as many in a longer span, and one at once at least.
    pub(crate) fn share(&self, partitions: u16) -> Self {
        let per_secs = self.per_secs.saturating_mul(partitions.into());
        Self { count: self.count, per_secs, burst: Some((self.burst() / u32::from(partitions)).max(1)) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_secs {
            1 => write!(f, "{}/s", self.count)?,
            60 => write!(f, "{}/m", self.count)?,
            3600 => write!(f, "{}/h", self.count)?,
            secs => write!(f, "{}/{secs}s", self.count)?,
        }
        self.burst.map_or(Ok(()), |burst| write!(f, ":{burst}"))
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (count, rest) = text.split_once('/')?;
            let (unit, burst) = rest.split_once(':').map_or((rest, None), |(unit, burst)| (unit, Some(burst)));
            let per_secs = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                span => span.strip_suffix('s')?.parse().ok().filter(|secs| (1..=SPAN_MAX_SECS).contains(secs))?,
            };
            let burst =
                burst.map(|burst| burst.parse().ok().filter(|&burst| burst > 0)).map_or(Some(None), |b| b.map(Some))?;
            let count = count.parse().ok().filter(|&count| count > 0 && count <= 1_000_000)?;
            Some(Self { count, per_secs, burst })
        };
        parse().ok_or_else(|| {
            Error::invalid(format!("rate {text:?} is not valid: write 100/s, 30/m or 5000/h, with a burst 100/s:20"))
        })
    }
}

impl TryFrom<String> for Rate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

/// What is kept of ended jobs: `100` (the last hundred), `24h` (a day), `0` (nothing), `never` (is removed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "String")]
pub enum Retention {
    /// Everything is kept.
    Never,
    /// The last so many are kept.
    Count(u64),
    /// Each is kept for so long.
    Age(Duration),
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Age(age) => f.write_str(&span_text(*age)),
        }
    }
}

impl FromStr for Retention {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        match humantime::parse_duration(text) {
            Ok(age) if !age.is_zero() => Ok(Self::Age(age)),
            _ => Err(Error::invalid(format!("retention {text:?} is not valid: write 100, 24h, 0 or never"))),
        }
    }
}

impl TryFrom<serde_json::Value> for Retention {
    type Error = Error;

    fn try_from(value: serde_json::Value) -> Result<Self> {
        match value {
            serde_json::Value::String(text) => text.parse(),
            other => other.to_string().parse(),
        }
    }
}

impl From<Retention> for String {
    fn from(retention: Retention) -> Self {
        retention.to_string()
    }
}

/// How the next job is chosen: `strict`, or `aging:10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PriorityMode {
    /// The most urgent level first, whatever waits below it.
    Strict,
    /// A level is worth this much waiting time: a low job that has waited three spans longer goes before a critical one.
    Aging(Duration),
}

impl fmt::Display for PriorityMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strict => f.write_str("strict"),
            Self::Aging(span) => write!(f, "aging:{}", span_text(*span)),
        }
    }
}

impl FromStr for PriorityMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let span = text.strip_prefix("aging:").and_then(|span| humantime::parse_duration(span).ok());
        match (text, span) {
            ("strict", _) => Ok(Self::Strict),
            ("aging", _) => Ok(Self::Aging(Duration::from_secs(600))),
            (_, Some(span)) if !span.is_zero() => Ok(Self::Aging(span)),
            _ => Err(Error::invalid(format!("priority mode {text:?} is not valid: write strict, aging or aging:10m"))),
        }
    }
}

impl TryFrom<String> for PriorityMode {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<PriorityMode> for String {
    fn from(mode: PriorityMode) -> Self {
        mode.to_string()
    }
}

/// Whether an enqueue is a success only once a replica holds its jobs: `off`, `auto` or `on`.
///
/// Replication is asynchronous: what a master has answered is lost where it dies before a replica has read it. In a
/// durable queue an enqueue waits for a replica to confirm (`WAIT 1`), and ends with
/// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) where none does in time: the jobs are stored, and the
/// same jobs under the same ids again are duplicates that are waited for again.
///
/// It holds for what is handed over by [`Queue::enqueue`](crate::Queue::enqueue) and
/// [`enqueue_many`](crate::Queue::enqueue_many). What operators do (revive, cancel, delete, settings) and what workers
/// report is answered by the master alone: after a failover it can be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Durable {
    /// The master's answer is enough.
    Off,
    /// A replica must confirm where there is one or sentinels watch; a single server's answer is enough.
    Auto,
    /// A replica must confirm; a server without replicas leaves every enqueue unconfirmed.
    On,
}

impl Durable {
    /// What holds for `queue` where nothing is set: `auto` for `roi-distribution`, `off` for the others.
    pub fn of(queue: &QueueName) -> Self {
        if DURABLE.contains(&queue.as_str()) { Self::Auto } else { Self::Off }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::On => "on",
        }
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Durable {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Off, Self::Auto, Self::On].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| Error::invalid(format!("durable {text:?} is not valid: write auto, on or off")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip_as_text() {
        for text in ["100/s", "30/m", "5000/h", "100/s:20", "100/8s:1", "7/230400s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["100", "0", "24h", "30d", "never"] {
            assert_eq!(text.parse::<Retention>().unwrap().to_string(), text);
        }
        for text in ["strict", "aging:10m"] {
            assert_eq!(text.parse::<PriorityMode>().unwrap().to_string(), text);
        }
        for text in ["off", "auto", "on"] {
            assert_eq!(text.parse::<Durable>().unwrap().to_string(), text);
        }
        for text in ["", "On", "true", "1"] {
            assert!(text.parse::<Durable>().is_err(), "{text:?}");
        }
        for text in ["", "0/s", "x/s", "1/d", "1/s:0", "2000000/s", "1/0s", "1/230401s", "1/8m"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
        assert!("-1".parse::<Retention>().is_err() && "aging:".parse::<PriorityMode>().is_err());
    }

    #[test]
    fn a_rate_knows_its_interval_and_burst() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!((rate("100/s").interval_us(), rate("100/s").burst()), (10_000, 10));
        assert_eq!((rate("30/m").interval_us(), rate("30/m").burst()), (2_000_000, 1));
        assert_eq!(rate("100/s:3").burst(), 3);
    }

    #[test]
    fn only_the_queue_that_moves_money_is_durable_by_itself() {
        let durable: Vec<_> = QueueName::KNOWN
            .into_iter()
            .filter(|name| Durable::of(&QueueName::new(name).unwrap()) != Durable::Off)
            .collect();
        assert_eq!(durable, ["roi-distribution"]);
        assert_eq!(QueueSettings::of(&QueueName::new("roi-distribution").unwrap()).durable, Durable::Auto);
        assert_eq!(QueueSettings::of(&QueueName::new("x").unwrap()), QueueSettings::default());
    }

    #[test]
    fn json_takes_counts_as_numbers() {
        let settings: QueueSettings = serde_json::from_str(r#"{"removeOnComplete":50,"removeOnFail":"30d"}"#).unwrap();
        assert_eq!(settings.remove_on_complete, Retention::Count(50));
        assert_eq!(settings.remove_on_fail, Retention::Age(Duration::from_secs(30 * 86_400)));
    }
}
