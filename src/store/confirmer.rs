//! Waits for a replica to hold what was written, on a connection of its own.
//!
//! `WAIT` answers when so many replicas have read the replication stream up to the last write of the connection that it
//! is sent on, and blocks that connection until then. On the shared connection it would hold up every other call, so it
//! has its own; and there a write must go before it, which this is about:
//!
//! - **Order.** Replication is one stream. The answer to an enqueue comes after its writes have entered it, so a write on
//!   any connection that begins after that answer lies behind them, and a replica that has read the later one has read
//!   all before it. One small write and one `WAIT` so confirm any number of calls, of any number of queues: who comes
//!   while a `WAIT` is under way is gathered for the next.
//! - **The same server.** That holds only within one history. Between the enqueue and the `WAIT` another server may have
//!   become the master, which never saw the enqueue, and whose replicas would confirm in good faith. So the write is a
//!   script (`confirm`) that looks whether the calls stand in what this server holds: each enqueue into a durable queue
//!   leaves its number and the first of the unbroken run of numbers up to it. Where they do not stand the answer is
//!   [`Confirmation::Lost`], and the jobs have to be handed over again, under the same ids.
//! - **The same master.** While sentinels put another master in its place, the old one still takes writes and still has
//!   replicas that confirm them, until they are told to follow the new one and throw those writes away. So behind
//!   sentinels a confirmation counts only if, asked after it, no sentinel names another master or is about to.
//!
//!   In a cluster a confirmation counts only if, asked after it, no other node names another owner of the queue's slot.
//!
//! What is left: one replica holds the write, and the sentinels elect the one that has read most as long as the
//! `replica-priority` of all is the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::plain;
use super::dial::text;
use super::failure::{Failure, Remedy};
use super::route::{Dialler, Opened};
use super::scripts;
use super::witnesses::Witnesses;
use crate::clock::{Clock, span_text};
use crate::config::{Durable, RedisConfig, RedisMode};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Key, QueueKeys};

/// A plain command is given so long.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How much longer than asked a `WAIT` may take before the connection counts as dead.
const GRACE: Duration = Duration::from_millis(500);
/// How often a server that has no replica at the moment, or is loading, is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls of a producer of a durable queue.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub keys: QueueKeys,
    pub producer: String,
    /// The number of the first and of the last of them.
    pub span: (u64, u64),
    pub durable: Durable,
}

/// What became of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// They are where the queue wants them.
    Given,
    /// The server that is the master now does not hold them.
    Lost,
}

/// Confirms calls. Cloning shares the connection, which is made at the first one.
#[derive(Clone)]
pub(crate) struct Confirmer(Arc<Lines>);

/// A line to each server: to the one there is, or, in a cluster, one for each durable queue to the node that has it.
struct Lines {
    config: RedisConfig,
    clock: Clock,
    wait: Duration,
    open: Mutex<BTreeMap<String, Arc<Inner>>>,
}

struct Inner {
    wait: Duration,
    gathered: Mutex<Gathered>,
    line: tokio::sync::Mutex<Line>,
}

/// Those who wait for the next round.
#[derive(Default)]
struct Gathered {
    questions: Vec<Question>,
    /// A task is at work on them.
    busy: bool,
}

struct Question {
    calls: Calls,
    reply: oneshot::Sender<Result<Said, Failure>>,
}

/// What one round says of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Given,
    Lost,
    /// The server has no replica that could hold them.
    NoReplica,
    /// Replicas are there, and none has read so far in time.
    Silent,
}

impl Confirmer {
    /// On a connection to `config`; one round waits at most `wait` for a replica.
    pub(crate) fn new(config: RedisConfig, clock: Clock, wait: Duration) -> Self {
        Self(Arc::new(Lines { config, clock, wait, open: Mutex::default() }))
    }

    fn line(&self, keys: &QueueKeys) -> Arc<Inner> {
        let key = keys.name(Key::Meta);
        let whose = if matches!(self.0.config.mode, RedisMode::Cluster(_)) { key } else { "" };
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = open.get(whose) {
            return Arc::clone(line);
        }
        let dialler = Dialler::to_key(self.0.config.clone(), key);
        let witnesses = dialler.route.sentinels().map(Witnesses::new);
        let line = Line { dialler, witnesses, clock: self.0.clock.clone(), idle: None };
        let line = Inner { wait: self.0.wait, gathered: Mutex::default(), line: tokio::sync::Mutex::new(line) };
        Arc::clone(open.entry(whose.to_owned()).or_insert(Arc::new(line)))
    }

