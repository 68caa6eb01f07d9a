//! What was recorded of a queue while it was worked.

use std::collections::BTreeMap;

use crate::support::Line;

/// A job that its producer was told is accepted.
#[derive(Debug, Clone, Default)]
pub struct Accepted {
    /// How long it had to wait at least.
    pub delay_ms: u64,
    /// The key that it holds while it lives.
    pub unique: Option<String>,
}

/// A transition of one job, as the script that made it told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// By the server's clock.
    pub at_ms: u64,
    pub event: String,
    pub id: String,
    /// The worker, or who else did it.
    pub by: String,
}

/// What a worker said that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub event: String,
    pub id: String,
}

/// All of it; the checks are in `rules`.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What producers were told.
    pub accepted: BTreeMap<String, Accepted>,
    /// Every transition, in the order in which they happened.
    pub steps: Vec<Step>,
    /// How many entries the stream of transitions was given, and how many of them were read.
    pub entries: (u64, u64),
    /// What processors noted.
    pub ledger: Vec<Line>,
    /// What workers logged.
    pub said: Vec<Said>,
    /// What Redis holds at the end: the states of each job, and the counters.
    pub states: BTreeMap<String, Vec<&'static str>>,
    pub totals: BTreeMap<String, u64>,
    /// Keys that no schema has.
    pub strange_keys: Vec<String>,
    /// How many jobs may run at once.
    pub limit: Option<usize>,
    /// The fixed wait after a failure.
    pub backoff_ms: u64,
}
