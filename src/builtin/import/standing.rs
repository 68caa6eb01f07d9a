//! How far an import is, and what was found of its file.

use chrono::{DateTime, Utc};

use super::reading::{Batch, Identity};
use super::reject::Reject;

/// Rejects that are stored of one import; what is beyond them is counted.
pub(super) const REJECTS_MAX: i64 = 10_000;

/// Which run of which import this is.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub id: String,
    pub fence: i64,
    pub at: DateTime<Utc>,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub state: String,
    pub file: Identity,
    pub rows_total: Option<i64>,
    pub rows_read: i64,
    pub rows_in: i64,
    pub rows_rejected: i64,
    pub rejects_stored: i64,
    pub rejects_file: Option<String>,
}

pub(super) const CHECKING: &str = "checking";
pub(super) const RUNNING: &str = "running";
pub(super) const DONE: &str = "done";
pub(super) const REJECTED: &str = "rejected";

/// Rows that the file was found to have, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub rows: u64,
    pub rejected_rows: u64,
    /// The first ones.
    pub rejects: Vec<Reject>,
}

/// A row of `imports`, beside its terms.
pub(super) type Row = (String, i64, String, Option<i64>, i64, i64, i64, i64, Option<String>);

impl From<Row> for Standing {
    fn from(row: Row) -> Self {
        let (state, size, sha256, rows_total, rows_read, rows_in, rows_rejected, rejects_stored, rejects_file) = row;
        let file = Identity { size_bytes: size.unsigned_abs(), sha256 };
        Self { state, file, rows_total, rows_read, rows_in, rows_rejected, rejects_stored, rejects_file }
    }
}

impl Findings {
    /// Takes what was found of a batch.
    pub fn add(&mut self, batch: Batch) {
        self.rows = batch.last_row;
        self.rejected_rows += batch.rejected_rows;
        let room = usize::try_from(REJECTS_MAX).unwrap_or_default().saturating_sub(self.rejects.len());
        self.rejects.extend(batch.rejects.into_iter().take(room));
    }
}

/// Asks for a [`Row`].
pub(super) const STANDING: &str = "SELECT state, file_bytes, file_sha256, rows_total, rows_read, rows_in, rows_rejected, \
    rejects_stored, rejects_file FROM imports WHERE id = $1";
