//! All schedules out into a file, and in from one: what the file says holds.

use chrono::DateTime;

use super::Schedules;
use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::schedule::{ChangeKind, Schedule, ScheduleChange, read_file, write_file};
use crate::store::StoredSchedule;

/// How a file is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Removes the schedules that the file does not name.
    pub prune: bool,
    /// Only tells what would be done.
    pub dry_run: bool,
}

impl Schedules {
    /// The schedules as a TOML file, by name; of these queues, where any are named.
    ///
    /// # Errors
    /// As for [`Schedules::list`].
    pub async fn export(&self, queues: &[QueueName]) -> Result<String> {
        let all = self.all(queues).await?;
        let read: Result<Vec<_>> = all.iter().map(|found| Ok((found.schedule()?, found.stored.paused))).collect();
        write_file(&read?)
    }

    /// Makes what a file says hold. The file is read as a whole first, so where any of it is wrong nothing is done. A
    /// schedule that stands in another queue moves; one that the file does not say is paused or not stays as it is. Safe to
    /// break off and to repeat.
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong; as for [`Schedules::add`].
    pub async fn import(&self, text: &str, options: ImportOptions) -> Result<Vec<ScheduleChange>> {
        let schedules = read_file(text)?;
        let now_ms = self.store.now_ms().await?;
        let there = self.all(&[]).await?;
        // A schedule that has ended may stand in a file for ever; one that never had a tick is a slip of the pen.
        for schedule in &schedules {
            let is_new = !there.iter().any(|found| found.stored.name == schedule.name().as_str());
            if is_new && schedule.next_after_ms(now_ms).is_none() {
                let field = format!("schedules.{}.until", schedule.name());
                return Err(Error::invalid(format!("{field} is past: it would never have a tick")).about(&field));
            }
        }
        let mut changes = Vec::with_capacity(schedules.len());
        for schedule in &schedules {
            let elsewhere: Vec<_> = there
                .iter()
                .filter(|found| found.stored.name == schedule.name().as_str() && found.queue() != schedule.queue())
                .collect();
            let here = there
                .iter()
                .find(|found| found.stored.name == schedule.name().as_str() && found.queue() == schedule.queue());
            let mut change = if options.dry_run {
                foreseen(schedule, here.map(|found| &found.stored), now_ms)?
            } else {
                // Removed first: a tick that comes in between is missed rather than run in both queues.
                for found in &elsewhere {
                    self.remove(schedule.name(), Some(found.queue()))
                        .await
                        .map_err(|error| halfway(error, &changes))?;
                }
                self.write(schedule, true).await.map_err(|error| halfway(error, &changes))?
            };
            if !elsewhere.is_empty() {
                change.change = ChangeKind::Moved;
            }
            changes.push(change);
        }
        if options.prune {
            let named = |name: &str| schedules.iter().any(|schedule| schedule.name().as_str() == name);
            for found in there.iter().filter(|found| !named(&found.stored.name)) {
                let name = found.stored.name.parse()?;
                changes.push(match options.dry_run {
                    true => ScheduleChange {
                        name,
                        queue: found.queue().clone(),
                        change: ChangeKind::Removed,
                        next_at: None,
                        dry_run: true,
                    },
                    false => self.remove(&name, Some(found.queue())).await.map_err(|error| halfway(error, &changes))?,
                });
            }
        }
        Ok(changes)
    }
}

/// What stopped a file halfway; what was done until then holds.
fn halfway(error: Error, done: &[ScheduleChange]) -> Error {
    match done.len() {
        0 => error,
        done => error.context(format!("{done} schedules of the file are applied, the rest is not; run it again")),
    }
}

/// What writing it would do.
fn foreseen(schedule: &Schedule, there: Option<&StoredSchedule>, now_ms: i64) -> Result<ScheduleChange> {
    let paused = schedule.wants_paused().unwrap_or(there.is_some_and(|there| there.paused));
    let (change, next_ms) = match there {
        None => (ChangeKind::Added, schedule.next_after_ms(now_ms)),
        Some(there) if there.text == schedule.to_stored()? && there.paused == paused => {
            (ChangeKind::Unchanged, there.next_ms)
        }
        Some(_) => (ChangeKind::Changed, schedule.next_after_ms(now_ms)),
    };
    let next_at = next_ms.filter(|_| !paused).and_then(DateTime::from_timestamp_millis);
    let (name, queue) = (schedule.name().clone(), schedule.queue().clone());
    Ok(ScheduleChange { name, queue, change, next_at, dry_run: true })
}
