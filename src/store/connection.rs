//! The handle through which every command goes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::{Failure, Remedy};
use super::route::Route;
use crate::config::RedisConfig;
use crate::error::{Error, ErrorKind, Result};

/// How long a call is repeated while the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For commands: an answer or an error within five seconds in all.
    Brief,
    /// For workers: repeated with backoff until the caller drops the future.
    Endless,
}

impl Patience {
    /// How long one sending waits for its answer before the connection is given up.
    fn answer_limit(self) -> Duration {
        match self {
            // Half the budget, so that a lost reply leaves room for one repeat.
            Self::Brief => Duration::from_secs(2),
            Self::Endless => Duration::from_secs(10),
        }
    }
}

/// A brief call ends after this, whatever happens.
const BUDGET: Duration = Duration::from_millis(4_500);
/// A brief call to where nobody has ever listened ends after this.
const ABSENT_BUDGET: Duration = Duration::from_secs(1);
/// Connections are tried no more often than this, and with every failure in a row half as often, down to `DIAL_MAX`.
const DIAL_MIN: Duration = Duration::from_millis(200);
const DIAL_MAX: Duration = Duration::from_secs(1);

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The reply.
    pub value: Value,
    /// Whether the call was sent more than once, so that an earlier one may have been executed.
    pub repeated: bool,
}

/// A shared connection that finds the server, reconnects and repeats. Cloning shares it. Connects at the first call.
///
/// A handle belongs to the runtime that it is first used on: its connection is driven there.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    route: Route,
    patience: Patience,
    current: Mutex<Option<Link>>,
    generation: AtomicU64,
    /// Held by the one caller that connects; the others wait for what comes of it.
    dialling: tokio::sync::Mutex<Dialled>,
}

/// A connection and its number.
#[derive(Clone)]
struct Link {
    generation: u64,
    wire: MultiplexedConnection,
}

/// What came of the latest attempts to connect.
#[derive(Default)]
struct Dialled {
    failures: u32,
    at: Option<Instant>,
    failure: Option<Failure>,
}

impl Connection {
    pub(crate) fn new(config: RedisConfig, patience: Patience) -> Self {
        Self(Arc::new(Inner {
            route: Route::new(config),
            patience,
            current: Mutex::default(),
            generation: AtomicU64::new(0),
            dialling: tokio::sync::Mutex::default(),
        }))
    }

    /// Sends a command. Every command of this crate may arrive twice, so it is repeated until answered.
    ///
    /// Dropping the future stops the repeating; what was sent may still be executed.
    pub(crate) async fn call(&self, cmd: &redis::Cmd) -> Result<Answer> {
        self.0.carry(cmd, None).await
    }

    /// Sends an EVALSHA; where the server does not know the script, loads `source` and repeats.
    pub(crate) async fn eval(&self, cmd: &redis::Cmd, source: &str) -> Result<Answer> {
        self.0.carry(cmd, Some(source)).await
    }

    /// Counts the servers this handle has been connected to: it rises with every reconnect.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }
}

impl Inner {
    async fn carry(self: &Arc<Self>, cmd: &redis::Cmd, source: Option<&str>) -> Result<Answer> {
        let mut errand = Errand::new(self.patience);
        loop {
            let failure = match self.attempt(&mut errand, cmd, source).await {
                Ok(value) => return Ok(Answer { value, repeated: errand.executed }),
                Err(failure) => failure,
            };
            errand.executed |= failure.executed;
            let pause = errand.pause_after(&failure, self.generation.load(Ordering::Acquire) > 0);
            let Some(pause) = pause else { return Err(errand.error(failure)) };
            sleep(pause).await;
        }
    }

    /// Connects where needed and sends once (twice where the script has to be loaded).
    async fn attempt(
        self: &Arc<Self>,
        errand: &mut Errand,
        cmd: &redis::Cmd,
        source: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut link = self.link(errand).await?;
        let outcome = match self.send(&mut link, errand, cmd).await {
            Err(failure) if failure.remedy == Remedy::LoadScript => {
                let Some(source) = source else { return Err(failure) };
                self.send(&mut link, errand, redis::cmd("SCRIPT").arg("LOAD").arg(source)).await?;
                self.send(&mut link, errand, cmd).await
            }
            outcome => outcome,
        };
        errand.dialled = false;
        outcome
    }

    async fn send(&self, link: &mut Link, errand: &Errand, cmd: &redis::Cmd) -> Result<Value, Failure> {
        let limit = errand.answer_by(self.patience.answer_limit());
        let outcome = match timeout_at(limit, link.wire.send_packed_command(cmd)).await {
            Ok(reply) => plain(reply).map_err(|error| Failure::answering(&self.route, &error)),
            Err(_) => Err(Failure::silent(&self.route, self.patience.answer_limit())),
        };
        if matches!(&outcome, Err(failure) if failure.remedy == Remedy::Reconnect) {
            self.retire(link.generation);
        }
        outcome
    }

