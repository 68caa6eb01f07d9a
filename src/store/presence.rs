//! Who is there: the known queues, and what workers say of themselves.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{ProcessEnd, QueueName};
use crate::store::codec::{read, whole};
use crate::store::{Key, QueueKeys, Store, keys, scripts};

/// The layout of the keys that this version writes, as in `lua/shared/layout.lua`.
const LAYOUT: &str = "1";
/// In what a worker says of itself: how its process ended. Not its own word.
const ENDED: &str = "ended";

/// What a worker says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WorkerSelf {
    /// Its id.
    pub worker: String,
    pub host: String,
    pub pid: u32,
    /// The crate version that it runs.
    pub version: String,
    pub queues: Vec<QueueName>,
    /// Jobs that it runs at once, over all its queues.
    pub concurrency: u64,
    pub lease_ms: u64,
    pub started_ms: i64,
    /// Jobs that ended well since its start.
    pub completed: u64,
    /// Attempts that failed since its start.
    pub failed: u64,
    /// What it uses of its machine, where that is known.
    pub vitals: Option<Vitals>,
    /// The slots of each queue, where queues do not share them.
    pub slots: BTreeMap<QueueName, u64>,
    /// The service that all jobs of a queue need; while it is down the worker does not fetch them.
    pub needs: BTreeMap<QueueName, String>,
    /// Which start of a service it is, where a supervisor has said so.
    pub invocation: Option<String>,
    /// How its process ended, where whoever started it has told.
    pub ended: Option<ProcessEnd>,
}

/// What a worker's process uses of its machine, its children that have ended included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vitals {
    /// Thousandths of the time of all cores that it may use.
    pub cpu_permille: u64,
    /// The cores that it may use.
    pub cores: u64,
    /// The memory that it holds.
    pub memory_bytes: u64,
    /// The memory that it may hold: of its group, else of the machine.
    pub memory_limit_bytes: u64,
}

impl WorkerSelf {
    /// How long it holds: three leases, at least a minute.
    fn ttl_secs(&self) -> u64 {
        (self.lease_ms.saturating_mul(3) / 1000).max(60)
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let queues: Vec<_> = self.queues.iter().map(QueueName::as_str).collect();
        let mut fields = vec![
            ("host", self.host.clone()),
            ("pid", self.pid.to_string()),
            ("version", self.version.clone()),
            ("queues", queues.join(" ")),
            ("concurrency", self.concurrency.to_string()),
            ("lease_ms", self.lease_ms.to_string()),
            ("started_ms", self.started_ms.to_string()),
            ("completed", self.completed.to_string()),
            ("failed", self.failed.to_string()),
        ];
        if !self.slots.is_empty() {
            let slots: Vec<_> = self.slots.iter().map(|(queue, slots)| format!("{queue}={slots}")).collect();
            fields.push(("slots", slots.join(" ")));
        }
        if !self.needs.is_empty() {
            let needs: Vec<_> = self.needs.iter().map(|(queue, service)| format!("{queue}={service}")).collect();
            fields.push(("needs", needs.join("\n")));
        }
        fields.extend(self.invocation.iter().map(|invocation| ("invocation", invocation.clone())));
        if let Some(vitals) = self.vitals {
            fields.extend([
                ("cpu_permille", vitals.cpu_permille.to_string()),
                ("cores", vitals.cores.to_string()),
                ("memory_bytes", vitals.memory_bytes.to_string()),
                ("memory_limit_bytes", vitals.memory_limit_bytes.to_string()),
            ]);
        }
        fields
    }

    /// What is not there or not readable counts as nothing said.
    fn read(worker: &str, fields: &BTreeMap<String, String>) -> Self {
        fn number<T: FromStr + Default>(text: &str) -> T {
            text.parse().unwrap_or_default()
        }
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        Self {
            worker: worker.to_owned(),
            host: field("host").to_owned(),
            pid: number(field("pid")),
            version: field("version").to_owned(),
            queues: field("queues").split(' ').filter_map(|name| QueueName::new(name).ok()).collect(),
            concurrency: number(field("concurrency")),
            lease_ms: number(field("lease_ms")),
            started_ms: number(field("started_ms")),
            completed: number(field("completed")),
            failed: number(field("failed")),
            slots: field("slots").split(' ').filter_map(slots).collect(),
            needs: field("needs").lines().filter_map(needs).collect(),
            invocation: fields.get("invocation").cloned(),
            ended: field(ENDED).parse().ok(),
            vitals: fields.contains_key("cpu_permille").then(|| Vitals {
                cpu_permille: number(field("cpu_permille")),
                cores: number(field("cores")),
                memory_bytes: number(field("memory_bytes")),
                memory_limit_bytes: number(field("memory_limit_bytes")),
            }),
        }
    }
}

