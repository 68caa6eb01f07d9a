//! Settings that are asked for together with another number of partitions: each is set when it can be kept.
//!
//! Limits that every number on the way can keep are set before the change. Those that only the new number can, such as limits
//! per key with one partition, are set behind it: while jobs stand in the former partitions, each of these has its share.

use std::time::Duration;

use super::{FIRST_LOOK, Moved, asked_for, carry_on, change, check};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::job::{Partitions, QueueName};
use crate::store::{QueueKeys, Store};

/// How long who asked for a change waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// For what is moved in a moment.
    Begin,
    /// Until all is moved that can be.
    ToTheEnd,
}

/// What is left to do where some of it is set.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The number of partitions that is asked for.
    count: Option<u16>,
    /// What is set when all is moved.
    later: Vec<Setting>,
}

/// Checks all of `changes`, and sets what holds now and while a change is on.
///
/// # Errors
/// `Refused` for what the queue cannot have; nothing is set then.
pub(crate) async fn prepare(store: &Store, keys: &QueueKeys, changes: &[Setting]) -> Result<Plan> {
    let Some(count) = asked_for(changes) else {
        store.set(keys, changes).await?;
        return Ok(Plan { count: None, later: Vec::new() });
    };
    check(store, keys.queue(), count, changes).await?;
    let course = store.course(keys.queue()).await?;
    let before = course.layout.was.into_iter().chain([course.layout.now]).map(Partitions::count).max().unwrap_or(1);
    let (later, now): (Vec<_>, Vec<_>) = changes.iter().cloned().partition(|change| needs(change, count, before));
    store.set(keys, &now).await?;
    Ok(Plan { count: Some(count), later })
}

/// Whether a limit can be kept by so many partitions and not by those `before` them.
fn needs(setting: &Setting, count: u16, before: u16) -> bool {
    let fewer = |limit: u64| limit < before.into() && limit >= count.into();
    match setting {
        Setting::Concurrency(Some(limit)) => fewer((*limit).into()),
        Setting::MaxLength(Some(limit)) => fewer(*limit),
        Setting::Key(Some(_)) | Setting::KeyConcurrency(Some(_)) | Setting::KeyRate(Some(_)) => {
            count == 1 && before > 1
        }
        _ => false,
    }
}

impl Plan {
    /// Changes the number of partitions, moves jobs for as long as `pace` says, and sets the rest; how far they are moved.
    /// Where something is left to be set it is waited for.
    ///
    /// # Errors
    /// As for a change; `Refused` where the rest cannot be set because jobs still run where they were.
    pub(crate) async fn carry_out(
        &self,
        store: &Store,
        keys: &QueueKeys,
        (pace, progress): (Pace, &mut (dyn FnMut(Moved) + Send)),
    ) -> Result<Option<Moved>> {
        let (Some(count), queue) = (self.count, keys.queue()) else { return Ok(None) };
        let waits = pace == Pace::ToTheEnd || !self.later.is_empty();
        let limit: Option<Duration> = (!waits).then_some(FIRST_LOOK);
        if !change(store, queue, count).await? {
            store.set(keys, &self.later).await?;
            return Ok(None);
        }
        let moved = carry_on(store, queue, limit, progress).await?;
        if !self.later.is_empty() && !moved.done {
            return Err(still_run(queue, &moved));
        }
        store.set(keys, &self.later).await?;
        Ok(Some(moved))
    }
}

fn still_run(queue: &QueueName, moved: &Moved) -> Error {
    let Moved { partitions, running, .. } = moved;
    Error::refused(format!(
        "queue {queue} is brought to {partitions} {}, and what only so many can keep is not set yet: {running} of its jobs still \
         run where they were; once they have ended the same command sets it",
        if *partitions == 1 { "partition" } else { "partitions" }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_new_number_can_keep_is_set_behind_the_change() {
        let limit = |limit| Setting::Concurrency(Some(limit));
        let table = [
            (limit(1), (1, 8), true),
            (limit(3), (3, 8), true),
            (limit(8), (1, 8), false),
            (limit(1), (8, 1), false),
            (limit(1), (8, 8), false),
            (Setting::Concurrency(None), (1, 8), false),
            (Setting::MaxLength(Some(5)), (1, 8), true),
            (Setting::KeyConcurrency(Some(1)), (1, 8), true),
            (Setting::KeyConcurrency(None), (1, 8), false),
            (Setting::KeyConcurrency(Some(1)), (3, 8), false),
            (Setting::KeyConcurrency(Some(1)), (1, 1), false),
        ];
        for (setting, (count, before), behind) in table {
            assert_eq!(needs(&setting, count, before), behind, "{setting:?} {count} {before}");
        }
    }
}
