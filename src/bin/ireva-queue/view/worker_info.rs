//! A worker.

use ireva_queue::stats::WorkerInfo;

use crate::output::{Cell, Tone};
use crate::view::{Column, View};

impl View for WorkerInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("HOST").gives_way(6),
        Column::number("PID").gives_way(5),
        Column::new("QUEUES").wraps(),
        Column::number("ACTIVE"),
        Column::number("OF").gives_way(3),
        Column::number("COMPLETED").gives_way(2),
        Column::number("FAILED").gives_way(1),
        Column::new("STARTED"),
        Column::new("STATE"),
        Column::number("LEASE").gives_way(4),
        Column::new("WORKER"),
        Column::new("VERSION").wide(),
        Column::new("LEASE UNTIL").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let queues: Vec<_> = self.queues.iter().map(|queue| queue.as_str()).collect();
        let state = match &self.ended {
            Some(ended) => Cell::text(ended).tone(Tone::Bad),
            None if self.silent => Cell::text("silent").tone(Tone::Bad),
            None => Cell::text("ready").tone(Tone::Good),
        };
        vec![
            Cell::text(&self.host),
            Cell::text(self.pid.to_string()),
            Cell::text(queues.join(" ")),
            Cell::count(self.active),
            Cell::count(self.concurrency),
            Cell::count(self.completed),
            Cell::alarm(self.failed, Tone::Warn),
            Cell::at(self.started_at),
            state,
            Cell::millis(Some(self.lease_ms)),
            Cell::text(&self.worker),
            Cell::text(&self.version),
            Cell::at(self.lease_until),
        ]
    }

    fn name(&self) -> String {
        self.worker.clone()
    }
}
