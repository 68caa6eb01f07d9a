//! Rows to a workbook of one sheet: typed cells, number formats, a header that stays in sight.
//!
//! Texts are always written as texts, so no cell can be a formula. One that begins like a formula also bears the mark
//! that keeps it a text when somebody edits the cell.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::NaiveTime;
use rust_decimal::Decimal;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format as CellFormat, FormatAlign, Workbook, Worksheet, XlsxError,
};

use crate::error::{Error, ErrorKind, Result};

use super::super::column::Column;
use super::super::guard::is_formula;
use super::super::kind::Kind;
use super::super::number::{SHEET_DIGITS, significant_digits};
use super::super::options::{Heading, WriteOptions};
use super::super::value::Value;
use super::super::writer::{Output, RowWriter, Table, Written, unwritten};
use super::serial::days_of;
use super::sheet::SHEET_ROWS_MAX;

/// What a cell may hold, in UTF-16 units.
const CELL_UNITS_MAX: usize = 32_767;
/// When a workbook says that it was made, unless told: 1 January 2000.
const CREATED_UNIX: i64 = 946_684_800;
const WIDTH_MAX: usize = 60;
/// Above this the parts of the file need longer size fields.
const LARGE_BYTES: u64 = 3 * 1024 * 1024 * 1024;

/// Writes a workbook. Rows wait in an unnamed temporary file and become the workbook at the end.
pub struct ExcelWriter<W: Write> {
    table: Table,
    workbook: Workbook,
    quoted: CellFormat,
    /// About how long the sheet's part of the file is.
    sheet_bytes: u64,
    is_lost: bool,
    output: Output<W>,
}

impl<W: Write> ExcelWriter<W> {
    /// A writer that has written the header.
    pub fn new(columns: Vec<Column>, sink: W, options: &WriteOptions) -> Result<Self> {
        let table = Table::new(columns)?;
        let output = Output::new(options.compression, sink)?;
        let mut workbook = Workbook::new();
        let created = options.sheet.created.map_or(CREATED_UNIX, |created| created.timestamp());
        let created = ExcelDateTime::from_timestamp(created).map_err(failed)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
        contained(|| {
            if let Some(dir) = &options.sheet.temporary_dir {
                workbook.set_tempdir(dir)?;
            }
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name(options.sheet.name.as_deref().unwrap_or("Sheet1"))?;
            write_header(sheet, &table.columns, options.heading)
        })?;
        let quoted = CellFormat::new().set_quote_prefix();
        Ok(Self { table, workbook, quoted, sheet_bytes: 0, is_lost: false, output })
    }

    /// Checks what a sheet cannot hold, before anything of the row is written.
    fn check(&self, row: &[Value]) -> Result<()> {
        self.table.check(row)?;
        if self.table.rows + 1 >= SHEET_ROWS_MAX {
            let most = SHEET_ROWS_MAX - 1;
            let problem = format!("a sheet holds {most} rows below its header: write csv, json or ndjson");
            return Err(self.table.invalid(None, problem));
        }
        for (column, value) in self.table.columns.iter().zip(row) {
            let units = if let Value::Text(text) = value { text.encode_utf16().count() } else { 0 };
            if units > CELL_UNITS_MAX {
                let problem = format!(
                    "a cell of a sheet holds {CELL_UNITS_MAX} characters, this text has {units}: write csv, json or \
                     ndjson"
                );
                return Err(self.table.invalid(Some(column), problem));
            }
        }
        Ok(())
    }
}

