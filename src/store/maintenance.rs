//! Keeps a queue tidy and in agreement with itself, in bounded steps: the janitor's work.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::job::{JobId, JobState, Record};
use crate::store::codec::{Reply, read};
use crate::store::{Key, Looked, QueueKeys, Store, scripts};

/// Ended jobs that one call of `trim` removes at most.
const TRIM_STEP: u64 = 500;
/// Calls for one set in one round; the rest waits for the next.
const TRIM_CALLS: usize = 20;
/// Remembered ids that one call of `sweep` forgets, and calls in one round beyond those that the locks need.
const SWEEP_STEP: u64 = 500;
const SWEEP_CALLS: usize = 200;
/// Ids that one call of `orphans` looks at.
const ORPHANS_STEP: u64 = 500;
/// Records that one call of `strays` reads, and about how many bytes.
const STRAYS_STEP: u64 = 500;
const STRAYS_BYTES: u64 = 1 << 20;
/// A record in no set is put back when it was so in two audits this far apart: no script leaves one so, but a script of
/// another version might.
const STRAY_FOR: Duration = Duration::from_secs(30);
/// Strays that are remembered, and put back at once.
const STRAYS_MAX: usize = 10_000;
const READMIT_STEP: usize = 100;

/// What a sweep let go of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Locks and remembered ids.
    pub removed: u64,
    /// Locks among them that a job should have given back.
    pub leaked: u64,
}

/// What an audit put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Audited {
    /// Ids without a record that left their set.
    pub orphaned: u64,
    /// Jobs in no set that are back in line.
    pub readmitted: u64,
    /// Workers whose number of claims was wrong.
    pub recounted: u64,
    /// Whether there were as many records as ids.
    pub agreed: bool,
}

/// Remembers between the audits of one queue which records no set held, and how far its entries were looked at.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    strays: Mutex<BTreeMap<JobId, Instant>>,
    pub(crate) looked: Mutex<Looked>,
}

impl Auditor {
    /// Takes note of what is in no set at `now`; what was so long enough.
    fn note(&self, found: &[JobId], now: Instant) -> Vec<JobId> {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |id: &JobId| strays.get(id).copied().unwrap_or(now);
        *strays = found.iter().map(|id| (id.clone(), since(id))).collect();
        strays.iter().filter(|(_, since)| now.duration_since(**since) >= STRAY_FOR).map(|(id, _)| id.clone()).collect()
    }
}

impl Store {
    /// Removes ended jobs that retention no longer keeps; how many.
    pub(crate) async fn trim(&self, keys: &QueueKeys) -> Result<u64> {
        let mut removed = 0;
        for set in [Key::Completed, Key::Cancelled, Key::Dead] {
            for _ in 0..TRIM_CALLS {
                let mut command = scripts::TRIM.on(keys, &self.clock);
                command.arg(set.suffix());
                let step: u64 = read("trim", scripts::TRIM.ask(&self.connection, &command).await?)?;
                removed += step;
                if step < TRIM_STEP {
                    break;
                }
            }
        }
        Ok(removed)
    }

    /// Forgets ids that were remembered long enough, and unique locks that hold nothing; how many.
    pub(crate) async fn sweep(&self, keys: &QueueKeys) -> Result<Swept> {
        let (mut cursor, mut swept) = ("0".to_owned(), Swept::default());
        let mut calls = 0;
        loop {
            let mut command = scripts::SWEEP.on(keys, &self.clock);
            command.arg(&cursor);
            let mut reply = Reply::new("sweep", scripts::SWEEP.ask(&self.connection, &command).await?)?;
            let next = reply.text()?;
            let (locks, ids) = (reply.count()?, reply.count()?);
            swept.removed += locks + ids;
            swept.leaked += reply.count()?;
            calls += 1;
            match next.as_str() {
                // All locks were looked at; there may be more ids.
                "0" if ids < SWEEP_STEP || calls >= SWEEP_CALLS => return Ok(swept),
                "0" => cursor.clear(),
                _ => cursor = next,
            }
        }
    }

    /// Keeps what the limits of keys remember small and in agreement; how many jobs were put into their index again.
    pub(crate) async fn tend(&self, keys: &QueueKeys) -> Result<u64> {
        let (mut cursor, mut mended) = ("0".to_owned(), 0);
        for _ in 0..SWEEP_CALLS {
            let mut command = scripts::TEND.on(keys, &self.clock);
            command.arg(&cursor);
            let mut reply = Reply::new("tend", scripts::TEND.ask(&self.connection, &command).await?)?;
            cursor = reply.text()?;
            mended += reply.count()?;
            if cursor == "0" {
                break;
            }
        }
        Ok(mended)
    }

    /// Looks for what contradicts itself and puts it right: ids without record, records in no set, wrong numbers of
    /// claims. Where the numbers of records and of ids agree, only the active jobs are looked at one by one.
    pub(crate) async fn audit(&self, keys: &QueueKeys, auditor: &Auditor) -> Result<Audited> {
        let mut audited = Audited { orphaned: self.disclaim(keys).await?, ..Audited::default() };
        audited.recounted = self.recount(keys).await?;
        audited.agreed = self.agrees(keys).await?;
        if audited.agreed {
            auditor.note(&[], Instant::now());
            return Ok(audited);
        }
        audited.orphaned += self.drop_waiting_orphans(keys).await?;
        let lost = auditor.note(&self.strays(keys).await?, Instant::now());
        audited.readmitted = self.readmit(keys, &lost).await?;
        Ok(audited)
    }

