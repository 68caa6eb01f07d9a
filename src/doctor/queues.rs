//! Judges a queue: why its jobs wait is in `backlog`; here is what fails, what is stuck and what contradicts itself.

use crate::doctor::backlog;
use crate::doctor::code::Code;
use crate::doctor::facts::{PlaceFacts, QueueFacts, ServerFacts, WorkerFacts};
use crate::doctor::finding::{Finding, Severity, about_ms, grouped, many};
use crate::doctor::memory;
use crate::stats::QueueStats;
use crate::store::Standstill;

/// A job that has run for so long is stuck, as far as anyone can tell from outside.
const STUCK_MS: i64 = 3_600_000;
/// Failed attempts of all that ended in the last hour, from which on a queue fails, and from which on it is down.
const FAILING: f64 = 0.1;
const DOWN: f64 = 0.5;
/// Fewer failures than this in an hour tell nothing.
const FAILURES_MIN: u64 = 5;
/// Fewer jobs in line than this do not tell how they are spread.
const UNEVEN_MIN: u64 = 1_000;
/// Of `maxLength`.
const FULL: f64 = 0.9;

/// What is to be said of a queue.
pub(super) fn judge(queue: &QueueFacts, workers: &[WorkerFacts], server: Option<&ServerFacts>) -> Vec<Finding> {
    let takes = |worker: &&WorkerFacts| !worker.info.silent && worker.info.queues.contains(&queue.stats.queue);
    let takers: Vec<_> = workers.iter().filter(takes).collect();
    let mut findings = Vec::new();
    findings.extend(backlog::judge(queue, &takers));
    findings.extend(late(queue));
    findings.extend(settings(queue));
    findings.extend(unmoved(queue));
    findings.extend(full(queue));
    findings.extend(failing(queue));
    findings.extend(dead(queue));
    findings.extend(stuck(queue));
    findings.extend(orphaned(queue));
    findings.extend(adrift(queue));
    findings.extend(misplaced(queue));
    findings.extend(uneven(queue));
    findings.extend(leaked(queue));
    findings.extend(memory::judge_kept(queue, server));
    findings
}

fn settings(queue: &QueueFacts) -> Option<Finding> {
    let problems = &queue.setting_problems;
    let message = || problems.join("; ");
    (!problems.is_empty()).then(|| Finding::of_queue(Code::SettingsUnreadable, &queue.stats.queue, message()))
}

fn unmoved(queue: &QueueFacts) -> Option<Finding> {
    let (name, standstill) = (&queue.stats.queue, queue.standstill?);
    let Standstill { partitions, for_ms, stops } = standstill;
    let message = format!(
        "nobody has moved jobs to its {} for {}",
        many(partitions.into(), "partition"),
        about_ms(for_ms.unsigned_abs())
    );
    let severity = if stops { Severity::Critical } else { Severity::Warning };
    let remedy =
        format!("ireva-queue queues set {name} --partitions {partitions} goes on with it; so does a worker of {name}");
    Some(Finding::of_queue(Code::PartitionsUnmoved, name, message).severity(severity).remedy(remedy))
}

fn late(queue: &QueueFacts) -> Option<Finding> {
    let QueueStats { queue: name, schedules, late_schedules, .. } = &queue.stats;
    let message = || format!("{} late by more than a minute, of {schedules}", many(*late_schedules, "schedule"));
    (*late_schedules > 0).then(|| Finding::of_queue(Code::ScheduleLate, name, message()))
}

fn full(queue: &QueueFacts) -> Option<Finding> {
    let of = |stats: &QueueStats| {
        let most = stats.settings.max_length?;
        let waiting = stats.pending + stats.scheduled + stats.retrying;
        (waiting as f64 >= most as f64 * FULL).then(|| format!("{waiting} of the {most} jobs wait that may"))
    };
    let of_one = || queue.partitions().find_map(|(name, stats)| Some(format!("{} in partition {name}", of(stats)?)));
    Some(Finding::of_queue(Code::QueueFull, &queue.stats.queue, of(&queue.stats).or_else(of_one)?))
}

fn failing(queue: &QueueFacts) -> Option<Finding> {
    let (stats, hour) = (&queue.stats, &queue.stats.last_hour);
    let rate = hour.failure_rate.filter(|rate| *rate >= FAILING && hour.failed >= FAILURES_MIN)?;
    let ended = hour.completed + hour.failed;
    let message = format!("{:.0} % of {} failed in the last hour", rate * 100.0, many(ended, "attempt"));
    let severity = if rate >= DOWN { Severity::Critical } else { Severity::Warning };
    Some(Finding::of_queue(Code::JobsFailing, &stats.queue, message).severity(severity).causes(&queue.causes))
}

