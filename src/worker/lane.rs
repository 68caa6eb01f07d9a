//! One queue as a worker sees it, and the pool of slots that queues share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::QueueSettings;
use crate::processor::{Board, Entry};
use crate::store::{Auditor, QueueKeys};
use crate::worker::finisher::Ended;
use crate::worker::heard::Heard;
use crate::worker::table::Table;
use crate::worker::turns::Turns;

/// How much work is claimed ahead: what is about to be finished within this time.
const AHEAD: Duration = Duration::from_millis(10);
/// And never more jobs than this, so that no call is large.
const AHEAD_MAX: usize = 500;
/// Nor more than so many bytes of records, by the size of the last ones.
const AHEAD_BYTES: usize = 4 << 20;
/// A claimed job that has not started by then goes back into line.
pub(crate) const UNSTARTED_MAX: Duration = Duration::from_millis(100);

/// Counts the fetches of a queue, of which one at most is under way, so that what Redis counts is compared with the table
/// only where no fetch came between.
#[derive(Default)]
pub(crate) struct Fetches(AtomicU64);

/// A fetch, until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Fetches);

impl Fetches {
    /// A fetch begins.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.0.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }

    /// How many there were, while none is under way.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let steps = self.0.load(Ordering::Acquire);
        steps.is_multiple_of(2).then_some(steps / 2)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// One queue of a worker.
pub(crate) struct Lane {
    pub keys: QueueKeys,
    pub entry: Entry,
    /// The one service that every job needs.
    pub dependency: Option<Arc<str>>,
    /// Jobs that may start although that service is down: they try it.
    pub probes: AtomicUsize,
    pub table: Table,
    /// Its settings stand, and it may be fetched.
    pub introduced: AtomicBool,
    /// Wakes the heartbeat.
    pub beat: Notify,
    /// How far its jobs say they are.
    pub board: Arc<Board>,
    pub auditor: Auditor,
    /// No slot sends anything more.
    pub closed: CancellationToken,
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
    /// To the finisher.
    pub ended: mpsc::Sender<Ended>,
    heard: Mutex<Heard>,
    settings: Mutex<Arc<QueueSettings>>,
    settings_version: AtomicU64,
    /// A running mean of how long an attempt takes, in nanoseconds; negative while unknown.
    mean_run_ns: AtomicI64,
    /// A running mean of how large a record is, in bytes.
    mean_bytes: AtomicUsize,
    /// When the queue was last fetched, for the promoter.
    fetched_at: Mutex<Option<Instant>>,
}

impl Lane {
    pub(crate) fn new(keys: QueueKeys, entry: Entry, ended: mpsc::Sender<Ended>) -> Self {
        Self {
            keys,
            dependency: entry.dependency().map(Arc::from),
            probes: AtomicUsize::new(0),
            entry,
            table: Table::default(),
            introduced: AtomicBool::new(false),
            beat: Notify::new(),
            board: Arc::default(),
            auditor: Auditor::default(),
            closed: CancellationToken::new(),
            fetches: Fetches::default(),
            paused: AtomicBool::new(false),
            looked_over: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            gives: AtomicBool::new(false),
            ended,
            heard: Mutex::new(Heard::new(Instant::now())),
            settings: Mutex::default(),
            settings_version: AtomicU64::new(u64::MAX),
            mean_run_ns: AtomicI64::new(-1),
            mean_bytes: AtomicUsize::new(0),
            fetched_at: Mutex::default(),
        }
    }

    /// Nothing was heard yet: the count begins anew.
    pub(crate) fn begin(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Heard::new(Instant::now());
    }

    /// Redis took a renewal of this worker's lease in the queue.
    pub(crate) fn heard(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).again(Instant::now());
    }

