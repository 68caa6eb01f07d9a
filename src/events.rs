//! What happens in queues, as it happens, and what has happened.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::event::{EventId, JobFailure, QueueEvent};
use crate::job::{JobId, QueueName};
use crate::store::{QueueKeys, Store, Waiter, read_events};

/// How often it is asked which queues there are, where all are followed.
const LOOK_FOR_QUEUES: Duration = Duration::from_secs(1);
/// How often it is asked whether a queue has other partitions; its own events tell of a change at once.
const LOOK_FOR_PARTITIONS: Duration = Duration::from_secs(5);
/// Entries that a look back reads at a time.
const STEP: usize = 200;

/// Follows the events of queues on a connection of its own: failures, burials, recoveries, acts of operators.
///
/// A queue keeps about the last 10,000 of them, fewer where they name many jobs; one of several partitions as many in each.
pub struct Events {
    store: Store,
    waiter: Waiter,
    /// Each stream, and the last event of it that was handed out.
    places: Vec<(QueueKeys, EventId)>,
    /// Whether all queues are followed.
    all: bool,
    /// From where on a stream is followed that is found later.
    start: EventId,
    queues_looked: Instant,
    /// `None`: some queue has said that it changes.
    partitions_looked: Option<Instant>,
    with_failures: bool,
    gap: bool,
}

impl Events {
    /// Follows from behind `after` on, or from now on.
    pub(crate) async fn open(
        store: &Store,
        waiter: Waiter,
        queues: &[QueueName],
        after: Option<EventId>,
    ) -> Result<Self> {
        let start = match after {
            Some(after) => after,
            None => EventId::before_ms(store.now_ms().await?),
        };
        let (mut places, mut gap) = (Vec::new(), false);
        for keys in known(store, queues).await? {
            let place = match after {
                // One queue at a time tells exactly where it is.
                None if !queues.is_empty() => store.last_event(&keys).await?,
                _ => start,
            };
            // Of a queue that is not named nobody can say whether it was there yet.
            let seen = after.is_some_and(|after| after > EventId::START) && !queues.is_empty();
            gap |= seen && store.first_event(&keys).await? > start && store.may_have_lost_events(&keys).await?;
            places.push((keys, place));
        }
        let (store, now) = (store.clone(), Instant::now());
        let looked = (now, Some(now));
        Ok(Self {
            store,
            waiter,
            places,
            all: queues.is_empty(),
            start,
            queues_looked: looked.0,
            partitions_looked: looked.1,
            with_failures: false,
            gap,
        })
    }

    /// Looks up which failed attempts retries and burials tell of.
    pub fn with_failures(mut self) -> Self {
        self.with_failures = true;
        self
    }

    /// Whether events behind the place from which it follows are no longer kept, so that some may be missing.
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    /// The next events, in their order; none when none came within `timeout`. They are handed out once.
    ///
    /// Dropping the future loses nothing but the connection.
    ///
    /// # Errors
    /// `Unreachable` and others that pass: the next call goes on where this one stopped, at the pace of reconnecting.
    pub async fn next(&mut self, timeout: Duration) -> Result<Vec<QueueEvent>> {
        let until = Instant::now() + timeout;
        loop {
            self.look_for_places().await?;
            let left = until.saturating_duration_since(Instant::now());
            let block = left.min(if self.all { LOOK_FOR_QUEUES } else { LOOK_FOR_PARTITIONS });
            let told = match self.places.is_empty() {
                true => {
                    sleep(block).await;
                    Vec::new()
                }
                false => read_events(&mut self.waiter, &self.places, block).await?,
            };
            let heard: Vec<_> = told.iter().map(|(at, event)| (*at, event.id)).collect();
            let is_heard = |at: usize, event: &QueueEvent| is_heard(&self.store, &self.places[at].0, event);
            let told = told.into_iter().filter(|(at, event)| is_heard(*at, event));
            let mut events: Vec<_> = told.map(|(_, event)| event).collect();
            if self.with_failures {
                add_failures(&self.store, &mut events).await?;
            }
            heard.into_iter().for_each(|(at, id)| self.places[at].1 = id);
            if events.iter().any(|event| event.event == "settings") {
                self.partitions_looked = None;
            }
            if !events.is_empty() || left.is_zero() {
                return Ok(events);
            }
        }
    }

