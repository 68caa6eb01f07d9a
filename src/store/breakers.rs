//! Breakers of dependencies, which all queues and workers under a prefix share.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use redis::{Cmd, Value};

use crate::breaker::{BreakerError, BreakerInfo, BreakerRule, BreakerState};
use crate::error::{Error, Result};
use crate::store::codec::{Reply, read};
use crate::store::scripts::Script;
use crate::store::{QueueKeys, Store, keys, scripts};

/// What a failure has done to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub open: bool,
    /// By this failure.
    pub opens: bool,
    /// Until it may be probed.
    pub wait: Duration,
}

/// Whether a dependency may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Its breaker is closed.
    Free,
    /// This worker is the one that tries it.
    Probe,
    /// Not before this is over.
    Wait(Duration),
}

impl Store {
    fn on_breakers(&self, script: &Script, dependency: &str) -> Cmd {
        let mut command = script.on_key(&keys::breakers(&self.prefix), &self.clock);
        command.arg(dependency);
        command
    }

    /// Counts a failure of a dependency.
    pub(crate) async fn breaker_failed(
        &self,
        dependency: &str,
        worker: &str,
        rule: &BreakerRule,
        error: &BreakerError,
    ) -> Result<Failed> {
        let mut command = self.on_breakers(&scripts::BREAKER_FAILED, dependency);
        command.arg(worker).arg(rule.failures).arg(millis(rule.window)).arg(millis(rule.first)).arg(millis(rule.most));
        command.arg(format!("{} {}", error.code, error.message));
        let value = scripts::BREAKER_FAILED.ask(&self.connection, &command).await?;
        let mut reply = Reply::new("breaker_failed", value)?;
        let (open, opens) = (reply.count()? == 1, reply.count()? == 1);
        Ok(Failed { open, opens, wait: Duration::from_millis(reply.count()?) })
    }

    /// Asks whether a dependency may be tried; where its breaker is open, one worker at a time may.
    pub(crate) async fn breaker_probe(&self, dependency: &str, worker: &str) -> Result<Pass> {
        let mut command = self.on_breakers(&scripts::BREAKER_PROBE, dependency);
        command.arg(worker);
        let value = scripts::BREAKER_PROBE.ask(&self.connection, &command).await?;
        let mut reply = Reply::new("breaker_probe", value)?;
        let (word, wait_ms) = (reply.text()?, reply.count()?);
        match word.as_str() {
            "closed" => Ok(Pass::Free),
            "probe" => Ok(Pass::Probe),
            _ => Ok(Pass::Wait(Duration::from_millis(wait_ms))),
        }
    }

    /// Forgets the failures of a dependency. Whether its breaker was open and is closed now; `None` where an operator holds it
    /// open. `who` is a worker or `operator`.
    pub(crate) async fn breaker_close(&self, dependency: &str, who: &str) -> Result<Option<bool>> {
        let mut command = self.on_breakers(&scripts::BREAKER_CLOSE, dependency);
        command.arg(who);
        let answer = scripts::BREAKER_CLOSE.send(&self.connection, &command).await?;
        let word: u64 = read("breaker_close", answer.value)?;
        Ok((word != 2).then_some(word == 1))
    }

    /// Forgets the failures of a dependency of which none came for so long; an open breaker stays.
    pub(crate) async fn breaker_expire(&self, dependency: &str, age: Duration) -> Result<()> {
        self.breaker_close(dependency, &format!("stale:{}", millis(age))).await.map(drop)
    }

    /// Opens a breaker by hand for so long.
    pub(crate) async fn breaker_open(&self, dependency: &str, span: Duration, first: Duration) -> Result<()> {
        let mut command = self.on_breakers(&scripts::BREAKER_OPEN, dependency);
        command.arg(millis(span)).arg(millis(first));
        scripts::BREAKER_OPEN.ask(&self.connection, &command).await.map(drop)
    }

    /// Every breaker with failures, by its dependency, or why it cannot be read; and the server's time in ms (0 where there is
    /// none).
    pub(crate) async fn breakers(&self) -> Result<(i64, Vec<Result<BreakerInfo>>)> {
        let key = keys::breakers(&self.prefix);
        if self.leaves_out(&key, "the breakers of services").await {
            return Ok((0, Vec::new()));
        }
        let mut command = redis::cmd("HGETALL");
        command.arg(key);
        let value: Value = self.connection.call(&command).await?.value;
        let fields: BTreeMap<String, String> = read("HGETALL", value)?;
        if fields.is_empty() {
            return Ok((0, Vec::new()));
        }
        let now_ms = self.now_ms().await?;
        Ok((now_ms, fields.iter().map(|(dependency, text)| breaker(dependency, text)).collect()))
    }

    /// Notes in the events of a queue what happened beside its jobs.
    pub(crate) async fn mark(&self, keys: &QueueKeys, event: &str, about: &str, who: &str) -> Result<()> {
        let mut command = scripts::MARK.on(keys, &self.clock);
        command.arg(event).arg(about).arg(who);
        scripts::MARK.ask(&self.connection, &command).await.map(drop)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn breaker(dependency: &str, text: &str) -> Result<BreakerInfo> {
    let mut parts: Vec<_> = text.splitn(8, '|').collect();
    // Before errors were kept there were seven.
    if parts.len() == 7 {
        parts.push("");
    }
    let unreadable = || Error::corrupt(format!("breaker {dependency:?} is not readable: {text:?}; close it"));
    let [failures, last_ms, opened_ms, due_ms, _wait_ms, probe, by, error] = parts[..] else {
        return Err(unreadable());
    };
    let number = |text: &str| text.parse::<i64>().map_err(|_| unreadable());
    let at = |ms: i64| (ms > 0).then(|| DateTime::from_timestamp_millis(ms)).flatten();
    let opened_at = at(number(opened_ms)?);
    let state = match (opened_at, probe) {
        (None, _) => BreakerState::Closed,
        (Some(_), "") => BreakerState::Open,
        (Some(_), _) => BreakerState::HalfOpen,
    };
    Ok(BreakerInfo {
        dependency: dependency.to_owned(),
        state,
        failures: u64::try_from(number(failures)?).unwrap_or_default(),
        last_failure_at: at(number(last_ms)?),
        last_error: error
            .split_once(' ')
            .map(|(code, message)| BreakerError { code: code.to_owned(), message: message.to_owned() }),
        opened_at,
        probe_at: at(number(due_ms)?),
        opened_by: (!by.is_empty()).then(|| by.to_owned()),
    })
}
