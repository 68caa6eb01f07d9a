//! Alerts: rules, mutes, how they stand, what is still to be told, and what was. Of all queues under a prefix.

use std::collections::BTreeMap;

use redis::{Cmd, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::store::codec::{Reply, read};
use crate::store::scripts::Script;
use crate::store::{Store, keys, scripts};

/// Entries of the history that are kept.
const KEPT: usize = 1_000;
/// Rules, or mutes, that there may be.
pub(crate) const ALERTS_MAX: usize = 200;
/// Notices that may wait: more are not put down, and the oldest make room.
pub(crate) const ALERTS_WAITING: usize = 1_000;
/// Moves that one call makes.
pub(crate) const ALERT_MOVES: usize = 250;

/// A hash of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlertHash {
    Rules,
    Mutes,
    /// How alerts stand, by rule and subject.
    Standings,
    /// Notices by id, with the sinks that have not got them.
    Outbox,
}

/// Who evaluates, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlertTurn {
    pub is_ours: bool,
    pub holder: String,
    pub until_ms: i64,
    pub now_ms: i64,
    /// Whether one who has more to tell asks for it.
    pub is_wanted: bool,
}

/// A change of one thing, from how it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlertMove {
    place: &'static str,
    field: String,
    before: String,
    after: String,
}

/// What became of moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlertMoved {
    Done,
    /// The turn is another's.
    NotOurs,
    /// Something is not as it was seen: nothing was moved.
    Changed,
}

impl AlertMove {
    /// An alert's standing, empty where there is none.
    pub(crate) fn standing(field: String, before: String, after: String) -> Self {
        Self { place: "alerting", field, before, after }
    }

    /// A notice that waits, empty where it does not.
    pub(crate) fn notice(id: String, before: String, after: String) -> Self {
        Self { place: "outbox", field: id, before, after }
    }

    /// An entry of the history.
    pub(crate) fn entry(json: String) -> Self {
        Self { place: "history", field: String::new(), before: String::new(), after: json }
    }
}

impl Store {
    fn alert_key(&self, hash: AlertHash) -> String {
        match hash {
            AlertHash::Rules => keys::alerts(&self.prefix),
            AlertHash::Mutes => keys::alert_mutes(&self.prefix),
            AlertHash::Standings => keys::alerting(&self.prefix),
            AlertHash::Outbox => keys::alert_outbox(&self.prefix),
        }
    }

    fn on_alerts(&self, script: &Script, keys: &[String]) -> Cmd {
        script.on_keys(keys, &self.clock)
    }

    /// Takes the turn for `span_ms`, keeps it, or (0) gives it back. `is_busy`: the caller tells somebody, and does not let go
    /// of it for one who has more to tell.
    pub(crate) async fn alert_turn(
        &self,
        (holder, weight): (&str, usize),
        span_ms: u64,
        is_busy: bool,
    ) -> Result<AlertTurn> {
        let mut command = self.on_alerts(&scripts::ALERT_TURN, &[keys::alerts_turn(&self.prefix)]);
        command.arg(holder).arg(weight).arg(span_ms).arg(u8::from(is_busy));
        let value = scripts::ALERT_TURN.ask(&self.connection, &command).await?;
        let mut reply = Reply::new("alert_turn", value)?;
        let is_ours = reply.count()? == 1;
        let (holder, until_ms, now_ms) = (reply.text()?, reply.number()?, reply.number()?);
        Ok(AlertTurn { is_ours, holder, until_ms, now_ms, is_wanted: reply.count()? == 1 })
    }

    /// Who had the turn last, and until when in ms; `None`: nobody ever.
    pub(crate) async fn alert_holder(&self) -> Result<Option<(String, i64)>> {
        let mut command = redis::cmd("GET");
        command.arg(keys::alerts_turn(&self.prefix));
        let text: Option<String> = read("GET", self.connection.call(&command).await?.value)?;
        let parts = text.as_deref().and_then(|text| {
            let (holder, rest) = text.split_once('|')?;
            Some((holder.to_owned(), rest.split('|').next()?.parse().ok()?))
        });
        Ok(parts)
    }

    /// Everything in a hash of alerts.
    pub(crate) async fn alert_fields(&self, hash: AlertHash) -> Result<BTreeMap<String, String>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.alert_key(hash));
        let value: Value = self.connection.call(&command).await.map_err(|error| error.context("alerts"))?.value;
        read("HGETALL", value)
    }

    /// Writes a rule or a mute, or removes it (`json` empty), with an entry of the history where it is not empty. Whether
    /// there was anything to do.
    ///
    /// # Errors
    /// `Refused` where there are 200 already.
    pub(crate) async fn alert_put(&self, hash: AlertHash, name: &str, json: &str, entry: &str) -> Result<bool> {
        let keys = [self.alert_key(hash), keys::alert_history(&self.prefix)];
        let mut command = self.on_alerts(&scripts::ALERT_PUT, &keys);
        command.arg(name).arg(json).arg(ALERTS_MAX).arg(KEPT).arg(entry);
        let answer = scripts::ALERT_PUT.send(&self.connection, &command).await?;
        match read::<i64>("alert_put", answer.value)? {
            1 => Ok(true),
            // The first of two calls may have removed it.
            0 => Ok(answer.repeated),
            _ => Err(Error::refused(format!("there are {ALERTS_MAX} already: remove some first"))),
        }
    }

    /// Makes all of these moves or none; `holder` must have the turn, where one is named.
    ///
    /// # Errors
    /// `Full` where a notice is to be put down and 1,000 wait already.
    pub(crate) async fn alert_move(&self, holder: Option<&str>, moves: &[AlertMove]) -> Result<AlertMoved> {
        let keys = [
            keys::alerts_turn(&self.prefix),
            keys::alerting(&self.prefix),
            keys::alert_outbox(&self.prefix),
            keys::alert_history(&self.prefix),
        ];
        let mut command = self.on_alerts(&scripts::ALERT_MOVE, &keys);
        command.arg(holder.unwrap_or_default()).arg(KEPT);
        for AlertMove { place, field, before, after } in moves {
            command.arg(place).arg(field).arg(before).arg(after);
        }
        let answer = scripts::ALERT_MOVE.send(&self.connection, &command).await?;
        match read::<i64>("alert_move", answer.value)? {
            1 => Ok(AlertMoved::Done),
            0 => Ok(AlertMoved::NotOurs),
            -1 => Ok(AlertMoved::Changed),
            _ => Err(Error::new(ErrorKind::Full, "1,000 notices of alerts wait to be told: see 'alerts test'")),
        }
    }

    /// The last entries of the history with the ms at which each was written, the latest first.
    pub(crate) async fn alert_history(&self, count: u64) -> Result<Vec<(i64, String)>> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(keys::alert_history(&self.prefix)).arg("+").arg("-").arg("COUNT").arg(count);
        let mut entries = Reply::new("XREVRANGE", self.connection.call(&command).await?.value)?;
        let mut found = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            let mut entry = entries.list()?;
            let at_ms = entry.text()?.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
            found.push((at_ms, entry.map()?.remove("entry").unwrap_or_default()));
        }
        Ok(found)
    }
}
