//! Silence for a while.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{AlertName, ErrorKind, MuteInfo, MuteTarget};

use crate::context::Context;
use crate::output::Answer;
use crate::parse;

/// Tell nobody of alerts for a while
///
/// Alerts go on standing. What still fires at the end is told then, and so is
/// the end of what had been told before.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts mute backlog-email --for 2h
  ireva-queue alerts mute --all --for 30m --reason 'the database moves'")]
pub struct MuteArgs {
    #[command(flatten)]
    which: Which,

    /// For how long
    #[arg(long = "for", value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
    span: Duration,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Tell of muted alerts again
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts unmute backlog-email
  ireva-queue alerts unmute --all")]
pub struct UnmuteArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The rules
    #[arg(value_name = "ALERT")]
    alerts: Vec<AlertName>,

    /// Every alert, those too that are yet to come; an end to it leaves what is
    /// muted by its name
    #[arg(long)]
    all: bool,
}

impl Which {
    fn targets(self) -> Vec<MuteTarget> {
        if self.all { vec![MuteTarget::All] } else { self.alerts.into_iter().map(MuteTarget::One).collect() }
    }
}

/// Mutes.
pub async fn mute(args: MuteArgs, context: &Context) -> Result<Answer> {
    let (alerts, who) = (context.client()?.alerts(), context.ui.who());
    let reason = args.reason.as_deref();
    each(args.which, async |target| alerts.mute(target, args.span, (reason, &who)).await).await
}

/// Unmutes.
pub async fn unmute(args: UnmuteArgs, context: &Context) -> Result<Answer> {
    let (alerts, who) = (context.client()?.alerts(), context.ui.who());
    each(args.which, async |target| alerts.unmute(target, &who).await).await
}

async fn each(which: Which, act: impl AsyncFn(MuteTarget) -> ireva_queue::Result<MuteInfo>) -> Result<Answer> {
    let targets = which.targets();
    let (asked_for, mut muted, mut errors) = (targets.len(), Vec::new(), Vec::<anyhow::Error>::new());
    for target in targets {
        match act(target).await {
            Ok(info) => muted.push(info),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => errors.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    let done = muted.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(asked_for, muted) };
    Ok(answer.errors(done, errors))
}
