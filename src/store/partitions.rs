//! Over how many partitions a queue is spread.

use crate::error::{Error, Result};
use crate::job::{Layout, Partition, Partitions, QueueName};
use crate::store::codec::read;
use crate::store::{Key, QueueKeys, Store};

/// Over how many partitions a queue is spread; where it is missing, over one.
const NUMBER: &str = "partitions";
/// Over how many it was spread while jobs are still being moved from there.
const FORMER: &str = "partitions_was";

impl Store {
    /// Where the jobs of a queue are: as its settings say, which stand under the queue's own name however many partitions
    /// there are.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written there what is no such number.
    pub(crate) async fn layout(&self, queue: &QueueName) -> Result<Layout> {
        let keys = self.keys(queue);
        let mut command = redis::cmd("HMGET");
        command.arg(keys.name(Key::Config)).arg(&[NUMBER, FORMER]);
        let (now, was): (Option<String>, Option<String>) = read("HMGET", self.connection.call(&command).await?.value)?;
        Ok(Layout { now: number(&keys, NUMBER, now)?.unwrap_or(Partitions::ONE), was: number(&keys, FORMER, was)? })
    }

    /// The keys of every place that may hold jobs of a queue. A queue of one partition has one: its own.
    pub(crate) async fn places(&self, queue: &QueueName) -> Result<Vec<QueueKeys>> {
        let layout = self.layout(queue).await?;
        Ok(layout.places().map(|place| self.partition_keys(queue, place)).collect())
    }

    /// Whether a place of a queue holds a job, in whatever state.
    pub(crate) async fn holds_jobs(&self, keys: &QueueKeys) -> Result<bool> {
        let mut command = redis::cmd("EXISTS");
        command.arg(keys.name(Key::Jobs));
        read("EXISTS", self.connection.call(&command).await?.value)
    }

    /// The keys of a partition of a queue.
    pub(crate) fn partition_keys(&self, queue: &QueueName, partition: Partition) -> QueueKeys {
        QueueKeys::of_partition(&self.prefix, queue, partition)
    }
}

fn number(keys: &QueueKeys, field: &str, stored: Option<String>) -> Result<Option<Partitions>> {
    let Some(stored) = stored.filter(|stored| !stored.is_empty()) else { return Ok(None) };
    let count = stored.parse().ok().and_then(|count| Partitions::new(count).ok());
    let wrong = || {
        let (queue, key) = (keys.queue(), keys.name(Key::Config));
        Error::corrupt(format!("settings of queue {queue} ({key}): field {field:?} holds {stored:?}: it is 1 to 64"))
    };
    count.map(Some).ok_or_else(wrong)
}
