//! Dead letters that share a cause.

use ireva_queue::stats::DeadGroup;

use crate::output::Cell;
use crate::view::{Column, View};

impl View for DeadGroup {
    const COLUMNS: &'static [Column] = &[
        Column::number("COUNT"),
        Column::new("CAUSE").wraps(),
        Column::new("OLDEST").gives_way(2),
        Column::new("NEWEST").gives_way(1),
        Column::new("EXAMPLE").gives_way(3),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::count(self.count),
            Cell::text(&self.key),
            Cell::at(self.oldest),
            Cell::at(self.newest),
            Cell::text(self.example.as_str()),
        ]
    }

    fn name(&self) -> String {
        self.key.clone()
    }
}
