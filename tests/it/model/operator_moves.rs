//! What operators do, in the model: settings, cancel, promote, remove, revive.

use ireva_queue::config::{PriorityMode, Retention, Setting};
use ireva_queue::job::History;

use super::reference::{Claim, Lock, Place, Reference, Wanted, When};

/// How an act on a job ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// From where to where; `None`: gone.
    Done(&'static str, Option<&'static str>),
    Refused,
    NotFound,
}

/// What a bulk act did: matched, changed, skipped ids.
pub type Bulk = (u64, u64, Vec<String>);

const WHO: &str = "operator";

impl Reference {
    fn place(&self, id: &str) -> Option<Place> {
        self.jobs.get(id).map(|job| job.place.clone())
    }

    pub fn cancel(&mut self, id: &str) -> Act {
        let Some(place) = self.place(id) else { return Act::NotFound };
        match place {
            Place::Active(claim) => {
                if !claim.cancelled {
                    let job = self.jobs.get_mut(id).unwrap();
                    job.place = Place::Active(Claim { cancelled: true, ..claim });
                    self.tell("cancelling", vec![id.to_owned()], WHO);
                }
                Act::Done("active", Some("active"))
            }
            place if place.is_waiting() => {
                let ids = [id.to_owned()];
                self.unlock(&ids);
                self.tally(&ids, "cancelled");
                self.keep(&ids, self.rules.on_complete, Place::Cancelled);
                self.count("cancelled", 1);
                self.tell("cancelled", ids.to_vec(), WHO);
                Act::Done(place.word(), Some("cancelled"))
            }
            _ => Act::Refused,
        }
    }

    pub fn promote_by_hand(&mut self, id: &str) -> Act {
        let place = match self.place(id) {
            None => return Act::NotFound,
            Some(place @ (Place::Scheduled { .. } | Place::Retrying { .. })) => place,
            Some(_) => return Act::Refused,
        };
        let (Place::Scheduled { level, .. } | Place::Retrying { level, .. }) = place else { unreachable!() };
        let rank = self.arrive(1);
        self.jobs.get_mut(id).unwrap().place = Place::Pending { level, rank };
        self.tell("promoted", vec![id.to_owned()], WHO);
        self.woken = true;
        Act::Done(place.word(), Some("pending"))
    }

    pub fn retry_by_hand(&mut self, id: &str) -> Act {
        match self.place(id) {
            None => Act::NotFound,
            Some(Place::Retrying { .. }) => self.promote_by_hand(id),
            Some(Place::Dead(_)) => match self.revive(&[id.to_owned()], None).1 {
                1 => Act::Done("dead", Some("pending")),
                _ => Act::Refused,
            },
            Some(_) => Act::Refused,
        }
    }

    /// Removes a job that was found in the state `found`.
    pub fn delete(&mut self, id: &str, found: &str) -> Act {
        match self.place(id) {
            None => Act::NotFound,
            Some(place) if place.word() != found || found == "active" => Act::Refused,
            Some(place) => {
                self.remove(&[id.to_owned()]);
                Act::Done(place.word(), None)
            }
        }
    }

    fn remove(&mut self, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        self.unlock(ids);
        self.tally(ids, "cancelled");
        self.drop_jobs(ids);
        ids.iter().for_each(|id| _ = self.results.remove(id));
        self.count("removed", ids.len());
        let told = if ids.len() > 20 { vec![format!("+{}", ids.len())] } else { ids.to_vec() };
        self.tell("removed", told, WHO);
    }

    pub fn clear(&mut self, states: &[&str]) -> u64 {
        let mut removed = 0;
        for state in states {
            let sets: Vec<Vec<(i64, String)>> = match *state {
                "pending" => (0..4).map(|level| self.line(level)).collect(),
                "scheduled" => vec![self.scheduled()],
                "retrying" => vec![self.retrying()],
                state => vec![self.by_score(|place| match place {
                    Place::Completed(at) | Place::Cancelled(at) | Place::Dead(at) if place.word() == state => Some(*at),
                    _ => None,
                })],
            };
            for set in sets {
                let ids: Vec<String> = set.into_iter().map(|(_, id)| id).collect();
                removed += ids.len() as u64;
                self.remove(&ids);
            }
        }
        removed
    }

