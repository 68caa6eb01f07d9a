//! How far running jobs say they are, and what else: kept until the heartbeat passes it on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::job::JobId;
use crate::processor::said::Voice;

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

/// What the running jobs of a queue say.
#[derive(Debug, Default)]
pub(crate) struct Board {
    told: Mutex<HashMap<JobId, Told>>,
    /// Those that have said a line, by the fence of the claim that they run under.
    voices: Mutex<HashMap<JobId, (i64, Voice)>>,
}

impl Board {
    pub(crate) fn tell(&self, id: &JobId, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), told);
    }

    /// Takes what is new.
    pub(crate) fn take(&self) -> HashMap<JobId, Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn voices(&self) -> MutexGuard<'_, HashMap<JobId, (i64, Voice)>> {
        self.voices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job has begun to speak.
    pub(crate) fn hear(&self, id: &JobId, fence: i64, voice: &Voice) {
        self.voices().insert(id.clone(), (fence, voice.clone()));
    }

    /// The attempt is over.
    pub(crate) fn forget(&self, id: &JobId, fence: i64) {
        let mut voices = self.voices();
        if voices.get(id).is_some_and(|(of, _)| *of == fence) {
            voices.remove(id);
        }
    }

    /// The jobs that speak and that still run; the others are forgotten.
    pub(crate) fn speaking(&self, runs: impl Fn(&JobId, i64) -> bool) -> Vec<(JobId, Voice)> {
        let mut voices = self.voices();
        voices.retain(|id, (fence, _)| runs(id, *fence));
        voices.iter().map(|(id, (_, voice))| (id.clone(), voice.clone())).collect()
    }
}
