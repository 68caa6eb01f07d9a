//! Why a job waits, or where it ended, and what to do about it: a pure function of what is known of it.

mod advice;
mod facts;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::batch::{BatchFollower, BatchInfo};
use crate::breaker::BreakerInfo;
use crate::clock::span_text;
use crate::config::{PriorityMode, QueueSettings};
use crate::job::{Crash, Failure, JobState, Partition, Partitions};
use crate::retry::ErrorClass;
use crate::stats::{Explanation, JobDetails, JobSummary, KeyLimit, Reason};
use crate::store::Hold;
use advice::advice;

/// What is known of a job and of its queue at one instant.
pub(crate) struct Facts<'a> {
    pub job: &'a JobDetails,
    /// As they hold where the job is: in a partition, its share of them.
    pub settings: &'a QueueSettings,
    /// The partition that it is in, where its queue has several; then what is counted is counted there.
    pub partition: Option<&'a OfPartition>,
    pub paused: bool,
    /// Workers that take jobs of the queue.
    pub workers: u64,
    /// Jobs that are held by workers.
    pub active: u64,
    /// Jobs that start before it.
    pub ahead: u64,
    /// The key whose limits hold the job back.
    pub key: Option<&'a KeyLimit>,
    /// The slots and the number of the queue's workers, where every slot is taken.
    pub full: Option<(u64, u64)>,
    /// How long the rate lets no other job start.
    pub rate_wait: Duration,
    /// Jobs that ended in the last minute.
    pub ended_last_minute: u64,
    /// The breaker of the service that all jobs of the queue need, where it is open.
    pub breaker: Option<&'a BreakerInfo>,
    /// When the lease of the worker that holds it ends.
    pub lease_until: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

/// A partition of a queue.
#[derive(Debug, Clone)]
pub(crate) struct OfPartition {
    pub partition: Partition,
    /// How many the queue has.
    pub of: Partitions,
    /// What is set for the queue.
    pub whole: QueueSettings,
    /// What keeps it from being fetched while the number of partitions changes.
    pub hold: Option<Hold>,
}

/// Explains it.
pub(crate) fn explain(facts: &Facts<'_>) -> Explanation {
    let job = &facts.job.summary;
    let mut told = Told::default();
    match job.state {
        JobState::Pending => in_line(facts, &mut told),
        JobState::Scheduled | JobState::Retrying => before_its_time(facts, &mut told),
        JobState::Active => held(facts, &mut told),
        JobState::Completed => {
            told.reason("completed", "it succeeded".to_owned());
            told.next("nothing to do");
        }
        JobState::Cancelled => {
            told.reason("cancelled", "it was taken back before it ended".to_owned());
            told.next("enqueue it again if it is still wanted; within an hour of a bulk cancel, 'ireva-queue undo' brings it back");
        }
        JobState::Dead => dead(facts, &mut told),
    }
    Explanation {
        id: job.id.clone(),
        queue: job.queue.clone(),
        state: Some(job.state),
        since: job.since,
        reasons: told.reasons,
        next: told.next,
    }
}

#[derive(Default)]
struct Told {
    reasons: Vec<Reason>,
    next: Vec<String>,
}

impl Told {
    fn reason(&mut self, code: &str, text: String) {
        self.reasons.push(Reason { code: code.to_owned(), text });
    }

    fn next(&mut self, text: impl Into<String>) {
        self.next.push(text.into());
    }
}

