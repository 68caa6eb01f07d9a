//! What a queue stores, as text: rendered from the model, and read from the server, to be compared.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::testing::Accepted;

use super::machine::BATCH;
use super::reference::{Call, Place, Reference, Told};
use crate::ops_seed::NOW_US;

/// Key (what follows `{q}:`) -> field or member -> value or score.
pub type Image = BTreeMap<String, BTreeMap<String, String>>;

pub const HASHES: [&str; 14] = [
    "jobs", "history", "crashes", "active", "handed", "unique", "keys", "config", "meta", "batched", "batch:b",
    "running", "paced", "limits",
];
pub const ZSETS: [&str; 15] = [
    "pending:0",
    "pending:1",
    "pending:2",
    "pending:3",
    "parked",
    "unpark",
    "scheduled",
    "retrying",
    "workers",
    "completed",
    "cancelled",
    "dead",
    "expiring",
    "seen",
    "batches",
];
/// The sets that are states.
pub const STATES: [&str; 11] = [
    "pending:0",
    "pending:1",
    "pending:2",
    "pending:3",
    "parked",
    "scheduled",
    "retrying",
    "active",
    "completed",
    "cancelled",
    "dead",
];

/// One text of everything, its parts and words parted by characters that no JSON and no id holds. Takes the token.
const READ: &str = r"
local base, parts = KEYS[1], {}
local function put(words)
  words[#words + 1] = ''
  parts[#parts + 1] = table.concat(words, '\31')
end
for suffix in string.gmatch(ARGV[4], '%S+') do put(redis.call('HGETALL', base .. suffix)) end
for suffix in string.gmatch(ARGV[5], '%S+') do put(redis.call('ZRANGE', base .. suffix, 0, -1, 'WITHSCORES')) end
for place, kind in ipairs({'call:', 'result:'}) do
  local words = {}
  for name in string.gmatch(ARGV[5 + place], '%S+') do
    local stored = redis.call('GET', base .. kind .. name)
    if stored then words[#words + 1], words[#words + 2] = name, stored end
  end
  put(words)
end
local words = {}
for _, entry in ipairs(redis.call('XRANGE', base .. 'events', ARGV[1], '+')) do
  words[#words + 1] = entry[1]
  for _, word in ipairs(entry[2]) do words[#words + 1] = word end
end
put(words)
put(redis.call('HGETALL', base .. 'minute:' .. ARGV[2]))
put({tostring(redis.call('LLEN', base .. 'wake'))})
redis.call('DEL', base .. 'wake')
if ARGV[3] == '1' then put(redis.call('KEYS', '*')) end
return table.concat(parts, '\30')
";

/// Everything that the server holds at one instant.
pub struct Seen {
    pub image: Image,
    /// Every key of the server, where asked for.
    pub keys: Option<BTreeSet<String>>,
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

    /// Reads everything; the names of the server's keys only where asked for.
    pub fn read(&mut self, minute: i64, producers: &[String], results: &[String], keys: bool) -> Seen {
        let mut command = redis::cmd("EVAL");
        command.arg(READ).arg(1).arg(self.key("")).arg(if self.last_event == "0" {
            "-".to_owned()
        } else {
            format!("({}", self.last_event)
        });
        command.arg(minute).arg(u8::from(keys)).arg(HASHES.join(" ")).arg(ZSETS.join(" "));
        command.arg(producers.join(" ")).arg(results.join(" "));
        let text: String = command.query(&mut self.connection).unwrap();
        let mut parts = text.split('\x1e').map(|part| part.split_terminator('\x1f').collect::<Vec<_>>());
        let mut next = || parts.next().unwrap();
        let mut image = Image::new();
        for suffix in HASHES {
            add(&mut image, suffix, pairs(&next(), str::to_owned));
        }
        for suffix in ZSETS {
            add(&mut image, suffix, pairs(&next(), whole));
        }
        for kind in ["call", "result"] {
            add(&mut image, kind, pairs(&next(), str::to_owned));
        }
        let told = self.told(&next());
        let minute = pairs(&next(), |count| count.parse().unwrap());
        let woken = next()[0].parse().unwrap();
        let keys = keys.then(|| next().into_iter().map(str::to_owned).collect());
        Seen { image, keys, told, woken, minute }
    }

    /// The stream is gone: a new one may number its first entry as the last of this millisecond.
    pub fn forget_events(&mut self) {
        self.last_event = "0".to_owned();
    }

    fn told(&mut self, entries: &[&str]) -> Vec<Told> {
        let mut told = Vec::new();
        for entry in entries.chunks(7) {
            let field = |name: &str| entry[1..].chunks(2).find(|pair| pair[0] == name).unwrap()[1].to_owned();
            let ids = field("ids").split(' ').map(str::to_owned).collect();
            told.push(Told { event: field("event"), ids, by: field("by") });
            self.last_event = entry[0].to_owned();
        }
        told
    }
}

fn add(image: &mut Image, suffix: &str, fields: BTreeMap<String, String>) {
    if !fields.is_empty() {
        image.insert(suffix.to_owned(), fields);
    }
}

fn pairs<T>(words: &[&str], read: impl Fn(&str) -> T) -> BTreeMap<String, T> {
    words.chunks(2).map(|pair| (pair[0].to_owned(), read(pair[1]))).collect()
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
        Accepted::Sealed => "#".to_owned(),
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
            put("handed", worker, format!("{} {}", last.lease_ms, last.call));
            put("handed", &format!("{worker}@"), last.ids.join(" "));
        }
        self.counts.iter().for_each(|(worker, count)| put("handed", &format!("{worker}#"), count.to_string()));
        for (name, Call { number, durable, answer: said }) in &self.calls {
            let durable = durable.map(|(mode, since)| format!("~{mode} {since} ")).unwrap_or_default();
            put("call", name, format!("{number} {durable}{}", answer(said)));
        }
        self.results.iter().for_each(|(id, result)| put("result", id, result.clone()));
        if let Some(batch) = &self.batch {
            put("batches", BATCH, (NOW_US / 1000).to_string());
            put("batch:b", "created_ms", (NOW_US / 1000).to_string());
            put("batch:b", "total", batch.total.to_string());
            batch.ended.iter().for_each(|(how, count)| put("batch:b", how, count.to_string()));
            batch.live.iter().for_each(|id| put("batched", id, BATCH.to_owned()));
        }
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
        put("batches", self.batch.as_ref().map(|_| "1".to_owned()));
        put("tat", self.tat.map(|tat| tat.to_string()));
        put("empties", self.empties.as_ref().map(|(worker, job)| format!("{worker}|{job}")));
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
