//! `audit`: who did what to many jobs at once, or deleted one.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::QueueName;

use crate::context::Context;
use crate::output::Answer;
use crate::parse;

/// Show who did what to many jobs at once, or deleted one, the latest first
///
/// Every act of 'clear', 'dlq retry', 'dlq delete', 'dlq purge', 'jobs' with a
/// selection, 'jobs delete', 'queues delete' and 'undo' is written before its
/// first change, with who did it and why.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue audit
  ireva-queue audit email --since 24h -o json")]
pub struct Args {
    /// Only the acts on this queue
    #[arg(value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Only those of the last so long
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
    since: Option<Duration>,

    /// At most so many
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 50, value_parser = parse::count::<u64>)]
    limit: u64,
}

/// Lists them.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let acts = context.client()?.audit().list(args.queue.as_ref(), args.since, args.limit).await?;
    if acts.is_empty() {
        context.ui.note("nobody acted on many jobs at once, or deleted one");
    }
    Ok(Answer::list(acts))
}
