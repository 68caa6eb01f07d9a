//! `enqueue`: hands jobs to a queue.

mod batch;
mod many;
mod ndjson;
mod pairs;
pub mod payload;
mod spooling;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use ireva_queue::builtin::email::{missing_template, missing_variables};
use ireva_queue::service::QueueService;
use ireva_queue::stats::Enqueued;
use ireva_queue::{Error, ErrorKind, JobId, JobState, NewJob, Queue, QueueName};

use crate::command::job_args::JobArgs;
use crate::command::queues;
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::parse;
use crate::view::{Awaited, Planned};

/// Enqueue jobs
///
/// The payload is JSON, '-' for stdin, @FILE, or fields: key=value is a string,
/// key:=json any JSON, a.b=c nests. Without one it is {}. The id of the job is
/// printed. The same id again, or a unique key that is held, adds nothing: the
/// id of the job that is there is printed, and it is no error. An id is
/// remembered for 24 hours after its job is gone. Without --id each run adds a
/// job of its own.
///
/// In a durable queue a replica must hold the job. Where none confirms it in
/// time the exit code is 75: the job is stored, and the same command with --id
/// and its id adds nothing and waits again.
///
/// From cron: --unique-for holds a key for a window, --unless-queued adds nothing
/// where a job of the queue waits or runs, and --spool writes the job to a file
/// where Redis is down or refuses writes. It is delivered once, by 'spool flush'
/// or the next 'enqueue --spool'; the exit code is 0, with a warning on stderr.
///
/// With --ndjson or --from each line is a job: {"payload":…} with, as wanted,
/// id, priority, delay, at, attempts, backoff, timeout, ttl, unique, uniqueFor,
/// orderKey, unlessQueued. Refused lines go to stderr with their number, and the
/// exit code is 3, also where every line is refused. How many were enqueued is
/// printed; -q, -o name and -o jsonl print each job.
///
/// With --batch the jobs are counted together (batch show NAME), and the job of
/// --on-complete follows when all have ended. More can be added until the batch
/// is sealed: by batch seal NAME, or at the end of --ndjson and --from.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue enqueue email to=ada@example.com subject=Welcome \\
      template=welcome-email context.firstName=Ada
  ireva-queue enqueue email @mail.json --delay 10m --priority high
  ireva-queue enqueue nightly --unless-queued --spool /var/spool/ireva-queue
  ireva-queue enqueue email --ndjson - < mails.ndjson")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// JSON, '-', @FILE, or fields such as key=value and key:=json
    #[arg(value_name = "PAYLOAD")]
    payload: Vec<String>,

    #[command(flatten)]
    job: OneJobArgs,

    #[command(flatten)]
    bulk: BulkArgs,

    #[command(flatten)]
    batch: batch::BatchArgs,

    /// Check every payload, send nothing; what is there already is not looked up
    #[arg(long)]
    dry_run: bool,

    /// Do not check the payload against what the queue's processor wants
    #[arg(long)]
    no_check: bool,

    /// Wait until the job has ended; 0 only when it completed
    #[arg(long, conflicts_with_all = ["ndjson", "from", "dry_run"])]
    wait: bool,

    /// Wait no longer than this
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, requires = "wait", value_parser = parse::span)]
    wait_timeout: Option<Duration>,

    /// Where Redis is down or refuses writes, write the job to a file in DIR
    #[arg(
        long,
        value_name = "DIR",
        value_hint = clap::ValueHint::DirPath,
        conflicts_with_all = ["ndjson", "from", "dry_run", "wait"]
    )]
    spool: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The job")]
struct OneJobArgs {
    /// Start no sooner than after this span
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        value_parser = parse::span,
        conflicts_with = "at"
    )]
    delay: Option<Duration>,

    /// Start no sooner than at this time, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse::instant)]
    at: Option<DateTime<Utc>>,

    #[command(flatten)]
    job: JobArgs,

    /// Its id; the same id again adds nothing (in a queue of several partitions: under
    /// the same unique key, order key or batch)
    #[arg(long, value_name = "ID")]
    id: Option<JobId>,

    /// Keep the order among jobs of this key, also where the queue has several partitions
    #[arg(long, value_name = "KEY")]
    order_key: Option<String>,

    /// Add nothing where a job of the queue waits or runs; a queue of several
    /// partitions refuses it
    #[arg(long)]
    unless_queued: bool,
}

