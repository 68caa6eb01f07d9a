//! What a database's refusal means to the caller.

use super::Database;
use crate::builtin::classify;
use crate::error::{Error, ErrorKind};

/// The error with the database named; no statement and no value is shown.
pub(crate) fn trouble(database: &Database, error: sqlx::Error) -> Error {
    let kind = match classify::database(&error).1 {
        "database_unreachable" => ErrorKind::Unreachable,
        "database_access" => ErrorKind::AccessDenied,
        "database_busy" => ErrorKind::NotNow,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("{}: {}", database.place(), classify::database_words(&error))).with_source(error)
}
