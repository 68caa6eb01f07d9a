//! What the parts of an evaluation share: who looks, who is told, whose turn it is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::alert::{AlertName, AlertRule, AlertSinks};
use crate::alerts::away::Away;
use crate::alerts::mutes::Mutes;
use crate::client::Client;
use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::job::JobId;
use crate::store::{AlertTurn, Store};

/// A turn lasts so many looks: one may be lost, and nobody takes over for it.
const TURN_LOOKS: u32 = 3;

/// Hears what is told.
pub(super) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// One who evaluates, when it is its turn.
pub(crate) struct Watch {
    pub(super) client: Client,
    /// A connection that answers, or gives up, within five seconds.
    pub(super) store: Store,
    /// Who it is.
    pub(super) by: Arc<str>,
    pub(super) sinks: AlertSinks,
    pub(super) interval: Duration,
    pub(super) listener: Option<Listener>,
    /// There is something to deliver.
    pub(super) news: Notify,
    /// There is something to tell of Redis itself.
    pub(super) own_news: Notify,
    pub(super) counts: Counts,
    /// Held while sinks are told: meanwhile the turn is not let go of.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Until when the turn is ours, by our own clock: a little less than the server thinks.
    turn: Mutex<Option<Instant>>,
    /// One who has more to tell asks for the turn.
    wanted: AtomicBool,
    /// What was read last of what counts while Redis is away.
    last: Mutex<LastRead>,
    pub(super) away: Mutex<Away>,
    /// What was told and could not be crossed off: not told again by us.
    told: Mutex<BTreeSet<(JobId, AlertName)>>,
}

/// What it did.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub fired: AtomicU64,
    pub recovered: AtomicU64,
    pub told: AtomicU64,
    pub not_told: AtomicU64,
}

/// Rules about Redis itself, and mutes.
#[derive(Debug, Clone)]
pub(super) struct LastRead {
    pub rules: Vec<AlertRule>,
    pub mutes: Mutes,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn new(client: &Client, sinks: AlertSinks, (by, listener): (Arc<str>, Option<Listener>)) -> Self {
        let last = LastRead { rules: vec![AlertRule::redis()], mutes: Mutes::default() };
        Self {
            client: client.clone(),
            store: client.store().clone(),
            by,
            sinks,
            interval: client.config().alerts.interval,
            listener,
            news: Notify::new(),
            own_news: Notify::new(),
            counts: Counts::default(),
            telling: tokio::sync::Mutex::new(()),
            turn: Mutex::new(None),
            wanted: AtomicBool::new(false),
            last: Mutex::new(last),
            away: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// How long a turn lasts.
    pub(super) fn span(&self) -> Duration {
        self.interval * TURN_LOOKS
    }

    /// Whoever can tell more goes first: a worker without sinks must not keep one with sinks from telling.
    pub(super) fn weight(&self) -> usize {
        self.sinks.beside_logs() + self.client.config().alerts.rules.len()
    }

    /// Takes the turn, or keeps it; `is_busy`: somebody is being told.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering.
    pub(super) async fn take_turn(&self, is_busy: bool) -> Result<AlertTurn> {
        let began = Instant::now();
        let span_ms = u64::try_from(self.span().as_millis()).unwrap_or(u64::MAX);
        let turn = self.store.alert_turn((&self.by, self.weight()), span_ms, is_busy).await?;
        self.set_turn(turn.is_ours.then(|| began + self.span()));
        self.wanted.store(turn.is_wanted, Ordering::Relaxed);
        Ok(turn)
    }

    /// Whether one who has more to tell asks for the turn: nothing more is begun then.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn set_turn(&self, until: Option<Instant>) {
        *lock(&self.turn) = until;
    }

    /// Whether the turn was ours at an instant.
    pub(super) fn had_turn(&self, at: Instant) -> bool {
        lock(&self.turn).is_some_and(|until| at < until)
    }

    pub(super) fn has_turn(&self) -> bool {
        self.had_turn(Instant::now())
    }

    pub(super) fn last(&self) -> LastRead {
        lock(&self.last).clone()
    }

    pub(super) fn remember(&self, last: LastRead) {
        *lock(&self.last) = last;
    }

    /// Whether we have told this sink of this notice already.
    pub(super) fn has_told(&self, notice: &JobId, sink: &AlertName) -> bool {
        lock(&self.told).contains(&(notice.clone(), sink.clone()))
    }

    pub(super) fn note_told(&self, notice: &JobId, sink: &AlertName) {
        lock(&self.told).insert((notice.clone(), sink.clone()));
        self.counts.told.fetch_add(1, Ordering::Relaxed);
    }

    /// It is crossed off for good.
    pub(super) fn forget_told(&self, notice: &JobId, sink: &AlertName) {
        lock(&self.told).remove(&(notice.clone(), sink.clone()));
    }

    /// Tells whoever listens, else the log.
    pub(super) fn emit(&self, event: &Event) {
        match &self.listener {
            Some(listener) => {
                // A listener that panics is its author's trouble, not the alerts'.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener(event))).is_err() {
                    tracing::error!(event = event.event.as_str(), "the listener panicked");
                }
            }
            None if event.event == EventKind::AlertRecovered => {
                tracing::info!("{}: {}", event.event.as_str(), event.message.as_deref().unwrap_or_default());
            }
            None => tracing::warn!("{}: {}", event.event.as_str(), event.message.as_deref().unwrap_or_default()),
        }
    }
}
