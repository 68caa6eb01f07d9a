//! Silence for a while: alerts go on standing, and nobody is told.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::name::AlertName;
use crate::error::{Error, Result};

/// The longest reason.
const REASON_MAX_BYTES: usize = 500;

/// What is muted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MuteTarget {
    /// Every alert.
    All,
    /// One.
    One(AlertName),
}

impl fmt::Display for MuteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.pad("*"),
            Self::One(name) => name.fmt(f),
        }
    }
}

impl Serialize for MuteTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A mute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertMute {
    /// Until when, by the server's clock.
    pub until: DateTime<Utc>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it.
    pub by: String,
}

impl AlertMute {
    /// Whether a reason can be kept.
    pub(crate) fn check_reason(reason: Option<&str>) -> Result<()> {
        match reason.is_some_and(|reason| reason.len() > REASON_MAX_BYTES || reason.contains(char::is_control)) {
            true => {
                Err(Error::invalid(format!("a reason has at most {REASON_MAX_BYTES} bytes and no control characters")))
            }
            false => Ok(()),
        }
    }
}
