//! JSON to rows, one object after the other.

use std::io::Read;
use std::sync::Arc;

use crate::error::Result;

use super::super::compression::Source;
use super::super::options::ReadOptions;
use super::super::reader::{RowReader, unread};
use super::super::row::{BadRow, Names, Place, ROW_BYTES_MAX, ReadError, Row};
use super::super::text::Text;
use super::Layout;
use super::object::Object;
use super::pieces::{Piece, Pieces};

/// Reads objects, each a row that names its own columns.
pub struct JsonReader<R: Read> {
    pieces: Pieces<Source<R>>,
    piece: Piece,
    /// The names of the last row: most rows share them.
    names: Option<Arc<Names>>,
    rows: u64,
    is_over: bool,
}

impl<R: Read> JsonReader<R> {
    /// A reader that has read nothing yet.
    pub fn new(source: R, options: &ReadOptions, layout: Layout) -> Result<Self> {
        let text = Text::new(options.compression.source(source).map_err(unread)?);
        let pieces = Pieces::new(text, layout);
        Ok(Self { pieces, piece: Piece::default(), names: None, rows: 0, is_over: false })
    }

    fn row(&mut self) -> Result<Row, BadRow> {
        let place = Place { row: self.rows, line: self.piece.line };
        if self.piece.is_too_long {
            return Err(BadRow::new(place, format!("the row is longer than {ROW_BYTES_MAX} bytes")));
        }
        let object: Object = serde_json::from_slice(&self.piece.bytes).map_err(|error| not_json(place, &error))?;
        if let Some((column, problem)) = object.fault {
            let bad = BadRow::new(place, problem);
            return Err(match column {
                Some(column) => bad.in_column(column),
                None => bad,
            });
        }
        let names = match &self.names {
            Some(names) if names.as_slice() == object.names => Arc::clone(names),
            _ => Names::new(object.names).map_err(|problem| BadRow::new(place, problem))?,
        };
        self.names = Some(Arc::clone(&names));
        Ok(Row::new(place, names, object.values))
    }
}

impl<R: Read + Send> RowReader for JsonReader<R> {
    fn columns(&self) -> Option<&[String]> {
        None
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        match self.pieces.read(&mut self.piece) {
            Ok(true) => {
                self.rows += 1;
                Ok(Some(self.row()?))
            }
            ended => {
                self.is_over = true;
                ended?;
                Ok(None)
            }
        }
    }
}

/// The message of the parser, with the place in the file instead of that in the row.
fn not_json(place: Place, error: &serde_json::Error) -> BadRow {
    if error.is_data() {
        return BadRow::new(place, "expected an object such as {\"name\": \"Ada\", \"amount\": \"12.50\"}");
    }
    let said = error.to_string();
    let problem = said.rsplit_once(" at line ").map_or(said.as_str(), |(problem, _)| problem);
    let line = place.line + (error.line() as u64).saturating_sub(1);
    BadRow::new(place, format!("the row is not valid JSON: {problem}, at character {} of line {line}", error.column()))
}

#[cfg(test)]
mod tests {
    use super::super::super::value::Value;
    use super::*;

    /// Every row as its cells, with a line for each that is wrong and for what ended the reading.
    fn rows(text: &str, layout: Layout) -> Vec<String> {
        let mut reader = JsonReader::new(text.as_bytes(), &ReadOptions::default(), layout).unwrap();
        let mut rows = Vec::new();
        loop {
            match reader.next_row() {
                Ok(Some(row)) => {
                    let cells = row.cells().map(|(name, value)| match value {
                        Value::Null => format!("{name}=null"),
                        value => format!("{name}={}", value.described()),
                    });
                    rows.push(cells.collect::<Vec<_>>().join(" "));
                }
                Ok(None) => return rows,
                Err(error) => rows.push(error.to_string()),
            }
        }
    }

