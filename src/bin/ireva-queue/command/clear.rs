//! `clear`: removes waiting jobs.

use anyhow::Result;
use ireva_queue::stats::BulkReport;
use ireva_queue::{JobState, QueueName};

use crate::context::Context;
use crate::output::{Answer, counted};
use crate::parse;
use crate::view::{Act, Bulk};

/// Remove the waiting jobs of a queue
///
/// Removes what is pending, scheduled or retrying. Active jobs are never
/// removed; completed, cancelled and dead ones only when --state names them.
/// Without a terminal --yes is required.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue clear email --dry-run
  ireva-queue clear email --state completed --yes")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The states to clear, separated by commas
    #[arg(
        long,
        value_name = "STATE",
        value_delimiter = ',',
        default_value = "pending,scheduled,retrying",
        value_parser = parse::removable_state
    )]
    state: Vec<JobState>,

    /// Only count
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Counts, asks, removes in bounded steps.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    if !args.yes && !args.dry_run {
        // Without a terminal the refusal must not depend on Redis.
        context.ui.must_be_able_to_ask(&format!("clearing {}", args.queue))?;
    }
    let queue = context.client()?.queue(args.queue.clone());
    queue.must_exist().await?;
    let mut states = args.state;
    states.sort();
    states.dedup();
    let count = queue.count(&states).await?;
    if args.dry_run {
        let report = BulkReport { matched: count, dry_run: true, ..BulkReport::default() };
        return Ok(Answer::one(Bulk::new(Act::Removed, args.queue, report)));
    }
    if !args.yes {
        let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let what = format!("this removes {} of {} ({})", counted(count, "job"), args.queue, words.join(", "));
        context.ui.confirm(&what, args.queue.as_str())?;
    }
    let progress = context.ui.progress(&format!("clearing {}", args.queue), Some(count));
    let clearing = async |done: &mut (dyn FnMut(u64) + Send)| queue.clear(&states, done).await;
    super::dlq::finish((Act::Removed, &args.queue), progress, Vec::new(), context, clearing).await
}