    /// How long one round waits for a replica.
    pub(crate) fn wait(&self) -> Duration {
        self.0.wait
    }

    /// Waits until the calls, which were answered, are confirmed; not beyond `until`. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `OutcomeUnknown` and why no replica has confirmed them; what no repeat mends (a missing right) as it is.
    pub(crate) async fn confirm(&self, calls: &Calls, until: Instant) -> Result<Confirmation> {
        let unconfirmed = |why: String| Err(Error::new(ErrorKind::OutcomeUnknown, why));
        let asked = Instant::now();
        let mut before = None;
        loop {
            let (why, pause) = match timeout_at(until, self.ask(calls)).await {
                Ok(Ok(Said::Given)) => return Ok(Confirmation::Given),
                Ok(Ok(Said::Lost)) => return Ok(Confirmation::Lost),
                Ok(Ok(Said::Silent)) => return unconfirmed(format!("none answered within {}", span_text(self.0.wait))),
                // It may be about to come back, above all after a failover.
                Ok(Ok(Said::NoReplica)) => ("the server has no replica".to_owned(), PAUSE),
                Ok(Err(failure)) if failure.remedy == Remedy::Nothing => return Err(failure.into_error()),
                Ok(Err(failure)) if failure.remedy == Remedy::Wait => (failure.message, PAUSE),
                // Connecting paces itself.
                Ok(Err(failure)) => (failure.message, Duration::ZERO),
                Err(_) => return unconfirmed(before.unwrap_or_else(|| "time is up".to_owned())),
            };
            if pause == PAUSE && asked.elapsed() >= self.0.wait {
                return unconfirmed(why);
            }
            before = Some(why);
            sleep(pause).await;
        }
    }

    /// What the next round says.
    async fn ask(&self, calls: &Calls) -> Result<Said, Failure> {
        let (reply, said) = oneshot::channel();
        let line = self.line(&calls.keys);
        let idle = {
            let mut gathered = line.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.questions.push(Question { calls: calls.clone(), reply });
            !std::mem::replace(&mut gathered.busy, true)
        };
        if idle {
            // In a task of its own: a caller that gives up must not take the others' answers with it.
            tokio::spawn(line.work_off());
        }
        said.await.unwrap_or_else(|_| Err(Failure::internal("a confirmation ended without an answer")))
    }
}

impl Inner {
    async fn work_off(self: Arc<Self>) {
        let mut line = self.line.lock().await;
        while let Some(questions) = self.next_round() {
            let calls: Vec<_> = questions.iter().map(|question| &question.calls).collect();
            let outcome = line.round(&calls, self.wait).await;
            for (place, question) in questions.into_iter().enumerate() {
                let said = outcome.as_ref().map(|said| said[place]).map_err(Failure::clone);
                // Who asked may have gone.
                let _ = question.reply.send(said);
            }
        }
    }

    /// Everybody who has asked meanwhile; `None` ends the work.
    fn next_round(&self) -> Option<Vec<Question>> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.busy = !gathered.questions.is_empty();
        gathered.busy.then(|| std::mem::take(&mut gathered.questions))
    }
}

/// The connection, and who vouches for the server behind it.
struct Line {
    dialler: Dialler,
    /// In sentinel mode.
    witnesses: Option<Witnesses>,
    clock: Clock,
    idle: Option<Opened>,
}

