//! A queue as a whole, over however many places its jobs are spread.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join, try_join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::job::{History, JobId, Layout, Partition, Partitions, QueueName};
use crate::store::codec::read;
use crate::store::course::{Course, counted};
use crate::store::inspect::{Awaited, Counts, Detail, Found, Place, Range};
use crate::store::moving::Way;
use crate::store::{Key, QueueKeys, Store};

/// What is on its way from one partition to another arrives within two round trips. Whoever brings it may have died: after a
/// moment it is brought by who waits for it, who gives up in the end, and asks as often.
const MOMENT: Duration = Duration::from_millis(100);
const ON_ITS_WAY: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// The fields of the settings that say that jobs are elsewhere than under the queue's own name.
const ELSEWHERE: [&str; 2] = ["partitions", "partitions_was"];
/// Minutes that are counted: this one, and the sixty before it.
const MINUTES: usize = 61;

/// The places that may hold jobs of a queue, as its settings said a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub layout: Layout,
    /// The number of the last change.
    change: String,
    /// What is about the queue as a whole is here.
    home: QueueKeys,
    /// Those that are being left come first, so that a job that moves meanwhile is met.
    places: Vec<QueueKeys>,
    /// Which partitions these are.
    partitions: Vec<Partition>,
    /// How many are being left.
    former: usize,
    /// Partitions that are left out, since their nodes are away.
    away: Vec<Partition>,
}

/// Where a job stands: in which place of its queue, and where there.
#[derive(Debug, Clone)]
pub(crate) struct Standpoint {
    pub keys: QueueKeys,
    pub partition: Partition,
    pub place: Place,
}

impl Spread {
    /// Every place.
    pub(crate) fn places(&self) -> &[QueueKeys] {
        &self.places
    }

    /// The places that are being left.
    pub(crate) fn former(&self) -> &[QueueKeys] {
        &self.places[..self.former]
    }

    /// The places that jobs are added to.
    pub(crate) fn present(&self) -> &[QueueKeys] {
        &self.places[self.former..]
    }

    /// Whether it is what `other` was, and nothing was changed and changed back in between.
    pub(crate) fn is_still(&self, other: &Self) -> bool {
        self.layout == other.layout && self.change == other.change
    }

    /// Whether jobs are being moved from one to another.
    pub(crate) fn is_moving(&self) -> bool {
        self.former > 0
    }

    /// Every place, and the queue's own name, which has what is about the queue as a whole, before them.
    pub(crate) fn with_home(&self) -> Vec<QueueKeys> {
        let others = self.places.iter().filter(|keys| !keys.is_same_place(&self.home));
        std::iter::once(&self.home).chain(others).cloned().collect()
    }

    /// The partitions, in the order of the places.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = Partition> + Clone + '_ {
        self.partitions.iter().copied()
    }
}

impl Store {
    /// The places of a queue.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written something unreadable into its settings.
    pub(crate) async fn spread(&self, queue: &QueueName) -> Result<Spread> {
        if self.absence_of_home(queue).await.is_some() {
            return self.spread_without_home(queue).await;
        }
        let Course { layout, change, .. } = self.course(queue).await?;
        let (all, was) = (layout.places().collect::<Vec<_>>(), layout.was.map_or(0, |was| was.each().count()));
        let partitions = self.partitions_there(queue, all.clone()).await;
        if let Some(error) = self.unreached_error().filter(|_| partitions.is_empty()) {
            return Err(error);
        }
        let former = all.iter().take(was).filter(|partition| partitions.contains(partition)).count();
        Ok(self.spread_over(queue, (layout, change), (partitions, former), all))
    }

    /// What other nodes have of a queue while its own is away: no change of it is under way then, since none goes on.
    async fn spread_without_home(&self, queue: &QueueName) -> Result<Spread> {
        let all = self.partitions_without_home(queue).await?;
        let now = all.iter().map(|partition| partition.among()).max_by_key(|among| among.count());
        let layout = Layout { now: now.unwrap_or(Partitions::ONE), was: None };
        let partitions = self.partitions_there(queue, all.clone()).await;
        Ok(self.spread_over(queue, (layout, String::new()), (partitions, 0), all))
    }

