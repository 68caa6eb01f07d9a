//! The dead letters of a queue: list, group, revive, delete.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::job::{JobId, JobState, NewJob, QueueName, Unique};
use crate::selection::Selection;
use crate::stats::{BulkReport, DeadGroup, DeadLetter, Page, Skipped};
use crate::store::{Detail, Found, Key, PAGE_JOBS, QueueKeys, REVIVE_STEP, Range, Replaced, Revived, Store};

/// Letters that are looked up by their ids in one call.
const IDS_STEP: usize = 100;

/// The dead letters of one queue.
#[derive(Clone)]
pub struct DeadLetters {
    store: Store,
    keys: QueueKeys,
}

/// What dead letters are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The stable code word.
    Code,
    /// The class.
    Class,
    /// The first line of the error, with numbers and ids made alike.
    Error,
}

/// How dead letters are revived.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReviveOptions {
    /// They wait this long before they start.
    pub delay: Option<Duration>,
    /// At most so many a second.
    pub rate_per_sec: Option<f64>,
    /// Only counts.
    pub dry_run: bool,
}

impl DeadLetters {
    pub(crate) fn new(store: Store, queue: &QueueName) -> Self {
        let keys = store.keys(queue);
        Self { store, keys }
    }

    /// The queue.
    pub fn queue(&self) -> &QueueName {
        self.keys.queue()
    }