fn dead(queue: &QueueFacts) -> Option<Finding> {
    let (stats, grown) = (&queue.stats, queue.stats.last_hour.dead);
    let there = many(stats.dead, "dead letter");
    match (grown, stats.dead) {
        (_, 0) => None,
        (0, _) => {
            let message = format!("{there}, none of them of the last hour");
            Some(Finding::of_queue(Code::DeadWaiting, &stats.queue, message).causes(&queue.causes))
        }
        (grown, _) => {
            let message = format!("{} died in the last hour; {there} in all", many(grown, "job"));
            Some(Finding::of_queue(Code::DeadGrowing, &stats.queue, message).causes(&queue.causes))
        }
    }
}

fn stuck(queue: &QueueFacts) -> Option<Finding> {
    let diagnosed = &queue.diagnosed;
    let ended = |worker: &str| {
        let held = diagnosed.holders.iter().find(|held| held.worker == worker);
        held.is_none_or(|held| held.lease_until_ms <= diagnosed.now_ms)
    };
    let running = diagnosed.sample.iter().filter(|claim| !ended(&claim.worker));
    let oldest = running.min_by_key(|claim| claim.since_ms)?;
    let for_ms = diagnosed.now_ms - oldest.since_ms;
    let message = || {
        format!(
            "job {} has been running for {} in worker {}",
            oldest.id,
            about_ms(for_ms.unsigned_abs()),
            oldest.worker
        )
    };
    (for_ms >= STUCK_MS).then(|| {
        let remedy = format!("ireva-queue jobs show {0}; ireva-queue jobs cancel {0}", oldest.id);
        Finding::of_queue(Code::JobStuck, &queue.stats.queue, message()).remedy(remedy)
    })
}

/// Claims of workers that are gone, or that nobody counts.
fn orphaned(queue: &QueueFacts) -> Vec<Finding> {
    let (name, mut findings) = (&queue.stats.queue, Vec::new());
    let (mut of_gone, mut unknown, mut counted, mut there) = (0, 0, 0, 0);
    for diagnosed in queue.places.iter().map(|place| &place.diagnosed) {
        let here: u64 = diagnosed.holders.iter().map(|held| held.claims).sum();
        let gone = diagnosed.holders.iter().filter(|held| held.lease_until_ms <= diagnosed.now_ms);
        of_gone += gone.map(|held| held.claims).sum::<u64>();
        unknown += diagnosed.claims.saturating_sub(here);
        if here > diagnosed.claims {
            (counted, there) = (counted + here, there + diagnosed.claims);
        }
    }
    if of_gone + unknown > 0 {
        let message = match unknown {
            0 => format!("{} held by workers whose lease has ended", many(of_gone, "job")),
            unknown => format!(
                "{} held by workers whose lease has ended or that the queue does not know",
                many(of_gone + unknown, "job")
            ),
        };
        findings.push(Finding::of_queue(Code::ClaimsOrphaned, name, message));
    }
    if counted > 0 {
        let message = format!("{counted} claims are counted and {there} are there");
        findings.push(Finding::of_queue(Code::ClaimsMiscounted, name, message).fixable());
    }
    findings
}

fn adrift(queue: &QueueFacts) -> Option<Finding> {
    let sum = |of: fn(&PlaceFacts) -> u64| queue.places.iter().map(of).sum::<u64>();
    let bare = sum(|place| place.ids.saturating_sub(place.records));
    let loose = sum(|place| place.records.saturating_sub(place.ids));
    let message = match (bare, loose) {
        (0, 0) => return None,
        (bare, 0) => format!("{} without a record", many(bare, "id")),
        (0, loose) => format!("{} in no state", many(loose, "record")),
        (bare, loose) => format!("{} without a record, and {} in no state", many(bare, "id"), many(loose, "record")),
    };
    Some(Finding::of_queue(Code::JobsAdrift, &queue.stats.queue, message).fixable())
}

