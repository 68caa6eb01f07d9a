//! A walk over the jobs of a queue that a selection means, over all its places.

mod row;

use std::time::Duration;

use crate::error::Result;
use crate::job::{JobState, QueueName};
use crate::selection::{Candidate, Selection};
use crate::store::{Detail, Found, Key, PAGE_JOBS, QueueKeys, Spread, Standpoint, Store};
use row::Row;

/// Goes over the jobs that some sets held when it came to each, the lowest scores first, and stops for those that are
/// selected. All that it stops for at a time are in one set; where the queue has several partitions, those of all of them are
/// met in one order.
pub(crate) struct Walk<'a> {
    store: &'a Store,
    queue: &'a QueueName,
    spread: Spread,
    selection: &'a Selection,
    look: Look,
    /// The sets that are still before it, the next one last.
    sets: Vec<Key>,
    row: Option<Row>,
    /// How many are skipped of those that are selected.
    skip: u64,
    /// How many more may be selected.
    left: u64,
}

/// How a walk looks at jobs.
#[derive(Debug, Clone, Copy)]
struct Look {
    detail: Detail,
    /// Whether ended ones come the latest first.
    newest: bool,
    /// How many are looked at in one step, over all places.
    step: u64,
    /// When the walk began.
    began_ms: i64,
}

/// Jobs that a walk stops for, in their order, each with the number of its place.
pub(crate) struct Batch {
    /// The set that holds them.
    pub set: Key,
    jobs: Vec<(usize, Found)>,
}

impl Batch {
    /// The jobs of each place.
    pub(crate) fn by_place(self) -> Vec<(usize, Vec<Found>)> {
        let mut groups = Vec::<(usize, Vec<Found>)>::new();
        for (place, found) in self.jobs {
            match groups.iter_mut().find(|(known, _)| *known == place) {
                Some((_, group)) => group.push(found),
                None => groups.push((place, vec![found])),
            }
        }
        groups.sort_by_key(|(place, _)| *place);
        groups
    }
}

impl<'a> Walk<'a> {
    /// A walk over the jobs in these states, along a job's life where they are in that order.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub(crate) async fn begin(
        store: &'a Store,
        queue: &'a QueueName,
        (selection, states): (&'a Selection, &[JobState]),
        detail: Detail,
    ) -> Result<Self> {
        let spread = store.known_spread(queue).await?;
        let mut sets: Vec<Key> = states.iter().flat_map(|state| Key::of_state(*state)).copied().collect();
        sets.reverse();
        // What is selected by a payload cannot be told without it, nor can the priority of a job that has ended.
        let whole = selection.wants_payload() || !selection.priorities.is_empty();
        let detail = if whole { Detail::Whole } else { detail };
        let look = Look { detail, newest: false, step: PAGE_JOBS, began_ms: store.now_ms().await? };
        let left = selection.limit.unwrap_or(u64::MAX);
        Ok(Self { store, queue, spread, selection, look, sets, row: None, skip: 0, left })
    }

    /// The same, with ended jobs the latest first, and all that is stored of them.
    pub(crate) fn newest_first(mut self) -> Self {
        self.look.newest = true;
        self
    }

    /// The same; nobody wants to see more than so many.
    pub(crate) fn at_most(mut self, count: u64) -> Self {
        self.look.step = count.clamp(1, PAGE_JOBS);
        self
    }

    /// Skips so many of those that are selected, before it begins: without a look at them where all are.
    pub(crate) fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Where jobs of a batch are, by the number of the place.
    pub(crate) fn keys(&self, place: usize) -> &QueueKeys {
        &self.spread.places()[place]
    }

    /// Leaves so many of the jobs that it stopped for last in this place where they are, and goes on behind them.
    pub(crate) fn stay(&mut self, place: usize, count: u64) {
        if let Some(row) = &mut self.row {
            row.stay(place, count);
        }
    }

    /// The next jobs that are selected, all of which stay where they are; `None` when there are no more.
    pub(crate) async fn look(&mut self) -> Result<Option<Vec<Found>>> {
        let Some(batch) = self.next().await? else { return Ok(None) };
        let mut jobs = Vec::with_capacity(batch.jobs.len());
        for (place, found) in batch.jobs {
            self.stay(place, 1);
            jobs.push(found);
        }
        Ok(Some(jobs))
    }

