//! `logs`: what the attempts of a job have said.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{Inspector, JobState, Located, QueueName, local_now};
use tokio::time::sleep;

use crate::context::Context;
use crate::exit::Code;
use crate::output::{Answer, Cell, visible};
use crate::view::LogLine;

/// How often a job that is followed is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A worker notes what an attempt said right behind the end of the attempt.
const BEHIND_THE_END: Duration = Duration::from_secs(1);

/// Show what the attempts of a job have said
///
/// The log is kept for a day, 64 KiB an attempt. What a running attempt says
/// stands in it within a second or two. With --follow it goes on until the job
/// has ended.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue logs 7G3K
  ireva-queue logs 7G3K --follow")]
pub struct Args {
    /// The job; a unique end of the id is enough
    #[arg(value_name = "ID")]
    id: String,

    /// Look only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Go on with what it says, until it has ended
    #[arg(short, long)]
    follow: bool,
}

/// Shows the log, or follows it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let inspector = context.client()?.inspector();
    let job = inspector.find(&args.id, args.queue.as_ref()).await?;
    if args.follow {
        return follow(&inspector, &job, context).await;
    }
    let (mut lines, mut from) = (Vec::new(), 0);
    loop {
        let part = inspector.log(&job, from).await?;
        if part.text.is_empty() {
            break;
        }
        from = part.next;
        lines.extend(lines_of(&job, &part.text));
    }
    if lines.is_empty() {
        context.ui.note(&format!("job {} has said nothing yet", job.id));
    }
    Ok(Answer::list(lines))
}

async fn follow(inspector: &Inspector, job: &Located, context: &Context) -> Result<Answer> {
    let (mut from, mut shown, mut ended) = (0, false, None);
    if matches!(job.state, JobState::Pending | JobState::Scheduled | JobState::Retrying) {
        context.ui.note(&format!(
            "job {} is {}: ireva-queue explain {} says why",
            job.id,
            waiting(inspector, job).await,
            job.id
        ));
    }
    loop {
        let Some(part) = context.interrupt.or(inspector.log(job, from)).await else { break };
        let part = match part {
            Ok(part) => part,
            // Whoever follows wants to see the end of an outage, too.
            Err(error) if error.is_transient() && shown => {
                context.ui.error(&error.into());
                if context.interrupt.or(sleep(LOOK)).await.is_none() {
                    break;
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let lines: Vec<_> = lines_of(job, &part.text).collect();
        from = part.next;
        if !lines.is_empty() {
            context.ui.stream(&lines, shown, |line, _| visible(&line.line).into_owned())?;
            shown = true;
            continue;
        }
        if ended.is_some() {
            context.ui.note(&format!("job {} is {}", job.id, part.state.map_or("gone", JobState::as_str)));
            return Ok(Answer::none());
        }
        ended = part.state.is_none_or(JobState::is_final).then_some(());
        let pause = if ended.is_some() { BEHIND_THE_END } else { LOOK };
        if context.interrupt.or(sleep(pause)).await.is_none() {
            break;
        }
    }
    Ok(Answer::none().code(Code::Interrupted))
}

/// How a job waits: `pending`, or `scheduled, due in 59m`.
async fn waiting(inspector: &Inspector, job: &Located) -> String {
    let due = match (job.state, inspector.job(job).await) {
        (JobState::Scheduled | JobState::Retrying, Ok(details)) if details.summary.state == job.state => {
            format!(", {}", Cell::due(details.summary.since).human(local_now()))
        }
        _ => String::new(),
    };
    format!("{}{due}", job.state.as_str())
}

fn lines_of<'a>(job: &'a Located, text: &'a str) -> impl Iterator<Item = LogLine> + 'a {
    text.lines().map(|line| LogLine { job: job.id.clone(), queue: job.queue.clone(), line: line.to_owned() })
}
