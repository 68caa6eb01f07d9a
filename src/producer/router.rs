//! Hands each job to the partition of its queue that it belongs to, and learns where that is by being sent away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::former::{self, Whereabouts};
use super::{Outcome, Producer, repeated, told_full};
use crate::config::Durable;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{NewJob, QueueName};
use crate::stats::Enqueued;
use crate::store::{Accepted, Store};

/// So long jobs are offered again while the number of partitions changes: a change says the new number within one round
/// trip for each partition.
const MOVING: Duration = Duration::from_secs(5);
/// How long it waits before it asks where they belong once more.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it goes by what it knew of several partitions.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// The one who enqueues into a queue, for a client. Cloning shares it.
///
/// It takes a queue to have one partition until the queue says otherwise, by refusing what belongs elsewhere, so that a queue
/// of one costs no question.
#[derive(Clone)]
pub(crate) struct Router(Arc<Inner>);

struct Inner {
    store: Store,
    queue: QueueName,
    usual: Durable,
    routes: Mutex<Routes>,
}

/// The partitions as they were last known, and who enqueues into each.
#[derive(Clone)]
struct Routes {
    whereabouts: Whereabouts,
    learned: Instant,
    producers: Arc<[Producer]>,
}

impl Router {
    /// `usual`: whether the queue is durable where nobody has set it.
    pub(crate) fn new(store: Store, queue: &QueueName, usual: Durable) -> Self {
        let routes = Routes::new(&store, (queue, usual), Whereabouts::ONE);
        Self(Arc::new(Inner { store, queue: queue.clone(), usual, routes: Mutex::new(routes) }))
    }

    /// Whether anybody else shares it, or a call of it is under way.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.0.routes().producers.iter().any(Producer::is_in_use)
    }

    /// Whether a call of it made the queue.
    pub(crate) fn made(&self) -> bool {
        self.0.routes().producers.iter().any(Producer::made)
    }

    /// Makes the queue known under its prefix.
    pub(crate) async fn register(&self) -> Result<()> {
        match self.0.routes().producers.first() {
            Some(producer) => producer.register().await,
            None => Ok(()),
        }
    }

    /// One job.
    pub(crate) async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        let mut answers = self.enqueue_many(vec![job]).await?;
        answers.pop().unwrap_or_else(|| Err(Error::internal("enqueue gave no answer")))
    }

    /// Many jobs, one answer for each. Of those of one partition what comes behind a call that failed, or found the queue
    /// full, is not sent.
    pub(crate) async fn enqueue_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        jobs.iter().try_for_each(NewJob::check)?;
        let mut answers: Vec<Option<Result<Enqueued>>> = jobs.iter().map(|_| None).collect();
        let mut left: Vec<(usize, NewJob)> = jobs.into_iter().enumerate().collect();
        let until = Instant::now() + MOVING;
        let routes = self.0.routes();
        if routes.whereabouts != Whereabouts::ONE && routes.learned.elapsed() > KNOWN_FOR {
            self.0.learn().await?;
        }
        loop {
            let routes = self.0.routes();
            left = routes.answer_known((&self.0.store, &self.0.queue), left, &mut answers).await?;
            left = routes.offer(&self.0.store, left, &mut answers).await?;
            if left.is_empty() {
                let missing = || Err(Error::internal("enqueue gave no answer"));
                return Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect());
            }
            let trouble = match self.0.learn().await {
                Err(error) => Some(error),
                Ok(_) if Instant::now() >= until => Some(self.moving()),
                Ok(learned) => {
                    if learned.whereabouts == routes.whereabouts {
                        // A change has begun that has not said the new number yet.
                        tokio::time::sleep(PAUSE).await;
                    }
                    None
                }
            };
            let Some(error) = trouble else { continue };
            if answers.iter().all(Option::is_none) {
                return Err(error);
            }
            left.drain(..).zip(repeated(&error)).for_each(|((place, _), answer)| answers[place] = Some(answer));
        }
    }

    /// Refuses a job that several partitions cannot have, before anything is done for it. Nothing is asked about a job that any
    /// queue can have.
    pub(crate) async fn must_take(&self, job: &NewJob) -> Result<()> {
        if !job.asks_for_empty_queue() && !job.has_key_in_batch() {
            return Ok(());
        }
        self.0.learn().await?.cannot_have(job).map_or(Ok(()), |why| Err(Error::refused(why)))
    }

    fn moving(&self) -> Error {
        let queue = &self.0.queue;
        let why = format!(
            "the number of partitions of queue {queue} has been changing for {} s; nothing was added",
            MOVING.as_secs()
        );
        Error::new(ErrorKind::Moved, why)
    }
}

impl Inner {
    fn routes(&self) -> Routes {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks where jobs belong now; those who enqueue are kept where that is as it was known.
    async fn learn(&self) -> Result<Routes> {
        let whereabouts = Whereabouts::of(&self.store.course(&self.queue).await?);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if whereabouts == routes.whereabouts {
            routes.learned = Instant::now();
        } else {
            // Who asked at the same time may have learned it before, or later: then it is learned once more.
            *routes = Routes::new(&self.store, (&self.queue, self.usual), whereabouts);
        }
        Ok(routes.clone())
    }
}

impl Routes {
    fn new(store: &Store, (queue, usual): (&QueueName, Durable), whereabouts: Whereabouts) -> Self {
        let producer = |partition| {
            let keys = store.partition_keys(queue, partition);
            Producer::new(store.clone(), keys, (usual, whereabouts.was))
        };
        let producers = whereabouts.now.each().map(producer).collect();
        Self { whereabouts, learned: Instant::now(), producers }
    }

