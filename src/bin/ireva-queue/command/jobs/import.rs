//! `jobs import`: takes jobs in that were exported elsewhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};

use anyhow::{Context as _, Result};
use ireva_queue::{Error, ImportReport, JOB_LINE_MAX_BYTES, JobLine, QueueName};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::{Answer, grouped};

/// Lines that are read before they are sent, and about how many bytes.
const STEP: usize = 1_000;
const STEP_BYTES: usize = 16 << 20;
/// Lines that are told of one by one.
const TOLD: usize = 20;

/// Take jobs in that 'jobs export' has written
///
/// They stand where they stood: dead ones among the dead letters, pending ones
/// at their place in line; active ones become pending. An id that is here, or
/// was within a day, is left as it is, so it is safe to run again.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue jobs import dead.ndjson --dry-run
  ireva-queue jobs export email | REDIS_HOST=other ireva-queue jobs import -")]
pub struct Args {
    /// The file, or - for stdin
    #[arg(value_name = "FILE")]
    file: String,

    /// Only those of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Only look: say how many would be taken in
    #[arg(long)]
    dry_run: bool,
}

/// Reads line by line, and sends in bounded steps.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let mut lines = Lines::open(&args.file)?;
    let progress = context.ui.progress("importing jobs", None);
    let mut report = ImportReport { dry_run: args.dry_run, ..ImportReport::default() };
    let (mut errors, mut bad) = (Vec::<anyhow::Error>::new(), 0);
    loop {
        let mut step = BTreeMap::<QueueName, Vec<JobLine>>::new();
        let more = lines.read(|number, line| match line.and_then(|line| JobLine::parse(&line)) {
            Ok(job) if args.queue.as_ref().is_none_or(|queue| *queue == job.queue) => {
                step.entry(job.queue.clone()).or_default().push(job);
            }
            Ok(_) => {}
            Err(error) => {
                bad += 1;
                if bad <= TOLD {
                    errors.push(error.context(format!("line {number}")).into());
                }
            }
        })?;
        for (queue, jobs) in step {
            report.add(context.client()?.queue(queue).import(&jobs, args.dry_run).await?);
            progress.set(report.imported + report.duplicates);
        }
        if !more {
            break;
        }
    }
    drop(progress);
    let mut refused: Vec<_> = report.skipped.iter().map(|job| format!("job {}: {}", job.id, job.reason)).collect();
    let untold = bad.saturating_sub(TOLD) + refused.len().saturating_sub(TOLD);
    refused.truncate(TOLD);
    errors.extend(refused.into_iter().map(|why| anyhow::Error::from(Error::refused(why))));
    if untold > 0 {
        errors.push(Error::refused(format!("{} more were not taken in", grouped(untold as u64))).into());
    }
    let done = usize::try_from(report.imported + report.duplicates).unwrap_or(usize::MAX);
    Ok(Answer::one(report).errors(done, errors))
}

/// The lines of a file or of stdin.
struct Lines {
    reader: Box<dyn BufRead>,
    number: u64,
}

impl Lines {
    fn open(path: &str) -> Result<Self> {
        let reader: Box<dyn BufRead> = match path {
            "-" => Box::new(BufReader::new(io::stdin())),
            path => {
                let file = File::open(path).map_err(|error| Stop::usage(format!("cannot read {path}: {error}")))?;
                Box::new(BufReader::new(file))
            }
        };
        Ok(Self { reader, number: 0 })
    }

    /// Hands the next lines over, each with its number; whether there are more.
    fn read(&mut self, mut take: impl FnMut(u64, ireva_queue::Result<String>)) -> Result<bool> {
        let mut bytes = 0;
        for _ in 0..STEP {
            if bytes > STEP_BYTES {
                break;
            }
            let mut line = Vec::new();
            let most = JOB_LINE_MAX_BYTES as u64 + 1;
            let read = self.reader.by_ref().take(most).read_until(b'\n', &mut line).context("cannot read")?;
            if read == 0 {
                return Ok(false);
            }
            self.number += 1;
            bytes += read;
            if line.len() > JOB_LINE_MAX_BYTES {
                self.reader.skip_until(b'\n').context("cannot read")?;
                take(self.number, Err(Error::invalid(format!("it has more than {JOB_LINE_MAX_BYTES} bytes"))));
                continue;
            }
            let text = String::from_utf8(line).map_err(|_| Error::invalid("it is no UTF-8"));
            if !matches!(&text, Ok(text) if text.trim().is_empty()) {
                take(self.number, text);
            }
        }
        Ok(true)
    }
}