    /// The selected letters, oldest first, from `offset` on, at most `limit` of them.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn list(&self, selection: &Selection, offset: u64, limit: u64) -> Result<Page<DeadLetter>> {
        let mut walk = Walk::begin(self, selection, Detail::Arrival).await?;
        let (mut skip, mut items) = (offset, Vec::new());
        // Letters that need no look are skipped by their rank.
        if selection.is_all() && selection.limit.is_none() {
            walk.first = std::mem::take(&mut skip);
        }
        while let Some(chosen) = walk.next().await? {
            walk.first += chosen.len() as u64;
            for letter in chosen {
                if skip > 0 {
                    skip -= 1;
                } else if items.len() as u64 == limit {
                    return Ok(Page { items, more: true });
                } else {
                    items.push(letter.letter(self.queue()));
                }
            }
        }
        Ok(Page { items, more: false })
    }

    /// Whether these jobs are among the dead letters: for each the error (`NotFound`, `Refused`) that says why not.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn look_up(&self, ids: &[JobId]) -> Result<Vec<(JobId, Option<Error>)>> {
        if !self.store.is_known(&self.keys).await? {
            return Err(self.store.unknown_queue(self.queue()).await);
        }
        let mut looked_up = Vec::with_capacity(ids.len());
        for step in ids.chunks(PAGE_JOBS as usize) {
            let places = self.store.locate(&self.keys, step).await?;
            looked_up.extend(step.iter().zip(places).map(|(id, place)| {
                let refusal = match place.map(|place| place.state) {
                    Some(JobState::Dead) => None,
                    Some(state) => {
                        let queue = self.queue();
                        Some(Error::refused(format!("job {id} is {state}, not among the dead letters of {queue}")))
                    }
                    None => {
                        Some(Error::not_found(format!("job {:?} not found in queue {}", id.as_str(), self.queue())))
                    }
                };
                (id.clone(), refusal)
            }));
        }
        Ok(looked_up)
    }

    /// The selected letters by what they share, most frequent first.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn groups(&self, selection: &Selection, by: GroupBy) -> Result<Vec<DeadGroup>> {
        let mut walk = Walk::begin(self, selection, Detail::Arrival).await?;
        let mut groups = BTreeMap::<String, DeadGroup>::new();
        while let Some(chosen) = walk.next().await? {
            walk.first += chosen.len() as u64;
            for letter in chosen.iter().map(|found| found.letter(self.queue())) {
                let key = by.key(&letter);
                let group = groups.entry(key.clone()).or_insert_with(|| DeadGroup {
                    key,
                    count: 0,
                    oldest: letter.died_at,
                    newest: letter.died_at,
                    example: letter.id.clone(),
                });
                group.count += 1;
                group.oldest = group.oldest.min(letter.died_at);
                group.newest = group.newest.max(letter.died_at);
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        Ok(groups)
    }

    /// Revives the selected letters that are there now: attempts and crashes begin anew (and a `ttl`), the history is
    /// kept. Each moves by itself in one script, so it may be broken off and repeated. `progress` gets the number revived.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used; `Invalid` for a rate that is no positive number.
    pub async fn revive(
        &self,
        selection: &Selection,
        options: ReviveOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        let mut pace = Pace::new(options.rate_per_sec)?;
        let mut walk = Walk::begin(self, selection, Detail::Whole).await?;
        let mut report = BulkReport { dry_run: options.dry_run, ..BulkReport::default() };
        while let Some(chosen) = walk.next().await? {
            report.matched += chosen.len() as u64;
            if options.dry_run {
                walk.first += chosen.len() as u64;
                continue;
            }
            for step in chosen.chunks(pace.step()) {
                pace.wait(step.len()).await;
                let revived = self.store.revive(&self.keys, options.delay, step).await?;
                for (letter, revived) in step.iter().zip(revived) {
                    // What stays a dead letter keeps its rank, and the walk passes it.
                    let (reason, stays) = match revived {
                        Revived::Done => {
                            report.changed += 1;
                            continue;
                        }
                        Revived::Held(holder) => (format!("job {holder} holds its unique key"), true),
                        Revived::NoRecord => ("nothing is stored of it but its id".to_owned(), true),
                        Revived::Elsewhere(Some(state)) => (format!("it is {state} by now"), state == JobState::Dead),
                        Revived::Elsewhere(None) => ("it is gone".to_owned(), false),
                    };
                    walk.first += u64::from(stays);
                    report.skipped.push(Skipped { id: letter.id.clone(), reason });
                }
                progress(report.changed);
            }
        }
        Ok(report)
    }

    /// Replaces a dead letter by a new job with another payload and the other options of the old one; the new job's id.
    /// The new one names the old. Happens as a whole or not at all.
    ///
    /// # Errors
    /// `NotFound` when it is not (or no longer) among the dead letters; `Invalid` for the payload; `Refused` when another
    /// job holds its unique key.
    pub async fn revive_edited(&self, id: &JobId, payload: String, delay: Option<Duration>) -> Result<JobId> {
        let mut job = NewJob::from_json(payload)?;
        let letters =
            self.store.page(&self.keys, Key::Dead, Range::These(std::slice::from_ref(id)), Detail::Whole).await?;
        let gone = || Error::not_found(format!("job {id} is not among the dead letters of queue {}", self.queue()));
        let letter = letters.first().ok_or_else(gone)?;
        if let Some(record) = letter.record() {
            job.priority = record.priority;
            (job.attempts, job.backoff) = (record.attempts, record.backoff);
            (job.timeout, job.ttl) = (record.timeout, record.ttl);
            job.unique = record.unique.map(|key| Unique { key, window: None });
        }
        job.revives = Some(id.clone());
        let job = job.delay(delay.unwrap_or_default());
        job.check()?;
        match self.store.replace(&self.keys, letter, &job).await? {
            Replaced::Done => Ok(job.job_id().clone()),
            Replaced::Held(holder) => Err(Error::refused(format!("job {holder} holds the unique key of job {id}"))),
            Replaced::Elsewhere => Err(gone()),
        }
    }

    /// Deletes the selected letters that are there now, for good. May be broken off and repeated. `progress` gets the
    /// number deleted.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn delete(
        &self,
        selection: &Selection,
        dry_run: bool,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        let mut report = BulkReport { dry_run, ..BulkReport::default() };
        let mut walk = Walk::begin(self, selection, Detail::Arrival).await?;
        if selection.is_all() {
            // Nothing of what is stored need be read.
            let limit = selection.limit.unwrap_or(u64::MAX);
            if dry_run {
                report.matched = self.store.size(&self.keys, Key::Dead).await?.min(limit);
            } else {
                report.changed = self.store.clear(&self.keys, Key::Dead, limit, progress).await?;
                report.matched = report.changed;
            }
            return Ok(report);
        }
        while let Some(chosen) = walk.next().await? {
            let count = chosen.len() as u64;
            report.matched += count;
            if dry_run {
                walk.first += count;
                continue;
            }
            let marks: Vec<_> = chosen.iter().map(|letter| (letter.id.clone(), letter.place.score())).collect();
            // What it did not remove is no dead letter any more, or died anew: behind the end of the walk either way.
            report.changed += self.store.remove(&self.keys, Key::Dead, &marks).await?;
            progress(report.changed);
        }
        Ok(report)
    }
}

impl GroupBy {
    fn key(self, letter: &DeadLetter) -> String {
        match self {
            Self::Code => letter.code.clone(),
            Self::Class => letter.class.to_string(),
            Self::Error => alike(&letter.error),
        }
    }
}

/// The first line of an error with what differs from job to job made alike: quoted parts, ids, numbers.
fn alike(error: &str) -> String {
    static QUOTED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#""[^"]*"|'[^']*'|`[^`]*`|«[^»]*»"#).expect("it is a regular expression"));
    static NUMBERS: LazyLock<Regex> = LazyLock::new(|| {
        let ulid = r"\b[0-9A-HJKMNP-TV-Z]{26}\b";
        let uuid = r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b";
        let hex = r"\b(?:0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]*\b";
        Regex::new(&format!("{ulid}|{uuid}|{hex}|[0-9]+")).expect("it is a regular expression")
    });
    let line = error.lines().next().unwrap_or_default().trim();
    NUMBERS.replace_all(&QUOTED.replace_all(line, "\"…\""), "#").into_owned()
}

