//! Looks at queues and jobs; changes nothing.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::job::{History, JobId, JobState, Layout, Partition, Priority, QueueName, Record, arrival_of};
use crate::store::codec::{Reply, read, whole};
use crate::store::{Key, QueueKeys, Store, keys, scripts};

/// Jobs that one call of `page` or `locate` looks at.
pub(crate) const PAGE_JOBS: u64 = 500;
/// Claims that a list of active jobs is made from.
const CLAIMS_MAX: usize = 20_000;

/// What the score of a parked job holds for each level above the first, and less than its arrival.
const PARKED_LEVEL: i64 = 1 << 51;
const PARKED_SINCE_US: i64 = 1_500_000_000_000_000;

impl Key {
    /// The sets of pending jobs: the four lines, and what is parked beside them.
    const IN_LINE: [Self; 5] = [Self::Pending0, Self::Pending1, Self::Pending2, Self::Pending3, Self::Parked];

    /// The line of a level.
    pub(crate) fn line(level: u8) -> Self {
        Self::IN_LINE[usize::from(level.min(3))]
    }

    /// The sets that hold the jobs of a state, in their order.
    pub(crate) fn of_state(state: JobState) -> &'static [Self] {
        match state {
            JobState::Scheduled => &[Self::Scheduled],
            JobState::Pending => &Self::IN_LINE,
            JobState::Active => &[Self::Active],
            JobState::Retrying => &[Self::Retrying],
            JobState::Completed => &[Self::Completed],
            JobState::Cancelled => &[Self::Cancelled],
            JobState::Dead => &[Self::Dead],
        }
    }

    /// The set that a script names, and the state of the jobs in it.
    pub(crate) fn of_word(word: &str) -> Option<(Self, JobState)> {
        let sets =
            JobState::ALL.into_iter().flat_map(|state| Self::of_state(state).iter().map(move |key| (*key, state)));
        sets.into_iter().find(|(key, _)| key.suffix() == word)
    }
}

/// Where a job stands: a set, and its mark there. Acts by hand carry it, and do nothing where it is no longer so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub set: Key,
    pub state: JobState,
    /// The claim of an active job, else the score.
    pub mark: String,
}

impl Place {
    fn new(word: &str, mark: String) -> Option<Self> {
        Key::of_word(word).map(|(set, state)| Self { set, state, mark })
    }

    /// The score of a job that is not active.
    pub(crate) fn score(&self) -> i64 {
        whole(&self.mark).unwrap_or_default()
    }

    /// The parts of a claim: fence, level:arrival, claimed_ms, worker.
    fn claim(&self) -> impl Iterator<Item = &str> {
        self.mark.strip_prefix("cancelled|").unwrap_or(&self.mark).split('|')
    }

    /// Where a pending job stands in line, and an active one will again, in µs.
    pub(crate) fn rank_us(&self) -> i64 {
        match self.state {
            JobState::Active => {}
            _ if self.set == Key::Parked => return self.score().rem_euclid(PARKED_LEVEL) + PARKED_SINCE_US,
            _ => return self.score(),
        }
        let rank = self.claim().nth(1).and_then(|rank| rank.split_once(':')?.1.parse().ok());
        rank.unwrap_or_default()
    }

    /// The worker that holds the job.
    pub(crate) fn worker(&self) -> Option<&str> {
        (self.state == JobState::Active).then(|| self.claim().nth(3)).flatten()
    }

    /// The fence of the claim.
    pub(crate) fn fence(&self) -> Option<i64> {
        (self.state == JobState::Active).then(|| self.claim().next()?.parse().ok()).flatten()
    }

    /// The priority, where the set tells it.
    pub(crate) fn priority(&self) -> Option<Priority> {
        let level = match self.set {
            Key::Pending0 => 0,
            Key::Pending1 => 1,
            Key::Pending2 => 2,
            Key::Pending3 => 3,
            Key::Parked => u8::try_from(self.score().div_euclid(PARKED_LEVEL)).ok()?,
            Key::Scheduled | Key::Retrying => self.score().rem_euclid(4) as u8,
            Key::Active => self.claim().nth(1)?.split(':').next()?.parse().ok()?,
            _ => return None,
        };
        Priority::from_level(level)
    }

    /// When it came here, in ms since 1970 (pending: in line since; scheduled and retrying: due).
    pub(crate) fn since_ms(&self) -> i64 {
        match self.state {
            JobState::Pending => self.rank_us() / 1000,
            JobState::Scheduled | JobState::Retrying => self.score().div_euclid(4),
            JobState::Active => self.claim().nth(2).and_then(|ms| ms.parse().ok()).unwrap_or_default(),
            _ => self.score(),
        }
    }
}

