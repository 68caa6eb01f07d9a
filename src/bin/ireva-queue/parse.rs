//! Values of flags, as they are written on the command line.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ireva_queue::JobState;

/// A span of time such as `90s`, `5m`, `1h 30m`; whole milliseconds, zero included.
pub fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text.trim()).map_err(|_| "write it like 500ms, 90s, 5m, 24h or 7d")?;
    if span.subsec_nanos() % 1_000_000 != 0 {
        return Err("it is finer than a millisecond".to_owned());
    }
    Ok(span)
}

/// A span that is not zero.
pub fn positive_span(text: &str) -> Result<Duration, String> {
    span(text).and_then(|span| if span.is_zero() { Err("it must be longer than zero".to_owned()) } else { Ok(span) })
}

/// An instant with its zone, such as `2026-12-01T08:00:00Z`; finer than a millisecond is rounded up, so that nothing
/// starts early.
pub fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let at = DateTime::parse_from_rfc3339(text.trim())
        .map_err(|_| "write date, time and zone like 2026-12-01T08:00:00Z or 2026-12-01T09:00:00+01:00")?;
    let at = at.with_timezone(&Utc);
    let rest = i64::from(at.timestamp_subsec_nanos() % 1_000_000);
    Ok(if rest == 0 { at } else { at + chrono::TimeDelta::nanoseconds(1_000_000 - rest) })
}

/// One of these words, which shells complete.
pub fn one_of<T>(words: &[&'static str]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.to_vec()).try_map(|word| word.parse::<T>().map_err(|error| error.to_string()))
}

/// A whole number that is not zero.
pub fn count<T>(text: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialEq + From<u8>,
{
    let number = text.parse().ok().filter(|number| *number != T::from(0));
    number.ok_or_else(|| "write a whole number, 1 or more".to_owned())
}

/// A number, or `none` for no limit.
pub fn number_or_none<T>(text: &str) -> Result<Option<T>, String>
where
    T: std::str::FromStr + PartialEq + From<u8>,
{
    match text {
        "none" => Ok(None),
        text => count(text).map(Some).map_err(|why| format!("{why}, or none")),
    }
}

/// A rate, or `none` for no limit.
pub fn rate_or_none(text: &str) -> Result<Option<ireva_queue::config::Rate>, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "write 100/s, 30/m or 5000/h, with a burst 100/s:20, or none".to_owned())
}

/// A state in which jobs can be removed.
pub fn removable_state(text: &str) -> Result<JobState, String> {
    match text.parse() {
        Ok(JobState::Active) => Err("active jobs are never removed: cancel them".to_owned()),
        Ok(state) => Ok(state),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_or_refused() {
        let table =
            [("0", 0), ("0s", 0), ("1 ms", 1), ("5m", 300_000), ("1h 30m", 5_400_000), ("10y", 315_576_000_000)];
        for (text, millis) in table {
            assert_eq!(span(text), Ok(Duration::from_millis(millis)), "{text:?}");
        }
        for text in ["", "-1", "-1s", "1e18", "NaN", "5", "soon", "10us", "99999999999999999999s", "1.0001ms"] {
            assert!(span(text).is_err(), "{text:?}");
        }
        assert!(positive_span("0s").is_err());
    }

    #[test]
    fn an_instant_has_a_zone_and_is_never_early() {
        let text = |text| instant(text).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        assert_eq!(text("2026-12-01T09:00:00+01:00").as_deref(), Ok("2026-12-01T08:00:00.000Z"));
        assert_eq!(text("1999-01-01T00:00:00.0001Z").as_deref(), Ok("1999-01-01T00:00:00.001Z"));
        for bad in ["2026-12-01T09:00:00", "2026-12-01", "tomorrow", "", "2026-13-01T00:00:00Z"] {
            assert!(instant(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn limits_are_positive_or_none() {
        assert_eq!(number_or_none::<u32>("none"), Ok(None));
        assert_eq!(number_or_none::<u32>("7"), Ok(Some(7)));
        assert!(["0", "-1", "x", "5000000000"].iter().all(|text| number_or_none::<u32>(text).is_err()));
        assert!(rate_or_none("none") == Ok(None) && rate_or_none("5/d").is_err());
    }
}
