//! Judges the alerts: whether anybody evaluates them, and whether the sinks take what they are told.

use std::collections::BTreeSet;

use crate::alerts::{UNWATCHED, Waiting};
use crate::doctor::code::Code;
use crate::doctor::facts::AlertFacts;
use crate::doctor::finding::{Finding, many};

/// What is to be said of alerts.
pub(super) fn judge(facts: &AlertFacts) -> Vec<Finding> {
    unwatched(facts).into_iter().chain(undelivered(facts)).collect()
}

fn unwatched(facts: &AlertFacts) -> Option<Finding> {
    let is_over = facts.turn_until_ms.is_none_or(|until_ms| facts.now_ms - until_ms > UNWATCHED.as_millis() as i64);
    let message = || match facts.turn_until_ms {
        None => format!("{} and nobody has ever evaluated them", many(facts.rules as u64, "rule")),
        Some(until_ms) => {
            let minutes = (facts.now_ms - until_ms) / 60_000;
            format!(
                "{}; the last look was {} ago",
                many(facts.rules as u64, "rule"),
                many(minutes.unsigned_abs(), "minute")
            )
        }
    };
    (facts.rules > 0 && is_over).then(|| Finding::new(Code::AlertsUnwatched, "alerts", message()))
}

fn undelivered(facts: &AlertFacts) -> Option<Finding> {
    let first = facts.waiting.iter().min_by_key(|waiting| waiting.notice.at)?;
    let mut sinks: Vec<_> = facts.waiting.iter().flat_map(Waiting::without).map(ToString::to_string).collect();
    sinks.sort();
    sinks.dedup();
    let since = first.notice.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let why = first.error.as_deref().unwrap_or("no reason is known");
    // Each sink has one of its own.
    let ids: BTreeSet<_> = facts.waiting.iter().map(|waiting| &waiting.notice.id).collect();
    let count = many(ids.len() as u64, "notice");
    let message = format!("{count} not taken by {}, the first since {since}: {why}", sinks.join(", "));
    Some(Finding::new(Code::AlertUndelivered, "alerts", message))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::alert::{AlertName, AlertNotice};

    fn codes(facts: &AlertFacts) -> Vec<Code> {
        judge(facts).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn rules_that_nobody_evaluates_are_found() {
        let facts = AlertFacts { rules: 2, now_ms: 1_000_000, ..AlertFacts::default() };
        assert_eq!(codes(&facts), [Code::AlertsUnwatched]);
        assert_eq!(codes(&AlertFacts { turn_until_ms: Some(879_000), ..facts.clone() }), [Code::AlertsUnwatched]);
        assert_eq!(codes(&AlertFacts { turn_until_ms: Some(900_000), ..facts.clone() }), []);
        assert_eq!(codes(&AlertFacts { rules: 0, ..facts }), []);
    }

    #[test]
    fn a_notice_that_a_sink_does_not_take_is_found() {
        let notice = AlertNotice::for_test(("p:", "w"), DateTime::UNIX_EPOCH);
        let (owed, error) = (vec![AlertName::new("ops").unwrap()], Some("ops: smtp_4xx: busy".to_owned()));
        let waiting = vec![Waiting { attempts: 3, error, ..Waiting::new(notice, owed) }];
        let findings = judge(&AlertFacts { waiting, ..AlertFacts::default() });
        assert_eq!(findings[0].code, Code::AlertUndelivered);
        let said = &findings[0].message;
        assert!(said.starts_with("1 notice not taken by ops") && said.ends_with("smtp_4xx: busy"), "{said}");
    }
}
