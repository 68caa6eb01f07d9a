//! What a change of the number of partitions tells of itself while it is on, and what a queue of several says about itself.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use ireva_queue::config::Setting;

use crate::ops_seed::{client, name, run};
use crate::support::spread::{holding, move_on, spread};
use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// As a command leaves it that ends right after it wrote down that `q` is to have so many partitions.
fn write_down(redis: &TestRedis, count: u16) {
    let fields = [("partitions_next", count.to_string()), ("partitions_change", "1764000000000000".to_owned())];
    for (field, value) in fields {
        redis.query::<()>(&["HSET", &redis.key("q", "config"), field, &value]);
    }
}

fn lines(cli: &Cli, queue: &str, count: usize) {
    cli.enqueue_lines(queue, (0..count).map(|n| format!(r#"{{"id":"{queue}-{n}","payload":{n}}}"#)));
}

/// Brings `q` to so many partitions, and to the end of that.
fn change(redis: &TestRedis, count: u16) {
    let queue = client(redis).queue(name("q"));
    let moved = run(queue.set_and_move(&[Setting::Partitions(count)], &mut |_| ())).unwrap().unwrap();
    assert!(moved.done, "{moved:?}");
}

#[test]
fn a_change_that_is_only_written_down_is_told_everywhere() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    lines(&cli, "q", 9);
    write_down(&redis, 4);
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("1, being moved to 4"));
    for answer in [&cli.json(["stats", "q"]), &cli.json(["stats"])[0], &cli.json(["queues", "list"])[0]] {
        assert_eq!((&answer["partitionsNext"], answer.get("partitionsWas")), (&json!(4), None), "{answer}");
    }
    let got = cli.json(["queues", "get", "q"]);
    assert_eq!((&got["partitions"], &got["partitionsNext"]), (&json!(1), &json!(4)), "{got}");
    for format in ["table", "wide", "plain", "csv"] {
        assert!(cli.ok(["queues", "get", "q", "-o", format]).contains("to 4"), "{format}");
    }
    for list in [&["stats"][..], &["queues", "list"]] {
        let told = cli.ok(list.iter().chain(&["-o", "wide"]));
        assert!(told.contains("MOVING") && told.contains("to 4"), "{told}");
    }
    // Nobody is there to go on with it.
    let found = cli.run(["doctor", "q", "-o", "json"]).stdout;
    assert!(found.contains("partitions_unmoved"), "{found}");
}

#[test]
fn a_change_under_way_is_told_everywhere() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    lines(&cli, "q", 9);
    move_on(&redis, "q", (1, 8));
    for answer in [&cli.json(["stats", "q"]), &cli.json(["queues", "list"])[0], &cli.json(["queues", "get", "q"])] {
        assert_eq!((&answer["partitionsWas"], answer.get("partitionsNext")), (&json!(1), None), "{answer}");
    }
    for format in ["table", "wide", "plain", "csv"] {
        let told = cli.ok(["queues", "get", "q", "-o", format]);
        assert!(told.contains("from 1"), "{format}: {told}");
    }
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("8, jobs are being moved from 1"));
    assert!(cli.ok(["stats", "-o", "wide"]).contains("from 1"));
}

