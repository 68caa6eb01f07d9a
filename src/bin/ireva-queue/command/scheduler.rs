//! `scheduler`: fires schedules where no workers stand by.

use anyhow::{Context as _, Result};
use ireva_queue::{QueueName, Scheduler, SchedulerReport};

use crate::command::work::{Journal, LogFormat};
use crate::context::Context;
use crate::daemon::Daemon;
use crate::output::Answer;

/// Fire the schedules of all queues, without running jobs
///
/// For fleets whose workers run only when there are jobs; where workers stand by
/// they fire the schedules of their queues themselves. Any number of them may
/// run: each tick has at most one job. Ticks that are fired are logged on
/// stderr.
///
/// SIGTERM, SIGINT or SIGHUP ends it. Under systemd use Type=notify; the
/// watchdog is served.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue scheduler
  ireva-queue scheduler email report-generation --log-format json
  ireva-queue scheduler --once")]
pub struct Args {
    /// Only of these queues
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,

    /// Fire what is due now, and end
    #[arg(long)]
    once: bool,

    /// How ticks are logged: pretty or json
    #[arg(long, value_name = "FORMAT", default_value = "pretty", hide_possible_values = true)]
    log_format: LogFormat,
}

/// Runs until it is told to stop.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    context.config()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let journal = Journal::start(args.log_format, &context.ui);
    let ended = runtime.block_on(schedule(args, &journal, context));
    runtime.shutdown_background();
    journal.finish();
    ended.map(Answer::one)
}

async fn schedule(args: Args, journal: &Journal, context: &Context) -> Result<SchedulerReport> {
    let client = context.client()?;
    let daemon = Daemon::begin()?;
    if args.once {
        let scheduler = Scheduler::new(client).queues(args.queues).on_event(journal.listener());
        return Ok(scheduler.once().await?);
    }
    client.ping().await?;
    let whose = if args.queues.is_empty() { "all queues".to_owned() } else { names(&args.queues) };
    context.ui.note(&format!("firing the schedules of {whose}"));
    let scheduler = Scheduler::new(client).queues(args.queues).on_event(journal.listener());
    Ok(daemon.run(client, |stopped| scheduler.run(async { _ = stopped.await })).await??)
}

fn names(queues: &[QueueName]) -> String {
    queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
}
