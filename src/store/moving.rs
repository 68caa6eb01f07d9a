//! What leaves a place of a queue for another, page by page.
//!
//! A page is copied into `leaving` of the place in the script that takes it out, goes to where it belongs, and is forgotten
//! when it has arrived. Its number rises, and the places that take it in remember the last one, so that a page that is sent
//! twice, by whomever, arrives once. Nobody needs to be the only one who moves.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, PARTITIONS_MAX, Partition, Partitions, QueueName, Record};
use crate::store::codec::{Reply, read};
use crate::store::{Accepted, Key, QueueKeys, Store, StoredSchedule, scripts};

/// Jobs in one page.
const PAGE_JOBS: usize = 250;
/// Values of each thing in a page, behind its name.
const VALUES: usize = 13;
/// Where among them the record of a job stands.
const RECORD: usize = 3;
/// The batch in which it counts, where there is one.
const BATCH: usize = 12;
/// Batches whose names one call takes.
pub(crate) const BATCHES_MOVED: usize = 250;
/// How long what is left of former partitions stays when their queue is deleted.
const FORGOTTEN_MS: u64 = 3_600_000;
/// Names that one look at a set reads.
const NAMES: usize = 500;
/// How often a page is brought again to a place that does not hold it, and when.
const LOST_TRIES: u32 = 5;
const LOST_PAUSE: Duration = Duration::from_millis(200);

/// From where to where things are moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    pub queue: &'a QueueName,
    pub from: Partition,
    pub to: Partitions,
    /// The number of the change by which `from` is left.
    pub change: &'a str,
}

/// What is no job, and leaves by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Apart<'a> {
    /// A schedule, with its last job where that waits.
    Schedule(&'a str),
    /// What batches, at most `BATCHES_MOVED`, have counted here.
    Batches(&'a [String]),
    /// The same of those that take jobs.
    Open(&'a [String]),
    /// What the place has counted.
    Totals,
}

/// What a place that is being left still holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Jobs that wait, and what is on its way.
    pub waiting: u64,
    /// Those that could run now.
    pub in_line: u64,
    /// What is on its way.
    pub leaving: u64,
    pub running: u64,
    pub ended: u64,
    pub schedules: u64,
    /// Live jobs of batches, jobs for other queues, unique keys, ids that are remembered.
    pub rest: u64,
}

/// What is on its way.
struct Page {
    fence: String,
    number: String,
    things: Vec<Thing>,
}

/// What became of what was brought to a place.
#[derive(Debug)]
enum Delivered {
    Arrived,
    /// The place has taken in a later page, of this number.
    Behind(i64),
    /// The server that is the place's by now does not hold it.
    Lost,
    /// It is there, but no replica has confirmed it.
    Unsure(Error),
}

/// How many things were moved; 0 where there was nothing.
pub(crate) type Carried = std::result::Result<u64, Obstacle>;

/// Why nothing more leaves a place now.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// What left last is where it belongs, and no replica there has confirmed it: it stays on its way.
    Unconfirmed(Error),
    Failed(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        let (Obstacle::Unconfirmed(error) | Obstacle::Failed(error)) = obstacle;
        error
    }
}

/// One thing: its name, of which the first letter says what it is, and what is stored of it.
struct Thing {
    name: String,
    values: Vec<Vec<u8>>,
}

impl Left {
    /// Whether there is nothing.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// All of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            in_line: self.in_line + other.in_line,
            leaving: self.leaving + other.leaving,
            running: self.running + other.running,
            ended: self.ended + other.ended,
            schedules: self.schedules + other.schedules,
            rest: self.rest + other.rest,
        }
    }
}

impl Page {
    /// `None` where nothing leaves.
    fn read(script: &'static str, value: redis::Value) -> Result<Option<Self>> {
        let mut reply = Reply::new(script, value)?;
        if reply.is_empty() {
            return Ok(None);
        }
        let (fence, number) = (reply.text()?, reply.text()?);
        let mut things = Vec::new();
        while !reply.is_empty() {
            let name = reply.text()?;
            let values = (0..VALUES).map(|_| reply.bytes()).collect::<Result<_>>()?;
            things.push(Thing { name, values });
        }
        Ok(Some(Self { fence, number, things }))
    }

