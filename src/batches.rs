//! Jobs that are counted together, and the job that follows when the last of them has ended.

use crate::batch::{BatchInfo, OnComplete, Opened};
use crate::error::{Error, Result};
use crate::job::{BatchName, NewJob, QueueName};
use crate::store::{BATCHES_STEP, Store};

/// The batches of all queues.
///
/// A batch belongs to one queue. It is opened, jobs are enqueued in it ([`NewJob::batch`](crate::NewJob::batch)), and it is
/// sealed. When it is sealed and every job in it has completed, died, or was cancelled or removed, it is over: its job on
/// completion is enqueued, exactly once, by the script that counted the last job. For another queue the job is noted in the
/// same script, and the workers of the batch's queue hand it over under one id until it is taken. A job counts when it ends
/// for the first time; what becomes of a dead letter later changes nothing.
#[derive(Clone)]
pub struct Batches {
    store: Store,
}

impl Batches {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Opens a batch, or joins one that is open.
    ///
    /// # Errors
    /// `Refused` when it is open with another job on completion.
    pub async fn open(&self, queue: &QueueName, name: &BatchName, on_complete: Option<&OnComplete>) -> Result<Opened> {
        let opened = self.store.open_batch(&self.store.keys(queue), name, on_complete).await?;
        self.store.register(queue).await?;
        opened.ok_or_else(|| {
            Error::refused(format!("batch {name} of queue {queue} is open with another job on completion, or none"))
        })
    }

    /// Opens the batches that jobs name where they are not there, without a job on completion. Into one that is sealed only what
    /// it holds already can be sent again.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn open_for<'a>(&self, queue: &QueueName, jobs: impl IntoIterator<Item = &'a NewJob>) -> Result<()> {
        let mut names: Vec<_> = jobs.into_iter().filter_map(|job| job.batch.as_ref()).collect();
        names.sort();
        names.dedup();
        for name in names {
            self.open(queue, name, None).await?;
        }
        Ok(())
    }

    /// Lets a batch take no more jobs; where all in it have ended, or it has none, it is over at once. Again, it changes
    /// nothing. How it stands.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn seal(&self, queue: &QueueName, name: &BatchName) -> Result<BatchInfo> {
        let keys = self.store.keys(queue);
        if !self.store.seal_batch(&keys, name).await? {
            return Err(not_found(name, Some(queue)));
        }
        self.store.batch(&keys, name).await?.ok_or_else(|| not_found(name, Some(queue)))
    }

    /// Finds a batch by its name, in `queue` or in all.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several queues have one of that name (they are named).
    pub async fn find(&self, name: &BatchName, queue: Option<&QueueName>) -> Result<BatchInfo> {
        let mut found = Vec::new();
        for queue in self.queues(queue).await? {
            found.extend(self.store.batch(&self.store.keys(&queue), name).await?);
        }
        match (found.pop(), found.is_empty()) {
            (Some(batch), true) => Ok(batch),
            (Some(last), false) => {
                let queues: Vec<_> = found.iter().chain([&last]).map(|batch| batch.queue.as_str()).collect();
                Err(Error::invalid(format!("batch {name} is in several queues: {}; say which", queues.join(", "))))
            }
            (None, _) => Err(not_found(name, queue)),
        }
    }

    /// The batches of `queue` or of all, the newest of each queue first, at most `limit`.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn list(&self, queue: Option<&QueueName>, limit: u64) -> Result<Vec<BatchInfo>> {
        let mut batches = Vec::new();
        for queue in self.queues(queue).await? {
            let (keys, mut first) = (self.store.keys(&queue), 0);
            while (batches.len() as u64) < limit {
                let missing = limit - batches.len() as u64;
                let (looked_at, page) = self.store.batches(&keys, first, missing.min(BATCHES_STEP)).await?;
                batches.extend(page);
                first += looked_at;
                if looked_at == 0 {
                    break;
                }
            }
        }
        Ok(batches)
    }

    async fn queues(&self, queue: Option<&QueueName>) -> Result<Vec<QueueName>> {
        let Some(queue) = queue else { return self.store.queues().await };
        if self.store.is_known(&self.store.keys(queue)).await? {
            return Ok(vec![queue.clone()]);
        }
        Err(self.store.unknown_queue(queue).await)
    }
}

fn not_found(name: &BatchName, queue: Option<&QueueName>) -> Error {
    let scope = queue.map(|queue| format!(" in queue {queue}")).unwrap_or_default();
    Error::not_found(format!("batch \"{name}\" not found{scope}"))
}
