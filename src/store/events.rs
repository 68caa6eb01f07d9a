//! Reads the event stream of a queue: what happened from an entry on.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::event::{EventId, QueueEvent};
use crate::job::{History, JobId};
use crate::store::codec::{Reply, read};
use crate::store::{Blocking, Key, QueueKeys, Store, Waiter};

/// Entries that one answer carries; each may name hundreds of jobs.
const BATCH: usize = 100;
/// A stream keeps as many entries at least.
const KEPT_MIN: u64 = 1_000;

impl Store {
    /// The first entry that the stream still holds; the start where it holds none.
    pub(crate) async fn first_event(&self, keys: &QueueKeys) -> Result<EventId> {
        self.end_event(keys, "XRANGE", ["-", "+"]).await
    }

    /// Whether entries of the stream may be gone. That of a partition is as young as the partition: as long as it is short it
    /// has all that ever stood there.
    pub(crate) async fn may_have_lost_events(&self, keys: &QueueKeys) -> Result<bool> {
        if keys.is_same_place(&self.keys(keys.queue())) {
            return Ok(true);
        }
        let mut command = redis::cmd("XLEN");
        command.arg(keys.name(Key::Events));
        Ok(read::<u64>("XLEN", self.connection.call(&command).await?.value)? >= KEPT_MIN)
    }

    /// The last entry of the stream: what is read behind it happens from now on.
    pub(crate) async fn last_event(&self, keys: &QueueKeys) -> Result<EventId> {
        self.end_event(keys, "XREVRANGE", ["+", "-"]).await
    }

    /// Up to `count` entries before `before`, the last one first; from the last of all where it is `None`.
    pub(crate) async fn events_before(
        &self,
        keys: &QueueKeys,
        before: Option<EventId>,
        count: usize,
    ) -> Result<Vec<QueueEvent>> {
        let before = before.map_or_else(|| "+".to_owned(), |before| format!("({before}"));
        self.entries(keys, "XREVRANGE", [&before, "-"], count).await
    }

    /// Up to `count` entries from `from` on, in their order.
    pub(crate) async fn events_from(&self, keys: &QueueKeys, from: EventId, count: usize) -> Result<Vec<QueueEvent>> {
        self.entries(keys, "XRANGE", [&format!("({from}"), "+"], count).await
    }

    async fn entries(
        &self,
        keys: &QueueKeys,
        verb: &'static str,
        range: [&str; 2],
        count: usize,
    ) -> Result<Vec<QueueEvent>> {
        let mut command = redis::cmd(verb);
        command.arg(keys.name(Key::Events)).arg(&range).arg("COUNT").arg(count);
        let mut entries = Reply::new(verb, self.connection.call(&command).await?.value)?;
        let mut events = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            events.push(event(keys, entries.list()?)?);
        }
        Ok(events)
    }

    /// What is known to have happened to jobs, one answer for each; empty where nothing did or nobody can read it.
    pub(crate) async fn histories(&self, keys: &QueueKeys, ids: &[JobId]) -> Result<Vec<History>> {
        let mut histories = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            let mut command = redis::cmd("HMGET");
            command.arg(keys.name(Key::History));
            ids.iter().for_each(|id| _ = command.arg(id.as_str()));
            let mut texts = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
            while !texts.is_empty() {
                let history = texts.optional()?.and_then(|text| History::decode(&text).ok());
                histories.push(history.unwrap_or_default());
            }
        }
        Ok(histories)
    }

    async fn end_event(&self, keys: &QueueKeys, verb: &'static str, range: [&str; 2]) -> Result<EventId> {
        let mut command = redis::cmd(verb);
        command.arg(keys.name(Key::Events)).arg(&range).arg("COUNT").arg(1);
        let mut entries = Reply::new(verb, self.connection.call(&command).await?.value)?;
        if entries.is_empty() { Ok(EventId::START) } else { entry_id(&entries.list()?.text()?) }
    }
}

/// Waits on the waiter's own connection until there are entries behind one of these places, at most `timeout`; those
/// entries, in the order of their ids, each with the number of its place.
pub(crate) async fn read_events(
    waiter: &mut Waiter,
    places: &[(QueueKeys, EventId)],
    timeout: Duration,
) -> Result<Vec<(usize, QueueEvent)>> {
    let streams = waiter.groups(places, |(keys, _)| keys.name(Key::Events));
    let commands = streams.iter().map(|places| read_some(places, timeout)).collect();
    let mut streams = Reply::new("XREAD", waiter.ask(commands, timeout).await?)?;
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    while !streams.is_empty() {
        let mut stream = streams.list()?;
        let name = stream.text()?;
        let mut entries = stream.list()?;
        let Some(at) = places.iter().position(|(keys, _)| keys.name(Key::Events) == name) else { continue };
        while !entries.is_empty() {
            events.push((at, event(&places[at].0, entries.list()?)?));
        }
    }
    events.sort_by_key(|(_, event): &(usize, QueueEvent)| event.id);
    Ok(events)
}

/// Reads streams that one command may read together.
fn read_some(places: &[(QueueKeys, EventId)], timeout: Duration) -> Blocking {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(BATCH).arg("BLOCK").arg(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1));
    command.arg("STREAMS");
    places.iter().for_each(|(keys, _)| _ = command.arg(keys.name(Key::Events)));
    places.iter().for_each(|(_, after)| _ = command.arg(after.to_string()));
    let key = places.first().map(|(keys, _)| keys.name(Key::Events).to_owned()).unwrap_or_default();
    let what: Vec<_> = places.iter().map(|(keys, after)| format!("{}>{after}", keys.name(Key::Events))).collect();
    Blocking { key, what: what.join(" "), command }
}

fn entry_id(text: &str) -> Result<EventId> {
    text.parse().map_err(|_| Error::internal(format!("the event stream has an entry {text:?}")))
}

/// One entry: its id, then fields and values.
pub(super) fn event(keys: &QueueKeys, mut entry: Reply) -> Result<QueueEvent> {
    let id = entry_id(&entry.text()?)?;
    let mut fields = entry.map()?;
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    Ok(QueueEvent::read(id, keys.queue().clone(), field("event"), &field("ids"), field("by")))
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;
    use crate::job::QueueName;

    #[test]
    fn an_entry_is_read_by_its_fields() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = ["event", "dead", "ids", "a b", "by", "w"].map(text).to_vec();
        let entry = Reply::new("XREAD", Value::Array(vec![text("1764-3"), Value::Array(fields)])).unwrap();
        let keys = QueueKeys::new("p:", &QueueName::new("q").unwrap());
        let event = event(&keys, entry).unwrap();
        assert_eq!((event.id.to_string().as_str(), event.event.as_str(), event.jobs.len()), ("1764-3", "dead", 2));
    }
}
