//! What operators type to act on many jobs, to see who did, and to undo it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::*;

/// A queue with 20 jobs `a-00`, …, to example.com, and 10 `b-00`, … to other.org.
fn with_jobs() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("USER", "ada");
    let line = |id: String, to: &str| format!("{{\"id\":\"{id}\",\"payload\":{{\"to\":\"x@{to}\"}}}}");
    let lines = (0..20).map(|n| line(format!("a-{n:02}"), "example.com"));
    cli.enqueue_lines("q", lines.chain((0..10).map(|n| line(format!("b-{n:02}"), "other.org"))));
    (redis, cli)
}

const EXAMPLE: [&str; 2] = ["--payload", "to=~@example.com$"];

#[test]
fn the_same_selection_lists_counts_and_clears() {
    let (_redis, cli) = with_jobs();
    let with = |words: &[&'static str]| [words, &EXAMPLE].concat();
    assert_eq!(cli.ok(with(&["jobs", "list", "q", "-o", "name"])).lines().count(), 20);
    let first = cli.run(with(&["jobs", "list", "q", "--limit", "3", "-o", "name"])).expect(0);
    assert_eq!((first.stdout.as_str(), first.stderr.contains("--offset 3")), ("a-00\na-01\na-02\n", true));

    let dry = cli.json(with(&["clear", "q", "--dry-run"]));
    assert_eq!((&dry["matched"], &dry["changed"], &dry["dryRun"]), (&json!(20), &json!(0), &json!(true)));
    assert_eq!(dry["states"], json!([{"state": "pending", "count": 20}]));
    assert_eq!((dry["sample"].as_array().unwrap().len(), &dry["sample"][0]["id"]), (5, &json!("a-00")));
    let card = cli.ok(with(&["clear", "q", "--dry-run", "-o", "table"]));
    assert!(card.starts_with("20 jobs would be removed\n") && card.contains("a-04"), "{card}");

    let refused = cli.run(with(&["clear", "q"])).expect(5);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    let report = cli.json(with(&["clear", "q", "--yes", "--reason", "test mails"]));
    assert_eq!((&report["changed"], report["undoUntil"].is_string()), (&json!(20), true));
    assert_eq!(cli.json(["stats", "q"])["pending"], 10);
    assert_eq!(cli.json(["clear", "q", "--id", "b-03"])["changed"], 1, "who names jobs is not asked");
}

#[test]
fn a_single_job_that_was_deleted_is_in_the_audit_and_can_be_brought_back() {
    let (redis, cli) = with_jobs();
    bury(&cli, "f", 1);
    let before = cli.json(["jobs", "show", "b-03"]);
    cli.ok(["jobs", "delete", "b-03"]);
    cli.ok(["dlq", "delete", "f", "dead-0"]);
    let acts = cli.json(["audit"]);
    let told = |act: &serde_json::Value| {
        let by = act["by"].as_str().unwrap().starts_with("ada@");
        assert!(by && act["act"] == "remove" && act["count"] == 1 && act["ended"] == "done", "{act}");
        (act["queue"].as_str().unwrap().to_owned(), act["selection"].as_str().unwrap().to_owned())
    };
    let (letter, job) = (told(&acts[0]), told(&acts[1]));
    assert!(letter.0 == "f" && letter.1.contains("dead-0"), "{letter:?}");
    assert!(job.0 == "q" && job.1.contains("b-03") && acts.as_array().unwrap().len() == 2, "{job:?}");
    cli.ok(["undo", acts[1]["id"].as_str().unwrap()]);
    assert_eq!(cli.json(["jobs", "show", "b-03"]), before);
    // With the reason that was given, and told as the deletion of a single job is.
    let deleted = cli.json(["jobs", "delete", "b-04", "--reason", "a typo"]);
    assert_eq!((&deleted["id"], &cli.json(["audit"])[0]["reason"]), (&json!("b-04"), &json!("a typo")));
    cli.ok(["jobs", "cancel", "b-05", "--reason", "not wanted"]);
    let act = &cli.json(["audit"])[0];
    assert_eq!((&act["act"], &act["queue"], &act["reason"]), (&json!("cancel"), &json!("q"), &json!("not wanted")));
    // What is refused did not begin; what somebody already took is told as what it is.
    cli.run(["jobs", "delete", "nowhere"]).expect(4);
    assert_eq!(cli.json(["audit"]).as_array().unwrap().len(), 5, "the four, and the undo");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn what_was_cleared_by_mistake_is_found_in_the_audit_and_undone() {
    let (_redis, cli) = with_jobs();
    let before = cli.json(["jobs", "list", "q", "--all"]);
    cli.ok(["clear", "q", "--yes", "--reason", "wrong\tterminal"]);
    let acts = cli.json(["audit", "q", "--since", "1h"]);
    let act = &acts[0];
    assert_eq!((&act["act"], &act["count"], &act["ended"]), (&json!("remove"), &json!(30), &json!("done")));
    assert!(act["by"].as_str().unwrap().starts_with("ada@"), "{act}");
    assert_eq!(act["reason"], "wrong\tterminal");
    let plain = cli.ok(["audit"]);
    assert!(plain.lines().count() == 1 && plain.contains("wrong terminal"), "{plain}");
    let id = act["id"].as_str().unwrap();
    assert_eq!(cli.json(["undo", id, "--dry-run"])["restored"], 30);
    assert_eq!(cli.ok(["undo", &id[id.len() - 6..], "-o", "table"]), "30 jobs brought back into q\n");
    assert_eq!(cli.json(["jobs", "list", "q", "--all"]), before);
    let twice = cli.json(["undo", id]);
    assert_eq!((&twice["restored"], &twice["before"]), (&json!(0), &json!(30)));
    assert_eq!(cli.json(["audit"])[1]["undoneBy"], cli.json(["audit"])[0]["id"]);
    cli.run(["undo", "nowhere"]).expect(4);
    assert_eq!(cli.run(["audit", "other"]).expect(0).stdout, "");
}

#[test]
fn what_came_again_meanwhile_makes_an_undo_partly_done() {
    let (redis, cli) = with_jobs();
    let report = cli.json(["jobs", "delete", "--queue", "q", "--state", "pending", "--limit", "3", "--yes"]);
    assert_eq!(report["changed"], 3);
    // A chosen id is remembered for a day; here the day is over.
    redis.query::<()>(&["DEL", &redis.key("q", "seen")]);
    cli.enqueue("q", "{\"new\":1}", &["--id", "a-01"]);
    let undone = cli.run(["undo", report["act"].as_str().unwrap(), "-o", "json"]).expect(3);
    assert_eq!((&undone.json()["restored"], &undone.json()["left"]), (&json!(2), &json!(1)));
    assert!(undone.stderr.contains("a-01"), "{undone:?}");
    assert_eq!(cli.json(["jobs", "show", "a-01"])["payload"], json!({"new": 1}));
}

#[test]
fn jobs_are_acted_on_by_name_or_by_selection() {
    let (_redis, cli) = with_jobs();
    let select = |words: &[&'static str]| [&["jobs"], words, &["--queue", "q"], &EXAMPLE].concat();
    cli.run(["jobs", "cancel", "--payload", "to=~x", "--yes"]).expect(2);
    cli.run(["jobs", "cancel"]).expect(2);
    cli.run(["jobs", "cancel", "--queue", "q"]).expect(2);
    cli.run(["jobs", "cancel", "--queue", "q", "--state", "dead", "--yes"]).expect(2);
    cli.run(["jobs", "cancel", "--queue", "q", "--all", "--code", "x", "--yes"]).expect(2);
    cli.run(select(&["cancel"])).expect(5);
    assert_eq!(cli.json(select(&["cancel", "--dry-run"]))["matched"], 20);
    let report = cli.json(select(&["cancel", "--limit", "4", "--yes"]));
    assert_eq!((&report["changed"], cli.json(["stats", "q"])["cancelled"].as_u64()), (&json!(4), Some(4)));
    assert_eq!(cli.json(["undo", report["act"].as_str().unwrap()])["restored"], 4);
    assert_eq!(cli.json(["stats", "q"])["cancelled"], 0);
    assert_eq!(cli.ok(["jobs", "cancel", "b-00"]), "b-00\tq\tpending\tcancelled\n");
    let partly = cli.run(["jobs", "delete", "--queue", "q", "--id", "b-01", "--id", "none-1", "-o", "json"]).expect(3);
    assert!(partly.json()["changed"] == 1 && partly.stderr.contains("none-1"), "{partly:?}");
    cli.enqueue("q", "{}", &["--id", "later-1", "--delay", "1h"]);
    assert_eq!(cli.ok(["jobs", "promote", "--queue", "q", "--all", "--yes", "-o", "table"]), "1 job promoted\n");
    assert_eq!(cli.json(["jobs", "delete", "--queue", "q", "--all", "--yes"])["changed"], 30);
}

#[test]
fn a_protected_queue_refuses_clear_and_bulk_deletes_with_5() {
    let (_redis, cli) = with_jobs();
    assert_eq!(cli.json(["queues", "protect", "q"]), json!({"queue": "q", "protected": true, "changed": true}));
    assert_eq!(cli.ok(["queues", "protect", "q", "-o", "table"]), "q is protected\n");
    let refused: &[&[&str]] = &[
        &["clear", "q", "--yes"],
        &["dlq", "purge", "q", "--yes"],
        &["dlq", "delete", "q", "--all", "--yes"],
        &["jobs", "delete", "--queue", "q", "--all", "--yes"],
        &["jobs", "cancel", "--queue", "q", "--all", "--yes"],
        &["queues", "delete", "q"],
    ];
    for args in refused {
        let output = cli.run(*args).expect(5);
        assert!(output.stdout.is_empty() && output.stderr.starts_with("error: "), "{args:?}: {output:?}");
    }
    assert_eq!(cli.json(["clear", "q", "--dry-run"])["matched"], 30);
    assert_eq!(cli.json(["queues", "list"])[0]["protected"], true);
    cli.ok(["queues", "unprotect", "q"]);
    assert_eq!(cli.json(["clear", "q", "--yes"])["changed"], 30);
    cli.run(["queues", "protect", "nope"]).expect(4);
    cli.ok(["queues", "delete", "q", "--reason", "mistyped"]);
    let acts = cli.json(["audit", "q"]);
    assert_eq!((&acts[0]["act"], &acts[0]["reason"]), (&json!("delete queue"), &json!("mistyped")));
    cli.run(["stats", "q"]).expect(4);
    assert_eq!(cli.json(["undo", acts[1]["id"].as_str().unwrap()])["restored"], 30);
    assert_eq!(cli.json(["queues", "list"])[0]["live"], 30, "the queue is there again");
}

#[test]
fn ctrl_c_ends_an_act_with_130_and_tells_what_was_done() {
    let (_redis, cli) = with_jobs();
    let mut child = cli
        .command(["clear", "q", "--yes", "--rate", "5/s", "-o", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .map(Guarded)
        .unwrap();
    wait_until(Duration::from_secs(20), "some are removed", || cli.json(["stats", "q"])["pending"].as_u64() < Some(28));
    signal(child.pid(), Signal::INT);
    assert_eq!(child.wait(Duration::from_secs(10), "clear").code(), Some(130));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.0.stdout.take().unwrap(), &mut said).unwrap();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let left = cli.json(["stats", "q"])["pending"].as_u64().unwrap();
    assert_eq!((report["changed"].as_u64(), &report["stopped"]), (Some(30 - left), &json!(true)));
    assert_eq!(cli.json(["audit"])[0]["ended"], "stopped");
    assert_eq!(cli.json(["clear", "q", "--yes"])["changed"].as_u64(), Some(left), "it can be run again for the rest");
    assert_eq!(cli.json(["undo", report["act"].as_str().unwrap()])["restored"].as_u64(), Some(30 - left));
}

#[test]
fn wrong_usage_of_acts_is_2_and_names_the_flag_or_argument() {
    let cli = Cli::bare();
    let table: &[(&[&str], &str)] = &[
        (&["dlq", "list", "q", "--payload", "to"], "--payload"),
        (&["dlq", "list", "q", "--attempts", "many"], "--attempts"),
        (&["dlq", "list", "q", "--priority", "urgent"], "--priority"),
        (&["jobs", "cancel"], "--queue"),
        (&["jobs", "delete", "--all", "--yes"], "--queue"),
        (&["clear", "q", "--all", "--code", "x", "--yes"], "--all"),
        (&["explain"], "JOB"),
        (&["jobs", "export", "q", "--state", "nope"], "--state"),
        (&["jobs", "import"], "FILE"),
        (&["undo"], "ACT"),
        (&["undo", "01ARZ3NDEK", "--rate", "fast"], "--rate"),
        (&["audit", "--since", "0s"], "--since"),
        (&["queues", "protect"], "QUEUE"),
        (&["jobs", "list", "q", "--error", "("], "--error"),
        (&["clear", "q", "--rate", "fast"], "--rate"),
        (&["jobs", "retry", "--queue", "q", "--state", "completed", "--yes"], "--state"),
    ];
    for (args, named) in table {
        let output = cli.run(*args).expect(2);
        assert!(output.stderr.contains(named) && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
}
