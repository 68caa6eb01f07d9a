//! When a schedule is due: a cron pattern in a time zone, or a span.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::clock::span_text;
use crate::error::{Error, Result};

const PATTERN_MAX_BYTES: usize = 256;
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// 2000-01-01T00:00:00Z. A pattern that has a tick at all has one after it.
const REFERENCE_MS: i64 = 946_684_800_000;

/// When ticks come. They follow from it alone, so that everybody who asks finds the same ones.
///
/// A cron pattern has five fields (minute, hour, day of the month, month, day of the week), or six with seconds before
/// them, or is `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`; where both days are given either will do. It is
/// read on the wall clock of its zone. Where clocks are set forward or back, a pattern that names one time of day has
/// exactly one tick on that day: what falls into the hour that is left out comes right after it, and of an hour that comes
/// twice the first counts. Any other pattern (`*`, a list, a step in seconds, minutes or hours) follows the wall clock: no
/// ticks in the hour that is left out, ticks in both of an hour that comes twice.
///
/// Zones are those of the IANA database, in the edition that the `chrono-tz` crate of this build carries.
///
/// Ticks of a span are its whole multiples since 1970 in UTC: 15 minutes are every quarter of an hour.
#[derive(Debug, Clone)]
pub struct Timing(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Cron { pattern: String, zone: Tz, cron: Box<Cron> },
    Every(Duration),
}

impl Timing {
    /// A cron pattern on the wall clock of `zone`, such as `Africa/Lagos` or `UTC`.
    ///
    /// # Errors
    /// `Invalid` about `cron` or `timezone`; also where no day fits the pattern, such as a 31st of February.
    pub fn cron(pattern: &str, zone: &str) -> Result<Self> {
        let pattern = pattern.split_whitespace().collect::<Vec<_>>().join(" ");
        let zone = read_zone(zone).map_err(|error| error.about("timezone"))?;
        let wrong = |why: &str| Error::invalid(format!("cron pattern {pattern:?} is not valid: {why}")).about("cron");
        if pattern.len() > PATTERN_MAX_BYTES {
            return Err(Error::invalid(format!("cron pattern has more than {PATTERN_MAX_BYTES} bytes")).about("cron"));
        }
        let fields = pattern.split(' ').count();
        if !pattern.starts_with('@') && !(5..=6).contains(&fields) {
            return Err(wrong(
                "write minute, hour, day of the month, month and day of the week, or seconds before them",
            ));
        }
        // The parser takes an empty place in a list for a field that nothing fits, and would look for its tick for ever.
        if pattern.split([' ', ',']).any(str::is_empty) {
            return Err(wrong("a comma stands between two values"));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(&pattern).map_err(|error| wrong(&plain(&error.to_string())))?;
        let timing = Self(Kind::Cron { pattern: pattern.clone(), zone, cron: Box::new(cron) });
        match timing.next_after_ms(REFERENCE_MS) {
            Some(_) => Ok(timing),
            None => Err(wrong("no day fits it")),
        }
    }

    /// A span, in whole seconds.
    ///
    /// # Errors
    /// `Invalid` about `every` when it is shorter than a second, longer than a year, or no whole number of seconds.
    pub fn every(span: Duration) -> Result<Self> {
        if span < Duration::from_secs(1) || span > EVERY_MAX || span.subsec_nanos() > 0 {
            return Err(Error::invalid("every must be whole seconds, from 1s to a year").about("every"));
        }
        Ok(Self(Kind::Every(span)))
    }

    /// The cron pattern.
    pub fn pattern(&self) -> Option<&str> {
        match &self.0 {
            Kind::Cron { pattern, .. } => Some(pattern),
            Kind::Every(_) => None,
        }
    }

    /// The time zone of a cron pattern.
    pub fn zone(&self) -> Option<&'static str> {
        match &self.0 {
            Kind::Cron { zone, .. } => Some(zone.name()),
            Kind::Every(_) => None,
        }
    }

    /// The span.
    pub fn span(&self) -> Option<Duration> {
        match self.0 {
            Kind::Cron { .. } => None,
            Kind::Every(span) => Some(span),
        }
    }

