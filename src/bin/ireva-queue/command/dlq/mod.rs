//! `dlq`: the dead letters of a queue.

mod delete;
mod list;
mod retry;
mod show;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;
use crate::output::Answer;

/// Look into the dead letters, revive or delete them
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq list email --group-by code
  ireva-queue dlq retry email --code smtp_4xx --rate 10/s --yes")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
    Retry(retry::Args),
    Delete(delete::Args),
    Purge(delete::PurgeArgs),
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    match args.verb {
        Verb::List(args) => list::run(args, context).await,
        Verb::Show(args) => show::run(args, context).await,
        Verb::Retry(args) => retry::run(args, context).await,
        Verb::Delete(args) => delete::run(args, context).await,
        Verb::Purge(args) => delete::purge(args, context).await,
    }
}
