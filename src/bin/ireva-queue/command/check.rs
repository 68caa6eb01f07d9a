//! `check`: one number of a queue for monitoring, and the thresholds that it is held against.

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::QueueName;
use ireva_queue::check::{Check, CheckState, Checked, Thresholds};

use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::view::{CheckAnswer, CheckFormat};

const PLUGIN: &str = "Exit codes of the checks, as monitoring plugins have them:
  0  OK    1  warning    2  critical, Redis not reachable    3  unknown";

/// Hold a number of a queue against thresholds, for monitoring
///
/// Answers as a monitoring plugin does, in one line with performance data, or as
/// metrics for Prometheus. Thresholds come from the flags, else from 'check set',
/// else they are the usual ones ('check get' shows them).
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue check backlog email --warn 1000 --crit 5000
  ireva-queue check latency email --format prometheus
  ireva-queue check set email --backlog 1000:5000 --latency 5m:30m", after_help = PLUGIN)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// How many jobs are in line
    #[command(before_help = "Example:
  ireva-queue check backlog email --warn 1000 --crit 5000", after_help = PLUGIN)]
    Backlog(Against),
    /// How long the first job in line has waited, or how late the most overdue is
    #[command(before_help = "Example:
  ireva-queue check latency email --warn 5m --crit 30m", after_help = PLUGIN)]
    Latency(Against),
    /// How many of the attempts of the last hour failed, in per cent
    #[command(before_help = "Example:
  ireva-queue check failures email --warn 5% --crit 25%", after_help = PLUGIN)]
    Failures(Against),
    /// How many dead letters there are
    #[command(before_help = "Example:
  ireva-queue check dead email --warn 1 --crit 100", after_help = PLUGIN)]
    Dead(Against),
    /// How many workers take its jobs; fewer than a threshold are too few
    #[command(before_help = "Example:
  ireva-queue check workers email --warn 3 --crit 1", after_help = PLUGIN)]
    Workers(Against),
    /// How many schedules are late: their tick came more than a minute ago
    #[command(before_help = "Example:
  ireva-queue check schedules email", after_help = PLUGIN)]
    Schedules(Against),
    Set(SetArgs),
    /// Show the thresholds of a queue
    #[command(before_help = "Example:
  ireva-queue check get email")]
    Get {
        /// The queue
        #[arg(value_name = "QUEUE")]
        queue: QueueName,
    },
}

#[derive(Debug, clap::Args)]
struct Against {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// A warning from here on: a number; a span such as 5m for latency, per cent
    /// such as 5% for failures
    #[arg(long, value_name = "THRESHOLD", allow_hyphen_values = true)]
    warn: Option<String>,

    /// Critical from here on
    #[arg(long, value_name = "THRESHOLD", allow_hyphen_values = true)]
    crit: Option<String>,

    /// How the answer is written: nagios, prometheus, json or text [default: nagios]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<CheckFormat>,
}

/// Store thresholds for a queue
///
/// Each is written WARN:CRIT; none brings the usual ones back. What is not named
/// stays.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue check set email --backlog 1000:5000 --latency 5m:30m
  ireva-queue check set email --workers 3:1 --failures none")]
struct SetArgs {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Jobs in line: 1000:5000
    #[arg(long, value_name = "WARN:CRIT", value_parser = backlog)]
    backlog: Option<Change>,

    /// The wait of the first job in line: 5m:30m
    #[arg(long, value_name = "WARN:CRIT", value_parser = latency)]
    latency: Option<Change>,

    /// Failed attempts: 5%:25%
    #[arg(long, value_name = "WARN:CRIT", value_parser = failures)]
    failures: Option<Change>,

    /// Dead letters: 1:100
    #[arg(long, value_name = "WARN:CRIT", value_parser = dead)]
    dead: Option<Change>,

    /// Workers, fewer than which are too few: 3:1
    #[arg(long, value_name = "WARN:CRIT", value_parser = workers)]
    workers: Option<Change>,

    /// Late schedules: 1:3
    #[arg(long, value_name = "WARN:CRIT", value_parser = schedules)]
    schedules: Option<Change>,
}

