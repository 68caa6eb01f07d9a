//! Looks at where the jobs of a queue are, and has a lane for each place: new ones come, those that the queue has left go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Error, Result};
use crate::job::{Layout, Partition};
use crate::mover;
use crate::worker::crew::Newcomer;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;
use crate::worker::track::Track;

/// How often it looks, at least: a place where nothing is fetched tells of no change.
const LOOK: Duration = Duration::from_secs(5);
/// How long it waits to hear whether a place that the queue has left is empty.
const ANSWER: Duration = Duration::from_secs(1);
/// What answers does not wait longer at the start for what does not.
const LATECOMERS: Duration = Duration::from_secs(2);

/// What a queue or a place is introduced with.
enum Step {
    /// The places of a queue are known; these are new.
    Known(Vec<Arc<Lane>>),
    /// A place may be fetched.
    Introduced,
    /// The queue is on the list of queues.
    Listed,
}

/// Makes the queues known, with the settings of the profile file where nothing is set, and learns where their jobs are and
/// which services are down. What does not answer in time is left to the surveyors: in a cluster the node of one queue, or of
/// one place of it, may be away while the others are not.
pub(crate) async fn introduce(shared: &Arc<Shared>) -> Result<()> {
    let mut under_way = JoinSet::new();
    for track in &shared.tracks {
        let (shared, track) = (Arc::clone(shared), Arc::clone(track));
        under_way.spawn(async move {
            begin(&shared, &track).await?;
            Ok(Step::Known(track.lineup().lanes.clone()))
        });
    }
    let mut introduced = false;
    while !introduced && let Some(came) = under_way.join_next().await {
        introduced = go_on(shared, &mut under_way, came)?;
    }
    if let Ok(Err(error)) = timeout(LATECOMERS, shared.breakers.look()).await {
        shared.alert(|| format!("the breakers could not be read: {error}"));
    }
    let until = Instant::now() + LATECOMERS;
    while let Ok(Some(came)) = timeout_at(until, under_way.join_next()).await {
        go_on(shared, &mut under_way, came)?;
    }
    Ok(())
}

/// Begins what follows a step. Whether a place may be fetched now.
fn go_on(
    shared: &Arc<Shared>,
    under_way: &mut JoinSet<Result<Step>>,
    came: Result<Result<Step>, JoinError>,
) -> Result<bool> {
    match came.unwrap_or_else(broken)? {
        Step::Known(lanes) => {
            let queue = lanes.first().map(|lane| lane.craft.queue.clone());
            for lane in lanes {
                let shared = Arc::clone(shared);
                under_way.spawn(async move { open(&shared, &lane).await.map(|()| Step::Introduced) });
            }
            if let Some(queue) = queue {
                let shared = Arc::clone(shared);
                under_way.spawn(async move { shared.store.register(&queue).await.map(|_| Step::Listed) });
            }
            Ok(false)
        }
        Step::Introduced => Ok(true),
        Step::Listed => Ok(false),
    }
}

fn broken<T>(error: JoinError) -> Result<T> {
    Err(Error::internal(format!("a queue could not be introduced: {error}")))
}

/// Asks a queue for the first time.
async fn begin(shared: &Shared, track: &Track) -> Result<()> {
    let home = shared.store.keys(&track.craft.queue);
    shared.store.check_layout(&home).await?;
    if let Some(defaults) = shared.client.config().queues.get(&track.craft.queue) {
        mover::set_defaults(&shared.store, &home, defaults).await?;
    }
    look(shared, track).await
}

/// Lets a place be fetched.
async fn open(shared: &Shared, lane: &Lane) -> Result<()> {
    // The queue's own was asked when the queue was.
    if !lane.place.is_whole() {
        shared.store.check_layout(&lane.keys).await?;
    }
    lane.introduced.store(true, Ordering::Release);
    shared.room(lane);
    Ok(())
}