    /// The first tick after `at`.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_after_ms(at.timestamp_millis()).and_then(DateTime::from_timestamp_millis)
    }

    /// An instant as the wall clock of the zone shows it: `2027-03-28T03:00:00+02:00`.
    pub fn wall_clock(&self, at: DateTime<Utc>) -> String {
        let zone = match self.0 {
            Kind::Cron { zone, .. } => zone,
            Kind::Every(_) => Tz::UTC,
        };
        at.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, false)
    }

    /// The first tick after `at_ms`, in milliseconds since 1970.
    pub(crate) fn next_after_ms(&self, at_ms: i64) -> Option<i64> {
        match &self.0 {
            Kind::Cron { zone, cron, .. } => {
                let at = DateTime::from_timestamp_millis(at_ms)?.with_timezone(zone);
                cron.find_next_occurrence(&at, false).ok().map(|tick| tick.timestamp_millis())
            }
            Kind::Every(span) => {
                let span_ms = i64::try_from(span.as_millis()).ok()?;
                at_ms.div_euclid(span_ms).checked_add(1)?.checked_mul(span_ms)
            }
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron { pattern, zone, .. } => write!(f, "{pattern} {}", zone.name()),
            Kind::Every(span) => write!(f, "every {}", span_text(*span)),
        }
    }
}

/// What the parser says, begun and ended like our own sentences.
fn plain(said: &str) -> String {
    let said = said.rsplit_once(": ").map_or(said, |(_, why)| why).trim_end_matches('.');
    let mut letters = said.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn read_zone(name: &str) -> Result<Tz> {
    if let Ok(zone) = name.parse() {
        return Ok(zone);
    }
    let meant = |zone: &&Tz| {
        let known = zone.name();
        let city = known.rsplit('/').next().unwrap_or(known);
        known.eq_ignore_ascii_case(name) || city.eq_ignore_ascii_case(&name.replace(' ', "_"))
    };
    let hint = TZ_VARIANTS.iter().find(meant).map(|zone| format!(" (did you mean {}?)", zone.name()));
    let hint = hint.unwrap_or_else(|| ": write it like Africa/Lagos or UTC".to_owned());
    Err(Error::invalid(format!("timezone {name:?} is not known{hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let said = |pattern: &str, zone: &str| Timing::cron(pattern, zone).unwrap_err();
        for pattern in ["", "* * * *", "61 * * * *", "* * * * * * *", "x y z", "0 0 31 2 *", "@reboot", "* * * * BAD"] {
            let error = said(pattern, "UTC");
            assert_eq!(error.fields()[0].field, "cron", "{pattern}: {error}");
        }
        assert!(said("0 0 30 2 *", "UTC").to_string().ends_with("no day fits it"));
        assert!(said(&"1,".repeat(200), "UTC").to_string().contains("256 bytes"));
        assert_eq!(said("@daily", "Lagos").fields()[0].field, "timezone");
        assert!(said("@daily", "lagos").to_string().contains("did you mean Africa/Lagos?"));
        assert!(said("@daily", "New York").to_string().contains("America/New_York"));
        assert!(said("@daily", "Mars").to_string().contains("write it like"));
        for span in [0, 999, 1_001, 366 * 24 * 3_600_000 + 1_000] {
            assert!(Timing::every(Duration::from_millis(span)).is_err(), "{span}");
        }
    }

    #[test]
    fn patterns_have_five_fields_or_six_or_a_word() {
        for (pattern, next) in [
            ("0 9 * * MON-FRI", "2026-11-30T08:00:00Z"),
            ("  */10   * * * * ", "2026-11-28T12:10:00Z"),
            ("30 15 14 * * *", "2026-11-28T13:15:30Z"),
            ("@daily", "2026-11-28T23:00:00Z"),
            ("0 0 L * *", "2026-11-29T23:00:00Z"),
            ("0 0 13 * FRI", "2026-12-03T23:00:00Z"),
            ("0 0 29 2 *", "2028-02-28T23:00:00Z"),
        ] {
            let timing = Timing::cron(pattern, "Africa/Lagos").unwrap();
            let at = "2026-11-28T12:00:00Z".parse().unwrap();
            assert_eq!(timing.next_after(at), Some(next.parse().unwrap()), "{pattern}");
        }
        let timing = Timing::cron(" 0  9 * * * ", "UTC").unwrap();
        assert_eq!((timing.to_string().as_str(), timing.pattern()), ("0 9 * * * UTC", Some("0 9 * * *")));
    }

    #[test]
    fn a_span_ticks_at_its_multiples() {
        let timing = Timing::every(Duration::from_secs(900)).unwrap();
        let next = |at: &str| timing.next_after(at.parse().unwrap()).unwrap().to_rfc3339();
        assert_eq!(next("2026-11-28T12:00:00Z"), "2026-11-28T12:15:00+00:00");
        assert_eq!(next("2026-11-28T12:14:59.999Z"), "2026-11-28T12:15:00+00:00");
        assert_eq!((timing.to_string().as_str(), timing.pattern(), timing.zone()), ("every 15m", None, None));
        assert_eq!(timing.next_after_ms(i64::MAX), None);
    }
}
