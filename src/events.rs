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
/// Entries that a look back reads at a time.
const STEP: usize = 200;

/// Follows the events of queues on a connection of its own: failures, burials, recoveries, acts of operators.
///
/// A queue keeps about the last 10,000 of them, fewer where they name many jobs.
pub struct Events {
    store: Store,
    waiter: Waiter,
    /// Each queue, and the last event of it that was handed out.
    places: Vec<(QueueKeys, EventId)>,
    /// Where all queues are followed: from where on a new one is.
    all: Option<EventId>,
    looked: Instant,
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
            gap |= seen && store.first_event(&keys).await? > start;
            places.push((keys, place));
        }
        let all = queues.is_empty().then_some(start);
        let store = store.clone();
        Ok(Self { store, waiter, places, all, looked: Instant::now(), with_failures: false, gap })
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
            self.look_for_queues().await?;
            let left = until.saturating_duration_since(Instant::now());
            let block = if self.all.is_some() { left.min(LOOK_FOR_QUEUES) } else { left };
            let mut events = match self.places.is_empty() {
                true => {
                    sleep(block).await;
                    Vec::new()
                }
                false => read_events(&mut self.waiter, &self.places, block).await?,
            };
            if self.with_failures {
                add_failures(&self.store, &mut events).await?;
            }
            for event in &events {
                let place = self.places.iter_mut().find(|(keys, _)| *keys.queue() == event.queue);
                place.into_iter().for_each(|(_, place)| *place = event.id);
            }
            if !events.is_empty() || left.is_zero() {
                return Ok(events);
            }
        }
    }

    /// Adds the queues that have come since, from their first event on.
    async fn look_for_queues(&mut self) -> Result<()> {
        let Some(start) = self.all.filter(|_| self.places.is_empty() || self.looked.elapsed() >= LOOK_FOR_QUEUES)
        else {
            return Ok(());
        };
        let queues = self.store.queues().await?;
        self.looked = Instant::now();
        let followed: BTreeSet<_> = self.places.iter().map(|(keys, _)| keys.queue().clone()).collect();
        let new = queues.into_iter().filter(|queue| !followed.contains(queue));
        self.places.extend(new.map(|queue| (self.store.keys(&queue), start)));
        Ok(())
    }
}

/// The keys of these queues, or of all.
pub(crate) async fn known(store: &Store, queues: &[QueueName]) -> Result<Vec<QueueKeys>> {
    if queues.is_empty() {
        return Ok(store.queues().await?.iter().map(|queue| store.keys(queue)).collect());
    }
    let mut known = Vec::with_capacity(queues.len());
    for queue in queues.iter().collect::<BTreeSet<_>>() {
        let keys = store.keys(queue);
        if !store.is_known(&keys).await? {
            return Err(store.unknown_queue(queue).await);
        }
        known.push(keys);
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
            let page_events = page.into_iter().filter(&wanted).flat_map(QueueEvent::each);
            let had = events.len();
            events.extend(page_events);
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
        let histories = store.histories(&store.keys(&queue), &ids).await?;
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
