//! What an act on one job did.

use ireva_queue::{Acted, JobState};

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

impl View for Acted {
    const COLUMNS: &'static [Column] =
        &[Column::new("ID"), Column::new("QUEUE"), Column::new("FROM"), Column::new("TO")];

    fn cells(&self) -> Vec<Cell> {
        let to = match (self.from, self.to) {
            (_, None) => Cell::text("deleted").tone(Tone::Dim),
            (JobState::Active, Some(JobState::Active)) => Cell::text("cancelling").tone(Tone::Warn),
            (_, Some(state)) => Cell::state(state),
        };
        vec![Cell::text(self.id.as_str()), Cell::text(self.queue.as_str()), Cell::state(self.from), to]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let to = self.to.map_or("deleted", |state| state.as_str());
        let line = match (self.from, self.to) {
            (JobState::Active, Some(JobState::Active)) => {
                format!("{} in {}: is being cancelled, its worker is told within a second", self.id, self.queue)
            }
            _ => format!("{} in {}: {} -> {to}", self.id, self.queue, self.from),
        };
        Some(vec![Block::Text(line)])
    }
}
