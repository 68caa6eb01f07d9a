//! A queue of several partitions as operators see it: its schedules and batches, what heals it, what is refused. What a change
//! of their number writes is written by hand here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed};
use crate::support::spread::{holding, move_on, move_over, places, spread};
use crate::support::*;

fn desk(count: u16) -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    spread(&redis, "q", count);
    let cli = Cli::new(&redis);
    (redis, cli)
}

fn add(cli: &Cli, name: &str, more: &[&str]) -> Value {
    cli.json(["schedule", "add", name, "q", "{}", "--every", "1h"].iter().chain(more))
}

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// The place that has a schedule.
fn place_of(redis: &TestRedis, counts: &[u16], name: &str) -> Vec<String> {
    let all = counts.iter().flat_map(|count| places("q", *count));
    all.filter(|place| redis.query::<u64>(&["HEXISTS", &redis.key(place, "schedules"), name]) == 1).collect()
}

/// Lets the tick of a schedule have come.
fn make_due(redis: &TestRedis, place: &str, name: &str) {
    let second = redis.query::<(i64, i64)>(&["TIME"]).0 - 1;
    redis.query::<()>(&["ZADD", &redis.key(place, "ticks"), "XX", &format!("{second}000"), name]);
}

fn jobs_of(redis: &TestRedis, place: &str) -> BTreeSet<String> {
    redis.query(&["HKEYS", &redis.key(place, "jobs")])
}

#[test]
fn schedules_stand_in_the_partitions_of_their_names_and_are_listed_as_one() {
    let (redis, cli) = desk(8);
    let wanted: Vec<_> = (0..20).map(|n| format!("s-{n:02}")).collect();
    wanted.iter().for_each(|name| assert_eq!(add(&cli, name, &[])["change"], "added"));
    assert_eq!(add(&cli, "s-07", &[])["change"], "unchanged");
    assert_eq!(names(&cli.json(["schedule", "list", "q"])), wanted);
    assert!(holding(&redis, "q", &[8], "schedules").len() > 4 && place_of(&redis, &[1], "s-07").is_empty());
    let ticks = cli.json(["schedule", "next", "40"]);
    assert_eq!(ticks.as_array().unwrap().len(), 40);

    assert_eq!(cli.json(["schedule", "pause", "s-03"])["changed"], true);
    assert_eq!(cli.json(["schedule", "show", "s-03"])["state"], "paused");
    assert_eq!(cli.json(["schedule", "resume", "s-03"])["changed"], true);
    cli.ok(["schedule", "remove", "s-04", "--yes"]);
    cli.run(["schedule", "show", "s-04"]).expect(4);
    assert!(place_of(&redis, &[1, 8], "s-04").is_empty());

    let file = cli.ok(["schedule", "export"]);
    let path = cli.home().join("all.toml");
    std::fs::write(&path, file).unwrap();
    let again = cli.json(["schedule", "import", path.to_str().unwrap()]);
    assert!(again.as_array().unwrap().iter().all(|row| row["change"] == "unchanged"), "{again}");
    assert_eq!(schema_faults(&redis), [""; 0]);
}

#[test]
fn a_schedule_is_fired_where_it_stands_and_its_jobs_stay_with_it() {
    let (redis, cli) = desk(8);
    let wanted: Vec<_> = (0..10).map(|n| format!("s-{n}")).collect();
    for name in &wanted {
        add(&cli, name, &[]);
        make_due(&redis, &place_of(&redis, &[8], name)[0], name);
    }
    for round in 0..2 {
        let fired = cli.json(["scheduler", "--once"]);
        assert_eq!(fired["fired"], if round == 0 { 10 } else { 0 }, "{fired}");
    }
    for name in &wanted {
        let place = &place_of(&redis, &[8], name)[0];
        let with_it = jobs_of(&redis, place).iter().filter(|id| id.starts_with(&format!("{name}@"))).count();
        assert_eq!(with_it, 1, "the job of {name} is in {place}");
    }
}

