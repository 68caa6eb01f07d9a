//! Rows to CSV: commas, CRLF, quotes only where they are needed.

use std::io::Write;

use crate::error::Result;

use super::super::column::Column;
use super::super::guard::Guard;
use super::super::options::{Heading, WriteOptions};
use super::super::value::Value;
use super::super::writer::{Output, RowWriter, Table, Written};

const DELIMITER: u8 = b',';

/// Writes CSV.
pub struct CsvWriter<W: Write> {
    table: Table,
    guard: Guard,
    line: Vec<u8>,
    output: Output<W>,
}

impl<W: Write> CsvWriter<W> {
    /// A writer that has written the header.
    pub fn new(columns: Vec<Column>, sink: W, options: &WriteOptions) -> Result<Self> {
        let table = Table::new(columns)?;
        let output = Output::new(options.compression, sink)?;
        let mut writer = Self { table, guard: options.guard, line: Vec::new(), output };
        for (index, column) in writer.table.columns.iter().enumerate() {
            let heading = match options.heading {
                Heading::Names => &column.name,
                Heading::Titles => &column.title,
            };
            begin_cell(&mut writer.line, index);
            push_text(&mut writer.line, heading, writer.guard);
        }
        writer.end_line()?;
        Ok(writer)
    }

    fn end_line(&mut self) -> Result<()> {
        self.line.extend(b"\r\n");
        self.output.write(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

impl<W: Write + Send> RowWriter for CsvWriter<W> {
    fn write(&mut self, row: &[Value]) -> Result<()> {
        self.table.check(row)?;
        for (index, (column, value)) in self.table.columns.iter().zip(row).enumerate() {
            begin_cell(&mut self.line, index);
            match value {
                Value::Text(text) => push_text(&mut self.line, text, self.guard),
                // Numbers, dates and truth hold nothing to quote, and are no formulas.
                _ => self.line.extend(column.kind.text(value).as_bytes()),
            }
        }
        self.end_line()?;
        self.table.rows += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        Ok(Written { rows: self.table.rows, bytes: self.output.finish()? })
    }
}

fn begin_cell(line: &mut Vec<u8>, index: usize) {
    if index > 0 {
        line.push(DELIMITER);
    }
}

/// Other delimiters are quoted too: whoever guesses the delimiter from the header shall guess right.
fn push_text(line: &mut Vec<u8>, text: &str, guard: Guard) {
    let text = guard.put_on(text, DELIMITER);
    let is_quoted = text.is_empty() || text.contains([',', ';', '\t', '"', '\r', '\n']);
    if !is_quoted {
        line.extend(text.as_bytes());
        return;
    }
    line.push(b'"');
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            line.extend(b"\"\"");
        }
        line.extend(part.as_bytes());
    }
    line.push(b'"');
}
