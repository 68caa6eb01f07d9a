//! Over how many partitions a queue is spread.

use crate::error::Result;
use crate::job::{Layout, Partition, QueueName};
use crate::store::codec::read;
use crate::store::{Key, QueueKeys, Store};

impl Store {
    /// Where the jobs of a queue are: as its settings say, which stand under the queue's own name however many partitions
    /// there are.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written there what is no such number.
    pub(crate) async fn layout(&self, queue: &QueueName) -> Result<Layout> {
        if self.absence_of_home(queue).await.is_some() {
            return Ok(self.spread(queue).await?.layout);
        }
        Ok(self.course(queue).await?.layout)
    }

    /// The keys of every place that may hold jobs of a queue. A queue of one partition has one: its own.
    pub(crate) async fn places(&self, queue: &QueueName) -> Result<Vec<QueueKeys>> {
        Ok(self.spread(queue).await?.places().to_vec())
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
