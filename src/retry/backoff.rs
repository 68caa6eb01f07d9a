//! The wait before an attempt: pure functions of the attempt and a passed random number.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{span_from_text, span_text};
use crate::error::{Error, Result};

const CAP: Duration = Duration::from_secs(3600);
/// A year: what is longer is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How the wait grows from attempt to attempt.
///
/// Written `fixed:10s`, `linear:5s`, `exponential:5s`, each with an upper bound if wanted (`exponential:5s:30m`; 1 h
/// unless said, a year at most); a bare duration is exponential from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Backoff {
    growth: Growth,
    base: Duration,
    cap: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    Fixed,
    Linear,
    Exponential,
}

impl Growth {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        }
    }
}

impl Backoff {
    /// The same wait each time.
    pub fn fixed(wait: Duration) -> Self {
        let wait = whole(wait);
        Self { growth: Growth::Fixed, base: wait, cap: wait.max(CAP) }
    }

    /// `base`, twice, three times `base`, …, at most `cap`.
    pub fn linear(base: Duration, cap: Duration) -> Self {
        Self::growing(Growth::Linear, base, cap)
    }

    /// `base`, twice, four times `base`, …, at most `cap`.
    pub fn exponential(base: Duration, cap: Duration) -> Self {
        Self::growing(Growth::Exponential, base, cap)
    }

    /// From 1 ms on, in whole milliseconds, and with a cap that is no less: what can be written down and read again.
    fn growing(growth: Growth, base: Duration, cap: Duration) -> Self {
        let base = whole(base).max(Duration::from_millis(1));
        Self { growth, base, cap: whole(cap).max(base) }
    }

    /// The wait after the `failed`-th failure (from 1), spread by `random` (0 up to 1) over 75 % to 125 %.
    ///
    /// The spread keeps jobs that failed together from coming back together; a fixed wait has none.
    pub fn wait(&self, failed: u32, random: f64) -> Duration {
        let steps = failed.saturating_sub(1);
        let grown = match self.growth {
            Growth::Fixed => return self.base.min(self.cap),
            Growth::Linear => self.base.saturating_mul(steps.saturating_add(1)),
            Growth::Exponential => self.base.saturating_mul(2_u32.saturating_pow(steps.min(31))),
        };
        grown.min(self.cap).min(LONGEST).mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0))
    }
}

/// In whole milliseconds, a year at most.
fn whole(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.min(LONGEST).as_millis()).unwrap_or(u64::MAX))
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(5), CAP)
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.growth.as_str(), span_text(self.base))?;
        if self.growth != Growth::Fixed && self.cap != CAP {
            write!(f, ":{}", span_text(self.cap))?;
        }
        Ok(())
    }
}

impl FromStr for Backoff {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "backoff {text:?} is not valid: write 5s, fixed:10s, linear:5s or exponential:5s:1h (the last part is the \
                 longest wait)"
            ))
        };
        let mut parts = text.split(':');
        let first = parts.next().unwrap_or_default();
        let growth = match first {
            "fixed" => Growth::Fixed,
            "linear" => Growth::Linear,
            _ => Growth::Exponential,
        };
        let named = matches!(first, "fixed" | "linear" | "exponential");
        let base = if named { parts.next().ok_or_else(wrong)? } else { first };
        // What is finer than a millisecond could not be written into a record and read again.
        let base = span_from_text(base).map_err(|_| wrong())?;
        let cap = parts.next().map(span_from_text).transpose().map_err(|_| wrong())?;
        let too_long = base > LONGEST || cap.is_some_and(|cap| cap > LONGEST);
        if too_long
            || base.is_zero() && growth != Growth::Fixed
            || parts.next().is_some()
            || cap.is_some_and(|cap| cap < base)
        {
            return Err(wrong());
        }
        // A fixed wait has no cap to speak of.
        let cap = cap.filter(|_| growth != Growth::Fixed);
        Ok(Self { growth, base, cap: cap.unwrap_or(CAP.max(base)) })
    }
}

impl TryFrom<String> for Backoff {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Backoff> for String {
    fn from(backoff: Backoff) -> Self {
        backoff.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(backoff: &str, failed: u32) -> f64 {
        backoff.parse::<Backoff>().unwrap().wait(failed, 0.5).as_secs_f64()
    }

    #[test]
    fn waits_grow_as_named_and_stop_at_the_cap() {
        assert_eq!([1, 2, 3, 4].map(|n| secs("5s", n)), [5.0, 10.0, 20.0, 40.0]);
        assert_eq!([1, 2, 3].map(|n| secs("linear:5s:12s", n)), [5.0, 10.0, 12.0]);
        assert_eq!([1, 9].map(|n| secs("fixed:10s", n)), [10.0, 10.0]);
        assert_eq!(secs("exponential:5s", 4_000_000_000), 3600.0);
        assert_eq!(secs("fixed:2h", 3), 7200.0);
    }

    #[test]
    fn the_spread_is_a_quarter_to_each_side() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(1, 0.0).as_secs_f64(), 3.75);
        assert_eq!(backoff.wait(1, 1.0).as_secs_f64(), 6.25);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_made_can_be_written_and_read_again(kind in 0..3, base_us in 0_u64.., cap_us in 0_u64..) {
            let (base, cap) = (Duration::from_micros(base_us), Duration::from_micros(cap_us));
            let made = match kind {
                0 => Backoff::fixed(base),
                1 => Backoff::linear(base, cap),
                _ => Backoff::exponential(base, cap),
            };
            proptest::prop_assert_eq!(made.to_string().parse::<Backoff>().unwrap(), made);
        }
    }

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in ["fixed:10s", "linear:5s", "exponential:5s", "exponential:5s:30m", "linear:90s:10m"] {
            assert_eq!(text.parse::<Backoff>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "x",
            "5",
            "fixed",
            "fixed:",
            "linear:0s",
            "5s:1s",
            "5s:1m:2m",
            "-5s",
            "2y",
            "linear:1s:9999999y",
            "10us",
            "fixed:1us",
        ] {
            assert!(text.parse::<Backoff>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn fuzz_a_backoff_is_read_back_as_it_is_written() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "fixed",
            "linear",
            "exponential",
            ":",
            "5s",
            "0s",
            "1h",
            "365d",
            "366d",
            "99999999y",
            "10us",
            " ",
            "-",
            "30m",
        ];
        fuzz((text_of(pieces, 6), any::<u32>(), 0.0..1.0), |(text, failed, random)| {
            let Ok(backoff) = text.parse::<Backoff>() else { return Ok(()) };
            prop_assert_eq!(backoff.to_string().parse::<Backoff>().ok(), Some(backoff));
            prop_assert!(backoff.wait(failed, random) <= LONGEST.mul_f64(1.25));
            Ok(())
        });
    }
}