/// New thresholds of a check; `None` lifts what is stored.
#[derive(Debug, Clone, Copy)]
struct Change(Check, Option<Thresholds>);

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let (check, against) = match args.verb {
        Verb::Backlog(against) => (Check::Backlog, against),
        Verb::Latency(against) => (Check::Latency, against),
        Verb::Failures(against) => (Check::Failures, against),
        Verb::Dead(against) => (Check::Dead, against),
        Verb::Workers(against) => (Check::Workers, against),
        Verb::Schedules(against) => (Check::Schedules, against),
        Verb::Set(args) => return set(args, context).await,
        Verb::Get { queue } => return Ok(Answer::list(context.client()?.thresholds(&queue).await?)),
    };
    let checked = match measure(check, &against, context).await {
        Ok(checked) => checked,
        Err(error) => Checked::without_number(check, &against.queue, &error),
    };
    let code = Code::from(checked.state);
    Ok(Answer::of(CheckAnswer { checked, format: against.format }).code(code))
}

/// What keeps the check from an answer before anybody is asked.
async fn measure(check: Check, against: &Against, context: &Context) -> ireva_queue::Result<Checked> {
    let number = |flag: &str, text: &Option<String>| {
        let parse = |text: &String| check.number(text);
        let named = |error: ireva_queue::Error| error.context(format!("invalid value for '{flag}'"));
        text.as_ref().map(parse).transpose().map_err(named)
    };
    let given = (number("--warn", &against.warn)?, number("--crit", &against.crit)?);
    Ok(context.answering()?.check(&against.queue, check, given).await)
}

async fn set(args: SetArgs, context: &Context) -> Result<Answer> {
    let changes = [args.backlog, args.latency, args.failures, args.dead, args.workers, args.schedules];
    let changes: Vec<_> = changes.into_iter().flatten().map(|Change(check, thresholds)| (check, thresholds)).collect();
    if changes.is_empty() {
        return Err(Stop::usage("nothing to set: give at least one flag, such as '--backlog 1000:5000'").into());
    }
    Ok(Answer::list(context.client()?.set_thresholds(&args.queue, &changes).await?))
}

fn change(check: Check, text: &str) -> Result<Change, String> {
    if text == "none" {
        return Ok(Change(check, None));
    }
    check.thresholds(text).map(|thresholds| Change(check, Some(thresholds))).map_err(|error| error.to_string())
}

fn backlog(text: &str) -> Result<Change, String> {
    change(Check::Backlog, text)
}

fn latency(text: &str) -> Result<Change, String> {
    change(Check::Latency, text)
}

fn failures(text: &str) -> Result<Change, String> {
    change(Check::Failures, text)
}

fn dead(text: &str) -> Result<Change, String> {
    change(Check::Dead, text)
}

fn workers(text: &str) -> Result<Change, String> {
    change(Check::Workers, text)
}

fn schedules(text: &str) -> Result<Change, String> {
    change(Check::Schedules, text)
}

impl From<CheckState> for Code {
    /// The numbers of monitoring plugins, whatever they mean elsewhere.
    fn from(state: CheckState) -> Self {
        match state {
            CheckState::Ok => Self::Done,
            CheckState::Warning => Self::Failed,
            CheckState::Critical => Self::Usage,
            CheckState::Unknown => Self::Partly,
        }
    }
}

/// The code of wrong usage: where a check was meant it is unknown how things stand, which must not look critical.
pub fn usage_code(code: Code, arguments: &[OsString]) -> Code {
    let mut words = Vec::new();
    let mut rest = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    while let Some(argument) = rest.next() {
        match argument {
            // Global flags whose value stands apart.
            "-o" | "--output" | "--color" => _ = rest.next(),
            flag if flag.starts_with('-') => {}
            word => words.push(word),
        }
    }
    let is_check = words.first() == Some(&"check") && !matches!(words.get(1), Some(&"set" | &"get"));
    if code == Code::Usage && is_check { CheckState::Unknown.into() } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_of_a_check_is_unknown_and_of_all_else_is_usage() {
        let code = |line: &str| {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            usage_code(Code::Usage, &arguments)
        };
        assert_eq!(code("ireva-queue check backlog"), Code::Partly);
        assert_eq!(code("ireva-queue -o json -q check nope"), Code::Partly);
        assert_eq!(code("ireva-queue check set q --backlog 1"), Code::Usage);
        assert_eq!(code("ireva-queue enqueue check --delay -1"), Code::Usage);
        assert_eq!(usage_code(Code::Done, &["ireva-queue".into(), "check".into()]), Code::Done);
    }
}
