//! `stats`: the state of the queues at one instant, or again and again.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{Client, QueueName};

use crate::context::Context;
use crate::exit::Code;
use crate::output::Answer;
use crate::parse;

/// Show how the queues stand
///
/// Counts per state, the age of the oldest pending job, what happened in the
/// last minute and hour, the failure rate, limits and workers. With a queue's
/// name everything about that one.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue stats
  ireva-queue stats email --watch 5s
  ireva-queue stats -o json | jq '.[] | select(.dead > 0) | .queue'")]
pub struct Args {
    /// Only this queue
    #[arg(value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Show it again and again, every two seconds unless said, until Ctrl-C
    #[arg(
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        default_missing_value = "2s",
        value_parser = parse::positive_span
    )]
    watch: Option<Duration>,
}

/// Asks once, or until it is interrupted.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Some(interval) = args.watch else { return ask(args.queue.as_ref(), context.answering()?, context).await };
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = false;
    while context.interrupt.or(ticks.tick()).await.is_some() {
        // Which nodes are away is found out anew each time.
        let client = context.client()?.of_what_answers();
        let Some(asked) = context.interrupt.or(ask(args.queue.as_ref(), &client, context)).await else { break };
        let answer = match asked {
            Ok(answer) => answer,
            // Whoever watches wants to see the end of an outage, too; what was wrong from the start is told at once.
            Err(error) if seen && is_passing(&error) => {
                context.ui.error(&error);
                continue;
            }
            Err(error) => return Err(error),
        };
        context.ui.redraw()?;
        context.ui.answer_again(&answer, seen)?;
        client.unreached().iter().for_each(|unreached| context.ui.error(&unreached.error().into()));
        seen = true;
    }
    // Ctrl-C is how watching ends: nothing was left undone, so nothing is said.
    Ok(Answer::none().code(Code::Interrupted))
}

fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ireva_queue::Error>().is_some_and(ireva_queue::Error::is_transient)
}

async fn ask(queue: Option<&QueueName>, client: &Client, context: &Context) -> Result<Answer> {
    if let Some(queue) = queue {
        return Ok(Answer::one(client.queue(queue.clone()).stats().await?));
    }
    let stats = client.inspector().stats().await?;
    if stats.is_empty() {
        context.ui.note("no queues yet: the first job makes one");
    }
    Ok(Answer::list(stats))
}
