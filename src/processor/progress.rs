//! How far running jobs say they are: the newest word of each, until the heartbeat passes it on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::job::JobId;

/// What is counted may be named so long; the rest is cut off.
const UNIT_MAX_CHARS: usize = 40;

/// How far a job says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The claim that it runs under.
    pub fence: i64,
    pub done: u64,
    pub total: Option<u64>,
    pub unit: String,
}

impl Told {
    pub(crate) fn new(fence: i64, done: u64, total: Option<u64>, unit: &str) -> Self {
        Self { fence, done, total, unit: unit.chars().take(UNIT_MAX_CHARS).collect() }
    }
}

/// The newest words of the running jobs of a queue.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<HashMap<JobId, Told>>);

impl Board {
    pub(crate) fn tell(&self, id: &JobId, told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), told);
    }

    /// Takes what is new.
    pub(crate) fn take(&self) -> HashMap<JobId, Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
