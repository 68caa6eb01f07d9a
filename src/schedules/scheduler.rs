//! Fires schedules where no workers run: for fleets that start workers only when there are jobs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use tokio::task::JoinHandle;

use super::firing::round;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::job::QueueName;
use crate::store::Store;

/// How often it looks, at least.
const INTERVAL: Duration = Duration::from_secs(1);
/// Queues that are looked at at the same time.
const CALLS_AT_ONCE: usize = 16;
/// A trouble that lasts is said this seldom.
const WARN_EVERY: Duration = Duration::from_secs(5);
/// When it is told to stop, the look that is under way has this long.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Who the events say it was.
const NAME: &str = "scheduler";
/// In a cluster one place of a queue is waited for no longer.
const NODE_LIMIT: Duration = Duration::from_secs(5);

type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Fires the schedules of queues until it is told to stop. Any number of them may run, beside workers too: each tick has
/// at most one job.
pub struct Scheduler {
    client: Client,
    queues: Vec<QueueName>,
    listener: Option<Listener>,
}

/// What a scheduler did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerReport {
    /// Ticks that it fired; others may have fired more.
    pub fired: u64,
}

impl Scheduler {
    /// For every queue under the prefix of `client`, those that come later included.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), queues: Vec::new(), listener: None }
    }

    /// Only for these queues.
    pub fn queues(mut self, queues: Vec<QueueName>) -> Self {
        self.queues = queues;
        self
    }

    /// Hands each tick that it fires, and what hinders it, to `listener`, which must not block.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Runs until `stop` is done; outages of Redis are waited out. Dropping the future at any point leaves nothing half
    /// done.
    ///
    /// # Errors
    /// `Unreachable`, `AccessDenied` or `Config` when the server cannot be worked with at the start.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<SchedulerReport> {
        self.client.ping().await?;
        let mut nodes = Nodes::new(self.client.open_store().noting());
        let (known, fired) = (Mutex::default(), AtomicU64::new(0));
        let mut stop = std::pin::pin!(stop);
        let mut warned = None::<Instant>;
        loop {
            nodes.renew(|message| self.tell(&Event::new(EventKind::Alert).message(message))).await;
            let store = nodes.store.clone();
            let mut look = std::pin::pin!(self.look(&store, (&known, &fired)));
            let outcome = tokio::select! {
                () = &mut stop => {
                    // What is being fired is fired and told.
                    let _ = tokio::time::timeout(LAST_WORDS, look).await;
                    break;
                }
                outcome = &mut look => outcome,
                // What answers has long been seen to: the next look does not wait for the node that is away.
                () = nodes.change() => continue,
            };
            let pause = outcome.unwrap_or_else(|error| {
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    self.tell(&Event::new(EventKind::Alert).message(format!("a schedule is not fired: {error}")));
                }
                INTERVAL
            });
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(SchedulerReport { fired: fired.into_inner() })
    }

    /// Fires what is due now, and ends: for who is called again and again.
    ///
    /// # Errors
    /// `Unreachable` and its like; what hinders one schedule alone is told when all others are fired.
    pub async fn once(&self) -> Result<SchedulerReport> {
        let fired = AtomicU64::new(0);
        let store = self.client.schedules().store.noting();
        self.look(&store, (&Mutex::default(), &fired)).await?;
        store.unreached_error().map_or(Ok(()), Err)?;
        Ok(SchedulerReport { fired: fired.into_inner() })
    }

    /// The queues that are looked at: those that were known last, while the list of all is away.
    async fn names(&self, store: &Store, known: &Mutex<Vec<QueueName>>) -> Result<Vec<QueueName>> {
        if !self.queues.is_empty() {
            return Ok(self.queues.clone());
        }
        let last = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !last.is_empty() && store.is_without_list().await {
            return Ok(last);
        }
        let queues = store.queues().await?;
        known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&queues);
        Ok(queues)
    }

    /// Looks at every queue once; how long until the next look.
    async fn look(&self, store: &Store, (known, fired): (&Mutex<Vec<QueueName>>, &AtomicU64)) -> Result<Duration> {
        let queues = self.names(store, known).await?;
        let tell = |event: Event| {
            fired.fetch_add(u64::from(event.job.is_some()), Ordering::Relaxed);
            self.tell(&event);
        };
        let tell = &tell;
        let ask = |queue: QueueName| async move {
            let places = within_limit(store, &queue, store.places(&queue)).await;
            // What is on a node that is away is told once, and waits.
            let places = store.or_left_out(&queue, places)?.unwrap_or_default();
            // Whether a schedule is in another place too is not to be told from a part of them.
            let whole = &store.whole();
            let rounds = places.iter().map(|keys| within_limit(store, &queue, round(whole, keys, NAME, tell)));
            earliest(join_all(rounds).await)
        };
        let mut looks = stream::iter(queues).map(ask).buffer_unordered(CALLS_AT_ONCE);
        // One queue in trouble does not hold up the others.
        let mut all = Vec::new();
        while let Some(look) = looks.next().await {
            all.push(look);
        }
        Ok(earliest(all)?.map_or(INTERVAL, |next| next.min(INTERVAL)))
    }

    fn tell(&self, event: &Event) {
        match &self.listener {
            Some(listener) => listener(event),
            None if event.event == EventKind::Alert => {
                tracing::warn!("{}", event.message.as_deref().unwrap_or_default());
            }
            None => {}
        }
    }
}

