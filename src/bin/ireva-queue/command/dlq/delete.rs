//! `dlq delete` and `dlq purge`: remove dead letters.

use anyhow::Result;
use ireva_queue::{BulkAct, QueueName};

use crate::command::acting::{Care, Task, carry_out, must_select};
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::output::Answer;
use crate::view::Act;

/// Delete dead letters
///
/// Name jobs, or select them. A selection needs --yes where no question can be
/// asked. For an hour 'undo' brings them back.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq delete email 7G3K
  ireva-queue dlq delete email --older-than 90d --yes")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    #[command(flatten)]
    care: Care,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Delete every dead letter of a queue, or those selected
///
/// For an hour 'undo' brings them back.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq purge email --dry-run
  ireva-queue dlq purge email --yes")]
pub struct PurgeArgs {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    #[command(flatten)]
    care: Care,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Deletes what is named or selected.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Args { queue, ids, care, narrowing } = args;
    let named = !ids.is_empty() || narrowing.names_jobs();
    must_select(named || narrowing.is_given(), care.all)?;
    delete(&queue, (&narrowing, &ids), named, &care, context).await
}

/// Deletes all, or what is selected.
pub async fn purge(args: PurgeArgs, context: &Context) -> Result<Answer> {
    let PurgeArgs { queue, care, narrowing } = args;
    delete(&queue, (&narrowing, &[]), narrowing.names_jobs(), &care, context).await
}

async fn delete(
    queue: &QueueName,
    (narrowing, ids): (&Narrowing, &[String]),
    named: bool,
    care: &Care,
    context: &Context,
) -> Result<Answer> {
    care.asks(named, &format!("deleting dead letters of {queue}"), context)?;
    let (selection, missing) = narrowing.dead_letters(ids, queue, context).await?;
    context.answering()?.queue(queue.clone()).must_exist().await?;
    let (act, word) = (BulkAct::Remove, Act::Deleted);
    carry_out(Task { queue, act, word, selection, named, missing, delay: None }, care, context).await
}
