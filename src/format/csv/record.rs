//! The records of a CSV file: quotes, line ends and limits, one byte after the other.

use std::borrow::Cow;
use std::io::Read;

use crate::error::Result;

use super::super::row::{CELL_BYTES_MAX, ROW_BYTES_MAX};
use super::super::text::Text;

/// A record: its cells, or what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The line that it begins on.
    pub line: u64,
    /// How many cells it has, kept or not.
    pub cells: usize,
    /// The first thing that is wrong: in which cell, and what.
    pub fault: Option<(usize, String)>,
    text: Vec<u8>,
    kept: Vec<Kept>,
}

/// A cell of a record: where its text ends, and whether it was quoted.
#[derive(Debug, Clone, Copy)]
struct Kept {
    end: usize,
    is_quoted: bool,
}

impl Record {
    /// The text of a cell and whether it was quoted; an empty one that was not beyond the last.
    pub fn cell(&self, index: usize) -> (Cow<'_, str>, bool) {
        let Some(kept) = self.kept.get(index) else { return (Cow::Borrowed(""), false) };
        let start = index.checked_sub(1).map_or(0, |before| self.kept[before].end);
        // Nothing is lost: the file was checked as it came in, and cells end at ASCII characters.
        (String::from_utf8_lossy(&self.text[start..kept.end]), kept.is_quoted)
    }

    /// Whether it is an empty line.
    pub fn is_blank(&self) -> bool {
        let is_quoted = self.kept.first().is_some_and(|kept| kept.is_quoted);
        self.cells == 1 && self.text.is_empty() && !is_quoted && self.fault.is_none()
    }

    fn begin(&mut self, line: u64) {
        self.line = line;
        self.cells = 0;
        self.fault = None;
        self.text.clear();
        self.kept.clear();
    }

    fn cell_start(&self) -> usize {
        self.kept.last().map_or(0, |kept| kept.end)
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.text.len() - self.cell_start() + bytes.len() > CELL_BYTES_MAX {
            self.fail(format!("the cell is longer than {CELL_BYTES_MAX} bytes, or its quotes are never closed"));
        } else if self.text.len() + bytes.len() > ROW_BYTES_MAX {
            self.fail(format!("the row is longer than {ROW_BYTES_MAX} bytes"));
        } else {
            self.text.extend(bytes);
        }
    }

    fn fail(&mut self, reason: impl Into<String>) {
        let cell = self.cells;
        self.fault.get_or_insert_with(|| (cell, reason.into()));
    }

    fn end_cell(&mut self, is_quoted: bool, kept_max: usize) {
        if self.kept.len() < kept_max && self.fault.is_none() {
            self.kept.push(Kept { end: self.text.len(), is_quoted });
        } else {
            self.text.truncate(self.cell_start());
        }
        self.cells += 1;
    }
}

/// Where in a record the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    Start,
    /// In a cell without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// Behind a quote between quotes: it was the last, or the first of two.
    Closed,
    /// Behind something wrong: the rest of the line is passed over.
    Lost,
}

/// Takes records off a text.
pub(super) struct Records<R> {
    text: Text<R>,
    delimiter: u8,
    /// The last record ended with CR: a LF that follows belongs to it.
    after_cr: bool,
}

impl<R: Read> Records<R> {
    pub fn new(text: Text<R>, delimiter: u8) -> Self {
        Self { text, delimiter, after_cr: false }
    }

    /// Reads the next record, of which at most `kept_max` cells are kept; `false` at the end.
    ///
    /// # Errors
    /// Those of the text; what is wrong with the record alone stands in it.
    pub fn read(&mut self, record: &mut Record, kept_max: usize) -> Result<bool> {
        if self.after_cr && self.text.chunk()?.first() == Some(&b'\n') {
            self.text.take(1);
        }
        self.after_cr = false;
        record.begin(self.text.line());
        let mut state = State::Start;
        loop {
            let chunk = self.text.chunk()?;
            if chunk.is_empty() {
                return Ok(end_of_text(record, state, kept_max));
            }
            let mut scan = Scan { bytes: chunk, at: 0, delimiter: self.delimiter };
            let end = scan.record(record, &mut state, kept_max);
            let taken = scan.at;
            self.text.take(taken);
            if let Some(end) = end {
                self.after_cr = end == b'\r';
                return Ok(true);
            }
        }
    }
}

/// Whether a record ended with the text, rather than before it.
fn end_of_text(record: &mut Record, state: State, kept_max: usize) -> bool {
    if state == State::Start && record.cells == 0 {
        return false;
    }
    if state == State::Quoted {
        record.fail("the quotes of this cell are never closed");
    }
    record.end_cell(state == State::Closed, kept_max);
    true
}

/// One chunk and how far it is read.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    delimiter: u8,
}

impl Scan<'_> {
    /// Reads on until the record ends, and gives the byte that ended it, or until the chunk does.
    fn record(&mut self, record: &mut Record, state: &mut State, kept_max: usize) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            let is_end_of_line = byte == b'\r' || byte == b'\n';
            match *state {
                State::Quoted => {
                    self.push_until(record, |byte| byte == b'"');
                    if self.at < self.bytes.len() {
                        self.at += 1;
                        *state = State::Closed;
                    }
                    continue;
                }
                State::Start if byte == b'"' => *state = State::Quoted,
                State::Closed if byte == b'"' => {
                    record.push(b"\"");
                    *state = State::Quoted;
                }
                _ if is_end_of_line => {
                    record.end_cell(*state == State::Closed, kept_max);
                    self.at += 1;
                    return Some(byte);
                }
                State::Lost => {}
                _ if byte == self.delimiter => {
                    record.end_cell(*state == State::Closed, kept_max);
                    *state = State::Start;
                }
                State::Closed => {
                    record.fail("text follows the closing quote: quotes inside a cell are written twice");
                    *state = State::Lost;
                }
                State::Start | State::Bare => {
                    let delimiter = self.delimiter;
                    self.push_until(record, |byte| byte == delimiter || byte == b'\r' || byte == b'\n');
                    *state = State::Bare;
                    continue;
                }
            }
            self.at += 1;
        }
        None
    }

    fn push_until(&mut self, record: &mut Record, is_end: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| is_end(byte)).unwrap_or(rest.len());
        record.push(&rest[..length]);
        self.at += length;
    }
}
