//! The schedules of a queue: what is stored of each, its next tick, and the script that fires it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::job::{JobId, NewJob, Partitions, QueueName};
use crate::schedule::{LastTick, Schedule, ScheduleInfo, ScheduleState};
use crate::store::codec::{Reply, read};
use crate::store::lifecycle::options;
use crate::store::{Gate, QueueKeys, Store, scripts};

/// How long a schedule is on its way from one partition to another, at most about.
const ON_ITS_WAY: Duration = Duration::from_millis(20);
/// Schedules that one call of `due` answers with.
pub(crate) const DUE_MAX: usize = 50;

/// A schedule as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSchedule {
    pub name: String,
    /// Rises with every change by hand; acts carry it, and do nothing where it is no longer so.
    pub revision: String,
    pub paused: bool,
    /// Whether somebody moves it to another partition, for another unique key: its tick is when he has died.
    pub moving: bool,
    /// Ticks fired, missed and overlapped.
    pub counted: [u64; 3],
    /// `tick|instant|outcome|job`; empty where there was none yet.
    last: String,
    /// The JSON object that [`Schedule::from_stored`] reads.
    pub text: String,
    pub next_ms: Option<i64>,
}

impl StoredSchedule {
    /// What is stored under `name`. What a hand put there and is no schedule has no revision, and its text cannot be read.
    fn new(name: String, stored: &str, next_ms: Option<i64>) -> Self {
        let parsed = || {
            let (head, _) = stored.split_once('{')?;
            let mut parts = head.splitn(6, '|');
            let mut part = || parts.next();
            let (revision, switch) = (part()?.to_owned(), part()?);
            let (paused, moving) = (matches!(switch, "1" | "3"), matches!(switch, "2" | "3"));
            let counted = [part()?.parse().ok()?, part()?.parse().ok()?, part()?.parse().ok()?];
            let last = part()?.to_owned();
            let text = stored[head.len()..].to_owned();
            Some(Self { name: name.clone(), revision, paused, moving, counted, last, text, next_ms })
        };
        parsed().unwrap_or_else(|| {
            let (revision, last, text) = (String::new(), String::new(), String::new());
            Self { name: name.clone(), revision, paused: false, moving: false, counted: [0; 3], last, text, next_ms }
        })
    }

    /// What stands in its place behind the next change by hand, which makes it `text`.
    fn changed(&self, paused: bool, text: &str) -> Result<String> {
        let revision = self.revision.parse::<u64>();
        let revision = revision.map_err(|_| Error::corrupt(format!("schedule {:?} has no revision", self.name)))? + 1;
        let [fired, missed, overlapped] = self.counted;
        Ok(format!("{revision}|{}|{fired}|{missed}|{overlapped}|{}{text}", u8::from(paused), self.last))
    }

    /// Whether it is what `other` has become.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let revision = |stored: &Self| stored.revision.parse::<u64>().unwrap_or_default();
        revision(self) > revision(other)
    }

    /// None under this name: what a tick without a schedule is seen as.
    pub(crate) fn none(name: &str) -> Self {
        Self::new(name.to_owned(), "", None)
    }

    /// The schedule.
    pub(crate) fn schedule(&self, queue: &QueueName) -> Result<Schedule> {
        Schedule::from_stored(&self.name, queue, &self.text)
    }

    /// What decides to which partition of its queue a schedule belongs that is stored so: its name, where nobody can read it.
    pub(crate) fn key_of(queue: &QueueName, name: &str, stored: &str) -> String {
        let schedule = Self::new(name.to_owned(), stored, None).schedule(queue);
        schedule.map_or_else(|_| name.to_owned(), |schedule| schedule.partition_key().to_owned())
    }

    /// How it stands at `now_ms`.
    pub(crate) fn info(&self, schedule: &Schedule, now_ms: i64) -> ScheduleInfo {
        let [ticks_fired, ticks_missed, ticks_overlapped] = self.counted;
        let state = match (self.paused, self.next_ms) {
            (true, _) => ScheduleState::Paused,
            (false, Some(_)) => ScheduleState::Active,
            (false, None) => ScheduleState::Ended,
        };
        let late_ms = self.next_ms.filter(|next_ms| *next_ms < now_ms).map(|next_ms| (now_ms - next_ms).unsigned_abs());
        let next_at = self.next_ms.and_then(DateTime::from_timestamp_millis);
        let last = self.last();
        ScheduleInfo {
            state,
            next_at,
            late_ms,
            ticks_fired,
            ticks_missed,
            ticks_overlapped,
            last,
            ..ScheduleInfo::of(schedule)
        }
    }

    fn last(&self) -> Option<LastTick> {
        let mut parts = self.last.split('|');
        let mut instant = || -> Option<DateTime<Utc>> { DateTime::from_timestamp_millis(parts.next()?.parse().ok()?) };
        let (tick, fired_at) = (instant()?, instant()?);
        let outcome = parts.next()?.to_owned();
        let job = parts.next().filter(|id| !id.is_empty()).map(JobId::trusted);
        Some(LastTick { tick, fired_at, outcome, job })
    }
}

