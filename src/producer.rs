//! Hands jobs to a partition of a queue: calls that run at the same time share round trips, one of which is under way at a
//! time.

mod durable;
mod former;
mod router;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use self::durable::Unconfirmed;
pub(crate) use self::router::Router;
use crate::config::Durable;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{BatchName, JobId, KeyField, NewJob, Partitions, QueueName};
use crate::stats::Enqueued;
use crate::store::{Accepted, Answered, EnqueueCall, QueueKeys, Store};

/// Jobs in one call, and bytes of payload after which a call takes no more.
const CALL_JOBS: usize = 300;
const CALL_BYTES: usize = 4 << 20;
/// How often a producer at work makes its queue known again, in case somebody deleted it meanwhile.
const REGISTER_EVERY: Duration = Duration::from_secs(60);
/// In a cluster the node that has the list of queues may be away: how long a call waits for it, and how soon it is tried again.
const REGISTER_LIMIT: Duration = Duration::from_millis(500);
const REGISTER_AGAIN: Duration = Duration::from_secs(5);

/// The one who enqueues into a partition of a queue, for a client. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Producer(Arc<Inner>);

struct Inner {
    store: Store,
    keys: QueueKeys,
    usual: Durable,
    /// The partitions before this one's, which are asked about every job before it is handed over.
    former: Option<Partitions>,
    /// Names this producer to the queue, which remembers the answer to its last call.
    id: JobId,
    waiting: Mutex<Waiting>,
    /// Where payloads hold the key of their job, by the last answer.
    key: Mutex<Option<KeyField>>,
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
    reply: oneshot::Sender<Result<Handed>>,
}

/// What the queue answered to the jobs of a request, one for each.
struct Handed {
    answers: Vec<Result<Enqueued>>,
    /// What is still to be seen to, in a durable queue.
    unconfirmed: Option<Unconfirmed>,
    /// Jobs that came back instead, with nothing written: they belong to another partition now.
    back: Vec<NewJob>,
}

/// What became of jobs that were handed to a partition.
struct Outcome {
    /// One for each job that did not come back.
    answers: Vec<Result<Enqueued>>,
    /// The rest of them, in their order: they belong to another partition now.
    back: Vec<NewJob>,
}

impl Producer {
    /// `usual`: whether the queue is durable where nobody has set it; `former`: the partitions that are asked about every job
    /// before it is handed over.
    fn new(store: Store, keys: QueueKeys, (usual, former): (Durable, Option<Partitions>)) -> Self {
        Self(Arc::new(Inner {
            store,
            keys,
            usual,
            former,
            id: JobId::generate(),
            waiting: Mutex::default(),
            key: Mutex::default(),
            made: AtomicBool::new(false),
        }))
    }

    /// Whether anybody else shares it, or a call of it is under way.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Many jobs, one answer for each; what comes behind a call that failed, or found the queue full, is not sent.
    async fn hand_over(&self, jobs: Vec<NewJob>) -> Result<Outcome> {
        let total = jobs.len();
        let (mut handed, mut stop) = (Vec::with_capacity(total.div_ceil(CALL_JOBS)), None);
        let (mut jobs, mut back) = (jobs.into_iter().peekable(), Vec::new());
        while jobs.peek().is_some() && stop.is_none() && back.is_empty() {
            let (mut call, mut bytes) = (Vec::with_capacity(CALL_JOBS), 0);
            while call.len() < CALL_JOBS && bytes < CALL_BYTES {
                let Some(job) = jobs.next() else { break };
                bytes += job.payload.get().len();
                call.push(job);
            }
            let size = call.len();
            let mut answered = match self.submit(call).await {
                Ok(answered) => answered,
                Err(error) if handed.is_empty() => return Err(error),
                Err(error) => {
                    let answers = repeated(&error).take(size).collect();
                    Handed { answers, unconfirmed: None, back: Vec::new() }
                }
            };
            back = std::mem::take(&mut answered.back);
            // The order holds: what was refused for want of room shall not be overtaken by what comes behind it.
            stop = answered.answers.iter().rev().find_map(|answer| answer.as_ref().err()).map(|error| {
                let kind =
                    if error.kind() == ErrorKind::OutcomeUnknown { ErrorKind::Unreachable } else { error.kind() };
                Error::new(kind, error.to_string())
            });
            handed.push(answered);
        }
        self.confirm(&mut handed).await;
        let mut answers: Vec<_> = handed.into_iter().flat_map(|handed| handed.answers).collect();
        match stop {
            Some(error) => answers.extend(repeated(&error).take(total - answers.len())),
            None if !back.is_empty() => back.extend(jobs),
            None => {}
        }
        Ok(Outcome { answers, back })
    }

