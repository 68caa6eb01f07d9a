//! Keeps the lease, on a thread, a runtime and a connection of its own that no processor can hold up.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::job::JobId;
use crate::store::{Claimed, End, Settled, Standing, Store};
use crate::worker::lane::Lane;
use crate::worker::progress::{Teller, pass_on};
use crate::worker::shared::Shared;
use crate::worker::silence::{tell_of_places, tell_of_silence};
use crate::worker::vitals::Pulse;

/// What stands before the claim of a cancelled job.
const CANCELLED: &str = "cancelled|";
/// Claims named in one call.
const PAGE: usize = 1_000;
/// What the worker says of itself is said again this often.
const ANNOUNCE: Duration = Duration::from_secs(5);
/// A runtime that processors have blocked for so many leases is given up.
const STALL_LEASES: u32 = 2;
/// While anything is held, jobs that wait for a slot are looked for this often.
const TICK: Duration = Duration::from_millis(50);

/// Without a fetch, a lease is renewed this often: less would look like a gap.
const RENEW: Duration = Duration::from_secs(2);
/// How often the runtime of the processors is looked at, and how late that may be.
const LOOK: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_secs(1);

/// Runs until the worker has ended its last job. Each of the `lanes` that come has its own beat: the server of another may be
/// away.
pub(crate) async fn heartbeat(shared: Arc<Shared>, store: Store, mut lanes: mpsc::UnboundedReceiver<Arc<Lane>>) {
    let beats = async {
        let mut beats = JoinSet::new();
        while !shared.ended.is_cancelled() {
            tokio::select! {
                () = shared.ended.cancelled() => {}
                Some(lane) = lanes.recv() => {
                    beats.spawn(beat(Arc::clone(&shared), store.clone(), lane));
                }
                Some(over) = beats.join_next() => {
                    if let Err(error) = over && error.is_panic() {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
            }
        }
    };
    tokio::join!(judge(&shared, &store), announce(&shared, &store), beats);
}

/// Judges whether processors block the threads of their runtime, and whether Redis is gone. Only looks that came on time
/// count: where the whole process had no turn, nobody is to blame.
async fn judge(shared: &Shared, store: &Store) {
    let mut lost = None;
    let (mut answers, mut unanswered) = (store.connection.answers(), Duration::ZERO);
    while !shared.ended.is_cancelled() {
        let before = Instant::now();
        tokio::time::sleep(LOOK).await;
        if before.elapsed() > LOOK + LATE {
            shared.tick();
            continue;
        }
        tell_of_silence(shared, &mut lost);
        if store.connection.is_cluster() {
            tell_of_places(shared);
        }
        // This connection is asked something every few seconds.
        let heard = std::mem::replace(&mut answers, store.connection.answers());
        unanswered = if heard == answers { unanswered + before.elapsed() } else { Duration::ZERO };
        if shared.give_up_after.is_some_and(|limit| unanswered >= limit) && !shared.silenced.is_cancelled() {
            shared.alert(|| format!("redis gave no answer for {} s: the worker ends", unanswered.as_secs()));
            shared.silenced.cancel();
            shared.stop.cancel();
        }
        let stall = shared.stall();
        shared.set_stalled(stall > shared.lease);
        if stall > shared.lease * STALL_LEASES {
            shared.stalled.cancel();
        }
    }
}

/// Says again and again what the worker is.
async fn announce(shared: &Shared, store: &Store) {
    let mut pulse = Pulse::begin();
    while !shared.ended.is_cancelled() {
        if let Err(error) = store.announce(&shared.about(pulse.read())).await {
            shared.warn_seldom(&error, "the worker could not announce itself");
        }
        tokio::select! {
            () = shared.ended.cancelled() => {}
            () = tokio::time::sleep(ANNOUNCE) => {}
        }
    }
}

/// Keeps the lease in one place of a queue, for as long as the worker and its lane there last.
async fn beat(shared: Arc<Shared>, store: Store, lane: Arc<Lane>) {
    let (shared, store, lane) = (&*shared, &store, &*lane);
    let (mut surplus, mut teller, mut renewed) = (0, Teller::default(), Instant::now());
    while !lane.is_gone() {
        if lane.is_left() && take_leave(shared, store, lane).await {
            return;
        }
        let held = lane.table.load().held;
        let busy = if held > 0 { Duration::from_secs(1) } else { shared.lease };
        let due = renewed.elapsed() >= busy.min(shared.lease / 3) || lane.silence() >= RENEW;
        if due && !shared.is_stalled() {
            renewed = Instant::now();
            match renew(shared, store, lane, &mut surplus).await {
                Ok(()) => lane.heard(),
                Err(error) => shared.warn_seldom(&error, "the lease could not be renewed"),
            }
        }
        if due {
            if let Err(error) = teller.tell(store, lane, shared.lease).await {
                shared.warn_seldom(&error, "how far jobs are could not be told");
            }
            if let Err(error) = pass_on(store, lane).await {
                shared.warn_seldom(&error, "what jobs say could not be written yet");
            }
        }
        release_waiting(shared, store, lane).await;
        let until_beat = busy.min(shared.lease / 3).saturating_sub(renewed.elapsed());
        let until_beat = until_beat.min(RENEW.saturating_sub(lane.silence()));
        let pause = if lane.table.load().held > 0 { TICK } else { until_beat };
        tokio::select! {
            () = lane.ends.beat.cancelled() => {}
            () = tokio::time::sleep(pause.max(Duration::from_millis(1))) => {}
            // The first claims after a pause: the next beat is no longer a third of a lease away.
            () = lane.beat.notified(), if held == 0 => {}
        }
    }
}

/// Gives up the lease in a place that the queue has left. The heart does so, since nobody else takes it up again. Whether it is
/// given up; not while Redis counts claims that no answer told of.
async fn take_leave(shared: &Shared, store: &Store, lane: &Lane) -> bool {
    match store.sign_off(&lane.keys, &shared.worker).await {
        Ok(true) => {
            lane.gone();
            true
        }
        Ok(false) => false,
        Err(error) => {
            shared.warn_seldom(&error, "a partition that is no more could not be left");
            false
        }
    }
}

/// One beat for one lane: names the claims, stops what is no longer this worker's.
async fn renew(shared: &Shared, store: &Store, lane: &Lane, surplus: &mut u32) -> Result<()> {
    // Without a fetch under way, what Redis counts cannot be more than what the table holds.
    let before = lane.fetches.at_rest();
    let claims = lane.table.claims();
    let mut counted = 0;
    // At least one call, to extend the lease where nothing is held.
    for page in claims.chunks(PAGE).chain(std::iter::repeat_n(&[][..], usize::from(claims.is_empty()))) {
        let (count, others) = store.renew(&lane.keys, &shared.worker, shared.lease_ms(), page).await?;
        counted = count;
        for (index, standing) in others {
            let Some((id, claim)) = page.get(index) else { continue };
            if let Some(unstarted) = lane.table.revoke(id, claim, standing) {
                give_back(shared, store, lane, unstarted, standing).await?;
            }
        }
    }
    if before.is_some() && before == lane.fetches.at_rest() {
        *surplus = if counted > claims.len() as u64 { *surplus + 1 } else { 0 };
        if *surplus >= 2 {
            *surplus = 0;
            release_unknown(shared, store, lane, before).await?;
        }
    }
    Ok(())
}

/// A claimed job that had not started and is not this worker's any more.
async fn give_back(shared: &Shared, store: &Store, lane: &Lane, job: Claimed, standing: Standing) -> Result<()> {
    // First: whatever comes of the call, a later beat finds what Redis still counts.
    lane.table.gone(std::iter::once((&job.id, &*job.claim)));
    if standing == Standing::Cancelled {
        store.end(&lane.keys, &shared.worker, &[(&job.id, &job.claim, End::Cancelled)]).await?;
        shared.emit(|| Event::of_job(EventKind::Cancelled, lane.keys.queue(), &job.id));
    } else {
        shared.emit(|| Event::of_job(EventKind::LeaseLost, lane.keys.queue(), &job.id));
    }
    Ok(())
}

/// Gives back what has waited for a slot for too long, with all that was claimed behind it. No fetch may come between, or
/// what it brings would overtake them.
async fn release_waiting(shared: &Shared, store: &Store, lane: &Lane) {
    let patience = lane.craft.patience();
    let Some(waits) = lane.table.waits_since().filter(|waits| *waits >= patience) else { return };
    let held_back = lane.hold_back();
    // An answer that takes long is not waited for.
    if held_back.is_none() && waits < patience * 2 {
        return;
    }
    let stalled = lane.table.take_unstarted(patience);
    if stalled.is_empty() {
        return;
    }
    lane.craft.stalled();
    release(shared, store, lane, stalled).await;
    drop(held_back);
    shared.room(lane);
}

/// Gives jobs back to their old place in line.
pub(crate) async fn release(shared: &Shared, store: &Store, lane: &Lane, jobs: Vec<Claimed>) {
    for page in jobs.chunks(PAGE) {
        let ends: Vec<_> = page.iter().map(|job| (&job.id, &*job.claim, End::Release)).collect();
        match store.end(&lane.keys, &shared.worker, &ends).await {
            Ok(settled) => released(shared, store, lane, page, &settled).await,
            // What Redis still counts and the table no longer holds is released by a later beat.
            Err(error) => shared.warn_seldom(&error, "unstarted jobs could not be given back"),
        }
        shared.give_back(page.len());
        lane.table.gone(page.iter().map(|job| (&job.id, &*job.claim)));
    }
    if !jobs.is_empty() {
        shared.room(lane);
    }
}

/// Redis counts more claims than this worker knows of: an answer was lost for good. Releases what bears its name and is
/// not in its table.
async fn release_unknown(shared: &Shared, store: &Store, lane: &Lane, before: Option<u64>) -> Result<()> {
    let (mut cursor, mut unknown) = (0, Vec::new());
    let own = format!("|{}|", shared.worker);
    loop {
        let (next, page) = store.active_page(&lane.keys, cursor).await?;
        unknown.extend(page.into_iter().filter(|(_, claim)| claim.contains(&own)));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let known: HashSet<(JobId, Arc<str>)> = lane.table.claims().into_iter().collect();
    // A fetch that came between may have brought what looks unknown.
    if lane.fetches.at_rest() != before {
        return Ok(());
    }
    unknown.retain(|(id, claim)| !known.contains(&(id.clone(), Arc::from(claim.trim_start_matches(CANCELLED)))));
    let (cancelled, lost): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|(_, claim)| claim.starts_with(CANCELLED));
    for page in lost.chunks(PAGE) {
        let queue = lane.keys.queue();
        shared.alert(|| format!("releasing {} claims of queue {queue} that no answer told of", page.len()));
        let ends: Vec<_> = page.iter().map(|(id, claim)| (id, claim.as_str(), End::Release)).collect();
        store.end(&lane.keys, &shared.worker, &ends).await?;
    }
    for page in cancelled.chunks(PAGE) {
        let claim = |marked: &'static str, claim: &str| claim.trim_start_matches(marked).to_owned();
        let bare: Vec<_> = page.iter().map(|(id, marked)| (id, claim(CANCELLED, marked))).collect();
        let ends: Vec<_> = bare.iter().map(|(id, claim)| (*id, claim.as_str(), End::Cancelled)).collect();
        store.end(&lane.keys, &shared.worker, &ends).await?;
    }
    Ok(())
}

/// Tells of released jobs, and acknowledges those that an operator had cancelled before they started.
async fn released(shared: &Shared, store: &Store, lane: &Lane, page: &[Claimed], settled: &Settled) {
    let standing =
        |index: usize| settled.others.iter().find(|(other, _)| *other == index).map(|(_, standing)| *standing);
    let mut cancelled = Vec::new();
    for (index, job) in page.iter().enumerate() {
        match standing(index) {
            Some(Standing::Cancelled) => cancelled.push((&job.id, &*job.claim, End::Cancelled)),
            Some(Standing::Taken) => {}
            Some(Standing::Gone) | None => {
                shared.released.fetch_add(1, Ordering::Relaxed);
                shared.emit(|| Event::of_job(EventKind::Released, lane.keys.queue(), &job.id));
            }
        }
    }
    if cancelled.is_empty() {
        return;
    }
    match store.end(&lane.keys, &shared.worker, &cancelled).await {
        Ok(_) => {
            for (id, ..) in &cancelled {
                shared.emit(|| Event::of_job(EventKind::Cancelled, lane.keys.queue(), id));
            }
        }
        Err(error) => shared.warn_seldom(&error, "cancelled jobs could not be acknowledged"),
    }
}