/// The nodes of a cluster as they were seen last.
struct Nodes {
    store: Store,
    /// They are asked once more, beside the looks: one that hangs holds up no schedule of another.
    asked: Option<JoinHandle<Store>>,
    /// What came of it.
    next: Option<Store>,
    /// Nodes that were told to be away.
    told: BTreeSet<String>,
}

impl Nodes {
    fn new(store: Store) -> Self {
        Self { store, asked: None, next: None, told: BTreeSet::new() }
    }

    /// Comes back when a node has gone, or is there again.
    async fn change(&mut self) {
        if let Some(asked) = &mut self.asked {
            let next = asked.await;
            self.asked = None;
            if let Ok(next) = next {
                let is_new = next.absent_nodes().await != self.store.absent_nodes().await;
                self.next = Some(next);
                if is_new {
                    return;
                }
            }
        }
        std::future::pending().await
    }

    /// Takes what came of the last question, tells what is new, and asks again.
    async fn renew(&mut self, tell: impl Fn(String)) {
        let left_out = self.store.unreached();
        if let Some(asked) = self.asked.take_if(|asked| asked.is_finished()) {
            self.next = asked.await.ok();
        }
        if let Some(next) = self.next.take() {
            self.store = next;
        }
        let away = self.store.absent_nodes().await;
        let new = left_out.iter().filter(|unreached| !self.told.contains(&unreached.node)).collect::<Vec<_>>();
        new.iter().for_each(|unreached| tell(format!("schedules are not fired: {}", unreached.error())));
        self.told.extend(new.into_iter().map(|unreached| unreached.node.clone()));
        let back: Vec<_> = self.told.iter().filter(|node| !away.contains_key(*node)).cloned().collect();
        for node in back {
            tell(format!("redis at {node} answers again: its schedules are fired"));
            self.told.remove(&node);
        }
        if self.asked.is_none() && self.store.connection.is_cluster() {
            let next = self.store.noting();
            self.asked = Some(tokio::spawn(async move {
                next.absent_nodes().await;
                next
            }));
        }
    }
}

/// In a cluster the node of one place may be away while those of others are not.
async fn within_limit<T>(store: &Store, queue: &QueueName, ask: impl Future<Output = Result<T>>) -> Result<T> {
    if !store.connection.is_cluster() {
        return ask.await;
    }
    let silent = || Error::new(ErrorKind::Unreachable, format!("redis does not answer for queue {queue}"));
    tokio::time::timeout(NODE_LIMIT, ask).await.unwrap_or_else(|_| Err(silent()))
}

/// The first of the next ticks, or the first trouble, of looks that are all over.
fn earliest(looks: Vec<Result<Option<Duration>>>) -> Result<Option<Duration>> {
    let nexts: Vec<_> = looks.into_iter().collect::<Result<_>>()?;
    Ok(nexts.into_iter().flatten().min())
}