/// `email=20`.
fn slots(text: &str) -> Option<(QueueName, u64)> {
    let (queue, slots) = text.split_once('=')?;
    Some((QueueName::new(queue).ok()?, slots.parse().ok()?))
}

/// `email=smtp://mail.example.com:587`.
fn needs(text: &str) -> Option<(QueueName, String)> {
    let (queue, service) = text.split_once('=')?;
    Some((QueueName::new(queue).ok()?, service.to_owned()))
}

/// What a queue knows of a worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub worker: String,
    pub lease_until_ms: i64,
    pub claims: u64,
}

impl Store {
    /// Asks the server whether it is there; the connection has asked whether it fits.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.connection.call(&redis::cmd("PING")).await.map(drop)
    }

    /// The error about a queue that was never used, with the names that it may have been meant for.
    pub(crate) async fn unknown_queue(&self, queue: &QueueName) -> Error {
        let near = self.similar_queues(queue).await.unwrap_or_default();
        let hint = match &near[..] {
            [] => String::new(),
            near => {
                let names: Vec<_> = near.iter().map(|name| format!("\"{name}\"")).collect();
                format!(" (did you mean {}?)", names.join(" or "))
            }
        };
        Error::not_found(format!("queue \"{queue}\" not found{hint}"))
    }

    /// At most three names like this one, of queues that are known under the prefix or to the platform; none where the name
    /// itself is known to the platform.
    pub(crate) async fn similar_queues(&self, queue: &QueueName) -> Result<Vec<QueueName>> {
        if QueueName::KNOWN.contains(&queue.as_str()) {
            return Ok(Vec::new());
        }
        let mut known = self.queues().await?;
        known.extend(QueueName::KNOWN.iter().filter_map(|name| QueueName::new(name).ok()));
        known.sort();
        known.dedup();
        known.retain(|name| name != queue && is_near(name.as_str(), queue.as_str()));
        known.truncate(3);
        Ok(known)
    }

    /// Deletes a queue that holds no jobs and has no workers. Whether it is gone.
    pub(crate) async fn delete_queue(&self, keys: &QueueKeys) -> Result<bool> {
        let command = scripts::DELETE.on(keys, &self.clock);
        let gone: bool = read("delete", scripts::DELETE.ask(&self.connection, &command).await?)?;
        if !gone {
            return Ok(false);
        }
        let mut command = redis::cmd("SREM");
        command.arg(keys::registry(&self.prefix)).arg(keys.queue().as_str());
        self.connection.call(&command).await?;
        // Whoever enqueued in between has made it anew.
        let mut command = redis::cmd("EXISTS");
        command.arg(keys.name(Key::Meta));
        if read::<bool>("EXISTS", self.connection.call(&command).await?.value)? {
            self.register(keys.queue()).await?;
        }
        Ok(true)
    }

    /// Makes a queue known under the prefix. Whether it was not yet.
    pub(crate) async fn register(&self, queue: &QueueName) -> Result<bool> {
        let list = keys::registry(&self.prefix);
        // Its workers add it again within a minute.
        if self.absence(&list).await.is_some() {
            return Ok(false);
        }
        let mut command = redis::cmd("SADD");
        command.arg(list).arg(queue.as_str());
        read("SADD", self.connection.call(&command).await?.value)
    }

    /// Refuses a queue that another layout of the keys wrote, as every script that writes does. A new queue has none yet.
    pub(crate) async fn check_layout(&self, keys: &QueueKeys) -> Result<()> {
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Meta)).arg("layout");
        let found: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        let Some(found) = found.filter(|found| found != LAYOUT) else { return Ok(()) };
        let message = format!(
            "queue {} is stored in layout {found}, this version writes layout {LAYOUT}: run the version that it belongs to",
            keys.queue()
        );
        Err(Error::new(ErrorKind::Refused, message))
    }

    /// Says what a worker is and does; to be repeated every few seconds.
    pub(crate) async fn announce(&self, worker: &WorkerSelf) -> Result<()> {
        let key = keys::worker(&self.prefix, &worker.worker);
        let mut command = scripts::ANNOUNCE.on_key(&key, &self.clock);
        command.arg(worker.ttl_secs());
        for (field, value) in worker.fields() {
            command.arg(field).arg(value);
        }
        scripts::ANNOUNCE.ask(&self.connection, &command).await.map(drop)
    }

    /// Takes a worker's words back when it ends.
    pub(crate) async fn retract(&self, worker: &str) -> Result<()> {
        let mut command = redis::cmd("DEL");
        command.arg(keys::worker(&self.prefix, worker));
        self.connection.call(&command).await.map(drop)
    }

    /// What a worker says of itself; `None` when it has said nothing for long.
    pub(crate) async fn worker(&self, worker: &str) -> Result<Option<WorkerSelf>> {
        let key = keys::worker(&self.prefix, worker);
        // Its queues know it by its name.
        if self.absence(&key).await.is_some() {
            return Ok(None);
        }
        let mut command = redis::cmd("HGETALL");
        command.arg(key);
        let fields: BTreeMap<String, String> = read("HGETALL", self.connection.call(&command).await?.value)?;
        Ok((!fields.is_empty()).then(|| WorkerSelf::read(worker, &fields)))
    }

    /// Writes down how a worker's process ended. Whether anything is known of that worker.
    pub(crate) async fn tell_end(&self, worker: &str, end: ProcessEnd) -> Result<bool> {
        let mut command = scripts::TOLD_END.on_key(&keys::worker(&self.prefix, worker), &self.clock);
        command.arg(end.to_string());
        read("told_end", scripts::TOLD_END.ask(&self.connection, &command).await?)
    }

    /// How a worker's process ended, where somebody has told.
    pub(crate) async fn told_end(&self, worker: &str) -> Result<Option<ProcessEnd>> {
        let mut command = redis::cmd("HGET");
        command.arg(keys::worker(&self.prefix, worker)).arg(ENDED);
        let told: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        Ok(told.and_then(|told| told.parse().ok()))
    }

    /// The workers that a queue knows, the first 1,000 by the end of their lease, the longest silent first.
    pub(crate) async fn holders(&self, keys: &QueueKeys) -> Result<Vec<Held>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(keys.name(Key::Workers)).arg(0).arg(999).arg("WITHSCORES");
        let leases: Vec<(String, f64)> = read("ZRANGE", self.connection.call(&command).await?.value)?;
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(keys.name(Key::Handed));
        leases.iter().for_each(|(worker, _)| _ = command.arg(format!("{worker}#")));
        let claims: Vec<Option<String>> = read("HMGET", self.connection.call(&command).await?.value)?;
        let held = leases.into_iter().zip(claims).map(|((worker, until_ms), claims)| Held {
            worker,
            lease_until_ms: until_ms as i64,
            claims: claims.and_then(|n| whole(&n)).and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        });
        Ok(held.collect())
    }

    /// The server's time in ms since 1970, or the one that a test set.
    pub(crate) async fn now_ms(&self) -> Result<i64> {
        if let Ok(now_us) = self.clock.argument().parse::<i64>() {
            return Ok(now_us / 1000);
        }
        let (secs, micros): (i64, i64) = read("TIME", self.connection.call(&redis::cmd("TIME")).await?.value)?;
        Ok(secs * 1000 + micros / 1000)
    }
}

