//! Breakers: when they open, and how one stands.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::clock::{span_from_text, span_text};
use crate::error::{Error, Result};

/// The longest name of a dependency.
pub(crate) const DEPENDENCY_MAX_BYTES: usize = 200;
/// Whoever opens a breaker without a span means no end; one that is further ahead than this is none.
const OPEN_ENDED_DAYS: i64 = 3_650;

/// When a worker opens breakers, and how often it probes what they guard. Written `5:5s:5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// So many transient failures of a dependency in a row open its breaker.
    pub failures: u32,
    /// A failure that comes longer after the one before begins a new row.
    pub window: Duration,
    /// How long after that the dependency is probed. Each probe that fails doubles the wait.
    pub first: Duration,
    /// The longest wait between two probes.
    pub most: Duration,
}

impl Default for BreakerRule {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self { failures: 5, window: minutes(5), first: Duration::from_secs(5), most: minutes(5) }
    }
}

impl FromStr for BreakerRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid(format!("breaker {text:?} is not like 5:5s:5m (failures, first and longest wait)"));
        let parts: Vec<_> = text.split(':').collect();
        let [failures, first, most] = parts[..] else { return Err(wrong()) };
        let failures = failures.parse().ok().filter(|&failures| failures > 0).ok_or_else(wrong)?;
        let (first, most) = (span_from_text(first).map_err(|_| wrong())?, span_from_text(most).map_err(|_| wrong())?);
        if first < Duration::from_millis(100) || most < first || most > Duration::from_secs(24 * 3600) {
            return Err(Error::invalid(format!(
                "breaker {text:?}: the first wait is 100ms or more, the longest no shorter and a day at most"
            )));
        }
        Ok(Self { failures, first, most, ..Self::default() })
    }
}

impl fmt::Display for BreakerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.failures, span_text(self.first), span_text(self.most))
    }
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Failures are counted, and jobs run.
    Closed,
    /// No job that needs the dependency runs.
    Open,
    /// One job is trying it.
    HalfOpen,
}

impl BreakerState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// What the last failure of a dependency was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BreakerError {
    /// The stable code word, such as `connection_refused`.
    pub code: String,
    /// The first line of what was said, at most 200 bytes.
    pub message: String,
}

/// The breaker of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BreakerInfo {
    /// What it guards: `smtp://mail.example.com:587`, `https://example.com`, `database platform at db:5432`.
    pub dependency: String,
    /// Whether jobs that need it run.
    pub state: BreakerState,
    /// Failures in a row.
    pub failures: u64,
    /// When the last of them was.
    pub last_failure_at: Option<DateTime<Utc>>,
    /// What it was.
    pub last_error: Option<BreakerError>,
    /// Since when it is open, or an operator holds it open.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it may be probed (again).
    pub probe_at: Option<DateTime<Utc>>,
    /// Who opened it: a worker, or `operator`.
    pub opened_by: Option<String>,
}

/// A breaker that was closed by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BreakerClosed {
    /// What it guards.
    pub dependency: String,
    /// Whether it was open.
    pub was_open: bool,
}

impl BreakerInfo {
    /// Whether jobs that need the dependency wait.
    pub fn is_open(&self) -> bool {
        self.state != BreakerState::Closed
    }

    /// Whether an operator opened it.
    pub fn is_held(&self) -> bool {
        self.is_open() && self.opened_by.as_deref() == Some("operator")
    }

    /// Whether nobody tries the dependency before it is closed by hand.
    pub fn is_open_ended(&self, now: DateTime<Utc>) -> bool {
        self.is_held() && self.probe_at.is_none_or(|at| (at - now).num_days() > OPEN_ENDED_DAYS)
    }

    /// The command that closes it by hand, behind the program's name.
    pub(crate) fn closing(&self) -> String {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._:/@".contains(letter);
        match self.dependency.chars().all(is_plain) {
            true => format!("breaker close {}", self.dependency),
            false => format!("breaker close '{}'", self.dependency.replace('\'', r"'\''")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in ["5:5s:5m", "1:100ms:100ms", "20:1m:1h"] {
            assert_eq!(text.parse::<BreakerRule>().unwrap().to_string(), text);
        }
        for wrong in ["", "5", "0:5s:5m", "5:5s", "5:0s:5m", "5:5m:5s", "5:5s:2d", "x:5s:5m", "5:5s:5m:1"] {
            assert!(wrong.parse::<BreakerRule>().is_err(), "{wrong}");
        }
        assert_eq!(BreakerRule::default().to_string(), "5:5s:5m");
    }
}
