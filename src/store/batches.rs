//! Batches: begun, sealed, looked at, and the jobs on completion that other queues are to get.

use chrono::DateTime;

use crate::batch::{BatchFollower, BatchInfo, OnComplete, Opened};
use crate::error::{Error, Result};
use crate::job::{BatchName, JobId, NewJob, QueueName, Record};
use crate::store::codec::{Reply, read};
use crate::store::{Key, QueueKeys, Store, scripts};

/// Batches that one call of `batches` looks at.
pub(crate) const BATCHES_STEP: u64 = 500;
/// Names that one call of `batch_sweep` looks at.
const SWEEP_STEP: u64 = 500;
/// Jobs that one look into the outbox takes out, about.
const OUTBOX_STEP: usize = 100;

/// A job that another queue is to get.
pub(crate) struct Outgoing {
    pub id: JobId,
    pub queue: QueueName,
    pub job: NewJob,
}

impl Store {
    /// Begins a batch, or joins one that takes jobs. `None` where it takes jobs and has another job on completion. `former`:
    /// the gate of places from which batches come and that know of no sealed one; empty where none was asked.
    pub(crate) async fn open_batch(
        &self,
        keys: &QueueKeys,
        name: &BatchName,
        on_complete: Option<&OnComplete>,
        former: &str,
    ) -> Result<Option<Opened>> {
        let mut command = scripts::BATCH_OPEN.on(keys, &self.clock);
        command.arg(name.as_str());
        match on_complete {
            Some(OnComplete { queue, payload }) => {
                let job = NewJob::from_raw(payload.clone())?;
                let elsewhere = if queue == keys.queue() { "" } else { queue.as_str() };
                command.arg(job.id.as_str()).arg(elsewhere).arg(job.to_record()?);
            }
            None => _ = command.arg("").arg("").arg(""),
        }
        command.arg(former);
        let answer = scripts::BATCH_OPEN.send(&self.connection, &command).await?;
        let word: String = read("batch_open", answer.value)?;
        match word.as_str() {
            "+" => Ok(Some(Opened::Begun)),
            "=" => Ok(Some(if answer.repeated { Opened::Begun } else { Opened::Joined })),
            "#" => Ok(Some(Opened::Sealed)),
            _ => Ok(None),
        }
    }

    /// Lets a batch take no more jobs. Whether there is one of that name.
    pub(crate) async fn seal_batch(&self, keys: &QueueKeys, name: &BatchName) -> Result<bool> {
        let mut command = scripts::BATCH_SEAL.on(keys, &self.clock);
        command.arg(name.as_str());
        read("batch_seal", scripts::BATCH_SEAL.ask(&self.connection, &command).await?)
    }

    /// A batch; `None` where there is none of that name.
    pub(crate) async fn batch(&self, keys: &QueueKeys, name: &BatchName) -> Result<Option<BatchInfo>> {
        Ok(self.ask_batches(keys, (0, 0), Some(name)).await?.1.pop())
    }

    /// A stretch of the batches, the newest first: how many ranks were looked at, and those of which anything is there.
    pub(crate) async fn batches(&self, keys: &QueueKeys, first: u64, count: u64) -> Result<(u64, Vec<BatchInfo>)> {
        self.ask_batches(keys, (first, count.min(BATCHES_STEP)), None).await
    }