/// A walk over the dead letters that were there when it began, oldest first, which stops for those that are selected.
struct Walk<'a> {
    letters: &'a DeadLetters,
    selection: &'a Selection,
    detail: Detail,
    /// The rank from which it goes on: whoever leaves a letter where it is adds one.
    first: u64,
    began_ms: i64,
    /// When the last of them died: what dies from now on is not meant, lest what is revived comes round again.
    last_ms: i64,
    /// How many more may be selected.
    left: u64,
    ids_asked: usize,
}

impl<'a> Walk<'a> {
    async fn begin(letters: &'a DeadLetters, selection: &'a Selection, detail: Detail) -> Result<Self> {
        if !letters.store.is_known(&letters.keys).await? {
            return Err(letters.store.unknown_queue(letters.queue()).await);
        }
        let began_ms = letters.store.now_ms().await?;
        let left = selection.limit.unwrap_or(u64::MAX);
        let last = letters.store.marks(&letters.keys, Key::Dead, (0, 1), true).await?.pop();
        let last_ms = last.map_or(i64::MIN, |(_, died_ms)| died_ms);
        Ok(Self { letters, selection, detail, first: 0, began_ms, last_ms, left, ids_asked: 0 })
    }

    /// The next letters that are selected; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        while self.left > 0 {
            let page = self.page().await?;
            let by_rank = self.selection.ids.is_empty();
            let over = page.is_empty() || (by_rank && page.iter().any(|found| found.place.score() > self.last_ms));
            let mut chosen = Vec::new();
            for found in page {
                let died_ms = found.place.since_ms();
                let dead_for = Duration::from_millis((self.began_ms - died_ms).max(0).unsigned_abs());
                let meant = self.selection.matches(&found.letter(self.letters.queue()), dead_for);
                if died_ms <= self.last_ms && meant && self.left > 0 {
                    self.left -= 1;
                    chosen.push(found);
                } else {
                    self.first += 1;
                }
            }
            if over {
                self.left = 0;
            }
            if !chosen.is_empty() {
                return Ok(Some(chosen));
            }
        }
        Ok(None)
    }

    async fn page(&mut self) -> Result<Vec<Found>> {
        let DeadLetters { store, keys } = self.letters;
        if self.selection.ids.is_empty() {
            let range = Range::Oldest { first: self.first, count: PAGE_JOBS };
            return store.page(keys, Key::Dead, range, self.detail).await;
        }
        // Named ones are looked up, however many letters there are.
        let mut page = Vec::new();
        while page.is_empty() && self.ids_asked < self.selection.ids.len() {
            let rest = &self.selection.ids[self.ids_asked..];
            let asked = &rest[..rest.len().min(IDS_STEP)];
            self.ids_asked += asked.len();
            page = store.page(keys, Key::Dead, Range::These(asked), self.detail).await?;
        }
        Ok(page)
    }
}

/// Keeps to so many letters a second.
struct Pace {
    rate: Option<f64>,
    began: Instant,
    done: f64,
}

impl Pace {
    fn new(rate: Option<f64>) -> Result<Self> {
        match rate {
            Some(rate) if !(rate.is_finite() && rate > 0.0) => {
                Err(Error::invalid(format!("rate {rate} is not a positive number of jobs a second")))
            }
            rate => Ok(Self { rate, began: Instant::now(), done: 0.0 }),
        }
    }

    /// How many go at once: a tenth of a second's worth.
    fn step(&self) -> usize {
        self.rate.map_or(REVIVE_STEP, |rate| ((rate / 10.0) as usize).clamp(1, REVIVE_STEP))
    }

    /// Waits until `count` more may go.
    async fn wait(&mut self, count: usize) {
        let Some(rate) = self.rate else { return };
        let due = self.began + Duration::try_from_secs_f64(self.done / rate).unwrap_or(Duration::MAX / 2);
        tokio::time::sleep_until(due).await;
        self.done += count as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_and_names_are_alike() {
        let same = |a: &str, b: &str| assert_eq!(alike(a), alike(b));
        same("550 no mailbox \"a@x.org\"", "550 no mailbox \"b@y.org\"\nmore");
        same("timed out after 3s at 10.0.0.1:25", "timed out after 12s at 10.0.0.23:465");
        same("job 01KAQ8Z3V7X9Y2N4M6P8R0S1T3 lost", "job 01KAQ8Z3V7X9Y2N4M6P8R0S1T4 lost");
        same("id 3fa85f64-5717-4562-b3fc-2c963f66afa6", "id 0fa85f64-5717-4562-b3fc-2c963f66afa7");
        assert_ne!(alike("connection refused"), alike("connection reset"));
        assert_eq!(alike("utf8 is bad"), "utf# is bad");
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::new(Some(bad)).is_err());
        }
        assert_eq!((Pace::new(Some(50.0)).unwrap().step(), Pace::new(None).unwrap().step()), (5, REVIVE_STEP));
    }
}
