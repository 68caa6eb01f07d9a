//! What operators did to many jobs at once: a stream under the prefix, so that it outlives the queues that it tells of.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::store::codec::Reply;
use crate::store::{Store, keys, scripts};

/// About so many entries are kept; an act takes two.
const KEPT: usize = 20_000;
/// Entries that one call reads.
pub(crate) const AUDIT_PAGE: usize = 500;

/// An entry of the audit.
pub(crate) struct Noted {
    /// Its place in the stream.
    pub id: String,
    /// When it was written, in ms since 1970 by the server's clock.
    pub at_ms: i64,
    pub fields: BTreeMap<String, String>,
}

impl Store {
    /// Writes an entry. Where the reply is lost it may stand there twice: whoever reads it takes it once.
    pub(crate) async fn note(&self, fields: &[(&'static str, String)]) -> Result<()> {
        let mut command = scripts::NOTE.on_key(&keys::audit(&self.prefix), &self.clock);
        command.arg(KEPT);
        for (field, value) in fields {
            command.arg(field).arg(value);
        }
        scripts::NOTE.ask(&self.connection, &command).await.map(drop).map_err(|error| error.context("audit"))
    }

    /// The entries before one (or the last ones), the latest first; fewer than 500 are all that there are.
    pub(crate) async fn noted(&self, before: Option<&str>) -> Result<Vec<Noted>> {
        let mut command = redis::cmd("XREVRANGE");
        let end = before.map_or_else(|| "+".to_owned(), |before| format!("({before}"));
        command.arg(keys::audit(&self.prefix)).arg(end).arg("-").arg("COUNT").arg(AUDIT_PAGE);
        let answer = self.connection.call(&command).await.map_err(|error| error.context("audit"))?;
        let mut entries = Reply::new("XREVRANGE", answer.value)?;
        let mut noted = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            let mut entry = entries.list()?;
            let id = entry.text()?;
            let at_ms = id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
            noted.push(Noted { id, at_ms, fields: entry.map()? });
        }
        Ok(noted)
    }
}
