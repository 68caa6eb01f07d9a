//! Runs one job at a time in each slot: decode, run, classify, decide, report.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, EventKind};
use crate::job::{Failure, History, LONGEST, Record};
use crate::processor::{BatchItem, Entry, Facts, Gate, JobContext, Outcome, ProcessError};
use crate::retry::{Decision, FailureFacts, RetryPolicy};
use crate::store::Claimed;
use crate::worker::breakers;
use crate::worker::finisher::{Ended, Verdict};
use crate::worker::lane::Lane;
use crate::worker::pool::Pool;
use crate::worker::shared::Shared;
use crate::worker::shutdown::CLEAN_UP;
use crate::worker::table::Stop;

type Answer = Result<Outcome, ProcessError>;

/// Jobs that one slot runs together, one unless the processor takes batches, with the tokens that break them off.
enum Handful<T = (Claimed, CancellationToken)> {
    /// For a processor of single jobs; nothing is allocated for it.
    One(T),
    Batch(Vec<T>),
}

impl<T> Handful<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Batch(batch) => batch,
        }
    }

    fn each<U>(&self, of: impl Fn(&T) -> U) -> Handful<U> {
        match self {
            Self::One(one) => Handful::One(of(one)),
            Self::Batch(batch) => Handful::Batch(batch.iter().map(of).collect()),
        }
    }
}

/// A job that is about to run.
struct Attempt {
    job: Claimed,
    record: Record,
    history: History,
    ctx: JobContext,
    stop: CancellationToken,
    policy: RetryPolicy,
    timeout: Duration,
}

/// A slot: takes job after job until the worker stops.
pub(crate) async fn slot(shared: Arc<Shared>, pool: Arc<Pool>) {
    loop {
        // A worker that stops starts nothing more: what was claimed ahead goes back into line.
        if shared.stop.is_cancelled() {
            return;
        }
        if let Some((lane, handful)) = next(&shared, &pool) {
            occupied(&shared, &pool, &lane, handful).await;
            continue;
        }
        // Registered before another look, so that a job that comes in between is not missed.
        let job = pool.job.notified();
        tokio::pin!(job);
        job.as_mut().enable();
        if let Some((lane, handful)) = next(&shared, &pool) {
            occupied(&shared, &pool, &lane, handful).await;
            continue;
        }
        tokio::select! {
            () = job => {}
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(batch_due(&pool)) => {}
        }
    }
}

/// Counts the slot as running, whatever becomes of the job.
async fn occupied(shared: &Arc<Shared>, pool: &Pool, lane: &Arc<Lane>, handful: Handful) {
    let claims = handful.each(|(job, _)| (job.id.clone(), Arc::clone(&job.claim)));
    pool.running.fetch_add(1, Ordering::AcqRel);
    let ran = AssertUnwindSafe(run(shared, lane, handful)).catch_unwind().await;
    pool.running.fetch_sub(1, Ordering::AcqRel);
    if ran.is_err() {
        // A defect of this crate, not of a processor. A claim that is named no more is released by a later beat.
        shared.alert(|| format!("a slot of queue {} panicked beside its processor", lane.keys.queue()));
        lane.table.gone(claims.as_slice().iter().map(|(id, claim)| (id, &**claim)));
    }
    pool.room.notify_one();
    tokio::task::consume_budget().await;
}

/// The next job, or batch of jobs, of the pool.
fn next(shared: &Shared, pool: &Pool) -> Option<(Arc<Lane>, Handful)> {
    if shared.stop.is_cancelled() {
        return None;
    }
    pool.first(|lane| {
        // What was claimed before its service failed goes back into line unstarted.
        if shared.breakers.is_open(lane.craft.dependency.as_deref()) && !takes_probe(lane) {
            return None;
        }
        let handful = handful(lane)?;
        let jobs = handful.as_slice().len();
        Some(((Arc::clone(lane), handful), jobs))
    })
}

/// The next job of a lane, or a batch that is full or has waited long enough.
fn handful(lane: &Lane) -> Option<Handful> {
    let Entry::Batch { size, wait, .. } = &lane.craft.entry else { return lane.table.start().map(Handful::One) };
    let (waiting, since) = lane.table.waiting();
    let due = since.is_some_and(|since| since.elapsed() >= *wait);
    if waiting < *size && (waiting == 0 || !due) {
        return None;
    }
    let batch: Vec<_> = std::iter::from_fn(|| lane.table.start()).take(*size).collect();
    (!batch.is_empty()).then_some(Handful::Batch(batch))
}

/// Whether a job was claimed to try the service.
fn takes_probe(lane: &Lane) -> bool {
    let one_less = |probes: usize| probes.checked_sub(1);
    let takes =
        lane.table.has_ready() && lane.craft.probes.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok();
    if takes {
        lane.craft.found();
    }
    takes
}

/// How long until an incomplete batch starts; long where none waits.
fn batch_due(pool: &Pool) -> Duration {
    let due = |lane: &Arc<Lane>| match (&lane.craft.entry, lane.table.waiting().1) {
        (Entry::Batch { wait, .. }, Some(since)) => Some(wait.saturating_sub(since.elapsed())),
        _ => None,
    };
    pool.lanes().iter().filter_map(due).min().unwrap_or(Duration::from_secs(3600)).max(Duration::from_millis(1))
}

