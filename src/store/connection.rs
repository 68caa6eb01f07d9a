//! The handle through which every command goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::errand::{Errand, dial_pause};
use super::failure::{Failure, Remedy};
use super::route::{Opened, Route};
use super::sentinel::News;
use crate::config::{Endpoint, RedisConfig};
use crate::error::{ErrorKind, Result};

/// How long a patient caller waits for one answer.
const ENDLESS_ANSWER: Duration = Duration::from_secs(10);

/// The commands that only look, of those that are sent without a script.
const LOOKS: [&[u8]; 20] = [
    b"PING",
    b"TIME",
    b"INFO",
    b"EXISTS",
    b"GET",
    b"GETRANGE",
    b"HGET",
    b"HGETALL",
    b"HLEN",
    b"HMGET",
    b"HRANDFIELD",
    b"HSCAN",
    b"HSTRLEN",
    b"SISMEMBER",
    b"SMEMBERS",
    b"XRANGE",
    b"XREVRANGE",
    b"ZCARD",
    b"ZCOUNT",
    b"ZRANGE",
];

/// How long a call is repeated while the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For commands: an answer or an error within five seconds in all.
    Brief,
    /// For workers: repeated with backoff until the caller drops the future.
    Endless,
    /// For heartbeats: the same, and an answer that takes this long is waited for no more, since the lease runs on.
    Pressing(Duration),
}

impl Patience {
    /// How long one sending waits for its answer before the connection is given up.
    fn answer_limit(self) -> Duration {
        match self {
            // Half the budget, so that a lost reply leaves room for one repeat.
            Self::Brief => Duration::from_secs(2),
            Self::Endless => ENDLESS_ANSWER,
            Self::Pressing(limit) => limit.min(ENDLESS_ANSWER),
        }
    }

    /// Whether a call ends by itself when the server stays away.
    pub(super) fn is_brief(self) -> bool {
        self == Self::Brief
    }
}

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
    /// Asked before anything is sent that writes.
    config: RedisConfig,
    current: Mutex<Option<Link>>,
    generation: AtomicU64,
    /// How often the server, or what stands before it, has answered anything.
    answers: AtomicU64,
    /// Held by the one caller that connects; the others wait for what comes of it.
    dialling: tokio::sync::Mutex<Dialled>,
    /// Those who listen to the sentinels.
    watchers: Mutex<Vec<AbortHandle>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let watchers = self.watchers.get_mut().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(AbortHandle::abort);
    }
}

/// A connection and its number.
#[derive(Clone)]
struct Link {
    generation: u64,
    wire: MultiplexedConnection,
    /// Where it leads and when that is over, if sentinels say so.
    master: Option<Master>,
}

/// The master that a connection leads to.
#[derive(Clone)]
struct Master {
    endpoint: Endpoint,
    epoch: u64,
    /// Another is the master now: no answer of this one is worth waiting for.
    over: CancellationToken,
}

impl Link {
    fn new(generation: u64, opened: Opened) -> Self {
        let master = opened.found.map(|found| Master {
            endpoint: found.endpoint,
            epoch: found.epoch,
            over: CancellationToken::new(),
        });
        Self { generation, wire: opened.connection, master }
    }
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
            route: Route::new(config.clone()),
            patience,
            config,
            current: Mutex::default(),
            generation: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            dialling: tokio::sync::Mutex::default(),
            watchers: Mutex::default(),
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

