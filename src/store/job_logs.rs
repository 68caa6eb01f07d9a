//! The logs of jobs: `{q}:log:<id>`, whole lines.

use crate::error::Result;
use crate::job::JobId;
use crate::store::codec::read;
use crate::store::{QueueKeys, Store, scripts};

/// Lines for the log of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPart<'a> {
    pub id: &'a JobId,
    pub text: &'a str,
    /// Where they begin in it, where that is known: what stands there of them is not written again.
    pub from: Option<u64>,
}

impl Store {
    /// Appends to the logs of jobs; how long each is then, in bytes.
    pub(crate) async fn log(&self, keys: &QueueKeys, parts: &[LogPart<'_>]) -> Result<Vec<u64>> {
        let mut lengths = Vec::with_capacity(parts.len());
        for page in parts.chunks(500) {
            let mut command = scripts::LOG.on(keys, &self.clock);
            for LogPart { id, text, from } in page {
                command.arg(id.as_str()).arg(*text).arg(from.map_or_else(String::new, |from| from.to_string()));
            }
            let reply = scripts::LOG.ask(&self.connection, &command).await?;
            lengths.extend(read::<Vec<u64>>("log", reply)?);
        }
        Ok(lengths)
    }
}
