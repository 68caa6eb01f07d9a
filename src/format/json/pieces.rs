//! Cuts a JSON file into its objects without reading it whole.

use std::io::Read;

use crate::error::{Error, Result};

use super::super::row::ROW_BYTES_MAX;
use super::super::text::Text;
use super::Layout;

/// One object of the file, or what stands in its place.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The line that it begins on.
    pub line: u64,
    pub bytes: Vec<u8>,
    /// It is longer than a row may be, and not kept.
    pub is_too_long: bool,
}

impl Piece {
    fn begin(&mut self, line: u64) {
        self.line = line;
        self.bytes.clear();
        self.is_too_long = false;
    }

    fn push(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.bytes.len() + bytes.len() > ROW_BYTES_MAX;
        if self.is_too_long {
            self.bytes.clear();
        } else {
            self.bytes.extend(bytes);
        }
    }
}

/// Takes pieces off a text.
pub(super) struct Pieces<R> {
    text: Text<R>,
    layout: Layout,
    is_begun: bool,
    is_over: bool,
}

impl<R: Read> Pieces<R> {
    pub fn new(text: Text<R>, layout: Layout) -> Self {
        Self { text, layout, is_begun: false, is_over: false }
    }

    /// Reads the next piece; `false` at the end.
    ///
    /// # Errors
    /// Those of the text; `Invalid` where the file is no array, or where it does not end with one.
    pub fn read(&mut self, piece: &mut Piece) -> Result<bool> {
        match self.layout {
            Layout::Lines => self.read_line(piece),
            Layout::Array => self.read_element(piece),
        }
    }

    /// The next line that is not empty.
    fn read_line(&mut self, piece: &mut Piece) -> Result<bool> {
        if self.skip_spaces()?.is_none() {
            return Ok(false);
        }
        piece.begin(self.text.line());
        loop {
            let chunk = self.text.chunk()?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            piece.push(&chunk[..end.unwrap_or(chunk.len())]);
            let taken = end.map_or(chunk.len(), |end| end + 1);
            self.text.take(taken);
            if end.is_some() || taken == 0 {
                return Ok(true);
            }
        }
    }

    fn read_element(&mut self, piece: &mut Piece) -> Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        if !self.is_begun {
            self.begin_array()?;
            if self.skip_spaces()? == Some(b']') {
                self.end_array()?;
                return Ok(false);
            }
        }
        self.skip_spaces()?;
        piece.begin(self.text.line());
        let mut depth = Depth::default();
        loop {
            let chunk = self.text.chunk()?;
            if chunk.is_empty() {
                return Err(Error::invalid("the array is never closed: the file is cut off"));
            }
            let end = chunk.iter().position(|byte| depth.ends_at(*byte));
            piece.push(&chunk[..end.unwrap_or(chunk.len())]);
            let Some(end) = end else {
                let taken = chunk.len();
                self.text.take(taken);
                continue;
            };
            let is_last = chunk[end] == b']';
            self.text.take(if is_last { end } else { end + 1 });
            if is_last {
                self.end_array()?;
            }
            return Ok(true);
        }
    }

    fn begin_array(&mut self) -> Result<()> {
        self.is_begun = true;
        let line = self.text.line();
        match self.skip_spaces()? {
            Some(b'[') => {
                self.text.take(1);
                Ok(())
            }
            Some(b'{') => Err(Error::invalid(
                "the file is not an array of objects, [{…}, {…}]: where each line is an object, its format is ndjson",
            )),
            Some(_) => Err(Error::invalid(format!("line {line}: the file is not an array of objects, [{{…}}, {{…}}]"))),
            None => Err(Error::invalid("the file is empty: expected an array of objects, [{…}, {…}]")),
        }
    }

    /// Takes the bracket, behind which nothing may follow.
    fn end_array(&mut self) -> Result<()> {
        self.is_over = true;
        self.text.take(1);
        match self.skip_spaces()? {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!("line {}: text follows the end of the array", self.text.line()))),
        }
    }

    /// Passes over spaces and line ends; the byte that follows.
    fn skip_spaces(&mut self) -> Result<Option<u8>> {
        loop {
            let chunk = self.text.chunk()?;
            let start = chunk.iter().position(|byte| !b" \t\r\n".contains(byte));
            let next = start.map(|start| chunk[start]);
            let taken = start.unwrap_or(chunk.len());
            self.text.take(taken);
            if next.is_some() || taken == 0 {
                return Ok(next);
            }
        }
    }
}

/// How deep in an element a byte stands.
#[derive(Debug, Default)]
struct Depth {
    open: u64,
    is_string: bool,
    is_escaped: bool,
}

impl Depth {
    /// Takes a byte; whether the element ends before it.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.is_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.is_string = true,
            b'{' | b'[' => self.open += 1,
            b',' | b']' if self.open == 0 => return true,
            b'}' | b']' => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        false
    }
}