/// Explains a job that is not there yet: it follows a batch that is not over, or is on its way to another queue.
pub(crate) fn explain_follower(batch: &BatchInfo, follower: &BatchFollower) -> Explanation {
    let (name, queue, mut told) = (&batch.batch, &batch.queue, Told::default());
    if batch.finished_at.is_some() {
        let text =
            format!("batch {name} of queue {queue} is over: a worker of {queue} hands the job to {}", follower.queue);
        told.reason("handed_over", text);
        told.next(format!("nothing to do while a worker of queue {queue} runs; else start one: {}", queue.working()));
    }
    if batch.pending > 0 {
        let text = format!(
            "it is enqueued when the last job of batch {name} of queue {queue} has ended: {} of {} have not",
            batch.pending, batch.total
        );
        told.reason("batch", text);
        told.next(format!(
            "wait; ireva-queue batch show {name}; ireva-queue jobs list {queue} shows where its jobs stand"
        ));
    }
    if !batch.sealed {
        told.reason("batch_open", format!("batch {name} of queue {queue} still takes jobs: it is not sealed"));
        told.next(format!("when all jobs are in it: ireva-queue batch seal {name} --queue {queue}"));
    }
    Explanation {
        id: follower.id.clone(),
        queue: follower.queue.clone(),
        state: None,
        since: batch.finished_at.unwrap_or(batch.created_at),
        reasons: told.reasons,
        next: told.next,
    }
}

/// The service that the queue's jobs need is down, or held back. Whether it is.
fn service_down(facts: &Facts<'_>, told: &mut Told) -> bool {
    let Some(breaker) = facts.breaker else { return false };
    let (service, queue) = (&breaker.dependency, &facts.job.summary.queue);
    let since = breaker.opened_at.map(|since| format!(" since {}", at(since))).unwrap_or_default();
    let next = breaker.probe_at.filter(|_| !breaker.is_open_ended(facts.now)).map(at);
    if breaker.is_held() {
        let until = next.map_or_else(|| "until it is closed".to_owned(), |next| format!("until {next}"));
        let text = format!("every job of queue {queue} needs {service}, which an operator holds back{since}, {until}");
        told.reason("breaker_open", text);
        told.next(format!("ireva-queue {}", breaker.closing()));
        return true;
    }
    let last = breaker.last_error.as_ref().map(|error| format!(" ({}: {})", error.code, error.message));
    let next = next.map(|next| format!("; it is tried next at {next}")).unwrap_or_default();
    let text = format!(
        "every job of queue {queue} needs {service}, which is down{since}{}{next}, and no attempt is used meanwhile",
        last.unwrap_or_default()
    );
    told.reason("breaker_open", text);
    told.next(format!("mend the service; then it goes on by itself, at once with ireva-queue {}", breaker.closing()));
    true
}

/// Why nothing of the queue starts now. Whether anything was found.
fn held_up(facts: &Facts<'_>, told: &mut Told) -> bool {
    let queue = &facts.job.summary.queue;
    let before = told.reasons.len();
    if facts.paused {
        told.reason("paused", format!("queue {queue} is paused: no job starts"));
        told.next(format!("ireva-queue queues resume {queue}"));
    }
    waits_for_others(facts, told);
    service_down(facts, told);
    if facts.workers == 0 {
        let of = facts.partition.map(|of| format!("partition {} of ", of.partition)).unwrap_or_default();
        told.reason("no_worker", format!("no worker takes jobs of {of}queue {queue}"));
        told.next(format!("start one: {}", queue.working()));
    }
    if let Some(limit) = facts.settings.concurrency.filter(|limit| facts.active >= u64::from(*limit)) {
        let (what, more) = concurrency(facts, limit);
        let text = format!("{}, and {what} is {limit}: one must end first", running(facts.active, ""));
        told.reason("concurrency_limit", text);
        told.next(format!("wait, or ireva-queue queues set {queue} --concurrency {more}"));
    }
    if let Some(rate) = facts.settings.rate.filter(|_| !facts.rate_wait.is_zero()) {
        let (wait, whole) = (round(facts.rate_wait), facts.partition.and_then(|of| Some((of, of.whole.rate?))));
        let what = match whole {
            Some((of, whole)) => format!("the share of its partition {} in the queue's rate of {whole}", of.partition),
            None => "the queue's rate".to_owned(),
        };
        told.reason("rate_limit", format!("{what} is {rate}: the next job may start in {wait}"));
        told.next(format!("wait, or ireva-queue queues set {queue} --rate RATE"));
    }
    told.reasons.len() > before
}

