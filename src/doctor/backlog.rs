//! Judges why jobs wait, and how many workers it takes to keep up.

use crate::doctor::code::Code;
use crate::doctor::facts::{QueueFacts, WorkerFacts};
use crate::doctor::finding::{Finding, Severity, about_ms, many};
use crate::stats::QueueStats;
use crate::store::Hold;

/// A line whose head has waited for so long does not move as it should.
const WAITED_MS: u64 = 60_000;
/// A backlog is to be gone in so many minutes, beside what comes in.
const DRAIN_MINUTES: f64 = 10.0;
/// Nobody is advised to start more than this many.
const WORKERS_MAX: u64 = 1_000;
/// Of a rate or of all cores, as good as all of it.
const FULL: f64 = 0.9;

/// How fast jobs come and go, and who does them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load {
    pending: u64,
    come_per_min: f64,
    done_per_min: f64,
    workers: u64,
}

impl Load {
    fn of(queue: &QueueFacts, workers: u64) -> Self {
        let (minute, hour) = (&queue.stats.last_minute, &queue.stats.last_hour);
        let ended = |rates: &crate::stats::Rates| rates.completed + rates.failed;
        // Jobs that take minutes end too seldom for one minute to tell.
        let (come_per_min, done_per_min) = match ended(minute) {
            0 => ((minute.enqueued as f64).max(hour.enqueued as f64 / 60.0), ended(hour) as f64 / 60.0),
            done => (minute.enqueued as f64, done as f64),
        };
        Self { pending: queue.stats.pending, come_per_min, done_per_min, workers }
    }

    /// Workers like those that run, so that what comes in is done and the backlog is gone in ten minutes.
    fn workers_needed(&self) -> u64 {
        let now = self.workers.max(1);
        if self.done_per_min <= 0.0 {
            return (now * 2).min(WORKERS_MAX);
        }
        let each = self.done_per_min / now as f64;
        let needed = (self.come_per_min + self.pending as f64 / DRAIN_MINUTES) / each;
        (needed.ceil() as u64).clamp(now + 1, WORKERS_MAX.max(now + 1))
    }
}

/// Why jobs of a queue wait. `workers` are those that live and take its jobs.
pub(super) fn judge(queue: &QueueFacts, workers: &[&WorkerFacts]) -> Option<Finding> {
    let stats = &queue.stats;
    if stats.paused {
        return Some(paused(queue));
    }
    if stats.pending == 0 && stats.late_ms.is_none() {
        return None;
    }
    if stats.workers == 0 {
        let them = if stats.pending == 1 { "it" } else { "them" };
        let message = format!("{}, and no worker takes {them}", waiting(queue));
        return Some(Finding::of_queue(Code::NoWorker, &stats.queue, message).remedy(stats.queue.working()));
    }
    // What its jobs wait for is told with the breaker.
    if queue.held_by.is_some() {
        return None;
    }
    let has_waited = stats.oldest_pending_ms.unwrap_or_default() >= WAITED_MS;
    let grows = has_waited || stats.last_minute.enqueued > stats.last_minute.completed + stats.last_minute.failed;
    if stats.pending > 0 && grows {
        if let Some(limit) = limit(queue) {
            return Some(Finding::of_queue(Code::LimitReached, &stats.queue, format!("{}; {limit}", waiting(queue))));
        }
        if !workers.is_empty() && workers.iter().all(|worker| is_full(queue, worker)) {
            return Some(saturated(queue, workers));
        }
    }
    if stats.pending > 0 && has_waited {
        if let Some(hold) = queue.hold {
            return Some(held(queue, hold));
        }
        let message = format!("{}, and workers have free slots", waiting(queue));
        return Some(Finding::of_queue(Code::JobsNotStarted, &stats.queue, message).causes(&queue.causes));
    }
    let late_ms = stats.late_ms.filter(|late_ms| *late_ms >= WAITED_MS)?;
    let message = format!("the most overdue job is {} past its time", about_ms(late_ms));
    Some(Finding::of_queue(Code::JobsOverdue, &stats.queue, message))
}

