//! What to do about a tick that has come: a pure function of the schedule, the tick and the time.

use super::{Missed, Schedule};

/// Ticks that are counted one by one after an outage; there may have been more.
const COUNTED_MAX: u64 = 10_000;
/// How far back the last tick is looked for, the nearest first, so that few ticks are walked over.
const LOOKS_MS: [i64; 5] = [3_600_000, 86_400_000, 32 * 86_400_000, 366 * 86_400_000, 9 * 366 * 86_400_000];

/// What is done about a tick that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The tick whose job is enqueued.
    pub fire_ms: Option<i64>,
    /// Ticks that are dropped, counted up to 10,000.
    pub missed: u64,
    /// The tick that comes then; `None` where there is none any more.
    pub next_ms: Option<i64>,
}

impl Plan {
    /// What to do at `now_ms` about `due_ms`, the first tick that was not fired yet.
    pub(crate) fn of(schedule: &Schedule, due_ms: i64, now_ms: i64) -> Self {
        let oldest_ms = schedule.grace_ms().map_or(i64::MIN, |grace_ms| now_ms.saturating_sub(grace_ms));
        let fire_ms = match schedule.missed {
            Missed::All => first_from(schedule, due_ms, oldest_ms).filter(|tick_ms| *tick_ms <= now_ms),
            Missed::Once | Missed::Skip => {
                Some(last_until(schedule, due_ms, now_ms)).filter(|tick_ms| *tick_ms >= oldest_ms)
            }
        };
        let next_ms = match (schedule.missed, fire_ms) {
            (Missed::All, Some(tick_ms)) => schedule.next_after_ms(tick_ms),
            _ => schedule.next_after_ms(now_ms),
        };
        // Those before the one that is fired, or all that have come where none is.
        let missed = count(schedule, due_ms, fire_ms.unwrap_or(now_ms.saturating_add(1)));
        Self { fire_ms, missed, next_ms }
    }
}

/// The first tick from `due_ms` on that is not before `from_ms`.
fn first_from(schedule: &Schedule, due_ms: i64, from_ms: i64) -> Option<i64> {
    if due_ms >= from_ms { Some(due_ms) } else { schedule.next_after_ms(from_ms - 1) }
}

/// The last tick up to `until_ms`; `due_ms`, which is one, where no other is found.
fn last_until(schedule: &Schedule, due_ms: i64, until_ms: i64) -> i64 {
    for look_ms in LOOKS_MS {
        let from_ms = due_ms.max(until_ms - look_ms);
        let mut last_ms = None;
        let mut tick_ms = if from_ms == due_ms { Some(due_ms) } else { schedule.next_after_ms(from_ms) };
        while let Some(come_ms) = tick_ms.filter(|tick_ms| *tick_ms <= until_ms) {
            last_ms = Some(come_ms);
            tick_ms = schedule.next_after_ms(come_ms);
        }
        if let Some(last_ms) = last_ms {
            return last_ms;
        }
    }
    due_ms
}