/// What has come, and when the next tick comes.
#[derive(Debug)]
pub(crate) struct Due {
    pub now_ms: i64,
    /// How long it is to the next tick that has not come.
    pub next_in_ms: Option<u64>,
    /// Each has a next tick that has come.
    pub schedules: Vec<StoredSchedule>,
}

/// A tick as it is fired.
pub(crate) struct Firing<'a> {
    pub seen: &'a StoredSchedule,
    pub tick_ms: i64,
    pub next_ms: Option<i64>,
    pub missed: u64,
    pub overlap: &'static str,
    /// `None` where no job is enqueued.
    pub job: Option<&'a NewJob>,
    /// What is known of its unique key elsewhere.
    pub elsewhere: Elsewhere,
}

/// What other places know of the unique key of a job that is fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// They were not asked: it is fired only where no other place can know of it.
    NotAsked,
    /// Those of so many partitions, which are being left, were asked; whether it is held there.
    Asked { was: Partitions, held: bool },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fired {
    /// `enqueued`, `overlapped`, `held`, `duplicate` or `missed`.
    Done(String),
    /// The queue holds as many jobs as it may; the tick waits.
    Full,
    /// Somebody else was first, or the schedule has changed.
    NotAsSeen,
}

/// A schedule as it shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appointment<'a> {
    pub name: &'a str,
    /// As it was seen; empty where there was none.
    pub revision: &'a str,
    pub paused: bool,
    pub moving: bool,
    pub next_ms: Option<i64>,
    /// What the event says.
    pub word: &'a str,
    /// Empty: it is removed.
    pub text: &'a str,
}

/// What came of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appointed {
    Done,
    NotAsSeen,
    /// A queue has a thousand schedules at most.
    TooMany,
}

impl Store {
    /// The schedules of a queue whose tick has come, at most 50.
    pub(crate) async fn due(&self, keys: &QueueKeys) -> Result<Due> {
        let mut command = scripts::DUE.on(keys, &self.clock);
        command.arg(DUE_MAX);
        let mut reply = Reply::new("due", scripts::DUE.ask(&self.connection, &command).await?)?;
        let (now_ms, next_in_ms) = (reply.number()?, reply.maybe_number()?);
        let mut schedules = Vec::new();
        while !reply.is_empty() {
            let (name, tick_ms, stored) = (reply.text()?, reply.number()?, reply.text()?);
            schedules.push(StoredSchedule::new(name, &stored, Some(tick_ms)));
        }
        Ok(Due { now_ms, next_in_ms: next_in_ms.map(i64::unsigned_abs), schedules })
    }

    /// Every schedule of a queue by name, whichever of its places has it, with that place, and the server's time. One that
    /// is being moved is where it goes.
    pub(crate) async fn schedules_of(&self, queue: &QueueName) -> Result<(i64, Vec<(QueueKeys, StoredSchedule)>)> {
        let look = |keys: QueueKeys| async move { Ok((self.schedules(&keys).await?, keys)) };
        let (mut last_ms, mut by_name) = (0, BTreeMap::new());
        let mut answers = self.ask_places(queue, look).await?;
        if self.layout(queue).await?.was.is_some() {
            // One on its way from one partition to another is in neither for a moment.
            sleep(ON_ITS_WAY).await;
            answers.extend(self.ask_places(queue, look).await?);
        }
        for ((now_ms, schedules), keys) in answers {
            last_ms = last_ms.max(now_ms);
            by_name.extend(schedules.into_iter().map(|stored| (stored.name.clone(), (keys.clone(), stored))));
        }
        Ok((last_ms, by_name.into_values().collect()))
    }

