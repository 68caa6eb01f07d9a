//! `heal`: puts queues right that contradict themselves, and tells what was put right.

use anyhow::Result;
use ireva_queue::{Error, QueueName, Repair};

use crate::context::Context;
use crate::output::{Answer, grouped};
use crate::parse;

/// Put queues right that contradict themselves
///
/// After a key was deleted by hand or evicted, after an older backup was
/// restored, or after anything else that left a queue at odds with itself: ids
/// without a record, records in no state, jobs in two, claims that nobody can
/// read or whose worker is gone, unique keys without a job, wrong counts, late
/// promotions, silent schedules. A row for each queue and kind; none where all is
/// well. Workers do the same, a part of it each minute; it is safe beside them.
/// Each repair is an entry of 'events' and of --log.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue heal --dry-run
  ireva-queue heal email
  ireva-queue heal --log -o json")]
pub struct Args {
    /// Only these queues; all that are known unless said
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,

    /// Only look, and write nothing; numbers that are counted anew and indexes
    /// of keys are told by a repair alone
    #[arg(long)]
    dry_run: bool,

    /// Show what was put right before, newest last
    #[arg(long, conflicts_with = "dry_run")]
    log: bool,

    /// With --log: the last so many; 100 unless said
    #[arg(long, value_name = "N", requires = "log", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    last: Option<u32>,
}

/// Heals, or tells.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let healer = context.client()?.healer();
    if args.log {
        let told = healer.log(&args.queues, args.last.unwrap_or(100) as usize).await?;
        if told.is_empty() {
            context.ui.note("nothing was put right");
        }
        return Ok(Answer::list(told));
    }
    let repairs = healer.heal(&args.queues, args.dry_run).await?;
    if repairs.is_empty() {
        context.ui.note("nothing contradicts itself");
    }
    let missed = repairs.iter().filter(|repair| !args.dry_run && repair.repaired < repair.found);
    let missed: Vec<anyhow::Error> = missed.map(|repair| not_repaired(repair).into()).collect();
    let done = repairs.len() - missed.len();
    let answer = Answer::list(repairs);
    Ok(if missed.is_empty() { answer } else { answer.errors(done, missed) })
}

fn not_repaired(repair: &Repair) -> Error {
    let left = grouped(repair.found - repair.repaired);
    Error::refused(format!(
        "queue {}: {} {left} could not be put right: run it again",
        repair.queue,
        repair.repair.as_str()
    ))
}