    /// Gives the connection up, so that the next call finds the server anew. Calls under way may still be answered.
    pub(crate) fn leave(&self) {
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The ACL user, where one is set.
    pub(super) fn username(&self) -> Option<&str> {
        self.0.config.username.as_deref()
    }

    /// How often the server has answered: it rises with every reply, refusals and that it is loading included.
    pub(crate) fn answers(&self) -> u64 {
        self.0.answers.load(Ordering::Acquire)
    }

    #[cfg(test)]
    /// Counts the servers this handle has been connected to: it rises with every reconnect.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }
}

impl Inner {
    async fn carry(self: &Arc<Self>, cmd: &redis::Cmd, source: Option<&str>) -> Result<Answer> {
        let changes = changes(cmd, source);
        if changes {
            self.config.must_be_writable()?;
        }
        let mut errand = Errand::new(self.patience, changes);
        loop {
            let failure = match self.attempt(&mut errand, cmd, source).await {
                Ok(value) => return Ok(Answer { value, repeated: errand.executed }),
                Err(failure) => failure,
            };
            errand.executed |= failure.executed;
            let pause = errand.pause_after(&failure, self.generation.load(Ordering::Acquire) > 0);
            let Some(pause) = pause else { return Err(errand.error(failure)) };
            tracing::info!("{}; trying again", failure.message);
            errand.failure = Some(failure);
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
        let answer = async {
            match timeout_at(limit, link.wire.send_packed_command(cmd)).await {
                Ok(reply) => plain(reply).map_err(|error| Failure::answering(&self.route, &error)),
                Err(_) => Err(Failure::silent(&self.route, self.patience.answer_limit())),
            }
        };
        let outcome = match &link.master {
            None => answer.await,
            Some(master) => tokio::select! {
                biased;
                outcome = answer => outcome,
                () = master.over.cancelled() => {
                    let message = format!("redis at {} is not the master any more", master.endpoint);
                    Err(Failure { executed: true, ..Failure::passing(ErrorKind::Unreachable, message) })
                }
            },
        };
        self.hear_from(&outcome);
        if matches!(&outcome, Err(failure) if failure.remedy == Remedy::Reconnect) {
            self.retire(link.generation);
        }
        outcome
    }

    /// Counts an answer, whatever it says.
    fn hear_from<T>(&self, outcome: &Result<T, Failure>) {
        if !matches!(outcome, Err(failure) if failure.kind == ErrorKind::Unreachable) {
            self.answers.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// From the first connection on, sentinels are listened to by handles that stay.
    fn watch(self: &Arc<Self>) {
        let Some(sentinels) = self.route.sentinels().filter(|_| !self.patience.is_brief()) else { return };
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.is_empty() {
            let inner = Arc::downgrade(self);
            *watchers = sentinels.watch(move |news| {
                if let Some(inner) = inner.upgrade() {
                    inner.hear(&news);
                }
            });
        }
    }

    /// Gives the connection up when it leads to yesterday's master.
    fn hear(&self, news: &News) {
        let Some(Link { generation, master: Some(master), .. }) = self.current() else { return };
        let moved = match news {
            News::Switched(endpoint) => *endpoint != master.endpoint,
            // A sentinel that was cut off may still name an older master.
            News::Polled(endpoint, epoch) => *endpoint != master.endpoint && *epoch > master.epoch,
        };
        if moved {
            self.retire(generation);
            master.over.cancel();
        }
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
            // What went wrong before says more than that time is up.
            let message = format!("cannot reach redis at {}: no connection in time", self.route);
            let before = errand.failure.take().filter(|failure| failure.remedy != Remedy::Nothing);
            Err(before.unwrap_or_else(|| Failure::passing(ErrorKind::Unreachable, message)))
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
        let outcome = self.route.open().await.map_err(|failure| if before == 0 { settle(failure) } else { failure });
        dialled.at = Some(Instant::now());
        self.hear_from(&outcome);
        match outcome {
            Ok(opened) => {
                let link = Link::new(before + 1, opened);
                (dialled.failures, dialled.failure) = (0, None);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                self.generation.store(link.generation, Ordering::Release);
                tracing::info!("connected to redis at {}{}", self.route, if before > 0 { " again" } else { "" });
                self.watch();
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

/// Whether a call changes anything: scripts say so in their first line.
fn changes(cmd: &redis::Cmd, source: Option<&str>) -> bool {
    match (source, cmd.args_iter().next()) {
        (Some(source), _) => !source.lines().next().is_some_and(|flags| flags.contains("no-writes")),
        (None, Some(redis::Arg::Simple(name))) => !LOOKS.contains(&name),
        (None, _) => true,
    }
}

/// What can only be a wrong configuration as long as no connection has ever stood.
fn settle(failure: Failure) -> Failure {
    if failure.misfit { Failure::final_(ErrorKind::Config, failure.message) } else { failure }
}

/// A refusal is an error of the call, not a value.
pub(super) fn plain(reply: RedisResult<Value>) -> RedisResult<Value> {
    match reply {
        Ok(Value::ServerError(error)) => Err(error.into()),
        reply => reply,
    }
}
