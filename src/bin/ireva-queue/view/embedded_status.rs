//! The private server of a data directory.

use std::time::Duration;

use ireva_queue::EmbeddedStatus;
use serde::Serialize;

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

impl View for EmbeddedStatus {
    const COLUMNS: &'static [Column] = &[
        Column::new("RUNNING"),
        Column::number("PID"),
        Column::new("VERSION"),
        Column::number("UPTIME"),
        Column::number("MEMORY BYTES"),
        Column::number("AOF BYTES"),
        Column::new("DATA DIR").wraps(),
        Column::new("SOCKET").wraps().wide(),
    ];
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        let bytes = |bytes: Option<u64>| bytes.map_or_else(Cell::none, Cell::count);
        let uptime_ms = self.uptime_secs.map(|secs| Duration::from_secs(secs).as_millis() as u64);
        let running = if self.running { Cell::text("yes").tone(Tone::Good) } else { Cell::text("no") };
        vec![
            running,
            Cell::maybe(self.pid),
            Cell::maybe(self.version.as_ref()),
            Cell::millis(uptime_ms),
            bytes(self.used_memory_bytes),
            bytes(self.aof_bytes),
            Cell::text(self.data_dir.display().to_string()),
            Cell::text(self.socket.display().to_string()),
        ]
    }

    fn name(&self) -> String {
        self.data_dir.display().to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let labels = ["running", "pid", "version", "uptime", "memory bytes", "aof bytes", "data dir", "socket"];
        Some(labels.into_iter().zip(self.cells()).map(|(label, cell)| Block::Field(label, cell)).collect())
    }
}

/// Whether a server was stopped.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// False when none ran.
    pub stopped: bool,
}

impl View for Stopped {
    const COLUMNS: &'static [Column] = &[Column::new("STOPPED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.name())]
    }

    fn name(&self) -> String {
        if self.stopped { "yes" } else { "no" }.to_owned()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let line = if self.stopped { "stopped; its data are kept" } else { "it was not running" };
        Some(vec![Block::Text(line.to_owned())])
    }
}
