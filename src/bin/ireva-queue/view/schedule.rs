//! Schedules: in a list, shown alone, changed, paused or resumed; and ticks to come.

use std::time::Duration;

use ireva_queue::{ChangeKind, ScheduleChange, ScheduleInfo, ScheduleState, ScheduleSwitched, SchedulerReport, Tick};

use crate::output::{Cell, Tone, counted};
use crate::view::{Block, Column, View};

/// A tick may be fired this long after it without being called late.
const LATE: Duration = Duration::from_secs(60);

/// Its pattern and zone, or its span.
fn timing(info: &ScheduleInfo) -> String {
    match (&info.cron, &info.timezone, &info.every) {
        (Some(cron), Some(zone), _) => format!("{cron} {zone}"),
        (Some(cron), None, _) => cron.clone(),
        (None, _, Some(span)) => format!("every {span}"),
        (None, _, None) => String::new(),
    }
}

fn state(info: &ScheduleInfo) -> Cell {
    match info.state {
        ScheduleState::Active if info.is_late(LATE) => Cell::text("late").tone(Tone::Bad),
        ScheduleState::Active => Cell::text("active"),
        ScheduleState::Paused => Cell::text("paused").tone(Tone::Warn),
        ScheduleState::Ended => Cell::text("ended").tone(Tone::Dim),
    }
}

impl View for ScheduleInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("QUEUE").gives_way(2),
        Column::new("WHEN").wraps().gives_way(1),
        Column::new("NEXT"),
        Column::new("LAST").gives_way(4),
        Column::new("OUTCOME").gives_way(5),
        Column::new("STATE"),
        Column::number("MISSED").gives_way(3),
        Column::number("FIRED").wide(),
        Column::number("OVERLAPPED").wide(),
        Column::new("IF MISSED").wide(),
        Column::new("GRACE").wide(),
        Column::new("IF OVERLAPPING").wide(),
        Column::new("JITTER").wide(),
        Column::new("UNTIL").wide(),
        Column::new("LAST JOB").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let last = self.last.as_ref();
        vec![
            Cell::text(self.name.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::text(timing(self)),
            Cell::maybe_at(self.next_at),
            Cell::maybe_at(last.map(|last| last.tick)),
            Cell::maybe(last.map(|last| &last.outcome)),
            state(self),
            Cell::alarm(self.ticks_missed, Tone::Warn),
            Cell::count(self.ticks_fired),
            Cell::count(self.ticks_overlapped),
            Cell::text(self.missed.as_str()),
            Cell::maybe(self.grace.as_ref()),
            Cell::text(self.overlap.as_str()),
            Cell::maybe(self.jitter.as_ref()),
            Cell::maybe_at(self.until),
            Cell::maybe(last.and_then(|last| last.job.as_ref())),
        ]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut blocks = vec![
            Block::Field("name", Cell::text(self.name.as_str())),
            Block::Field("queue", Cell::text(self.queue.as_str())),
            Block::Field("when", Cell::text(timing(self))),
            Block::Field("state", state(self)),
            Block::Field("next tick", Cell::maybe_at(self.next_at)),
        ];
        if let Some(last) = &self.last {
            blocks.extend([
                Block::Field("last tick", Cell::at(last.tick)),
                Block::Field("outcome", Cell::text(&last.outcome)),
                Block::Field("last job", Cell::maybe(last.job.as_ref())),
            ]);
        }
        blocks.extend([
            Block::Field("fired", Cell::count(self.ticks_fired)),
            Block::Field("missed", Cell::alarm(self.ticks_missed, Tone::Warn)),
            Block::Field("overlapped", Cell::count(self.ticks_overlapped)),
            Block::Field("if missed", Cell::text(self.missed.as_str())),
            Block::Field("if overlapping", Cell::text(self.overlap.as_str())),
        ]);
        let options = [
            ("grace", self.grace.as_ref().map(Cell::text)),
            ("jitter", self.jitter.as_ref().map(Cell::text)),
            ("until", self.until.map(Cell::at)),
            ("priority", (self.priority != ireva_queue::Priority::Normal).then(|| Cell::text(self.priority.as_str()))),
            ("attempts", self.attempts.map(Cell::count)),
            ("backoff", self.backoff.as_ref().map(Cell::text)),
            ("timeout", self.timeout.as_ref().map(Cell::text)),
            ("ttl", self.ttl.as_ref().map(Cell::text)),
            ("unique", self.unique.as_ref().map(Cell::text)),
            ("unique for", self.unique_for.as_ref().map(Cell::text)),
        ];
        blocks.extend(options.into_iter().filter_map(|(label, cell)| Some(Block::Field(label, cell?))));
        blocks.push(Block::Passage("payload", self.payload.get().to_owned()));
        Some(blocks)
    }
}

impl View for Tick {
    const COLUMNS: &'static [Column] = &[
        Column::new("TICK"),
        Column::new("LOCAL"),
        Column::new("NAME"),
        Column::new("QUEUE").gives_way(1),
        Column::new("JOB").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::at(self.at),
            Cell::text(&self.local),
            Cell::text(self.name.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::text(self.job.as_str()),
        ]
    }

    fn name(&self) -> String {
        self.job.to_string()
    }
}

impl View for ScheduleChange {
    const COLUMNS: &'static [Column] =
        &[Column::new("NAME"), Column::new("QUEUE"), Column::new("CHANGE"), Column::new("NEXT")];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.change {
            ChangeKind::Added => Tone::Good,
            ChangeKind::Changed | ChangeKind::Moved => Tone::Warn,
            ChangeKind::Removed => Tone::Bad,
            ChangeKind::Unchanged => Tone::Dim,
        };
        vec![
            Cell::text(self.name.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::text(self.change.as_str()).tone(tone),
            Cell::maybe_at(self.next_at),
        ]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let Self { name, queue, change, next_at, dry_run } = self;
        let would = if *dry_run { " would be" } else { " is" };
        let next = next_at.map(|at| format!(", next tick {}", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
        let next = next.unwrap_or_default();
        Some(vec![Block::Text(format!("schedule {name} of {queue}{would} {}{next}", change.as_str()))])
    }
}

impl View for ScheduleSwitched {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("QUEUE"),
        Column::new("PAUSED"),
        Column::new("CHANGED"),
        Column::new("NEXT"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let word = |yes| Cell::text(if yes { "yes" } else { "no" });
        vec![
            Cell::text(self.name.as_str()),
            Cell::text(self.queue.as_str()),
            word(self.paused),
            word(self.changed),
            Cell::maybe_at(self.next_at),
        ]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let already = if self.changed { "" } else { " already" };
        let next =
            self.next_at.map(|at| format!(", next tick {}", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
        let state = if self.paused { "paused".to_owned() } else { format!("active{}", next.unwrap_or_default()) };
        Some(vec![Block::Text(format!("{} is{already} {state}", self.name))])
    }
}

impl View for SchedulerReport {
    const COLUMNS: &'static [Column] = &[Column::number("FIRED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::count(self.fired)]
    }

    fn name(&self) -> String {
        self.fired.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(format!("{} fired", counted(self.fired, "tick")))])
    }
}
