//! The three classes of errors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What an error says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// May pass by itself: network, timeout, overload, and everything unknown.
    Transient,
    /// The service told us to wait.
    Throttled,
    /// Will not pass by itself: invalid payload, refused recipient.
    Permanent,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Transient, Self::Throttled, Self::Permanent];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Permanent => "permanent",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ErrorClass {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|class| class.as_str() == word);
        known.ok_or_else(|| Error::invalid(format!("class {word:?} is not one of transient, throttled, permanent")))
    }
}
