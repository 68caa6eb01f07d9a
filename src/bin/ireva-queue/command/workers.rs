//! `workers`: who takes jobs.

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;
use crate::output::Answer;

/// Show the workers
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue workers list")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the workers, and those that fell silent with jobs in hand
    #[command(before_help = "Example:
  ireva-queue workers list -o wide")]
    List,
}

/// Lists them.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Verb::List = args.verb;
    let workers = context.client()?.inspector().workers().await?;
    if workers.is_empty() {
        context.ui.note("no workers");
    }
    Ok(Answer::list(workers))
}
