//! What acts on many jobs set aside, and how it comes back.

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Result};
use crate::job::{JobId, Layout, Record};
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::{Key, QueueKeys, Store, scripts};

/// Values that a copied job takes in its piece.
const VALUES: u64 = 12;
/// Copies that are carried to other partitions at a time, and how long they are kept there, in seconds.
const CARRIED: usize = 200;
const KEPT_SECS: u64 = 3600;

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
    pub(crate) async fn restore(&self, keys: &QueueKeys, act: &str) -> Result<Option<Restored>> {
        let mut command = scripts::RESTORE.on(keys, &self.clock);
        command.arg(OPERATOR).arg(act);
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

    /// Takes the next copies of an act, at most 200, out of a place that jobs are no longer added to and into those that they
    /// belong to now; whether there may be more. Broken off in the middle it leaves some twice: the second is left when it is
    /// brought back.
    pub(crate) async fn carry_copies(&self, from: &QueueKeys, act: &str, layout: Layout) -> Result<bool> {
        let head = from.undo(act);
        let mut command = redis::cmd("HMGET");
        command.arg(&head).arg(&["pieces", "at"]);
        let mut reply = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
        let (pieces, at) = (reply.maybe_number()?.unwrap_or_default(), reply.maybe_number()?.unwrap_or(1));
        if at > pieces {
            return Ok(false);
        }
        let piece = format!("{head}:{at}");
        let mut command = redis::cmd("LRANGE");
        command.arg(&piece).arg(0).arg(CARRIED * VALUES as usize - 1);
        let values: Vec<Vec<u8>> = read("LRANGE", self.connection.call(&command).await?.value)?;
        let mut shares = BTreeMap::<String, (QueueKeys, Vec<&[Vec<u8>]>)>::new();
        for copy in values.chunks_exact(VALUES as usize) {
            let keys = self.partition_keys(from.queue(), layout.now.of(&key_of(copy)));
            let share = shares.entry(keys.name(Key::Meta).to_owned()).or_insert_with(|| (keys, Vec::new()));
            share.1.push(copy);
        }
        for (keys, copies) in shares.into_values() {
            self.set_aside(&keys.undo(act), &copies).await?;
        }
        let mut command = redis::cmd("LTRIM");
        command.arg(&piece).arg(values.len()).arg(-1);
        self.connection.call(&command).await?;
        if values.is_empty() {
            let mut command = redis::cmd("HSET");
            command.arg(&head).arg("at").arg(at + 1);
            self.connection.call(&command).await?;
        }
        Ok(true)
    }

    /// One more piece of copies, for as long as any is kept.
    async fn set_aside(&self, head: &str, copies: &[&[Vec<u8>]]) -> Result<()> {
        let mut command = redis::cmd("HINCRBY");
        command.arg(head).arg("pieces").arg(1);
        let number: u64 = read("HINCRBY", self.connection.call(&command).await?.value)?;
        let piece = format!("{head}:{number}");
        let mut command = redis::cmd("RPUSH");
        command.arg(&piece);
        copies.iter().copied().flatten().for_each(|value| _ = command.arg(value));
        self.connection.call(&command).await?;
        for key in [head, &piece] {
            let mut command = redis::cmd("EXPIRE");
            command.arg(key).arg(KEPT_SECS);
            self.connection.call(&command).await?;
        }
        Ok(())
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
            kept += read::<u64>("LLEN", self.connection.call(&command).await?.value)? / VALUES;
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
    let id = JobId::trusted(&text(0));
    match Record::decode(text(3)) {
        Ok(record) => record.partition_key(id.as_str()).to_owned(),
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