/// The slots that a worker has for a queue: its own, or those that it shares with others.
fn slots(queue: &QueueFacts, worker: &WorkerFacts) -> u64 {
    worker.slots.get(&queue.stats.queue).copied().unwrap_or(worker.info.concurrency).max(1)
}

fn is_full(queue: &QueueFacts, worker: &WorkerFacts) -> bool {
    let has_own = worker.slots.contains_key(&queue.stats.queue);
    let here = || queue.diagnosed.holders.iter().find(|held| held.worker == worker.info.worker);
    let busy = if has_own { here().map_or(0, |held| held.claims) } else { worker.info.active };
    busy >= slots(queue, worker)
}

/// `12 jobs wait, the first for 3m 5s`.
fn waiting(queue: &QueueFacts) -> String {
    let stats = &queue.stats;
    if stats.pending == 0 {
        let late = stats.late_ms.map(|late_ms| format!("jobs are due since {}", about_ms(late_ms)));
        return late.unwrap_or_default();
    }
    let verb = if stats.pending == 1 { "waits" } else { "wait" };
    let since = stats.oldest_pending_ms.map(|ms| format!(", the first for {}", about_ms(ms))).unwrap_or_default();
    format!("{} {verb}{since}", many(stats.pending, "job"))
}

/// What keeps new partitions from being fetched, and the way out.
fn held(queue: &QueueFacts, hold: Hold) -> Finding {
    let (name, runs) = (&queue.stats.queue, if hold.running == 1 { "runs" } else { "run" });
    let running = format!("{} {runs}", many(hold.running, "job"));
    let (why, remedy) = match hold.all {
        true => (
            format!(
                "its {} wait while {} and {running} where it had them before",
                many(hold.partitions.into(), "partition"),
                {
                    let wait = if hold.waiting == 1 { "waits" } else { "wait" };
                    format!("{} {wait}", many(hold.waiting, "job"))
                }
            ),
            format!(
                "ireva-queue queues set {name} --partitions {} goes on with the change; so does a worker",
                hold.partitions
            ),
        ),
        false => (
            format!("{running} since before its partitions changed, and what that leaves of its concurrency is taken"),
            format!(
                "ireva-queue queues set {name} --concurrency N, with a higher number or none; or wait for those that run"
            ),
        ),
    };
    Finding::of_queue(Code::PartitionsHeld, name, format!("{}; {why}", waiting(queue))).remedy(remedy)
}

fn paused(queue: &QueueFacts) -> Finding {
    let stats = &queue.stats;
    let waiting = stats.pending + stats.scheduled + stats.retrying;
    let (message, severity) = match waiting {
        0 => ("it is paused; nothing waits".to_owned(), Severity::Note),
        waiting => (format!("it is paused, and {} of it do not run", many(waiting, "job")), Severity::Warning),
    };
    Finding::of_queue(Code::QueuePaused, &stats.queue, message).severity(severity)
}

/// The limit that holds its jobs up: of the queue, or of a partition, which has its share.
fn limit(queue: &QueueFacts) -> Option<String> {
    let mut waiting = queue.partitions().filter(|(_, stats)| stats.pending > 0);
    let of_one = || waiting.find_map(|(name, stats)| Some(format!("in partition {name} {}", limit_of(stats)?)));
    limit_of(&queue.stats).or_else(of_one)
}

fn limit_of(stats: &QueueStats) -> Option<String> {
    let settings = &stats.settings;
    if let Some(most) = settings.concurrency.filter(|most| stats.active >= u64::from(*most)) {
        return Some(format!("{most} run at once, which is its concurrency"));
    }
    if stats.parked > 0 && stats.parked >= stats.pending / 2 {
        let wait =
            if stats.parked == 1 { "waits for the limit of its key" } else { "wait for the limits of their keys" };
        return Some(format!("{} of them {wait} (ireva-queue limits list {})", stats.parked, stats.queue));
    }
    let rate = settings.rate?;
    let per_minute = 60e6 / rate.interval_us() as f64;
    let done = (stats.last_minute.completed + stats.last_minute.failed) as f64;
    (done >= per_minute * FULL).then(|| format!("{done} were done in the last minute, which is its rate of {rate}"))
}

