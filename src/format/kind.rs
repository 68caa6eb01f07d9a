//! What the cells of a column hold: which values a writer takes for it, and how a cell is read as it.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::number::Digits;
use super::value::{Value, unsigned_zero};
use crate::currency::Currency;

/// What the cells of a column hold. Every kind also takes [`Value::Null`].
///
/// A writer never rounds: a number with more digits than its column's scale is written with all of them. Reading as a
/// kind refuses what would have to be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Decimal numbers with `scale` digits after the point.
    Decimal {
        /// Digits after the point.
        scale: u32,
    },
    /// Amounts of one currency with `scale` digits after the point.
    Money {
        /// The currency of all of them.
        currency: Currency,
        /// Digits after the point.
        scale: u32,
    },
    /// Ratios, 0.075 for 7.5 %; a spreadsheet shows them as percentages with `scale` digits after the point.
    Percent {
        /// Digits after the point of the percentage.
        scale: u32,
    },
    /// Days of the calendar.
    Date,
    /// Moments, in UTC.
    Instant,
    /// Yes or no.
    Bool,
}

impl Kind {
    /// Whether a writer takes `value` for a column of this kind.
    pub(super) fn holds(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Text(_) => self == Self::Text,
            Value::Integer(_) => self == Self::Integer || self.is_decimal(),
            Value::Decimal(_) => self.is_decimal(),
            Value::Date(_) => self == Self::Date,
            Value::Instant(_) => self == Self::Instant,
            Value::Bool(_) => self == Self::Bool,
        }
    }

    fn is_decimal(self) -> bool {
        matches!(self, Self::Decimal { .. } | Self::Money { .. } | Self::Percent { .. })
    }

    /// The text of a value in this column: amounts have all the digits of their scale.
    pub(super) fn text(self, value: &Value) -> Cow<'_, str> {
        let number = match value {
            Value::Decimal(number) => *number,
            Value::Integer(number) => Decimal::from(*number),
            _ => return value.to_text(),
        };
        match self {
            Self::Decimal { scale } | Self::Money { scale, .. } if number.scale() < scale => {
                let mut padded = unsigned_zero(number);
                padded.rescale(scale.min(Decimal::MAX_SCALE));
                Cow::Owned(padded.to_string())
            }
            _ => value.to_text(),
        }
    }

    /// Reads a cell as this kind. Numbers and dates are read from texts too, spaces around them left out; everything
    /// can be read as text.
    ///
    /// # Errors
    /// What was expected, in words that go on after `expected`.
    pub(super) fn read(self, value: &Value) -> Result<Value, String> {
        let read = match (self, value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::Text, _) => Some(Value::Text(value.to_text().into_owned())),
            // What is typed text in a sheet is often a number or a date all the same.
            (_, Value::Text(text)) if text.trim().is_empty() => Some(Value::Null),
            (Self::Integer, Value::Integer(_)) => Some(value.clone()),
            (Self::Integer, Value::Text(text)) => text.trim().parse().ok().map(Value::Integer),
            (Self::Integer, Value::Decimal(number)) => whole(*number).map(Value::Integer),
            (Self::Bool, Value::Bool(_)) => Some(value.clone()),
            (Self::Bool, Value::Text(text)) => read_bool(text.trim()).map(Value::Bool),
            (Self::Date, _) => read_date(value).map(Value::Date),
            (Self::Instant, _) => read_instant(value).map(Value::Instant),
            _ if self.is_decimal() => read_decimal(value).and_then(|number| self.scaled(number)).map(Value::Decimal),
            _ => None,
        };
        read.ok_or_else(|| self.expected())
    }

    /// The number with the digits of the scale, unless it has more; ratios are as they are.
    fn scaled(self, number: Decimal) -> Option<Decimal> {
        let (Self::Decimal { scale } | Self::Money { scale, .. }) = self else { return Some(number) };
        let mut scaled = number.normalize();
        if scaled.scale() > scale {
            return None;
        }
        scaled.rescale(scale.min(Decimal::MAX_SCALE));
        Some(scaled)
    }

    /// What the cells hold, in words.
    pub(super) fn noun(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Decimal { .. } => "a number".to_owned(),
            Self::Money { currency, .. } => format!("an amount of {currency}"),
            Self::Percent { .. } => "a ratio".to_owned(),
            Self::Date => "a date".to_owned(),
            Self::Instant => "a time".to_owned(),
            Self::Bool => "true or false".to_owned(),
        }
    }

    /// What was expected of a cell that is read, with an example where the form may be in doubt.
    fn expected(self) -> String {
        let noun = self.noun();
        match self {
            Self::Text | Self::Bool => noun,
            Self::Integer => format!("{noun} such as 1234"),
            Self::Decimal { scale } | Self::Money { scale, .. } => match scale.min(Decimal::MAX_SCALE) as usize {
                0 => format!("{noun} such as 1234, without digits after the point"),
                1 => format!("{noun} such as 1234.5, with at most 1 digit after the point"),
                scale => format!("{noun} such as 1234.{:0<scale$}, with at most {scale} digits after the point", 5),
            },
            Self::Percent { .. } => format!("{noun} such as 0.075 for 7.5 %"),
            Self::Date => format!("{noun} such as 2024-01-31"),
            Self::Instant => format!("{noun} such as 2024-01-31T10:00:00Z"),
        }
    }
}

