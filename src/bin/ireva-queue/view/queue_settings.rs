//! What is set for a queue.

use ireva_queue::QueueName;
use ireva_queue::stats::{PartitionShare, SettingsInForce};
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
    /// What is set, and what follows from it.
    pub now: SettingsInForce,
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
        Column::new("MOVING").wide(),
        Column::new("OF EACH").wide(),
    ];
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        let or_none = |text: Option<String>| Cell::text(text.unwrap_or_else(|| "none".to_owned()));
        let settings = &self.now.settings;
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
            Cell::maybe(moving(self.now.partitions_was, self.now.partitions_next)),
            Cell::maybe(of_each(&self.now.of_each)),
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
        let moving = moving(self.now.partitions_was, self.now.partitions_next);
        let moving = moving.map(|text| Block::Field("moving", Cell::text(text)));
        let shares = shares(&self.now.of_each).into_iter().map(|share| Block::Field(share.0, Cell::text(share.1)));
        Some(fields.chain(moving).chain(shares).collect())
    }
}

/// From or to how many partitions the jobs of a queue are being moved: `from 3`, or `to 8` where the new number is written down
/// and does not hold yet.
pub fn moving(was: Option<u16>, next: Option<u16>) -> Option<String> {
    was.map(|was| format!("from {was}")).or_else(|| next.map(|next| format!("to {next}")))
}

/// What each partition has of the limits, in one line: `rate 100/8s:1, concurrency 3 or 2`.
fn of_each(of_each: &[PartitionShare]) -> Option<String> {
    let shares = shares(of_each);
    let said = shares.into_iter().map(|(label, text)| format!("{} {text}", label.trim_end_matches("-of-each")));
    let said: Vec<_> = said.collect();
    (!of_each.is_empty()).then(|| said.join(", "))
}

/// What each partition has of each limit that is set: `3 or 2` where it does not divide.
fn shares(of_each: &[PartitionShare]) -> Vec<(&'static str, String)> {
    let either = |of: fn(&PartitionShare) -> Option<String>| {
        let mut texts: Vec<_> = of_each.iter().filter_map(of).collect();
        texts.dedup();
        (!texts.is_empty()).then(|| texts.join(" or "))
    };
    let shares = [
        ("rate-of-each", either(|share| share.rate.map(|rate| rate.to_string()))),
        ("concurrency-of-each", either(|share| share.concurrency.map(|limit| limit.to_string()))),
        ("max-length-of-each", either(|share| share.max_length.map(|limit| limit.to_string()))),
        ("remove-on-complete-of-each", either(|share| Some(share.remove_on_complete.to_string()))),
        ("remove-on-fail-of-each", either(|share| Some(share.remove_on_fail.to_string()))),
    ];
    shares.into_iter().filter_map(|(label, text)| Some((label, text?))).collect()
}