    /// How long Redis has not answered for the queue.
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
        match &self.entry {
            Entry::Single(_) => 1,
            Entry::Batch { size, .. } => *size,
        }
    }

    /// How long a claimed job may wait for a slot.
    pub(crate) fn patience(&self) -> Duration {
        match &self.entry {
            Entry::Single(_) => UNSTARTED_MAX,
            Entry::Batch { wait, .. } => UNSTARTED_MAX + *wait,
        }
    }

    pub(crate) fn settings(&self) -> Arc<QueueSettings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_settings(&self, settings: QueueSettings, version: u64) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.settings_version.store(version, Ordering::Release);
    }

    /// Whether the queue's settings are those of `version`.
    pub(crate) fn knows(&self, version: u64) -> bool {
        self.settings_version.load(Ordering::Acquire) == version
    }

    /// Takes the length of an attempt into the mean, an eighth at a time.
    pub(crate) fn ran(&self, run: Duration) {
        let run_ns = i64::try_from(run.as_nanos()).unwrap_or(i64::MAX);
        let mean = self.mean_run_ns.load(Ordering::Relaxed);
        let next = if mean < 0 { run_ns } else { mean + (run_ns - mean) / 8 };
        self.mean_run_ns.store(next, Ordering::Relaxed);
    }

    /// Takes the size of fetched records into the mean, an eighth at a time; larger ones at once.
    pub(crate) fn weighed(&self, sizes: impl Iterator<Item = usize>) {
        let mean = self.mean_bytes.load(Ordering::Relaxed);
        let next = sizes.fold(mean, |mean, size| if size > mean { size } else { mean - (mean - size) / 8 });
        self.mean_bytes.store(next, Ordering::Relaxed);
    }

    /// Claimed jobs waited too long for a slot: attempts take longer than the mean says, so nothing is claimed ahead until
    /// it has come down again.
    pub(crate) fn stalled(&self) {
        let patience_ns = i64::try_from(self.patience().as_nanos()).unwrap_or(i64::MAX);
        self.mean_run_ns.fetch_max(patience_ns, Ordering::Relaxed);
    }

    /// How many jobs `slots` slots will finish in the next ten milliseconds: that many may be claimed ahead.
    pub(crate) fn ahead(&self, slots: usize) -> usize {
        let mean_ns = self.mean_run_ns.load(Ordering::Relaxed);
        let settings = self.settings();
        // Under a limit of the queue a claimed job holds a place that another worker could use.
        if mean_ns < 0 || settings.concurrency.is_some() {
            return 0;
        }
        let within = |each_ns: u64, at_once: usize| {
            (AHEAD.as_nanos() as u64).checked_div(each_ns).map_or(AHEAD_MAX, |n| (n as usize).saturating_mul(at_once))
        };
        let by_run = within(mean_ns.unsigned_abs(), slots * self.unit());
        let by_rate = settings.rate.map_or(usize::MAX, |rate| within(rate.interval_us() * 1_000, 1));
        let by_size = AHEAD_BYTES / self.mean_bytes.load(Ordering::Relaxed).max(1);
        by_run.min(by_rate).min(by_size).min(AHEAD_MAX)
    }

    pub(crate) fn fetched(&self) {
        *self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last fetch, which also promotes, is longer ago than `age`.
    pub(crate) fn unfetched_for(&self, age: Duration) -> bool {
        self.fetched_at.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| at.elapsed() > age)
    }
}

/// Slots that one or more queues share.
pub(crate) struct Pool {
    pub lanes: Vec<Arc<Lane>>,
    pub slots: usize,
    /// Slots at work.
    pub running: AtomicUsize,
    /// Wakes slots: there is a job.
    pub job: Notify,
    /// Wakes the fetcher: there is room.
    pub room: Notify,
    /// When the fetcher last began a round.
    turned_at: Mutex<Instant>,
    weights: Vec<u32>,
    /// In which order lanes are fetched.
    pub fetches: Turns,
    /// In which order lanes give jobs to the slots.
    starts: Turns,
}

