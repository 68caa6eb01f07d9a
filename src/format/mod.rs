//! Tables in files: rows in, bytes out, and back.
//!
//! A [`Format`] makes a [`RowWriter`] for any sink and a [`RowReader`] for any source; both hold a row at a time.
//! Values are typed and money is decimal: no amount is read through a float, and none is written as one that would lose
//! a digit.
//!
//! ```
//! use ireva_queue::format::{Column, Currency, Format, Kind, ReadOptions, WriteOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let columns = vec![
//!     Column::new("investor", Kind::Text),
//!     Column::new("amount", Kind::Money { currency: Currency::new("EUR")?, scale: 2 }),
//! ];
//! let mut file = Vec::new();
//! let mut writer = Format::Csv.writer(columns.clone(), &mut file, &WriteOptions::default())?;
//! writer.write(&["=Ada".into(), 25_000.into()])?;
//! let written = writer.finish()?;
//! assert_eq!(file, b"investor,amount\r\n'=Ada,25000.00\r\n");
//! assert_eq!((written.rows, written.bytes), (1, 33));
//!
//! let mut reader = Format::Csv.reader(&file[..], &ReadOptions::default())?;
//! let row = reader.next_row()?.expect("one row");
//! assert_eq!(row.get("investor"), Some(&"=Ada".into()));
//! assert_eq!(row.read(&columns[1])?.to_text(), "25000.00");
//! # Ok(())
//! # }
//! ```
//!
//! | | csv | json, ndjson | excel |
//! |---|---|---|---|
//! | decimals | digits of the scale | strings | numbers up to 15 digits, else texts |
//! | dates, instants | `2024-01-31`, `2024-01-31T10:00:00Z` | the same | typed, UTC, to the millisecond |
//! | null and `""` | empty cell, `""` | `null`, `""` | both an empty cell |
//! | texts that look like formulas | guarded, see [`Guard`] | as they are | texts |
//! | a row without any value | a row | a row | left out when read |
//! | read back as | texts, typed by [`Row::read`] | texts and exact numbers | typed |
//! | longest text | when read, [`CELL_BYTES_MAX`] | the same | when written, 32,767 characters |
//! | most rows | any | any | [`SHEET_ROWS_MAX`], header included |
//!
//! Parquet is written too, by builds with the feature `parquet`: typed columns, compressed inside.
//!
//! Every format is read within [`COLUMNS_MAX`] and [`ROW_BYTES_MAX`], a workbook also within [`WORKBOOK_BYTES_MAX`] and
//! [`WORKBOOK_EXPANDED_BYTES_MAX`]. A cell or row beyond a limit costs that row, not the memory.

mod column;
mod compression;
mod csv;
mod excel;
mod guard;
mod header;
mod json;
mod kind;
mod number;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod row;
mod text;
mod value;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use column::Column;
pub use compression::{Compression, Sink, Source};
pub use excel::{SHEET_ROWS_MAX, WORKBOOK_BYTES_MAX, WORKBOOK_EXPANDED_BYTES_MAX};
pub use guard::Guard;
pub use kind::Kind;
pub use options::{Heading, ReadOptions, SheetOptions, WriteOptions};
pub use reader::RowReader;
pub use row::{BadRow, CELL_BYTES_MAX, COLUMNS_MAX, Place, ROW_BYTES_MAX, ReadError, Row};
pub use value::Value;
pub use writer::{RowWriter, Written};

#[cfg(feature = "parquet")]
use self::parquet::ParquetWriter;
pub use crate::currency::Currency;
use crate::error::{Error, Result};
use csv::{CsvReader, CsvWriter};
use excel::{ExcelReader, ExcelWriter};
use json::{JsonReader, JsonWriter, Layout};

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Format {
    /// Comma separated values (RFC 4180); read with semicolons and tabs too.
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    Ndjson,
    /// A workbook: .xlsx, of which OpenDocument's .ods is read too.
    Excel,
    /// Typed columns for programs; only written, and only by builds with the feature `parquet`.
    Parquet,
}

impl Format {
    /// All that are read as well as written.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Ndjson, Self::Excel];
    /// All that are written, whether or not this build has the feature that one of them needs.
    pub const WRITTEN: [Self; 5] = [Self::Csv, Self::Json, Self::Ndjson, Self::Excel, Self::Parquet];