    /// The next jobs that are selected; `None` when there are no more. Whoever leaves some of them where they are
    /// [says so](Walk::stay).
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>> {
        while self.left > 0 {
            let Some(row) = &mut self.row else {
                let Some(set) = self.sets.pop() else { return Ok(None) };
                self.row = self.enter(set).await?;
                continue;
            };
            let has_read = row.fill(self.store, &self.spread).await?;
            // The only place of a queue is left from its end: it is enough to ask there whether that has begun.
            let may_miss = has_read && self.spread.places().len() > 1;
            if (may_miss || row.is_over()) && self.has_changed().await? {
                continue;
            }
            let Some(row) = &mut self.row else { continue };
            let (set, mut jobs) = (row.set, Vec::new());
            while self.left > 0 && (jobs.len() as u64) < PAGE_JOBS {
                let Some((place, found)) = row.next() else { break };
                if !is_meant(&found, self.selection, self.queue, self.look.began_ms) {
                    row.stay(place, 1);
                    continue;
                }
                self.left -= 1;
                if self.skip > 0 {
                    self.skip -= 1;
                    row.stay(place, 1);
                } else {
                    jobs.push((place, found));
                }
            }
            // What was met last is still in its row: whoever leaves it there says so before the next step.
            if !jobs.is_empty() {
                return Ok(Some(Batch { set, jobs }));
            }
            if row.is_over() {
                self.row = None;
            }
        }
        Ok(None)
    }

    /// Whether the queue is spread otherwise than it was; then what was read since is left, and is read again where it is by
    /// now.
    async fn has_changed(&mut self) -> Result<bool> {
        let spread = self.store.spread(self.queue).await?;
        if spread.is_still(&self.spread) {
            return Ok(false);
        }
        self.spread = spread;
        if let Some(mut row) = self.row.take() {
            self.row = row.go_on(self.store, &self.spread).await?;
            if !row.has_met() {
                self.skip += row.skipped;
            }
        }
        Ok(true)
    }

    /// Those of these jobs that are in another place by now than where they were met, as they stand there: no act reaches
    /// them where they were.
    pub(crate) async fn moved_on(&self, place: usize, jobs: &[Found]) -> Result<Vec<(QueueKeys, Vec<Found>)>> {
        let spread = self.store.spread(self.queue).await?;
        if spread.is_moving() {
            // What is on its way counts as standing where it left.
            self.store.wait_for_arrivals(&spread).await?;
        } else if spread.is_still(&self.spread) {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
        let mut groups = Vec::<(QueueKeys, Vec<Found>)>::new();
        for (job, stands) in jobs.iter().zip(self.store.find_all(self.queue, &ids).await?) {
            let Some(Standpoint { keys, place: now, .. }) = stands else { continue };
            if keys.is_same_place(self.keys(place)) || now.set != job.place.set {
                continue;
            }
            let job = Found { place: now, ..job.clone() };
            match groups.iter_mut().find(|(known, _)| known.is_same_place(&keys)) {
                Some((_, group)) => group.push(job),
                None => groups.push((keys, vec![job])),
            }
        }
        Ok(groups)
    }

    /// The row of a set; `None` where it holds nothing, or all of it is skipped.
    async fn enter(&mut self, set: Key) -> Result<Option<Row>> {
        let ended = matches!(set, Key::Completed | Key::Cancelled | Key::Dead);
        let look = Look { newest: self.look.newest && ended, ..self.look };
        let detail = if look.newest { Detail::Whole } else { look.detail };
        let look = Look { detail, ..look };
        let mut row = loop {
            match Row::begin(self.store, &self.spread, set, (look, &self.selection.ids)).await? {
                Some(row) => break row,
                None if self.has_changed().await? => {}
                None => return Ok(None),
            }
        };
        if self.skip > 0 && self.selection.is_all() && self.selection.limit.is_none() {
            self.skip -= row.skip(self.store, &self.spread, self.skip).await?;
        }
        Ok(Some(row))
    }
}

/// Whether a job as it was read is selected.
pub(crate) fn is_meant(found: &Found, selection: &Selection, queue: &QueueName, now_ms: i64) -> bool {
    if selection.is_all() {
        return true;
    }
    let job = found.summary(queue);
    let ended = job.state.is_final();
    let since_ms = if ended { Some(found.place.since_ms()) } else { found.arrival_us().map(|us| us / 1000) };
    let letter = (job.state == JobState::Dead).then(|| found.letter(queue));
    let error = match (&letter, &job.last_error) {
        (Some(letter), _) => Some((letter.class, letter.code.as_str(), letter.error.as_str())),
        (None, Some(error)) => Some((error.class, error.code.as_str(), error.message.as_str())),
        (None, None) => None,
    };
    let record = if selection.wants_payload() { found.record() } else { None };
    selection.matches(&Candidate {
        id: &found.id,
        age: since_ms.map(|since_ms| Duration::from_millis((now_ms - since_ms).max(0).unsigned_abs())),
        priority: job.priority,
        attempts: job.attempt,
        error,
        payload: record.as_ref().map(|record| record.payload().get()),
    })
}
