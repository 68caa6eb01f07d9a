//! A rule: what is watched, from where on it fires, who is told and how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::kind::AlertKind;
use crate::alert::name::AlertName;
use crate::clock::span_text;
use crate::error::{Error, Result};
use crate::job::QueueName;

/// How long a number must be out of bounds, unless said.
const HOLD: Duration = Duration::from_secs(60);
/// After how long it is told again, unless said.
const REPEAT: Duration = Duration::from_secs(4 * 3600);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Wants a look.
    Warning,
    /// Wants somebody now.
    Critical,
}

impl AlertSeverity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for AlertSeverity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Warning, Self::Critical].into_iter().find(|severity| severity.as_str() == text);
        known.ok_or_else(|| Error::invalid("write warning or critical"))
    }
}

/// When somebody is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// Its name.
    pub name: AlertName,
    /// What it watches.
    pub kind: AlertKind,
    /// The queue; `None`: every queue, each by itself, or what it watches is no queue's.
    pub queue: Option<QueueName>,
    /// It fires at this number and beyond; where fewer are worse, below it.
    pub threshold: f64,
    /// It is over when the number is back at this one; where it is the threshold, when the number is within it.
    pub clear: f64,
    /// How long the number must be out of bounds before it fires.
    pub hold: Duration,
    /// After how long it is told again while it fires; `None`: never.
    pub repeat: Option<Duration>,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// Who is told; none: all that there are.
    pub sinks: Vec<AlertName>,
}

impl AlertRule {
    /// The name of the rule that is always there: Redis does not answer. One of this name goes in its place.
    pub const REDIS: &'static str = "redis";

    /// A rule of a kind with nothing else said.
    pub(crate) fn usual(name: AlertName, kind: AlertKind) -> Self {
        let threshold = kind.usual().unwrap_or_default();
        let severity = if kind == AlertKind::Redis { AlertSeverity::Critical } else { AlertSeverity::Warning };
        Self {
            name,
            kind,
            queue: None,
            threshold,
            clear: threshold,
            hold: HOLD,
            repeat: Some(REPEAT),
            severity,
            sinks: Vec::new(),
        }
    }

    /// The rule that is always there.
    pub(crate) fn redis() -> Self {
        let name = AlertName::new(Self::REDIS).expect("the name keeps to the rule of names");
        Self::usual(name, AlertKind::Redis)
    }

    /// Whether a number is out of bounds.
    pub(crate) fn is_met(&self, value: f64) -> bool {
        if self.kind.is_floor() { value < self.threshold } else { value >= self.threshold }
    }

    /// Whether a number is so far back that it is over.
    pub(crate) fn is_over(&self, value: f64) -> bool {
        match () {
            () if self.kind.is_floor() => value >= self.clear,
            // A number at the threshold is still out of bounds.
            () if self.clear == self.threshold => value < self.threshold,
            () => value <= self.clear,
        }
    }

    /// When it fires, in words: `backlog from 1000 on for 5m`.
    pub fn condition(&self) -> String {
        let number = || self.kind.text(self.threshold);
        let what = match self.kind {
            AlertKind::Redis => "redis unreachable".to_owned(),
            AlertKind::Breaker => "breaker open".to_owned(),
            kind if kind.is_floor() => format!("{kind} below {}", number()),
            kind => format!("{kind} from {} on", number()),
        };
        if self.hold.is_zero() { what } else { format!("{what} for {}", span_text(self.hold)) }
    }
}

impl fmt::Display for AlertSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
