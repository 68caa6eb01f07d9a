//! Gathers what an explanation goes by.

use std::time::Duration;

use crate::clock::instant;
use crate::config::{PriorityMode, QueueSettings};
use crate::error::Result;
use crate::explain::{Facts, explain};
use crate::inspector::{Inspector, Located};
use crate::job::{JobId, JobState, Priority};
use crate::stats::{Explanation, JobDetails, KeyLimit};
use crate::store::{Key, QueueKeys, Store};

impl Inspector {
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
        let keys = store.keys(queue);
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
            JobState::Pending => key_of_parked(store, &keys, job, &stats.settings).await?,
            _ => None,
        };
        Ok(explain(&Facts {
            job,
            settings: &stats.settings,
            paused: stats.paused,
            workers: stats.workers,
            active: stats.active,
            ahead,
            key: key.as_ref(),
            rate_wait: rate_wait(&stats.settings, tat_us, now_us),
            ended_last_minute: stats.last_minute.completed + stats.last_minute.failed,
            lease_until: lease_ms.map(instant),
            now: instant(now_us / 1000),
        }))
    }
}

/// How the key of a job stands that is parked for it.
async fn key_of_parked(
    store: &Store,
    keys: &QueueKeys,
    job: &JobDetails,
    settings: &QueueSettings,
) -> Result<Option<KeyLimit>> {
    let (Some(field), Some(payload)) = (&settings.key, &job.payload) else { return Ok(None) };
    let Some(key) = field.key_of(payload.get()) else { return Ok(None) };
    if store.score(keys, Key::Parked, &job.summary.id).await?.is_none() {
        return Ok(None);
    }
    let standing = store.key_standings(keys, std::slice::from_ref(&key)).await?.pop();
    Ok(standing.map(|standing| standing.under(keys, settings)))
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
