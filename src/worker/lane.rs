//! One place of a queue as a worker sees it: where most queues have but one, the queue.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::QueueSettings;
use crate::job::Partition;
use crate::processor::Board;
use crate::store::{Auditor, QueueKeys};
use crate::worker::craft::Craft;
use crate::worker::finisher::Ended;
use crate::worker::heard::Heard;
use crate::worker::table::Table;

/// The version of settings that were never read.
const UNREAD: u64 = u64::MAX;

/// Counts the fetches of a lane, of which one at most is under way, so that what Redis counts is compared with the table
/// only where no fetch came between.
#[derive(Default)]
pub(crate) struct Fetches(AtomicU64);

/// A fetch, until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Fetches);

impl Fetches {
    /// A fetch begins. Whoever looks for it at rest then sees it, or is seen by it: hence the order of all.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }

    /// How many there were, while none is under way.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let steps = self.0.load(Ordering::SeqCst);
        steps.is_multiple_of(2).then_some(steps / 2)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A lane that is not fetched, until it is dropped.
pub(crate) struct HeldBack<'a>(&'a Lane);

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        self.0.returning.store(false, Ordering::SeqCst);
    }
}

/// What the fetcher knows of a lane.
pub(crate) struct Asked {
    /// Not to be asked before.
    pub next: Instant,
    /// The number of the last call that was answered.
    pub calls: u64,
    /// The last call goes on beside the others.
    pub late: bool,
}

/// What ends the actors of a lane.
pub(crate) struct Ends {
    /// Its keepers: the worker stops, or the queue has left the place.
    pub keepers: CancellationToken,
    /// Its finisher: no slot sends anything more from there.
    pub finisher: CancellationToken,
    /// Its beat, which is the last: the lease is given up.
    pub beat: CancellationToken,
}

/// One place of a queue of a worker.
pub(crate) struct Lane {
    pub keys: QueueKeys,
    /// Which of the queue's places it is.
    pub place: Partition,
    pub craft: Arc<Craft>,
    pub table: Table,
    /// Its settings stand, and it may be fetched.
    pub introduced: AtomicBool,
    /// Wakes the heartbeat.
    pub beat: Notify,
    /// How far its jobs say they are.
    pub board: Arc<Board>,
    pub auditor: Auditor,
    pub ends: Ends,
    /// Fetches as they begin and end.
    pub fetches: Fetches,
    /// The last fetch said that the queue is paused.
    pub paused: AtomicBool,
    /// The recoverer has looked for silent workers once.
    pub looked_over: AtomicBool,
    /// The last fetch found nothing that starts within a second.
    pub drained: AtomicBool,
    /// It gave jobs when it was asked last, or has more at once.
    pub gives: AtomicBool,
    /// A token came for it.
    pub woken: AtomicBool,
    /// It was told that its server is silent.
    pub told_silent: AtomicBool,
    /// To the finisher.
    pub ended: mpsc::Sender<Ended>,
    /// The queue has left the place: it is fetched no more.
    leaving: AtomicBool,
    /// Jobs go back into line, and it is not fetched meanwhile.
    returning: AtomicBool,
    asked: Mutex<Asked>,
    heard: Mutex<Heard>,
    settings: Mutex<Arc<QueueSettings>>,
    settings_version: AtomicU64,
    /// When it was last fetched, for the promoter.
    fetched_at: Mutex<Option<Instant>>,
}

impl Lane {
    /// `ends`: what ends its actors, as far as the worker does.
    pub(crate) fn new(
        (keys, place): (QueueKeys, Partition),
        craft: Arc<Craft>,
        ended: mpsc::Sender<Ended>,
        ends: Ends,
    ) -> Self {
        Self {
            keys,
            place,
            craft,
            table: Table::default(),
            introduced: AtomicBool::new(false),
            beat: Notify::new(),
            board: Arc::default(),
            auditor: Auditor::default(),
            ends,
            fetches: Fetches::default(),
            paused: AtomicBool::new(false),
            looked_over: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            gives: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            told_silent: AtomicBool::new(false),
            ended,
            leaving: AtomicBool::new(false),
            returning: AtomicBool::new(false),
            asked: Mutex::new(Asked { next: Instant::now(), calls: 0, late: false }),
            heard: Mutex::new(Heard::new(Instant::now())),
            settings: Mutex::default(),
            settings_version: AtomicU64::new(UNREAD),
            fetched_at: Mutex::default(),
        }
    }

