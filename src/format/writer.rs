//! Rows in, bytes out: what the writers of all formats share.

use std::io::{self, BufWriter, Write};

use crate::error::{Error, ErrorKind, Result};

use super::column::Column;
use super::compression::{Compression, Sink};
use super::row::COLUMNS_MAX;
use super::value::Value;

/// Writes a table row by row. Memory does not grow with the rows.
pub trait RowWriter: Send {
    /// Writes a row: one value for each column, in their order.
    ///
    /// # Errors
    /// `Invalid` for a row that does not fit the columns or the format, naming row and column: it leaves nothing behind
    /// and the next one may be written. `NotNow` when the sink takes no more: the file is lost.
    fn write(&mut self, row: &[Value]) -> Result<()>;

    /// Ends the file and flushes the sink. Without it the file is not whole.
    ///
    /// # Errors
    /// `NotNow` when the sink does not take the rest.
    fn finish(self: Box<Self>) -> Result<Written>;
}

/// What a writer has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many rows, the header not counted.
    pub rows: u64,
    /// How many bytes came to the sink, after compression.
    pub bytes: u64,
}

/// The columns of a table that is being written, and how many rows it has.
pub(super) struct Table {
    pub columns: Vec<Column>,
    pub rows: u64,
}

impl Table {
    /// The checked columns.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        if columns.is_empty() || columns.len() > COLUMNS_MAX {
            let count = columns.len();
            return Err(Error::invalid(format!("a table has 1 to {COLUMNS_MAX} columns, this one {count}")));
        }
        for (index, column) in columns.iter().enumerate() {
            if column.name.trim().is_empty() || column.name.trim() != column.name {
                let name = &column.name;
                return Err(Error::invalid(format!("column name {name:?} is empty or has spaces around it")));
            }
            if columns[..index].iter().any(|other| other.name == column.name) {
                return Err(Error::invalid(format!("column {:?} is there twice", column.name)));
            }
        }
        Ok(Self { columns, rows: 0 })
    }

    /// Checks that a row fits the columns.
    pub fn check(&self, row: &[Value]) -> Result<()> {
        if row.len() != self.columns.len() {
            let (cells, columns) = (row.len(), self.columns.len());
            return Err(self.invalid(None, format!("{cells} cells for {columns} columns")));
        }
        for (column, value) in self.columns.iter().zip(row) {
            if !column.kind.holds(value) {
                let problem = format!("{} is not {}", value.described(), column.kind.noun());
                return Err(self.invalid(Some(column), problem));
            }
        }
        Ok(())
    }

    /// What is wrong with the row that comes next.
    pub fn invalid(&self, column: Option<&Column>, problem: impl std::fmt::Display) -> Error {
        let row = self.rows + 1;
        match column {
            Some(column) => Error::invalid(format!("row {row}, column {:?}: {problem}", column.name)),
            None => Error::invalid(format!("row {row}: {problem}")),
        }
    }
}

/// Where a writer's bytes go: gathered, compressed, counted, handed on.
pub(super) struct Output<W: Write>(BufWriter<Sink<Counted<W>>>);

impl<W: Write> Output<W> {
    pub fn new(compression: Compression, inner: W) -> Result<Self> {
        let sink = compression.sink(Counted { inner, bytes: 0 }).map_err(unwritten)?;
        Ok(Self(BufWriter::with_capacity(64 * 1024, sink)))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(unwritten)
    }

    /// Ends the compression and flushes what it goes to; says how many bytes came there.
    pub fn finish(self) -> Result<u64> {
        let sink = self.0.into_inner().map_err(|error| unwritten(error.into_error()))?;
        let mut counted = sink.finish().map_err(unwritten)?;
        counted.inner.flush().map_err(unwritten)?;
        Ok(counted.bytes)
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The sink did not take what was written.
pub(super) fn unwritten(error: io::Error) -> Error {
    Error::new(ErrorKind::NotNow, format!("the file cannot be written: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn problem(columns: &[(&str, Kind)], row: &[Value]) -> String {
        let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
        match Table::new(columns) {
            Ok(table) => table.check(row).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn columns_and_rows_that_do_not_fit_are_named() {
        assert_eq!(problem(&[], &[]), "a table has 1 to 1000 columns, this one 0");
        assert_eq!(
            problem(&[("a", Kind::Text), ("b", Kind::Text), ("a", Kind::Date)], &[]),
            "column \"a\" is there twice"
        );
        assert_eq!(problem(&[(" a", Kind::Text)], &[]), "column name \" a\" is empty or has spaces around it");
        assert_eq!(problem(&[("a", Kind::Text)], &[]), "row 1: 0 cells for 1 columns");
        assert_eq!(
            problem(&[("a", Kind::Text), ("amount", Kind::Integer)], &["x".into(), "5".into()]),
            "row 1, column \"amount\": the text \"5\" is not a whole number"
        );
    }
}