impl Pool {
    /// `weights`: how jobs are shared among the lanes while all have some.
    pub(crate) fn new(lanes: Vec<Arc<Lane>>, slots: usize, weights: &[u32]) -> Self {
        Self {
            lanes,
            slots,
            running: AtomicUsize::new(0),
            job: Notify::new(),
            room: Notify::new(),
            turned_at: Mutex::new(Instant::now()),
            weights: weights.to_vec(),
            fetches: Turns::new(weights),
            starts: Turns::new(weights),
        }
    }

    /// The fetcher begins a round.
    pub(crate) fn turn(&self) {
        *self.turned_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long ago the fetcher last began a round.
    pub(crate) fn since_turn(&self) -> Duration {
        self.turned_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The first thing that `find` finds in a lane, asked in their turns; it tells how many jobs that takes.
    pub(crate) fn first<T>(&self, mut find: impl FnMut(&Arc<Lane>) -> Option<(T, usize)>) -> Option<T> {
        self.starts.order().into_iter().find_map(|index| {
            let (found, jobs) = find(&self.lanes[index])?;
            self.starts.served(index, jobs);
            Some(found)
        })
    }

    /// How many jobs of a lane may be claimed ahead: its share of what the slots finish among the lanes that have work, and
    /// no more than keeps it beside them. What is claimed is started, so more would be more than its share.
    pub(crate) fn ahead(&self, lane: &Lane) -> usize {
        let all = lane.ahead(self.slots);
        let Some(own) = self.lanes.iter().position(|other| other.keys.queue() == lane.keys.queue()) else { return all };
        let has_work = |index: &usize| *index != own && self.lanes[*index].gives.load(Ordering::Acquire);
        let rivals: Vec<_> = (0..self.lanes.len()).filter(has_work).collect();
        if rivals.is_empty() {
            return all;
        }
        // What is late, on its way or to be asked for, is made up for in both.
        self.starts.owe(all);
        self.fetches.owe(all);
        let weight = |index: usize| self.weights[index] as usize;
        let sum = weight(own) + rivals.iter().map(|rival| weight(*rival)).sum::<usize>();
        (all * weight(own) / sum).min(self.fetches.lead(own, &rivals, all / sum))
    }

    /// Slots with nothing to do.
    pub(crate) fn idle(&self) -> usize {
        self.slots.saturating_sub(self.running.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::QueueName;
    use crate::processor::{JobContext, Outcome, ProcessError, Processor, Registry};

    struct Idle;

    impl Processor for Idle {
        type Payload = serde_json::Value;

        async fn process(&self, _: Self::Payload, _: &JobContext) -> Result<Outcome, ProcessError> {
            Ok(Outcome::done())
        }
    }

    fn lane(queue: &str) -> Arc<Lane> {
        let (queue, mut registry) = (QueueName::new(queue).unwrap(), Registry::new());
        registry.register(queue.clone(), Idle);
        let entry = registry.get(&queue).unwrap().clone();
        let lane = Lane::new(QueueKeys::new("p:", &queue), entry, mpsc::channel(1).0);
        lane.ran(Duration::from_micros(1));
        lane.gives.store(true, Ordering::Release);
        Arc::new(lane)
    }

    #[test]
    fn a_queue_that_is_asked_late_has_its_share_when_it_is() {
        let (a, b) = (lane("a"), lane("b"));
        let pool = Pool::new(vec![Arc::clone(&a), Arc::clone(&b)], 4, &[3, 1]);
        assert_eq!((pool.ahead(&a), pool.ahead(&b)), (375, 125));
        // Twice as much as it was to get, since its rival's answer was late, and some for slots that had nothing else.
        [125, 125, 4].into_iter().for_each(|jobs| pool.fetches.served(1, jobs));
        pool.fetches.served(0, 375);
        assert_eq!((pool.ahead(&a), pool.ahead(&b)), (375, 0), "two of three parts are still to come");
        pool.fetches.served(0, 375);
        assert_eq!(pool.fetches.order(), [0, 1]);
    }
}
