//! CSV to rows: the delimiter is found from the header.

use std::io::Read;

use crate::error::{Error, Result};

use super::super::compression::Source;
use super::super::guard::Guard;
use super::super::header::Header;
use super::super::options::ReadOptions;
use super::super::reader::{RowReader, unread};
use super::super::row::{BadRow, COLUMNS_MAX, Place, ReadError, Row};
use super::super::text::Text;
use super::super::value::Value;
use super::record::{Record, Records};

/// Reads CSV with a header.
pub struct CsvReader<R: Read> {
    records: Records<Source<R>>,
    record: Record,
    header: Header,
    delimiter: u8,
    guard: Guard,
    rows: u64,
    is_over: bool,
}

impl<R: Read> CsvReader<R> {
    /// A reader that has read the header.
    pub fn new(source: R, options: &ReadOptions) -> Result<Self> {
        let mut text = Text::new(options.compression.source(source).map_err(unread)?);
        let delimiter = delimiter_of(text.chunk()?);
        let mut records = Records::new(text, delimiter);
        let mut record = Record::default();
        let header = read_header(&mut records, &mut record, delimiter, options.guard)?;
        Ok(Self { records, record, header, delimiter, guard: options.guard, rows: 0, is_over: false })
    }

    /// Reads the next record that is a row; `false` at the end.
    fn read_record(&mut self) -> Result<bool> {
        let width = self.header.width();
        loop {
            if !self.records.read(&mut self.record, width)? {
                return Ok(false);
            }
            // In a table of one column an empty line is a cell that holds nothing.
            if width == 1 || !self.record.is_blank() {
                return Ok(true);
            }
        }
    }

    fn row(&self) -> Result<Row, BadRow> {
        let (record, header) = (&self.record, &self.header);
        let place = Place { row: self.rows, line: record.line };
        if let Some((cell, reason)) = &record.fault {
            return Err(BadRow::new(place, reason.as_str()).in_column(header.name_of(*cell)));
        }
        if record.cells != header.width() {
            let (cells, names) = (record.cells, header.width());
            return Err(BadRow::new(place, format!("the row has {cells} cells, the header {names}")));
        }
        header.row(place, (0..record.cells).map(|index| (index, self.value(index))))
    }

    fn value(&self, index: usize) -> Value {
        let (text, is_quoted) = self.record.cell(index);
        match text.is_empty() && !is_quoted {
            true => Value::Null,
            false => Value::Text(self.guard.take_off(&text, self.delimiter).into_owned()),
        }
    }
}

