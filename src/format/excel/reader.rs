//! Workbooks to rows: the first row of the sheet that holds something names the columns.

use std::io::Read;

use crate::error::{Error, Result};

use super::super::header::Header;
use super::super::options::ReadOptions;
use super::super::reader::{RowReader, unread};
use super::super::row::{BadRow, COLUMNS_MAX, Place, ReadError, Row};
use super::super::value::Value;
use super::book::Book;
use super::cells::SheetRow;
use super::ods::OdsSheet;
use super::package::Package;
use super::sheet::Sheet;

/// Reads a sheet of a workbook.
pub struct ExcelReader {
    rows: SheetRows,
    header: Header,
    count: u64,
    is_over: bool,
}

enum SheetRows {
    Xlsx(Box<Sheet>),
    Ods(Box<OdsSheet>),
}

impl SheetRows {
    /// The next row that holds something.
    fn next(&mut self) -> Result<Option<SheetRow>> {
        loop {
            let row = match self {
                Self::Xlsx(sheet) => sheet.next_row()?,
                Self::Ods(sheet) => sheet.next_row()?,
            };
            match row {
                Some(row) if row.cells.is_empty() => {}
                row => return Ok(row),
            }
        }
    }
}

impl ExcelReader {
    /// A reader that has taken the file in and read the header.
    pub fn new(source: impl Read, options: &ReadOptions) -> Result<Self> {
        let package = Package::read(options.compression.source(source).map_err(unread)?)?;
        let wanted = options.sheet.as_deref();
        let mut rows = if OdsSheet::is_kind_of(&package) {
            SheetRows::Ods(Box::new(OdsSheet::open(&package, wanted)?))
        } else {
            let (book, sheet) = Book::open(&package, wanted)?;
            SheetRows::Xlsx(Box::new(Sheet::new(book, sheet)))
        };
        let header = read_header(rows.next()?)?;
        Ok(Self { rows, header, count: 0, is_over: false })
    }

    fn row(&self, found: SheetRow) -> Result<Row, BadRow> {
        let place = Place { row: self.count, line: found.line };
        let mut cells = Vec::with_capacity(found.cells.len());
        for (column, value) in found.cells {
            let value = value.map_err(|problem| BadRow::new(place, problem).in_column(self.header.name_of(column)))?;
            cells.push((column, value));
        }
        self.header.row(place, cells)
    }
}

impl RowReader for ExcelReader {
    fn columns(&self) -> Option<&[String]> {
        Some(self.header.names())
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        match self.rows.next() {
            Ok(Some(found)) => {
                self.count += 1;
                Ok(Some(self.row(found)?))
            }
            ended => {
                self.is_over = true;
                ended?;
                Ok(None)
            }
        }
    }
}

fn read_header(row: Option<SheetRow>) -> Result<Header> {
    let Some(row) = row else { return Header::new(1, &[]) };
    let width = row.cells.iter().map(|(column, _)| column + 1).max().unwrap_or_default();
    if row.cells.len() > COLUMNS_MAX {
        return Err(Error::invalid(format!("line {} names more than {COLUMNS_MAX} columns", row.line)));
    }
    let mut names = vec![String::new(); width];
    for (column, value) in row.cells {
        let value: Value = value.map_err(|problem| Error::invalid(format!("line {}: {problem}", row.line)))?;
        names[column] = value.to_text().into_owned();
    }
    Header::new(row.line, &names)
}
