//! Rows to JSON: an object each, with every column as a key.

use std::io::Write;

use crate::error::{Error, Result};

use super::super::column::Column;
use super::super::options::WriteOptions;
use super::super::value::Value;
use super::super::writer::{Output, RowWriter, Table, Written};
use super::Layout;

/// Writes JSON, an object a line in either layout.
pub struct JsonWriter<W: Write> {
    table: Table,
    layout: Layout,
    /// What stands before each cell: brace or comma, and the key.
    keys: Vec<Vec<u8>>,
    line: Vec<u8>,
    output: Output<W>,
}

impl<W: Write> JsonWriter<W> {
    /// A writer that has written nothing yet.
    pub fn new(columns: Vec<Column>, sink: W, options: &WriteOptions, layout: Layout) -> Result<Self> {
        let table = Table::new(columns)?;
        let mut keys = Vec::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            push_string(&mut key, &column.name)?;
            key.push(b':');
            keys.push(key);
        }
        let output = Output::new(options.compression, sink)?;
        Ok(Self { table, layout, keys, line: Vec::new(), output })
    }
}

impl<W: Write + Send> RowWriter for JsonWriter<W> {
    fn write(&mut self, row: &[Value]) -> Result<()> {
        self.table.check(row)?;
        self.line.clear();
        if self.layout == Layout::Array {
            self.line.extend(if self.table.rows == 0 { b"[\n".as_slice() } else { b",\n".as_slice() });
        }
        for ((key, column), value) in self.keys.iter().zip(&self.table.columns).zip(row) {
            self.line.extend(key);
            match value {
                Value::Null => self.line.extend(b"null"),
                Value::Bool(_) => self.line.extend(value.to_text().as_bytes()),
                // An integer among decimals is written as they are.
                Value::Integer(_) if column.kind.holds(&Value::Decimal(0.into())) => {
                    push_string(&mut self.line, &column.kind.text(value))?;
                }
                Value::Integer(_) => self.line.extend(value.to_text().as_bytes()),
                _ => push_string(&mut self.line, &column.kind.text(value))?,
            }
        }
        self.line.push(b'}');
        if self.layout == Layout::Lines {
            self.line.push(b'\n');
        }
        self.output.write(&self.line)?;
        self.table.rows += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if self.layout == Layout::Array {
            let end = if self.table.rows == 0 { b"[]\n".as_slice() } else { b"\n]\n".as_slice() };
            self.output.write(end)?;
        }
        Ok(Written { rows: self.table.rows, bytes: self.output.finish()? })
    }
}

fn push_string(line: &mut Vec<u8>, text: &str) -> Result<()> {
    serde_json::to_writer(line, text).map_err(|error| Error::internal(format!("a text has no JSON: {error}")))
}
