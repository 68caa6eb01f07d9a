//! Asks the places where a job may be known already beside the one to which it is added: while the partitions of its queue
//! change those before them, and where ids are remembered that outlived their jobs in a change.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::error::Result;
use crate::job::{JobId, NewJob, Partition, Partitions, QueueName};
use crate::store::{Accepted, Course, Store};

/// Jobs that one question is about.
const STEP: usize = 300;

/// Where the jobs of a queue may be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// To which they are added.
    pub now: Partitions,
    /// From which they are still being moved.
    pub was: Option<Partitions>,
    /// Whether ids are remembered in the place that they themselves belong to.
    pub remembers: bool,
}

impl Whereabouts {
    /// What every queue has to begin with.
    pub(super) const ONE: Self = Self { now: Partitions::ONE, was: None, remembers: false };

    pub(super) fn of(course: &Course) -> Self {
        Self { now: course.layout.now, was: course.layout.was, remembers: course.remembers }
    }

    /// Whether anything is asked beside the place itself.
    pub(super) fn is_plain(self) -> bool {
        self.was.is_none() && !self.remembers
    }

    /// The places to ask about a job, first those that are being left, so that what moves meanwhile is met; with each whether
    /// its unique key may be held there.
    fn rounds(self, job: &NewJob) -> [Vec<(Partition, bool)>; 2] {
        let (key, id) = (job.partition_key(), job.job_id().as_str());
        let by_id = |partitions: Partitions| {
            let differs = self.remembers && partitions.place_of(id) != partitions.place_of(key);
            differs.then(|| (partitions.of(id), false))
        };
        let first = self.was.map(|was| [Some((was.of(key), true)), by_id(was)]);
        [first.into_iter().flatten().flatten().collect(), by_id(self.now).into_iter().collect()]
    }
}

/// What other places say of each job; `None` where none of them knows it.
pub(super) async fn ask(
    (store, queue): (&Store, &QueueName),
    whereabouts: Whereabouts,
    jobs: &[(usize, NewJob)],
) -> Result<Vec<Option<Accepted>>> {
    let mut known: Vec<Option<Accepted>> = jobs.iter().map(|_| None).collect();
    for round in 0..2 {
        let mut asked = BTreeMap::<(u16, u16), (Partition, Vec<(usize, bool)>)>::new();
        for (index, (_, job)) in jobs.iter().enumerate().filter(|(index, _)| known[*index].is_none()) {
            let [first, then] = whereabouts.rounds(job);
            for (place, holds) in if round == 0 { first } else { then } {
                asked.entry(place.number()).or_insert((place, Vec::new())).1.push((index, holds));
            }
        }
        let questions = asked.values().flat_map(|(place, about)| about.chunks(STEP).map(move |step| (*place, step)));
        let questions = questions.map(|(place, step)| async move {
            let about: Vec<(&JobId, Option<&str>)> = step
                .iter()
                .map(|(index, holds)| (jobs[*index].1.job_id(), jobs[*index].1.unique_key().filter(|_| *holds)))
                .collect();
            Ok((step, store.known_at(&store.partition_keys(queue, place), &about).await?))
        });
        let answers: Result<Vec<_>> = join_all(questions).await.into_iter().collect();
        for (step, said) in answers? {
            step.iter()
                .zip(said)
                .filter(|(_, said)| said.is_some())
                .for_each(|((index, _), said)| known[*index] = said);
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_being_left_are_asked_before_those_that_remember() {
        let [now, was] = [8, 3].map(|count| Partitions::new(count).unwrap());
        let told = |whereabouts: Whereabouts, job: &NewJob| {
            whereabouts.rounds(job).map(|round| {
                round
                    .iter()
                    .map(|(place, holds)| format!("{place}{}", if *holds { "!" } else { "" }))
                    .collect::<Vec<_>>()
            })
        };
        let job = NewJob::new(&1).unwrap().id(JobId::new("a").unwrap());
        let ordered = job.clone().order_key("order-42");
        let whole = Whereabouts { now, was: Some(was), remembers: true };
        // As the table of job/partition.rs says: a is the second of 3 and the first of 8, order-42 the first and the eighth.
        assert_eq!(told(whole, &job), [vec!["2/3!"], vec![]]);
        assert_eq!(told(whole, &ordered), [vec!["1/3!", "2/3"], vec!["1/8"]]);
        assert_eq!(told(Whereabouts { was: None, ..whole }, &ordered), [vec![], vec!["1/8"]]);
        assert!(Whereabouts::ONE.is_plain() && told(Whereabouts::ONE, &ordered).concat().is_empty());
    }
}
