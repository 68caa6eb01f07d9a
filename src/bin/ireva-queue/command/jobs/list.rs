//! `jobs list`: the jobs of a queue by their states, or those selected.

use anyhow::Result;
use ireva_queue::stats::Page;
use ireva_queue::{JobState, QueueName};

use super::STATES;
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::output::Answer;
use crate::parse;

const PAGE: u64 = 1_000;
/// How many are listed unless said.
const USUAL_LIMIT: u64 = 50;

/// List the jobs of a queue
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs list email
  ireva-queue jobs list email --state pending,scheduled -o name
  ireva-queue jobs list email --payload 'to=~@example.com$' --attempts 2..")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Only in these states, separated by commas
    #[arg(
        long,
        value_name = "STATE",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = parse::one_of::<JobState>(&STATES)
    )]
    state: Vec<JobState>,

    /// Leave out so many first
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 0, hide_default_value = true)]
    offset: u64,

    /// List them all, not only the first 50
    #[arg(long, conflicts_with = "limit")]
    all: bool,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Lists what is selected.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let inspector = context.answering()?.inspector();
    let wanted = args.narrowing.limit().unwrap_or(if args.all { u64::MAX } else { USUAL_LIMIT });
    let (mut jobs, mut more, mut missing) = (Vec::new(), true, Vec::new());
    if args.narrowing.is_given() {
        let (mut selection, gone) = args.narrowing.jobs(&args.state, &[], &args.queue, context).await?;
        missing = gone;
        // The limit is that of the list, which says whether there are more.
        selection.limit = None;
        let none_left = selection.ids.is_empty() && !missing.is_empty();
        let page = match none_left {
            true => Page { items: Vec::new(), more: false },
            false => inspector.select(&args.queue, &selection, args.offset, wanted).await?,
        };
        (jobs, more) = (page.items, page.more);
    } else {
        let states = if args.state.is_empty() { JobState::ALL.to_vec() } else { args.state };
        while more && (jobs.len() as u64) < wanted {
            let had = jobs.len() as u64;
            let page = inspector.jobs(&args.queue, &states, args.offset + had, PAGE.min(wanted - had)).await?;
            more = page.more && !page.items.is_empty();
            jobs.extend(page.items);
        }
    }
    if jobs.is_empty() && missing.is_empty() {
        context.ui.note(&format!("no such jobs in {}", args.queue));
    } else if more {
        let next = args.offset + jobs.len() as u64;
        context.ui.note(&format!("there are more: --offset {next} shows the next, --all all of them"));
    }
    let done = jobs.len();
    Ok(Answer::list(jobs).errors(done, missing))
}
