//! A job per line: read and checked on a thread of their own while the lines before are under way.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ireva_queue::service::QueueService;
use ireva_queue::{BatchName, Error, ErrorKind, NewJob, Queue, QueueName};
use tokio::sync::mpsc;

use super::batch;
use super::ndjson::{self, Lines};
use crate::command::queues;
use crate::context::Context;
use crate::exit::{Code, Stop, code_of};
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
    /// The batch that the jobs are counted in.
    pub batch: Option<BatchName>,
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
    fn last_line(&self) -> Option<u64> {
        self.numbers.iter().chain(self.refused.iter().map(|(number, _)| number)).max().copied()
    }

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
    let queue = context.client()?.queue(order.queue.clone());
    let progress = context.ui.progress(&format!("enqueuing in {}", order.queue), None);
    let mut report =
        EnqueueReport { queue: order.queue.clone(), enqueued: 0, duplicates: 0, refused: 0, dry_run: order.dry_run };
    let each = context.ui.is_quiet() || matches!(context.ui.format(), Format::Name | Format::Jsonl);
    let (mut read_to, mut stop) = (0, None);
    while stop.is_none() {
        let Some(received) = context.interrupt.or(batches.recv()).await else {
            let why = format!("interrupted after line {read_to}: what comes behind it was not sent");
            stop = Some(Stop::new(Code::Interrupted, why).into());
            break;
        };
        let Some(batch) = received else { break };
        read_to = batch.last_line().unwrap_or(read_to);
        let refused = if order.dry_run {
            report.enqueued += batch.jobs.len() as u64;
            batch.refused
        } else {
            let sent = context.interrupt.after(send(&queue, batch, &mut report, each, context)).await?;
            stop = sent.stopped;
            sent.refused
        };
        report.refused += refused.len() as u64;
        progress
            .above(|| refused.iter().for_each(|(number, why)| context.ui.refusal(&format!("line {number}: {why}"))));
        progress.set(report.enqueued + report.duplicates + report.refused);
    }
    drop(progress);
    if !order.dry_run {
        queues::note_if_new(&queue, context).await;
    }
    if stop.is_none() {
        let read = reader.await.context("reading stopped")?;
        stop =
            read.err().map(|error| anyhow::Error::from(error).context(format!("cannot read {}", order.file.display())));
    }
    let (done, refused) = (report.enqueued + report.duplicates, report.refused);
    if let Some(name) = order.batch.as_ref().filter(|_| stop.is_none() && !order.dry_run) {
        stop = batch::seal(name, &order.queue, refused, context).await.err();
    }
    // Where it never began there is nothing to report.
    let nothing = stop.is_some() && done + refused == 0;
    let answer = if nothing || (each && !order.dry_run) { Answer::none() } else { Answer::one(report) };
    let Some(error) = stop else {
        return Ok(answer.code(if refused > 0 { Code::Partly } else { Code::Done }));
    };
    let interrupted = code_of(&error) == Code::Interrupted;
    let answer = answer.errors(usize::try_from(done).unwrap_or(usize::MAX), vec![error]);
    Ok(if interrupted { answer.code(Code::Interrupted) } else { answer })
}

/// What became of a batch, beside what was counted.
struct Sent {
    /// The lines that were refused, in their order.
    refused: Vec<(u64, String)>,
    /// Why nothing more was sent.
    stopped: Option<anyhow::Error>,
}

/// Sends a batch, and prints its ids where `each` is wanted.
async fn send(queue: &Queue, batch: Batch, report: &mut EnqueueReport, each: bool, context: &Context) -> Result<Sent> {
    let Batch { numbers, jobs, mut refused, .. } = batch;
    let Some(&first) = numbers.first() else { return Ok(Sent { refused, stopped: None }) };
    if let Err(error) = context.client()?.batches().open_for(queue.name(), &jobs).await {
        return Ok(Sent { refused, stopped: Some(stopped(first, &error)) });
    }
    let answers = match queue.enqueue_many(jobs).await {
        Ok(answers) => answers,
        Err(error) => return Ok(Sent { refused, stopped: Some(stopped(first, &error)) }),
    };
    let last = numbers.last().copied().unwrap_or(first);
    let (mut enqueued, mut unsent, mut mixed) = (Vec::with_capacity(answers.len()), Vec::new(), false);
    for (number, answer) in numbers.into_iter().zip(answers) {
        match answer {
            Ok(answer) => {
                *(if answer.duplicate { &mut report.duplicates } else { &mut report.enqueued }) += 1;
                mixed |= !unsent.is_empty();
                enqueued.push(answer);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Refused) => {
                refused.push((number, error.to_string()));
            }
            Err(error) => unsent.push((number, error)),
        }
    }
    let stop = match unsent.first() {
        // Each partition of a queue takes what it can.
        Some((_, error)) if mixed => {
            let stop = stopped_among(last, error);
            let what = if is_sure(error) { "not added" } else { "it may be missing" };
            refused.extend(unsent.iter().map(|(number, _)| (*number, what.to_owned())));
            Some(stop)
        }
        first => first.map(|(number, error)| stopped(*number, error)),
    };
    refused.sort_by_key(|(number, _)| *number);
    if each {
        context.ui.write(|format, look, out| {
            let format = if format == Format::Jsonl { Format::Jsonl } else { Format::Name };
            output::rows(&enqueued, format, look, out)
        })?;
    }
    Ok(Sent { refused, stopped: stop })
}

/// Where it stopped and why, and what is to be sent again.
fn stopped(number: u64, error: &Error) -> anyhow::Error {
    let rest = if is_sure(error) {
        format!("nothing from line {number} on was added: send again from there")
    } else {
        format!("line {number} and some behind it may be there: lines with ids can be sent again from there")
    };
    told(&format!("at line {number}"), error, &rest)
}

/// The same where lines behind the first that was not added were: those that were not are named before.
fn stopped_among(last: u64, error: &Error) -> anyhow::Error {
    let rest = if is_sure(error) {
        "of the lines up to there those named above were not added: send these again, and all behind it"
    } else {
        "of the lines up to there those named above may be missing: send these again where they have ids, and all behind it"
    };
    told(&format!("behind line {last}"), error, rest)
}

/// Whether what it is about was not added.
fn is_sure(error: &Error) -> bool {
    // In a durable queue it may be the right to wait for a replica that is missing, and the lines be stored.
    matches!(
        error.kind(),
        ErrorKind::NotNow | ErrorKind::Full | ErrorKind::Moved | ErrorKind::Unreachable | ErrorKind::Refused
    )
}

fn told(place: &str, error: &Error, rest: &str) -> anyhow::Error {
    let (code, words) = match error.kind() {
        ErrorKind::OutcomeUnknown => (Code::NotNow, "outcome unknown"),
        ErrorKind::NotNow | ErrorKind::Full | ErrorKind::Moved => (Code::NotNow, "not now"),
        ErrorKind::Unreachable => (Code::Unreachable, "not reachable"),
        ErrorKind::AccessDenied => (Code::Denied, "access refused"),
        ErrorKind::Refused => (Code::Refused, "refused"),
        kind => (kind.into(), "failed"),
    };
    Error::new(error.kind(), format!("stopped {place} ({}, {words}): {error}; {rest}", code as u8)).into()
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(256 * 1024, io::stdin())));
    }
    let file = File::open(path).map_err(|error| Stop::usage(format!("cannot open {}: {error}", path.display())))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Stop::usage(format!("cannot read {}: it is a directory", path.display())).into());
    }
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
        QueueService::check(&order.queue, job.payload().get()).map_err(|error| error.to_string())?;
    }
    Ok(job)
}
