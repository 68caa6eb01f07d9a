//! A dead letter in a list.

use ireva_queue::stats::DeadLetter;

use crate::output::Cell;
use crate::view::{Column, View};

impl View for DeadLetter {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("DIED"),
        Column::number("ATTEMPTS").gives_way(2),
        Column::new("CLASS").gives_way(1),
        Column::new("CODE"),
        Column::new("ERROR").wraps(),
        Column::new("QUEUE").wide(),
        Column::new("ENQUEUED").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.id.as_str()),
            Cell::at(self.died_at),
            Cell::count(self.attempts),
            Cell::class(self.class),
            Cell::text(&self.code),
            Cell::text(&self.error),
            Cell::text(self.queue.as_str()),
            Cell::maybe_at(self.enqueued_at),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
