//! What a worker is at, in a sentence for people, and whether it does its work, for a watchdog.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::worker::shared::Shared;

/// A silence of Redis is worth a word when it is this long.
const AWAY: Duration = Duration::from_secs(5);
/// A fetcher that has not turned for so long hangs: one lost answer (10 s) and a new connection take less.
const FETCH_LATE: Duration = Duration::from_secs(20);

/// What a worker is at. Its words are what `systemctl status` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerHealth {
    /// Redis has not answered yet.
    Starting,
    /// Jobs are taken; so many run.
    Working(usize),
    /// Jobs are no longer taken; so many still run.
    Stopping(usize),
    /// Redis has not taken a renewal or a fetch for so long.
    RedisAway(Duration),
    /// Processors have blocked every thread of their runtime for so long.
    Blocked(Duration),
    /// Redis answers, and jobs have not been asked for in so long.
    NotFetching(Duration),
}

impl fmt::Display for WorkerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("waiting for redis"),
            Self::Working(running) => write!(f, "working, {running} running"),
            Self::Stopping(running) => write!(f, "stopping, {running} running"),
            Self::RedisAway(span) => write!(f, "redis away for {}s", span.as_secs()),
            Self::Blocked(span) => write!(f, "blocked by processors for {}s", span.as_secs()),
            Self::NotFetching(span) => write!(f, "no jobs asked for in {}s", span.as_secs()),
        }
    }
}

impl Shared {
    /// What the worker is at.
    pub(crate) fn health(&self) -> WorkerHealth {
        let running = self.pools.iter().map(|pool| pool.running.load(Ordering::Acquire)).sum();
        let unturned = self.unturned();
        match () {
            () if !self.has_begun() => WorkerHealth::Starting,
            () if self.is_stalled() => WorkerHealth::Blocked(self.stall()),
            () if self.silence() >= AWAY => WorkerHealth::RedisAway(self.silence()),
            () if self.stop.is_cancelled() => WorkerHealth::Stopping(running),
            () if unturned >= self.fetch_late() => WorkerHealth::NotFetching(unturned),
            () => WorkerHealth::Working(running),
        }
    }

    /// Whether it does its work: Redis has answered within the last lease, processors leave their runtime its turns, and
    /// jobs are asked for.
    pub(crate) fn is_well(&self) -> bool {
        let fetches = self.stop.is_cancelled() || self.unturned() < self.fetch_late();
        self.has_begun() && self.silence() < self.lease && !self.is_stalled() && fetches
    }

    fn unturned(&self) -> Duration {
        self.pools.iter().map(|pool| pool.since_turn()).max().unwrap_or_default()
    }

    fn fetch_late(&self) -> Duration {
        self.lease.max(FETCH_LATE)
    }
}
