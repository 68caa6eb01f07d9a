//! What the server's user must be allowed to do, and what of it is refused.

use std::collections::BTreeSet;

use crate::clock::Clock;
use crate::config::{RedisConfig, RedisMode};
use crate::error::{Error, ErrorKind, Result};
use crate::store::codec::read;
use crate::store::connection::Connection;
use crate::store::{Key, Store, keys, scripts};

/// Every command on a key of a queue, by a script or from here; `@` stands for the key.
const ON_QUEUES: [&str; 51] = [
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
    "PERSIST @",
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
    "XLEN @",
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
const IN_CLUSTER: [&str; 4] = ["ASKING", "CLUSTER INFO", "CLUSTER SLOTS", "SCAN 0"];

/// Asked by an examination, which goes on without an answer.
const WELCOME: [&str; 1] = ["CONFIG GET x"];

/// The word by which an ACL rule names the command of a call: `get`, `script|load`.
fn command_of(call: &str) -> String {
    let mut words = call.split(' ').map(str::to_ascii_lowercase);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if matches!(first.as_str(), "cluster" | "config" | "script" | "sentinel") {
        format!("{first}|{second}")
    } else {
        first
    }
}

/// The keys of a prefix, as an ACL rule names them.
fn keys_of(prefix: &str) -> String {
    format!("~{prefix}*")
}

/// The rules of an ACL user that may do all that producers, workers and operators do under the prefix, and nothing else.
pub(crate) fn rules(config: &RedisConfig) -> Vec<String> {
    let switch = if config.db == 0 { &[][..] } else { &["SELECT 1"] };
    let in_cluster = if matches!(config.mode, RedisMode::Cluster(_)) { &IN_CLUSTER[..] } else { &[] };
    let calls = ON_QUEUES.iter().chain(&ELSEWHERE).chain(&WELCOME).chain(switch).chain(in_cluster);
    let commands: BTreeSet<String> = calls.map(|call| command_of(call)).collect();
    let doors = [
        "on".to_owned(),
        "resetkeys".to_owned(),
        keys_of(&config.prefix),
        "resetchannels".to_owned(),
        "-@all".to_owned(),
    ];
    doors.into_iter().chain(commands.into_iter().map(|command| format!("+{command}"))).collect()
}

/// The rules of an ACL user of sentinels.
pub(crate) fn sentinel_rules() -> Vec<String> {
    let doors = ["on", "resetkeys", "resetchannels", "&+switch-master", "-@all"];
    let commands = ["+sentinel|ckquorum", "+sentinel|master", "+subscribe"];
    doors.iter().chain(&commands).map(|rule| (*rule).to_owned()).collect()
}

/// Those of `calls` that the user may not send, by the words of ACL rules; `@` in them stands for `key`.
async fn refused(connection: &Connection, key: &str, calls: &[String]) -> Result<Vec<String>> {
    let mut command = scripts::RIGHTS.on_key(key, &Clock::server());
    command.arg(calls);
    let answer = connection.eval(&command, scripts::RIGHTS.source()).await?;
    let places: Vec<usize> = read("rights", answer.value)?;
    Ok(places.into_iter().filter_map(|place| calls.get(place).cloned()).collect())
}

/// What a script was denied, by name: the server itself only says that it was.
pub(super) async fn named(connection: &Connection, script: &str, key: &str, error: Error) -> Error {
    let calls: Vec<String> = ON_QUEUES.iter().chain(&ELSEWHERE).map(|call| (*call).to_owned()).collect();
    let Ok(refused) = refused(connection, key, &calls).await else { return error };
    let commands: BTreeSet<String> = refused.iter().map(|call| command_of(call)).collect();
    if commands.is_empty() {
        return error;
    }
    let user = connection.username().unwrap_or("default");
    let rules: Vec<_> = commands.iter().map(|command| format!("+{command}")).collect();
    let commands: Vec<_> = commands.into_iter().collect();
    let (commands, rules) = (commands.join(", "), rules.join(" "));
    let message = format!(
        "redis denies access: {script} needs {commands}, which user {user} may not send (redis-cli ACL SETUSER {user} {rules})"
    );
    Error::new(ErrorKind::AccessDenied, message).with_source(error)
}

impl Store {
    /// What producers, workers and operators need and the user may not: commands, and keys under the prefix, by the words
    /// of ACL rules.
    pub(crate) async fn missing_rights(&self) -> Result<Vec<String>> {
        let Some(some_queue) = self.keys_that_answer().await else { return Ok(Vec::new()) };
        let outside = [
            format!("SADD {} x", keys::registry(&self.prefix)),
            format!("HSET {} f v", keys::worker(&self.prefix, "x")),
            format!("SET {} x", keys::alerts_turn(&self.prefix)),
        ];
        let in_cluster = if self.connection.is_cluster() { &IN_CLUSTER[..] } else { &[] };
        let calls = ON_QUEUES.iter().chain(&ELSEWHERE).chain(in_cluster).map(|call| (*call).to_owned());
        let calls: Vec<String> = calls.chain(outside.clone()).collect();
        let refused = refused(&self.connection, some_queue.name(Key::Meta), &calls).await?;
        let (outside, mut missing): (Vec<_>, Vec<_>) = refused.into_iter().partition(|call| outside.contains(call));
        missing.iter_mut().for_each(|call| *call = command_of(call));
        // A command that is allowed on one key and not on another lacks the key.
        let lacks_keys = outside.iter().any(|call| !missing.contains(&command_of(call)));
        missing.extend(lacks_keys.then(|| keys_of(&self.prefix)));
        missing.sort();
        missing.dedup();
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Endpoint, TlsConfig};

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

    #[test]
    fn a_user_gets_what_is_sent_and_no_more() {
        let config = |db: i64, mode: RedisMode| RedisConfig {
            mode,
            db,
            username: None,
            password: None,
            tls: TlsConfig::default(),
            prefix: "p:".to_owned(),
            read_only: false,
        };
        let node = Endpoint { host: "h".to_owned(), port: 6379, tls: false };
        let rules = rules(&config(0, RedisMode::Standalone(node.clone())));
        assert_eq!(rules[..5], ["on", "resetkeys", "~p:*", "resetchannels", "-@all"]);
        assert!(rules.contains(&"+script|load".to_owned()) && rules.contains(&"+evalsha".to_owned()), "{rules:?}");
        for broad in ["+script", "+config", "+select", "+eval", "+keys", "+flushall", "+asking"] {
            assert!(!rules.contains(&broad.to_owned()), "{broad}");
        }
        let elsewhere = config(3, RedisMode::Standalone(node.clone()));
        assert!(super::rules(&elsewhere).contains(&"+select".to_owned()));
        let cluster = super::rules(&config(0, RedisMode::Cluster(vec![node])));
        assert!(["+asking", "+cluster|slots"].iter().all(|rule| cluster.iter().any(|has| has == rule)), "{cluster:?}");
    }
}
