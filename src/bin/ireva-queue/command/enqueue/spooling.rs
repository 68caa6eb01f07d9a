//! Enqueues, or writes the job to disk where Redis does not take it.

use std::path::PathBuf;

use anyhow::Result;
use ireva_queue::{Error, ErrorKind, Flushed, NewJob, Queue, Spool};

use crate::command::spool;
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::view::EnqueuedOnDisk;

/// Delivers what was spooled before, so that the order holds, and then the job.
pub async fn run(queue: &Queue, job: NewJob, directory: PathBuf, context: &Context) -> Result<Answer> {
    let spool = Spool::new(directory);
    if spool.directory().exists() {
        let mut flushed = match spool::flush(&spool, context).await {
            Ok(Some(flushed)) => flushed,
            Ok(None) => return Err(Stop::new(Code::Interrupted, "interrupted: the job was not enqueued").into()),
            // A directory that cannot be read is no reason to lose the job that is at hand.
            Err(error) => {
                context.ui.refusal(&format!("warning: {error}"));
                Flushed::default()
            }
        };
        if let Some(at) = flushed.errors.iter().position(|error| error.kind() != ErrorKind::Full) {
            let error = flushed.errors.swap_remove(at);
            spool::tell_set_aside(&flushed, context);
            // Asked once more, Redis would be waited for once more.
            return put(queue, job, &spool, error, context);
        }
        spool::tell(&flushed, &spool, context);
    }
    match super::send(queue, job.clone(), context).await {
        Ok((enqueued, _)) => Ok(Answer::one(enqueued)),
        Err(error) => match error.downcast::<Error>() {
            Ok(error) => put(queue, job, &spool, error, context),
            Err(error) => Err(error),
        },
    }
}

/// Writes the job down where that is a remedy for `error`.
fn put(queue: &Queue, job: NewJob, spool: &Spool, error: Error, context: &Context) -> Result<Answer> {
    if !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::NotNow | ErrorKind::OutcomeUnknown) {
        return Err(error.into());
    }
    let spooled = spool
        .put(queue.name(), job)
        .map_err(|disk| Error::new(error.kind(), format!("{error}; and the job cannot be spooled: {disk}")))?;
    context.ui.refusal(&format!("warning: {error}; job {} is spooled as {}", spooled.id, spooled.file.display()));
    Ok(Answer::one(EnqueuedOnDisk::from(spooled)))
}
