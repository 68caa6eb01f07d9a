//! The rules that a history must obey. Each violation begins with the name of its rule.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, Step};

/// So many of one rule are told; more say no more.
const TOLD_MAX: usize = 5;
/// A transition bears the time at which its script tells it: this much later at most than the instant that the script goes
/// by (I19), and never earlier.
const STAMP_MS: u64 = 20;

/// Where a job stands while its steps are gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Waiting { from_ms: u64 },
    Active { worker: String, is_cancelled: bool },
    Ended(&'static str),
}

/// What the steps add up to.
#[derive(Default)]
struct Replay {
    places: BTreeMap<String, Place>,
    /// How often each job started, and how often it might start again.
    starts: BTreeMap<String, (usize, usize)>,
    counts: BTreeMap<&'static str, u64>,
    holders: BTreeMap<String, String>,
    running: usize,
    faults: Vec<String>,
}

/// Everything that is wrong with a history; nothing for a good one.
pub fn violations(history: &History) -> Vec<String> {
    let mut replay = Replay::default();
    for step in &history.steps {
        replay.take(history, step);
    }
    let mut faults = std::mem::take(&mut replay.faults);
    if history.entries.0 != history.entries.1 {
        faults.push(format!("whole: {} of {} entries were read", history.entries.1, history.entries.0));
    }
    accounts(history, &replay, &mut faults);
    counters(history, &replay, &mut faults);
    fences(history, &mut faults);
    effects(history, &replay, &mut faults);
    starts(history, &replay, &mut faults);
    reports(history, &mut faults);
    faults.extend(history.strange_keys.iter().map(|key| format!("keyspace: {key}")));
    shortened(faults)
}

/// A few of each rule, and how many more there are.
fn shortened(faults: Vec<String>) -> Vec<String> {
    let mut by_rule = BTreeMap::<String, Vec<String>>::new();
    for fault in faults {
        let rule = fault.split(':').next().unwrap_or_default().to_owned();
        by_rule.entry(rule).or_default().push(fault);
    }
    let cut = |(rule, mut faults): (String, Vec<String>)| {
        let more = faults.len().saturating_sub(TOLD_MAX);
        faults.truncate(TOLD_MAX);
        faults.extend((more > 0).then(|| format!("{rule}: and {more} more")));
        faults
    };
    by_rule.into_iter().flat_map(cut).collect()
}

impl Replay {
    /// One transition: may it follow, was it its doer's to make, is it in time and within the limits.
    fn take(&mut self, history: &History, step: &Step) {
        let Step { at_ms, event, id, by } = step;
        let before = self.places.get(id).cloned();
        let accepted = history.accepted.get(id);
        let waiting = |more_ms: u64| Some(Place::Waiting { from_ms: at_ms + more_ms });
        let next = match (before.as_ref(), event.as_str()) {
            (None, "enqueued") => waiting(accepted.map_or(0, |accepted| accepted.delay_ms)),
            (Some(Place::Waiting { from_ms }), "started") => {
                if at_ms + STAMP_MS < *from_ms {
                    self.fault("early", step, &format!("{} ms before its time", from_ms - at_ms));
                }
                self.starts.entry(id.clone()).or_default().0 += 1;
                Some(Place::Active { worker: by.clone(), is_cancelled: false })
            }
            (Some(Place::Active { is_cancelled: false, .. }), "completed") => Some(Place::Ended("completed")),
            (Some(Place::Active { is_cancelled: false, .. }), "dead" | "crash_loop") => Some(Place::Ended("dead")),
            (Some(Place::Active { is_cancelled: false, .. }), "retrying") => waiting(history.backoff_ms),
            (Some(Place::Active { is_cancelled: false, .. }), "released" | "recovered" | "snoozed") => waiting(0),
            (Some(Place::Active { worker, .. }), "cancelling") => {
                Some(Place::Active { worker: worker.clone(), is_cancelled: true })
            }
            (Some(Place::Active { is_cancelled: true, .. } | Place::Waiting { .. }), "cancelled") => {
                Some(Place::Ended("cancelled"))
            }
            (Some(Place::Waiting { .. }), "expired") => Some(Place::Ended("dead")),
            (Some(Place::Waiting { .. }), "promoted") => waiting(0),
            (Some(Place::Ended("dead")), "revived") => waiting(0),
            _ => None,
        };
        let Some(next) = next else { return self.fault("order", step, &format!("while it was {before:?}")) };
        if let Some(Place::Active { worker, is_cancelled: false }) = &before {
            self.must_be_whose(step, worker);
        }
        self.count(history, step, (before.as_ref(), &next));
        self.places.insert(id.clone(), next);
    }

