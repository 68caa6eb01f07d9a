//! How many jobs each new partition of a queue may run while jobs still run in former ones.
//!
//! A place that may run fewer than it does stops none of them. So what a place gives away is another's only when it is certain
//! that it has not been used: first each place knows what it may run less, then what runs is counted, then the others get more.
//! So never more run than the concurrency of the queue, over both layouts, and none more than the share of its partition, beside
//! those that belong to it and run where they were: where that is one, order keys keep their order.

use crate::config::QueueSettings;
use crate::store::share::shares_of;

/// How many jobs each place may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allotment {
    shares: Vec<u64>,
    slots: Vec<u64>,
}

impl Allotment {
    /// Nothing yet.
    pub(crate) fn none(whole: &QueueSettings) -> Self {
        let shares = Self::shares(whole);
        Self { slots: vec![0; shares.len()], shares }
    }

    /// What is left of each share when so many are taken off it; no number: none.
    pub(crate) fn of(whole: &QueueSettings, taken_off: &[u64]) -> Self {
        let shares = Self::shares(whole);
        let off = taken_off.iter().copied().chain(std::iter::repeat(0));
        let slots = shares.iter().zip(off).map(|(share, off)| share.saturating_sub(off)).collect();
        Self { shares, slots }
    }

    /// What each place ought to have beside the jobs that run in former places, `former` by the place that they belong to.
    /// `there`: how many of each are in line, and run. What runs keeps its slot, what is in line goes before what is not.
    pub(crate) fn wanted(whole: &QueueSettings, former: &[u64], there: &[(u64, u64)]) -> Self {
        let shares = Self::shares(whole);
        let most: Vec<u64> = shares.iter().zip(former).map(|(share, former)| share.saturating_sub(*former)).collect();
        let mut slots: Vec<u64> = most.iter().zip(there).map(|(most, (_, running))| *running.min(most)).collect();
        let runs: u64 = former.iter().sum::<u64>() + there.iter().map(|(_, running)| running).sum::<u64>();
        let mut free = shares.iter().sum::<u64>().saturating_sub(runs);
        let useful = most.iter().zip(there).map(|(most, (in_line, running))| (in_line + running).min(*most)).collect();
        for limits in [useful, most] {
            share_out(&mut slots, &limits, &mut free);
        }
        Self { shares, slots }
    }

    /// Of each place the smaller number of both.
    pub(crate) fn and_at_most(&self, other: &Self) -> Self {
        let slots = self.slots.iter().zip(&other.slots).map(|(one, other)| *one.min(other)).collect();
        Self { shares: self.shares.clone(), slots }
    }

    /// More for each place, up to `wanted`, as far as the queue may run more: `former` run where they were, and `there` (in line
    /// and running) was counted when every place knew that it may run no more than this.
    pub(crate) fn raised(&self, wanted: &Self, former: u64, there: &[(u64, u64)]) -> Self {
        let mut slots = self.slots.clone();
        let taken = slots.iter().zip(there).map(|(slots, (_, running))| slots.max(running)).sum::<u64>() + former;
        let mut free = self.shares.iter().sum::<u64>().saturating_sub(taken);
        // A slot of a job that runs already is none that another could have.
        for (slots, (wanted, (_, running))) in slots.iter_mut().zip(wanted.slots.iter().zip(there)) {
            *slots = (*slots).max(*running.min(wanted));
        }
        share_out(&mut slots, &wanted.slots, &mut free);
        Self { shares: self.shares.clone(), slots }
    }

    /// What is taken off each share.
    pub(crate) fn taken_off(&self) -> Vec<u64> {
        self.shares.iter().zip(&self.slots).map(|(share, slots)| share - slots).collect()
    }

    fn shares(whole: &QueueSettings) -> Vec<u64> {
        shares_of(whole).into_iter().map(u64::from).collect()
    }
}

