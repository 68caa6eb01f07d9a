//! What acts on many jobs set aside, and how it comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, Partitions, Record};
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::{Gate, Key, QueueKeys, Store, scripts};

/// Values that a copied job takes in its piece, and where some of them stand.
const VALUES: usize = 12;
const ID: usize = 0;
const SET: usize = 1;
const RECORD: usize = 3;
const KEY: usize = 6;
/// Copies that are read at a time.
const PAGE: usize = 200;
/// What moves between two partitions arrives within that, and is asked about as often.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What is stored of a job that an act took.
type StoredJob = Vec<Vec<u8>>;

/// How much of the memory that the server may use is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Memory {
    /// This part of it, 0 to 1.
    Part(f64),
    /// It may use as much as there is.
    Unbounded,
    /// The server does not tell this user.
    Unknown,
}

/// How far an act is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Whether there may be more to bring back.
    pub more: bool,
    /// Jobs that are back, in all calls so far.
    pub back: u64,
    /// Jobs that were left, in all calls so far.
    pub left: u64,
    /// Those that the last call left.
    pub ids: Vec<JobId>,
}

/// The next copies in a place.
struct Copies {
    /// The piece that they are in, and how many values it has.
    at: u64,
    length: u64,
    jobs: Vec<StoredJob>,
}

/// What the places that are being left said of the next copies of an act.
#[derive(Debug)]
pub(crate) struct Asked {
    was: Partitions,
    /// The id of each, and the word.
    jobs: Vec<(Vec<u8>, String)>,
}

impl Copies {
    /// Rises as they are taken out. A piece has 500 jobs at most.
    fn number(&self) -> u64 {
        (self.at * 100_000).saturating_sub(self.length)
    }
}

