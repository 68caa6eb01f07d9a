//! The way in: one connection, and the handles that share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::Audit;
use crate::batches::Batches;
use crate::breakers::Breakers;
use crate::clock::Clock;
use crate::config::{Config, Durable};
use crate::dead_letters::DeadLetters;
use crate::error::Result;
use crate::event::{EventId, Level, QueueEvent};
use crate::events::{self, Events};
use crate::heal::Healer;
use crate::inspector::Inspector;
use crate::job::{NewJob, QueueName};
use crate::processor::{HandedOver, Outlet};
use crate::queue::Queue;
use crate::schedules::Schedules;
use crate::stats::Unreached;
use crate::store::{Confirmer, Connection, Patience, Store, Waiter};
#[cfg(feature = "api")]
use crate::tokens::Tokens;

/// Handles of queues that are kept; beyond, those that nobody uses are forgotten, whatever names callers think up.
const QUEUES_KEPT: usize = 1_000;

/// A handle on one Redis; cloning shares the connection, which is made at the first call. Durable queues have one more, on
/// which replicas are waited for.
///
/// It belongs to the runtime that it is first used on.
#[derive(Clone)]
pub struct Client {
    config: Arc<Config>,
    store: Store,
    /// One handle per queue, so that all who enqueue through this client share its round trips.
    queues: Arc<Mutex<BTreeMap<(QueueName, Usual), Queue>>>,
}

impl Client {
    /// A client for `config`. Nothing is sent yet.
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_clock(config, Clock::server())
    }

    /// A client that goes by `clock` instead of the server's time: for tests.
    pub fn with_clock(config: &Config, clock: Clock) -> Result<Self> {
        let store = open(config, clock, Patience::Brief);
        Ok(Self { config: Arc::new(config.clone()), store, queues: Arc::default() })
    }

    /// Asks the server whether it is there, and whether it fits (version, role).
    ///
    /// # Errors
    /// `Unreachable`, `AccessDenied`, `NotNow`; `Config` when it is too old or has the wrong role.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// A queue, existing or not.
    pub fn queue(&self, name: QueueName) -> Queue {
        self.handle((name, Usual::OfTheQueue))
    }

    fn handle(&self, key: (QueueName, Usual)) -> Queue {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= QUEUES_KEPT && !queues.contains_key(&key) {
            queues.retain(|_, queue| queue.is_in_use());
        }
        let new = |(name, usual): &(QueueName, Usual)| {
            let durable = match (Durable::of(name), usual) {
                (Durable::Off, Usual::Confirmed) => Durable::Auto,
                (durable, _) => durable,
            };
            Queue::new(self.store.clone(), name, durable)
        };
        queues.entry(key).or_insert_with_key(new).clone()
    }

    /// The same for one look at a cluster of which nodes may be away: what they have is left out of the answers instead of
    /// failing them, and [`Client::unreached`] tells of it. Which are away is found out once, at the first question. Anywhere
    /// else it is the same client.
    ///
    /// Made for reading, and for acts on many jobs that may be repeated: [`Inspector`], [`DeadLetters`], [`Queue::bulk`],
    /// [`Audit::undo`]. What is left out counts as not there.
    #[must_use]
    pub fn of_what_answers(&self) -> Self {
        Self { config: Arc::clone(&self.config), store: self.store.noting(), queues: Arc::default() }
    }

    /// What [such a client](Client::of_what_answers) has left out, node by node.
    pub fn unreached(&self) -> Vec<Unreached> {
        self.store.unreached()
    }

    /// The dead letters of a queue.
    pub fn dead_letters(&self, queue: QueueName) -> DeadLetters {
        DeadLetters::new(self.store.clone(), &queue)
    }

    /// Looks over all queues, jobs and workers.
    pub fn inspector(&self) -> Inspector {
        Inspector::new(self.store.clone())
    }

    /// What puts queues right that contradict themselves.
    pub fn healer(&self) -> Healer {
        Healer::new(self)
    }

    /// What was done to many jobs at once, and how it is undone.
    pub fn audit(&self) -> Audit {
        Audit::new(self.store.clone())
    }

    /// The breakers of the services that processors need.
    pub fn breakers(&self) -> Breakers {
        Breakers::new(self.store.clone())
    }

    /// The batches of all queues.
    pub fn batches(&self) -> Batches {
        Batches::new(self.store.clone())
    }

    /// What happens in a queue from behind `after` on (an event's id), or from now on.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used; as for [`Client::ping`].
    pub async fn events(&self, queue: &QueueName, after: Option<EventId>) -> Result<Events> {
        self.events_of(std::slice::from_ref(queue), after).await
    }

    /// What happens in these queues (none named: in all, also in those that are yet to come) from behind `after` on, or from
    /// now on.
    ///
    /// # Errors
    /// `NotFound` when a named queue has never been used; as for [`Client::ping`].
    pub async fn events_of(&self, queues: &[QueueName], after: Option<EventId>) -> Result<Events> {
        Events::open(&self.store, Waiter::new(self.config.redis.clone()), queues, after).await
    }

    /// The last `count` things of at least this level that happened in these queues (none named: in all), oldest first, each
    /// about one job, with the failures that led to them.
    ///
    /// # Errors
    /// As for [`Client::events_of`].
    pub async fn last_events(&self, queues: &[QueueName], level: Level, count: usize) -> Result<Vec<QueueEvent>> {
        events::last(&self.store, queues, |event| event.level >= level, count).await
    }

    /// The schedules of every queue.
    pub fn schedules(&self) -> Schedules {
        Schedules::new(self.clone(), self.store.clone())
    }

    /// The tokens of the REST API.
    #[cfg(feature = "api")]
    pub fn tokens(&self) -> Tokens {
        Tokens::new(self.store.clone())
    }

    /// The way to everything that is stored.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What it was made from.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The same place through a connection of its own that never gives up: what a worker works with.
    pub(crate) fn open_store(&self) -> Store {
        open(&self.config, self.store.clock.clone(), Patience::Endless)
    }
}

/// What holds for a queue where nobody has set whether it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Usual {
    OfTheQueue,
    /// A replica confirms, where there is one: who hands over what follows from its own work notes that it has, and does
    /// not come again for what a failover loses.
    Confirmed,
}

impl Outlet for Client {
    fn hand_over<'a>(&'a self, queue: &'a QueueName, jobs: Vec<NewJob>) -> HandedOver<'a> {
        Box::pin(async move { self.handle((queue.clone(), Usual::Confirmed)).enqueue_many(jobs).await })
    }
}

fn open(config: &Config, clock: Clock, patience: Patience) -> Store {
    let connection = Connection::new(config.redis.clone(), patience);
    let confirmer = Confirmer::new(config.redis.clone(), clock.clone(), config.durable_wait);
    Store {
        connection,
        clock,
        prefix: config.redis.prefix.as_str().into(),
        confirmer,
        noted: None,
        last_search: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_that_nobody_uses_are_forgotten() {
        let config = Config::from_lookup(|_| None, None).unwrap();
        let client = Client::new(&config).unwrap();
        let queue = |n: usize| client.queue(QueueName::new(&format!("q-{n}")).unwrap());
        let kept = queue(0);
        (1..3 * QUEUES_KEPT).for_each(|n| drop(queue(n)));
        let queues = client.queues.lock().unwrap();
        assert!(
            queues.len() <= QUEUES_KEPT && queues.contains_key(&(kept.name().clone(), Usual::OfTheQueue)),
            "{}",
            queues.len()
        );
    }
}
