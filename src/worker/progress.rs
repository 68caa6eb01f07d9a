//! Passes on how far running jobs say they are, and the lines of their logs. Only what still runs is told of, and nothing of
//! this lies on the path of a job: a value that stays behind bears the fence of a claim that is gone, and ends by itself; a
//! line that does not get through is passed on with the next, or with the end of the attempt.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::job::JobId;
use crate::store::{LogPart, Store, progress_text};
use crate::worker::lane::Lane;

/// What is told holds for so many leases, so that it outlives a worker's silence but not its end.
const LEASES: u32 = 3;
/// At least so long.
const SHORTEST: Duration = Duration::from_secs(60);

/// Lines passed on in one go; what is over follows a beat later.
const LINES_MAX_BYTES: usize = 4 << 20;

/// Passes on what running jobs have said since the last time.
pub(crate) async fn pass_on(store: &Store, lane: &Lane) -> Result<()> {
    let speaking = lane.board.speaking(|id, fence| lane.table.runs(id, fence));
    // Where its lines begin is asked once for an attempt, so that a call which comes twice writes them once.
    let new: Vec<_> = speaking.iter().filter(|(_, voice)| voice.is_lost_for_a_place()).collect();
    let looks: Vec<_> = new.iter().map(|(id, _)| LogPart { id, text: "", from: None }).collect();
    for ((_, voice), length) in new.iter().zip(store.log(&lane.keys, &looks).await?) {
        voice.begins_at(length);
    }
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for (id, voice) in &speaking {
        let Some((text, from)) = voice.waiting() else { continue };
        bytes += text.len();
        waiting.push((id, voice, text, from));
        if bytes >= LINES_MAX_BYTES {
            break;
        }
    }
    let parts: Vec<_> = waiting.iter().map(|(id, _, text, from)| LogPart { id, text, from: Some(*from) }).collect();
    let lengths = store.log(&lane.keys, &parts).await?;
    for ((_, voice, text, _), length) in waiting.iter().zip(lengths) {
        voice.noted(text.len(), length);
    }
    Ok(())
}

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