/// Whether two names differ by at most two letters (one, in short names), or one begins with the other.
fn is_near(a: &str, b: &str) -> bool {
    // Names of one letter are all near one another.
    if a.len() == 1 && b.len() == 1 {
        return false;
    }
    let allowed = if a.len().min(b.len()) < 4 { 1 } else { 2 };
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()] <= allowed || (b.len() >= 3 && a.starts_with(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_those_a_hand_may_have_meant() {
        assert!(is_near("email", "emial") && is_near("email", "mail") && is_near("report-generation", "report"));
        assert!(!is_near("email", "notification") && !is_near("ab", "cd"));
        assert!(!is_near("a", "b") && is_near("q", "q1") && is_near("abc", "abd"));
    }

    #[test]
    fn the_layout_is_the_one_that_scripts_write() {
        let script = include_str!("lua/shared/layout.lua");
        assert!(script.contains(&format!("redis.call('HSET', meta, 'layout', '{LAYOUT}')")));
    }

    #[test]
    fn what_a_worker_says_comes_back() {
        let said = WorkerSelf {
            worker: "w".to_owned(),
            host: "h".to_owned(),
            pid: 7,
            version: "0.1.0".to_owned(),
            queues: ["a", "b"].iter().filter_map(|name| QueueName::new(name).ok()).collect(),
            concurrency: 8,
            lease_ms: 30_000,
            started_ms: 5,
            completed: 3,
            failed: 1,
            slots: QueueName::new("a").map(|queue| (queue, 3)).into_iter().collect(),
            invocation: Some("4f0c".to_owned()),
            ended: None,
            needs: QueueName::new("b").map(|queue| (queue, "database a=b at db:5432".to_owned())).into_iter().collect(),
            vitals: Some(Vitals { cpu_permille: 950, cores: 2, memory_bytes: 7, memory_limit_bytes: 9 }),
        };
        let fields = said.fields().into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        assert_eq!(WorkerSelf::read("w", &fields), said);
        assert_eq!(said.ttl_secs(), 90);
    }
}
