//! R67 with four threads on one queue: what each call answered must fit one order of steps for every job.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::config::Setting;
use ireva_queue::testing::{Accepted, Ask, ByHand, Ending, Standing};
use ireva_queue::{Client, Clock, Inspector, JobId, JobState, Located, NewJob, Priority, QueueName};

use super::dice::Dice;
use super::number;
use super::order::{Ended, Ledger, Span, Way};
use crate::ops_seed::{NOW_US, client_at};
use crate::support::{Snapshot, TestRedis};

const QUEUE: &str = "threads";
const THREADS: u64 = 4;
const LEASE_MS: u64 = 4_000;

/// What the threads share: a clock, and a counter that says which call began before which other one ended.
struct Shared {
    clock: Clock,
    now_us: Mutex<i64>,
    ticks: AtomicU64,
    ledger: Mutex<Ledger>,
}

impl Shared {
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn since(&self, began: u64) -> Span {
        Span { began, ended: self.tick() }
    }

    fn advance(&self, by_us: i64) {
        let mut now_us = self.now_us.lock().unwrap();
        *now_us += by_us;
        self.clock.set_us(*now_us);
    }

    fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger.lock().unwrap());
    }
}

/// One thread: a worker that also enqueues, recovers and operates.
struct Hand {
    shared: Arc<Shared>,
    by_hand: ByHand,
    inspector: Inspector,
    queue: QueueName,
    dice: Dice,
    number: u64,
    lives: u64,
    call: u64,
    enqueues: u64,
    held: Vec<(JobId, String)>,
}

impl Hand {
    fn new(shared: &Arc<Shared>, client: &Client, number: u64, seed: u64) -> Self {
        let queue = QueueName::new(QUEUE).unwrap();
        let by_hand = ByHand::new(client, &queue);
        let dice = Dice::new(seed * 100 + number);
        let (shared, inspector, held) = (shared.clone(), client.inspector(), Vec::new());
        Self { shared, by_hand, inspector, queue, dice, number, lives: 0, call: 0, enqueues: 0, held }
    }

    fn name(&self) -> String {
        format!("host-{}-01KB000000000000000000{:04}-thread", self.number, self.lives)
    }

    async fn act(&mut self) {
        match self.dice.below(100) {
            0..20 => self.enqueue().await,
            20..42 => self.fetch(3, 2).await,
            42..72 => self.end().await,
            72..77 => self.renew().await,
            77..83 => self.recover().await,
            83..85 => {
                // Another process comes in its place, and knows nothing of what this one held.
                self.lives += 1;
                self.held.clear();
            }
            85..87 => _ = self.by_hand.promote(200).await.unwrap(),
            87..93 => self.operate().await,
            _ => {
                let by_us = self.dice.one_of(&[10, 5_000, 400_000, 2_500_000]);
                self.shared.advance(by_us);
            }
        }
    }

    async fn enqueue(&mut self) {
        self.enqueues += 1;
        let mut jobs = Vec::new();
        for place in 0..self.dice.between(1, 4) {
            let chosen = self.dice.percent(40);
            // Names that the other threads take too, and names of its own.
            let id = match chosen {
                true => format!("order:{}", self.enqueues / 8 * 8 + self.dice.below(24)),
                false => format!("01KB{}{:018}{place}", self.number, self.enqueues),
            };
            let mut job = NewJob::from_json("{\"n\":[]}".to_owned()).unwrap().id(JobId::new(&id).unwrap());
            job = job.priority(Priority::from_level(self.dice.below(4) as u8).unwrap());
            if self.dice.percent(25) {
                job = job.delay(Duration::from_millis(self.dice.between(1, 3_000)));
            }
            if self.dice.percent(20) {
                job = job.unique(format!("key{}", self.dice.below(8)));
            }
            jobs.push(if chosen { job } else { ByHand::with_generated_id(job) });
        }
        let producer = format!("producer-{}", self.number);
        let answers = self.by_hand.enqueue(&producer, self.enqueues, &jobs).await.unwrap();
        let again = self.by_hand.enqueue(&producer, self.enqueues, &jobs).await.unwrap();
        assert_eq!(answers, again, "the same call has one answer");
        let added = jobs.iter().zip(answers).filter(|(_, answer)| *answer == Accepted::Added);
        added.for_each(|(job, _)| self.shared.note(|ledger| ledger.added(job.job_id())));
    }

