//! What happened in a queue: a row, or a line of the log that is followed.

use chrono::SecondsFormat;
use ireva_queue::{JobId, Level, QueueEvent};

use crate::output::{Cell, Look, Tone, counted, visible};
use crate::view::{Column, View};

impl View for QueueEvent {
    const COLUMNS: &'static [Column] = &[
        Column::new("AT").whole(),
        Column::new("LEVEL").gives_way(1),
        Column::new("QUEUE"),
        Column::new("EVENT"),
        Column::new("JOB"),
        Column::new("DETAIL").wraps(),
        Column::new("BY").gives_way(2),
        Column::new("ID").wide(),
        Column::new("CLASS").wide(),
        Column::new("CODE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let failure = self.failures.first().map(|failed| &failed.failure);
        vec![
            Cell::text(self.at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Cell::text(self.level.as_str()).tone(tone(self.level)),
            Cell::text(self.queue.as_str()),
            Cell::text(&self.event),
            Cell::maybe((!self.jobs.is_empty()).then(|| jobs(&self.jobs))),
            Cell::maybe(detail(self)),
            Cell::maybe((!self.by.is_empty()).then_some(&self.by)),
            Cell::text(self.id.to_string()),
            Cell::maybe(failure.map(|failure| failure.class)),
            Cell::maybe(failure.map(|failure| &failure.code)),
        ]
    }

    fn name(&self) -> String {
        if self.jobs.is_empty() { self.queue.to_string() } else { jobs(&self.jobs) }
    }
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Info => Tone::Plain,
        Level::Warn => Tone::Warn,
        Level::Error => Tone::Bad,
    }
}

fn jobs(jobs: &[JobId]) -> String {
    jobs.iter().map(JobId::as_str).collect::<Vec<_>>().join(" ")
}

/// What it is about beside the job.
fn detail(event: &QueueEvent) -> Option<String> {
    if let Some(failed) = event.failures.first() {
        let ireva_queue::job::Failure { attempt, code, message, .. } = &failed.failure;
        return Some(format!("attempt {attempt} {code}: {}", message.replace('\n', " ")));
    }
    if !event.changes.is_empty() {
        return Some(event.changes.join(" "));
    }
    (event.jobs.is_empty() && event.count > 0).then(|| counted(event.count, "job"))
}

/// One line of the log for people; lines that follow one another need no header.
pub fn event_line(event: &QueueEvent, look: Look) -> String {
    let at = event.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let level = console::style(format!("{:<5}", event.level.as_str())).force_styling(look.color);
    let level = match event.level {
        Level::Info => level,
        Level::Warn => level.yellow(),
        Level::Error => level.red(),
    };
    let mut line = format!("{at}  {level}  {}  {}", event.queue, visible(&event.event));
    let by = (!event.by.is_empty()).then(|| format!("({})", event.by));
    for part in [(!event.jobs.is_empty()).then(|| jobs(&event.jobs)), detail(event), by].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(&visible(&part));
    }
    line
}
