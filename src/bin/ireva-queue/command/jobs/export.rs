//! `jobs export`: jobs as lines of a file.

use anyhow::Result;
use ireva_queue::{Error, JobLine, JobState, QueueName, Redaction};

use super::STATES;
use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;

/// Write jobs as lines of JSON, to be taken in by 'jobs import' elsewhere
///
/// They stay where they are. Payload, options, history and state are written as
/// they stand. With --redact values of payload fields are blackened, and the
/// texts that repeat them; such jobs are for reading, not for importing.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs export email --state dead > dead.ndjson
  ireva-queue jobs export email --code smtp_5xx --redact to,context > f.ndjson")]
pub struct Args {
    /// The queue [default: all queues]
    #[arg(value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Only in these states, separated by commas
    #[arg(
        long,
        value_name = "STATE",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = parse::one_of::<JobState>(&STATES)
    )]
    state: Vec<JobState>,

    /// Blacken these fields of payloads (context.name), separated by commas
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    redact: Vec<String>,

    #[command(flatten)]
    narrowing: Narrowing,
}

/// Writes them page by page.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Args { queue, state, redact, narrowing } = args;
    if queue.is_none() && narrowing.names_jobs() {
        return Err(Stop::usage("'--id' needs QUEUE").into());
    }
    let (client, ui) = (context.client()?, &context.ui);
    let queues = match queue {
        Some(queue) => vec![queue],
        None => client.inspector().queues().await?.into_iter().map(|queue| queue.queue).collect(),
    };
    let redaction = Redaction::new(redact.iter().map(String::as_str));
    let (mut written, mut errors) = (0, Vec::<anyhow::Error>::new());
    for name in queues {
        let (mut selection, missing) = narrowing.jobs(&state, &[], &name, context).await?;
        selection.limit = narrowing.limit().map(|limit| limit.saturating_sub(written));
        if selection.limit == Some(0) || (narrowing.names_jobs() && selection.ids.is_empty()) {
            errors.extend(missing);
            continue;
        }
        let mut broken = None;
        let mut take = |lines: Vec<JobLine>| {
            written += lines.len() as u64;
            let write = ui.write(|_, _, out| {
                for line in &lines {
                    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            });
            broken = write.err();
            broken.is_none()
        };
        let skipped = client.queue(name).export(&selection, &redaction, &mut take).await?;
        if let Some(error) = broken {
            return Err(error);
        }
        errors.extend(missing);
        let told = skipped.into_iter().map(|job| Error::corrupt(format!("job {}: {}", job.id, job.reason)).into());
        errors.extend(told);
    }
    Ok(Answer::none().errors(usize::try_from(written).unwrap_or(usize::MAX), errors))
}
