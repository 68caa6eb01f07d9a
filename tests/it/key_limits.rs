//! Limits per key: who may start, and who is parked until when.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::config::Setting;
use ireva_queue::testing::{Ask, ByHand, Ending, HandOut, Held};
use ireva_queue::{
    Client, Clock, JobId, JobLine, JobState, KeyLimitChange, LimitKey, NewJob, Queue, Redaction, Selection,
};

use crate::ops_seed::{NOW_US, client_at, id, name, run};
use crate::support::*;

/// A queue by hand, on a clock of its own.
pub struct Bench {
    pub redis: TestRedis,
    pub clock: Clock,
    pub now_us: i64,
    pub client: Client,
    pub queue: Queue,
    pub by_hand: ByHand,
    calls: BTreeMap<String, u64>,
    enqueued: u64,
}

impl Bench {
    pub fn start(settings: &[Setting]) -> Self {
        let (redis, clock) = (TestRedis::start(), Clock::fixed(NOW_US));
        let client = client_at(&redis, &clock);
        let (queue, by_hand) = (client.queue(name("q")), ByHand::new(&client, &name("q")));
        let bench = Self { redis, clock, now_us: NOW_US, client, queue, by_hand, calls: BTreeMap::new(), enqueued: 0 };
        bench.set(settings);
        bench
    }

    pub fn set(&self, settings: &[Setting]) {
        run(self.queue.set(settings)).unwrap();
    }

    pub fn pass(&mut self, micros: i64) {
        self.now_us += micros;
        self.clock.set_us(self.now_us);
    }

