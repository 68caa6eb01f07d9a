//! What must hold whatever the model says: checked on what is stored alone, and over the whole run.

use std::collections::{BTreeMap, BTreeSet};

use super::image::{Image, Reader, STATES, Seen};
use super::reference::{Place, Reference};

/// Keys of a queue that need no time to live.
const LASTING: [&str; 2] = ["events", "wake"];

/// Watches a run.
#[derive(Default)]
pub struct Watch {
    /// The highest fence of each job, and of all.
    fences: BTreeMap<String, i64>,
    last_fence: i64,
    totals: BTreeMap<String, i64>,
    keys: BTreeSet<String>,
    /// When jobs started, since the rate was last changed or the clock put back.
    starts: Vec<i64>,
    rate: Option<(i64, i64)>,
    active: usize,
    /// Claims so far, and returns into line, of each job that is there.
    runs: BTreeMap<String, (u64, u64)>,
    before: BTreeMap<String, &'static str>,
    /// Workers whose lease a hand has deleted.
    unleased: BTreeSet<String>,
}

impl Watch {
    pub fn time_moved(&mut self, by_us: i64) {
        if by_us < 0 {
            self.starts.clear();
        }
    }

    pub fn leases_lost(&mut self, workers: impl Iterator<Item = String>) {
        self.unleased.extend(workers);
    }

    pub fn look(&mut self, model: &Reference, seen: &Seen, reader: &mut Reader, faults: &mut Vec<String>) {
        agreement(&seen.image, faults);
        self.claims_have_leases(&seen.image, faults);
        locks(model, &seen.image, faults);
        self.fences_rise(model, faults);
        self.counters_rise(&seen.image, faults);
        self.starts_are_explained(model, faults);
        self.concurrency_holds(model, &seen.image, faults);
        self.rate_holds(model, faults);
        if let Some(keys) = &seen.keys {
            self.keys_are_known(keys, reader, faults);
        }
    }

    /// I4: no job is claimed twice with a fence that does not rise, and none of a queue either.
    fn fences_rise(&mut self, model: &Reference, faults: &mut Vec<String>) {
        let before = self.last_fence;
        for (id, job) in &model.jobs {
            let Place::Active(claim) = &job.place else { continue };
            let last = self.fences.get(id).copied().unwrap_or_default();
            if claim.fence < last || (claim.fence > last && claim.fence <= before) {
                faults.push(format!("{id}: fence {} after {last}, the queue's last was {before}", claim.fence));
            }
            if claim.fence > last {
                self.fences.insert(id.clone(), claim.fence);
                self.starts.push(model.now_us);
                self.runs.entry(id.clone()).or_default().0 += 1;
            }
            self.last_fence = self.last_fence.max(claim.fence);
        }
    }

    /// I3: who holds something has a lease.
    fn claims_have_leases(&self, image: &Image, faults: &mut Vec<String>) {
        for (id, claim) in image.get("active").into_iter().flatten() {
            let worker = claim.trim_start_matches("cancelled|").split('|').nth(3).unwrap_or_default();
            let has_lease = image.get("workers").is_some_and(|workers| workers.contains_key(worker));
            if !has_lease && !self.unleased.contains(worker) {
                faults.push(format!("{id}: its worker {worker:?} has no lease"));
            }
        }
    }

    /// I5: one start, and one more for each return.
    fn starts_are_explained(&mut self, model: &Reference, faults: &mut Vec<String>) {
        for (id, job) in &model.jobs {
            let (now, before) = (job.place.word(), self.before.get(id).copied());
            if job.place.is_waiting() && matches!(before, Some("active" | "dead")) {
                self.runs.entry(id.clone()).or_default().1 += 1;
            }
            let (starts, returns) = self.runs.get(id).copied().unwrap_or_default();
            if starts > 1 + returns {
                faults.push(format!("{id}: {starts} starts, {returns} returns"));
            }
            self.before.insert(id.clone(), now);
        }
        self.before.retain(|id, _| model.jobs.contains_key(id));
        self.runs.retain(|id, _| model.jobs.contains_key(id));
        // A generated id never comes again; a chosen one may, a day after it was dropped.
        self.fences.retain(|id, _| model.jobs.contains_key(id));
    }

