//! `alerts`: who is told when a number is out of bounds.

mod look;
mod mute;
mod run;
mod set;
mod sinks;

pub use sinks::alert_sinks;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::AlertName;

use crate::context::Context;
use crate::output::Answer;

const SINKS: &str = "Sinks, of whoever evaluates (none is ever read from Redis):
  log      always there: the log, and the events of the queue
  email    ALERT_EMAIL_TO; a job of the queue email where that is well, else
           directly by SMTP_URL
  webhook  ALERT_WEBHOOK_URL; JSON, signed with HTTP_SIGNING_KEY
  slack    ALERT_SLACK_URL; {\"text\": …}
  exec     ALERT_EXEC; JSON on stdin, IREVA_ALERT_ID, IREVA_ALERT_STATE,
           IREVA_ALERT_SEVERITY, IREVA_ALERT_TITLE, IREVA_ALERT_NAMES,
           IREVA_ALERT_COUNT; ended after 30s
  More of each, by other names, in the profile file: [sinks.NAME]";

/// Tell people when something is wrong: rules, who is told, what was
///
/// A rule fires when its number has been out of bounds for a while, is told
/// again while it fires, and is told to be over once. Workers evaluate: one at a
/// time, however many run. Where none runs, 'alerts run' does. Rules stand in
/// Redis ('alerts set') or in the profile file ([alerts.NAME], the same words),
/// which goes first. The rule redis is always there: unreachable for 1m.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts set backlog-email --when backlog --queue email \\
      --above 1000 --clear 500 --for 5m --severity critical
  ireva-queue alerts set no-worker --when workers --queue email
  ireva-queue alerts test
  ireva-queue alerts list
  ireva-queue alerts mute --all --for 2h --reason 'move to another host'", after_help = SINKS)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(look::ListArgs),
    /// Show everything about rules
    #[command(before_help = "Example:
  ireva-queue alerts show backlog-email")]
    Show {
        /// The rules
        #[arg(value_name = "ALERT", required = true)]
        alerts: Vec<AlertName>,
    },
    Set(Box<set::Args>),
    /// Remove rules; what they fire for is told to be over
    #[command(before_help = "Example:
  ireva-queue alerts unset backlog-email")]
    Unset {
        /// The rules
        #[arg(value_name = "ALERT", required = true)]
        alerts: Vec<AlertName>,
    },
    Test(look::TestArgs),
    Mute(mute::MuteArgs),
    Unmute(mute::UnmuteArgs),
    History(look::HistoryArgs),
    Run(run::Args),
}

/// Runs the verb; `run` is started beside it, since it goes on.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    match args.verb {
        Verb::Run(args) => run::run(args, context),
        verb => super::brief(brief(verb, context), context),
    }
}

async fn brief(verb: Verb, context: &Context) -> Result<Answer> {
    match verb {
        Verb::List(args) => look::list(args, context).await,
        Verb::Show { alerts } => look::show(alerts, context).await,
        Verb::Set(args) => set::run(*args, context).await,
        Verb::Unset { alerts } => set::unset(alerts, context).await,
        Verb::Test(args) => look::test(args, context).await,
        Verb::Mute(args) => mute::mute(args, context).await,
        Verb::Unmute(args) => mute::unmute(args, context).await,
        Verb::History(args) => look::history(args, context).await,
        Verb::Run(args) => run::run(args, context),
    }
}
