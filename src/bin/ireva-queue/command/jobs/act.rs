//! `jobs cancel`, `retry`, `promote` and `delete`: of jobs that are named, or of all that are selected.

use anyhow::Result;
use ireva_queue::{BulkAct, JobState, QueueName};

use super::{STATES, each};
use crate::command::acting::{Care, Task, carry_out};
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;
use crate::view::Act;

/// Jobs by their names, or a queue and which of its jobs are meant.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// Look only in this queue; a selection needs it
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    #[command(flatten)]
    care: Care,

    /// Only in these states, separated by commas
    #[arg(
        long,
        value_name = "STATE",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = parse::one_of::<JobState>(&STATES),
        help_heading = "Selection"
    )]
    state: Vec<JobState>,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Does it to each job that is named, or to all that are selected.
pub async fn run(args: Args, act: BulkAct, context: &Context) -> Result<Answer> {
    let Args { ids, queue, care, state, narrowing } = args;
    let narrowed = narrowing.is_given() || !state.is_empty();
    // The deletion of a single job is an act of its own in the audit, with its reason.
    if act == BulkAct::Remove && !ids.is_empty() && !narrowed && care.is_reason_alone() && narrowing.limit().is_none() {
        return one_by_one(&ids, queue.as_ref(), act, care.reason, context).await;
    }
    let how = care.dry_run || care.rate.is_some() || care.reason.is_some() || narrowing.limit().is_some();
    match (narrowed || care.all || how, ids.is_empty()) {
        (false, true) => return Err(must_name().into()),
        (false, false) => return one_by_one(&ids, queue.as_ref(), act, None, context).await,
        (true, true) if !narrowed && !care.all => return Err(must_name().into()),
        (true, _) if care.all && (narrowing.is_given() || !ids.is_empty()) => {
            return Err(Stop::usage("'--all' cannot be used with a selection").into());
        }
        (true, _) => {}
    }
    let queue = match queue {
        Some(queue) => queue,
        None if care.is_reason_alone() && !ids.is_empty() && !narrowed => queue_of(&ids, context).await?,
        None => return Err(Stop::usage("a selection needs '--queue QUEUE'").into()),
    };
    if let Some(state) = state.iter().find(|state| !act.states().contains(state)) {
        let words: Vec<_> = act.states().iter().map(|state| state.as_str()).collect();
        let why = format!("invalid value '{state}' for '--state': {} is about {}", act.as_str(), words.join(", "));
        return Err(Stop::usage(why).into());
    }
    let named = !ids.is_empty() || narrowing.names_jobs();
    let word = match act {
        BulkAct::Remove => Act::Removed,
        BulkAct::Cancel => Act::Cancelled,
        BulkAct::Retry => Act::Retried,
        BulkAct::Promote => Act::Promoted,
    };
    care.asks(named, &format!("{} of {queue}", word.doing()), context)?;
    context.answering()?.queue(queue.clone()).must_exist().await?;
    let (selection, missing) = narrowing.jobs(&state, &ids, &queue, context).await?;
    carry_out(Task { queue: &queue, act, word, selection, named, missing, delay: None }, &care, context).await
}

/// The queue of jobs that are named with a reason: the audit notes an act of one queue.
async fn queue_of(ids: &[String], context: &Context) -> Result<QueueName> {
    let inspector = context.client()?.inspector();
    let mut of: Option<QueueName> = None;
    for id in ids {
        let found = inspector.find(id, None).await?.queue;
        if let Some(other) = of.filter(|other| *other != found) {
            let why =
                format!("the jobs are of the queues {other} and {found}: '--reason' is for those of one at a time");
            return Err(Stop::usage(why).into());
        }
        of = Some(found);
    }
    of.ok_or_else(|| must_name().into())
}

async fn one_by_one(
    ids: &[String],
    queue: Option<&QueueName>,
    act: BulkAct,
    reason: Option<String>,
    context: &Context,
) -> Result<Answer> {
    let inspector = context.client()?.inspector().by(context.ui.who());
    let inspector = match reason {
        Some(reason) => inspector.because(reason),
        None => inspector,
    };
    each(ids, queue, &inspector, async |job| match act {
        BulkAct::Remove => inspector.delete(&job).await,
        BulkAct::Cancel => inspector.cancel(&job).await,
        BulkAct::Retry => inspector.retry(&job).await,
        BulkAct::Promote => inspector.promote(&job).await,
    })
    .await
}

fn must_name() -> Stop {
    Stop::usage("name jobs by ID, or select them: '--queue QUEUE' with '--state', '--code', …, or '--all'")
}
