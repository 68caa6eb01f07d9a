//! Dates as a spreadsheet counts them: days since the end of 1899, or since the beginning of 1904 in some workbooks.
//!
//! The first count has a day that never was, 29 February 1900 (its number is 60). Times are fractions of a day, kept to
//! the millisecond.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy::MidpointAwayFromZero;

use super::super::number::SHEET_DIGITS;

const DAY_MS: i64 = 86_400_000;
/// 31 December 9999, the last day of both counts.
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day of the calendar");
/// The day before the first, and what the counts after the day that never was are relative to.
const BEFORE_1900: NaiveDate = NaiveDate::from_ymd_opt(1899, 12, 31).expect("a day of the calendar");
const FIRST_1904: NaiveDate = NaiveDate::from_ymd_opt(1904, 1, 1).expect("a day of the calendar");
const NEVER_WAS: u64 = 60;

/// From which day a workbook counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Epoch {
    /// 1 January 1900 is day 1.
    #[default]
    Of1900,
    /// 1 January 1904 is day 0.
    Of1904,
}

impl Epoch {
    /// The moment with this number of days; `None` where there is none. A number below 1 is a time of no day in
    /// particular.
    pub fn moment(self, days: Decimal) -> Option<NaiveDateTime> {
        let (day, time_ms) = split(days)?;
        let date = match self {
            Self::Of1904 => FIRST_1904.checked_add_days(Days::new(day))?,
            Self::Of1900 if day == NEVER_WAS => return None,
            Self::Of1900 => BEFORE_1900.checked_add_days(Days::new(if day > NEVER_WAS { day - 1 } else { day }))?,
        };
        (date <= LAST_DAY).then(|| date.and_time(NaiveTime::MIN) + TimeDelta::milliseconds(time_ms))
    }
}

/// The number of days of a moment in the count from 1900, to the digits that a sheet keeps; `None` outside of it.
pub(super) fn days_of(moment: NaiveDateTime) -> Option<Decimal> {
    let (date, time) = (moment.date(), moment.time());
    let days = u64::try_from(date.signed_duration_since(BEFORE_1900).num_days()).ok()?;
    if days == 0 || date > LAST_DAY {
        return None;
    }
    let counted = if days >= NEVER_WAS { days + 1 } else { days };
    let time_ms = time.signed_duration_since(NaiveTime::MIN).num_milliseconds();
    let exact = Decimal::from(counted) + Decimal::from(time_ms) / Decimal::from(DAY_MS);
    exact.round_sf_with_strategy(u32::try_from(SHEET_DIGITS).ok()?, MidpointAwayFromZero)
}

/// A span of days as `hours:minutes:seconds`, as a cell of that format shows it.
pub(super) fn hours_text(days: Decimal) -> Option<String> {
    let (day, time_ms) = split(days)?;
    let seconds = i64::try_from(day).ok()?.checked_mul(86_400)?.checked_add(time_ms / 1_000)?;
    Some(format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60))
}

/// Whole days and the milliseconds of the rest.
fn split(days: Decimal) -> Option<(u64, i64)> {
    if days.is_sign_negative() && !days.is_zero() {
        return None;
    }
    let whole = u64::try_from(days.trunc()).ok()?;
    let rest = (days.fract() * Decimal::from(DAY_MS)).round_dp_with_strategy(0, MidpointAwayFromZero);
    let time_ms = i64::try_from(rest).ok()?;
    Some(if time_ms == DAY_MS { (whole.checked_add(1)?, 0) } else { (whole, time_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_counted_as_spreadsheets_do() {
        let table = [
            ("1900-01-01T00:00:00", "1"),
            ("1900-02-28T00:00:00", "59"),
            ("1900-03-01T00:00:00", "61"),
            ("1904-01-01T00:00:00", "1462"),
            ("2024-01-31T00:00:00", "45322"),
            ("2024-02-29T12:00:00", "45351.5"),
            ("9999-12-31T23:59:59.999", "2958465.99999999"),
        ];
        for (text, days) in table {
            let days: Decimal = days.parse().unwrap();
            let counted = days_of(moment(text)).unwrap();
            assert_eq!(counted.round_dp(8), days, "{text}");
            assert_eq!(Epoch::Of1900.moment(counted), Some(moment(text)), "{text}");
        }
        assert_eq!(Epoch::Of1904.moment(43860.into()), Some(moment("2024-01-31T00:00:00")));
        for days in ["60", "60.5", "-1", "2958466", "99999999999999999999"] {
            assert_eq!(Epoch::Of1900.moment(days.parse().unwrap()), None, "{days}");
        }
        for text in ["1899-12-31T00:00:00", "+10000-01-01T00:00:00", "-0001-01-01T00:00:00"] {
            assert_eq!(days_of(moment(text)), None, "{text}");
        }
    }

    #[test]
    fn spans_are_hours_minutes_and_seconds() {
        let table = [("0.5", "12:00:00"), ("1.0625", "25:30:00"), ("0.999999999", "24:00:00"), ("0", "00:00:00")];
        for (days, text) in table {
            assert_eq!(hours_text(days.parse().unwrap()).as_deref(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn every_millisecond_of_the_count_comes_back(ms in 0_i64..=2_958_463 * DAY_MS) {
            let moment = BEFORE_1900.and_time(NaiveTime::MIN) + TimeDelta::milliseconds(DAY_MS + ms);
            let days = days_of(moment).unwrap();
            prop_assert_eq!(Epoch::Of1900.moment(days), Some(moment));
            let through_a_double: f64 = days.to_string().parse().unwrap();
            prop_assert_eq!(through_a_double.to_string().parse::<Decimal>().unwrap(), days.normalize());
        }
    }
}
