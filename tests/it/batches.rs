//! Jobs that are counted together: every way in which a job can end counts once, and the job on completion follows once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// Jobs that die, wait for another attempt, or succeed, as their payload says.
const SCRIPT: &str = "read x; case $x in *bad*) exit 65;; *flaky*) exit 75;; esac";

fn desk() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.keep_completed("q");
    (redis, cli)
}

fn counts(batch: &Value) -> Vec<u64> {
    ["total", "pending", "completed", "dead", "cancelled"].iter().map(|word| batch[word].as_u64().unwrap()).collect()
}

fn show(cli: &Cli, name: &str) -> Value {
    cli.json(["batch", "show", name])
}

#[test]
fn every_end_counts_once_and_the_last_one_brings_the_job_on_completion() {
    let (redis, cli) = desk();
    let add = |id: &str, payload: &str, more: &[&str]| {
        cli.enqueue(
            "q",
            payload,
            &[&["--id", id, "--batch", "b", "--on-complete", "q", r#"{"n":1e-7}"#], more].concat(),
        );
    };
    add("good-1", "{}", &[]);
    add("bad-1", "\"bad\"", &[]);
    add("late-1", "{}", &["--ttl", "1ms"]);
    add("later-1", "{}", &["--delay", "1h"]);
    add("gone-1", "{}", &["--delay", "1h"]);
    add("cleared-1", "{}", &["--delay", "1h"]);
    add("good-1", "{}", &[]);
    cli.enqueue("q", "{}", &["--id", "other-1"]);
    assert_eq!(counts(&show(&cli, "b")), [6, 6, 0, 0, 0], "a duplicate is not counted");
    assert_eq!(cli.json(["jobs", "show", "bad-1"])["batch"], "b");

    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", SCRIPT]).expect(0);
    assert_eq!(counts(&show(&cli, "b")), [6, 3, 1, 2, 0]);
    cli.ok(["jobs", "cancel", "later-1"]);
    cli.ok(["jobs", "delete", "gone-1"]);
    cli.ok(["jobs", "delete", "later-1"]);
    cli.ok(["dlq", "retry", "q", "bad-1", "--yes"]);
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", SCRIPT]).expect(0);
    assert_eq!(counts(&show(&cli, "b")), [6, 1, 1, 2, 2], "what ends again is not counted again");
    cli.ok(["batch", "seal", "b"]);
    let open = show(&cli, "b");
    assert_eq!((&open["sealed"], &open["finishedAt"]), (&json!(true), &Value::Null));
    let follower = open["onComplete"]["id"].as_str().unwrap().to_owned();
    cli.run(["jobs", "show", &follower]).expect(4);

    cli.ok(["clear", "q", "--state", "scheduled", "--yes"]);
    let over = show(&cli, "b");
    assert_eq!(counts(&over), [6, 0, 1, 2, 3]);
    assert!(over["finishedAt"].is_string(), "{over}");
    let job = cli.json(["jobs", "show", &follower]);
    assert_eq!((&job["state"], job["payload"].to_string().as_str()), (&json!("pending"), r#"{"n":1e-7}"#));
    assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key("q", "batched")]), 0, "nothing is kept of the jobs");
    assert!(redis.query::<i64>(&["TTL", &redis.key("q", "batch:b")]) > 600_000);
    let events: Vec<Vec<(String, String)>> = redis
        .query::<Vec<(String, Vec<(String, String)>)>>(&["XRANGE", &redis.key("q", "events"), "-", "+"])
        .into_iter()
        .map(|(_, fields)| fields)
        .collect();
    let told = events.iter().filter(|fields| fields.iter().any(|(_, value)| value == "batch_completed")).count();
    assert_eq!(told, 1);
    Snapshot::of(&redis, "q").assert_agrees();
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn a_job_that_a_worker_is_told_to_stop_counts_as_cancelled() {
    let (_redis, cli) = desk();
    cli.enqueue("q", "{}", &["--id", "long-1", "--batch", "b"]);
    cli.ok(["batch", "seal", "b"]);
    let mut worker = cli.work(["q", "--exec", "sleep", "600"]);
    worker.wait_event("started");
    cli.ok(["jobs", "cancel", "long-1"]);
    wait_until(LONG, "the batch is over", || show(&cli, "b")["finishedAt"].is_string());
    assert_eq!(counts(&show(&cli, "b")), [1, 0, 0, 0, 1]);
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn a_file_is_a_batch_that_its_end_seals() {
    let (_redis, cli) = desk();
    let lines = |range: std::ops::Range<u32>| range.map(|n| format!("{{\"id\":\"row-{n}\",\"payload\":{n}}}\n"));
    let file: String = lines(0..700).collect();
    let args = ["enqueue", "q", "--from", "-", "--batch", "b", "--on-complete", "other", "{}"];
    cli.clone().stdin(file.clone()).run(args).expect(0);
    let batch = show(&cli, "b");
    assert_eq!((counts(&batch), &batch["sealed"]), (vec![700, 700, 0, 0, 0], &json!(true)));

    // The same again changes nothing; what is new is refused.
    let again = cli.clone().stdin(file).run([&args[..], &["-o", "json"]].concat()).expect(0);
    assert!(again.json()["duplicates"] == 700 && again.stderr.contains("sealed"), "{again:?}");
    let more = cli.clone().stdin(lines(700..701).collect::<String>()).run(args).expect(3);
    assert!(more.stderr.contains("line 1: batch b of queue q takes no jobs"), "{more:?}");
    let more = cli.run(["enqueue", "q", "{}", "--batch", "b"]).expect(5);
    assert!(more.stderr.contains("sealed"), "{more:?}");
    assert_eq!(counts(&show(&cli, "b")), [700, 700, 0, 0, 0]);

    // Lines that are refused may follow when they are mended.
    let open = cli.clone().stdin("{\"payload\":1}\n{\n").run(["enqueue", "q", "--from", "-", "--batch", "c"]).expect(3);
    assert!(open.stderr.contains("batch c stays open"), "{open:?}");
    assert_eq!(show(&cli, "c")["sealed"], false);
}

#[test]
fn a_batch_keeps_its_job_on_completion_and_its_queue() {
    let (_redis, cli) = desk();
    cli.enqueue("q", "{}", &["--batch", "b", "--on-complete", "q", "1"]);
    cli.enqueue("q", "{}", &["--batch", "b", "--on-complete", "q", "1"]);
    cli.enqueue("q", "{}", &["--batch", "b"]);
    let other = cli.run(["enqueue", "q", "{}", "--batch", "b", "--on-complete", "q", "2"]).expect(5);
    assert!(other.stderr.contains("another job on completion"), "{other:?}");
    cli.enqueue("p", "{}", &["--batch", "b"]);
    let several = cli.run(["batch", "show", "b"]).expect(2);
    assert!(several.stderr.contains("p, q"), "{several:?}");
    assert_eq!(counts(&cli.json(["batch", "show", "b", "--queue", "q"])), [3, 3, 0, 0, 0]);
    assert_eq!(cli.ok(["batch", "list", "-o", "name"]), "b\nb\n");
    assert_eq!(cli.json(["batch", "list", "p"])[0]["queue"], "p");
    let partly = cli.run(["batch", "seal", "b", "nowhere", "--queue", "p"]).expect(3);
    assert!(partly.stderr.contains("nowhere"), "{partly:?}");
    let card = cli.ok(["batch", "show", "b", "--queue", "p", "-o", "table"]);
    assert!(card.contains("sealed") && card.contains("0 of 1"), "{card}");
    assert!(cli.run(["enqueue", "q", "{}", "--batch", "x", "--dry-run"]).expect(0).stdout.contains("{}"));
    cli.run(["batch", "show", "x"]).expect(4);
}

#[test]
fn a_queue_is_deleted_with_its_batches_but_not_while_one_has_a_job_to_hand_over() {
    let (redis, cli) = desk();
    cli.clone()
        .stdin("")
        .run(["enqueue", "q", "--from", "-", "--batch", "b", "--on-complete", "other", "{}"])
        .expect(0);
    cli.run(["queues", "delete", "q"]).expect(5);
    redis.query::<()>(&["DEL", &redis.key("q", "outbox")]);
    cli.ok(["queues", "delete", "q"]);
    assert_eq!(redis.query::<Vec<String>>(&["KEYS", "*{q}*"]), Vec::<String>::new());
}