    async fn ask_batches(
        &self,
        keys: &QueueKeys,
        (first, count): (u64, u64),
        name: Option<&BatchName>,
    ) -> Result<(u64, Vec<BatchInfo>)> {
        let mut command = scripts::BATCHES.on(keys, &self.clock);
        command.arg(first).arg(count);
        name.iter().for_each(|name| _ = command.arg(name.as_str()));
        let mut reply = Reply::new("batches", scripts::BATCHES.ask(&self.connection, &command).await?)?;
        let looked_at = reply.count()?;
        let mut batches = Vec::new();
        while !reply.is_empty() {
            batches.push(batch(keys.queue(), &mut reply)?);
        }
        Ok((looked_at, batches))
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

    /// Forgets the names of batches whose time is over; how many.
    pub(crate) async fn sweep_batches(&self, keys: &QueueKeys) -> Result<u64> {
        let (mut first, mut forgotten) = (0, 0);
        loop {
            let mut command = scripts::BATCH_SWEEP.on(keys, &self.clock);
            command.arg(first);
            let mut reply = Reply::new("batch_sweep", scripts::BATCH_SWEEP.ask(&self.connection, &command).await?)?;
            let (looked_at, gone) = (reply.count()?, reply.count()?);
            forgotten += gone;
            first += looked_at.saturating_sub(gone);
            if looked_at < SWEEP_STEP {
                return Ok(forgotten);
            }
        }
    }

    /// Some of the jobs that other queues are to get. What a hand broke is left out.
    pub(crate) async fn outgoing(&self, keys: &QueueKeys) -> Result<Vec<Outgoing>> {
        let mut command = redis::cmd("HSCAN");
        command.arg(keys.name(Key::Outbox)).arg(0).arg("COUNT").arg(OUTBOX_STEP);
        let (_, flat): (u64, Vec<(String, String)>) = read("HSCAN", self.connection.call(&command).await?.value)?;
        Ok(flat.iter().filter_map(|(id, text)| outgoing(id, text)).collect())
    }

    /// Another queue has a job.
    pub(crate) async fn gone_out(&self, keys: &QueueKeys, id: &JobId) -> Result<()> {
        let mut command = redis::cmd("HDEL");
        command.arg(keys.name(Key::Outbox)).arg(id.as_str());
        self.connection.call(&command).await.map(drop)
    }
}

/// The job has the id that stands in its batch, so that it is a duplicate when it comes again.
fn outgoing(id: &str, text: &str) -> Option<Outgoing> {
    let (queue, record) = text.split_once(' ')?;
    let payload = Record::decode(&format!("0{record}")).ok()?.payload().get().to_owned();
    let id = JobId::new(id).ok()?;
    let job = NewJob::from_json(payload).ok()?.id(id.clone());
    Some(Outgoing { id, queue: QueueName::new(queue).ok()?, job })
}

fn batch(queue: &QueueName, reply: &mut Reply) -> Result<BatchInfo> {
    let name = reply.text()?;
    let batch = BatchName::new(&name).map_err(|error| Error::corrupt(error.to_string()))?;
    let created_ms = reply.maybe_number()?.unwrap_or_default();
    let mut count = || Ok::<u64, Error>(reply.maybe_number()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default());
    let (total, completed, dead, cancelled) = (count()?, count()?, count()?, count()?);
    let sealed = !reply.text()?.is_empty();
    let finished_ms = reply.maybe_number()?;
    let (id, elsewhere) = (reply.text()?, reply.text()?);
    let on_complete = (!id.is_empty()).then(|| BatchFollower {
        queue: QueueName::new(&elsewhere).unwrap_or_else(|_| queue.clone()),
        id: JobId::trusted(&id),
    });
    Ok(BatchInfo {
        batch,
        queue: queue.clone(),
        total,
        pending: total.saturating_sub(completed + dead + cancelled),
        completed,
        dead,
        cancelled,
        sealed,
        created_at: DateTime::from_timestamp_millis(created_ms).unwrap_or_default(),
        finished_at: finished_ms.and_then(DateTime::from_timestamp_millis),
        on_complete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_out_keeps_its_id_and_its_payload() {
        let out = outgoing("01ABC", r#"mail-2 {"payload":{"n":19.999999999999998}}"#).unwrap();
        assert_eq!((out.id.as_str(), out.queue.as_str()), ("01ABC", "mail-2"));
        assert_eq!((out.job.payload().get(), out.job.id_is_chosen), (r#"{"n":19.999999999999998}"#, true));
        for broken in ["", "mail-2", "mail-2 {}", "- {\"payload\":1}"] {
            assert!(outgoing("01ABC", broken).is_none(), "{broken}");
        }
    }
}