impl Line {
    /// One answer for each, after at most one `WAIT`.
    async fn round(&mut self, calls: &[&Calls], wait: Duration) -> Result<Vec<Said>, Failure> {
        // Taken out for the time of the round: what failed halfway is not used again.
        let mut opened = match self.idle.take() {
            Some(opened) => opened,
            None => self.dialler.open().await?,
        };
        // Before the write: only a server that has had a replica numbers its writes, and `WAIT` goes by those numbers.
        let replicas = self.replicas(&mut opened).await?;
        let standing = self.standing(&mut opened, calls).await?;
        let anybody = standing.contains(&true);
        let held = replicas > 0 && anybody && self.wait_for_replica(&mut opened, wait).await?;
        // Also where nothing was confirmed: the replicas may have gone to another master, and so must the next round.
        if let (true, Some(witnesses), Some(master)) = (anybody, &mut self.witnesses, &opened.found) {
            witnesses.vouch(master).await?;
        }
        if anybody && let Some(doubt) = self.dialler.route.doubt(opened.node.as_ref()).await {
            return Err(Failure::passing(ErrorKind::Unreachable, doubt));
        }
        self.idle = Some(opened);
        let may_be_alone = |calls: &Calls| calls.durable != Durable::On && self.witnesses.is_none();
        let said = |(calls, stands): (&&Calls, bool)| match (stands, replicas) {
            (false, _) => Said::Lost,
            (true, 0) if may_be_alone(calls) => Said::Given,
            (true, 0) => Said::NoReplica,
            (true, _) if held => Said::Given,
            (true, _) => Said::Silent,
        };
        Ok(calls.iter().zip(standing).map(said).collect())
    }

    async fn replicas(&self, opened: &mut Opened) -> Result<u64, Failure> {
        let reply = self.send(opened, redis::cmd("INFO").arg("replication"), ANSWER_LIMIT).await?;
        let lines = text(&reply).unwrap_or_default().lines();
        let count = lines.filter_map(|line| line.strip_prefix("connected_slaves:")).next();
        count.and_then(|count| count.parse().ok()).ok_or_else(|| Failure::internal("INFO tells of no replicas"))
    }

    /// Which of the calls stand on this server. A producer is asked about once.
    async fn standing(&self, opened: &mut Opened, calls: &[&Calls]) -> Result<Vec<bool>, Failure> {
        let mut known: Vec<(&str, Option<(u64, u64)>)> = Vec::new();
        let mut standing = Vec::with_capacity(calls.len());
        for calls in calls {
            let found = match known.iter().find(|(producer, _)| *producer == calls.producer) {
                Some((_, found)) => *found,
                None => {
                    let found = self.confirm(opened, calls).await?;
                    known.push((&calls.producer, found));
                    found
                }
            };
            standing.push(found.is_some_and(|(since, last)| since <= calls.span.0 && calls.span.1 <= last));
        }
        Ok(standing)
    }

    /// The first and the last of the run of calls that stands; writes where there is one.
    async fn confirm(&self, opened: &mut Opened, calls: &Calls) -> Result<Option<(u64, u64)>, Failure> {
        let script = &scripts::CONFIRM;
        let mut command = script.on(&calls.keys, &self.clock);
        command.arg(&calls.producer);
        let reply = match self.send(opened, &command, ANSWER_LIMIT).await {
            Err(failure) if failure.remedy == Remedy::LoadScript => {
                self.send(opened, redis::cmd("SCRIPT").arg("LOAD").arg(script.source()), ANSWER_LIMIT).await?;
                self.send(opened, &command, ANSWER_LIMIT).await?
            }
            outcome => outcome?,
        };
        let number = |value: &Value| text(value).and_then(|text| text.parse().ok());
        match reply {
            Value::Array(found) => Ok(found.get(1).and_then(number).zip(found.first().and_then(number))),
            _ => Err(Failure::internal("confirm gave an answer of another shape")),
        }
    }

    /// Whether a replica has read all that was written on this connection.
    async fn wait_for_replica(&self, opened: &mut Opened, wait: Duration) -> Result<bool, Failure> {
        // 0 would wait for ever.
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        match self.send(opened, redis::cmd("WAIT").arg(1).arg(wait_ms), wait + GRACE).await? {
            Value::Int(replicas) => Ok(replicas > 0),
            _ => Err(Failure::internal("WAIT gave an answer of another shape")),
        }
    }

    async fn send(&self, opened: &mut Opened, command: &Cmd, limit: Duration) -> Result<Value, Failure> {
        let route = &self.dialler.route;
        match timeout(limit, opened.connection.send_packed_command(command)).await {
            Ok(reply) => plain(reply).map_err(|error| Failure::answering(route, &error).found_anew()),
            Err(_) => Err(Failure::silent(route, limit)),
        }
    }
}
