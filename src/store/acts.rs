//! What operators do to jobs by hand: remove, clear, cancel, let run now. Each act carries where it saw the job, and does
//! nothing where that is no longer so.

use crate::error::Result;
use crate::job::JobId;
use crate::store::codec::Reply;
use crate::store::scripts::Script;
use crate::store::{Key, Place, QueueKeys, Store, scripts};

/// Who the events say it was.
pub(crate) const OPERATOR: &str = "operator";
/// Jobs that one call removes: a few milliseconds of the server's time.
const STEP: u64 = 500;

impl Store {
    /// Removes jobs of one set that are there with these scores, at most 500. How many are gone by this.
    pub(crate) async fn remove(&self, keys: &QueueKeys, set: Key, jobs: &[(JobId, i64)]) -> Result<u64> {
        let mut command = scripts::REMOVE.on(keys, &self.clock);
        command.arg(OPERATOR).arg(set.suffix());
        for (id, score) in jobs {
            command.arg(id.as_str()).arg(*score);
        }
        let answer = scripts::REMOVE.send(&self.connection, &command).await?;
        let mut left = Reply::new("remove", answer.value)?;
        let mut removed = jobs.len() as u64;
        while !left.is_empty() {
            let (_, there) = (left.number()?, left.number()?);
            // What is gone when the call comes for the second time was removed by the first.
            let by_the_first = answer.repeated && there == 0;
            removed -= u64::from(!by_the_first);
        }
        Ok(removed)
    }

    /// Removes what a set holds now, at most `limit`, in steps; `progress` gets the number removed so far. What is added
    /// behind the last one meanwhile stays.
    pub(crate) async fn clear(
        &self,
        keys: &QueueKeys,
        set: Key,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64> {
        let mut ahead = self.size(keys, set).await?.min(limit);
        let Some((_, last)) = self.marks(keys, set, (0, 1), true).await?.pop() else { return Ok(0) };
        let mut removed = 0;
        while ahead > 0 {
            let mut step = self.marks(keys, set, (0, STEP.min(ahead)), false).await?;
            step.retain(|(_, score)| *score <= last);
            if step.is_empty() {
                break;
            }
            ahead = ahead.saturating_sub(step.len() as u64);
            removed += self.remove(keys, set, &step).await?;
            progress(removed);
        }
        Ok(removed)
    }

    /// Cancels a job. Whether it is cancelled, or its worker is being told.
    pub(crate) async fn cancel(&self, keys: &QueueKeys, id: &JobId, place: &Place) -> Result<bool> {
        let (mut reply, repeated) = self.act(&scripts::CANCEL, keys, id, place).await?;
        // Where nothing is kept of cancelled jobs, the second of two calls finds nothing.
        Ok(reply.number()? == 1 || (repeated && self.is_gone(keys, id).await?))
    }

    /// Lets a scheduled or retrying job run now. Whether it is in line, or was and has gone on.
    pub(crate) async fn advance(&self, keys: &QueueKeys, id: &JobId, place: &Place) -> Result<bool> {
        let (mut reply, repeated) = self.act(&scripts::ADVANCE, keys, id, place).await?;
        let word = reply.text()?;
        Ok(word.starts_with("pending:") || (repeated && word != place.set.suffix()))
    }

    async fn act(&self, script: &Script, keys: &QueueKeys, id: &JobId, place: &Place) -> Result<(Reply, bool)> {
        let mut command = script.on(keys, &self.clock);
        command.arg(OPERATOR).arg(place.set.suffix()).arg(id.as_str()).arg(&place.mark);
        let answer = script.send(&self.connection, &command).await?;
        Ok((Reply::new(script.name, answer.value)?, answer.repeated))
    }

    async fn is_gone(&self, keys: &QueueKeys, id: &JobId) -> Result<bool> {
        Ok(self.locate(keys, std::slice::from_ref(id)).await?.iter().all(Option::is_none))
    }
}
