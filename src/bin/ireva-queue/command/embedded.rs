//! `embedded`: the private Redis of `REDIS_MODE=embedded`.

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;
use crate::output::Answer;
use crate::view::Stopped;

/// Look at the embedded Redis, or stop it
///
/// With REDIS_MODE=embedded the first command starts a private Redis in the
/// data directory; later commands share it.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  REDIS_MODE=embedded ireva-queue embedded status")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show whether it runs, where, and how large it is
    #[command(before_help = "Example:
  REDIS_MODE=embedded ireva-queue embedded status")]
    Status,
    /// Stop it; what it holds is kept
    #[command(before_help = "Example:
  REDIS_MODE=embedded ireva-queue embedded stop")]
    Stop,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let config = context.config()?;
    match args.verb {
        Verb::Status => Ok(Answer::one(ireva_queue::embedded_status(config).await?)),
        Verb::Stop => {
            config.redis.must_be_writable()?;
            Ok(Answer::one(Stopped { stopped: ireva_queue::embedded_stop(config).await? }))
        }
    }
}
