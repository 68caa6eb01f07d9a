//! How the rows of a file become rows of a table: which column is which, and what a cell may hold.

use std::collections::HashMap;
use std::str::FromStr;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::payload::Order;
use super::reject::Reject;
use crate::builtin::portfolio::{Currency, Field, Holds, Money, Sign, Table};
use crate::format::{Column, Kind, Place, Row, Value};

/// Columns of one row that are told to be none of the table.
const STRAYS_MAX: usize = 20;

const ID_MAX_BYTES: usize = 64;
const ENTRY_MAX_BYTES: usize = 256;
const NAME_MAX_BYTES: usize = 256;
const EMAIL_MAX_BYTES: usize = 254;
const TEXT_MAX_BYTES: usize = 4_096;
/// The most decimals that a currency has.
const DECIMALS_MAX: u32 = 4;

/// A row of the file that may become one of the table: a cell for each of the table's fields, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub place: Place,
    pub cells: Vec<Cell>,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Nothing,
    Text(String),
    Date(NaiveDate),
    /// An amount before its currency is known.
    Number(Decimal),
    Money(Money),
}

impl Cell {
    /// A text, or nothing.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// The columns of a file and what becomes of them.
#[derive(Debug)]
pub(super) struct Shape {
    table: &'static Table,
    /// For each field of the table, the column of the file.
    columns: Vec<Column>,
    /// For each column that may be there, which field it is; nothing where it is left out.
    places: HashMap<String, Option<usize>>,
}

impl Shape {
    /// The shape of whatever file the order is about.
    pub fn new(order: &Order) -> Self {
        let table = order.target;
        let name = |field: &'static Field| {
            let mapped = order.mapping.iter().find(|(_, known)| **known == Some(field));
            mapped.map_or(field.name, |(column, _)| column.as_str())
        };
        let columns: Vec<_> = table.fields.iter().map(|field| Column::new(name(field), kind(field.holds))).collect();
        let mut places: HashMap<_, _> =
            columns.iter().enumerate().map(|(index, column)| (column.name.clone(), Some(index))).collect();
        let left_out = order.mapping.iter().filter(|(_, field)| field.is_none());
        places.extend(left_out.map(|(column, _)| (column.clone(), None)));
        Self { table, columns, places }
    }

