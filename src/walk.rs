//! A walk over the jobs of a queue that a selection means.

use std::time::Duration;

use crate::error::Result;
use crate::job::{JobId, JobState};
use crate::selection::{Candidate, Selection};
use crate::store::{Detail, Found, Key, PAGE_JOBS, QueueKeys, Range, Store};

/// Jobs that are looked up by their ids in one call.
const IDS_STEP: usize = 100;

/// Goes over the jobs that some sets held when it came to each, the lowest scores first, and stops for those that are
/// selected. All that it stops for at a time are in one set.
pub(crate) struct Walk<'a> {
    store: &'a Store,
    keys: &'a QueueKeys,
    selection: &'a Selection,
    detail: Detail,
    /// The sets that are still before it, the next one last.
    sets: Vec<Key>,
    stretch: Option<Stretch>,
    /// How many of the first set are skipped by their rank.
    skip: u64,
    began_ms: i64,
    /// How many more may be selected.
    left: u64,
}

/// The part of a walk that lies in one set.
struct Stretch {
    set: Key,
    /// The rank from which it goes on: whoever leaves a job where it is adds one.
    first: u64,
    /// The score of the last job: what comes behind it from now on is not meant, lest what is revived comes round again.
    last: i64,
    /// How many jobs the set held: no more are looked at, however fast others come.
    ahead: u64,
    /// Where jobs are looked up by their ids: those that were not asked for yet, the next one last.
    ids: Option<Vec<JobId>>,
}

impl<'a> Walk<'a> {
    /// A walk over the jobs in these states, along a job's life where they are in that order.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub(crate) async fn begin(
        store: &'a Store,
        keys: &'a QueueKeys,
        (selection, states): (&'a Selection, &[JobState]),
        detail: Detail,
    ) -> Result<Self> {
        if !store.is_known(keys).await? {
            return Err(store.unknown_queue(keys.queue()).await);
        }
        let mut sets: Vec<Key> = states.iter().flat_map(|state| Key::of_state(*state)).copied().collect();
        sets.reverse();
        // What is selected by a payload cannot be told without it, nor can the priority of a job that has ended.
        let whole = selection.wants_payload() || !selection.priorities.is_empty();
        let detail = if whole { Detail::Whole } else { detail };
        let (began_ms, left) = (store.now_ms().await?, selection.limit.unwrap_or(u64::MAX));
        Ok(Self { store, keys, selection, detail, sets, stretch: None, skip: 0, began_ms, left })
    }

    /// Skips so many jobs of the first set without a look, before it begins.
    pub(crate) fn skip(&mut self, count: u64) {
        self.skip = count;
    }

    /// Leaves so many of the jobs that it stopped for last where they are, and goes on behind them.
    pub(crate) fn pass(&mut self, count: u64) {
        if let Some(stretch) = &mut self.stretch {
            stretch.first += count;
        }
    }

    /// The next jobs that are selected, and the set that holds them; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<(Key, Vec<Found>)>> {
        while self.left > 0 {
            let Some(stretch) = &mut self.stretch else {
                let Some(set) = self.sets.pop() else { return Ok(None) };
                self.stretch = Stretch::begin(self.store, self.keys, set, &self.selection.ids).await?;
                let skipped = std::mem::take(&mut self.skip);
                self.pass(skipped);
                continue;
            };
            let page = stretch.page(self.store, self.keys, self.detail).await?;
            let by_rank = stretch.ids.is_none();
            let over = page.is_empty() || (by_rank && page.iter().any(|found| found.place.score() > stretch.last));
            let (set, mut chosen) = (stretch.set, Vec::new());
            for found in page {
                let there = set == Key::Active || found.place.score() <= stretch.last;
                if there && self.left > 0 && is_meant(&found, self.selection, self.keys, self.began_ms) {
                    self.left -= 1;
                    chosen.push(found);
                } else {
                    stretch.first += 1;
                }
            }
            if over {
                self.stretch = None;
            }
            if !chosen.is_empty() {
                return Ok(Some((set, chosen)));
            }
        }
        Ok(None)
    }
}

impl Stretch {
    /// The part in `set`; `None` where it holds nothing.
    async fn begin(store: &Store, keys: &QueueKeys, set: Key, named: &[JobId]) -> Result<Option<Self>> {
        let reversed = |mut ids: Vec<JobId>| {
            ids.reverse();
            Some(ids)
        };
        if set == Key::Active {
            let ids = if named.is_empty() { store.active(keys).await? } else { named.to_vec() };
            return Ok(Some(Self { set, first: 0, last: i64::MAX, ahead: u64::MAX, ids: reversed(ids) }));
        }
        let Some((_, last)) = store.marks(keys, set, (0, 1), true).await?.pop() else { return Ok(None) };
        let ids = if named.is_empty() { None } else { reversed(named.to_vec()) };
        let ahead = if ids.is_some() { u64::MAX } else { store.size(keys, set).await? };
        Ok(Some(Self { set, first: 0, last, ahead, ids }))
    }

    async fn page(&mut self, store: &Store, keys: &QueueKeys, detail: Detail) -> Result<Vec<Found>> {
        let Some(ids) = &mut self.ids else {
            let range = Range::Oldest { first: self.first, count: PAGE_JOBS.min(self.ahead) };
            if self.ahead == 0 {
                return Ok(Vec::new());
            }
            let page = store.page(keys, self.set, range, detail).await?;
            self.ahead -= (page.len() as u64).min(self.ahead);
            return Ok(page);
        };
        // Named ones are looked up, however many jobs there are.
        let mut page = Vec::new();
        while page.is_empty() && !ids.is_empty() {
            let mut asked = ids.split_off(ids.len().saturating_sub(IDS_STEP));
            asked.reverse();
            page = store.page(keys, self.set, Range::These(&asked), detail).await?;
        }
        Ok(page)
    }
}

/// Whether a job as it was read is selected.
pub(crate) fn is_meant(found: &Found, selection: &Selection, keys: &QueueKeys, now_ms: i64) -> bool {
    if selection.is_all() {
        return true;
    }
    let job = found.summary(keys.queue());
    let ended = job.state.is_final();
    let since_ms = if ended { Some(found.place.since_ms()) } else { found.arrival_us().map(|us| us / 1000) };
    let letter = (job.state == JobState::Dead).then(|| found.letter(keys.queue()));
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
        payload: record.as_ref().map(|record| record.payload()),
    })
}
