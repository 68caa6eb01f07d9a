//! `events`: what happened in queues, and what happens.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use ireva_queue::{EventId, Events, JobId, Level, QueueEvent, QueueName};

use crate::context::Context;
use crate::exit::Code;
use crate::output::Answer;
use crate::parse;
use crate::view::event_line;

/// How long one look for events waits.
const LOOK: Duration = Duration::from_secs(5);
/// What is shown where nobody says how many.
const LAST: usize = 20;

/// Show what happened in the queues, and follow what happens
///
/// Each line is one event of one job: failures (retrying, dead) with the error
/// that led to them, recoveries, acts of operators and changes of settings, over
/// every queue and every worker. A queue keeps about the last 10,000. With
/// --follow it goes on until Ctrl-C, also past an outage of Redis, and new
/// queues join in.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue events --level warn
  ireva-queue events --follow --queue email --queue notification
  ireva-queue events --follow --level error -o jsonl >> failures.jsonl")]
pub struct Args {
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// Only this queue; may be repeated
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<QueueName>,

    /// At least this level: info, warn (retries, recoveries) or error (burials)
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = parse::one_of::<Level>(&["info", "warn", "error"])
    )]
    level: Level,

    /// The last so many; 20 unless said, with --follow none
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    last: Option<u32>,

    /// Follow from behind this event on, such as 1764000000000-0
    #[arg(long, value_name = "EVENT", requires = "follow", conflicts_with = "last")]
    after: Option<EventId>,
}

/// Shows the last events, or follows them.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let client = context.client()?;
    if !args.follow {
        let last = args.last.map_or(LAST, |last| last as usize);
        let events = client.last_events(&args.queues, args.level, last).await?;
        if events.is_empty() {
            context.ui.note("nothing of this kind has happened");
        }
        return Ok(Answer::list(events));
    }
    // From now on before the look back, so that nothing falls between the two.
    let events = client.events_of(&args.queues, args.after).await?;
    let mut before = Vec::new();
    if let Some(last) = args.last {
        before = client.last_events(&args.queues, args.level, last as usize).await?;
        show(&before, false, context)?;
    }
    if events.has_gap() {
        context.ui.note("events behind that one are no longer kept: some may be missing");
    }
    follow(events.with_failures(), args.level, &before, context).await?;
    // Ctrl-C is how following ends: nothing was left undone, so nothing is said.
    Ok(Answer::none().code(Code::Interrupted))
}

/// Writes what comes until Ctrl-C. An outage is told once, and so is its end.
async fn follow(mut events: Events, level: Level, before: &[QueueEvent], context: &Context) -> Result<()> {
    let (mut away, mut shown) = (false, !before.is_empty());
    let known: BTreeSet<_> = before.iter().map(place).collect();
    while let Some(looked) = context.interrupt.or(events.next(LOOK)).await {
        match looked {
            Ok(come) => {
                if away {
                    context.ui.note("events come again");
                }
                away = false;
                let mut new: Vec<_> = come.into_iter().flat_map(QueueEvent::each).collect();
                // What the look back has shown is not shown again.
                new.retain(|event| event.level >= level && !known.contains(&place(event)));
                shown = show(&new, shown, context)?;
            }
            Err(error) if error.is_transient() => {
                if !away {
                    context.ui.refusal(&format!("{error}; events are followed from here once it is back"));
                }
                away = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What tells an event of one job from every other.
fn place(event: &QueueEvent) -> (&QueueName, EventId, Option<&JobId>) {
    (&event.queue, event.id, event.jobs.first())
}

/// Writes events, each on a line; whether any were written by now.
fn show(events: &[QueueEvent], again: bool, context: &Context) -> Result<bool> {
    if !events.is_empty() {
        context.ui.stream(events, again, event_line)?;
    }
    Ok(again || !events.is_empty())
}
