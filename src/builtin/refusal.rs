//! Why a processor on the platform's database did not do what it was asked for.

use crate::builtin::classify;
use crate::builtin::portfolio::Database;
use crate::error::Error;
use crate::job::QueueName;
use crate::processor::ProcessError;

/// What stood in the way.
#[derive(Debug)]
pub(in crate::builtin) enum Refusal {
    /// The order, its files, or what is stored: it says so itself.
    Job(ProcessError),
    /// The database.
    Database(sqlx::Error),
}

impl From<ProcessError> for Refusal {
    fn from(error: ProcessError) -> Self {
        Self::Job(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Of something stored that cannot be read as what it should be.
#[cfg(feature = "tables")]
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Job(ProcessError::permanent("data_corrupt", error.to_string()))
    }
}

/// Why a queue has not taken what was handed to it, to the job that hands over.
pub(in crate::builtin) fn not_taken(queue: &QueueName, error: &Error) -> ProcessError {
    let (class, code) = classify::handing_over(error);
    ProcessError::new(class, code, format!("queue {queue}: {error}"))
}

impl Refusal {
    /// What it means to the job, in a database at `place` (as [`Database::place`] says it).
    pub fn at(self, place: &str) -> ProcessError {
        match self {
            Self::Job(error) => error,
            Self::Database(error) => {
                let (class, code) = classify::database(&error);
                let failed = ProcessError::new(class, code, format!("{place}: {}", classify::database_words(&error)));
                if code == "database_unreachable" { failed.blame(place) } else { failed }
            }
        }
    }

    /// The same for the database that was asked.
    pub fn of(self, database: &Database) -> ProcessError {
        self.at(&database.place())
    }
}
