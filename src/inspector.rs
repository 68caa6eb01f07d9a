//! Looks over all queues, jobs and workers, and acts on single jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, JobState, Partition, QueueName};
use crate::job_log::{self, JobLog};
use crate::selection::Selection;
use crate::stats::{Child, JobDetails, JobSummary, Page, QueueStats, QueueSummary, WorkerInfo};
use crate::store::{Care, Counts, Detail, Key, Range, Revived, Standpoint, Store, worker_info};
use crate::timeline::{self, TimelineStep};
use crate::walk::Walk;

/// Queues or workers that are asked about at the same time.
const CALLS_AT_ONCE: usize = 16;
/// Jobs in one list.
const LIST_MAX: u64 = 1_000;
/// Ids that one step of the search for a suffix reads.
const SCAN_STEP: u64 = 1_000;
pub(crate) const SUFFIX_MIN: usize = 4;
/// Jobs that an ambiguous suffix is answered with.
const AMBIGUOUS_MAX: usize = 5;
/// A job that moves on between the look and the act is looked at again, so often.
pub(crate) const TRIES: usize = 5;

/// Looks over everything under one prefix.
#[derive(Clone)]
pub struct Inspector {
    pub(crate) store: Store,
    /// Who acts, for the audit.
    pub(crate) by: Option<Arc<str>>,
    /// Why, for the audit.
    pub(crate) reason: Option<Arc<str>>,
}

/// A job and the queue that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// The partition in which it was seen: it is looked for there first.
    pub(crate) seen_in: Option<Partition>,
}

impl Located {
    /// A job that was seen in a queue, in this state.
    pub fn new(queue: QueueName, id: JobId, state: JobState) -> Self {
        Self { queue, id, state, seen_in: None }
    }

    fn at(queue: &QueueName, id: JobId, (state, partition): (JobState, Partition)) -> Self {
        Self { queue: queue.clone(), id, state, seen_in: Some(partition) }
    }
}

/// What an act on a job did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// The queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it stood.
    pub from: JobState,
    /// Where it stands; `None` when it is gone. `active` after a cancel: its worker is being told.
    pub to: Option<JobState>,
}

