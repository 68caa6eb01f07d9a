//! Judges the breakers that are open: which service is down or held back, and who waits for it.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::breaker::BreakerInfo;
use crate::doctor::code::Code;
use crate::doctor::facts::{Breakers, QueueFacts};
use crate::doctor::finding::{Cause, Finding, Severity, about_ms, many};
use crate::retry::ErrorClass;

/// One that an operator opened without an end, and that nobody has closed for so long, may be forgotten.
const FORGOTTEN_MS: i64 = 3_600_000;

/// What is to be said of breakers; of one queue only those that hold it up.
pub(super) fn judge(breakers: &Breakers, queues: &[QueueFacts], is_of_one_queue: bool) -> Vec<Finding> {
    let held = |open: &BreakerInfo| -> Vec<&QueueFacts> {
        queues.iter().filter(|queue| queue.held_by.as_ref() == Some(&open.dependency)).collect()
    };
    let known = breakers.open.iter().map(|open| (open, held(open)));
    known
        .filter(|(_, held)| !is_of_one_queue || !held.is_empty())
        .map(|(open, held)| finding(open, &held, breakers.now))
        .collect()
}

fn finding(open: &BreakerInfo, held: &[&QueueFacts], now: DateTime<Utc>) -> Finding {
    let open_ms = open.opened_at.map_or(0, |at| (now - at).num_milliseconds().max(0));
    let since = open.opened_at.map_or_else(String::new, |at| format!(" since {}", written(at)));
    let age = about_ms(open_ms.unsigned_abs());
    let next = open.probe_at.filter(|_| !open.is_open_ended(now)).map(written);
    let (code, severity, mut message) = if open.is_held() {
        let until = next.map_or_else(|| "with no end".to_owned(), |at| format!("until {at}"));
        let is_forgotten = open.is_open_ended(now) && open_ms >= FORGOTTEN_MS;
        let severity = if is_forgotten { Severity::Warning } else { Severity::Note };
        (Code::BreakerHeld, severity, format!("an operator holds it back{since} ({age}), {until}"))
    } else {
        // Where nothing waits for it, nobody feels it yet; whose jobs differ in their services, nobody knows.
        let is_felt = held.is_empty() || held.iter().any(|queue| waiting(queue) > 0);
        let severity = if is_felt { Severity::Warning } else { Severity::Note };
        let next = next.map(|at| format!("; it is tried next at {at}")).unwrap_or_default();
        let failures = many(open.failures, "failure");
        (Code::BreakerOpen, severity, format!("left alone{since} ({age}) after {failures} in a row{next}"))
    };
    let names: Vec<_> =
        held.iter().map(|queue| format!("{} ({})", queue.stats.queue, many(waiting(queue), "job"))).collect();
    if !names.is_empty() {
        message.push_str(&format!("; what waits: {}", names.join(", ")));
    }
    let remedy = match code {
        Code::BreakerHeld => format!("ireva-queue {}", open.closing()),
        _ => format!("mend the service: its next answer closes the breaker; by hand: ireva-queue {}", open.closing()),
    };
    let cause = open.last_error.as_ref().filter(|_| open.failures > 0).map(|error| Cause {
        code: error.code.clone(),
        class: ErrorClass::Transient,
        count: open.failures,
        example: Some(error.message.clone()).filter(|message| !message.is_empty()),
    });
    let queue = held.first().filter(|_| held.len() == 1).map(|queue| queue.stats.queue.clone());
    let found = Finding::new(code, open.dependency.as_str(), message).severity(severity).remedy(remedy);
    Finding { queue, causes: cause.into_iter().collect(), ..found }
}

/// Jobs that would run, or will: those that were put off for the service stand among the scheduled.
fn waiting(queue: &QueueFacts) -> u64 {
    queue.stats.pending + queue.stats.scheduled + queue.stats.retrying
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::breaker::{BreakerError, BreakerState};
    use crate::clock::instant;
    use crate::doctor::queues::tests::queue;
    use crate::job::LONGEST;

    const NOW_MS: i64 = 1_764_000_000_000;

    fn open(by: &str, since_ms: i64, wait: Duration) -> Breakers {
        let open = BreakerInfo {
            dependency: "database platform at db:5432".to_owned(),
            state: BreakerState::Open,
            failures: 7,
            last_failure_at: Some(instant(NOW_MS - 1_000)),
            last_error: Some(BreakerError { code: "database_unreachable".to_owned(), message: "refused".to_owned() }),
            opened_at: Some(instant(NOW_MS - since_ms)),
            probe_at: Some(instant(NOW_MS) + wait),
            opened_by: Some(by.to_owned()),
        };
        Breakers { open: vec![open], now: instant(NOW_MS) }
    }

    fn told(breakers: &Breakers, queues: &[QueueFacts]) -> (Code, Severity, String, String) {
        let found = judge(breakers, queues, false).pop().unwrap();
        (found.code, found.severity, found.message, found.remedy)
    }

    #[test]
    fn an_open_breaker_says_what_is_down_since_when_and_who_waits() {
        let breakers = open("w-1", 200_000, Duration::from_secs(5));
        let mut held = queue("data-export");
        held.held_by = Some("database platform at db:5432".to_owned());
        held.stats.pending = 3;
        let (code, severity, message, remedy) = told(&breakers, &[held.clone(), queue("email")]);
        assert_eq!((code, severity), (Code::BreakerOpen, Severity::Warning));
        assert_eq!(
            message,
            "left alone since 2025-11-24T15:56:40Z (3m 20s) after 7 failures in a row; it is tried next at \
             2025-11-24T16:00:05Z; what waits: data-export (3 jobs)"
        );
        assert!(remedy.ends_with("ireva-queue breaker close 'database platform at db:5432'"), "{remedy}");
        let found = judge(&breakers, &[held.clone()], true).pop().unwrap();
        assert_eq!(found.queue.as_ref().map(crate::QueueName::as_str), Some("data-export"));
        assert_eq!(found.causes[0].to_string(), "7 × database_unreachable (transient): refused");
        held.stats.pending = 0;
        assert_eq!(told(&breakers, &[held]).1, Severity::Note, "nobody feels it");
        assert_eq!(told(&breakers, &[]).1, Severity::Warning, "nobody knows who feels it");
        assert_eq!(judge(&breakers, &[queue("email")], true), [], "that queue does without it");
    }

    #[test]
    fn one_that_an_operator_opened_without_an_end_is_forgotten_after_an_hour() {
        let hour = FORGOTTEN_MS;
        let (code, severity, message, _) = told(&open("operator", hour - 1, LONGEST), &[]);
        assert_eq!((code, severity), (Code::BreakerHeld, Severity::Note));
        assert!(message.ends_with(", with no end"), "{message}");
        assert_eq!(told(&open("operator", hour, LONGEST), &[]).1, Severity::Warning);
        let (_, severity, message, remedy) = told(&open("operator", 3 * hour, Duration::from_secs(60)), &[]);
        assert_eq!(severity, Severity::Note, "it ends by itself");
        assert!(message.ends_with("until 2025-11-24T16:01:00Z"), "{message}");
        assert_eq!(remedy, "ireva-queue breaker close 'database platform at db:5432'");
    }
}
