//! Limits under workers that die and hands that slip: R36 and R37 for keys, and R39.

use std::collections::BTreeMap;
use std::time::Duration;

use ireva_queue::config::Setting;
use ireva_queue::testing::{Ask, ByHand};
use ireva_queue::{Client, ErrorKind, NewJob};

use crate::ops_seed::{client, id, name, run};
use crate::support::*;

const LONG: Duration = Duration::from_secs(150);
const TENANTS: [&str; 3] = ["acme", "beta", "gamma"];

fn lines(jobs: usize) -> impl Iterator<Item = String> {
    (0..jobs).map(|n| {
        let tenant = TENANTS[n % 3];
        format!(r#"{{"id":"{tenant}-{n}","payload":{{"tenantId":"{tenant}"}}}}"#)
    })
}

fn key_of(id: &str) -> &str {
    id.split('-').next().unwrap()
}

/// The most jobs of one key that were between start and end at once; a start without an end counts for half a second.
fn most_at_once(ledger: &Ledger, key: &str) -> usize {
    let of = |event: &str| ledger.of(event).into_iter().filter(|line| key_of(&line.id) == key).collect::<Vec<_>>();
    let (starts, ends) = (of("start"), of("end"));
    let end_of = |start: &Line| {
        let own = ends.iter().find(|end| end.id == start.id && end.attempt == start.attempt);
        own.map_or(start.at_ms + 500, |end| end.at_ms)
    };
    let spans: Vec<_> = starts.iter().map(|start| (start.at_ms, end_of(start))).collect();
    let running_at = |at: u64| spans.iter().filter(|(from, to)| *from <= at && at < *to).count();
    spans.iter().map(|(from, _)| running_at(*from)).max().unwrap_or_default()
}

#[test]
fn r36_a_limit_of_keys_holds_over_workers_and_survives_one() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 0.2");
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--key", "tenantId", "--key-concurrency", "2"]);
    cli.enqueue_lines("q", lines(90));
    let work = ["q", "--concurrency", "6", "--lease", "4s", "--exec", &program];
    let mut workers: Vec<_> = (0..3).map(|_| cli.work(work)).collect();
    ledger.wait("end", 20, LONG);
    let listed = cli.json(["limits", "list", "q"]);
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");
    workers[0].kill9();
    wait_until(LONG, "all are done", || cli.json(["stats", "q"])["completed"] == 90);
    for mut worker in workers.into_iter().skip(1) {
        assert_eq!(worker.stop(LONG), Some(0));
    }
    for tenant in TENANTS {
        assert_eq!(most_at_once(&ledger, tenant), 2, "{tenant}");
    }
    let accepted: Vec<_> = (0..90).map(|n| format!("{}-{n}", TENANTS[n % 3])).collect();
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
    assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key("q", "running"), &redis.key("q", "unpark")]), 0);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn r37_a_rate_of_keys_holds_over_workers() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--key", "tenantId", "--key-rate", "5/s:2"]);
    cli.enqueue_lines("q", lines(90));
    let mut workers: Vec<_> = (0..3).map(|_| cli.work(["q", "--concurrency", "4", "--exec", &program])).collect();
    wait_until(LONG, "all are done", || cli.json(["stats", "q"])["completed"] == 90);
    workers.iter_mut().for_each(|worker| assert_eq!(worker.stop(LONG), Some(0)));
    let mut claims = BTreeMap::<String, Vec<i64>>::new();
    for line in ledger.of("start") {
        claims.entry(key_of(&line.id).to_owned()).or_default().push(i64::try_from(line.fence).unwrap());
    }
    for (tenant, mut claims) in claims {
        claims.sort_unstable();
        let within = |from: i64| claims.iter().filter(|claim| (from..from + 1_000_000).contains(*claim)).count();
        let most = claims.iter().map(|claim| within(*claim)).max().unwrap();
        assert!(most <= 5 + 2, "{tenant}: {most} starts in a second");
        // Thirty jobs, two of them at once: no stall either.
        let took_us = claims[29] - claims[0];
        assert!((5_600_000..8_500_000).contains(&took_us), "{tenant}: {took_us} µs");
    }
}

/// Fetches as a worker that never ends what it gets.
struct Taker {
    by_hand: ByHand,
    call: u64,
}

impl Taker {
    fn new(client: &Client) -> Self {
        Self { by_hand: ByHand::new(client, &name("q")), call: 0 }
    }

