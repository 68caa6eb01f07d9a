//! How urgent a job is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A job's priority level; each has a line of its own, and a lower level number goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Level 0: before everything else.
    Critical,
    /// Level 1.
    High,
    /// Level 2, unless something else is asked for.
    #[default]
    Normal,
    /// Level 3: when nothing else waits (or, in aging mode, when it has waited long enough).
    Low,
}

impl Priority {
    /// Every priority, most urgent first; the position is the level.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The level, 0 to 3.
    pub fn level(self) -> u8 {
        self as u8
    }

    /// The priority of a level; `None` above 3.
    pub fn from_level(level: u8) -> Option<Self> {
        Self::ALL.get(usize::from(level)).copied()
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|priority| priority.as_str() == word);
        known.ok_or_else(|| Error::invalid(format!("priority {word:?} is not one of critical, high, normal, low")))
    }
}