#[test]
fn a_schedule_of_a_unique_key_stands_where_the_key_is_held() {
    let (redis, cli) = desk(8);
    let mut homes = BTreeSet::new();
    for n in 0..6 {
        let key = format!("key-{n}");
        cli.enqueue("q", "{}", &["--id", &format!("holder-{n}"), "--unique", &key]);
        add(&cli, "s", &["--unique", &key, "--replace"]);
        let home = place_of(&redis, &[1, 8], "s");
        assert_eq!(home.len(), 1, "it is in one place: {home:?}");
        assert!(jobs_of(&redis, &home[0]).contains(&format!("holder-{n}")), "with the holder of its key");
        let shown = cli.json(["schedule", "show", "s"]);
        assert_eq!((&shown["state"], &shown["unique"]), (&json!("active"), &json!(key)), "{shown}");
        make_due(&redis, &home[0], "s");
        assert_eq!(cli.json(["scheduler", "--once"])["fired"], 0);
        assert_eq!(cli.json(["schedule", "show", "s"])["last"]["outcome"], "held");
        homes.extend(home);
    }
    assert!(homes.len() > 1, "another key, another place: {homes:?}");
}

#[test]
fn while_the_number_changes_a_schedule_is_one_and_no_tick_is_fired_twice() {
    let (redis, cli) = desk(1);
    let wanted: Vec<_> = (0..12).map(|n| format!("s-{n:02}")).collect();
    wanted.iter().for_each(|name| _ = add(&cli, name, &[]));
    move_on(&redis, "q", (1, 8));
    assert_eq!(names(&cli.json(["schedule", "list", "q"])), wanted, "those that have not moved are there");
    assert_eq!(cli.json(["schedule", "pause", "s-00"])["changed"], true);
    cli.ok(["schedule", "remove", "s-01", "--yes"]);
    add(&cli, "new", &[]);
    assert!(place_of(&redis, &[1], "new").is_empty(), "what is added is added where jobs are");

    make_due(&redis, "q", "s-02");
    // The first look finds that the place takes no jobs, and moves it; then it is due there.
    let fired: u64 = (0..3).map(|_| cli.json(["scheduler", "--once"])["fired"].as_u64().unwrap()).sum();
    assert_eq!(fired, 1);
    let place = place_of(&redis, &[1, 8], "s-02");
    assert!(place.len() == 1 && place[0] != "q" && jobs_of(&redis, "q").is_empty(), "{place:?}");
    assert_eq!(jobs_of(&redis, &place[0]).len(), 1);
    assert_eq!(cli.json(["schedule", "show", "s-02"])["ticksFired"], 1);

    let foreseen = cli.json(["heal", "q", "--dry-run"]);
    assert_eq!((&foreseen[0]["repair"], &foreseen[0]["found"]), (&json!("resettle"), &json!(10)), "{foreseen}");
    assert_eq!(cli.json(["heal", "q"])[0]["repaired"], 10);
    assert_eq!(holding(&redis, "q", &[1], "schedules"), [""; 0]);
    move_over(&redis, "q");
    let left: Vec<_> =
        ["new"].into_iter().chain(wanted.iter().map(String::as_str)).filter(|name| *name != "s-01").collect();
    let listed = cli.json(["schedule", "list", "q"]);
    assert_eq!(names(&listed), left);
    assert_eq!(cli.json(["schedule", "show", "s-00"])["state"], "paused");
    assert_eq!(cli.json(["heal", "q"]), json!([]));
}

#[test]
fn a_schedule_waits_for_its_last_job_where_that_decides_about_the_next() {
    let (redis, cli) = desk(1);
    add(&cli, "skips", &["--overlap", "skip"]);
    add(&cli, "queues", &["--overlap", "queue"]);
    ["skips", "queues"].iter().for_each(|name| make_due(&redis, "q", name));
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 2);
    move_on(&redis, "q", (1, 8));
    cli.ok(["heal", "q"]);
    assert_eq!(place_of(&redis, &[1, 8], "skips"), ["q"], "its job waits there");
    assert_ne!(place_of(&redis, &[1, 8], "queues"), ["q"]);
    make_due(&redis, "q", "skips");
    (0..2).for_each(|_| assert_eq!(cli.json(["scheduler", "--once"])["fired"], 0));
    let id = jobs_of(&redis, "q").into_iter().find(|id| id.starts_with("skips@")).unwrap();
    for (command, key) in [("HDEL", "jobs"), ("ZREM", "pending:2")] {
        redis.query::<()>(&[command, &redis.key("q", key), &id]);
    }
    let fired: u64 = (0..3).map(|_| cli.json(["scheduler", "--once"])["fired"].as_u64().unwrap()).sum();
    assert_eq!(fired, 1);
    assert_ne!(place_of(&redis, &[1, 8], "skips"), ["q"]);
}

