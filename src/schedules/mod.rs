//! The schedules of all queues: add, look, pause, run by hand, remove, export and import.
//!
//! Who fires them is the worker of their queue, or a [`Scheduler`].

mod firing;
mod scheduler;
mod transfer;
mod writing;

use std::time::Duration;

use chrono::DateTime;
use futures_util::stream::{self, StreamExt};

pub(crate) use firing::round;
pub use scheduler::{Scheduler, SchedulerReport};
pub use transfer::ImportOptions;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::job::QueueName;
use crate::schedule::{ChangeKind, Schedule, ScheduleChange, ScheduleInfo, ScheduleName, ScheduleSwitched, Tick};
use crate::stats::Enqueued;
use crate::store::{Appointed, Appointment, QueueKeys, Store, StoredSchedule};

/// Queues that are asked about at the same time.
const CALLS_AT_ONCE: usize = 16;
/// Ticks that one list shows.
const TICKS_MAX: usize = 1_000;
/// A schedule that changes between the look and the act is looked at again, so often.
const TRIES: usize = 5;
/// Who the events say it was.
const OPERATOR: &str = "operator";

/// The schedules of every queue under one prefix. Cloning shares the connection.
#[derive(Clone)]
pub struct Schedules {
    client: Client,
    store: Store,
}

/// What is there of a schedule, and in which place of its queue.
struct Found {
    keys: QueueKeys,
    now_ms: i64,
    stored: StoredSchedule,
}

impl Found {
    fn queue(&self) -> &QueueName {
        self.keys.queue()
    }

    fn schedule(&self) -> Result<Schedule> {
        self.stored.schedule(self.queue())
    }

    fn info(&self) -> Result<ScheduleInfo> {
        Ok(self.stored.info(&self.schedule()?, self.now_ms))
    }
}

impl Schedules {
    pub(crate) fn new(client: Client, store: Store) -> Self {
        Self { client, store }
    }

    /// Every schedule, by queue and name; of these queues, where any are named.
    ///
    /// # Errors
    /// `Corrupt` when a hand has written something unreadable among them: it is named.
    pub async fn list(&self, queues: &[QueueName]) -> Result<Vec<ScheduleInfo>> {
        self.all(queues).await?.iter().map(Found::info).collect()
    }

    /// Schedules whose tick came longer ago than `by` and that nobody fired: no worker of their queue and no scheduler
    /// runs, or their queue is full.
    ///
    /// # Errors
    /// As for [`Schedules::list`].
    pub async fn late(&self, by: Duration) -> Result<Vec<ScheduleInfo>> {
        let mut schedules = self.list(&[]).await?;
        schedules.retain(|schedule| schedule.is_late(by));
        Ok(schedules)
    }

