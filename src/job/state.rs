//! The life of a job: its states, and the one table of what may follow what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where a job stands. Its state is the one set that holds its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// Waits in line.
    Pending,
    /// Claimed by a worker.
    Active,
    /// Waits for its next attempt.
    Retrying,
    /// Succeeded, and is kept by retention.
    Completed,
    /// Taken back before it ended.
    Cancelled,
    /// Failed for good: a dead letter.
    Dead,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 7] =
        [Self::Scheduled, Self::Pending, Self::Active, Self::Retrying, Self::Completed, Self::Cancelled, Self::Dead];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// Whether nothing follows by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Dead)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("state {word:?} is not one of {words}"))
        })
    }
}

/// One step of a job's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the table below says what each one does")]
pub enum Transition {
    Enqueue,
    Schedule,
    Promote,
    Claim,
    Complete,
    Retry,
    Snooze,
    Release,
    Recover,
    Bury,
    Expire,
    Cancel,
    Revive,
    Remove,
    Restore,
}

/// A row of the table: from where to where, and the script that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitionRow {
    /// The step.
    pub transition: Transition,
    /// The states it may leave; empty where the job begins to exist.
    pub from: &'static [JobState],
    /// The states it may reach; empty where the job ceases to exist.
    pub to: &'static [JobState],
    /// The scripts that do it, by file name without ending.
    pub scripts: &'static [&'static str],
}

use JobState::{Active, Cancelled, Completed, Dead, Pending, Retrying, Scheduled};

/// What may follow what. Nothing else decides it; a unit test holds every script's header against it.
#[rustfmt::skip]
pub const TRANSITIONS: &[TransitionRow] = &[
    row(Transition::Enqueue,  &[],                              &[Pending],            &["enqueue", "fire"]),
    row(Transition::Schedule, &[],                              &[Scheduled],          &["enqueue", "fire"]),
    row(Transition::Promote,  &[Scheduled, Retrying],           &[Pending],            &["promote", "fetch", "advance"]),
    row(Transition::Claim,    &[Pending],                       &[Active],             &["fetch"]),
    row(Transition::Complete, &[Active],                        &[Completed],          &["complete"]),
    row(Transition::Retry,    &[Active],                        &[Retrying],           &["retry"]),
    row(Transition::Snooze,   &[Active],                        &[Scheduled],          &["snooze"]),
    row(Transition::Release,  &[Active],                        &[Pending],            &["release"]),
    row(Transition::Recover,  &[Active],                        &[Pending, Dead],      &["recover"]),
    row(Transition::Bury,     &[Active],                        &[Dead],               &["bury"]),
    row(Transition::Expire,   &[Scheduled, Pending, Retrying],  &[Dead],               &["promote", "fetch"]),
    row(Transition::Cancel,   &[Scheduled, Pending, Retrying],  &[Cancelled],          &["cancel", "fire"]),
    row(Transition::Cancel,   &[Active],                        &[Cancelled],          &["cancel", "cancelled", "recover", "fire"]),
    row(Transition::Revive,   &[Dead],                          &[Pending, Scheduled], &["revive", "replace"]),
    row(Transition::Remove,   &[Scheduled, Pending, Retrying, Completed, Cancelled, Dead], &[], &["remove"]),
    row(Transition::Restore,  &[],                              &[Scheduled, Pending, Retrying, Completed, Cancelled, Dead], &["restore", "admit"]),
    row(Transition::Restore,  &[Cancelled],                     &[Scheduled, Pending, Retrying], &["restore"]),
];

const fn row(
    transition: Transition,
    from: &'static [JobState],
    to: &'static [JobState],
    scripts: &'static [&'static str],
) -> TransitionRow {
    TransitionRow { transition, from, to, scripts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_reached_and_words_round_trip() {
        for state in JobState::ALL {
            assert!(TRANSITIONS.iter().any(|row| row.to.contains(&state)), "{state} is never reached");
            assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
        }
    }

    #[test]
    fn only_a_worker_or_its_recoverer_takes_a_job_out_of_active() {
        let leaving: Vec<_> =
            TRANSITIONS.iter().filter(|row| row.from.contains(&Active)).map(|row| row.transition).collect();
        assert!(!leaving.contains(&Transition::Remove) && !leaving.contains(&Transition::Expire));
    }
}
