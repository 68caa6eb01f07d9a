//! The rules catch what they are for: a good history passes, and each forgery of it is found by its own rule.

use std::collections::BTreeMap;

use super::history::{Accepted, History, Said, Step};
use super::rules::violations;
use crate::support::Line;

fn step(at_ms: u64, event: &str, id: &str, by: &str) -> Step {
    Step { at_ms, event: event.to_owned(), id: id.to_owned(), by: by.to_owned() }
}

fn line(id: &str, attempt: u32, fence: u64, event: &str) -> Line {
    Line { at_ms: fence, id: id.to_owned(), attempt, fence, event: event.to_owned() }
}

/// A job that is delayed and completed at once; one that is recovered, retried and completed; one that dies; one that is
/// cancelled while it runs; one that holds a key after another gave it back.
fn good() -> History {
    let accepted = |delay_ms, unique: Option<&str>| Accepted { delay_ms, unique: unique.map(str::to_owned) };
    let jobs = [("a", 50, None), ("b", 0, None), ("c", 0, Some("k")), ("d", 0, None), ("e", 0, Some("k"))];
    let said = |id: &str| Said { event: "completed".to_owned(), id: id.to_owned() };
    let states = [("a", "completed"), ("b", "completed"), ("c", "dead"), ("d", "cancelled"), ("e", "completed")];
    let totals = [
        ("enqueued", 5),
        ("completed", 3),
        ("dead", 1),
        ("failed", 2),
        ("retried", 1),
        ("recovered", 1),
        ("cancelled", 1),
        ("released", 0),
    ];
    History {
        accepted: jobs.map(|(id, delay_ms, key)| (id.to_owned(), accepted(delay_ms, key))).into_iter().collect(),
        steps: vec![
            step(0, "enqueued", "a", "p"),
            step(0, "enqueued", "b", "p"),
            step(0, "enqueued", "c", "p"),
            step(10, "started", "b", "w1"),
            step(20, "recovered", "b", "w2"),
            step(30, "started", "b", "w2"),
            step(40, "retrying", "b", "w2"),
            step(50, "started", "a", "w1"),
            step(60, "completed", "a", "w1"),
            step(70, "started", "c", "w1"),
            step(80, "dead", "c", "w1"),
            step(81, "enqueued", "e", "p"),
            step(90, "enqueued", "d", "p"),
            step(100, "started", "d", "w1"),
            step(110, "cancelling", "d", "operator"),
            step(120, "cancelled", "d", "w1"),
            step(140, "started", "b", "w2"),
            step(150, "completed", "b", "w2"),
            step(160, "started", "e", "w2"),
            step(170, "completed", "e", "w2"),
        ],
        entries: (20, 20),
        ledger: vec![
            line("b", 1, 10, "start"),
            line("b", 2, 30, "start"),
            line("a", 1, 50, "start"),
            line("a", 1, 50, "end"),
            line("c", 1, 70, "start"),
            line("d", 1, 100, "start"),
            line("b", 3, 140, "start"),
            line("b", 3, 140, "end"),
            line("e", 1, 160, "start"),
            line("e", 1, 160, "end"),
        ],
        said: ["a", "b", "e"].map(said).into(),
        states: states.map(|(id, state)| (id.to_owned(), vec![state])).into_iter().collect(),
        totals: totals.map(|(counter, count)| (counter.to_owned(), count)).into_iter().collect(),
        strange_keys: Vec::new(),
        limit: Some(1),
        backoff_ms: 100,
    }
}

/// The rules that a forged history breaks.
fn broken(forge: impl FnOnce(&mut History)) -> Vec<String> {
    let mut history = good();
    forge(&mut history);
    let rules = violations(&history).into_iter().map(|fault| fault.split(':').next().unwrap().to_owned());
    rules.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn at<'a>(history: &'a mut History, event: &str, id: &str) -> &'a mut Step {
    history.steps.iter_mut().rfind(|step| step.event == event && step.id == id).unwrap()
}

#[test]
fn a_good_history_has_no_violation() {
    assert_eq!(violations(&good()), Vec::<String>::new());
}

