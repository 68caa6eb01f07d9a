//! How far running jobs say they are: `{q}:progress:<id>`, `ms|fence|done|total|unit`, the instant put there by the server.

use std::time::Duration;

use chrono::DateTime;

use crate::error::Result;
use crate::job::JobId;
use crate::stats::Progress;
use crate::store::{QueueKeys, Store, scripts};

/// What a claim says of how far its job is.
pub(crate) fn text(fence: i64, done: u64, total: Option<u64>, unit: &str) -> String {
    let total = total.map(|total| total.to_string()).unwrap_or_default();
    format!("{fence}|{done}|{total}|{unit}")
}

/// What the claim with this fence said; what an earlier one left behind is nothing.
pub(crate) fn read(text: &str, fence: i64) -> Option<Progress> {
    let mut parts = text.splitn(5, '|');
    let at = DateTime::from_timestamp_millis(parts.next()?.parse().ok()?)?;
    if parts.next()?.parse() != Ok(fence) {
        return None;
    }
    let done = parts.next()?.parse().ok()?;
    let total = parts.next()?.parse().ok();
    Some(Progress { done, total, unit: parts.next()?.to_owned(), at })
}

impl Store {
    /// Keeps for so long how far jobs say they are; an empty text puts off the end of what was said before.
    pub(crate) async fn tell_progress(
        &self,
        keys: &QueueKeys,
        lasts: Duration,
        lines: &[(JobId, String)],
    ) -> Result<()> {
        for page in lines.chunks(500) {
            let mut command = scripts::PROGRESS.on(keys, &self.clock);
            command.arg(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
            for (id, text) in page {
                command.arg(id.as_str()).arg(text);
            }
            scripts::PROGRESS.ask(&self.connection, &command).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_claim_says_is_read_back_and_what_another_said_is_not() {
        let stored = format!("1700000000123|{}", text(7, 20, Some(50), "rows|of two files"));
        let progress = read(&stored, 7).unwrap();
        assert_eq!((progress.done, progress.total, &*progress.unit), (20, Some(50), "rows|of two files"));
        assert_eq!(progress.at.timestamp_millis(), 1_700_000_000_123);
        assert_eq!(read(&stored, 8), None);
        assert_eq!(read(&format!("1|{}", text(7, 20, None, "")), 7).unwrap().total, None);
        assert_eq!(read("1|7|many", 7), None);
    }
}
