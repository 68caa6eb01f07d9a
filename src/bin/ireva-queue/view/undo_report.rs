//! What an undo did.

use ireva_queue::UndoReport;

use crate::output::{Cell, Tone, counted, grouped};
use crate::view::{Block, Column, View};

impl View for UndoReport {
    const COLUMNS: &'static [Column] = &[
        Column::new("UNDONE"),
        Column::new("QUEUE"),
        Column::number("RESTORED"),
        Column::number("LEFT"),
        Column::number("BEFORE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.undone),
            Cell::text(self.queue.as_str()),
            Cell::count(self.restored),
            Cell::alarm(self.left, Tone::Warn),
            Cell::count(self.before),
        ]
    }

    fn name(&self) -> String {
        self.undone.clone()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let verb = if self.dry_run { "would come back" } else { "brought back" };
        let mut sentence = format!("{} {verb} into {}", counted(self.restored, "job"), self.queue);
        if self.left > 0 {
            sentence.push_str(&format!(", {} left as they were", grouped(self.left)));
        }
        if self.before > 0 {
            sentence.push_str(&format!(" ({} had come back before)", grouped(self.before)));
        }
        Some(vec![Block::Text(sentence)])
    }
}
