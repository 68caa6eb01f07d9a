//! `explain`: why a job waits or where it ended, and what to do next.

use anyhow::Result;
use ireva_queue::QueueName;

use crate::command::jobs::each_named;
use crate::context::Context;
use crate::output::Answer;

/// Explain jobs: why they wait or where they ended, and what to do next
///
/// Says since when, and under which limit: paused, rate, concurrency, jobs ahead
/// in line, time, retry, no worker, a service that is down, a batch that is not
/// over.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue explain 7G3K")]
pub struct Args {
    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "JOB", required = true)]
    ids: Vec<String>,

    /// Look only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
}

/// Finds each, and explains it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let inspector = context.answering()?.inspector();
    each_named(&args.ids, async |id| inspector.explain_named(id, args.queue.as_ref()).await).await
}
