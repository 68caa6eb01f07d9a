//! `jobs`: single jobs, wherever they stand, and many at once.

mod act;
mod export;
mod import;
mod list;
mod show;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::{BulkAct, ErrorKind, Inspector, Located, QueueName};

use crate::context::Context;
use crate::output::Answer;
use crate::view::View;

const STATES: [&str; 7] = ["pending", "scheduled", "active", "retrying", "completed", "cancelled", "dead"];

/// Look at jobs and act on them
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs list email --state retrying
  ireva-queue jobs show 7G3K
  ireva-queue jobs cancel --queue email --payload 'to=~@example.com$'")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    /// Show everything about jobs
    #[command(before_help = "Example:
  ireva-queue jobs show 7G3K
  ireva-queue jobs show 7G3K --timeline
  ireva-queue jobs show 7G3K -o json | jq .payload")]
    Show(show::Args),
    /// Cancel jobs: waiting ones at once, active ones within a second
    ///
    /// Name jobs, or select them in a queue. A selection needs --yes where no
    /// question can be asked. For an hour 'undo' brings waiting ones back.
    #[command(before_help = "Example:
  ireva-queue jobs cancel 7G3K
  ireva-queue jobs cancel --queue email --payload 'to=~@example.com$' --dry-run")]
    Cancel(act::Args),
    /// Run failed jobs again: retrying ones now, dead ones from the start
    ///
    /// Name jobs, or select them in a queue.
    #[command(before_help = "Example:
  ireva-queue jobs retry 7G3K
  ireva-queue jobs retry --queue email --code smtp_4xx --rate 100/s --yes")]
    Retry(act::Args),
    /// Let scheduled or retrying jobs run now
    ///
    /// Name jobs, or select them in a queue.
    #[command(before_help = "Example:
  ireva-queue jobs promote 7G3K
  ireva-queue jobs promote --queue email --state retrying --yes")]
    Promote(act::Args),
    /// Delete jobs, unless they are active
    ///
    /// Name jobs: whoever does is not asked. Or select them in a queue. For an
    /// hour 'undo' brings them back; 'audit' tells who did it.
    #[command(before_help = "Example:
  ireva-queue jobs delete 7G3K
  ireva-queue jobs delete --queue email --state completed --older-than 1d")]
    Delete(act::Args),
    Export(export::Args),
    Import(import::Args),
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    match args.verb {
        Verb::List(args) => list::run(args, context).await,
        Verb::Show(args) => show::run(args, context).await,
        Verb::Cancel(args) => act::run(args, BulkAct::Cancel, context).await,
        Verb::Retry(args) => act::run(args, BulkAct::Retry, context).await,
        Verb::Promote(args) => act::run(args, BulkAct::Promote, context).await,
        Verb::Delete(args) => act::run(args, BulkAct::Remove, context).await,
        Verb::Export(args) => export::run(args, context).await,
        Verb::Import(args) => import::run(args, context).await,
    }
}

/// Finds each job and does `act` to it. What fails for one job alone is listed; what would fail for all of them
/// (no connection) ends it.
pub async fn each<T: View + 'static>(
    ids: &[String],
    queue: Option<&QueueName>,
    inspector: &Inspector,
    act: impl AsyncFn(Located) -> ireva_queue::Result<T>,
) -> Result<Answer> {
    let act = async |id: &str| act(inspector.find(id, queue).await?).await;
    each_named(ids, act).await
}

/// Does `act` to each name, in the same way.
pub async fn each_named<T: View + 'static>(
    ids: &[String],
    act: impl AsyncFn(&str) -> ireva_queue::Result<T>,
) -> Result<Answer> {
    let (mut values, mut errors) = (Vec::new(), Vec::<anyhow::Error>::new());
    for id in ids {
        match act(id).await {
            Ok(value) => values.push(value),
            Err(error) if is_about_one(error.kind()) => errors.push(error.into()),
            Err(error) if values.is_empty() => return Err(error.into()),
            Err(error) => {
                // What was done is still told, and so is why the rest was not.
                errors.push(error.into());
                break;
            }
        }
    }
    let done = values.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(ids.len(), values) };
    Ok(answer.errors(done, errors))
}

fn is_about_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Corrupt)
}