impl Store {
    /// How much memory is used.
    pub(crate) async fn memory(&self) -> Result<Memory> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let text: String = match self.connection.call(&command).await {
            Ok(answer) => read("INFO", answer.value)?,
            Err(error) if error.kind() == ErrorKind::AccessDenied => return Ok(Memory::Unknown),
            Err(error) => return Err(error),
        };
        Ok(memory_of(&text))
    }

    /// Brings back the next jobs that an act removed; `None` where nothing is kept of it.
    ///
    /// # Errors
    /// `Moved` where other places may know of such jobs and were not asked, or where nothing is added any more.
    pub(crate) async fn restore(&self, keys: &QueueKeys, act: &str, asked: Option<&Asked>) -> Result<Option<Restored>> {
        let mut command = scripts::RESTORE.on(keys, &self.clock);
        command.arg(OPERATOR).arg(act);
        command.arg(asked.map_or_else(|| "adds".to_owned(), |asked| Gate::OpenTo(asked.was).word()));
        for (id, said) in asked.into_iter().flat_map(|asked| &asked.jobs) {
            command.arg(id).arg(said);
        }
        let mut reply = Reply::new("restore", scripts::RESTORE.ask(&self.connection, &command).await?)?;
        if reply.is_empty() {
            return Ok(None);
        }
        let mut restored =
            Restored { more: reply.count()? > 0, back: reply.count()?, left: reply.count()?, ids: Vec::new() };
        while !reply.is_empty() {
            restored.ids.push(JobId::trusted(&reply.text()?));
        }
        Ok(Some(restored))
    }

    /// The next copies of an act in a place; `None` where there are no more.
    async fn next_copies(&self, keys: &QueueKeys, act: &str) -> Result<Option<Copies>> {
        let mut command = scripts::PEEK_ASIDE.on(keys, &self.clock);
        command.arg(act).arg(PAGE);
        let mut reply = Reply::new("peek_aside", scripts::PEEK_ASIDE.ask(&self.connection, &command).await?)?;
        if reply.is_empty() {
            return Ok(None);
        }
        let (at, length) = (reply.count()?, reply.count()?);
        let mut jobs = Vec::with_capacity(reply.len() / VALUES);
        while !reply.is_empty() {
            jobs.push((0..VALUES).map(|_| reply.bytes()).collect::<Result<StoredJob>>()?);
        }
        Ok(Some(Copies { at, length, jobs }))
    }

    /// Takes the next copies of an act out of a place that jobs are no longer added to and into those that they belong to now;
    /// whether there may be more. Where several do that at once, and where one of them is broken off, each copy arrives once.
    pub(crate) async fn carry_copies(&self, from: &QueueKeys, act: &str, to: Partitions) -> Result<bool> {
        let Some(copies) = self.next_copies(from, act).await? else { return Ok(false) };
        let mut shares = BTreeMap::<u16, (QueueKeys, Vec<&StoredJob>)>::new();
        for copy in &copies.jobs {
            let place = to.of(&key_of(copy));
            let keys = || (self.partition_keys(from.queue(), place), Vec::new());
            shares.entry(place.number().0).or_insert_with(keys).1.push(copy);
        }
        for (keys, jobs) in shares.into_values() {
            let mut command = scripts::PUT_ASIDE.on(&keys, &self.clock);
            command.arg(act).arg(from.name(Key::Meta)).arg(copies.number());
            jobs.into_iter().for_each(|copy| _ = command.arg(copy.as_slice()));
            scripts::PUT_ASIDE.ask(&self.connection, &command).await?;
        }
        let mut command = scripts::CUT_ASIDE.on(from, &self.clock);
        command.arg(act).arg(copies.at).arg(copies.length).arg(copies.jobs.len() * VALUES);
        scripts::CUT_ASIDE.ask(&self.connection, &command).await?;
        Ok(true)
    }

    /// Asks the places of a queue that are being left about the next copies of an act in `keys`: of what they know of, nothing
    /// comes back beside it.
    ///
    /// # Errors
    /// `Moved` where the next one is on its way between two places for longer than that takes.
    pub(crate) async fn ask_former(&self, keys: &QueueKeys, act: &str, was: Partitions) -> Result<Asked> {
        let until = Instant::now() + ON_ITS_WAY;
        loop {
            let jobs = self.next_copies(keys, act).await?.map(|copies| copies.jobs).unwrap_or_default();
            let mut shares = BTreeMap::<u16, (QueueKeys, Vec<usize>)>::new();
            for (index, copy) in jobs.iter().enumerate() {
                let place = was.of(&key_of(copy));
                let share = || (self.partition_keys(keys.queue(), place), Vec::new());
                shares.entry(place.number().0).or_insert_with(share).1.push(index);
            }
            let mut said: Vec<String> = vec![String::new(); jobs.len()];
            for (keys, share) in shares.into_values() {
                let mut command = scripts::RIVALS.on(&keys, &self.clock);
                for index in &share {
                    [ID, SET, RECORD, KEY].into_iter().for_each(|value| _ = command.arg(&jobs[*index][value]));
                }
                let answers: Vec<String> = read("rivals", scripts::RIVALS.ask(&self.connection, &command).await?)?;
                share.into_iter().zip(answers).for_each(|(index, answer)| said[index] = answer);
            }
            let known = said.iter().position(|said| said == "~").unwrap_or(said.len());
            if known > 0 || said.is_empty() {
                let jobs = jobs.into_iter().zip(said).take(known).map(|(mut copy, said)| (copy.swap_remove(ID), said));
                return Ok(Asked { was, jobs: jobs.collect() });
            }
            if Instant::now() >= until {
                return Err(Error::new(ErrorKind::Moved, "jobs are on their way to another partition"));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// How many jobs an act has aside that were not looked at yet.
    pub(crate) async fn kept_aside(&self, keys: &QueueKeys, act: &str) -> Result<u64> {
        let head = keys.undo(act);
        let mut command = redis::cmd("HMGET");
        command.arg(&head).arg(&["pieces", "at"]);
        let mut reply = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
        let (pieces, at) = (reply.maybe_number()?.unwrap_or_default(), reply.maybe_number()?.unwrap_or(1));
        let mut kept = 0;
        for piece in at..=pieces {
            let mut command = redis::cmd("LLEN");
            command.arg(format!("{head}:{piece}"));
            kept += read::<u64>("LLEN", self.connection.call(&command).await?.value)? / VALUES as u64;
        }
        Ok(kept)
    }

    /// How far an act is undone already; `None` where nothing is kept of it.
    pub(crate) async fn restored(&self, keys: &QueueKeys, act: &str) -> Result<Option<Restored>> {
        let mut command = redis::cmd("HMGET");
        command.arg(keys.undo(act)).arg(&["pieces", "at", "back", "left"]);
        let mut reply = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
        let mut number = || -> Result<_> { Ok(reply.maybe_number()?.and_then(|number| u64::try_from(number).ok())) };
        let Some(pieces) = number()? else { return Ok(None) };
        let at = number()?.unwrap_or(1);
        let (back, left) = (number()?.unwrap_or_default(), number()?.unwrap_or_default());
        Ok(Some(Restored { more: at <= pieces, back, left, ids: Vec::new() }))
    }
}

/// What decides the partition of a copied job.
fn key_of(copy: &[Vec<u8>]) -> String {
    let text = |at: usize| copy.get(at).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    let id = JobId::trusted(&text(ID));
    match Record::decode(&text(RECORD)) {
        Ok(record) => record.partition_key_when_ended(id.as_str()).to_owned(),
        Err(_) => id.to_string(),
    }
}

fn memory_of(info: &str) -> Memory {
    let number = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<f64>().ok();
        info.lines().find_map(value)
    };
    match (number("used_memory"), number("maxmemory")) {
        (Some(used), Some(most)) if most > 0.0 => Memory::Part(used / most),
        (Some(_), Some(_)) => Memory::Unbounded,
        _ => Memory::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_memory_that_is_used_is_read() {
        let info = "# Memory\r\nused_memory:850\r\nused_memory_human:850B\r\nmaxmemory:1000\r\nmaxmemory_policy:x\r\n";
        assert_eq!(memory_of(info), Memory::Part(0.85));
        assert_eq!(memory_of(&info.replace("maxmemory:1000", "maxmemory:0")), Memory::Unbounded);
        assert_eq!(memory_of(""), Memory::Unknown);
    }
}