    /// Answers the jobs that other places know, or that several partitions cannot have; the rest.
    async fn answer_known(
        &self,
        (store, queue): (&Store, &QueueName),
        jobs: Vec<(usize, NewJob)>,
        answers: &mut [Option<Result<Enqueued>>],
    ) -> Result<Vec<(usize, NewJob)>> {
        if self.whereabouts == Whereabouts::ONE {
            return Ok(jobs);
        }
        let (jobs, refused): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(_, job)| self.cannot_have(job).is_none());
        for (place, job) in refused {
            answers[place] = self.cannot_have(&job).map(|why| Err(Error::refused(why)));
        }
        if self.whereabouts.is_plain() || jobs.is_empty() {
            return Ok(jobs);
        }
        let known = match former::ask((store, queue), self.whereabouts, &jobs).await {
            Ok(known) => known,
            Err(error) if answers.iter().all(Option::is_none) => return Err(error),
            Err(error) => {
                jobs.iter().zip(repeated(&error)).for_each(|((place, _), answer)| answers[*place] = Some(answer));
                return Ok(Vec::new());
            }
        };
        let mut rest = Vec::new();
        for ((place, job), known) in jobs.into_iter().zip(known) {
            let id = match known {
                Some(Accepted::Held(holder)) => holder,
                Some(_) => job.id.clone(),
                None => {
                    rest.push((place, job));
                    continue;
                }
            };
            answers[place] = Some(Ok(Enqueued { id, queue: queue.clone(), duplicate: true }));
        }
        Ok(rest)
    }

    /// Why a queue of several partitions cannot have a job.
    fn cannot_have(&self, job: &NewJob) -> Option<&'static str> {
        if self.whereabouts.now.is_one() && self.whereabouts.was.is_none() {
            return None;
        }
        if job.asks_for_empty_queue() {
            return Some(
                "unlessQueued cannot be asked of a queue of several partitions, since a job may wait in another one; give the jobs a \
                 unique key instead",
            );
        }
        job.has_key_in_batch().then_some(
            "a job of a batch cannot have a unique key in a queue of several partitions: it is in the partition of its batch, and \
             other jobs of that key may be in another one",
        )
    }

    /// Hands each job to its partition, all partitions at once, and puts down the answers; the jobs that came back.
    ///
    /// # Errors
    /// Where nothing at all was accepted, the first one.
    async fn offer(
        &self,
        store: &Store,
        jobs: Vec<(usize, NewJob)>,
        answers: &mut [Option<Result<Enqueued>>],
    ) -> Result<Vec<(usize, NewJob)>> {
        let mut shares: Vec<(VecDeque<usize>, Vec<NewJob>)> =
            self.producers.iter().map(|_| Default::default()).collect();
        for (place, job) in jobs {
            let (places, share) = &mut shares[self.whereabouts.now.place_of(job.partition_key())];
            places.push_back(place);
            share.push(job);
        }
        let offers = self.producers.iter().zip(shares).filter(|(_, (places, _))| !places.is_empty());
        let offers = offers.map(|(producer, (places, share))| async move {
            let outcome = producer.hand_over(share).await;
            (
                places,
                if self.whereabouts.now.is_one() { outcome } else { say_which_is_full(store, producer, outcome).await },
            )
        });
        let (mut back, mut failed) = (Vec::new(), None);
        for (mut places, outcome) in join_all(offers).await {
            let taken = places.len();
            let Outcome { answers: said, back: returned } = outcome.unwrap_or_else(|error| {
                let answers = repeated(&error).take(taken).collect();
                failed.get_or_insert(error);
                Outcome { answers, back: Vec::new() }
            });
            said.into_iter()
                .zip(places.drain(..taken - returned.len()))
                .for_each(|(answer, place)| answers[place] = Some(answer));
            back.extend(places.into_iter().zip(returned));
        }
        let accepted = answers.iter().any(|answer| matches!(answer, Some(Ok(_))));
        match failed {
            Some(error) if !accepted => Err(error),
            _ => Ok(back),
        }
    }
}

/// Names the partition in each refusal of a job for which it has no room.
async fn say_which_is_full(store: &Store, producer: &Producer, outcome: Result<Outcome>) -> Result<Outcome> {
    let mut outcome = outcome?;
    let is_full = |answer: &Result<Enqueued>| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full);
    if outcome.answers.iter().any(is_full) {
        let keys = producer.keys();
        let why = told_full(&store.full(keys).await, keys.queue());
        for answer in outcome.answers.iter_mut().filter(|answer| is_full(answer)) {
            *answer = Err(Error::new(ErrorKind::Full, why.clone()));
        }
    }
    Ok(outcome)
}
