//! Writes schedules: new ones, and others in place of those that are there.

use chrono::DateTime;

use super::{OPERATOR, Schedules, TRIES, restless};
use crate::error::{Error, Result};
use crate::schedule::{ChangeKind, Schedule, ScheduleChange};
use crate::store::{Appointed, Appointment, QueueKeys, StoredSchedule, too_many};

/// So long a schedule is stopped while it is moved; then whoever moved it has died.
const MOVING_MS: i64 = 60_000;

/// A schedule as it shall be.
struct Wanted<'a> {
    schedule: &'a Schedule,
    text: String,
    replace: bool,
    /// The next tick of the one that it replaces, where this has stopped it to move it.
    before: Option<Option<i64>>,
}

/// Whether a schedule stays in the place where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Stays,
    /// It is stopped there, and goes when that is seen.
    Goes,
    /// It is where it belongs, as it shall be.
    Gone,
}

impl Wanted<'_> {
    fn change(&self, change: ChangeKind, next_ms: Option<i64>) -> ScheduleChange {
        let (name, queue) = (self.schedule.name().clone(), self.schedule.queue().clone());
        let next_at = next_ms.and_then(DateTime::from_timestamp_millis);
        ScheduleChange { name, queue, change, next_at, dry_run: false }
    }
}

impl Schedules {
    /// Writes a schedule into its queue, whatever other queues have.
    pub(super) async fn write(&self, schedule: &Schedule, replace: bool) -> Result<ScheduleChange> {
        let (name, queue) = (schedule.name(), schedule.queue());
        let mut wanted = Wanted { schedule, text: schedule.to_stored()?, replace, before: None };
        for _ in 0..TRIES {
            let (now_ms, there) = self.store.schedule_of(queue, name.as_str()).await?;
            let written = match &there {
                Some((keys, there)) => self.write_over(&mut wanted, (keys, there), now_ms).await?,
                None => self.write_new(&wanted, now_ms).await?,
            };
            if let Some(change) = written {
                return Ok(change);
            }
        }
        Err(restless(name))
    }

    /// Writes one that is not there yet. `None` where it is by now.
    async fn write_new(&self, wanted: &Wanted<'_>, now_ms: i64) -> Result<Option<ScheduleChange>> {
        let Wanted { schedule, text, .. } = wanted;
        let (name, queue) = (schedule.name(), schedule.queue());
        let paused = schedule.wants_paused().unwrap_or_default();
        let next_ms = schedule.next_after_ms(now_ms).filter(|_| !paused);
        if next_ms.is_none() && !paused {
            return Err(
                Error::invalid(format!("schedule {name} would never have a tick: until is past")).about("until")
            );
        }
        let name = name.as_str();
        let appointment = Appointment { name, revision: "", paused, moving: false, next_ms, word: "added", text };
        let appoint = |keys: QueueKeys| async move { self.store.appoint(&keys, OPERATOR, appointment).await };
        match self.store.at_place_of(queue, schedule.partition_key(), appoint).await? {
            Appointed::Done => {
                self.store.register(queue).await?;
                Ok(Some(wanted.change(ChangeKind::Added, next_ms)))
            }
            Appointed::TooMany => Err(too_many(queue)),
            Appointed::NotAsSeen => Ok(None),
        }
    }

    /// Writes one in place of what is there. `None` where that has changed.
    async fn write_over(
        &self,
        wanted: &mut Wanted<'_>,
        (keys, there): (&QueueKeys, &StoredSchedule),
        now_ms: i64,
    ) -> Result<Option<ScheduleChange>> {
        let schedule = wanted.schedule;
        let (name, queue) = (schedule.name(), schedule.queue());
        // Whoever else has stopped it to move it has died, and nobody knows its tick.
        let known = if there.moving { wanted.before } else { Some(there.next_ms) };
        let paused = schedule.wants_paused().unwrap_or(there.paused);
        let next_ms = match there.schedule(queue) {
            _ if paused => None,
            // A tick that has come and is not fired yet is not lost over a change of the payload.
            Ok(old) if !there.paused && old.ticks_like(schedule) => {
                known.unwrap_or_else(|| schedule.next_after_ms(now_ms))
            }
            _ => schedule.next_after_ms(now_ms),
        };
        if there.text == wanted.text && there.paused == paused && !there.moving {
            return Ok(Some(wanted.change(ChangeKind::Unchanged, next_ms)));
        }
        if !wanted.replace {
            let why =
                format!("there is another schedule {name} in queue {queue}: --replace puts this one in its place");
            return Err(Error::refused(why));
        }
        match self.carry(wanted, (keys, there), (paused, next_ms, now_ms)).await? {
            Carried::Stays => {}
            Carried::Goes => return Ok(None),
            Carried::Gone => return Ok(Some(wanted.change(ChangeKind::Changed, next_ms))),
        }
        let (name, text) = (name.as_str(), wanted.text.as_str());
        let appointment =
            Appointment { name, revision: &there.revision, paused, moving: false, next_ms, word: "changed", text };
        match self.store.appoint(keys, OPERATOR, appointment).await? {
            Appointed::Done => {
                self.store.register(queue).await?;
                Ok(Some(wanted.change(ChangeKind::Changed, next_ms)))
            }
            Appointed::TooMany => Err(too_many(queue)),
            Appointed::NotAsSeen => Ok(None),
        }
    }

    /// Where another unique key makes it one of another partition, it is moved: first its ticks are stopped, so that none is
    /// fired in both. Broken off anywhere, whoever fires its tick a while later settles where it is.
    async fn carry(
        &self,
        wanted: &mut Wanted<'_>,
        (keys, there): (&QueueKeys, &StoredSchedule),
        (paused, next_ms, now_ms): (bool, Option<i64>, i64),
    ) -> Result<Carried> {
        let (queue, name) = (keys.queue(), there.name.as_str());
        let key = wanted.schedule.partition_key();
        if there.schedule(queue).is_ok_and(|old| old.partition_key() == key) {
            return Ok(Carried::Stays);
        }
        let to = self.store.place_of(queue, key).await?;
        if to.is_same_place(keys) {
            return Ok(Carried::Stays);
        }
        if there.moving {
            self.store.settle(&to, there, (paused, next_ms, &wanted.text)).await?;
            self.remove_from(keys, name).await?;
            self.store.register(queue).await?;
            return Ok(Carried::Gone);
        }
        let (revision, text) = (&there.revision, &there.text);
        let after = Some(now_ms + MOVING_MS);
        let stop =
            Appointment { name, revision, paused: there.paused, moving: true, next_ms: after, word: "moving", text };
        if self.store.appoint(keys, OPERATOR, stop).await? == Appointed::Done {
            wanted.before = Some(there.next_ms);
        }
        Ok(Carried::Goes)
    }

    /// Removes a schedule from a place, whatever has become of it there: it is in another one.
    async fn remove_from(&self, keys: &QueueKeys, name: &str) -> Result<()> {
        for _ in 0..TRIES {
            let Some(there) = self.store.schedule(keys, name).await?.1 else { return Ok(()) };
            let revision = there.revision.as_str();
            let gone =
                Appointment { name, revision, paused: false, moving: false, next_ms: None, word: "moved", text: "" };
            if self.store.appoint(keys, OPERATOR, gone).await? == Appointed::Done {
                return Ok(());
            }
        }
        Err(Error::refused(format!("schedule {name} is being changed by others; look at it again")))
    }
}