    #[test]
    fn arrays_and_lines_are_read_object_by_object() {
        let objects = [
            r#"{"a": "x, ]} \" \u00e4", "b": 1}"#,
            r#"{"b": -0.10, "c": null, "d": true}"#,
            r#"{"b": 12345678901234567.89, "a": 1e2}"#,
            "{}",
        ];
        let expected = [
            "a=the text \"x, ]} \\\" ä\" b=the number 1",
            "b=the number -0.1 c=null d=true",
            "b=the number 12345678901234567.89 a=the number 100",
            "",
        ];
        assert_eq!(rows(&format!(" [{}] \n", objects.join(" ,\n ")), Layout::Array), expected);
        assert_eq!(rows(&format!("\u{feff}[{}]", objects.join(",")), Layout::Array), expected);
        assert_eq!(rows(&objects.join("\r\n\r\n"), Layout::Lines), expected);
        assert_eq!(rows("[]", Layout::Array), Vec::<String>::new());
        assert_eq!(rows(" \n", Layout::Lines), Vec::<String>::new());
    }

    #[test]
    fn a_row_that_is_wrong_is_named_and_the_next_one_is_read() {
        let text = "[\n{\"a\": [1, {}]},\n5,\n{\"a\": 1 \"b\"},\n,{\"a\": 1, \"a\": 2},\n{\"a\": 1e99},\n{\"a\": 7}]";
        let expected = [
            "row 1 (line 2), column \"a\": a cell is a text, a number, true, false or null, found [1, {}]",
            "row 2 (line 3): expected an object such as {\"name\": \"Ada\", \"amount\": \"12.50\"}",
            "row 3 (line 4): the row is not valid JSON: expected `,` or `}`, at character 9 of line 4",
            "row 4 (line 5): the row is not valid JSON: EOF while parsing a value, at character 0 of line 5",
            "row 5 (line 5): column \"a\" is there twice, as number 1 and 2",
            "row 6 (line 6), column \"a\": the number 1e99 has more digits than can be kept, 28 with those after the point",
            "a=the number 7",
        ];
        assert_eq!(rows(text, Layout::Array), expected);
        let lines = rows("{\"a\": 1}}\nnull\n{\"a\": \"\\ud800\"}\n{\"a\": 7}\n", Layout::Lines);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("row 1 (line 1): the row is not valid JSON: trailing characters"), "{}", lines[0]);
        assert_eq!(lines[3], "a=the number 7");
    }

    #[test]
    fn a_file_that_is_no_array_is_refused_and_one_that_is_cut_off_too() {
        let last = |text: &str| rows(text, Layout::Array).pop().unwrap_or_default();
        assert!(last("").starts_with("the file is empty"), "{}", last(""));
        assert!(last("{\"a\": 1}").ends_with("where each line is an object, its format is ndjson"));
        assert!(last("\n\"x\"").contains("is not an array of objects"));
        assert_eq!(last("[{\"a\": 1}, {\"a\": 2"), "the array is never closed: the file is cut off");
        assert_eq!(last("[{\"a\": 1}"), "the array is never closed: the file is cut off");
        assert_eq!(last("[{\"a\": \"]}"), "the array is never closed: the file is cut off");
        assert_eq!(last("[{\"a\": 1}]\n[]"), "line 2: text follows the end of the array");
    }

    #[test]
    fn a_row_over_the_limit_costs_itself_alone() {
        let long = "x".repeat(ROW_BYTES_MAX);
        let cells = "y".repeat(super::super::super::row::CELL_BYTES_MAX);
        for (layout, open, between, close) in [(Layout::Array, "[", ",", "]"), (Layout::Lines, "", "\n", "")] {
            let objects = [
                format!("{{\"a\": \"{long}\"}}"),
                format!("{{\"a\": \"{cells}\"}}"),
                format!("{{\"a\": \"{cells}y\"}}"),
                "{\"a\": 7}".to_owned(),
            ];
            let rows = rows(&format!("{open}{}{close}", objects.join(between)), layout);
            assert_eq!(rows.len(), 4);
            assert!(rows[0].ends_with(": the row is longer than 8388608 bytes"), "{}", rows[0]);
            assert!(rows[1].starts_with("a=the text \"yyy"), "{}", &rows[1][..80]);
            assert!(rows[2].ends_with(", column \"a\": the cell is longer than 1048576 bytes"), "{}", rows[2]);
            assert_eq!(rows[3], "a=the number 7");
        }
    }
}
