//! How an alert stands, and what follows from the next number: a pure step.

use serde::{Deserialize, Serialize};

use crate::alert::name::AlertName;
use crate::alert::notice::AlertEvent;
use crate::alert::rule::AlertRule;

/// Where a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Well; kept only where somebody is still to be told so.
    Ok,
    /// Out of bounds, not for long enough yet.
    Pending,
    /// Firing.
    Firing,
}

/// How a subject of a rule stands. A subject that is well, and of which nobody is to be told, has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    pub phase: Phase,
    /// Since when the number is out of bounds, or was.
    pub since_ms: i64,
    /// When it was last told that it fires; from then on somebody thinks so until told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_ms: Option<i64>,
    /// When it was last evaluated by one whose profile file has its rule; `None`: the rule is stored. Whoever does not have
    /// the file knows nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_ms: Option<i64>,
    /// Who was told so; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<AlertName>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub event: AlertEvent,
    /// Whether the sinks are told; not while it is muted, and not that something is over of which they never heard.
    pub tells: bool,
    /// Whether it has just happened, and is not only told now.
    pub is_new: bool,
}

/// The next standing of a subject whose number is `value` now (`None`: the subject is gone), and what to tell.
pub(crate) fn step(
    rule: &AlertRule,
    before: Option<&Standing>,
    value: Option<f64>,
    (muted, now_ms): (bool, i64),
) -> (Option<Standing>, Option<Change>) {
    let is_met = value.is_some_and(|value| rule.is_met(value));
    let told_ms = before.and_then(|standing| standing.told_ms);
    match before.map_or(Phase::Ok, |standing| standing.phase) {
        Phase::Ok | Phase::Pending if !is_met => well(before, muted),
        Phase::Ok | Phase::Pending => {
            let since_ms = match before {
                // A clock that was put back must not make it wait for ever.
                Some(Standing { phase: Phase::Pending, since_ms, .. }) => (*since_ms).min(now_ms),
                _ => now_ms,
            };
            let sinks = before.map(|before| before.sinks.clone()).unwrap_or_default();
            let pending = Standing { phase: Phase::Pending, since_ms, told_ms, sinks, file_ms: None };
            if u128::from((now_ms - since_ms).unsigned_abs()) < rule.hold.as_millis() {
                return (Some(pending), None);
            }
            // Whoever was told that it fires, and never that it is over, is told nothing new.
            let tells = !muted && told_ms.is_none();
            let change = Change { event: AlertEvent::Firing, tells, is_new: true };
            let firing = Standing { phase: Phase::Firing, ..pending };
            (Some(if tells { told(rule, &firing, now_ms) } else { firing }), Some(change))
        }
        Phase::Firing => firing(rule, before, value, (muted, now_ms)),
    }
}

/// The number is within bounds and did not fire: whoever still thinks that it does is told.
fn well(before: Option<&Standing>, muted: bool) -> (Option<Standing>, Option<Change>) {
    match before.filter(|standing| standing.told_ms.is_some()) {
        None => (None, None),
        Some(before) if muted => (Some(Standing { phase: Phase::Ok, ..before.clone() }), None),
        Some(_) => (None, Some(Change { event: AlertEvent::Recovered, tells: true, is_new: false })),
    }
}

/// The same when the sinks of the rule are told that it fires, beside those that were before.
fn told(rule: &AlertRule, before: &Standing, now_ms: i64) -> Standing {
    let mut sinks = rule.sinks.clone();
    if before.told_ms.is_some() {
        let is_all = sinks.is_empty() || before.sinks.is_empty();
        sinks.extend(before.sinks.iter().cloned());
        sinks.sort();
        sinks.dedup();
        sinks.retain(|_| !is_all);
    }
    Standing { told_ms: Some(now_ms), sinks, ..before.clone() }
}