impl Inspector {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, by: None, reason: None }
    }

    /// Who acts, as the audit is to name them.
    pub fn by(self, who: impl Into<Arc<str>>) -> Self {
        Self { by: Some(who.into()), ..self }
    }

    /// Why, as the audit is to tell.
    pub fn because(self, reason: impl Into<Arc<str>>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The names of the queues that were ever used: one quick question, however many there are.
    pub async fn queue_names(&self) -> Result<Vec<QueueName>> {
        self.store.queues().await
    }

    /// Every queue that was ever used, by name.
    pub async fn queues(&self) -> Result<Vec<QueueSummary>> {
        self.every_queue(|queue, counts| counts.summary(queue)).await
    }

    /// The statistics of every queue, by name.
    pub async fn stats(&self) -> Result<Vec<QueueStats>> {
        self.every_queue(|queue, counts| counts.stats(queue)).await
    }

    async fn every_queue<T>(&self, view: impl Fn(QueueName, Counts) -> T) -> Result<Vec<T>> {
        let ask = |queue: QueueName| async move { (self.store.counts_of(&queue).await, queue) };
        let mut asked = stream::iter(self.store.queues().await?).map(ask).buffered(CALLS_AT_ONCE);
        let mut views = Vec::new();
        while let Some((counts, queue)) = asked.next().await {
            let counts = self.store.or_left_out(&queue, counts)?.flatten();
            views.extend(counts.map(|counts| view(queue, counts)));
        }
        match self.store.unreached_error() {
            Some(error) if views.is_empty() => Err(error),
            _ => Ok(views),
        }
    }

    /// Every worker that said something lately, and those whose claims wait to be recovered, by id.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        let now_ms = self.store.now_ms().await?;
        let mut held_by = BTreeMap::<String, Vec<_>>::new();
        let ask = |queue: QueueName| async move { (self.store.holders_of(&queue).await, queue) };
        let mut asked = stream::iter(self.store.queues().await?).map(ask).buffered(CALLS_AT_ONCE);
        while let Some((holders, queue)) = asked.next().await {
            for held in self.store.or_left_out(&queue, holders)?.into_iter().flatten() {
                held_by.entry(held.worker.clone()).or_default().push((queue.clone(), held));
            }
        }
        drop(asked);
        let ask = |(worker, held): (String, Vec<_>)| async move { (self.store.worker(&worker).await, held) };
        let mut asked = stream::iter(held_by).map(ask).buffered(CALLS_AT_ONCE);
        let mut workers = Vec::new();
        while let Some((said, held)) = asked.next().await {
            workers.extend(worker_info(said?, &held, now_ms));
        }
        Ok(workers)
    }

    /// Jobs of a queue in these states (none named: in all), from `offset` on, at most `limit` (1,000) of them: pending
    /// ones in the order in which they run, scheduled and retrying ones by their time, active ones the longest held first
    /// (of at most 20,000), ended ones the latest first.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn jobs(
        &self,
        queue: &QueueName,
        states: &[JobState],
        offset: u64,
        limit: u64,
    ) -> Result<Page<JobSummary>> {
        let (all, limit) = (Selection::default(), limit.min(LIST_MAX));
        let states = if states.is_empty() { &JobState::ALL } else { states };
        // One more than asked for tells whether there are more.
        let wanted = limit + 1;
        // Only a waiting job's set tells its priority.
        let walk = Walk::begin(&self.store, queue, (&all, states), Detail::Arrival).await?;
        let mut walk = walk.newest_first().at_most(wanted).skip(offset);
        let mut items = Vec::new();
        while (items.len() as u64) < wanted {
            let Some(jobs) = walk.look().await? else { break };
            items.extend(jobs.iter().map(|found| found.summary(queue)));
        }
        let more = items.len() as u64 >= wanted;
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Page { items, more })
    }

    /// The selected jobs of a queue, state by state along a job's life, in each the lowest times first: those from `offset`
    /// on, at most `limit` of them. Looks at every job before the last one.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn select(
        &self,
        queue: &QueueName,
        selection: &Selection,
        offset: u64,
        limit: u64,
    ) -> Result<Page<JobSummary>> {
        let states = if selection.states.is_empty() { JobState::ALL.to_vec() } else { selection.states.clone() };
        let walk = Walk::begin(&self.store, queue, (selection, &states), Detail::Whole).await?;
        let (mut walk, mut items) = (walk.skip(offset), Vec::new());
        while let Some(jobs) = walk.look().await? {
            for job in jobs {
                if items.len() as u64 == limit {
                    return Ok(Page { items, more: true });
                }
                items.push(job.summary(queue));
            }
        }
        Ok(Page { items, more: false })
    }

    /// Finds a job by its id, or by a suffix of it that only one job has, in `queue` or in all.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the suffix fits several (they are named) or is shorter than four characters.
    pub async fn find(&self, id_or_suffix: &str, queue: Option<&QueueName>) -> Result<Located> {
        let queues = match queue {
            Some(queue) => vec![self.known(queue).await?],
            None => self.store.queues().await?,
        };
        let mut found = match JobId::new(id_or_suffix) {
            Ok(id) => self.located(&id, &queues).await?,
            Err(_) => Vec::new(),
        };
        let scope = queue.map(|queue| format!(" in queue {queue}")).unwrap_or_default();
        if found.is_empty() && id_or_suffix.len() < SUFFIX_MIN {
            return Err(Error::invalid(format!(
                "job {id_or_suffix:?} not found{scope}, and a suffix must have {SUFFIX_MIN} characters or more"
            )));
        }
        if found.is_empty() {
            for queue in &queues {
                let searched = self.find_suffix(queue, id_or_suffix, &mut found).await;
                self.store.or_left_out(queue, searched)?;
            }
        }
        the_one(found, id_or_suffix, &scope)
    }

    /// Finds a job by its whole id, in `queue` or in all: a few quick questions, however many jobs there are.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several queues have a job of that id (they are named).
    pub async fn locate(&self, id: &JobId, queue: Option<&QueueName>) -> Result<Located> {
        let (queues, scope) = match queue {
            Some(queue) => (vec![self.known(queue).await?], format!(" in queue {queue}")),
            None => (self.store.queues().await?, String::new()),
        };
        the_one(self.located(id, &queues).await?, id.as_str(), &scope)
    }

    /// The jobs of that id in these queues.
    async fn located(&self, id: &JobId, queues: &[QueueName]) -> Result<Vec<Located>> {
        let ask = |queue: QueueName| async move { (self.store.find_one(&queue, id, None).await, queue) };
        let mut asked = stream::iter(queues.to_vec()).map(ask).buffered(CALLS_AT_ONCE);
        let mut found = Vec::new();
        while let Some((stands, queue)) = asked.next().await {
            let located = |at: Standpoint| Located::at(&queue, id.clone(), (at.place.state, at.partition));
            found.extend(self.store.or_left_out(&queue, stands)?.flatten().map(located));
        }
        Ok(found)
    }

    /// Adds the jobs of a queue whose id ends so, until there are too many to name.
    async fn find_suffix(&self, queue: &QueueName, suffix: &str, found: &mut Vec<Located>) -> Result<()> {
        let spread = self.store.spread(queue).await?;
        let places: Vec<_> = spread.partitions().zip(spread.places()).collect();
        let add = |id: JobId, stands: (JobState, Partition), found: &mut Vec<Located>| {
            let known = found.iter().any(|job| job.id == id && job.queue == *queue);
            if id.as_str().ends_with(suffix) && !known {
                found.push(Located::at(queue, id, stands));
            }
        };
        // Along a job's life, so that one that goes on meanwhile is met later, as is one that moves to another partition; from
        // the end of each line, so that what is taken from its head moves nothing.
        for (state, (partition, keys)) in
            JobState::ALL.iter().flat_map(|state| places.iter().map(move |at| (*state, *at)))
        {
            if state == JobState::Active {
                let active = self.store.active(keys).await?;
                active.into_iter().for_each(|id| add(id, (state, partition), found));
                continue;
            }
            for set in Key::of_state(state) {
                let mut first = 0;
                while found.len() <= AMBIGUOUS_MAX {
                    let page = self.store.marks(keys, *set, (first, SCAN_STEP), true).await?;
                    first += SCAN_STEP;
                    let last = (page.len() as u64) < SCAN_STEP;
                    page.into_iter().for_each(|(id, _)| add(id, (state, partition), found));
                    if last {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything about a job.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub async fn job(&self, job: &Located) -> Result<JobDetails> {
        let (mut partition, mut looked) = (job.seen_in.unwrap_or(Partition::WHOLE), false);
        loop {
            let keys = self.store.partition_keys(&job.queue, partition);
            if let Some(shown) = self.store.show(&keys, &job.id).await? {
                return Ok(shown.details(&job.queue, partition));
            }
            // It is elsewhere, or has moved on between the two looks.
            let stands = self.store.find_one(&job.queue, &job.id, None).await?.ok_or_else(|| gone(job))?;
            if looked && stands.partition == partition {
                return Err(restless(job));
            }
            (partition, looked) = (stands.partition, true);
        }
    }

    /// The life of a job, step by step: what is stored of it, and what its queue still has in its event stream.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub async fn timeline(&self, job: &Located) -> Result<Vec<TimelineStep>> {
        let details = self.job(job).await?;
        timeline::of(&self.store, job, &details).await
    }

    /// What the attempts of a job have said from byte `from` of its log on: whole lines, at most 256 KiB of them. The log is
    /// kept for a day, also where the job is gone.
    pub async fn log(&self, job: &Located, from: u64) -> Result<JobLog> {
        job_log::read(&self.store, job, from).await
    }

    /// Everything about a job, and where the jobs stand that it hands over; `children` says from a queue, an id and a
    /// payload which these are, as [`builtin::children`](crate::builtin::children) does.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub async fn job_with_children(
        &self,
        job: &Located,
        children: impl Fn(&QueueName, &JobId, &str) -> Vec<Child>,
    ) -> Result<JobDetails> {
        let mut details = self.job(job).await?;
        let payload = details.payload.as_deref().map_or("", RawValue::get);
        let mut children = children(&job.queue, &job.id, payload);
        for child in &mut children {
            let stands = self.store.find_one(&child.queue, &child.id, None).await;
            let stands = self.store.or_left_out(&child.queue, stands)?.flatten();
            child.state = stands.map(|stands| stands.place.state);
        }
        details.children = children;
        Ok(details)
    }

    /// Cancels: a waiting job at once; for an active one its worker is told within a second.
    ///
    /// # Errors
    /// `Refused` when it has ended; `NotFound` when it is gone.
    pub async fn cancel(&self, job: &Located) -> Result<Acted> {
        for attempt in 0..TRIES {
            let Standpoint { keys, place, .. } = self.find_again(job, attempt).await?;
            if place.state.is_final() {
                return Err(refused(job, place.state, "cancelled"));
            }
            if one(self.store.cancel(&keys, place.set, &[place.seen(&job.id)], Care::default()).await?) {
                let to = if place.state == JobState::Active { JobState::Active } else { JobState::Cancelled };
                return Ok(acted(job, place.state, Some(to)));
            }
        }
        Err(restless(job))
    }

    /// Revives a dead letter, or lets a retrying job run now.
    ///
    /// # Errors
    /// `Refused` in any other state, and for a letter whose unique key another job holds; `NotFound` when it is gone.
    pub async fn retry(&self, job: &Located) -> Result<Acted> {
        for attempt in 0..TRIES {
            let Standpoint { keys, place, .. } = self.find_again(job, attempt).await?;
            match place.state {
                JobState::Retrying => return self.promote(job).await,
                JobState::Dead => {}
                state => return Err(refused(job, state, "retried")),
            }
            let ids = std::slice::from_ref(&job.id);
            let letters = self.store.page(&keys, Key::Dead, Range::These(ids), Detail::Whole).await?;
            let revived = self.store.revive(&keys, None, &letters).await;
            match revived.map_err(|error| in_the_move(&job.queue, &job.id, error))?.pop() {
                Some(Revived::Done) => return Ok(acted(job, JobState::Dead, Some(JobState::Pending))),
                Some(Revived::Held(holder)) => {
                    return Err(Error::refused(format!("job {holder} holds the unique key of job {}", job.id)));
                }
                Some(Revived::NoRecord) => return Err(Error::corrupt(format!("job {} has no record", job.id))),
                Some(Revived::Elsewhere(Some(state))) => return Err(refused(job, state, "retried")),
                // It is gone, or in another place by now.
                Some(Revived::Elsewhere(None)) | None => {}
            }
        }
        Err(restless(job))
    }

    /// Lets a scheduled or retrying job run now.
    ///
    /// # Errors
    /// `Refused` in any other state; `NotFound` when it is gone.
    pub async fn promote(&self, job: &Located) -> Result<Acted> {
        for attempt in 0..TRIES {
            let Standpoint { keys, place, .. } = self.find_again(job, attempt).await?;
            if !matches!(place.state, JobState::Scheduled | JobState::Retrying) {
                return Err(refused(job, place.state, "promoted"));
            }
            if one(self.store.advance(&keys, place.set, &[place.seen(&job.id)]).await?) {
                return Ok(acted(job, place.state, Some(JobState::Pending)));
            }
        }
        Err(restless(job))
    }

    /// A queue that was used before.
    async fn known(&self, queue: &QueueName) -> Result<QueueName> {
        self.store.known_spread(queue).await.map(|_| queue.clone())
    }

    /// Where a job stands now; behind the first attempt it is waited for where it is on its way to another partition.
    pub(crate) async fn find_again(&self, job: &Located, attempt: usize) -> Result<Standpoint> {
        if attempt > 0 {
            let spread = self.store.spread(&job.queue).await?;
            if spread.is_moving() {
                self.store.wait_for_arrivals(&spread).await?;
            }
        }
        self.store.find_one(&job.queue, &job.id, job.seen_in).await?.ok_or_else(|| gone(job))
    }
}

/// The answer about one job.
fn one(each: Vec<bool>) -> bool {
    each == [true]
}

/// The only one of those that were found.
fn the_one(mut found: Vec<Located>, wanted: &str, scope: &str) -> Result<Located> {
    match found.len() {
        0 => Err(Error::not_found(format!("job {wanted:?} not found{scope}"))),
        1 => Ok(found.remove(0)),
        _ => {
            let names = found.iter().map(|job| format!("{} in {}", job.id, job.queue)).collect::<Vec<_>>();
            let several = if found.len() > AMBIGUOUS_MAX { "more than" } else { "all of" };
            let names = names[..names.len().min(AMBIGUOUS_MAX)].join(", ");
            Err(Error::invalid(format!("{wanted:?} fits several jobs, {several}: {names}")))
        }
    }
}

pub(crate) fn acted(job: &Located, from: JobState, to: Option<JobState>) -> Acted {
    Acted { queue: job.queue.clone(), id: job.id.clone(), from, to }
}

fn gone(job: &Located) -> Error {
    Error::not_found(format!("job {} is no longer in queue {}", job.id, job.queue))
}

/// What brings a job back is refused where it is being left, and what has a unique key everywhere, until all is moved.
pub(crate) fn in_the_move(queue: &QueueName, id: &JobId, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Moved => {
            let why = format!("jobs of queue {queue} are being moved to other partitions: repeat it in a moment");
            Error::new(ErrorKind::Moved, format!("job {id} cannot be retried now: {why}"))
        }
        _ => error,
    }
}

pub(crate) fn refused(job: &Located, state: JobState, what: &str) -> Error {
    Error::refused(format!("job {} is {state} and cannot be {what}", job.id))
}

pub(crate) fn restless(job: &Located) -> Error {
    Error::new(ErrorKind::NotNow, format!("job {} changes its state faster than it can be acted on", job.id))
}