/// Gives one after the other of the `free` slots to those that are below their limits, in turn.
fn share_out(slots: &mut [u64], limits: &[u64], free: &mut u64) {
    loop {
        let mut given = false;
        for (slots, limit) in slots.iter_mut().zip(limits) {
            if *free > 0 && *slots < *limit {
                *slots += 1;
                *free -= 1;
                given = true;
            }
        }
        if !given {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queue(concurrency: u32, partitions: u16) -> QueueSettings {
        QueueSettings { partitions, concurrency: Some(concurrency), ..QueueSettings::default() }
    }

    #[test]
    fn what_is_in_line_gets_a_slot_before_what_is_not() {
        let wanted = |former: &[u64], there: &[(u64, u64)]| Allotment::wanted(&queue(4, 4), former, there).slots;
        assert_eq!(wanted(&[0, 2, 0, 1], &[(0, 0), (0, 0), (1, 0), (0, 0)]), [0, 0, 1, 0]);
        assert_eq!(wanted(&[0, 2, 0, 1], &[(1, 0), (0, 0), (1, 0), (0, 0)]), [1, 0, 0, 0]);
        assert_eq!(wanted(&[0, 2, 0, 1], &[(1, 0), (0, 0), (0, 1), (0, 0)]), [0, 0, 1, 0], "what runs keeps its slot");
        assert_eq!(wanted(&[1, 0, 0, 0], &[(9, 0), (0, 0), (0, 0), (0, 0)]), [0, 1, 1, 1], "one after the other");
        assert_eq!(wanted(&[4, 0, 0, 0], &[(0, 0), (9, 0), (9, 0), (9, 0)]), [0, 0, 0, 0]);
    }

    /// What happens to one place between two steps of the mover.
    #[derive(Debug, Clone, Copy)]
    enum Happens {
        Ends(usize),
        FormerEnds(usize),
        Comes(usize),
        /// A worker takes what it may.
        Starts,
    }

    fn happens(places: usize) -> impl Strategy<Value = Happens> {
        prop_oneof![
            (0..places).prop_map(Happens::Ends),
            (0..places).prop_map(Happens::FormerEnds),
            (0..places).prop_map(Happens::Comes),
            Just(Happens::Starts),
        ]
    }

    /// A queue while jobs run in its former places.
    struct Course {
        whole: QueueSettings,
        former: Vec<u64>,
        there: Vec<(u64, u64)>,
        /// What each place knows.
        known: Allotment,
    }

    impl Course {
        fn after(&mut self, all: &[Happens]) {
            for one in all {
                match *one {
                    Happens::Ends(at) => self.there[at].1 = self.there[at].1.saturating_sub(1),
                    Happens::FormerEnds(at) => self.former[at] = self.former[at].saturating_sub(1),
                    Happens::Comes(at) => self.there[at].0 += 1,
                    Happens::Starts => {
                        for ((in_line, running), slots) in self.there.iter_mut().zip(&self.known.slots) {
                            let starts = slots.saturating_sub(*running).min(*in_line);
                            (*in_line, *running) = (*in_line - starts, *running + starts);
                        }
                    }
                }
                let run = self.former.iter().sum::<u64>() + self.there.iter().map(|(_, running)| running).sum::<u64>();
                assert!(run <= u64::from(self.whole.concurrency.unwrap()), "{run} run: {:?}", self.known);
            }
        }
    }

    proptest! {
        #[test]
        fn the_concurrency_holds_over_both_layouts_whatever_comes_and_ends(
            (places, concurrency, former) in (1_usize..5).prop_flat_map(|places| {
                let concurrency = u32::try_from(places).unwrap()..13;
                (Just(places), concurrency, prop::collection::vec(0_u64..5, places))
            }),
            rounds in prop::collection::vec(prop::collection::vec(prop::collection::vec(happens(4), 0..6), 3), 1..12),
        ) {
            let whole = queue(concurrency, u16::try_from(places).unwrap());
            prop_assume!(former.iter().sum::<u64>() <= concurrency.into());
            let known = Allotment::none(&whole);
            let mut course = Course { whole: whole.clone(), former, there: vec![(0, 0); places], known };
            let within = |all: &Vec<Happens>| -> Vec<Happens> {
                let there = |one: &&Happens| match one {
                    Happens::Ends(at) | Happens::FormerEnds(at) | Happens::Comes(at) => *at < places,
                    Happens::Starts => true,
                };
                all.iter().filter(there).copied().collect()
            };
            for round in &rounds {
                let (counted, first) = (course.former.clone(), course.there.clone());
                let wanted = Allotment::wanted(&whole, &counted, &first);
                course.after(&within(&round[0]));
                course.known = course.known.and_at_most(&wanted);
                course.after(&within(&round[1]));
                let second = course.there.clone();
                let raised = course.known.raised(&wanted, counted.iter().sum(), &second);
                course.after(&within(&round[2]));
                course.known = raised;
                course.after(&[Happens::Starts]);
                prop_assert_eq!(&Allotment::of(&whole, &course.known.taken_off()), &course.known);
            }
            // When all former ones have ended, and nothing happens for a while, whoever waits gets a slot.
            course.former = vec![0; places];
            for _ in 0..3 {
                let wanted = Allotment::wanted(&whole, &course.former, &course.there);
                let lower = course.known.and_at_most(&wanted);
                course.known = lower.raised(&wanted, 0, &course.there);
                course.after(&[Happens::Starts]);
            }
            let run = course.there.iter().map(|(_, running)| running).sum::<u64>();
            let full = course.there.iter().zip(&course.known.shares).all(|((in_line, running), share)| *in_line == 0 || running == share);
            prop_assert!(full, "{run} run, others wait: {:?} {:?}", course.there, course.known);
        }
    }
}
