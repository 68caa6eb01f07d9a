//! A connection of its own that blocks: on wake-up tokens, on the entries of a stream.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::plain;
use super::failure::Failure;
use super::route::Dialler;
use super::slots::slot_of;
use crate::config::{RedisConfig, RedisMode};
use crate::error::Result;

/// How much longer than asked a reply may take before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(2);

/// In a cluster: how long the other waits go on after one was answered. Whoever does not wait again by then is at work, and
/// what they would take is for others.
const LINGER: Duration = Duration::from_millis(100);

/// A connection of its own that blocks; in a cluster one for each slot.
///
/// A blocking command whose answer nobody takes any more would swallow the next token, so any error and any dropped
/// future ends the connection; the next wait makes a new one. Where there are several, one answer does not end the other
/// waits: the next call finds them under way, unless [`Waiter::rest`] has ended them.
pub(crate) struct Waiter {
    config: RedisConfig,
    lines: Vec<Line>,
    under_way: FuturesUnordered<BoxFuture<'static, (Line, Result<Value>)>>,
    asked: Vec<String>,
}

/// A command that blocks, the key that it is about, and what tells it from others.
pub(crate) struct Blocking {
    pub key: String,
    pub what: String,
    pub command: Cmd,
}

/// A connection to where one key is.
struct Line {
    slot: Option<u16>,
    what: String,
    dialler: Dialler,
    idle: Option<MultiplexedConnection>,
}

impl Waiter {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { config, lines: Vec::new(), under_way: FuturesUnordered::new(), asked: Vec::new() }
    }

    /// Puts together what one command may wait for: everything, or, in a cluster, what is in one slot.
    pub(crate) fn groups<T: Clone>(&self, items: &[T], key: impl Fn(&T) -> &str) -> Vec<Vec<T>> {
        let mut groups = BTreeMap::<Option<u16>, Vec<T>>::new();
        for item in items {
            groups.entry(self.slot(key(item))).or_default().push(item.clone());
        }
        groups.into_values().collect()
    }

    fn slot(&self, key: &str) -> Option<u16> {
        matches!(self.config.mode, RedisMode::Cluster(_)).then(|| slot_of(key.as_bytes()))
    }

    /// Waits for a token in one of the lists, at most `timeout`; the list it came from. Dropping the future drops the
    /// connection.
    ///
    /// An error says that this wait failed, not that there is no token; attempts to connect are paced here, so the
    /// caller may simply ask again.
    pub(crate) async fn wait(&mut self, lists: &[String], timeout: Duration) -> Result<Option<String>> {
        let command = |lists: Vec<String>| {
            let mut command = redis::cmd("BLPOP");
            // 0 would wait for ever.
            command.arg(&lists).arg(timeout.max(Duration::from_millis(1)).as_secs_f64());
            Some(Blocking { key: lists.first()?.clone(), what: lists.join(" "), command })
        };
        let commands = self.groups(lists, |list| list).into_iter().filter_map(command).collect();
        self.ask(commands, timeout).await.map(list_of)
    }

    /// Sends commands that block for at most `block`, one to each slot; the first answer. As for [`Waiter::wait`], the caller
    /// may ask again after an error.
    pub(crate) async fn ask(&mut self, mut commands: Vec<Blocking>, block: Duration) -> Result<Value> {
        if commands.len() == 1 && self.under_way.is_empty() {
            let Some(Blocking { key, what, command }) = commands.pop() else { return Ok(Value::Nil) };
            let at = self.line(&key, what);
            return self.lines[at].ask(&command, block).await;
        }
        if !self.asked.iter().all(|asked| commands.iter().any(|command| command.what == *asked)) {
            self.end();
        }
        for Blocking { key, what, command } in commands {
            if !self.asked.contains(&what) {
                let at = self.line(&key, what.clone());
                let mut line = self.lines.swap_remove(at);
                self.asked.push(what);
                self.under_way.push(Box::pin(async move {
                    let answer = line.ask(&command, block).await;
                    (line, answer)
                }));
            }
        }
        let (until, mut failed) = (Instant::now() + block + GRACE, None);
        while let Ok(Some((line, answer))) = timeout_at(until, self.under_way.next()).await {
            self.asked.retain(|asked| *asked != line.what);
            self.lines.push(line);
            match answer {
                Ok(value) => return Ok(value),
                // One node is away; the others may still have something.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(Value::Nil), Err)
    }

    /// Ends the waits that were left under way when another was answered, a moment later; never returns where there are
    /// none. To be awaited while nothing is asked.
    pub(crate) async fn rest(&mut self) {
        if self.under_way.is_empty() {
            return std::future::pending().await;
        }
        sleep(LINGER).await;
        self.end();
    }

    fn end(&mut self) {
        self.under_way.clear();
        self.asked.clear();
    }

    /// The place of the line to where `key` is.
    fn line(&mut self, key: &str, what: String) -> usize {
        let slot = self.slot(key);
        let at = self.lines.iter().position(|line| line.slot == slot).unwrap_or_else(|| {
            let dialler = Dialler::to_key(self.config.clone(), key);
            self.lines.push(Line { slot, what: String::new(), dialler, idle: None });
            self.lines.len() - 1
        });
        self.lines[at].what = what;
        at
    }
}

impl Line {
    async fn ask(&mut self, cmd: &Cmd, block: Duration) -> Result<Value> {
        // Taken out for the time of the wait: whoever drops this future drops the connection with it.
        let mut wire = match self.idle.take() {
            Some(wire) => wire,
            None => self.dialler.open().await.map_err(Failure::into_error)?.connection,
        };
        let route = &self.dialler.route;
        let reply = match timeout(block + GRACE, wire.send_packed_command(cmd)).await {
            Ok(reply) => {
                let failed = |error| Failure::answering(route, &error).found_anew().into_error();
                plain(reply).map_err(failed)?
            }
            Err(_) => return Err(Failure::silent(route, block + GRACE).into_error()),
        };
        self.idle = Some(wire);
        Ok(reply)
    }
}

fn list_of(reply: Value) -> Option<String> {
    let Value::Array(parts) = reply else { return None };
    match parts.into_iter().next()? {
        Value::BulkString(name) => String::from_utf8(name).ok(),
        _ => None,
    }
}
