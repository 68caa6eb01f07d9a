//! What a bulk act did.

use ireva_queue::QueueName;
use ireva_queue::stats::BulkReport;
use serde::Serialize;

use crate::output::{Cell, Tone, grouped};
use crate::view::{Block, Column, View};

/// The verb of a bulk act, for its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Jobs removed.
    Removed,
    /// Dead letters revived.
    Revived,
    /// Dead letters deleted.
    Deleted,
}

impl Act {
    fn sentence(self, count: u64, dry_run: bool) -> String {
        let jobs = if count == 1 { "job" } else { "jobs" };
        let letters = if count == 1 { "dead letter" } else { "dead letters" };
        let (things, done) = match self {
            Self::Removed => (jobs, "removed"),
            Self::Revived => (letters, "revived"),
            Self::Deleted => (letters, "deleted"),
        };
        let would = if dry_run { "would be " } else { "" };
        format!("{} {things} {would}{done}", grouped(count))
    }
}

/// A report and the verb that it is about.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    #[serde(flatten)]
    report: BulkReport,
    #[serde(skip)]
    act: Act,
    #[serde(skip)]
    queue: QueueName,
}

impl Bulk {
    /// What `act` did to jobs of `queue`.
    pub fn new(act: Act, queue: QueueName, report: BulkReport) -> Self {
        Self { report, act, queue }
    }

    /// How many it was about: changed, or those that would be.
    fn count(&self) -> u64 {
        if self.report.dry_run { self.report.matched } else { self.report.changed }
    }
}

impl View for Bulk {
    const COLUMNS: &'static [Column] =
        &[Column::number("CHANGED"), Column::number("MATCHED"), Column::number("SKIPPED")];

    fn cells(&self) -> Vec<Cell> {
        let skipped = self.report.skipped.len() as u64;
        vec![Cell::count(self.report.changed), Cell::count(self.report.matched), Cell::alarm(skipped, Tone::Warn)]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut sentence = self.act.sentence(self.count(), self.report.dry_run);
        if !self.report.skipped.is_empty() {
            sentence.push_str(&format!(", {} left as they were", grouped(self.report.skipped.len() as u64)));
        }
        Some(vec![Block::Text(sentence)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_counts() {
        assert_eq!(Act::Removed.sentence(1, false), "1 job removed");
        assert_eq!(Act::Deleted.sentence(1_200, true), "1,200 dead letters would be deleted");
    }
}
