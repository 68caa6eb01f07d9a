//! The checks that hold after every scenario: no job lost, doubled or half stored, and no key that nobody documented.

use std::collections::{BTreeMap, BTreeSet};

use super::redis_server::TestRedis;

const PREFIX: &str = "ireva:queue:";

/// The sets that are a state, and which state.
const STATES: [(&str, &str); 11] = [
    ("scheduled", "scheduled"),
    ("pending:0", "pending"),
    ("pending:1", "pending"),
    ("pending:2", "pending"),
    ("pending:3", "pending"),
    ("parked", "pending"),
    ("active", "active"),
    ("retrying", "retrying"),
    ("completed", "completed"),
    ("cancelled", "cancelled"),
    ("dead", "dead"),
];

/// The keys of a queue by what follows `{q}:`, and their types. A trailing `:` stands for any name behind it.
const SCHEMA: &[(&str, &str)] = &[
    ("jobs", "hash"),
    ("history", "hash"),
    ("crashes", "hash"),
    ("pending:0", "zset"),
    ("pending:1", "zset"),
    ("pending:2", "zset"),
    ("pending:3", "zset"),
    ("scheduled", "zset"),
    ("retrying", "zset"),
    ("active", "hash"),
    ("workers", "zset"),
    ("handed", "hash"),
    ("completed", "zset"),
    ("cancelled", "zset"),
    ("dead", "zset"),
    ("unique", "hash"),
    ("keys", "hash"),
    ("expiring", "zset"),
    ("seen", "zset"),
    ("config", "hash"),
    ("meta", "hash"),
    ("events", "stream"),
    ("wake", "list"),
    ("running", "hash"),
    ("paced", "hash"),
    ("parked", "zset"),
    ("parked:", "zset"),
    ("limits", "hash"),
    ("unpark", "zset"),
    ("schedules", "hash"),
    ("ticks", "zset"),
    ("leaving", "hash"),
    ("batches", "zset"),
    ("batch:", "hash"),
    ("batched", "hash"),
    ("outbox", "hash"),
];

/// The keys that must have a time to live.
const EPHEMERAL: &[(&str, &str)] = &[
    ("call:", "string"),
    ("minute:", "hash"),
    ("log:", "string list"),
    ("result:", "string"),
    ("progress:", "string"),
    ("undo:", ""),
];

/// The keys of all queues, by what follows the prefix.
const OF_ALL: &[(&str, &str)] = &[
    ("registry", "set"),
    ("tokens", "hash"),
    ("audit", "stream"),
    ("breakers", "hash"),
    ("{:alerts}:rules", "hash"),
    ("{:alerts}:standings", "hash"),
    ("{:alerts}:turn", "string"),
    ("{:alerts}:mutes", "hash"),
    ("{:alerts}:outbox", "hash"),
    ("{:alerts}:history", "stream"),
];

/// Every job of a queue with the states that hold it, read while nothing moves.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub queue: String,
    pub states: BTreeMap<String, Vec<&'static str>>,
    pub records: BTreeSet<String>,
    history: BTreeSet<String>,
}

impl Snapshot {
    pub fn of(redis: &TestRedis, queue: &str) -> Self {
        let mut states = BTreeMap::<String, Vec<&'static str>>::new();
        for (suffix, state) in STATES {
            let key = redis.key(queue, suffix);
            let ids: Vec<String> = match state {
                "active" => redis.query(&["HKEYS", &key]),
                _ => redis.query(&["ZRANGE", &key, "0", "-1"]),
            };
            ids.into_iter().for_each(|id| states.entry(id).or_default().push(state));
        }
        let fields = |suffix| redis.query::<BTreeSet<String>>(&["HKEYS", &redis.key(queue, suffix)]);
        Self { queue: queue.to_owned(), states, records: fields("jobs"), history: fields("history") }
    }

    /// The ids in a state.
    pub fn in_state(&self, state: &str) -> BTreeSet<String> {
        let held = self.states.iter().filter(|(_, states)| states.contains(&state));
        held.map(|(id, _)| id.clone()).collect()
    }

