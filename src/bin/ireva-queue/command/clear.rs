//! `clear`: removes waiting jobs.

use anyhow::Result;
use ireva_queue::{BulkAct, JobState, QueueName};

use crate::command::acting::{Care, Task, carry_out};
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;
use crate::view::Act;

/// Remove the waiting jobs of a queue, or those selected
///
/// Removes what is pending, scheduled or retrying. Active jobs are never
/// removed; completed, cancelled and dead ones only when --state names them.
/// Without a terminal --yes is required. For an hour 'undo' brings them back.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue clear email --dry-run
  ireva-queue clear email --payload 'to=~@example.com$' --reason 'test mails'
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

    #[command(flatten)]
    care: Care,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Counts, asks, removes in bounded steps.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Args { queue, state, care, narrowing } = args;
    if care.all && narrowing.is_given() {
        return Err(Stop::usage("'--all' cannot be used with a selection").into());
    }
    let named = narrowing.names_jobs();
    care.asks(named, &format!("clearing {queue}"), context)?;
    context.answering()?.queue(queue.clone()).must_exist().await?;
    let (selection, missing) = narrowing.jobs(&state, &[], &queue, context).await?;
    let (act, word) = (BulkAct::Remove, Act::Removed);
    carry_out(Task { queue: &queue, act, word, selection, named, missing, delay: None }, &care, context).await
}
