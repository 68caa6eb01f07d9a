//! What an earlier build of this layout stored: each one since reads it and works on it.
//!
//! `tests/it/fixtures/layout-1/keyspace.jsonl` holds one Redis command a line, written by the tool of the first release of
//! the layout. A change that cannot live with it raises the number of the layout. Kinds of keys that have come since are
//! added by `LAYOUT_FIXTURE=write cargo nextest run this_version_stores` — the old lines are then made anew, so look first
//! that the test of the old file still holds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
const PREFIX: &str = "ireva:queue:";
/// Every job that the fixture holds, with its queue and state.
const JOBS: [(&str, &str, &str); 15] = [
    ("critical-1", "q", "pending"),
    ("normal-1", "q", "pending"),
    ("unique-1", "q", "pending"),
    ("mortal-1", "q", "pending"),
    ("later-1", "q", "scheduled"),
    ("again-1", "q", "retrying"),
    ("held-1", "q", "active"),
    ("done-1", "q", "completed"),
    ("never-1", "q", "cancelled"),
    ("dead-1", "q", "dead"),
    ("tenant-1", "keyed", "active"),
    ("tenant-2", "keyed", "pending"),
    ("member-1", "batched", "completed"),
    ("member-2", "batched", "pending"),
    ("kept-1", "money", "pending"),
];

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/layout-1/keyspace.jsonl")
}

