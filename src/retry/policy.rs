//! The decision after a failed attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retry::{Backoff, ErrorClass};

/// A throttled job is put off at most so often in a row, and no longer than a day in all.
const SNOOZES_MAX: u32 = 100;
const SNOOZING_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest a service may tell us to wait at once.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// When and how often failed jobs of a queue run again. Plain data: from the profile file, per queue, or per job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often a job runs in all before it is buried.
    pub attempts: u32,
    /// The wait after a transient error.
    pub transient: Backoff,
    /// The wait after a throttled error that did not say how long to wait.
    pub throttled: Backoff,
    /// How often a permanent error may run in all; 1 buries at once.
    pub permanent_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            transient: Backoff::default(),
            throttled: Backoff::exponential(Duration::from_secs(30), Duration::from_secs(900)),
            permanent_attempts: 1,
        }
    }
}

/// What the decision goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailureFacts {
    /// The class of the error.
    pub class: ErrorClass,
    /// How many attempts have failed, this one included.
    pub failed: u32,
    /// How long the service told us to wait.
    pub retry_after: Option<Duration>,
    /// How often the job was put off already.
    pub snoozed: u32,
    /// For how long it has been put off.
    pub snoozing: Duration,
    /// A random number from 0 up to 1.
    pub random: f64,
}

/// What becomes of a job whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Runs again after this wait; an attempt is used.
    Retry(Duration),
    /// Put off for this long; no attempt is used.
    Snooze(Duration),
    /// To the dead letters.
    Bury,
}

impl RetryPolicy {
    /// Decides; a pure function of its arguments.
    pub fn decide(&self, facts: &FailureFacts) -> Decision {
        let told = facts.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
        let spread = |wait: Duration| wait + wait.mul_f64(0.1 * facts.random.clamp(0.0, 1.0));
        if facts.class == ErrorClass::Throttled && facts.snoozed < SNOOZES_MAX && facts.snoozing < SNOOZING_MAX {
            let wait = told.map(spread);
            return Decision::Snooze(wait.unwrap_or_else(|| self.throttled.wait(facts.snoozed + 1, facts.random)));
        }
        let (allowed, backoff) = match facts.class {
            ErrorClass::Permanent => (self.permanent_attempts.min(self.attempts), self.transient),
            ErrorClass::Transient => (self.attempts, self.transient),
            ErrorClass::Throttled => (self.attempts, self.throttled),
        };
        if facts.failed >= allowed {
            return Decision::Bury;
        }
        let grown = backoff.wait(facts.failed, facts.random);
        Decision::Retry(told.map_or(grown, |told| spread(told).max(grown)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(class: ErrorClass, failed: u32) -> FailureFacts {
        FailureFacts { class, failed, retry_after: None, snoozed: 0, snoozing: Duration::ZERO, random: 0.5 }
    }

    #[test]
    fn transient_errors_use_up_the_attempts() {
        let policy = RetryPolicy::default();
        let decisions: Vec<_> = (1..=5).map(|n| policy.decide(&facts(ErrorClass::Transient, n))).collect();
        let waits = [5, 10, 20, 40].map(|secs| Decision::Retry(Duration::from_secs(secs)));
        assert_eq!(decisions[..4], waits);
        assert_eq!(decisions[4], Decision::Bury);
    }

    #[test]
    fn permanent_errors_are_buried_at_once() {
        assert_eq!(RetryPolicy::default().decide(&facts(ErrorClass::Permanent, 1)), Decision::Bury);
    }

    #[test]
    fn a_throttled_job_waits_as_told_and_not_for_ever() {
        let policy = RetryPolicy::default();
        let told = FailureFacts {
            retry_after: Some(Duration::from_secs(100)),
            random: 0.0,
            ..facts(ErrorClass::Throttled, 1)
        };
        assert_eq!(policy.decide(&told), Decision::Snooze(Duration::from_secs(100)));
        let often = FailureFacts { snoozed: 100, ..told };
        assert_eq!(policy.decide(&often), Decision::Retry(Duration::from_secs(100)));
        let long = FailureFacts { snoozing: Duration::from_secs(86_400), failed: 5, ..told };
        assert_eq!(policy.decide(&long), Decision::Bury);
    }

    #[test]
    fn a_transient_error_that_says_when_is_obeyed() {
        let told =
            FailureFacts { retry_after: Some(Duration::from_secs(60)), random: 0.0, ..facts(ErrorClass::Transient, 1) };
        assert_eq!(RetryPolicy::default().decide(&told), Decision::Retry(Duration::from_secs(60)));
    }
}
