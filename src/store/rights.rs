//! What the server's user must be allowed to do, and what of it is refused.

use crate::error::Result;
use crate::job::QueueName;
use crate::store::codec::read;
use crate::store::{Store, keys, scripts};

/// Every command on a key of a queue, by a script or from here; `@` stands for the key.
const ON_QUEUES: [&str; 49] = [
    "APPEND @ x",
    "BLPOP @ 1",
    "DEL @",
    "EVALSHA x 1 @",
    "EXISTS @",
    "EXPIRE @ 1",
    "GET @",
    "GETRANGE @ 0 1",
    "HDEL @ f",
    "HEXISTS @ f",
    "HGET @ f",
    "HGETALL @",
    "HINCRBY @ f 1",
    "HLEN @",
    "HMGET @ f",
    "HRANDFIELD @ 1",
    "HSCAN @ 0",
    "HSET @ f v",
    "HSETNX @ f v",
    "HSTRLEN @ f",
    "LLEN @",
    "LPUSH @ x",
    "LRANGE @ 0 1",
    "LTRIM @ 0 1",
    "MGET @",
    "PEXPIRE @ 1",
    "RPUSH @ x",
    "SADD @ x",
    "SET @ x",
    "SISMEMBER @ x",
    "SMEMBERS @",
    "SREM @ x",
    "STRLEN @",
    "TYPE @",
    "UNLINK @",
    "XADD @ * f v",
    "XRANGE @ - +",
    "XREAD COUNT 1 STREAMS @ 0",
    "XREVRANGE @ + -",
    "ZADD @ 1 m",
    "ZCARD @",
    "ZCOUNT @ 0 1",
    "ZMSCORE @ m",
    "ZRANGE @ 0 1",
    "ZREM @ m",
    "ZREMRANGEBYRANK @ 0 1",
    "ZSCAN @ 0",
    "ZSCORE @ m",
    "TIME",
];
/// Those that are about no queue.
const ELSEWHERE: [&str; 4] = ["INFO", "PING", "SCRIPT LOAD x", "WAIT 1 1"];
/// And those that only a cluster needs.
const IN_CLUSTER: [&str; 2] = ["ASKING", "CLUSTER SLOTS"];

impl Store {
    /// The commands that producers, workers and operators need and that the user may not send, on keys under the prefix.
    pub(crate) async fn missing_rights(&self) -> Result<Vec<String>> {
        let some_queue = self.keys(&QueueName::new(QueueName::KNOWN[0])?);
        let mut command = scripts::RIGHTS.on(&some_queue, &self.clock);
        ON_QUEUES.iter().chain(&ELSEWHERE).for_each(|call| _ = command.arg(*call));
        if self.connection.is_cluster() {
            IN_CLUSTER.iter().for_each(|call| _ = command.arg(*call));
        }
        command.arg(format!("SADD {} x", keys::registry(&self.prefix)));
        command.arg(format!("HSET {} f v", keys::worker(&self.prefix, "x")));
        command.arg(format!("SET {} x", keys::alerts_turn(&self.prefix)));
        let mut missing: Vec<String> = read("rights", scripts::RIGHTS.ask(&self.connection, &command).await?)?;
        missing.iter_mut().for_each(|word| word.make_ascii_lowercase());
        missing.sort();
        missing.dedup();
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(under: &Path) -> Vec<String> {
        let mut waiting: Vec<PathBuf> = vec![under.to_owned()];
        let mut texts = Vec::new();
        while let Some(path) = waiting.pop() {
            match path.is_dir() {
                true if path.ends_with("tests") => {}
                true => waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
                false => {
                    let text = std::fs::read_to_string(path).unwrap();
                    // What tests send is theirs.
                    texts.push(text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned());
                }
            }
        }
        texts
    }

    #[test]
    fn every_command_that_is_sent_is_among_the_rights_that_are_asked_for() {
        let known: BTreeSet<&str> =
            ON_QUEUES.iter().chain(&ELSEWHERE).chain(&IN_CLUSTER).filter_map(|call| call.split(' ').next()).collect();
        // Sentinels and the embedded server have users of their own; CONFIG is asked and may be refused.
        let not_needed = ["SENTINEL", "SHUTDOWN", "CONFIG", "HELLO", "SELECT"];
        let mut sent = BTreeSet::new();
        for text in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")) {
            for mark in ["redis.call('", "redis::cmd(\""] {
                let words = text.split(mark).skip(1);
                sent.extend(words.filter_map(|rest| Some(rest.split(['\'', '"']).next()?.to_owned())));
            }
        }
        sent.retain(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()));
        let missing: Vec<_> =
            sent.iter().filter(|word| !known.contains(word.as_str()) && !not_needed.contains(&word.as_str())).collect();
        assert!(sent.len() > 30 && missing.is_empty(), "{missing:?}");
    }
}