/// How many ticks there are from `due_ms`, which is one, to before `end_ms`.
fn count(schedule: &Schedule, due_ms: i64, end_ms: i64) -> u64 {
    let (mut counted, mut tick_ms) = (0, Some(due_ms));
    while counted < COUNTED_MAX && tick_ms.is_some_and(|tick_ms| tick_ms < end_ms) {
        counted += 1;
        tick_ms = tick_ms.and_then(|tick_ms| schedule.next_after_ms(tick_ms));
    }
    counted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::job::{NewJob, QueueName};
    use crate::schedule::{ScheduleName, Timing};

    const DUE_MS: i64 = 1_800_000_000_000;
    const MINUTE_MS: i64 = 60_000;

    fn every_minute(missed: Missed) -> Schedule {
        let (name, queue) = (ScheduleName::new("s").unwrap(), QueueName::new("q").unwrap());
        let timing = Timing::every(Duration::from_secs(60)).unwrap();
        Schedule::new(name, queue, timing, NewJob::new(&1).unwrap()).unwrap().missed(missed)
    }

    /// Minutes after the due tick: the fired one, how many are missed, the next.
    fn plan(schedule: &Schedule, late_ms: i64) -> (Option<i64>, u64, Option<i64>) {
        let plan = Plan::of(schedule, DUE_MS, DUE_MS + late_ms);
        let minutes = |tick_ms: i64| (tick_ms - DUE_MS) / MINUTE_MS;
        (plan.fire_ms.map(minutes), plan.missed, plan.next_ms.map(minutes))
    }

    #[test]
    fn a_tick_in_time_is_fired_by_every_policy() {
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            for late_ms in [0, 900, 59_999] {
                assert_eq!(plan(&every_minute(missed), late_ms), (Some(0), 0, Some(1)), "{missed} {late_ms}");
            }
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_or_not_or_one_by_one() {
        // 3.5 minutes late: the ticks 0, 1, 2 and 3 have come.
        assert_eq!(plan(&every_minute(Missed::Once), 210_000), (Some(3), 3, Some(4)));
        assert_eq!(plan(&every_minute(Missed::Skip), 210_000), (Some(3), 3, Some(4)), "the last one is in time");
        assert_eq!(plan(&every_minute(Missed::All), 210_000), (Some(0), 0, Some(1)));
        let tight = |missed| every_minute(missed).grace(Duration::from_secs(10));
        assert_eq!(plan(&tight(Missed::Once), 210_000), (None, 4, Some(4)));
        assert_eq!(plan(&tight(Missed::Skip), 210_000), (None, 4, Some(4)));
        assert_eq!(plan(&tight(Missed::All), 210_000), (None, 4, Some(4)));
        assert_eq!(plan(&every_minute(Missed::All).grace(Duration::from_secs(100)), 210_000), (Some(2), 2, Some(3)));
    }

    #[test]
    fn a_daily_tick_that_is_an_hour_late_is_skipped_or_not() {
        let (name, queue) = (ScheduleName::new("s").unwrap(), QueueName::new("q").unwrap());
        let daily =
            Schedule::new(name, queue, Timing::cron("@daily", "UTC").unwrap(), NewJob::new(&1).unwrap()).unwrap();
        let due_ms = daily.next_after_ms(DUE_MS).unwrap();
        let hour_ms = 3_600_000;
        let once = Plan::of(&daily, due_ms, due_ms + hour_ms);
        assert_eq!((once.fire_ms, once.missed, once.next_ms), (Some(due_ms), 0, Some(due_ms + 24 * hour_ms)));
        let skip = Plan::of(&daily.clone().missed(Missed::Skip), due_ms, due_ms + hour_ms);
        assert_eq!((skip.fire_ms, skip.missed, skip.next_ms), (None, 1, Some(due_ms + 24 * hour_ms)));
    }

    #[test]
    fn an_outage_of_years_is_planned_at_once() {
        let (name, queue) = (ScheduleName::new("s").unwrap(), QueueName::new("q").unwrap());
        let timing = Timing::cron("* * * * * *", "Europe/Berlin").unwrap();
        let secondly = Schedule::new(name, queue, timing, NewJob::new(&1).unwrap()).unwrap();
        let late_ms = 5 * 366 * 86_400_000;
        let plan = Plan::of(&secondly, DUE_MS, DUE_MS + late_ms);
        assert_eq!((plan.fire_ms, plan.next_ms), (Some(DUE_MS + late_ms), Some(DUE_MS + late_ms + 1_000)));
        assert_eq!(plan.missed, COUNTED_MAX);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let until = chrono::DateTime::from_timestamp_millis(DUE_MS + 2 * MINUTE_MS).unwrap();
        let ending = every_minute(Missed::Once).until(until);
        assert_eq!(plan(&ending, MINUTE_MS), (Some(1), 1, Some(2)));
        assert_eq!(plan(&ending, 2 * MINUTE_MS), (Some(2), 2, None));
        assert_eq!(plan(&ending, 99 * MINUTE_MS), (Some(2), 2, None), "the last one is made up for");
        let all = ending.missed(Missed::All);
        assert_eq!(plan(&all, 99 * MINUTE_MS), (Some(0), 0, Some(1)));
    }
}
