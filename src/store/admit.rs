//! Takes jobs of another server in.

use crate::error::Result;
use crate::job::{JobId, Partitions};
use crate::store::acts::OPERATOR;
use crate::store::codec::Reply;
use crate::store::{Key, QueueKeys, Store, scripts};

/// A job as it is to stand here.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// What decides the partition that it belongs to.
    pub partition_key: String,
    pub id: JobId,
    pub set: Key,
    pub score: i64,
    pub record: String,
    /// Empty where nothing happened.
    pub history: String,
    pub crashes: u32,
    /// The unique key that it takes.
    pub unique: Option<String>,
    pub expiry_ms: Option<i64>,
}

/// What became of a job that was to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is in, or would be.
    In,
    /// The id is or lately was here.
    Taken,
    /// That job holds its unique key.
    Held(JobId),
}

impl Store {
    /// Takes jobs in, at most 200, of which the places of so many partitions know nothing, where those were `asked`; only looks
    /// where `dry_run`. One answer for each.
    pub(crate) async fn admit(
        &self,
        keys: &QueueKeys,
        jobs: &[Admission],
        asked: Option<Partitions>,
        dry_run: bool,
    ) -> Result<Vec<Admitted>> {
        let mut command = scripts::ADMIT.on(keys, &self.clock);
        let asked = asked.map(|asked| format!("<{}", asked.count())).unwrap_or_default();
        command.arg(OPERATOR).arg(u8::from(dry_run)).arg(asked);
        for job in jobs {
            let or_empty = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
            command.arg(job.id.as_str()).arg(job.set.suffix()).arg(job.score).arg(&job.record).arg(&job.history);
            command.arg(or_empty((job.crashes > 0).then_some(job.crashes.into())));
            command.arg(job.unique.as_deref().unwrap_or_default()).arg(or_empty(job.expiry_ms));
        }
        let answer = scripts::ADMIT.send(&self.connection, &command).await?;
        let mut reply = Reply::new("admit", answer.value)?;
        let admitted = |word: String| match word.split_at_checked(1) {
            Some(("+", _)) => Admitted::In,
            // The first of two calls may have taken it in.
            Some(("~", _)) if answer.repeated => Admitted::In,
            Some(("=", holder)) if !holder.is_empty() => Admitted::Held(JobId::trusted(holder)),
            _ => Admitted::Taken,
        };
        jobs.iter().map(|_| reply.text().map(admitted)).collect()
    }
}