fn whole(number: Decimal) -> Option<i64> {
    number.is_integer().then(|| i64::try_from(number).ok()).flatten()
}

fn read_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// Plain digits only: an exponent in a text comes from a program that has lost digits already.
fn read_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(number) => Some(*number),
        Value::Integer(number) => Some(Decimal::from(*number)),
        Value::Text(text) if !text.contains(['e', 'E']) => Digits::read(text.trim())?.exact(),
        _ => None,
    }
}

fn read_date(value: &Value) -> Option<NaiveDate> {
    match value {
        Value::Date(date) => Some(*date),
        Value::Instant(instant) if instant.time() == NaiveTime::MIN => Some(instant.date_naive()),
        Value::Text(text) => date_of(text.trim()),
        _ => None,
    }
}

/// A date alone is its first moment: a spreadsheet does not tell the two apart.
fn read_instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Instant(instant) => Some(*instant),
        Value::Date(date) => Some(date.and_time(NaiveTime::MIN).and_utc()),
        Value::Text(text) => {
            let text = text.trim();
            let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
            instant.or_else(|| date_of(text).map(|date| date.and_time(NaiveTime::MIN).and_utc()))
        }
        _ => None,
    }
}

/// `2024-01-31`, every digit of it.
pub(super) fn date_of(text: &str) -> Option<NaiveDate> {
    let is_form =
        |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(is_form) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros() -> Kind {
        Kind::Money { currency: Currency::new("EUR").unwrap(), scale: 2 }
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn amounts_are_written_with_the_digits_of_their_scale_and_never_rounded() {
        let table = [("25000", "25000.00"), ("-0.5", "-0.50"), ("-0", "0.00"), ("33.333333", "33.333333")];
        for (number, text) in table {
            assert_eq!(euros().text(&decimal(number)), text);
        }
        assert_eq!(euros().text(&Value::Integer(7)), "7.00");
        assert_eq!(Kind::Integer.text(&Value::Integer(7)), "7");
        assert_eq!(Kind::Percent { scale: 2 }.text(&decimal("0.075")), "0.075");
    }

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        let table = [("25000", "25000.00"), (" 1234.5 ", "1234.50"), ("+1.500", "1.50"), ("-0.01", "-0.01")];
        for (text, number) in table {
            assert_eq!(euros().read(&text.into()), Ok(decimal(number)), "{text:?}");
        }
        let expected = "an amount of EUR such as 1234.50, with at most 2 digits after the point";
        for text in ["1.005", "1,50", "1,234.50", "1'234.50", "1e3", "EUR 5", "five", "--5", "NaN", "٥"] {
            assert_eq!(euros().read(&text.into()), Err(expected.to_owned()), "{text:?}");
        }
        assert_eq!(euros().read(&Value::Null), Ok(Value::Null));
        assert_eq!(euros().read(&" ".into()), Ok(Value::Null));
    }

    #[test]
    fn integers_dates_instants_and_truth_are_read_from_texts_and_from_typed_cells() {
        let date = NaiveDate::from_ymd_opt(2024, 1, 31).unwrap();
        let midnight = date.and_time(NaiveTime::MIN).and_utc();
        let table: [(Kind, Value, Value); 12] = [
            (Kind::Integer, "-12".into(), (-12).into()),
            (Kind::Integer, decimal("5.00"), 5.into()),
            (Kind::Date, "2024-01-31".into(), date.into()),
            (Kind::Date, midnight.into(), date.into()),
            (Kind::Instant, "2024-01-31T01:00:00+01:00".into(), midnight.into()),
            (Kind::Instant, "2024-01-31".into(), midnight.into()),
            (Kind::Instant, date.into(), midnight.into()),
            (Kind::Bool, "TRUE".into(), true.into()),
            (Kind::Bool, false.into(), false.into()),
            (Kind::Text, 42.into(), "42".into()),
            (Kind::Text, "".into(), "".into()),
            (Kind::Percent { scale: 1 }, "0.0755".into(), decimal("0.0755")),
        ];
        for (kind, cell, value) in table {
            assert_eq!(kind.read(&cell), Ok(value), "{kind:?} of {cell:?}");
        }
        let refused: [(Kind, Value); 10] = [
            (Kind::Integer, "5.5".into()),
            (Kind::Integer, "99999999999999999999".into()),
            (Kind::Integer, true.into()),
            (Kind::Date, "31.01.2024".into()),
            (Kind::Date, "2024-02-30".into()),
            (Kind::Date, "2024-1-31".into()),
            (Kind::Date, DateTime::from_timestamp(1, 0).unwrap().into()),
            (Kind::Instant, "2024-01-31T10:00:00".into()),
            (Kind::Bool, 1.into()),
            (Kind::Percent { scale: 0 }, "7.5 %".into()),
        ];
        for (kind, cell) in refused {
            assert!(kind.read(&cell).is_err(), "{kind:?} of {cell:?}");
        }
    }

    #[test]
    fn writers_take_what_the_kind_holds() {
        assert!(euros().holds(&Value::Integer(5)) && euros().holds(&decimal("5")) && euros().holds(&Value::Null));
        assert!(!euros().holds(&"5".into()) && !Kind::Integer.holds(&decimal("5")) && !Kind::Text.holds(&5.into()));
    }
}
