//! Hands jobs to a queue: calls that run at the same time share round trips, one of which is under way at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, NewJob};
use crate::stats::Enqueued;
use crate::store::{Accepted, QueueKeys, Store};

/// Jobs in one call, and bytes of payload after which a call takes no more.
const CALL_JOBS: usize = 300;
const CALL_BYTES: usize = 4 << 20;

/// The one who enqueues into a queue, for a client. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Producer(Arc<Inner>);

struct Inner {
    store: Store,
    keys: QueueKeys,
    /// Names this producer to the queue, which remembers the answer to its last call.
    id: JobId,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// A task is at work on them.
    busy: bool,
    calls: u64,
    registered: bool,
}

struct Request {
    jobs: Vec<NewJob>,
    size: usize,
    reply: oneshot::Sender<Result<Vec<Result<Enqueued>>>>,
}

impl Producer {
    pub(crate) fn new(store: Store, keys: QueueKeys) -> Self {
        Self(Arc::new(Inner { store, keys, id: JobId::generate(), waiting: Mutex::default() }))
    }

    /// Whether anybody else shares it, or a call of it is under way.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// One job.
    pub(crate) async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        job.check()?;
        let answers = self.submit(vec![job]).await?;
        answers.into_iter().next().unwrap_or_else(|| Err(Error::internal("enqueue gave no answer")))
    }

    /// Many jobs, one answer for each.
    pub(crate) async fn enqueue_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        let mut answers = Vec::with_capacity(jobs.len());
        let mut call = Vec::with_capacity(jobs.len().min(CALL_JOBS));
        let mut bytes = 0;
        for job in jobs {
            job.check()?;
            bytes += job.payload.get().len();
            call.push(job);
            if call.len() == CALL_JOBS || bytes >= CALL_BYTES {
                answers.extend(self.submit(std::mem::take(&mut call)).await?);
                bytes = 0;
            }
        }
        if !call.is_empty() {
            answers.extend(self.submit(call).await?);
        }
        Ok(answers)
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
                    let mut answers = jobs.iter().zip(accepted).map(|(job, accepted)| self.answer(job, accepted));
                    for request in requests {
                        let part = answers.by_ref().take(request.size).collect();
                        // The caller may have gone; its jobs are enqueued all the same.
                        let _ = request.reply.send(Ok(part));
                    }
                    self.register_once().await;
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
                ErrorKind::Full,
                format!("queue {queue} is full: it holds as many jobs as its maxLength allows"),
            )),
        }
    }

    /// Makes the queue known under its prefix, after the first call of this producer.
    async fn register_once(&self) {
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            !std::mem::replace(&mut waiting.registered, true)
        };
        if first && self.store.register(self.keys.queue()).await.is_err() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).registered = false;
        }
    }
}
