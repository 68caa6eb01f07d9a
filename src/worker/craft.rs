//! How the jobs of a queue are worked: by which processor, with which service, and how long that takes.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::config::QueueSettings;
use crate::job::QueueName;
use crate::processor::Entry;

/// How much work is claimed ahead: what is about to be finished within this time.
const AHEAD: Duration = Duration::from_millis(10);
/// And never more jobs than this, so that no call is large.
const AHEAD_MAX: usize = 500;
/// Nor more than so many bytes of records, by the size of the last ones.
const AHEAD_BYTES: usize = 4 << 20;
/// A claimed job that has not started by then goes back into line.
const UNSTARTED_MAX: Duration = Duration::from_millis(100);
/// For so long a worker that may try a service looks for a job to try it with, in one place of the queue after another.
const SEEKING: Duration = Duration::from_millis(500);

/// What the lanes of one queue have in common.
pub(crate) struct Craft {
    pub queue: QueueName,
    pub entry: Entry,
    /// The one service that every job needs.
    pub dependency: Option<Arc<str>>,
    /// Jobs that may start although that service is down: they try it.
    pub probes: AtomicUsize,
    /// Wakes the surveyor: the queue may have other places now.
    pub look: Notify,
    /// Until when a job is looked for that tries the service.
    seeking: Mutex<Option<Instant>>,
    /// A running mean of how long an attempt takes, in nanoseconds; negative while unknown.
    mean_run_ns: AtomicI64,
    /// A running mean of how large a record is, in bytes.
    mean_bytes: AtomicUsize,
}

impl Craft {
    pub(crate) fn new(queue: QueueName, entry: Entry) -> Self {
        Self {
            queue,
            dependency: entry.dependency().map(Arc::from),
            entry,
            probes: AtomicUsize::new(0),
            look: Notify::new(),
            seeking: Mutex::default(),
            mean_run_ns: AtomicI64::new(-1),
            mean_bytes: AtomicUsize::new(0),
        }
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

    /// How many jobs `slots` slots will finish in the next ten milliseconds: that many may be claimed ahead, under the
    /// settings of the place that they come from.
    pub(crate) fn ahead(&self, slots: usize, settings: &QueueSettings) -> usize {
        let mean_ns = self.mean_run_ns.load(Ordering::Relaxed);
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

    /// This worker may try the service with one job. The place that was asked for it may have none, so others are asked too.
    pub(crate) fn seek(&self) {
        self.probes.store(1, Ordering::Release);
        *self.seeking.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + SEEKING);
    }

    /// Whether a job is still to be found that tries the service.
    pub(crate) fn is_seeking(&self) -> bool {
        let until = *self.seeking.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// It is found, or the service needs no trying.
    pub(crate) fn found(&self) {
        *self.seeking.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
