//! Gathers what an explanation goes by.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::BatchInfo;
use crate::breaker::BreakerInfo;
use crate::clock::instant;
use crate::config::{PriorityMode, QueueSettings};
use crate::error::{ErrorKind, Result};
use crate::explain::{Facts, OfPartition, explain, explain_follower};
use crate::inspector::{Inspector, Located, SUFFIX_MIN};
use crate::job::{JobId, JobState, Layout, Priority, QueueName};
use crate::stats::{Explanation, JobDetails, KeyLimit};
use crate::store::{BATCHES_STEP, Held, Key, QueueKeys, Store};

/// Workers that are asked which service they need, those first that were heard last.
const ASKED_MAX: usize = 20;

impl Inspector {
    /// Why a job waits, by its id or a suffix of it that only one job has, in `queue` or in all; also where it is the job
    /// on completion of a batch that is not over (of the newest 500 of each queue).
    ///
    /// # Errors
    /// As for [`Inspector::find`].
    pub async fn explain_named(&self, id_or_suffix: &str, queue: Option<&QueueName>) -> Result<Explanation> {
        let error = match self.find(id_or_suffix, queue).await {
            Ok(job) => return self.explain(&job).await,
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            Err(error) => return Err(error),
        };
        let names = |id: &JobId| {
            id.as_str() == id_or_suffix || (id_or_suffix.len() >= SUFFIX_MIN && id.as_str().ends_with(id_or_suffix))
        };
        for of in self.store.queues().await? {
            let places = self.store.places(&of).await;
            for keys in self.store.or_left_out(&of, places)?.into_iter().flatten() {
                for batch in self.store.batches(&keys, 0, BATCHES_STEP).await?.1 {
                    let Some(follower) = batch.on_complete.as_ref().filter(|follower| names(&follower.id)) else {
                        continue;
                    };
                    let is_asked_for = queue.is_none_or(|queue| *queue == follower.queue);
                    if is_asked_for && self.is_to_come(&keys, &batch, &follower.id).await? {
                        return Ok(explain_follower(&batch, follower));
                    }
                }
            }
        }
        Err(error)
    }

    /// Whether the job on completion of a batch is still to be enqueued.
    async fn is_to_come(&self, keys: &QueueKeys, batch: &BatchInfo, follower: &JobId) -> Result<bool> {
        if batch.finished_at.is_none() {
            return Ok(true);
        }
        Ok(self.store.outgoing(keys).await?.iter().any(|outgoing| outgoing.id == *follower))
    }

    /// Why a job waits or where it ended, since when, under which limit, and what to do next.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub async fn explain(&self, job: &Located) -> Result<Explanation> {
        self.explain_details(&self.job(job).await?).await
    }

    /// The same for a job whose details are known.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn explain_details(&self, job: &JobDetails) -> Result<Explanation> {
        let (store, queue) = (&self.store, &job.summary.queue);
        let layout = store.layout(queue).await?;
        let found = store.find_one(queue, &job.summary.id, None).await?;
        let partition = found.map_or_else(|| layout.now.of(job.summary.id.as_str()), |found| found.partition);
        let keys = store.partition_keys(queue, partition);
        let partition = match layout == Layout::ONE {
            true => None,
            false => {
                // Where the queue's own node is away, what holds in the partition is all that is known.
                let home = match store.absence_of_home(queue).await {
                    Some(_) => keys.clone(),
                    None => store.keys(queue),
                };
                let whole = store.settings(&home).await?.settings;
                let hold = if store.is_held(&keys).await? { store.hold(queue).await? } else { None };
                Some(OfPartition { partition, of: layout.now, whole, hold })
            }
        };
        let Some(counts) = store.counts(&keys).await? else { return Err(store.unknown_queue(queue).await) };
        let now_us = counts.now_us;
        let stats = counts.stats(queue.clone());
        let tat_us = store.next_start_us(&keys).await?;
        let lease_ms = match &job.worker {
            Some(worker) => store.lease_ms(&keys, worker).await?,
            None => None,
        };
        let ahead = match job.summary.state {
            JobState::Pending => ahead(store, &keys, (&job.summary.id, job.summary.priority), &stats.settings).await?,
            _ => 0,
        };
        let key = match job.summary.state {
            JobState::Pending => key_over_limit(store, &keys, job, &stats.settings).await?,
            _ => None,
        };
        let full = match job.summary.state {
            JobState::Pending if stats.workers > 0 => full(store, &keys, now_us / 1000).await?,
            _ => None,
        };
        let breaker = match job.summary.state {
            JobState::Pending | JobState::Scheduled | JobState::Retrying => breaker(store, &keys).await?,
            _ => None,
        };
        Ok(explain(&Facts {
            job,
            settings: &stats.settings,
            partition: partition.as_ref(),
            paused: stats.paused,
            workers: stats.workers,
            active: stats.active,
            ahead,
            key: key.as_ref(),
            full,
            rate_wait: rate_wait(&stats.settings, tat_us, now_us),
            ended_last_minute: stats.last_minute.completed + stats.last_minute.failed,
            breaker: breaker.as_ref(),
            lease_until: lease_ms.map(instant),
            now: instant(now_us / 1000),
        }))
    }
}

