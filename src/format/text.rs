//! A text file, checked to be UTF-8 as it comes in, with the number of the line that is read.

use std::io::{ErrorKind, Read};

use crate::error::{Error, Result};

use super::reader::unread;

const CHUNK_BYTES: usize = 64 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Hands a text out in chunks that end between characters, a byte order mark left out.
pub(super) struct Text<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is taken; what is checked; what is there.
    taken: usize,
    checked: usize,
    filled: usize,
    line: u64,
    /// How many bytes of the line are taken.
    line_bytes: u64,
    is_begun: bool,
    is_over: bool,
}

impl<R: Read> Text<R> {
    pub fn new(source: R) -> Self {
        let buffer = vec![0; CHUNK_BYTES];
        let (taken, checked, filled) = (0, 0, 0);
        Self { source, buffer, taken, checked, filled, line: 1, line_bytes: 0, is_begun: false, is_over: false }
    }

    /// The line that the next byte stands on, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What comes next and is not taken yet; empty at the end.
    ///
    /// # Errors
    /// `Invalid` where the next byte is not UTF-8, with its place and what to do; or the source failed.
    pub fn chunk(&mut self) -> Result<&[u8]> {
        if self.taken == self.checked {
            self.fill()?;
        }
        Ok(&self.buffer[self.taken..self.checked])
    }

    /// Takes so many bytes of the chunk.
    pub fn take(&mut self, count: usize) {
        let bytes = &self.buffer[self.taken..self.taken + count];
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => {
                self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.line_bytes = (count - last - 1) as u64;
            }
            None => self.line_bytes += count as u64,
        }
        self.taken += count;
    }

    /// Fills the buffer behind what is not checked yet, and checks it.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.checked..self.filled, 0);
        self.filled -= self.checked;
        (self.taken, self.checked) = (0, 0);
        while !self.is_over && self.filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.is_over = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unread(error)),
            }
        }
        if !self.is_begun {
            self.begin()?;
        }
        match std::str::from_utf8(&self.buffer[self.taken..self.filled]) {
            Ok(_) => self.checked = self.filled,
            Err(error) if error.valid_up_to() > 0 => self.checked = self.taken + error.valid_up_to(),
            Err(_) => return Err(self.wrong_encoding()),
        }
        Ok(())
    }

    /// Passes over a byte order mark; another encoding's is refused.
    fn begin(&mut self) -> Result<()> {
        self.is_begun = true;
        let bytes = &self.buffer[..self.filled];
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Error::invalid(
                "the file is UTF-16: save it as UTF-8, or convert it with iconv -f UTF-16 -t UTF-8",
            ));
        }
        if bytes.starts_with(BOM) {
            self.taken = BOM.len();
            self.line_bytes = BOM.len() as u64;
        }
        Ok(())
    }

    fn wrong_encoding(&self) -> Error {
        let (line, byte) = (self.line, self.line_bytes + 1);
        let found = self.buffer[self.taken];
        Error::invalid(format!(
            "line {line}, byte {byte}: 0x{found:02X} is not UTF-8: save the file as UTF-8, or convert it, for example \
             with iconv -f WINDOWS-1252 -t UTF-8"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            self.0.read(&mut buffer[..count])
        }
    }

    /// Everything of a text, and the error that ended it if one did.
    fn read(bytes: &[u8]) -> (String, Option<String>) {
        let mut text = Text::new(Dripping(bytes, 3));
        let mut whole = Vec::new();
        loop {
            match text.chunk().map(<[u8]>::to_vec) {
                Ok(chunk) if chunk.is_empty() => return (String::from_utf8(whole).unwrap(), None),
                Ok(chunk) => {
                    whole.extend(&chunk);
                    text.take(chunk.len());
                }
                Err(error) => return (String::from_utf8(whole).unwrap(), Some(error.to_string())),
            }
        }
    }

    #[test]
    fn characters_are_never_cut_and_a_byte_order_mark_is_left_out() {
        // One character lies across the end of the first chunk.
        let long = format!("{}ä€🦀", "x".repeat(CHUNK_BYTES - 1));
        for text in ["", "a", "ä€🦀\r\n", &long] {
            assert_eq!(read(text.as_bytes()), (text.to_owned(), None));
            assert_eq!(read(format!("\u{feff}{text}").as_bytes()), (text.to_owned(), None));
        }
    }

    #[test]
    fn another_encoding_is_named_with_its_place_and_what_to_do() {
        let latin = b"name;city\r\nM\xfcller;K\xf6ln\r\n";
        let (before, error) = read(latin);
        assert_eq!(before, "name;city\r\nM");
        let error = error.unwrap();
        assert!(error.starts_with("line 2, byte 2: 0xFC is not UTF-8: save the file as UTF-8"), "{error}");
        assert!(read(b"a\nb\xe2\x82").1.unwrap().starts_with("line 2, byte 2: 0xE2"));
        assert!(read(b"\xff\xfea\0").1.unwrap().starts_with("the file is UTF-16"));
        let far = ["x\n".repeat(CHUNK_BYTES).as_bytes(), b"abc\xff"].concat();
        assert!(read(&far).1.unwrap().starts_with("line 65537, byte 4: 0xFF"));
    }

    #[test]
    fn lines_are_counted_as_they_are_taken() {
        let mut text = Text::new("one\ntwo\n".as_bytes());
        text.chunk().unwrap();
        let mut lines = Vec::new();
        for _ in 0..8 {
            lines.push(text.line());
            text.take(1);
        }
        assert_eq!((lines, text.line()), (vec![1, 1, 1, 1, 2, 2, 2, 2], 3));
        assert!(text.chunk().unwrap().is_empty() && text.chunk().unwrap().is_empty());
    }
}