    /// A schedule by its name; the queue is asked for only where several have one of that name.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when several queues have one.
    pub async fn find(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<ScheduleInfo> {
        self.found(name, queue).await?.info()
    }

    /// The next `count` ticks (at most 1,000) of these schedules, or of all that are not paused; the earliest first. A tick
    /// that has come and was not fired yet is one of them.
    ///
    /// # Errors
    /// `NotFound` when one of the names is nobody's.
    pub async fn upcoming(&self, names: &[ScheduleName], count: usize) -> Result<Vec<Tick>> {
        let found = match names {
            [] => self.all(&[]).await?,
            names => {
                let mut found = Vec::with_capacity(names.len());
                for name in names {
                    found.push(self.found(name, None).await?);
                }
                found
            }
        };
        let mut ticks = Vec::new();
        for one in &found {
            let schedule = one.schedule()?;
            let mut next_ms = one.stored.next_ms;
            for _ in 0..count.min(TICKS_MAX) {
                let Some(tick_ms) = next_ms else { break };
                let at = DateTime::from_timestamp_millis(tick_ms).unwrap_or_default();
                let (name, queue) = (schedule.name().clone(), one.queue().clone());
                let local = schedule.timing().wall_clock(at);
                ticks.push(Tick { name, queue, at, local, job: schedule.id_of(tick_ms) });
                next_ms = schedule.next_after_ms(tick_ms);
            }
        }
        ticks.sort_by(|a, b| (a.at, &a.name, &a.queue).cmp(&(b.at, &b.name, &b.queue)));
        ticks.truncate(count.min(TICKS_MAX));
        Ok(ticks)
    }

    /// Adds a schedule, whose first tick is the next one from now. The same one again changes nothing; another one of that
    /// name takes its place only with `replace`, and then goes on with the tick that it was to have next where the ticks
    /// are the same.
    ///
    /// # Errors
    /// `Refused` when there is another of that name and `replace` is false, when it is another queue's, or when the queue
    /// has a thousand already; `Invalid` when it would never have a tick.
    pub async fn add(&self, schedule: &Schedule, replace: bool) -> Result<ScheduleChange> {
        let name = schedule.name();
        let others = self.holders(name).await?;
        if let Some(other) = others.iter().find(|found| found.queue() != schedule.queue()) {
            let why = format!(
                "schedule {name} is one of queue {} already: remove it there (schedule remove {name}), or choose another name",
                other.queue()
            );
            return Err(Error::refused(why));
        }
        self.write(schedule, replace).await
    }

    /// Stops its ticks until it is resumed; what would have come meanwhile is not made up for.
    ///
    /// # Errors
    /// As for [`Schedules::find`].
    pub async fn pause(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<ScheduleSwitched> {
        self.switch(name, queue, true).await
    }

    /// Lets it have ticks again, from the next one on.
    ///
    /// # Errors
    /// As for [`Schedules::find`].
    pub async fn resume(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<ScheduleSwitched> {
        self.switch(name, queue, false).await
    }

    async fn switch(&self, name: &ScheduleName, queue: Option<&QueueName>, paused: bool) -> Result<ScheduleSwitched> {
        for _ in 0..TRIES {
            let found = self.found(name, queue).await?;
            let (schedule, stored) = (found.schedule()?, &found.stored);
            let changed = stored.paused != paused;
            let next_ms = match (changed, paused) {
                (false, _) => stored.next_ms,
                (true, true) => None,
                (true, false) => schedule.next_after_ms(found.now_ms),
            };
            let appointment = Appointment {
                name: name.as_str(),
                revision: &stored.revision,
                paused,
                moving: false,
                next_ms,
                word: if paused { "paused" } else { "resumed" },
                text: &stored.text,
            };
            if !changed || self.store.appoint(&found.keys, OPERATOR, appointment).await? == Appointed::Done {
                let next_at = next_ms.and_then(DateTime::from_timestamp_millis);
                let queue = found.queue().clone();
                return Ok(ScheduleSwitched { name: name.clone(), queue, paused, changed, next_at });
            }
        }
        Err(restless(name))
    }

    /// Removes it; jobs that it has enqueued stay. Also one that is not readable.
    ///
    /// # Errors
    /// As for [`Schedules::find`].
    pub async fn remove(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<ScheduleChange> {
        let mut removed = None::<QueueName>;
        for _ in 0..TRIES {
            let Found { keys, stored, .. } = match (self.found(name, queue).await, &removed) {
                (Ok(found), _) => found,
                (Err(error), Some(queue)) if error.kind() == ErrorKind::NotFound => {
                    let (name, queue, change) = (name.clone(), queue.clone(), ChangeKind::Removed);
                    return Ok(ScheduleChange { name, queue, change, next_at: None, dry_run: false });
                }
                (Err(error), _) => return Err(error),
            };
            let (name, revision) = (name.as_str(), stored.revision.as_str());
            let gone =
                Appointment { name, revision, paused: false, moving: false, next_ms: None, word: "removed", text: "" };
            if self.store.appoint(&keys, OPERATOR, gone).await? == Appointed::Done {
                // Looked for once more: one that was being moved is in two places for a moment.
                removed = Some(keys.queue().clone());
            }
        }
        Err(restless(name))
    }

    /// Enqueues a job of its kind now, paused or not, under an id of its own; its ticks, and what they overlap with, stay as
    /// they are.
    ///
    /// # Errors
    /// As for [`Schedules::find`] and [`Queue::enqueue`](crate::Queue::enqueue).
    pub async fn run(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<Enqueued> {
        let found = self.found(name, queue).await?;
        self.client.queue(found.queue().clone()).enqueue(found.schedule()?.job_by_hand()).await
    }

    /// Everything that is stored, also what is not readable.
    async fn all(&self, queues: &[QueueName]) -> Result<Vec<Found>> {
        let mut queues = if queues.is_empty() { self.store.queues().await? } else { queues.to_vec() };
        queues.sort();
        let ask = |queue: QueueName| async move { (self.store.schedules_of(&queue).await, queue) };
        let mut asked = stream::iter(queues).map(ask).buffered(CALLS_AT_ONCE);
        let mut all = Vec::new();
        while let Some((answer, queue)) = asked.next().await {
            let Some((now_ms, schedules)) = self.store.or_left_out(&queue, answer)? else { continue };
            all.extend(schedules.into_iter().map(|(keys, stored)| Found { keys, now_ms, stored }));
        }
        Ok(all)
    }

    /// The schedules of that name in every queue.
    async fn holders(&self, name: &ScheduleName) -> Result<Vec<Found>> {
        let ask = |queue: QueueName| async move { self.store.schedule_of(&queue, name.as_str()).await };
        let mut asked = stream::iter(self.store.queues().await?).map(ask).buffered(CALLS_AT_ONCE);
        let mut holders = Vec::new();
        while let Some(answer) = asked.next().await {
            let (now_ms, found) = answer?;
            holders.extend(found.map(|(keys, stored)| Found { keys, now_ms, stored }));
        }
        Ok(holders)
    }

    async fn found(&self, name: &ScheduleName, queue: Option<&QueueName>) -> Result<Found> {
        if let Some(queue) = queue {
            let (now_ms, found) = self.store.schedule_of(queue, name.as_str()).await?;
            let (keys, stored) = found
                .ok_or_else(|| Error::not_found(format!("schedule {:?} not found in queue {queue}", name.as_str())))?;
            return Ok(Found { keys, now_ms, stored });
        }
        let mut holders = self.holders(name).await?;
        match (holders.pop(), holders.is_empty()) {
            (Some(found), true) => Ok(found),
            (None, _) => Err(Error::not_found(format!("schedule {:?} not found", name.as_str()))),
            (Some(last), false) => {
                holders.push(last);
                let queues: Vec<_> = holders.iter().map(|found| found.queue().as_str()).collect();
                let queues = queues.join(", ");
                Err(Error::invalid(format!(
                    "schedule {:?} is there in several queues: {queues}; name one",
                    name.as_str()
                )))
            }
        }
    }
}

fn restless(name: &ScheduleName) -> Error {
    Error::refused(format!("schedule {name} is being changed by others; look at it again"))
}
