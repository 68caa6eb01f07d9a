//! Removes a single job, and writes down who did.

use crate::audit::{ActEnd, ActNote};
use crate::bulk::no_undo;
use crate::error::Result;
use crate::inspector::{Acted, Inspector, Located, TRIES, acted, refused, restless};
use crate::job::JobState;
use crate::selection::Selection;
use crate::store::{Care, Standpoint};

impl Inspector {
    /// Removes a job, where it is still in the state in which it was found. The [audit](crate::Audit) is told, by the name of
    /// [`Inspector::by`] and the reason of [`Inspector::because`]; as with an act on many jobs it can be undone for an hour, unless the server's memory is short.
    ///
    /// # Errors
    /// `Refused` when it is active, or in another state by now; `NotFound` when it is gone.
    pub async fn delete(&self, job: &Located) -> Result<Acted> {
        let meant = Selection { ids: vec![job.id.clone()], states: vec![job.state], ..Selection::default() };
        let layout = self.store.layout(&job.queue).await?;
        let can_undo = no_undo(&self.store).await?.is_none();
        let (by, reason) = (self.by.as_deref().unwrap_or("-"), self.reason.as_deref().unwrap_or_default());
        let note = ActNote::new("remove", &job.queue, meant.to_string(), (by, reason));
        let mut note = note.in_layout(layout).with("undo", if can_undo { "1" } else { "0" });
        let outcome = self.remove(job, &mut note, can_undo).await;
        let (ended, count) = if outcome.is_ok() { (ActEnd::Done, 1) } else { (ActEnd::Failed, 0) };
        // What came of it says more than whether that could be written down.
        let _ = note.end(&self.store, ended, count).await;
        outcome
    }

    async fn remove(&self, job: &Located, note: &mut ActNote, can_undo: bool) -> Result<Acted> {
        for attempt in 0..TRIES {
            let Standpoint { keys, place, .. } = self.find_again(job, attempt).await?;
            if place.state == JobState::Active || place.state != job.state {
                return Err(refused(job, place.state, "deleted"));
            }
            note.begin(&self.store).await?;
            let care = Care { aside: can_undo.then_some(note.id.as_str()), guarded: false };
            if self.store.remove(&keys, place.set, &[(job.id.clone(), place.score())], care).await? == 1 {
                return Ok(acted(job, place.state, None));
            }
        }
        Err(restless(job))
    }
}
