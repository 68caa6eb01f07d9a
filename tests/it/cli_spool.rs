//! Enqueuing from cron: onto disk while Redis is away, delivered once, and nothing where something is queued.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ireva_queue::{NewJob, QueueName, Spool};
use serde_json::json;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// More than one flush hands over in one call, by far.
const MANY: usize = 2_400;

fn spool_of(cli: &Cli) -> PathBuf {
    cli.home().join("spool")
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, |entries| entries.count())
}

/// Spools `MANY` jobs `job-00000`, … of the queue `q`.
fn fill(directory: &Path) {
    let queue = QueueName::new("q").unwrap();
    std::thread::scope(|scope| {
        for part in 0..8 {
            let (spool, queue) = (Spool::new(directory), queue.clone());
            scope.spawn(move || {
                for n in (part..MANY).step_by(8) {
                    let job = NewJob::new(&n).unwrap().id(format!("job-{n:05}").parse().unwrap());
                    spool.put(&queue, job).unwrap();
                }
            });
        }
    });
    assert_eq!(files(directory), MANY);
}

fn pending(redis: &TestRedis) -> usize {
    redis.try_query(&["ZCARD", &redis.key("q", "pending:2")]).unwrap_or_default()
}

/// Every job is in line, and was added once.
#[track_caller]
fn assert_each_once(redis: &TestRedis, cli: &Cli) {
    assert_eq!(pending(redis), MANY);
    let enqueued: String = redis.query(&["HGET", &redis.key("q", "meta"), "enqueued"]);
    assert_eq!(enqueued, MANY.to_string());
    assert_eq!(files(&spool_of(cli)), 0);
}

#[test]
fn a_job_waits_on_disk_while_redis_is_down_and_is_delivered_once() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    redis.kill9();
    let enqueue = |n: u32| cli.run(["enqueue", "q", &n.to_string(), "--id", &format!("job-{n}"), "--spool", "spool"]);
    let first = enqueue(1).expect(0);
    assert_eq!(first.stdout, "job-1\n");
    assert!(first.stderr.starts_with("warning: ") && first.stderr.contains("job-1 is spooled"), "{}", first.stderr);
    let answer = cli.json(["enqueue", "q", "2", "--id", "job-2", "--delay", "10y", "--spool", "spool"]);
    assert_eq!(
        (&answer["spooled"], &answer["id"], &answer["duplicate"]),
        (&json!(true), &json!("job-2"), &json!(false))
    );
    // The same command once more is the same job once more.
    enqueue(1).expect(0);
    assert_eq!(cli.ok(["spool", "list", "spool", "-o", "name"]), "job-1\njob-2\njob-1\n");
    let down = cli.run(["spool", "flush", "spool", "-o", "json"]).expect(69);
    assert_eq!((&down.json()["left"], files(&spool_of(&cli))), (&json!(3), 3));

    redis.restart();
    let flushed = cli.json(["spool", "flush", "spool"]);
    let counts = ["delivered", "duplicates", "left"].map(|field| flushed[field].as_u64().unwrap());
    assert_eq!((counts, files(&spool_of(&cli))), ([2, 1, 0], 0));
    assert_eq!(cli.json(["jobs", "show", "job-1"])["payload"], 1);
    assert_eq!(cli.json(["jobs", "show", "job-2"])["state"], "scheduled");
    assert_eq!(cli.run(["spool", "flush", "spool"]).expect(0).stdout, "0\t0\t0\t0\n");
    assert_eq!(cli.json(["stats", "q"])["pending"], 1);
}

#[test]
fn the_next_enqueue_delivers_what_was_spooled_before_it() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    redis.kill9();
    for n in 1..=2 {
        cli.ok(["enqueue", "q", "{}", "--id", &format!("job-{n}"), "--spool", "spool"]);
    }
    redis.restart();
    let third = cli.run(["enqueue", "q", "{}", "--id", "job-3", "--spool", "spool"]).expect(0);
    assert!(third.stderr.contains("2 spooled jobs") && third.stdout == "job-3\n", "{third:?}");
    assert_eq!(cli.ok(["jobs", "list", "q", "-o", "name"]), "job-1\njob-2\njob-3\n");
    let fourth = cli.run(["enqueue", "q", "{}", "--id", "job-4", "--spool", "spool"]).expect(0);
    assert!(fourth.stderr.is_empty() && files(&spool_of(&cli)) == 0, "{fourth:?}");
}

