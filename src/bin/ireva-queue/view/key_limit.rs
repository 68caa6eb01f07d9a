//! Keys by which jobs are limited.

use ireva_queue::stats::KeyLimit;

use crate::output::{Cell, Tone};
use crate::view::{Column, View};

impl View for KeyLimit {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY"),
        Column::number("RUNNING"),
        Column::number("PARKED"),
        Column::new("CONCURRENCY"),
        Column::new("RATE"),
        Column::new("OWN"),
        Column::new("GOES ON").gives_way(1),
        Column::new("QUEUE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.key.as_str()),
            Cell::count(self.running),
            Cell::alarm(self.parked, Tone::Warn),
            Cell::maybe(self.concurrency),
            Cell::maybe(self.rate),
            Cell::yes(self.own, Tone::Plain),
            self.next_at.map_or_else(Cell::none, Cell::due),
            Cell::text(self.queue.as_str()),
        ]
    }

    fn name(&self) -> String {
        self.key.to_string()
    }
}
