//! What is set for a queue.

use ireva_queue::QueueName;
use ireva_queue::config::QueueSettings;
use serde::Serialize;

use crate::output::Cell;
use crate::view::{Block, Column, View};

/// The settings of a queue.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Settings {
    /// The queue, which is its name.
    #[serde(skip)]
    pub queue: QueueName,
    /// What is set.
    pub settings: QueueSettings,
}

impl View for Settings {
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
        Column::new("KEY"),
        Column::new("KEY CONCURRENCY"),
        Column::new("KEY RATE"),
        Column::number("PARTITIONS"),
    ];
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        let or_none = |text: Option<String>| Cell::text(text.unwrap_or_else(|| "none".to_owned()));
        let settings = &self.settings;
        vec![
            or_none(settings.rate.map(|rate| rate.to_string())),
            or_none(settings.concurrency.map(|concurrency| concurrency.to_string())),
            Cell::text(settings.remove_on_complete.to_string()),
            Cell::text(settings.remove_on_fail.to_string()),
            Cell::text(settings.priority_mode.to_string()),
            or_none(settings.max_length.map(|length| length.to_string())),
            Cell::count(settings.crash_limit),
            Cell::text(settings.durable.as_str()),
            Cell::count(settings.retry.attempts),
            Cell::text(settings.retry.transient.to_string()),
            Cell::text(settings.retry.throttled.to_string()),
            Cell::count(settings.retry.permanent_attempts),
            or_none(settings.key.as_ref().map(ToString::to_string)),
            or_none(settings.key_concurrency.map(|concurrency| concurrency.to_string())),
            or_none(settings.key_rate.map(|rate| rate.to_string())),
            Cell::count(settings.partitions),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
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
            "key",
            "key-concurrency",
            "key-rate",
            "partitions",
        ];
        let fields = labels.into_iter().zip(self.cells()).map(|(label, cell)| Block::Field(label, cell));
        let shares =
            (self.settings.partitions > 1).then(|| Block::Field("of each", Cell::text(of_each(&self.settings))));
        Some(fields.chain(shares).collect())
    }
}

/// What each partition has of the limits: `rate 100/8s:1, concurrency 3 or 2`.
fn of_each(settings: &QueueSettings) -> String {
    let [first, last] = [1, settings.partitions].map(|number| settings.of_partition(number));
    let either = |first: String, last: String| if first == last { first } else { format!("{first} or {last}") };
    let mut parts = Vec::new();
    if let Some(rate) = first.rate {
        parts.push(format!("rate {rate}"));
    }
    if let (Some(first), Some(last)) = (first.concurrency, last.concurrency) {
        parts.push(format!("concurrency {}", either(first.to_string(), last.to_string())));
    }
    if let (Some(first), Some(last)) = (first.max_length, last.max_length) {
        parts.push(format!("max-length {}", either(first.to_string(), last.to_string())));
    }
    parts.push(format!("remove-on-complete {}", first.remove_on_complete));
    parts.push(format!("remove-on-fail {}", first.remove_on_fail));
    parts.join(", ")
}
