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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::QueueName;

    fn letter() -> DeadLetter {
        DeadLetter {
            id: JobId::trusted("job-0001"),
            queue: QueueName::new("email").unwrap(),
            died_at: chrono::DateTime::UNIX_EPOCH,
            enqueued_at: None,
            attempts: 1,
            class: ErrorClass::Permanent,
            code: "smtp_5xx".to_owned(),
            error: "550 no such user here".to_owned(),
        }
    }

    #[test]
    fn every_given_condition_must_hold() {
        let hour = Duration::from_secs(3600);
        let all = Selection {
            ids: vec![JobId::trusted("job-0001")],
            class: Some(ErrorClass::Permanent),
            code: Some("smtp_5xx".to_owned()),
            error: Some(Selection::pattern("no such (user|host)").unwrap()),
            older_than: Some(hour),
            newer_than: Some(hour * 3),
            limit: Some(1),
        };
        assert!(all.matches(&letter(), hour * 2) && Selection::default().matches(&letter(), hour));
        let others = [
            Selection { ids: vec![JobId::trusted("other")], ..all.clone() },
            Selection { class: Some(ErrorClass::Transient), ..all.clone() },
            Selection { code: Some("smtp".to_owned()), ..all.clone() },
            Selection { error: Some(Selection::pattern("^no such").unwrap()), ..all.clone() },
            Selection { older_than: Some(hour * 3), ..all.clone() },
            Selection { newer_than: Some(hour), ..all.clone() },
        ];
        assert!(others.iter().all(|selection| !selection.matches(&letter(), hour * 2)));
        assert!(Selection { limit: Some(1), ..Selection::default() }.is_all() && !all.is_all());
    }

    #[test]
    fn a_hostile_pattern_is_refused_or_runs_in_linear_time() {
        for pattern in ["(", &"a".repeat(PATTERN_MAX_BYTES + 1), "(((a{100}){100}){100})"] {
            assert!(Selection::pattern(pattern).is_err());
        }
        let pattern = Selection::pattern("(a+)+$").unwrap();
        let began = std::time::Instant::now();
        assert!(!pattern.is_match(&format!("{}!", "a".repeat(2_000))));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
