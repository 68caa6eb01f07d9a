//! Evaluates alerts where no workers stand by.

use anyhow::{Context as _, Result};
use ireva_queue::{Alerter, AlerterReport};

use super::sinks::alert_sinks;
use crate::command::work::{Journal, LogFormat};
use crate::context::Context;
use crate::daemon::Daemon;
use crate::output::Answer;

/// Evaluate the alerts, without running jobs
///
/// For hosts without a worker, and to hear of it when the last worker is gone.
/// Any number of these and of workers may run: one evaluates, whoever has more
/// sinks before who has fewer, and the others stand by. While Redis is away it
/// goes on, tells so, and that it is back.
///
/// SIGTERM, SIGINT or SIGHUP ends it. Under systemd use Type=notify; the
/// watchdog is served.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts run
  ireva-queue alerts run --once")]
pub struct Args {
    /// Look once, tell what is to be told, and end: for cron, every minute. What
    /// Redis does not answer to is not told then
    #[arg(long)]
    once: bool,

    /// How steps are logged: pretty or json
    #[arg(long, value_name = "FORMAT", default_value = "pretty", hide_possible_values = true)]
    log_format: LogFormat,
}

/// Runs until it is told to stop.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    let sinks = alert_sinks(context.config()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let journal = Journal::start(args.log_format, &context.ui);
    let ended = runtime.block_on(async {
        let alerter = Alerter::new(context.client()?, sinks).on_event(journal.listener());
        if args.once { Ok(alerter.once().await?) } else { watch(alerter, context).await }
    });
    runtime.shutdown_background();
    journal.finish();
    ended.map(Answer::one)
}

async fn watch(alerter: Alerter, context: &Context) -> Result<AlerterReport> {
    let client = context.client()?;
    let daemon = Daemon::begin()?;
    client.ping().await?;
    context.ui.note("evaluating the alerts");
    daemon.run(client, |stopped| alerter.run(async { _ = stopped.await })).await
}