    /// Counts the claims of workers and keys anew; how many numbers were wrong.
    pub(crate) async fn recount(&self, keys: &QueueKeys) -> Result<u64> {
        let command = scripts::RECOUNT.on(keys, &self.clock);
        let wrong: i64 = read("recount", scripts::RECOUNT.ask(&self.connection, &command).await?)?;
        Ok(u64::try_from(wrong).unwrap_or_default())
    }

    /// Lets go of every id without a record; how many.
    pub(crate) async fn drop_all_orphans(&self, keys: &QueueKeys) -> Result<u64> {
        Ok(self.disclaim(keys).await? + self.drop_waiting_orphans(keys).await?)
    }

    async fn drop_waiting_orphans(&self, keys: &QueueKeys) -> Result<u64> {
        let mut gone = 0;
        for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Active) {
            for set in Key::of_state(state) {
                gone += self.drop_orphans(keys, *set).await?;
            }
        }
        Ok(gone)
    }

    /// Whether there are as many records as ids in all sets.
    async fn agrees(&self, keys: &QueueKeys) -> Result<bool> {
        let counts = self.counts(keys).await?;
        Ok(counts.is_none_or(|counts| counts.records == counts.sizes.iter().sum::<u64>()))
    }

    async fn disclaim(&self, keys: &QueueKeys) -> Result<u64> {
        let (mut cursor, mut gone) = ("0".to_owned(), 0);
        loop {
            let mut command = scripts::DISCLAIM.on(keys, &self.clock);
            command.arg(cursor);
            let mut reply = Reply::new("disclaim", scripts::DISCLAIM.ask(&self.connection, &command).await?)?;
            cursor = reply.text()?;
            gone += reply.count()?;
            if cursor == "0" {
                return Ok(gone);
            }
        }
    }

    async fn drop_orphans(&self, keys: &QueueKeys, set: Key) -> Result<u64> {
        let (mut first, mut gone) = (0, 0);
        loop {
            let mut command = scripts::ORPHANS.on(keys, &self.clock);
            command.arg(set.suffix()).arg(first);
            let mut reply = Reply::new("orphans", scripts::ORPHANS.ask(&self.connection, &command).await?)?;
            let (looked_at, left) = (reply.count()?, reply.count()?);
            gone += left;
            first += looked_at.saturating_sub(left);
            if looked_at < ORPHANS_STEP {
                return Ok(gone);
            }
        }
    }

    /// Records that no set holds, the first 10,000 or so.
    pub(crate) async fn strays(&self, keys: &QueueKeys) -> Result<Vec<JobId>> {
        let (size, mut cursor) = (self.strays_step(keys).await?, "0".to_owned());
        let mut found = Vec::new();
        loop {
            let mut command = scripts::STRAYS.on(keys, &self.clock);
            command.arg(cursor).arg(size);
            let mut reply = Reply::new("strays", scripts::STRAYS.ask(&self.connection, &command).await?)?;
            cursor = reply.text()?;
            while !reply.is_empty() {
                found.push(JobId::trusted(&reply.text()?));
            }
            if cursor == "0" || found.len() >= STRAYS_MAX {
                return Ok(found);
            }
        }
    }

    /// Puts jobs that no set holds back into line; how many.
    pub(crate) async fn readmit(&self, keys: &QueueKeys, lost: &[JobId]) -> Result<u64> {
        let mut readmitted = 0;
        for step in lost.chunks(READMIT_STEP) {
            let mut command = scripts::READMIT.on(keys, &self.clock);
            for id in step {
                command.arg(id.as_str()).arg(self.level_of(keys, id).await?);
            }
            readmitted += read::<u64>("readmit", scripts::READMIT.ask(&self.connection, &command).await?)?;
        }
        Ok(readmitted)
    }

    /// How many records one call may read, so that long ones hold nobody up.
    async fn strays_step(&self, keys: &QueueKeys) -> Result<u64> {
        let mut command = redis::cmd("HRANDFIELD");
        command.arg(keys.name(Key::Jobs)).arg(10);
        let ids: Vec<String> = read("HRANDFIELD", self.connection.call(&command).await?.value)?;
        let mut longest = 1;
        for id in ids {
            let mut command = redis::cmd("HSTRLEN");
            command.arg(keys.name(Key::Jobs)).arg(id);
            longest = longest.max(read("HSTRLEN", self.connection.call(&command).await?.value)?);
        }
        Ok((STRAYS_BYTES / longest).clamp(1, STRAYS_STEP))
    }

    pub(crate) async fn level_of(&self, keys: &QueueKeys, id: &JobId) -> Result<u8> {
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Jobs)).arg(id.as_str());
        let record: Option<Vec<u8>> = read("HGET", self.connection.call(&command).await?.value)?;
        let record = record.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| Record::decode(&text).ok());
        Ok(record.map(|record| record.priority).unwrap_or_default().level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_lost_when_no_set_held_it_in_two_audits_far_apart() {
        let (auditor, began) = (Auditor::default(), Instant::now());
        let [a, b] = ["a", "b"].map(JobId::trusted);
        let after = |secs| began + Duration::from_secs(secs);
        assert!(auditor.note(std::slice::from_ref(&a), began).is_empty());
        assert!(auditor.note(&[a.clone(), b.clone()], after(29)).is_empty());
        assert_eq!(auditor.note(&[a.clone(), b.clone()], after(31)), std::slice::from_ref(&a));
        assert!(auditor.note(std::slice::from_ref(&b), after(32)).is_empty(), "a is held again");
        assert_eq!(auditor.note(&[a, b.clone()], after(60)), [b]);
    }
}
