//! Passes on how far running jobs say they are. Only what still runs is told of, and nothing of this lies on the path of a
//! job: a value that stays behind bears the fence of a claim that is gone, and ends by itself.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::job::JobId;
use crate::store::{Store, progress_text};
use crate::worker::lane::Lane;

/// What is told holds for so many leases, so that it outlives a worker's silence but not its end.
const LEASES: u32 = 3;
/// At least so long.
const SHORTEST: Duration = Duration::from_secs(60);

/// What a queue's jobs were last said to have done.
#[derive(Default)]
pub(crate) struct Teller {
    told: HashMap<JobId, (i64, Instant)>,
}

impl Teller {
    /// Tells of what is new, and keeps up what is old and still so.
    pub(crate) async fn tell(&mut self, store: &Store, lane: &Lane, lease: Duration) -> Result<()> {
        let new = lane.board.take();
        if new.is_empty() && self.told.is_empty() {
            return Ok(());
        }
        let lasts = (lease * LEASES).max(SHORTEST);
        self.told.retain(|id, (fence, _)| lane.table.runs(id, *fence));
        let mut lines = Vec::new();
        for (id, (_, at)) in &mut self.told {
            if at.elapsed() >= lasts / 3 && !new.contains_key(id) {
                *at = Instant::now();
                lines.push((id.clone(), String::new()));
            }
        }
        for (id, told) in new.into_iter().filter(|(id, told)| lane.table.runs(id, told.fence)) {
            lines.push((id.clone(), progress_text(told.fence, told.done, told.total, &told.unit)));
            self.told.insert(id, (told.fence, Instant::now()));
        }
        store.tell_progress(&lane.keys, lasts, &lines).await
    }
}
