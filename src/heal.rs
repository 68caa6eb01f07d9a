//! Brings a queue from a state that contradicts itself back into agreement: what the janitor of a worker does each minute,
//! and `heal` at once. The one place that decides what is put right, and in which order.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::client::Client;
use crate::error::Result;
use crate::event::QueueEvent;
use crate::events;
use crate::job::{JobId, QueueName};
use crate::mover;
use crate::repair::{Repair, RepairKind};
use crate::store::{Amiss, Appointed, Appointment, Auditor, QueueKeys, Store, StoredSchedule, worker_of};

/// How long `heal` waits between its two looks: workers renew their leases more often, and no script takes as long.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1_500);
/// Who did it, in the event streams.
const HEAL: &str = "heal";
const JANITOR: &str = "janitor";
/// The grace for a claim whose worker is not known.
const GRACE_MS: u64 = 30_000;
/// A job that is due for less is not late.
const LATE_MS: i64 = 5_000;
/// Jobs that one call promotes, and calls for one queue.
const PROMOTE_STEP: usize = 1_000;
const PROMOTE_CALLS: usize = 1_000;
/// Places of a queue that are healed at the same time.
const PLACES_AT_ONCE: usize = 16;

/// Heals queues.
#[derive(Clone)]
pub struct Healer {
    client: Client,
}

/// One pass over a place of a queue.
struct Pass<'a> {
    store: &'a Store,
    keys: &'a QueueKeys,
    dry_run: bool,
    repairs: Vec<Repair>,
}

impl Healer {
    /// Heals what `client` sees.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Finds what contradicts itself in these queues, all where none is named, and puts it right at once; with `dry_run` it
    /// only looks. Safe beside running workers, and to be broken off and repeated: every script asks again before it writes.
    ///
    /// # Errors
    /// `NotFound` when a named queue was never used; `Refused` when the configuration is read-only, unless `dry_run`.
    pub async fn heal(&self, queues: &[QueueName], dry_run: bool) -> Result<Vec<Repair>> {
        if !dry_run {
            self.client.config().redis.must_be_writable()?;
        }
        let (store, mut repairs) = (self.client.store(), Vec::new());
        for queue in known(store, queues).await? {
            repairs.extend(heal_queue(store, &queue, dry_run).await?);
            repairs.extend(mover::heal(store, &queue, dry_run).await?);
        }
        Ok(repairs)
    }

    /// The last `count` repairs that the event streams of these queues tell of, all where none is named; newest last.
    ///
    /// # Errors
    /// `NotFound` when a named queue was never used.
    pub async fn log(&self, queues: &[QueueName], count: usize) -> Result<Vec<QueueEvent>> {
        events::last(self.client.store(), queues, is_repair, count).await
    }
}

/// Whether an entry of a stream tells of a repair: a recovery is one only where `heal` made it.
fn is_repair(event: &QueueEvent) -> bool {
    match event.event.as_str() {
        "recovered" | "crash_loop" => event.by == HEAL,
        "schedule" => event.by == HEAL || event.by == JANITOR,
        word => RepairKind::ALL.iter().any(|kind| !kind.event().is_empty() && kind.event() == word),
    }
}

/// The queues that are named, or all.
async fn known(store: &Store, queues: &[QueueName]) -> Result<Vec<QueueName>> {
    if queues.is_empty() {
        return store.queues().await;
    }
    let named: BTreeSet<_> = queues.iter().cloned().collect();
    for queue in &named {
        if !store.is_known(&store.keys(queue)).await? {
            return Err(store.unknown_queue(queue).await);
        }
    }
    Ok(named.into_iter().collect())
}

/// All that is amiss in one queue, in each of its places, and under its own name, where a version without partitions may have
/// left something.
pub(crate) async fn heal_queue(store: &Store, queue: &QueueName, dry_run: bool) -> Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    if !store.is_registered(queue).await? {
        let repaired = if dry_run { 0 } else { u64::from(store.register(queue).await?) };
        note(&mut repairs, Repair::new(queue, RepairKind::Register, (1, repaired)));
    }
    let (mut places, home) = (store.places(queue).await?, store.keys(queue));
    if !places.iter().any(|keys| keys.is_same_place(&home)) {
        places.push(home);
    }
    let heals: Vec<_> = places.iter().map(|keys| heal_place(store, keys, dry_run)).collect();
    let healed: Vec<_> = stream::iter(heals).buffered(PLACES_AT_ONCE).try_collect().await?;
    healed.into_iter().flatten().for_each(|repair| note(&mut repairs, repair));
    repairs.sort_by_key(|repair| repair.repair);
    Ok(repairs)
}

