//! `schedule list` and `schedule next`.

use anyhow::Result;
use ireva_queue::{Error, QueueName, ScheduleName};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;

/// List the schedules
///
/// 'late' is one whose tick came more than a minute ago and that nobody fired:
/// no worker of its queue and no scheduler runs, or its queue is full.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schedule list
  ireva-queue schedule list email -o wide")]
pub struct ListArgs {
    /// Only of these queues
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,
}

/// Show the ticks that come next
///
/// Ten of them, or as many as said, of all schedules or of those named. A tick
/// that has come and that nobody fired yet is one of them.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "ireva-queue schedule next [OPTIONS] [N] [NAME]...",
    before_help = "Example:
  ireva-queue schedule next
  ireva-queue schedule next 5 morning"
)]
pub struct NextArgs {
    /// How many, before the names; and only of these schedules
    #[arg(value_name = "NAME", allow_negative_numbers = true)]
    words: Vec<String>,
}

/// Lists them.
pub async fn list(args: ListArgs, context: &Context) -> Result<Answer> {
    let schedules = context.answering()?.schedules().list(&args.queues).await?;
    if schedules.is_empty() {
        context.ui.note("no schedules: 'schedule add' makes one");
    }
    Ok(Answer::list(schedules))
}

/// Lists what comes.
pub async fn next(args: NextArgs, context: &Context) -> Result<Answer> {
    let (count, names) = wanted(&args.words)?;
    let ticks = context.answering()?.schedules().upcoming(&names, count).await?;
    if ticks.is_empty() {
        context.ui.note("no tick comes: there are no schedules, or they are paused or have ended");
    }
    Ok(Answer::list(ticks))
}

/// A number at the front is how many.
fn wanted(words: &[String]) -> Result<(usize, Vec<ScheduleName>), Stop> {
    let is_number = |word: &String| word.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    let (count, names) = match words.split_first() {
        Some((first, rest)) if is_number(first) => (first.as_str(), rest),
        _ => ("10", words),
    };
    let count = count.parse().ok().filter(|count| (1..=1_000).contains(count));
    let count = count.ok_or_else(|| Stop::usage("invalid value for '[N]': write a whole number from 1 to 1000"))?;
    let name = |word: &String| {
        word.parse().map_err(|error: Error| Stop::usage(format!("invalid value for '[NAME]...': {error}")))
    };
    Ok((count, names.iter().map(name).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_front_is_how_many() {
        let read = |words: &[&str]| wanted(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let counted = |words: &[&str]| read(words).map(|(count, names)| (count, names.len())).ok();
        assert_eq!(counted(&[]), Some((10, 0)));
        assert_eq!(counted(&["5"]), Some((5, 0)));
        assert_eq!(counted(&["5", "a", "7"]), Some((5, 2)));
        assert_eq!(counted(&["a"]), Some((10, 1)));
        for wrong in [&["0"][..], &["-1"], &["1001"], &["99999999999999999999"], &["a b"], &["-"], &[""]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
