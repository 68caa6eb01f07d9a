//! The dead letters of a queue: list, group, revive, delete.

use std::time::Duration;

use crate::error::Result;
use crate::job::{JobId, QueueName};
use crate::selection::Selection;
use crate::stats::{BulkReport, DeadGroup, DeadLetter, Page};

/// The dead letters of one queue.
#[derive(Clone)]
pub struct DeadLetters {}

/// What dead letters are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The stable code word.
    Code,
    /// The class.
    Class,
    /// The first line of the error, with numbers and ids made alike.
    Error,
}

/// How dead letters are revived.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReviveOptions {
    /// They wait this long before they start.
    pub delay: Option<Duration>,
    /// At most so many a second.
    pub rate_per_sec: Option<f64>,
    /// Only counts.
    pub dry_run: bool,
}

impl DeadLetters {
    /// The queue.
    pub fn queue(&self) -> &QueueName {
        unimplemented!()
    }

    /// The selected letters, oldest first, from `offset` on, at most `limit` of them.
    pub async fn list(&self, _selection: &Selection, _offset: u64, _limit: u64) -> Result<Page<DeadLetter>> {
        unimplemented!()
    }

    /// The selected letters by what they share, most frequent first.
    pub async fn groups(&self, _selection: &Selection, _by: GroupBy) -> Result<Vec<DeadGroup>> {
        unimplemented!()
    }

    /// Revives the selected letters: attempts and crashes begin anew, the history is kept. Each moves by itself in one
    /// script, so it may be broken off and repeated.
    pub async fn revive(
        &self,
        _selection: &Selection,
        _options: ReviveOptions,
        _progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        unimplemented!()
    }

    /// Replaces a dead letter by a new job with another payload; the new job's id. The new one names the old.
    ///
    /// # Errors
    /// `NotFound` when it is not (or no longer) among the dead letters; `Invalid` for the payload.
    pub async fn revive_edited(&self, _id: &JobId, _payload: String, _delay: Option<Duration>) -> Result<JobId> {
        unimplemented!()
    }

    /// Deletes the selected letters for good.
    pub async fn delete(
        &self,
        _selection: &Selection,
        _dry_run: bool,
        _progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        unimplemented!()
    }
}
