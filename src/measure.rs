//! Which numbers of a queue are watched, and how each is written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{span_from_text, span_text};
use crate::error::{Error, Result};

/// A threshold beyond this is a slip of the pen.
const THRESHOLD_MAX: f64 = 1e12;

/// Which number of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Jobs in line.
    Backlog,
    /// How long the first job in line has waited, or how late the most overdue one is, in seconds.
    Latency,
    /// Failed attempts of all that ended in the last hour, in per cent.
    Failures,
    /// Dead letters.
    Dead,
    /// Workers that take its jobs; fewer are worse.
    Workers,
    /// Schedules whose tick came more than a minute ago and that nobody fired.
    Schedules,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 6] =
        [Self::Backlog, Self::Latency, Self::Failures, Self::Dead, Self::Workers, Self::Schedules];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Latency => "latency",
            Self::Failures => "failures",
            Self::Dead => "dead",
            Self::Workers => "workers",
            Self::Schedules => "schedules",
        }
    }

    /// Whether fewer are worse.
    pub fn is_floor(self) -> bool {
        self == Self::Workers
    }

    /// A number of this check as it is written: `1000`, `5m`, `5%`.
    ///
    /// # Errors
    /// `Invalid`, saying how to write it.
    pub fn number(self, text: &str) -> Result<f64> {
        let parsed = match self {
            Self::Latency => return span_from_text(text).map(|span| span.as_secs_f64()),
            Self::Failures => text.strip_suffix('%').unwrap_or(text).trim().parse().ok().filter(|part| *part <= 100.0),
            _ => text.parse::<u64>().ok().map(|count| count as f64),
        };
        let how = if self == Self::Failures { "write it like 5%" } else { "write a whole number" };
        parsed.filter(|number: &f64| (0.0..=THRESHOLD_MAX).contains(number)).ok_or_else(|| Error::invalid(how))
    }

    /// The same the other way.
    pub fn text(self, number: f64) -> String {
        match self {
            Self::Latency => span_text(Duration::from_millis((number * 1000.0).round() as u64)),
            Self::Failures => format!("{}%", (number * 10.0).round() / 10.0),
            _ => format!("{number:.0}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Check {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|check| check.as_str() == text);
        known.ok_or_else(|| {
            Error::invalid(format!("{text:?} is no check: backlog, latency, failures, dead, workers, schedules"))
        })
    }
}
