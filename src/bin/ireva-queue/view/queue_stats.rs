//! The statistics of a queue.

use ireva_queue::Priority;
use ireva_queue::config::{Durable, QueueSettings};
use ireva_queue::stats::{QueueStats, Rates};

use crate::output::{Cell, Tone, grouped};
use crate::view::queue_settings::moving;
use crate::view::{Block, Column, View};

impl View for QueueStats {
    const COLUMNS: &'static [Column] = &[
        Column::new("QUEUE").wraps(),
        Column::number("PENDING"),
        Column::number("SCHEDULED").gives_way(1),
        Column::number("ACTIVE"),
        Column::number("RETRYING"),
        Column::number("COMPLETED").gives_way(5),
        Column::number("CANCELLED").gives_way(7),
        Column::number("DEAD"),
        Column::number("OLDEST").gives_way(3),
        Column::number("DONE/MIN").gives_way(2),
        Column::number("DONE/H").gives_way(6),
        Column::number("FAILED").gives_way(4),
        Column::number("WORKERS"),
        Column::new("PAUSED"),
        Column::number("LATE").wide(),
        Column::new("RATE").wide(),
        Column::new("CONCURRENCY").wide(),
        Column::new("DURABLE").wide(),
        Column::number("LATE SCHEDULES").wide(),
        Column::number("PARTITIONS").wide(),
        Column::new("MOVING").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.queue.as_str()),
            Cell::count(self.pending),
            Cell::count(self.scheduled),
            Cell::count(self.active),
            Cell::alarm(self.retrying, Tone::Warn),
            Cell::count(self.completed),
            Cell::count(self.cancelled),
            Cell::alarm(self.dead, Tone::Bad),
            Cell::millis(self.oldest_pending_ms),
            Cell::count(self.last_minute.completed),
            Cell::count(self.last_hour.completed),
            failure_rate(&self.last_hour),
            Cell::count(self.workers),
            Cell::yes(self.paused, Tone::Warn),
            Cell::millis(self.late_ms),
            Cell::maybe(self.settings.rate),
            Cell::maybe(self.settings.concurrency),
            Cell::text(self.settings.durable.as_str()),
            Cell::alarm(self.late_schedules, Tone::Bad),
            Cell::count(self.partitions),
            Cell::maybe(moving(self.partitions_was, self.partitions_next)),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut blocks = vec![Block::Field("queue", Cell::text(self.queue.as_str()))];
        if self.paused {
            blocks.push(Block::Field("paused", Cell::yes(true, Tone::Warn)));
        }
        if self.protected {
            blocks.push(Block::Field("protected", Cell::yes(true, Tone::Plain)));
        }
        blocks.extend([
            Block::Field("pending", Cell::text(pending(self))),
            Block::Field("scheduled", Cell::count(self.scheduled)),
            Block::Field("active", Cell::count(self.active)),
            Block::Field("retrying", Cell::alarm(self.retrying, Tone::Warn)),
            Block::Field("completed", Cell::text(kept(self.completed, self.totals.completed))),
            Block::Field("cancelled", Cell::count(self.cancelled)),
            Block::Field("dead", Cell::alarm(self.dead, Tone::Bad)),
            Block::Field("oldest pending", Cell::millis(self.oldest_pending_ms)),
            Block::Field("last minute", Cell::text(rates(&self.last_minute))),
            Block::Field("last hour", Cell::text(rates(&self.last_hour))),
            Block::Field("failure rate", failure_rate(&self.last_hour)),
            Block::Field("limits", Cell::text(limits(self))),
            Block::Field("workers", Cell::count(self.workers)),
        ]);
        if self.settings.durable != Durable::Off {
            blocks.push(Block::Field("durable", Cell::text(self.settings.durable.as_str())));
        }
        if self.partitions > 1 || self.partitions_was.or(self.partitions_next).is_some() {
            blocks.push(Block::Field("partitions", Cell::text(partitions(self))));
        }
        if !self.partitions_away.is_empty() {
            blocks.push(Block::Field("not counted", Cell::text(self.partitions_away.join(", "))));
        }
        if self.schedules > 0 {
            blocks.push(Block::Field("schedules", Cell::count(self.schedules)));
        }
        if self.late_schedules > 0 {
            blocks.push(Block::Field("late schedules", Cell::alarm(self.late_schedules, Tone::Bad)));
        }
        if let Some(late_ms) = self.late_ms {
            blocks.push(Block::Field("overdue by", Cell::millis(Some(late_ms)).tone(Tone::Warn)));
        }
        Some(blocks)
    }
}

/// Over how many it is spread, and from how many jobs are still being moved there, or to how many it is to be moved.
fn partitions(stats: &QueueStats) -> String {
    match (stats.partitions_was, stats.partitions_next) {
        (Some(was), _) => format!("{}, jobs are being moved from {was}", stats.partitions),
        (None, Some(next)) => format!("{}, being moved to {next}", stats.partitions),
        (None, None) => stats.partitions.to_string(),
    }
}

/// The count, and the priorities where they differ from normal.
fn pending(stats: &QueueStats) -> String {
    let levels = Priority::ALL.iter().zip(stats.pending_by_priority).filter(|(_, count)| *count > 0);
    let levels: Vec<_> = levels.map(|(priority, count)| format!("{} {priority}", grouped(count))).collect();
    let all_normal = stats.pending_by_priority[usize::from(Priority::Normal.level())] == stats.pending;
    let detail = if all_normal { String::new() } else { format!(" ({})", levels.join(", ")) };
    let parked = match stats.parked {
        0 => String::new(),
        parked => format!(", {} of them for the limit of their key", grouped(parked)),
    };
    format!("{}{detail}{parked}", grouped(stats.pending))
}

fn kept(kept: u64, total: u64) -> String {
    if kept == total { grouped(kept) } else { format!("{} kept of {}", grouped(kept), grouped(total)) }
}

fn rates(rates: &Rates) -> String {
    let counts =
        [(rates.enqueued, "enqueued"), (rates.completed, "completed"), (rates.failed, "failed"), (rates.dead, "dead")];
    counts.map(|(count, word)| format!("{} {word}", grouped(count))).join(", ")
}

fn failure_rate(rates: &Rates) -> Cell {
    let tone = match rates.failure_rate {
        Some(rate) if rate >= 0.5 => Tone::Bad,
        Some(rate) if rate >= 0.05 => Tone::Warn,
        _ => Tone::Plain,
    };
    Cell::part(rates.failure_rate).tone(tone)
}

fn limits(stats: &QueueStats) -> String {
    let settings = &stats.settings;
    let limits = [
        settings.rate.map(|rate| format!("rate {rate}")),
        settings.concurrency.map(|concurrency| format!("concurrency {concurrency}")),
        settings.max_length.map(|length| format!("length {}", grouped(length))),
        per_key(settings),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }
}

/// What is set for every key, once it is said what the key is.
fn per_key(settings: &QueueSettings) -> Option<String> {
    let limits = [
        settings.key_rate.map(|rate| format!("rate {rate}")),
        settings.key_concurrency.map(|concurrency| format!("concurrency {concurrency}")),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let field = settings.key.as_ref().filter(|_| !limits.is_empty())?;
    Some(format!("{} for each {field}", limits.join(" and ")))
}
