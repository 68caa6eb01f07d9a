//! How long one call goes on, and at what pace connections are tried.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Patience;
use super::failure::{Failure, Remedy};
use crate::error::{Error, ErrorKind};

/// A brief call ends after this, whatever happens.
const BUDGET: Duration = Duration::from_millis(4_500);
/// A brief call to where nobody has ever listened ends after this.
const ABSENT_BUDGET: Duration = Duration::from_secs(1);
/// Connections are tried no more often than this, and with every failure in a row half as often, down to `DIAL_MAX`.
const DIAL_MIN: Duration = Duration::from_millis(200);
const DIAL_MAX: Duration = Duration::from_secs(1);

/// One call on its way: how long it has tried, and whether it may have been executed.
pub(super) struct Errand {
    patience: Patience,
    pub started: Instant,
    repeats: u32,
    pub executed: bool,
    /// Whether it changes anything: a look that was lost leaves nothing in doubt.
    changes: bool,
    /// Whether the latest step was connecting, which paces itself.
    pub dialled: bool,
    /// Why the latest attempt failed.
    pub failure: Option<Failure>,
}

impl Errand {
    pub(super) fn new(patience: Patience, changes: bool) -> Self {
        Self { patience, started: Instant::now(), repeats: 0, executed: false, changes, dialled: false, failure: None }
    }

    /// When the connection must stand; `None`: whenever.
    pub(super) fn connect_by(&self, start_limit: Duration) -> Option<Instant> {
        self.patience.is_brief().then(|| self.started + BUDGET.max(start_limit))
    }

    /// When one sending must be answered.
    pub(super) fn answer_by(&self, limit: Duration) -> Instant {
        let by = Instant::now() + limit;
        if self.patience.is_brief() { by.min(self.started + BUDGET) } else { by }
    }

    /// How long to wait before the next attempt; `None`: there is none.
    pub(super) fn pause_after(&mut self, failure: &Failure, connected_before: bool) -> Option<Duration> {
        if failure.remedy == Remedy::Nothing {
            return None;
        }
        let pause = match self.repeats {
            _ if self.dialled => Duration::ZERO,
            0 if failure.remedy != Remedy::Wait => Duration::ZERO,
            repeats => jittered(Duration::from_millis(50 << repeats.min(5)).min(DIAL_MAX)),
        };
        self.repeats += 1;
        let absent = failure.absent && !connected_before && !self.executed;
        let budget = if absent { ABSENT_BUDGET } else { BUDGET };
        let go_on = !self.patience.is_brief() || self.started.elapsed() + pause < budget;
        go_on.then_some(pause)
    }

    /// How often it was tried again.
    pub(super) fn repeats(&self) -> u32 {
        self.repeats
    }

    pub(super) fn error(&self, failure: Failure) -> Error {
        if self.executed && self.changes {
            return Error::new(ErrorKind::OutcomeUnknown, format!("{}: the outcome is unknown", failure.message));
        }
        failure.into_error()
    }
}

/// How long after an attempt to connect the next one may begin.
pub(super) fn dial_pause(failures: u32) -> Duration {
    jittered(DIAL_MIN.saturating_mul(1 << failures.saturating_sub(1).min(4)).min(DIAL_MAX))
}

/// Between three quarters and all of `span`, so that many callers do not come back at the same moment.
fn jittered(span: Duration) -> Duration {
    let chance = RandomState::new().build_hasher().finish() % 256;
    span.mul_f64(0.75 + chance as f64 / 1024.0)
}