#[test]
fn refused_writes_are_spooled_and_a_refused_job_is_not() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("full", "{}", &[]);
    cli.ok(["queues", "set", "full", "--max-length", "1"]);
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    cli.ok(["enqueue", "q", "{}", "--id", "job-1", "--spool", "spool"]);
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(files(&spool_of(&cli)), 1);
    cli.run(["enqueue", "full", "{}", "--spool", "spool"]).expect(75);
    cli.run(["enqueue", "email", "to=nobody", "--spool", "spool"]).expect(2);
    assert_eq!((cli.json(["stats", "q"])["pending"].clone(), files(&spool_of(&cli))), (json!(1), 0));
    // What cannot be written down is not said to be.
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let lost = cli.run(["enqueue", "q", "{}", "--spool", "/dev/null/spool"]).expect(75);
    assert!(lost.stdout.is_empty() && lost.stderr.contains("cannot be spooled"), "{lost:?}");
    // A spool that cannot be read does not keep a job from Redis that is there.
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let there = cli.run(["enqueue", "q", "{}", "--id", "job-2", "--spool", "/dev/null"]).expect(0);
    assert!(there.stdout == "job-2\n" && there.stderr.contains("/dev/null"), "{there:?}");
}

#[test]
fn redis_killed_amid_a_flush_loses_and_doubles_nothing() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    fill(&spool_of(&cli));
    let flush = cli.clone();
    let flushing = std::thread::spawn(move || flush.run(["spool", "flush", "spool", "-o", "json"]));
    wait_until(LONG, "some jobs are delivered", || pending(&redis) >= 300);
    redis.kill9();
    let broken = flushing.join().unwrap();
    assert!(matches!(broken.code, Some(3 | 69 | 75)), "{broken:?}");
    let left = broken.json()["left"].as_u64().unwrap();
    assert!(left > 0 && left as usize == files(&spool_of(&cli)), "{broken:?}");
    redis.restart();
    cli.ok(["spool", "flush", "spool"]);
    assert_each_once(&redis, &cli);
}

#[test]
fn a_flush_that_is_killed_is_taken_up_by_the_next_one() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&spool_of(&cli));
    let mut flushing = cli.service(["spool", "flush", "spool"]);
    wait_until(LONG, "some jobs are delivered", || pending(&redis) >= 300);
    flushing.kill9();
    assert!(files(&spool_of(&cli)) > 0, "it was killed amid its work");
    cli.ok(["spool", "flush", "spool"]);
    assert_each_once(&redis, &cli);
}

#[test]
fn two_flushes_at_once_do_not_harm_each_other() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&spool_of(&cli));
    let delivered: Vec<u64> = std::thread::scope(|scope| {
        let flush = || cli.json(["spool", "flush", "spool"])["delivered"].as_u64().unwrap();
        let both = [scope.spawn(flush), scope.spawn(flush)];
        both.into_iter().map(|flush| flush.join().unwrap()).collect()
    });
    assert_eq!(delivered.iter().sum::<u64>(), MANY as u64, "{delivered:?}");
    assert_each_once(&redis, &cli);
}

#[test]
fn what_can_never_be_delivered_is_set_aside_by_name_and_told() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let spool = spool_of(&cli);
    Spool::new(&spool).put(&QueueName::new("q").unwrap(), NewJob::new(&1).unwrap()).unwrap();
    std::fs::write(spool.join("broken.json"), "{\"queue\":\"q\"").unwrap();
    let at = "\"spooledAt\":\"2026-01-01T00:00:00Z\"";
    std::fs::write(
        spool.join("wrong.json"),
        format!("{{\"queue\":\"q\",{at},\"job\":{{\"payload\":1,\"id\":\"a b\"}}}}"),
    )
    .unwrap();
    std::fs::write(spool.join("notes.txt"), "not ours").unwrap();
    let output = cli.run(["spool", "flush", "spool", "-o", "json"]).expect(3);
    assert_eq!((&output.json()["delivered"], &output.json()["left"]), (&json!(1), &json!(0)));
    for name in ["broken.refused", "wrong.refused"] {
        assert!(output.stderr.contains(name) && spool.join(name).exists(), "{name}: {}", output.stderr);
    }
    assert!(output.stderr.contains("job id \"a b\""), "{}", output.stderr);
    assert!(cli.run(["spool", "flush", "spool"]).expect(0).stderr.is_empty());
    let listed = cli.json(["spool", "list", "spool"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert!(listed[0]["problem"].is_string() && spool.join("notes.txt").exists());
}

#[test]
fn a_full_queue_keeps_its_jobs_and_holds_up_no_other() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("full", "{}", &[]);
    cli.ok(["queues", "set", "full", "--max-length", "1"]);
    let spool = Spool::new(spool_of(&cli));
    for queue in ["full", "q", "full", "q"] {
        spool.put(&QueueName::new(queue).unwrap(), NewJob::new(&1).unwrap()).unwrap();
    }
    let output = cli.run(["spool", "flush", "spool", "-o", "json"]).expect(3);
    assert_eq!((&output.json()["delivered"], &output.json()["left"]), (&json!(2), &json!(2)));
    assert!(output.stderr.contains("full") && files(&spool_of(&cli)) == 2, "{}", output.stderr);
    cli.ok(["queues", "set", "full", "--max-length", "none"]);
    assert_eq!(cli.json(["spool", "flush", "spool"])["delivered"], 2);
}

