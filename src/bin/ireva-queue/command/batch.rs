//! `batch`: jobs that are counted together.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::{BatchInfo, BatchName, ErrorKind, QueueName};

use crate::context::Context;
use crate::output::Answer;
use crate::parse;

/// Show batches and seal them
///
/// A batch counts jobs of one queue together: enqueue --batch NAME opens it and
/// adds jobs, and --on-complete QUEUE PAYLOAD says which job follows. Once it is
/// sealed (batch seal, or the end of enqueue --from) and each of its jobs has
/// completed, died, or was cancelled or removed, it is over, and the job on
/// completion is enqueued, exactly once. It is forgotten a week later.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue enqueue email --from mails.ndjson --batch november \\
      --on-complete notification @done.json
  ireva-queue batch show november")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List batches, the newest of each queue first
    #[command(before_help = "Example:
  ireva-queue batch list email")]
    List {
        /// Only those of this queue
        #[arg(value_name = "QUEUE")]
        queue: Option<QueueName>,

        /// At most so many
        #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 50, value_parser = parse::count::<u64>)]
        limit: u64,
    },
    /// Show how batches stand
    #[command(before_help = "Example:
  ireva-queue batch show november -o json")]
    Show(Names),
    /// Let batches take no more jobs; one whose jobs have all ended is over at once
    #[command(before_help = "Example:
  ireva-queue batch seal november")]
    Seal(Names),
}

#[derive(Debug, clap::Args)]
struct Names {
    /// The batches
    #[arg(value_name = "NAME", required = true)]
    names: Vec<BatchName>,

    /// Look only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let batches = context.client()?.batches();
    match args.verb {
        Verb::List { queue, limit } => {
            let list = context.answering()?.batches().list(queue.as_ref(), limit).await?;
            if list.is_empty() {
                context.ui.note("no batches");
            } else if list.len() as u64 == limit {
                context.ui.note(&format!("there may be more than {limit}: --limit N shows them"));
            }
            Ok(Answer::list(list))
        }
        Verb::Show(Names { names, queue }) => each(&names, async |name| batches.find(name, queue.as_ref()).await).await,
        Verb::Seal(Names { names, queue }) => {
            let seal = async |name: &BatchName| {
                let batch = batches.find(name, queue.as_ref()).await?;
                batches.seal(&batch.queue, name).await
            };
            each(&names, seal).await
        }
    }
}

/// Does `act` to each batch. What fails for one alone is listed; what would fail for all of them ends it.
async fn each(names: &[BatchName], act: impl AsyncFn(&BatchName) -> ireva_queue::Result<BatchInfo>) -> Result<Answer> {
    let (mut batches, mut errors) = (Vec::new(), Vec::<anyhow::Error>::new());
    for name in names {
        match act(name).await {
            Ok(batch) => batches.push(batch),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => errors.push(error.into()),
            Err(error) if batches.is_empty() => return Err(error.into()),
            Err(error) => {
                errors.push(error.into());
                break;
            }
        }
    }
    let done = batches.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(names.len(), batches) };
    Ok(answer.errors(done, errors))
}
