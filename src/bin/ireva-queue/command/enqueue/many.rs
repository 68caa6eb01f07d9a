//! A job per line: read and checked on a thread of their own while the lines before are under way.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ireva_queue::{ErrorKind, NewJob, QueueName};
use tokio::sync::mpsc;

use super::ndjson::{self, Lines};
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::{self, Answer, Format};
use crate::view::EnqueueReport;

/// Lines per hand-over: enough for full round trips, little enough for progress and memory.
const BATCH: usize = 3_000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
const WAITING_BATCHES: usize = 2;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The queue.
    pub queue: QueueName,
    /// The file, `-` for stdin.
    pub file: PathBuf,
    /// Whether each line is a payload by itself.
    pub bare: bool,
    /// Whether payloads are held against the queue's processor.
    pub check: bool,
    /// Whether nothing is sent.
    pub dry_run: bool,
}

/// Lines that were read: jobs with their line numbers, and refused lines with the reason.
#[derive(Default)]
struct Batch {
    numbers: Vec<u64>,
    jobs: Vec<NewJob>,
    refused: Vec<(u64, String)>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.jobs.len() + self.refused.len() >= BATCH || self.bytes >= BATCH_BYTES
    }
}

/// Enqueues every line of the file. Broken off and run again, lines with ids are not added twice.
pub async fn run(
    order: Order,
    defaults: impl Fn(NewJob) -> NewJob + Send + 'static,
    context: &Context,
) -> Result<Answer> {
    let source = open(&order.file)?;
    let (sender, mut batches) = mpsc::channel(WAITING_BATCHES);
    let reading = order.clone();
    let reader = tokio::task::spawn_blocking(move || read(source, &reading, &defaults, &sender));
    let progress = context.ui.progress(&format!("enqueuing in {}", order.queue), None);
    let mut report =
        EnqueueReport { queue: order.queue.clone(), enqueued: 0, duplicates: 0, refused: 0, dry_run: order.dry_run };
    let each = context.ui.is_quiet() || matches!(context.ui.format(), Format::Name | Format::Jsonl);
    while let Some(batch) = batches.recv().await {
        let refused = if order.dry_run {
            report.enqueued += batch.jobs.len() as u64;
            batch.refused
        } else {
            send(batch, &mut report, each, context).await?
        };
        report.refused += refused.len() as u64;
        progress
            .above(|| refused.iter().for_each(|(number, why)| context.ui.refusal(&format!("line {number}: {why}"))));
        progress.set(report.enqueued + report.duplicates + report.refused);
    }
    drop(progress);
    reader.await.context("reading stopped")?.with_context(|| format!("cannot read {}", order.file.display()))?;
    let code = if report.refused > 0 { Code::Partly } else { Code::Done };
    Ok(if each && !order.dry_run { Answer::none() } else { Answer::one(report) }.code(code))
}

/// Sends a batch; the lines that were refused, in their order.
async fn send(batch: Batch, report: &mut EnqueueReport, each: bool, context: &Context) -> Result<Vec<(u64, String)>> {
    let Batch { numbers, jobs, mut refused, .. } = batch;
    if jobs.is_empty() {
        return Ok(refused);
    }
    let sent = report.enqueued + report.duplicates + report.refused;
    let answers = context.client()?.queue(report.queue.clone()).enqueue_many(jobs).await;
    let answers = answers.map_err(|error| error.context(format!("after {sent} lines")))?;
    let mut enqueued = Vec::with_capacity(answers.len());
    for (number, answer) in numbers.into_iter().zip(answers) {
        match answer {
            Ok(answer) if answer.duplicate => {
                report.duplicates += 1;
                enqueued.push(answer);
            }
            Ok(answer) => {
                report.enqueued += 1;
                enqueued.push(answer);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Refused) => {
                refused.push((number, error.to_string()));
            }
            Err(error) => return Err(error.context(format!("line {number}")).into()),
        }
    }
    refused.sort_by_key(|(number, _)| *number);
    if each {
        context.ui.write(|format, look, out| {
            let format = if format == Format::Jsonl { Format::Jsonl } else { Format::Name };
            output::rows(&enqueued, format, look, out)
        })?;
    }
    Ok(refused)
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(256 * 1024, io::stdin())));
    }
    let file = File::open(path).map_err(|error| Stop::usage(format!("cannot open {}: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(256 * 1024, file)))
}

/// Reads to the end, or until nobody wants more.
fn read(
    source: Box<dyn BufRead + Send>,
    order: &Order,
    defaults: &dyn Fn(NewJob) -> NewJob,
    sender: &mpsc::Sender<Batch>,
) -> io::Result<()> {
    let mut lines = Lines::new(source);
    let (mut line, mut batch) = (Vec::new(), Batch::default());
    while let Some(read) = lines.next(&mut line)? {
        let text = std::str::from_utf8(&line).unwrap_or_default().trim();
        if text.is_empty() && read.is_ok() {
            continue;
        }
        match read.and_then(|()| job(text, order, defaults)) {
            Ok(job) => {
                batch.bytes += text.len();
                batch.numbers.push(lines.number);
                batch.jobs.push(job);
            }
            Err(why) => batch.refused.push((lines.number, why)),
        }
        if batch.is_full() && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // A closed channel means that the other side has said why already.
    let _ = sender.blocking_send(batch);
    Ok(())
}

fn job(text: &str, order: &Order, defaults: &dyn Fn(NewJob) -> NewJob) -> Result<NewJob, String> {
    let job = ndjson::job(text, order.bare, defaults)?;
    if order.check {
        super::check(&order.queue, job.payload().get()).map_err(|error| error.to_string())?;
    }
    Ok(job)
}