    fn spread_over(
        &self,
        queue: &QueueName,
        (layout, change): (Layout, String),
        (partitions, former): (Vec<Partition>, usize),
        all: Vec<Partition>,
    ) -> Spread {
        let places = partitions.iter().map(|partition| self.partition_keys(queue, *partition)).collect();
        let away = all.into_iter().filter(|partition| !partitions.contains(partition)).collect();
        Spread { layout, change, home: self.keys(queue), places, partitions, former, away }
    }

    /// The places of a queue that was used before.
    ///
    /// # Errors
    /// `NotFound`, with the names that may have been meant; as for [`Store::spread`].
    pub(crate) async fn known_spread(&self, queue: &QueueName) -> Result<Spread> {
        let home = self.keys(queue);
        if self.absence_of_home(queue).await.is_some() {
            return self.spread(queue).await;
        }
        let (known, spread) = try_join(self.is_known(&home), self.spread(queue)).await?;
        if known { Ok(spread) } else { Err(self.unknown_queue(queue).await) }
    }

    /// Where the events of a queue stand; where its partitions cannot be told, what is known of it as a whole.
    pub(crate) async fn streams(&self, queue: &QueueName) -> Result<Vec<QueueKeys>> {
        match self.spread(queue).await {
            // Its own name is on a node that is away.
            Ok(spread) if self.absence_of_home(queue).await.is_some() => Ok(spread.places),
            Ok(spread) => Ok(spread.with_home()),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(vec![self.keys(queue)]),
            Err(error) => Err(error),
        }
    }

    /// The numbers of a queue over all its places; `None` when it was never used. A queue of one partition is asked one
    /// question. A job that is moved meanwhile may be counted twice. What happened in places that it had within the last hour is
    /// in its rates; one that had no others is asked nothing more.
    pub(crate) async fn counts_of(&self, queue: &QueueName) -> Result<Option<Counts>> {
        let Some(mut counts) = self.counts_now(queue).await? else { return Ok(None) };
        let former: Vec<_> = counts.former().collect();
        for places in former {
            let asked = places.each().map(|place| self.partition_keys(queue, place));
            let asked: Vec<_> = asked.filter(|keys| !keys.is_same_place(&self.keys(queue))).collect();
            let others = join_all(asked.iter().map(|keys| self.counts(keys))).await;
            // A node that is away may have no place of the queue any more: what it counted lacks in the rates, and nothing else.
            others.into_iter().filter_map(Result::ok).flatten().for_each(|other| counts.add_minutes(other));
        }
        Ok(Some(counts))
    }

    /// The same, over the places that it has now; nothing of what was counted in those that it had before.
    async fn counts_now(&self, queue: &QueueName) -> Result<Option<Counts>> {
        let home = self.keys(queue);
        if self.absence_of_home(queue).await.is_some() {
            return self.counts_without_home(queue).await;
        }
        let Some(mut counts) = self.counts(&home).await? else { return Ok(None) };
        if ELSEWHERE.iter().all(|field| counts.config.get(*field).is_none_or(String::is_empty)) {
            return Ok(Some(counts));
        }
        let spread = match self.spread(queue).await {
            Ok(spread) => spread,
            // What cannot be read counts as not set, as with the other settings.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Some(counts)),
            Err(error) => return Err(error),
        };
        let mut others = Vec::new();
        for (places, is_left) in [(spread.former(), true), (spread.present(), false)] {
            if !is_left && spread.is_moving() {
                // What was in no place a moment ago is there by then, and counted where it goes.
                self.wait_for_arrivals(&spread).await?;
                if places.iter().any(|keys| keys.is_same_place(&home)) {
                    counts = self.counts(&home).await?.unwrap_or(counts);
                }
            }
            let asked = places.iter().filter(|keys| !keys.is_same_place(&home));
            others.extend(try_join_all(asked.map(|keys| self.counts(keys))).await?);
        }
        (counts.layout, counts.away) = (spread.layout, spread.away);
        others.into_iter().flatten().for_each(|other| counts.add(other));
        Ok(Some(counts))
    }

