//! What a worker knows of the breakers: which services are down, and whether it is the one to try.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::breaker::{BreakerError, BreakerInfo, BreakerRule, BreakerState, DEPENDENCY_MAX_BYTES};
use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::job::truncate;
use crate::processor::{Asked, Gate, JobContext, Outcome, ProcessError, Service};
use crate::retry::ErrorClass;
use crate::store::{Pass, Store};
use crate::worker::actor;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often the breakers are looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// How long a failing attempt waits for Redis to count it.
const COUNTING: Duration = Duration::from_secs(2);
/// What is kept of the last error of a service.
const ERROR_MAX_BYTES: usize = 200;
/// An attempt that lasts longer than this is not known to have begun while a breaker was open.
const CLOSED_KEPT: Duration = Duration::from_secs(3600);
/// Failures are forgotten after so many windows without another.
const STALE_WINDOWS: u32 = 3;

/// What is known of one breaker.
#[derive(Debug, Clone, Copy)]
struct Known {
    open: bool,
    /// When the service may be tried again.
    due: Instant,
}

/// The breakers as this worker knows them. Workers hear of one another's within a second.
pub(crate) struct Breakers {
    store: Store,
    worker: Arc<str>,
    rule: Option<BreakerRule>,
    known: Mutex<HashMap<String, Known>>,
    /// When those that were open of late were found closed.
    closed: Mutex<HashMap<String, Instant>>,
    /// Whether anything is known, so that nobody takes the lock for nothing.
    any: AtomicBool,
}

/// What a failure has done.
pub(crate) struct Counted {
    /// The service is to be left alone for so long: its breaker is open.
    pub wait: Option<Duration>,
    /// This failure has opened it.
    pub opens: bool,
}

impl Breakers {
    /// Without a rule there are none.
    pub(crate) fn new(store: Store, worker: Arc<str>, rule: Option<BreakerRule>) -> Self {
        Self { store, worker, rule, known: Mutex::default(), closed: Mutex::default(), any: AtomicBool::new(false) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = act(&mut known);
        self.any.store(!known.is_empty(), Ordering::Release);
        answer
    }

    fn note_closed(&self, dependency: &str) {
        let (mut closed, now) = (self.closed.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        closed.retain(|_, at| now.duration_since(*at) < CLOSED_KEPT);
        closed.insert(dependency.to_owned(), now);
    }

    /// Whether an attempt that began then met a service whose breaker was open, and has been closed meanwhile.
    fn met_it_open(&self, dependency: &str, began: Instant) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(dependency).is_some_and(|at| began < *at)
    }

    fn known(&self, dependency: &str) -> Option<Known> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.with(|known| known.get(dependency).copied())
    }

    /// Whether a service is known to be down.
    pub(crate) fn is_open(&self, dependency: Option<&str>) -> bool {
        dependency.and_then(|dependency| self.known(dependency)).is_some_and(|known| known.open)
    }

