//! What a queue stores, as text: rendered from the model, and read from the server, to be compared.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::testing::Accepted;
use redis::Value;

use super::reference::{Place, Reference, Told};

/// Key (what follows `{q}:`) -> field or member -> value or score.
pub type Image = BTreeMap<String, BTreeMap<String, String>>;

pub const HASHES: [&str; 9] = ["jobs", "history", "crashes", "active", "handed", "unique", "keys", "config", "meta"];
pub const ZSETS: [&str; 12] = [
    "pending:0",
    "pending:1",
    "pending:2",
    "pending:3",
    "scheduled",
    "retrying",
    "workers",
    "completed",
    "cancelled",
    "dead",
    "expiring",
    "seen",
];
/// The sets that are states.
pub const STATES: [&str; 10] = [
    "pending:0",
    "pending:1",
    "pending:2",
    "pending:3",
    "scheduled",
    "retrying",
    "active",
    "completed",
    "cancelled",
    "dead",
];

/// Everything that the server holds at one instant.
pub struct Seen {
    pub image: Image,
    /// Every key of the server.
    pub keys: BTreeSet<String>,
    pub told: Vec<Told>,
    pub woken: i64,
    pub minute: BTreeMap<String, i64>,
}

/// Reads all of a queue in one round trip, and takes the wake-up token as a waiting worker would.
pub struct Reader {
    connection: redis::Connection,
    base: String,
    last_event: String,
}

impl Reader {
    pub fn new(connection: redis::Connection, base: &str) -> Self {
        Self { connection, base: base.to_owned(), last_event: "0".to_owned() }
    }

    pub fn query<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.connection).unwrap()
    }

    pub fn key(&self, suffix: &str) -> String {
        format!("{}:{suffix}", self.base)
    }

    pub fn read(&mut self, minute: i64, producers: &[String], results: &[String]) -> Seen {
        let mut pipe = redis::pipe();
        HASHES.iter().for_each(|suffix| _ = pipe.cmd("HGETALL").arg(self.key(suffix)));
        for suffix in ZSETS {
            pipe.cmd("ZRANGE").arg(self.key(suffix)).arg(0).arg(-1).arg("WITHSCORES");
        }
        let since = format!("({}", self.last_event);
        let since = if self.last_event == "0" { "-" } else { since.as_str() };
        pipe.cmd("XRANGE").arg(self.key("events")).arg(since).arg("+");
        pipe.cmd("KEYS").arg("*");
        pipe.cmd("HGETALL").arg(self.key(&format!("minute:{minute}")));
        pipe.cmd("LLEN").arg(self.key("wake"));
        pipe.cmd("DEL").arg(self.key("wake"));
        producers.iter().for_each(|name| _ = pipe.cmd("GET").arg(self.key(&format!("call:{name}"))));
        results.iter().for_each(|id| _ = pipe.cmd("GET").arg(self.key(&format!("result:{id}"))));
        let values: Vec<Value> = pipe.query(&mut self.connection).unwrap();
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap();
        let mut image = Image::new();
        for suffix in HASHES {
            add(&mut image, suffix, pairs(next()));
        }
        for suffix in ZSETS {
            add(&mut image, suffix, pairs(next()).into_iter().map(|(member, score)| (member, whole(&score))).collect());
        }
        let told = self.told(next());
        let keys = redis::from_redis_value(next()).unwrap();
        let minute = pairs(next()).into_iter().map(|(what, count)| (what, count.parse().unwrap())).collect();
        let (woken, _) = (redis::from_redis_value(next()).unwrap(), next());
        for (kind, names) in [("call", producers), ("result", results)] {
            for name in names {
                if let Value::BulkString(bytes) = next() {
                    let stored = String::from_utf8(bytes).unwrap();
                    image.entry(kind.to_owned()).or_default().insert(name.clone(), stored);
                }
            }
        }
        Seen { image, keys, told, woken, minute }
    }

    fn told(&mut self, entries: Value) -> Vec<Told> {
        let Value::Array(entries) = entries else { panic!("the events are a list") };
        let mut told = Vec::new();
        for entry in entries {
            let (id, fields): (String, Vec<String>) = redis::from_redis_value(entry).unwrap();
            let field = |name: &str| fields.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone()).unwrap();
            let ids = field("ids").split(' ').map(str::to_owned).collect();
            told.push(Told { event: field("event"), ids, by: field("by") });
            self.last_event = id;
        }
        told
    }
}

fn add(image: &mut Image, suffix: &str, fields: BTreeMap<String, String>) {
    if !fields.is_empty() {
        image.insert(suffix.to_owned(), fields);
    }
}

fn pairs(value: Value) -> BTreeMap<String, String> {
    redis::from_redis_value(value).unwrap()
}