    fn take(&mut self, slots: usize) -> ireva_queue::Result<Vec<String>> {
        self.call += 1;
        let worker = format!("w-{}", "x".repeat(50));
        let ask = Ask { worker, call: self.call, slots, prefetch: 0, lease_ms: 60_000, alone: false };
        let handed = run(self.by_hand.fetch(&ask))?;
        Ok(handed.jobs.into_iter().map(|job| job.id.to_string()).collect())
    }

    /// Takes until something comes; how long that took.
    fn resumes(&mut self, within: Duration) -> Vec<String> {
        wait_for(within, "jobs start again", || Some(self.take(100).unwrap()).filter(|ids| !ids.is_empty()))
    }
}

fn fill(client: &Client, jobs: usize) {
    let job = |n: usize| {
        let payload = format!(r#"{{"tenantId":"acme","n":{n}}}"#);
        NewJob::from_json(payload).unwrap().id(id(&format!("acme-{n}")))
    };
    let answers = run(client.queue(name("q")).enqueue_many((0..jobs).map(job).collect())).unwrap();
    assert!(answers.iter().all(Result::is_ok));
}

#[test]
fn r39_the_limiter_of_a_queue_resumes_within_one_window() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let mut taker = Taker::new(&client);
    run(client.queue(name("q")).set(&[Setting::Rate(Some("10/s:5".parse().unwrap()))])).unwrap();
    fill(&client, 100);
    let meta = redis.key("q", "meta");
    for broken in ["1000000000000", "9000000000000000", "-5", "nan", "soon", ""] {
        assert!(!taker.resumes(Duration::from_secs(2)).is_empty());
        redis.query::<()>(&["PERSIST", &meta]);
        redis.query::<()>(&["HSET", &meta, "tat", broken]);
        // One window: a burst at the rate.
        let came = taker.resumes(Duration::from_millis(1_000));
        assert!(came.len() <= 5, "{broken:?}: a burst at most, not {}", came.len());
    }
    run(client.queue(name("q")).set(&[Setting::Rate(None), Setting::Concurrency(Some(3))])).unwrap();
    assert!(taker.take(100).unwrap().is_empty(), "lowered below what runs: nothing starts");
    run(client.queue(name("q")).set(&[Setting::Concurrency(None)])).unwrap();
    assert!(!taker.take(100).unwrap().is_empty());
}

