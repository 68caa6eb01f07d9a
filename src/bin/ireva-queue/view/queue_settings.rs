//! What is set for a queue.

use ireva_queue::config::QueueSettings;

use crate::output::Cell;
use crate::view::{Block, Column, View};

impl View for QueueSettings {
    const COLUMNS: &'static [Column] = &[
        Column::new("RATE"),
        Column::new("CONCURRENCY"),
        Column::new("REMOVE ON COMPLETE"),
        Column::new("REMOVE ON FAIL"),
        Column::new("PRIORITY MODE"),
        Column::new("MAX LENGTH"),
        Column::number("CRASH LIMIT"),
        Column::new("DURABLE"),
        Column::number("ATTEMPTS"),
        Column::new("BACKOFF"),
        Column::new("THROTTLED BACKOFF"),
        Column::number("PERMANENT ATTEMPTS"),
    ];
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        let or_none = |text: Option<String>| Cell::text(text.unwrap_or_else(|| "none".to_owned()));
        vec![
            or_none(self.rate.map(|rate| rate.to_string())),
            or_none(self.concurrency.map(|concurrency| concurrency.to_string())),
            Cell::text(self.remove_on_complete.to_string()),
            Cell::text(self.remove_on_fail.to_string()),
            Cell::text(self.priority_mode.to_string()),
            or_none(self.max_length.map(|length| length.to_string())),
            Cell::count(self.crash_limit),
            Cell::text(self.durable.as_str()),
            Cell::count(self.retry.attempts),
            Cell::text(self.retry.transient.to_string()),
            Cell::text(self.retry.throttled.to_string()),
            Cell::count(self.retry.permanent_attempts),
        ]
    }

    fn name(&self) -> String {
        "settings".to_owned()
    }

    /// The labels are the flags of `queues set`.
    fn card(&self) -> Option<Vec<Block>> {
        let labels = [
            "rate",
            "concurrency",
            "remove-on-complete",
            "remove-on-fail",
            "priority-mode",
            "max-length",
            "crash-limit",
            "durable",
            "attempts",
            "backoff",
            "throttled-backoff",
            "permanent-attempts",
        ];
        Some(labels.into_iter().zip(self.cells()).map(|(label, cell)| Block::Field(label, cell)).collect())
    }
}
