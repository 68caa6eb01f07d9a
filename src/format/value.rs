//! What a cell holds.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;

/// What a cell holds. There is no float: a number is exact or it is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing; other than an empty text where the format can tell the two apart (not in a spreadsheet).
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A decimal number: an amount, a quantity, a ratio.
    Decimal(Decimal),
    /// A day of the calendar.
    Date(NaiveDate),
    /// A moment.
    Instant(DateTime<Utc>),
    /// Yes or no.
    Bool(bool),
}

impl Value {
    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value as text: digits with a point, `2024-01-31`, `2024-01-31T10:00:00Z`, `true`; empty for null.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Decimal(number) => Cow::Owned(unsigned_zero(*number).to_string()),
            Self::Date(date) => Cow::Owned(date.to_string()),
            Self::Instant(instant) => Cow::Owned(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
        }
    }

    /// What the value is, for a message: `the text "x"`, `the number 5`.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Text(text) => format!("the text {:?}", shortened(text)),
            Self::Integer(_) | Self::Decimal(_) => format!("the number {}", self.to_text()),
            Self::Date(_) => format!("the date {}", self.to_text()),
            Self::Instant(_) => format!("the instant {}", self.to_text()),
            Self::Bool(_) => self.to_text().into_owned(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self::Decimal(number)
    }
}

impl From<NaiveDate> for Value {
    fn from(date: NaiveDate) -> Self {
        Self::Date(date)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::Instant(instant)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

/// Null for `None`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Zero has a sign in a decimal, and in no account.
pub(super) fn unsigned_zero(mut number: Decimal) -> Decimal {
    if number.is_zero() {
        number.set_sign_positive(true);
    }
    number
}

/// The beginning of a text that is too long for a message.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_plain_text() {
        let instant = DateTime::from_timestamp(1_706_695_200, 250_000_000).unwrap();
        let table: [(Value, &str); 9] = [
            (Value::Null, ""),
            ("a b".into(), "a b"),
            (i64::MIN.into(), "-9223372036854775808"),
            (Decimal::new(-123_450, 2).into(), "-1234.50"),
            (Value::Decimal("-0.00".parse().unwrap()), "0.00"),
            (NaiveDate::from_ymd_opt(2024, 1, 31).unwrap().into(), "2024-01-31"),
            (instant.into(), "2024-01-31T10:00:00.250Z"),
            (true.into(), "true"),
            (None::<i64>.into(), ""),
        ];
        for (value, text) in table {
            assert_eq!(value.to_text(), text);
        }
    }

    #[test]
    fn messages_show_long_texts_in_part() {
        let long = Value::Text("ä".repeat(100));
        assert_eq!(long.described(), format!("the text {:?}", format!("{}…", "ä".repeat(80))));
    }
}
