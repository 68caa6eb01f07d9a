//! How fast things happen in a queue, from one look to the next.

use std::collections::VecDeque;
use std::time::Duration;

use ireva_queue::stats::Totals;

/// As many as the widest terminal has columns for.
const KEPT: usize = 240;
/// Looks that a rate in numbers is taken over, so that it can be read.
const SMOOTHED: usize = 5;

/// The pace of one queue.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    last: Option<(Duration, Totals)>,
    steps: VecDeque<Step>,
}

/// What happened between two looks.
#[derive(Debug, Clone, Copy)]
struct Step {
    secs: f64,
    come: u64,
    done: u64,
}

impl Trend {
    /// Another look, `at` so long after the start.
    pub fn add(&mut self, at: Duration, totals: Totals) {
        if let Some((before, known)) = self.last.replace((at, totals)) {
            let secs = at.saturating_sub(before).as_secs_f64();
            if secs <= 0.0 {
                return;
            }
            // Totals fall only where the queue was deleted and made anew.
            let come = totals.enqueued.saturating_sub(known.enqueued);
            let done = totals.completed.saturating_sub(known.completed);
            self.steps.push_back(Step { secs, come, done });
            if self.steps.len() > KEPT {
                self.steps.pop_front();
            }
        }
    }

    /// Jobs that came in, a second; `None` before the second look.
    pub fn come_per_sec(&self) -> Option<f64> {
        self.per_sec(|step| step.come)
    }

    /// Jobs that succeeded, a second; `None` before the second look.
    pub fn done_per_sec(&self) -> Option<f64> {
        self.per_sec(|step| step.done)
    }

    /// Jobs that succeeded, a second, from look to look, the oldest first.
    pub fn done(&self) -> Vec<f64> {
        self.steps.iter().map(|step| step.done as f64 / step.secs).collect()
    }

    fn per_sec(&self, count: impl Fn(&Step) -> u64) -> Option<f64> {
        let recent = || self.steps.iter().rev().take(SMOOTHED);
        let secs: f64 = recent().map(|step| step.secs).sum();
        (secs > 0.0).then(|| recent().map(count).sum::<u64>() as f64 / secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_counted_between_looks() {
        let mut trend = Trend::default();
        let mut add = |secs, completed| {
            trend.add(Duration::from_secs(secs), Totals { completed, enqueued: 2 * completed, ..Totals::default() });
            (trend.done_per_sec(), trend.come_per_sec())
        };
        assert_eq!(add(10, 1_000), (None, None), "one look says nothing of a pace");
        assert_eq!(add(11, 1_010), (Some(10.0), Some(20.0)));
        assert_eq!(add(13, 1_010), (Some(10.0 / 3.0), Some(20.0 / 3.0)));
        assert_eq!(add(14, 0).0, Some(2.5), "a queue that was made anew did not undo anything");
        assert_eq!(trend.done(), [10.0, 0.0, 0.0]);
        (15..600).for_each(|secs| trend.add(Duration::from_secs(secs), Totals::default()));
        assert_eq!(trend.done().len(), KEPT);
    }
}
