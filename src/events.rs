//! What happens in a queue, as it happens.

use std::time::Duration;

use crate::error::Result;
use crate::event::{EventId, QueueEvent};
use crate::job::QueueName;
use crate::store::{QueueKeys, Store, Waiter, read_events};

/// Follows the events of one queue on a connection of its own: failures, burials, recoveries, acts of operators.
///
/// The queue keeps about the last 10,000 of them, fewer where they name many jobs.
pub struct Events {
    waiter: Waiter,
    keys: QueueKeys,
    position: EventId,
    gap: bool,
}

impl Events {
    /// Follows from behind `after` on, or from now on.
    pub(crate) async fn open(store: &Store, waiter: Waiter, queue: &QueueName, after: Option<EventId>) -> Result<Self> {
        let keys = store.keys(queue);
        if !store.is_known(&keys).await? {
            return Err(store.unknown_queue(queue).await);
        }
        let (position, gap) = match after {
            Some(after) => (after, after > EventId::START && store.first_event(&keys).await? > after),
            None => (store.last_event(&keys).await?, false),
        };
        Ok(Self { waiter, keys, position, gap })
    }

    /// Whether events behind the place from which it follows are no longer kept, so that some may be missing.
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    /// The next events, in their order; none when none came within `timeout`. They are handed out once.
    ///
    /// Dropping the future loses nothing but the connection.
    ///
    /// # Errors
    /// `Unreachable` and others that pass: the next call goes on where this one stopped, at the pace of reconnecting.
    pub async fn next(&mut self, timeout: Duration) -> Result<Vec<QueueEvent>> {
        let events = read_events(&mut self.waiter, &self.keys, self.position, timeout).await?;
        if let Some(last) = events.last() {
            self.position = last.id;
        }
        Ok(events)
    }
}
