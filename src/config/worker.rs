//! How a worker runs, unless it is told otherwise.

use std::time::Duration;

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
