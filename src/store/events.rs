//! Reads the event stream of a queue: what happened from an entry on.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::event::{EventId, QueueEvent};
use crate::store::codec::Reply;
use crate::store::{Key, QueueKeys, Store, Waiter};

/// Entries that one answer carries; each may name hundreds of jobs.
const BATCH: usize = 100;

impl Store {
    /// The first entry that the stream still holds; the start where it holds none.
    pub(crate) async fn first_event(&self, keys: &QueueKeys) -> Result<EventId> {
        self.end_event(keys, "XRANGE", ["-", "+"]).await
    }

    /// The last entry of the stream: what is read behind it happens from now on.
    pub(crate) async fn last_event(&self, keys: &QueueKeys) -> Result<EventId> {
        self.end_event(keys, "XREVRANGE", ["+", "-"]).await
    }

    async fn end_event(&self, keys: &QueueKeys, verb: &'static str, range: [&str; 2]) -> Result<EventId> {
        let mut command = redis::cmd(verb);
        command.arg(keys.name(Key::Events)).arg(&range).arg("COUNT").arg(1);
        let mut entries = Reply::new(verb, self.connection.call(&command).await?.value)?;
        if entries.is_empty() { Ok(EventId::START) } else { entry_id(&entries.list()?.text()?) }
    }
}

/// Waits on the waiter's own connection until there are entries behind `after`, at most `timeout`; those entries.
pub(crate) async fn read_events(
    waiter: &mut Waiter,
    keys: &QueueKeys,
    after: EventId,
    timeout: Duration,
) -> Result<Vec<QueueEvent>> {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(BATCH).arg("BLOCK").arg(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1));
    command.arg("STREAMS").arg(keys.name(Key::Events)).arg(after.to_string());
    let mut streams = Reply::new("XREAD", waiter.ask(&command, timeout).await?)?;
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let mut stream = streams.list()?;
    stream.text()?;
    let mut entries = stream.list()?;
    let mut events = Vec::with_capacity(entries.len());
    while !entries.is_empty() {
        events.push(event(keys, entries.list()?)?);
    }
    Ok(events)
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
