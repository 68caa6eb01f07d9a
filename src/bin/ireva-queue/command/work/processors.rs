//! Which processor runs which queue, as the flags and the configuration say.

use anyhow::Result;
use ireva_queue::config::Config;
use ireva_queue::{QueueName, Registry};

use super::ProcessorArgs;
use crate::exit::{Code, Stop};

pub fn registry(queues: &[QueueName], _args: &ProcessorArgs, _config: &Config) -> Result<Registry> {
    match queues.first() {
        Some(queue) => Err(Stop::new(Code::Config, format!("no processor for queue {queue}")).into()),
        None => Ok(Registry::new()),
    }
}
