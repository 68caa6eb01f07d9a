//! One queue: enqueue, settings, pause, statistics, clearing.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::audit::{ActEnd, ActNote};
use crate::bulk::{ActOptions, Bulk, BulkAct};
use crate::clock::span_text;
use crate::config::{Durable, QueueSettings, Setting};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, JobState, NewJob, Partition, QueueName};
use crate::key_limits::KeyLimits;
use crate::mover::{self, Moved, Pace};
use crate::producer::Router;
use crate::selection::Selection;
use crate::stats::{BulkReport, Enqueued, JobEnd, QueueStats, SettingsInForce};
use crate::store::{Key, QueueKeys, Store};

/// The states that `clear` means unless others are named.
const WAITING: [JobState; 3] = [JobState::Pending, JobState::Scheduled, JobState::Retrying];
/// How often a waiting caller asks: quickly at first, for jobs that take no time.
const POLL_FIRST: Duration = Duration::from_millis(20);
const POLL_LAST: Duration = Duration::from_millis(250);

/// A queue. Cloning shares the connection.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    keys: QueueKeys,
    producer: Router,
}

impl Queue {
    pub(crate) fn new(store: Store, name: &QueueName, usual: Durable) -> Self {
        let keys = store.keys(name);
        let producer = Router::new(store.clone(), name, usual);
        Self { store, keys, producer }
    }

    /// Whether anybody else has this handle, or waits for what it was asked.
    pub(crate) fn is_in_use(&self) -> bool {
        self.producer.is_in_use()
    }

    /// Its name.
    pub fn name(&self) -> &QueueName {
        self.keys.queue()
    }

