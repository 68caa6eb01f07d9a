//! The answers to an enqueue: of one job, of many, of a dry run, and of one that was waited for.

use ireva_queue::stats::{Enqueued, JobEnd};
use ireva_queue::{JobState, QueueName};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::{Cell, Tone, grouped};
use crate::view::{Block, Column, View};

impl View for Enqueued {
    const COLUMNS: &'static [Column] =
        &[Column::new("ID"), Column::new("QUEUE").wide(), Column::new("DUPLICATE").wide()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.id.as_str()), Cell::text(self.queue.as_str()), Cell::yes(self.duplicate, Tone::Warn)]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.id.to_string())])
    }
}

/// What became of many lines.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnqueueReport {
    /// The queue.
    pub queue: QueueName,
    /// Jobs added (with `dry_run`: that would have been sent).
    pub enqueued: u64,
    /// Jobs whose id or unique key is taken; with `dry_run` nobody looks.
    pub duplicates: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// Whether nothing was sent on purpose.
    pub dry_run: bool,
}

impl View for EnqueueReport {
    const COLUMNS: &'static [Column] =
        &[Column::number("ENQUEUED"), Column::number("DUPLICATES"), Column::number("REFUSED"), Column::new("QUEUE")];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::count(self.enqueued),
            Cell::count(self.duplicates),
            Cell::alarm(self.refused, Tone::Bad),
            Cell::text(self.queue.as_str()),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let would = if self.dry_run { "would be " } else { "" };
        let mut line = format!("{} {would}enqueued in {}", grouped(self.enqueued), self.queue);
        for (count, word) in [
            (self.duplicates, if self.duplicates == 1 { "duplicate" } else { "duplicates" }),
            (self.refused, "refused"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {} {word}", grouped(count)));
            }
        }
        if self.dry_run {
            line.push_str("; which of them are there already was not looked up");
        }
        Some(vec![Block::Text(line)])
    }
}

/// A job as it would have been enqueued.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The queue.
    pub queue: QueueName,
    /// The payload as it would be stored.
    pub payload: Box<RawValue>,
    /// Always true.
    pub dry_run: bool,
}

impl View for Planned {
    const COLUMNS: &'static [Column] = &[Column::new("PAYLOAD").wraps(), Column::new("QUEUE").wide()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.payload.get()), Cell::text(self.queue.as_str())]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.payload.get().to_owned())])
    }
}

/// A job that was enqueued and waited for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    /// The answer to the enqueue.
    #[serde(flatten)]
    pub enqueued: Enqueued,
    /// Completed, dead or cancelled.
    pub state: JobState,
    /// Its result.
    pub result: Option<Box<RawValue>>,
    /// Its last error.
    pub error: Option<ireva_queue::job::Failure>,
}

impl Awaited {
    /// What was enqueued, and how it ended.
    pub fn new(enqueued: Enqueued, end: JobEnd) -> Self {
        Self { enqueued, state: end.state, result: end.result, error: end.error }
    }
}

impl View for Awaited {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("STATE"),
        Column::new("RESULT").wraps(),
        Column::new("CODE").wide(),
        Column::new("ERROR").wraps().wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.enqueued.id.as_str()),
            Cell::state(self.state),
            Cell::maybe(self.result.as_ref().map(|result| result.get())),
            Cell::maybe(self.error.as_ref().map(|error| &error.code)),
            Cell::maybe(self.error.as_ref().map(|error| &error.message)),
        ]
    }

    fn name(&self) -> String {
        self.enqueued.id.to_string()
    }
}