    /// Nothing was heard yet: the count begins anew.
    pub(crate) fn begin(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Heard::new(Instant::now());
    }

    /// Redis took a renewal of this worker's lease in the place.
    pub(crate) fn heard(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).again(Instant::now());
    }

    /// How long Redis has not answered for the place.
    pub(crate) fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).silence()
    }

    /// Whether this worker has renewed its lease without a gap for long enough that every other one could do so too: right
    /// after an outage, refused writes or a pause of this process every lease looks as if it had ended.
    pub(crate) fn is_steady(&self) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_steady(Instant::now())
    }

    /// How many jobs one slot takes at a time.
    pub(crate) fn unit(&self) -> usize {
        self.craft.unit()
    }

    /// How many jobs may be claimed ahead where nobody else has any.
    pub(crate) fn ahead(&self, slots: usize) -> usize {
        self.craft.ahead(slots, &self.settings())
    }

    pub(crate) fn settings(&self) -> Arc<QueueSettings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_settings(&self, settings: QueueSettings, version: u64) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.settings_version.store(version, Ordering::Release);
    }

    /// Whether its settings are those of `version`.
    pub(crate) fn knows(&self, version: u64) -> bool {
        self.settings_version.load(Ordering::Acquire) == version
    }

    /// Whether it has never read its settings.
    pub(crate) fn is_unread(&self) -> bool {
        self.knows(UNREAD)
    }

    /// Whether it is still to be introduced.
    pub(crate) fn is_new(&self) -> bool {
        !self.introduced.load(Ordering::Acquire) && !self.is_leaving()
    }

    /// What the fetcher knows of it, for a look or a change.
    pub(crate) fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not to be asked before so long.
    pub(crate) fn ask_in(&self, wait: Duration) {
        self.asked().next = Instant::now() + wait;
    }

    /// When it may be asked next; `None` where it may not, whatever the time.
    pub(crate) fn next(&self) -> Option<Instant> {
        let asked = self.asked();
        let barred = asked.late || self.is_leaving() || self.is_returning();
        let may = !barred && self.introduced.load(Ordering::Acquire);
        may.then_some(asked.next)
    }

    pub(crate) fn fetched(&self) {
        *self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last fetch, which also promotes, is longer ago than `age`.
    pub(crate) fn unfetched_for(&self, age: Duration) -> bool {
        self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| at.elapsed() > age)
    }

    /// The queue has left the place: nothing more is taken there. What is held is worked to its end, and then the heartbeat
    /// gives up the lease.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.ends.keepers.cancel();
        self.beat.notify_one();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Has nothing fetched until the guard goes, so that nothing overtakes what goes back into line; `None` while a fetch is
    /// under way.
    pub(crate) fn hold_back(&self) -> Option<HeldBack<'_>> {
        self.returning.store(true, Ordering::SeqCst);
        let held_back = HeldBack(self);
        self.fetches.at_rest().map(|_| held_back)
    }

    /// Whether jobs go back into line, and nothing may be fetched.
    pub(crate) fn is_returning(&self) -> bool {
        self.returning.load(Ordering::SeqCst)
    }

    /// Whether it is left, nothing is held there, and no answer can bring anything.
    pub(crate) fn is_left(&self) -> bool {
        self.is_leaving() && self.fetches.at_rest().is_some() && self.table.load().held == 0
    }

    /// The lease is given up.
    pub(crate) fn gone(&self) {
        self.ends.finisher.cancel();
        self.ends.beat.cancel();
        self.craft.look.notify_one();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.ends.beat.is_cancelled()
    }
}
