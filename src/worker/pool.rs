//! The pool of slots that queues share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::worker::lane::Lane;
use crate::worker::table::Load;
use crate::worker::track::Track;
use crate::worker::turns::Turns;

/// Slots that one or more queues share.
pub(crate) struct Pool {
    pub tracks: Vec<Arc<Track>>,
    pub slots: usize,
    /// Slots at work.
    pub running: AtomicUsize,
    /// Wakes slots: there is a job.
    pub job: Notify,
    /// Wakes the fetcher: there is room.
    pub room: Notify,
    /// How often lanes have come or gone.
    changes: watch::Sender<u64>,
    /// When the fetcher last began a round.
    turned_at: Mutex<Instant>,
    weights: Vec<u32>,
    /// In which order queues are fetched.
    fetches: Turns,
    /// In which order queues give jobs to the slots.
    starts: Turns,
}

/// What the lanes of a pool hold, looked at once for many questions.
pub(crate) struct Burden {
    /// Slots with nothing to do.
    idle: usize,
    /// Slots that jobs wait for which are there.
    spoken_for: usize,
    /// What each queue holds.
    queues: Vec<Load>,
}

impl Pool {
    /// `weights`: how jobs are shared among the queues while all have some.
    pub(crate) fn new(tracks: Vec<Arc<Track>>, slots: usize, weights: &[u32]) -> Self {
        Self {
            tracks,
            slots,
            running: AtomicUsize::new(0),
            job: Notify::new(),
            room: Notify::new(),
            changes: watch::Sender::new(0),
            turned_at: Mutex::new(Instant::now()),
            weights: weights.to_vec(),
            fetches: Turns::new(weights),
            starts: Turns::new(weights),
        }
    }

    /// The fetcher begins a round.
    pub(crate) fn turn(&self) {
        *self.turned_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long ago the fetcher last began a round.
    pub(crate) fn since_turn(&self) -> Duration {
        self.turned_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Lanes of one of its queues have come or gone.
    pub(crate) fn change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
        self.room.notify_one();
    }

    /// How often lanes have come or gone.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Its lanes now, in no order that means anything.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.tracks.iter().flat_map(|track| track.lineup().lanes.clone()).collect()
    }

    /// Its lanes and the numbers of their queues, in the order in which they are to be fetched: of the queue whose turn it is
    /// all lanes, then those of the next.
    pub(crate) fn order(&self) -> Vec<(usize, Arc<Lane>)> {
        let mut order = Vec::new();
        for index in self.fetches.order() {
            let lineup = self.tracks[index].lineup();
            order.extend(lineup.order().map(|lane| (index, Arc::clone(lane))));
        }
        order
    }

    /// The number of the queue of a lane.
    pub(crate) fn queue_of(&self, lane: &Lane) -> Option<usize> {
        self.tracks.iter().position(|track| track.is_of(lane))
    }

    /// A fetch of a lane has brought so many jobs.
    pub(crate) fn brought(&self, lane: &Lane, jobs: usize) {
        if let Some(index) = self.queue_of(lane).filter(|_| jobs > 0) {
            self.fetches.served(index, jobs);
            self.tracks[index].lineup().brought(lane, jobs);
        }
    }

    /// The first thing that `find` finds in a lane, asked in their turns; it tells how many jobs that takes.
    pub(crate) fn first<T>(&self, mut find: impl FnMut(&Arc<Lane>) -> Option<(T, usize)>) -> Option<T> {
        self.starts.order().into_iter().find_map(|index| {
            let (found, jobs) = self.tracks[index].lineup().first(&mut find)?;
            self.starts.served(index, jobs);
            Some(found)
        })
    }

