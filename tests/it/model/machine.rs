//! Runs acts against a real server and the model, and compares answers and everything stored after each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ireva_queue::testing::{Ask, ByHand, Ending};
use ireva_queue::{Client, Clock, JobId, NewJob, QueueName};
use redis::Value;

use super::image::{Reader, differences};
use super::invariants::Watch;
use super::reference::{Batch, Reference, Wanted};
use super::step::{Act, Step};
use crate::ops_seed::NOW_US;
use crate::support::{Fault, Proxy, TestRedis};

pub const QUEUE: &str = "model";
/// The batch of runs that have one.
pub const BATCH: &str = "b";
const BASE: &str = "ireva:queue:{model}";
/// The names of all keys are looked at after so many steps: there are hundreds.
const KEYS_EVERY: u64 = 16;

/// A request as a worker or producer sends it; sent again it is the same request.
#[derive(Debug, Clone)]
pub enum Request {
    Enqueue { producer: String, call: u64, jobs: Vec<(NewJob, Wanted)> },
    Fetch(Ask),
    End { worker: String, ends: Vec<(JobId, String, Ending)> },
    Renew { worker: String, lease_ms: u64, claims: Vec<(JobId, String)> },
    Recover { by: String, claims: Vec<(JobId, String)> },
    Forget(Vec<String>),
    SignOff(String),
    Promote(usize),
}

/// A process that works: what it knows of itself.
pub struct Worker {
    pub name: String,
    pub call: u64,
    pub lease_ms: u64,
}

pub struct Machine {
    pub model: Reference,
    pub client: Client,
    pub by_hand: ByHand,
    pub queue: QueueName,
    pub workers: Vec<Worker>,
    pub producer_calls: [u64; super::step::PRODUCERS as usize],
    /// Claims that workers were given, the latest last, those that are gone included.
    pub claims: VecDeque<(String, JobId, String)>,
    pub requests: VecDeque<Request>,
    pub born: u64,
    /// The operator's connection was broken since the queue was last paused or resumed.
    pub severed: bool,
    /// The last step came to its writing call, whose script is loaded now.
    pub wrote: bool,
    clock: Clock,
    reader: Reader,
    watch: Watch,
    drop_in: Arc<AtomicI64>,
    steps: u64,
    /// Steps whose scripts are loaded since they were flushed, so that a lost answer is one of a script that ran.
    loaded: BTreeSet<&'static str>,
    producers: Vec<String>,
    bystander: Vec<u8>,
    _proxy: Proxy,
    _redis: TestRedis,
}

/// A step's name and the number of its script call that writes.
fn writing_call(step: &Step) -> Option<(&'static str, i64)> {
    Some(match step {
        Step::Enqueue { .. } => ("enqueue", 1),
        Step::Fetch { .. } => ("fetch", 1),
        Step::End { kind, .. } => {
            let names = ["complete", "retry", "snooze", "bury", "release", "cancelled"];
            (names[*kind as usize], 1)
        }
        Step::Renew { .. } => ("renew", 1),
        Step::Promote { .. } => ("promote", 1),
        Step::Cancel { .. } => ("cancel", 2),
        Step::PromoteByHand { .. } => ("advance", 2),
        Step::Delete { .. } => ("remove", 2),
        Step::Revive { .. } => ("revive", 2),
        Step::Replace { .. } => ("replace", 2),
        Step::Set(_) => ("settings", 1),
        Step::Pause(_) => ("paused", 1),
        Step::Clear { .. } => ("clear", 1),
        Step::SignOff { .. } => ("sign_off", 1),
        _ => return None,
    })
}

impl Machine {
    pub fn start(all_events: bool) -> Self {
        let redis = TestRedis::start();
        let drop_in = Arc::new(AtomicI64::new(0));
        let counter = drop_in.clone();
        // Counts script calls down to the one whose answer gets lost.
        let proxy = Proxy::start(&redis, move |request| {
            let armed = request.verb() == "EVALSHA" && counter.load(Ordering::SeqCst) > 0;
            if armed && counter.fetch_sub(1, Ordering::SeqCst) == 1 { Fault::DropReply } else { Fault::None }
        });
        let clock = Clock::fixed(NOW_US);
        let client = through(&proxy, &clock);
        let queue = QueueName::new(QUEUE).unwrap();
        let by_hand = ByHand::new(&client, &queue);
        let mut reader = Reader::new(redis.connect().unwrap(), BASE);
        let mut model = Reference::new(NOW_US);
        if all_events {
            reader.query::<()>(&["HSET", &reader.key("config"), "events", "all"]);
            model.rules.all_events = true;
            model.config.insert("events".to_owned(), "all".to_owned());
            // Such a run has a batch too, as `batch_open` begins one.
            let begun = (NOW_US / 1000).to_string();
            reader.query::<()>(&["HSET", &reader.key("meta"), "batches", "1"]);
            reader.query::<()>(&["ZADD", &reader.key("batches"), &begun, BATCH]);
            reader.query::<()>(&["HSET", &reader.key("batch:b"), "created_ms", &begun, "total", "0"]);
            model.batch = Some(Batch::default());
        }
        let bystander = another_queue(&mut reader);
        let workers = (0..super::step::WORKERS).map(worker).collect();
        let producers = (0..super::step::PRODUCERS).map(|number| format!("producer-{number}")).collect();
        Self {
            model,
            client,
            by_hand,
            queue,
            workers,
            producer_calls: Default::default(),
            claims: VecDeque::new(),
            requests: VecDeque::new(),
            born: super::step::WORKERS,
            severed: false,
            wrote: false,
            clock,
            reader,
            watch: Watch::default(),
            drop_in,
            steps: 0,
            loaded: BTreeSet::new(),
            producers,
            bystander,
            _proxy: proxy,
            _redis: redis,
        }
    }

