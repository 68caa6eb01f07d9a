//! Whose time counts: always the Redis server's, unless a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// The clock that the scripts go by.
///
/// In production every script asks the server (`TIME`), so no host's clock decides a transition. A test hands in its own
/// instant, which every script then takes for now.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The server's own time.
    pub fn server() -> Self {
        Self(None)
    }

    /// A clock that stands at `now_us` (microseconds since 1970) until [`Clock::set_us`] moves it.
    pub fn fixed(now_us: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now_us))))
    }

    /// Moves a fixed clock; nothing on the server's.
    pub fn set_us(&self, now_us: i64) {
        if let Some(now) = &self.0 {
            now.store(now_us, Ordering::Relaxed);
        }
    }

    /// The first argument of every script: empty where the script shall ask the server.
    pub fn argument(&self) -> String {
        self.0.as_ref().map(|now| now.load(Ordering::Relaxed).to_string()).unwrap_or_default()
    }
}

/// This host's wall clock, for what is only shown or signed, never for a transition.
pub fn local_now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_timestamp_micros(since.as_micros() as i64).unwrap_or_default()
}

/// A span in its largest whole unit, as every parser of this crate reads it back: `250ms`, `90s`, `24h`, `30d`.
pub fn span_text(span: Duration) -> String {
    let units = [(86_400_000, "d", 2), (3_600_000, "h", 1), (60_000, "m", 1), (1_000, "s", 1)];
    let span_ms = span.as_millis();
    let fits = units.iter().find(|(unit_ms, _, least)| span_ms >= unit_ms * least && span_ms.is_multiple_of(*unit_ms));
    fits.map_or_else(|| format!("{span_ms}ms"), |(unit_ms, name, _)| format!("{}{name}", span_ms / unit_ms))
}