/// Most of what waits goes by one key, so that one partition has it.
fn uneven(queue: &QueueFacts) -> Option<Finding> {
    let (name, places) = (&queue.stats.queue, &queue.places);
    let (waiting, count) = (places.iter().map(|place| place.waiting).sum::<u64>(), places.len() as f64);
    let most = places.iter().max_by_key(|place| place.waiting)?;
    let is_uneven =
        count > 1.0 && waiting >= UNEVEN_MIN && most.waiting as f64 > waiting as f64 * (1.0 + 1.0 / count) / 2.0;
    // While the number changes they are where they were.
    if !is_uneven || queue.stats.partitions_was.is_some() {
        return None;
    }
    let message =
        format!("{} of {} that wait are in partition {}", grouped(most.waiting), many(waiting, "job"), most.partition);
    Some(Finding::of_queue(Code::PartitionsUneven, name, message))
}

fn misplaced(queue: &QueueFacts) -> Option<Finding> {
    let message = || format!("{} under the queue's own name, beside its partitions", many(queue.misplaced, "job"));
    (queue.misplaced > 0).then(|| Finding::of_queue(Code::JobsMisplaced, &queue.stats.queue, message()))
}

fn leaked(queue: &QueueFacts) -> Option<Finding> {
    let locks = &queue.diagnosed.locks;
    let message = match locks.looked_at < locks.all {
        true => format!("{} of {} unique keys that were looked at, of {}", locks.leaked, locks.looked_at, locks.all),
        false => format!("{} of {}", locks.leaked, many(locks.all, "unique key")),
    };
    (locks.leaked > 0).then(|| Finding::of_queue(Code::UniqueLeaked, &queue.stats.queue, message).fixable())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::doctor::finding::Cause;
    use crate::job::{JobId, QueueName};
    use crate::retry::ErrorClass;
    use crate::stats::Rates;
    use crate::store::{ClaimSample, Diagnosed, Held, LockSample};

    const NOW_MS: i64 = 1_764_000_000_000;

    /// A queue that nothing is wrong with.
    pub(in crate::doctor) fn queue(name: &str) -> QueueFacts {
        let stats = QueueStats::new(QueueName::new(name).unwrap());
        let diagnosed = Diagnosed { now_ms: NOW_MS, ..Diagnosed::default() };
        let place = PlaceFacts { partition: "1/1".to_owned(), diagnosed: diagnosed.clone(), ..PlaceFacts::default() };
        QueueFacts {
            stats,
            places: vec![place],
            misplaced: 0,
            setting_problems: Vec::new(),
            diagnosed,
            causes: Vec::new(),
            held_by: None,
            standstill: None,
            hold: None,
        }
    }

    /// The queue was found so, in its one place.
    fn diagnose(facts: &mut QueueFacts, change: impl FnOnce(&mut Diagnosed)) {
        change(&mut facts.diagnosed);
        facts.places[0].diagnosed = facts.diagnosed.clone();
    }

    fn codes(queue: &QueueFacts) -> Vec<Code> {
        judge(queue, &[], None).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_sound_queue_is_not_spoken_of() {
        assert_eq!(codes(&queue("q")), []);
    }

    #[test]
    fn failures_and_dead_letters_come_with_their_causes() {
        let mut facts = queue("q");
        let cause = Cause { code: "smtp_5xx".to_owned(), class: ErrorClass::Permanent, count: 3, example: None };
        facts.causes = vec![cause.clone()];
        facts.stats.last_hour = Rates { completed: 15, failed: 4, failure_rate: Some(0.21), ..Rates::default() };
        assert_eq!(codes(&facts), [], "four failures tell nothing");
        facts.stats.last_hour =
            Rates { completed: 5, failed: 15, dead: 3, failure_rate: Some(0.75), ..Rates::default() };
        facts.stats.dead = 3;
        let findings = judge(&facts, &[], None);
        assert_eq!(findings[0].code, Code::JobsFailing);
        assert_eq!((findings[0].severity, &findings[0].causes), (Severity::Critical, &vec![cause]));
        assert_eq!(findings[0].message, "75 % of 20 attempts failed in the last hour");
        assert_eq!(findings[1].code, Code::DeadGrowing);
        facts.stats.last_hour = Rates::default();
        assert_eq!(codes(&facts), [Code::DeadWaiting]);
    }

    #[test]
    fn what_is_held_for_hours_is_stuck_where_its_worker_lives() {
        let mut facts = queue("q");
        let hold = |lease_ms: i64| Held { worker: "w-1".to_owned(), lease_until_ms: NOW_MS + lease_ms, claims: 1 };
        let since_ms = NOW_MS - STUCK_MS;
        diagnose(&mut facts, |found| {
            found.sample = vec![ClaimSample { id: JobId::trusted("job-0001"), worker: "w-1".to_owned(), since_ms }];
            found.claims = 1;
            found.holders = vec![hold(1)];
        });
        assert_eq!(codes(&facts), [Code::JobStuck]);
        diagnose(&mut facts, |found| found.holders = vec![hold(0)]);
        assert_eq!(codes(&facts), [Code::ClaimsOrphaned]);
        diagnose(&mut facts, |found| found.holders = Vec::new());
        assert_eq!(codes(&facts), [Code::ClaimsOrphaned], "of a worker that nobody knows");
        diagnose(&mut facts, |found| {
            found.holders = vec![Held { claims: 3, ..hold(1) }];
            found.sample.clear();
        });
        assert_eq!(codes(&facts), [Code::ClaimsMiscounted]);
    }

    #[test]
    fn each_partition_is_held_against_itself() {
        let mut facts = queue("q");
        let hold = |claims| Held { worker: "w-1".to_owned(), lease_until_ms: NOW_MS + 1, claims };
        let place = |number: u16, (records, ids, waiting), (claims, counted)| PlaceFacts {
            partition: format!("{number}/2"),
            records,
            ids,
            waiting,
            stats: None,
            diagnosed: Diagnosed { now_ms: NOW_MS, claims, holders: vec![hold(counted)], ..Diagnosed::default() },
        };
        facts.places = vec![place(1, (5, 5, 5), (2, 2)), place(2, (7, 7, 7), (0, 0))];
        assert_eq!(codes(&facts), []);
        facts.places = vec![place(1, (5, 6, 5), (2, 3)), place(2, (8, 7, 7), (2, 1))];
        let findings = judge(&facts, &[], None);
        let told: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(
            told,
            [Code::ClaimsOrphaned, Code::ClaimsMiscounted, Code::JobsAdrift],
            "sums that agree hide nothing"
        );
        assert_eq!(findings[2].message, "1 id without a record, and 1 record in no state");
        facts.places = vec![place(1, (900, 900, 900), (0, 0)), place(2, (300, 300, 300), (0, 0))];
        assert_eq!(codes(&facts), [], "three of four in one of two");
        facts.places = vec![place(1, (901, 901, 901), (0, 0)), place(2, (300, 300, 300), (0, 0))];
        let findings = judge(&facts, &[], None);
        assert_eq!((findings[0].code, findings[0].is_open()), (Code::PartitionsUneven, false));
        assert_eq!(findings[0].message, "901 of 1,201 jobs that wait are in partition 1/2");
        facts.stats.partitions_was = Some(1);
        assert_eq!(codes(&facts), []);
        facts.misplaced = 2;
        assert_eq!(codes(&facts), [Code::JobsMisplaced]);
    }

    #[test]
    fn what_contradicts_itself_can_be_mended() {
        let mut facts = queue("q");
        facts.places[0].records = 2;
        facts.diagnosed.locks = LockSample { all: 900, looked_at: 50, leaked: 7 };
        facts.setting_problems = vec!["field \"rate\" holds \"x\": no".to_owned()];
        let findings = judge(&facts, &[], None);
        let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.fixable)).collect();
        assert_eq!(told, [(Code::SettingsUnreadable, false), (Code::JobsAdrift, true), (Code::UniqueLeaked, true)]);
        assert_eq!(findings[1].message, "2 records in no state");
    }

    #[test]
    fn a_change_of_partitions_that_stands_still_is_worse_where_jobs_wait_for_it() {
        let mut facts = queue("q");
        facts.standstill = Some(Standstill { partitions: 8, for_ms: 600_000, stops: false });
        let finding = judge(&facts, &[], None).remove(0);
        assert_eq!((finding.code, finding.severity), (Code::PartitionsUnmoved, Severity::Warning));
        assert!(finding.remedy.contains("queues set q --partitions 8"), "{}", finding.remedy);
        facts.standstill = Some(Standstill { partitions: 8, for_ms: 600_000, stops: true });
        assert_eq!(judge(&facts, &[], None)[0].severity, Severity::Critical);
        assert!(Code::PartitionsUnmoved.info().meaning.contains("Critical where"), "the table of codes says so");
    }

    #[test]
    fn a_queue_close_to_its_length_is_named() {
        let mut facts = queue("q");
        facts.stats.settings.max_length = Some(100);
        facts.stats.scheduled = 89;
        assert_eq!(codes(&facts), []);
        facts.stats.scheduled = 90;
        assert_eq!(codes(&facts), [Code::QueueFull]);
    }
}
