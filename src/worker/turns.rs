//! Whose turn it is among the queues of a pool, by their weights, and among the places of a queue: counted in jobs.

use std::sync::{Mutex, PoisonError};

/// What one job of a queue of weight 1 costs: whole for every weight that is allowed.
const STRIDE: u64 = 1 << 20;

/// So many jobs at least are owed to a queue that was passed over, as it is while its next jobs are on their way.
const OWED: usize = 16;

/// Smooth weighted turns. A queue that was given a job moves back by what a job costs it, the less the heavier it is; the
/// foremost is next. So while all have work, jobs are shared as the weights say, however many come at a time, and none
/// starves; who had no work for a while gets no more than its share afterwards.
#[derive(Debug)]
pub(crate) struct Turns {
    costs: Vec<u64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How far each has come.
    passed: Vec<u64>,
    /// How far the foremost had come that was ever served.
    now: u64,
    /// How much is owed to a queue at most.
    owed: u64,
}

impl Turns {
    pub(crate) fn new(weights: &[u32]) -> Self {
        let costs = weights.iter().map(|weight| STRIDE / u64::from((*weight).max(1))).collect();
        Self { costs, state: Mutex::new(State { passed: vec![0; weights.len()], now: 0, owed: OWED as u64 * STRIDE }) }
    }

    /// The queues by their number, the one whose turn it is first.
    pub(crate) fn order(&self) -> Vec<usize> {
        if self.costs.len() == 1 {
            return vec![0];
        }
        self.order_of(|_| true)
    }

    /// Those of them that `is_wanted` says, the one whose turn it is first.
    pub(crate) fn order_of(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.costs.len()).filter(|index| is_wanted(*index)).collect();
        if order.len() > 1 {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            order.sort_by_key(|index| state.passed[*index]);
        }
        order
    }

    /// So many jobs may be on their way to a queue while others are served: they are owed to it.
    pub(crate) fn owe(&self, jobs: usize) {
        if self.costs.len() > 1 {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).owed = OWED.max(jobs) as u64 * STRIDE;
        }
    }

    /// How many jobs a queue may be given until it has come further than the hindmost of its rivals by what `window` jobs
    /// cost a queue of weight 1.
    pub(crate) fn lead(&self, index: usize, rivals: &[usize], window: usize) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(hindmost) = rivals.iter().map(|rival| state.passed[*rival]).min() else { return usize::MAX };
        let until = hindmost + window as u64 * STRIDE;
        usize::try_from(until.saturating_sub(state.passed[index]) / self.costs[index]).unwrap_or(usize::MAX)
    }

    /// A queue was given so many jobs.
    pub(crate) fn served(&self, index: usize, jobs: usize) {
        if self.costs.len() == 1 || jobs == 0 {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What it had no work for is not owed to it.
        let from = state.passed[index].max(state.now.saturating_sub(state.owed));
        state.now = state.now.max(from);
        state.passed[index] = from + self.costs[index] * jobs as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many jobs each gets of `rounds` turns that bring so many at a time.
    fn shares(weights: &[u32], rounds: usize, at_a_time: impl Fn(usize) -> usize) -> Vec<usize> {
        let turns = Turns::new(weights);
        let mut given = vec![0; weights.len()];
        for round in 0..rounds {
            let first = turns.order()[0];
            turns.served(first, at_a_time(round));
            given[first] += at_a_time(round);
        }
        given
    }

    #[test]
    fn jobs_are_shared_as_the_weights_say() {
        assert_eq!(shares(&[3, 1], 400, |_| 1), [300, 100]);
        assert_eq!(shares(&[1, 1, 2], 400, |_| 1), [100, 100, 200]);
        let uneven = shares(&[3, 1], 4_000, |round| 1 + round % 7);
        let part = uneven[0] as f64 / (uneven[0] + uneven[1]) as f64;
        assert!((part - 0.75).abs() < 0.01, "{uneven:?}");
    }

    #[test]
    fn a_heavy_queue_is_spread_among_the_others() {
        let turns = Turns::new(&[3, 1]);
        let firsts: Vec<_> = (0..8)
            .map(|_| {
                let first = turns.order()[0];
                turns.served(first, 1);
                first
            })
            .collect();
        assert_eq!(firsts.iter().filter(|first| **first == 1).count(), 2);
        assert!(firsts.windows(4).all(|four| four.contains(&1)), "{firsts:?}");
    }

    #[test]
    fn jobs_that_come_late_are_made_up_for() {
        let turns = Turns::new(&[3, 1]);
        turns.owe(500);
        // In turns only one of them has any.
        let mut given = [0, 0];
        for wave in 0..40 {
            for _ in 0..100 {
                let index = if wave % 2 == 0 { 1 } else { turns.order()[0] };
                turns.served(index, 1);
                given[index] += 1;
            }
        }
        assert!(given[0] == 2_000, "{given:?}: all that was left to choose");
    }

    #[test]
    fn nobody_runs_ahead_of_the_hindmost() {
        let turns = Turns::new(&[3, 1]);
        assert_eq!((turns.lead(0, &[1], 10), turns.lead(1, &[0], 10)), (30, 10));
        turns.served(1, 8);
        assert_eq!((turns.lead(0, &[1], 10), turns.lead(1, &[0], 10)), (54, 2));
        assert_eq!(turns.lead(1, &[], 10), usize::MAX);
    }

    #[test]
    fn who_had_no_work_catches_up_on_nothing() {
        let turns = Turns::new(&[1, 1]);
        (0..1_000).for_each(|_| turns.served(0, 1));
        let mut given = [0, 0];
        for _ in 0..100 {
            let first = turns.order()[0];
            turns.served(first, 1);
            given[first] += 1;
        }
        assert!((50..=60).contains(&given[1]), "{given:?}");
    }
}