    /// Hands over one job. Calls that run at the same time share round trips.
    ///
    /// In a [durable](crate::config::Durable) queue it returns when a replica holds the job, also where the job was there
    /// already; that takes at most 4.5 s, or twice [`Config::durable_wait`](crate::config::Config::durable_wait).
    ///
    /// # Errors
    /// `Invalid`: the job breaks a rule; `Full`; `NotNow`: the server refuses writes; `OutcomeUnknown`: no
    /// answer came, or the job is stored and no replica has confirmed it: repeat under the same id; `Unreachable`,
    /// `AccessDenied`.
    pub async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        self.producer.enqueue(job).await
    }

    /// Hands over many jobs, in bounded calls and in their order; one answer for each. In a durable queue one wait for a
    /// replica, at the end, is for all of them.
    ///
    /// # Errors
    /// As for one job, where nothing was accepted. What comes behind a call that failed, or that found the queue full, is
    /// not sent, and each of those jobs is answered with that error; `OutcomeUnknown` are the jobs of the lost call alone, and
    /// in a durable queue those that are stored and that no replica has confirmed.
    pub async fn enqueue_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        self.producer.enqueue_many(jobs).await
    }

    /// Whether the queue can have such a job: several partitions refuse one that asks for an empty queue, and one with a batch
    /// and a unique key.
    ///
    /// # Errors
    /// `Refused`, as [`Queue::enqueue`] says; `Unreachable` and its like.
    pub async fn must_take(&self, job: &NewJob) -> Result<()> {
        self.producer.must_take(job).await
    }

    /// Waits until a job has ended, at most `timeout`. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `Timeout`; `NotFound` when no such job is there and it left no result.
    pub async fn wait(&self, id: &JobId, timeout: Option<Duration>) -> Result<JobEnd> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (mut pause, mut near) = (POLL_FIRST, Partition::WHOLE);
        loop {
            let standing = self.store.ended_in(self.name(), id, &mut near).await?;
            let state = match &standing.found {
                Some(found) => found.place.state,
                // Retention has taken the job, not yet what it left for those who wait.
                None if standing.result.is_some() => JobState::Completed,
                None => return Err(Error::not_found(format!("job {id} is not in queue {}", self.name()))),
            };
            if state.is_final() {
                let result = standing.result.and_then(|text| RawValue::from_string(text).ok());
                let failed = standing.found.filter(|_| state != JobState::Completed);
                let error = failed.and_then(|found| found.last_error());
                return Ok(JobEnd { id: id.clone(), state, result, error });
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let waited = span_text(timeout.unwrap_or_default());
                return Err(Error::new(ErrorKind::Timeout, format!("job {id} is still {state} after {waited}")));
            }
            let next = Instant::now() + pause;
            tokio::time::sleep_until(deadline.map_or(next, |deadline| next.min(deadline))).await;
            pause = (pause * 3 / 2).min(POLL_LAST);
        }
    }

    /// Counts, rates and settings at one instant.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn stats(&self) -> Result<QueueStats> {
        match self.store.counts_of(self.name()).await? {
            Some(counts) => Ok(counts.stats(self.name().clone())),
            None => Err(self.store.unknown_queue(self.name()).await),
        }
    }

    /// Makes sure that it was used before, so that a mistyped name is not acted on.
    ///
    /// # Errors
    /// `NotFound`, with the names that may have been meant.
    pub async fn must_exist(&self) -> Result<()> {
        if self.store.is_known(&self.keys).await? { Ok(()) } else { Err(self.store.unknown_queue(self.name()).await) }
    }

    /// What is set.
    ///
    /// # Errors
    /// `Corrupt` when a hand has written something unreadable into one of the settings: it is named.
    pub async fn settings(&self) -> Result<QueueSettings> {
        Ok(self.in_force().await?.settings)
    }

    /// What is set, how far a change of the [partitions](Setting::Partitions) has come, and what each partition has of the
    /// limits.
    ///
    /// # Errors
    /// As for [`Queue::settings`].
    pub async fn in_force(&self) -> Result<SettingsInForce> {
        let stored = self.store.settings(&self.keys).await?;
        if stored.problems.is_empty() {
            return Ok(SettingsInForce::new(stored.settings, (stored.partitions_was, stored.partitions_next)));
        }
        let key = self.keys.name(Key::Config);
        Err(Error::corrupt(format!("settings of queue {} ({key}): {}", self.name(), stored.problems.join("; "))))
    }

    /// Sets some of it; the rest stays. Live for every worker. What is set then.
    ///
    /// A change of the [partitions](Setting::Partitions) begins with the new number, and goes on with [`Queue::move_over`].
    /// Limits that only the new number can keep, such as a concurrency of 1 with one partition, are set once all is moved,
    /// which this call waits for then.
    ///
    /// # Errors
    /// `Invalid` for a value that would stop the queue for good, such as a concurrency of 0. `Refused` for what several
    /// partitions cannot have: limits per key, and a concurrency or a length below their number; and for another number of
    /// partitions while jobs are still being moved.
    pub async fn set(&self, changes: &[Setting]) -> Result<QueueSettings> {
        let plan = mover::prepare(&self.store, &self.keys, changes).await?;
        self.producer.register().await?;
        plan.carry_out(&self.store, &self.keys, (Pace::Begin, &mut |_| ())).await?;
        Ok(self.store.settings(&self.keys).await?.settings)
    }

    /// The same, and moves the jobs where the number of partitions is among it, as [`Queue::move_over`] does; how far they are
    /// then. Safe to break off and to repeat: [`Queue::in_force`] tells whether the change is on, and then the workers of the
    /// queue go on with it.
    ///
    /// # Errors
    /// As for [`Queue::set`] and [`Queue::move_over`]. The change may be on all the same.
    pub async fn set_and_move(
        &self,
        changes: &[Setting],
        progress: &mut (dyn FnMut(Moved) + Send),
    ) -> Result<Option<Moved>> {
        let plan = mover::prepare(&self.store, &self.keys, changes).await?;
        self.producer.register().await?;
        plan.carry_out(&self.store, &self.keys, (Pace::ToTheEnd, progress)).await
    }

    /// Goes on moving the jobs of a queue whose number of [partitions](Setting::Partitions) was changed to where they belong
    /// now, until all are there, or those that are not run; `progress` is told after each step. Producers and workers go on
    /// meanwhile. Without this call the workers of the queue do it, within a minute. Safe to break off and to repeat.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn move_over(&self, progress: &mut (dyn FnMut(Moved) + Send)) -> Result<Moved> {
        mover::carry_on(&self.store, self.name(), None, progress).await
    }

    /// Sets what nobody has set yet.
    ///
    /// # Errors
    /// As for [`Queue::set`].
    pub async fn set_defaults(&self, defaults: &[Setting]) -> Result<()> {
        mover::set_defaults(&self.store, &self.keys, defaults).await
    }

    /// Whether a call of this handle made the queue: nobody had used the name before, so it may be mistyped.
    pub fn was_made(&self) -> bool {
        self.producer.made()
    }

    /// Names that are like this queue's, of queues that were used and of those that the platform knows.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn similar(&self) -> Result<Vec<QueueName>> {
        self.store.similar_queues(self.name()).await
    }

    /// Whether the job is there, in whatever state.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn contains(&self, id: &JobId) -> Result<bool> {
        Ok(self.store.find_one(self.name(), id, None).await?.is_some())
    }

    /// Deletes the queue: its settings, counters and events, and the ids that it remembers. A later job makes it anew. The
    /// audit keeps who did it and why, as `options` say.
    ///
    /// # Errors
    /// `NotFound`; `Refused` while it holds a job in whatever state, has a schedule, a worker takes its jobs, or it is protected.
    pub async fn delete(&self, options: &ActOptions) -> Result<()> {
        let stats = self.stats().await?;
        let refused = |why: String| Err(Error::refused(format!("queue {} is not deleted: {why}", self.name())));
        let kept = [
            ("pending", stats.pending),
            ("scheduled", stats.scheduled),
            ("active", stats.active),
            ("retrying", stats.retrying),
            ("completed", stats.completed),
            ("cancelled", stats.cancelled),
            ("dead", stats.dead),
        ];
        let kept: Vec<_> = kept.iter().filter(|(_, count)| *count > 0).collect();
        if !kept.is_empty() {
            let counts: Vec<_> = kept.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let states: Vec<_> = kept.iter().map(|(state, _)| *state).filter(|state| *state != "active").collect();
            let hint = match states.is_empty() {
                true => String::new(),
                false => format!(" (clear {} --state {})", self.name(), states.join(",")),
            };
            return refused(format!("it holds {}; remove them first{hint}", counts.join(", ")));
        }
        if stats.workers > 0 {
            return refused(format!("{} workers take its jobs; stop them first", stats.workers));
        }
        if stats.schedules > 0 {
            let name = self.name();
            return refused(format!(
                "it has schedules; remove them first (schedule list {name}, schedule remove NAME)"
            ));
        }
        if stats.protected {
            return refused(format!("it is protected (queues unprotect {})", self.name()));
        }
        let course = self.store.course(self.name()).await?;
        if course.is_moving() || !course.layout.now.is_one() {
            let (name, count) = (self.name(), course.next.unwrap_or(course.layout.now).told());
            // Whoever knows its partitions would go on adding to them, where nobody would look any more.
            return refused(format!("it has {count}; bring it back to one first (queues set {name} --partitions 1)"));
        }
        let mut note = ActNote::new("delete queue", self.name(), "all".to_owned(), options.told());
        note.begin(&self.store).await?;
        let deleted = self.store.delete_queue(&self.keys).await?;
        if deleted {
            // Where a node is away it keeps what nobody reads; the queue is gone all the same.
            let _ = self.store.forget_partitions(self.name()).await;
        }
        let ended = if deleted { ActEnd::Done } else { ActEnd::Failed };
        note.end(&self.store, ended, 0).await?;
        match deleted {
            true => Ok(()),
            false => refused("a job, a worker or a schedule has just come; look again".to_owned()),
        }
    }

    /// Lets no more jobs start; running ones go on. Whether that changed anything.
    pub async fn pause(&self) -> Result<bool> {
        self.set_paused(true).await
    }

    /// Lets jobs start again. Whether that changed anything.
    pub async fn resume(&self) -> Result<bool> {
        self.set_paused(false).await
    }

    /// Keeps acts on many jobs from removing any of its own ([`Queue::unprotect`] lets them again). Whether that changed
    /// anything.
    pub async fn protect(&self) -> Result<bool> {
        self.set_protected(true).await
    }

    /// Lets acts on many jobs remove its own again. Whether that changed anything.
    pub async fn unprotect(&self) -> Result<bool> {
        self.set_protected(false).await
    }

    async fn set_protected(&self, protected: bool) -> Result<bool> {
        let changed = self.store.set_protected(&self.keys, protected).await?;
        self.producer.register().await?;
        Ok(changed)
    }

    async fn set_paused(&self, paused: bool) -> Result<bool> {
        let changed = self.store.set_paused(&self.keys, paused).await?;
        self.producer.register().await?;
        Ok(changed)
    }

    /// How many jobs are in these states.
    pub async fn count(&self, states: &[JobState]) -> Result<u64> {
        let (spread, mut count) = (self.store.spread(self.name()).await?, 0);
        for set in states.iter().flat_map(|state| Key::of_state(*state)) {
            count += self.store.size_in(spread.places(), *set).await?;
        }
        Ok(count)
    }

    /// Removes the jobs that are in these states now (none named: pending, scheduled, retrying), in bounded steps;
    /// `progress` gets the number removed after each. Safe to break off and to repeat.
    ///
    /// # Errors
    /// `Invalid` when `states` names `active`; `Refused` when the queue is protected.
    pub async fn clear(&self, states: &[JobState], progress: &mut (dyn FnMut(u64) + Send)) -> Result<BulkReport> {
        let states = if states.is_empty() { &WAITING } else { states };
        let selection = Selection { states: states.to_vec(), ..Selection::default() };
        self.bulk().run(BulkAct::Remove, &selection, &ActOptions::default(), progress).await
    }

    /// What its other acts are made of.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Sees to it that the queue is known under the prefix.
    pub(crate) async fn make_known(&self) -> Result<()> {
        self.producer.register().await
    }

    /// The limits of its keys.
    pub fn key_limits(&self) -> KeyLimits {
        KeyLimits::new(self.store.clone(), self.keys.clone())
    }

    /// Acts on many of its jobs.
    pub fn bulk(&self) -> Bulk {
        Bulk::new(self.store.clone(), self.name().clone())
    }
}