/// Its partition is not fetched while the queue has jobs where it had them before its partitions changed.
fn waits_for_others(facts: &Facts<'_>, told: &mut Told) {
    let Some((of, hold)) = facts.partition.and_then(|of| Some((of, of.hold?))) else { return };
    let (queue, partition) = (&facts.job.summary.queue, of.partition);
    let change = format!("ireva-queue queues set {queue} --partitions {} goes on with the change", hold.partitions);
    let (text, next) = match partition.among() == of.of {
        false => (format!("partition {partition} is being left: it is on its way to where it belongs now"), change),
        true if hold.all => {
            let wait = if hold.waiting == 1 { "1 job waits".to_owned() } else { format!("{} jobs wait", hold.waiting) };
            let run = running(hold.running, "");
            (
                format!(
                    "its partition {partition} is not fetched yet: {wait} and {run} where the queue had them before"
                ),
                change,
            )
        }
        true => {
            let most = of.whole.concurrency.map(|most| format!(" of {most}")).unwrap_or_default();
            let run = running(hold.running, "");
            let count = if hold.running == 1 { "counts" } else { "count" };
            let why =
                format!("{run} since before the partitions changed, and {count} in the queue's concurrency{most}");
            let more = concurrency(facts, 0).1;
            (
                format!("its partition {partition} has no share left: {why}"),
                format!("ireva-queue queues set {queue} --concurrency {more} (or none) lets it start"),
            )
        }
    };
    told.reason("partitions_held", text);
    told.next(format!("wait, or {next}"));
}

/// Which limit it is that lets `limit` jobs run at once, and the next higher one of the queue.
fn concurrency(facts: &Facts<'_>, limit: u32) -> (String, u32) {
    let Some((of, whole)) = facts.partition.and_then(|of| Some((of, of.whole.concurrency?))) else {
        return ("the queue's concurrency".to_owned(), limit.saturating_add(1));
    };
    let what = format!("the share of its partition {} in the queue's concurrency of {whole}", of.partition);
    (what, whole.saturating_add(u32::from(of.of.count())))
}

/// Why a job is over the limits of its key. Whether it is.
fn over_its_key(facts: &Facts<'_>, told: &mut Told) -> bool {
    let Some(limit) = facts.key else { return false };
    let (key, queue, others) = (&limit.key, &limit.queue, limit.parked.saturating_sub(1));
    let line = match others {
        0 => String::new(),
        1 => "; 1 more of this key waits with it".to_owned(),
        others => format!("; {others} more of this key wait with it"),
    };
    let full = limit.concurrency.filter(|most| limit.running >= u64::from(*most));
    let why = match (full, limit.rate, limit.next_at) {
        (Some(most), ..) => {
            format!("{}, and its concurrency is {most}: one must end first", running(limit.running, " of it"))
        }
        (None, Some(rate), Some(next)) if next > facts.now => {
            let wait = round((next - facts.now).to_std().unwrap_or_default());
            format!("its rate is {rate}: its next job may start in {wait}")
        }
        _ => "it may go on: the next fetch takes it up".to_owned(),
    };
    told.reason("key_limit", format!("its key is {key}; {why}{line}"));
    let more =
        full.map_or_else(|| "--rate RATE".to_owned(), |most| format!("--concurrency {}", most.saturating_add(1)));
    told.next(format!("wait, or ireva-queue limits set {queue} {key} {more}"));
    true
}

/// `1 job runs`, `3 jobs run`.
fn running(count: u64, of: &str) -> String {
    if count == 1 { format!("1 job{of} runs") } else { format!("{count} jobs{of} run") }
}

