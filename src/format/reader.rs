//! Bytes in, rows out: what the readers of all formats share.

use std::io;

use crate::error::{Error, ErrorKind};

use super::row::{ReadError, Row};

/// Reads a table row by row. Memory does not grow with the rows.
pub trait RowReader: Send {
    /// The columns that the file names in its header; `None` where each row names its own (JSON).
    fn columns(&self) -> Option<&[String]>;

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError::Row`] for a row that is wrong: the next call goes on after it. [`ReadError::File`] when the file
    /// cannot be read on: `Invalid` where it is damaged, of another encoding or no table at all, `Unreachable` where
    /// its source failed. Checksums stand at the end of files: where one is wrong, rows read before may be wrong too.
    fn next_row(&mut self) -> Result<Option<Row>, ReadError>;
}

/// The source did not give what it has, or what it gave is damaged.
pub(super) fn unread(error: io::Error) -> Error {
    let is_damaged =
        matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof);
    if is_damaged {
        return Error::invalid(format!("the file is damaged: {error}")).with_source(error);
    }
    Error::new(ErrorKind::Unreachable, format!("the file cannot be read: {error}")).with_source(error)
}
