//! Finds entries that contradict the rest of a queue, key by key in pages, and mends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use crate::error::Result;
use crate::job::{JobId, JobState};
use crate::repair::RepairKind;
use crate::store::codec::{Reply, read};
use crate::store::{Auditor, Key, QueueKeys, Store, scripts};

/// Jobs that one call of `mend` is given.
const MEND_STEP: usize = 100;
/// Entries of one key that are remembered at a time; the rest waits for the next look.
const AMISS_MAX: usize = 10_000;
/// Pages that one look of a janitor reads: each key of a small queue once, a few milliseconds of a large one.
const PAGES_AT_A_TIME: usize = 20;
/// Keys beside those of the states that name jobs.
const BESIDE: [Key; 6] = [Key::History, Key::Crashes, Key::Expiring, Key::Keys, Key::Batched, Key::Unique];

/// The words of `amiss`.
const WORDS: [(RepairKind, &str); 6] = [
    (RepairKind::Orphan, "orphaned"),
    (RepairKind::Double, "doubled"),
    (RepairKind::Claim, "unreadable"),
    (RepairKind::Relock, "relocked"),
    (RepairKind::Unlock, "unlocked"),
    (RepairKind::Leftover, "leftover"),
];

/// What was found amiss: the jobs by kind and key. A job may be found under several.
pub(crate) type Amiss = BTreeMap<RepairKind, BTreeSet<(&'static str, JobId)>>;

/// Where among the entries of a queue the last look ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looked {
    /// The number of the key.
    key: usize,
    /// Empty at the beginning of a key.
    cursor: String,
    /// How much was found in it so far.
    found: usize,
}

impl Looked {
    /// On to the next page, whose cursor is `next`; to the next key where enough was found.
    fn advance(&mut self, next: String) {
        match next == "0" || self.found >= AMISS_MAX {
            true => *self = Self { key: self.key + 1, ..Self::default() },
            false => self.cursor = next,
        }
    }
}

/// The keys whose entries are looked at, in their order.
fn looked_at() -> impl Iterator<Item = Key> {
    JobState::ALL.into_iter().flat_map(Key::of_state).chain(&BESIDE).copied()
}

impl Store {
    /// Everything that contradicts itself in the entries of a queue; strays are another look.
    pub(crate) async fn amiss(&self, keys: &QueueKeys) -> Result<Amiss> {
        let (mut looked, mut amiss) = (Looked::default(), Amiss::new());
        while let Some(key) = looked_at().nth(looked.key) {
            self.amiss_page(keys, key, &mut looked, &mut amiss).await?;
        }
        Ok(amiss)
    }

    /// What contradicts itself in the next pages behind where the last look ended: over time, in every entry.
    pub(crate) async fn amiss_next(&self, keys: &QueueKeys, auditor: &Auditor) -> Result<Amiss> {
        let held = || auditor.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut looked, mut amiss) = (held().clone(), Amiss::new());
        for _ in 0..PAGES_AT_A_TIME {
            let Some(key) = looked_at().nth(looked.key) else { break };
            self.amiss_page(keys, key, &mut looked, &mut amiss).await?;
        }
        if looked_at().nth(looked.key).is_none() {
            looked = Looked::default();
        }
        *held() = looked;
        Ok(amiss)
    }

    /// Adds what is amiss in one page of a key.
    async fn amiss_page(&self, keys: &QueueKeys, key: Key, looked: &mut Looked, amiss: &mut Amiss) -> Result<()> {
        let (what, mut command) = (key.suffix(), scripts::AMISS.on(keys, &self.clock));
        command.arg(what).arg(if looked.cursor.is_empty() { "0" } else { &looked.cursor });
        let mut reply = Reply::new("amiss", scripts::AMISS.ask(&self.connection, &command).await?)?;
        let next = reply.text()?;
        while !reply.is_empty() {
            let (id, word) = (JobId::trusted(&reply.text()?), reply.text()?);
            looked.found += usize::from(amiss.entry(kind_of(&word)).or_default().insert((what, id)));
        }
        looked.advance(next);
        Ok(())
    }

    /// Mends what was found, where it is still so; how many of each kind.
    pub(crate) async fn mend(&self, keys: &QueueKeys, by: &str, amiss: &Amiss) -> Result<BTreeMap<RepairKind, u64>> {
        let mut mended = BTreeMap::new();
        for kind in [RepairKind::Double, RepairKind::Claim, RepairKind::Leftover, RepairKind::Relock] {
            let mut by_key: BTreeMap<&str, Vec<&JobId>> = BTreeMap::new();
            for (what, id) in amiss.get(&kind).into_iter().flatten() {
                by_key.entry(what).or_default().push(id);
            }
            let seen = WORDS.iter().find(|(of, _)| *of == kind).map_or("", |(_, word)| word);
            for (what, ids) in by_key {
                for step in ids.chunks(MEND_STEP) {
                    *mended.entry(kind).or_default() += self.mend_step(keys, (what, by), seen, step).await?;
                }
            }
        }
        Ok(mended)
    }

    /// Lets a queue know again that it has batches; 1 where it did not.
    pub(crate) async fn know_batches(&self, keys: &QueueKeys, by: &str) -> Result<u64> {
        self.mend_step(keys, (Key::Batched.suffix(), by), "", &[]).await
    }

    async fn mend_step(&self, keys: &QueueKeys, (what, by): (&str, &str), seen: &str, ids: &[&JobId]) -> Result<u64> {
        let mut command = scripts::MEND.on(keys, &self.clock);
        command.arg(what).arg(by).arg(seen);
        for id in ids {
            let level = if what == Key::Active.suffix() { self.level_of(keys, id).await? } else { 0 };
            command.arg(id.as_str()).arg(level);
        }
        read("mend", scripts::MEND.ask(&self.connection, &command).await?)
    }

    /// Whether the queue has batches and does not know.
    pub(crate) async fn forgot_batches(&self, keys: &QueueKeys) -> Result<bool> {
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Meta)).arg("batches");
        let known: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let mut command = redis::cmd("EXISTS");
        command.arg(keys.name(Key::Batches)).arg(keys.name(Key::Batched));
        Ok(known.is_none() && read::<u64>("EXISTS", self.connection.call(&command).await?.value)? > 0)
    }

    /// How many jobs have been due for longer than `late_ms`, and are not in line.
    pub(crate) async fn late(&self, keys: &QueueKeys, late_ms: i64) -> Result<u64> {
        let (before_ms, mut late) = (self.now_ms().await? - late_ms, 0);
        for set in [Key::Scheduled, Key::Retrying] {
            let mut command = redis::cmd("ZCOUNT");
            // The score is the due time in ms × 4 + level.
            command.arg(keys.name(set)).arg("-inf").arg(before_ms * 4);
            late += read::<u64>("ZCOUNT", self.connection.call(&command).await?.value)?;
        }
        Ok(late)
    }

    /// The ticks that no schedule has, the first 1,000.
    pub(crate) async fn ticks(&self, keys: &QueueKeys) -> Result<Vec<String>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(keys.name(Key::Ticks)).arg(0).arg(999);
        read("ZRANGE", self.connection.call(&command).await?.value)
    }
}

/// The kind that a word of `amiss` stands for.
fn kind_of(word: &str) -> RepairKind {
    WORDS.iter().find(|(_, known)| *known == word).map_or(RepairKind::Leftover, |(kind, _)| *kind)
}
