//! Tells when Redis falls silent and when it is back: as a whole, and in a cluster for single queues and partitions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::event::{Event, EventKind};
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// A silence of Redis is told of when it is this long.
const LOST: Duration = Duration::from_secs(5);

/// Tells when Redis falls silent, and when it is back.
pub(crate) fn tell_of_silence(shared: &Shared, lost: &mut Option<Instant>) {
    let silence = shared.silence();
    match lost {
        None if silence >= LOST => {
            *lost = Instant::now().checked_sub(silence);
            let event = Event { duration: Some(silence), ..Event::new(EventKind::RedisLost) };
            shared.emit(|| event.message("redis does not answer; jobs that run go on, and nothing new is taken"));
        }
        Some(since) if silence < LOST => {
            let event = Event { duration: Some(since.elapsed()), ..Event::new(EventKind::RedisBack) };
            shared.emit(|| event.message("redis answers again"));
            *lost = None;
        }
        _ => {}
    }
}

/// Tells of queues, and of partitions of them, whose node is silent while others answer.
pub(crate) fn tell_of_places(shared: &Shared) {
    let some_answer = shared.silence() < LOST;
    for track in &shared.tracks {
        let lineup = track.lineup();
        for silent in [true, false] {
            let turned = |lane: &&Arc<Lane>| {
                (lane.silence() >= LOST) == silent && lane.told_silent.load(Ordering::Relaxed) != silent
            };
            let turned: Vec<_> = lineup.lanes.iter().filter(turned).collect();
            if turned.is_empty() || (silent && !some_answer) {
                continue;
            }
            turned.iter().for_each(|lane| lane.told_silent.store(silent, Ordering::Relaxed));
            shared.alert(|| match silent {
                true => format!("redis does not answer for {}; other jobs go on", called(&turned)),
                false => format!("redis answers for {} again", called(&turned)),
            });
        }
    }
}

/// Places of one queue as people call them: `queue email`, `partitions 2/8, 5/8 of queue email`.
fn called(lanes: &[&Arc<Lane>]) -> String {
    let Some(queue) = lanes.first().map(|lane| &lane.craft.queue) else { return String::new() };
    let places: Vec<_> = lanes.iter().map(|lane| lane.place).collect();
    match &places[..] {
        [place] if place.is_whole() => format!("queue {queue}"),
        [place] => format!("partition {place} of queue {queue}"),
        places => {
            let places: Vec<_> = places.iter().map(ToString::to_string).collect();
            format!("partitions {} of queue {queue}", places.join(", "))
        }
    }
}
