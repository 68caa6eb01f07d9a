//! What operators type: `jobs`, `queues`, `clear`, `dlq`, `workers`, `stats`.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

const SCRIPT: &str = "read x; case $x in *bad*) echo 'no such user' >&2; exit 65;; *flaky*) exit 75;; esac";

/// A queue with three dead letters `dead-1…3` (code exit_65) and one `dead-4` (code exit_75).
fn with_dead_letters() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for n in 1..=3 {
        cli.enqueue("q", "{\"x\":\"bad\"}", &["--id", &format!("dead-{n}")]);
    }
    cli.enqueue("q", "{\"x\":\"flaky\"}", &["--id", "dead-4", "--attempts", "1"]);
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", SCRIPT]).expect(0);
    assert_eq!(cli.json(["stats", "q"])["dead"], 4);
    (redis, cli)
}

fn names(cli: &Cli, args: &[&str]) -> Vec<String> {
    let text = cli.ok(args.iter().copied().chain(["-o", "name"]));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_job_is_found_by_the_end_of_its_id_in_any_queue() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let id = cli.enqueue("a", "{\"n\":1}", &[]);
    cli.enqueue("b", "{}", &["--id", "one-same"]);
    cli.enqueue("a", "{}", &["--id", "two-same"]);
    let job = cli.json(["jobs", "show", &id[id.len() - 8..]]);
    assert_eq!((job["id"].as_str(), job["queue"].as_str()), (Some(id.as_str()), Some("a")));
    let several = cli.run(["jobs", "show", "-same"]);
    assert_eq!(several.code, Some(2), "a suffix that begins like a flag is no id: {several:?}");
    let several = cli.run(["jobs", "show", "same"]).expect(2);
    assert!(several.stderr.contains("one-same") && several.stderr.contains("two-same"), "{}", several.stderr);
    assert_eq!(cli.json(["jobs", "show", "same", "--queue", "b"])["id"], "one-same");
    assert_eq!(cli.json(["jobs", "show", "one-same", "two-same"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_waiting_job_can_be_promoted_cancelled_and_deleted() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-0001", "--delay", "1h"]);
    let promoted = cli.json(["jobs", "promote", "job-0001"]);
    assert_eq!(promoted, json!({"queue": "q", "id": "job-0001", "from": "scheduled", "to": "pending"}));
    cli.run(["jobs", "promote", "job-0001"]).expect(5);
    assert_eq!(cli.ok(["jobs", "cancel", "job-0001"]), "job-0001\tq\tpending\tcancelled\n");
    cli.run(["jobs", "retry", "job-0001"]).expect(5);
    assert_eq!(cli.ok(["jobs", "delete", "job-0001"]), "job-0001\tq\tcancelled\tdeleted\n");
    cli.run(["jobs", "show", "job-0001"]).expect(4);
}

#[test]
fn jobs_are_listed_by_state_in_pages() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue_lines("q", (0..120).map(|n| format!("{{\"payload\":{n},\"id\":\"job-{n:04}\"}}")));
    cli.enqueue("q", "{}", &["--id", "later-1", "--delay", "1h"]);
    assert_eq!(names(&cli, &["jobs", "list", "q", "--state", "scheduled"]), ["later-1"]);
    let first = cli.run(["jobs", "list", "q", "--state", "pending", "-o", "name"]).expect(0);
    assert!(first.stdout.lines().count() == 50 && first.stderr.contains("--offset 50"), "{first:?}");
    let page = names(&cli, &["jobs", "list", "q", "--state", "pending", "--offset", "118", "--limit", "5"]);
    assert_eq!(page, ["job-0118", "job-0119"]);
    assert_eq!(names(&cli, &["jobs", "list", "q", "--all"]).len(), 121);
}

#[test]
fn clear_removes_what_waits_and_only_that() {
    let (_redis, cli) = with_dead_letters();
    cli.enqueue("q", "{}", &[]);
    cli.enqueue("q", "{}", &["--delay", "1h"]);
    let report = cli.json(["clear", "q", "--dry-run"]);
    assert_eq!((&report["matched"], &report["changed"], &report["dryRun"]), (&json!(2), &json!(0), &json!(true)));
    assert_eq!(cli.ok(["clear", "q", "--yes", "-o", "table"]), "2 jobs removed\n");
    assert_eq!(cli.json(["clear", "q", "--yes"])["changed"], 0);
    assert_eq!(cli.json(["stats", "q"])["dead"], 4);
    assert_eq!(cli.json(["clear", "q", "--state", "dead,completed", "--yes"])["changed"], 4);
}

#[test]
fn dead_letters_are_listed_grouped_and_shown() {
    let (_redis, cli) = with_dead_letters();
    assert_eq!(names(&cli, &["dlq", "list", "q"]), ["dead-1", "dead-2", "dead-3", "dead-4"]);
    assert_eq!(names(&cli, &["dlq", "list", "q", "--code", "exit_75"]), ["dead-4"]);
    assert_eq!(names(&cli, &["dlq", "list", "q", "--class", "permanent", "--limit", "2"]), ["dead-1", "dead-2"]);
    assert_eq!(names(&cli, &["dlq", "list", "q", "--error", "no such (user|group)"]).len(), 3);
    assert_eq!(names(&cli, &["dlq", "list", "q", "--older-than", "1h"]).len(), 0);
    assert_eq!(names(&cli, &["dlq", "list", "q", "--newer-than", "1h", "--id", "dead-2"]), ["dead-2"]);
    let groups = cli.json(["dlq", "list", "q", "--group-by", "code"]);
    assert_eq!((&groups[0]["key"], &groups[0]["count"]), (&json!("exit_65"), &json!(3)));
    let shown = cli.json(["dlq", "show", "q", "dead-1"]);
    assert_eq!((&shown["payload"], &shown["failures"][0]["code"]), (&json!({"x": "bad"}), &json!("exit_65")));
    cli.enqueue("q", "{}", &["--id", "alive-1"]);
    cli.run(["dlq", "show", "q", "alive-1"]).expect(5);
}

#[test]
fn dead_letters_are_revived_by_name_selection_and_edit() {
    let (_redis, cli) = with_dead_letters();
    let dry = cli.json(["dlq", "retry", "q", "--all", "--dry-run"]);
    assert_eq!((&dry["matched"], &dry["dryRun"]), (&json!(4), &json!(true)));
    assert_eq!(cli.json(["dlq", "retry", "q", "dead-4", "--delay", "1h"])["changed"], 1);
    assert_eq!(cli.json(["jobs", "show", "dead-4"])["state"], "scheduled");
    let partly = cli.run(["dlq", "retry", "q", "dead-1", "nowhere", "-o", "json"]).expect(3);
    assert!(partly.json()["changed"] == 1 && partly.stderr.contains("nowhere"), "{partly:?}");
    let edited = cli.json(["dlq", "retry", "q", "dead-2", "--edit", "{\"x\":\"good\"}"]);
    let id = edited["id"].as_str().unwrap();
    let job = cli.json(["jobs", "show", id]);
    assert_eq!((&job["payload"], &job["revives"]), (&json!({"x": "good"}), &json!("dead-2")));
    assert_eq!(cli.json(["dlq", "retry", "q", "--code", "exit_65", "--rate", "1000/s", "--yes"])["changed"], 1);
    assert_eq!(cli.json(["stats", "q"])["dead"], 0);
}

#[test]
fn dead_letters_are_deleted_and_purged() {
    let (_redis, cli) = with_dead_letters();
    assert_eq!(cli.ok(["dlq", "delete", "q", "dead-1", "-o", "table"]), "1 dead letter deleted\n");
    assert_eq!(cli.json(["dlq", "delete", "q", "--code", "exit_75", "--yes"])["changed"], 1);
    assert_eq!(cli.json(["dlq", "purge", "q", "--dry-run"])["matched"], 2);
    assert_eq!(cli.json(["dlq", "purge", "q", "--yes"])["changed"], 2);
    assert_eq!(cli.json(["stats", "q"])["dead"], 0);
}

#[test]
fn settings_change_one_at_a_time() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.ok(["queues", "set", "q", "--rate", "100/s:20", "--concurrency", "3", "--remove-on-complete", "24h"]);
    cli.ok(["queues", "set", "q", "--remove-on-fail", "1000", "--priority-mode", "aging:10m", "--max-length", "5"]);
    cli.ok(["queues", "set", "q", "--attempts", "9", "--crash-limit", "2"]);
    let set = cli.json(["queues", "set", "q", "--backoff", "fixed:10s", "--rate", "none"]);
    let wanted = json!({
        "rate": null, "concurrency": 3, "removeOnComplete": "24h", "removeOnFail": "1000", "priorityMode": "aging:10m",
        "maxLength": 5, "crashLimit": 2,
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(set[field], *value, "{field}");
    }
    assert_eq!((&set["retry"]["attempts"], &set["retry"]["transient"]), (&json!(9), &json!("fixed:10s")));
    assert_eq!(cli.json(["queues", "get", "q"]), set);
    assert!(cli.ok(["queues", "get", "q"]).contains("remove-on-complete\t24h\n"));
    cli.run(["queues", "set", "q"]).expect(2);
}

#[test]
fn a_paused_queue_says_so_and_starts_nothing() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    assert_eq!(cli.json(["queues", "pause", "q"]), json!({"queue": "q", "paused": true, "changed": true}));
    assert_eq!(cli.json(["queues", "pause", "q"])["changed"], false);
    assert_eq!(cli.json(["stats", "q"])["paused"], true);
    assert_eq!(cli.ok(["queues", "resume", "q", "-o", "table"]), "q is running\n");
}

#[test]
fn a_worker_is_seen_while_it_works() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let mut worker = cli.work(["q", "--concurrency", "3", "--lease", "10s", "--exec", "true"]).ready();
    let seen = wait_for(Duration::from_secs(10), "the worker is listed", || {
        cli.json(["workers", "list"]).as_array().and_then(|workers| workers.first().cloned())
    });
    assert_eq!(seen["pid"], worker.pid());
    assert_eq!((&seen["queues"], &seen["concurrency"], &seen["leaseMs"]), (&json!(["q"]), &json!(3), &json!(10_000)));
    assert_eq!(worker.stop(Duration::from_secs(20)), Some(0));
}

#[test]
fn watching_repeats_the_answer() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let mut child = cli
        .command(["stats", "q", "--watch", "100ms", "-o", "jsonl"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map(Guarded)
        .unwrap();
    let stdout = std::io::BufReader::new(child.0.stdout.take().unwrap());
    let lines: Vec<_> = std::io::BufRead::lines(stdout).take(3).map(Result::unwrap).collect();
    assert!(lines.iter().all(|line| line.contains("\"pending\":1")), "{lines:?}");
    signal(child.pid(), rustix::process::Signal::INT);
    assert_eq!(child.wait(Duration::from_secs(10), "stats --watch").code(), Some(130));
}
