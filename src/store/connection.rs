//! The handle through which every command goes.

use crate::config::RedisConfig;
use crate::error::Result;

/// How long a call is repeated while the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For commands: an answer or an error within five seconds in all.
    Brief,
    /// For workers: repeated with backoff until the caller drops the future.
    Endless,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The reply.
    pub value: redis::Value,
    /// Whether the call was sent more than once, so that an earlier one may have been executed.
    pub repeated: bool,
}

/// A shared connection that finds the server, reconnects and repeats. Cloning shares it. Connects at the first call.
#[derive(Clone)]
pub(crate) struct Connection;

impl Connection {
    pub(crate) fn new(_config: RedisConfig, _patience: Patience) -> Self {
        unimplemented!()
    }

    /// Sends a command. Every command of this crate may arrive twice, so it is repeated until answered.
    pub(crate) async fn call(&self, _cmd: &redis::Cmd) -> Result<Answer> {
        unimplemented!()
    }

    /// Sends an EVALSHA; where the server does not know the script, loads `source` and repeats.
    pub(crate) async fn eval(&self, _cmd: &redis::Cmd, _source: &str) -> Result<Answer> {
        unimplemented!()
    }

    /// Counts the servers this handle has been connected to: it rises with every reconnect.
    pub(crate) fn generation(&self) -> u64 {
        unimplemented!()
    }
}

/// A connection of its own that blocks on wake-up tokens.
pub(crate) struct Waiter;

impl Waiter {
    pub(crate) fn new(_config: RedisConfig) -> Self {
        unimplemented!()
    }

    /// Waits for a token in one of the lists, at most `timeout`; the list it came from. Dropping the future drops the
    /// connection.
    pub(crate) async fn wait(&mut self, _lists: &[String], _timeout: std::time::Duration) -> Result<Option<String>> {
        unimplemented!()
    }
}
