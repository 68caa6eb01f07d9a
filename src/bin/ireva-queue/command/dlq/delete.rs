//! `dlq delete` and `dlq purge`: dead letters go for good.

use anyhow::Result;
use ireva_queue::stats::BulkReport;
use ireva_queue::{Error, QueueName};

use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::{Answer, counted};
use crate::ui::Progress;
use crate::view::{Act, Bulk};

/// Delete dead letters for good
///
/// Name jobs, or select them. A selection needs --yes where no question can be
/// asked.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq delete email 7G3K
  ireva-queue dlq delete email --older-than 90d --yes")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// All of them
    #[arg(long)]
    all: bool,

    /// Only count
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Delete every dead letter of a queue, or those selected
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq purge email --dry-run
  ireva-queue dlq purge email --yes")]
pub struct PurgeArgs {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// All of them, which is what it does unless something is selected
    #[arg(long)]
    all: bool,

    /// Only count
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Deletes what is named or selected.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let named = !args.ids.is_empty() || args.narrowing.names_jobs();
    must_select(named || args.narrowing.is_given(), args.all)?;
    let asks = !named && !args.yes && !args.dry_run;
    delete(&args.queue, &args.narrowing, &args.ids, Care { named, asks, dry_run: args.dry_run }, context).await
}

/// Deletes all, or what is selected.
pub async fn purge(args: PurgeArgs, context: &Context) -> Result<Answer> {
    let named = args.narrowing.names_jobs();
    let care = Care { named, asks: !args.yes && !args.dry_run, dry_run: args.dry_run };
    delete(&args.queue, &args.narrowing, &[], care, context).await
}

/// How carefully it goes about it.
#[derive(Debug, Clone, Copy)]
struct Care {
    named: bool,
    asks: bool,
    dry_run: bool,
}

async fn delete(
    queue: &QueueName,
    narrowing: &Narrowing,
    ids: &[String],
    care: Care,
    context: &Context,
) -> Result<Answer> {
    if care.asks {
        context.ui.must_be_able_to_ask(&format!("deleting dead letters of {queue}"))?;
    }
    let letters = context.client()?.dead_letters(queue.clone());
    let (selection, missing) = narrowing.selection(ids, queue, context).await?;
    if care.named && selection.ids.is_empty() {
        return Ok(Answer::none().errors(0, missing));
    }
    let mut total = None;
    if care.asks {
        let count = letters.delete(&selection, true, &mut |_| {}).await?.matched;
        let what = format!("this deletes {} of {queue} for good", counted(count, "dead letter"));
        context.ui.confirm(&what, queue.as_str())?;
        total = Some(count);
    }
    let progress = context.ui.progress(&format!("deleting dead letters of {queue}"), total);
    let deleting = async |done: &mut (dyn FnMut(u64) + Send)| letters.delete(&selection, care.dry_run, done).await;
    finish((Act::Deleted, queue), progress, missing, context, deleting).await
}

/// Does it, and reports: what was skipped or missing is listed and makes it partly done, and Ctrl-C leaves the count of
/// what was done until then.
pub async fn finish(
    (act, queue): (Act, &QueueName),
    progress: Progress,
    mut missing: Vec<anyhow::Error>,
    context: &Context,
    work: impl AsyncFnOnce(&mut (dyn FnMut(u64) + Send)) -> ireva_queue::Result<BulkReport>,
) -> Result<Answer> {
    let mut so_far = 0;
    let mut done = |count| {
        so_far = count;
        progress.set(count);
    };
    let outcome = context.interrupt.or(work(&mut done)).await;
    drop(progress);
    let Some(report) = outcome else {
        let report = BulkReport { matched: so_far, changed: so_far, ..BulkReport::default() };
        missing.push(Stop::new(Code::Interrupted, "interrupted: run it again for the rest").into());
        return Ok(Answer::one(Bulk::new(act, queue.clone(), report)).errors(0, missing).code(Code::Interrupted));
    };
    let report = report?;
    let skipped = report.skipped.iter().map(|skipped| format!("job {}: {}", skipped.id, skipped.reason));
    missing.extend(skipped.map(|why| anyhow::Error::from(Error::refused(why))));
    let done = usize::try_from(report.changed).unwrap_or(usize::MAX);
    Ok(Answer::one(Bulk::new(act, queue.clone(), report)).errors(done, missing))
}

/// What changes many jobs wants to be told which.
pub fn must_select(selected: bool, all: bool) -> Result<()> {
    match (selected, all) {
        (false, false) => Err(Stop::usage("name jobs by ID, select them (--code, --class, …), or give '--all'").into()),
        (true, true) => Err(Stop::usage("'--all' cannot be used with a selection").into()),
        _ => Ok(()),
    }
}
