//! The jobs of one set over the places of a queue, in one order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::future::{try_join, try_join_all};

use super::Look;
use crate::error::Result;
use crate::job::JobId;
use crate::store::{Detail, Found, Key, PAGE_JOBS, QueueKeys, Range, Spread, Store};

/// Jobs that are looked up by their ids in one call.
const IDS_STEP: usize = 100;
/// As many are read of each place at least, however many places there are.
const SHARE_MIN: u64 = 100;

/// What a set held, over all places, when a walk came to it.
///
/// Where nothing is being moved each place is read by ranks. While jobs are moved their ranks change, so there it is read on
/// behind the score of the last one; a place that is being left is read before those that its jobs go to, and who was met
/// once is not met again: so a job that moves is met.
pub(super) struct Row {
    pub set: Key,
    look: Look,
    stretches: Vec<Stretch>,
    /// How many of them are being left.
    former: usize,
    /// The score of the last job: what comes behind it from now on is not meant, lest what is revived comes round again.
    last: i64,
    /// How many jobs the set held: no more are looked at, however fast others come.
    ahead: u64,
    /// Where jobs are looked up by their ids: in which order they were named.
    named: BTreeMap<JobId, i64>,
    /// Those that were met, where one could be met twice.
    met: Option<BTreeSet<JobId>>,
    /// Whether what is on its way to another place is waited for: not where it did not arrive in time.
    waits: bool,
    /// The score of the job that was met last, and who was met with that score.
    met_last: (Option<i64>, BTreeSet<JobId>),
    /// How many were skipped by their ranks.
    pub skipped: u64,
}

/// The part of a row that lies in one place.
#[derive(Default)]
struct Stretch {
    /// How many jobs it held.
    size: u64,
    /// The score from which it goes on, where it does not go by ranks alone.
    from: Option<i64>,
    /// The rank, from that score on, from which it goes on: whoever leaves a job where it is adds one.
    first: u64,
    /// Where jobs are looked up by their ids: those that were not asked for yet, the next one last.
    ids: Option<Vec<JobId>>,
    /// What was read and is still to come.
    page: VecDeque<Found>,
    /// Nothing is behind what was read.
    over: bool,
}

impl Row {
    /// The row of `set`, or of those of its jobs that are named; `None` where it holds nothing.
    pub(super) async fn begin(
        store: &Store,
        spread: &Spread,
        set: Key,
        (look, named): (Look, &[JobId]),
    ) -> Result<Option<Self>> {
        let former = spread.former().len();
        let by_name = set == Key::Active || !named.is_empty();
        let met = (former > 0 || look.newest || by_name).then(BTreeSet::new);
        let order = named.iter().zip(0..).map(|(id, at)| (id.clone(), at)).collect();
        let row = Self {
            set,
            look,
            stretches: Vec::new(),
            former,
            last: i64::MAX,
            ahead: u64::MAX,
            named: order,
            met,
            waits: true,
            met_last: (None, BTreeSet::new()),
            skipped: 0,
        };
        let by_ids = |mut ids: Vec<JobId>| {
            ids.reverse();
            Stretch { ids: Some(ids), ..Stretch::default() }
        };
        if set == Key::Active {
            let ask =
                |keys| async move { if named.is_empty() { store.active(keys).await } else { Ok(named.to_vec()) } };
            let ids = try_join_all(spread.places().iter().map(ask)).await?;
            return Ok(Some(Self { stretches: ids.into_iter().map(by_ids).collect(), ..row }));
        }
        let ask = |keys| try_join(store.marks(keys, set, (0, 1), true), store.size(keys, set));
        let ends = try_join_all(spread.places().iter().map(ask)).await?;
        let last = ends.iter().flat_map(|(last, _)| last.iter().map(|(_, score)| *score)).max();
        let last = match last {
            _ if former > 0 => Some(last.unwrap_or(i64::MIN).max(last_of(set, look.began_ms))),
            last => last,
        };
        let Some(last) = last else { return Ok(None) };
        let (mut stretches, mut ahead) = (Vec::with_capacity(ends.len()), 0);
        for (_, size) in ends {
            ahead += size;
            stretches.push(if named.is_empty() {
                Stretch { size, ..Stretch::default() }
            } else {
                by_ids(named.to_vec())
            });
        }
        // One that is on its way is counted nowhere.
        let bounded = named.is_empty() && former == 0;
        Ok(Some(Self { stretches, last, ahead: if bounded { ahead } else { u64::MAX }, ..row }))
    }

