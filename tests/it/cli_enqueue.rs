//! `enqueue`, as scripts see it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

fn payload(cli: &Cli, id: &str) -> Value {
    cli.json(["jobs", "show", id])["payload"].clone()
}

#[test]
fn the_id_alone_is_the_answer() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for args in [&["enqueue", "q", "{}"][..], &["enqueue", "q", "{}", "-q"], &["enqueue", "q", "{}", "-o", "name"]] {
        let output = cli.run(args).expect(0);
        assert!(output.stdout.trim().len() == 26 && output.stdout.ends_with('\n') && output.stderr.is_empty());
    }
    let answer = cli.json(["enqueue", "q", "{}", "--id", "mine-1"]);
    assert_eq!(answer, json!({"id": "mine-1", "queue": "q", "duplicate": false}));
}

#[test]
fn the_payload_comes_from_text_stdin_file_or_fields() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    std::fs::write(cli.home().join("payload.json"), " {\"from\": \"file\"}\n").unwrap();
    cli.enqueue("q", "{\"n\": 9007199254740993}", &["--id", "text-1"]);
    cli.clone().stdin("[1,\n2]\n").run(["enqueue", "q", "-", "--id", "stdin-1"]).expect(0);
    cli.enqueue("q", "@payload.json", &["--id", "file-1"]);
    cli.ok(["enqueue", "q", "a=b", "context.firstName=John", "context.n:=[1,2]", "--id", "fields-1"]);
    cli.ok(["enqueue", "q", "--id", "none-1"]);
    assert!(cli.ok(["jobs", "show", "text-1", "-o", "json"]).contains("{\"n\": 9007199254740993}"));
    assert_eq!(payload(&cli, "stdin-1"), json!([1, 2]));
    assert_eq!(payload(&cli, "file-1"), json!({"from": "file"}));
    assert_eq!(payload(&cli, "fields-1"), json!({"a": "b", "context": {"firstName": "John", "n": [1, 2]}}));
    assert_eq!(payload(&cli, "none-1"), json!({}));
}

#[test]
fn a_duplicate_is_no_error_and_says_so() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "mine-1"]);
    let output = cli.run(["enqueue", "q", "{}", "--id", "mine-1"]).expect(0);
    assert!(output.stdout.trim() == "mine-1" && output.stderr.lines().count() == 1, "{output:?}");
    assert_eq!(cli.json(["enqueue", "q", "{}", "--id", "mine-1"])["duplicate"], true);
    let first = cli.enqueue("q", "{}", &["--unique", "invoice-7"]);
    let second = cli.json(["enqueue", "q", "{}", "--unique", "invoice-7", "--unique-for", "1h"]);
    assert_eq!(second, json!({"id": first, "queue": "q", "duplicate": true}));
}

#[test]
fn options_are_kept_with_the_job() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let options =
        ["--priority", "high", "--attempts", "7", "--backoff", "linear:2s", "--timeout", "90s", "--ttl", "2h"];
    cli.enqueue("q", "{}", &[&options[..], &["--unique", "k", "--delay", "10y", "--id", "mine-1"]].concat());
    let job = cli.json(["jobs", "show", "mine-1"]);
    let wanted = json!({
        "state": "scheduled", "priority": "high", "maxAttempts": 7, "backoff": "linear:2s", "timeoutMs": 90_000,
        "ttlMs": 7_200_000, "unique": "k",
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(job[field], *value, "{field}");
    }
    let at = cli.enqueue("q", "{}", &["--at", "2099-12-01T09:00:00+01:00"]);
    assert_eq!(cli.json(["jobs", "show", &at])["since"], "2099-12-01T08:00:00Z");
    let past = cli.enqueue("q", "{}", &["--at", "1999-12-01T09:00:00Z"]);
    assert_eq!(cli.json(["jobs", "show", &past])["state"], "pending");
}

#[test]
fn a_dry_run_checks_and_sends_nothing() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let planned = cli.json(["enqueue", "q", "a=1", "--dry-run"]);
    assert_eq!(planned, json!({"queue": "q", "payload": {"a": "1"}, "dryRun": true}));
    let lines = "{\"payload\":1}\nnope\n";
    let output = cli.clone().stdin(lines).run(["enqueue", "q", "--ndjson", "-", "--dry-run", "-o", "json"]).expect(3);
    assert_eq!((&output.json()["enqueued"], &output.json()["refused"]), (&json!(1), &json!(1)));
    assert_eq!(cli.json(["queues", "list"]), json!([]));
}

