//! The batch that jobs are enqueued in.

use anyhow::Result;
use ireva_queue::service::QueueService;
use ireva_queue::{BatchName, NewJob, OnComplete, Opened, QueueName};

use super::payload;
use crate::context::Context;

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "A batch")]
pub struct BatchArgs {
    /// Count what is enqueued in this batch of the queue; it is opened if it is not
    /// there. Not together with --unique in a queue of several partitions
    #[arg(long, value_name = "NAME")]
    pub batch: Option<BatchName>,

    /// Enqueue this when every job of the batch has ended
    #[arg(long, value_names = ["QUEUE", "PAYLOAD"], num_args = 2, requires = "batch")]
    on_complete: Vec<String>,
}

impl BatchArgs {
    /// The job on completion, held against what its queue's processor wants where `check` says so.
    ///
    /// # Errors
    /// Usage (2).
    pub fn on_complete(&self, check: bool) -> Result<Option<OnComplete>> {
        let [queue, text] = &self.on_complete[..] else { return Ok(None) };
        let queue: QueueName = queue.parse()?;
        let payload = NewJob::from_json(payload::from_args(std::slice::from_ref(text))?)?.payload().to_owned();
        if check {
            QueueService::check(&queue, payload.get())?;
        }
        Ok(Some(OnComplete { queue, payload }))
    }

    /// Opens the batch, if there is to be one. Into one that is sealed only what it holds already can be sent again.
    pub async fn open(&self, queue: &QueueName, on_complete: Option<&OnComplete>, context: &Context) -> Result<()> {
        let Some(batch) = &self.batch else { return Ok(()) };
        if context.client()?.batches().open(queue, batch, on_complete).await? == Opened::Sealed {
            context.ui.note(&format!("batch {batch} of queue {queue} is sealed: it takes no new jobs"));
        }
        Ok(())
    }
}

/// Seals a batch at the end of a file, unless lines were refused: those may follow when they are mended.
pub async fn seal(batch: &BatchName, queue: &QueueName, refused: u64, context: &Context) -> Result<()> {
    if refused > 0 {
        let why = format!("batch {batch} stays open, since lines were refused: batch seal {batch} lets it end");
        context.ui.note(&why);
        return Ok(());
    }
    context.client()?.batches().seal(queue, batch).await?;
    Ok(())
}
