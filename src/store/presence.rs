//! Who is there: the known queues, and what workers say of themselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::job::QueueName;
use crate::store::codec::{read, whole};
use crate::store::{Key, QueueKeys, Store, keys};

/// What a worker says of itself. Kept as JSON under its own key, so that words and time to live are written at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

impl WorkerSelf {
    /// How long a word holds: three leases, at least a minute.
    fn ttl(&self) -> Duration {
        Duration::from_millis(self.lease_ms.saturating_mul(3)).max(Duration::from_secs(60))
    }
}

/// What a queue knows of a worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub worker: String,
    pub lease_until_ms: i64,
    pub claims: u64,
}

impl Store {
    /// Makes a queue known under the prefix. Whether it was not yet.
    pub(crate) async fn register(&self, queue: &QueueName) -> Result<bool> {
        let mut command = redis::cmd("SADD");
        command.arg(keys::registry(&self.prefix)).arg(queue.as_str());
        read("SADD", self.connection.call(&command).await?.value)
    }

    /// Says what a worker is and does; to be repeated every few seconds.
    pub(crate) async fn announce(&self, worker: &WorkerSelf) -> Result<()> {
        let text = serde_json::to_string(worker).expect("a worker's words hold only numbers and strings");
        let mut command = redis::cmd("SET");
        command.arg(keys::worker(&self.prefix, &worker.worker)).arg(text).arg("EX").arg(worker.ttl().as_secs());
        self.connection.call(&command).await.map(drop)
    }

    /// Takes a worker's words back when it ends.
    pub(crate) async fn retract(&self, worker: &str) -> Result<()> {
        let mut command = redis::cmd("DEL");
        command.arg(keys::worker(&self.prefix, worker));
        self.connection.call(&command).await.map(drop)
    }

    /// What a worker says of itself; `None` when it has said nothing for long.
    pub(crate) async fn worker(&self, worker: &str) -> Result<Option<WorkerSelf>> {
        let mut command = redis::cmd("GET");
        command.arg(keys::worker(&self.prefix, worker));
        let text: Option<String> = read("GET", self.connection.call(&command).await?.value)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
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
