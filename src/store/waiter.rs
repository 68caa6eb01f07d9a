//! A connection of its own that blocks: on wake-up tokens, on the entries of a stream.

use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use super::connection::plain;
use super::failure::Failure;
use super::route::Dialler;
use crate::config::RedisConfig;
use crate::error::Result;

/// How much longer than asked a reply may take before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(2);

/// A connection of its own that blocks.
///
/// A blocking command whose answer nobody takes any more would swallow the next token, so any error and any dropped
/// future ends the connection; the next wait makes a new one.
pub(crate) struct Waiter {
    dialler: Dialler,
    idle: Option<MultiplexedConnection>,
}

impl Waiter {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { dialler: Dialler::new(config), idle: None }
    }

    /// Waits for a token in one of the lists, at most `timeout`; the list it came from. Dropping the future drops the
    /// connection.
    ///
    /// An error says that this wait failed, not that there is no token; attempts to connect are paced here, so the
    /// caller may simply ask again.
    pub(crate) async fn wait(&mut self, lists: &[String], timeout: Duration) -> Result<Option<String>> {
        let mut cmd = redis::cmd("BLPOP");
        // 0 would wait for ever.
        cmd.arg(lists).arg(timeout.max(Duration::from_millis(1)).as_secs_f64());
        self.ask(&cmd, timeout).await.map(list_of)
    }

    /// Sends a command that blocks for at most `block`; its answer. As for [`Waiter::wait`], dropping the future drops
    /// the connection, and the caller may ask again after an error.
    pub(crate) async fn ask(&mut self, cmd: &redis::Cmd, block: Duration) -> Result<Value> {
        // Taken out for the time of the wait: whoever drops this future drops the connection with it.
        let mut wire = match self.idle.take() {
            Some(wire) => wire,
            None => self.dialler.open().await.map_err(Failure::into_error)?.connection,
        };
        let reply = match timeout(block + GRACE, wire.send_packed_command(cmd)).await {
            Ok(reply) => plain(reply).map_err(|error| Failure::answering(&self.dialler.route, &error).into_error())?,
            Err(_) => return Err(Failure::silent(&self.dialler.route, block + GRACE).into_error()),
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