fn saturated(queue: &QueueFacts, workers: &[&WorkerFacts]) -> Finding {
    let stats = &queue.stats;
    let load = Load::of(queue, workers.len() as u64);
    let slots: u64 = workers.iter().map(|worker| slots(queue, worker)).sum();
    let needed = load.workers_needed();
    let of = many(load.workers, "worker");
    let busy = if slots == 1 { format!("the only slot of {of} is") } else { format!("all {slots} slots of {of} are") };
    let (come, done) = (per_minute(load.come_per_min), per_minute(load.done_per_min));
    let mut message = format!("{}, and {busy} busy: {come} come in and {done} are done a minute", waiting(queue));
    let cpu = share(workers, |worker| worker.vitals.map(|vitals| vitals.cpu_permille));
    if let Some(cpu) = cpu {
        message.push_str(&format!("; they use {:.0} % of their cores", cpu * 100.0));
    }
    let (more, each) = (needed - load.workers, slots.div_ceil(load.workers.max(1)));
    let higher = (slots * needed).div_ceil(load.workers.max(1)).div_ceil(load.workers.max(1));
    let name = &stats.queue;
    let remedy = match cpu {
        Some(cpu) if cpu >= FULL => format!(
            "run {} like these on other hosts ({needed} in all): ireva-queue work {name} --concurrency {each}",
            many(more, "more worker")
        ),
        _ => format!(
            "run {} like these ({needed} in all): ireva-queue work {name} --concurrency {each}; or, where their \
             services take it, give each more slots: --concurrency {higher}",
            many(more, "more worker")
        ),
    };
    Finding::of_queue(Code::WorkersSaturated, name, message).remedy(remedy)
}

/// So many a minute; a few an hour are not none.
fn per_minute(rate: f64) -> String {
    match rate {
        rate if rate <= 0.0 => "none".to_owned(),
        rate if rate < 1.0 => "less than 1".to_owned(),
        rate => format!("{rate:.0}"),
    }
}