    /// The name: `csv`, `json`, `ndjson`, `excel`, `parquet`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Excel => "excel",
            Self::Parquet => "parquet",
        }
    }

    /// What the name of a file of this format ends with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => ".csv",
            Self::Json => ".json",
            Self::Ndjson => ".ndjson",
            Self::Excel => ".xlsx",
            Self::Parquet => ".parquet",
        }
    }

    /// The media type of an uncompressed file of this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Excel => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The format that the name of a file tells, compressed or not: `rows.csv`, `ROWS.XLSX`, `rows.json.gz`.
    ///
    /// # Errors
    /// `Invalid` where it tells none.
    pub fn from_file_name(name: &str) -> Result<Self> {
        let small = name.to_ascii_lowercase();
        let ending = Compression::from_file_name(&small).ending();
        let plain = small.strip_suffix(ending).unwrap_or(&small);
        let known = match plain.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Some(Self::Csv),
            Some("json") => Some(Self::Json),
            Some("ndjson" | "jsonl") => Some(Self::Ndjson),
            Some("xlsx" | "ods") => Some(Self::Excel),
            Some("parquet") => Some(Self::Parquet),
            _ => None,
        };
        known.ok_or_else(|| {
            Error::invalid(format!(
                "file name {name:?} does not tell its format: it ends with .csv, .json, .ndjson, .jsonl, .xlsx, .ods \
                 or .parquet (and .gz or .zst if compressed)"
            ))
        })
    }

    /// Whether this build writes it.
    ///
    /// # Errors
    /// `Invalid`, naming the feature that it needs.
    pub fn writable(self) -> Result<()> {
        match self {
            Self::Parquet if !cfg!(feature = "parquet") => Err(Error::invalid(
                "format parquet needs a build with the feature parquet: choose csv, json, ndjson or excel",
            )),
            _ => Ok(()),
        }
    }

    /// A writer of a table with these columns to `sink`.
    ///
    /// # Errors
    /// `Invalid` where columns or options do not fit, or the build is without the format; `NotNow` when the sink takes
    /// nothing.
    pub fn writer<'a>(
        self,
        columns: Vec<Column>,
        sink: impl Write + Send + 'a,
        options: &WriteOptions,
    ) -> Result<Box<dyn RowWriter + 'a>> {
        Ok(match self {
            Self::Csv => Box::new(CsvWriter::new(columns, sink, options)?),
            Self::Json => Box::new(JsonWriter::new(columns, sink, options, Layout::Array)?),
            Self::Ndjson => Box::new(JsonWriter::new(columns, sink, options, Layout::Lines)?),
            Self::Excel => Box::new(ExcelWriter::new(columns, sink, options)?),
            #[cfg(feature = "parquet")]
            Self::Parquet => Box::new(ParquetWriter::new(columns, sink, options)?),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => return Err(self.writable().expect_err("this build is without it")),
        })
    }

    /// A reader of the table in `source`. A workbook is taken in whole, up to [`WORKBOOK_BYTES_MAX`].
    ///
    /// # Errors
    /// `Invalid` where the beginning of the file is not of this format, `Unreachable` when the source fails.
    pub fn reader<'a>(self, source: impl Read + Send + 'a, options: &ReadOptions) -> Result<Box<dyn RowReader + 'a>> {
        Ok(match self {
            Self::Csv => Box::new(CsvReader::new(source, options)?),
            Self::Json => Box::new(JsonReader::new(source, options, Layout::Array)?),
            Self::Ndjson => Box::new(JsonReader::new(source, options, Layout::Lines)?),
            Self::Excel => Box::new(ExcelReader::new(source, options)?),
            Self::Parquet => {
                return Err(Error::invalid("parquet is written, not read: use csv, json, ndjson or excel"));
            }
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::WRITTEN.into_iter().find(|known| known.as_str() == name);
        known
            .ok_or_else(|| Error::invalid(format!("format {name:?} is not known: csv, json, ndjson, excel or parquet")))
    }
}

impl TryFrom<String> for Format {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        format.as_str().to_owned()
    }
}