/// Fills a server as the fixture is filled: jobs in every state, and everything that stands beside jobs.
fn fill(redis: &TestRedis) {
    let (cli, ledger) = (Cli::new(redis), Ledger::new());
    let program = ledger.program("case $payload in *dead*) exit 65;; *again*) exit 1;; *hold*) sleep 600;; esac");
    let work = |queue: &str| cli.work([queue, "--concurrency", "4", "--exec", &program]).ready();
    let put = |queue: &str, id: &str, payload: &str, more: &[&str]| {
        cli.enqueue(queue, payload, &[&["--id", id], more].concat());
    };
    let state = |id: &str, state: &str| {
        wait_until(LONG, state, || {
            let shown = cli.run(["jobs", "show", id, "-o", "json"]);
            shown.code == Some(0) && shown.json()["state"] == state
        });
    };
    cli.keep_completed("q");
    cli.ok(["queues", "set", "q", "--concurrency", "50"]);
    cli.ok(["queues", "set", "keyed", "--key", "tenant", "--key-concurrency", "1"]);
    cli.ok(["queues", "set", "money", "--durable", "auto", "--max-length", "100"]);
    cli.ok(["limits", "set", "keyed", "acme", "--concurrency", "1"]);
    put("q", "done-1", "{}", &[]);
    put("q", "dead-1", r#"{"x":"dead","exact":9007199254740993}"#, &[]);
    put("q", "again-1", r#"{"x":"again"}"#, &["--backoff", "fixed:20d"]);
    put("q", "held-1", r#"{"x":"hold"}"#, &[]);
    put("keyed", "tenant-1", r#"{"tenant":"acme","x":"hold"}"#, &[]);
    put("undone", "dropped-1", r#"{"x":"dead"}"#, &[]);
    let mut workers = [work("q"), work("keyed"), work("undone")];
    for (id, at) in [("done-1", "completed"), ("dead-1", "dead"), ("again-1", "retrying"), ("held-1", "active")] {
        state(id, at);
    }
    state("tenant-1", "active");
    state("dropped-1", "dead");
    put("keyed", "tenant-2", r#"{"tenant":"acme"}"#, &[]);
    wait_until(LONG, "it is parked", || redis.query::<usize>(&["ZCARD", &redis.key("keyed", "parked")]) == 1);
    workers.iter_mut().for_each(WorkProcess::kill9);
    cli.ok(["dlq", "purge", "undone", "--yes"]);
    put("q", "critical-1", "{}", &["--priority", "critical"]);
    put("q", "normal-1", "{}", &[]);
    put("q", "unique-1", "{}", &["--unique", "only-one"]);
    put("q", "mortal-1", "{}", &["--ttl", "3000d"]);
    put("q", "later-1", "{}", &["--delay", "3000d"]);
    put("q", "never-1", "{}", &[]);
    cli.ok(["jobs", "cancel", "never-1"]);
    put("money", "kept-1", "{}", &[]);
    cli.ok(["enqueue", "batched", "{}", "--id", "member-1", "--batch", "b", "--on-complete", "after", "{}"]);
    cli.ok(["enqueue", "batched", "{}", "--id", "member-2", "--batch", "b"]);
    cli.ok(["batch", "seal", "b"]);
    let mut worker = cli.work(["batched", "--max-jobs", "1", "--exec", "true"]);
    assert_eq!(worker.wait(LONG), Some(0));
    cli.ok(["schedule", "add", "nightly", "q", "--cron", "0 3 * * *", "--tz", "Africa/Lagos"]);
    cli.ok(["breaker", "open", "smtp://localhost:25", "--for", "1h"]);
    cli.ok(["alerts", "set", "late", "--when", "latency", "--above", "5m"]);
    cli.ok(["alerts", "mute", "late", "--for", "1h"]);
    cli.ok(["token", "create", "web", "--scope", "read"]);
    cli.ok(["queues", "pause", "money"]);
}

/// What a server holds, as commands in the order of the keys.
fn commands(redis: &TestRedis) -> Vec<Vec<String>> {
    let mut keys: Vec<String> = redis.query(&["KEYS", &format!("{PREFIX}*")]);
    keys.sort();
    let mut commands = Vec::new();
    for key in keys {
        let kind: String = redis.query(&["TYPE", &key]);
        let words = |verb: &str, values: Vec<String>| [vec![verb.to_owned(), key.clone()], values].concat();
        match kind.as_str() {
            "hash" => commands.push(words("HSET", redis.query(&["HGETALL", &key]))),
            "set" => commands.push(words("SADD", redis.query(&["SMEMBERS", &key]))),
            "list" => commands.push(words("RPUSH", redis.query(&["LRANGE", &key, "0", "-1"]))),
            "string" => commands.push(words("SET", vec![redis.query(&["GET", &key])])),
            "zset" => {
                let pairs: Vec<(String, String)> = redis.query(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]);
                commands.push(words("ZADD", pairs.into_iter().flat_map(|(member, score)| [score, member]).collect()));
            }
            "stream" => {
                let entries: Vec<(String, Vec<String>)> = redis.query(&["XRANGE", &key, "-", "+"]);
                commands.extend(entries.into_iter().map(|(id, fields)| words("XADD", [vec![id], fields].concat())));
            }
            // It has ended meanwhile.
            other => assert_eq!(other, "none", "{key}"),
        }
        if redis.query::<i64>(&["PTTL", &key]) > 0 {
            commands.push(words("PEXPIRE", vec!["600000".to_owned()]));
        }
    }
    commands
}

/// The kinds of keys that commands fill: what follows the prefix and the queue, without names.
fn kinds(commands: &[Vec<String>]) -> BTreeSet<String> {
    let kind = |command: &Vec<String>| {
        let name = command[1].strip_prefix(PREFIX).unwrap().to_owned();
        let name = name.split_once("}:").map_or(name.clone(), |(_, rest)| rest.to_owned());
        let named = ["batch:", "call:", "minute:", "log:", "parked:", "progress:", "undo:", "worker:"];
        let name =
            named.iter().find(|start| name.starts_with(**start)).map_or(name.clone(), |start| (*start).to_owned());
        format!("{name} {}", command[0])
    };
    // What is there or not by the moment: tokens that somebody waits for, and what a beat writes.
    let passing = ["wake ", "progress:", "log:", "call:"];
    commands.iter().map(kind).filter(|kind| !passing.iter().any(|start| kind.starts_with(start))).collect()
}

fn stored() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file()).expect("the fixture is checked in");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn this_version_stores_the_kinds_of_keys_that_the_fixture_holds() {
    let redis = TestRedis::start();
    fill(&redis);
    let made = commands(&redis);
    if std::env::var("LAYOUT_FIXTURE").is_ok_and(|what| what == "write") {
        let lines: String = made.iter().map(|command| serde_json::to_string(command).unwrap() + "\n").collect();
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), lines).unwrap();
    }
    let (new, old) = (kinds(&made), kinds(&stored()));
    let missing: Vec<_> = new.difference(&old).collect();
    assert!(missing.is_empty(), "the fixture of this layout lacks {missing:?}");
    assert!(old.len() > 30, "{old:?}");
}

#[test]
fn what_the_first_build_of_this_layout_stored_is_read_and_worked_on() {
    let redis = TestRedis::builder().append_only().start();
    for command in stored() {
        redis.query::<redis::Value>(&command.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(redis.query::<String>(&["HGET", &redis.key("q", "meta"), "layout"]), "1");
    let cli = Cli::new(&redis);
    for (id, queue, state) in JOBS {
        let shown = cli.json(["jobs", "show", id]);
        assert_eq!((&shown["queue"], &shown["state"]), (&queue.into(), &state.into()), "{id}: {shown}");
    }
    let dead = cli.json(["jobs", "show", "dead-1"]);
    assert!(dead.to_string().contains("9007199254740993"), "a payload is kept byte for byte: {dead}");
    for command in [
        &["stats"][..],
        &["dlq", "list", "q"],
        &["queues", "get", "money"],
        &["limits", "list", "keyed"],
        &["schedule", "show", "nightly"],
        &["batch", "show", "b"],
        &["breaker", "list"],
        &["alerts", "list"],
        &["token", "list"],
        &["events"],
        &["audit"],
        &["workers", "list"],
        &["explain", "again-1"],
    ] {
        let output = cli.run(command).expect(0);
        assert!(!output.stdout.is_empty(), "{command:?}");
    }
    assert_eq!(cli.json(["stats", "money"])["settings"]["maxLength"], 100);
    assert!(cli.run(["enqueue", "q", "{}", "--unique", "only-one"]).stdout.contains("unique-1"));
    assert!(cli.ok(["enqueue", "q", "{}", "--id", "done-1", "-o", "json"]).contains("true"), "it is a duplicate");

    cli.ok(["dlq", "retry", "q", "dead-1"]);
    cli.ok(["jobs", "promote", "later-1"]);
    cli.ok(["jobs", "retry", "again-1"]);
    cli.ok(["queues", "resume", "money"]);
    let acts = cli.json(["audit"]);
    let purge = acts.as_array().unwrap().iter().find(|entry| entry["queue"] == "undone").expect("the purge is told");
    cli.ok(["undo", purge["id"].as_str().unwrap()]);
    assert_eq!(cli.json(["jobs", "show", "dropped-1"])["state"], "dead");
    let queues = ["q", "keyed", "batched", "money", "after"];
    let work = queues.iter().chain(&["--lease", "4s", "--exec", "true"]);
    let mut worker = cli.work(work);
    wait_until(LONG, "all has run", || {
        queues.iter().all(|queue| {
            let stats = cli.json(["stats", queue]);
            ["pending", "active", "retrying", "scheduled", "parked"].iter().all(|state| stats[state] == 0)
        }) && cli.json(["stats", "after"])["totals"]["completed"] == 1
    });
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    for queue in queues {
        Snapshot::of(&redis, queue).assert_agrees();
    }
    let q = &cli.json(["stats", "q"]);
    assert_eq!((&q["completed"], &q["dead"], &q["cancelled"]), (&9.into(), &0.into(), &1.into()), "{q}");
    assert_eq!(cli.json(["batch", "show", "b"])["pending"], 0);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
    let found = cli.run(["doctor", "-o", "json"]).json().to_string();
    assert!(!found.contains("corrupt") && !found.contains("unreadable") && !found.contains("leak"), "{found}");
}
