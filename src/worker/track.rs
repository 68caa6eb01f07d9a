//! The lanes of a queue: one for each of its places, as they are now.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::job::{Layout, Partition};
use crate::worker::craft::Craft;
use crate::worker::lane::Lane;
use crate::worker::turns::Turns;

/// A queue of a worker. Its lanes come and go with its places; all else stays.
pub(crate) struct Track {
    pub craft: Arc<Craft>,
    lineup: RwLock<Arc<Lineup>>,
    /// Where its jobs are, as far as the worker knows; `None` before it has asked.
    layout: Mutex<Option<Layout>>,
}

/// The lanes of a queue for as long as none comes or goes. Those who work read it once a round.
pub(crate) struct Lineup {
    pub lanes: Vec<Arc<Lane>>,
    /// In which order they are fetched.
    fetches: Turns,
    /// In which order they give jobs to the slots.
    starts: Turns,
}

impl Track {
    pub(crate) fn new(craft: Arc<Craft>, lane: Arc<Lane>) -> Self {
        let lineup = RwLock::new(Arc::new(Lineup::new(vec![lane])));
        Self { craft, lineup, layout: Mutex::default() }
    }

    /// Its lanes now. There is always one.
    pub(crate) fn lineup(&self) -> Arc<Lineup> {
        Arc::clone(&self.lineup.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn line_up(&self, lanes: Vec<Arc<Lane>>) {
        *self.lineup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Lineup::new(lanes));
    }

    /// Where its jobs are, when it was asked last.
    pub(crate) fn layout(&self) -> Option<Layout> {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_layout(&self, layout: Layout) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = Some(layout);
    }

    pub(crate) fn is_of(&self, lane: &Lane) -> bool {
        Arc::ptr_eq(&self.craft, &lane.craft)
    }
}

impl Lineup {
    fn new(lanes: Vec<Arc<Lane>>) -> Self {
        let turns = || Turns::new(&vec![1; lanes.len()]);
        Self { fetches: turns(), starts: turns(), lanes }
    }

    /// The lane of a place.
    pub(crate) fn at(&self, place: Partition) -> Option<Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.place == place && !lane.is_gone()).cloned()
    }

    /// Whether it is of these lanes, in this order.
    pub(crate) fn has(&self, lanes: &[Arc<Lane>]) -> bool {
        self.lanes.len() == lanes.len() && self.lanes.iter().zip(lanes).all(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// Its lanes, the one first whose turn it is to be fetched.
    pub(crate) fn order(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.fetches.order().into_iter().map(|index| &self.lanes[index])
    }

    /// A lane has brought so many jobs.
    pub(crate) fn brought(&self, lane: &Lane, jobs: usize) {
        // A late answer may be of a lane that is gone.
        if let Some(index) = self.lanes.iter().position(|other| std::ptr::eq(&**other, lane)) {
            self.fetches.served(index, jobs);
        }
    }

    /// The first thing that `find` finds in a lane with jobs that wait, asked in their turns; it tells how many jobs that
    /// takes.
    pub(crate) fn first<T>(&self, mut find: impl FnMut(&Arc<Lane>) -> Option<(T, usize)>) -> Option<(T, usize)> {
        if let [lane] = &self.lanes[..] {
            return find(lane);
        }
        let waiting = self.starts.order_of(|index| self.lanes[index].table.has_ready());
        waiting.into_iter().find_map(|index| {
            let (found, jobs) = find(&self.lanes[index])?;
            self.starts.served(index, jobs);
            Some((found, jobs))
        })
    }
}