    /// Where each thing goes among `to`: a schedule takes its job with it.
    fn shares(&self, queue: &QueueName, to: Partitions) -> BTreeMap<usize, Vec<&Thing>> {
        let schedule = self.things.iter().find_map(|thing| thing.schedule_key(queue));
        let mut shares = BTreeMap::<usize, Vec<&Thing>>::new();
        for thing in &self.things {
            let place = schedule.as_ref().map_or_else(|| thing.place_among(to), |key| to.place_of(key));
            shares.entry(place).or_default().push(thing);
        }
        shares
    }
}

impl Thing {
    /// What a schedule goes by, where it is one.
    fn schedule_key(&self, queue: &QueueName) -> Option<String> {
        let name = self.name.strip_prefix('s')?;
        Some(StoredSchedule::key_of(queue, name, &String::from_utf8_lossy(&self.values[0])))
    }

    fn place_among(&self, to: Partitions) -> usize {
        let (kind, name) = self.name.split_at_checked(1).unwrap_or_default();
        match kind {
            "j" => {
                let record = String::from_utf8_lossy(&self.values[RECORD]);
                let counts = !self.values[BATCH].is_empty();
                // What nobody can read goes by its id.
                Record::decode(&record).map_or_else(
                    |_| to.place_of(name),
                    |record| {
                        let key =
                            if counts { record.partition_key(name) } else { record.partition_key_when_ended(name) };
                        to.place_of(key)
                    },
                )
            }
            "t" => 0,
            _ => to.place_of(name),
        }
    }
}

impl Store {
    /// Moves the last jobs of a set of a place to where they belong; how many things were moved, and 0 where there is nothing.
    pub(crate) async fn move_jobs(&self, way: Way<'_>, set: Key) -> Carried {
        let mut command = scripts::MOVE_OUT.on(&self.partition_keys(way.queue, way.from), &self.clock);
        command.arg(way.change).arg(set.suffix()).arg(PAGE_JOBS);
        let page = Page::read("move_out", scripts::MOVE_OUT.ask(&self.connection, &command).await?)?;
        self.carry(way, page, false).await
    }

    /// Moves what is no job.
    pub(crate) async fn move_apart(&self, way: Way<'_>, what: Apart<'_>) -> Carried {
        let mut command = scripts::MOVE_APART.on(&self.partition_keys(way.queue, way.from), &self.clock);
        command.arg(way.change);
        match what {
            Apart::Schedule(name) => command.arg("schedule").arg(name),
            Apart::Batches(names) => command.arg("batch").arg(names),
            Apart::Open(names) => command.arg("open").arg(names),
            Apart::Totals => command.arg("totals"),
        };
        let page = Page::read("move_apart", scripts::MOVE_APART.ask(&self.connection, &command).await?)?;
        self.carry(way, page, matches!(what, Apart::Open(_))).await
    }

    /// Brings what has left a place to where it belongs: whoever moved it may have died. Nothing else leaves.
    pub(crate) async fn bring_what_left(&self, way: Way<'_>) -> Result<()> {
        Ok(self.move_apart(way, Apart::Schedule("")).await.map(drop)?)
    }

    /// Moves what is known of jobs that are gone: unique keys whose windows may be open, and ids that are remembered. These go
    /// to where they themselves belong: by what their jobs went is not known any more. Jobs for other queues go by their ids.
    pub(crate) async fn move_known(&self, way: Way<'_>) -> Carried {
        let mut command = scripts::MOVE_LOCKS.on(&self.partition_keys(way.queue, way.from), &self.clock);
        command.arg(way.change);
        let page = Page::read("move_locks", scripts::MOVE_LOCKS.ask(&self.connection, &command).await?)?;
        self.carry(way, page, false).await
    }