    /// The rest of the row where the queue is spread otherwise by now: what was not met yet. `None` where there is nothing.
    ///
    /// A row is met in one order, and all that is before the job that was met last was where it was looked for.
    pub(super) async fn go_on(&mut self, store: &Store, spread: &Spread) -> Result<Option<Self>> {
        let mut named: Vec<_> = self.named.iter().map(|(id, at)| (*at, id.clone())).collect();
        named.sort();
        let named: Vec<_> = named.into_iter().map(|(_, id)| id).collect();
        let Some(mut row) = Self::begin(store, spread, self.set, (self.look, &named)).await? else { return Ok(None) };
        let (from, ties) = self.met_last.clone();
        let met = self.met.take().unwrap_or_else(|| ties.clone());
        row.met.get_or_insert_default().extend(met);
        row.stretches.iter_mut().filter(|stretch| stretch.ids.is_none()).for_each(|stretch| stretch.from = from);
        row.met_last = (from, ties);
        if self.former == 0 {
            row.last = self.last;
        }
        Ok(Some(row))
    }

    /// Skips the first `count` by their ranks, as far as that can be; how many it has skipped.
    pub(super) async fn skip(&mut self, store: &Store, spread: &Spread, count: u64) -> Result<u64> {
        if self.former > 0 {
            return Ok(0);
        }
        let skipped = match &mut self.stretches[..] {
            [Stretch { ids: Some(ids), .. }] => {
                let left = ids.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
                let skipped = (ids.len() - left) as u64;
                ids.truncate(left);
                skipped
            }
            _ if self.set == Key::Active => 0,
            _ if count >= self.ahead => self.ahead,
            [stretch] => {
                stretch.first = count;
                count
            }
            _ => self.skip_over_places(store, spread, count).await?,
        };
        self.ahead -= skipped;
        self.skipped = skipped;
        Ok(skipped)
    }

    /// Looks for the score behind which about `count` jobs are, in a few questions however many there are.
    async fn skip_over_places(&mut self, store: &Store, spread: &Spread, count: u64) -> Result<u64> {
        let (set, newest, places) = (self.set, self.look.newest, spread.places());
        let firsts = try_join_all(places.iter().map(|keys| store.marks(keys, set, (0, 1), false))).await?;
        let lowest = firsts.iter().flatten().map(|(_, score)| *score).min().unwrap_or(self.last);
        // Rises in the direction of the walk: none is before `low`, and more than are skipped are before `high`.
        let (mut low, mut high) = if newest { (-self.last, 1 - lowest) } else { (lowest, self.last + 1) };
        let (mut skipped, mut beyond, mut guesses) = (0, self.ahead, true);
        while high - low > 1 && count - skipped > PAGE_JOBS {
            let span = high - low;
            // A little before where it is when they lie evenly; every other time the middle, lest it comes near in small steps.
            let part = (count - skipped - PAGE_JOBS / 2) as f64 / (beyond - skipped).max(1) as f64;
            let step = if guesses { (span as f64 * part) as i64 } else { span / 2 };
            let middle = low + step.clamp(1, span - 1);
            guesses = !guesses;
            let below = |keys| store.count_below(keys, set, if newest { 1 - middle } else { middle });
            let below = try_join_all(places.iter().map(below)).await?;
            let before = self.stretches.iter().zip(below).map(|(stretch, below)| match newest {
                true => stretch.size.saturating_sub(below),
                false => below,
            });
            let before: Vec<u64> = before.collect();
            let sum = before.iter().sum();
            if sum > count {
                (high, beyond) = (middle, sum);
                continue;
            }
            (low, skipped) = (middle, sum);
            self.stretches.iter_mut().zip(before).for_each(|(stretch, before)| stretch.first = before);
        }
        Ok(skipped)
    }

    /// Reads on in each place of which nothing is at hand; whether there was one.
    pub(super) async fn fill(&mut self, store: &Store, spread: &Spread) -> Result<bool> {
        if self.ahead == 0 || !self.stretches.iter().any(Stretch::wants) {
            return Ok(false);
        }
        let share = (self.look.step / self.stretches.len().max(1) as u64).max(SHARE_MIN);
        let count = share.min(self.look.step).min(self.ahead);
        let how = (self.set, self.look, count, self.former > 0);
        let (former, present) = self.stretches.split_at_mut(self.former);
        if former.iter().any(Stretch::wants) {
            read_all(store, (former, spread.former()), how, self.met.as_ref()).await?;
            // What has left meanwhile is met where it went, so that is read once more, behind it.
            self.waits = self.waits && store.wait_for_arrivals(spread).await?;
            present.iter_mut().filter(|stretch| stretch.ids.is_none()).for_each(|stretch| {
                stretch.page.clear();
                stretch.over = false;
            });
        }
        read_all(store, (present, spread.present()), how, self.met.as_ref()).await?;
        Ok(true)
    }