    fn current(&self) -> Option<Link> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No call starts on this connection any more; those under way may still be answered.
    fn retire(&self, generation: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|link| link.generation == generation) {
            *current = None;
        }
    }

    async fn link(self: &Arc<Self>, errand: &mut Errand) -> Result<Link, Failure> {
        if let Some(link) = self.current() {
            return Ok(link);
        }
        errand.dialled = true;
        let Some(limit) = errand.connect_by(self.route.start_limit()) else { return self.dial().await };
        let outcome = timeout_at(limit, self.dial()).await.unwrap_or_else(|_| {
            let message = format!("cannot reach redis at {}: no connection in time", self.route);
            Err(Failure::passing(ErrorKind::Unreachable, message))
        });
        // Starting a server of one's own may take longer than any answer: the call has its whole budget after it.
        if outcome.is_ok() && !self.route.start_limit().is_zero() {
            errand.started = Instant::now();
        }
        outcome
    }

    /// Connects, or waits for the caller that is about to and takes what came of it.
    async fn dial(self: &Arc<Self>) -> Result<Link, Failure> {
        let asked = Instant::now();
        let mut dialled = self.dialling.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        if let (Some(failure), Some(at)) = (&dialled.failure, dialled.at)
            && at >= asked
        {
            return Err(failure.clone());
        }
        if let Some(at) = dialled.at {
            tokio::time::sleep_until(at + dial_pause(dialled.failures)).await;
        }
        let before = self.generation.load(Ordering::Acquire);
        let outcome = self.route.open().await.map_err(|failure| settle(failure, before, &self.route));
        dialled.at = Some(Instant::now());
        match outcome {
            Ok(wire) => {
                let link = Link { generation: before + 1, wire };
                (dialled.failures, dialled.failure) = (0, None);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                self.generation.store(link.generation, Ordering::Release);
                Ok(link)
            }
            Err(failure) => {
                dialled.failures = dialled.failures.saturating_add(1);
                dialled.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }
}

/// A replica at the very start is a wrong address; later, or behind sentinels, it is a failover under way.
fn settle(mut failure: Failure, generation: u64, route: &Route) -> Failure {
    if failure.kind == ErrorKind::NotNow && failure.wrong_role && generation == 0 && !route.has_failover() {
        (failure.kind, failure.remedy) = (ErrorKind::Config, Remedy::Nothing);
    }
    failure
}

/// A refusal is an error of the call, not a value.
pub(super) fn plain(reply: RedisResult<Value>) -> RedisResult<Value> {
    match reply {
        Ok(Value::ServerError(error)) => Err(error.into()),
        reply => reply,
    }
}

/// How long after an attempt to connect the next one may begin.
pub(super) fn dial_pause(failures: u32) -> Duration {
    jittered(DIAL_MIN.saturating_mul(1 << failures.saturating_sub(1).min(4)).min(DIAL_MAX))
}

/// Between three quarters and all of `span`, so that many callers do not come back at the same moment.
fn jittered(span: Duration) -> Duration {
    let chance = RandomState::new().build_hasher().finish() % 256;
    span.mul_f64(0.75 + chance as f64 / 1024.0)
}

/// One call on its way: how long it has tried, and whether it may have been executed.
struct Errand {
    patience: Patience,
    started: Instant,
    repeats: u32,
    executed: bool,
    /// Whether the latest step was connecting, which paces itself.
    dialled: bool,
}

impl Errand {
    fn new(patience: Patience) -> Self {
        Self { patience, started: Instant::now(), repeats: 0, executed: false, dialled: false }
    }

    /// When the connection must stand; `None`: whenever.
    fn connect_by(&self, start_limit: Duration) -> Option<Instant> {
        (self.patience == Patience::Brief).then(|| self.started + BUDGET.max(start_limit))
    }

    /// When one sending must be answered.
    fn answer_by(&self, limit: Duration) -> Instant {
        let by = Instant::now() + limit;
        if self.patience == Patience::Brief { by.min(self.started + BUDGET) } else { by }
    }

    /// How long to wait before the next attempt; `None`: there is none.
    fn pause_after(&mut self, failure: &Failure, connected_before: bool) -> Option<Duration> {
        if failure.remedy == Remedy::Nothing {
            return None;
        }
        let pause = match self.repeats {
            _ if self.dialled => Duration::ZERO,
            0 if failure.remedy != Remedy::Wait => Duration::ZERO,
            repeats => jittered(Duration::from_millis(50 << repeats.min(5)).min(DIAL_MAX)),
        };
        self.repeats += 1;
        let absent = failure.absent && !connected_before && !self.executed;
        let budget = if absent { ABSENT_BUDGET } else { BUDGET };
        let go_on = self.patience == Patience::Endless || self.started.elapsed() + pause < budget;
        go_on.then_some(pause)
    }

    fn error(&self, failure: Failure) -> Error {
        if self.executed && failure.remedy != Remedy::Nothing {
            let message = format!("{}: the outcome is unknown, and the same command may be run again", failure.message);
            return Error::new(ErrorKind::OutcomeUnknown, message);
        }
        failure.into_error()
    }
}

#[cfg(test)]
mod tests;