async fn run(shared: &Shared, lane: &Lane, jobs: Handful) {
    match jobs {
        Handful::One((job, stop)) => match prepare(shared, lane, job, stop) {
            Ok(attempt) => run_one(shared, lane, attempt).await,
            Err(ended) => report(lane, *ended).await,
        },
        Handful::Batch(jobs) => {
            let mut attempts = Vec::with_capacity(jobs.len());
            for (job, stop) in jobs {
                match prepare(shared, lane, job, stop) {
                    Ok(attempt) => attempts.push(attempt),
                    Err(ended) => report(lane, *ended).await,
                }
            }
            run_batch(shared, lane, attempts).await;
        }
    }
}

async fn run_one(shared: &Shared, lane: &Lane, attempt: Attempt) {
    let Entry::Single(processor) = &lane.craft.entry else { return };
    let started = Instant::now();
    let running = processor.run(attempt.record.payload(), &attempt.ctx);
    let answer = guarded(AssertUnwindSafe(running).catch_unwind(), &attempt).await;
    finish(shared, lane, attempt, answer, started.elapsed()).await;
}

async fn run_batch(shared: &Shared, lane: &Lane, attempts: Vec<Attempt>) {
    let started = Instant::now();
    let mut answers = batch_answers(lane, &attempts).await.into_iter();
    let took = started.elapsed();
    for attempt in attempts {
        let answer = answers.next().unwrap_or_default();
        finish(shared, lane, attempt, answer, took).await;
    }
}

/// Runs a batch to its end, the longest timeout among its jobs, or until none of them is wanted any more.
async fn batch_answers(lane: &Lane, attempts: &[Attempt]) -> Vec<Option<Answer>> {
    let Entry::Batch { processor, .. } = &lane.craft.entry else { return Vec::new() };
    let Some(timeout) = attempts.iter().map(|attempt| attempt.timeout).max() else { return Vec::new() };
    let items =
        attempts.iter().map(|attempt| BatchItem { payload: attempt.record.payload(), ctx: attempt.ctx.clone() });
    let running = AssertUnwindSafe(processor.run(items.collect())).catch_unwind();
    tokio::pin!(running);
    let unwanted = async {
        for attempt in attempts {
            attempt.stop.cancelled().await;
        }
    };
    tokio::select! {
        ran = &mut running => match ran {
            Ok(answers) => answers.into_iter().map(Some).collect(),
            Err(panic) => attempts.iter().map(|_| Some(Err(panicked(&*panic)))).collect(),
        },
        () = tokio::time::sleep(timeout) => {
            attempts.iter().for_each(|attempt| attempt.ctx.cancel());
            cleaned_up(&attempts[0].ctx, &mut running).await;
            attempts.iter().map(|_| Some(Err(timed_out(timeout)))).collect()
        }
        () = unwanted => {
            cleaned_up(&attempts[0].ctx, &mut running).await;
            Vec::new()
        }
    }
}

/// Reads what is stored; an unreadable record goes to the dead letters, its bytes kept.
fn prepare(shared: &Shared, lane: &Lane, mut job: Claimed, stop: CancellationToken) -> Result<Attempt, Box<Ended>> {
    let policy = lane.settings().retry;
    let history = if job.history.is_empty() { Ok(History::default()) } else { History::decode(&job.history) };
    let record = Record::decode(&std::mem::take(&mut job.record));
    let (record, history) = match (record, history) {
        (Ok(record), Ok(history)) => (record, history),
        (record, history) => {
            let mut history = history.unwrap_or_default();
            let said = record.err().map_or_else(|| "the history is not readable".to_owned(), |error| error.to_string());
            let error = ProcessError::permanent("record_unreadable", said);
            history.push(failure(shared, &error, history.failed + job.crashes + 1, Duration::ZERO));
            let verdict = Verdict::Bury { history: history.encode() };
            let ended = Ended { error: Some(error), ..Ended::new(job.id, job.claim, verdict) };
            lane.table.ending(&ended.id, &ended.claim);
            return Err(Box::new(ended));
        }
    };
    let mut policy = RetryPolicy { attempts: record.attempts.unwrap_or(policy.attempts), ..policy };
    policy.transient = record.backoff.unwrap_or(policy.transient);
    let timeout = record.timeout.unwrap_or(shared.timeout).min(LONGEST);
    let facts = Facts {
        id: job.id.clone(),
        queue: lane.keys.queue().clone(),
        attempt: history.failed + job.crashes + 1,
        max_attempts: policy.attempts,
        fence: job.fence(),
        deadline: Some(Instant::now() + timeout),
        gate: Some(Arc::clone(&shared.breakers) as Arc<dyn Gate>),
        dependency: lane.craft.dependency.clone(),
    };
    let ctx = JobContext::new(facts, stop.clone(), Arc::clone(&lane.board));
    if job.history.is_empty() && job.crashes == 0 {
        let waited_ms = (job.claimed_ms() - record.arrival_us / 1_000).max(0).unsigned_abs();
        let delay = Some(Duration::from_millis(waited_ms));
        shared.emit(|| Event { delay, ..Event::of_job(EventKind::Enqueued, ctx.queue(), ctx.job_id()) });
    }
    shared.emit(|| Event {
        attempt: Some(ctx.attempt()),
        ..Event::of_job(EventKind::Started, ctx.queue(), ctx.job_id())
    });
    Ok(Attempt { job, record, history, ctx, stop, policy, timeout })
}

