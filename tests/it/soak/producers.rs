//! Who hands the jobs over: commands with files of lines, and the library one by one. Each repeats what it has no answer
//! to, under the same ids.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ireva_queue::{Client, ErrorKind, JobId, NewJob, Priority, QueueName};

use super::history::Accepted;
use crate::model::Dice;
use crate::support::{Cli, TestRedis, backlog};

/// Jobs that a command hands over at once.
const AT_ONCE: u64 = 8;
/// Producers pause while more than this waits: the work shall last as long as the faults.
const BACKLOG: i64 = 60;
const KEYS: u64 = 12;
pub const BACKOFF: &str = "fixed:300ms";
pub const BACKOFF_MS: u64 = 300;

/// The accepted jobs, by queue.
pub type Told = Arc<Mutex<BTreeMap<String, BTreeMap<String, Accepted>>>>;

/// Producers at work.
pub struct Producers {
    pub told: Told,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// One producer's share of it.
struct Hand {
    queue: &'static str,
    name: String,
    dice: Dice,
    told: Told,
    stop: Arc<AtomicBool>,
    line: String,
    port: u16,
}

impl Producers {
    /// Two commands and a library producer for each of `queues`; all decide by `dice`.
    pub fn start(redis: &TestRedis, cli: &Cli, client: &Client, (queues, dice): (&[&'static str], &mut Dice)) -> Self {
        let mut all = Self { told: Told::default(), stop: Arc::default(), threads: Vec::new() };
        for queue in queues {
            for kind in ["c", "d", "l"] {
                let hand = Hand {
                    queue,
                    name: format!("{queue}-{kind}"),
                    dice: Dice::new(dice.next()),
                    told: all.told.clone(),
                    stop: all.stop.clone(),
                    line: redis.key(queue, "pending:2"),
                    port: redis.port(),
                };
                let (cli, client) = (cli.clone(), client.clone());
                let thread = move || if kind == "l" { hand.over_the_library(&client) } else { hand.by_commands(&cli) };
                all.threads.push(std::thread::spawn(thread));
            }
        }
        all
    }

    /// An id that was accepted, and its queue.
    pub fn any(&self, dice: &mut Dice) -> Option<(String, String)> {
        let told = self.told.lock().unwrap();
        let queues: Vec<_> = told.iter().collect();
        let (queue, jobs) = queues.get(dice.below(queues.len() as u64) as usize)?;
        // One of the last, which may still wait or run.
        let back = dice.below(20).min(jobs.len() as u64 - 1) as usize;
        jobs.keys().nth_back(back).map(|id| ((*queue).clone(), id.clone()))
    }

    /// Stops them, each after its last answer.
    pub fn stop(self) -> BTreeMap<String, BTreeMap<String, Accepted>> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a producer does not panic"));
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

impl Hand {
    fn goes_on(&self) -> bool {
        while !self.stop.load(Ordering::SeqCst) {
            if backlog(self.port, &self.line) <= BACKLOG {
                return true;
            }
            // A pace, not a wait for anything.
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn payload(&mut self) -> &'static str {
        match self.dice.below(100) {
            0..10 => "fail",
            10..13 => "bad",
            13..20 => "slow",
            _ => "ok",
        }
    }

    fn delay_ms(&mut self) -> u64 {
        if self.dice.percent(20) { self.dice.between(50, 1_500) } else { 0 }
    }

    fn accept(&self, id: String, job: Accepted) {
        self.told.lock().unwrap().entry(self.queue.to_owned()).or_default().insert(id, job);
    }

    fn by_commands(mut self, cli: &Cli) {
        let mut batch = 0;
        while self.goes_on() {
            let (mut lines, mut jobs) = (String::new(), Vec::new());
            for n in 0..AT_ONCE {
                let (id, delay_ms, payload) =
                    (format!("{}-{batch:06}-{n}", self.name), self.delay_ms(), self.payload());
                let priority = self.dice.one_of(&["critical", "high", "normal", "normal", "low"]);
                let line = serde_json::json!({"id": id, "payload": payload, "delay": format!("{delay_ms}ms"),
                    "priority": priority, "backoff": BACKOFF});
                lines += &format!("{line}\n");
                jobs.push((id, Accepted { delay_ms, unique: None }));
            }
            let call = cli.clone().stdin(lines);
            // As an operator would: the ids make it safe.
            let mut tries = 0;
            while call.run(["enqueue", self.queue, "--ndjson", "-"]).code != Some(0) {
                tries += 1;
                assert!(tries < 1_000, "a command is never accepted");
            }
            jobs.into_iter().for_each(|(id, job)| self.accept(id, job));
            batch += 1;
        }
    }

    fn over_the_library(mut self, client: &Client) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let queue = client.queue(QueueName::new(self.queue).unwrap());
        let mut number = 0;
        while self.goes_on() {
            let id = JobId::new(&format!("{}-{number:06}", self.name)).unwrap();
            let (delay_ms, payload) = (self.delay_ms(), self.payload());
            let unique = self.dice.percent(50).then(|| format!("key-{}", self.dice.below(KEYS)));
            let priority = self.dice.one_of(&[Priority::High, Priority::Normal, Priority::Low]);
            let mut job = NewJob::new(&payload).unwrap().id(id.clone()).priority(priority);
            job = job.delay(Duration::from_millis(delay_ms)).backoff(BACKOFF.parse().unwrap());
            if let Some(key) = &unique {
                job = job.unique(key);
            }
            let answer = loop {
                match runtime.block_on(queue.enqueue(job.clone())) {
                    Ok(answer) => break answer,
                    Err(error) => assert!(error.kind() != ErrorKind::Invalid, "{error}"),
                }
            };
            // Its own id, added now or before an answer was lost; otherwise another job holds the key.
            if answer.id == id {
                self.accept(id.to_string(), Accepted { delay_ms, unique });
            }
            number += 1;
        }
    }
}
