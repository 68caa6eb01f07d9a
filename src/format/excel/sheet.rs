//! The rows of an .xlsx sheet, one after the other.

use crate::error::Result;

use super::super::row::CELL_BYTES_MAX;
use super::super::value::Value;
use super::book::{Book, read_text, unescaped};
use super::cells::{SHEET_COLUMNS_MAX, SheetRow, iso_moment, number, text};
use super::styles::Form;
use super::xml::{Node, Tag, Xml};

/// The rows of a sheet, the header among them.
pub const SHEET_ROWS_MAX: u64 = 1_048_576;

/// Reads a sheet.
pub(super) struct Sheet {
    book: Book,
    xml: Xml,
    line: u64,
    /// The rows are read; what follows them is read only for the checksum at the end.
    is_past: bool,
    is_over: bool,
}

impl Sheet {
    pub fn new(book: Book, xml: Xml) -> Self {
        Self { book, xml, line: 0, is_past: false, is_over: false }
    }

    /// The next row that is in the file, be it empty; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<SheetRow>> {
        while !self.is_over {
            match self.xml.next()? {
                Node::Open(tag) if !self.is_past && tag.name() == "row" => {
                    let line = tag.attribute("r").and_then(|line| line.parse().ok()).unwrap_or(self.line + 1);
                    if line <= self.line || line > SHEET_ROWS_MAX {
                        return Err(self.xml.damaged(format!("row {line} follows row {}", self.line)));
                    }
                    self.line = line;
                    return self.read_row().map(Some);
                }
                Node::Close(name) if name == "sheetData" => self.is_past = true,
                Node::End => self.is_over = true,
                _ => {}
            }
        }
        Ok(None)
    }

    fn read_row(&mut self) -> Result<SheetRow> {
        let mut row = SheetRow::new(self.line);
        let mut next = 0;
        loop {
            match self.xml.next()? {
                Node::Open(tag) if tag.name() == "c" => {
                    let column = tag.attribute("r").and_then(|at| column_of(&at)).unwrap_or(next);
                    if column >= SHEET_COLUMNS_MAX || column < next {
                        return Err(self.xml.damaged(format!("the cells of row {} are out of order", self.line)));
                    }
                    next = column + 1;
                    row.push(column, self.read_cell(&tag)?);
                }
                Node::Close(name) if name == "row" => return Ok(row),
                Node::End => return Err(self.xml.damaged(format!("row {} has no end", self.line))),
                _ => {}
            }
        }
    }

    /// Reads a cell up to its closing tag; of a formula what it came to.
    fn read_cell(&mut self, cell: &Tag) -> Result<Result<Value, String>> {
        let kind = cell.attribute("t").unwrap_or_default();
        let style = cell.attribute("s").and_then(|style| style.parse::<usize>().ok());
        let (mut raw, mut inline, mut is_value) = (String::new(), String::new(), false);
        loop {
            match self.xml.next()? {
                Node::Open(tag) if tag.name() == "v" => is_value = true,
                Node::Open(tag) if tag.name() == "is" => inline = read_text(&mut self.xml, "is")?,
                Node::Close(name) if name == "v" => is_value = false,
                Node::Close(name) if name == "c" => break,
                Node::Text(part) if is_value => {
                    raw.push_str(&part);
                    if raw.len() > CELL_BYTES_MAX {
                        return Err(self.xml.damaged(format!("a cell of row {} is too long", self.line)));
                    }
                }
                Node::End => return Err(self.xml.damaged(format!("a cell of row {} has no end", self.line))),
                _ => {}
            }
        }
        if kind == "inlineStr" {
            return Ok(Ok(text(inline)));
        }
        Ok(self.value(&kind, style, raw))
    }

    fn value(&self, kind: &str, style: Option<usize>, raw: String) -> Result<Value, String> {
        match kind {
            _ if raw.is_empty() => Ok(Value::Null),
            "s" => {
                let shared = raw.trim().parse().ok().and_then(|index| self.book.texts.get(index));
                shared.map(|shared| text(shared.to_owned())).ok_or_else(|| "the cell refers to no text".to_owned())
            }
            "str" => Ok(text(unescaped(raw))),
            "b" => Ok(Value::Bool(matches!(raw.trim(), "1" | "true"))),
            "e" => Err(format!("the cell holds the error {}", raw.trim())),
            "d" => iso_moment(&raw),
            _ => {
                let form = style.and_then(|style| self.book.forms.get(style)).copied().unwrap_or(Form::Number);
                number(&raw, form, self.book.epoch)
            }
        }
    }
}

/// The column of a cell such as `AB12`, from 0.
fn column_of(cell: &str) -> Option<usize> {
    let mut column: usize = 0;
    for letter in cell.bytes().take_while(u8::is_ascii_alphabetic) {
        let digit = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_from_their_letters() {
        let table = [("A1", Some(0)), ("Z9", Some(25)), ("AA10", Some(26)), ("XFD1048576", Some(16_383)), ("12", None)];
        for (cell, column) in table {
            assert_eq!(column_of(cell), column, "{cell}");
        }
        assert_eq!(column_of(&"Z".repeat(100)), None);
    }
}
