//! Brings dead letters back.

use std::time::Duration;

use crate::error::Result;
use crate::job::{JobId, JobState, NewJob};
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::inspect::Found;
use crate::store::lifecycle::options;
use crate::store::{Key, QueueKeys, Store, scripts};

/// Letters that one call revives.
pub(crate) const REVIVE_STEP: usize = 200;

/// What became of a dead letter that was to be revived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revived {
    /// It is back.
    Done,
    /// That job holds its unique key.
    Held(JobId),
    /// Nothing is stored of it but its id.
    NoRecord,
    /// It was no dead letter any more, or died anew; `None`: it is nowhere.
    Elsewhere(Option<JobState>),
}

/// What became of a dead letter that another job was to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// The new job is there, the letter is gone.
    Done,
    /// That job holds the unique key of the new one.
    Held(JobId),
    /// The letter was not there any more, or died anew.
    Elsewhere,
}

impl Store {
    /// Puts `job` into the place of a letter as it was read.
    pub(crate) async fn replace(&self, keys: &QueueKeys, letter: &Found, job: &NewJob) -> Result<Replaced> {
        let mut command = scripts::REPLACE.on(keys, &self.clock);
        command.arg(OPERATOR).arg(letter.id.as_str()).arg(&letter.place.mark);
        command.arg(job.id.as_str()).arg(options(job)).arg(job.to_record()?);
        let word: String = read("replace", scripts::REPLACE.ask(&self.connection, &command).await?)?;
        Ok(match word.strip_prefix('=') {
            Some(holder) => Replaced::Held(JobId::trusted(holder)),
            None if word == "+" => Replaced::Done,
            None => Replaced::Elsewhere,
        })
    }

    /// Revives letters as they were read (whole records), at most 200; one answer for each.
    pub(crate) async fn revive(
        &self,
        keys: &QueueKeys,
        delay: Option<Duration>,
        letters: &[Found],
    ) -> Result<Vec<Revived>> {
        let mut command = scripts::REVIVE.on(keys, &self.clock);
        let delay = delay.filter(|delay| !delay.is_zero()).map(|delay| delay.as_millis().to_string());
        command.arg(OPERATOR).arg(delay.unwrap_or_default());
        for letter in letters {
            let record = letter.record();
            let mut history = letter.history();
            (history.failed, history.snoozed, history.snoozed_since_ms, history.end) = (0, 0, None, None);
            history.revived += 1;
            let level = record.as_ref().map(|record| record.priority).unwrap_or_default().level();
            let ttl = record.as_ref().and_then(|record| record.ttl).map(|ttl| ttl.as_millis().to_string());
            let unique = record.and_then(|record| record.unique);
            command.arg(letter.id.as_str()).arg(&letter.place.mark).arg(&letter.history).arg(history.encode());
            command.arg(level).arg(ttl.unwrap_or_default()).arg(unique.unwrap_or_default());
        }
        let answer = scripts::REVIVE.send(&self.connection, &command).await?;
        let mut reply = Reply::new("revive", answer.value)?;
        let outcome = |word: String| match word.split_at_checked(1) {
            Some(("+", _)) => Revived::Done,
            Some(("=", holder)) => Revived::Held(JobId::trusted(holder)),
            Some(("?", _)) => Revived::NoRecord,
            Some((_, set)) => match Key::of_word(set).map(|(_, state)| state) {
                // It was there a moment ago, so the first of two calls has brought it back.
                state if answer.repeated && state != Some(JobState::Dead) => Revived::Done,
                state => Revived::Elsewhere(state),
            },
            None => Revived::Elsewhere(None),
        };
        letters.iter().map(|_| reply.text().map(outcome)).collect()
    }
}