/// What is stored of a job, not yet read.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub id: JobId,
    pub place: Place,
    /// Empty where there is none.
    pub record: String,
    /// Empty where nothing happened.
    pub history: String,
    pub crashes: u32,
}

impl Found {
    /// When the queue accepted it, in µs, even where the rest of the record is cut off or unreadable.
    pub(crate) fn arrival_us(&self) -> Option<i64> {
        arrival_of(&self.record)
    }

    /// What happened; empty where nothing did or nobody can read it.
    pub(crate) fn history(&self) -> History {
        if self.history.is_empty() { History::default() } else { History::decode(&self.history).unwrap_or_default() }
    }

    /// The record; `None` where there is none or nobody can read it.
    pub(crate) fn record(&self) -> Option<Record> {
        Record::decode(&self.record).ok()
    }
}

/// Which jobs of a set `page` reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Range<'a> {
    /// So many from a rank on, the lowest scores first.
    Oldest { first: u64, count: u64 },
    /// So many from a rank on, the highest scores first.
    Newest { first: u64, count: u64 },
    /// So many of those with this score and the higher ones (the lower ones where `newest`), behind the first `first`.
    From { score: i64, first: u64, count: u64, newest: bool },
    /// These, as far as they are there.
    These(&'a [JobId]),
}

/// How much of the records `page` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only when the job arrived.
    Arrival,
    /// All of it.
    Whole,
}

/// Everything stored about a job.
pub(crate) struct Shown {
    pub found: Found,
    pub unique: Option<String>,
    pub log: Option<String>,
    pub result: Option<String>,
    /// What its claim, or one before it, said of how far it is.
    pub progress: Option<String>,
}

/// How an awaited job stands.
pub(crate) struct Awaited {
    /// Without its record; `None`: no set holds it.
    pub found: Option<Found>,
    pub result: Option<String>,
}

impl Awaited {
    /// Whether it is here, or was and has left something.
    pub(crate) fn is_known(&self) -> bool {
        self.found.is_some() || self.result.is_some()
    }
}

/// The numbers of a queue, as they are stored.
pub(crate) struct Counts {
    pub now_us: i64,
    pub records: u64,
    /// The four lines, then scheduled, active, retrying, completed, cancelled, dead.
    pub sizes: [u64; 10],
    pub workers: u64,
    pub oldest_arrival_us: Option<i64>,
    pub first_due_ms: Option<i64>,
    pub totals: BTreeMap<String, String>,
    pub config: BTreeMap<String, String>,
    /// Enqueued, completed, failed and dead: this minute, then the sixty before it.
    pub minutes: Vec<[u64; 4]>,
    /// Schedules, and those whose tick came more than a minute ago.
    pub schedules: [u64; 2],
    /// Of those in the four lines, jobs that wait for the limit of their key.
    pub parked: u64,
    /// Over how many partitions it is spread; what is counted of one place alone says one.
    pub layout: Layout,
    /// Partitions that are not counted, since their nodes are away.
    pub away: Vec<Partition>,
}

impl Store {
    /// The numbers of a queue; `None` when it was never used.
    pub(crate) async fn counts(&self, keys: &QueueKeys) -> Result<Option<Counts>> {
        let command = scripts::STATS.on(keys, &self.clock);
        let mut reply = Reply::new("stats", scripts::STATS.ask(&self.connection, &command).await?)?;
        let now_us = reply.number()?;
        let (used, records) = (reply.count()? > 0, reply.count()?);
        let mut stored = reply.list()?;
        let mut sizes = [0; 10];
        for size in &mut sizes {
            *size = stored.count()?;
        }
        let workers = reply.count()?;
        let oldest_arrival_us = reply.maybe_number()?;
        let first_due_ms = reply.maybe_number()?.map(|score| score.div_euclid(4));
        let (totals, config) = (reply.map()?, reply.map()?);
        let mut counters = reply.list()?;
        let mut minutes = Vec::with_capacity(61);
        while !counters.is_empty() {
            let mut minute = [0; 4];
            for counter in &mut minute {
                *counter = counters.maybe_number()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            }
            minutes.push(minute);
        }
        let schedules = [reply.count()?, reply.count()?];
        let parked = reply.count()?;
        if !used && !self.is_registered(keys.queue()).await? {
            return Ok(None);
        }
        Ok(Some(Counts {
            now_us,
            records,
            sizes,
            workers,
            oldest_arrival_us,
            first_due_ms,
            totals,
            config,
            minutes,
            schedules,
            parked,
            layout: Layout::ONE,
            away: Vec::new(),
        }))
    }