/// Every worker of the queue is as busy as it may be. Whether it is so.
fn all_busy(facts: &Facts<'_>, told: &mut Told) -> bool {
    let Some((slots, workers)) = facts.full else { return false };
    let of = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
    let text = match slots {
        1 => format!("the only slot of {of} is busy: its job must end first"),
        slots => format!("all {slots} slots of {of} are busy: a job must end first"),
    };
    told.reason("busy", text);
    told.next("wait, start more workers, or give them more slots (work --concurrency)");
    true
}

/// A job in line, or parked beside it.
fn in_line(facts: &Facts<'_>, told: &mut Told) {
    let waits = held_up(facts, told) | over_its_key(facts, told) | all_busy(facts, told);
    let lonely = facts.job.crashes > 0 && facts.job.crashes + 1 >= facts.settings.crash_limit;
    if lonely {
        let crashes = facts.job.crashes;
        told.reason(
            "alone",
            format!("its workers died {crashes} times while it ran: it waits for one that holds nothing else"),
        );
    }
    match facts.ahead {
        0 if waits || lonely => {}
        0 => {
            told.reason("next", "it is the next to start".to_owned());
            told.next("nothing to do: a worker takes it within a second; if not, look into the log of a worker (ireva-queue workers list)");
        }
        ahead => {
            let by = match facts.settings.priority_mode {
                PriorityMode::Strict => "of a higher priority or before it in its line",
                PriorityMode::Aging(_) => "of a higher priority or longer in line",
            };
            let jobs = if ahead == 1 { "job is".to_owned() } else { "jobs are".to_owned() };
            let pace = match facts.ended_last_minute {
                0 => String::new(),
                ended => format!("; {ended} ended in the last minute"),
            };
            let of = facts.partition.map(|of| format!(" in partition {}", of.partition)).unwrap_or_default();
            told.reason("line", format!("{ahead} {jobs} {by}{of}{pace}"));
            if !waits {
                told.next("wait, add workers or concurrency, or enqueue such jobs with a higher --priority");
            }
        }
    }
}

/// A scheduled or retrying job.
fn before_its_time(facts: &Facts<'_>, told: &mut Told) {
    let job = &facts.job.summary;
    let due = at(job.since);
    let overdue = facts.now >= job.since;
    let code = match job.state {
        JobState::Retrying => "retry",
        _ if facts.job.snoozed > 0 => "snoozed",
        _ => "due",
    };
    told.reason(
        code,
        match (code, &job.last_error) {
            ("retry", Some(error)) => {
                let of = facts.job.max_attempts.unwrap_or(facts.settings.retry.attempts);
                let said = said(error);
                format!("attempt {} of {of} failed ({said}): the next one is due at {due}", facts.job.failed)
            }
            ("snoozed", Some(error)) if facts.breaker.is_some() => {
                let since = at(error.at);
                format!("put off since {since}, as its service is left alone: it is due again at {due}, and no attempt was used")
            }
            ("snoozed", Some(error)) => format!("{}: it is due again at {due}, and no attempt was used", error.message),
            _ => format!("it is not to start before {due}"),
        },
    );
    if let Some(error) = job.last_error.as_ref().filter(|_| code == "retry") {
        told.next(advice_for(job, &error.code, error.class));
    }
    if overdue {
        told.reason(
            "overdue",
            format!("its time is over since {}", round((facts.now - job.since).to_std().unwrap_or_default())),
        );
        held_up(facts, told);
    } else if code == "snoozed" && service_down(facts, told) {
        // It comes again by itself; to let it run now would put it off once more.
    } else {
        told.next(format!("wait, or let it run now: ireva-queue jobs promote {}", job.id));
    }
}

