//! Hands jobs to a queue: calls that run at the same time share round trips, one of which is under way at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, NewJob};
use crate::stats::Enqueued;
use crate::store::{Accepted, QueueKeys, Store};

/// Jobs in one call, and bytes of payload after which a call takes no more.
const CALL_JOBS: usize = 300;
const CALL_BYTES: usize = 4 << 20;
/// How often a producer at work makes its queue known again, in case somebody deleted it meanwhile.
const REGISTER_EVERY: Duration = Duration::from_secs(60);

/// The one who enqueues into a queue, for a client. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Producer(Arc<Inner>);

struct Inner {
    store: Store,
    keys: QueueKeys,
    /// Names this producer to the queue, which remembers the answer to its last call.
    id: JobId,
    waiting: Mutex<Waiting>,
    /// Whether nobody knew the queue before.
    made: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// A task is at work on them.
    busy: bool,
    calls: u64,
    registered: Option<Instant>,
}

struct Request {
    jobs: Vec<NewJob>,
    size: usize,
    reply: oneshot::Sender<Result<Vec<Result<Enqueued>>>>,
}

impl Producer {
    pub(crate) fn new(store: Store, keys: QueueKeys) -> Self {
        Self(Arc::new(Inner {
            store,
            keys,
            id: JobId::generate(),
            waiting: Mutex::default(),
            made: AtomicBool::new(false),
        }))
    }

    /// One job.
    pub(crate) async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        job.check()?;
        let answers = self.submit(vec![job]).await?;
        answers.into_iter().next().unwrap_or_else(|| Err(Error::internal("enqueue gave no answer")))
    }

    /// Many jobs, one answer for each; what comes behind a call that failed, or found the queue full, is not sent.
    pub(crate) async fn enqueue_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        jobs.iter().try_for_each(NewJob::check)?;
        let total = jobs.len();
        let mut answers = Vec::with_capacity(total);
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let (mut call, mut bytes) = (Vec::with_capacity(CALL_JOBS), 0);
            while call.len() < CALL_JOBS && bytes < CALL_BYTES {
                let Some(job) = jobs.next() else { break };
                bytes += job.payload.get().len();
                call.push(job);
            }
            let size = call.len();
            match self.submit(call).await {
                Ok(answered) => answers.extend(answered),
                Err(error) if answers.is_empty() => return Err(error),
                Err(error) => answers.extend(repeated(&error).take(size)),
            }
            // The order holds: what was refused for want of room shall not be overtaken by what comes behind it.
            let stop = answers.iter().rev().take(size).find_map(|answer| answer.as_ref().err());
            if let Some(error) = stop {
                let kind =
                    if error.kind() == ErrorKind::OutcomeUnknown { ErrorKind::Unreachable } else { error.kind() };
                let rest: Vec<_> = repeated(&Error::new(kind, error.to_string())).take(total - answers.len()).collect();
                answers.extend(rest);
                break;
            }
        }
        Ok(answers)
    }

    /// Whether a call of this producer made the queue.
    pub(crate) fn made(&self) -> bool {
        self.0.made.load(Ordering::Acquire)
    }

    /// Makes the queue known under its prefix.
    pub(crate) async fn register(&self) -> Result<()> {
        self.0.register().await
    }

    async fn submit(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        let (reply, answer) = oneshot::channel();
        let idle = {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.requests.push_back(Request { size: jobs.len(), jobs, reply });
            !std::mem::replace(&mut waiting.busy, true)
        };
        if idle {
            // In a task of its own: a caller that gives up must not take the others' answers with it.
            tokio::spawn(Arc::clone(&self.0).work_off());
        }
        answer.await.unwrap_or_else(|_| Err(Error::internal("the producer ended without an answer")))
    }
}

impl Inner {
    async fn work_off(self: Arc<Self>) {
        while let Some((call, mut requests)) = self.next_call() {
            let jobs: Vec<NewJob> = requests.iter_mut().flat_map(|request| std::mem::take(&mut request.jobs)).collect();
            match self.store.enqueue(&self.keys, (self.id.as_str(), call), &jobs).await {
                Ok(accepted) => {
                    // Before the answers, so that who has one finds the queue listed.
                    self.register_now_and_then().await;
                    let mut answers = jobs.iter().zip(accepted).map(|(job, accepted)| self.answer(job, accepted));
                    for request in requests {
                        let part = answers.by_ref().take(request.size).collect();
                        // The caller may have gone; its jobs are enqueued all the same.
                        let _ = request.reply.send(Ok(part));
                    }
                }
                Err(error) => {
                    for request in requests {
                        let _ = request.reply.send(Err(Error::new(error.kind(), error.to_string())));
                    }
                }
            }
        }
    }

    /// The next requests that fit into one call, and its number; `None` ends the work.
    fn next_call(&self) -> Option<(u64, Vec<Request>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut jobs, mut bytes, mut requests) = (0, 0, Vec::new());
        while let Some(request) = waiting.requests.front() {
            let more_bytes: usize = request.jobs.iter().map(|job| job.payload.get().len()).sum();
            if jobs > 0 && (jobs + request.jobs.len() > CALL_JOBS || bytes + more_bytes > CALL_BYTES) {
                break;
            }
            (jobs, bytes) = (jobs + request.jobs.len(), bytes + more_bytes);
            requests.extend(waiting.requests.pop_front());
        }
        if requests.is_empty() {
            waiting.busy = false;
            return None;
        }
        waiting.calls += 1;
        Some((waiting.calls, requests))
    }

    fn answer(&self, job: &NewJob, accepted: Accepted) -> Result<Enqueued> {
        let queue = self.keys.queue().clone();
        match accepted {
            Accepted::Added => Ok(Enqueued { id: job.id.clone(), queue, duplicate: false }),
            Accepted::Duplicate => Ok(Enqueued { id: job.id.clone(), queue, duplicate: true }),
            Accepted::Held(id) => Ok(Enqueued { id, queue, duplicate: true }),
            Accepted::Full => Err(Error::new(
                ErrorKind::NotNow,
                format!(
                    "queue {queue} is full: as many jobs wait as its maxLength allows; let workers take some, or raise it \
                     (queues set {queue} --max-length N)"
                ),
            )),
        }
    }

    /// Makes the queue known with the first call of this producer, and every minute in which it calls.
    async fn register_now_and_then(&self) {
        let due = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let due = waiting.registered.is_none_or(|at| at.elapsed() >= REGISTER_EVERY);
            waiting.registered = if due { Some(Instant::now()) } else { waiting.registered };
            due
        };
        // The jobs are there, so a failure here is no failure of the call.
        if due && self.register().await.is_err() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).registered = None;
        }
    }

    async fn register(&self) -> Result<()> {
        if self.store.register(self.keys.queue()).await? {
            self.made.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// The same error again and again.
fn repeated(error: &Error) -> impl Iterator<Item = Result<Enqueued>> {
    let (kind, message) = (error.kind(), error.to_string());
    std::iter::repeat_with(move || Err(Error::new(kind, message.clone())))
}