    /// Brings a page to where it belongs, then forgets it where it came from. `hurries`: producers wait for it.
    async fn carry(&self, way: Way<'_>, page: Option<Page>, hurries: bool) -> Carried {
        let Some(page) = page else { return Ok(0) };
        let places: Vec<_> = way.to.each().map(|place| self.partition_keys(way.queue, place)).collect();
        let mut tries = 0;
        let delivered: Vec<_> = loop {
            let deliveries = page.shares(way.queue, way.to).into_iter().map(|(place, things)| {
                let (to, page) = (&places[place], &page);
                async move { Ok::<_, Error>((self.deliver(way, to, page, &things, hurries).await?, things)) }
            });
            let delivered: Vec<_> = join_all(deliveries).await.into_iter().collect::<Result<_>>()?;
            if !delivered.iter().any(|(how, _)| matches!(how, Delivered::Lost)) {
                break delivered;
            }
            if tries == LOST_TRIES {
                let queue = way.queue;
                let what = "does not hold what was brought to it: its node may just be replaced";
                return Err(Error::new(ErrorKind::NotNow, format!("a partition of queue {queue} {what}")).into());
            }
            tries += 1;
            // Another server is the place's by now.
            self.connection.leave();
            tokio::time::sleep(LOST_PAUSE).await;
        };
        let (mut behind, mut arrived) = (None, Vec::new());
        for (how, things) in delivered {
            match how {
                Delivered::Behind(last) => behind = behind.max(Some(last)),
                Delivered::Unsure(error) => return Err(Obstacle::Unconfirmed(error)),
                Delivered::Arrived | Delivered::Lost => arrived.extend(things),
            }
        }
        let mut command = scripts::MOVE_DONE.on(&self.partition_keys(way.queue, way.from), &self.clock);
        command.arg(&page.number);
        // Where a server has lost the numbers of its last pages, places have taken in later ones: what they did not take goes
        // again under a number that is new to them all.
        command.arg(behind.map(|last| (last + 1).to_string()).unwrap_or_default());
        arrived.iter().for_each(|thing| _ = command.arg(&thing.name));
        scripts::MOVE_DONE.ask(&self.connection, &command).await?;
        Ok(page.things.len() as u64)
    }

    /// Gives a place what belongs there of a page, and sees that it stays there.
    async fn deliver(
        &self,
        way: Way<'_>,
        to: &QueueKeys,
        page: &Page,
        things: &[&Thing],
        hurries: bool,
    ) -> Result<Delivered> {
        let mut command = scripts::MOVE_IN.on(to, &self.clock);
        command.arg(way.from.to_string()).arg(&page.number).arg(&page.fence);
        for thing in things {
            command.arg(&thing.name).arg(&thing.values);
        }
        let came: i64 = read("move_in", scripts::MOVE_IN.ask(&self.connection, &command).await?)?;
        if came < 0 {
            return Ok(Delivered::Behind(-came));
        }
        Ok(match self.stays_at(to, way.from, &page.number, hurries).await {
            Ok(true) => Delivered::Arrived,
            Ok(false) => Delivered::Lost,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Delivered::Unsure(error),
            Err(error) => return Err(error),
        })
    }