#[test]
fn a_command_that_is_broken_off_says_that_the_change_is_on() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    lines(&cli, "q", 40);
    let _worker = cli.work(["q", "--concurrency", "1", "--exec", "sleep", "600"]);
    wait_until(DEADLINE, "a job runs", || cli.json(["stats", "q"])["active"] == 1);
    let mut command = cli.command(["queues", "set", "q", "--partitions", "8"]);
    let mut child = Guarded(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    wait_until(DEADLINE, "the change is on", || cli.json(["stats", "q"])["partitionsWas"] == 1);
    signal(child.pid(), Signal::INT);
    assert_eq!(child.wait(DEADLINE, "queues set").code(), Some(130));
    let mut told = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    let wanted = "the change to 8 partitions is on: the workers of q go on with it, and so does the same command again";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn what_was_counted_before_a_change_is_counted_behind_it() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    change(&redis, 8);
    lines(&cli, "q", 300);
    cli.run(["work", "q", "--until-empty", "--concurrency", "4", "--exec", "true"]).expect(0);
    let told = || {
        let stats = cli.json(["stats", "q"]);
        ["enqueued", "completed"].map(|count| stats["lastHour"][count].as_u64().unwrap())
    };
    assert_eq!(told(), [300, 300]);
    for count in [3, 1, 3] {
        change(&redis, count);
        assert_eq!(told(), [300, 300], "{count}");
    }
    // An hour later nobody looks there any more.
    redis.query::<()>(&["HSET", &redis.key("q", "config"), "partitions_counted", "1:1764000000000 8:1764000000000"]);
    assert_eq!(told(), [0, 0]);
}

#[test]
fn a_partition_that_is_full_is_named_with_its_share() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    spread(&redis, "q", 4);
    cli.ok(["queues", "set", "q", "--max-length", "8"]);
    let add = |n: usize| cli.run(["enqueue", "q", "{}", "--id", &format!("job-{n}"), "--order-key", "one"]);
    (0..2).for_each(|n| _ = add(n).expect(0));
    let place = holding(&redis, "q", &[4], "jobs").remove(0);
    let told = add(2).expect(75).stderr;
    let wanted = format!(
        "partition {} of queue q is full: as many jobs wait there as may, 2, its share of the maxLength of 8",
        &place[2..]
    );
    assert!(told.contains(&wanted) && told.contains("queues set q --max-length N"), "{told}");
    assert_eq!(cli.json(["stats", "q"])["pending"], 2);
}

#[test]
fn what_only_fewer_partitions_can_keep_is_set_in_one_command() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    lines(&cli, "q", 40);
    cli.ok(["queues", "set", "q", "--partitions", "8", "--concurrency", "16"]);
    let set = cli.json(["queues", "set", "q", "--partitions", "3", "--concurrency", "3"]);
    assert_eq!((&set["partitions"], &set["concurrency"]), (&json!(3), &json!(3)));
    let set = cli.json(["queues", "set", "q", "--partitions", "1", "--concurrency", "1", "--key", "tenant"]);
    assert_eq!((&set["partitions"], &set["concurrency"], &set["key"]), (&json!(1), &json!(1), &json!("tenant")));
    assert_eq!(cli.json(["queues", "get", "q"]), set);
    assert_eq!(cli.json(["stats", "q"])["pending"], 40);
}

#[test]
fn each_limit_that_partitions_cannot_have_has_its_reason_and_the_number() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    spread(&redis, "q", 8);
    let refused = |flags: [&str; 2]| cli.run(["queues", "set", "q"].into_iter().chain(flags)).expect(5).stderr;
    let told = refused(["--concurrency", "5"]);
    assert!(told.contains("concurrency of queue q") && told.contains("it has 8 partitions"), "{told}");
    assert!(told.contains("set 8 or more") && !told.contains("key"), "{told}");
    let told = refused(["--max-length", "5"]);
    assert!(told.contains("maxLength of queue q") && told.contains("set 8 or more"), "{told}");
    let told = refused(["--key", "tenant"]);
    assert!(told.contains("limits per key: it has 8 partitions") && !told.contains("maxLength"), "{told}");
    for wrong in ["0", "65", "-1", "many", "none"] {
        let told = cli.run(["queues", "set", "q", "--partitions", wrong]).expect(2).stderr;
        assert!(told.contains("1 to 64"), "{told}");
    }
    let told = cli.run(["limits", "list", "q"]).expect(0).stderr;
    assert!(told.contains("8 partitions") && !told.contains("--key FIELD"), "{told}");
    move_on(&redis, "q", (8, 1));
    let told = refused(["--concurrency", "5"]);
    assert!(told.contains("being moved from 8 partitions to 1"), "{told}");
    let told = refused(["--partitions", "3"]);
    assert!(told.contains("still being moved to 1 partition (queues"), "{told}");
}

