//! A worker and a producer by hand: every call that they make to a queue, one at a time, under the caller's control.

use std::sync::Arc;

use crate::client::Client;
use crate::config::Durable;
use crate::error::Result;
use crate::job::{JobId, NewJob, QueueName};
use crate::store::{self, Auditor, EnqueueCall, Fallen, FetchCall, QueueKeys, Store};

/// Makes the calls of workers and producers to one queue, as whoever the caller says it is.
///
/// For tests of the queue itself: nothing here runs by itself, remembers a call or keeps to the order in which a real
/// worker makes them. Calls are repeated until they are answered, as a worker's are, and a call that is made again with
/// the same arguments is sent as the same request.
pub struct ByHand {
    store: Store,
    keys: QueueKeys,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks: the name stands in every claim, and holds neither `|` nor spaces.
    pub worker: String,
    /// The number of this call: the same again gets the same jobs.
    pub call: u64,
    /// Jobs that it can start now.
    pub slots: usize,
    /// More that it will finish within some milliseconds.
    pub prefetch: usize,
    /// How long it may stay silent from now on, in milliseconds.
    pub lease_ms: u64,
    /// Whether it holds nothing at all.
    pub alone: bool,
}

/// What a worker gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOut {
    /// In how many milliseconds to ask again: 0 where there is more, `None` where nobody knows.
    pub again_ms: Option<u64>,
    /// Rises with every change of the queue's settings.
    pub settings_version: u64,
    /// A job waits for a worker that holds nothing, and this worker shall be the one.
    pub run_empty: bool,
    /// The jobs, in the order in which they start.
    pub jobs: Vec<Held>,
}

/// A job in a worker's hands, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub id: JobId,
    /// The worker's hold on it; whoever ends it must name it whole.
    pub claim: String,
    /// The record: arrival time and the producer's JSON object.
    pub record: String,
    /// What happened to it; empty where nothing did.
    pub history: String,
    /// How often its worker died or fell silent.
    pub crashes: u32,
}

/// What the queue says to a new job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is in line, or scheduled.
    Added,
    /// The id is taken.
    Duplicate,
    /// That job holds the unique key.
    Held(JobId),
    /// The queue holds as many jobs as it may.
    Full,
    /// Its batch takes no jobs.
    Sealed,
}

/// How a claim ends. Histories are the JSON that is kept of the job from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The job succeeded; the result is kept for an hour unless it is empty.
    Complete {
        /// JSON, or nothing.
        result: String,
    },
    /// It failed and waits for another attempt.
    Retry {
        /// How long.
        delay_ms: u64,
        /// JSON.
        history: String,
    },
    /// A service said wait; no attempt is used.
    Snooze {
        /// How long.
        delay_ms: u64,
        /// JSON.
        history: String,
    },
    /// It failed for good.
    Bury {
        /// JSON.
        history: String,
    },
    /// It goes back to its old place in line.
    Release,
    /// An operator cancelled it, and its processor has stopped.
    Cancelled,
}

/// How a claim stands that is not the worker's (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody holds the job.
    Gone,
    /// Another claim holds it.
    Taken,
    /// An operator cancelled it.
    Cancelled,
}

/// A job that was taken back from a silent worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The job.
    pub id: JobId,
    /// How often that has happened to it now.
    pub crashes: u32,
    /// Where it went: `pending`, `dead` or `cancelled`.
    pub to: String,
}

impl ByHand {
    /// For `queue`, by the clock and configuration of `client`, on a connection of its own.
    pub fn new(client: &Client, queue: &QueueName) -> Self {
        let store = client.open_store();
        let keys = store.keys(queue);
        Self { store, keys }
    }

    /// The same job as if its id had been generated: it is not remembered when the job is gone.
    pub fn with_generated_id(mut job: NewJob) -> NewJob {
        job.id_is_chosen = false;
        job
    }

