//! What each value looks like: its columns, its name, and its card where it is shown alone. One file per value.

mod acted;
mod alert_entry;
mod alert_info;
mod audit_entry;
mod batch_info;
mod breaker_info;
mod bulk;
mod checked;
mod config_value;
mod database;
mod dead_group;
mod dead_letter;
mod demo_report;
mod embedded_status;
mod enqueued;
mod explanation;
mod finding;
mod import_report;
mod job_details;
mod job_summary;
mod key_limit;
mod measurement;
mod queue_event;
mod queue_settings;
mod queue_stats;
mod queue_summary;
mod repair;
mod schedule;
mod sink_tried;
mod spooled;
mod timeline;
mod token;
mod undo_report;
mod worker_info;
mod worker_report;

use serde::Serialize;

pub use alert_info::AlertRemoved;
pub use bulk::{Act, Bulk};
pub use checked::{CheckAnswer, CheckFormat};
pub use config_value::{ListedProfile, ProfilePath, WithOrigin};
pub use demo_report::{DemoReport, PlatformStep, QueueGroup};
pub use embedded_status::Stopped;
pub use enqueued::{Awaited, EnqueueReport, Planned};
pub use finding::Findings;
pub use queue_event::event_line;
pub use queue_settings::Settings;
pub use spooled::EnqueuedOnDisk;
pub use timeline::LogLine;
pub use token::Revoked;
pub use worker_report::Worked;

use crate::output::Cell;

/// A value that can be answered.
pub trait View: Serialize {
    /// Its columns, in their order. A released column stays.
    const COLUMNS: &'static [Column];

    /// Whether `plain` shows the card, a field a line, where this is the only value.
    const PLAIN_CARD: bool = false;

    /// Whether several rows may be of one thing, whose name is then said once.
    const NAMES_ONCE: bool = false;

    /// One cell for each column.
    fn cells(&self) -> Vec<Cell>;

    /// Its id or name alone.
    fn name(&self) -> String;

    /// How it is shown to people where it is the only value; a row unless said.
    fn card(&self) -> Option<Vec<Block>> {
        None
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands over it.
    pub title: &'static str,
    /// Whether its cells stand to the right.
    pub right: bool,
    /// Whether only `wide` and `csv` have it.
    pub wide: bool,
    /// Whether its text may run over several lines.
    pub wraps: bool,
    /// Whether its text never breaks, however little room there is.
    pub whole: bool,
    /// Where room is short the column with the highest number goes first; 0 stays.
    pub gives_way: u8,
}

impl Column {
    /// A column of text that stays.
    pub const fn new(title: &'static str) -> Self {
        Self { title, right: false, wide: false, wraps: false, whole: false, gives_way: 0 }
    }

    /// A column of numbers that stays.
    pub const fn number(title: &'static str) -> Self {
        Self { right: true, ..Self::new(title) }
    }

    /// The same, only in `wide` and `csv`.
    pub const fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// The same, its text may run over several lines.
    pub const fn wraps(self) -> Self {
        Self { wraps: true, ..self }
    }

    /// The same, its text never breaks.
    pub const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The same, going away where room is short; the highest number first.
    pub const fn gives_way(self, turn: u8) -> Self {
        Self { gives_way: turn, ..self }
    }
}

/// A part of a card.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A sentence.
    Text(String),
    /// A label and its value.
    Field(&'static str, Cell),
    /// A label and lines of text below it.
    Passage(&'static str, String),
}

impl Block {
    /// The label of a field.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Field(label, _) => Some(label),
            Self::Text(_) | Self::Passage(..) => None,
        }
    }
}
