//! What the actors of a worker share: who it is, what it holds in all, and the tokens that end it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{RwLock, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::config::{Rate, RedisConfig};
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::job::QueueName;
use crate::store::{Store, Vitals, WorkerSelf};
use crate::worker::breakers::Breakers;
use crate::worker::builder::Listener;
use crate::worker::craft::Craft;
use crate::worker::crew::Newcomer;
use crate::worker::finisher::Ended;
use crate::worker::lane::Lane;
use crate::worker::pool::Pool;
use crate::worker::track::Track;

/// Warnings that may come with every call are said this seldom.
const WARN_EVERY: Duration = Duration::from_secs(5);
/// How long a last look at a queue waits for its answer.
const ANSWER: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub store: Store,
    /// Through which jobs go to other queues.
    pub client: Client,
    pub redis: RedisConfig,
    pub breakers: Arc<Breakers>,
    /// Host, pid and a ULID.
    pub worker: Arc<str>,
    /// One for each queue.
    pub tracks: Vec<Arc<Track>>,
    pub pools: Vec<Arc<Pool>>,
    pub lease: Duration,
    pub timeout: Duration,
    pub about: WorkerSelf,
    pub listener: Option<Listener>,
    /// To whoever gives new lanes their actors.
    pub newcomers: mpsc::UnboundedSender<Newcomer>,
    pub until_empty: bool,
    /// Fetch no more.
    pub stop: CancellationToken,
    /// Break running attempts off without waiting for the grace period.
    pub stop_now: CancellationToken,
    /// Wait for Redis no more.
    pub give_up: CancellationToken,
    /// No slot sends anything more.
    pub closed: CancellationToken,
    /// The last job has ended.
    pub ended: CancellationToken,
    /// Processors have blocked the runtime for too long: nothing more will end in order.
    pub stalled: CancellationToken,
    /// How long Redis may give no answer at all before the worker ends; `None`: for ever.
    pub give_up_after: Option<Duration>,
    /// Redis gave none for that long.
    pub silenced: CancellationToken,
    /// Held alone by a fetch that may bring a job that must run alone.
    pub gate: RwLock<()>,
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    pub released: AtomicU64,
    pub unconfirmed: AtomicU64,
    pub(super) remaining: AtomicU64,
    pub(super) limiter: Option<Mutex<Limiter>>,
    pub(super) running_empty: AtomicBool,
    pub(super) solo: AtomicBool,
    /// Redis has answered, and the actors start.
    pub(super) begun: AtomicBool,
    pub(super) ticked_at: Mutex<Instant>,
    pub(super) stalls: AtomicBool,
    pub(super) warned_at: Mutex<Option<Instant>>,
}

/// A rate that holds for this worker alone.
pub(crate) struct Limiter {
    rate: Rate,
    /// When the next start would be due if starts were evenly spread.
    next: Instant,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, next: Instant::now() }
    }

    fn interval(&self) -> Duration {
        Duration::from_micros(self.rate.interval_us())
    }

    /// How many may start now.
    fn free(&mut self, now: Instant) -> usize {
        self.next = self.next.max(now);
        let ahead = self.interval() * self.rate.burst();
        let free = (ahead.saturating_sub(self.next - now)).as_nanos() / self.interval().as_nanos().max(1);
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// Takes up to `wanted` starts; how many.
    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let taken = wanted.min(self.free(now));
        self.next += self.interval() * u32::try_from(taken).unwrap_or(u32::MAX);
        taken
    }

    /// Gives back starts that were taken and not used.
    fn put_back(&mut self, starts: usize) {
        let span = self.interval().saturating_mul(u32::try_from(starts).unwrap_or(u32::MAX));
        self.next = self.next.checked_sub(span).unwrap_or(self.next);
    }

    /// When one more may start.
    fn next_at(&self) -> Instant {
        (self.next + self.interval()).checked_sub(self.interval() * self.rate.burst()).unwrap_or(self.next)
    }
}

