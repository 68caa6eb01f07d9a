//! How a table is written and read.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::compression::Compression;
use super::guard::Guard;

/// How a table is written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How the bytes are compressed on their way to the sink.
    pub compression: Compression,
    /// The formula guard of CSV; the other formats need none.
    pub guard: Guard,
    /// What stands in the header row of CSV and Excel.
    pub heading: Heading,
    /// What only Excel needs.
    pub sheet: SheetOptions,
}

/// What stands in the header row. Keys in JSON are always the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heading {
    /// The names of the columns: what is read back.
    #[default]
    Names,
    /// Their titles: for people.
    Titles,
}

/// What only a workbook has.
#[derive(Debug, Clone, Default)]
pub struct SheetOptions {
    /// The name of the sheet, at most 31 characters; `Sheet1` unless said.
    pub name: Option<String>,
    /// When the workbook was made. Unless said it is the same moment for every one, so that the same rows give the same
    /// bytes.
    pub created: Option<DateTime<Utc>>,
    /// Where rows wait, in an unnamed file, until the workbook is put together: about 50 bytes a cell. Unless said it
    /// is the system's directory for temporary files, which may be memory.
    pub temporary_dir: Option<PathBuf>,
}

/// How a table is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// How the bytes of the source are compressed.
    pub compression: Compression,
    /// Whether the formula guard of CSV is taken off again.
    pub guard: Guard,
    /// The sheet of a workbook; its first visible one unless said.
    pub sheet: Option<String>,
}