fn firing(
    rule: &AlertRule,
    before: Option<&Standing>,
    value: Option<f64>,
    (muted, now_ms): (bool, i64),
) -> (Option<Standing>, Option<Change>) {
    let Some(before) = before else { return (None, None) };
    if value.is_none_or(|value| rule.is_over(value)) {
        let owed = before.told_ms.is_some() && muted;
        let standing = owed.then(|| Standing { phase: Phase::Ok, ..before.clone() });
        let tells = before.told_ms.is_some() && !muted;
        return (standing, Some(Change { event: AlertEvent::Recovered, tells, is_new: true }));
    }
    let told = |event, is_new| (Some(told(rule, before, now_ms)), Some(Change { event, tells: true, is_new }));
    match (before.told_ms, rule.repeat) {
        _ if muted => (Some(before.clone()), None),
        (None, _) => told(AlertEvent::Firing, false),
        (Some(told_ms), Some(repeat))
            if (now_ms - told_ms.min(now_ms)).unsigned_abs() as u128 >= repeat.as_millis() =>
        {
            told(AlertEvent::Repeated, true)
        }
        (Some(_), _) => (Some(before.clone()), None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::{AlertKind, AlertName};
    use crate::measure::Check;

    fn rule() -> AlertRule {
        let usual = AlertRule::usual(AlertName::new("a").unwrap(), AlertKind::Queue(Check::Backlog));
        let (hold, repeat) = (Duration::from_secs(10), Some(Duration::from_secs(100)));
        AlertRule { threshold: 10.0, clear: 5.0, hold, repeat, ..usual }
    }

    /// Steps through numbers at their seconds; what was told or kept quiet (`!`: told, `.`: not) and when.
    fn story(rule: &AlertRule, steps: &[(i64, Option<f64>, bool)]) -> Vec<String> {
        let (mut standing, mut told) = (None, Vec::new());
        for &(second, value, muted) in steps {
            let (next, change) = step(rule, standing.as_ref(), value, (muted, second * 1000));
            if let Some(change) = change {
                let mark = if change.tells { "!" } else { "." };
                told.push(format!("{second} {}{mark}", change.event.as_str()));
            }
            standing = next;
        }
        told
    }

    fn at(second: i64, value: f64) -> (i64, Option<f64>, bool) {
        (second, Some(value), false)
    }

    fn muted(second: i64, value: f64) -> (i64, Option<f64>, bool) {
        (second, Some(value), true)
    }

    #[test]
    fn it_fires_once_after_its_time_is_repeated_and_is_over_once() {
        let steps = [at(0, 12.0), at(5, 12.0), at(10, 12.0), at(20, 12.0), at(110, 12.0), at(115, 3.0), at(120, 3.0)];
        assert_eq!(story(&rule(), &steps), ["10 firing!", "110 repeated!", "115 recovered!"]);
        assert_eq!(story(&rule(), &[at(0, 12.0), at(5, 9.0), at(6, 12.0), at(15, 12.0)]), [""; 0], "it begins anew");
        let never = AlertRule { repeat: None, ..rule() };
        assert_eq!(story(&never, &[at(0, 12.0), at(10, 12.0), at(99_999, 12.0)]), ["10 firing!"]);
        let at_once = AlertRule { hold: Duration::ZERO, ..rule() };
        assert_eq!(story(&at_once, &[at(0, 12.0), at(1, 5.0)]), ["0 firing!", "1 recovered!"]);
    }

    #[test]
    fn whoever_was_told_stays_known_when_the_rule_names_others() {
        let names = |names: &[&str]| names.iter().map(|name| AlertName::new(name).unwrap()).collect::<Vec<_>>();
        let of = |sinks: &[&str]| AlertRule { sinks: names(sinks), hold: Duration::ZERO, ..rule() };
        let first = step(&of(&["b", "a"]), None, Some(12.0), (false, 0)).0.unwrap();
        let next = |rule: &AlertRule| step(rule, Some(&first), Some(12.0), (false, 200_000)).0.unwrap().sinks;
        assert_eq!((first.sinks.clone(), next(&of(&["c", "a"]))), (names(&["b", "a"]), names(&["a", "b", "c"])));
        assert_eq!(next(&of(&[])), [], "all");
        assert_eq!(
            step(&of(&["c"]), Some(&first), Some(12.0), (false, 50_000)).0.unwrap(),
            first,
            "nobody is told yet"
        );
    }

    #[test]
    fn between_threshold_and_clear_it_stays_as_it_is() {
        let steps = [at(0, 10.0), at(10, 10.0), at(11, 6.0), at(12, 9.0), at(13, 10.0), at(14, 5.0), at(15, 9.0)];
        assert_eq!(story(&rule(), &steps), ["10 firing!", "14 recovered!"]);
        let same = AlertRule { clear: 10.0, ..rule() };
        assert_eq!(story(&same, &[at(0, 10.0), at(10, 10.0), at(11, 9.0)]), ["10 firing!", "11 recovered!"]);
    }

    #[test]
    fn fewer_are_worse_where_the_kind_says_so() {
        let usual = AlertRule::usual(AlertName::new("a").unwrap(), AlertKind::Queue(Check::Workers));
        let rule = AlertRule { threshold: 2.0, clear: 3.0, hold: Duration::ZERO, ..usual };
        assert_eq!(story(&rule, &[at(0, 2.0), at(1, 1.0), at(2, 2.0), at(3, 3.0)]), ["1 firing!", "3 recovered!"]);
    }

    #[test]
    fn a_subject_that_is_gone_is_over() {
        let steps = [at(0, 12.0), at(10, 12.0), (11, None, false)];
        assert_eq!(story(&rule(), &steps), ["10 firing!", "11 recovered!"]);
        assert_eq!(story(&rule(), &[at(0, 12.0), (1, None, false)]), [""; 0]);
    }

    #[test]
    fn what_fires_during_a_mute_is_told_after_it_if_it_still_does() {
        let begun = [muted(0, 12.0), muted(10, 12.0), muted(150, 12.0)];
        let still = story(&rule(), &[&begun[..], &[at(160, 12.0), at(170, 3.0)]].concat());
        assert_eq!(still, ["10 firing.", "160 firing!", "170 recovered!"]);
        let over = story(&rule(), &[&begun[..], &[muted(155, 3.0), at(160, 3.0)]].concat());
        assert_eq!(over, ["10 firing.", "155 recovered."], "nobody heard of it");
    }

    #[test]
    fn the_end_of_what_was_told_is_told_after_the_mute() {
        let begun = [at(0, 12.0), at(10, 12.0), muted(20, 12.0), muted(30, 3.0), muted(40, 3.0)];
        let over = story(&rule(), &[&begun[..], &[at(50, 3.0), at(60, 3.0)]].concat());
        assert_eq!(over, ["10 firing!", "30 recovered.", "50 recovered!"]);
        // Out of bounds again before the end was told: for those who heard of it, it never ended.
        let again =
            story(&rule(), &[&begun[..], &[muted(45, 12.0), muted(55, 12.0), at(60, 12.0), at(61, 3.0)]].concat());
        assert_eq!(again, ["10 firing!", "30 recovered.", "55 firing.", "61 recovered!"]);
        let short = story(&rule(), &[&begun[..], &[at(45, 12.0), at(46, 3.0)]].concat());
        assert_eq!(short, ["10 firing!", "30 recovered.", "46 recovered!"]);
    }

    #[test]
    fn a_clock_that_is_put_back_neither_hurries_nor_blocks() {
        assert_eq!(story(&rule(), &[at(1000, 12.0), at(500, 12.0), at(510, 12.0)]), ["510 firing!"]);
        let steps = [at(1000, 12.0), at(1010, 12.0), at(500, 12.0), at(600, 12.0)];
        assert_eq!(story(&rule(), &steps), ["1010 firing!"], "not told more often for it");
    }
}
