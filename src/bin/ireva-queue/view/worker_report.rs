//! What a worker did.

use ireva_queue::WorkerReport;

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

impl View for WorkerReport {
    const COLUMNS: &'static [Column] = &[
        Column::number("COMPLETED"),
        Column::number("FAILED"),
        Column::number("RELEASED"),
        Column::number("UNCONFIRMED"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::count(self.completed),
            Cell::alarm(self.failed, Tone::Warn),
            Cell::count(self.released),
            Cell::alarm(self.unconfirmed, Tone::Bad),
        ]
    }

    fn name(&self) -> String {
        self.completed.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let Self { completed, failed, released, unconfirmed } = self;
        let mut line = format!("{completed} completed, {failed} failed, {released} released");
        if *unconfirmed > 0 {
            line.push_str(&format!(", {unconfirmed} not confirmed by Redis"));
        }
        Some(vec![Block::Text(line)])
    }
}
