//! How far the number of partitions of a queue is changed, and each step of such a change.
//!
//! The settings of the queue say it: `partitions_next` is a number that is being introduced, `partitions_was` one from which
//! jobs are still being moved, `partitions_held` that the new partitions are not fetched yet, `partitions_eased` that those
//! before them are not fetched any more, `partitions_busy` how many jobs that run there belong to each new one,
//! `partitions_seen` until when ids are remembered in the place that they themselves belong to, `partitions_counted` over how
//! many partitions it was spread within the last hour, where the minutes of that hour are counted. Each step may be done twice,
//! and carries the number of the change, so that what comes late does nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::error::{Error, Result};
use crate::job::{Layout, Partition, Partitions, QueueName};
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::share::share;
use crate::store::{Key, Left, QueueKeys, Store, scripts};

/// How long minutes that were counted in former partitions are looked at: the last hour, and the minute that slides out of it.
const COUNTED_MS: i64 = 61 * 60_000;

/// How the partitions of a queue stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    pub layout: Layout,
    /// The number that is being introduced.
    pub next: Option<Partitions>,
    /// Whether the new partitions wait until those before them have nothing in line.
    pub held: bool,
    /// Whether those before them are not fetched any more: what runs there only gets less.
    pub eased: bool,
    /// How many jobs that run there belong to each new partition, where the queue has a limit of jobs that run at once; nothing
    /// where none do.
    pub busy: Vec<u64>,
    /// Over how many partitions it was spread within the last hour, and until when what was counted there is looked at, in
    /// milliseconds.
    pub counted: Vec<(Partitions, i64)>,
    /// Whether ids that are remembered may be in the place that they themselves belong to.
    pub remembers: bool,
    /// Whether the queue has a limit of jobs that run at once.
    pub limited: bool,
    /// The number of the last change; empty where there was none.
    pub change: String,
    /// Of the settings.
    version: String,
}

/// Why a change is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// Another one is under way.
    Moving,
    /// The queue has limits per key.
    Key,
    /// Fewer jobs may run at once than there would be partitions.
    Concurrency,
    /// Fewer jobs may wait than there would be partitions.
    MaxLength,
    /// A job has a batch and a unique key.
    BatchKey,
}

/// A step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CourseStep {
    /// The change gets a number above this one, which places know already.
    Renumber(i64),
    /// From now on the queue has the number that was introduced.
    Say,
    /// Those before the new partitions are not fetched any more.
    Ease,
    /// The new partitions may be fetched.
    Lift,
    /// Those before them are empty and gone.
    Settle,
    /// Ids are not remembered any more where they themselves belong to, once a day has passed.
    Forget,
    /// The settings have a version above that of a partition's copy: theirs was lost.
    Raise,
}

/// What keeps partitions of a queue from being fetched while their number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The new number.
    pub partitions: u16,
    /// Jobs that wait where the queue had them before.
    pub waiting: u64,
    /// Jobs that run there.
    pub running: u64,
    /// Whether all new partitions wait; if not, only those wait that have no share of the concurrency left.
    pub all: bool,
}

/// Which jobs may be added to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Any.
    Open,
    /// Those of which the places of so many partitions know nothing.
    OpenTo(Partitions),
    /// None: they go to so many partitions.
    Closed(Partitions),
}

/// The last fence and arrival that places have given: others go on from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Last {
    pub fence: i64,
    pub arrival: i64,
}

impl Course {
    fn read(queue: &QueueName, fields: &BTreeMap<String, String>) -> Result<Self> {
        let text = |field: &str| fields.get(field).cloned().unwrap_or_default();
        let number = |field: &str| {
            let stored = text(field);
            let count = stored.parse().ok().and_then(|count| Partitions::new(count).ok());
            match count {
                _ if stored.is_empty() => Ok(None),
                Some(count) => Ok(Some(count)),
                None => Err(Error::corrupt(format!(
                    "settings of queue {queue}: field {field:?} holds {stored:?}: it is 1 to 64"
                ))),
            }
        };
        let layout = Layout { now: number("partitions")?.unwrap_or(Partitions::ONE), was: number("partitions_was")? };
        Ok(Self {
            layout,
            next: number("partitions_next")?,
            held: !text("partitions_held").is_empty(),
            eased: !text("partitions_eased").is_empty(),
            busy: text("partitions_busy").split(',').filter_map(|count| count.parse().ok()).collect(),
            counted: counted(&text("partitions_counted")),
            remembers: !text("partitions_seen").is_empty(),
            limited: !text("concurrency").is_empty(),
            change: text("partitions_change"),
            version: text("version"),
        })
    }

