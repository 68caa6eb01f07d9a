//! Which jobs a bulk act is about.

use std::time::Duration;

use regex::Regex;

use crate::error::{Error, Result};
use crate::job::JobId;
use crate::retry::ErrorClass;
use crate::stats::DeadLetter;

const PATTERN_MAX_BYTES: usize = 4096;
const PROGRAM_MAX_BYTES: usize = 1 << 20;

/// A selection among dead letters: every given condition must hold. Without any it holds for all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these.
    pub ids: Vec<JobId>,
    /// Whose last error is of this class.
    pub class: Option<ErrorClass>,
    /// Whose last error has this code.
    pub code: Option<String>,
    /// Whose last error matches.
    pub error: Option<Regex>,
    /// That died longer ago than this.
    pub older_than: Option<Duration>,
    /// That died more recently than this.
    pub newer_than: Option<Duration>,
    /// At most so many, oldest first.
    pub limit: Option<u64>,
}

impl Selection {
    /// Compiles the pattern for `error`.
    ///
    /// # Errors
    /// `Invalid` when it is no regular expression, or one that is too large. Matching takes time linear in the text.
    pub fn pattern(pattern: &str) -> Result<Regex> {
        if pattern.len() > PATTERN_MAX_BYTES {
            return Err(Error::invalid(format!("pattern has {} bytes, more than {PATTERN_MAX_BYTES}", pattern.len())));
        }
        regex::RegexBuilder::new(pattern)
            .size_limit(PROGRAM_MAX_BYTES)
            .build()
            .map_err(|error| Error::invalid(format!("pattern is not a regular expression: {error}")))
    }

    /// Whether nothing narrows it.
    pub fn is_all(&self) -> bool {
        self.ids.is_empty()
            && self.class.is_none()
            && self.code.is_none()
            && self.error.is_none()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }

    /// Whether a letter that has been dead for `dead_for` is meant (the limit and ages apart from ids are looked at
    /// here; the limit is the caller's).
    pub fn matches(&self, letter: &DeadLetter, dead_for: Duration) -> bool {
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && self.class.is_none_or(|class| class == letter.class)
            && self.code.as_ref().is_none_or(|code| *code == letter.code)
            && self.error.as_ref().is_none_or(|error| error.is_match(&letter.error))
            && self.older_than.is_none_or(|age| dead_for >= age)
            && self.newer_than.is_none_or(|age| dead_for <= age)
    }
}
