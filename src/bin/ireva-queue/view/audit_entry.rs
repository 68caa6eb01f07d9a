//! An act of the audit.

use ireva_queue::{ActEnd, AuditEntry};

use crate::output::{Cell, Tone};
use crate::view::{Column, View};

impl View for AuditEntry {
    const COLUMNS: &'static [Column] = &[
        Column::new("ACT"),
        Column::new("AT"),
        Column::new("BY").gives_way(1),
        Column::new("WHAT"),
        Column::new("QUEUE"),
        Column::number("COUNT"),
        Column::new("ENDED"),
        Column::new("UNDO").gives_way(3),
        Column::new("SELECTION").wraps().gives_way(4),
        Column::new("REASON").wraps().gives_way(2),
    ];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.ended {
            ActEnd::Done => Tone::Plain,
            ActEnd::Stopped => Tone::Warn,
            ActEnd::Open | ActEnd::Failed => Tone::Bad,
        };
        let undo = match (&self.undone_by, self.undo_until) {
            (Some(_), _) => Cell::text("undone").tone(Tone::Dim),
            (None, until) => Cell::maybe_at(until),
        };
        vec![
            Cell::text(&self.id),
            Cell::at(self.at),
            Cell::text(&self.by),
            Cell::text(&self.act),
            Cell::text(self.queue.as_str()),
            self.count.map_or_else(Cell::none, Cell::count),
            Cell::text(self.ended.as_str()).tone(tone),
            undo,
            Cell::text(&self.selection),
            Cell::maybe(self.reason.as_ref()),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}
