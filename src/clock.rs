//! Whose time counts: always the Redis server's, unless a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use crate::error::{Error, Result};

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

/// An instant from milliseconds since 1970; 1970 for what no calendar has.
pub(crate) fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// A span in its largest whole unit, as every parser of this crate reads it back: `250ms`, `90s`, `24h`, `30d`.
pub fn span_text(span: Duration) -> String {
    let units = [(86_400_000, "d", 2), (3_600_000, "h", 1), (60_000, "m", 1), (1_000, "s", 1)];
    let span_ms = span.as_millis();
    let fits = units.iter().find(|(unit_ms, _, least)| span_ms >= unit_ms * least && span_ms.is_multiple_of(*unit_ms));
    let whole = fits.map(|(unit_ms, name, _)| format!("{}{name}", span_ms / unit_ms));
    // So many milliseconds alone have more nanoseconds than their readers count.
    let long = span_ms > u128::from(u64::MAX / 1_000_000);
    let finest = || if long { format!("{}s{}ms", span_ms / 1_000, span_ms % 1_000) } else { format!("{span_ms}ms") };
    whole.unwrap_or_else(finest)
}

/// A span of time as people write it, such as `90s`, `5m`, `1h 30m`; whole milliseconds, zero included.
///
/// # Errors
/// `Invalid`, saying how to write it.
pub fn span_from_text(text: &str) -> Result<Duration> {
    let span = humantime::parse_duration(text.trim())
        .map_err(|_| Error::invalid("write it like 500ms, 90s, 5m, 24h or 7d"))?;
    if span.subsec_nanos() % 1_000_000 != 0 {
        return Err(Error::invalid("it is finer than a millisecond"));
    }
    Ok(span)
}

/// An instant with its zone, such as `2026-12-01T08:00:00Z`; finer than a millisecond is rounded up, so that nothing
/// starts early.
///
/// # Errors
/// `Invalid`, saying how to write it.
pub fn instant_from_text(text: &str) -> Result<DateTime<Utc>> {
    let wrong = "write date, time and zone like 2026-12-01T08:00:00Z or 2026-12-01T09:00:00+01:00";
    let at = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| Error::invalid(wrong))?.with_timezone(&Utc);
    let rest = i64::from(at.timestamp_subsec_nanos() % 1_000_000);
    let up = if rest == 0 { 0 } else { 1_000_000 - rest };
    // Years of other than four digits could not be written, and so not be read back.
    let at = at.checked_add_signed(TimeDelta::nanoseconds(up)).filter(|at| (0..=9_999).contains(&at.year()));
    at.ok_or_else(|| Error::invalid("it is before the year 0 or after the year 9999 of UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_or_refused() {
        let table =
            [("0", 0), ("0s", 0), ("1 ms", 1), ("5m", 300_000), ("1h 30m", 5_400_000), ("10y", 315_576_000_000)];
        for (text, millis) in table {
            assert_eq!(span_from_text(text).unwrap(), Duration::from_millis(millis), "{text:?}");
        }
        for span in [Duration::from_millis(18_446_744_073_710), Duration::from_millis(u64::MAX)] {
            assert_eq!(span_from_text(&span_text(span)).unwrap(), span);
        }
        for text in ["", "-1", "-1s", "1e18", "NaN", "5", "soon", "10us", "99999999999999999999s", "1.0001ms"] {
            assert!(span_from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_instant_has_a_zone_and_is_never_early() {
        let text = |text| instant_from_text(text).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        assert_eq!(text("2026-12-01T09:00:00+01:00"), "2026-12-01T08:00:00.000Z");
        assert_eq!(text("1999-01-01T00:00:00.0001Z"), "1999-01-01T00:00:00.001Z");
        assert_eq!(text("9999-12-31T23:59:59.999Z"), "9999-12-31T23:59:59.999Z");
        for bad in ["9999-12-31T08:00:00-23:59", "9999-12-31T23:59:59.9999Z", "0000-01-01T00:00:00+01:00"] {
            assert!(instant_from_text(bad).unwrap_err().to_string().contains("year"), "{bad:?}");
        }
        for bad in ["2026-12-01T09:00:00", "2026-12-01", "tomorrow", "", "2026-13-01T00:00:00Z"] {
            assert!(instant_from_text(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fuzz_a_span_is_read_back_as_it_is_written() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "1",
            "90",
            "0",
            "18446744073709551615",
            "ms",
            "s",
            "m",
            "h",
            "d",
            "w",
            "y",
            "us",
            " ",
            "-",
            ".",
            "e9",
            "month",
        ];
        fuzz((text_of(pieces, 8), any::<u64>()), |(text, millis)| {
            if let Ok(span) = span_from_text(&text) {
                prop_assert_eq!(span_from_text(&span_text(span)).ok(), Some(span), "{}", span_text(span));
            }
            // What no count of seconds holds cannot be written either.
            let span = Duration::from_millis(millis);
            prop_assert_eq!(span_from_text(&span_text(span)).ok(), Some(span), "{}", span_text(span));
            Ok(())
        });
    }

    #[test]
    fn fuzz_an_instant_is_never_early() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "2026-12-01",
            "9999-12-31",
            "T",
            " ",
            "08:00:00",
            "23:59:60",
            ".999999999",
            ".0001",
            "Z",
            "+01:00",
            "-23:59",
        ];
        let shaped = (
            0..10_000_u32,
            1..14_u32,
            1..33_u32,
            0..25_u32,
            0..62_u32,
            "(\\.[0-9]{1,12})?",
            "Z|[+-][0-2][0-9]:[0-6][0-9]",
        )
            .prop_map(|(y, m, d, h, s, fraction, zone)| {
                format!("{y:04}-{m:02}-{d:02}T{h:02}:59:{s:02}{fraction}{zone}")
            });
        fuzz(prop_oneof![text_of(pieces, 6), shaped], |text| {
            let Ok(at) = instant_from_text(&text) else { return Ok(()) };
            let exact = DateTime::parse_from_rfc3339(text.trim()).unwrap().with_timezone(&Utc);
            prop_assert!(at >= exact && at - exact < TimeDelta::milliseconds(1), "{} for {}", at, exact);
            prop_assert_eq!(instant_from_text(&at.to_rfc3339()).ok(), Some(at));
            Ok(())
        });
    }
}
