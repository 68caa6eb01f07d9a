//! The header of a file whose first row names the columns.

use std::sync::Arc;

use crate::error::{Error, Result};

use super::row::{BadRow, COLUMNS_MAX, Names, Place, Row};
use super::value::Value;

/// The named columns and where in a row their cells stand.
///
/// Columns without a name are left out, as spreadsheets save them beside a table; a cell in one makes its row bad.
#[derive(Debug)]
pub(super) struct Header {
    names: Arc<Names>,
    /// For each column of the file, its place among the named ones.
    places: Vec<Option<usize>>,
}

impl Header {
    /// The header with these cells, spaces around the names left out.
    pub fn new(line: u64, cells: &[String]) -> Result<Self> {
        let mut names = Vec::new();
        let mut places = Vec::with_capacity(cells.len());
        for cell in cells.iter().map(|cell| cell.trim()) {
            places.push((!cell.is_empty()).then_some(names.len()));
            names.extend((!cell.is_empty()).then(|| cell.to_owned()));
        }
        if names.is_empty() {
            return Err(Error::invalid("the file is empty: its first row must name the columns"));
        }
        if names.len() > COLUMNS_MAX {
            return Err(Error::invalid(format!("line {line} names more than {COLUMNS_MAX} columns")));
        }
        if names.iter().any(|name| name.contains('\0')) {
            return Err(Error::invalid(format!("line {line} holds NUL characters: save the file as UTF-8")));
        }
        let names = Names::new(names).map_err(|problem| Error::invalid(format!("line {line}: {problem}")))?;
        Ok(Self { names, places })
    }

    /// The names in their order.
    pub fn names(&self) -> &[String] {
        self.names.as_slice()
    }

    /// How many cells a row has.
    pub fn width(&self) -> usize {
        self.places.len()
    }

    /// What to call the column at `index` in a message.
    pub fn name_of(&self, index: usize) -> String {
        match self.places.get(index).copied().flatten() {
            Some(place) => self.names()[place].clone(),
            None => (index + 1).to_string(),
        }
    }

    /// The row with these cells, which may be fewer than the header has.
    ///
    /// # Errors
    /// A cell holds something where the header has no name.
    pub fn row(&self, place: Place, cells: impl IntoIterator<Item = (usize, Value)>) -> Result<Row, BadRow> {
        let mut values = vec![Value::Null; self.names().len()];
        for (index, value) in cells {
            match self.places.get(index).copied().flatten() {
                Some(column) => values[column] = value,
                None if value.is_null() => {}
                None => {
                    let reason = format!("the header has no name for this column, which holds {}", value.described());
                    return Err(BadRow::new(place, reason).in_column((index + 1).to_string()));
                }
            }
        }
        Ok(Row::new(place, Arc::clone(&self.names), values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cells: &[&str]) -> Result<Header> {
        Header::new(1, &cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn columns_without_a_name_are_left_out_as_long_as_they_are_empty() {
        let header = header(&["", " name ", "", "amount", ""]).unwrap();
        assert_eq!(header.names(), ["name", "amount"]);
        assert_eq!((header.name_of(3), header.name_of(2)), ("amount".to_owned(), "3".to_owned()));
        let place = Place { row: 1, line: 2 };
        let row = header.row(place, [(1, "Ada".into()), (2, Value::Null), (3, 5.into())]).unwrap();
        assert_eq!(row.cells().collect::<Vec<_>>(), [("name", &"Ada".into()), ("amount", &5.into())]);
        let bad = header.row(place, [(2, "x".into())]).unwrap_err();
        assert_eq!(
            bad.to_string(),
            "row 1 (line 2), column \"3\": the header has no name for this column, which holds the text \"x\""
        );
    }

    #[test]
    fn headers_that_name_nothing_or_something_twice_are_refused() {
        let problem = |cells: &[&str]| header(cells).unwrap_err().to_string();
        assert_eq!(problem(&["", " "]), "the file is empty: its first row must name the columns");
        assert_eq!(problem(&["a", "b", "a "]), "line 1: column \"a\" is there twice, as number 1 and 3");
        assert_eq!(problem(&["a\0"]), "line 1 holds NUL characters: save the file as UTF-8");
        assert_eq!(problem(&vec!["a"; COLUMNS_MAX + 1]), "line 1 names more than 1000 columns");
    }
}
