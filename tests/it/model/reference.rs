//! The plain model of a queue: what DESIGN says about a job's life, in ordered maps, without Redis.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::config::{Durable, Retention};
use ireva_queue::testing::Accepted;

/// A job is in exactly one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Pending { level: i64, rank: i64 },
    Scheduled { due_ms: i64, level: i64 },
    Retrying { due_ms: i64, level: i64 },
    Active(Claim),
    Completed(i64),
    Cancelled(i64),
    Dead(i64),
}

impl Place {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Scheduled { .. } => "scheduled",
            Self::Retrying { .. } => "retrying",
            Self::Active(_) => "active",
            Self::Completed(_) => "completed",
            Self::Cancelled(_) => "cancelled",
            Self::Dead(_) => "dead",
        }
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Scheduled { .. } | Self::Retrying { .. })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub fence: i64,
    pub level: i64,
    pub rank: i64,
    pub claimed_ms: i64,
    pub worker: String,
    /// Handed out to a worker that held nothing, for a job on the brink.
    pub alone: bool,
    pub cancelled: bool,
}

impl Claim {
    /// As its worker knows it.
    pub fn text(&self) -> String {
        let alone = if self.alone { "alone" } else { "" };
        format!("{}|{}:{}|{}|{}||{alone}", self.fence, self.level, self.rank, self.claimed_ms, self.worker)
    }

    /// As it is stored.
    pub fn stored(&self) -> String {
        if self.cancelled { format!("cancelled|{}", self.text()) } else { self.text() }
    }
}

#[derive(Debug, Clone)]
pub struct Job {
    pub record: String,
    pub level: i64,
    pub ttl_ms: Option<i64>,
    pub unique: Option<String>,
    pub history: Option<String>,
    pub crashes: i64,
    pub place: Place,
    /// The unique key that it holds now.
    pub holds: Option<String>,
    pub expires_ms: Option<i64>,
}

/// What somebody asks to enqueue.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub id: String,
    pub chosen: bool,
    /// The record without the time of arrival.
    pub body: String,
    pub level: i64,
    pub start: When,
    pub ttl_ms: Option<i64>,
    /// The key and its window.
    pub unique: Option<(String, Option<i64>)>,
    pub batch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    Now,
    After(i64),
    At(i64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    pub until_ms: i64,
    pub id: String,
}

#[derive(Debug, Clone)]
pub struct Handed {
    pub lease_ms: i64,
    pub call: u64,
    pub ids: Vec<String>,
}

/// What is set, as far as scripts go by it.
#[derive(Debug, Clone)]
pub struct Rules {
    pub paused: bool,
    pub concurrency: Option<i64>,
    /// The time between starts, and the burst.
    pub rate: Option<(i64, i64)>,
    pub aging_us: Option<i64>,
    pub max_length: Option<usize>,
    pub crash_limit: i64,
    pub durable: Durable,
    pub on_complete: Retention,
    pub on_fail: Retention,
    pub version: u64,
    pub all_events: bool,
}

/// The last call of a producer and its answer.
#[derive(Debug, Clone)]
pub struct Call {
    pub number: u64,
    /// In a durable queue the mode, and the first of the calls that follow one another up to this one.
    pub durable: Option<(Durable, u64)>,
    pub answer: Vec<Accepted>,
}

/// One entry of the event stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub event: String,
    pub ids: Vec<String>,
    pub by: String,
}

/// The batch of a run, which stays open: how many jobs were added, and how those ended that have ended.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub total: i64,
    pub ended: BTreeMap<&'static str, i64>,
    /// Those that have not ended.
    pub live: BTreeSet<String>,
}