    /// Adds jobs, at most 300, as the call with this number of a producer: its last number again gets the last answer.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn enqueue(&self, producer: &str, call: u64, jobs: &[NewJob]) -> Result<Vec<Accepted>> {
        let jobs: Vec<_> = jobs.iter().collect();
        let call = EnqueueCall { producer, call, usual: Durable::of(self.keys.queue()), former: None, key: None };
        let answered = self.store.enqueue(&self.keys, call, &jobs).await?;
        Ok(answered.accepted.into_iter().map(Accepted::from).collect())
    }

    /// Claims jobs.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn fetch(&self, ask: &Ask) -> Result<HandOut> {
        let Ask { worker, call, slots, prefetch, lease_ms, alone } = ask;
        let (call, slots, prefetch, lease_ms, alone) = (*call, *slots, *prefetch, *lease_ms, *alone);
        let call = FetchCall { worker, call, slots, prefetch, lease_ms, alone };
        let fetched = self.store.fetch(&self.keys, call).await?;
        let held = |job: store::Claimed| Held {
            id: job.id,
            claim: job.claim.to_string(),
            record: job.record,
            history: job.history,
            crashes: job.crashes,
        };
        Ok(HandOut {
            again_ms: fetched.again_ms,
            settings_version: fetched.settings_version,
            run_empty: fetched.run_empty,
            jobs: fetched.jobs.into_iter().map(held).collect(),
        })
    }

    /// Ends claims, at most 1,000, which must all end in the same way (delays and histories apart). How those stand that
    /// are not the worker's, by their number in the call; nothing of that for [`Ending::Cancelled`].
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn end(&self, worker: &str, ends: &[(JobId, String, Ending)]) -> Result<Vec<(usize, Standing)>> {
        let ends: Vec<_> = ends.iter().map(|(id, claim, ending)| (id, claim.as_str(), ending.as_stored())).collect();
        Ok(standings(self.store.end(&self.keys, worker, &ends).await?.others))
    }

    /// Extends the worker's lease. How many claims the queue counts for it, and how those of the named ones stand that are
    /// not its own.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn renew(
        &self,
        worker: &str,
        lease_ms: u64,
        claims: &[(JobId, String)],
    ) -> Result<(u64, Vec<(usize, Standing)>)> {
        let claims: Vec<(JobId, Arc<str>)> =
            claims.iter().map(|(id, claim)| (id.clone(), claim.as_str().into())).collect();
        let (counted, others) = self.store.renew(&self.keys, worker, lease_ms, &claims).await?;
        Ok((counted, standings(others)))
    }

    /// The workers whose lease has ended.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn overdue(&self) -> Result<Vec<String>> {
        self.store.overdue(&self.keys).await
    }

    /// Every claim that stands.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn active(&self) -> Result<Vec<(JobId, String)>> {
        let (mut cursor, mut claims) = (0, Vec::new());
        loop {
            let (next, page) = self.store.active_page(&self.keys, cursor).await?;
            claims.extend(page);
            cursor = next;
            if cursor == 0 {
                return Ok(claims);
            }
        }
    }

    /// Takes back those of the named claims, at most 500, whose worker's lease has ended; a worker without any lease gets
    /// one of `lease_ms` first.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn recover(&self, worker: &str, lease_ms: u64, claims: &[(JobId, String)]) -> Result<Vec<TakenBack>> {
        let fallen: Vec<_> = claims.iter().map(|(id, claim)| Fallen { id, claim, history: "" }).collect();
        let recovered = self.store.recover(&self.keys, (worker, lease_ms), &fallen).await?;
        Ok(recovered.into_iter().map(|job| TakenBack { id: job.id, crashes: job.crashes, to: job.to }).collect())
    }

    /// Strikes out workers whose lease has ended.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn forget(&self, workers: &[String]) -> Result<()> {
        self.store.forget(&self.keys, workers).await
    }

    /// A worker that holds nothing gives up its lease; nothing happens where the queue counts claims of it.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn sign_off(&self, worker: &str) -> Result<()> {
        self.store.sign_off(&self.keys, worker).await.map(drop)
    }

    /// Moves what is due into line, at most `limit` (1,000) of the scheduled and of the retrying jobs, and buries as many
    /// that are past their ttl. How many it was about.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn promote(&self, limit: usize) -> Result<usize> {
        self.store.promote(&self.keys, limit).await
    }

    /// Removes ended jobs that retention no longer keeps; how many.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn trim(&self) -> Result<u64> {
        self.store.trim(&self.keys).await
    }

    /// Looks for what contradicts itself and puts it right, as the janitor does, with the limits of keys.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn audit(&self) -> Result<()> {
        self.store.tend(&self.keys).await?;
        self.store.audit(&self.keys, &Auditor::default()).await.map(drop)
    }

    /// Forgets ids that were remembered long enough, and unique locks that hold nothing; how many.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn sweep(&self) -> Result<u64> {
        Ok(self.store.sweep(&self.keys).await?.removed)
    }
}

impl Ending {
    fn as_stored(&self) -> store::End<'_> {
        match self {
            Self::Complete { result } => store::End::Complete { result },
            Self::Retry { delay_ms, history } => store::End::Retry { delay_ms: *delay_ms, history },
            Self::Snooze { delay_ms, history } => store::End::Snooze { delay_ms: *delay_ms, history },
            Self::Bury { history } => store::End::Bury { history },
            Self::Release => store::End::Release,
            Self::Cancelled => store::End::Cancelled,
        }
    }
}

impl From<store::Accepted> for Accepted {
    fn from(accepted: store::Accepted) -> Self {
        match accepted {
            store::Accepted::Added => Self::Added,
            store::Accepted::Duplicate => Self::Duplicate,
            store::Accepted::Held(id) => Self::Held(id),
            store::Accepted::Full => Self::Full,
            store::Accepted::Sealed => Self::Sealed,
        }
    }
}

fn standings(others: Vec<(usize, store::Standing)>) -> Vec<(usize, Standing)> {
    let standing = |standing| match standing {
        store::Standing::Gone => Standing::Gone,
        store::Standing::Taken => Standing::Taken,
        store::Standing::Cancelled => Standing::Cancelled,
    };
    others.into_iter().map(|(number, found)| (number, standing(found))).collect()
}
