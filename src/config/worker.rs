//! How a worker runs, unless it is told otherwise.

use std::time::Duration;

use super::source::Source;

/// A lease beyond a day is a slip of the pen: its jobs would wait that long for a dead worker.
const LEASE_MAX: Duration = Duration::from_secs(86_400);

/// Concurrency and lease of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Jobs that it runs at once, over all its queues.
    pub concurrency: usize,
    /// How long it may stay silent before others take its claims; 4 s and more.
    pub lease: Duration,
}

impl WorkerConfig {
    /// The shortest lease.
    pub const LEASE_MIN: Duration = Duration::from_secs(4);
    /// The most jobs at once.
    pub const CONCURRENCY_MAX: usize = 10_000;
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { concurrency: cores.saturating_sub(1).max(1), lease: Duration::from_secs(30) }
    }
}

/// Reads the worker's part; what is wrong goes to the source's problems.
pub(super) fn read(source: &mut Source<'_>) -> WorkerConfig {
    let default = WorkerConfig::default();
    let concurrency = source.parse("QUEUE_WORKER_CONCURRENCY", "a whole number from 1 to 10000", |text| {
        text.parse().ok().filter(|count| (1..=WorkerConfig::CONCURRENCY_MAX).contains(count))
    });
    let lease = source.parse("QUEUE_WORKER_LEASE", "4s or more, such as 30s", |text| {
        humantime::parse_duration(text).ok().filter(|&lease| (WorkerConfig::LEASE_MIN..=LEASE_MAX).contains(&lease))
    });
    WorkerConfig { concurrency: concurrency.unwrap_or(default.concurrency), lease: lease.unwrap_or(default.lease) }
}