    /// Adds the queues and the partitions that have come since, from their first event on. None is taken out: it may still
    /// have something to tell.
    async fn look_for_places(&mut self) -> Result<()> {
        let mut queues: BTreeSet<QueueName> = self.places.iter().map(|(keys, _)| keys.queue().clone()).collect();
        let again = self.partitions_looked.is_none_or(|looked| looked.elapsed() >= LOOK_FOR_PARTITIONS);
        let mut wanted = if again { queues.clone() } else { BTreeSet::new() };
        if self.all && (self.places.is_empty() || self.queues_looked.elapsed() >= LOOK_FOR_QUEUES) {
            let named = self.store.queues().await?;
            wanted.extend(named.into_iter().filter(|queue| queues.insert(queue.clone())));
            self.queues_looked = Instant::now();
        }
        for queue in wanted {
            let streams = self.store.streams(&queue).await?;
            let new =
                streams.into_iter().filter(|keys| !self.places.iter().any(|(known, _)| known.is_same_place(keys)));
            let new: Vec<_> = new.map(|keys| (keys, self.start)).collect();
            self.places.extend(new);
        }
        if again {
            self.partitions_looked = Some(Instant::now());
        }
        Ok(())
    }
}

/// What is about a queue as a whole is told once, however many of its partitions are told of it.
fn is_heard(store: &Store, keys: &QueueKeys, event: &QueueEvent) -> bool {
    !event.is_about_settings() || keys.is_same_place(&store.keys(keys.queue()))
}

/// The streams of these queues, or of all.
pub(crate) async fn known(store: &Store, queues: &[QueueName]) -> Result<Vec<QueueKeys>> {
    let mut known = Vec::with_capacity(queues.len());
    for queue in queues.iter().collect::<BTreeSet<_>>() {
        if !store.is_known(&store.keys(queue)).await? {
            return Err(store.unknown_queue(queue).await);
        }
        known.extend(store.streams(queue).await?);
    }
    if queues.is_empty() {
        for queue in store.queues().await? {
            known.extend(store.streams(&queue).await?);
        }
    }
    Ok(known)
}

/// The last `count` events of these queues that are `wanted`.
pub(crate) async fn last(
    store: &Store,
    queues: &[QueueName],
    wanted: impl Fn(&QueueEvent) -> bool,
    count: usize,
) -> Result<Vec<QueueEvent>> {
    let mut events = Vec::new();
    for keys in known(store, queues).await? {
        let (mut found, mut before) = (0, None);
        while found < count {
            let page = store.events_before(&keys, before, STEP).await?;
            let Some(first) = page.last() else { break };
            before = Some(first.id);
            let page = page.into_iter().filter(|event| wanted(event) && is_heard(store, &keys, event));
            let had = events.len();
            events.extend(page.flat_map(QueueEvent::each));
            found += events.len() - had;
        }
    }
    // Stable, so that what happened to several jobs at once keeps their order.
    events.sort_by_key(|event| event.id);
    events.drain(..events.len().saturating_sub(count));
    add_failures(store, &mut events).await?;
    Ok(events)
}

/// Looks up the failed attempts that these events tell of.
pub(crate) async fn add_failures(store: &Store, events: &mut [QueueEvent]) -> Result<()> {
    let told = events.iter().filter(|event| event.tells_of_failures());
    let queues: BTreeSet<QueueName> = told.map(|event| event.queue.clone()).collect();
    for queue in queues {
        let of_queue = |event: &&mut QueueEvent| event.queue == queue && event.tells_of_failures();
        let ids: BTreeSet<JobId> =
            events.iter_mut().filter(of_queue).flat_map(|event| event.jobs.iter().cloned()).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let histories = store.histories_of(&queue, &ids).await?;
        for event in events.iter_mut().filter(of_queue) {
            let of_job = |job: &JobId| {
                let history = ids.binary_search(job).ok().and_then(|at| histories.get(at))?;
                let failure = event.failure_of(&history.failures)?.clone();
                Some(JobFailure { job: job.clone(), failure })
            };
            event.failures = event.jobs.iter().filter_map(of_job).collect();
        }
    }
    Ok(())
}