pub struct Reference {
    pub now_us: i64,
    /// None where the queue has no batches.
    pub batch: Option<Batch>,
    pub jobs: BTreeMap<String, Job>,
    /// Ids that users chose, by the time until which they are remembered; `None`: as long as the job is there.
    pub seen: BTreeMap<String, Option<i64>>,
    pub locks: BTreeMap<String, Lock>,
    pub leases: BTreeMap<String, i64>,
    pub handed: BTreeMap<String, Handed>,
    pub counts: BTreeMap<String, i64>,
    pub calls: BTreeMap<String, Call>,
    pub results: BTreeMap<String, String>,
    pub rules: Rules,
    pub config: BTreeMap<String, String>,
    pub totals: BTreeMap<String, i64>,
    pub minutes: BTreeMap<i64, BTreeMap<String, i64>>,
    pub arrival: i64,
    pub fence: i64,
    pub tat: Option<i64>,
    pub empties: Option<(String, String)>,
    pub used: bool,
    /// Of the last operation.
    pub told: Vec<Told>,
    /// Whether the last operation must leave a token for a waiting worker.
    pub woken: bool,
}

impl Reference {
    pub fn new(now_us: i64) -> Self {
        Self {
            now_us,
            batch: None,
            jobs: BTreeMap::new(),
            seen: BTreeMap::new(),
            locks: BTreeMap::new(),
            leases: BTreeMap::new(),
            handed: BTreeMap::new(),
            counts: BTreeMap::new(),
            calls: BTreeMap::new(),
            results: BTreeMap::new(),
            rules: Rules {
                paused: false,
                concurrency: None,
                rate: None,
                aging_us: None,
                max_length: None,
                crash_limit: 3,
                durable: Durable::Off,
                on_complete: Retention::Count(100),
                on_fail: Retention::Never,
                version: 0,
                all_events: false,
            },
            config: BTreeMap::new(),
            totals: BTreeMap::new(),
            minutes: BTreeMap::new(),
            arrival: 0,
            fence: 0,
            tat: None,
            empties: None,
            used: false,
            told: Vec::new(),
            woken: false,
        }
    }

    pub fn now_ms(&self) -> i64 {
        self.now_us.div_euclid(1000)
    }

    /// The first whole millisecond that is not past.
    pub fn next_ms(&self) -> i64 {
        -(-self.now_us).div_euclid(1000)
    }

    /// The first of `count` arrival times: each is given once.
    pub fn arrive(&mut self, count: usize) -> i64 {
        let first = self.now_us.max(self.arrival + 1);
        self.arrival = first + count as i64 - 1;
        first
    }

    pub fn count(&mut self, what: &str, count: usize) {
        if count > 0 {
            let minute = self.now_us.div_euclid(60_000_000);
            *self.totals.entry(what.to_owned()).or_default() += count as i64;
            *self.minutes.entry(minute).or_default().entry(what.to_owned()).or_default() += count as i64;
        }
    }

    pub fn tell(&mut self, event: &str, ids: Vec<String>, by: &str) {
        if !ids.is_empty() {
            self.told.push(Told { event: event.to_owned(), ids, by: by.to_owned() });
        }
    }

    /// Dead letters that retention drops are told as a number.
    pub fn tell_dropped(&mut self, dropped: usize, by: &str) {
        let told = if dropped > 0 { vec![format!("+{dropped}")] } else { Vec::new() };
        self.tell("dropped", told, by);
    }

    pub fn waiting(&self) -> usize {
        self.jobs.values().filter(|job| job.place.is_waiting()).count()
    }

    /// The ids in places that `pick` gives a score, lowest first, ties by id.
    pub fn by_score(&self, pick: impl Fn(&Place) -> Option<i64>) -> Vec<(i64, String)> {
        let mut found: Vec<_> =
            self.jobs.iter().filter_map(|(id, job)| pick(&job.place).map(|score| (score, id.clone()))).collect();
        found.sort();
        found
    }

    pub fn in_state(&self, word: &str) -> Vec<String> {
        self.jobs.iter().filter(|(_, job)| job.place.word() == word).map(|(id, _)| id.clone()).collect()
    }

    pub fn line(&self, level: i64) -> Vec<(i64, String)> {
        self.by_score(|place| match place {
            Place::Pending { level: found, rank } if *found == level => Some(*rank),
            _ => None,
        })
    }

    pub fn dead(&self) -> Vec<(i64, String)> {
        self.by_score(|place| if let Place::Dead(at) = place { Some(*at) } else { None })
    }