    /// Whether a change is under way.
    pub(crate) fn is_moving(&self) -> bool {
        self.next.is_some() || self.layout.was.is_some()
    }

    /// What opens the new places to all has this number: later than what opened them to some, and sooner than any other change.
    pub(crate) fn number_when_settled(&self) -> Option<String> {
        self.change.parse::<i64>().ok().map(|change| (change + 1).to_string())
    }

    /// Whether there is, or shall be, any place but the queue's own.
    fn has_places(&self) -> bool {
        self.is_moving() || !self.layout.now.is_one()
    }

    /// Whether a place is one of the new ones, which wait, or of those before them, where nothing is to start any more.
    fn holds(&self, place: Partition) -> bool {
        let (among, Layout { now, was }) = (Some(place.among()), self.layout);
        among == self.next || (self.held && among == Some(now)) || (self.eased && among == was)
    }

    /// Every place that has settings of its own.
    fn copies(&self) -> Vec<Partition> {
        let next = self.next.into_iter().flat_map(Partitions::each);
        self.layout.places().chain(next).filter(|place| !place.is_whole()).collect()
    }
}

/// Reads `8:1764003660000 3:1764003700000`; what a hand has written is left out.
pub(crate) fn counted(text: &str) -> Vec<(Partitions, i64)> {
    let one = |word: &str| {
        let (count, until_ms) = word.split_once(':')?;
        Some((Partitions::new(count.parse().ok()?).ok()?, until_ms.parse().ok()?))
    };
    text.split(' ').filter_map(one).collect()
}

impl CourseStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Renumber(_) => "renumber",
            Self::Say => "say",
            Self::Ease => "ease",
            Self::Lift => "lift",
            Self::Settle => "settle",
            Self::Forget => "forget",
            Self::Raise => "raise",
        }
    }
}

impl Gate {
    /// As it stands in the place, and as a producer names it that has asked the places of so many.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Open => String::new(),
            Self::OpenTo(partitions) => format!("<{}", partitions.count()),
            Self::Closed(partitions) => partitions.count().to_string(),
        }
    }
}

