//! `dlq retry`: brings dead letters back to life.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::service::QueueService;
use ireva_queue::stats::Enqueued;
use ireva_queue::{BulkAct, QueueName};

use crate::command::acting::{Care, Task, carry_out, must_select};
use crate::command::enqueue;
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;
use crate::view::Act;

/// Revive dead letters: they run again with all their attempts
///
/// Name jobs, or select them. A selection needs --yes where no question can be
/// asked. What was done stays done when it is broken off, and running it again
/// goes on with the rest. They keep their ids; with --edit a new job takes the
/// place of the old one and names it, and its id is printed.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq retry email --code smtp_4xx --rate 10/s --yes
  ireva-queue dlq retry email 7G3K --edit @mended.json")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// They wait this long before they start
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::span)]
    delay: Option<Duration>,

    /// Replace the payload of one job: JSON, @FILE or - for stdin
    #[arg(long, value_name = "PAYLOAD", conflicts_with_all = ["all", "rate", "dry_run"])]
    edit: Option<String>,

    /// Do not check the payload of --edit against what the processor wants
    #[arg(long, requires = "edit")]
    no_check: bool,

    #[command(flatten)]
    care: Care,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Revives what is selected.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let named = !args.ids.is_empty() || args.narrowing.names_jobs();
    must_select(named || args.narrowing.is_given(), args.care.all)?;
    if let Some(payload) = &args.edit {
        return edit(&args, payload, context).await;
    }
    let Args { queue, ids, delay, care, narrowing, .. } = args;
    care.asks(named, &format!("reviving the dead letters of {queue}"), context)?;
    let (selection, missing) = narrowing.dead_letters(&ids, &queue, context).await?;
    let (act, word) = (BulkAct::Retry, Act::Revived);
    carry_out(Task { queue: &queue, act, word, selection, named, missing, delay }, &care, context).await
}

async fn edit(args: &Args, payload: &str, context: &Context) -> Result<Answer> {
    let (selection, mut missing) = args.narrowing.dead_letters(&args.ids, &args.queue, context).await?;
    match (selection.ids.as_slice(), missing.pop()) {
        ([id], None) => {
            let payload = enqueue::payload::read(payload)?;
            if !args.no_check {
                QueueService::check(&args.queue, &payload)?;
            }
            let letters = context.client()?.dead_letters(args.queue.clone());
            let id = letters.revive_edited(id, payload, args.delay).await?;
            Ok(Answer::one(Enqueued { id, queue: args.queue.clone(), duplicate: false }))
        }
        (_, Some(error)) => Err(error),
        _ => Err(Stop::usage("'--edit' takes exactly one ID").into()),
    }
}
