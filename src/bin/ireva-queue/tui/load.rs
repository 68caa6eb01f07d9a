//! Asks Redis for what the panes show: a few bounded calls a look, as many at once as there are queues.
//!
//! What costs more than counts is asked for with restraint: dead letters only where their numbers have changed, the progress
//! of jobs only of those on the screen that have run for a while, and either only after a rest of ten times as long as it
//! took the last time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use ireva_queue::builtin::children;
use ireva_queue::stats::{DeadGroup, JobDetails, JobSummary, QueueStats, WorkerInfo};
use ireva_queue::{Client, Error, ErrorKind, GroupBy, JobState, Located, QueueName, Result, Selection};

use crate::tui::facts::{Cause, Facts, Running};

/// Questions that are under way at the same time.
const CALLS_AT_ONCE: usize = 16;
/// Dead letters of a queue that are looked at, the oldest first: two pages.
pub const LETTERS_MAX: u64 = 1_000;
/// A job that has run for less has not said much of how far it is.
const YOUNG: TimeDelta = TimeDelta::seconds(2);
/// After so many times as long as it took, something costly is asked for again.
const REST: u32 = 10;
/// What takes less is not costly.
const QUICK: Duration = Duration::from_millis(25);

/// What is to be asked for.
#[derive(Debug, Clone)]
pub struct Wants {
    /// Only these queues; none named: all.
    pub queues: Vec<QueueName>,
    /// So many running jobs.
    pub running: usize,
    /// Everything about this job.
    pub look: Option<Located>,
    /// What ages are counted from.
    pub now: DateTime<Utc>,
}

/// Asks again and again, and remembers what need not be asked again.
pub struct Loader {
    client: Client,
    letters: BTreeMap<QueueName, Letters>,
    running: Paced<Vec<Running>>,
}

/// The groups of a queue, and the numbers that they were made at.
struct Letters {
    at: [u64; 5],
    groups: Paced<Vec<DeadGroup>>,
}

/// Something that costs, and when it may be asked for again.
#[derive(Default)]
struct Paced<T> {
    known: T,
    rests_until: Option<Instant>,
}

impl<T> Paced<T> {
    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    fn learn(&mut self, known: T, began: Instant) {
        let took = began.elapsed();
        self.known = known;
        self.rests_until = (took > QUICK).then(|| Instant::now() + took * REST);
    }
}

impl Loader {
    /// Nothing is asked yet.
    pub fn new(client: Client) -> Self {
        Self { client, letters: BTreeMap::new(), running: Paced::default() }
    }

    /// Looks once.
    ///
    /// # Errors
    /// `NotFound` for a queue that was named and has never been used; `Unreachable` and its like.
    pub async fn look(&mut self, wants: &Wants) -> Result<Facts> {
        // Of a cluster of which a node is away the rest is shown.
        let client = self.client.of_what_answers();
        let (queues, workers) = tokio::try_join!(queues(&client, wants), workers(&client, wants))?;
        let (running, causes, looked) = tokio::try_join!(
            running(&client, &queues, wants, &mut self.running),
            causes(&client, &queues, &mut self.letters),
            looked(&client, wants)
        )?;
        let left_out = client.unreached().iter().map(|unreached| unreached.error().to_string()).collect();
        Ok(Facts { queues, running, causes, workers, looked, left_out })
    }
}

async fn queues(client: &Client, wants: &Wants) -> Result<Vec<QueueStats>> {
    if wants.queues.is_empty() {
        return client.inspector().stats().await;
    }
    let ask = |queue: QueueName| async move { client.queue(queue).stats().await };
    let mut asked = stream::iter(wants.queues.clone()).map(ask).buffered(CALLS_AT_ONCE);
    let (mut queues, mut failed) = (Vec::new(), None);
    while let Some(stats) = asked.next().await {
        match stats {
            Ok(stats) => queues.push(stats),
            Err(error) if error.kind() == ErrorKind::Unreachable => failed = Some(error),
            Err(error) => return Err(error),
        }
    }
    match failed {
        // Another one was left out, too.
        Some(error) if queues.is_empty() || client.unreached().is_empty() => Err(error),
        _ => Ok(queues),
    }
}

async fn workers(client: &Client, wants: &Wants) -> Result<Vec<WorkerInfo>> {
    let mut workers = client.inspector().workers().await?;
    if !wants.queues.is_empty() {
        workers.retain(|info| info.queues.iter().any(|queue| wants.queues.contains(queue)));
    }
    Ok(workers)
}

