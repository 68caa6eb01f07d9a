//! Fires what is due in one queue: the step that workers and schedulers repeat.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::schedule::{Plan, Schedule};
use crate::store::{Appointment, Elsewhere, Fired, Firing, QueueKeys, Store, StoredSchedule};

/// Ticks that one round fires at most; the rest comes with the next.
const ROUND_MAX: usize = 500;

/// Fires every tick of a queue that has come, by the policies of its schedules, and tells of each. How long it is to the
/// next tick that is known; `None` where there is none.
///
/// Every script call compares the tick and the schedule with what was seen, so it does not matter how many do this at the
/// same time, nor where one of them stops.
///
/// # Errors
/// The first trouble with one schedule, when all others are fired: it is not readable (`Corrupt`), its queue is full
/// (`Full`); its tick waits. Whatever the connection says, at once.
pub(crate) async fn round(
    store: &Store,
    keys: &QueueKeys,
    by: &str,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Option<Duration>> {
    let (mut trouble, mut stuck, mut steps) = (None, BTreeSet::new(), 0);
    loop {
        let due = store.due(keys).await?;
        let before = steps;
        for seen in &due.schedules {
            if stuck.contains(&seen.name) {
                continue;
            }
            match fire(store, keys, (by, due.now_ms), seen).await {
                Ok(event) => {
                    steps += 1;
                    event.into_iter().for_each(tell);
                }
                // Its jobs are being moved: it is fired where it is moved to, or when all is there.
                Err(error) if error.kind() == ErrorKind::Moved => _ = stuck.insert(seen.name.clone()),
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Full) => {
                    trouble = trouble.or(Some(error));
                    stuck.insert(seen.name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        if steps == before || steps >= ROUND_MAX {
            let next_in = due.next_in_ms.map(Duration::from_millis);
            return trouble.map_or(Ok(next_in), Err);
        }
    }
}

/// Fires one tick; what there is to tell of it.
async fn fire(
    store: &Store,
    keys: &QueueKeys,
    (by, now_ms): (&str, i64),
    seen: &StoredSchedule,
) -> Result<Option<Event>> {
    let (queue, name) = (keys.queue(), &seen.name);
    let Some(tick_ms) = seen.next_ms else { return Ok(None) };
    if seen.text.is_empty() && store.schedule(keys, name).await?.1.is_none() {
        // A tick of nothing: a hand has removed the schedule alone.
        let gone =
            Appointment { name, revision: "", paused: false, moving: false, next_ms: None, word: "removed", text: "" };
        store.appoint(keys, by, gone).await?;
        return Ok(None);
    }
    let schedule = seen.schedule(queue)?;
    if seen.moving {
        return settle(store, keys, (by, now_ms), (seen, &schedule)).await.map(|()| None);
    }
    let plan = Plan::of(&schedule, tick_ms, now_ms);
    let job = plan.fire_ms.map(|fire_ms| schedule.job_of(fire_ms, now_ms));
    let firing = Firing {
        seen,
        tick_ms,
        next_ms: plan.next_ms,
        missed: plan.missed,
        overlap: schedule.overlaps().as_str(),
        job: job.as_ref(),
        elsewhere: Elsewhere::NotAsked,
    };
    let fired = match store.fire(keys, by, &firing).await {
        Err(error) if error.kind() == ErrorKind::Moved => {
            let elsewhere = ask_former(store, keys, &firing).await?;
            store.fire(keys, by, &Firing { elsewhere, ..firing }).await
        }
        fired => fired,
    };
    let outcome = match fired? {
        Fired::Done(outcome) => outcome,
        Fired::NotAsSeen => return Ok(None),
        Fired::Full => {
            let full = store.full(keys).await;
            let why = format!("schedule {name} of queue {queue} cannot enqueue its job: {full}; its tick waits");
            return Err(Error::new(ErrorKind::Full, why));
        }
    };
    let tick = DateTime::from_timestamp_millis(plan.fire_ms.unwrap_or(tick_ms)).unwrap_or_default();
    let tick = tick.to_rfc3339_opts(SecondsFormat::Secs, true);
    let missed = if plan.missed == 0 { String::new() } else { format!(", {} missed", plan.missed) };
    let message = match outcome.as_str() {
        "enqueued" => format!("schedule {name}, tick {tick}{missed}"),
        "missed" => format!("schedule {name}, nothing enqueued{missed}"),
        "overlapped" => format!("schedule {name}, tick {tick}: the job before is not done, nothing enqueued{missed}"),
        "held" => format!("schedule {name}, tick {tick}: another job holds the unique key, nothing enqueued{missed}"),
        _ => format!("schedule {name}, tick {tick}: its job was there already{missed}"),
    };
    let job = job.filter(|_| outcome == "enqueued").map(|job| job.job_id().clone());
    Ok(Some(Event { queue: Some(queue.clone()), job, ..Event::new(EventKind::Fired).message(message) }))
}

/// What the partition that is being left knows of the unique key of a tick's job; whoever holds the key while jobs are moved is
/// there, or on the way, or by then where the job is to go.
async fn ask_former(store: &Store, keys: &QueueKeys, firing: &Firing<'_>) -> Result<Elsewhere> {
    let (Some(job), Some(was)) = (firing.job, store.layout(keys.queue()).await?.was) else {
        return Ok(Elsewhere::NotAsked);
    };
    let former = store.partition_keys(keys.queue(), was.of(job.partition_key()));
    let known = store.known_at(&former, &[(job.job_id(), job.unique_key())]).await?;
    Ok(Elsewhere::Asked { was, held: known.iter().any(Option::is_some) })
}

/// Ends the move of a schedule to another partition that somebody began and did not end: where it is there it is removed here,
/// else it goes on here as it was.
async fn settle(
    store: &Store,
    keys: &QueueKeys,
    (by, now_ms): (&str, i64),
    (seen, schedule): (&StoredSchedule, &Schedule),
) -> Result<()> {
    let (queue, name) = (keys.queue(), seen.name.as_str());
    if store.layout(queue).await?.was.is_some() {
        return Err(Error::new(ErrorKind::Moved, "schedules are being moved to other partitions"));
    }
    let look = |other: QueueKeys| async move { Ok(store.schedule(&other, name).await?.1) };
    let found = store.ask_places(queue, look).await?;
    let is_there = found.into_iter().flatten().any(|other| other.is_newer_than(seen));
    let (revision, paused) = (seen.revision.as_str(), seen.paused && !is_there);
    let next_ms = schedule.next_after_ms(now_ms).filter(|_| !paused && !is_there);
    let (word, text) = if is_there { ("moved", "") } else { ("resumed", seen.text.as_str()) };
    let settled = Appointment { name, revision, paused, moving: false, next_ms, word, text };
    store.appoint(keys, by, settled).await.map(drop)
}
