//! A row of a sheet, of whichever kind of workbook, and the values of its cells.

use chrono::{NaiveDateTime, NaiveTime};

use super::super::number::{Digits, exact_value};
use super::super::row::{CELL_BYTES_MAX, ROW_BYTES_MAX};
use super::super::value::{Value, shortened};
use super::serial::{Epoch, hours_text};
use super::styles::Form;

/// The columns of a sheet.
pub(super) const SHEET_COLUMNS_MAX: usize = 16_384;
/// The least that a workbook needs to write a cell: its tags and its type.
const CELL_WRITTEN_BYTES: usize = 50;

/// A row of a sheet with the cells that hold something.
#[derive(Debug, Clone, Default)]
pub(super) struct SheetRow {
    /// Its number in the sheet, from 1.
    pub line: u64,
    /// Column, from 0, and value or what is wrong with it.
    pub cells: Vec<(usize, Result<Value, String>)>,
    text_bytes: usize,
}

impl SheetRow {
    pub fn new(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    /// Adds a cell that holds something.
    pub fn push(&mut self, column: usize, value: Result<Value, String>) {
        let bytes = if let Ok(Value::Text(text)) = &value { text.len() } else { 0 };
        let value = match value {
            Ok(Value::Null) => return,
            Ok(_) if bytes > CELL_BYTES_MAX => Err(format!("the cell is longer than {CELL_BYTES_MAX} bytes")),
            Ok(_) if self.text_bytes + bytes > ROW_BYTES_MAX => {
                Err(format!("the row is longer than {ROW_BYTES_MAX} bytes"))
            }
            value => value,
        };
        self.text_bytes += if value.is_ok() { bytes } else { 0 };
        self.cells.push((column, value));
    }

    /// The least bytes that a workbook needs to write the row out.
    pub fn written_bytes(&self) -> u64 {
        let bytes = self.cells.len().saturating_mul(CELL_WRITTEN_BYTES).saturating_add(self.text_bytes);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// A text; a sheet does not tell an empty one from none.
pub(super) fn text(text: String) -> Value {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

/// The value of a number that is shown in this form.
pub(super) fn number(text: &str, form: Form, epoch: Epoch) -> Result<Value, String> {
    let text = text.trim();
    let shown = Digits::read(text).and_then(|digits| digits.as_shown());
    let number = shown.ok_or_else(|| format!("the number {:?} is too large or no number", shortened(text)))?;
    match form {
        Form::Number => Ok(exact_value(&number.to_string()).unwrap_or(Value::Decimal(number))),
        Form::Span => hours_text(number).map(Value::Text).ok_or_else(|| format!("the time {text} is below zero")),
        // A time of day alone is a moment of no day.
        Form::Date if number < 1.into() && number.is_sign_positive() && !number.is_zero() => {
            hours_text(number).map(Value::Text).ok_or_else(|| format!("the time {text} is no time of day"))
        }
        Form::Date => {
            let moment = epoch.moment(number);
            moment.map(day_or_moment).ok_or_else(|| format!("the number {text} is shown as a date and is none"))
        }
    }
}

/// A date or time as ISO 8601 writes it, without a zone.
pub(super) fn iso_moment(text: &str) -> Result<Value, String> {
    let text = text.trim().trim_end_matches('Z');
    let date = || text.parse().ok().map(Value::Date);
    let moment = || text.parse().ok().map(day_or_moment);
    date().or_else(moment).ok_or_else(|| format!("{:?} is no date", shortened(text)))
}

/// A sheet knows moments only; one at midnight is meant as the day.
fn day_or_moment(moment: NaiveDateTime) -> Value {
    match moment.time() == NaiveTime::MIN {
        true => Value::Date(moment.date()),
        false => Value::Instant(moment.and_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_their_form_shows() {
        let value = |text: &str, form: Form| number(text, form, Epoch::Of1900).map(|value| value.described());
        let table = [
            ("5", Form::Number, "the number 5"),
            ("5.0", Form::Number, "the number 5"),
            ("1E+20", Form::Number, "the number 100000000000000000000"),
            ("1234.5599999999999", Form::Number, "the number 1234.56"),
            ("45322", Form::Date, "the date 2024-01-31"),
            ("45322.25", Form::Date, "the instant 2024-01-31T06:00:00Z"),
            ("0.25", Form::Date, "the text \"06:00:00\""),
            ("1.5", Form::Span, "the text \"36:00:00\""),
        ];
        for (text, form, shown) in table {
            assert_eq!(value(text, form).as_deref(), Ok(shown), "{text}");
        }
        for (text, form) in [("60", Form::Date), ("-1", Form::Date), ("-0.5", Form::Span), ("x", Form::Number)] {
            assert!(value(text, form).is_err(), "{text}");
        }
        assert!(value("1E+300", Form::Number).is_err());
    }

    #[test]
    fn iso_dates_are_read_with_and_without_a_time() {
        let shown = |text: &str| iso_moment(text).map(|value| value.to_text().into_owned());
        assert_eq!(shown("2024-01-31").as_deref(), Ok("2024-01-31"));
        assert_eq!(shown("2024-01-31T00:00:00").as_deref(), Ok("2024-01-31"));
        assert_eq!(shown("2024-01-31T10:30:00.5Z").as_deref(), Ok("2024-01-31T10:30:00.500Z"));
        assert!(shown("31.01.2024").is_err());
    }

    #[test]
    fn a_row_keeps_what_holds_something_and_is_bounded() {
        let mut row = SheetRow::new(7);
        row.push(0, Ok(Value::Null));
        row.push(1, Ok("x".repeat(CELL_BYTES_MAX).into()));
        row.push(2, Ok("x".repeat(CELL_BYTES_MAX + 1).into()));
        for column in 3..12 {
            row.push(column, Ok("x".repeat(CELL_BYTES_MAX).into()));
        }
        let wrong: Vec<_> =
            row.cells.iter().filter_map(|(column, value)| value.as_ref().err().map(|why| (*column, why))).collect();
        assert_eq!((row.cells.len(), wrong[0].0, wrong[1].0), (11, 2, 10));
        assert!(wrong[1].1.starts_with("the row is longer"), "{}", wrong[1].1);
    }
}
