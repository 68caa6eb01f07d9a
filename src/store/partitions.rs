//! Over how many partitions a queue is spread.

use crate::error::{Error, Result};
use crate::job::{Partition, Partitions, QueueName};
use crate::store::codec::read;
use crate::store::{Key, QueueKeys, Store};

impl Store {
    /// How many partitions a queue has: as its settings say, which stand under the queue's own name however many there are.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written there what is no such number.
    pub(crate) async fn partitions(&self, queue: &QueueName) -> Result<Partitions> {
        let keys = self.keys(queue);
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Config)).arg("partitions");
        let set: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let Some(set) = set.filter(|set| !set.is_empty()) else { return Ok(Partitions::ONE) };
        let count = set.parse().ok().and_then(|count| Partitions::new(count).ok());
        count.ok_or_else(|| {
            let key = keys.name(Key::Config);
            Error::corrupt(format!(
                "settings of queue {queue} ({key}): field \"partitions\" holds {set:?}: it is 1 to 64"
            ))
        })
    }

    /// The keys of a partition of a queue.
    pub(crate) fn partition_keys(&self, queue: &QueueName, partition: Partition) -> QueueKeys {
        QueueKeys::of_partition(&self.prefix, queue, partition)
    }
}
