//! A queue in a list, and a queue that was paused, resumed or deleted.

use ireva_queue::stats::{Deleted, Protected, QueueSummary, Switched};

use crate::output::{Cell, Tone};
use crate::view::queue_settings::moving;
use crate::view::{Block, Column, View};

impl View for QueueSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("QUEUE"),
        Column::number("LIVE"),
        Column::number("DEAD"),
        Column::number("WORKERS"),
        Column::new("PAUSED"),
        Column::new("RATE").gives_way(1),
        Column::new("CONCURRENCY").gives_way(2),
        Column::new("KEEPS").gives_way(3),
        Column::new("KEEPS DEAD").gives_way(4),
        Column::new("PRIORITY MODE").wide(),
        Column::new("MAX LENGTH").wide(),
        Column::number("ATTEMPTS").wide(),
        Column::new("BACKOFF").wide(),
        Column::new("DURABLE").wide(),
        Column::new("PROTECTED").wide(),
        Column::number("PARTITIONS").wide(),
        Column::new("MOVING").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.queue.as_str()),
            Cell::count(self.live),
            Cell::alarm(self.dead, Tone::Bad),
            Cell::count(self.workers),
            Cell::yes(self.paused, Tone::Warn),
            Cell::maybe(self.settings.rate),
            Cell::maybe(self.settings.concurrency),
            Cell::text(self.settings.remove_on_complete.to_string()),
            Cell::text(self.settings.remove_on_fail.to_string()),
            Cell::text(self.settings.priority_mode.to_string()),
            Cell::maybe(self.settings.max_length),
            Cell::count(self.settings.retry.attempts),
            Cell::text(self.settings.retry.transient.to_string()),
            Cell::text(self.settings.durable.as_str()),
            Cell::yes(self.protected, Tone::Plain),
            Cell::count(self.settings.partitions),
            Cell::maybe(moving(self.partitions_was, self.partitions_next)),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }
}

impl View for Switched {
    const COLUMNS: &'static [Column] = &[Column::new("QUEUE"), Column::new("PAUSED"), Column::new("CHANGED")];

    fn cells(&self) -> Vec<Cell> {
        let word = |yes| Cell::text(if yes { "yes" } else { "no" });
        vec![Cell::text(self.queue.as_str()), word(self.paused), word(self.changed)]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let state = if self.paused { "paused" } else { "running" };
        let already = if self.changed { "" } else { " already" };
        Some(vec![Block::Text(format!("{} is{already} {state}", self.queue))])
    }
}

impl View for Protected {
    const COLUMNS: &'static [Column] = &[Column::new("QUEUE"), Column::new("PROTECTED"), Column::new("CHANGED")];

    fn cells(&self) -> Vec<Cell> {
        let word = |yes| Cell::text(if yes { "yes" } else { "no" });
        vec![Cell::text(self.queue.as_str()), word(self.protected), word(self.changed)]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let state = if self.protected { "protected" } else { "not protected" };
        Some(vec![Block::Text(format!("{} is {state}", self.queue))])
    }
}

impl View for Deleted {
    const COLUMNS: &'static [Column] = &[Column::new("QUEUE"), Column::new("DELETED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.queue.as_str()), Cell::yes(self.deleted, Tone::Dim)]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(format!("{} is deleted", self.queue))])
    }
}