    /// A schedule of a queue, whichever of its places has it, with that place, and the server's time.
    ///
    /// # Errors
    /// `Moved` where it is on its way from one partition to another for longer than a moment.
    pub(crate) async fn schedule_of(
        &self,
        queue: &QueueName,
        name: &str,
    ) -> Result<(i64, Option<(QueueKeys, StoredSchedule)>)> {
        let look = |keys: QueueKeys| async move { Ok((self.schedule(&keys, name).await?, keys)) };
        let leaving = format!("s{name}");
        for look_again in [true, true, false] {
            let answers = self.ask_places(queue, look).await?;
            let now_ms = answers.iter().map(|((now_ms, _), _)| *now_ms).max().unwrap_or_default();
            let found = answers.into_iter().filter_map(|((_, stored), keys)| Some((keys, stored?))).next_back();
            if found.is_some() {
                return Ok((now_ms, found));
            }
            // One on its way from one partition to another is in neither: for a moment, or until another mover goes on where
            // the one that had it has died.
            let Some(was) = self.layout(queue).await?.was else { return Ok((now_ms, None)) };
            if !look_again {
                for place in was.each() {
                    self.must_not_be_leaving(&self.partition_keys(queue, place), ("schedule", &leaving)).await?;
                }
                return Ok((now_ms, None));
            }
            sleep(ON_ITS_WAY).await;
        }
        Err(Error::internal("the last look answers"))
    }

    /// Writes what a schedule that was seen in another place of its queue becomes, where none of that name is there that is newer.
    pub(crate) async fn settle(
        &self,
        to: &QueueKeys,
        seen: &StoredSchedule,
        (paused, next_ms, text): (bool, Option<i64>, &str),
    ) -> Result<()> {
        let mut command = scripts::SETTLE.on(to, &self.clock);
        command.arg(&seen.name).arg(seen.changed(paused, text)?).arg(millis(next_ms));
        scripts::SETTLE.ask(&self.connection, &command).await.map(drop)
    }

    /// Every schedule of one place of a queue by name, and the server's time.
    pub(crate) async fn schedules(&self, keys: &QueueKeys) -> Result<(i64, Vec<StoredSchedule>)> {
        let (mut cursor, mut found) = ("0".to_owned(), BTreeMap::new());
        loop {
            let mut command = scripts::AGENDA.on(keys, &self.clock);
            command.arg(&cursor);
            let (now_ms, next, page) = agenda(scripts::AGENDA.ask(&self.connection, &command).await?)?;
            found.extend(page.into_iter().map(|stored| (stored.name.clone(), stored)));
            if next == "0" {
                return Ok((now_ms, found.into_values().collect()));
            }
            cursor = next;
        }
    }

    /// A schedule of one place of a queue, and the server's time.
    pub(crate) async fn schedule(&self, keys: &QueueKeys, name: &str) -> Result<(i64, Option<StoredSchedule>)> {
        let mut command = scripts::AGENDA.on(keys, &self.clock);
        command.arg("").arg(name);
        let (now_ms, _, mut page) = agenda(scripts::AGENDA.ask(&self.connection, &command).await?)?;
        Ok((now_ms, page.pop()))
    }

    /// Fires a tick.
    ///
    /// # Errors
    /// `Moved` where its job has a unique key that another place may know: the tick waits.
    pub(crate) async fn fire(&self, keys: &QueueKeys, by: &str, firing: &Firing<'_>) -> Result<Fired> {
        let mut command = scripts::FIRE.on(keys, &self.clock);
        command.arg(by).arg(&firing.seen.name).arg(firing.tick_ms).arg(&firing.seen.revision);
        command.arg(millis(firing.next_ms)).arg(firing.missed).arg(firing.overlap);
        match firing.job {
            Some(job) => command.arg(job.job_id().as_str()).arg(options(job)).arg(job.to_record()?),
            None => command.arg("").arg("").arg(""),
        };
        match firing.elsewhere {
            Elsewhere::NotAsked => command.arg("adds").arg(""),
            Elsewhere::Asked { was, held } => command.arg(Gate::OpenTo(was).word()).arg(if held { "1" } else { "" }),
        };
        let word: String = read("fire", scripts::FIRE.ask(&self.connection, &command).await?)?;
        Ok(match word.as_str() {
            "-" => Fired::NotAsSeen,
            "!" => Fired::Full,
            _ => Fired::Done(word),
        })
    }

