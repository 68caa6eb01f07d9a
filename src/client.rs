//! The way in: one connection, and the handles that share it.

use crate::config::Config;
use crate::dead_letters::DeadLetters;
use crate::error::Result;
use crate::inspector::Inspector;
use crate::job::QueueName;
use crate::queue::Queue;

/// A handle on one Redis; cloning shares the connection, which is made at the first call.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// A client for `config`. Nothing is sent yet.
    pub fn new(_config: &Config) -> Result<Self> {
        unimplemented!()
    }

    /// Asks the server whether it is there, and whether it fits (version, role).
    pub async fn ping(&self) -> Result<()> {
        unimplemented!()
    }

    /// A queue, existing or not.
    pub fn queue(&self, _name: QueueName) -> Queue {
        unimplemented!()
    }

    /// The dead letters of a queue.
    pub fn dead_letters(&self, _queue: QueueName) -> DeadLetters {
        unimplemented!()
    }

    /// Looks over all queues, jobs and workers.
    pub fn inspector(&self) -> Inspector {
        unimplemented!()
    }
}
