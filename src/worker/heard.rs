//! Since when Redis has heard of a worker without a gap, queue by queue: each may be on a server of its own.

use std::time::{Duration, Instant};

/// A worker that Redis has not taken a renewal from for so long may have missed what the others did meanwhile.
const GAP: Duration = Duration::from_secs(3);
/// After a gap, all others get this long to say that they are there: they reconnect within it.
const STEADY: Duration = Duration::from_secs(3);

/// When Redis last took a renewal of this worker's lease in a queue, and since when it did so without a gap.
#[derive(Debug)]
pub(crate) struct Heard {
    since: Instant,
    last: Instant,
}

impl Heard {
    /// Nothing was heard yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, last: now }
    }

    /// It took one more.
    pub(crate) fn again(&mut self, now: Instant) {
        if now - self.last > GAP {
            self.since = now;
        }
        self.last = now;
    }

    /// Whether every other worker had time to renew its lease, too.
    pub(crate) fn is_steady(&self, now: Instant) -> bool {
        now - self.last <= GAP && now - self.since >= STEADY
    }

    /// For how long it took none.
    pub(crate) fn silence(&self) -> Duration {
        self.last.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_begins_the_steady_time_anew() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut heard = Heard::new(start);
        assert!(!heard.is_steady(at(1)));
        heard.again(at(2));
        assert!(heard.is_steady(at(3)) && !heard.is_steady(at(6)), "a silence is a gap before it has ended");
        heard.again(at(6));
        assert!(!heard.is_steady(at(6)) && !heard.is_steady(at(8)));
        heard.again(at(8));
        assert!(heard.is_steady(at(9)));
    }
}
