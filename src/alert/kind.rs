//! What a rule watches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::measure::Check;

/// What a rule watches, and with it what its subjects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// Jobs in line in a queue.
    Backlog,
    /// How long the first job in line of a queue has waited.
    Latency,
    /// Failed attempts of a queue in the last hour, in per cent.
    Failures,
    /// Dead letters of a queue.
    Dead,
    /// Workers that take jobs of a queue; fewer are worse.
    Workers,
    /// Late schedules of a queue.
    Schedules,
    /// How much of its `maxmemory` the server uses, in per cent.
    Memory,
    /// A breaker that is open; each service stands by itself.
    Breaker,
    /// Redis does not answer whoever evaluates.
    Redis,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Backlog,
        Self::Latency,
        Self::Failures,
        Self::Dead,
        Self::Workers,
        Self::Schedules,
        Self::Memory,
        Self::Breaker,
        Self::Redis,
    ];

    /// The words of all kinds.
    pub const WORDS: [&'static str; 9] =
        ["backlog", "latency", "failures", "dead", "workers", "schedules", "memory", "breaker", "redis"];

    /// The word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The number of a queue that it is about, where it is about one.
    pub fn check(self) -> Option<Check> {
        match self {
            Self::Backlog => Some(Check::Backlog),
            Self::Latency => Some(Check::Latency),
            Self::Failures => Some(Check::Failures),
            Self::Dead => Some(Check::Dead),
            Self::Workers => Some(Check::Workers),
            Self::Schedules => Some(Check::Schedules),
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
            Self::Backlog | Self::Latency | Self::Failures => None,
            Self::Dead | Self::Workers | Self::Schedules | Self::Breaker | Self::Redis => Some(1.0),
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
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AlertKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| Error::invalid(format!("{text:?} is not one of {}", Self::WORDS.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_that_of_its_kind() {
        assert!(
            AlertKind::WORDS.iter().zip(AlertKind::ALL).all(|(word, kind)| word.parse::<AlertKind>().unwrap() == kind)
        );
        assert!(AlertKind::ALL.iter().all(|kind| kind.check().is_none_or(|check| check.as_str() == kind.as_str())));
        assert!("disk".parse::<AlertKind>().unwrap_err().to_string().contains("backlog"));
    }
}