    pub fn delete_dead(&mut self, ids: &[String]) -> Bulk {
        let ids: Vec<String> =
            ids.iter().filter(|id| matches!(self.place(id), Some(Place::Dead(_)))).cloned().collect();
        self.remove(&ids);
        (ids.len() as u64, ids.len() as u64, Vec::new())
    }

    /// Letters by their ids; what holds a key that another has taken stays.
    pub fn revive(&mut self, ids: &[String], delay_ms: Option<i64>) -> Bulk {
        let ids: Vec<String> =
            ids.iter().filter(|id| matches!(self.place(id), Some(Place::Dead(_)))).cloned().collect();
        if ids.is_empty() {
            return (0, 0, Vec::new());
        }
        let first = self.arrive(ids.len());
        let (mut moved, mut skipped) = (Vec::new(), Vec::new());
        for (id, rank) in ids.iter().zip(first..) {
            let key = self.jobs[id].unique.clone();
            let holder = key.as_ref().and_then(|key| self.holder(key));
            if holder.as_ref().is_some_and(|holder| holder != id) {
                skipped.push(id.clone());
                continue;
            }
            self.revive_one(id, rank, delay_ms, holder.is_some());
            moved.push(id.clone());
        }
        let report = (ids.len() as u64, moved.len() as u64, skipped);
        if !moved.is_empty() {
            self.count("revived", moved.len());
            self.tell("revived", moved, WHO);
            self.woken = true;
        }
        report
    }

    fn revive_one(&mut self, id: &str, rank: i64, delay_ms: Option<i64>, holds: bool) {
        let (now_ms, next_ms) = (self.now_ms(), self.next_ms());
        let job = self.jobs.get_mut(id).unwrap();
        let mut history = job.history.as_deref().map(|told| History::decode(told).unwrap()).unwrap_or_default();
        history = History { revived: history.revived + 1, failures: history.failures, ..History::default() };
        job.history = Some(history.encode());
        job.crashes = 0;
        job.holds = job.unique.clone();
        job.expires_ms = job.ttl_ms.map(|ttl_ms| now_ms + ttl_ms);
        job.place = match delay_ms {
            Some(delay_ms) => Place::Scheduled { due_ms: next_ms + delay_ms, level: job.level },
            None => Place::Pending { level: job.level, rank },
        };
        if let Some(key) = job.unique.clone().filter(|_| !holds) {
            self.locks.insert(key, Lock { until_ms: 0, id: id.to_owned() });
        }
    }

    /// Whether a new job may take a letter's place.
    pub fn may_replace(&self, letter: &str) -> Act {
        if !matches!(self.place(letter), Some(Place::Dead(_))) {
            return Act::NotFound;
        }
        let holder = self.jobs[letter].unique.as_ref().and_then(|key| self.holder(key));
        if holder.is_some_and(|holder| holder != letter) { Act::Refused } else { Act::Done("dead", Some("pending")) }
    }

    /// A new job takes a letter's place.
    pub fn replace(&mut self, letter: &str, id: &str, payload: &str, delay_ms: Option<i64>) {
        let old = self.jobs[letter].clone();
        let job = Wanted {
            id: id.to_owned(),
            chosen: false,
            body: super::step::body(payload, old.level, old.ttl_ms, old.unique.as_deref(), Some(letter)),
            level: old.level,
            start: delay_ms.map_or(When::Now, When::After),
            ttl_ms: old.ttl_ms,
            unique: old.unique.clone().map(|key| (key, None)),
            batch: false,
        };
        let arrival = self.arrive(1);
        self.unlock(&[letter.to_owned()]);
        self.drop_jobs(&[letter.to_owned()]);
        self.results.remove(letter);
        self.admit(&job, arrival);
        self.wake_for(&[id.to_owned()]);
        ["enqueued", "removed", "revived"].into_iter().for_each(|what| self.count(what, 1));
        self.tell("replaced", vec![letter.to_owned(), id.to_owned()], WHO);
    }