/// How the key of a job stands that is parked for it, or will be when a fetch comes to it.
async fn key_over_limit(
    store: &Store,
    keys: &QueueKeys,
    job: &JobDetails,
    settings: &QueueSettings,
) -> Result<Option<KeyLimit>> {
    let (Some(field), Some(payload)) = (&settings.key, &job.payload) else { return Ok(None) };
    let Some(key) = field.key_of(payload.get()) else { return Ok(None) };
    let is_parked = store.score(keys, Key::Parked, &job.summary.id).await?.is_some();
    let standing = store.key_standings(keys, std::slice::from_ref(&key)).await?.pop();
    let Some(mut limit) = standing.map(|standing| standing.under(keys, settings)) else { return Ok(None) };
    if !is_parked {
        if limit.concurrency.is_none_or(|most| limit.running < u64::from(most)) {
            return Ok(None);
        }
        // It waits for its key as those do that were fetched and parked.
        limit.parked += 1;
    }
    Ok(Some(limit))
}

/// The slots and the number of the workers that live, where all that they may hold is held; `None` where one is free, or
/// where they are too many to ask.
async fn full(store: &Store, keys: &QueueKeys, now_ms: i64) -> Result<Option<(u64, u64)>> {
    let holders: Vec<_> =
        store.holders_of(keys.queue()).await?.into_iter().filter(|held| held.lease_until_ms > now_ms).collect();
    if holders.is_empty() || holders.len() > ASKED_MAX {
        return Ok(None);
    }
    let (mut elsewhere, mut slots) = (BTreeMap::<QueueName, Vec<Held>>::new(), 0);
    for held in &holders {
        let Some(said) = store.worker(&held.worker).await? else { return Ok(None) };
        let (mut claims, own) = (held.claims, said.slots.get(keys.queue()).copied());
        for other in said.queues.iter().filter(|other| own.is_none() && *other != keys.queue()) {
            if !elsewhere.contains_key(other) {
                elsewhere.insert(other.clone(), store.holders_of(other).await?);
            }
            let there = elsewhere[other].iter().find(|there| there.worker == held.worker);
            claims += there.map_or(0, |there| there.claims);
        }
        let most = own.unwrap_or(said.concurrency).max(1);
        if claims < most {
            return Ok(None);
        }
        slots += most;
    }
    Ok(Some((slots, holders.len() as u64)))
}

/// The breaker of the service that all jobs of a queue need, where it is open, as its workers say.
async fn breaker(store: &Store, keys: &QueueKeys) -> Result<Option<BreakerInfo>> {
    let (_, all) = store.breakers().await?;
    let mut open: Vec<_> = all.into_iter().flatten().filter(BreakerInfo::is_open).collect();
    if open.is_empty() {
        return Ok(None);
    }
    for held in store.holders_of(keys.queue()).await?.iter().rev().take(ASKED_MAX) {
        let said = store.worker(&held.worker).await?;
        let needed = said.as_ref().and_then(|said| said.needs.get(keys.queue()));
        if let Some(at) = open.iter().position(|open| Some(&open.dependency) == needed) {
            return Ok(Some(open.swap_remove(at)));
        }
    }
    Ok(None)
}

/// How many jobs in line start before this one.
async fn ahead(
    store: &Store,
    keys: &QueueKeys,
    (id, priority): (&JobId, Priority),
    settings: &QueueSettings,
) -> Result<u64> {
    let lines = [0, 1, 2, 3].map(Key::line);
    let own = usize::from(priority.level());
    let Some(arrival_us) = store.score(keys, lines[own], id).await? else { return Ok(0) };
    let mut ahead = 0;
    for (level, line) in lines.iter().enumerate() {
        ahead += match settings.priority_mode {
            PriorityMode::Strict if level < own => store.size(keys, *line).await?,
            PriorityMode::Strict if level > own => 0,
            PriorityMode::Strict => store.count_below(keys, *line, arrival_us).await?,
            PriorityMode::Aging(span) => {
                let span_us = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
                let lead = (own as i64 - level as i64).saturating_mul(span_us);
                store.count_below(keys, *line, arrival_us.saturating_add(lead)).await?
            }
        };
    }
    Ok(ahead)
}

/// How long the rate lets no job start, by the theoretical arrival time of the next one.
fn rate_wait(settings: &QueueSettings, tat_us: Option<i64>, now_us: i64) -> Duration {
    let (Some(rate), Some(tat_us)) = (settings.rate, tat_us) else { return Duration::ZERO };
    let interval_us = i64::try_from(rate.interval_us()).unwrap_or(i64::MAX);
    let ahead_us = interval_us.saturating_mul(i64::from(rate.burst()));
    // Further ahead than a burst, or behind: the next fetch begins anew.
    if tat_us < now_us || tat_us > now_us.saturating_add(ahead_us) {
        return Duration::ZERO;
    }
    let wait_us = tat_us.saturating_add(interval_us) - ahead_us - now_us;
    Duration::from_micros(wait_us.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_lets_the_next_job_start_when_its_turn_comes() {
        let at = |rate: &str| QueueSettings { rate: Some(rate.parse().unwrap()), ..QueueSettings::default() };
        let now_us = 1_764_000_000_000_000;
        assert_eq!(rate_wait(&at("1/s"), Some(now_us + 400_000), now_us), Duration::from_millis(400));
        assert_eq!(rate_wait(&at("1/s:3"), Some(now_us + 400_000), now_us), Duration::ZERO, "a burst is left");
        assert_eq!(rate_wait(&at("1/s"), Some(now_us - 1), now_us), Duration::ZERO);
        assert_eq!(rate_wait(&at("1/s"), Some(now_us * 2), now_us), Duration::ZERO, "a clock jumped");
        assert_eq!(rate_wait(&QueueSettings::default(), Some(now_us), now_us), Duration::ZERO);
    }
}