    fn keys(&self) -> &QueueKeys {
        &self.0.keys
    }

    /// Whether a call of this producer made the queue.
    pub(crate) fn made(&self) -> bool {
        self.0.made.load(Ordering::Acquire)
    }

    /// Makes the queue known under its prefix.
    pub(crate) async fn register(&self) -> Result<()> {
        self.0.register().await
    }

    async fn submit(&self, jobs: Vec<NewJob>) -> Result<Handed> {
        let (reply, answer) = oneshot::channel();
        let idle = {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.requests.push_back(Request { jobs, reply });
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
        while let Some((call, requests)) = self.next_call() {
            let begun = Instant::now();
            let jobs: Vec<&NewJob> = requests.iter().flat_map(|request| &request.jobs).collect();
            match self.call(call, &jobs).await {
                Ok(answered) => {
                    // Before the answers, so that who has one finds the queue listed.
                    self.register_now_and_then().await;
                    let (durable, mut accepted) = (answered.durable, answered.accepted.into_iter());
                    for Request { jobs, reply } in requests {
                        let answers =
                            jobs.iter().zip(&mut accepted).map(|(job, accepted)| self.answer(job, accepted)).collect();
                        let unconfirmed = Unconfirmed { call, begun, durable, jobs };
                        let unconfirmed = (durable != Durable::Off).then_some(unconfirmed);
                        // The caller may have gone; its jobs are enqueued all the same.
                        let _ = reply.send(Ok(Handed { answers, unconfirmed, back: Vec::new() }));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Moved => {
                    for Request { jobs, reply } in requests {
                        let _ = reply.send(Ok(Handed { answers: Vec::new(), unconfirmed: None, back: jobs }));
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

    /// One call, with the keys of the jobs as the answer before said where they stand.
    async fn call(&self, call: u64, jobs: &[&NewJob]) -> Result<Answered> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (usual, former) = (self.usual, self.former);
        let told = EnqueueCall { producer: self.id.as_str(), call, usual, former, key: key.as_ref() };
        let answered = self.store.enqueue(&self.keys, told, jobs).await?;
        if answered.key != key {
            self.key.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&answered.key);
        }
        Ok(answered)
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
            Accepted::Sealed => {
                let batch = job.batch.as_ref().map(BatchName::as_str).unwrap_or_default();
                let why =
                    format!("batch {batch} of queue {queue} takes no jobs: it is sealed, or nobody has opened it");
                Err(Error::refused(why))
            }
            Accepted::Full => {
                let full = format!("queue {queue} is full: as many jobs wait as its maxLength allows");
                Err(Error::new(ErrorKind::Full, told_full(&full, &queue)))
            }
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
        if !due {
            return;
        }
        // The jobs are there, so a failure here is no failure of the call.
        if !self.store.connection.is_cluster() {
            if self.register().await.is_err() {
                self.waiting.lock().unwrap_or_else(PoisonError::into_inner).registered = None;
            }
        } else if !matches!(timeout(REGISTER_LIMIT, self.register()).await, Ok(Ok(()))) {
            // The queue's node has answered; another one has the list of queues.
            let again = Instant::now().checked_sub(REGISTER_EVERY.saturating_sub(REGISTER_AGAIN));
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).registered = again;
        }
    }

    async fn register(&self) -> Result<()> {
        if self.store.register(self.keys.queue()).await? {
            self.made.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// That there is no room, and what makes some.
fn told_full(full: &str, queue: &QueueName) -> String {
    format!("{full}; let workers take some, or raise it (queues set {queue} --max-length N)")
}

/// The same error again and again.
fn repeated(error: &Error) -> impl Iterator<Item = Result<Enqueued>> {
    let (kind, message) = (error.kind(), error.to_string());
    std::iter::repeat_with(move || Err(Error::new(kind, message.clone())))
}
