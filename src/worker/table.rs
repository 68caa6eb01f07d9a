//! A worker's own table of the claims that it holds in one place of a queue.
//!
//! A plain mutex, held for a look or a copy, never across an await or the code of a processor: the heartbeat, on its own
//! thread, must get at it whatever the processors do.

use std::collections::{HashMap, VecDeque};
use std::ops::Add;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::job::JobId;
use crate::store::{Claimed, Standing};

/// Why a running attempt is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The claim is another's by now: nothing may be written.
    Lost,
    /// An operator cancelled the job.
    Cancelled,
    /// The worker ends: the job goes back into line.
    Shutdown,
}

/// How far this worker is with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Claimed, not started.
    Ready,
    Running,
    /// The end is on its way to Redis.
    Ending,
}

struct Held {
    claim: Arc<str>,
    phase: Phase,
    stop: CancellationToken,
    why: Option<Stop>,
}

/// A claimed job that waits for a slot.
pub(crate) struct Ready {
    pub job: Claimed,
    pub since: Instant,
}

#[derive(Default)]
struct Inner {
    held: HashMap<JobId, Held>,
    ready: VecDeque<Ready>,
}

/// The claims of one place of a queue.
#[derive(Default)]
pub(crate) struct Table {
    inner: Mutex<Inner>,
    /// How many wait for a slot, so that nobody takes the lock for nothing.
    ready: AtomicUsize,
}