    /// How many jobs of a lane may be claimed ahead: the share of its queue of what the slots finish among the queues that
    /// have work, and no more than keeps it beside them. What is claimed is started, so more would be more than its share.
    fn ahead(&self, own: usize, lane: &Lane) -> usize {
        let all = lane.ahead(self.slots);
        let gives = |lane: &Arc<Lane>| lane.gives.load(Ordering::Acquire);
        let has_work = |index: &usize| *index != own && self.tracks[*index].lineup().lanes.iter().any(gives);
        let rivals: Vec<_> = (0..self.tracks.len()).filter(has_work).collect();
        if rivals.is_empty() {
            return all;
        }
        // What is late, on its way or to be asked for, is made up for in both.
        self.starts.owe(all);
        self.fetches.owe(all);
        let weight = |index: usize| self.weights[index] as usize;
        let sum = weight(own) + rivals.iter().map(|rival| weight(*rival)).sum::<usize>();
        (all * weight(own) / sum).min(self.fetches.lead(own, &rivals, all / sum))
    }

    /// Slots with nothing to do.
    fn idle(&self) -> usize {
        self.slots.saturating_sub(self.running.load(Ordering::Acquire))
    }

    /// What its lanes hold now.
    pub(crate) fn burden(&self) -> Burden {
        let mut spoken_for = 0;
        let queue = |track: &Arc<Track>| {
            track.lineup().lanes.iter().fold(Load::default(), |sum, lane| {
                let load = lane.table.load();
                spoken_for += load.ready.div_ceil(lane.unit());
                sum + load
            })
        };
        let queues = self.tracks.iter().map(queue).collect();
        Burden { idle: self.idle(), spoken_for, queues }
    }