    pub fn count(&self, state: &str) -> usize {
        self.in_state(state).len()
    }

    /// I1 and I2: every accepted job is in exactly one state, nothing else is there, and sets and records agree.
    #[track_caller]
    pub fn assert_conserves<'a>(&self, accepted: impl IntoIterator<Item = &'a String>) {
        let accepted: BTreeSet<_> = accepted.into_iter().cloned().collect();
        let there: BTreeSet<_> = self.states.keys().cloned().collect();
        let lost: Vec<_> = accepted.difference(&there).take(5).collect();
        let foreign: Vec<_> = there.difference(&accepted).take(5).collect();
        assert!(lost.is_empty(), "{}: lost {lost:?}, {} of {} are there", self.queue, there.len(), accepted.len());
        assert!(foreign.is_empty(), "{}: nobody enqueued {foreign:?}", self.queue);
        self.assert_agrees();
    }

    /// I2 alone, where retention has removed some.
    #[track_caller]
    pub fn assert_agrees(&self) {
        let doubled: Vec<_> = self.states.iter().filter(|(_, states)| states.len() != 1).take(5).collect();
        assert!(doubled.is_empty(), "{}: in several states: {doubled:?}", self.queue);
        let there: BTreeSet<_> = self.states.keys().cloned().collect();
        let bare: Vec<_> = there.difference(&self.records).take(5).collect();
        let loose: Vec<_> = self.records.difference(&there).take(5).collect();
        assert!(bare.is_empty() && loose.is_empty(), "{}: no record {bare:?}, no state {loose:?}", self.queue);
        let orphans: Vec<_> = self.history.difference(&self.records).take(5).collect();
        assert!(orphans.is_empty(), "{}: history of nobody {orphans:?}", self.queue);
    }
}

/// I18: what is wrong with the keys of the server; nothing when each is documented, of its type, and mortal if it must be.
pub fn schema_faults(redis: &TestRedis) -> Vec<String> {
    let keys: Vec<String> = redis.query(&["KEYS", "*"]);
    keys.into_iter().filter_map(|key| fault(redis, &key)).collect()
}

/// Whether a queue, or a partition of one, may be called so: `email`, `email:3/8`.
fn is_place(name: &str) -> bool {
    let Some((queue, partition)) = name.split_once(':') else { return !name.is_empty() };
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| number.to_string() == text);
    let numbers = partition.split_once('/').and_then(|(which, of)| Some((number(which)?, number(of)?)));
    !queue.is_empty() && numbers.is_some_and(|(number, of)| (2..=64).contains(&of) && (1..=of).contains(&number))
}

fn fault(redis: &TestRedis, key: &str) -> Option<String> {
    let kind: String = redis.query(&["TYPE", key]);
    let ttl_ms: i64 = redis.query(&["PTTL", key]);
    if kind == "none" {
        return None;
    }
    let Some(rest) = key.strip_prefix(PREFIX) else { return Some(format!("{key}: not under the prefix")) };
    if let Some((_, expected)) = OF_ALL.iter().find(|(name, _)| *name == rest) {
        return (kind != *expected).then(|| format!("{key}: a {kind}"));
    }
    if rest.starts_with("worker:") {
        return (kind != "hash" || ttl_ms < 0).then(|| format!("{key}: a {kind} with ttl {ttl_ms}"));
    }
    let parts = rest.strip_prefix('{').and_then(|rest| rest.split_once("}:")).filter(|(place, _)| is_place(place));
    let Some((_, suffix)) = parts else { return Some(format!("{key}: no key of a queue")) };
    let find = |table: &[(&str, &'static str)]| {
        let row = table.iter().find(|(name, _)| *name == suffix || name.ends_with(':') && suffix.starts_with(name));
        row.map(|(_, kind)| *kind)
    };
    match (find(SCHEMA), find(EPHEMERAL)) {
        (Some(expected), _) => (expected != kind).then(|| format!("{key}: a {kind}, not a {expected}")),
        (None, Some(_)) => (ttl_ms < 0).then(|| format!("{key}: lives for ever")),
        (None, None) => Some(format!("{key}: not in the schema")),
    }
}