#[test]
fn a_step_that_may_not_follow_is_found() {
    // Completed twice; started before it was accepted; completed although it was cancelled; lost by the queue itself.
    assert_eq!(broken(|h| h.steps.push(step(180, "completed", "a", "w1"))), ["order"]);
    assert!(broken(|h| drop(h.steps.remove(0))).contains(&"order".to_owned()));
    assert!(broken(|h| at(h, "cancelled", "d").event = "completed".to_owned()).contains(&"order".to_owned()));
    assert_eq!(broken(|h| h.steps.push(step(180, "orphaned", "a", ""))), ["order"]);
}

#[test]
fn an_end_that_was_another_workers_is_found() {
    assert_eq!(broken(|h| at(h, "completed", "b").by = "w1".to_owned()), ["claim"]);
    assert_eq!(broken(|h| at(h, "retrying", "b").by = "w1".to_owned()), ["claim"]);
    assert_eq!(broken(|h| at(h, "recovered", "b").by = "w1".to_owned()), ["claim"]);
}

#[test]
fn fences_that_do_not_rise_are_found() {
    assert_eq!(broken(|h| h.ledger[1].fence = 10), ["fence"]);
    assert_eq!(broken(|h| h.ledger[1].attempt = 4), ["fence"]);
}

#[test]
fn a_job_that_is_lost_doubled_or_nobodys_is_found() {
    assert_eq!(broken(|h| drop(h.states.remove("a"))), ["account"]);
    assert_eq!(broken(|h| h.states.get_mut("a").unwrap().push("pending")), ["account"]);
    assert_eq!(broken(|h| *h.states.get_mut("a").unwrap() = vec!["dead"]), ["account"]);
    assert_eq!(broken(|h| drop(h.states.insert("x".to_owned(), vec!["pending"]))), ["account"]);
    assert_eq!(broken(|h| drop(h.accepted.insert("y".to_owned(), Accepted::default()))), ["account"]);
}

#[test]
fn a_start_that_nothing_explains_is_found() {
    // By the processor alone, under a claim that no script gave out.
    assert_eq!(broken(|h| h.ledger.push(line("c", 2, 75, "start"))), ["starts"]);
}

#[test]
fn counters_that_are_no_sum_of_transitions_are_found() {
    assert_eq!(broken(|h| *h.totals.get_mut("recovered").unwrap() = 2), ["counters"]);
    assert_eq!(broken(|h| *h.totals.get_mut("released").unwrap() = 1), ["counters"]);
}

#[test]
fn what_starts_early_is_found() {
    assert_eq!(broken(|h| at(h, "started", "a").at_ms = 29), ["early"]);
    assert_eq!(broken(|h| at(h, "started", "b").at_ms = 119), ["early"]);
}

#[test]
fn what_is_completed_and_was_not_done_is_found() {
    assert_eq!(
        broken(|h| h.ledger.retain(|line| (line.id.as_str(), line.event.as_str()) != ("b", "end"))),
        ["effect", "report"]
    );
    // Done under a claim that was lost, and acknowledged under the next.
    assert_eq!(broken(|h| h.ledger[7].fence = 30), ["effect"]);
}

#[test]
fn limits_and_keys_that_do_not_hold_are_found() {
    assert_eq!(broken(|h| h.limit = Some(0)), ["limit"]);
    assert_eq!(broken(|h| h.accepted.get_mut("b").unwrap().unique = Some("k".to_owned())), ["unique"]);
}

#[test]
fn a_worker_that_says_what_is_not_so_is_found() {
    assert_eq!(broken(|h| h.said.push(Said { event: "completed".to_owned(), id: "c".to_owned() })), ["report"]);
    assert_eq!(broken(|h| h.said.push(h.said[0].clone())), ["report"]);
}

#[test]
fn keys_without_a_schema_and_a_history_with_gaps_are_found() {
    assert_eq!(broken(|h| h.strange_keys.push("ireva:queue:{q}:what: a set".to_owned())), ["keyspace"]);
    assert_eq!(broken(|h| h.entries = (21, 20)), ["whole"]);
}

#[test]
fn many_violations_of_one_rule_are_shortened() {
    let mut history = good();
    history.states = BTreeMap::new();
    history.accepted = (0..20).map(|n| (format!("n{n}"), Accepted::default())).collect();
    let faults = violations(&history);
    assert_eq!(faults.iter().filter(|fault| fault.starts_with("account")).count(), 6, "{faults:?}");
    assert!(faults.contains(&"account: and 15 more".to_owned()), "{faults:?}");
}