/// Runs to the end, the timeout or the stop; `None` when it was stopped.
async fn guarded(
    running: impl Future<Output = Result<Answer, Box<dyn std::any::Any + Send>>>,
    attempt: &Attempt,
) -> Option<Answer> {
    tokio::pin!(running);
    let answer =
        |ran: Result<Answer, Box<dyn std::any::Any + Send>>| ran.unwrap_or_else(|panic| Err(panicked(&*panic)));
    tokio::select! {
        biased;
        () = attempt.stop.cancelled() => cleaned_up(&attempt.ctx, &mut running).await.map(answer).filter(Result::is_ok),
        ran = &mut running => Some(answer(ran)),
        () = tokio::time::sleep(attempt.timeout) => {
            attempt.ctx.cancel();
            cleaned_up(&attempt.ctx, &mut running).await;
            Some(Err(timed_out(attempt.timeout)))
        }
    }
}

/// A processor that has something to bring to an end behind it, a process say, gets a while for it: until then the job
/// is not over.
async fn cleaned_up<T>(ctx: &JobContext, running: impl Future<Output = T>) -> Option<T> {
    if !ctx.is_lingering() {
        return None;
    }
    tokio::time::timeout(CLEAN_UP, running).await.ok()
}

fn timed_out(timeout: Duration) -> ProcessError {
    ProcessError::transient("timeout", format!("the attempt took longer than {}", crate::clock::span_text(timeout)))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ProcessError {
    let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ProcessError::transient("panic", format!("the processor panicked: {said}"))
}

fn failure(shared: &Shared, error: &ProcessError, attempt: u32, took: Duration) -> Failure {
    Failure {
        at: crate::clock::local_now(),
        attempt,
        class: error.class,
        code: error.code.clone(),
        message: error.message.clone(),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        worker: shared.worker.to_string(),
    }
}

/// Decides what becomes of the job and hands it to the finisher.
async fn finish(shared: &Shared, lane: &Lane, attempt: Attempt, answer: Option<Answer>, took: Duration) {
    lane.craft.ran(took);
    let down = breakers::learn_from(shared, lane, &attempt.ctx, (answer.as_ref(), took)).await;
    let Attempt { job, record, mut history, ctx, policy, .. } = attempt;
    let stopped = lane.table.ending(&job.id, &job.claim);
    let said = ctx.take_said();
    let (verdict, error) = match (answer, stopped) {
        (Some(Ok(outcome)), _) => {
            let result = outcome.result.map(|result| String::from(Box::<str>::from(result)));
            // A result is for those who wait for it; nobody else would ever look.
            let awaited = record.awaited.then(|| result.unwrap_or_else(|| "null".to_owned()));
            (Verdict::Complete { result: awaited.unwrap_or_default() }, None)
        }
        (Some(Err(error)), _) => {
            // The server's clock, as of the claim: no host's own decides how long a job was put off.
            let now_ms = job.claimed_ms();
            let facts = FailureFacts {
                class: error.class,
                failed: history.failed + 1,
                retry_after: error.retry_after,
                snoozed: history.snoozed,
                snoozing: Duration::from_millis(
                    history.snoozed_since_ms.map_or(0, |since| now_ms.saturating_sub(since)).max(0).unsigned_abs(),
                ),
                random: shared.random(),
            };
            let decision = down.map_or_else(|| policy.decide(&facts), Decision::Snooze);
            match decision {
                Decision::Snooze(_) => history.snooze(now_ms),
                _ => history.push(failure(shared, &error, ctx.attempt(), took)),
            }
            let history = history.encode();
            let verdict = match decision {
                Decision::Retry(delay) => Verdict::Retry { delay, history },
                Decision::Snooze(delay) => Verdict::Snooze { delay, history },
                Decision::Bury => Verdict::Bury { history },
            };
            (verdict, Some(error))
        }
        (None, Some(Stop::Cancelled)) => (Verdict::Cancelled, None),
        (None, Some(Stop::Lost)) => (Verdict::Lost, None),
        (None, Some(Stop::Shutdown) | None) => (Verdict::Release, None),
    };
    let ended =
        Ended { attempt: ctx.attempt(), took: Some(took), error, said, ..Ended::new(job.id, job.claim, verdict) };
    if let Some(error) = &ended.error {
        shared.emit(|| ended.event(EventKind::Failed, lane.keys.queue(), Some(error)));
    }
    report(lane, ended).await;
}

async fn report(lane: &Lane, ended: Ended) {
    // The finisher lives as long as any slot; were it gone, the lease would bring the job back.
    if lane.ended.send(ended).await.is_err() {
        tracing::error!("the finisher is gone");
    }
}
