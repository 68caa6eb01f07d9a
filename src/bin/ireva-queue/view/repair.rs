//! What was put right in a queue.

use ireva_queue::Repair;

use crate::output::{Cell, Tone};
use crate::view::{Column, View};

impl View for Repair {
    const COLUMNS: &'static [Column] = &[
        Column::new("QUEUE"),
        Column::new("REPAIR"),
        Column::number("FOUND"),
        Column::number("REPAIRED"),
        Column::new("MEANING").wraps().gives_way(1),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.queue.as_str()),
            Cell::text(self.repair.as_str()),
            Cell::alarm(self.found, Tone::Warn),
            Cell::count(self.repaired),
            Cell::text(self.meaning),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }
}
