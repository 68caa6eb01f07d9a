//! From a state that contradicts itself back into agreement, at once: what a hand, an eviction or a restore left.

use std::collections::BTreeMap;

use crate::ops_seed::{NOW_US, Seed};
use crate::support::*;

const GOOD_CLAIM: &str = "1764000000000000|2:1764000000000000|1764000000000|host-1-AAAA||";

/// Every key of the server with its bytes.
fn dump(redis: &TestRedis) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = redis.query(&["KEYS", "*"]);
    keys.into_iter().filter_map(|key| Some((key.clone(), redis.query::<Option<Vec<u8>>>(&["DUMP", &key])?))).collect()
}

/// Repairs by kind: found and repaired.
fn rows(cli: &Cli, args: &[&str]) -> BTreeMap<String, (u64, u64)> {
    let output = cli.run(["heal", "q", "-o", "json"].iter().chain(args)).expect(0);
    let rows = output.json();
    let row = |row: &serde_json::Value| {
        let number = |field: &str| row[field].as_u64().unwrap();
        (row["repair"].as_str().unwrap().to_owned(), (number("found"), number("repaired")))
    };
    rows.as_array().unwrap().iter().map(row).collect()
}

/// A queue with one of each contradiction, and one sound job in line.
fn at_odds(redis: &TestRedis) -> Seed<'_> {
    let seed = Seed { redis, queue: "q" };
    let set = |hash: &str, field: &str, value: &str| redis.query::<()>(&["HSET", &seed.key(hash), field, value]);
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
    seed.job("pending:2", "sound", NOW_US, "");
    seed.job("pending:2", "double", NOW_US + 1, "");
    seed.job("completed", "double", NOW_US / 1000, "");
    seed.job("pending:1", "stray", NOW_US + 2, ",\"priority\":\"high\"");
    redis.query::<()>(&["ZREM", &seed.key("pending:1"), "stray"]);
    seed.job("pending:3", "broken", NOW_US + 3, ",\"priority\":\"low\"");
    redis.query::<()>(&["ZREM", &seed.key("pending:3"), "broken"]);
    set("active", "broken", "no claim at all");
    seed.job("pending:2", "adopted", NOW_US + 4, "");
    redis.query::<()>(&["ZREM", &seed.key("pending:2"), "adopted"]);
    set("active", "adopted", GOOD_CLAIM);
    seed.active("silent", "host-2-BBBB", NOW_US / 1000);
    redis.query::<()>(&["ZADD", &seed.key("dead"), "1", "ghost"]);
    for hash in ["history", "crashes", "keys"] {
        set(hash, "gone", "1");
    }
    redis.query::<()>(&["ZADD", &seed.key("expiring"), "99999999999999", "gone"]);
    seed.job("pending:2", "holder", NOW_US + 5, "");
    set("keys", "holder", "taken");
    set("unique", "free", "0|nobody");
    redis.query::<()>(&["ZADD", &seed.key("batches"), "1", "b"]);
    set("batch:b", "created_ms", "1");
    redis.query::<()>(&["ZADD", &seed.key("ticks"), "99999999999999", "never"]);
    seed.job("scheduled", "late", NOW_US / 1000 * 4 + 2, "");
    seed
}

#[test]
fn every_contradiction_is_shown_by_a_dry_run_and_put_right_once() {
    let redis = TestRedis::start();
    let seed = at_odds(&redis);
    let cli = Cli::new(&redis);
    let before = dump(&redis);
    let shown = rows(&cli, &["--dry-run"]);
    assert_eq!(dump(&redis), before, "a dry run writes nothing");
    let found = |kind: &str| shown.get(kind).copied().unwrap_or_default();
    let kinds =
        ["orphan", "double", "claim", "stray", "batches", "relock", "unlock", "recover", "adopt", "promote", "tick"];
    for kind in kinds {
        assert_eq!(found(kind), (1, 0), "{kind}: {shown:?}");
    }
    assert_eq!(found("leftover"), (4, 0), "{shown:?}");

    let healed = rows(&cli, &[]);
    for kind in kinds {
        assert_eq!(healed.get(kind), Some(&(1, 1)), "{kind}: {healed:?}");
    }
    assert_eq!(healed.get("leftover"), Some(&(4, 4)), "{healed:?}");
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    let in_line = |level: &str| -> Vec<String> { redis.query(&["ZRANGE", &seed.key(level), "0", "-1"]) };
    assert_eq!((in_line("pending:1"), in_line("pending:3")), (vec!["stray".to_owned()], vec!["broken".to_owned()]));
    assert_eq!(left.count("active"), 1, "the claim that may still be renewed");
    assert_eq!(redis.query::<String>(&["HGET", &seed.key("unique"), "taken"]), "0|holder");
    assert!(rows(&cli, &[]).is_empty(), "what is whole is left alone");

    let told = cli.json(["heal", "--log"]);
    let told: Vec<&str> = told.as_array().unwrap().iter().filter_map(|entry| entry["event"].as_str()).collect();
    let words = ["orphaned", "undoubled", "reclaimed", "swept", "rebatched", "relocked", "unlocked", "reconciled"];
    for word in words.iter().chain(&["recovered", "schedule"]) {
        assert!(told.contains(word), "{word}: {told:?}");
    }
}

#[test]
fn what_would_be_put_right_comes_in_every_format() {
    let redis = TestRedis::start();
    at_odds(&redis);
    let cli = Cli::new(&redis).env("COLUMNS", "80");
    let run = |format: &str| cli.ok(["heal", "q", "--dry-run", "-o", format]);
    let table = run("table");
    assert!(table.starts_with("QUEUE") && table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let plain: Vec<_> =
        run("plain").lines().map(|line| line.split('\t').take(4).collect::<Vec<_>>().join(" ")).collect();
    assert!(plain.contains(&"q double 1 0".to_owned()), "{plain:?}");
    assert_eq!(cli.ok(["heal", "q", "--dry-run"]), run("plain"), "the default when piped");
    assert!(run("csv").contains("q,double,1,0"), "{}", run("csv"));
    assert_eq!(run("name").lines().count(), run("jsonl").lines().count());
    assert!(run("wide").lines().count() > 10);
}

#[test]
fn a_read_only_configuration_looks_and_does_not_heal() {
    let redis = TestRedis::start();
    at_odds(&redis);
    let cli = Cli::new(&redis).env("IREVA_QUEUE_READ_ONLY", "on");
    let before = dump(&redis);
    cli.run(["heal"]).expect(5);
    assert!(!rows(&cli, &["--dry-run"]).is_empty());
    assert_eq!(dump(&redis), before);
}

#[test]
fn whatever_key_beside_the_records_is_deleted_one_heal_brings_every_job_back() {
    let beside = [
        "history",
        "crashes",
        "pending:2",
        "scheduled",
        "retrying",
        "active",
        "workers",
        "handed",
        "unique",
        "keys",
        "expiring",
        "seen",
        "config",
        "meta",
        "events",
        "wake",
    ];
    for key in beside {
        let redis = TestRedis::start();
        let cli = Cli::new(&redis);
        let mut ids = vec![cli.enqueue("q", "{}", &["--unique", "u"]), cli.enqueue("q", "{}", &["--delay", "1h"])];
        ids.extend((0..3).map(|_| cli.enqueue("q", "{}", &[])));
        redis.query::<()>(&["DEL", &redis.key("q", key)]);
        cli.run(["heal", "q"]).expect(0);
        let left = Snapshot::of(&redis, "q");
        left.assert_agrees();
        left.assert_conserves(&ids);
        assert!(rows(&cli, &[]).is_empty(), "{key}");
    }
}
