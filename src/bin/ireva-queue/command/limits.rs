//! `limits`: the keys by which the jobs of a queue are limited.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::config::Rate;
use ireva_queue::{KeyLimitChange, LimitKey, QueueName};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;

/// Show and set limits of single keys, such as tenants
///
/// queues set QUEUE --key tenantId says where payloads hold the key of their
/// job, --key-concurrency and --key-rate limit every key. Here one key gets
/// limits of its own. A job over the limit of its key waits beside the line: it
/// is pending, keeps its place, and lets those of other keys by. All of it holds
/// at once, for every worker.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue queues set email --key tenantId --key-concurrency 5
  ireva-queue limits set email acme --concurrency 20
  ireva-queue limits list email")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the keys with running or waiting jobs, or limits of their own
    #[command(before_help = "Example:
  ireva-queue limits list email")]
    List {
        /// The queue
        #[arg(value_name = "QUEUE")]
        queue: QueueName,
    },
    /// Give a key limits of its own; what is not named stays
    #[command(before_help = "Example:
  ireva-queue limits set email acme --concurrency 2 --rate 1/s
  ireva-queue limits set email internal --rate none")]
    Set {
        #[command(flatten)]
        which: Which,

        /// Jobs of the key running at once over all workers: a number, or none
        #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::number_or_none::<u32>)]
        concurrency: Option<std::option::Option<u32>>,

        /// Starts in a span of time over all workers: 1/s, 30/m, 100/s:20, none
        #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = parse::rate_or_none)]
        rate: Option<std::option::Option<Rate>>,
    },
    /// Take the limits of a key's own away: those of every key hold again
    #[command(before_help = "Example:
  ireva-queue limits unset email acme")]
    Unset(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// The key, as it stands in payloads or as the list writes it
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: LimitKey,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let limits = |queue: QueueName| anyhow::Ok(context.client()?.queue(queue).key_limits());
    match args.verb {
        Verb::List { queue } => {
            let list = limits(queue.clone())?.list().await?;
            let settings = context.client()?.queue(queue.clone()).settings().await?;
            if settings.partitions > 1 {
                context.ui.note(&format!(
                    "queue {queue} has {} partitions, and the jobs of a key may be in several, so nothing is limited by key; one \
                     partition can have such limits: ireva-queue queues set {queue} --partitions 1",
                    settings.partitions
                ));
            } else if settings.key.is_none() {
                context.ui.note(&format!(
                    "queue {queue} has no key, so nothing is limited by key: ireva-queue queues set {queue} --key FIELD"
                ));
            } else if list.is_empty() {
                context.ui.note("no key has anything running, anything waiting for its limit, or limits of its own");
            }
            Ok(Answer::list(list))
        }
        Verb::Set { which, concurrency, rate } => {
            let change = KeyLimitChange { concurrency, rate };
            if change == KeyLimitChange::default() {
                return Err(Stop::usage("nothing to set: give --concurrency or --rate").into());
            }
            Ok(Answer::one(limits(which.queue)?.set(&which.key, change).await?))
        }
        Verb::Unset(which) => Ok(Answer::one(limits(which.queue)?.unset(&which.key).await?)),
    }
}
