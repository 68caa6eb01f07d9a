//! What operators do to jobs by hand: remove, cancel, let run now. Each act carries where it saw the job, and does nothing
//! where that is no longer so.

use crate::error::{Error, Result};
use crate::job::JobId;
use crate::store::codec::Reply;
use crate::store::{Key, Place, QueueKeys, Store, scripts};

/// Who the events say it was.
pub(crate) const OPERATOR: &str = "operator";
/// Jobs that one call acts on: a few milliseconds of the server's time.
pub(crate) const ACT_STEP: usize = 500;

/// What an act on many jobs heeds, and what it leaves behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Care<'a> {
    /// The act under which what goes is copied aside, so that it can be undone.
    pub aside: Option<&'a str>,
    /// Whether the protection of the queue is heeded.
    pub guarded: bool,
}

impl Store {
    /// Removes jobs of one set that are there with these scores. How many are gone by this.
    ///
    /// # Errors
    /// `Refused` where the queue is protected, and that is heeded.
    pub(crate) async fn remove(
        &self,
        keys: &QueueKeys,
        set: Key,
        jobs: &[(JobId, i64)],
        care: Care<'_>,
    ) -> Result<u64> {
        let (mut rest, mut removed) = (jobs, 0);
        while !rest.is_empty() {
            let step = &rest[..rest.len().min(ACT_STEP)];
            let mut command = scripts::REMOVE.on(keys, &self.clock);
            command.arg(OPERATOR).arg(set.suffix()).arg(care.aside.unwrap_or_default()).arg(u8::from(care.guarded));
            for (id, score) in step {
                command.arg(id.as_str()).arg(*score);
            }
            let answer = scripts::REMOVE.send(&self.connection, &command).await?;
            let mut left = Reply::new("remove", answer.value)?;
            let looked_at = usize::try_from(left.number()?).map_err(|_| protected(keys))?.clamp(1, step.len());
            removed += looked_at as u64;
            while !left.is_empty() {
                let (_, there) = (left.number()?, left.number()?);
                // What is gone when the call comes for the second time was removed by the first.
                let by_the_first = answer.repeated && there == 0;
                removed -= u64::from(!by_the_first);
            }
            rest = &rest[looked_at..];
        }
        Ok(removed)
    }

    /// Cancels jobs of one set as they were seen. For each whether it is cancelled, or its worker is being told.
    ///
    /// # Errors
    /// As for [`Store::remove`].
    pub(crate) async fn cancel(
        &self,
        keys: &QueueKeys,
        set: Key,
        jobs: &[(JobId, String)],
        care: Care<'_>,
    ) -> Result<Vec<bool>> {
        let mut cancelled = Vec::with_capacity(jobs.len());
        while cancelled.len() < jobs.len() {
            let rest = &jobs[cancelled.len()..];
            let step = &rest[..rest.len().min(ACT_STEP)];
            let mut command = scripts::CANCEL.on(keys, &self.clock);
            command.arg(OPERATOR).arg(set.suffix()).arg(care.aside.unwrap_or_default()).arg(u8::from(care.guarded));
            for (id, mark) in step {
                command.arg(id.as_str()).arg(mark);
            }
            let answer = scripts::CANCEL.send(&self.connection, &command).await?;
            let mut reply = Reply::new("cancel", answer.value)?;
            if reply.is_empty() {
                return Err(Error::internal("cancel looked at no job"));
            }
            for (id, _) in step.iter().take(reply.len()) {
                cancelled.push(match reply.number()? {
                    -1 => return Err(protected(keys)),
                    1 => true,
                    // Where nothing is kept of cancelled jobs, the second of two calls finds nothing.
                    _ => answer.repeated && self.is_gone(keys, id).await?,
                });
            }
        }
        Ok(cancelled)
    }

    /// Lets scheduled or retrying jobs of one set run now. For each whether it is in line, or was and has gone on.
    pub(crate) async fn advance(&self, keys: &QueueKeys, set: Key, jobs: &[(JobId, String)]) -> Result<Vec<bool>> {
        let mut advanced = Vec::with_capacity(jobs.len());
        for step in jobs.chunks(ACT_STEP) {
            let mut command = scripts::ADVANCE.on(keys, &self.clock);
            command.arg(OPERATOR).arg(set.suffix());
            for (id, mark) in step {
                command.arg(id.as_str()).arg(mark);
            }
            let answer = scripts::ADVANCE.send(&self.connection, &command).await?;
            let mut reply = Reply::new("advance", answer.value)?;
            for _ in step {
                let word = reply.text()?;
                advanced.push(word.starts_with("pending:") || (answer.repeated && word != set.suffix()));
            }
        }
        Ok(advanced)
    }

    async fn is_gone(&self, keys: &QueueKeys, id: &JobId) -> Result<bool> {
        Ok(self.locate(keys, std::slice::from_ref(id)).await?.iter().all(Option::is_none))
    }
}

impl Place {
    /// What an act on a job that stands here carries.
    pub(crate) fn seen(&self, id: &JobId) -> (JobId, String) {
        (id.clone(), self.mark.clone())
    }
}

/// The error about a queue whose jobs no act on many may remove.
pub(crate) fn protected(keys: &QueueKeys) -> Error {
    let queue = keys.queue();
    Error::refused(format!("queue {queue} is protected from acts that remove many jobs (queues unprotect {queue})"))
}