/// All that is amiss in one place of a queue, with the second look where one is needed.
async fn heal_place(store: &Store, keys: &QueueKeys, dry_run: bool) -> Result<Vec<Repair>> {
    let mut pass = Pass { store, keys, dry_run, repairs: Vec::new() };
    pass.entries(HEAL).await?;
    pass.two_looks().await?;
    pass.counts().await?;
    pass.late().await?;
    pass.ticks(HEAL).await?;
    Ok(pass.repairs)
}

/// Adds what was found and put right to what is known of its kind.
fn note(repairs: &mut Vec<Repair>, one: Repair) {
    match repairs.iter_mut().find(|known| known.repair == one.repair) {
        _ if one.found == 0 => {}
        Some(known) => (known.found, known.repaired) = (known.found + one.found, known.repaired + one.repaired),
        None => repairs.push(one),
    }
}

/// What the janitor does each minute: all entries where their numbers disagree, else the next few, so that it costs the same
/// however many there are; what a worker's own actors do is left to them.
pub(crate) async fn keep_whole(store: &Store, keys: &QueueKeys, auditor: &Auditor) -> Result<Vec<Repair>> {
    let mut pass = Pass { store, keys, dry_run: false, repairs: Vec::new() };
    let unlocked = store.sweep(keys).await?.leaked;
    pass.note(RepairKind::Unlock, unlocked, unlocked);
    let reindexed = store.tend(keys).await?;
    pass.note(RepairKind::Index, reindexed, reindexed);
    let audited = store.audit(keys, auditor).await?;
    if audited.agreed {
        pass.batches(JANITOR).await?;
        pass.mend(JANITOR, store.amiss_next(keys, auditor).await?).await?;
    } else {
        pass.entries(JANITOR).await?;
    }
    pass.note(RepairKind::Orphan, audited.orphaned, audited.orphaned);
    pass.note(RepairKind::Stray, audited.readmitted, audited.readmitted);
    pass.note(RepairKind::Recount, audited.recounted, audited.recounted);
    pass.ticks(JANITOR).await?;
    Ok(pass.repairs)
}