    /// A job of a tenant, as a producer writes it that does not know the field.
    pub fn add(&mut self, id: &str, tenant: &str) {
        self.add_job(NewJob::from_json(format!(r#"{{"tenant":"{tenant}"}}"#)).unwrap().id(crate::ops_seed::id(id)));
    }

    pub fn add_job(&mut self, job: NewJob) {
        self.enqueued += 1;
        self.pass(1);
        run(self.by_hand.enqueue("p", self.enqueued, &[job])).unwrap();
    }

    pub fn fetch(&mut self, worker: &str, slots: usize) -> HandOut {
        let call = self.calls.entry(worker.to_owned()).or_default();
        *call += 1;
        let worker = format!("{worker}-{}", "x".repeat(50));
        let ask = Ask { worker, call: *call, slots, prefetch: 0, lease_ms: 30_000, alone: false };
        let handed = run(self.by_hand.fetch(&ask)).unwrap();
        self.check();
        handed
    }

    pub fn ids(&mut self, worker: &str, slots: usize) -> Vec<String> {
        self.fetch(worker, slots).jobs.iter().map(|job| job.id.to_string()).collect()
    }

    pub fn end(&self, worker: &str, jobs: &[Held], ending: &Ending) {
        let ends: Vec<_> = jobs.iter().map(|job| (job.id.clone(), job.claim.clone(), ending.clone())).collect();
        run(self.by_hand.end(&format!("{worker}-{}", "x".repeat(50)), &ends)).unwrap();
        self.check();
    }

    pub fn complete(&self, worker: &str, jobs: &[Held]) {
        self.end(worker, jobs, &Ending::Complete { result: String::new() });
    }

    pub fn line(&self, suffix: &str) -> Vec<String> {
        self.redis.query(&["ZRANGE", &self.redis.key("q", suffix), "0", "-1"])
    }

    pub fn hash(&self, suffix: &str) -> BTreeMap<String, String> {
        self.redis.query(&["HGETALL", &self.redis.key("q", suffix)])
    }

    /// What must hold whatever happened: `running` counts the claims with a key, a parked job stands in one index, each job in
    /// one set, and whatever is parked will be looked at.
    pub fn check(&self) {
        let mut running = BTreeMap::<String, u64>::new();
        for claim in self.hash("active").values() {
            let key = claim.rsplit('|').nth(1).unwrap();
            if !key.is_empty() {
                *running.entry(key.to_owned()).or_default() += 1;
            }
        }
        let counted: BTreeMap<_, _> =
            self.hash("running").into_iter().map(|(key, count)| (key, count.trim_end().to_owned())).collect();
        assert_eq!(counted, running.into_iter().map(|(key, count)| (key, count.to_string())).collect());
        let parked: BTreeSet<String> = self.line("parked").into_iter().collect();
        let base = self.redis.key("q", "parked:");
        let indexes: Vec<String> = self.redis.query(&["KEYS", &format!("{}*", base.replace('{', "\\{"))]);
        let mut indexed = Vec::new();
        let due: BTreeSet<_> = self.line("unpark").into_iter().collect();
        for index in indexes {
            let ids: Vec<String> = self.redis.query(&["ZRANGE", &index, "0", "-1"]);
            let there: Vec<_> = ids.into_iter().filter(|id| parked.contains(id)).collect();
            assert!(there.is_empty() || due.contains(index.strip_prefix(&base).unwrap()), "{index} is never looked at");
            indexed.extend(there);
        }
        indexed.sort();
        assert_eq!(indexed, parked.into_iter().collect::<Vec<_>>());
        Snapshot::of(&self.redis, "q").assert_agrees();
        assert_eq!(schema_faults(&self.redis), Vec::<String>::new());
    }
}

pub fn tenant(concurrency: Option<u32>, rate: Option<&str>) -> Vec<Setting> {
    vec![
        Setting::Key(Some("tenant".parse().unwrap())),
        Setting::KeyConcurrency(concurrency),
        Setting::KeyRate(rate.map(|rate| rate.parse().unwrap())),
    ]
}

fn key(text: &str) -> LimitKey {
    LimitKey::new(text).unwrap()
}

#[test]
fn a_key_at_its_limit_lets_others_by_and_keeps_its_places() {
    let mut bench = Bench::start(&tenant(Some(2), None));
    for n in 0..5 {
        bench.add(&format!("a{n}"), "acme");
    }
    bench.add("b0", "beta");
    bench.add_job(NewJob::from_json("[1]".to_owned()).unwrap().id(id("none")));
    let first = bench.fetch("w", 4).jobs;
    let ids: Vec<_> = first.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["a0", "a1", "b0", "none"]);
    assert_eq!(bench.line("parked"), ["a2", "a3", "a4"]);
    assert!(bench.fetch("w", 4).again_ms.is_some_and(|again_ms| (29_000..=30_001).contains(&again_ms)));
    // A slot of the key is free: the oldest of it goes on, before what came later.
    bench.add("a5", "acme");
    bench.complete("w", &first[..1]);
    assert_eq!(bench.ids("w", 4), ["a2"]);
    assert_eq!(bench.line("parked"), ["a3", "a4", "a5"]);
    // Given back, it stands where it stood.
    bench.end("w", &first[1..2], &Ending::Release);
    assert_eq!(bench.ids("w", 1), ["a1"]);
}

#[test]
fn a_rate_per_key_starts_a_burst_and_then_one_an_interval() {
    let mut bench = Bench::start(&tenant(None, Some("10/s:2")));
    for n in 0..6 {
        bench.add(&format!("a{n}"), "acme");
    }
    bench.add("b0", "beta");
    let first = bench.fetch("w", 10);
    assert_eq!(first.jobs.len(), 3, "two of acme, one of beta");
    assert_eq!(bench.line("parked").len(), 4);
    assert!(bench.fetch("w", 10).again_ms.is_some_and(|again_ms| (1..=101).contains(&again_ms)));
    let mut started = Vec::new();
    for _ in 0..45 {
        bench.pass(10_000);
        started.extend(bench.ids("w", 10).into_iter().map(|id| (id, bench.now_us)));
    }
    let ids: Vec<_> = started.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a2", "a3", "a4", "a5"]);
    assert!(started.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 100_000), "{started:?}");
    assert_eq!(bench.redis.query::<u64>(&["EXISTS", &bench.redis.key("q", "unpark")]), 0);
    bench.pass(10_000_000);
    run(bench.by_hand.audit()).unwrap();
    assert_eq!(bench.redis.query::<u64>(&["EXISTS", &bench.redis.key("q", "paced")]), 0, "what is past is forgotten");
}

#[test]
fn priorities_and_places_survive_being_parked() {
    for mode in ["strict", "aging:10m"] {
        let mut bench = Bench::start(&tenant(Some(1), None));
        bench.set(&[Setting::PriorityMode(mode.parse().unwrap())]);
        bench.add("first", "acme");
        let running = bench.fetch("w", 1).jobs;
        let job = |id: &str, priority: &str| {
            let job = NewJob::from_json(r#"{"tenant":"acme"}"#.to_owned()).unwrap();
            job.id(crate::ops_seed::id(id)).priority(priority.parse().unwrap())
        };
        for (id, priority) in [("n1", "normal"), ("l1", "low"), ("n2", "normal"), ("c1", "critical"), ("h1", "high")] {
            bench.add_job(job(id, priority));
        }
        assert!(bench.ids("w", 9).is_empty());
        assert_eq!(bench.line("parked"), ["c1", "h1", "n1", "n2", "l1"], "{mode}");
        let stats = run(bench.queue.stats()).unwrap();
        assert_eq!((stats.pending, stats.pending_by_priority), (5, [1, 1, 2, 1]));
        assert_eq!(stats.oldest_pending_ms, Some(0));
        let mut held = running;
        for expected in ["c1", "h1", "n1", "n2", "l1"] {
            bench.complete("w", &held);
            held = bench.fetch("w", 9).jobs;
            assert_eq!(held.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [expected], "{mode}");
        }
    }
}

#[test]
fn parked_jobs_go_on_in_the_order_of_aging() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    bench.set(&[Setting::PriorityMode("aging:1s".parse().unwrap())]);
    let job = |id: &str, priority: &str| {
        let job = NewJob::from_json(r#"{"tenant":"acme"}"#.to_owned()).unwrap();
        job.id(crate::ops_seed::id(id)).priority(priority.parse().unwrap())
    };
    bench.add("first", "acme");
    let mut held = bench.fetch("w", 1).jobs;
    bench.add_job(job("low", "low"));
    for n in 0..6 {
        bench.pass(700_000);
        bench.add_job(job(&format!("c{n}"), "critical"));
    }
    assert!(bench.ids("w", 9).is_empty());
    assert_eq!(bench.line("parked").len(), 7);
    // Three levels are worth three seconds: what came later than that goes behind.
    for expected in ["c0", "c1", "c2", "c3", "low", "c4", "c5"] {
        bench.complete("w", &held);
        held = bench.fetch("w", 9).jobs;
        assert_eq!(held.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn r39_a_clock_that_is_put_back_holds_parked_jobs_no_longer_than_their_rate() {
    let mut bench = Bench::start(&tenant(None, Some("1/s:1")));
    for n in 0..3 {
        bench.add(&format!("a{n}"), "acme");
    }
    assert_eq!(bench.ids("w", 9), ["a0"]);
    let (unpark, paced) = (bench.redis.key("q", "unpark"), bench.redis.key("q", "paced"));
    let ahead_us = bench.now_us + 3_600_000_000;
    bench.redis.query::<u64>(&["ZADD", &unpark, "CH", &(ahead_us / 1_000).to_string(), "acme"]);
    bench.redis.query::<u64>(&["HSET", &paced, "acme", &ahead_us.to_string()]);
    assert_eq!(bench.ids("w", 9), ["a1"]);
    bench.pass(1_001_000);
    assert_eq!(bench.ids("w", 9), ["a2"]);
}

#[test]
fn a_setting_whose_setter_died_is_obeyed_within_half_a_minute_or_when_it_is_set_again() {
    for again in [true, false] {
        let mut bench = Bench::start(&tenant(None, Some("1/h:1")));
        for n in 0..3 {
            bench.add(&format!("a{n}"), "acme");
        }
        assert_eq!(bench.ids("w", 9), ["a0"]);
        assert!(bench.ids("w", 9).is_empty() && bench.line("parked").len() == 2);
        // As if whoever set it had died right behind the first of its two calls.
        let unpark = bench.redis.key("q", "unpark");
        let before: Option<f64> = bench.redis.query(&["ZSCORE", &unpark, "acme"]);
        bench.set(&tenant(None, Some("100/s:10")));
        bench.redis.query::<u64>(&["ZADD", &unpark, &before.unwrap().to_string(), "acme"]);
        assert!(bench.ids("w", 9).is_empty());
        if again {
            bench.set(&tenant(None, Some("100/s:10")));
        } else {
            bench.pass(30_001_000);
        }
        assert_eq!(bench.ids("w", 9), ["a1", "a2"], "set again: {again}");
    }
}

#[test]
fn cleared_parked_jobs_leave_nothing_to_look_at() {
    let mut bench = Bench::start(&tenant(None, Some("1/h:1")));
    for n in 0..3 {
        bench.add(&format!("a{n}"), "acme");
    }
    assert_eq!(bench.ids("w", 9), ["a0"]);
    run(bench.queue.clear(&[JobState::Pending], &mut |_| ())).unwrap();
    assert!(bench.line("parked").is_empty() && bench.line("unpark").is_empty() && bench.line("parked:acme").is_empty());
}

#[test]
fn limits_are_raised_lowered_and_lifted_live() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    for n in 0..12 {
        bench.add(&format!("a{n:02}"), "acme");
    }
    assert_eq!(bench.ids("w", 20), ["a00"]);
    bench.set(&[Setting::KeyConcurrency(Some(3))]);
    assert_eq!(bench.ids("w", 20), ["a01", "a02"]);
    bench.set(&[Setting::KeyConcurrency(Some(1))]);
    assert!(bench.ids("w", 20).is_empty(), "three run, and one may");
    let limits = bench.queue.key_limits();
    let one = run(limits.set(&key("acme"), KeyLimitChange { concurrency: Some(Some(5)), rate: None })).unwrap();
    assert_eq!((one.running, one.parked, one.concurrency, one.own), (3, 9, Some(5), true));
    assert!(one.next_at.is_some());
    assert_eq!(bench.ids("w", 20), ["a03", "a04"]);
    let rate = KeyLimitChange { concurrency: None, rate: Some(Some("1/s".parse().unwrap())) };
    run(limits.set(&key("beta"), rate)).unwrap();
    let most = KeyLimitChange { concurrency: Some(Some(9)), rate: None };
    assert_eq!(run(limits.set(&key("beta"), most)).unwrap().rate, rate.rate.unwrap(), "what is not named stays");
    let listed = run(limits.list()).unwrap();
    assert_eq!((listed.len(), listed[0].running, listed[0].parked, listed[0].next_at), (2, 5, 7, None));
    assert_eq!((listed[1].key.as_str(), listed[1].running, listed[1].parked, listed[1].own), ("beta", 0, 0, true));
    run(limits.unset(&key("beta"))).unwrap();
    assert!(!run(limits.unset(&key("acme"))).unwrap().own);
    assert!(run(limits.unset(&key("acme"))).is_err() && bench.ids("w", 20).is_empty());
    // No limit at all: everything comes back.
    bench.set(&[Setting::KeyConcurrency(None)]);
    assert_eq!(bench.ids("w", 20).len(), 7);
    assert!(bench.line("parked").is_empty());
    while bench.fetch("w", 20).again_ms == Some(0) {}
    assert!(!bench.hash("config").contains_key("parking") && bench.line("unpark").is_empty());
}

#[test]
fn another_field_brings_all_back_before_it_parks_any() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    for n in 0..6 {
        let payload = format!(r#"{{"tenant":"acme","user":"u{}"}}"#, n % 2);
        bench.add_job(NewJob::from_json(payload).unwrap().id(id(&format!("j{n}"))));
    }
    assert_eq!(bench.ids("w", 9), ["j0"]);
    assert_eq!(bench.line("parked").len(), 5);
    bench.set(&[Setting::Key(Some("user".parse().unwrap()))]);
    let mut started = Vec::new();
    for _ in 0..10 {
        started.extend(bench.ids("w", 9));
    }
    assert_eq!(started, ["j1", "j2"], "one of each user");
    let keys: BTreeSet<_> =
        bench.hash("active").values().map(|claim| claim.rsplit('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(keys, ["acme", "u0", "u1"].map(str::to_owned).into());
    assert_eq!(bench.line("parked").len(), 3);
}

#[test]
fn a_producer_writes_the_key_in_front_once_it_knows_the_field() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    let job = |n: u32| NewJob::from_json(format!(r#"{{"n":{n},"tenant":"a b"}}"#)).unwrap().id(id(&format!("j{n}")));
    for n in 0..3 {
        assert!(!run(bench.queue.enqueue(job(n))).unwrap().duplicate);
    }
    let records = bench.hash("jobs");
    let head =
        |id: &str| records[id].split_once('{').unwrap().0.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    assert_eq!([head("j0"), head("j1"), head("j2")], ["", "@tenant=a%20b", "@tenant=a%20b"].map(str::to_owned));
    assert_eq!(bench.ids("w", 9), ["j0"]);
    let shown = run(async {
        let inspector = bench.client.inspector();
        inspector.job(&inspector.find("j2", None).await.unwrap()).await.unwrap()
    });
    assert_eq!(shown.payload.unwrap().get(), r#"{"n":2,"tenant":"a b"}"#);
    assert!(shown.summary.enqueued_at.is_some());
    // The same line on the same server is the same job.
    let (mut lines, all) = (Vec::new(), Selection::default());
    let mut take = |page: Vec<JobLine>| {
        lines.extend(page);
        true
    };
    run(bench.queue.export(&all, &Redaction::default(), &mut take)).unwrap();
    let waiting: Vec<_> = lines.into_iter().filter(|line| line.state == JobState::Pending).collect();
    assert!(waiting.iter().all(|line| serde_json::to_string(line).unwrap().contains(r#""record":{"payload""#)));
    // Another key is set: heads of the old one say nothing.
    bench.set(&[Setting::Key(Some("n".parse().unwrap()))]);
    assert_eq!(bench.ids("w", 9), ["j1", "j2"]);
}

#[test]
fn the_slots_of_a_dead_worker_come_back_with_its_lease() {
    let mut bench = Bench::start(&tenant(Some(2), None));
    for n in 0..4 {
        bench.add(&format!("a{n}"), "acme");
    }
    let held = bench.fetch("dead", 9).jobs;
    assert_eq!((held.len(), bench.ids("w", 9).len()), (2, 0));
    bench.pass(31_000_000);
    let claims: Vec<_> = held.iter().map(|job| (job.id.clone(), job.claim.clone())).collect();
    assert_eq!(run(bench.by_hand.recover("w", 30_000, &claims)).unwrap().len(), 2);
    bench.check();
    // A job that crashed is started, never prefetched.
    assert_eq!(bench.ids("w", 9), ["a0", "a1"]);
    let claims = bench.hash("active");
    let job = |id: &str| Held {
        id: JobId::new(id).unwrap(),
        claim: claims[id].clone(),
        record: String::new(),
        history: String::new(),
        crashes: 1,
    };
    // One claim is no longer the worker's: what is freed is counted from the others.
    let stale = Held { claim: held[0].claim.clone(), ..job("a0") };
    bench.complete("w", &[stale, job("a1")]);
    assert_eq!(bench.ids("w", 9), ["a2"]);
}

#[test]
fn every_way_out_of_active_frees_the_slot_of_its_key() {
    let history = || "{}".to_owned();
    let endings = [
        Ending::Complete { result: String::new() },
        Ending::Retry { delay_ms: 1, history: history() },
        Ending::Snooze { delay_ms: 1, history: history() },
        Ending::Bury { history: history() },
        Ending::Release,
    ];
    for ending in endings {
        let mut bench = Bench::start(&tenant(Some(1), None));
        bench.add("a", "acme");
        bench.add("b", "acme");
        let held = bench.fetch("w", 9).jobs;
        bench.end("w", &held, &ending);
        bench.end("w", &held, &ending);
        assert_eq!(bench.hash("running"), BTreeMap::new(), "{ending:?}");
        assert_eq!(bench.ids("w", 9).len(), 1, "{ending:?}");
    }
    let mut bench = Bench::start(&tenant(Some(1), None));
    bench.add("a", "acme");
    bench.add("b", "acme");
    let held = bench.fetch("w", 9).jobs;
    let inspector = bench.client.inspector();
    run(inspector.cancel(&run(inspector.find("a", None)).unwrap())).unwrap();
    assert!(bench.ids("w", 9).is_empty(), "its slot is held until the worker has stopped it");
    bench.end("w", &held, &Ending::Cancelled);
    assert_eq!(bench.ids("w", 9), ["b"]);
}

#[test]
fn any_row_of_steps_keeps_the_counts_and_the_places() {
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut bench = Bench::start(&tenant(Some(2), Some("50/s:3")));
    let (mut held, mut added) = (Vec::<(String, Held)>::new(), 0);
    for _ in 0..600 {
        match roll(12) {
            0..=3 => {
                added += 1;
                bench.add(&format!("j{added}"), ["acme", "beta", "gamma"][roll(3) as usize]);
            }
            4..=6 => {
                let worker = ["v", "w"][roll(2) as usize];
                let jobs = bench.fetch(worker, roll(6) as usize).jobs;
                held.extend(jobs.into_iter().map(|job| (worker.to_owned(), job)));
            }
            7..=8 if !held.is_empty() => {
                let (worker, job) = held.swap_remove(roll(held.len() as u64) as usize);
                let ending = match roll(3) {
                    0 => Ending::Release,
                    1 => Ending::Snooze { delay_ms: roll(50), history: "{}".to_owned() },
                    _ => Ending::Complete { result: String::new() },
                };
                bench.end(&worker, &[job], &ending);
            }
            9 => bench.pass(roll(60_000) as i64),
            10 => match roll(4) {
                0 => bench.set(&[Setting::KeyConcurrency(Some(1 + roll(4) as u32))]),
                1 => bench.set(&[Setting::KeyConcurrency(None), Setting::KeyRate(None)]),
                2 => bench.set(&tenant(Some(2), Some("50/s:3"))),
                _ => {
                    let change = KeyLimitChange { concurrency: Some(Some(1 + roll(3) as u32)), rate: None };
                    run(bench.queue.key_limits().set(&key("beta"), change)).unwrap();
                }
            },
            _ => {
                let pending =
                    run(bench.client.inspector().jobs(&name("q"), &[JobState::Pending], 0, 50)).unwrap().items;
                if let Some(job) = pending.get(roll(50) as usize) {
                    let found = run(bench.client.inspector().find(job.id.as_str(), None)).unwrap();
                    run(bench.client.inspector().delete(&found)).unwrap();
                }
            }
        }
        bench.check();
    }
    // Everything drains in the end.
    bench.set(&tenant(Some(3), Some("1000/s:50")));
    for _ in 0..200 {
        for (worker, job) in std::mem::take(&mut held) {
            bench.complete(&worker, &[job]);
        }
        bench.pass(100_000);
        held.extend(bench.fetch("w", 50).jobs.into_iter().map(|job| ("w".to_owned(), job)));
    }
    let stats = run(bench.queue.stats()).unwrap();
    assert_eq!((stats.pending, stats.scheduled, stats.active), (0, 0, held.len() as u64));
    assert!(held.is_empty() && bench.hash("running").is_empty() && bench.line("unpark").is_empty());
}