    /// Whether the queue was ever used.
    pub(crate) async fn is_known(&self, keys: &QueueKeys) -> Result<bool> {
        if let Some(error) = self.absence(keys.name(Key::Meta)).await {
            // Its partitions on other nodes show that it is.
            let there = self.or_left_out(keys.queue(), self.partitions_without_home(keys.queue()).await)?;
            return there.map_or(Err(error), |_| Ok(true));
        }
        let mut command = redis::cmd("EXISTS");
        command.arg(keys.name(Key::Meta));
        let used: bool = read("EXISTS", self.connection.call(&command).await?.value)?;
        Ok(used || self.is_registered(keys.queue()).await?)
    }

    /// Whether the queue is known under the prefix.
    pub(crate) async fn is_registered(&self, queue: &QueueName) -> Result<bool> {
        let mut command = redis::cmd("SISMEMBER");
        command.arg(keys::registry(&self.prefix)).arg(queue.as_str());
        read("SISMEMBER", self.connection.call(&command).await?.value)
    }

    /// Every queue that is known under the prefix, by name.
    pub(crate) async fn queues(&self) -> Result<Vec<QueueName>> {
        if let Some(queues) = self.queues_without_list().await {
            return Ok(queues);
        }
        let mut command = redis::cmd("SMEMBERS");
        command.arg(keys::registry(&self.prefix));
        let names: Vec<String> = read("SMEMBERS", self.connection.call(&command).await?.value)?;
        // What a hand put there and is no name cannot be a queue.
        let mut queues: Vec<_> = names.iter().filter_map(|name| QueueName::new(name).ok()).collect();
        queues.sort();
        Ok(queues)
    }

    /// Jobs of a set, in their order; fewer than asked for where their records are long, none where there are no more. Of
    /// those named, all that are there.
    pub(crate) async fn page(
        &self,
        keys: &QueueKeys,
        set: Key,
        range: Range<'_>,
        detail: Detail,
    ) -> Result<Vec<Found>> {
        let Range::These(ids) = range else { return Ok(self.page_once(keys, set, range, detail).await?.1) };
        let (mut rest, mut page) = (ids, Vec::new());
        while !rest.is_empty() {
            let asked = &rest[..rest.len().min(PAGE_JOBS as usize)];
            let (looked_at, found) = self.page_once(keys, set, Range::These(asked), detail).await?;
            page.extend(found);
            rest = &rest[looked_at.clamp(1, asked.len())..];
        }
        Ok(page)
    }

    async fn page_once(
        &self,
        keys: &QueueKeys,
        set: Key,
        range: Range<'_>,
        detail: Detail,
    ) -> Result<(usize, Vec<Found>)> {
        let mut command = scripts::PAGE.on(keys, &self.clock);
        let newest = matches!(range, Range::Newest { .. } | Range::From { newest: true, .. });
        command.arg(set.suffix()).arg(if newest { "REV" } else { "" }).arg(u8::from(detail == Detail::Arrival));
        match range {
            Range::Oldest { first, count } | Range::Newest { first, count } => {
                command.arg("").arg(first).arg(count.min(PAGE_JOBS));
            }
            Range::From { score, first, count, .. } => {
                command.arg(score).arg(first).arg(count.min(PAGE_JOBS));
            }
            Range::These(ids) => {
                command.arg("").arg(0).arg(0);
                ids.iter().for_each(|id| _ = command.arg(id.as_str()));
            }
        }
        let mut reply = Reply::new("page", scripts::PAGE.ask(&self.connection, &command).await?)?;
        let looked_at = usize::try_from(reply.count()?).unwrap_or_default();
        let mut page = Vec::with_capacity(reply.len() / 5);
        while !reply.is_empty() {
            let (id, mark) = (reply.text()?, reply.text()?);
            let (record, history) = (reply.text()?, reply.text()?);
            let crashes = reply.maybe_number()?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
            if let Some(place) = Place::new(set.suffix(), mark) {
                page.push(Found { id: JobId::trusted(&id), place, record, history, crashes });
            }
        }
        Ok((looked_at, page))
    }

    /// Where jobs stand, at most 500; `None` for one that is nowhere.
    pub(crate) async fn locate(&self, keys: &QueueKeys, ids: &[JobId]) -> Result<Vec<Option<Place>>> {
        let mut command = scripts::LOCATE.on(keys, &self.clock);
        ids.iter().for_each(|id| _ = command.arg(id.as_str()));
        let mut reply = Reply::new("locate", scripts::LOCATE.ask(&self.connection, &command).await?)?;
        ids.iter().map(|_| Ok(Place::new(&reply.text()?, reply.text()?))).collect()
    }