impl Pass<'_> {
    fn note(&mut self, kind: RepairKind, found: u64, repaired: u64) {
        note(&mut self.repairs, Repair::new(self.keys.queue(), kind, (found, repaired)));
    }

    /// Entries of single keys: doubles, claims that nobody can read, what is left of jobs, unique keys.
    async fn entries(&mut self, by: &str) -> Result<()> {
        self.batches(by).await?;
        let amiss = self.store.amiss(self.keys).await?;
        if self.dry_run {
            amiss.iter().for_each(|(kind, found)| self.note(*kind, found.len() as u64, 0));
            return Ok(());
        }
        self.mend(by, amiss).await
    }

    /// A queue that has batches knows so.
    async fn batches(&mut self, by: &str) -> Result<()> {
        if self.store.forgot_batches(self.keys).await? {
            let repaired = if self.dry_run { 0 } else { self.store.know_batches(self.keys, by).await? };
            self.note(RepairKind::Batches, 1, repaired);
        }
        Ok(())
    }

    async fn mend(&mut self, by: &str, amiss: Amiss) -> Result<()> {
        // Records first: an id without one takes with it what lies beside.
        if amiss.contains_key(&RepairKind::Orphan) {
            let gone = self.store.drop_all_orphans(self.keys).await?;
            self.note(RepairKind::Orphan, gone, gone);
        }
        for (kind, mended) in self.store.mend(self.keys, by, &amiss).await? {
            self.note(kind, mended, mended);
        }
        Ok(())
    }

    /// What only counts when it is so twice: records in no state, and claims of silent workers.
    async fn two_looks(&mut self) -> Result<()> {
        let (store, keys) = (self.store, self.keys);
        let (strays, overdue) = (store.strays(keys).await?, self.silent().await?);
        if strays.is_empty() && overdue.is_empty() {
            return self.unknown(&BTreeSet::new()).await;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let again: BTreeSet<JobId> = store.strays(keys).await?.into_iter().collect();
        let strays: Vec<JobId> = strays.into_iter().filter(|id| again.contains(id)).collect();
        let still = self.silent().await?;
        let silent: BTreeSet<String> = overdue.intersection(&still).cloned().collect();
        let back = if self.dry_run { 0 } else { store.readmit(keys, &strays).await? };
        self.note(RepairKind::Stray, strays.len() as u64, back);
        self.unknown(&silent).await
    }

    /// The workers whose lease has ended.
    async fn silent(&self) -> Result<BTreeSet<String>> {
        let (held, now_ms) = (self.store.holders(self.keys).await?, self.store.now_ms().await?);
        Ok(held.into_iter().filter(|held| held.lease_until_ms <= now_ms).map(|held| held.worker).collect())
    }

    /// Claims of `silent` workers are taken back; those of workers without any lease get one of grace.
    async fn unknown(&mut self, silent: &BTreeSet<String>) -> Result<()> {
        let held = self.store.holders(self.keys).await?;
        let known: BTreeSet<String> = held.into_iter().map(|held| held.worker).collect();
        let mut cursor = 0;
        loop {
            let (next, page) = self.store.active_page(self.keys, cursor).await?;
            let (mut taken, mut adopted) = (Vec::new(), Vec::new());
            for (id, claim) in page {
                match worker_of(&claim) {
                    owner if silent.contains(owner) => taken.push((id, claim)),
                    owner if !owner.is_empty() && !known.contains(owner) => adopted.push((id, claim)),
                    _ => {}
                }
            }
            for (kind, claims) in [(RepairKind::Recover, taken), (RepairKind::Adopt, adopted)] {
                let found = claims.len() as u64;
                if found > 0 && !self.dry_run {
                    let back = self.store.take_back(self.keys, (HEAL, GRACE_MS), &claims).await?.len() as u64;
                    self.note(kind, found, if kind == RepairKind::Adopt { found } else { back });
                } else {
                    self.note(kind, found, 0);
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Numbers and indexes. Nobody can tell them without writing, so a dry run leaves them out.
    async fn counts(&mut self) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let unlocked = self.store.sweep(self.keys).await?.leaked;
        self.note(RepairKind::Unlock, unlocked, unlocked);
        let reindexed = self.store.tend(self.keys).await?;
        self.note(RepairKind::Index, reindexed, reindexed);
        let recounted = self.store.recount(self.keys).await?;
        self.note(RepairKind::Recount, recounted, recounted);
        Ok(())
    }

    /// Jobs that have been due for long.
    async fn late(&mut self) -> Result<()> {
        let late = self.store.late(self.keys, LATE_MS).await?;
        if late > 0 && !self.dry_run {
            for _ in 0..PROMOTE_CALLS {
                if self.store.promote(self.keys, PROMOTE_STEP).await? < PROMOTE_STEP {
                    break;
                }
            }
        }
        let left = if self.dry_run { late } else { self.store.late(self.keys, LATE_MS).await? };
        self.note(RepairKind::Promote, late, late.saturating_sub(left));
        Ok(())
    }

    /// Schedules that are silent, and ticks of none.
    async fn ticks(&mut self, by: &str) -> Result<()> {
        let (now_ms, schedules) = self.store.schedules(self.keys).await?;
        for stored in &schedules {
            let Ok(schedule) = stored.schedule(self.keys.queue()) else { continue };
            let next_ms = schedule.next_after_ms(now_ms);
            if stored.next_ms.is_none() && !stored.paused && next_ms.is_some() {
                self.appoint(by, stored, next_ms).await?;
            }
        }
        for name in self.store.ticks(self.keys).await? {
            if !schedules.iter().any(|stored| stored.name == name) {
                // One that was added in between has a revision, so this does nothing to it.
                self.appoint(by, &StoredSchedule::none(&name), None).await?;
            }
        }
        Ok(())
    }

    async fn appoint(&mut self, by: &str, stored: &StoredSchedule, next_ms: Option<i64>) -> Result<()> {
        let appointment = Appointment {
            name: &stored.name,
            revision: &stored.revision,
            paused: false,
            moving: false,
            next_ms,
            word: if next_ms.is_some() { "tick_found" } else { "tick_dropped" },
            text: &stored.text,
        };
        let done = !self.dry_run && self.store.appoint(self.keys, by, appointment).await? == Appointed::Done;
        self.note(RepairKind::Tick, 1, u64::from(done));
        Ok(())
    }
}