    async fn fetch(&mut self, slots: usize, prefetch: usize) {
        self.call += 1;
        let alone = self.held.is_empty();
        let ask = Ask { worker: self.name(), call: self.call, slots, prefetch, lease_ms: LEASE_MS, alone };
        let began = self.shared.tick();
        let fetched = self.by_hand.fetch(&ask).await.unwrap();
        let span = self.shared.since(began);
        for job in fetched.jobs {
            self.shared.note(|ledger| ledger.claimed(&job.id, &job.claim, span));
            self.held.push((job.id, job.claim));
        }
    }

    async fn end(&mut self) {
        let many = self.dice.between(1, 3).min(self.held.len() as u64) as usize;
        let ends: Vec<_> = self.held.drain(..many).collect();
        let Some(_) = ends.first() else { return };
        let history = r#"{"failed":1}"#.to_owned();
        let delay_ms = self.dice.below(2_000);
        let (ending, way) = match self.dice.below(10) {
            0..4 => (Ending::Complete { result: String::new() }, Way::Completed),
            4..6 => (Ending::Retry { delay_ms, history }, Way::Retried),
            6 => (Ending::Snooze { delay_ms, history }, Way::Snoozed),
            7 => (Ending::Bury { history }, Way::Buried),
            _ => (Ending::Release, Way::Released),
        };
        self.settle(ends, ending, way).await;
    }

    async fn settle(&mut self, claims: Vec<(JobId, String)>, ending: Ending, way: Way) {
        let ends: Vec<_> = claims.iter().map(|(id, claim)| (id.clone(), claim.clone(), ending.clone())).collect();
        let worker = self.name();
        let began = self.shared.tick();
        let others = self.by_hand.end(&worker, &ends).await.unwrap();
        let span = self.shared.since(began);
        let mut cancelled = Vec::new();
        for (number, (id, claim)) in claims.iter().enumerate() {
            let standing = others.iter().find(|other| other.0 == number).map(|other| other.1);
            let way = if standing.is_none() { way } else { Way::Refused };
            self.shared.note(|ledger| ledger.ended(id, claim, Ended { way, span }));
            if standing == Some(Standing::Cancelled) {
                cancelled.push((id.clone(), claim.clone(), Ending::Cancelled));
            }
        }
        if !cancelled.is_empty() {
            self.by_hand.end(&worker, &cancelled).await.unwrap();
        }
    }

    async fn renew(&mut self) {
        let (worker, held) = (self.name(), self.held.clone());
        let (_, others) = self.by_hand.renew(&worker, LEASE_MS, &held).await.unwrap();
        let lost: BTreeSet<_> = others.into_iter().map(|other| other.0).collect();
        let mut number = 0;
        self.held.retain(|_| (!lost.contains(&number), number += 1).0);
    }

    async fn recover(&mut self) {
        let silent = self.by_hand.overdue().await.unwrap();
        let mut claims = self.by_hand.active().await.unwrap();
        claims.retain(|(_, claim)| silent.iter().any(|worker| claim.contains(&format!("|{worker}|"))));
        let worker = self.name();
        let began = self.shared.tick();
        let recovered = self.by_hand.recover(&worker, LEASE_MS, &claims).await.unwrap();
        let span = self.shared.since(began);
        for job in recovered {
            let (_, claim) = claims.iter().find(|claim| claim.0 == job.id).expect("it was asked for");
            let way = match job.to.as_str() {
                "pending" => Way::Recovered,
                "dead" => Way::CrashLoop,
                _ => Way::Refused,
            };
            let claim = claim.trim_start_matches("cancelled|");
            self.shared.note(|ledger| ledger.ended(&job.id, claim, Ended { way, span }));
        }
        self.by_hand.forget(&silent).await.unwrap();
    }