impl<W: Write + Send> RowWriter for ExcelWriter<W> {
    fn write(&mut self, row: &[Value]) -> Result<()> {
        if self.is_lost {
            return Err(no_room());
        }
        self.check(row)?;
        let (workbook, columns, quoted) = (&mut self.workbook, &self.table.columns, &self.quoted);
        let line = u32::try_from(self.table.rows + 1).map_err(|_| Error::internal("a row beyond the sheet"))?;
        let written = contained(|| {
            let sheet = workbook.worksheet_from_index(0)?;
            for (index, (column, value)) in (0_u16..).zip(columns.iter().zip(row)) {
                write_cell(sheet, (line, index), &cell_of(column.kind, value), quoted)?;
            }
            Ok(())
        });
        self.is_lost = written.is_err();
        written?;
        self.table.rows += 1;
        let text_bytes: usize =
            row.iter().map(|value| if let Value::Text(text) = value { text.len() } else { 0 }).sum();
        self.sheet_bytes += (text_bytes + 64 * row.len()) as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if self.is_lost {
            return Err(no_room());
        }
        let Self { workbook, output, sheet_bytes, .. } = &mut *self;
        workbook.use_zip_large_file(*sheet_bytes > LARGE_BYTES);
        contained(|| workbook.save_to_writer(output))?;
        Ok(Written { rows: self.table.rows, bytes: self.output.finish()? })
    }
}

/// A cell as a sheet holds it.
#[derive(Debug, PartialEq)]
enum Cell {
    Blank,
    Text(String),
    Number(f64),
    Bool(bool),
}

/// The cell of a value: a number where a double holds all of its digits, else their text.
fn cell_of(kind: Kind, value: &Value) -> Cell {
    let number = match value {
        Value::Null => return Cell::Blank,
        Value::Text(text) => return Cell::Text(text.clone()),
        Value::Bool(yes) => return Cell::Bool(*yes),
        Value::Date(date) => days_of(date.and_time(NaiveTime::MIN)),
        Value::Instant(instant) => days_of(instant.naive_utc()),
        Value::Integer(number) => Some(Decimal::from(*number)),
        Value::Decimal(number) => Some(*number),
    };
    let number = match kind {
        // A ratio is shown, not summed up: the digits that a sheet shows are enough.
        Kind::Percent { .. } => number.and_then(|number| number.round_sf(SHEET_DIGITS as u32)),
        _ => number.filter(|number| significant_digits(*number) <= SHEET_DIGITS),
    };
    match number.and_then(|number| number.to_string().parse().ok()) {
        Some(number) => Cell::Number(number),
        None => Cell::Text(kind.text(value).into_owned()),
    }
}

fn write_cell(sheet: &mut Worksheet, at: (u32, u16), cell: &Cell, quoted: &CellFormat) -> Result<(), XlsxError> {
    let (row, column) = at;
    match cell {
        Cell::Blank => sheet,
        Cell::Text(text) if is_formula(text) => sheet.write_string_with_format(row, column, text, quoted)?,
        Cell::Text(text) => sheet.write_string(row, column, text)?,
        Cell::Number(number) => sheet.write_number(row, column, *number)?,
        Cell::Bool(yes) => sheet.write_boolean(row, column, *yes)?,
    };
    Ok(())
}