/// The jobs that have been held longest, over all queues.
async fn running(
    client: &Client,
    queues: &[QueueStats],
    wants: &Wants,
    paced: &mut Paced<Vec<Running>>,
) -> Result<Vec<Running>> {
    let busy: Vec<_> = queues.iter().filter(|stats| stats.active > 0).map(|stats| stats.queue.clone()).collect();
    if busy.is_empty() || wants.running == 0 {
        return Ok(Vec::new());
    }
    if paced.rests() {
        return Ok(paced.known.clone());
    }
    let (began, limit) = (Instant::now(), wants.running as u64);
    let ask = |queue: QueueName| async move {
        let page = client.inspector().jobs(&queue, &[JobState::Active], 0, limit).await;
        gone_is_nothing(page.map(|page| page.items))
    };
    let lists: Vec<Vec<JobSummary>> = stream::iter(busy).map(ask).buffered(CALLS_AT_ONCE).try_collect().await?;
    let mut jobs: Vec<_> = lists.into_iter().flatten().collect();
    jobs.sort_by_key(|job| job.since);
    jobs.truncate(wants.running);
    let ask = |job: JobSummary| async move {
        let young = wants.now - job.since < YOUNG;
        let details = if young { None } else { details(client, &job).await? };
        let (worker, progress) = details.map_or((None, None), |details| (details.worker, details.progress));
        Ok::<_, Error>(Running { job, worker, progress })
    };
    let running: Vec<_> = stream::iter(jobs).map(ask).buffered(CALLS_AT_ONCE).try_collect().await?;
    paced.learn(running.clone(), began);
    Ok(running)
}

async fn details(client: &Client, job: &JobSummary) -> Result<Option<JobDetails>> {
    let job = Located::new(job.queue.clone(), job.id.clone(), job.state);
    gone_is_nothing(client.inspector().job(&job).await.map(Some))
}

/// What has ended between two questions is no error.
fn gone_is_nothing<T: Default>(answer: Result<T>) -> Result<T> {
    match answer {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        answer => answer,
    }
}

/// Dead letters by code, over all queues.
async fn causes(
    client: &Client,
    queues: &[QueueStats],
    known: &mut BTreeMap<QueueName, Letters>,
) -> Result<Vec<Cause>> {
    known.retain(|queue, _| queues.iter().any(|stats| stats.queue == *queue && stats.dead > 0));
    let stale = |stats: &&QueueStats| {
        let known = known.get(&stats.queue);
        stats.dead > 0 && known.is_none_or(|letters| letters.at != counted(stats) && !letters.groups.rests())
    };
    let asked: Vec<_> = queues.iter().filter(stale).map(|stats| (stats.queue.clone(), counted(stats))).collect();
    let ask = |(queue, at): (QueueName, [u64; 5])| async move {
        let (began, some) = (Instant::now(), Selection { limit: Some(LETTERS_MAX), ..Selection::default() });
        let groups = gone_is_nothing(client.dead_letters(queue.clone()).groups(&some, GroupBy::Code).await)?;
        Ok::<_, Error>((queue, at, groups, began))
    };
    let mut answers = stream::iter(asked).map(ask).buffered(CALLS_AT_ONCE);
    while let Some((queue, at, groups, began)) = answers.try_next().await? {
        let letters = known.entry(queue).or_insert_with(|| Letters { at, groups: Paced::default() });
        letters.at = at;
        letters.groups.learn(groups, began);
    }
    Ok(ranked(queues, known))
}

/// The numbers that change whenever the dead letters of a queue do.
fn counted(stats: &QueueStats) -> [u64; 5] {
    let totals = &stats.totals;
    [stats.dead, totals.dead, totals.revived, totals.removed, totals.dropped]
}

fn ranked(queues: &[QueueStats], known: &BTreeMap<QueueName, Letters>) -> Vec<Cause> {
    let mut causes = Vec::new();
    for stats in queues {
        let groups = known.get(&stats.queue).map(|letters| letters.groups.known.as_slice()).unwrap_or_default();
        let at_least = stats.dead > LETTERS_MAX;
        let cause = |group: &DeadGroup| Cause { queue: stats.queue.clone(), group: group.clone(), at_least };
        causes.extend(groups.iter().map(cause));
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.group.count));
    causes
}

async fn looked(
    client: &Client,
    wants: &Wants,
) -> Result<Option<(Located, std::result::Result<Box<JobDetails>, String>)>> {
    let Some(job) = wants.look.clone() else { return Ok(None) };
    match client.inspector().job_with_children(&job, children).await {
        Ok(details) => Ok(Some((job, Ok(Box::new(details))))),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => Ok(Some((job, Err(error.to_string())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_rests_and_what_is_quick_does_not() {
        let mut paced = Paced::<u8>::default();
        assert!(!paced.rests());
        paced.learn(1, Instant::now());
        assert!(!paced.rests());
        let began = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        paced.learn(2, began);
        assert!(paced.rests() && paced.rests_until.unwrap() > Instant::now() + Duration::from_secs(9));
    }
}
