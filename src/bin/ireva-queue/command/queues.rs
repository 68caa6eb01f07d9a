//! `queues`: what queues there are, and how each is set.

mod spread;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::config::{Durable, PriorityMode, QueueSettings, Rate, Retention, Setting};
use ireva_queue::retry::{Backoff, RetryPolicy};
use ireva_queue::stats::{Deleted, Protected, Switched};
use ireva_queue::{ActOptions, ErrorKind, KeyField, Queue, QueueName};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;
use crate::view::Settings;

/// List queues, pause, resume and protect them, change their settings
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
    /// Refuse every clear, and every act that removes or cancels many jobs
    #[command(before_help = "Example:
  ireva-queue queues protect roi-distribution")]
    Protect(Names),
    /// Allow what protect refuses
    #[command(before_help = "Example:
  ireva-queue queues unprotect roi-distribution")]
    Unprotect(Names),
    Set(Box<SetArgs>),
    /// Delete queues that hold no jobs, with their settings, counters and the ids
    /// that they remember
    ///
    /// What former partitions leave is gone within an hour.
    #[command(before_help = "Example:
  ireva-queue queues delete emaill")]
    Delete(DeleteArgs),
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

#[derive(Debug, clap::Args)]
struct DeleteArgs {
    #[command(flatten)]
    names: Names,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Change settings of a queue
///
/// They hold for every worker, without a restart. What is not named stays.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue queues set email --rate 100/s --concurrency 20
  ireva-queue queues set email --remove-on-complete 24h --remove-on-fail never
  ireva-queue queues set email --key tenantId --key-concurrency 5
  ireva-queue queues set email --partitions 8
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

    /// Where payloads hold the key by which jobs are limited, such as tenantId or
    /// tenant.id; none: no limits per key
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true, value_parser = parse::key_field_or_none)]
    key: Option<std::option::Option<KeyField>>,

    /// Jobs of one key running at once over all workers: a number, or none
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::number_or_none::<u32>)]
    key_concurrency: Option<std::option::Option<u32>>,

    /// Starts of jobs of one key in a span of time over all workers: 10/s, none
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = parse::rate_or_none)]
    key_rate: Option<std::option::Option<Rate>>,

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
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    crash_limit: Option<u32>,

    /// Whether a replica must hold a job before its enqueue is a success: auto
    /// (where there are replicas), on or off
    #[arg(long, value_name = "MODE")]
    durable: Option<Durable>,

    /// How often a job runs before it is buried
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    attempts: Option<u32>,

    /// The wait after a transient error: 5s, fixed:10s, linear:5s,
    /// exponential:5s:1h
    #[arg(long, value_name = "BACKOFF", allow_hyphen_values = true)]
    backoff: Option<Backoff>,

    /// The wait after a throttled error that did not say how long
    #[arg(long, value_name = "BACKOFF", allow_hyphen_values = true)]
    throttled_backoff: Option<Backoff>,

    /// How often a job with a permanent error runs; 1 buries it at once
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    permanent_attempts: Option<u32>,

    /// Over how many partitions the queue is spread, 1 to 64, for one that
    /// outgrows a server: the jobs are moved while producers and workers go on.
    /// Several have no limits per key, and no concurrency or length below their
    /// number. Ctrl-C is safe: the workers of the queue go on, and so does the
    /// same command again
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::partitions)]
    partitions: Option<u16>,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let client = context.client()?;
    match args.verb {
        Verb::List => {
            let queues = context.answering()?.inspector().queues().await?;
            if queues.is_empty() {
                context.ui.note("no queues yet: the first job makes one");
            }
            Ok(Answer::list(queues))
        }
        Verb::Pause(names) => switch(names, true, context).await,
        Verb::Resume(names) => switch(names, false, context).await,
        Verb::Protect(names) => guard(names, true, context).await,
        Verb::Unprotect(names) => guard(names, false, context).await,
        Verb::Set(args) => set(*args, context).await,
        Verb::Delete(names) => delete(names, context).await,
        Verb::Get { queue } => {
            let queue = client.queue(queue);
            queue.must_exist().await?;
            let now = queue.in_force().await?;
            Ok(Answer::one(Settings { queue: queue.name().clone(), now }))
        }
    }
}

