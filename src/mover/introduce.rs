//! The beginning of a change: from the number that is written down to the one that the queue has.

use futures_util::future::join_all;

use super::{Mover, TURN_MS};
use crate::error::Result;
use crate::job::{Layout, Partitions};
use crate::store::{Apart, BATCHES_MOVED, Course, CourseStep, Gate, Last};

impl Mover<'_> {
    /// Everything up to the new number: nothing can be added while it is on. Whether that came a step further.
    pub(super) async fn introduce(&self, course: &Course, next: Partitions) -> Result<bool> {
        let (store, now, said) = (self.store, course.layout.now, (course.change.as_str(), next));
        // What closes one place may not outlive what says why, on another node.
        if !store.course_stays(self.queue, &course.change, next).await? {
            return Ok(false);
        }
        store.copy_settings(self.queue).await?;
        let opened = match self.set_gates(now, &course.change, Gate::Closed(next), Last::default()).await? {
            Ok(last) if self.move_open_batches(course, next).await? => {
                self.set_gates(next, &course.change, Gate::OpenTo(now), last).await?
            }
            Ok(_) => return Ok(false),
            Err(later) => Err(later),
        };
        let step = match opened {
            Ok(_) => CourseStep::Say,
            // That is another change, or a server has lost the number of the last one.
            Err(later) => CourseStep::Renumber(later),
        };
        let is_done = store.course_step(self.queue, step, said).await?;
        if is_done {
            store.copy_settings(self.queue).await?;
        }
        Ok(is_done)
    }

    /// Says once more which jobs the places take, where a server may have lost it; what has said something later stands.
    pub(super) async fn say_gates(&self, course: &Course) -> Result<()> {
        let Layout { now, was: Some(was) } = course.layout else { return Ok(()) };
        if let Ok(last) = self.set_gates(was, &course.change, Gate::Closed(now), Last::default()).await? {
            // Those that are settled have said something later.
            let _ = self.set_gates(now, &course.change, Gate::OpenTo(was), last).await?;
        }
        Ok(())
    }

    /// Before the first job of a batch comes to its new place, the batch is there. Those that take no more jobs follow when
    /// producers wait for nothing. `false` where another mover has the turn.
    async fn move_open_batches(&self, course: &Course, next: Partitions) -> Result<bool> {
        for place in course.layout.now.each() {
            let way = self.way(course, place, next);
            for names in self.store.batch_names(&self.keys(place)).await?.chunks(BATCHES_MOVED) {
                // What was on its way goes first, whatever it is.
                while self.store.move_apart(way, Apart::Open(names)).await? > 0 {}
                if !self.store.mover_turn(self.queue, (&self.who, self.is_asked), TURN_MS).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Says which jobs may be added to each place; the last fence and arrival of them all. Where a later change has said
    /// something else, the number of the last one.
    pub(super) async fn set_gates(
        &self,
        places: Partitions,
        change: &str,
        gate: Gate,
        last: Last,
    ) -> Result<std::result::Result<Last, i64>> {
        let gates = places.each().map(|place| {
            let keys = self.keys(place);
            async move { self.store.set_gate(&keys, change, gate, last).await }
        });
        let (mut all, mut later) = (last, None);
        for answer in join_all(gates).await {
            match answer? {
                Ok(found) => {
                    all = Last { fence: all.fence.max(found.fence), arrival: all.arrival.max(found.arrival) };
                }
                Err(change) => later = later.max(Some(change)),
            }
        }
        Ok(later.map_or(Ok(all), Err))
    }
}