    /// The next job, and the number of its place; `None` where there is no more, or some place has to be read on first.
    pub(super) fn next(&mut self) -> Option<(usize, Found)> {
        while self.ahead > 0 && !self.stretches.iter().any(Stretch::wants) {
            let place = self.least()?;
            let stretch = &mut self.stretches[place];
            let found = stretch.page.pop_front()?;
            let by_rank = stretch.ids.is_none();
            if by_rank && self.former > 0 && stretch.from != Some(found.place.score()) {
                (stretch.from, stretch.first) = (Some(found.place.score()), 0);
            }
            let behind = self.set != Key::Active && found.place.score() > self.last;
            if behind && by_rank && !self.look.newest {
                stretch.page.clear();
                stretch.over = true;
                continue;
            }
            self.ahead -= 1;
            let again = self.met.as_mut().is_some_and(|met| !met.insert(found.id.clone()));
            if !behind && !again {
                if by_rank && self.met_last.0 != Some(found.place.score()) {
                    self.met_last = (Some(found.place.score()), BTreeSet::new());
                }
                self.met_last.1.insert(found.id.clone());
                return Some((place, found));
            }
            self.stay(place, 1);
        }
        None
    }

    /// So many of the jobs of a place stay where they are.
    pub(super) fn stay(&mut self, place: usize, count: u64) {
        // While jobs are moved those that were met are known by their names.
        if self.former == 0 {
            self.stretches[place].first += count;
        }
    }

    /// Whether any job was met.
    pub(super) fn has_met(&self) -> bool {
        !self.met_last.1.is_empty()
    }

    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        self.ahead == 0 || self.stretches.iter().all(|stretch| stretch.over && stretch.page.is_empty())
    }

    /// The place whose next job comes first.
    fn least(&self) -> Option<usize> {
        let heads =
            self.stretches.iter().enumerate().filter_map(|(place, stretch)| Some((place, stretch.page.front()?)));
        heads.min_by(|(_, one), (_, other)| self.compare(one, other)).map(|(place, _)| place)
    }

    fn compare(&self, one: &Found, other: &Found) -> Ordering {
        let rank = |found: &Found| match self.set {
            _ if !self.named.is_empty() => self.named.get(&found.id).copied().unwrap_or(i64::MAX),
            Key::Active => found.place.since_ms(),
            _ => found.place.score(),
        };
        let order = rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id));
        if self.look.newest { order.reverse() } else { order }
    }
}

/// Reads on where nothing is at hand, in all places at once.
async fn read_all(
    store: &Store,
    (stretches, places): (&mut [Stretch], &[QueueKeys]),
    how: (Key, Look, u64, bool),
    met: Option<&BTreeSet<JobId>>,
) -> Result<()> {
    let wanting = stretches.iter_mut().zip(places).filter(|(stretch, _)| stretch.wants());
    try_join_all(wanting.map(|(stretch, keys)| stretch.read((store, keys), how, met))).await.map(drop)
}

/// The score behind which nothing is that was in a set then: also not what is on its way and in no place.
fn last_of(set: Key, began_ms: i64) -> i64 {
    match set {
        Key::Pending0 | Key::Pending1 | Key::Pending2 | Key::Pending3 => began_ms.saturating_mul(1000) + 999,
        Key::Completed | Key::Cancelled | Key::Dead => began_ms,
        _ => i64::MAX,
    }
}

impl Stretch {
    /// Whether nobody knows what comes next.
    fn wants(&self) -> bool {
        self.page.is_empty() && !self.over
    }

    async fn read(
        &mut self,
        (store, keys): (&Store, &QueueKeys),
        (set, look, count, moves): (Key, Look, u64, bool),
        met: Option<&BTreeSet<JobId>>,
    ) -> Result<()> {
        if self.ids.is_some() {
            return self.look_up((store, keys), set, look.detail).await;
        }
        while self.wants() {
            let (first, newest) = (self.first, look.newest);
            let range = match self.from {
                Some(score) => Range::From { score, first, count, newest },
                None if newest => Range::Newest { first, count },
                None => Range::Oldest { first, count },
            };
            let page = store.page(keys, set, range, look.detail).await?;
            self.over = page.is_empty();
            let looked_at = page.len() as u64;
            self.page = page.into_iter().filter(|found| met.is_none_or(|met| !met.contains(&found.id))).collect();
            // Those that were met stay where they are. While jobs move the score leads past them.
            if self.page.is_empty() || !moves {
                self.first += looked_at - self.page.len() as u64;
            }
        }
        Ok(())
    }

    /// Named ones are looked up, however many jobs there are.
    async fn look_up(&mut self, (store, keys): (&Store, &QueueKeys), set: Key, detail: Detail) -> Result<()> {
        let Some(ids) = &mut self.ids else { return Ok(()) };
        while self.page.is_empty() && !ids.is_empty() {
            let mut asked = ids.split_off(ids.len().saturating_sub(IDS_STEP));
            asked.reverse();
            self.page = store.page(keys, set, Range::These(&asked), detail).await?.into();
        }
        self.over = self.page.is_empty();
        Ok(())
    }
}
