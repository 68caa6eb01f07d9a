//! `dlq show`: everything about dead letters.

use anyhow::Result;
use ireva_queue::QueueName;

use crate::command::jobs::each;
use crate::context::Context;
use crate::output::Answer;

/// Show dead letters: payload, every attempt, what buried them, what to do next
///
/// Of each attempt the time, the class and code of its error, how long it ran,
/// its worker, and what was said. Of each crash the worker that died or fell
/// silent, jobs that it held beside this one, and the last lines of the job's log.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq show email 7G3K")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The jobs; a unique end of the id is enough
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Finds each, and tells all about it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let inspector = context.answering()?.inspector();
    each(&args.ids, Some(&args.queue), &inspector, async |job| {
        if job.state != ireva_queue::JobState::Dead {
            let why = format!("job {} is {}, not among the dead letters of {}", job.id, job.state, job.queue);
            return Err(ireva_queue::Error::refused(why));
        }
        let mut details = inspector.job_with_children(&job, ireva_queue::builtin::children).await?;
        details.explanation = Some(inspector.explain_details(&details).await?);
        Ok(details)
    })
    .await
}
