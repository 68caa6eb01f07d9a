//! A queue of several partitions as operators see it: its schedules and batches, what heals it, what is refused. What a change
//! of their number writes is written by hand here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ireva_queue::check::Check;
use ireva_queue::config::Setting;
use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed, client, name, run};
use crate::support::spread::{holding, move_on, places, spread};
use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(60);

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
    cli.ok(["schedule", "remove", "s-04"]);
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
fn while_the_number_changes_a_schedule_is_one_and_is_acted_on_where_it_is() {
    let (redis, cli) = desk(1);
    let wanted: Vec<_> = (0..6).map(|n| format!("s-{n}")).collect();
    wanted.iter().for_each(|name| _ = add(&cli, name, &[]));
    move_on(&redis, "q", (1, 8));
    assert_eq!(names(&cli.json(["schedule", "list", "q"])), wanted, "those that have not moved are there");
    assert_eq!(cli.json(["schedule", "pause", "s-0"])["changed"], true);
    assert_eq!(add(&cli, "s-2", &["--priority", "high", "--replace"])["change"], "changed");
    cli.ok(["schedule", "remove", "s-1"]);
    add(&cli, "new", &[]);
    assert!(place_of(&redis, &[1], "new").is_empty(), "what is added is added where jobs are");
    make_due(&redis, "q", "s-3");
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 1);
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 0);
    assert_eq!(names(&cli.json(["schedule", "list", "q"])), ["new", "s-0", "s-2", "s-3", "s-4", "s-5"]);
}

/// Spreads `q` over so many partitions, as an operator does, until all of it is moved.
fn change(redis: &TestRedis, count: u16) {
    let queue = client(redis).queue(name("q"));
    run(async {
        queue.set(&[Setting::Partitions(count)]).await.unwrap();
        assert!(queue.move_over(&mut |_| ()).await.unwrap().done);
    });
}

#[test]
fn a_schedule_moves_with_its_last_job_and_stays_with_its_unique_key() {
    let (redis, cli) = desk(1);
    let wanted: Vec<_> = (0..8).map(|n| format!("s-{n}")).collect();
    for name in &wanted {
        let key = format!("key-{name}");
        let more = if name < &"s-4".to_owned() { ["--overlap", "skip"] } else { ["--unique", &key] };
        add(&cli, name, &more);
        make_due(&redis, "q", name);
    }
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 8);
    for count in [8, 3] {
        change(&redis, count);
        assert_eq!(names(&cli.json(["schedule", "list", "q"])), wanted);
        for name in &wanted {
            let home = place_of(&redis, &[1, 3, 8], name);
            assert_eq!(home.len(), 1, "{name}: {home:?}");
            assert!(jobs_of(&redis, &home[0]).iter().any(|id| id.starts_with(&format!("{name}@"))), "{name}: {home:?}");
            make_due(&redis, &home[0], name);
        }
        assert_eq!(cli.json(["scheduler", "--once"])["fired"], 0);
        let told = cli.json(["schedule", "list", "q"]);
        let outcomes: Vec<_> = told.as_array().unwrap().iter().map(|row| row["last"]["outcome"].clone()).collect();
        assert_eq!(outcomes, [["overlapped"; 4], ["held"; 4]].concat());
        for n in 4..8 {
            let again = cli.json(["enqueue", "q", "{}", "--unique", &format!("key-s-{n}")]);
            assert_eq!(again["duplicate"], true, "{again}");
        }
    }
    assert_eq!(schema_faults(&redis), [""; 0]);
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

#[test]
fn jobs_of_batches_end_in_their_partitions_and_what_follows_comes_once() {
    let (redis, cli) = desk(8);
    for n in 0..6 {
        let batch = format!("b-{n}");
        for job in 0..3 {
            let more = ["--id", &format!("{batch}-{job}"), "--batch", &batch, "--on-complete", "after", "{}"];
            cli.enqueue("q", "{}", &more);
        }
        cli.ok(["batch", "seal", &batch]);
    }
    cli.run(["work", "q", "--until-empty", "--exec", "true"]).expect(0);
    for row in cli.json(["batch", "list", "q"]).as_array().unwrap() {
        assert_eq!((&row["total"], &row["completed"], &row["pending"]), (&json!(3), &json!(3), &json!(0)), "{row}");
        assert!(row["finishedAt"].is_string(), "{row}");
    }
    // The courier of a worker hands over what another queue is to get.
    let mut worker = cli.work(["q", "--exec", "true"]);
    let handed = || redis.query::<u64>(&["HLEN", &redis.key("after", "jobs")]);
    wait_until(DEADLINE, "every batch is followed", || handed() == 6);
    assert_eq!(worker.stop(DEADLINE), Some(0));
    assert_eq!(handed(), 6);
}

