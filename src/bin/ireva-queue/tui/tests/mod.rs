//! The dashboard without a terminal: what keys do to its state, what is drawn of it, what it reads from a real server.

mod keys;
#[allow(dead_code, reason = "the tests of the whole use the rest")]
#[path = "../../../../../tests/it/support/process.rs"]
mod process;
#[allow(dead_code, reason = "the tests of the whole use the rest")]
#[path = "../../../../../tests/it/support/redis_server.rs"]
mod redis_server;
mod screens;
mod seen;
#[allow(dead_code, reason = "the tests of the whole use the rest")]
#[path = "../../../../../tests/it/support/wait.rs"]
mod wait;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ireva_queue::stats::{DeadGroup, JobSummary, Progress, QueueStats, WorkerInfo};
use ireva_queue::{JobId, JobState, Priority, QueueName};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use crate::tui::draw::draw;
use crate::tui::facts::{Cause, Facts, Running};
use crate::tui::state::{About, State};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn ago(secs: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(secs)
}

fn name(queue: &str) -> QueueName {
    QueueName::new(queue).unwrap()
}

/// A state that has seen `facts` on a screen of this size.
fn state(width: u16, height: u16, facts: Facts) -> State {
    let about = About {
        server: "127.0.0.1:6379".to_owned(),
        interval: Duration::from_secs(1),
        changes_nothing: None,
        color: false,
        unicode: true,
    };
    let mut state = State::new(about, Size { width, height }, now());
    state.seen(facts, Duration::ZERO);
    state
}

/// What is on the screen, a line each, without the spaces at their ends.
fn screen(state: &State) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.width, state.size.height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    lines(terminal.backend())
}

fn lines(backend: &TestBackend) -> Vec<String> {
    let buffer = backend.buffer();
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..buffer.area.height).map(line).collect()
}

fn queue(queue: &str) -> QueueStats {
    QueueStats::new(name(queue))
}

fn running(queue: &str, id: &str, secs: i64, progress: Option<(u64, Option<u64>)>) -> Running {
    Running {
        job: JobSummary {
            id: JobId::new(id).unwrap(),
            queue: name(queue),
            state: JobState::Active,
            priority: Priority::Normal,
            attempt: 1,
            enqueued_at: Some(ago(secs + 5)),
            since: ago(secs),
            last_error: None,
        },
        worker: Some("db-host-77-01KAQ8Z3V7X9Y2N4M6P8R0S1T3".to_owned()),
        progress: progress.map(|(done, total)| Progress { done, total, unit: "rows".to_owned(), at: ago(1) }),
    }
}

fn cause(queue: &str, code: &str, count: u64) -> Cause {
    let example = JobId::new("job-dead-1").unwrap();
    let group = DeadGroup { key: code.to_owned(), count, oldest: ago(7_200), newest: ago(90), example };
    Cause { queue: name(queue), group, at_least: false }
}

fn worker(host: &str, queues: &[&str], silent: bool) -> WorkerInfo {
    WorkerInfo {
        worker: format!("{host}-77-01KAQ8Z3V7X9Y2N4M6P8R0S1T3"),
        host: host.to_owned(),
        pid: 77,
        version: "0.1.0".to_owned(),
        queues: queues.iter().map(|queue| name(queue)).collect(),
        concurrency: 8,
        lease_ms: 30_000,
        started_at: ago(3_600),
        active: 3,
        completed: 12_345,
        failed: 7,
        lease_until: now(),
        silent,
        invocation: None,
        ended: None,
    }
}

/// A day on which something of everything goes on.
fn busy() -> Facts {
    let email = QueueStats { pending: 1_200, active: 3, retrying: 4, dead: 130, workers: 1, ..queue("email") };
    let report = QueueStats { pending: 7, oldest_pending_ms: Some(65_000), ..queue("report-generation") };
    let money = QueueStats { paused: true, pending: 2, workers: 1, ..queue("roi-distribution") };
    Facts {
        queues: vec![email, queue("notification"), report, money],
        running: vec![
            running("email", "01KAQ8Z3V7X9Y2N4M6P8R0S1T3", 754, Some((1_200, Some(5_000)))),
            running("email", "import-2", 61, Some((40, None))),
            running("email", "import-3", 1, None),
        ],
        causes: vec![cause("email", "smtp_5xx", 100), cause("email", "connection_refused", 30)],
        workers: vec![worker("db-host", &["email", "roi-distribution"], false), worker("old-host", &["email"], true)],
        looked: None,
        left_out: Vec::new(),
    }
}
