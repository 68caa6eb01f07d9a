//! Cells and rows that are not taken, and why.

use crate::format::{BadRow, Place};

const COLUMN_MAX_CHARS: usize = 200;
const VALUE_MAX_CHARS: usize = 80;

/// Something that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reject {
    pub place: Place,
    /// The column of the file; empty where it is the whole row.
    pub column: String,
    /// What the cell holds, or its beginning.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reject {
    pub fn new(place: Place, column: &str, value: &str, reason: impl Into<String>) -> Self {
        let (column, value) = (shortened(column, COLUMN_MAX_CHARS), shortened(value, VALUE_MAX_CHARS));
        Self { place, column, value, reason: shortened(&reason.into(), 500) }
    }

    /// One line, for a message.
    pub fn said(&self) -> String {
        let Self { place, column, value, reason } = self;
        let column = if column.is_empty() { String::new() } else { format!(", column {column:?}") };
        let value = if value.is_empty() { String::new() } else { format!(", found {value:?}") };
        format!("line {}{column}: {reason}{value}", place.line)
    }
}

impl From<BadRow> for Reject {
    fn from(bad: BadRow) -> Self {
        let (column, value) = (bad.column.unwrap_or_default(), bad.value.unwrap_or_default());
        Self::new(bad.place, &column, &value, bad.reason)
    }
}

/// Without NUL, which PostgreSQL keeps in no text.
fn shortened(text: &str, most: usize) -> String {
    let mut short: String =
        text.chars().take(most).map(|letter| if letter == '\0' { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}
