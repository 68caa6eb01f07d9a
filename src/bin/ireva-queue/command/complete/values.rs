//! Values that only Redis or the disk knows, as many as come in time.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ireva_queue::config::{Config, RedisMode};
use ireva_queue::stats::JobSummary;
use ireva_queue::{AlertName, AlertSinks, BatchInfo, Client, JobState, QueueName, Result};
use tokio::time::timeout;

use super::place::{Candidate, Place, Wanted};

/// Jobs of each state and queue that are offered; nobody looks through more.
const JOBS: u64 = 30;
const LISTS_AT_ONCE: usize = 64;
/// Batches and acts that are offered, the newest.
const NEWEST: u64 = 50;
/// The states whose jobs are offered, those that people look at first.
const STATES: [JobState; 7] = [
    JobState::Active,
    JobState::Dead,
    JobState::Retrying,
    JobState::Pending,
    JobState::Scheduled,
    JobState::Completed,
    JobState::Cancelled,
];

/// Asks for values for at most `patience`; what has come by then. Whatever goes wrong, nothing is said.
pub fn ask(wanted: &Wanted, place: &Place<'_>, patience: Duration) -> Vec<Candidate> {
    if *wanted == Wanted::Profiles {
        let candidate = |profile: ireva_queue::config::Profile| Candidate {
            value: profile.name,
            meaning: profile.path.display().to_string(),
        };
        return Config::profiles().into_iter().map(candidate).collect();
    }
    let profile =
        |variable: &str| place.option("profile").filter(|_| variable == "IREVA_QUEUE_PROFILE").map(str::to_owned);
    let found = RefCell::new(Vec::new());
    let Ok(config) = Config::from_env_with(profile) else { return Vec::new() };
    if *wanted == Wanted::Sinks {
        let log = AlertName::new(AlertSinks::LOG).ok();
        let names = config.alerts.sinks.keys().cloned().chain(log);
        return names.map(|name| Candidate { value: name.to_string(), meaning: String::new() }).collect();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    runtime.block_on(async {
        // In time or not, what was found counts.
        let _ = timeout(patience, find(wanted, place, &config, &found)).await;
    });
    runtime.shutdown_background();
    found.into_inner()
}

async fn find(wanted: &Wanted, place: &Place<'_>, config: &Config, found: &RefCell<Vec<Candidate>>) -> Result<()> {
    // A question must not start a server.
    if matches!(config.redis.mode, RedisMode::Embedded { .. }) && !ireva_queue::embedded_status(config).await?.running {
        return Ok(());
    }
    let client = Client::new(config)?;
    let add = |value: &str, meaning: String| {
        let value = value.to_owned();
        found.borrow_mut().push(Candidate { value, meaning });
    };
    match wanted {
        Wanted::Queues => {
            let queues = client.inspector().queue_names().await?;
            queues.iter().for_each(|queue| add(queue.as_str(), String::new()));
        }
        Wanted::Jobs => jobs(&client, place, &STATES, &add).await?,
        Wanted::DeadLetters => jobs(&client, place, &[JobState::Dead], &add).await?,
        Wanted::Tokens => {
            for token in client.tokens().list().await? {
                add(token.name.as_str(), String::new());
            }
        }
        Wanted::Alerts => {
            let mut infos = client.alerts().list().await?;
            infos.dedup_by(|one, other| one.alert == other.alert);
            infos.iter().for_each(|info| add(info.alert.as_str(), info.condition.clone()));
        }
        Wanted::Schedules => {
            for schedule in client.schedules().list(&[]).await? {
                add(schedule.name.as_str(), format!("{} in {}", schedule.state.as_str(), schedule.queue));
            }
        }
        Wanted::Batches => batches(&client, place, |_| true, &add).await?,
        Wanted::OpenBatches => batches(&client, place, |batch| !batch.sealed, &add).await?,
        Wanted::Dependencies => {
            for breaker in client.breakers().list().await? {
                add(&breaker.dependency, breaker.state.as_str().to_owned());
            }
        }
        Wanted::Acts => {
            for act in client.audit().undoable(None, NEWEST).await? {
                let jobs = act.count.map_or_else(String::new, |count| format!(" {count} jobs"));
                add(&act.id, format!("{}{jobs} of {} by {}", act.act, act.queue, act.by));
            }
        }
        Wanted::Keys => {
            let Some(queue) = place.queue() else { return Ok(()) };
            for limit in client.queue(QueueName::new(queue)?).key_limits().list().await? {
                add(limit.key.as_str(), format!("{} run, {} parked", limit.running, limit.parked));
            }
        }
        Wanted::Profiles | Wanted::Sinks => {}
    }
    Ok(())
}

/// Those of the queue that is named, or of all.
async fn batches(
    client: &Client,
    place: &Place<'_>,
    fits: impl Fn(&BatchInfo) -> bool,
    add: &impl Fn(&str, String),
) -> Result<()> {
    let queue = place.queue().map(QueueName::new).transpose()?;
    for batch in client.batches().list(queue.as_ref(), NEWEST).await?.iter().filter(|batch| fits(batch)) {
        let ended = batch.total - batch.pending;
        add(batch.batch.as_str(), format!("{ended} of {} in {} have ended", batch.total, batch.queue));
    }
    Ok(())
}

/// Jobs whose ids begin as typed, of the queue that is named or of all.
async fn jobs(client: &Client, place: &Place<'_>, states: &[JobState], add: &impl Fn(&str, String)) -> Result<()> {
    let inspector = client.inspector();
    let queues = match place.queue().map(QueueName::new) {
        Some(queue) => vec![queue?],
        None => inspector.queue_names().await?,
    };
    let meaning = |job: &JobSummary| format!("{} in {}", job.state, job.queue);
    // All at once: what counts is the time of one answer, not the number of questions.
    let of_state = |state| queues.iter().map(move |queue| (queue, std::slice::from_ref(state)));
    let asks: Vec<_> = states.iter().flat_map(of_state).collect();
    let asks: Vec<_> = asks.into_iter().map(|(queue, state)| inspector.jobs(queue, state, 0, JOBS)).collect();
    let mut pages = stream::iter(asks).buffered(LISTS_AT_ONCE);
    while let Some(page) = pages.next().await {
        let page = page?;
        let fits = page.items.iter().filter(|job| job.id.as_str().starts_with(place.typed()));
        fits.for_each(|job| add(job.id.as_str(), meaning(job)));
    }
    Ok(())
}
