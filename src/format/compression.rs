//! Compression of what is written and read: gzip and zstd, as wrappers of sinks and sources.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, which everything can read.
    Gzip,
    /// Zstandard: smaller and faster.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// The name: `none`, `gzip`, `zstd`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What a file's name ends with after the ending of its format: `.gz`, `.zst`, or nothing.
    pub fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The compression that the name of a file tells: `rows.csv.gz`.
    pub fn from_file_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        [Self::Gzip, Self::Zstd].into_iter().find(|known| name.ends_with(known.ending())).unwrap_or(Self::None)
    }

    /// A sink that compresses what is written to it. It must be finished.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn sink<W: Write>(self, inner: W) -> io::Result<Sink<W>> {
        Ok(Sink(match self {
            Self::None => Packer::None(inner),
            Self::Gzip => Packer::Gzip(GzEncoder::new(inner, flate2::Compression::default())),
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(inner, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                // Damage is noticed when the file is read.
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        }))
    }

    /// A source that gives what was compressed in another. Damage and a missing end are errors of kind `InvalidData` or
    /// `UnexpectedEof`; those of the inner source stay what they are.
    ///
    /// # Errors
    /// The decompressor cannot be set up.
    pub fn source<R: Read>(self, inner: R) -> io::Result<Source<R>> {
        Ok(Source(match self {
            Self::None => Unpacker::None(inner),
            Self::Gzip => Unpacker::Gzip(Box::new(MultiGzDecoder::new(inner))),
            Self::Zstd => Unpacker::Zstd(zstd::stream::read::Decoder::new(Watched { inner, has_failed: false })?),
        }))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == name);
        known.ok_or_else(|| Error::invalid(format!("compression {name:?} is not known: none, gzip or zstd")))
    }
}

impl TryFrom<String> for Compression {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Compression> for String {
    fn from(compression: Compression) -> Self {
        compression.as_str().to_owned()
    }
}

/// A sink that compresses; made by [`Compression::sink`].
pub struct Sink<W: Write>(Packer<W>);

enum Packer<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Sink<W> {
    /// Ends the compressed stream and gives the inner sink back, not yet flushed.
    ///
    /// # Errors
    /// The inner sink does not take the rest.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Packer::None(inner) => Ok(inner),
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packer::None(inner) => inner.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Packer::None(inner) => inner.flush(),
            Packer::Gzip(encoder) => encoder.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A source that decompresses; made by [`Compression::source`].
pub struct Source<R: Read>(Unpacker<R>);

enum Unpacker<R: Read> {
    None(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Watched<R>>>),
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Unpacker::None(inner) => inner.read(buffer),
            Unpacker::Gzip(decoder) => decoder.read(buffer),
            Unpacker::Zstd(decoder) => decoder.read(buffer).map_err(|error| {
                // What zstd itself finds wrong bears no kind that tells it from a failed read.
                let is_own = !decoder.get_ref().get_ref().has_failed && error.kind() == io::ErrorKind::Other;
                if is_own { io::Error::new(io::ErrorKind::InvalidData, error) } else { error }
            }),
        }
    }
}

/// Remembers whether reading failed, so that a damaged stream is told from a failed source.
struct Watched<R> {
    inner: R,
    has_failed: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|_| self.has_failed = true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(compression: Compression, text: &[u8]) -> Vec<u8> {
        let mut sink = compression.sink(Vec::new()).unwrap();
        sink.write_all(text).unwrap();
        sink.finish().unwrap()
    }

    fn unpacked(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        compression.source(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn what_is_compressed_comes_back_also_from_files_put_end_to_end() {
        let text = "rows and rows\r\n".repeat(5_000).into_bytes();
        for compression in Compression::ALL {
            let bytes = packed(compression, &text);
            assert_eq!(unpacked(compression, &bytes).unwrap(), text);
            let twice = [bytes.clone(), bytes].concat();
            assert_eq!(unpacked(compression, &twice).unwrap(), text.repeat(2));
        }
    }

    #[test]
    fn damage_and_a_missing_end_are_told_from_a_failed_source() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(u32::to_le_bytes).collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bytes = packed(compression, &text);
            let cut = unpacked(compression, &bytes[..bytes.len() - 3]).unwrap_err();
            assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof, "{compression}: {cut}");
            let mut damaged = bytes.clone();
            damaged[bytes.len() / 2] ^= 0xff;
            let kind = unpacked(compression, &damaged).unwrap_err().kind();
            assert!(matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput), "{compression}: {kind}");
            let failing = (&bytes[..100]).chain(Failing);
            let failed = io::copy(&mut compression.source(failing).unwrap(), &mut io::sink()).unwrap_err();
            assert_eq!(failed.to_string(), "the line is dead", "{compression}");
            assert_eq!(failed.kind(), io::ErrorKind::Other, "{compression}");
        }
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line is dead"))
        }
    }

    #[test]
    fn names_and_endings_are_known() {
        for compression in Compression::ALL {
            assert_eq!(compression.as_str().parse::<Compression>().unwrap(), compression);
            let name = format!("rows.csv{}", compression.ending());
            assert_eq!(Compression::from_file_name(&name), compression);
        }
        assert_eq!(Compression::from_file_name("ROWS.CSV.GZ"), Compression::Gzip);
        let error = "brotli".parse::<Compression>().unwrap_err();
        assert_eq!(error.to_string(), "compression \"brotli\" is not known: none, gzip or zstd");
        assert_eq!(serde_json::to_string(&Compression::Zstd).unwrap(), "\"zstd\"");
        assert!(serde_json::from_str::<Compression>("\"rar\"").is_err());
    }
}
