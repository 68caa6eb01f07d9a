//! `schedule`: jobs that are enqueued again and again.

mod add;
mod look;
mod switch;
mod transfer;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::{QueueName, ScheduleName};

use crate::context::Context;
use crate::output::Answer;

/// Enqueue jobs again and again, by cron pattern or span
///
/// Workers fire the schedules of their queues; 'ireva-queue scheduler' those of
/// all queues, for fleets without standing workers. However many do, each tick
/// has at most one job. Its id is the schedule's name, '@' and the tick.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schedule add morning report-generation @report.json \\
      --cron '0 9 * * MON-FRI' --tz Africa/Lagos
  ireva-queue schedule next 5
  ireva-queue schedule list")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Box<add::Args>),
    List(look::ListArgs),
    /// Show everything about schedules
    #[command(before_help = "Example:
  ireva-queue schedule show morning
  ireva-queue schedule show morning -o json | jq .payload")]
    Show(Names),
    Next(look::NextArgs),
    /// Let schedules have no ticks until they are resumed
    ///
    /// What would have come meanwhile is not made up for.
    #[command(before_help = "Example:
  ireva-queue schedule pause morning")]
    Pause(Names),
    /// Let paused schedules have ticks again, from the next one on
    #[command(before_help = "Example:
  ireva-queue schedule resume morning")]
    Resume(Names),
    /// Enqueue a job of schedules now; their ticks stay as they are
    #[command(before_help = "Example:
  ireva-queue schedule run morning")]
    Run(Names),
    /// Remove schedules; jobs that they have enqueued stay
    #[command(before_help = "Example:
  ireva-queue schedule remove morning")]
    Remove(Names),
    Export(transfer::ExportArgs),
    Import(transfer::ImportArgs),
}

#[derive(Debug, clap::Args)]
struct Names {
    /// The schedules
    #[arg(value_name = "NAME", required = true)]
    names: Vec<ScheduleName>,

    /// Those of this queue, where several have one of that name
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let schedules = || context.client().map(|client| client.schedules());
    match args.verb {
        Verb::Add(args) => add::run(*args, context).await,
        Verb::List(args) => look::list(args, context).await,
        Verb::Next(args) => look::next(args, context).await,
        Verb::Export(args) => transfer::export(args, context).await,
        Verb::Import(args) => transfer::import(args, context).await,
        Verb::Show(Names { names, queue }) => {
            let schedules = schedules()?;
            switch::each(names, async |name| schedules.find(name, queue.as_ref()).await).await
        }
        Verb::Pause(Names { names, queue }) => {
            let schedules = schedules()?;
            switch::each(names, async |name| schedules.pause(name, queue.as_ref()).await).await
        }
        Verb::Resume(Names { names, queue }) => {
            let schedules = schedules()?;
            switch::each(names, async |name| schedules.resume(name, queue.as_ref()).await).await
        }
        Verb::Run(Names { names, queue }) => {
            let schedules = schedules()?;
            switch::each(names, async |name| schedules.run(name, queue.as_ref()).await).await
        }
        Verb::Remove(Names { names, queue }) => {
            let schedules = schedules()?;
            switch::each(names, async |name| schedules.remove(name, queue.as_ref()).await).await
        }
    }
}
