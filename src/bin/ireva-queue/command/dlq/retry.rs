//! `dlq retry`: brings dead letters back to life.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::config::Rate;
use ireva_queue::service::QueueService;
use ireva_queue::stats::Enqueued;
use ireva_queue::{QueueName, ReviveOptions, Selection};

use crate::command::enqueue;
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::{Answer, counted};
use crate::parse;
use crate::view::Act;

/// Revive dead letters: they run again with all their attempts
///
/// Name jobs, or select them. A selection needs --yes where no question can be
/// asked. What was done stays done when it is broken off, and running it again
/// goes on with the rest. They keep their ids; with --edit a new job takes the
/// place of the old one and names it, and its id is printed.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq retry email --code smtp_4xx --rate 10/s --yes
  ireva-queue dlq retry email 7G3K --edit @mended.json")]
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

    /// At most so many in a span of time, such as 10/s
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<Rate>,

    /// They wait this long before they start
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::span)]
    delay: Option<Duration>,

    /// Replace the payload of one job: JSON, @FILE or - for stdin
    #[arg(long, value_name = "PAYLOAD", conflicts_with_all = ["all", "rate", "dry_run"])]
    edit: Option<String>,

    /// Do not check the payload of --edit against what the processor wants
    #[arg(long, requires = "edit")]
    no_check: bool,

    /// Only count
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Revives what is selected.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let named = !args.ids.is_empty() || args.narrowing.names_jobs();
    super::delete::must_select(named || args.narrowing.is_given(), args.all)?;
    if let Some(payload) = &args.edit {
        return edit(&args, payload, context).await;
    }
    let asks = !named && !args.yes && !args.dry_run;
    if asks {
        context.ui.must_be_able_to_ask(&format!("reviving the dead letters of {}", args.queue))?;
    }
    let letters = context.client()?.dead_letters(args.queue.clone());
    let (selection, missing) = args.narrowing.selection(&args.ids, &args.queue, context).await?;
    if named && selection.ids.is_empty() {
        return Ok(Answer::none().errors(0, missing));
    }
    let rate_per_sec = args.rate.map(|rate| 1e6 / rate.interval_us() as f64);
    let options = ReviveOptions { delay: args.delay, rate_per_sec, dry_run: args.dry_run };
    if asks {
        let counting = ReviveOptions { dry_run: true, ..options };
        let count = letters.revive(&selection, counting, &mut |_| {}).await?.matched;
        let what = format!("this revives {} of {}", counted(count, "dead letter"), args.queue);
        context.ui.confirm(&what, args.queue.as_str())?;
    }
    let total = total(&args, &selection);
    let progress = context.ui.progress(&format!("reviving dead letters of {}", args.queue), total);
    let reviving = async |done: &mut (dyn FnMut(u64) + Send)| letters.revive(&selection, options, done).await;
    super::delete::finish((Act::Revived, &args.queue), progress, missing, context, reviving).await
}

/// How many it will be, where that is known beforehand.
fn total(args: &Args, selection: &Selection) -> Option<u64> {
    if selection.ids.is_empty() { args.narrowing.limit() } else { Some(selection.ids.len() as u64) }
}

async fn edit(args: &Args, payload: &str, context: &Context) -> Result<Answer> {
    let (selection, mut missing) = args.narrowing.selection(&args.ids, &args.queue, context).await?;
    match (selection.ids.as_slice(), missing.pop()) {
        ([id], None) => {
            let payload = enqueue::payload::read(payload)?;
            if !args.no_check {
                QueueService::check(&args.queue, &payload)?;
            }
            let letters = context.client()?.dead_letters(args.queue.clone());
            let id = letters.revive_edited(id, payload, args.delay).await?;
            Ok(Answer::one(Enqueued { id, queue: args.queue.clone(), duplicate: false }))
        }
        (_, Some(error)) => Err(error),
        _ => Err(Stop::usage("'--edit' takes exactly one ID").into()),
    }
}
