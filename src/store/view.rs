//! Makes the plain data that shells render out of what is stored.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::value::RawValue;

use crate::clock::instant;
use crate::job::{Failure, History, JobState, Partition, Partitions, Priority, QueueName};
use crate::retry::ErrorClass;
use crate::stats::{DeadLetter, JobDetails, JobSummary, QueueStats, QueueSummary, Rates, Totals, WorkerInfo};
use crate::store::inspect::{Counts, Found, Shown};
use crate::store::limits;
use crate::store::presence::{Held, WorkerSelf};
use crate::store::progress;

impl Counts {
    /// Whether some partitions are not counted.
    pub(crate) fn is_partial(&self) -> bool {
        !self.away.is_empty()
    }

    /// The statistics of the queue.
    pub(crate) fn stats(&self, queue: QueueName) -> QueueStats {
        let [critical, high, normal, low, scheduled, active, retrying, completed, cancelled, dead] = self.sizes;
        let stored = limits::decode(&queue, &self.config);
        let now_ms = self.now_us / 1000;
        QueueStats {
            queue,
            pending: critical + high + normal + low,
            pending_by_priority: [critical, high, normal, low],
            parked: self.parked,
            scheduled,
            active,
            retrying,
            completed,
            cancelled,
            dead,
            oldest_pending_ms: self.oldest_arrival_us.map(|us| ((self.now_us - us) / 1000).max(0).unsigned_abs()),
            late_ms: self.first_due_ms.filter(|due_ms| *due_ms < now_ms).map(|due_ms| (now_ms - due_ms).unsigned_abs()),
            totals: totals(&self.totals),
            last_minute: rates(&self.sliding(1)),
            last_hour: rates(&self.sliding(60)),
            paused: stored.paused,
            protected: stored.protected,
            settings: stored.settings,
            workers: self.workers,
            partitions: number(self.layout.now),
            partitions_was: self.layout.was.map(number),
            partitions_next: stored.partitions_next,
            partitions_away: self.away.iter().map(Partition::to_string).collect(),
            schedules: self.schedules[0],
            late_schedules: self.schedules[1],
        }
    }

    /// The queue in a list.
    pub(crate) fn summary(&self, queue: QueueName) -> QueueSummary {
        let stats = self.stats(queue);
        let live = stats.pending + stats.scheduled + stats.active + stats.retrying;
        let QueueStats { queue, dead, paused, protected, settings, workers, .. } = stats;
        let (partitions_was, partitions_next) = (stats.partitions_was, stats.partitions_next);
        QueueSummary { queue, paused, protected, live, dead, workers, settings, partitions_was, partitions_next }
    }

    /// What was counted over the last so many minutes: of the oldest, only the part that has not slid out yet.
    fn sliding(&self, minutes: usize) -> [u64; 4] {
        let remaining = 1.0 - (self.now_us.rem_euclid(60_000_000) as f64 / 60e6);
        let mut sums = [0; 4];
        for (back, counters) in self.minutes.iter().enumerate().take(minutes + 1) {
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum += if back == minutes { (*counter as f64 * remaining).round() as u64 } else { *counter };
            }
        }
        sums
    }
}

fn number(partitions: Partitions) -> u16 {
    u16::try_from(partitions.each().count()).unwrap_or(u16::MAX)
}

fn rates([enqueued, completed, failed, dead]: &[u64; 4]) -> Rates {
    let ended = completed + failed;
    let failure_rate = (ended > 0).then(|| *failed as f64 / ended as f64);
    Rates { enqueued: *enqueued, completed: *completed, failed: *failed, dead: *dead, failure_rate }
}

fn totals(counted: &BTreeMap<String, String>) -> Totals {
    let total = |name: &str| counted.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    Totals {
        enqueued: total("enqueued"),
        completed: total("completed"),
        failed: total("failed"),
        retried: total("retried"),
        dead: total("dead"),
        cancelled: total("cancelled"),
        recovered: total("recovered"),
        released: total("released"),
        snoozed: total("snoozed"),
        expired: total("expired"),
        revived: total("revived"),
        removed: total("removed"),
        dropped: total("dropped"),
        orphaned: total("orphaned"),
    }
}

