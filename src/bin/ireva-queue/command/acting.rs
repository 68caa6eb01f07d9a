//! How an act on many jobs goes about it: counts, asks, acts in bounded steps, tells what it did and how it is undone.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::config::Rate;
use ireva_queue::stats::BulkReport;
use ireva_queue::{ActOptions, BulkAct, Error, QueueName, Selection};

use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::{Answer, counted};
use crate::view::{Act, Bulk};

/// Flags of every act on many jobs.
#[derive(Debug, clap::Args)]
pub struct Care {
    /// All of them
    #[arg(long)]
    pub all: bool,

    /// Only count, and show some
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// At most so many in a span of time, such as 10/s
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub rate: Option<Rate>,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What is to be done to many jobs.
pub struct Task<'a> {
    pub queue: &'a QueueName,
    pub act: BulkAct,
    /// How it is called.
    pub word: Act,
    pub selection: Selection,
    /// Whether the jobs were named one by one: then nobody is asked.
    pub named: bool,
    /// Those that were named and are not there.
    pub missing: Vec<anyhow::Error>,
    pub delay: Option<Duration>,
}

impl Care {
    /// Whether no flag of these is given, or only the reason.
    pub fn is_reason_alone(&self) -> bool {
        !self.all && !self.dry_run && !self.yes && self.rate.is_none()
    }

    /// Whether somebody is to be asked first. Without a terminal the refusal must not depend on Redis.
    ///
    /// # Errors
    /// Refused (5) where nobody can answer.
    pub fn asks(&self, named: bool, doing: &str, context: &Context) -> Result<bool> {
        let asks = !named && !self.yes && !self.dry_run;
        if asks {
            context.ui.must_be_able_to_ask(doing)?;
        }
        Ok(asks)
    }

    /// How it is done, by whom and why.
    pub fn options(&self, context: &Context) -> ActOptions {
        ActOptions {
            rate_per_sec: self.rate.map(|rate| 1e6 / rate.interval_us() as f64),
            dry_run: self.dry_run,
            delay: None,
            by: Some(context.ui.who()),
            reason: self.reason.clone(),
            stop: context.interrupt.token(),
        }
    }
}

/// Does it, and reports: what was skipped or missing is listed and makes it partly done; Ctrl-C ends it after the step that
/// it is at, and leaves the count of what was done until then.
pub async fn carry_out(task: Task<'_>, care: &Care, context: &Context) -> Result<Answer> {
    let Task { queue, act, word, selection, named, missing, delay } = task;
    let doing = format!("{} of {queue}", word.doing());
    let asks = care.asks(named, &doing, context)?;
    if named && selection.ids.is_empty() {
        return Ok(Answer::none().errors(0, missing));
    }
    let bulk = context.answering()?.queue(queue.clone()).bulk();
    let options = ActOptions { delay, ..care.options(context) };
    let mut total = None;
    // Where nothing narrows them, counting the jobs costs a question for each state.
    if asks || (selection.is_all() && selection.limit.is_none() && !care.dry_run) {
        let counting = ActOptions { dry_run: true, ..options.clone() };
        let seen = bulk.run(act, &selection, &counting, &mut |_| {}).await?;
        if asks {
            context.ui.confirm(&question(word, queue, &seen), queue.as_str())?;
        }
        total = Some(seen.matched);
    }
    let progress = context.ui.progress(&doing, total);
    let mut done = |count| progress.set(count);
    let outcome = context.interrupt.after(bulk.run(act, &selection, &options, &mut done)).await;
    drop(progress);
    Ok(told(outcome?, (word, queue), asks, missing, context))
}

/// What is about to be done, and whether it can be undone.
fn question(word: Act, queue: &QueueName, seen: &BulkReport) -> String {
    let states: Vec<_> = seen.states.iter().map(|state| format!("{} {}", state.count, state.state)).collect();
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    let what = format!("this {} {} of {queue}{states}", word.does(), counted(seen.matched, word.thing()));
    match (&seen.no_undo, word.can_be_undone()) {
        (Some(why), true) => format!("{what}; it cannot be undone: {why}"),
        (None, true) => format!("{what}; 'undo' can bring them back for an hour"),
        (_, false) => what,
    }
}

fn told(
    report: BulkReport,
    (word, queue): (Act, &QueueName),
    asked: bool,
    mut missing: Vec<anyhow::Error>,
    context: &Context,
) -> Answer {
    match (&report.act, &report.no_undo) {
        // Who was asked has read it.
        (Some(_), Some(why)) if !asked => context.ui.note(&format!("it cannot be undone: {why}")),
        (Some(act), None) if report.undo_until.is_some() && context.ui.is_watched() => {
            context.ui.note(&format!("for an hour it can be undone: ireva-queue undo {act}"));
        }
        _ => {}
    }
    let skipped = report.skipped.iter().map(|skipped| format!("job {}: {}", skipped.id, skipped.reason));
    missing.extend(skipped.map(|why| anyhow::Error::from(Error::refused(why))));
    let done = usize::try_from(report.changed).unwrap_or(usize::MAX);
    let stopped = report.stopped;
    if stopped {
        missing.push(Stop::new(Code::Interrupted, "interrupted: run it again for the rest").into());
    }
    let answer = Answer::one(Bulk::new(word, queue.clone(), report)).errors(done, missing);
    if stopped { answer.code(Code::Interrupted) } else { answer }
}

/// What changes many jobs wants to be told which.
pub fn must_select(selected: bool, all: bool) -> Result<()> {
    match (selected, all) {
        (false, false) => Err(Stop::usage("name jobs by ID, select them (--code, --class, …), or give '--all'").into()),
        (true, true) => Err(Stop::usage("'--all' cannot be used with a selection").into()),
        _ => Ok(()),
    }
}
