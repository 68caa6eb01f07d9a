//! The rows of an OpenDocument sheet, one after the other (OpenDocument 1.3, part 3).

use std::collections::HashSet;

use crate::error::Result;

use super::super::row::CELL_BYTES_MAX;
use super::super::value::Value;
use super::book::{SHEETS_MAX, no_sheet, sheet_name};
use super::cells::{SHEET_COLUMNS_MAX, SheetRow, iso_moment, number, text};
use super::package::{Package, WORKBOOK_EXPANDED_BYTES_MAX, too_much_expanded};
use super::serial::Epoch;
use super::sheet::SHEET_ROWS_MAX;
use super::styles::Form;
use super::xml::{Node, Tag, Xml};

const CONTENT: &str = "content.xml";

/// Reads a sheet.
pub(super) struct OdsSheet {
    xml: Xml,
    line: u64,
    /// A row that stands for several, and how many more of it there are.
    repeated: Option<(SheetRow, u64)>,
    /// What the rows so far would take if each cell of them were written out.
    written_bytes: u64,
    /// The sheet is read; what follows it is read only for the checksum at the end.
    is_past: bool,
    is_over: bool,
}

impl OdsSheet {
    /// Whether the workbook is of this kind.
    pub fn is_kind_of(package: &Package) -> bool {
        package.has(CONTENT)
    }

