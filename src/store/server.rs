//! One server: its connection, made again whenever it is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::connection::{Patience, Request, plain};
use super::errand::{Errand, dial_pause};
use super::failure::{Failure, Remedy};
use super::route::{Opened, Route};
use super::sentinel::News;
use crate::config::Endpoint;
use crate::error::ErrorKind;

/// A shared connection to one server, found by its route.
pub(super) struct Server {
    route: Route,
    patience: Patience,
    current: Mutex<Option<Link>>,
    generation: AtomicU64,
    /// How often the server, or what stands before it, has answered anything.
    answers: AtomicU64,
    /// Held by the one caller that connects; the others wait for what comes of it.
    dialling: tokio::sync::Mutex<Dialled>,
    /// Those who listen to the sentinels.
    watchers: Mutex<Vec<AbortHandle>>,
}

impl Drop for Server {
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

impl Server {
    pub(super) fn new(route: Route, patience: Patience) -> Self {
        Self {
            route,
            patience,
            current: Mutex::default(),
            generation: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            dialling: tokio::sync::Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// Gives the connection up. Calls under way may still be answered.
    pub(super) fn leave(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How often it has answered anything.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Whether a connection ever stood.
    pub(super) fn was_reached(&self) -> bool {
        self.generation() > 0
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Connects where needed and sends once (twice where the script has to be loaded).
    pub(super) async fn attempt(self: &Arc<Self>, errand: &mut Errand, request: Request<'_>) -> Result<Value, Failure> {
        let mut link = self.link(errand).await?;
        let outcome = match self.send(&mut link, errand, request).await {
            Err(failure) if failure.remedy == Remedy::LoadScript => {
                let Some(source) = request.source else { return Err(failure) };
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(source);
                self.send(&mut link, errand, Request { cmd: &load, source: None, asking: false }).await?;
                self.send(&mut link, errand, request).await
            }
            outcome => outcome,
        };
        errand.dialled = false;
        outcome
    }

    async fn send(&self, link: &mut Link, errand: &Errand, request: Request<'_>) -> Result<Value, Failure> {
        let limit = errand.answer_by(self.patience.answer_limit());
        let answer = async {
            match timeout_at(limit, deliver(&mut link.wire, request)).await {
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

/// Sends a command. Where the node has been named for this call only, it is told so in the same breath: on a shared
/// connection another call would come between.
async fn deliver(wire: &mut MultiplexedConnection, request: Request<'_>) -> RedisResult<Value> {
    if !request.asking {
        return wire.send_packed_command(request.cmd).await;
    }
    let mut pair = redis::pipe();
    pair.cmd("ASKING").add_command(request.cmd.clone());
    let mut replies = wire.send_packed_commands(&pair, 1, 1).await?;
    Ok(replies.pop().unwrap_or(Value::Nil))
}

/// What can only be a wrong configuration as long as no connection has ever stood.
fn settle(failure: Failure) -> Failure {
    if failure.misfit { Failure::final_(ErrorKind::Config, failure.message) } else { failure }
}