/// The mean of what workers say, 0 to 1; `None` where none says it.
fn share(workers: &[&WorkerFacts], of: impl Fn(&WorkerFacts) -> Option<u64>) -> Option<f64> {
    let said: Vec<u64> = workers.iter().filter_map(|worker| of(worker)).collect();
    (!said.is_empty()).then(|| said.iter().sum::<u64>() as f64 / said.len() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::PlaceFacts;
    use crate::doctor::queues::tests::queue;
    use crate::doctor::workers::tests::worker;
    use crate::job::QueueName;
    use crate::store::Held;

    fn code(queue: &QueueFacts, workers: &[&WorkerFacts]) -> Option<Code> {
        judge(queue, workers).map(|finding| finding.code)
    }

    #[test]
    fn the_number_of_workers_follows_from_what_comes_and_goes() {
        let load = Load { pending: 0, come_per_min: 300.0, done_per_min: 100.0, workers: 2 };
        assert_eq!(load.workers_needed(), 6);
        assert_eq!(Load { pending: 1_000, ..load }.workers_needed(), 8, "the backlog is gone in ten minutes");
        assert_eq!(Load { come_per_min: 1.0, ..load }.workers_needed(), 3, "one more at least");
        assert_eq!(Load { done_per_min: 0.0, ..load }.workers_needed(), 4, "nothing to reckon with");
        assert_eq!(Load { pending: u64::MAX, ..load }.workers_needed(), WORKERS_MAX);
    }

    #[test]
    fn jobs_in_new_partitions_wait_for_those_that_the_former_ones_have() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (50, Some(120_000), 1);
        let free = worker("w-1", "email");
        let told =
            |facts: &QueueFacts| judge(facts, &[&free]).map(|found| (found.code, found.message, found.remedy)).unwrap();
        facts.hold = Some(Hold { partitions: 4, waiting: 1, running: 2, all: true });
        let (code, message, remedy) = told(&facts);
        assert_eq!(code, Code::PartitionsHeld);
        assert!(
            message.ends_with("its 4 partitions wait while 1 job waits and 2 jobs run where it had them before"),
            "{message}"
        );
        assert!(remedy.contains("queues set email --partitions 4 goes on"), "{remedy}");
        facts.hold = Some(Hold { partitions: 4, waiting: 0, running: 1, all: false });
        let (code, message, remedy) = told(&facts);
        assert_eq!(code, Code::PartitionsHeld);
        assert!(message.contains("1 job runs since before its partitions changed"), "{message}");
        assert!(remedy.contains("queues set email --concurrency N, with a higher number or none"), "{remedy}");
    }

    #[test]
    fn jobs_wait_for_want_of_workers_of_leave_or_of_slots() {
        let mut facts = queue("email");
        assert_eq!(code(&facts, &[]), None);
        (facts.stats.pending, facts.stats.oldest_pending_ms) = (50, Some(120_000));
        assert_eq!(code(&facts, &[]), Some(Code::NoWorker));
        facts.stats.workers = 1;
        let (mut busy, mut free) = (worker("w-1", "email"), worker("w-2", "email"));
        (busy.info.active, busy.info.concurrency, free.info.active, free.info.concurrency) = (4, 4, 1, 4);
        assert_eq!(code(&facts, &[&busy]), Some(Code::WorkersSaturated));
        assert_eq!(code(&facts, &[&busy, &free]), Some(Code::JobsNotStarted));
        facts.held_by = Some("smtp://mail:25".to_owned());
        assert_eq!(code(&facts, &[&busy]), None, "they wait for a service");
        facts.held_by = None;
        facts.stats.settings.concurrency = Some(4);
        facts.stats.active = 4;
        assert_eq!(code(&facts, &[&busy]), Some(Code::LimitReached));
        facts.stats.paused = true;
        assert_eq!(code(&facts, &[&busy]), Some(Code::QueuePaused));
    }

    #[test]
    fn the_share_of_a_partition_is_a_limit() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (50, Some(120_000), 1);
        (facts.stats.settings.concurrency, facts.stats.active) = (Some(4), 3);
        let mut free = worker("w-1", "email");
        (free.info.active, free.info.concurrency) = (3, 4);
        assert_eq!(code(&facts, &[&free]), Some(Code::JobsNotStarted));
        let place = |name: &str, pending, active| {
            let mut stats = facts.stats.clone();
            (stats.pending, stats.active, stats.settings.concurrency) = (pending, active, Some(2));
            PlaceFacts { partition: name.to_owned(), stats: Some(stats), ..PlaceFacts::default() }
        };
        facts.places = vec![place("1/2", 0, 1), place("2/2", 50, 2)];
        let finding = judge(&facts, &[&free]).unwrap();
        assert_eq!(finding.code, Code::LimitReached);
        assert!(finding.message.ends_with("in partition 2/2 2 run at once, which is its concurrency"), "{finding:?}");
    }

    #[test]
    fn slots_that_queues_do_not_share_count_by_queue() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (50, Some(120_000), 1);
        let mut both = worker("w-1", "email");
        (both.info.active, both.info.concurrency) = (2, 12);
        both.slots = [("email", 2), ("reports", 10)].map(|(queue, n)| (QueueName::new(queue).unwrap(), n)).into();
        let hold = |claims| vec![Held { worker: "w-1".to_owned(), lease_until_ms: i64::MAX, claims }];
        facts.diagnosed.holders = hold(1);
        assert_eq!(code(&facts, &[&both]), Some(Code::JobsNotStarted));
        facts.diagnosed.holders = hold(2);
        let finding = judge(&facts, &[&both]).unwrap();
        assert!(finding.message.contains("all 2 slots of 1 worker are busy"), "{}", finding.message);
    }

    #[test]
    fn what_came_in_the_last_minute_counts_though_nothing_was_done() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (72, Some(120_000), 1);
        (facts.stats.last_minute.enqueued, facts.stats.last_hour.enqueued) = (72, 72);
        let mut busy = worker("w-1", "email");
        (busy.info.active, busy.info.concurrency) = (1, 1);
        let finding = judge(&facts, &[&busy]).unwrap();
        assert!(
            finding.message.ends_with("the only slot of 1 worker is busy: 72 come in and none are done a minute")
                || finding.message.contains("none are done a minute; they use"),
            "{}",
            finding.message
        );
        facts.stats.last_hour.completed = 3;
        assert!(judge(&facts, &[&busy]).unwrap().message.contains("less than 1 are done"));
        facts.stats.workers = 0;
        assert_eq!(judge(&facts, &[]).unwrap().remedy, "ireva-queue work email");
        facts.stats.queue = QueueName::new("thumbnails").unwrap();
        assert_eq!(judge(&facts, &[]).unwrap().remedy, "ireva-queue work thumbnails --exec COMMAND");
    }

    #[test]
    fn a_line_that_moves_is_no_finding() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (5, Some(900), 1);
        (facts.stats.last_minute.enqueued, facts.stats.last_minute.completed) = (100, 100);
        let mut busy = worker("w-1", "email");
        (busy.info.active, busy.info.concurrency) = (4, 4);
        assert_eq!(code(&facts, &[&busy]), None);
        facts.stats.last_minute.enqueued = 101;
        assert_eq!(code(&facts, &[&busy]), Some(Code::WorkersSaturated));
    }

    #[test]
    fn the_advice_names_a_number_and_heeds_the_cores() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (1_000, Some(120_000), 2);
        (facts.stats.last_minute.enqueued, facts.stats.last_minute.completed) = (300, 100);
        let (mut a, mut b) = (worker("w-1", "email"), worker("w-2", "email"));
        for worker in [&mut a, &mut b] {
            (worker.info.active, worker.info.concurrency) = (4, 4);
            worker.vitals.as_mut().unwrap().cpu_permille = 100;
        }
        let finding = judge(&facts, &[&a, &b]).unwrap();
        assert!(
            finding.message.contains("all 8 slots of 2 workers are busy: 300 come in and 100 are done"),
            "{finding:?}"
        );
        assert!(finding.remedy.contains("6 more workers like these (8 in all)"), "{}", finding.remedy);
        assert!(finding.remedy.ends_with("--concurrency 16"), "{}", finding.remedy);
        a.vitals.as_mut().unwrap().cpu_permille = 990;
        b.vitals.as_mut().unwrap().cpu_permille = 950;
        let finding = judge(&facts, &[&a, &b]).unwrap();
        assert!(
            finding.remedy.contains("on other hosts") && !finding.remedy.contains("more slots"),
            "{}",
            finding.remedy
        );
        assert!(finding.message.ends_with("97 % of their cores"), "{}", finding.message);
    }

    #[test]
    fn a_rate_that_is_used_up_is_a_limit() {
        let mut facts = queue("email");
        (facts.stats.pending, facts.stats.oldest_pending_ms, facts.stats.workers) = (10, Some(120_000), 1);
        facts.stats.settings.rate = Some("60/m".parse().unwrap());
        facts.stats.last_minute.completed = 30;
        let busy = worker("w-1", "email");
        assert_eq!(code(&facts, &[&busy]), Some(Code::JobsNotStarted));
        facts.stats.last_minute.completed = 58;
        assert_eq!(code(&facts, &[&busy]), Some(Code::LimitReached));
    }
}