impl Shared {
    /// Tells the listener, if there is one.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.listener {
            let event = event();
            // A listener that panics is its author's trouble, not the jobs'.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener(&event))).is_err() {
                tracing::error!(event = event.event.as_str(), "the listener panicked");
            }
        }
    }

    /// Counts an end that Redis has confirmed, and tells the listener.
    pub(crate) fn count(&self, ended: &Ended, queue: &QueueName, kind: EventKind) {
        let counter = match kind {
            EventKind::Completed => Some(&self.completed),
            EventKind::Retrying | EventKind::Dead => Some(&self.failed),
            EventKind::Released => Some(&self.released),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.emit(|| match kind {
            EventKind::LeaseLost => {
                ended.event(kind, queue, None).message("the claim is no longer this worker's; its result is dropped")
            }
            _ => ended.event(kind, queue, ended.error.as_ref()),
        });
    }

    /// What the worker says of itself.
    pub(crate) fn about(&self, vitals: Option<Vitals>) -> WorkerSelf {
        let completed = self.completed.load(Ordering::Relaxed);
        WorkerSelf { completed, failed: self.failed.load(Ordering::Relaxed), vitals, ..self.about.clone() }
    }

    /// The lanes of all queues as they are now.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.pools.iter().flat_map(|pool| pool.lanes()).collect()
    }

    /// Claims held over all queues.
    pub(crate) fn held(&self) -> usize {
        let of = |track: &Arc<Track>| track.lineup().lanes.iter().map(|lane| lane.table.load().held).sum::<usize>();
        self.tracks.iter().map(of).sum()
    }

    /// The pool of a queue.
    pub(crate) fn pool_of(&self, track: &Track) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.tracks.iter().any(|other| Arc::ptr_eq(&other.craft, &track.craft)))
    }

    /// There is room again in the pool of a lane.
    pub(crate) fn room(&self, lane: &Lane) {
        if let Some(pool) = self.pools.iter().find(|pool| pool.queue_of(lane).is_some()) {
            pool.room.notify_one();
        }
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// A job that must run alone was taken: nothing else is until it has ended.
    pub(crate) fn go_solo(&self) {
        self.solo.store(true, Ordering::Release);
    }

    pub(crate) fn is_solo(&self) -> bool {
        if !self.solo.load(Ordering::Acquire) {
            return false;
        }
        let over = self.held() == 0;
        if over {
            self.solo.store(false, Ordering::Release);
        }
        !over
    }

    /// The queue asks this worker to run empty for a job that must run alone.
    pub(crate) fn run_empty(&self, asked: bool) {
        self.running_empty.store(asked, Ordering::Release);
    }

    pub(crate) fn runs_empty(&self) -> bool {
        self.running_empty.load(Ordering::Acquire)
    }

    /// Whether `--max-jobs` and this worker's own rate leave room for a start.
    pub(crate) fn may_start(&self) -> bool {
        self.allowed_at().is_some_and(|at| at <= Instant::now())
    }

    /// Takes up to `wanted` starts out of what `--max-jobs` and this worker's own rate leave; how many. What is not used
    /// is given back.
    pub(crate) fn reserve(&self, wanted: usize) -> usize {
        let mut granted = wanted;
        if let Some(limiter) = &self.limiter {
            granted = limiter.lock().unwrap_or_else(PoisonError::into_inner).take(wanted, Instant::now());
        }
        let by_rate = granted;
        let counted = |left: u64| (left != u64::MAX).then(|| left - left.min(by_rate as u64));
        if let Ok(left) = self.remaining.fetch_update(Ordering::AcqRel, Ordering::Acquire, counted) {
            granted = usize::try_from(left).unwrap_or(usize::MAX).min(by_rate);
            self.give_back_rate(by_rate - granted);
        }
        granted
    }

    /// Gives back starts that were not used: nothing was there, or it went back into line unstarted.
    pub(crate) fn give_back(&self, jobs: usize) {
        let counted = |left: u64| (left != u64::MAX).then(|| left + jobs as u64);
        let _ = self.remaining.fetch_update(Ordering::AcqRel, Ordering::Acquire, counted);
        self.give_back_rate(jobs);
    }

    fn give_back_rate(&self, jobs: usize) {
        if let Some(limiter) = &self.limiter {
            limiter.lock().unwrap_or_else(PoisonError::into_inner).put_back(jobs);
        }
    }

    /// When there is an allowance again; `None` where there never is.
    pub(crate) fn allowed_at(&self) -> Option<Instant> {
        if self.remaining.load(Ordering::Acquire) == 0 {
            return None;
        }
        let at = |limiter: &Mutex<Limiter>| limiter.lock().unwrap_or_else(PoisonError::into_inner).next_at();
        Some(self.limiter.as_ref().map_or_else(Instant::now, at))
    }

    /// How often lanes came and went and how many fetches there were, while none is under way: an answer on its way may
    /// bring jobs.
    fn at_rest(&self) -> Option<(u64, u64)> {
        let changes = self.pools.iter().map(|pool| *pool.changes().borrow()).sum();
        let fetches: Option<u64> = self.lanes().iter().map(|lane| lane.fetches.at_rest()).sum();
        Some((changes, fetches?))
    }

    /// Whether the worker has done all that it was built for.
    pub(crate) async fn is_through(&self) -> bool {
        let before = self.at_rest();
        if self.remaining.load(Ordering::Acquire) == 0 {
            return before.is_some() && self.held() == 0 && before == self.at_rest();
        }
        if !self.until_empty || before.is_none() || self.held() > 0 {
            return false;
        }
        let over = |lane: &Arc<Lane>| lane.looked_over.load(Ordering::Acquire);
        let quiet = |lane: &Arc<Lane>| lane.drained.load(Ordering::Acquire) || self.is_held_up(&lane.craft);
        if !self.lanes().iter().all(|lane| over(lane) && quiet(lane)) {
            return false;
        }
        for track in self.tracks.iter().filter(|track| !self.is_held_up(&track.craft)) {
            if timeout(ANSWER, self.is_empty(track)).await.ok() != Some(true) {
                return false;
            }
        }
        self.held() == 0 && before == self.at_rest()
    }

    /// What waits for a service that is down waits as in a paused queue.
    fn is_held_up(&self, craft: &Craft) -> bool {
        self.breakers.is_open(craft.dependency.as_deref())
    }

    /// Whether nothing of a queue may start, as far as it answers.
    async fn is_empty(&self, track: &Track) -> bool {
        let Ok(layout) = self.store.layout(&track.craft.queue).await else { return false };
        if track.layout() != Some(layout) {
            track.craft.look.notify_one();
            return false;
        }
        // What is being moved is in no line for a moment, or in one that is not fetched yet.
        if layout.was.is_some() {
            return false;
        }
        let lineup = track.lineup();
        // A rate limit, too, lets a fetch come back with nothing.
        let startable = join_all(lineup.lanes.iter().map(|lane| self.store.has_startable(&lane.keys))).await;
        startable.into_iter().all(|found| found.is_ok_and(|found| !found))
    }

    /// Nothing was heard yet: the count begins anew.
    pub(crate) fn begin(&self) {
        self.lanes().iter().for_each(|lane| lane.begin());
        self.pools.iter().for_each(|pool| pool.turn());
        self.tick();
        self.begun.store(true, Ordering::Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// The runtime of the processors is alive.
    pub(crate) fn tick(&self) {
        *self.ticked_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long the runtime of the processors has had no turn. After a lease of that nothing is cut off or acknowledged
    /// any more, and others shall have the jobs.
    pub(crate) fn stall(&self) -> Duration {
        self.ticked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalls.load(Ordering::Acquire)
    }

    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalls.store(stalled, Ordering::Release);
    }

    /// How long Redis has not answered, for any queue.
    pub(crate) fn silence(&self) -> Duration {
        self.lanes().iter().map(|lane| lane.silence()).min().unwrap_or_default()
    }

    /// Says what an operator should know: to the listener, or into the log where there is none.
    pub(crate) fn alert(&self, message: impl FnOnce() -> String) {
        match self.listener {
            Some(_) => self.emit(|| Event::new(EventKind::Alert).message(message())),
            None => tracing::warn!("{}", message()),
        }
    }

    /// Tells of a trouble that may come with every call, at most every five seconds.
    pub(crate) fn warn_seldom(&self, error: &Error, what: &'static str) {
        let due = {
            let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
            let due = warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
            if due {
                *warned_at = Some(Instant::now());
            }
            due
        };
        if due {
            self.alert(|| format!("{what}: {error}"));
        }
    }

    /// A number from 0 up to 1 that nobody can foretell.
    pub(crate) fn random(&self) -> f64 {
        let bits = RandomState::new().build_hasher().finish() >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_own_rate_lets_a_burst_pass_and_then_so_many_a_second() {
        let mut limiter = Limiter::new("10/s:3".parse().unwrap());
        let now = limiter.next;
        assert_eq!(limiter.free(now), 3);
        limiter.next += Duration::from_millis(300);
        assert_eq!(limiter.free(now), 0);
        assert_eq!(limiter.next_at(), now + Duration::from_millis(100));
        assert_eq!(limiter.free(now + Duration::from_millis(100)), 1);
    }
}
