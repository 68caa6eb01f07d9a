//! What the demo shows at its end.

use std::io::{self, Write};

use ireva_queue::stats::{DeadGroup, QueueStats};
use ireva_queue::{JobId, QueueName};
use serde::Serialize;

use crate::output::{Body, Cell, Format, Look, rows, write_json};
use crate::view::{Column, View};

/// Dead letters of a queue that share a cause.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueGroup {
    /// The queue.
    pub queue: QueueName,
    /// What they share.
    #[serde(flatten)]
    pub group: DeadGroup,
}

impl View for QueueGroup {
    const COLUMNS: &'static [Column] = &[
        Column::new("QUEUE"),
        Column::number("COUNT"),
        Column::new("CAUSE").wraps(),
        Column::new("EXAMPLE").gives_way(1),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.queue.as_str()),
            Cell::count(self.group.count),
            Cell::text(&self.group.key),
            Cell::text(self.group.example.as_str()),
        ]
    }

    fn name(&self) -> String {
        self.group.key.clone()
    }
}

/// What came of a job of the platform's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformStep {
    /// Its queue.
    pub queue: &'static str,
    /// In words.
    pub did: String,
    /// The job's result.
    pub result: serde_json::Value,
}

impl View for PlatformStep {
    const COLUMNS: &'static [Column] = &[Column::new("QUEUE"), Column::new("DONE").wraps()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.queue), Cell::text(&self.did)]
    }

    fn name(&self) -> String {
        self.queue.to_owned()
    }
}

/// The end of the demo.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoReport {
    /// How the queues stand.
    pub stats: Vec<QueueStats>,
    /// The dead letters by cause, before one was revived.
    pub dead_letters: Vec<QueueGroup>,
    /// The dead letter that was revived.
    pub revived: Option<JobId>,
    /// The platform's work.
    pub platform: Vec<PlatformStep>,
}

impl Body for DemoReport {
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Json | Format::Jsonl => write_json(self, format == Format::Json, out),
            Format::Table | Format::Wide => {
                writeln!(out, "Dead letters by cause, before one was revived\n")?;
                rows(&self.dead_letters, format, look, out)?;
                writeln!(out, "\nThe platform's work\n")?;
                rows(&self.platform, format, look, out)?;
                writeln!(out, "\nThe queues at the end\n")?;
                rows(&self.stats, format, look, out)
            }
            Format::Plain | Format::Csv | Format::Name => rows(&self.stats, format, look, out),
        }
    }
}