/// Headings in bold that stay in sight, above columns wide enough for what they hold.
fn write_header(sheet: &mut Worksheet, columns: &[Column], heading: Heading) -> Result<(), XlsxError> {
    for (index, column) in (0_u16..).zip(columns) {
        let title = match heading {
            Heading::Names => &column.name,
            Heading::Titles => &column.title,
        };
        let is_number = !matches!(column.kind, Kind::Text | Kind::Bool);
        let align = if is_number { FormatAlign::Right } else { FormatAlign::Left };
        sheet.set_column_width(index, f64::from(width(column.kind, title)))?;
        if let Some(format) = number_format(column.kind) {
            sheet.set_column_format(index, &CellFormat::new().set_num_format(format))?;
        }
        sheet.write_string_with_format(0, index, title, &CellFormat::new().set_bold().set_align(align))?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

/// How a sheet shows the numbers of a kind.
fn number_format(kind: Kind) -> Option<String> {
    let point = |scale: u32| match scale.min(Decimal::MAX_SCALE) as usize {
        0 => String::new(),
        scale => format!(".{}", "0".repeat(scale)),
    };
    match kind {
        Kind::Text | Kind::Bool => None,
        Kind::Integer => Some("0".to_owned()),
        Kind::Decimal { scale } => Some(format!("#,##0{}", point(scale))),
        Kind::Money { currency, scale } => Some(format!("[${currency}] #,##0{}", point(scale))),
        Kind::Percent { scale } => Some(format!("0{}%", point(scale))),
        Kind::Date => Some("yyyy-mm-dd".to_owned()),
        Kind::Instant => Some("yyyy-mm-dd hh:mm:ss".to_owned()),
    }
}

/// The width of a column, in characters.
fn width(kind: Kind, title: &str) -> u32 {
    let cells = match kind {
        Kind::Text => 24,
        Kind::Integer | Kind::Date => 12,
        Kind::Decimal { .. } => 16,
        Kind::Money { .. } => 20,
        Kind::Percent { .. } | Kind::Bool => 10,
        Kind::Instant => 20,
    };
    // Bold letters are wider than the digits that widths are counted in.
    let title = title.chars().count().saturating_add(2).min(WIDTH_MAX);
    cells.max(title as u32)
}

/// Calls the library, which panics where its temporary file cannot be written.
fn contained<T>(work: impl FnOnce() -> Result<T, XlsxError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(no_room()),
    }
}

fn no_room() -> Error {
    Error::new(ErrorKind::NotNow, "the temporary file of the workbook cannot be written: is its disk full?")
}

fn failed(error: XlsxError) -> Error {
    match error {
        XlsxError::IoError(error) => unwritten(error),
        XlsxError::ZipError(error) => unwritten(io::Error::from(error)),
        XlsxError::TempFileError(dir, error) => {
            unwritten(error).context(format!("no temporary file in {}", dir.display()))
        }
        XlsxError::SheetnameCannotBeBlank(_)
        | XlsxError::SheetnameLengthExceeded(_)
        | XlsxError::SheetnameContainsInvalidCharacter(_)
        | XlsxError::SheetnameStartsOrEndsWithApostrophe(_) => Error::invalid(format!(
            "the name of a sheet has 1 to 31 characters, none of []:*?/\\ and no apostrophe at its ends: {error}"
        )),
        XlsxError::DateTimeRangeError(_) => Error::invalid(format!("the workbook's time of making: {error}")),
        _ => Error::internal(format!("the workbook cannot be written: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn a_number_is_a_number_as_long_as_no_digit_is_lost() {
        let plain = Kind::Decimal { scale: 2 };
        assert_eq!(cell_of(plain, &decimal("1234.50")), Cell::Number(1234.5));
        assert_eq!(cell_of(plain, &decimal("-9999999999999.99")), Cell::Number(-9_999_999_999_999.99));
        assert_eq!(cell_of(plain, &decimal("1000000000000000.01")), Cell::Text("1000000000000000.01".to_owned()));
        assert_eq!(cell_of(plain, &decimal("0.00000001")), Cell::Number(1e-8));
        assert_eq!(cell_of(Kind::Integer, &i64::MAX.into()), Cell::Text("9223372036854775807".to_owned()));
        assert_eq!(cell_of(Kind::Integer, &1_000_000_000_000_000_000.into()), Cell::Number(1e18));
        let third = decimal("0.3333333333333333333333333333");
        assert_eq!(cell_of(Kind::Percent { scale: 2 }, &third), Cell::Number(0.333_333_333_333_333));
    }

    #[test]
    fn a_day_outside_of_the_count_is_text() {
        let date = |text: &str| Value::Date(text.parse().unwrap());
        assert_eq!(cell_of(Kind::Date, &date("2024-01-31")), Cell::Number(45322.0));
        assert_eq!(cell_of(Kind::Date, &date("1899-12-31")), Cell::Text("1899-12-31".to_owned()));
    }

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        assert_eq!(width(Kind::Date, "day"), 12);
        assert_eq!(width(Kind::Date, "Date of the distribution"), 26);
        assert_eq!(width(Kind::Text, &"x".repeat(500)), 60);
    }
}