#[test]
fn a_spool_that_is_not_there_is_4_and_wrong_usage_is_2() {
    let cli = Cli::bare();
    cli.run(["spool", "flush", "nowhere"]).expect(4);
    cli.run(["spool", "list", "nowhere"]).expect(4);
    std::fs::create_dir(spool_of(&cli)).unwrap();
    let empty = cli.run(["spool", "list", "spool"]).expect(0);
    assert!(empty.stdout.is_empty() && !empty.stderr.is_empty(), "{empty:?}");
    for args in [&["--wait"][..], &["--dry-run"], &["--ndjson", "-"]] {
        cli.run(["enqueue", "q", "--spool", "spool"].iter().chain(args)).expect(2);
    }
}

#[test]
fn nothing_is_added_where_a_job_waits_or_runs() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let unless = |more: &[&str]| cli.json([&["enqueue", "q", "{}", "--unless-queued"], more].concat());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| unless(&[]))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let added: Vec<_> = answers.iter().filter(|answer| answer["duplicate"] == false).collect();
    assert_eq!(added.len(), 1, "{answers:#?}");
    assert!(answers.iter().all(|answer| answer["id"] == added[0]["id"]), "{answers:#?}");
    let told = cli.run(["enqueue", "q", "{}", "--unless-queued"]).expect(0);
    assert!(told.stderr.contains("waits or runs") && told.stdout.trim() == added[0]["id"], "{told:?}");

    let ledger = Ledger::new();
    let hold = ledger.write("hold", "");
    let mut worker =
        cli.work(["q", "--exec", "sh", "-c", &format!("while [ -e {hold} ]; do sleep 0.02; done")]).ready();
    worker.wait_event("started");
    assert_eq!(unless(&[])["duplicate"], true, "it runs");
    std::fs::remove_file(&hold).unwrap();
    worker.wait_event("completed");
    assert_eq!(unless(&["--delay", "1h"])["duplicate"], false, "it has ended");
    assert_eq!(worker.stop(LONG), Some(0));
    assert_eq!(unless(&[])["duplicate"], true, "a scheduled job waits");
    cli.ok(["clear", "q", "--yes"]);
    let lines = "{\"payload\":1,\"unlessQueued\":true}\n".repeat(3);
    let report = cli.clone().stdin(lines).run(["enqueue", "q", "--ndjson", "-", "-o", "json"]).expect(0).json();
    assert_eq!((&report["enqueued"], &report["duplicates"]), (&json!(1), &json!(2)));
}

#[test]
fn an_empty_queue_and_a_free_key_can_be_asked_for_together() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let both = |key: &str| {
        let answer = cli.json(["enqueue", "q", "{}", "--unless-queued", "--unique", key, "--unique-for", "1h"]);
        (answer["id"].as_str().unwrap().to_owned(), answer["duplicate"].as_bool().unwrap())
    };
    let (first, duplicate) = both("k");
    assert!(!duplicate);
    assert_eq!(both("other"), (first.clone(), true), "the queue holds a job");
    cli.ok(["jobs", "delete", &first]);
    assert_eq!(both("k"), (first, true), "the window of the key is open");
    assert!(!both("other").1);
}

#[test]
fn what_cron_spooled_again_and_again_is_added_once_where_it_asks_for_an_empty_queue() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    redis.kill9();
    for _ in 0..3 {
        cli.ok(["enqueue", "nightly", "{}", "--unless-queued", "--spool", "spool"]);
    }
    redis.restart();
    let flushed = cli.json(["spool", "flush", "spool"]);
    assert_eq!((&flushed["delivered"], &flushed["duplicates"]), (&json!(1), &json!(2)));
    assert_eq!(cli.json(["stats", "nightly"])["pending"], 1);
}