    /// The numbers of those partitions that answer, without the settings of the queue: each has but its share of them.
    async fn counts_without_home(&self, queue: &QueueName) -> Result<Option<Counts>> {
        const OF_ALL: [&str; 2] = ["paused", "protected"];
        let spread = self.spread(queue).await?;
        let counted = try_join_all(spread.places().iter().map(|keys| self.counts(keys))).await?;
        let mut counted = counted.into_iter().flatten();
        let Some(mut counts) = counted.next() else { return Err(self.unreached_error().unwrap_or_else(no_place)) };
        counts.config.retain(|field, _| OF_ALL.contains(&field.as_str()));
        (counts.layout, counts.away) = (spread.layout, spread.away);
        counted.for_each(|other| counts.add(other));
        Ok(Some(counts))
    }

    /// How many jobs a set holds, over these places.
    pub(crate) async fn size_in(&self, places: &[QueueKeys], set: Key) -> Result<u64> {
        Ok(try_join_all(places.iter().map(|keys| self.size(keys, set))).await?.into_iter().sum())
    }

    /// Those of these jobs that are in a set, with all that is stored of them, wherever they are.
    pub(crate) async fn page_in(&self, spread: &Spread, set: Key, ids: &[JobId]) -> Result<Vec<Found>> {
        let mut found = Vec::<Found>::new();
        for keys in spread.places() {
            let page = self.page(keys, set, Range::These(ids), Detail::Whole).await?;
            let new = page.into_iter().filter(|job| !found.iter().any(|known| known.id == job.id));
            let new: Vec<_> = new.collect();
            found.extend(new);
        }
        Ok(found)
    }