impl Found {
    /// What went wrong last: what ended the job where no attempt failed, else the last failure.
    pub(crate) fn last_error(&self) -> Option<Failure> {
        let history = self.history();
        if history.snoozed > 0 && self.place.state == JobState::Scheduled {
            return Some(self.put_off(&history));
        }
        let Some(code) = &history.end else { return history.last().cloned() };
        let Cause { class, error, .. } = cause(&history, self.crashes);
        Some(Failure {
            at: instant(self.place.since_ms()),
            attempt: history.failed.saturating_add(self.crashes),
            class,
            code: code.clone(),
            message: error,
            duration_ms: 0,
            worker: String::new(),
        })
    }

    /// Why a job waits that was put off: what the service said is in its log.
    fn put_off(&self, history: &History) -> Failure {
        let times = if history.snoozed == 1 { "once".to_owned() } else { format!("{} times", history.snoozed) };
        let at = history.snoozed_since_ms.map_or_else(|| instant(self.place.since_ms()), instant);
        let since = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        Failure {
            at,
            attempt: history.failed.saturating_add(self.crashes).saturating_add(1),
            class: ErrorClass::Throttled,
            code: "snoozed".to_owned(),
            message: format!(
                "put off {times} since {since}: a service was down or said to wait, or it goes on in parts"
            ),
            duration_ms: 0,
            worker: String::new(),
        }
    }

    /// The job in a list.
    pub(crate) fn summary(&self, queue: &QueueName) -> JobSummary {
        let history = self.history();
        let runs = u32::from(matches!(self.place.state, JobState::Active | JobState::Completed));
        let priority = self.place.priority().or_else(|| self.record().map(|record| record.priority));
        JobSummary {
            id: self.id.clone(),
            queue: queue.clone(),
            state: self.place.state,
            priority: priority.unwrap_or(Priority::Normal),
            attempt: history.failed.saturating_add(self.crashes).saturating_add(runs),
            enqueued_at: self.arrival_us().and_then(DateTime::from_timestamp_micros),
            since: instant(self.place.since_ms()),
            last_error: self.last_error(),
        }
    }

    /// The job among the dead letters.
    pub(crate) fn letter(&self, queue: &QueueName) -> DeadLetter {
        let history = self.history();
        let Cause { class, code, error } = cause(&history, self.crashes);
        DeadLetter {
            id: self.id.clone(),
            queue: queue.clone(),
            died_at: instant(self.place.since_ms()),
            enqueued_at: self.arrival_us().and_then(DateTime::from_timestamp_micros),
            attempts: history.failed.saturating_add(self.crashes),
            class,
            code,
            error,
        }
    }
}

struct Cause {
    class: ErrorClass,
    code: String,
    error: String,
}

/// Why a job is dead: what ended it where no attempt failed, else its last failure.
fn cause(history: &History, crashes: u32) -> Cause {
    if let Some(end) = &history.end {
        let error = match end.as_str() {
            "expired" => "past its ttl before it could start".to_owned(),
            "crash_loop" => format!("its worker died or fell silent {crashes} times while it ran"),
            end => end.replace('_', " "),
        };
        return Cause { class: ErrorClass::Permanent, code: end.clone(), error };
    }
    match history.last() {
        Some(last) => Cause { class: last.class, code: last.code.clone(), error: last.message.clone() },
        None => Cause { class: ErrorClass::Transient, code: "unknown".to_owned(), error: String::new() },
    }
}

impl Shown {
    /// Everything about the job.
    pub(crate) fn details(self, queue: &QueueName, partition: Partition) -> JobDetails {
        let Self { found, unique, log, result, progress } = self;
        let (record, history) = (found.record(), found.history());
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        JobDetails {
            summary: found.summary(queue),
            payload: record.as_ref().map(|record| record.payload().to_owned()),
            raw: (record.is_none() && !found.record.is_empty()).then(|| printable(&found.record)),
            max_attempts: record.as_ref().and_then(|record| record.attempts),
            backoff: record.as_ref().and_then(|record| record.backoff).map(|backoff| backoff.to_string()),
            timeout_ms: record.as_ref().and_then(|record| record.timeout).map(millis),
            ttl_ms: record.as_ref().and_then(|record| record.ttl).map(millis),
            unique,
            order_key: record.as_ref().and_then(|record| record.order_key.clone()),
            partition: (!partition.is_whole()).then(|| partition.to_string()),
            batch: record.as_ref().and_then(|record| record.batch.as_ref()).map(ToString::to_string),
            worker: found.place.worker().map(str::to_owned),
            fence: found.place.fence(),
            progress: progress.and_then(|text| progress::read(&text, found.place.fence()?)),
            crashes: found.crashes,
            failed: history.failed,
            snoozed: history.snoozed,
            revived: history.revived,
            revives: record.and_then(|record| record.revives),
            children: Vec::new(),
            failures: history.failures,
            crashed: history.crashed,
            result: raw(result),
            log,
            explanation: None,
        }
    }
}

fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(visible).collect()
}

/// A worker, from what it says of itself and what its queues know of it.
pub(crate) fn worker_info(said: Option<WorkerSelf>, held: &[(QueueName, Held)], now_ms: i64) -> Option<WorkerInfo> {
    let worker = held.first()?.1.worker.clone();
    let until_ms = held.iter().map(|(_, held)| held.lease_until_ms).max()?;
    // One that has said nothing for long is known by its name alone: host, pid and a ULID.
    let said = said.unwrap_or_else(|| {
        let mut parts = worker.rsplitn(3, ['-', ':', '@', '.']).skip(1);
        let pid = parts.next().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        WorkerSelf { host: parts.next().unwrap_or_default().to_owned(), pid, ..WorkerSelf::default() }
    });
    let queues = match said.queues.is_empty() {
        true => held.iter().map(|(queue, _)| queue.clone()).collect(),
        false => said.queues,
    };
    Some(WorkerInfo {
        worker,
        host: said.host,
        pid: said.pid,
        version: said.version,
        queues,
        concurrency: said.concurrency,
        lease_ms: said.lease_ms,
        started_at: instant(said.started_ms),
        active: held.iter().map(|(_, held)| held.claims).sum(),
        completed: said.completed,
        failed: said.failed,
        lease_until: instant(until_ms),
        silent: until_ms <= now_ms,
        invocation: said.invocation,
        ended: said.ended.map(|end| end.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Layout;

    #[test]
    fn rates_slide_over_the_borders_of_minutes() {
        let counts = Counts {
            now_us: 60_000_000 * 100 + 15_000_000,
            records: 0,
            sizes: [0; 10],
            workers: 0,
            oldest_arrival_us: None,
            first_due_ms: None,
            totals: BTreeMap::new(),
            config: BTreeMap::new(),
            minutes: (0..61).map(|back| [if back < 2 { 100 } else { 10 }, 6, 2, 0]).collect(),
            schedules: [0; 2],
            parked: 0,
            layout: Layout::ONE,
            away: Vec::new(),
        };
        assert_eq!(counts.sliding(1), [175, 11, 4, 0]);
        assert_eq!(counts.sliding(60)[0], 200 + 58 * 10 + 8);
        assert_eq!(rates(&[0, 6, 2, 0]).failure_rate, Some(0.25));
        assert_eq!(rates(&[0; 4]).failure_rate, None);
    }

    #[test]
    fn an_end_that_no_attempt_brought_is_the_cause() {
        let history = History { end: Some("crash_loop".to_owned()), ..History::default() };
        let found = cause(&history, 3);
        assert_eq!((found.class, found.code.as_str()), (ErrorClass::Permanent, "crash_loop"));
        assert!(found.error.contains("3 times"));
        assert_eq!(cause(&History::default(), 0).code, "unknown");
    }

    #[test]
    fn a_worker_that_says_nothing_is_known_by_its_name() {
        let held = Held { worker: "db-host-77-01ABC".to_owned(), lease_until_ms: 5, claims: 2 };
        let info = worker_info(None, &[(QueueName::new("q").unwrap(), held)], 6).unwrap();
        assert_eq!((info.host.as_str(), info.pid, info.active, info.silent), ("db-host", 77, 2, true));
    }

    #[test]
    fn what_cannot_be_read_is_made_visible() {
        assert_eq!(printable("1{\u{1b}[2Jä"), "1{\\u{1b}[2Jä");
    }
}