impl OneJobArgs {
    /// The job with what the flags say.
    fn put_on(&self, job: NewJob) -> NewJob {
        let job = self.delay.into_iter().fold(job, NewJob::delay);
        let job = self.at.into_iter().fold(job, NewJob::at);
        let job = self.id.iter().cloned().fold(self.job.put_on(job), NewJob::id);
        let job = self.order_key.iter().fold(job, NewJob::order_key);
        if self.unless_queued { job.unless_queued() } else { job }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many jobs")]
struct BulkArgs {
    /// A job per line of this file, '-' for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["payload", "id", "unique", "from"])]
    ndjson: Option<PathBuf>,

    /// The same as --ndjson
    #[arg(long, value_name = "FILE", conflicts_with_all = ["payload", "id", "unique"])]
    from: Option<PathBuf>,

    /// Each line is a payload by itself
    #[arg(long)]
    bare: bool,
}

/// Enqueues one job, or a job per line.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let on_complete = args.batch.on_complete(!args.no_check)?;
    if let Some(file) = args.bulk.ndjson.as_ref().or(args.bulk.from.as_ref()) {
        if !args.dry_run {
            args.batch.open(&args.queue, on_complete.as_ref(), context).await?;
        }
        let order = many::Order {
            queue: args.queue.clone(),
            file: file.clone(),
            bare: args.bulk.bare,
            check: !args.no_check,
            dry_run: args.dry_run,
            batch: args.batch.batch.clone(),
        };
        let (batch, defaults) = (args.batch.batch, args.job);
        let defaults = move |job| batch.iter().cloned().fold(defaults.put_on(job), NewJob::batch);
        return many::run(order, defaults, context).await;
    }
    if args.bulk.bare {
        return Err(Stop::usage("'--bare' is for lines: give '--ndjson' or '--from' too").into());
    }
    let payload = payload::from_args(&args.payload)?;
    let mut job = args.job.put_on(NewJob::from_json(payload)?);
    job.check()?;
    if !args.no_check {
        QueueService::check(&args.queue, job.payload().get())?;
        check_template(&args.queue, job.payload().get(), context)?;
    }
    if args.dry_run {
        let payload = job.payload().to_owned();
        return Ok(Answer::one(Planned { queue: args.queue, payload, dry_run: true }));
    }
    if args.wait {
        job = job.awaited();
    }
    job = args.batch.batch.iter().cloned().fold(job, NewJob::batch);
    let queue = context.client()?.queue(args.queue);
    if args.batch.batch.is_some() {
        // A job that is refused leaves no empty batch.
        queue.must_take(&job).await?;
    }
    args.batch.open(queue.name(), on_complete.as_ref(), context).await?;
    if let Some(directory) = args.spool {
        return spooling::run(&queue, job, directory, context).await;
    }
    let (enqueued, is_there) = send(&queue, job, context).await?;
    match (args.wait, is_there) {
        (false, _) => Ok(Answer::one(enqueued)),
        (true, true) => wait(&queue, enqueued, args.wait_timeout, context).await,
        (true, false) => Ok(nothing_to_wait_for(enqueued)),
    }
}

/// Sends it, and says on stderr what is out of the ordinary. The answer, and whether there is a job to wait for.
async fn send(queue: &Queue, job: NewJob, context: &Context) -> Result<(Enqueued, bool)> {
    let id = job.job_id().clone();
    // Whoever does not hear the answer is told this id to send again, so it is remembered like one of the user's choice.
    let job = job.id(id.clone());
    let asks = (job.asks_for_empty_queue(), job.unique_key().is_some());
    let in_doubt = format!("job {id} may be there; run it again with --id {id}");
    let Some(sent) = context.interrupt.or(queue.enqueue(job)).await else {
        return Err(Stop::new(Code::Interrupted, format!("interrupted: {in_doubt}")).into());
    };
    let enqueued = sent.map_err(|error| match error.kind() {
        // Whether no answer came or no replica has confirmed it, the error says; the remedy is the same.
        ErrorKind::OutcomeUnknown => {
            Error::new(error.kind(), format!("{error}; run it again with --id {id}, which adds nothing twice"))
        }
        _ => error,
    })?;
    queues::note_if_new(queue, context).await;
    if !enqueued.duplicate {
        return Ok((enqueued, true));
    }
    let holder = &enqueued.id;
    let is_there = queue.contains(holder).await?;
    context.ui.note(&match (*holder != id, is_there) {
        (true, _) => match asks {
            (true, true) => format!("job {holder} waits or runs in the queue, or holds the unique key; nothing was added"),
            (true, false) => format!("job {holder} waits or runs in the queue; nothing was added"),
            (false, _) => format!("job {holder} holds the unique key; nothing was added"),
        },
        (false, true) => format!("job {holder} is there already; nothing was added"),
        (false, false) => {
            format!("id {holder} was used before, and that job is gone; nothing was added (an id is remembered for a day after)")
        }
    });
    Ok((enqueued, is_there))
}

async fn wait(queue: &Queue, enqueued: Enqueued, timeout: Option<Duration>, context: &Context) -> Result<Answer> {
    if let Ok(stats) = queue.stats().await
        && stats.workers == 0
    {
        let name = queue.name();
        context.ui.note(&format!("no worker takes jobs of {name} now: start one with ireva-queue work {name}"));
    }
    let progress = context.ui.progress(&format!("waiting for {}", enqueued.id), None);
    let ended = context.interrupt.or(queue.wait(&enqueued.id, timeout)).await;
    drop(progress);
    // The job is there whatever becomes of the waiting, so its id is the answer.
    let id = enqueued.id.clone();
    let stopped = |error: anyhow::Error, code| Ok(Answer::one(enqueued.clone()).errors(0, vec![error]).code(code));
    match ended {
        Some(Ok(end)) => {
            let answer = Awaited::new(enqueued, end);
            let code = if answer.state == JobState::Completed { Code::Done } else { Code::EndedBadly };
            if code == Code::EndedBadly {
                let why = answer.error.as_ref().map(|error| format!(": {} ({})", error.message, error.code));
                context.ui.note(&format!("job {id} is {}{}", answer.state, why.unwrap_or_default()));
            }
            Ok(Answer::one(answer).code(code))
        }
        Some(Err(error)) if error.kind() == ErrorKind::Timeout => stopped(error.into(), Code::TimeUp),
        Some(Err(error)) => {
            let code = error.kind().into();
            stopped(
                error.context(format!("job {id} is enqueued (jobs show {id}), but cannot be waited for")).into(),
                code,
            )
        }
        None => {
            let why = format!("interrupted: job {id} is enqueued; jobs show {id} tells how it ends");
            stopped(Stop::new(Code::Interrupted, why).into(), Code::Interrupted)
        }
    }
}

/// The answer where the id was used for a job that is gone.
fn nothing_to_wait_for(enqueued: Enqueued) -> Answer {
    let why = format!("job {} is not in queue {}: nothing to wait for", enqueued.id, enqueued.queue);
    Answer::one(enqueued).errors(0, vec![Error::not_found(why).into()])
}

/// Holds a mail against its template. One that does not ship stands with the operator's own: here where we know them, else
/// where the worker runs.
fn check_template(queue: &QueueName, payload: &str, context: &Context) -> Result<()> {
    if queue.as_str() != QueueName::KNOWN[0] {
        return Ok(());
    }
    let own = context.config().ok().and_then(|config| config.processors.mail_templates.as_deref());
    let missing = missing_variables(payload, own);
    if !missing.is_empty() {
        let why = "the context lacks what the template of the mail names";
        let missing = missing.join(", ");
        return Err(Stop::usage(format!("{why}: {missing}; context.NAME=VALUE says it, --no-check sends it")).into());
    }
    let Some(name) = missing_template(payload, None) else { return Ok(()) };
    match own {
        None => {
            context.ui.note(&format!("template {name:?} does not ship: the worker needs it in its MAIL_TEMPLATES"));
            Ok(())
        }
        Some(directory) if missing_template(payload, Some(directory)).is_some() => {
            let directory = directory.display();
            let why =
                format!("template {name:?} neither ships nor is in MAIL_TEMPLATES={directory}; --no-check sends it");
            Err(Stop::usage(why).into())
        }
        Some(_) => Ok(()),
    }
}
