//! `jobs show`: everything about jobs, or their lives step by step.

use anyhow::Result;
use ireva_queue::QueueName;
use ireva_queue::builtin::children;

use super::{each, is_about_one};
use crate::context::Context;
use crate::output::Answer;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Look only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Show its life, a line for each step, from what is stored of it and from the
    /// events that its queue still has
    #[arg(long)]
    timeline: bool,
}

/// Looks.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Args { ids, queue, timeline } = args;
    if timeline {
        return timelines(&ids, queue.as_ref(), context).await;
    }
    let inspector = context.answering()?.inspector();
    each(&ids, queue.as_ref(), &inspector, async |job| inspector.job_with_children(&job, children).await).await
}

/// The steps of each job, one job behind the other.
async fn timelines(ids: &[String], queue: Option<&QueueName>, context: &Context) -> Result<Answer> {
    let inspector = context.answering()?.inspector();
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
