//! `schema`: what a queue's processor wants of a payload.

use anyhow::Result;
use ireva_queue::service::QueueService;
use ireva_queue::{Error, QueueName};

use crate::output::Answer;

/// Print the JSON Schema of a queue's payloads
///
/// The queues with a processor of their own have one: email, roi-distribution,
/// report-generation, notification, data-import and data-export. 'enqueue' and
/// the REST API hold payloads against the same rules; other queues take any
/// payload.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schema email
  ireva-queue schema data-import > data-import.schema.json")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,
}

/// Prints it.
pub fn run(Args { queue }: Args) -> Result<Answer> {
    let schema = QueueService::schema(&queue).ok_or_else(|| {
        let known = QueueName::KNOWN.join(", ");
        Error::not_found(format!("queue {queue} has no schema: it takes any payload (there are schemas of {known})"))
    })?;
    Ok(Answer::verbatim(schema.to_owned()))
}
