//! Where one job stands among the others: what an explanation asks for.

use crate::error::Result;
use crate::job::JobId;
use crate::store::codec::{read, whole};
use crate::store::{Key, QueueKeys, Store};

impl Store {
    /// The score of a job in a sorted set; `None` where it is not there.
    pub(crate) async fn score(&self, keys: &QueueKeys, set: Key, id: &JobId) -> Result<Option<i64>> {
        self.number("ZSCORE", keys.name(set), id.as_str()).await
    }

    /// How many jobs of a sorted set have a lower score.
    pub(crate) async fn count_below(&self, keys: &QueueKeys, set: Key, score: i64) -> Result<u64> {
        let mut command = redis::cmd("ZCOUNT");
        command.arg(keys.name(set)).arg("-inf").arg(format!("({score}"));
        read("ZCOUNT", self.connection.call(&command).await?.value)
    }

    /// The theoretical arrival time that the rate limiter goes by, in µs.
    pub(crate) async fn next_start_us(&self, keys: &QueueKeys) -> Result<Option<i64>> {
        self.number("HGET", keys.name(Key::Meta), "tat").await
    }

    /// When the lease of a worker ends, in ms.
    pub(crate) async fn lease_ms(&self, keys: &QueueKeys, worker: &str) -> Result<Option<i64>> {
        self.number("ZSCORE", keys.name(Key::Workers), worker).await
    }

    async fn number(&self, verb: &'static str, key: &str, member: &str) -> Result<Option<i64>> {
        let mut command = redis::cmd(verb);
        command.arg(key).arg(member);
        let text: Option<String> = read(verb, self.connection.call(&command).await?.value)?;
        Ok(text.and_then(|text| whole(&text)))
    }
}