    pub fn claim(&self, id: &str) -> Option<&Claim> {
        match &self.jobs.get(id)?.place {
            Place::Active(claim) => Some(claim),
            _ => None,
        }
    }

    /// What a worker holds, cancelled jobs included.
    pub fn held_by(&self, worker: &str) -> Vec<(String, Claim)> {
        let held = self.jobs.iter().filter_map(|(id, job)| match &job.place {
            Place::Active(claim) if claim.worker == worker => Some((id.clone(), claim.clone())),
            _ => None,
        });
        held.collect()
    }

    /// Who holds a unique key: a live job, or the last one while its window is open.
    pub fn holder(&self, key: &str) -> Option<String> {
        let lock = self.locks.get(key)?;
        let live = |job: &Job| job.place.is_waiting() || matches!(job.place, Place::Active(_));
        let holds = lock.until_ms > self.now_ms() || self.jobs.get(&lock.id).is_some_and(live);
        holds.then(|| lock.id.clone())
    }

    /// Ended jobs give their keys back, but for those whose window is open, and cannot expire any more.
    pub fn unlock(&mut self, ids: &[String]) {
        let now_ms = self.now_ms();
        for id in ids {
            let Some(job) = self.jobs.get_mut(id) else { continue };
            job.expires_ms = None;
            if let Some(key) = job.holds.take()
                && self.locks.get(&key).is_some_and(|lock| lock.id == *id && lock.until_ms <= now_ms)
            {
                self.locks.remove(&key);
            }
        }
    }

    /// Counts jobs of the batch that end, each for the first time.
    pub fn tally(&mut self, ids: &[String], how: &'static str) {
        let Some(batch) = &mut self.batch else { return };
        let ended = ids.iter().filter(|id| batch.live.remove(*id)).count() as i64;
        if ended > 0 {
            *batch.ended.entry(how).or_default() += ended;
        }
    }

    /// Forgets jobs; ids that users chose stay known for a day.
    pub fn drop_jobs(&mut self, ids: &[String]) {
        let until_ms = self.now_ms() + 86_400_000;
        for id in ids {
            self.jobs.remove(id);
            if let Some(until) = self.seen.get_mut(id) {
                *until = Some(until_ms);
            }
        }
    }

    /// Ends jobs, and removes what retention no longer keeps; how many.
    pub fn keep(&mut self, ids: &[String], rule: Retention, place: impl Fn(i64) -> Place) -> usize {
        let now_ms = self.now_ms();
        let word = place(0).word();
        let score = |found: &Place| match found {
            Place::Completed(at) | Place::Cancelled(at) | Place::Dead(at) if found.word() == word => Some(*at),
            _ => None,
        };
        // Of more jobs in one call than are kept, the last stay.
        let surplus = match rule {
            Retention::Count(count) => ids.len().saturating_sub(count as usize),
            _ => 0,
        };
        let mut gone = ids[..surplus].to_vec();
        self.drop_jobs(&gone);
        for id in &ids[surplus..] {
            self.jobs.get_mut(id).expect("an ended job is there").place = place(now_ms);
        }
        let kept = self.by_score(score);
        let old: Vec<String> = match rule {
            Retention::Never => Vec::new(),
            Retention::Count(count) => {
                kept.iter().take(kept.len().saturating_sub(count as usize)).map(|(_, id)| id.clone()).collect()
            }
            Retention::Age(age) => {
                let until = now_ms - age.as_millis() as i64;
                kept.iter().filter(|(at, _)| *at <= until).map(|(_, id)| id.clone()).collect()
            }
        };
        self.drop_jobs(&old);
        gone.extend(old);
        gone.len()
    }

    /// Notes in the history how a job ended that no attempt ended.
    pub fn note_end(&mut self, id: &str, why: &str) {
        let job = self.jobs.get_mut(id).expect("an ended job is there");
        let body = job.history.as_ref().map_or("{".to_owned(), |told| format!("{},", &told[..told.len() - 1]));
        job.history = Some(format!("{body}\"end\":\"{why}\"}}"));
    }
}