/// A score as a whole number.
fn whole(score: &str) -> String {
    match score.parse::<i64>() {
        Ok(_) => score.to_owned(),
        Err(_) if score == "inf" => score.to_owned(),
        Err(_) => format!("{:.0}", score.parse::<f64>().unwrap()),
    }
}

fn answer(answer: &[Accepted]) -> String {
    if answer.iter().all(|word| *word == Accepted::Added) {
        return "+".to_owned();
    }
    let word = |accepted: &Accepted| match accepted {
        Accepted::Added => "+".to_owned(),
        Accepted::Duplicate => "=".to_owned(),
        Accepted::Held(id) => format!("={id}"),
        Accepted::Full => "!".to_owned(),
    };
    answer.iter().map(word).collect::<Vec<_>>().join(" ")
}

impl Reference {
    /// What the server must hold.
    pub fn image(&self) -> Image {
        let mut image = Image::new();
        let mut put = |key: &str, field: &str, value: String| {
            if let Some(fields) = image.get_mut(key) {
                fields.insert(field.to_owned(), value);
            } else {
                image.insert(key.to_owned(), BTreeMap::from([(field.to_owned(), value)]));
            }
        };
        for (id, job) in &self.jobs {
            put("jobs", id, job.record.clone());
            let (set, mark) = mark(&job.place);
            put(set, id, mark);
            job.history.iter().for_each(|told| put("history", id, told.clone()));
            job.holds.iter().for_each(|key| put("keys", id, key.clone()));
            job.expires_ms.iter().for_each(|at| put("expiring", id, at.to_string()));
            if job.crashes > 0 {
                put("crashes", id, job.crashes.to_string());
            }
        }
        for (id, until) in &self.seen {
            put("seen", id, until.map_or("inf".to_owned(), |until| until.to_string()));
        }
        self.locks.iter().for_each(|(key, lock)| put("unique", key, format!("{}|{}", lock.until_ms, lock.id)));
        self.leases.iter().for_each(|(worker, until)| put("workers", worker, until.to_string()));
        for (worker, last) in &self.handed {
            put("handed", worker, format!("{} {} {}", last.lease_ms, last.call, last.ids.join(" ")));
        }
        self.counts.iter().for_each(|(worker, count)| put("handed", &format!("{worker}#"), count.to_string()));
        self.calls.iter().for_each(|(name, (call, said))| put("call", name, format!("{call} {}", answer(said))));
        self.results.iter().for_each(|(id, result)| put("result", id, result.clone()));
        self.config.iter().for_each(|(field, value)| put("config", field, value.clone()));
        self.meta().into_iter().for_each(|(field, value)| put("meta", &field, value));
        image
    }

    fn meta(&self) -> BTreeMap<String, String> {
        let mut meta: BTreeMap<_, _> =
            self.totals.iter().map(|(what, count)| (what.clone(), count.to_string())).collect();
        let mut put = |field: &str, value: Option<String>| _ = value.map(|value| meta.insert(field.to_owned(), value));
        put("layout", self.used.then(|| "1".to_owned()));
        put("arrival", (self.arrival > 0).then(|| self.arrival.to_string()));
        put("fence", (self.fence > 0).then(|| self.fence.to_string()));
        put("tat", self.tat.map(|tat| tat.to_string()));
        put("empties", self.empties.as_ref().map(|(worker, until)| format!("{worker}|{until}")));
        meta
    }
}

fn mark(place: &Place) -> (&'static str, String) {
    const LINES: [&str; 4] = ["pending:0", "pending:1", "pending:2", "pending:3"];
    match place {
        Place::Pending { level, rank } => (LINES[*level as usize], rank.to_string()),
        Place::Scheduled { due_ms, level } => ("scheduled", (due_ms * 4 + level).to_string()),
        Place::Retrying { due_ms, level } => ("retrying", (due_ms * 4 + level).to_string()),
        Place::Active(claim) => ("active", claim.stored()),
        Place::Completed(at) => ("completed", at.to_string()),
        Place::Cancelled(at) => ("cancelled", at.to_string()),
        Place::Dead(at) => ("dead", at.to_string()),
    }
}

/// Where two images differ, one line each.
pub fn differences(expected: &Image, found: &Image) -> Vec<String> {
    let mut lines = Vec::new();
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for key in keys {
        let none = BTreeMap::new();
        let (wanted, there) = (expected.get(key).unwrap_or(&none), found.get(key).unwrap_or(&none));
        if wanted == there {
            continue;
        }
        let fields: BTreeSet<_> = wanted.keys().chain(there.keys()).collect();
        for field in fields.into_iter().filter(|field| wanted.get(*field) != there.get(*field)) {
            lines.push(format!("{key} {field}: expected {:?}, found {:?}", wanted.get(field), there.get(field)));
        }
    }
    lines
}