/// Has a lane for each place of a queue, as it says now. A place that it has left is worked on for as long as it holds jobs.
async fn look(shared: &Shared, track: &Track) -> Result<()> {
    let layout = shared.store.layout(&track.craft.queue).await?;
    let stays = |lane: &Arc<Lane>| layout.places().any(|place| place == lane.place);
    line_up(shared, track, layout);
    for lane in track.lineup().lanes.iter().filter(|lane| !stays(lane) && !lane.is_leaving()) {
        if let Ok(false) = timeout(ANSWER, shared.store.holds_jobs(&lane.keys)).await.unwrap_or(Ok(true)) {
            lane.leave();
        }
    }
    Ok(())
}

/// All at once, so that no lane has actors that nobody would end.
fn line_up(shared: &Shared, track: &Track, layout: Layout) {
    let before = track.lineup();
    let mut lanes: Vec<Arc<Lane>> = Vec::new();
    for place in layout.places() {
        if lanes.iter().any(|lane| lane.place == place) {
            continue;
        }
        if let Some(lane) = before.at(place) {
            lanes.push(lane);
            continue;
        }
        let keys = shared.store.partition_keys(&track.craft.queue, place);
        let newcomer = Newcomer::new((keys, place), &track.craft, [&shared.stop, &shared.closed, &shared.ended]);
        lanes.push(Arc::clone(&newcomer.lane));
        // Before anything is fetched there: what ends needs somebody to tell of it.
        let _ = shared.newcomers.send(newcomer);
    }
    for lane in before.lanes.iter().filter(|lane| !lane.is_gone() && layout.places().all(|place| place != lane.place)) {
        // At the very start nothing was asked or promised there yet.
        if shared.has_begun() {
            lanes.push(Arc::clone(lane));
        } else {
            lane.gone();
        }
    }
    track.set_layout(layout);
    if !before.has(&lanes) {
        track.line_up(lanes);
        if let Some(pool) = shared.pool_of(track) {
            pool.change();
        }
    }
}

/// Looks again and again, and at once when a lane sees that the settings have changed.
pub(crate) async fn survey(shared: Arc<Shared>, track: Arc<Track>) {
    let (mut opening, mut places) = (JoinSet::new(), Vec::new());
    // It was looked at just now, unless it did not answer in time.
    let mut looked = track.layout().is_some();
    while !shared.stop.is_cancelled() {
        if !looked {
            let outcome = shared.stop.run_until_cancelled(async {
                if track.layout().is_none() { begin(&shared, &track).await } else { look(&shared, &track).await }
            });
            if let Some(Err(error)) = outcome.await {
                let known = track.layout().is_some();
                let what =
                    if known { "the partitions of a queue are not known anew" } else { "a queue is not worked on" };
                shared.warn_seldom(&error, what);
            }
        }
        looked = false;
        let known = track.layout().is_some();
        for lane in track.lineup().lanes.iter().filter(|lane| known && lane.is_new()) {
            if !places.contains(&lane.place) {
                places.push(lane.place);
                let (shared, lane) = (Arc::clone(&shared), Arc::clone(lane));
                opening.spawn(async move { (lane.place, open(&shared, &lane).await) });
            }
        }
        let next = Instant::now() + LOOK.mul_f64(1.0 - 0.1 * shared.random());
        while let Some((place, outcome)) = opened(&shared, &track, &mut opening, next).await {
            places.retain(|other| *other != place);
            if let Err(error) = outcome {
                shared.alert(|| format!("a queue is not worked on: {error}"));
            }
        }
    }
}

/// The next place that was opened, until it is time to look again.
async fn opened(
    shared: &Shared,
    track: &Track,
    opening: &mut JoinSet<(Partition, Result<()>)>,
    next: Instant,
) -> Option<(Partition, Result<()>)> {
    tokio::select! {
        () = shared.stop.cancelled() => None,
        Some(came) = opening.join_next() => match came {
            Ok(came) => Some(came),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        },
        () = track.craft.look.notified() => None,
        () = tokio::time::sleep_until(next) => None,
    }
}