#[test]
fn a_job_that_is_refused_leaves_no_empty_batch() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    spread(&redis, "q", 8);
    for more in [&["--unique", "u"][..], &["--unless-queued"]] {
        let told = cli.run(["enqueue", "q", "{}", "--batch", "b"].iter().chain(more)).expect(5).stderr;
        assert!(told.contains("several partitions") && !told.contains("script"), "{told}");
    }
    let line = r#"{"payload":{},"batch":"c","unique":"u"}"#;
    cli.clone().stdin(format!("{line}\n")).run(["enqueue", "q", "--ndjson", "-"]).expect(3);
    assert_eq!(cli.json(["batch", "list", "q"]), json!([]));
}

#[test]
fn what_former_partitions_leave_goes_with_their_queue() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    lines(&cli, "q", 20);
    for count in [8, 3, 1] {
        change(&redis, count);
    }
    let places = || redis.query::<Vec<String>>(&["KEYS", "*{q:*}:meta"]);
    assert_eq!(places().len(), 11, "{:?}", places());
    cli.ok(["clear", "q", "--yes"]);
    cli.ok(["queues", "delete", "q"]);
    let ttls: Vec<i64> = places().iter().map(|key| redis.query(&["PTTL", key])).collect();
    assert!(ttls.len() == 11 && ttls.iter().all(|ttl| (1..=3_600_000).contains(ttl)), "{ttls:?}");
    // Those that a new queue of that name comes to are its own.
    lines(&cli, "q", 20);
    change(&redis, 3);
    let kept = places().into_iter().filter(|key| redis.query::<i64>(&["PTTL", key]) == -1).count();
    assert_eq!((kept, &cli.json(["stats", "q"])["pending"]), (3, &json!(20)));
}

#[test]
fn the_example_of_the_readme_runs_as_it_stands() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split("\n## Partitions\n").nth(1).unwrap();
    let example = section.split("```").nth(1).unwrap().replace("\\\n", " ");
    let commands: Vec<_> = example.lines().filter_map(|line| line.strip_prefix("$ ireva-queue ")).collect();
    assert_eq!(commands.len(), 3, "{example}");
    commands.iter().for_each(|command| _ = cli.ok(command.split_whitespace()));
    assert_eq!(cli.json(["stats", "email"])["pending"], 1);
}

#[test]
fn help_says_what_several_partitions_change() {
    let cli = Cli::bare();
    assert!(cli.ok(["help", "partitions"]).contains("queues set email --partitions 8"));
    let told = |command: &[&str]| cli.ok(command).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(told(&["enqueue", "--help"]).matches("several partitions").count(), 5);
    let set = told(&["queues", "set", "--help"]);
    assert!(set.contains("Several have no limits per key") && set.contains("Ctrl-C is safe"), "{set}");
}

#[test]
fn what_each_partition_has_is_told_in_every_format() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    spread(&redis, "q", 8);
    cli.ok(["queues", "set", "q", "--concurrency", "20", "--rate", "100/s"]);
    let each = cli.json(["queues", "get", "q"])["ofEach"].clone();
    assert_eq!(each.as_array().unwrap().len(), 2, "{each}");
    assert_eq!((&each[0]["first"], &each[0]["last"], &each[0]["concurrency"]), (&json!(1), &json!(4), &json!(3)));
    assert_eq!((&each[1]["concurrency"], &each[1]["rate"]), (&json!(2), &json!("100/8s:1")));
    let csv = cli.ok(["queues", "get", "q", "-o", "csv"]);
    assert!(csv.contains("concurrency 3 or 2"), "{csv}");
    let plain = cli.ok(["queues", "get", "q", "-o", "plain"]);
    assert!(plain.contains("concurrency-of-each\t3 or 2\n") && plain.contains("rate-of-each\t100/8s:1\n"), "{plain}");
}
