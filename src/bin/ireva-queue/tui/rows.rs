//! What each pane lists: its columns, and a row for each thing that the filter lets through.

use std::time::Duration;

use ireva_queue::stats::{Progress, QueueStats, WorkerInfo};
use ireva_queue::{JobId, QueueName};

use crate::output::{Cell, Tone, grouped, visible};
use crate::tui::facts::{Cause, Running};
use crate::tui::state::State;
use crate::tui::trend::Trend;

/// Jobs are late when they are past their time by more than this: a promotion is due each second.
const LATE_MS: u64 = 60_000;

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// The queues.
    Queues,
    /// Running jobs.
    Running,
    /// Dead letters by cause.
    Dead,
    /// Workers.
    Workers,
}

impl Pane {
    /// All of them, in the order of Tab.
    pub const ALL: [Self; 4] = [Self::Queues, Self::Running, Self::Dead, Self::Workers];

    /// Its columns.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Queues => QUEUES,
            Self::Running => RUNNING,
            Self::Dead => DEAD,
            Self::Workers => WORKERS,
        }
    }
}

/// A column of a pane.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands over it.
    pub title: &'static str,
    /// Whether its cells stand to the right.
    pub right: bool,
    /// Where room is short the column with the highest number goes first; 0 stays.
    pub gives_way: u8,
    /// Whether it takes the room that the others leave, and has so much at least.
    pub rest: Option<usize>,
    /// Whether the end is shown of what does not fit, as of ids, since commands take it.
    pub keeps_end: bool,
}

const fn text(title: &'static str) -> Column {
    Column { title, right: false, gives_way: 0, rest: None, keeps_end: false }
}

const fn number(title: &'static str) -> Column {
    Column { right: true, ..text(title) }
}

impl Column {
    const fn gives_way(self, turn: u8) -> Self {
        Self { gives_way: turn, ..self }
    }

    const fn keeps_end(self) -> Self {
        Self { keeps_end: true, ..self }
    }

    const fn rest(self, least: usize) -> Self {
        Self { rest: Some(least), ..self }
    }
}

const QUEUES: &[Column] = &[
    text("QUEUE"),
    text("STATE"),
    number("PENDING"),
    number("ACTIVE"),
    number("RETRYING"),
    number("DEAD"),
    number("SCHEDULED").gives_way(4),
    number("OLDEST").gives_way(3),
    number("FAILED").gives_way(5),
    number("WORKERS").gives_way(6),
    number("IN/S").gives_way(2),
    number("DONE/S").gives_way(1),
    text("TREND").rest(8),
];
const RUNNING: &[Column] = &[
    text("JOB").keeps_end(),
    text("QUEUE"),
    number("ELAPSED"),
    number("ATTEMPT").gives_way(2),
    text("WORKER").gives_way(1),
    text("PROGRESS").rest(23),
];
const DEAD: &[Column] =
    &[number("COUNT"), text("CODE"), text("LAST").gives_way(1), text("FIRST").gives_way(2), text("QUEUE").rest(8)];
const WORKERS: &[Column] = &[
    text("WORKER"),
    text("STATE"),
    number("JOBS"),
    number("DONE").gives_way(1),
    number("FAILED").gives_way(2),
    text("STARTED").gives_way(3),
    text("QUEUES").rest(8),
];

/// What a row is about: what keeps the cursor on it when others come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A queue.
    Queue(QueueName),
    /// A running job.
    Job(QueueName, JobId),
    /// Dead letters of a queue with a code.
    Cause(QueueName, String),
    /// A worker.
    Worker(String),
}

/// A row of a pane.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is about.
    pub key: Key,
    /// A field for each column.
    pub fields: Vec<Field>,
}

/// What stands in a column.
#[derive(Debug, Clone)]
pub enum Field {
    /// A value.
    Cell(Cell),
    /// Bars, the newest to the right.
    Bars(Vec<f64>),
    /// How far a job is.
    Progress(Option<Progress>),
}

impl From<Cell> for Field {
    fn from(cell: Cell) -> Self {
        Self::Cell(cell)
    }
}

/// The rows of a pane.
pub fn of(pane: Pane, state: &State) -> Vec<Row> {
    let filter = Filter::of(state);
    let facts = &state.facts;
    match pane {
        Pane::Queues => queues(state).map(|stats| queue(stats, state.trends.get(&stats.queue))).collect(),
        Pane::Running => {
            let passes = |running: &&Running| {
                let worker = running.worker.as_deref().unwrap_or_default();
                filter.passes(&[running.job.id.as_str(), running.job.queue.as_str(), worker])
            };
            let age = |running: &Running| (state.now - running.job.since).to_std().unwrap_or_default();
            facts.running.iter().filter(passes).map(|job| running_row(job, age(job))).collect()
        }
        Pane::Dead => {
            let passes = |cause: &&Cause| filter.passes(&[cause.queue.as_str(), &cause.group.key]);
            facts.causes.iter().filter(passes).map(cause_row).collect()
        }
        Pane::Workers => {
            let passes = |info: &&WorkerInfo| {
                let queues = info.queues.iter().map(QueueName::as_str);
                filter.passes(&[info.worker.as_str(), &info.host].into_iter().chain(queues).collect::<Vec<_>>())
            };
            facts.workers.iter().filter(passes).map(worker_row).collect()
        }
    }
}

/// The queues that the filter lets through.
pub fn queues(state: &State) -> impl Iterator<Item = &QueueStats> {
    let filter = Filter::of(state);
    state.facts.queues.iter().filter(move |stats| filter.passes(&[stats.queue.as_str()]))
}

