//! What a worker did.

use ireva_queue::{QueueName, WorkerReport};
use serde::Serialize;

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

/// What a worker did, and for which queues.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Worked {
    /// The queues, which are its name.
    #[serde(skip)]
    pub queues: Vec<QueueName>,
    /// The counts.
    pub report: WorkerReport,
}

impl View for Worked {
    const COLUMNS: &'static [Column] = &[
        Column::number("COMPLETED"),
        Column::number("FAILED"),
        Column::number("RELEASED"),
        Column::number("UNCONFIRMED"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let report = &self.report;
        vec![
            Cell::count(report.completed),
            Cell::alarm(report.failed, Tone::Warn),
            Cell::count(report.released),
            Cell::alarm(report.unconfirmed, Tone::Bad),
        ]
    }

    fn name(&self) -> String {
        let queues: Vec<_> = self.queues.iter().map(QueueName::as_str).collect();
        queues.join("\n")
    }

    fn card(&self) -> Option<Vec<Block>> {
        let WorkerReport { completed, failed, released, unconfirmed } = &self.report;
        let mut line = format!("{completed} completed, {failed} failed, {released} released");
        if *unconfirmed > 0 {
            line.push_str(&format!(", {unconfirmed} not confirmed by Redis"));
        }
        Some(vec![Block::Text(line)])
    }
}
