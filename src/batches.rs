//! Jobs that are counted together, and the job that follows when the last of them has ended.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::batch::{BatchInfo, OnComplete, Opened};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{BatchName, Layout, NewJob, QueueName};
use crate::store::{BATCHES_STEP, Gate, QueueKeys, Store};

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
        let open = |keys| async move { self.open_at(&keys, name, on_complete).await };
        let opened = Box::pin(self.store.at_place_of(queue, name.as_str(), open)).await?;
        self.store.register(queue).await?;
        opened.ok_or_else(|| {
            Error::refused(format!("batch {name} of queue {queue} is open with another job on completion, or none"))
        })
    }

    /// Opens a batch in a place of its queue, unless it stands sealed where its queue is leaving.
    async fn open_at(
        &self,
        keys: &QueueKeys,
        name: &BatchName,
        on_complete: Option<&OnComplete>,
    ) -> Result<Option<Opened>> {
        let moved = match self.store.open_batch(keys, name, on_complete, "").await {
            Err(error) if error.kind() == ErrorKind::Moved => error,
            answer => return answer,
        };
        let layout = self.store.layout(keys.queue()).await?;
        let Some(was) = layout.was.filter(|_| self.place_now(layout, keys, name)) else { return Err(moved) };
        if self.store.is_sealed_at(&self.store.partition_keys(keys.queue(), was.of(name.as_str())), name).await? {
            return Ok(Some(Opened::Sealed));
        }
        self.store.open_batch(keys, name, on_complete, &Gate::OpenTo(was).word()).await
    }

    /// Whether a place is the one to which a batch of that name is added.
    fn place_now(&self, layout: Layout, keys: &QueueKeys, name: &BatchName) -> bool {
        self.store.partition_keys(keys.queue(), layout.now.of(name.as_str())).is_same_place(keys)
    }

    /// Opens the batches that jobs name where they are not there, without a job on completion. Into one that is sealed only what
    /// it holds already can be sent again. None is opened for jobs that the queue refuses in any batch, which have a unique key
    /// where there are several partitions.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn open_for<'a>(&self, queue: &QueueName, jobs: impl IntoIterator<Item = &'a NewJob>) -> Result<()> {
        let (jobs, mut is_spread) = (jobs.into_iter().filter(|job| job.batch.is_some()).collect::<Vec<_>>(), false);
        if jobs.iter().any(|job| job.has_key_in_batch()) {
            let layout = self.store.layout(queue).await?;
            is_spread = layout.was.is_some() || !layout.now.is_one();
        }
        let taken = jobs.into_iter().filter(|job| !(is_spread && job.has_key_in_batch()));
        let mut names: Vec<_> = taken.filter_map(|job| job.batch.as_ref()).collect();
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
        let seal = |keys| async move { self.seal_at(&keys, name).await };
        if !self.store.at_place_of(queue, name.as_str(), seal).await? {
            return Err(not_found(name, Some(queue)));
        }
        self.of(queue, name).await?.ok_or_else(|| not_found(name, Some(queue)))
    }

    /// Seals a batch in a place of its queue. Whether it is sealed, there or where its queue is leaving.
    async fn seal_at(&self, keys: &QueueKeys, name: &BatchName) -> Result<bool> {
        if self.store.seal_batch(keys, name).await? {
            return Ok(true);
        }
        let Some(was) = self.store.layout(keys.queue()).await?.was else { return Ok(false) };
        let former = self.store.partition_keys(keys.queue(), was.of(name.as_str()));
        // It may have come here meanwhile.
        Ok(self.store.is_sealed_at(&former, name).await? || self.store.seal_batch(keys, name).await?)
    }

    /// A batch of a queue, whichever of its places has it.
    async fn of(&self, queue: &QueueName, name: &BatchName) -> Result<Option<BatchInfo>> {
        let look = |keys| async move { self.store.batch(&keys, name).await };
        Ok(self.store.ask_places_of(queue, name.as_str(), look).await?.into_iter().flatten().next_back())
    }

    /// Finds a batch by its name, in `queue` or in all.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several queues have one of that name (they are named).
    pub async fn find(&self, name: &BatchName, queue: Option<&QueueName>) -> Result<BatchInfo> {
        let mut found = Vec::new();
        for queue in self.queues(queue).await? {
            found.extend(self.of(&queue, name).await?);
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
            let missing = limit - batches.len() as u64;
            if missing == 0 {
                break;
            }
            let look = |keys| async move { self.newest(&keys, missing).await };
            let of_places = self.store.ask_places(&queue, look).await;
            let Some(of_places) = self.store.or_left_out(&queue, of_places)? else { continue };
            batches.extend(newest_first(of_places).into_iter().take(usize::try_from(missing).unwrap_or(usize::MAX)));
        }
        Ok(batches)
    }

    /// The newest batches of a place of a queue.
    async fn newest(&self, keys: &QueueKeys, count: u64) -> Result<Vec<BatchInfo>> {
        let (mut batches, mut first) = (Vec::new(), 0);
        while (batches.len() as u64) < count {
            let missing = count - batches.len() as u64;
            let (looked_at, page) = self.store.batches(keys, first, missing.min(BATCHES_STEP)).await?;
            batches.extend(page);
            first += looked_at;
            if looked_at == 0 {
                break;
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

/// The batches of the places of a queue in one list; one that is being moved is where it goes.
fn newest_first(of_places: Vec<Vec<BatchInfo>>) -> Vec<BatchInfo> {
    if let [_] = &of_places[..] {
        return of_places.into_iter().flatten().collect();
    }
    let by_name: BTreeMap<_, _> = of_places.into_iter().flatten().map(|batch| (batch.batch.clone(), batch)).collect();
    let mut batches: Vec<_> = by_name.into_values().collect();
    batches.sort_by_key(|batch| Reverse(batch.created_at));
    batches
}

fn not_found(name: &BatchName, queue: Option<&QueueName>) -> Error {
    let scope = queue.map(|queue| format!(" in queue {queue}")).unwrap_or_default();
    Error::not_found(format!("batch \"{name}\" not found{scope}"))
}
