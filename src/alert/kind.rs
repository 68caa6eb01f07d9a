//! What a rule watches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::measure::Check;

/// What a rule watches, and with it what its subjects are. Written as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum AlertKind {
    /// A number of a queue.
    Queue(Check),
    /// How much of its `maxmemory` the server uses, in per cent.
    Memory,
    /// A breaker that is open; each service stands by itself.
    Breaker,
    /// Redis does not answer whoever evaluates.
    Redis,
}

impl AlertKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Check::ALL.into_iter().map(Self::Queue).chain([Self::Memory, Self::Breaker, Self::Redis])
    }

    /// The words of all kinds, for people.
    pub fn words() -> String {
        Self::all().map(Self::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue(check) => check.as_str(),
            Self::Memory => "memory",
            Self::Breaker => "breaker",
            Self::Redis => "redis",
        }
    }

    /// The number of a queue that it is about, where it is about one.
    pub fn check(self) -> Option<Check> {
        match self {
            Self::Queue(check) => Some(check),
            Self::Memory | Self::Breaker | Self::Redis => None,
        }
    }

    /// Whether fewer are worse.
    pub fn is_floor(self) -> bool {
        self.check().is_some_and(Check::is_floor)
    }

    /// Whether it is so or not, without a number to hold against a threshold.
    pub fn is_switch(self) -> bool {
        matches!(self, Self::Breaker | Self::Redis)
    }

    /// The threshold where a rule names none; `None`: it has to.
    pub(crate) fn usual(self) -> Option<f64> {
        match self {
            Self::Queue(Check::Backlog | Check::Latency | Check::Failures) => None,
            Self::Queue(Check::Dead | Check::Workers | Check::Schedules) | Self::Breaker | Self::Redis => Some(1.0),
            Self::Memory => Some(80.0),
        }
    }

    /// A number of this kind as it is written.
    ///
    /// # Errors
    /// `Invalid`, saying how to write it.
    pub fn number(self, text: &str) -> Result<f64> {
        self.check().unwrap_or(Check::Failures).number(text)
    }

    /// The same the other way.
    pub fn text(self, number: f64) -> String {
        self.check().unwrap_or(Check::Failures).text(number)
    }

    /// A number of a rule, to be read again: no share is rounded, as it is where a measured one is shown.
    pub(crate) fn exact_text(self, number: f64) -> String {
        match self.check().unwrap_or(Check::Failures) {
            Check::Failures => format!("{number}%"),
            check => check.text(number),
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AlertKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::all().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| Error::invalid(format!("{text:?} is not one of {}", Self::words())))
    }
}

impl TryFrom<String> for AlertKind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AlertKind> for &'static str {
    fn from(kind: AlertKind) -> Self {
        kind.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_and_read_as_its_word() {
        let words: Vec<_> = AlertKind::all().map(AlertKind::as_str).collect();
        let all = ["backlog", "latency", "failures", "dead", "workers", "schedules", "memory", "breaker", "redis"];
        assert_eq!(words, all);
        for kind in AlertKind::all() {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!((text.as_str(), serde_json::from_str(&text).unwrap()), (&*format!("\"{kind}\""), kind));
        }
        assert!("disk".parse::<AlertKind>().unwrap_err().to_string().contains("backlog"));
    }
}
