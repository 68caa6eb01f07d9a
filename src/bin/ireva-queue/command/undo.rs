//! `undo`: brings back what an act on many jobs took.

use anyhow::Result;
use ireva_queue::config::Rate;
use ireva_queue::{ActOptions, Error};

use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::{Answer, grouped};

/// Bring back what 'clear', 'dlq delete' or 'jobs cancel' took
///
/// Within an hour, as it was: payload, history, state and place in line. What
/// came again meanwhile is left and counted. Twice does nothing twice. The act's
/// name stands in 'audit'.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue audit email --since 1h
  ireva-queue undo 7G3K")]
pub struct Args {
    /// The act; a unique end of its name is enough
    #[arg(value_name = "ACT")]
    act: String,

    /// Only count
    #[arg(long)]
    dry_run: bool,

    /// At most so many in a span of time, such as 1000/s
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<Rate>,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Finds the act, and undoes it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let audit = context.answering()?.audit();
    let entry = audit.find(&args.act).await?;
    let options = ActOptions {
        rate_per_sec: args.rate.map(|rate| 1e6 / rate.interval_us() as f64),
        dry_run: args.dry_run,
        delay: None,
        by: Some(context.ui.who()),
        reason: args.reason,
        stop: context.interrupt.token(),
    };
    let progress = context.ui.progress(&format!("bringing back jobs of {}", entry.queue), entry.count);
    let mut done = |count| progress.set(count);
    let outcome = context.interrupt.after(audit.undo(&entry, &options, &mut done)).await;
    drop(progress);
    let report = outcome?;
    let left = |id| Error::refused(format!("job {id} was left: it is there again, or its unique key is taken")).into();
    let mut errors: Vec<anyhow::Error> = report.left_ids.iter().map(left).collect();
    let unnamed = report.left.saturating_sub(errors.len() as u64);
    if unnamed > 0 {
        errors.push(Error::refused(format!("{} more jobs were left", grouped(unnamed))).into());
    }
    let (done, stopped) = (usize::try_from(report.restored).unwrap_or(usize::MAX), report.stopped);
    if stopped {
        errors.push(Stop::new(Code::Interrupted, "interrupted: run it again for the rest").into());
    }
    let answer = Answer::one(report).errors(done, errors);
    Ok(if stopped { answer.code(Code::Interrupted) } else { answer })
}