    /// I17: totals never fall, and none is negative.
    fn counters_rise(&mut self, image: &Image, faults: &mut Vec<String>) {
        let places = ["layout", "arrival", "fence", "tat", "empties"];
        for (what, count) in image.get("meta").into_iter().flatten().filter(|field| !places.contains(&field.0.as_str()))
        {
            let count: i64 = count.parse().unwrap_or(-1);
            let before = self.totals.insert(what.clone(), count).unwrap_or_default();
            if count < before {
                faults.push(format!("total {what}: {count} after {before}"));
            }
        }
        for (worker, count) in image.get("handed").into_iter().flatten().filter(|field| field.0.ends_with('#')) {
            let named = format!("|{}|", &worker[..worker.len() - 1]);
            let held = image.get("active").into_iter().flatten().filter(|claim| claim.1.contains(&named)).count();
            if *count != held.to_string() {
                faults.push(format!("{worker}: counted {count}, holds {held}"));
            }
        }
    }

    /// I11: where more are active than may be, the limit came later, and there are no more than before.
    fn concurrency_holds(&mut self, model: &Reference, image: &Image, faults: &mut Vec<String>) {
        let active = image.get("active").map_or(0, BTreeMap::len);
        if let Some(limit) = model.rules.concurrency
            && active > (limit as usize).max(self.active)
        {
            faults.push(format!("{active} jobs active, the limit is {limit}, before there were {}", self.active));
        }
        self.active = active;
    }

    /// I12: no window holds more starts than the rate allows in it, and a burst.
    fn rate_holds(&mut self, model: &Reference, faults: &mut Vec<String>) {
        if self.rate != model.rules.rate {
            self.rate = model.rules.rate;
            self.starts.clear();
        }
        let Some((step_us, burst)) = self.rate else { return self.starts.clear() };
        let surplus = self.starts.len().saturating_sub(300);
        self.starts.drain(..surplus);
        for (number, since) in self.starts.iter().enumerate() {
            let starts = (self.starts.len() - number) as i64;
            let window = model.now_us - since;
            if starts > burst + window / step_us {
                faults.push(format!("{starts} starts in {window} µs: one in {step_us} µs, bursts of {burst}"));
                return;
            }
        }
    }

    /// I18 and I20: no key that nobody documented, none of another queue, and a time to live where one is due.
    fn keys_are_known(&mut self, keys: &BTreeSet<String>, reader: &mut Reader, faults: &mut Vec<String>) {
        let new: Vec<_> = keys.difference(&self.keys).cloned().collect();
        for key in &new {
            let kind: String = reader.query(&["TYPE", key]);
            let ttl_ms: i64 = reader.query(&["PTTL", key]);
            let base = reader.key("");
            let Some(suffix) = key.strip_prefix(&base) else {
                let shared = ["ireva:queue:registry", "ireva:queue:audit"];
                if !shared.contains(&key.as_str()) && !key.starts_with("ireva:queue:{other}:") {
                    faults.push(format!("{key}: not a key of the queue"));
                }
                continue;
            };
            let lasting = super::image::HASHES.contains(&suffix) && kind == "hash"
                || super::image::ZSETS.contains(&suffix) && kind == "zset"
                || LASTING.contains(&suffix);
            let mortal = ["call:", "minute:", "log:", "result:", "undo:"].iter().any(|start| suffix.starts_with(start));
            if !(lasting || mortal && ttl_ms > 0 || kind == "none") {
                faults.push(format!("{key}: a {kind} with ttl {ttl_ms}"));
            }
        }
        self.keys.extend(new);
    }
}

/// I1 and I2: each id in one set, each set's id with a record, each record in a set, nothing left of what is gone.
fn agreement(image: &Image, faults: &mut Vec<String>) {
    let none = BTreeMap::new();
    let of = |key: &str| image.get(key).unwrap_or(&none);
    let mut places = BTreeMap::<&String, usize>::new();
    STATES.iter().flat_map(|set| of(set).keys()).for_each(|id| *places.entry(id).or_default() += 1);
    for (id, count) in &places {
        if *count != 1 || !of("jobs").contains_key(*id) {
            faults.push(format!("{id}: in {count} sets, record: {}", of("jobs").contains_key(*id)));
        }
    }
    for key in ["jobs", "history", "crashes", "keys", "expiring", "batched"] {
        for id in of(key).keys().filter(|id| !places.contains_key(*id)) {
            faults.push(format!("{key}: {id} is in no set"));
        }
    }
}

/// I13: one live job a key, and its lock names it.
fn locks(model: &Reference, image: &Image, faults: &mut Vec<String>) {
    let mut holders = BTreeMap::<&String, &String>::new();
    for (id, key) in image.get("keys").into_iter().flatten() {
        let lock = image.get("unique").and_then(|locks| locks.get(key));
        if lock.is_none_or(|lock| lock.split_once('|').is_none_or(|lock| lock.1 != id)) {
            faults.push(format!("{id} holds {key:?}, whose lock is {lock:?}"));
        }
        if let Some(other) = holders.insert(key, id) {
            faults.push(format!("{id} and {other} hold {key:?}, at {}", model.now_ms()));
        }
    }
}
