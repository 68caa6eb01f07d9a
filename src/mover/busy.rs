//! What still runs in the former places of a queue with a concurrency, and how many jobs the new ones may start beside it.
//!
//! A job may run for hours, and no script sees both it and the new places. So once nothing waits in the old places they are
//! held: from then on what runs there only gets less. It is counted, by the new place that each job belongs to, and taken off
//! that place's share: so the limit of the queue holds over both, and where a partition runs one job at a time the next one of
//! an order key still waits for the one before it. Places whose jobs are in line
//! get what is left before others do. When some have ended they are counted again.

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{LOOK, Mover, TURN_MS};
use crate::error::Result;
use crate::job::Partitions;
use crate::store::{Allotment, Course, CourseStep, Left};

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
        if self.holding(self.left(course.layout).await?) > 0 {
            return Ok(false);
        }
        let whole = store.settings(&store.keys(queue)).await?.settings;
        let before = if course.held { Allotment::none(&whole) } else { Allotment::of(&whole, &course.busy) };
        let wanted = Allotment::wanted(&whole, &self.running, &self.there(now).await?);
        // Who gives a slot away knows it before another has it.
        let lower = before.and_at_most(&wanted);
        if lower != before {
            self.allot(course, now, &lower).await?;
        }
        // Another mover may have begun meanwhile: then what it says holds.
        if !store.mover_turn(queue, (&self.who, false), TURN_MS).await? {
            return Ok(false);
        }
        let raised = lower.raised(&wanted, self.running.iter().sum(), &self.there(now).await?);
        if raised != lower || course.held {
            self.allot(course, now, &raised).await?;
        }
        Ok(course.held || raised != before)
    }

    /// How many jobs the new places wait for. What is held up by a replica alone has its place in line already; where nothing can
    /// be moved, what is not in line yet runs where it is when its time comes.
    pub(super) fn holding(&self, left: Left) -> u64 {
        if self.hindered.is_some() { left.in_line + left.leaving.saturating_sub(self.arrived) } else { left.waiting }
    }

    async fn allot(&self, course: &Course, now: Partitions, allotment: &Allotment) -> Result<()> {
        self.store.lift(self.queue, (&course.change, now), &allotment.taken_off()).await?;
        self.store.copy_settings(self.queue).await
    }

    /// How many jobs of each new place are in line, and how many run.
    async fn there(&self, now: Partitions) -> Result<Vec<(u64, u64)>> {
        let looks = now.each().map(|place| {
            let keys = self.keys(place);
            async move { self.store.vacancy(&keys).await.map(|left| (left.in_line, left.running)) }
        });
        try_join_all(looks).await
    }
}