    /// Cancels, revives or removes a job that somebody has added.
    async fn operate(&mut self) {
        let throw = self.dice.next();
        let Some(id) = self.shared.ledger.lock().unwrap().any(throw) else { return };
        let job = |state| Located::new(self.queue.clone(), id.clone(), state);
        match self.dice.below(4) {
            0 => {
                if let Ok(acted) = self.inspector.cancel(&job(JobState::Pending)).await {
                    self.shared.note(|ledger| ledger.cancelled(&id, acted.from == JobState::Active));
                }
            }
            1 => {
                let state = self.dice.one_of(&[JobState::Dead, JobState::Retrying, JobState::Completed]);
                if self.inspector.delete(&job(state)).await.is_ok() {
                    self.shared.note(|ledger| ledger.removed(&id));
                }
            }
            _ => {
                if let Ok(acted) = self.inspector.retry(&job(JobState::Dead)).await {
                    self.shared.note(|ledger| ledger.revived(&id, acted.from == JobState::Dead));
                }
            }
        }
    }

    /// Works off whatever is left.
    async fn drain(&mut self, redis: &TestRedis) {
        for _ in 0..10_000 {
            self.shared.advance(60_000_000);
            self.recover().await;
            self.fetch(50, 0).await;
            let claims = std::mem::take(&mut self.held);
            self.settle(claims, Ending::Complete { result: String::new() }, Way::Completed).await;
            let left = Snapshot::of(redis, QUEUE);
            if ["pending", "scheduled", "retrying", "active"].iter().all(|state| left.count(state) == 0) {
                return;
            }
        }
        panic!("the queue does not drain: {:?}", Snapshot::of(redis, QUEUE).states);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// `MODEL_SEED` and `MODEL_OPS` as for one thread.
#[test]
fn r67_four_threads_on_one_queue_see_one_order_of_steps_for_each_job() {
    let (seed, acts) = (number("MODEL_SEED", 1), number("MODEL_OPS", 2_000));
    eprintln!("MODEL_SEED={seed} MODEL_OPS={acts}");
    let redis = TestRedis::start();
    let clock = Clock::fixed(NOW_US);
    let shared = Arc::new(Shared {
        clock: clock.clone(),
        now_us: Mutex::new(NOW_US),
        ticks: AtomicU64::new(0),
        ledger: Mutex::default(),
    });
    block_on(async {
        let queue = client_at(&redis, &clock).queue(QueueName::new(QUEUE).unwrap());
        queue.set(&[Setting::RemoveOnComplete("never".parse().unwrap())]).await.unwrap();
    });
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (shared, redis, clock) = (shared.clone(), &redis, clock.clone());
            scope.spawn(move || {
                block_on(async {
                    let mut hand = Hand::new(&shared, &client_at(redis, &clock), number, seed);
                    for at in 0..acts {
                        hand.act().await;
                        if number == 0 && at % 400 == 399 {
                            redis.query::<()>(&["SCRIPT", "FLUSH"]);
                        }
                    }
                });
            });
        }
    });
    let stats = block_on(async {
        let client = client_at(&redis, &clock);
        Hand::new(&shared, &client, THREADS, seed).drain(&redis).await;
        client.queue(QueueName::new(QUEUE).unwrap()).stats().await.unwrap()
    });
    let ledger = shared.ledger.lock().unwrap();
    eprintln!("{:?}", stats.totals);
    let snapshot = Snapshot::of(&redis, QUEUE);
    snapshot.assert_conserves(&ledger.there());
    let faults = ledger.faults(&snapshot, &stats.totals);
    assert!(faults.is_empty(), "MODEL_SEED={seed}:\n{}", faults.join("\n"));
}
