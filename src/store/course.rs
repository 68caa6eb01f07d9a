//! How far the number of partitions of a queue is changed, and each step of such a change.
//!
//! The settings of the queue say it: `partitions_next` is a number that is being introduced, `partitions_was` one from which
//! jobs are still being moved, `partitions_held` that the new partitions are not fetched yet, `partitions_seen` until when ids
//! are remembered in the place that they themselves belong to. Each step may be done twice, and carries the number of the
//! change, so that what comes late does nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::error::{Error, Result};
use crate::job::{Layout, Partition, Partitions, QueueName};
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::share::share;
use crate::store::{Key, QueueKeys, Store, scripts};

/// How the partitions of a queue stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    pub layout: Layout,
    /// The number that is being introduced.
    pub next: Option<Partitions>,
    /// Whether the new partitions wait until those before them have nothing in line.
    pub held: bool,
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
    /// From now on the queue has the number that was introduced.
    Say,
    /// The new partitions may be fetched.
    Lift,
    /// Those before them are empty and gone.
    Settle,
    /// Ids are not remembered any more where they themselves belong to, once a day has passed.
    Forget,
}

/// A change that nobody goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standstill {
    /// The new number.
    pub partitions: u16,
    pub for_ms: i64,
    /// Whether jobs are not added, or not started, because of that.
    pub stops: bool,
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

    /// Whether there is, or shall be, any place but the queue's own.
    fn has_places(&self) -> bool {
        self.is_moving() || !self.layout.now.is_one()
    }

    /// Whether a place is one of the new ones, which wait.
    fn holds(&self, place: Partition) -> bool {
        Some(place.among()) == self.next || (self.held && place.among() == self.layout.now)
    }

    /// Every place that has settings of its own.
    fn copies(&self) -> Vec<Partition> {
        let next = self.next.into_iter().flat_map(Partitions::each);
        self.layout.places().chain(next).filter(|place| !place.is_whole()).collect()
    }
}

impl CourseStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Say => "say",
            Self::Lift => "lift",
            Self::Settle => "settle",
            Self::Forget => "forget",
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
        const FIELDS: [&str; 8] = [
            "partitions",
            "partitions_was",
            "partitions_next",
            "partitions_held",
            "partitions_seen",
            "partitions_change",
            "concurrency",
            "version",
        ];
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
        let word = self.turn_course("intend", queue, "", partitions).await?;
        Ok(match word.as_str() {
            "=" => Ok(false),
            "moving" => Err(Hindrance::Moving),
            "key" => Err(Hindrance::Key),
            "concurrency" => Err(Hindrance::Concurrency),
            "max_length" => Err(Hindrance::MaxLength),
            _ => Ok(true),
        })
    }

    /// Whether any live job of a place has a batch and a unique key.
    pub(crate) async fn has_keys_in_batches(&self, keys: &QueueKeys) -> Result<bool> {
        let mut command = redis::cmd("EXISTS");
        command.arg(keys.name(Key::Batched));
        let batched: bool = read("EXISTS", self.connection.call(&command).await?.value)?;
        let mut cursor = if batched { "0" } else { "" }.to_owned();
        while !cursor.is_empty() {
            let mut command = redis::cmd("HSCAN");
            command.arg(keys.name(Key::Keys)).arg(&cursor).arg("COUNT").arg(500);
            let (next, page): (String, Vec<String>) = read("HSCAN", self.connection.call(&command).await?.value)?;
            if !page.is_empty() {
                let mut command = redis::cmd("HMGET");
                command.arg(keys.name(Key::Batched));
                page.chunks(2).for_each(|pair| _ = command.arg(&pair[0]));
                let batches: Vec<Option<String>> = read("HMGET", self.connection.call(&command).await?.value)?;
                if batches.iter().any(Option::is_some) {
                    return Ok(true);
                }
            }
            cursor = if next == "0" { String::new() } else { next };
        }
        Ok(false)
    }

    /// Makes a step of a change. `false` where that change is no more.
    pub(crate) async fn course_step(
        &self,
        queue: &QueueName,
        step: CourseStep,
        (change, partitions): (&str, Partitions),
    ) -> Result<bool> {
        Ok(self.turn_course(step.as_str(), queue, change, partitions).await? != "-")
    }

    async fn turn_course(&self, step: &str, queue: &QueueName, change: &str, partitions: Partitions) -> Result<String> {
        let mut command = scripts::SPREAD.on(&self.keys(queue), &self.clock);
        command.arg(step).arg(change).arg(partitions.count()).arg(OPERATOR);
        read("spread", scripts::SPREAD.ask(&self.connection, &command).await?)
    }

    /// Says which jobs may be added to a place; the last fence and arrival there, at least those of `last`. `None` where a
    /// later change has said something else.
    pub(crate) async fn set_gate(
        &self,
        keys: &QueueKeys,
        change: &str,
        gate: Gate,
        last: Last,
    ) -> Result<Option<Last>> {
        let mut command = scripts::GATE.on(keys, &self.clock);
        command.arg(change).arg(gate.word()).arg(last.fence).arg(last.arrival);
        let mut reply = Reply::new("gate", scripts::GATE.ask(&self.connection, &command).await?)?;
        if reply.is_empty() {
            return Ok(None);
        }
        Ok(Some(Last { fence: reply.number()?, arrival: reply.number()? }))
    }

    /// A change of the partitions that nobody has gone on with for `limit_ms`, and for how long.
    pub(crate) async fn standstill(&self, queue: &QueueName, limit_ms: i64) -> Result<Option<Standstill>> {
        let course = self.course(queue).await?;
        if !course.is_moving() {
            return Ok(None);
        }
        let mut command = redis::cmd("HGET");
        command.arg(self.keys(queue).name(Key::Meta)).arg("mover");
        let mover: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let until_ms = mover.and_then(|mover| mover.rsplit('|').next()?.parse::<i64>().ok());
        // Changes are numbered by the microseconds at which they were begun.
        let begun_ms = course.change.parse::<i64>().unwrap_or_default() / 1_000;
        let for_ms = self.now_ms().await? - until_ms.unwrap_or(begun_ms);
        let partitions = course.next.unwrap_or(course.layout.now).count();
        let stops = course.held || course.next.is_some();
        Ok((for_ms >= limit_ms).then_some(Standstill { partitions, for_ms, stops }))
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

    /// Mends the settings of one place where they are not those of the queue. Whether they were not.
    pub(crate) async fn mend_settings(&self, keys: &QueueKeys, course: &Course) -> Result<bool> {
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Config)).arg("version");
        let stands: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let differs = stands.unwrap_or_default() != course.version;
        if differs {
            self.copy_settings(keys.queue()).await?;
        }
        Ok(differs)
    }

    async fn imprint(
        &self,
        queue: &QueueName,
        place: Partition,
        (course, fields): (&Course, &BTreeMap<String, String>),
    ) -> Result<()> {
        let mut command = scripts::IMPRINT.on(&self.partition_keys(queue, place), &self.clock);
        command.arg(fields.get("version").map_or("0", String::as_str));
        for (field, value) in share(queue, fields, place) {
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