#[test]
fn a_worker_is_listed_once_with_all_that_it_holds() {
    let (redis, cli) = desk(8);
    cli.enqueue_lines("q", (0..40).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let mut worker = cli.work(["q", "--concurrency", "12", "--exec", "sleep", "600"]);
    let listed = || cli.json(["workers", "list"]);
    wait_until(DEADLINE, "it has filled its slots", || listed()[0]["active"] == 12);
    let workers = listed();
    assert_eq!((workers.as_array().unwrap().len(), &workers[0]["queues"]), (1, &json!(["q"])), "{workers}");
    let waiting = cli.ok(["jobs", "list", "q", "--state", "pending", "-o", "name", "--limit", "1"]);
    let explained = cli.json(["explain", waiting.trim()]);
    let busy = explained["reasons"].as_array().unwrap().iter().find(|reason| reason["code"] == "busy");
    assert!(
        busy.is_some_and(|busy| busy["text"].as_str().unwrap().contains("all 12 slots of 1 worker")),
        "{explained}"
    );
    worker.kill9();
    assert!(holding(&redis, "q", &[8], "active").len() > 1);
}

#[test]
fn an_examination_and_checks_see_all_partitions() {
    let (redis, cli) = desk(8);
    cli.enqueue_lines("q", (0..40).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let checked = run(client(&redis).check(&name("q"), Check::Backlog, (Some(40.0), Some(100.0))));
    assert_eq!((checked.value, checked.state.as_str()), (Some(40.0), "WARNING"), "{}", checked.message);
    let codes = || -> BTreeMap<String, String> {
        let output = cli.run(["doctor", "q", "-o", "json"]).json();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        output.as_array().unwrap().iter().map(|row| (text(row, "code"), text(row, "message"))).collect()
    };
    assert!(codes()["no_worker"].starts_with("40 jobs wait"), "{:?}", codes());
    let explained = cli.json(["explain", "job-7"]);
    let place = places("q", 8).into_iter().find(|place| jobs_of(&redis, place).contains("job-7")).unwrap();
    let partition = place.strip_prefix("q:").unwrap();
    let text = explained["reasons"][0]["text"].as_str().unwrap();
    assert_eq!(text, format!("no worker takes jobs of partition {partition} of queue q"));

    // What contradicts itself in one of them is found, and mended by a fix.
    let seed = Seed { redis: &redis, queue: &place };
    redis.query::<()>(&["ZADD", &seed.key("dead"), "1", "ghost"]);
    Seed { redis: &redis, queue: "q" }.job("pending:2", "lost", NOW_US, "");
    let found = codes();
    assert_eq!(found["jobs_adrift"], "1 id without a record");
    assert!(found["jobs_misplaced"].starts_with("1 job under the queue's own name"), "{found:?}");
    cli.run(["doctor", "q", "--fix"]);
    assert!(!codes().contains_key("jobs_adrift"));

    redis.query::<()>(&["DEL", &redis.key("q", "jobs"), &redis.key("q", "pending:2")]);
    cli.enqueue_lines("q", (0..1_200).map(|n| format!(r#"{{"id":"more-{n}","orderKey":"hot","payload":{n}}}"#)));
    assert!(codes()["partitions_uneven"].contains("of 1,240 jobs that wait are in partition"), "{:?}", codes());
}

#[test]
fn lines_that_a_full_partition_does_not_take_are_named() {
    let (redis, cli) = desk(4);
    cli.ok(["queues", "set", "q", "--max-length", "8"]);
    let line = |n: usize| format!("{{\"id\":\"line-{n}\",\"payload\":{{\"n\":{n}}}}}\n");
    let lines: String = (1..=20).map(line).collect();
    let sent = cli.clone().stdin(lines).run(["enqueue", "q", "--ndjson", "-", "-o", "json"]).expect(3);
    let named: BTreeSet<_> = sent.stderr.lines().filter_map(|said| said.split_once(": not added")).collect();
    let named: BTreeSet<_> =
        named.iter().filter_map(|(line, _)| line.rsplit(' ').next()?.parse::<usize>().ok()).collect();
    let there: BTreeSet<_> = places("q", 4).iter().flat_map(|place| jobs_of(&redis, place)).collect();
    assert_eq!(sent.json()["enqueued"], there.len(), "{}", sent.stderr);
    let missing: BTreeSet<_> = (1..=20).filter(|n| !there.contains(&format!("line-{n}"))).collect();
    assert_eq!(named, missing, "{}", sent.stderr);
    assert!(sent.stderr.contains("stopped behind line 20 (75, not now)"), "{}", sent.stderr);
    assert!(!sent.stderr.contains("nothing from line"), "{}", sent.stderr);
}