#[test]
fn batches_are_opened_sealed_and_listed_over_all_partitions() {
    let (redis, cli) = desk(8);
    let wanted: BTreeSet<_> = (0..12).map(|n| format!("b-{n:02}")).collect();
    for (n, name) in wanted.iter().enumerate() {
        for job in 0..3 {
            cli.enqueue("q", "{}", &["--id", &format!("job-{n}-{job}"), "--batch", name]);
        }
    }
    assert!(holding(&redis, "q", &[8], "batches").len() > 3 && holding(&redis, "q", &[1], "batches").is_empty());
    for name in &wanted {
        let place = holding(&redis, "q", &[8], &format!("batch:{name}"));
        assert_eq!(place.len(), 1, "{name} is whole: {place:?}");
        let shown = cli.json(["batch", "show", name]);
        assert_eq!((&shown["total"], &shown["sealed"]), (&json!(3), &json!(false)), "{shown}");
    }
    cli.ok(["batch", "seal", "b-05"]);
    assert_eq!(cli.json(["batch", "show", "b-05"])["sealed"], true);
    cli.run(["enqueue", "q", "{}", "--batch", "b-05"]).expect(5);
    cli.run(["batch", "seal", "nobody", "--queue", "q"]).expect(4);

    let listed = cli.json(["batch", "list", "q"]);
    let of = |listed: &Value| {
        let rows = listed.as_array().unwrap().iter();
        rows.map(|row| row["batch"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(&listed).into_iter().collect::<BTreeSet<_>>(), wanted);
    let created: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["createdAt"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b), "the newest first: {created:?}");
    assert_eq!(of(&cli.json(["batch", "list", "q", "--limit", "5"])), of(&listed)[..5]);
    assert_eq!(schema_faults(&redis), [""; 0]);
}

#[test]
fn what_contradicts_itself_is_put_right_in_every_partition() {
    let (redis, cli) = desk(8);
    for place in ["q:1/8", "q:5/8", "q"] {
        let seed = Seed { redis: &redis, queue: place };
        seed.job("pending:2", &format!("stray-{place}").replace([':', '/'], "-"), NOW_US, "");
        redis.query::<()>(&["DEL", &seed.key("pending:2")]);
        redis.query::<()>(&["ZADD", &seed.key("dead"), "1", "ghost"]);
        redis.query::<()>(&["HSET", &seed.key("unique"), "free", "0|nobody"]);
    }
    let rows = |args: &[&str]| -> BTreeMap<String, (u64, u64)> {
        let output = cli.run(["heal", "q", "-o", "json"].iter().chain(args)).expect(0).json();
        let number = |row: &Value, field: &str| row[field].as_u64().unwrap();
        let row = |row: &Value| {
            assert_eq!(row["queue"], "q");
            (row["repair"].as_str().unwrap().to_owned(), (number(row, "found"), number(row, "repaired")))
        };
        output.as_array().unwrap().iter().map(row).collect()
    };
    let told = rows(&["--dry-run"]);
    assert_eq!((told["stray"], told["orphan"]), ((3, 0), (3, 0)), "{told:?}");
    let told = rows(&[]);
    assert_eq!((told["stray"], told["orphan"], told["unlock"]), ((3, 3), (3, 3), (3, 3)), "{told:?}");
    assert_eq!(rows(&[]), BTreeMap::new());
    for place in ["q:1/8", "q:5/8", "q"] {
        Snapshot::of(&redis, place).assert_agrees();
    }
}

#[test]
fn what_cannot_hold_over_partitions_is_refused_by_name() {
    let (_redis, cli) = desk(8);
    let refused = cli.run(["limits", "set", "q", "tenant-1", "--concurrency", "2"]).expect(5);
    assert!(
        refused.stderr.contains("8 partitions") && refused.stderr.contains("queues set q --partitions 1"),
        "{refused:?}"
    );
    let refused = cli.run(["enqueue", "q", "{}", "--unless-queued"]).expect(5);
    assert!(refused.stderr.contains("several partitions"), "{refused:?}");
}