async fn switch(names: Names, paused: bool, context: &Context) -> Result<Answer> {
    let asked_for = names.queues.len();
    let mut switched = Vec::with_capacity(asked_for);
    // A name that was mistyped must not look paused, so all of them are looked up before any is switched.
    for name in &names.queues {
        context.client()?.queue(name.clone()).must_exist().await?;
    }
    for name in names.queues {
        let queue = context.client()?.queue(name.clone());
        let changed = if paused { queue.pause().await? } else { queue.resume().await? };
        switched.push(Switched { queue: name, paused, changed });
    }
    Ok(Answer::one_or_list(asked_for, switched))
}

async fn guard(names: Names, protected: bool, context: &Context) -> Result<Answer> {
    let asked_for = names.queues.len();
    let mut guarded = Vec::with_capacity(asked_for);
    // A name that was mistyped must not look protected, so all of them are looked up before any is.
    for name in &names.queues {
        context.client()?.queue(name.clone()).must_exist().await?;
    }
    for name in names.queues {
        let queue = context.client()?.queue(name.clone());
        let changed = if protected { queue.protect().await? } else { queue.unprotect().await? };
        guarded.push(Protected { queue: name, protected, changed });
    }
    Ok(Answer::one_or_list(asked_for, guarded))
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
    match args.partitions {
        Some(count) => spread::run(&queue, count, &changes, context).await?,
        None => _ = queue.set(&changes).await?,
    }
    note_if_new(&queue, context).await;
    let now = queue.in_force().await?;
    let limits_keys = matches!(args.key_concurrency, Some(Some(_))) || matches!(args.key_rate, Some(Some(_)));
    if limits_keys && now.settings.key.is_none() {
        let name = &args.queue;
        context.ui.note(&format!(
            "queue {name} has no key, so nothing is limited by key yet: ireva-queue queues set {name} --key FIELD"
        ));
    }
    Ok(Answer::one(Settings { queue: args.queue, now }))
}

/// Says on stderr that nobody had used the name before, which is how a mistyped one shows. Where nobody looks on, only a
/// name that is like another one is worth a line: a first job is nothing that cron should send a mail about.
pub async fn note_if_new(queue: &Queue, context: &Context) {
    if !queue.was_made() {
        return;
    }
    let similar = queue.similar().await.unwrap_or_default();
    let similar: Vec<_> = similar.iter().map(|name| format!("\"{name}\"")).collect();
    if similar.is_empty() && !context.ui.is_watched() {
        return;
    }
    let hint = if similar.is_empty() { String::new() } else { format!(" (did you mean {}?)", similar.join(" or ")) };
    context.ui.note(&format!("queue \"{}\" is new{hint}", queue.name()));
}

async fn delete(args: DeleteArgs, context: &Context) -> Result<Answer> {
    let DeleteArgs { names, reason } = args;
    let options = ActOptions { by: Some(context.ui.who()), reason, ..ActOptions::default() };
    let asked_for = names.queues.len();
    let (mut deleted, mut errors) = (Vec::new(), Vec::<anyhow::Error>::new());
    for name in names.queues {
        match context.client()?.queue(name.clone()).delete(&options).await {
            Ok(()) => deleted.push(Deleted { queue: name, deleted: true }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => errors.push(error.into()),
            Err(error) if deleted.is_empty() => return Err(error.into()),
            Err(error) => {
                errors.push(error.into());
                break;
            }
        }
    }
    let done = deleted.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(asked_for, deleted) };
    Ok(answer.errors(done, errors))
}

fn plain_changes(args: &SetArgs) -> Vec<Setting> {
    let changes = [
        args.rate.map(Setting::Rate),
        args.concurrency.map(Setting::Concurrency),
        args.key.clone().map(Setting::Key),
        args.key_concurrency.map(Setting::KeyConcurrency),
        args.key_rate.map(Setting::KeyRate),
        args.remove_on_complete.map(Setting::RemoveOnComplete),
        args.remove_on_fail.map(Setting::RemoveOnFail),
        args.priority_mode.map(Setting::PriorityMode),
        args.max_length.map(Setting::MaxLength),
        args.crash_limit.map(Setting::CrashLimit),
        args.durable.map(Setting::Durable),
        args.partitions.map(Setting::Partitions),
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
