//! A row as a reader hands it out, and what can be wrong with one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

use super::column::Column;
use super::value::{Value, shortened};

/// The longest cell that is read.
pub const CELL_BYTES_MAX: usize = 1024 * 1024;

/// The longest row that is read, all its cells together.
pub const ROW_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most columns that a table may have, read or written.
pub const COLUMNS_MAX: usize = 1_000;

/// The names of a table's columns and their order.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Names {
    /// The names, each there once.
    pub fn new(names: Vec<String>) -> Result<Arc<Self>, String> {
        let mut places = HashMap::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            if let Some(first) = places.insert(name.clone(), place) {
                return Err(format!("column {name:?} is there twice, as number {} and {}", first + 1, place + 1));
            }
        }
        Ok(Arc::new(Self { names, places }))
    }

    pub fn as_slice(&self) -> &[String] {
        &self.names
    }
}

/// Where in its file a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Which row it is, counted from 1, wrong ones included, the header not.
    pub row: u64,
    /// The line of the file on which it begins, or the row of the sheet; the header is line 1 of most files.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (line {})", self.row, self.line)
    }
}

/// A row: its cells by the name of their column.
#[derive(Debug, Clone)]
pub struct Row {
    place: Place,
    names: Arc<Names>,
    values: Vec<Value>,
}

impl Row {
    pub(super) fn new(place: Place, names: Arc<Names>, values: Vec<Value>) -> Self {
        Self { place, names, values }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The cell of a column; `None` where the row has no such column.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.names.places.get(name).map(|&place| &self.values[place])
    }

    /// The cells with the names of their columns, in the order of the file.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.names.iter().map(String::as_str).zip(&self.values)
    }

    /// Whether no cell holds anything, as rows below a sheet's last are.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Value::is_null)
    }

    /// The cell of `column` read as its kind; null where the row has no such column.
    ///
    /// # Errors
    /// What is wrong with the cell, for the rejects: place, column, value and what was expected.
    pub fn read(&self, column: &Column) -> Result<Value, BadRow> {
        let Some(value) = self.get(&column.name) else { return Ok(Value::Null) };
        column.kind.read(value).map_err(|expected| BadRow {
            place: self.place,
            column: Some(column.name.clone()),
            value: Some(shortened(&value.to_text()).into_owned()),
            reason: format!("expected {expected}"),
        })
    }
}

/// What is wrong with one row; the rows after it may be well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it stands.
    pub place: Place,
    /// The column that is wrong, where it is one.
    pub column: Option<String>,
    /// What the cell holds, shortened.
    pub value: Option<String>,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl BadRow {
    pub(super) fn new(place: Place, reason: impl Into<String>) -> Self {
        Self { place, column: None, value: None, reason: reason.into() }
    }

    pub(super) fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(value) = &self.value {
            write!(f, ", found {value:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadRow {}

/// Why a reader has no row to hand out.
#[derive(Debug)]
pub enum ReadError {
    /// This row is wrong; reading goes on after it.
    Row(BadRow),
    /// The file cannot be read on. A reader that said so is at its end.
    File(Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(bad) => bad.fmt(f),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Row(_) => None,
            Self::File(error) => error.source(),
        }
    }
}

impl From<BadRow> for ReadError {
    fn from(bad: BadRow) -> Self {
        Self::Row(bad)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::File(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn row() -> Row {
        let names = Names::new(vec!["name".to_owned(), "amount".to_owned()]).unwrap();
        Row::new(Place { row: 2, line: 7 }, names, vec!["Ada".into(), "12,50".into()])
    }

    #[test]
    fn a_cell_that_is_not_of_its_kind_names_place_column_and_value() {
        let bad = row().read(&Column::new("amount", Kind::Decimal { scale: 2 })).unwrap_err();
        assert_eq!(
            bad.to_string(),
            "row 2 (line 7), column \"amount\": expected a number such as 1234.50, with at most 2 digits after the \
             point, found \"12,50\""
        );
    }

    #[test]
    fn cells_are_found_by_name_and_missing_columns_are_null() {
        assert_eq!(row().get("name"), Some(&"Ada".into()));
        assert_eq!(row().get("Name"), None);
        assert_eq!(row().read(&Column::new("email", Kind::Text)), Ok(Value::Null));
        assert!(!row().is_empty());
    }

    #[test]
    fn a_name_twice_is_refused_with_both_places() {
        let names = ["a", "b", "a"].map(str::to_owned).to_vec();
        assert_eq!(Names::new(names).unwrap_err(), "column \"a\" is there twice, as number 1 and 3");
    }
}