impl<R: Read + Send> RowReader for CsvReader<R> {
    fn columns(&self) -> Option<&[String]> {
        Some(self.header.names())
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        match self.read_record() {
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

/// Reads the first line that is not empty.
fn read_header<R: Read>(records: &mut Records<R>, record: &mut Record, delimiter: u8, guard: Guard) -> Result<Header> {
    while records.read(record, COLUMNS_MAX + 1)? {
        if record.is_blank() {
            continue;
        }
        let line = record.line;
        if let Some((cell, reason)) = &record.fault {
            return Err(Error::invalid(format!("line {line}, cell {} of the header: {reason}", cell + 1)));
        }
        if record.cells > COLUMNS_MAX {
            return Err(Error::invalid(format!("line {line} has more than {COLUMNS_MAX} columns")));
        }
        let names = (0..record.cells).map(|index| guard.take_off(&record.cell(index).0, delimiter).into_owned());
        return Header::new(line, &names.collect::<Vec<_>>());
    }
    Header::new(1, &[])
}

/// Of comma, semicolon and tab, the one that the first line has most of outside quotes; the comma where it has none.
fn delimiter_of(beginning: &[u8]) -> u8 {
    let is_end_of_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = beginning.iter().position(|byte| !is_end_of_line(byte)).unwrap_or_default();
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in &beginning[start..] {
        match byte {
            b'"' => is_quoted = !is_quoted,
            byte if !is_quoted && is_end_of_line(byte) => break,
            byte if !is_quoted => {
                counts.iter_mut().filter(|(known, _)| known == byte).for_each(|(_, count)| *count += 1)
            }
            _ => {}
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    use super::super::super::row::CELL_BYTES_MAX;
    use super::*;

    fn open(text: &[u8]) -> Result<CsvReader<&[u8]>> {
        CsvReader::new(text, &ReadOptions::default())
    }

    /// Every row as the texts of its cells, with a line for each that is wrong.
    fn rows(text: &[u8]) -> Vec<String> {
        let mut reader = open(text).unwrap();
        let mut rows = Vec::new();
        loop {
            match reader.next_row() {
                Ok(Some(row)) => {
                    let cells = row.cells().map(|(_, value)| match value {
                        Value::Null => "-".to_owned(),
                        value => format!("<{}>", value.to_text()),
                    });
                    rows.push(format!("{}:{}", row.place().line, cells.collect::<Vec<_>>().concat()));
                }
                Ok(None) => return rows,
                Err(error) => rows.push(error.to_string()),
            }
        }
    }

    #[test]
    fn line_ends_quotes_and_delimiters_of_every_kind_are_read() {
        let files: [(&[u8], &[&str]); 8] = [
            (b"a,b\r\n1,2\r\n3,4\r\n", &["2:<1><2>", "3:<3><4>"]),
            (b"a;b\n1;2,5\n\n3;4", &["2:<1><2,5>", "4:<3><4>"]),
            (b"a\tb\r1\t2\r", &["1:<1><2>"]),
            (b"\xef\xbb\xbfa,b\n1,2\n", &["2:<1><2>"]),
            (b"a,b\n\"x, \"\"y\"\"\",\"two\r\nlines\"\n,\"\"\n", &["2:<x, \"y\"><two\r\nlines>", "4:-<>"]),
            (b"\n\n\"a,;\",\"b;\"\n5\" pipe,\n", &["4:<5\" pipe>-"]),
            (b"a\n1\n\n2\n", &["2:<1>", "3:-", "4:<2>"]),
            (b"a,b,\n1,2,\n", &["2:<1><2>"]),
        ];
        for (text, expected) in files {
            assert_eq!(rows(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_row_that_is_wrong_is_named_and_the_next_one_is_read() {
        let text = b"name,amount\nAda,1,2\nBob\n\"Eve\" x,3\n\"Dan,4\nFay,5\n";
        assert_eq!(
            rows(text),
            [
                "row 1 (line 2): the row has 3 cells, the header 2",
                "row 2 (line 3): the row has 1 cells, the header 2",
                "row 3 (line 4), column \"name\": text follows the closing quote: quotes inside a cell are written twice",
                "row 4 (line 5), column \"name\": the quotes of this cell are never closed",
            ]
        );
        assert_eq!(rows(b"a,b\n\"x\" y,1\n2,3\n")[1], "3:<2><3>");
    }

    #[test]
    fn a_cell_may_have_a_mebibyte_and_a_longer_one_costs_its_row_alone() {
        let longest = "x".repeat(CELL_BYTES_MAX);
        let text = format!("a,b\n1,{longest}\n2,\"{longest}y\"\n3,z\n");
        let rows = rows(text.as_bytes());
        assert_eq!(rows[0], format!("2:<1><{longest}>"));
        let too_long =
            "row 2 (line 3), column \"b\": the cell is longer than 1048576 bytes, or its quotes are never closed";
        assert_eq!(rows[1..], [too_long, "4:<3><z>"]);
    }

    #[test]
    fn cells_that_are_short_each_may_still_make_a_row_too_long() {
        let cell = "x".repeat(CELL_BYTES_MAX);
        let header = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].join(",");
        let text = format!("{header}\n{}\n{}\n", [cell.as_str(); 9].join(","), ["1"; 9].join(","));
        let rows = rows(text.as_bytes());
        assert_eq!(rows[0], "row 1 (line 2), column \"i\": the row is longer than 8388608 bytes");
        assert!(rows[1].starts_with("3:<1><1>"), "{}", rows[1]);
    }

    #[test]
    fn a_file_that_is_no_table_is_refused() {
        let problem = |text: &[u8]| open(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(problem(b""), "the file is empty: its first row must name the columns");
        assert_eq!(problem(b"\r\n\r\n"), "the file is empty: its first row must name the columns");
        assert_eq!(problem(b"a,b,a\n"), "line 1: column \"a\" is there twice, as number 1 and 3");
        assert_eq!(problem(b"\na,\"b\n"), "line 2, cell 2 of the header: the quotes of this cell are never closed");
        assert_eq!(problem(&vec![b','; COLUMNS_MAX]), "line 1 has more than 1000 columns");
        assert!(problem(b"a\0,\0b\0\n\0").contains("holds NUL characters"));
    }

    #[test]
    fn another_encoding_ends_the_reading_where_it_begins() {
        let mut reader = open(b"name,city\nAda,Paris\nM\xfcller,K\xf6ln\n").unwrap();
        assert_eq!(reader.next_row().unwrap().unwrap().get("name"), Some(&"Ada".into()));
        let Err(ReadError::File(error)) = reader.next_row() else { panic!("the file is not UTF-8") };
        assert!(error.to_string().starts_with("line 3, byte 2: 0xFC is not UTF-8"), "{error}");
        assert!(reader.next_row().unwrap().is_none());
    }
}
