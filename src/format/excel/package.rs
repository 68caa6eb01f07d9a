//! The parts of a workbook: a ZIP archive, held packed in memory and unpacked part by part as it is read.
//!
//! Nothing that the file says of itself decides how much memory is used.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result};

use super::super::reader::unread;

/// The largest workbook that is read; it is held in memory as it is.
pub const WORKBOOK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the parts of a workbook may unpack to, all together.
pub const WORKBOOK_EXPANDED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

const ZIP_START: &[u8] = b"PK";
/// How old .xls files begin, and .xlsx files with a password.
const COMPOUND_START: &[u8] = b"\xd0\xcf\x11\xe0";

/// A workbook's file.
pub(super) struct Package {
    bytes: Bytes,
    /// By name in small letters: programs do not agree on capitals.
    parts: HashMap<String, Part>,
}

/// Where in the file a part stands.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: u64,
    packed_bytes: u64,
    bytes: u64,
    crc: u32,
    is_deflated: bool,
}

impl Package {
    /// Takes the file in, and reads the list of its parts.
    pub fn read(source: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        let most = WORKBOOK_BYTES_MAX as u64;
        source.take(most + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() > WORKBOOK_BYTES_MAX {
            let mebibytes = WORKBOOK_BYTES_MAX / 1024 / 1024;
            return Err(Error::invalid(format!(
                "the workbook is larger than {mebibytes} MiB: save it as csv, which may be of any size"
            )));
        }
        if bytes.starts_with(COMPOUND_START) {
            return Err(Error::invalid(
                "the workbook has a password, or is an old .xls file: save it as .xlsx without a password",
            ));
        }
        if !bytes.starts_with(ZIP_START) {
            return Err(Error::invalid("the file is no workbook: expected .xlsx or .ods"));
        }
        let bytes = Bytes(Arc::new(bytes));
        let parts = list(bytes.clone())?;
        Ok(Self { bytes, parts })
    }

    /// Whether there is a part of this name.
    pub fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&name.to_ascii_lowercase())
    }

    /// A part from its beginning.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn open(&self, name: &str) -> Result<PartReader> {
        let part = self.parts.get(&name.to_ascii_lowercase());
        let part = part.ok_or_else(|| Error::invalid(format!("the workbook is damaged: it has no part {name}")))?;
        let mut cursor = Cursor::new(self.bytes.clone());
        cursor.set_position(part.start);
        let packed = cursor.take(part.packed_bytes);
        let unpacked = match part.is_deflated {
            true => Unpacked::Deflated(Box::new(DeflateDecoder::new(packed))),
            false => Unpacked::Stored(packed),
        };
        Ok(PartReader { unpacked, crc: Crc::new(), read_bytes: 0, part: *part })
    }
}

/// Reads the list at the end of the archive.
fn list(bytes: Bytes) -> Result<HashMap<String, Part>> {
    let damaged = |problem: &dyn std::fmt::Display| Error::invalid(format!("the workbook is damaged: {problem}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let mut parts = HashMap::with_capacity(archive.len());
    let mut expanded: u64 = 0;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| damaged(&error))?;
        let name = file.name().map_err(|error| damaged(&error))?.to_ascii_lowercase();
        if file.encrypted() {
            return Err(Error::invalid("the workbook has a password: save it without one"));
        }
        let is_deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return Err(damaged(&format!("part {name} is compressed by {other}"))),
        };
        let start = file.data_start().ok_or_else(|| damaged(&format!("part {name} is nowhere")))?;
        let (packed_bytes, bytes, crc) = (file.compressed_size(), file.size(), file.crc32());
        expanded = expanded.saturating_add(bytes);
        if parts.insert(name.clone(), Part { start, packed_bytes, bytes, crc, is_deflated }).is_some() {
            return Err(damaged(&format!("part {name} is there twice")));
        }
    }
    if expanded > WORKBOOK_EXPANDED_BYTES_MAX {
        return Err(too_much_expanded());
    }
    Ok(parts)
}

/// The workbook says more than it may, however few bytes it says it in.
pub(super) fn too_much_expanded() -> Error {
    let gibibytes = WORKBOOK_EXPANDED_BYTES_MAX / 1024 / 1024 / 1024;
    Error::invalid(format!("the workbook unpacks to more than {gibibytes} GiB: save it as csv"))
}

/// The bytes of a file, shared by all who read in it.
#[derive(Clone)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a part, and that it is as long and has the checksum that the list says.
pub(super) struct PartReader {
    unpacked: Unpacked,
    crc: Crc,
    read_bytes: u64,
    part: Part,
}

enum Unpacked {
    Stored(io::Take<Cursor<Bytes>>),
    Deflated(Box<DeflateDecoder<io::Take<Cursor<Bytes>>>>),
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.unpacked {
            Unpacked::Stored(reader) => reader.read(buffer)?,
            Unpacked::Deflated(reader) => reader.read(buffer)?,
        };
        self.crc.update(&buffer[..count]);
        self.read_bytes += count as u64;
        let is_end = count == 0 && !buffer.is_empty();
        let is_whole = self.read_bytes == self.part.bytes && self.crc.sum() == self.part.crc;
        if self.read_bytes > self.part.bytes || is_end && !is_whole {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a part is not what the list of parts says"));
        }
        Ok(count)
    }
}
