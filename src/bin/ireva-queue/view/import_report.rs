//! What an import of jobs did.

use ireva_queue::ImportReport;

use crate::output::{Cell, Tone, counted, grouped};
use crate::view::{Block, Column, View};

impl View for ImportReport {
    const COLUMNS: &'static [Column] =
        &[Column::number("IMPORTED"), Column::number("DUPLICATES"), Column::number("SKIPPED")];

    fn cells(&self) -> Vec<Cell> {
        let skipped = self.skipped.len() as u64;
        vec![Cell::count(self.imported), Cell::count(self.duplicates), Cell::alarm(skipped, Tone::Warn)]
    }

    fn name(&self) -> String {
        self.imported.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let would = if self.dry_run { "would be " } else { "" };
        let mut sentence = format!("{} {would}imported", counted(self.imported, "job"));
        if self.duplicates > 0 {
            sentence.push_str(&format!(", {} there already", grouped(self.duplicates)));
        }
        if !self.skipped.is_empty() {
            sentence.push_str(&format!(", {} not taken in", grouped(self.skipped.len() as u64)));
        }
        Some(vec![Block::Text(sentence)])
    }
}
