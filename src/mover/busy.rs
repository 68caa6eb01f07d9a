//! What still runs in the former places of a queue with a concurrency, and how many jobs the new ones may start beside it.
//!
//! A job may run for hours, and no script sees both it and the new places. So once nothing waits in the old places they are
//! held: from then on what runs there only gets less. It is counted, by the new place that each job belongs to, and taken off
//! that place's share: so the limit of the queue holds over both, and where a partition runs one job at a time the next one of
//! an order key still waits for the one before it. Where more belong to a place than its share, those that have nothing to do
//! give theirs. When some have ended they are counted again.

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{LOOK, Mover};
use crate::error::Result;
use crate::job::Partitions;
use crate::store::{Course, CourseStep, Left, charge};

impl Mover<'_> {
    /// Lets the new places start what they may beside what runs in the old ones, which `left` says. Whether that changed
    /// anything.
    pub(super) async fn share_out(
        &mut self,
        course: &Course,
        (was, now): (Partitions, Partitions),
        left: Left,
    ) -> Result<bool> {
        let (store, queue) = (self.store, self.queue);
        if !course.eased {
            store.course_step(queue, CourseStep::Ease, (&course.change, now)).await?;
            store.copy_settings(queue).await?;
            return Ok(true);
        }
        if !course.held && self.counted_at.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(false);
        }
        self.counted_at = Some(Instant::now());
        if course.held {
            // Who held them may have died before all of them knew.
            store.copy_settings(queue).await?;
        }
        // The records are read when fewer run than were counted.
        if self.running.iter().sum::<u64>() != left.running {
            let mut running = vec![0; now.count().into()];
            for place in was.each() {
                for belongs in store.places_of_running(&self.keys(place), now).await? {
                    running[belongs] += 1;
                }
            }
            self.running = running;
        }
        // What went back into line meanwhile runs nowhere, and goes before what is behind it.
        if self.left(course.layout).await?.waiting > self.arrived {
            return Ok(false);
        }
        let settings = store.settings(&store.keys(queue)).await?.settings;
        let there = try_join_all(now.each().map(|place| {
            let keys = self.keys(place);
            async move { store.vacancy(&keys).await }
        }));
        let idle: Vec<bool> = there.await?.iter().map(|left| left.waiting + left.running == 0).collect();
        let mut busy = charge(&settings, &self.running, &idle);
        if busy.iter().zip(&course.busy).any(|(now, before)| now > before) {
            // Who gives its share knows that before another has it.
            busy.iter_mut().zip(&course.busy).for_each(|(now, before)| *now = (*now).max(*before));
        }
        if !course.held && busy == course.busy {
            return Ok(false);
        }
        store.lift(queue, (&course.change, now), &busy).await?;
        store.copy_settings(queue).await?;
        Ok(true)
    }
}