/// What a row must contain, in small letters.
struct Filter(String);

impl Filter {
    fn of(state: &State) -> Self {
        Self(state.filter.to_lowercase())
    }

    fn passes(&self, words: &[&str]) -> bool {
        self.0.is_empty() || words.iter().any(|word| word.to_lowercase().contains(&self.0))
    }
}

fn queue(stats: &QueueStats, trend: Option<&Trend>) -> Row {
    let come = trend.and_then(Trend::come_per_sec).unwrap_or(stats.last_minute.enqueued as f64 / 60.0);
    let done = trend.and_then(Trend::done_per_sec).unwrap_or(stats.last_minute.completed as f64 / 60.0);
    let fields = vec![
        Cell::text(stats.queue.as_str()).into(),
        standing(stats).into(),
        Cell::count(stats.pending).into(),
        Cell::count(stats.active).into(),
        Cell::alarm(stats.retrying, Tone::Warn).into(),
        Cell::alarm(stats.dead, Tone::Bad).into(),
        Cell::count(stats.scheduled).into(),
        Cell::millis(stats.oldest_pending_ms).into(),
        Cell::part(stats.last_hour.failure_rate).into(),
        Cell::count(stats.workers).into(),
        per_sec(come).into(),
        per_sec(done).into(),
        Field::Bars(trend.map(Trend::done).unwrap_or_default()),
    ];
    Row { key: Key::Queue(stats.queue.clone()), fields }
}

/// The one word about a queue that matters most.
fn standing(stats: &QueueStats) -> Cell {
    match stats {
        stats if stats.paused => Cell::text("paused").tone(Tone::Warn),
        stats if stats.pending > 0 && stats.workers == 0 => Cell::text("no worker").tone(Tone::Bad),
        stats if stats.late_ms.is_some_and(|late_ms| late_ms > LATE_MS) => Cell::text("late").tone(Tone::Warn),
        stats if stats.active > 0 => Cell::text("working").tone(Tone::Good),
        stats if stats.pending > 0 => Cell::text("waiting"),
        _ => Cell::text("idle").tone(Tone::Dim),
    }
}

fn per_sec(rate: f64) -> Cell {
    match rate {
        rate if rate < 0.05 => Cell::text("0").tone(Tone::Dim),
        rate if rate < 9.95 => Cell::text(format!("{rate:.1}")),
        rate => Cell::count(rate.round() as u64),
    }
}

fn running_row(running: &Running, elapsed: Duration) -> Row {
    let job = &running.job;
    let fields = vec![
        Cell::text(job.id.as_str()).into(),
        Cell::text(job.queue.as_str()).into(),
        Cell::millis(Some(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))).into(),
        Cell::count(job.attempt).into(),
        Cell::maybe(running.worker.as_deref().map(host_and_pid)).into(),
        Field::Progress(running.progress.clone()),
    ];
    Row { key: Key::Job(job.queue.clone(), job.id.clone()), fields }
}

fn cause_row(cause: &Cause) -> Row {
    let Cause { queue, group, at_least } = cause;
    let count = if *at_least { Cell::text(format!("{}+", group.count)) } else { Cell::count(group.count) };
    let fields = vec![
        count.tone(Tone::Bad).into(),
        Cell::text(&group.key).into(),
        Cell::at(group.newest).into(),
        Cell::at(group.oldest).into(),
        Cell::text(queue.as_str()).into(),
    ];
    Row { key: Key::Cause(queue.clone(), group.key.clone()), fields }
}

fn worker_row(info: &WorkerInfo) -> Row {
    let state = if info.silent { Cell::text("silent").tone(Tone::Bad) } else { Cell::text("ready").tone(Tone::Good) };
    let queues: Vec<_> = info.queues.iter().map(QueueName::as_str).collect();
    let fields = vec![
        Cell::text(host_and_pid(&info.worker)).into(),
        state.into(),
        Cell::text(format!("{}/{}", info.active, info.concurrency)).into(),
        Cell::count(info.completed).into(),
        Cell::alarm(info.failed, Tone::Warn).into(),
        Cell::at(info.started_at).into(),
        Cell::text(queues.join(" ")).into(),
    ];
    Row { key: Key::Worker(info.worker.clone()), fields }
}

/// A worker's id without the ULID behind host and pid.
fn host_and_pid(worker: &str) -> &str {
    worker.rsplit_once(['-', ':', '@', '.']).map_or(worker, |(host_and_pid, _)| host_and_pid)
}

/// How far a job is, in words; a service says the unit, so it is made visible.
pub fn so_far(progress: &Progress) -> (Option<f64>, String) {
    let Progress { done, total, unit, .. } = progress;
    let unit = visible(unit);
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let part = (*done as f64 / total as f64).min(1.0);
            (Some(part), format!("{:3.0}% {} of {} {unit}", (part * 100.0).floor(), grouped(*done), grouped(total)))
        }
        None => (None, format!("{} {unit}", grouped(*done))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_known_by_host_and_pid() {
        assert_eq!(host_and_pid("db-host-77-01KAQ8Z3V7X9Y2N4M6P8R0S1T3"), "db-host-77");
    }

    #[test]
    fn rates_have_a_digit_behind_the_point_where_they_are_small() {
        let shown = [0.0, 0.04, 0.4, 9.4, 99.6, 12_345.6].map(|rate| per_sec(rate).human(chrono::Utc::now()));
        assert_eq!(shown, ["0", "0", "0.4", "9.4", "100", "12,346"]);
    }
}