/// How many claims there are, and how many of them wait for a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub held: usize,
    pub ready: usize,
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { held: self.held + other.held, ready: self.ready + other.ready }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called, with the lock held, by whoever puts something into line or takes it out.
    fn count(&self, inner: &Inner) {
        self.ready.store(inner.ready.len(), Ordering::Release);
    }

    /// Whether any wait for a slot.
    pub(crate) fn has_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) > 0
    }

    /// Takes in what was fetched.
    pub(crate) fn admit(&self, jobs: Vec<Claimed>) {
        let since = Instant::now();
        let mut inner = self.lock();
        for job in jobs {
            let (claim, stop) = (Arc::clone(&job.claim), CancellationToken::new());
            let held = Held { claim, phase: Phase::Ready, stop, why: None };
            // A job that comes again under another claim: its earlier attempt here is not this worker's any more.
            if let Some(earlier) = inner.held.insert(job.id.clone(), held) {
                earlier.stop.cancel();
            }
            inner.ready.push_back(Ready { job, since });
        }
        self.count(&inner);
    }

    /// The next job to start, and the token that breaks it off.
    pub(crate) fn start(&self) -> Option<(Claimed, CancellationToken)> {
        let mut inner = self.lock();
        while let Some(Ready { job, .. }) = inner.ready.pop_front() {
            self.count(&inner);
            if let Some(held) = inner.held.get_mut(&job.id)
                && held.phase == Phase::Ready
                && held.claim == job.claim
            {
                held.phase = Phase::Running;
                return Some((job, held.stop.clone()));
            }
        }
        None
    }

    /// How many wait for a slot, and since when the first of them does.
    pub(crate) fn waiting(&self) -> (usize, Option<Instant>) {
        let inner = self.lock();
        (inner.ready.len(), inner.ready.front().map(|ready| ready.since))
    }

    /// How many claims there are.
    pub(crate) fn load(&self) -> Load {
        let inner = self.lock();
        Load { held: inner.held.len(), ready: inner.ready.len() }
    }

    /// How long the first job that waits for a slot has done so.
    pub(crate) fn waits_since(&self) -> Option<Duration> {
        self.lock().ready.front().map(|ready| ready.since.elapsed())
    }

    /// Takes out what has waited for a slot for `age` or longer, and all that was claimed after it, which shall not overtake
    /// it; the caller releases it.
    pub(crate) fn take_unstarted(&self, age: Duration) -> Vec<Claimed> {
        let mut inner = self.lock();
        let due = inner.ready.front().is_some_and(|first| first.since.elapsed() >= age);
        let due = if due { inner.ready.len() } else { 0 };
        let taken: Vec<Claimed> = inner.ready.drain(..due).map(|ready| ready.job).collect();
        self.count(&inner);
        for job in &taken {
            if let Some(held) = inner.held.get_mut(&job.id).filter(|held| held.claim == job.claim) {
                held.phase = Phase::Ending;
            }
        }
        taken
    }

    /// The attempt is over and its end is on its way. Why it was broken off, if it was.
    pub(crate) fn ending(&self, id: &JobId, claim: &str) -> Option<Stop> {
        let mut inner = self.lock();
        let held = inner.held.get_mut(id).filter(|held| *held.claim == *claim)?;
        held.phase = Phase::Ending;
        held.why
    }

    /// The claims are no longer held. Compared whole: the same job may have been claimed anew meanwhile.
    pub(crate) fn gone<'a>(&self, claims: impl Iterator<Item = (&'a JobId, &'a str)>) {
        let mut inner = self.lock();
        for (id, claim) in claims {
            if inner.held.get(id).is_some_and(|held| *held.claim == *claim) {
                inner.held.remove(id);
            }
        }
    }

    /// A copy of the claims for the heartbeat.
    pub(crate) fn claims(&self) -> Vec<(JobId, Arc<str>)> {
        self.lock().held.iter().map(|(id, held)| (id.clone(), Arc::clone(&held.claim))).collect()
    }

    /// Whether the job runs here under the claim with this fence.
    pub(crate) fn runs(&self, id: &JobId, fence: i64) -> bool {
        let of = |claim: &str| claim.split('|').next().and_then(|part| part.parse().ok()) == Some(fence);
        self.lock().held.get(id).is_some_and(|held| held.phase == Phase::Running && of(&held.claim))
    }

    /// The queue said that a claim is not this worker's: breaks the attempt off, but for one whose end is on its way and
    /// will be told the same.
    pub(crate) fn revoke(&self, id: &JobId, claim: &str, standing: Standing) -> Option<Claimed> {
        let mut inner = self.lock();
        let held = inner.held.get_mut(id).filter(|held| *held.claim == *claim)?;
        match held.phase {
            Phase::Ending => None,
            Phase::Running => {
                let why = if standing == Standing::Cancelled { Stop::Cancelled } else { Stop::Lost };
                held.why.get_or_insert(why);
                held.stop.cancel();
                None
            }
            Phase::Ready => {
                held.phase = Phase::Ending;
                let place = inner.ready.iter().position(|ready| ready.job.id == *id)?;
                let revoked = inner.ready.remove(place).map(|ready| ready.job);
                self.count(&inner);
                revoked
            }
        }
    }

    /// Breaks off everything that runs.
    pub(crate) fn stop_all(&self, why: Stop) {
        for held in self.lock().held.values_mut().filter(|held| held.phase == Phase::Running) {
            held.why.get_or_insert(why);
            held.stop.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(id: &str) -> Claimed {
        Claimed {
            id: JobId::new(id).unwrap(),
            claim: format!("7|2:1|1|worker||{id}").into(),
            record: String::new(),
            history: String::new(),
            crashes: 0,
        }
    }

    #[test]
    fn a_job_is_started_once_and_in_order() {
        let table = Table::default();
        table.admit(vec![claimed("a"), claimed("b")]);
        assert_eq!(table.start().unwrap().0.id.as_str(), "a");
        assert_eq!(table.load(), Load { held: 2, ready: 1 });
        assert_eq!(table.take_unstarted(Duration::ZERO)[0].id.as_str(), "b");
        assert!(table.start().is_none());
    }

    #[test]
    fn nothing_overtakes_what_goes_back_into_line() {
        let (table, age) = (Table::default(), Duration::from_millis(2));
        table.admit(vec![claimed("a")]);
        while table.waits_since() < Some(age) {
            std::hint::spin_loop();
        }
        table.admit(vec![claimed("b")]);
        assert!(table.take_unstarted(Duration::from_secs(60)).is_empty());
        let ids: Vec<_> = table.take_unstarted(age).into_iter().map(|job| job.id.to_string()).collect();
        assert_eq!((ids.join(" ").as_str(), table.waits_since()), ("a b", None));
    }

    #[test]
    fn a_lost_claim_stops_the_attempt_and_an_ending_one_is_left_alone() {
        let table = Table::default();
        table.admit(vec![claimed("a"), claimed("b")]);
        let (a, stop_a) = table.start().unwrap();
        let (b, stop_b) = table.start().unwrap();
        table.ending(&b.id, &b.claim);
        assert!(table.revoke(&a.id, &a.claim, Standing::Taken).is_none() && stop_a.is_cancelled());
        assert!(table.revoke(&b.id, &b.claim, Standing::Gone).is_none() && !stop_b.is_cancelled());
        assert_eq!(table.ending(&a.id, &a.claim), Some(Stop::Lost));
        assert_eq!(table.ending(&a.id, "another claim"), None);
        table.gone([(&a.id, "another claim")].into_iter());
        assert_eq!(table.load().held, 2);
        table.gone([(&a.id, &*a.claim)].into_iter());
        assert_eq!(table.load().held, 1);
        let (c, stop_c) = (claimed("c"), CancellationToken::new());
        assert!(table.revoke(&c.id, &c.claim, Standing::Cancelled).is_none() && !stop_c.is_cancelled());
    }

    #[test]
    fn a_revoked_job_that_has_not_started_is_handed_back() {
        let table = Table::default();
        table.admit(vec![claimed("a")]);
        let a = claimed("a");
        assert_eq!(table.revoke(&a.id, &a.claim, Standing::Cancelled).unwrap().id, a.id);
        assert!(table.start().is_none());
    }
}
