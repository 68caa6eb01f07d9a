//! What still runs in the former places of a queue with a concurrency, and how many jobs the new ones may start beside it.
//!
//! A job may run for hours, and no script sees both it and the new places. So once nothing waits in the old places they are
//! held: from then on what runs there only gets less. It is counted, by the new place that each job belongs to, and taken off
//! that place's share: so the limit of the queue holds over both, and where a partition runs one job at a time the next one of
//! an order key still waits for the one before it. When some have ended they are counted again.

use tokio::time::Instant;

use super::{LOOK, Mover};
use crate::error::Result;
use crate::job::Partitions;
use crate::store::{Course, CourseStep};

impl Mover<'_> {
    /// Lets the new places start what they may beside what runs in the old ones. Whether that changed anything.
    pub(super) async fn share_out(&mut self, course: &Course, (was, now): (Partitions, Partitions)) -> Result<bool> {
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
        let mut busy = vec![0; now.count().into()];
        for place in was.each() {
            for belongs in store.places_of_running(&self.keys(place), now).await? {
                busy[belongs] += 1;
            }
        }
        if !course.held && busy == course.busy {
            return Ok(false);
        }
        store.lift(queue, (&course.change, now), &busy).await?;
        store.copy_settings(queue).await?;
        Ok(true)
    }
}
