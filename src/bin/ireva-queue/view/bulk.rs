//! What a bulk act did.

use ireva_queue::QueueName;
use ireva_queue::stats::{BulkReport, JobSummary};
use serde::Serialize;

use crate::output::{Cell, Tone, counted, grouped};
use crate::view::{Block, Column, View};

/// The verb of a bulk act, for its sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Jobs removed.
    Removed,
    /// Jobs cancelled.
    Cancelled,
    /// Failed jobs run again.
    Retried,
    /// Waiting jobs run now.
    Promoted,
    /// Dead letters revived.
    Revived,
    /// Dead letters deleted.
    Deleted,
}

impl Act {
    /// What it is about.
    pub fn thing(self) -> &'static str {
        match self {
            Self::Revived | Self::Deleted => "dead letter",
            _ => "job",
        }
    }

    /// `removes`.
    pub fn does(self) -> &'static str {
        match self {
            Self::Removed => "removes",
            Self::Cancelled => "cancels",
            Self::Retried => "retries",
            Self::Promoted => "promotes",
            Self::Revived => "revives",
            Self::Deleted => "deletes",
        }
    }

    /// `removing jobs`.
    pub fn doing(self) -> &'static str {
        match self {
            Self::Removed => "removing jobs",
            Self::Cancelled => "cancelling jobs",
            Self::Retried => "retrying jobs",
            Self::Promoted => "promoting jobs",
            Self::Revived => "reviving dead letters",
            Self::Deleted => "deleting dead letters",
        }
    }

    /// Whether it takes jobs, which an undo could bring back.
    pub fn can_be_undone(self) -> bool {
        matches!(self, Self::Removed | Self::Cancelled | Self::Deleted)
    }

    fn sentence(self, count: u64, dry_run: bool) -> String {
        let done = match self {
            Self::Removed => "removed",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::Promoted => "promoted",
            Self::Revived => "revived",
            Self::Deleted => "deleted",
        };
        let would = if dry_run { "would be " } else { "" };
        format!("{} {would}{done}", counted(count, self.thing()))
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
        let mut blocks = vec![Block::Text(sentence)];
        blocks.extend(
            self.report.states.iter().map(|state| Block::Text(format!("  {} {}", grouped(state.count), state.state))),
        );
        if !self.report.sample.is_empty() {
            let lines: Vec<_> = self.report.sample.iter().map(line).collect();
            blocks.push(Block::Passage("such as", lines.join("\n")));
        }
        Some(blocks)
    }
}

/// A job of the sample.
fn line(job: &JobSummary) -> String {
    let error = job.last_error.as_ref().map(|error| format!("  {}", error.code)).unwrap_or_default();
    format!("{}  {}  {}{error}", job.id, job.state, job.priority)
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
