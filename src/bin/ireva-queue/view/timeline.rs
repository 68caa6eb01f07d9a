//! A step of a job's life, and a line of what it said.

use chrono::SecondsFormat;
use ireva_queue::{JobId, QueueName, TimelineStep};
use serde::Serialize;

use crate::output::{Cell, Tone, span_short};
use crate::view::{Column, View};

impl View for TimelineStep {
    const COLUMNS: &'static [Column] = &[
        Column::new("AT"),
        Column::new("EVENT"),
        Column::number("ATTEMPT").gives_way(1),
        Column::new("DETAIL").wraps(),
        Column::new("BY").gives_way(2),
        Column::new("JOB").wide(),
        Column::number("DURATION").wide(),
        Column::new("CODE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.event.as_str() {
            "dead" | "crash_loop" | "expired" | "orphaned" => Tone::Bad,
            "retrying" | "failed" | "snoozed" | "recovered" => Tone::Warn,
            "completed" => Tone::Good,
            _ => Tone::Plain,
        };
        vec![
            Cell::text(self.at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Cell::text(&self.event).tone(tone),
            self.attempt.map_or_else(Cell::none, Cell::count),
            Cell::maybe(detail(self)),
            Cell::maybe(self.by.as_ref()),
            Cell::text(self.job.as_str()),
            Cell::millis(self.duration_ms),
            Cell::maybe(self.code.as_ref()),
        ]
    }

    fn name(&self) -> String {
        self.event.clone()
    }
}

/// The error, and how long the attempt ran.
fn detail(step: &TimelineStep) -> Option<String> {
    let (code, message) = (step.code.as_ref()?, step.message.as_ref()?);
    let ran = step.duration_ms.map(|ms| format!(" after {}", span_short(std::time::Duration::from_millis(ms))));
    Some(format!("{code}{}: {}", ran.unwrap_or_default(), message.replace('\n', " ")))
}

/// A line of a job's log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// The job.
    pub job: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// What was said.
    pub line: String,
}

impl View for LogLine {
    const COLUMNS: &'static [Column] =
        &[Column::new("LINE").wraps(), Column::new("JOB").wide(), Column::new("QUEUE").wide()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(&self.line), Cell::text(self.job.as_str()), Cell::text(self.queue.as_str())]
    }

    fn name(&self) -> String {
        self.line.clone()
    }
}