/// A job that a worker holds.
fn held(facts: &Facts<'_>, told: &mut Told) {
    let job = &facts.job.summary;
    let worker = facts.job.worker.as_deref().unwrap_or("-");
    let since = round((facts.now - job.since).to_std().unwrap_or_default());
    match facts.lease_until {
        Some(until) if until > facts.now => {
            told.reason("running", format!("worker {worker} has it for {since}, attempt {}", job.attempt));
            told.next(format!("wait, or ireva-queue jobs cancel {}", job.id));
        }
        _ => {
            told.reason("silent_worker", format!("worker {worker} took it {since} ago and has fallen silent"));
            told.next(
                "nothing to do: another worker of the queue takes it back within seconds; without one, start one",
            );
        }
    }
}

/// A dead letter: which rule buried it.
fn dead(facts: &Facts<'_>, told: &mut Told) {
    let (job, policy) = (facts.job, &facts.settings.retry);
    let Some(error) = &job.summary.last_error else {
        told.reason("unknown", "nobody wrote down why it died".to_owned());
        told.next(advice_for(&job.summary, "unknown", ErrorClass::Transient));
        return;
    };
    let of = job.max_attempts.unwrap_or(policy.attempts);
    let whose = if job.max_attempts.is_some() { "the job's own attempts" } else { "the queue's attempts" };
    let rule = match (error.code.as_str(), error.class) {
        ("expired", _) => match job.ttl_ms {
            Some(ttl_ms) => {
                format!("its ttl of {} was over before it could start", span_text(Duration::from_millis(ttl_ms)))
            }
            None => "its ttl was over before it could start".to_owned(),
        },
        ("crash_loop", _) => {
            let limit = facts.settings.crash_limit;
            let last = job.crashed.last().map(last_crash).unwrap_or_default();
            format!("its worker died {} times while it ran; crashLimit is {limit}{last}", job.crashes)
        }
        (_, ErrorClass::Permanent) if policy.permanent_attempts <= 1 => {
            format!("{}: a permanent error is buried at once (permanentAttempts 1)", said(error))
        }
        (_, ErrorClass::Permanent) => {
            format!(
                "{}: a permanent error is buried after {} attempts (permanentAttempts)",
                said(error),
                policy.permanent_attempts
            )
        }
        (_, class) => {
            format!(
                "{}: a {class} error is buried when the attempts are used up: {} failed, {whose} are {of}",
                said(error),
                job.failed
            )
        }
    };
    told.reason(&error.code, rule);
    told.next(advice_for(&job.summary, &error.code, error.class));
    told.next(format!("run it again: ireva-queue dlq retry {} {}", job.summary.queue, job.summary.id));
}

/// The advice about an error, with the job and its queue in the commands that it names.
fn advice_for(job: &JobSummary, code: &str, class: ErrorClass) -> String {
    let said = advice(code, class).replace("(jobs show ID)", &format!("(ireva-queue jobs show {})", job.id));
    let retry = format!("ireva-queue dlq retry {} {}", job.queue, job.id);
    said.replace("dlq retry QUEUE ID", &retry)
        .replace("queues set QUEUE --rate,", &format!("ireva-queue queues set {} --rate RATE,", job.queue))
        .replace("'schema QUEUE'", &format!("'ireva-queue schema {}'", job.queue))
        .replace("breaker list says", "'ireva-queue breaker list' says")
        .replace("db migrate,", "ireva-queue db migrate,")
}

fn said(error: &Failure) -> String {
    let line = error.message.lines().next().unwrap_or_default();
    let short: String = line.chars().take(200).collect();
    format!("{} {}", error.code, short).trim_end().to_owned()
}

/// In whose hands a job crashed, and the last that it said there.
fn last_crash(crash: &Crash) -> String {
    let alone = if crash.alone { ", where it ran alone" } else { "" };
    let line: String = crash.log.lines().last().unwrap_or_default().chars().take(200).collect();
    let said = if line.is_empty() { String::new() } else { format!("; it said last: {line}") };
    format!("; the last time in the hands of {}{alone}{said}", crash.worker)
}

fn at(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Whole seconds, for people; milliseconds below one.
fn round(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{}ms", span.as_millis())
    } else {
        humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
    }
}

#[cfg(test)]
mod tests;
