//! `jobs`: single jobs, wherever they stand.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::builtin::children;
use ireva_queue::{ErrorKind, JobState, Located, QueueName};

use crate::context::Context;
use crate::output::Answer;
use crate::parse;
use crate::view::View;

const PAGE: u64 = 1_000;
const STATES: [&str; 7] = ["pending", "scheduled", "active", "retrying", "completed", "cancelled", "dead"];

/// Look at single jobs and act on them
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs list email --state retrying
  ireva-queue jobs show 7G3K
  ireva-queue jobs cancel 7G3K")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(ListArgs),
    /// Show everything about jobs
    #[command(before_help = "Example:
  ireva-queue jobs show 7G3K
  ireva-queue jobs show 7G3K --timeline
  ireva-queue jobs show 7G3K -o json | jq .payload")]
    Show(ShowArgs),
    /// Cancel jobs: waiting ones at once, active ones within a second
    #[command(before_help = "Example:
  ireva-queue jobs cancel 7G3K")]
    Cancel(Ids),
    /// Run failed jobs again: retrying ones now, dead ones from the start
    #[command(before_help = "Example:
  ireva-queue jobs retry 7G3K")]
    Retry(Ids),
    /// Let scheduled or retrying jobs run now
    #[command(before_help = "Example:
  ireva-queue jobs promote 7G3K")]
    Promote(Ids),
    /// Delete jobs for good, unless they are active
    #[command(before_help = "Example:
  ireva-queue jobs delete 7G3K")]
    Delete(DeleteArgs),
}

/// List the jobs of a queue
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs list email
  ireva-queue jobs list email --state pending,scheduled -o name")]
struct ListArgs {
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

    /// At most so many
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 50, value_parser = parse::count::<u64>)]
    limit: u64,

    /// Leave out so many first
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 0, hide_default_value = true)]
    offset: u64,

    /// List them all
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Look only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    which: Ids,

    /// Show its life, a line for each step, from what is stored of it and from the
    /// events that its queue still has
    #[arg(long)]
    timeline: bool,
}

#[derive(Debug, clap::Args)]
struct DeleteArgs {
    #[command(flatten)]
    which: Ids,

    /// Not needed: whoever names jobs is not asked
    #[arg(short, long)]
    yes: bool,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let inspector = async || anyhow::Ok(context.client()?.inspector());
    match args.verb {
        Verb::List(args) => list(args, context).await,
        Verb::Show(ShowArgs { which: Ids { ids, queue }, timeline: true }) => {
            timelines(&ids, queue.as_ref(), context).await
        }
        Verb::Show(ShowArgs { which: Ids { ids, queue }, timeline: false }) => {
            let inspector = inspector().await?;
            each(&ids, queue.as_ref(), context, async |job| inspector.job_with_children(&job, children).await).await
        }
        Verb::Cancel(Ids { ids, queue }) => {
            let inspector = inspector().await?;
            each(&ids, queue.as_ref(), context, async |job| inspector.cancel(&job).await).await
        }
        Verb::Retry(Ids { ids, queue }) => {
            let inspector = inspector().await?;
            each(&ids, queue.as_ref(), context, async |job| inspector.retry(&job).await).await
        }
        Verb::Promote(Ids { ids, queue }) => {
            let inspector = inspector().await?;
            each(&ids, queue.as_ref(), context, async |job| inspector.promote(&job).await).await
        }
        Verb::Delete(DeleteArgs { which: Ids { ids, queue }, yes: _ }) => {
            let inspector = inspector().await?;
            each(&ids, queue.as_ref(), context, async |job| inspector.delete(&job).await).await
        }
    }
}

async fn list(args: ListArgs, context: &Context) -> Result<Answer> {
    let inspector = context.client()?.inspector();
    let states = if args.state.is_empty() { JobState::ALL.to_vec() } else { args.state };
    let wanted = if args.all { u64::MAX } else { args.limit };
    let (mut jobs, mut more) = (Vec::new(), true);
    while more && (jobs.len() as u64) < wanted {
        let had = jobs.len() as u64;
        let page = inspector.jobs(&args.queue, &states, args.offset + had, PAGE.min(wanted - had)).await?;
        more = page.more && !page.items.is_empty();
        jobs.extend(page.items);
    }
    if jobs.is_empty() {
        context.ui.note(&format!("no such jobs in {}", args.queue));
    } else if more {
        let next = args.offset + jobs.len() as u64;
        context.ui.note(&format!("there are more: --offset {next} shows the next, --all all of them"));
    }
    Ok(Answer::list(jobs))
}

/// Finds each job and does `act` to it. What fails for one job alone is listed; what would fail for all of them
/// (no connection) ends it.
pub async fn each<T: View + 'static>(
    ids: &[String],
    queue: Option<&QueueName>,
    context: &Context,
    act: impl AsyncFn(Located) -> ireva_queue::Result<T>,
) -> Result<Answer> {
    let inspector = context.client()?.inspector();
    let (mut values, mut errors) = (Vec::new(), Vec::<anyhow::Error>::new());
    for id in ids {
        let done = match inspector.find(id, queue).await {
            Ok(job) => act(job).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(value) => values.push(value),
            Err(error) if is_about_one(error.kind()) => errors.push(error.into()),
            Err(error) if values.is_empty() => return Err(error.into()),
            Err(error) => {
                // What was done is still told, and so is why the rest was not.
                errors.push(error.into());
                break;
            }
        }
    }
    let done = values.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(ids.len(), values) };
    Ok(answer.errors(done, errors))
}

/// The steps of each job, one job behind the other.
async fn timelines(ids: &[String], queue: Option<&QueueName>, context: &Context) -> Result<Answer> {
    let inspector = context.client()?.inspector();
    let (mut steps, mut errors, mut done) = (Vec::new(), Vec::<anyhow::Error>::new(), 0);
    for id in ids {
        let told = match inspector.find(id, queue).await {
            Ok(job) => inspector.timeline(&job).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(told) => {
                done += 1;
                steps.extend(told);
            }
            Err(error) if is_about_one(error.kind()) => errors.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    let answer = if done == 0 { Answer::none() } else { Answer::list(steps) };
    Ok(answer.errors(done, errors))
}

fn is_about_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Corrupt)
}