#[test]
fn the_payload_of_a_builtin_queue_is_checked_before_it_is_sent() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let output = cli.run(["enqueue", "email", "to=nobody"]).expect(2);
    assert!(["to", "subject", "template"].iter().all(|field| output.stderr.contains(field)), "{}", output.stderr);
    cli.run(["enqueue", "email", "to=nobody", "--no-check"]).expect(0);
    let mail =
        ["enqueue", "email", "to=ada@example.com", "subject=Hi", "template=welcome-email", "context.firstName=Ada"];
    cli.run(mail).expect(0);
    let paid = ["enqueue", "email", "to=ada@example.com", "subject=Hi", "template=distribution-paid"];
    let output = cli.run(paid).expect(2);
    let all = ["firstName", "propertyName", "amount", "--no-check"];
    assert!(all.iter().all(|part| output.stderr.contains(part)), "all at once: {}", output.stderr);
    cli.run(paid.iter().chain(&["--no-check"])).expect(0);
    let own = cli.home().join("templates");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("distribution-paid.txt"), "{{ a }} {{ b }}").unwrap();
    let output = cli.clone().env("MAIL_TEMPLATES", own.display().to_string()).run(paid).expect(2);
    assert!(output.stderr.contains("names: a, b;"), "the operator's own: {}", output.stderr);
    let lines = "{\"payload\":{\"to\":\"nobody\"}}\n{\"payload\":{\"to\":\"a@example.com\",\"subject\":\"x\",\"template\":\"y\"}}\n";
    let output = cli.clone().stdin(lines).run(["enqueue", "email", "--ndjson", "-"]).expect(3);
    assert!(output.stderr.starts_with("line 1: "), "{}", output.stderr);
}

#[test]
fn lines_are_jobs_and_a_second_run_adds_nothing() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let line =
        |n: u32| format!("{{\"payload\":{{\"n\":{n}}},\"id\":\"job-{n:05}\",\"priority\":\"low\",\"attempts\":2}}\n");
    std::fs::write(cli.home().join("jobs.ndjson"), (0..7_000).map(line).collect::<String>()).unwrap();
    let first = cli.json(["enqueue", "q", "--from", "jobs.ndjson"]);
    assert_eq!((&first["enqueued"], &first["duplicates"], &first["refused"]), (&json!(7_000), &json!(0), &json!(0)));
    let second = cli.json(["enqueue", "q", "--from", "jobs.ndjson"]);
    assert_eq!((&second["enqueued"], &second["duplicates"]), (&json!(0), &json!(7_000)));
    assert_eq!(cli.json(["stats", "q"])["pendingByPriority"], json!([0, 0, 0, 7_000]));
}

#[test]
fn refused_lines_are_named_and_the_others_are_enqueued() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let lines = "{\"payload\":1}\n\nnope\n{\"payload\":2,\"delay\":\"-1\"}\n{\"payload\":3,\"id\":\"a b\"}\n\
                 {\"payload\":4,\"at\":\"2026-01-01\"}\n{\"payload\":5,\"colour\":\"red\"}\n{\"payload\":6}";
    let output = cli.clone().stdin(lines).run(["enqueue", "q", "--ndjson", "-", "-o", "json"]).expect(3);
    assert_eq!((&output.json()["enqueued"], &output.json()["refused"]), (&json!(2), &json!(5)));
    let named: Vec<_> = output.stderr.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(named, ["line 3", "line 4", "line 5", "line 6", "line 7"]);
}

#[test]
fn bare_lines_are_payloads_and_flags_hold_for_each() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let lines = cli.clone().stdin("{\"a\":1}\n[2]\n");
    let ids = lines.run(["enqueue", "q", "--ndjson", "-", "--bare", "--delay", "1h", "-q"]).expect(0).stdout;
    let payloads: Vec<_> = ids.lines().map(|id| payload(&cli, id)).collect();
    assert_eq!(payloads, [json!({"a": 1}), json!([2])]);
    assert_eq!(cli.json(["stats", "q"])["scheduled"], 2);
    let each = cli.stdin("1\n2\n").run(["enqueue", "q", "--ndjson", "-", "--bare", "-o", "jsonl"]).expect(0).stdout;
    assert!(each.lines().count() == 2 && each.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn waiting_ends_with_the_job() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let script = "read x; case $x in *bad*) exit 65;; *) echo '{\"done\":true}';; esac";
    let mut worker = cli.work(["q", "--exec", "sh", "-c", script]);
    let good = cli.json(["enqueue", "q", "{}", "--wait", "--wait-timeout", "30s"]);
    assert_eq!((&good["state"], &good["result"]), (&json!("completed"), &json!({"done": true})));
    let bad = cli.run(["enqueue", "q", "x=bad", "--wait", "-o", "json"]).expect(10);
    assert_eq!((&bad.json()["state"], &bad.json()["error"]["code"]), (&json!("dead"), &json!("exit_65")));
    assert_eq!(worker.stop(Duration::from_secs(20)), Some(0));
    let late = cli.run(["enqueue", "q", "{}", "--wait", "--wait-timeout", "200ms"]).expect(124);
    assert!(late.stdout.trim().len() == 26 && late.elapsed < Duration::from_secs(10), "{late:?}");
    assert_eq!(cli.ok(["jobs", "list", "q", "--state", "pending", "-o", "name"]), late.stdout);
}

#[test]
fn too_large_a_payload_is_2_and_not_sent() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let limit = 1024 * 1024;
    cli.clone().stdin(text(limit)).run(["enqueue", "q", "-"]).expect(0);
    let output = cli.clone().stdin(text(limit + 1)).run(["enqueue", "q", "-"]).expect(2);
    assert!(output.stderr.contains("payload"), "{}", output.stderr);
    cli.clone().stdin("").run(["enqueue", "q", "-"]).expect(2);
    cli.clone().stdin("[".repeat(100_000)).run(["enqueue", "q", "-"]).expect(2);
    assert_eq!(cli.json(["stats", "q"])["pending"], 1);
}