    /// Pauses or resumes; whether that changed anything.
    pub fn set_paused(&mut self, paused: bool) -> bool {
        let changed = self.rules.paused != paused;
        self.used = true;
        if changed {
            self.rules.paused = paused;
            match paused {
                true => _ = self.config.insert("paused".to_owned(), "1".to_owned()),
                false => _ = self.config.remove("paused"),
            }
            let (event, change) = if paused { ("paused", "paused=1") } else { ("resumed", "paused=") };
            self.settings_changed(event, vec![change.to_owned()]);
        }
        changed
    }

    pub fn set(&mut self, setting: &Setting) {
        self.used = true;
        let fields = self.apply(setting);
        let mut changes = Vec::new();
        for (field, value) in fields {
            if self.config.get(field) != Some(&value) {
                changes.push(format!("{field}={value}"));
                self.config.insert(field.to_owned(), value);
            }
        }
        if !changes.is_empty() {
            self.settings_changed("settings", changes);
        }
    }

    fn apply(&mut self, setting: &Setting) -> Vec<(&'static str, String)> {
        fn text(value: Option<impl ToString>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        let retention = |rule: &Retention| match rule {
            Retention::Age(age) => format!("{}ms", age.as_millis()),
            rule => rule.to_string(),
        };
        let rules = &mut self.rules;
        match setting {
            Setting::Rate(rate) => {
                rules.rate = rate.map(|rate| (rate.interval_us() as i64, i64::from(rate.burst())));
                let (step, burst) = (rules.rate.map(|rate| rate.0), rules.rate.map(|rate| rate.1));
                vec![("rate", text(*rate)), ("rate_us", text(step)), ("rate_burst", text(burst))]
            }
            Setting::Concurrency(limit) => {
                rules.concurrency = limit.map(i64::from);
                vec![("concurrency", text(*limit))]
            }
            Setting::RemoveOnComplete(rule) => {
                rules.on_complete = *rule;
                vec![("remove_on_complete", retention(rule))]
            }
            Setting::RemoveOnFail(rule) => {
                rules.on_fail = *rule;
                vec![("remove_on_fail", retention(rule))]
            }
            Setting::PriorityMode(mode) => {
                rules.aging_us = match mode {
                    PriorityMode::Strict => None,
                    PriorityMode::Aging(span) => Some(span.as_micros() as i64),
                };
                vec![("aging_us", text(rules.aging_us))]
            }
            Setting::MaxLength(limit) => {
                rules.max_length = limit.map(|limit| limit as usize);
                vec![("max_length", text(*limit))]
            }
            Setting::CrashLimit(limit) => {
                rules.crash_limit = i64::from(*limit);
                vec![("crash_limit", limit.to_string())]
            }
            Setting::Durable(mode) => {
                rules.durable = *mode;
                vec![("durable", mode.to_string())]
            }
            Setting::Retry(_) => unreachable!("policies are the worker's"),
            Setting::Partitions(_) => unreachable!("a change of partitions has tests of its own (partition_change)"),
            Setting::Key(_) | Setting::KeyConcurrency(_) | Setting::KeyRate(_) => {
                unreachable!("limits of keys have steps of their own (key_limits)")
            }
        }
    }

    /// What retention no longer keeps is removed; how much.
    pub fn trim(&mut self) -> u64 {
        self.used = true;
        let completed = self.keep(&[], self.rules.on_complete, Place::Completed);
        let cancelled = self.keep(&[], self.rules.on_complete, Place::Cancelled);
        let dead = self.keep(&[], self.rules.on_fail, Place::Dead);
        self.count("dropped", dead);
        self.tell_dropped(dead, "janitor");
        (completed + cancelled + dead) as u64
    }

    /// Ids whose time is over are forgotten, and locks that hold nothing; how many.
    pub fn sweep(&mut self) -> u64 {
        let (now_ms, before) = (self.now_ms(), self.seen.len() + self.locks.len());
        self.seen.retain(|_, until| until.is_none_or(|until| until > now_ms));
        let stale: Vec<String> = self.locks.keys().filter(|key| self.holder(key).is_none()).cloned().collect();
        stale.iter().for_each(|key| _ = self.locks.remove(key));
        (before - self.seen.len() - self.locks.len()) as u64
    }

    fn settings_changed(&mut self, event: &str, changes: Vec<String>) {
        self.rules.version += 1;
        self.config.insert("version".to_owned(), self.rules.version.to_string());
        self.tell(event, changes, WHO);
        self.woken = true;
    }
}