    /// How many jobs of a lane may be claimed for slots that are idle, and how many ahead of those at work.
    pub(crate) fn wanted(&self, burden: &Burden, own: usize, lane: &Lane) -> (usize, usize) {
        let (unit, ready) = (lane.unit(), lane.table.load().ready);
        // What waits for a batch to fill takes its own places only.
        let idle = burden.idle.saturating_sub(burden.spoken_for.saturating_sub(ready.div_ceil(unit)));
        let slots = (idle * unit).saturating_sub(ready);
        // What is claimed ahead is for the slots of the queue, from whichever of its places it came.
        let (all, ahead) = (burden.queues[own], self.ahead(own, lane));
        // Ends that Redis has not confirmed count too, so that a worker that cannot acknowledge stops fetching.
        if all.held > self.slots * unit + 3 * ahead.max(1) {
            return (0, 0);
        }
        let over = all.ready.saturating_sub(burden.idle * unit);
        if slots == 0 && over * 2 > ahead {
            return (0, 0);
        }
        (slots, ahead.saturating_sub(over))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::job::{Partition, Partitions, QueueName};
    use crate::processor::{JobContext, Outcome, ProcessError, Processor, Registry};
    use crate::store::QueueKeys;
    use crate::worker::craft::Craft;
    use crate::worker::lane::Ends;

    struct Idle;

    impl Processor for Idle {
        type Payload = serde_json::Value;

        async fn process(&self, _: Self::Payload, _: &JobContext) -> Result<Outcome, ProcessError> {
            Ok(Outcome::done())
        }
    }

    fn craft(queue: &str) -> Arc<Craft> {
        let (queue, mut registry) = (QueueName::new(queue).unwrap(), Registry::new());
        registry.register(queue.clone(), Idle);
        let craft = Craft::new(queue.clone(), registry.get(&queue).unwrap().clone());
        craft.ran(Duration::from_micros(1));
        Arc::new(craft)
    }

    fn lane(craft: &Arc<Craft>, place: Partition) -> Arc<Lane> {
        let [keepers, finisher, beat] = [(); 3].map(|()| CancellationToken::new());
        let keys = QueueKeys::of_partition("p:", &craft.queue, place);
        let ends = Ends { keepers, finisher, beat };
        let lane = Lane::new((keys, place), Arc::clone(craft), mpsc::channel(1).0, ends);
        lane.gives.store(true, Ordering::Release);
        Arc::new(lane)
    }

    /// A queue of so many places.
    fn track(queue: &str, places: u16) -> Arc<Track> {
        let craft = craft(queue);
        let lanes: Vec<_> = Partitions::new(places).unwrap().each().map(|place| lane(&craft, place)).collect();
        let track = Track::new(craft, Arc::clone(&lanes[0]));
        track.line_up(lanes);
        Arc::new(track)
    }

    #[test]
    fn a_queue_that_is_asked_late_has_its_share_when_it_is() {
        let pool = Pool::new(vec![track("a", 1), track("b", 1)], 4, &[3, 1]);
        let lanes = pool.lanes();
        let (a, b) = (&lanes[0], &lanes[1]);
        assert_eq!((pool.ahead(0, a), pool.ahead(1, b)), (375, 125));
        // Twice as much as it was to get, since its rival's answer was late, and some for slots that had nothing else.
        [125, 125, 4].into_iter().for_each(|jobs| pool.brought(b, jobs));
        pool.brought(a, 375);
        assert_eq!((pool.ahead(0, a), pool.ahead(1, b)), (375, 0), "two of three parts are still to come");
        pool.brought(a, 375);
        let order: Vec<_> = pool.order().into_iter().map(|(index, _)| index).collect();
        assert_eq!(order, [0, 1]);
    }

    #[test]
    fn a_queue_has_its_share_however_many_places_it_has() {
        let pool = Pool::new(vec![track("a", 8), track("b", 1)], 4, &[1, 1]);
        let mut given = [0, 0];
        for _ in 0..400 {
            let (queue, lane) = pool.order().swap_remove(0);
            pool.brought(&lane, 1);
            given[queue] += 1;
        }
        assert_eq!(given, [200, 200]);
        assert!(pool.lanes().iter().all(|lane| pool.wanted(&pool.burden(), pool.queue_of(lane).unwrap(), lane).1 > 0));
    }

    #[test]
    fn the_places_of_a_queue_take_turns() {
        let pool = Pool::new(vec![track("a", 8)], 4, &[1]);
        let mut given = [0; 8];
        for round in 0..800 {
            // The first two have nothing at the beginning: they get no more than their share afterwards.
            let order = pool.order();
            let of = |lane: &Arc<Lane>| pool.lanes().iter().position(|other| Arc::ptr_eq(other, lane)).unwrap();
            let place = order.iter().map(|(_, lane)| of(lane)).find(|place| round >= 200 || *place > 1).unwrap();
            pool.brought(&pool.lanes()[place], 1);
            given[place] += 1;
        }
        assert!(given[..2].iter().all(|jobs| (75..=95).contains(jobs)), "{given:?}");
        assert!(given[2..].iter().all(|jobs| (100..=115).contains(jobs)), "{given:?}");
    }

    #[test]
    fn what_one_place_has_given_is_counted_for_all() {
        let track = track("a", 8);
        let pool = Pool::new(vec![Arc::clone(&track)], 4, &[1]);
        let lanes = pool.lanes();
        assert_eq!(pool.wanted(&pool.burden(), 0, &lanes[0]), (4, 500));
        lanes[3].table.admit((0..504).map(|n| claimed(&format!("job-{n}"))).collect());
        // The slots are spoken for, and enough is claimed ahead of them.
        assert_eq!(pool.wanted(&pool.burden(), 0, &lanes[0]), (0, 0));
        let first = |find: fn(&Arc<Lane>) -> Option<(String, usize)>| track.lineup().first(find);
        let started = first(|lane| Some((lane.table.start()?.0.id.to_string(), 1)));
        assert_eq!(started.map(|(id, _)| id).as_deref(), Some("job-0"), "who has no job is not asked for one");
    }

    fn claimed(id: &str) -> crate::store::Claimed {
        crate::store::Claimed {
            id: crate::job::JobId::new(id).unwrap(),
            claim: "7|2:1|1|worker||".into(),
            record: String::new(),
            history: String::new(),
            crashes: 0,
        }
    }
}
