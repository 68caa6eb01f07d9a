//! Jobs that stand on disk: one that was just put there, the files of a spool, what became of them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use ireva_queue::{Flushed, JobId, QueueName, SpoolEntry, Spooled};
use serde::Serialize;

use crate::output::{Cell, Tone, counted, grouped};
use crate::view::{Block, Column, View};

/// The answer to an enqueue whose job went to disk.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnqueuedOnDisk {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Always false: nobody has looked.
    pub duplicate: bool,
    /// Always true.
    pub spooled: bool,
    /// When.
    pub spooled_at: DateTime<Utc>,
    /// Its file.
    pub file: PathBuf,
}

impl From<Spooled> for EnqueuedOnDisk {
    fn from(spooled: Spooled) -> Self {
        let Spooled { id, queue, spooled_at, file } = spooled;
        Self { id, queue, duplicate: false, spooled: true, spooled_at, file }
    }
}

impl View for EnqueuedOnDisk {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("QUEUE").wide(),
        Column::new("DUPLICATE").wide(),
        Column::new("SPOOLED").wide(),
        Column::new("FILE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.id.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::yes(self.duplicate, Tone::Warn),
            Cell::yes(self.spooled, Tone::Warn),
            Cell::text(self.file.display().to_string()),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.id.to_string())])
    }
}

impl View for SpoolEntry {
    const COLUMNS: &'static [Column] = &[
        Column::new("FILE"),
        Column::new("QUEUE"),
        Column::new("ID"),
        Column::new("SPOOLED").gives_way(1),
        Column::new("PROBLEM").wraps(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.file),
            Cell::maybe(self.queue.as_ref()),
            Cell::maybe(self.id.as_ref()),
            Cell::maybe_at(self.spooled_at),
            Cell::maybe(self.problem.as_ref()).tone(Tone::Bad),
        ]
    }

    fn name(&self) -> String {
        self.id.as_ref().map_or_else(|| self.file.clone(), JobId::to_string)
    }
}

impl View for Flushed {
    const COLUMNS: &'static [Column] =
        &[Column::number("DELIVERED"), Column::number("DUPLICATES"), Column::number("REFUSED"), Column::number("LEFT")];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::count(self.delivered),
            Cell::count(self.duplicates),
            Cell::alarm(self.set_aside.len() as u64, Tone::Bad),
            Cell::alarm(self.left, Tone::Warn),
        ]
    }

    fn name(&self) -> String {
        self.delivered.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut line = format!("{} delivered", counted(self.delivered, "job"));
        let rest = [
            (self.duplicates, "there already"),
            (self.set_aside.len() as u64, "set aside"),
            (self.left, "left for the next time"),
        ];
        for (count, word) in rest.into_iter().filter(|(count, _)| *count > 0) {
            line.push_str(&format!(", {} {word}", grouped(count)));
        }
        Some(vec![Block::Text(line)])
    }
}