    /// The names of batches of a place, also of those of which only a part is there.
    pub(crate) async fn batch_names(&self, keys: &QueueKeys) -> Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            let mut command = redis::cmd("ZRANGE");
            command.arg(keys.name(Key::Batches)).arg(names.len()).arg(names.len() + NAMES - 1);
            let page: Vec<String> = read("ZRANGE", self.connection.call(&command).await?.value)?;
            let last = page.len() < NAMES;
            names.extend(page);
            if last {
                return Ok(names);
            }
        }
    }

    /// What a place that is being left still holds.
    pub(crate) async fn vacancy(&self, keys: &QueueKeys) -> Result<Left> {
        let command = scripts::VACANCY.on(keys, &self.clock);
        let mut reply = Reply::new("vacancy", scripts::VACANCY.ask(&self.connection, &command).await?)?;
        Ok(Left {
            waiting: reply.count()?,
            in_line: reply.count()?,
            leaving: reply.count()?,
            running: reply.count()?,
            ended: reply.count()?,
            schedules: reply.count()?,
            rest: reply.count()?,
        })
    }

    /// Clears a place away that is left and empty. `false` where it holds something.
    pub(crate) async fn retire(&self, queue: &QueueName, place: Partition, change: &str) -> Result<bool> {
        let mut command = scripts::RETIRE.on(&self.partition_keys(queue, place), &self.clock);
        command.arg(change).arg(u8::from(place.is_whole())).arg("");
        read("retire", scripts::RETIRE.ask(&self.connection, &command).await?)
    }

    /// Lets what is left of the partitions that a queue of one ever had be gone within an hour, when it is deleted. Until then
    /// it sends away whoever knows them and has not heard yet.
    pub(crate) async fn forget_partitions(&self, queue: &QueueName) -> Result<()> {
        let counts = (2..=PARTITIONS_MAX).filter_map(|count| Partitions::new(count).ok());
        // Each was a place of its own, so that its first one tells whether there were so many.
        let asked = counts.filter_map(|places| places.each().next().map(|first| (places, first)));
        let known = asked
            .map(|(places, first)| async move { Ok::<_, Error>(self.change_of(queue, first).await?.map(|_| places)) });
        for places in join_all(known).await {
            let Some(places) = places? else { continue };
            for place in places.each() {
                let Some(change) = self.change_of(queue, place).await? else { continue };
                let mut command = scripts::RETIRE.on(&self.partition_keys(queue, place), &self.clock);
                command.arg(change).arg(0).arg(FORGOTTEN_MS);
                scripts::RETIRE.ask(&self.connection, &command).await?;
            }
        }
        Ok(())
    }

    /// The change by which a place was opened or left; `None` where nothing is left of it.
    async fn change_of(&self, queue: &QueueName, place: Partition) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.partition_keys(queue, place).name(Key::Meta)).arg("change");
        read("HGET", self.connection.call(&command).await?.value)
    }

    /// Whether it is `who` that moves the jobs of a queue, for so long; 0 gives the turn back. `force`: whoever else does.
    pub(crate) async fn mover_turn(
        &self,
        queue: &QueueName,
        (who, force): (&str, bool),
        lease_ms: u64,
    ) -> Result<bool> {
        let mut command = scripts::TURN.on(&self.keys(queue), &self.clock);
        command.arg(who).arg(u8::from(force)).arg(lease_ms).arg("");
        read("turn", scripts::TURN.ask(&self.connection, &command).await?)
    }

    /// Says that `who`, whose turn it is for so long, has brought the change further: from now on counts how long it stands
    /// still.
    pub(crate) async fn mover_came_further(&self, queue: &QueueName, who: &str, lease_ms: u64) -> Result<()> {
        let mut command = scripts::TURN.on(&self.keys(queue), &self.clock);
        command.arg(who).arg("1").arg(lease_ms).arg("1");
        scripts::TURN.ask(&self.connection, &command).await.map(drop)
    }

    /// Which of these jobs, at most 300, a place knows, by id and unique key: for each `None` where it does not.
    pub(crate) async fn known_at(
        &self,
        keys: &QueueKeys,
        jobs: &[(&JobId, Option<&str>)],
    ) -> Result<Vec<Option<Accepted>>> {
        let mut command = scripts::FORMER.on(keys, &self.clock);
        for (id, key) in jobs {
            command.arg(id.as_str()).arg(key.unwrap_or_default());
        }
        let mut reply = Reply::new("former", scripts::FORMER.ask(&self.connection, &command).await?)?;
        let known = |word: String| match word.split_at_checked(1) {
            Some(("=", "")) => Some(Accepted::Duplicate),
            Some(("=", holder)) => Some(Accepted::Held(JobId::trusted(holder))),
            _ => None,
        };
        jobs.iter().map(|_| reply.text().map(known)).collect()
    }
}