    /// Everything stored about a job; `None` where no set holds it.
    pub(crate) async fn show(&self, keys: &QueueKeys, id: &JobId) -> Result<Option<Shown>> {
        let mut command = scripts::SHOW.on(keys, &self.clock);
        command.arg(id.as_str());
        let mut reply = Reply::new("show", scripts::SHOW.ask(&self.connection, &command).await?)?;
        let Some(place) = Place::new(&reply.text()?, reply.text()?) else { return Ok(None) };
        let (record, history) = (reply.text()?, reply.text()?);
        let crashes = reply.maybe_number()?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        let found = Found { id: id.clone(), place, record, history, crashes };
        Ok(Some(Shown {
            found,
            unique: reply.optional()?,
            log: reply.optional()?,
            result: reply.optional()?,
            progress: reply.optional()?,
        }))
    }

    /// Whether a job has ended, and how.
    pub(crate) async fn ended(&self, keys: &QueueKeys, id: &JobId) -> Result<Awaited> {
        let mut command = scripts::ENDED.on(keys, &self.clock);
        command.arg(id.as_str());
        let mut reply = Reply::new("ended", scripts::ENDED.ask(&self.connection, &command).await?)?;
        let place = Place::new(&reply.text()?, reply.text()?);
        let history = reply.text()?;
        let crashes = reply.maybe_number()?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        let found = place.map(|place| Found { id: id.clone(), place, record: String::new(), history, crashes });
        Ok(Awaited { found, result: reply.optional()? })
    }

    /// A part of a job's log; empty where there is none, or no more.
    pub(crate) async fn log_part(&self, keys: &QueueKeys, id: &JobId, from: u64, bytes: u64) -> Result<Vec<u8>> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(keys.log_of(id)).arg(from).arg((from + bytes).saturating_sub(1));
        read("GETRANGE", self.connection.call(&command).await?.value)
    }

    /// How many jobs a set holds.
    pub(crate) async fn size(&self, keys: &QueueKeys, set: Key) -> Result<u64> {
        let mut command = redis::cmd(if set == Key::Active { "HLEN" } else { "ZCARD" });
        command.arg(keys.name(set));
        read("ZCARD", self.connection.call(&command).await?.value)
    }

    /// Ids and scores of a sorted set by rank, the highest scores first where `newest`.
    pub(crate) async fn marks(
        &self,
        keys: &QueueKeys,
        set: Key,
        (first, count): (u64, u64),
        newest: bool,
    ) -> Result<Vec<(JobId, i64)>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(keys.name(set)).arg(first).arg((first + count).saturating_sub(1));
        if newest {
            command.arg("REV");
        }
        command.arg("WITHSCORES");
        let marks: Vec<(String, f64)> = read("ZRANGE", self.connection.call(&command).await?.value)?;
        Ok(marks.into_iter().map(|(id, score)| (JobId::trusted(&id), score as i64)).collect())
    }

    /// Active jobs, the longest held first: of at most 20,000 that are looked at.
    pub(crate) async fn active(&self, keys: &QueueKeys) -> Result<Vec<JobId>> {
        let (mut cursor, mut held) = (0, BTreeMap::new());
        loop {
            let (next, page) = self.active_page(keys, cursor).await?;
            for (id, claim) in page {
                let since = Place { set: Key::Active, state: JobState::Active, mark: claim }.since_ms();
                held.insert(id, since);
            }
            cursor = next;
            if cursor == 0 || held.len() >= CLAIMS_MAX {
                break;
            }
        }
        let mut held: Vec<_> = held.into_iter().map(|(id, since)| (since, id)).collect();
        held.sort();
        Ok(held.into_iter().map(|(_, id)| id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_its_mark() {
        let claim = "77|1:1764000000123456|1764000000999|host-1-01ABC||".to_owned();
        for mark in [claim.clone(), format!("cancelled|{claim}")] {
            let place = Place::new("active", mark).unwrap();
            assert_eq!((place.worker(), place.fence()), (Some("host-1-01ABC"), Some(77)));
            assert_eq!((place.priority(), place.since_ms()), (Some(Priority::High), 1_764_000_000_999));
            assert_eq!(place.rank_us(), 1_764_000_000_123_456);
        }
        let due = Place::new("retrying", (1_764_000_000_123_i64 * 4 + 3).to_string()).unwrap();
        assert_eq!((due.priority(), due.since_ms()), (Some(Priority::Low), 1_764_000_000_123));
        let line = Place::new("pending:0", "1764000000123456".to_owned()).unwrap();
        assert_eq!((line.priority(), line.since_ms()), (Some(Priority::Critical), 1_764_000_000_123));
        let parked = Place::new("parked", (3 * PARKED_LEVEL + 264_000_000_123_456).to_string()).unwrap();
        assert_eq!((parked.state, parked.priority()), (JobState::Pending, Some(Priority::Low)));
        assert_eq!((parked.rank_us(), parked.since_ms()), (1_764_000_000_123_456, 1_764_000_000_123));
        assert_eq!(Place::new("", String::new()), None);
    }
}