    /// An end is the holder's own; what takes a claim away is another's.
    fn must_be_whose(&mut self, step: &Step, holder: &str) {
        let own = matches!(step.event.as_str(), "completed" | "dead" | "retrying" | "released" | "snoozed");
        let foreign = matches!(step.event.as_str(), "recovered" | "crash_loop");
        if own && step.by != holder || foreign && step.by == holder {
            self.fault("claim", step, &format!("the claim was {holder}'s"));
        }
    }

    /// Counters, slots, keys and the right to start again.
    fn count(&mut self, history: &History, step: &Step, (before, next): (Option<&Place>, &Place)) {
        let counters: &[&'static str] = match step.event.as_str() {
            "enqueued" => &["enqueued"],
            "completed" => &["completed"],
            "dead" => &["dead", "failed"],
            "crash_loop" => &["dead", "recovered"],
            "expired" => &["dead", "expired"],
            "retrying" => &["retried", "failed"],
            "recovered" => &["recovered"],
            "released" => &["released"],
            "snoozed" => &["snoozed"],
            "cancelled" => &["cancelled"],
            "revived" => &["revived"],
            _ => &[],
        };
        counters.iter().for_each(|counter| *self.counts.entry(counter).or_default() += 1);
        let again = ["retrying", "released", "recovered", "snoozed", "revived"];
        if again.contains(&step.event.as_str()) {
            self.starts.entry(step.id.clone()).or_default().1 += 1;
        }
        let is_active = |place: &Place| matches!(place, Place::Active { .. });
        self.running += usize::from(is_active(next));
        self.running -= usize::from(before.is_some_and(is_active));
        if history.limit.is_some_and(|limit| self.running > limit) && step.event == "started" {
            self.fault("limit", step, &format!("{} run at once", self.running));
        }
        let Some(key) = history.accepted.get(&step.id).and_then(|accepted| accepted.unique.as_ref()) else { return };
        if step.event == "enqueued"
            && let Some(holder) = self.holders.insert(key.clone(), step.id.clone())
        {
            self.fault("unique", step, &format!("{holder} holds {key}"));
        }
        if matches!(next, Place::Ended(_)) {
            self.holders.remove(key);
        }
    }

    fn fault(&mut self, rule: &str, step: &Step, why: &str) {
        let Step { at_ms, event, id, by } = step;
        self.faults.push(format!("{rule}: {id} {event} by {by:?} at {at_ms}: {why}"));
    }
}

/// I1: every accepted job is in one state, the one that its steps led to, and nothing else is there.
fn accounts(history: &History, replay: &Replay, faults: &mut Vec<String>) {
    for id in history.accepted.keys() {
        let there = history.states.get(id).map(Vec::as_slice).unwrap_or_default();
        let led_to = match replay.places.get(id) {
            Some(Place::Ended(state)) => *state,
            Some(Place::Waiting { .. }) => "waiting",
            Some(Place::Active { .. }) => "active",
            None => "nowhere",
        };
        let is_waiting = there.len() == 1 && ["pending", "scheduled", "retrying"].contains(&there[0]);
        if there != [led_to] && !(led_to == "waiting" && is_waiting) {
            faults.push(format!("account: {id} was accepted, its steps led to {led_to}, it is in {there:?}"));
        }
    }
    let foreign = history.states.keys().filter(|id| !history.accepted.contains_key(*id));
    faults.extend(foreign.map(|id| format!("account: nobody was told of {id}")));
}