    /// Whether a service may be tried. Asks Redis only where it is down and its wait is over.
    pub(crate) async fn pass(&self, dependency: &str) -> Pass {
        let Some(known) = self.known(dependency).filter(|known| known.open) else { return Pass::Free };
        let left = known.due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Pass::Wait(left);
        }
        match timeout(COUNTING, self.store.breaker_probe(dependency, &self.worker)).await {
            Ok(Ok(Pass::Free)) => {
                self.with(|known| known.remove(dependency));
                self.note_closed(dependency);
                Pass::Free
            }
            Ok(Ok(Pass::Wait(wait))) => {
                self.learn(dependency, Some(wait));
                Pass::Wait(wait)
            }
            Ok(Ok(Pass::Probe)) => {
                self.learn(dependency, Some(INTERVAL));
                Pass::Probe
            }
            // One that Redis has granted all the same is granted anew when its time is over.
            Ok(Err(_)) | Err(_) => Pass::Wait(INTERVAL),
        }
    }

    fn learn(&self, dependency: &str, wait: Option<Duration>) {
        let due = Instant::now() + wait.unwrap_or_default();
        self.with(|known| _ = known.insert(dependency.to_owned(), Known { open: wait.is_some(), due }));
    }

    /// How long a job may be put off at once: an operator may hold a breaker open for years, and close it in a minute.
    fn most(&self, wait: Duration) -> Duration {
        wait.min(self.rule.unwrap_or_default().most)
    }

    /// A service has failed. Where Redis does not say in time what that means, what was known holds.
    pub(crate) async fn failed(&self, dependency: &str, error: &ProcessError) -> Counted {
        let Some(rule) = self.rule.as_ref().filter(|_| dependency.len() <= DEPENDENCY_MAX_BYTES) else {
            return Counted { wait: None, opens: false };
        };
        let mut message = error.message.lines().next().unwrap_or_default().to_owned();
        truncate(&mut message, ERROR_MAX_BYTES);
        let error = BreakerError { code: error.code.clone(), message };
        let counting = self.store.breaker_failed(dependency, &self.worker, rule, &error);
        match tokio::time::timeout(COUNTING, counting).await {
            Ok(Ok(failed)) => {
                let wait = failed.open.then_some(failed.wait);
                self.learn(dependency, wait);
                Counted { wait: wait.map(|wait| self.most(wait)), opens: failed.opens }
            }
            _ => {
                let open = self.known(dependency).filter(|known| known.open);
                let wait = open.map(|known| self.most(known.due.saturating_duration_since(Instant::now())));
                Counted { wait, opens: false }
            }
        }
    }

    /// A service has answered. Whether that closed its breaker.
    pub(crate) async fn answered(&self, dependency: &str) -> bool {
        if self.known(dependency).is_none() {
            return false;
        }
        let closing = self.store.breaker_close(dependency, &self.worker);
        // One that an operator holds open stays so.
        let Ok(Ok(Some(closed))) = tokio::time::timeout(COUNTING, closing).await else { return false };
        self.with(|known| known.remove(dependency));
        if closed {
            self.note_closed(dependency);
        }
        closed
    }

    /// Reads how all of them stand.
    pub(crate) async fn look(&self) -> Result<()> {
        if self.rule.is_none() {
            return Ok(());
        }
        let (now_ms, breakers) = self.store.breakers().await?;
        let stale = self.rule.map(|rule| rule.window * STALE_WINDOWS).unwrap_or_default();
        let is_stale = |breaker: &BreakerInfo| {
            let since_ms = breaker.last_failure_at.map_or(0, |at| now_ms - at.timestamp_millis());
            breaker.state == BreakerState::Closed && u128::try_from(since_ms).is_ok_and(|ms| ms > stale.as_millis())
        };
        let (now, mut found) = (Instant::now(), HashMap::new());
        // What a hand broke counts as closed; the next failure writes it anew.
        for breaker in breakers.into_iter().flatten() {
            if is_stale(&breaker) {
                self.store.breaker_expire(&breaker.dependency, stale).await?;
                continue;
            }
            let open = breaker.state != BreakerState::Closed;
            let wait_ms = breaker.probe_at.map_or(0, |at| at.timestamp_millis() - now_ms).max(0).unsigned_abs();
            found.insert(breaker.dependency, Known { open, due: now + Duration::from_millis(wait_ms) });
        }
        let before = self.with(|known| std::mem::replace(known, found));
        for (dependency, _) in before.iter().filter(|(_, known)| known.open) {
            if !self.is_open(Some(dependency)) {
                self.note_closed(dependency);
            }
        }
        Ok(())
    }
}

impl Gate for Breakers {
    fn ask<'a>(&'a self, dependency: &'a str) -> Asked<'a> {
        Box::pin(async move {
            match self.pass(dependency).await {
                Pass::Free | Pass::Probe => None,
                Pass::Wait(wait) => Some(self.most(wait)),
            }
        })
    }
}

/// Hears once a second of what other workers, and operators, did to the breakers.
pub(crate) async fn watch(shared: Arc<Shared>) {
    if shared.breakers.rule.is_some() {
        let stop = shared.stop.clone();
        actor::every(&shared, ("watch over the breakers", INTERVAL), &stop, || shared.breakers.look()).await;
    }
}