    /// Holds the header of a file against the shape.
    ///
    /// # Errors
    /// Everything that does not fit, and what to do about it.
    pub fn check_header(&self, order: &Order, header: &[String]) -> Result<(), String> {
        let mut problems = Vec::new();
        let is_there = |name: &str| header.iter().any(|column| column == name);
        let unknown: Vec<_> = header.iter().filter(|name| !self.places.contains_key(*name)).collect();
        if !unknown.is_empty() {
            let quoted: Vec<_> = unknown.iter().take(20).map(|name| format!("{name:?}")).collect();
            problems.push(format!("unknown {} {}", plural(unknown.len(), "column"), quoted.join(", ")));
        }
        for (column, field) in &order.mapping {
            if field.is_some() && !is_there(column) {
                problems.push(format!("column {column:?} of the mapping is not in the file"));
            }
        }
        for (field, column) in self.table.fields.iter().zip(&self.columns) {
            let name = &column.name;
            // A column of the mapping that is not there is told above.
            let is_told = order.mapping.contains_key(name);
            if field.required && self.is_left_out(name) {
                problems.push(format!("column {name:?} is needed, and the mapping leaves it out"));
            } else if field.required && !is_there(name) && !is_told {
                problems.push(format!("column {name:?} is missing"));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let columns = self
            .table
            .fields
            .iter()
            .map(|field| if field.required { field.name.to_owned() } else { format!("{}?", field.name) });
        let columns: Vec<_> = columns.collect();
        Err(format!(
            "{}: rename the columns, or name them in mapping (null leaves one out); {} has {}, those with ? may be missing",
            problems.join("; "),
            self.table.name,
            columns.join(", ")
        ))
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self, row: &Row) -> Result<Record, Vec<Reject>> {
        let place = row.place();
        let mut rejects = Vec::new();
        for (name, value) in row.cells() {
            if !self.places.contains_key(name) && rejects.len() < STRAYS_MAX {
                let reason = format!("is no column of {}: leave it out, or map it to null", self.table.name);
                rejects.push(Reject::new(place, name, &value.to_text(), reason));
            }
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        for (field, column) in self.table.fields.iter().zip(&self.columns) {
            match self.cell(row, field, column) {
                Ok(Cell::Nothing) if field.required => rejects.push(Reject::new(place, &column.name, "", "is missing")),
                Ok(cell) => cells.push(cell),
                Err(reject) => rejects.push(reject),
            }
        }
        if rejects.is_empty() { Ok(Record { place, cells }) } else { Err(rejects) }
    }

    /// What the column of a field is called in the file.
    pub fn column_of<'s>(&'s self, field: &'s str) -> &'s str {
        let index = self.table.fields.iter().position(|known| known.name == field);
        index.map_or(field, |index| &self.columns[index].name)
    }

    fn is_left_out(&self, column: &str) -> bool {
        self.places.get(column) == Some(&None)
    }

    fn cell(&self, row: &Row, field: &Field, column: &Column) -> Result<Cell, Reject> {
        if self.is_left_out(&column.name) {
            return Ok(Cell::Nothing);
        }
        let found = row.get(&column.name);
        let wrong = |expected: String| {
            let text = found.map(Value::to_text).unwrap_or_default();
            Reject::new(row.place(), &column.name, &text, expected)
        };
        match row.read(column)? {
            Value::Null => Ok(Cell::Nothing),
            Value::Date(date) => Ok(Cell::Date(date)),
            Value::Decimal(number) => amount(field.holds, number).map_err(wrong),
            other => {
                let text = other.to_text();
                // Spaces around an id were never meant; those around a text may have been.
                let text = if matches!(field.holds, Holds::Text | Holds::Name) { &*text } else { text.trim() };
                match text.trim().is_empty() {
                    true => Ok(Cell::Nothing),
                    false => check(field.holds, text).map(|()| Cell::Text(text.to_owned())).map_err(wrong),
                }
            }
        }
    }
}

/// How a cell is read before it is looked at.
fn kind(holds: Holds) -> Kind {
    match holds {
        Holds::Date => Kind::Date,
        Holds::Money(_) => Kind::Decimal { scale: DECIMALS_MAX },
        _ => Kind::Text,
    }
}

fn amount(holds: Holds, number: Decimal) -> Result<Cell, String> {
    match holds {
        Holds::Money(Sign::Positive) if number <= Decimal::ZERO => Err("expected an amount of more than 0".to_owned()),
        Holds::Money(Sign::NotNegative) if number < Decimal::ZERO => Err("expected an amount of 0 or more".to_owned()),
        _ => Ok(Cell::Number(number)),
    }
}

/// Whether a text is one of its kind; what was expected where it is not.
fn check(holds: Holds, text: &str) -> Result<(), String> {
    let capitals = |count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_plain = !text.chars().any(|letter| letter.is_control());
    let (is_sound, expected) = match holds {
        Holds::Id | Holds::Reference(_) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            let is_sound = text.len() <= ID_MAX_BYTES && text.bytes().all(allowed);
            (is_sound, "an id: letters, digits, _ . - and at most 64 of them".to_owned())
        }
        Holds::Entry => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/:".contains(&byte);
            let is_sound = text.len() <= ENTRY_MAX_BYTES && text.bytes().all(allowed);
            (is_sound, format!("an id: letters, digits, _ . - / : and at most {ENTRY_MAX_BYTES} of them"))
        }
        Holds::Email => (is_plain && is_address(text), "an address such as ada@example.com".to_owned()),
        Holds::Country => (capitals(2), "a country by its two capital letters, such as NG".to_owned()),
        Holds::Currency => {
            (Currency::from_str(text).is_ok(), "a currency by its three capital letters, such as NGN".to_owned())
        }
        Holds::Name => (
            is_plain && text.len() <= NAME_MAX_BYTES,
            format!("at most {NAME_MAX_BYTES} bytes without control characters"),
        ),
        _ => {
            let is_readable = text.chars().all(|letter| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t'));
            (
                is_readable && text.len() <= TEXT_MAX_BYTES,
                format!("at most {TEXT_MAX_BYTES} bytes without control characters"),
            )
        }
    };
    if is_sound { Ok(()) } else { Err(format!("expected {expected}")) }
}

/// Enough to tell an address from something else; whether it takes mail, the mail server says.
fn is_address(text: &str) -> bool {
    let is_domain = |domain: &str| !domain.is_empty() && !domain.starts_with('.') && !domain.ends_with('.');
    let parts = text.rsplit_once('@');
    text.len() <= EMAIL_MAX_BYTES
        && !text.contains(char::is_whitespace)
        && parts.is_some_and(|(name, domain)| !name.is_empty() && is_domain(domain))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

#[cfg(test)]
mod tests {
    use super::super::payload;
    use super::*;
    use crate::format::{Format, ReadError, ReadOptions};

    const HEADER: &str = "id,name,email,country,taxId,joinedOn";

    fn order(mapping: &str) -> Order {
        payload::read(&format!(r#"{{"source":"a.csv","target":"investors","mapping":{mapping}}}"#)).unwrap()
    }

    fn header(mapping: &str, header: &str) -> Result<(), String> {
        let order = order(mapping);
        let names: Vec<_> = header.split(',').map(str::to_owned).collect();
        Shape::new(&order).check_header(&order, &names)
    }

    /// The rows of a table in a format, each as its record or as what is wrong with it.
    fn rows(target: &str, format: Format, text: &str) -> Vec<Result<Vec<Cell>, Vec<String>>> {
        let order = payload::read(&format!(r#"{{"source":"a.csv","target":"{target}"}}"#)).unwrap();
        let shape = Shape::new(&order);
        let mut reader = format.reader(text.as_bytes(), &ReadOptions::default()).unwrap();
        let mut rows = Vec::new();
        loop {
            let read = match reader.next_row() {
                Ok(None) => return rows,
                Ok(Some(row)) => shape.read(&row),
                Err(ReadError::Row(bad)) => Err(vec![bad.into()]),
                Err(ReadError::File(error)) => panic!("{error}"),
            };
            let said = |rejects: Vec<Reject>| rejects.iter().map(Reject::said).collect();
            rows.push(read.map(|record| record.cells).map_err(said));
        }
    }

    #[test]
    fn a_header_that_does_not_fit_is_told_with_everything_that_is_wrong() {
        assert_eq!(header("{}", HEADER), Ok(()));
        assert_eq!(header("{}", "joinedOn,country,id,name"), Ok(()), "what may be missing is, and the order is free");
        assert_eq!(header(r#"{"Full name":"name","x":null}"#, "id,Full name,country,joinedOn,x"), Ok(()));
        assert_eq!(header(r#"{"email":null,"absent":null}"#, HEADER), Ok(()));
        let needed = header(r#"{"name":null}"#, HEADER).unwrap_err();
        assert!(needed.starts_with("column \"name\" is needed, and the mapping leaves it out"), "{needed}");
        let wrong = header(r#"{"Mail":"email"}"#, "id,Name,e-mail,country").unwrap_err();
        assert!(
            wrong.starts_with(
                "unknown columns \"Name\", \"e-mail\"; column \"Mail\" of the mapping is not in the file; column \"name\" \
                 is missing; column \"joinedOn\" is missing: rename the columns"
            ),
            "{wrong}"
        );
        assert!(
            wrong.ends_with("investors has id, name, email?, country, taxId?, joinedOn, those with ? may be missing")
        );
    }

    #[test]
    fn cells_are_read_by_what_their_column_holds() {
        let text = format!("{HEADER}\n 456 ,Ada,,NG,\"\",2024-01-31\nx y,,a@,ng,t,31.1.2024\n");
        let rows = rows("investors", Format::Csv, &text);
        let word = |text: &str| Cell::Text(text.to_owned());
        let date = Cell::Date("2024-01-31".parse().unwrap());
        assert_eq!(rows[0], Ok(vec![word("456"), word("Ada"), Cell::Nothing, word("NG"), Cell::Nothing, date]));
        let rejects = rows[1].clone().unwrap_err();
        let expected = [
            "line 3, column \"id\": expected an id: letters, digits, _ . - and at most 64 of them, found \"x y\"",
            "line 3, column \"name\": is missing",
            "line 3, column \"email\": expected an address such as ada@example.com, found \"a@\"",
            "line 3, column \"country\": expected a country by its two capital letters, such as NG, found \"ng\"",
            "line 3, column \"joinedOn\": expected a date such as 2024-01-31, found \"31.1.2024\"",
        ];
        assert_eq!(rejects, expected);
    }

    #[test]
    fn amounts_are_exact_numbers_of_the_sign_that_their_column_takes() {
        let row = |amount: &str| {
            format!(r#"{{"id":1,"propertyId":2,"investorId":"3","amount":{amount},"investedOn":"2024-01-31"}}"#)
        };
        let cell =
            |amount: &str| rows("investments", Format::Ndjson, &row(amount)).remove(0).map(|mut cells| cells.remove(3));
        assert_eq!(cell("12.50"), Ok(Cell::Number("12.5".parse().unwrap())));
        assert_eq!(cell("\"1000000000000.01\""), Ok(Cell::Number("1000000000000.01".parse().unwrap())));
        for (amount, part) in [
            ("0", "more than 0"),
            ("-1", "more than 0"),
            ("\"1,5\"", "expected a number"),
            ("1.00001", "at most 4 digits"),
            ("true", "expected a number"),
            ("null", "is missing"),
        ] {
            let said = cell(amount).unwrap_err().join("; ");
            assert!(said.contains(part), "{amount}: {said}");
        }
    }

    #[test]
    fn a_row_that_names_its_own_columns_is_held_against_the_table() {
        let rows =
            rows("investors", Format::Json, r#"[{"id":1,"name":"A","country":"NG","joinedOn":"2024-01-31","age":5}]"#);
        assert_eq!(
            rows[0].clone().unwrap_err(),
            ["line 1, column \"age\": is no column of investors: leave it out, or map it to null, found \"5\""]
        );
    }

    #[test]
    fn a_cell_that_is_far_too_long_is_rejected_in_few_words() {
        let text = format!("{HEADER}\n1,{},,NG,,2024-01-31\n", "x".repeat(1_000_000));
        let said = rows("investors", Format::Csv, &text).remove(0).unwrap_err();
        assert!(
            said[0].starts_with("line 2, column \"name\": expected at most 4096 bytes") && said[0].len() < 250,
            "{said:?}"
        );
    }
}