/// I17: each counter is the number of its transitions.
fn counters(history: &History, replay: &Replay, faults: &mut Vec<String>) {
    for (counter, stored) in &history.totals {
        let counted = replay.counts.get(counter.as_str()).copied().unwrap_or_default();
        if counted != *stored {
            faults.push(format!("counters: {counter} is {stored}, and happened {counted} times"));
        }
    }
}

/// I4: a later attempt of a job has a later claim, and no claim starts it twice.
fn fences(history: &History, faults: &mut Vec<String>) {
    let mut starts: Vec<_> = history.ledger.iter().filter(|line| line.event == "start").collect();
    starts.sort_by_key(|line| (&line.id, line.fence, line.at_ms));
    for pair in starts.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        if pair[0].fence >= pair[1].fence || pair[0].attempt > pair[1].attempt {
            let [(a, b), (c, d)] = [(pair[0].fence, pair[0].attempt), (pair[1].fence, pair[1].attempt)];
            faults.push(format!("fence: {}: claim {c} of attempt {d} after {a} of attempt {b}", pair[0].id));
        }
    }
}

/// P1: what is completed was done, under its last claim.
fn effects(history: &History, replay: &Replay, faults: &mut Vec<String>) {
    let mut last = BTreeMap::<&str, u64>::new();
    for line in &history.ledger {
        let fence = last.entry(&line.id).or_default();
        *fence = (*fence).max(line.fence);
    }
    let done: BTreeSet<_> =
        history.ledger.iter().filter(|line| line.event == "end").map(|line| (line.id.as_str(), line.fence)).collect();
    for (id, _) in replay.places.iter().filter(|(_, place)| **place == Place::Ended("completed")) {
        let fence = last.get(id.as_str()).copied().unwrap_or_default();
        if !done.contains(&(id.as_str(), fence)) {
            faults.push(format!("effect: {id} is completed and its last claim {fence} never came to an end"));
        }
    }
}

/// I5: a job starts once, and once more for each retry, snooze, recovery, release or revival; processors no oftener.
fn starts(history: &History, replay: &Replay, faults: &mut Vec<String>) {
    let mut noted = BTreeMap::<&str, usize>::new();
    history
        .ledger
        .iter()
        .filter(|line| line.event == "start")
        .for_each(|line| *noted.entry(&line.id).or_default() += 1);
    let ids: BTreeSet<_> = noted.keys().copied().chain(replay.starts.keys().map(String::as_str)).collect();
    for id in ids {
        let (claimed, again) = replay.starts.get(id).copied().unwrap_or_default();
        let ran = noted.get(id).copied().unwrap_or_default();
        if claimed > 1 + again || ran > claimed {
            faults.push(format!("starts: {id} was claimed {claimed} times, might be {}, ran {ran} times", 1 + again));
        }
    }
}

/// A worker says `completed` only of an attempt that came to its end. (A job that another has ended since may be among
/// them: an acknowledgement whose answer was lost counts as done where the claim is gone.)
fn reports(history: &History, faults: &mut Vec<String>) {
    let mut said = BTreeMap::<&str, usize>::new();
    let completed = history.said.iter().filter(|said| said.event == "completed");
    completed.for_each(|line| *said.entry(&line.id).or_default() += 1);
    for (id, times) in said {
        let ends = history.ledger.iter().filter(|line| line.event == "end" && line.id == id).count();
        if times > ends {
            faults
                .push(format!("report: {id} was said to be completed {times} times, and came to an end {ends} times"));
        }
    }
}