/// What an attempt that is over tells about the services that it needed. Where one of them is down, how long its job waits for
/// it: without using an attempt, and however often. The attempt `took` so long.
pub(crate) async fn learn_from(
    shared: &Shared,
    lane: &Lane,
    ctx: &JobContext,
    (answer, took): (Option<&Result<Outcome, ProcessError>>, Duration),
) -> Option<Duration> {
    let breakers = &shared.breakers;
    match answer? {
        Ok(_) => {
            let needed = if breakers.any.load(Ordering::Acquire) { ctx.take_needed() } else { Vec::new() };
            for dependency in lane.craft.dependency.as_deref().into_iter().chain(needed.iter().map(String::as_str)) {
                answered(shared, lane, dependency).await;
            }
            None
        }
        Err(ProcessError { service: Some(Service::Up(dependency)), .. }) => {
            answered(shared, lane, dependency).await;
            None
        }
        Err(error @ ProcessError { service: Some(Service::Down(dependency)), class: ErrorClass::Transient, .. }) => {
            let began = Instant::now().checked_sub(took);
            if began.is_some_and(|began| breakers.met_it_open(dependency, began)) {
                // It tells of the time when the service was down, and the service has answered since.
                return Some(spread(breakers.rule.unwrap_or_default().first, shared.random()));
            }
            let counted = breakers.failed(dependency, error).await;
            if counted.opens {
                tell(shared, lane, EventKind::BreakerOpened, dependency).await;
            }
            // A little sooner than the next probe where nobody else would bring a job to probe with.
            let alone = lane.craft.dependency.as_deref() == Some(dependency.as_str());
            counted.wait.map(|wait| if alone { wait.mul_f64(0.85) } else { spread(wait, shared.random()) })
        }
        Err(ProcessError { service: Some(Service::Held), retry_after, .. }) => {
            retry_after.map(|wait| spread(wait, shared.random()))
        }
        Err(_) => None,
    }
}

/// Up to a tenth longer, so that not all come back at the same moment.
fn spread(wait: Duration, random: f64) -> Duration {
    wait + wait.mul_f64(0.1 * random)
}

async fn answered(shared: &Shared, lane: &Lane, dependency: &str) {
    if shared.breakers.answered(dependency).await {
        tell(shared, lane, EventKind::BreakerClosed, dependency).await;
    }
}

async fn tell(shared: &Shared, lane: &Lane, kind: EventKind, dependency: &str) {
    let queue = Some(lane.keys.queue().clone());
    shared.emit(|| Event { queue, ..Event::new(kind).message(dependency) });
    let about = format!("dependency={dependency}");
    let noting = shared.breakers.store.mark(&lane.keys, kind.as_str(), &about, &shared.worker);
    // The breaker stands as it does, whether or not that can be written down now.
    let _ = tokio::time::timeout(COUNTING, noting).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::config::Config;

    fn breakers() -> Breakers {
        let client = Client::new(&Config::from_lookup(|_| None, None).unwrap()).unwrap();
        Breakers::new(client.open_store(), "w".into(), Some(BreakerRule::default()))
    }

    #[tokio::test]
    async fn what_is_not_known_to_be_down_may_be_tried_without_asking() {
        let breakers = breakers();
        assert_eq!(breakers.pass("a").await, Pass::Free);
        breakers.learn("a", None);
        assert_eq!(breakers.pass("a").await, Pass::Free, "failures are counted, and it is closed");
        breakers.learn("a", Some(Duration::from_secs(60)));
        assert!(breakers.is_open(Some("a")) && !breakers.is_open(Some("b")) && !breakers.is_open(None));
        assert!(matches!(breakers.pass("a").await, Pass::Wait(wait) if wait > Duration::from_secs(50)));
        assert!(!breakers.answered("b").await, "nothing is known of it, so nobody is asked");
        let began = Instant::now();
        assert!(!breakers.met_it_open("a", began), "it is open still: the failure counts");
        breakers.note_closed("a");
        assert!(breakers.met_it_open("a", began) && !breakers.met_it_open("a", Instant::now()));
        assert!(!breakers.met_it_open("b", began));
    }
}
