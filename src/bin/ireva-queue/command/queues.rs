//! `queues`: what queues there are, and how each is set.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::QueueName;
use ireva_queue::config::{Durable, PriorityMode, QueueSettings, Rate, Retention, Setting};
use ireva_queue::retry::{Backoff, RetryPolicy};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;
use crate::view::Switched;

/// List queues, pause and resume them, change their settings
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue queues pause email
  ireva-queue queues set email --rate 100/s --remove-on-complete 24h")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the queues
    #[command(before_help = "Example:
  ireva-queue queues list")]
    List,
    /// Let no more jobs of queues start; running ones go on
    #[command(before_help = "Example:
  ireva-queue queues pause email notification")]
    Pause(Names),
    /// Let jobs of paused queues start again
    #[command(before_help = "Example:
  ireva-queue queues resume email notification")]
    Resume(Names),
    Set(SetArgs),
    /// Show the settings of a queue
    #[command(before_help = "Example:
  ireva-queue queues get email")]
    Get {
        /// The queue
        #[arg(value_name = "QUEUE")]
        queue: QueueName,
    },
}

#[derive(Debug, clap::Args)]
struct Names {
    /// The queues
    #[arg(value_name = "QUEUE", required = true)]
    queues: Vec<QueueName>,
}

/// Change settings of a queue
///
/// They hold for every worker, without a restart. What is not named stays.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue queues set email --rate 100/s --concurrency 20
  ireva-queue queues set email --remove-on-complete 24h --remove-on-fail never
  ireva-queue queues set email --rate none")]
struct SetArgs {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Starts in a span of time over all workers: 100/s, 30/m, 100/s:20, none
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = parse::rate_or_none)]
    rate: Option<std::option::Option<Rate>>,

    /// Jobs running at once over all workers: a number, or none
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::number_or_none::<u32>)]
    concurrency: Option<std::option::Option<u32>>,

    /// What is kept of completed and cancelled jobs: 100, 24h, 0 or never
    /// (never removes any)
    #[arg(long, value_name = "KEEP", allow_hyphen_values = true)]
    remove_on_complete: Option<Retention>,

    /// What is kept of dead letters: 1000, 30d, 0 or never (never drops any)
    #[arg(long, value_name = "KEEP", allow_hyphen_values = true)]
    remove_on_fail: Option<Retention>,

    /// How the next job is chosen: strict, or aging:10m so that nothing starves
    #[arg(long, value_name = "MODE")]
    priority_mode: Option<PriorityMode>,

    /// How many jobs may wait before enqueue is refused: a number, or none
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::number_or_none::<u64>)]
    max_length: Option<std::option::Option<u64>>,

    /// How many crashes of its worker bury a job
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..))]
    crash_limit: Option<u32>,

    /// Whether a replica must hold a job before its enqueue is a success: auto
    /// (where there are replicas), on or off
    #[arg(long, value_name = "MODE")]
    durable: Option<Durable>,

    /// How often a job runs before it is buried
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,

    /// The wait after a transient error: 5s, fixed:10s, linear:5s,
    /// exponential:5s:1h
    #[arg(long, value_name = "BACKOFF", allow_hyphen_values = true)]
    backoff: Option<Backoff>,

    /// The wait after a throttled error that did not say how long
    #[arg(long, value_name = "BACKOFF", allow_hyphen_values = true)]
    throttled_backoff: Option<Backoff>,

    /// How often a job with a permanent error runs; 1 buries it at once
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..))]
    permanent_attempts: Option<u32>,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let client = context.client()?;
    match args.verb {
        Verb::List => {
            let queues = client.inspector().queues().await?;
            if queues.is_empty() {
                context.ui.note("no queues yet: the first job makes one");
            }
            Ok(Answer::list(queues))
        }
        Verb::Pause(names) => switch(names, true, context).await,
        Verb::Resume(names) => switch(names, false, context).await,
        Verb::Set(args) => set(args, context).await,
        Verb::Get { queue } => {
            let queue = client.queue(queue);
            queue.stats().await?;
            Ok(Answer::one(queue.settings().await?))
        }
    }
}

async fn switch(names: Names, paused: bool, context: &Context) -> Result<Answer> {
    let asked_for = names.queues.len();
    let mut switched = Vec::with_capacity(asked_for);
    // A name that was mistyped must not look paused, so all of them are looked up before any is switched.
    for name in &names.queues {
        context.client()?.queue(name.clone()).stats().await?;
    }
    for name in names.queues {
        let queue = context.client()?.queue(name.clone());
        let changed = if paused { queue.pause().await? } else { queue.resume().await? };
        switched.push(Switched { queue: name, paused, changed });
    }
    Ok(Answer::one_or_list(asked_for, switched))
}

async fn set(args: SetArgs, context: &Context) -> Result<Answer> {
    let queue = context.client()?.queue(args.queue.clone());
    let mut changes = plain_changes(&args);
    if asks_for_retry(&args) {
        changes.push(Setting::Retry(retry(&args, &queue.settings().await?)));
    }
    if changes.is_empty() {
        return Err(Stop::usage("nothing to set: give at least one flag, such as '--rate 100/s'").into());
    }
    Ok(Answer::one(queue.set(&changes).await?))
}

fn plain_changes(args: &SetArgs) -> Vec<Setting> {
    let changes = [
        args.rate.map(Setting::Rate),
        args.concurrency.map(Setting::Concurrency),
        args.remove_on_complete.map(Setting::RemoveOnComplete),
        args.remove_on_fail.map(Setting::RemoveOnFail),
        args.priority_mode.map(Setting::PriorityMode),
        args.max_length.map(Setting::MaxLength),
        args.crash_limit.map(Setting::CrashLimit),
        args.durable.map(Setting::Durable),
    ];
    changes.into_iter().flatten().collect()
}

fn asks_for_retry(args: &SetArgs) -> bool {
    args.attempts.is_some()
        || args.backoff.is_some()
        || args.throttled_backoff.is_some()
        || args.permanent_attempts.is_some()
}

/// The policy in force, changed where asked.
fn retry(args: &SetArgs, settings: &QueueSettings) -> RetryPolicy {
    let now = settings.retry;
    RetryPolicy {
        attempts: args.attempts.unwrap_or(now.attempts),
        transient: args.backoff.unwrap_or(now.transient),
        throttled: args.throttled_backoff.unwrap_or(now.throttled),
        permanent_attempts: args.permanent_attempts.unwrap_or(now.permanent_attempts),
    }
}