    /// Finds the sheet of this name, or the first that is not hidden.
    pub fn open(package: &Package, wanted: Option<&str>) -> Result<Self> {
        let mut xml = Xml::new(CONTENT, package.open(CONTENT)?);
        let mut names = Vec::new();
        let mut hidden = HashSet::new();
        let mut style = String::new();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "style" => style = sheet_name(&tag),
                Node::Open(tag) if tag.name() == "table-properties" => {
                    let is_hidden = tag.attribute("display").is_some_and(|shown| shown == "false");
                    hidden.extend(is_hidden.then(|| style.clone()));
                    if hidden.len() > SHEETS_MAX {
                        return Err(xml.damaged(format!("there are more than {SHEETS_MAX} hidden styles")));
                    }
                }
                Node::Open(tag) if tag.name() == "table" => {
                    if names.len() == SHEETS_MAX {
                        return Err(xml.damaged(format!("there are more than {SHEETS_MAX} sheets")));
                    }
                    let name = sheet_name(&tag);
                    let is_hidden = tag.attribute("style-name").is_some_and(|style| hidden.contains(&style));
                    if wanted.map_or(!is_hidden, |wanted| wanted == name) {
                        return Ok(Self {
                            xml,
                            line: 0,
                            repeated: None,
                            written_bytes: 0,
                            is_past: false,
                            is_over: false,
                        });
                    }
                    names.push(format!("{name:?}"));
                }
                Node::End => return Err(no_sheet(wanted, &names)),
                _ => {}
            }
        }
    }

    /// The next row that holds something; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<SheetRow>> {
        loop {
            if let Some((row, left)) = &mut self.repeated
                && *left > 0
            {
                *left -= 1;
                self.line = self.line.saturating_add(1);
                if self.line > SHEET_ROWS_MAX {
                    return Err(self.xml.damaged(format!("the sheet has more than {SHEET_ROWS_MAX} rows")));
                }
                row.line = self.line;
                return Ok(Some(row.clone()));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.xml.next()? {
                Node::Open(tag) if !self.is_past && tag.name() == "table-row" => {
                    let count = count(&tag, "number-rows-repeated");
                    let row = self.read_row()?;
                    // What is below the last row is often said to be a million empty ones.
                    if row.cells.is_empty() {
                        self.line = self.line.saturating_add(count);
                    } else {
                        self.bound(&row, count)?;
                        self.repeated = Some((row, count));
                    }
                }
                Node::Close(name) if name == "table" => self.is_past = true,
                Node::End => self.is_over = true,
                _ => {}
            }
        }
    }

    /// A few bytes may stand for a sheet full of cells: no more of them than a workbook may hold.
    fn bound(&mut self, row: &SheetRow, count: u64) -> Result<()> {
        let rows = count.min(SHEET_ROWS_MAX);
        self.written_bytes = self.written_bytes.saturating_add(row.written_bytes().saturating_mul(rows));
        if self.written_bytes > WORKBOOK_EXPANDED_BYTES_MAX { Err(too_much_expanded()) } else { Ok(()) }
    }

    fn read_row(&mut self) -> Result<SheetRow> {
        let mut row = SheetRow::new(self.line.saturating_add(1));
        let mut column: usize = 0;
        loop {
            match self.xml.next()? {
                Node::Open(tag) if is_cell(tag.name()) => {
                    let count = usize::try_from(count(&tag, "number-columns-repeated")).unwrap_or(usize::MAX);
                    let value = self.read_cell(&tag)?;
                    let end = column.saturating_add(count);
                    if value != Ok(Value::Null) {
                        if end > SHEET_COLUMNS_MAX {
                            return Err(self.xml.damaged(format!("a row has more than {SHEET_COLUMNS_MAX} columns")));
                        }
                        (column..end).for_each(|column| row.push(column, value.clone()));
                    }
                    column = end;
                }
                Node::Close(name) if name == "table-row" => return Ok(row),
                Node::End => return Err(self.xml.damaged("a row has no end")),
                _ => {}
            }
        }
    }

    fn read_cell(&mut self, cell: &Tag) -> Result<Result<Value, String>> {
        let shown = self.read_paragraphs()?;
        let attribute = |name: &str| cell.attribute(name).unwrap_or_default();
        // The type of an error is said beside that of the value, under a name that is the same without its prefix.
        if is_error(&shown) && cell.attribute("formula").is_some() {
            return Ok(Err(format!("the cell holds the error {shown}")));
        }
        Ok(match attribute("value-type").as_str() {
            "float" | "percentage" | "currency" => number(&attribute("value"), Form::Number, Epoch::default()),
            "date" => iso_moment(&attribute("date-value")),
            "boolean" => Ok(Value::Bool(attribute("boolean-value") == "true")),
            // What is shown of a time is what a person reads; the value is written PT10H30M00S.
            _ => Ok(text(cell.attribute("string-value").unwrap_or(shown))),
        })
    }

    /// Reads the text of a cell up to its closing tag: its paragraphs, without remarks.
    fn read_paragraphs(&mut self) -> Result<String> {
        let mut text = String::new();
        let (mut paragraphs, mut remarks) = (0_u64, 0_u64);
        let mut is_paragraph = false;
        loop {
            match self.xml.next()? {
                Node::Open(tag) if tag.name() == "annotation" => remarks += 1,
                Node::Close(name) if name == "annotation" => remarks = remarks.saturating_sub(1),
                Node::Close(name) if is_cell(&name) => return Ok(text),
                Node::End => return Err(self.xml.damaged("a cell has no end")),
                _ if remarks > 0 => {}
                Node::Open(tag) => match tag.name() {
                    "p" => {
                        text.extend((paragraphs > 0).then_some('\n'));
                        paragraphs += 1;
                        is_paragraph = true;
                    }
                    "s" => {
                        let spaces = usize::try_from(count(&tag, "c")).unwrap_or(usize::MAX);
                        text.push_str(&" ".repeat(spaces.min(CELL_BYTES_MAX + 1)));
                    }
                    "tab" => text.push('\t'),
                    "line-break" => text.push('\n'),
                    _ => {}
                },
                Node::Close(name) if name == "p" => is_paragraph = false,
                Node::Text(part) if is_paragraph => text.push_str(&part),
                Node::Close(_) | Node::Text(_) => {}
            }
            if text.len() > CELL_BYTES_MAX {
                return Err(self.xml.damaged(format!("a text is longer than {CELL_BYTES_MAX} bytes")));
            }
        }
    }
}

fn is_cell(name: &str) -> bool {
    matches!(name, "table-cell" | "covered-table-cell")
}

/// How often something is there, at least once.
fn count(tag: &Tag, name: &str) -> u64 {
    tag.attribute(name).and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
}

/// What programs show where a formula came to nothing.
fn is_error(shown: &str) -> bool {
    shown.starts_with('#') && shown.ends_with(['!', '?', 'A']) || shown.starts_with("Err:")
}
