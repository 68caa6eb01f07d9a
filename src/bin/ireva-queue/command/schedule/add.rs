//! `schedule add`.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use ireva_queue::service::QueueService;
use ireva_queue::{ChangeKind, ErrorKind, Missed, NewJob, Overlap, Queue, QueueName, Schedule, ScheduleName, Timing};

use crate::command::enqueue::payload;
use crate::command::job_args::JobArgs;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;

/// Add a schedule
///
/// The payload is written as for 'enqueue': JSON, '-' for stdin, @FILE, or
/// fields. A pattern is read on the wall clock of its time zone: minute, hour,
/// day of the month, month, day of the week, with seconds before them as
/// wanted; or @hourly, @daily, @weekly, @monthly, @yearly. On days on which
/// clocks change, a pattern of one time of day has exactly one tick: what falls
/// into the hour that is left out comes right after it, of an hour that comes
/// twice the first counts. Other patterns follow the wall clock. A span has its
/// ticks at its multiples since 1970 in UTC: 15m is every quarter of an hour.
///
/// The same schedule again changes nothing and is no error; another one of that
/// name is refused unless --replace is given.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schedule add morning report-generation @report.json \\
      --cron '0 9 * * MON-FRI' --tz Africa/Lagos
  ireva-queue schedule add poll imports a=1 --every 15m --overlap skip \\
      --jitter 30s")]
pub struct Args {
    /// Its name: letters, digits and _.-
    #[arg(value_name = "NAME")]
    name: ScheduleName,

    /// The queue of its jobs
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// JSON, '-', @FILE, or fields such as key=value and key:=json
    #[arg(value_name = "PAYLOAD")]
    payload: Vec<String>,

    /// When: a pattern such as '0 9 * * MON-FRI', or @daily
    #[arg(long, value_name = "PATTERN")]
    cron: Option<String>,

    /// The time zone of the pattern, such as Africa/Lagos
    #[arg(long, value_name = "ZONE", default_value = "UTC", conflicts_with = "every")]
    tz: String,

    /// When: every so often, 1s and more
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, conflicts_with = "cron", value_parser = parse::span)]
    every: Option<Duration>,

    /// Ticks that came while nobody fired them: skip, once (one job for all of
    /// them) or all
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "once",
        hide_possible_values = true,
        value_parser = parse::one_of::<Missed>(&["skip", "once", "all"])
    )]
    missed: Missed,

    /// Do not fire a tick that is later than this [default: 1m with --missed
    /// skip, else however late]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
    grace: Option<Duration>,

    /// While the job of the tick before is not done: skip, queue (add the job all
    /// the same) or replace (cancel the one before)
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "queue",
        hide_possible_values = true,
        value_parser = parse::one_of::<Overlap>(&["skip", "queue", "replace"])
    )]
    overlap: Overlap,

    /// Start each job up to so much after its tick, a day at most
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = jitter)]
    jitter: Option<Duration>,

    /// No ticks after this time, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse::instant)]
    until: Option<DateTime<Utc>>,

    /// Add it paused
    #[arg(long)]
    paused: bool,

    /// Put it in the place of another one of that name
    #[arg(long)]
    replace: bool,

    /// Do not check the payload against what the queue's processor wants
    #[arg(long)]
    no_check: bool,

    #[command(flatten, next_help_heading = "Its jobs")]
    job: JobArgs,
}

/// Adds it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let timing = match (&args.cron, args.every) {
        (Some(pattern), _) => Timing::cron(pattern, &args.tz).map_err(|error| wrong(&error))?,
        (None, None) => return Err(Stop::usage("say when: give '--cron PATTERN' or '--every SPAN'").into()),
        (None, Some(span)) => Timing::every(span).map_err(|error| wrong(&error))?,
    };
    let job = args.job.put_on(NewJob::from_json(payload::from_args(&args.payload)?)?);
    if !args.no_check {
        QueueService::check(&args.queue, job.payload().get())?;
    }
    let mut schedule =
        Schedule::new(args.name, args.queue.clone(), timing, job)?.missed(args.missed).overlap(args.overlap);
    schedule = args.grace.into_iter().fold(schedule, Schedule::grace);
    schedule = args.jitter.into_iter().fold(schedule, Schedule::jitter);
    schedule = args.until.into_iter().fold(schedule, Schedule::until);
    if args.paused {
        schedule = schedule.paused(true);
    }
    let client = context.client()?;
    let queue = client.queue(args.queue);
    let is_new = matches!(queue.must_exist().await, Err(error) if error.kind() == ErrorKind::NotFound);
    let change = client.schedules().add(&schedule, args.replace).await?;
    if change.change == ChangeKind::Added {
        note_what_is_odd(&queue, is_new, context).await;
    }
    Ok(Answer::one(change))
}

/// Says on stderr that a queue may be mistyped, or, where somebody looks on, that nobody fires its schedules yet.
async fn note_what_is_odd(queue: &Queue, is_new: bool, context: &Context) {
    let name = queue.name();
    let similar = if is_new { queue.similar().await.unwrap_or_default() } else { Vec::new() };
    if !similar.is_empty() {
        let similar: Vec<_> = similar.iter().map(|name| format!("\"{name}\"")).collect();
        context.ui.note(&format!("queue \"{name}\" is new (did you mean {}?)", similar.join(" or ")));
    }
    if context.ui.is_watched() && queue.stats().await.is_ok_and(|stats| stats.workers == 0) {
        context
            .ui
            .note(&format!("no worker takes jobs of {name} now: 'work {name}', or 'scheduler', fires the schedule"));
    }
}

/// Names the flag that a field stands for.
fn wrong(error: &ireva_queue::Error) -> Stop {
    let flag = match error.fields().first().map(|problem| problem.field.as_str()) {
        Some("timezone") => "--tz",
        Some("every") => "--every",
        _ => "--cron",
    };
    Stop::usage(format!("invalid value for '{flag}': {error}"))
}

fn jitter(text: &str) -> Result<Duration, String> {
    match parse::span(text).map_err(|error| error.to_string())? {
        span if span > Duration::from_secs(24 * 3600) => Err("it must be a day at most".to_owned()),
        span => Ok(span),
    }
}