    pub fn crash(&mut self, slot: u64) {
        self.workers[slot as usize] = worker(self.born);
        self.born += 1;
    }

    pub fn producer(&self, number: u64) -> String {
        self.producers[number as usize].clone()
    }

    /// Does one act. What is wrong afterwards, or nothing.
    pub async fn act(&mut self, act: &Act) -> Result<(), String> {
        (self.model.told, self.model.woken) = (Vec::new(), false);
        let writing = writing_call(&act.step);
        let lossy = writing.filter(|(name, _)| act.lost && self.loaded.contains(name));
        self.drop_in.store(lossy.map_or(0, |(_, number)| number), Ordering::SeqCst);
        self.wrote = false;
        let outcome = self.step(&act.step).await;
        self.drop_in.store(0, Ordering::SeqCst);
        match &act.step {
            Step::FlushScripts => self.loaded.clear(),
            _ => writing.into_iter().filter(|_| self.wrote).for_each(|(name, _)| _ = self.loaded.insert(name)),
        }
        outcome?;
        self.compare()
    }

    /// Whether the answer that was to get lost did.
    pub fn was_lost(&self, before: i64) -> bool {
        before > 0 && self.drop_in.load(Ordering::SeqCst) == 0
    }

    pub fn armed(&self) -> i64 {
        self.drop_in.load(Ordering::SeqCst)
    }

    pub fn advance(&mut self, by_us: i64) {
        self.model.now_us += by_us;
        self.clock.set_us(self.model.now_us);
        self.watch.time_moved(by_us);
    }

    pub fn flush_scripts(&mut self) {
        self.reader.query::<()>(&["SCRIPT", "FLUSH"]);
    }

    pub fn kill_clients(&mut self) {
        self.reader.query::<Value>(&["CLIENT", "KILL", "TYPE", "normal"]);
        self.severed = true;
    }

    /// Leases come back with the next fetch or renewal, or as a grace; events are only told.
    pub fn lose_key(&mut self, number: u64) {
        let lost = ["workers", "events"][(number % 2) as usize];
        let key = self.reader.key(lost);
        self.reader.query::<()>(&["DEL", &key]);
        if lost == "workers" {
            let leases = std::mem::take(&mut self.model.leases);
            self.watch.leases_lost(leases.into_keys());
        } else {
            self.reader.forget_events();
        }
    }

    fn compare(&mut self) -> Result<(), String> {
        let minute = self.model.now_us.div_euclid(60_000_000);
        let results: Vec<String> = self.model.results.keys().cloned().collect();
        self.steps += 1;
        let seen = self.reader.read(minute, &self.producers, &results, self.steps.is_multiple_of(KEYS_EVERY));
        // Numbers that a call had no use for are left out: later jobs still arrive later.
        if let Some(arrival) = seen.image.get("meta").and_then(|meta| meta.get("arrival")) {
            let arrival: i64 = arrival.parse().unwrap();
            self.model.arrival = self.model.arrival.max(arrival);
        }
        let mut faults = differences(&self.model.image(), &seen.image);
        if seen.told != self.model.told {
            faults.push(format!("events: expected {:?}, found {:?}", self.model.told, seen.told));
        }
        if seen.woken > 1 || (self.model.woken && seen.woken == 0) {
            faults.push(format!("wake: {} tokens, must wake: {}", seen.woken, self.model.woken));
        }
        let counted = self.model.minutes.get(&minute).cloned().unwrap_or_default();
        if counted != seen.minute {
            faults.push(format!("this minute: expected {counted:?}, found {:?}", seen.minute));
        }
        self.watch.look(&self.model, &seen, &mut self.reader, &mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    /// What need not be looked at after every step: the minutes, and a queue that nobody touched.
    pub fn finish(&mut self) -> Result<(), String> {
        for (minute, counted) in &self.model.minutes {
            let key = self.reader.key(&format!("minute:{minute}"));
            let found: BTreeMap<String, i64> = self.reader.query(&["HGETALL", &key]);
            if found != *counted {
                return Err(format!("minute {minute}: expected {counted:?}, found {found:?}"));
            }
        }
        let bystander: Vec<u8> = self.reader.query(&["DUMP", "ireva:queue:{other}:jobs"]);
        if bystander != self.bystander { Err("another queue was changed".to_owned()) } else { Ok(()) }
    }
}

/// A client that goes by `clock`, through the proxy.
fn through(proxy: &Proxy, clock: &Clock) -> Client {
    let port = proxy.port().to_string();
    let lookup = |name: &str| match name {
        "REDIS_HOST" => Some("127.0.0.1".to_owned()),
        "REDIS_PORT" => Some(port.clone()),
        _ => None,
    };
    let config = ireva_queue::config::Config::from_lookup(lookup, None).unwrap();
    Client::with_clock(&config, clock.clone()).unwrap()
}

/// A queue that nothing of this may touch.
fn another_queue(reader: &mut Reader) -> Vec<u8> {
    reader.query::<()>(&["HSET", "ireva:queue:{other}:jobs", "a", "1{\"payload\":1}"]);
    reader.query::<()>(&["ZADD", "ireva:queue:{other}:pending:2", "1", "a"]);
    reader.query(&["DUMP", "ireva:queue:{other}:jobs"])
}

/// The names of workers are unique per start, and long, as real ones are.
fn worker(number: u64) -> Worker {
    let name = format!("host-{}-01KB00000000000000000{number:05}-worker", number + 100);
    Worker { name, call: 0, lease_ms: [4_000, 30_000, 6_000, 60_000][number as usize % 4] }
}
