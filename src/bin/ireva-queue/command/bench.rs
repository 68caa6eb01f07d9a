//! `bench`: measures how fast the queue is on the Redis that is configured.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use ireva_queue::QueueName;
use ireva_queue::bench::{Bench, Measurement, Plan};
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::parse;

/// Measure how fast the queue is on this Redis, and what a job costs
///
/// Works on a queue of its own, which must hold no jobs and is gone afterwards:
/// 'enqueue' by one call each (one, and fifty, in flight) and in bulk, with the
/// memory of a waiting job; 'drain' of waiting jobs by a worker whose processor
/// does nothing; 'latency' from the call to the start at a hundred jobs a second;
/// what an 'idle' worker takes. Beside rates stands the time of a core that this
/// process and Redis used for each job, which is steadier than rates are. Other
/// users of the same Redis slow it down, and are slowed down.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue bench
  ireva-queue bench drain --concurrency 100
  ireva-queue bench enqueue --payload job.json -o json")]
pub struct Args {
    /// What is measured
    #[arg(value_name = "WHAT", default_value = "all")]
    what: What,

    /// How many jobs
    #[arg(long, value_name = "N", default_value = "100000", value_parser = jobs)]
    jobs: usize,

    /// Of the worker that drains; may be repeated [default: 100, 10 and 1]
    #[arg(long, value_name = "N", value_parser = parse::count::<u16>)]
    concurrency: Vec<u16>,

    /// A file with the payload of each job [default: a mail of 199 bytes]
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,

    /// The queue
    #[arg(long, value_name = "QUEUE", default_value = "bench")]
    queue: QueueName,

    /// How long latency and idling are looked at
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = parse::positive_span)]
    span: Duration,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Enqueueing
    Enqueue,
    /// Working off
    Drain,
    /// From call to start
    Latency,
    /// A worker with nothing to do
    Idle,
    /// All of these
    All,
}

/// So many that a rate says something, and no more than a queue should hold.
fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (100..=10_000_000).contains(jobs));
    jobs.ok_or_else(|| "write a whole number, 100 to 10000000".to_owned())
}

/// Measures.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    // As many threads as a worker of the command line has.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let answer = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
        let payload = args.payload.as_ref().map(|path| {
            let cannot = |error| Stop::usage(format!("cannot read {}: {error}", path.display()));
            std::fs::read_to_string(path).map_err(cannot)
        });
        let plan = Plan { jobs: args.jobs, payload: payload.transpose()?, span: args.span };
        let bench = Bench::begin(context.client()?, args.queue.clone(), plan).await?;
        let measured = tokio::select! {
            measured = measure(&bench, &args, context) => measured,
            _ = interrupt.recv() => Err(Stop::interrupted().into()),
        };
        // What was broken off leaves nothing behind either.
        let ended = bench.end().await;
        if let (Err(_), Err(error)) = (&measured, &ended) {
            context.ui.note(&format!("queue {} is left as it is: {error}", args.queue));
        }
        let measured = measured?;
        ended?;
        Ok(Answer::list(measured))
    });
    runtime.shutdown_background();
    answer
}

async fn measure(bench: &Bench, args: &Args, context: &Context) -> Result<Vec<Measurement>> {
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        let load: Vec<_> = load.split(' ').take(3).collect();
        context.ui.note(&format!("{} jobs; load average {}", args.jobs, load.join(" ")));
    }
    let wanted = |what: What| args.what == what || args.what == What::All;
    let mut measured = Vec::new();
    // Before anything else has made the process large.
    if wanted(What::Idle) {
        measured.extend(bench.idle().await?);
    }
    if wanted(What::Latency) {
        measured.extend(bench.latency().await?);
    }
    if wanted(What::Enqueue) {
        measured.extend(bench.enqueue().await?);
    }
    if wanted(What::Drain) {
        let given: &[u16] = if args.concurrency.is_empty() { &[100, 10, 1] } else { &args.concurrency };
        for concurrency in given {
            measured.extend(bench.drain(usize::from(*concurrency)).await?);
        }
    }
    Ok(measured)
}