    /// Writes a schedule, or removes it.
    pub(crate) async fn appoint(
        &self,
        keys: &QueueKeys,
        by: &str,
        as_it_shall_be: Appointment<'_>,
    ) -> Result<Appointed> {
        let Appointment { name, revision, paused, moving, next_ms, word, text } = as_it_shall_be;
        let mut command = scripts::APPOINT.on(keys, &self.clock);
        command.arg(by).arg(name).arg(revision).arg(u8::from(paused) + 2 * u8::from(moving));
        command.arg(millis(next_ms)).arg(word).arg(text);
        let answer = scripts::APPOINT.send(&self.connection, &command).await?;
        let done = match read::<i64>("appoint", answer.value)? {
            1 => Appointed::Done,
            0 => Appointed::NotAsSeen,
            _ => Appointed::TooMany,
        };
        if !answer.repeated || done != Appointed::NotAsSeen {
            return Ok(done);
        }
        // The second of two calls finds what the first has done.
        let there = self.schedule(keys, name).await?.1;
        let by_the_first = match there {
            None => text.is_empty(),
            Some(there) => {
                (&there.text[..], there.paused, there.moving) == (text, paused, moving) && there.revision != revision
            }
        };
        Ok(if by_the_first { Appointed::Done } else { done })
    }
}

fn millis(at_ms: Option<i64>) -> String {
    at_ms.map(|at_ms| at_ms.to_string()).unwrap_or_default()
}

fn agenda(value: redis::Value) -> Result<(i64, String, Vec<StoredSchedule>)> {
    let mut reply = Reply::new("agenda", value)?;
    let (now_ms, cursor) = (reply.number()?, reply.text()?);
    let mut page = Vec::with_capacity(reply.len() / 3);
    while !reply.is_empty() {
        let (name, stored) = (reply.text()?, reply.text()?);
        page.push(StoredSchedule::new(name, &stored, reply.maybe_number()?));
    }
    Ok((now_ms, cursor, page))
}

/// There is no room for another one.
pub(crate) fn too_many(queue: &QueueName) -> Error {
    Error::refused(format!("queue {queue} has 1,000 schedules already: remove those not in use"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_says_how_a_schedule_stands() {
        let stored = "3|0|7|2|1|1800000000000|1800000000250|overlapped|s@x{\"every\":\"1m\",\"payload\":{}}";
        let stored = StoredSchedule::new("s".to_owned(), stored, Some(1_800_000_060_000));
        let queue = QueueName::new("q").unwrap();
        let info = stored.info(&stored.schedule(&queue).unwrap(), 1_800_000_061_500);
        assert_eq!((stored.revision.as_str(), info.state, info.late_ms), ("3", ScheduleState::Active, Some(1_500)));
        assert_eq!((info.ticks_fired, info.ticks_missed, info.ticks_overlapped), (7, 2, 1));
        let last = info.last.unwrap();
        assert_eq!((last.outcome.as_str(), last.job.unwrap().as_str()), ("overlapped", "s@x"));
        assert_eq!((last.fired_at - last.tick).num_milliseconds(), 250);
    }

    #[test]
    fn what_is_no_schedule_is_told_by_name() {
        let queue = QueueName::new("q").unwrap();
        for stored in ["", "x", "1|0{", "{\"every\":\"1m\"}", "1|0|x|0|0|{}", "1|0|0|0|0|{\"every\":1}"] {
            let stored = StoredSchedule::new("s".to_owned(), stored, None);
            let error = stored.schedule(&queue).unwrap_err();
            assert!(error.kind() == crate::ErrorKind::Corrupt && error.to_string().contains("\"s\""), "{error}");
        }
    }
}
