//! Looks after the jobs that tell sinks: a sink has its notice when its job is done, and no sooner.

use std::time::Duration;

use crate::alert::AlertName;
use crate::alerts::tell::nobody_sends;
use crate::alerts::waiting::{Carried, Waiting};
use crate::alerts::watch::Watch;
use crate::error::Result;
use crate::job::JobState;
use crate::store::{AlertMove, AlertMoved, Care, Standpoint};

/// A job that has not been done by then is taken back, and its sink told directly.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to become of a job that tells.
enum Fate {
    /// It is done, or on its way.
    Told,
    Waits,
    /// The sink is told directly.
    Fails,
    /// The job is taken out of the queue first.
    TakenBack,
    /// It should be, and there is no other way.
    Stuck(String),
}

impl Watch {
    /// Crosses off the sinks whose jobs are done, and takes back the jobs that nobody does: their sinks are owed the notice
    /// again. The notice as it stands now; `None` where another has it in hand, or nothing is left to tell.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering.
    pub(super) async fn look_after(
        &self,
        (id, text): (&str, String),
        mut waiting: Waiting,
        now_ms: i64,
    ) -> Result<Option<(String, Waiting)>> {
        let mut stuck = None;
        for (sink, carried) in waiting.carried.clone() {
            match self.fate(&sink, &carried, &waiting, now_ms).await? {
                Fate::Told => _ = waiting.carried.remove(&sink),
                Fate::Waits => {}
                Fate::Fails => owe_directly(&mut waiting, &sink),
                Fate::TakenBack => {
                    waiting.carried.entry(sink).and_modify(|carried| carried.taken_back = true);
                }
                // After a day the queue alone has it.
                Fate::Stuck(_) if waiting.is_stale(now_ms) => _ = waiting.carried.remove(&sink),
                Fate::Stuck(why) => stuck = Some(format!("{sink}: {why}")),
            }
        }
        if let Some(why) = stuck.filter(|_| waiting.is_due(now_ms)) {
            waiting.put_off(now_ms, self.interval, why);
        }
        // Written down before the job goes: whoever comes next knows that it did not go by itself.
        let Some(text) = self.put(id, text, &waiting).await? else { return Ok(None) };
        for (sink, carried) in waiting.carried.clone().into_iter().filter(|(_, carried)| carried.taken_back) {
            match self.take_back(&carried).await? {
                Fate::Told => _ = waiting.carried.remove(&sink),
                Fate::Fails => owe_directly(&mut waiting, &sink),
                _ => {}
            }
        }
        let text = self.put(id, text, &waiting).await?;
        Ok(text.filter(|text| !text.is_empty()).map(|text| (text, waiting)))
    }

    /// Stores a notice in place of how it was seen; how it is stored now, `None` where it had changed.
    async fn put(&self, id: &str, before: String, waiting: &Waiting) -> Result<Option<String>> {
        let after = waiting.text()?;
        if after == before {
            return Ok(Some(after));
        }
        let moves = [AlertMove::notice(id.to_owned(), before, after.clone())];
        Ok((self.store.alert_move(None, &moves).await? == AlertMoved::Done).then_some(after))
    }

    async fn fate(&self, sink: &AlertName, carried: &Carried, waiting: &Waiting, now_ms: i64) -> Result<Fate> {
        if carried.taken_back {
            return Ok(Fate::Waits);
        }
        let found = self.store.find_one(&carried.queue, &carried.job, None).await?;
        let state = match found.map(|found| found.place.state) {
            // Done, and not kept; or removed by somebody who saw it.
            None | Some(JobState::Completed) => return Ok(Fate::Told),
            Some(JobState::Cancelled | JobState::Dead) => return Ok(Fate::Fails),
            Some(state) => state,
        };
        let sink = self.sinks.get(sink).flatten();
        let service = match sink {
            Some(sink) => sink.carrier(&waiting.notice)?.and_then(|carrier| carrier.service),
            None => None,
        };
        let is_sick = self.is_sick(&carried.queue, service.as_ref()).await;
        // A clock that was put back must not make it wait for ever.
        let is_late = (now_ms - carried.since_ms).unsigned_abs() >= PATIENCE.as_millis() as u64;
        Ok(match sink.is_some_and(|sink| sink.tells_directly()) {
            // Whoever runs it sends it.
            _ if !is_sick && (state == JobState::Active || !is_late) => Fate::Waits,
            true => Fate::TakenBack,
            false if is_sick => Fate::Stuck(nobody_sends(&carried.queue)),
            false => Fate::Stuck(format!("job {} of queue {} is not done yet", carried.job, carried.queue)),
        })
    }

    /// Cancels a job that tells: a worker that comes back does not tell then, unless it is telling already.
    async fn take_back(&self, carried: &Carried) -> Result<Fate> {
        match self.store.find_one(&carried.queue, &carried.job, None).await? {
            Some(found) if found.place.state == JobState::Completed => Ok(Fate::Told),
            Some(Standpoint { keys, place, .. }) if !place.state.is_final() => {
                let job = [(carried.job.clone(), place.mark)];
                let cancelled = self.store.cancel(&keys, place.set, &job, Care::default()).await?;
                // It has just moved: the next look sees where to.
                Ok(if cancelled == [true] { Fate::Fails } else { Fate::Waits })
            }
            _ => Ok(Fate::Fails),
        }
    }
}

/// No job tells this sink any more.
fn owe_directly(waiting: &mut Waiting, sink: &AlertName) {
    waiting.carried.remove(sink);
    waiting.owed.push(sink.clone());
    waiting.direct.push(sink.clone());
    waiting.next_ms = 0;
}
