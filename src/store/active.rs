//! Pages through the claims of a queue, and asks where its jobs belong, and whether anything waits there.

use std::collections::BTreeSet;

use redis::Value;

use crate::error::Result;
use crate::job::{JobId, JobState, Partitions, Record};
use crate::store::{Key, QueueKeys, Store};

/// Fields that one page asks for.
const PAGE: usize = 500;

impl Store {
    /// Some claims, and the cursor of the next page: 0 after the last.
    pub(crate) async fn active_page(&self, keys: &QueueKeys, cursor: u64) -> Result<(u64, Vec<(JobId, String)>)> {
        let mut command = redis::cmd("HSCAN");
        command.arg(keys.name(Key::Active)).arg(cursor).arg("COUNT").arg(PAGE);
        let value = self.connection.call(&command).await?.value;
        let (next, flat): (u64, Vec<(String, String)>) = from(value)?;
        Ok((next, flat.into_iter().map(|(id, claim)| (JobId::trusted(&id), claim)).collect()))
    }

    /// Where the jobs that run in a place of a queue belong among `to`: the place of each, from 0.
    pub(crate) async fn places_of_running(&self, keys: &QueueKeys, to: Partitions) -> Result<Vec<usize>> {
        let (mut ids, mut cursor) = (BTreeSet::new(), 0);
        loop {
            let (next, page) = self.active_page(keys, cursor).await?;
            // A scan may tell an id twice.
            ids.extend(page.into_iter().map(|(id, _)| id));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let (ids, mut places) = (Vec::from_iter(ids), Vec::new());
        for some in ids.chunks(PAGE) {
            let mut command = redis::cmd("HMGET");
            command.arg(keys.name(Key::Jobs));
            some.iter().for_each(|id| _ = command.arg(id.as_str()));
            let records: Vec<Option<String>> = from(self.connection.call(&command).await?.value)?;
            places.extend(some.iter().zip(records).map(|(id, record)| {
                let record = record.and_then(|record| Record::decode(&record).ok());
                // What nobody can read goes by its id.
                to.place_of(record.as_ref().map_or(id.as_str(), |record| record.partition_key(id.as_str())))
            }));
        }
        Ok(places)
    }

    /// Whether jobs are in line and may start, or will be within a second: the fetch that found nothing may be older than a
    /// retry with a short wait.
    pub(crate) async fn has_startable(&self, keys: &QueueKeys) -> Result<bool> {
        let mut command = redis::cmd("EXISTS");
        for line in Key::of_state(JobState::Pending) {
            command.arg(keys.name(*line));
        }
        let lines: u64 = from(self.connection.call(&command).await?.value)?;
        let mut command = redis::cmd("HGET");
        command.arg(keys.name(Key::Config)).arg("paused");
        let paused: Option<String> = from(self.connection.call(&command).await?.value)?;
        if paused.as_deref() == Some("1") {
            return Ok(false);
        }
        let soon_ms = self.now_ms().await? + 1_000;
        let mut due_soon = false;
        for set in [Key::Scheduled, Key::Retrying] {
            // The score is the due time in ms × 4 + level.
            due_soon |= self.marks(keys, set, (0, 1), false).await?.iter().any(|(_, score)| score / 4 <= soon_ms);
        }
        Ok(lines > 0 || due_soon)
    }
}

fn from<T: redis::FromRedisValue>(value: Value) -> Result<T> {
    T::from_redis_value(value).map_err(|error| crate::Error::internal(format!("an answer of another shape: {error}")))
}