impl Store {
    /// How the partitions of a queue stand.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written what is no such number.
    pub(crate) async fn course(&self, queue: &QueueName) -> Result<Course> {
        const FIELDS: [&str; 11] = [
            "partitions",
            "partitions_was",
            "partitions_next",
            "partitions_held",
            "partitions_eased",
            "partitions_busy",
            "partitions_seen",
            "partitions_counted",
            "partitions_change",
            "concurrency",
            "version",
        ];
        if let Some(error) = self.absence_of_home(queue).await {
            return Err(error);
        }
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys(queue).name(Key::Config)).arg(&FIELDS);
        let mut reply = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
        let fields = FIELDS.iter().map(|field| Ok(((*field).to_owned(), reply.text()?)));
        Course::read(queue, &fields.collect::<Result<_>>()?)
    }

    /// Writes down that a queue shall have so many partitions. `false` where it has.
    pub(crate) async fn intend(
        &self,
        queue: &QueueName,
        partitions: Partitions,
    ) -> Result<std::result::Result<bool, Hindrance>> {
        self.intend_after(queue, partitions, None).await
    }

    /// The same, where a place was closed by the change `lost`, of which the queue knows nothing: by a later one.
    pub(crate) async fn intend_after(
        &self,
        queue: &QueueName,
        partitions: Partitions,
        lost: Option<i64>,
    ) -> Result<std::result::Result<bool, Hindrance>> {
        let lost = lost.map(|change| change.to_string()).unwrap_or_default();
        let word = self.turn_course("intend", queue, ("", partitions), &lost).await?;
        Ok(match word.as_str() {
            "=" => Ok(false),
            "moving" => Err(Hindrance::Moving),
            "key" => Err(Hindrance::Key),
            "concurrency" => Err(Hindrance::Concurrency),
            "max_length" => Err(Hindrance::MaxLength),
            _ => Ok(true),
        })
    }

    /// Makes a step of a change. `false` where that change is no more.
    pub(crate) async fn course_step(
        &self,
        queue: &QueueName,
        step: CourseStep,
        (change, partitions): (&str, Partitions),
    ) -> Result<bool> {
        let told = if let CourseStep::Renumber(beyond) = step { beyond.to_string() } else { String::new() };
        Ok(self.turn_course(step.as_str(), queue, (change, partitions), &told).await? != "-")
    }

    /// Those before the new partitions are empty and gone. What was counted there is looked at for another hour.
    pub(crate) async fn settle_course(&self, queue: &QueueName, course: &Course, was: Partitions) -> Result<()> {
        let now_ms = self.now_ms().await?;
        let others = course.counted.iter().filter(|(places, until_ms)| *places != was && *until_ms > now_ms);
        let all = others.copied().chain([(was, now_ms + COUNTED_MS)]);
        let told: Vec<_> = all.map(|(places, until_ms)| format!("{}:{until_ms}", places.count())).collect();
        let said = (course.change.as_str(), course.layout.now);
        self.turn_course(CourseStep::Settle.as_str(), queue, said, &told.join(" ")).await.map(drop)
    }

    /// The new partitions may be fetched, each within what its share of the concurrency leaves beside the `busy` jobs that
    /// belong to it and run where they were.
    pub(crate) async fn lift(
        &self,
        queue: &QueueName,
        (change, partitions): (&str, Partitions),
        busy: &[u64],
    ) -> Result<()> {
        let some = busy.iter().any(|count| *count > 0);
        let told = if some { busy.iter().map(u64::to_string).collect::<Vec<_>>().join(",") } else { String::new() };
        self.turn_course(CourseStep::Lift.as_str(), queue, (change, partitions), &told).await.map(drop)
    }

    async fn turn_course(
        &self,
        step: &str,
        queue: &QueueName,
        (change, partitions): (&str, Partitions),
        told: &str,
    ) -> Result<String> {
        let mut command = scripts::SPREAD.on(&self.keys(queue), &self.clock);
        command.arg(step).arg(change).arg(partitions.count()).arg(OPERATOR).arg(told);
        read("spread", scripts::SPREAD.ask(&self.connection, &command).await?)
    }

    /// Says which jobs may be added to a place; the last fence and arrival there, at least those of `last`. Where a later
    /// change has said something else, the number of that.
    pub(crate) async fn set_gate(
        &self,
        keys: &QueueKeys,
        change: &str,
        gate: Gate,
        last: Last,
    ) -> Result<std::result::Result<Last, i64>> {
        let mut command = scripts::GATE.on(keys, &self.clock);
        command.arg(change).arg(gate.word()).arg(last.fence).arg(last.arrival);
        let mut reply = Reply::new("gate", scripts::GATE.ask(&self.connection, &command).await?)?;
        let first = reply.number()?;
        Ok(if reply.is_empty() { Err(first) } else { Ok(Last { fence: first, arrival: reply.number()? }) })
    }

    /// What keeps partitions of a queue from being fetched while their number changes; `None` where nothing does.
    pub(crate) async fn hold(&self, queue: &QueueName) -> Result<Option<Hold>> {
        let course = self.course(queue).await?;
        if course.layout.was.is_none() || !course.held && course.busy.is_empty() {
            return Ok(None);
        }
        let mut left = Left::default();
        for keys in self.spread(queue).await?.former() {
            left = left.and(self.vacancy(keys).await?);
        }
        let Left { waiting, running, .. } = left;
        Ok(Some(Hold { partitions: course.layout.now.count(), waiting, running, all: course.held }))
    }

    /// Whether a place of a queue is not fetched while the number of its partitions changes.
    pub(crate) async fn is_held(&self, keys: &QueueKeys) -> Result<bool> {
        let mut command = redis::cmd("HEXISTS");
        command.arg(keys.name(Key::Config)).arg("held");
        read("HEXISTS", self.connection.call(&command).await?.value)
    }

    /// Writes what is set for a queue into each of its partitions; does nothing where it has but itself. Safe to repeat:
    /// what is older than what stands there is not written.
    pub(crate) async fn copy_settings(&self, queue: &QueueName) -> Result<()> {
        let course = self.course(queue).await?;
        if !course.has_places() {
            return Ok(());
        }
        let mut command = redis::cmd("HGETALL");
        command.arg(self.keys(queue).name(Key::Config));
        let fields: BTreeMap<String, String> = read("HGETALL", self.connection.call(&command).await?.value)?;
        let (course, fields) = (&Course::read(queue, &fields)?, &fields);
        let copies = course.copies().into_iter().map(|place| self.imprint(queue, place, (course, fields)));
        // All are asked, whatever became of one: its node may be away.
        join_all(copies).await.into_iter().collect()
    }

    /// Mends the settings of one place where they are not those of the queue, also where those have lost their last changes
    /// with their server: what is left of them holds everywhere. Whether they were not.
    pub(crate) async fn mend_settings(&self, keys: &QueueKeys, course: &Course) -> Result<bool> {
        let queue = keys.queue();
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Config)).arg("version");
        let stands: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let stands = stands.unwrap_or_default();
        if stands == course.version {
            return Ok(false);
        }
        let number = |version: &str| version.parse::<i64>().unwrap_or_default();
        if number(&stands) > number(&course.version) {
            // Or they were changed between the two looks.
            let course = self.course(queue).await?;
            if number(&stands) > number(&course.version) {
                let of = (course.change.as_str(), course.layout.now);
                self.turn_course(CourseStep::Raise.as_str(), queue, of, &stands).await?;
            }
        }
        self.copy_settings(queue).await?;
        Ok(true)
    }

    async fn imprint(
        &self,
        queue: &QueueName,
        place: Partition,
        (course, fields): (&Course, &BTreeMap<String, String>),
    ) -> Result<()> {
        let mut command = scripts::IMPRINT.on(&self.partition_keys(queue, place), &self.clock);
        command.arg(fields.get("version").map_or("0", String::as_str)).arg(&course.change);
        let busy = if place.among() == course.layout.now { &course.busy[..] } else { &[] };
        for (field, value) in share(queue, fields, place, busy) {
            command.arg(field).arg(value);
        }
        if course.holds(place) {
            command.arg("held").arg("1");
        }
        scripts::IMPRINT.ask(&self.connection, &command).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(fields: &[(&str, &str)]) -> Result<Course> {
        let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        Course::read(&QueueName::new("q").unwrap(), &fields)
    }

    #[test]
    fn the_settings_tell_how_far_a_change_is() {
        let none = course(&[("rate", "1/s")]).unwrap();
        assert!(!none.is_moving() && none.copies().is_empty() && !none.has_places());
        let begun = course(&[("partitions_next", "2"), ("partitions_change", "7")]).unwrap();
        assert!(begun.is_moving() && begun.copies().iter().all(|place| begun.holds(*place)));
        assert_eq!((begun.copies().len(), begun.layout, begun.change.as_str()), (2, Layout::ONE, "7"));
        let said = [("partitions", "2"), ("partitions_was", "3"), ("partitions_held", "1"), ("partitions_seen", "inf")];
        let said = course(&said).unwrap();
        let held: Vec<_> = said.copies().into_iter().map(|place| said.holds(place)).collect();
        assert_eq!((held, said.remembers), (vec![false, false, false, true, true], true));
        let error = course(&[("partitions_was", "many")]).unwrap_err();
        assert!(error.to_string().contains("partitions_was"), "{error}");
    }
}