#[test]
fn r39_the_limiter_of_keys_resumes_within_one_window() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let mut taker = Taker::new(&client);
    let key = Setting::Key(Some("tenantId".parse().unwrap()));
    run(client.queue(name("q")).set(&[key, Setting::KeyRate(Some("10/s:5".parse().unwrap()))])).unwrap();
    fill(&client, 100);
    let (paced, unpark) = (redis.key("q", "paced"), redis.key("q", "unpark"));
    for broken in ["1000000000000", "9000000000000000", "-5", "nan", "soon", ""] {
        assert!(!taker.resumes(Duration::from_secs(2)).is_empty());
        redis.query::<()>(&["HSET", &paced, "acme", broken]);
        let came = taker.resumes(Duration::from_millis(1_000));
        assert!(came.len() <= 5, "{broken:?}: a burst at most, not {}", came.len());
    }
    // Gone altogether, with what says when keys go on.
    redis.query::<()>(&["DEL", &paced, &unpark]);
    assert!(!taker.resumes(Duration::from_secs(1)).is_empty());
    // A claim counts whoever counts it: more than there are at all is cut at once, the rest with the janitor's count.
    let (running, most) = (redis.key("q", "running"), "1000000000000");
    run(client.queue(name("q")).set(&[Setting::KeyRate(None), Setting::KeyConcurrency(Some(90))])).unwrap();
    redis.query::<()>(&["HSET", &running, "acme", most]);
    assert!(!taker.resumes(Duration::from_secs(2)).is_empty(), "cut to the claims that there are");
    run(client.queue(name("q")).set(&[Setting::KeyConcurrency(Some(1))])).unwrap();
    assert!(taker.take(100).unwrap().is_empty(), "lowered below what runs");
    let held: u64 = redis.query(&["HLEN", &redis.key("q", "active")]);
    redis.query::<()>(&["HSET", &running, "acme", "-7", "nobody", most]);
    run(taker.by_hand.audit()).unwrap();
    let counted: BTreeMap<String, String> = redis.query(&["HGETALL", &running]);
    assert_eq!(counted, [("acme".to_owned(), held.to_string())].into());
    // An index, or the time of a key, that a hand took away comes back with the janitor.
    redis.query::<()>(&["DEL", &redis.key("q", "parked:acme")]);
    redis.query::<()>(&["ZREM", &unpark, "acme"]);
    redis.query::<()>(&["ZADD", &unpark, "99999999999999", "other"]);
    run(taker.by_hand.audit()).unwrap();
    run(client.queue(name("q")).set(&[Setting::KeyConcurrency(Some(1_000))])).unwrap();
    assert!(!taker.resumes(Duration::from_secs(2)).is_empty());
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn r39_a_key_that_a_hand_made_another_type_of_is_named() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let queue = client.queue(name("q"));
    let mut taker = Taker::new(&client);
    let key = Setting::Key(Some("tenantId".parse().unwrap()));
    let limits = [key, Setting::KeyConcurrency(Some(1)), Setting::KeyRate(Some("1000/s:1000".parse().unwrap()))];
    run(queue.set(&limits)).unwrap();
    let key = "acme".parse().unwrap();
    let change = ireva_queue::KeyLimitChange { concurrency: Some(Some(2)), rate: None };
    run(queue.key_limits().set(&key, change)).unwrap();
    fill(&client, 30);
    assert_eq!(taker.take(9).unwrap().len(), 2);
    let suffixes =
        ["running", "paced", "limits", "unpark", "parked", "parked:acme", "meta", "config", "active", "pending:2"];
    for suffix in suffixes {
        let (key, aside) = (redis.key("q", suffix), redis.key("q", "aside"));
        let was_there = redis.query::<u64>(&["EXISTS", &key]) == 1;
        if was_there {
            redis.query::<()>(&["RENAME", &key, &aside]);
        }
        redis.query::<()>(&["SET", &key, "x"]);
        // What is parked is looked at when its key is due.
        redis.try_query::<()>(&["ZADD", &redis.key("q", "unpark"), "0", "acme"]).ok();
        let Err(error) = taker.take(9) else { panic!("{suffix}") };
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{suffix}: {error}");
        let said = error.to_string();
        assert!(said.contains(&key) && said.contains("delete it"), "{suffix}: {said}");
        redis.query::<()>(&["DEL", &key]);
        if was_there {
            redis.query::<()>(&["RENAME", &aside, &key]);
        }
        assert!(taker.take(9).is_ok(), "{suffix}");
    }
    run(queue.set(&[Setting::Key(None)])).unwrap();
    while redis.query::<u64>(&["HLEN", &redis.key("q", "active")]) < 30 {
        taker.resumes(Duration::from_secs(5));
    }
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn r39_delayed_jobs_get_in_line_while_the_queue_is_limited() {
    for (per_key, limit) in [("concurrency", "--concurrency"), ("key-concurrency", "--key-concurrency")] {
        let redis = TestRedis::start();
        let (cli, ledger) = (Cli::new(&redis), Ledger::new());
        let program = ledger.program("case $payload in *wait*) sleep 2;; esac");
        cli.ok(["queues", "set", "q", "--key", "tenantId", limit, "1"]);
        cli.enqueue("q", r#"{"tenantId":"acme","wait":1}"#, &[]);
        let mut worker = cli.work(["q", "--concurrency", "4", "--exec", &program]).ready();
        ledger.wait("start", 1, LONG);
        for n in 0..3 {
            cli.enqueue("q", r#"{"tenantId":"acme"}"#, &["--delay", "200ms", "--id", &format!("late-{n}")]);
        }
        wait_until(LONG, "they are pending", || {
            let stats = cli.json(["stats", "q"]);
            stats["scheduled"] == 0 && stats["pending"] == 3 && stats["active"] == 1
        });
        assert_eq!(ledger.of("start").len(), 1, "{per_key}");
        wait_until(LONG, "all are done", || cli.json(["stats", "q"])["totals"]["completed"] == 4);
        let last: Vec<_> = ledger.of("start").into_iter().skip(1).map(|line| line.id).collect();
        assert_eq!(last, ["late-0", "late-1", "late-2"], "{per_key}");
        assert_eq!(worker.stop(LONG), Some(0));
    }
}
