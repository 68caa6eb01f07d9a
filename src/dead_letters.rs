//! The dead letters of a queue: list, group, revive, delete.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::bulk::{ActOptions, Bulk, BulkAct};
use crate::error::{Error, Result};
use crate::inspector::in_the_move;
use crate::job::{JobId, JobState, NewJob, QueueName, Unique};
use crate::selection::Selection;
use crate::stats::{BulkReport, DeadGroup, DeadLetter, Page};
use crate::store::{Detail, Key, PAGE_JOBS, Range, Replaced, Store};
use crate::walk::Walk;

/// The dead letters of one queue.
#[derive(Clone)]
pub struct DeadLetters {
    store: Store,
    queue: QueueName,
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
        Self { store, queue: queue.clone() }
    }

    /// The queue.
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The selected letters, oldest first, from `offset` on, at most `limit` of them.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn list(&self, selection: &Selection, offset: u64, limit: u64) -> Result<Page<DeadLetter>> {
        let mut walk = self.walk(selection).await?.skip(offset);
        let mut items = Vec::new();
        while let Some(letters) = walk.look().await? {
            for letter in letters {
                if items.len() as u64 == limit {
                    return Ok(Page { items, more: true });
                }
                items.push(letter.letter(self.queue()));
            }
        }
        Ok(Page { items, more: false })
    }

    /// Whether these jobs are among the dead letters: for each the error (`NotFound`, `Refused`) that says why not.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn look_up(&self, ids: &[JobId]) -> Result<Vec<(JobId, Option<Error>)>> {
        self.store.known_spread(self.queue()).await?;
        let mut looked_up = Vec::with_capacity(ids.len());
        for step in ids.chunks(PAGE_JOBS as usize) {
            let found = self.store.find_all(self.queue(), step).await?;
            looked_up.extend(step.iter().zip(found).map(|(id, stands)| {
                let refusal = match stands.map(|stands| stands.place.state) {
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
        let mut walk = self.walk(selection).await?;
        let mut groups = BTreeMap::<String, DeadGroup>::new();
        while let Some(letters) = walk.look().await? {
            for letter in letters.iter().map(|found| found.letter(self.queue())) {
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
        let ReviveOptions { delay, rate_per_sec, dry_run } = options;
        let options = ActOptions { delay, rate_per_sec, dry_run, ..ActOptions::default() };
        self.act(BulkAct::Retry, selection, &options, progress).await
    }

    /// Replaces a dead letter by a new job with another payload and the other options of the old one; the new job's id.
    /// The new one names the old. Happens as a whole or not at all.
    ///
    /// # Errors
    /// `NotFound` when it is not (or no longer) among the dead letters; `Invalid` for the payload; `Refused` when another
    /// job holds its unique key.
    pub async fn revive_edited(&self, id: &JobId, payload: String, delay: Option<Duration>) -> Result<JobId> {
        let mut job = NewJob::from_json(payload)?;
        let (ids, stands) = (std::slice::from_ref(id), self.store.find_one(self.queue(), id, None).await?);
        let gone = || Error::not_found(format!("job {id} is not among the dead letters of queue {}", self.queue()));
        let keys = stands.ok_or_else(gone)?.keys;
        let letters = self.store.page(&keys, Key::Dead, Range::These(ids), Detail::Whole).await?;
        let letter = letters.first().ok_or_else(gone)?;
        if let Some(record) = letter.record() {
            job.priority = record.priority;
            (job.attempts, job.backoff) = (record.attempts, record.backoff);
            (job.timeout, job.ttl) = (record.timeout, record.ttl);
            job.order_key = record.order_key;
            job.unique = record.unique.map(|key| Unique { key, window: None });
        }
        job.revives = Some(id.clone());
        let job = job.delay(delay.unwrap_or_default());
        job.check()?;
        let replaced = self.store.replace(&keys, letter, &job).await;
        match replaced.map_err(|error| in_the_move(self.queue(), id, error))? {
            Replaced::Done => Ok(job.job_id().clone()),
            Replaced::Held(holder) => Err(Error::refused(format!("job {holder} holds the unique key of job {id}"))),
            Replaced::Elsewhere => Err(gone()),
        }
    }

    /// Deletes the selected letters that are there now. May be broken off and repeated. `progress` gets the number deleted.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used; `Refused` when it is protected.
    pub async fn delete(
        &self,
        selection: &Selection,
        dry_run: bool,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        let options = ActOptions { dry_run, ..ActOptions::default() };
        self.act(BulkAct::Remove, selection, &options, progress).await
    }

    async fn act(
        &self,
        act: BulkAct,
        selection: &Selection,
        options: &ActOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        let letters = Selection { states: vec![JobState::Dead], ..selection.clone() };
        Bulk::new(self.store.clone(), self.queue.clone()).run(act, &letters, options, progress).await
    }

    /// A walk over the selected letters.
    async fn walk<'a>(&'a self, selection: &'a Selection) -> Result<Walk<'a>> {
        Walk::begin(&self.store, &self.queue, (selection, &[JobState::Dead]), Detail::Arrival).await
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
}