    /// Where jobs of a queue stand, at most 500; `None` for one that is nowhere.
    pub(crate) async fn find_all(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<Option<Standpoint>>> {
        let spread = self.spread(queue).await?;
        let mut found: Vec<Option<Standpoint>> = vec![None; ids.len()];
        self.look_in(&spread, ids, &mut found).await?;
        if spread.is_moving() && found.iter().any(Option::is_none) {
            self.wait_for_arrivals(&spread).await?;
            self.look_in(&spread, ids, &mut found).await?;
        }
        Ok(found)
    }

    /// Waits until what was on its way from one partition to another has arrived, and brings what nobody brings; whether it is
    /// there. What leaves behind this call was where it came from when it was made.
    pub(crate) async fn wait_for_arrivals(&self, spread: &Spread) -> Result<bool> {
        let (queue, to, change) = (spread.home.queue(), spread.layout.now, spread.change.as_str());
        let former = spread.partitions().zip(spread.former());
        let arrivals = former.map(|(from, keys)| self.has_arrived(keys, Way { queue, from, to, change }));
        Ok(try_join_all(arrivals).await?.into_iter().all(|arrived| arrived))
    }

    async fn has_arrived(&self, keys: &QueueKeys, way: Way<'_>) -> Result<bool> {
        let (began, mut first, mut tried) = (Instant::now(), None, false);
        loop {
            let mut command = redis::cmd("HGET");
            command.arg(keys.name(Key::Meta)).arg("page");
            let page: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
            let mut command = redis::cmd("EXISTS");
            command.arg(keys.name(Key::Leaving));
            let leaves: bool = read("EXISTS", self.connection.call(&command).await?.value)?;
            // A page leaves when the one before it has arrived.
            let is_another = first.as_ref().is_some_and(|first| *first != page);
            if !leaves || is_another || began.elapsed() >= ON_ITS_WAY {
                return Ok(!leaves || is_another);
            }
            first.get_or_insert(page);
            if began.elapsed() >= MOMENT && !tried {
                tried = true;
                // Who only looks goes on without, where what is on its way cannot arrive now.
                let left = ON_ITS_WAY.saturating_sub(began.elapsed());
                if timeout(left, self.bring_what_left(way)).await.is_ok_and(|brought| brought.is_ok()) {
                    return Ok(true);
                }
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Looks for those that are not found yet: where they were, and behind that where they are moved to.
    async fn look_in(&self, spread: &Spread, ids: &[JobId], found: &mut [Option<Standpoint>]) -> Result<()> {
        let partitions: Vec<_> = spread.partitions().collect();
        let (former, present) = partitions.split_at(spread.former);
        for (places, partitions) in [(spread.former(), former), (spread.present(), present)] {
            let missing: Vec<usize> = (0..ids.len()).filter(|at| found[*at].is_none()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let asked: Vec<JobId> = missing.iter().map(|at| ids[*at].clone()).collect();
            let answers = try_join_all(places.iter().map(|keys| self.locate(keys, &asked))).await?;
            for ((keys, partition), answer) in places.iter().zip(partitions).zip(answers) {
                for (at, place) in missing.iter().zip(answer) {
                    let stands = place.map(|place| Standpoint { keys: keys.clone(), partition: *partition, place });
                    found[*at] = found[*at].take().or(stands);
                }
            }
        }
        Ok(())
    }

    /// Whether a job has ended, and how; `near` is the partition that is asked first, and becomes the one where it was found.
    pub(crate) async fn ended_in(&self, queue: &QueueName, id: &JobId, near: &mut Partition) -> Result<Awaited> {
        let standing = self.ended(&self.partition_keys(queue, *near), id).await?;
        if standing.is_known() {
            return Ok(standing);
        }
        let spread = self.spread(queue).await?;
        for _ in 0..2 {
            for (partition, keys) in spread.partitions().zip(spread.places()) {
                let standing = self.ended(keys, id).await?;
                if standing.is_known() {
                    *near = partition;
                    return Ok(standing);
                }
            }
            if !spread.is_moving() {
                break;
            }
            self.wait_for_arrivals(&spread).await?;
        }
        Ok(standing)
    }

    /// Where a job of a queue stands; `near` is where it was seen last, and is asked first. `None` where it is nowhere.
    pub(crate) async fn find_one(
        &self,
        queue: &QueueName,
        id: &JobId,
        near: Option<Partition>,
    ) -> Result<Option<Standpoint>> {
        let ids = std::slice::from_ref(id);
        if let Some(partition) = near {
            let keys = self.partition_keys(queue, partition);
            if let Some(place) = self.locate(&keys, ids).await?.pop().flatten() {
                return Ok(Some(Standpoint { keys, partition, place }));
            }
        }
        Ok(self.find_all(queue, ids).await?.pop().flatten())
    }

    /// What is known to have happened to jobs, wherever they are; one answer for each.
    pub(crate) async fn histories_of(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<History>> {
        let spread = self.spread(queue).await?;
        let mut known: Vec<History> = Vec::new();
        for keys in spread.places() {
            let histories = self.histories(keys, ids).await?;
            if known.is_empty() {
                known = histories;
                continue;
            }
            let empty = History::default();
            let pairs = known.iter_mut().zip(histories).filter(|(known, _)| **known == empty);
            pairs.for_each(|(known, history)| *known = history);
        }
        Ok(known)
    }
}

fn no_place() -> Error {
    Error::internal("a queue without a place")
}

impl Counts {
    /// Adds what another place of the queue has. The settings are those of the queue as a whole.
    fn add(&mut self, mut other: Self) {
        let now_us = self.now_us.max(other.now_us);
        self.go_on_to(now_us);
        other.go_on_to(now_us);
        self.records += other.records;
        self.parked += other.parked;
        // A worker takes jobs of every place.
        self.workers = self.workers.max(other.workers);
        self.oldest_arrival_us = least(self.oldest_arrival_us, other.oldest_arrival_us);
        self.first_due_ms = least(self.first_due_ms, other.first_due_ms);
        self.sizes.iter_mut().zip(other.sizes).for_each(|(sum, size)| *sum += size);
        self.schedules.iter_mut().zip(other.schedules).for_each(|(sum, count)| *sum += count);
        self.add_counters(&other.minutes);
        add_totals(&mut self.totals, &other.totals);
    }

    /// Adds what was counted minute by minute in a place that the queue had; its totals are where its jobs are.
    fn add_minutes(&mut self, mut other: Self) {
        let now_us = self.now_us.max(other.now_us);
        self.go_on_to(now_us);
        other.go_on_to(now_us);
        self.add_counters(&other.minutes);
    }

    fn add_counters(&mut self, minutes: &[[u64; 4]]) {
        self.minutes.resize(self.minutes.len().max(minutes.len()), [0; 4]);
        for (sums, counters) in self.minutes.iter_mut().zip(minutes) {
            sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += counter);
        }
    }

    /// Over how many partitions the queue was spread within the last hour, where it is not so now.
    pub(crate) fn former(&self) -> impl Iterator<Item = Partitions> {
        let (now_ms, Layout { now, was }) = (self.now_us / 1_000, self.layout);
        let mut known = self.config.get("partitions_counted").map_or_else(Vec::new, |text| counted(text));
        // Those that were being left when the settings were read may be gone from them by now.
        let left = self.config.get("partitions_was").and_then(|count| Partitions::new(count.parse().ok()?).ok());
        known.retain(|(places, until_ms)| *until_ms > now_ms && Some(*places) != left);
        let all = known.into_iter().map(|(places, _)| places).chain(left);
        all.filter(move |places| *places != now && Some(*places) != was)
    }

    /// The same, told at a later instant: minutes have gone by since.
    fn go_on_to(&mut self, now_us: i64) {
        let minute = |us: i64| us.div_euclid(60_000_000);
        let gone = usize::try_from(minute(now_us) - minute(self.now_us)).unwrap_or_default().min(MINUTES);
        self.minutes.splice(0..0, std::iter::repeat_n([0; 4], gone));
        self.minutes.truncate(MINUTES);
        self.now_us = now_us;
    }
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

fn add_totals(sums: &mut BTreeMap<String, String>, others: &BTreeMap<String, String>) {
    for (name, count) in others {
        let known = sums.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        sums.insert(name.clone(), (known + count.parse::<u64>().unwrap_or_default()).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 60_000_000 * 100 + 15_000_000;

    fn counts(now_us: i64, size: u64, oldest: Option<i64>) -> Counts {
        Counts {
            now_us,
            records: 10 * size,
            sizes: [size; 10],
            workers: 2,
            oldest_arrival_us: oldest,
            first_due_ms: oldest,
            totals: BTreeMap::from([("enqueued".to_owned(), size.to_string())]),
            config: BTreeMap::new(),
            minutes: vec![[size, 0, 0, 1]; MINUTES],
            schedules: [1, 0],
            parked: size,
            layout: Layout::ONE,
            away: Vec::new(),
        }
    }

    #[test]
    fn the_places_of_a_queue_add_up() {
        let mut sum = counts(NOW_US, 3, None);
        sum.add(counts(NOW_US, 4, Some(9)));
        sum.add(counts(NOW_US, 5, Some(7)));
        assert_eq!((sum.sizes, sum.records, sum.parked, sum.schedules), ([12; 10], 120, 12, [3, 0]));
        assert_eq!((sum.oldest_arrival_us, sum.first_due_ms, sum.workers), (Some(7), Some(7), 2));
        assert_eq!((sum.totals["enqueued"].as_str(), sum.minutes.len()), ("12", MINUTES));
        assert!(sum.minutes.iter().all(|minute| *minute == [12, 0, 0, 3]));
    }

    #[test]
    fn places_are_looked_at_for_an_hour_after_they_were_left() {
        let mut known = counts(NOW_US, 3, None);
        let former = |known: &Counts| known.former().map(Partitions::count).collect::<Vec<_>>();
        assert_eq!(former(&known), [0; 0], "nothing more is asked of a queue that was not changed");
        let (now_ms, of) = (NOW_US / 1_000, |count| Partitions::new(count).unwrap());
        let text = format!("8:{} 3:{} 5:{now_ms} 1:{} x:y", now_ms + 1, now_ms + 2, now_ms + 3);
        known.config.insert("partitions_counted".to_owned(), text);
        assert_eq!(former(&known), [8, 3]);
        known.layout = Layout { now: of(3), was: None };
        assert_eq!(former(&known), [8, 1]);
        // They were being left when the settings were read.
        known.config.insert("partitions_was".to_owned(), "2".to_owned());
        assert_eq!(former(&known), [8, 1, 2]);
        known.layout.was = Some(of(2));
        assert_eq!(former(&known), [8, 1]);
    }

    #[test]
    fn what_was_counted_before_a_minute_began_is_of_the_minute_before() {
        let mut sum = counts(NOW_US, 3, None);
        sum.add(counts(NOW_US + 60_000_000, 4, None));
        assert_eq!((sum.minutes[0][0], sum.minutes[1][0], sum.minutes[60][0]), (4, 7, 7));
        assert_eq!((sum.now_us, sum.minutes.len()), (NOW_US + 60_000_000, MINUTES));
        sum.add(counts(NOW_US, 1, None));
        assert_eq!((sum.minutes[0][0], sum.minutes[1][0]), (4, 8), "a clock that is behind");
    }
}
