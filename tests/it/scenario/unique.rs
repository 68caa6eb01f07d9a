//! Ids and unique keys: one job however often, and however many at once, it is asked for.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(90);

/// Enqueues under the unique key `k`; the id and whether it was a duplicate.
fn under_key(cli: &Cli, options: &[&str]) -> (String, bool) {
    let answer = cli.json([&["enqueue", "q", "1", "--unique", "k"], options].concat());
    let answer = answer.get(0).cloned().unwrap_or(answer);
    (answer["id"].as_str().unwrap().to_owned(), answer["duplicate"].as_bool().unwrap())
}

/// A server, its queue `q`, and a worker whose jobs exit with their payload, or last as long as `hold` exists.
fn desk() -> (TestRedis, Cli, Ledger) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.keep_completed("q");
    (redis, cli, Ledger::new())
}

#[test]
fn r40_a_unique_key_is_held_while_its_job_lives_and_free_when_it_ends() {
    let (redis, cli, ledger) = desk();
    let say = ledger.directory().join("say");
    let program = ledger.program(&format!("exit $(cat '{}')", say.display()));
    let run_with = |code: &str, state: &str| {
        std::fs::write(&say, code).unwrap();
        let mut worker = cli.work(["q", "--lease", "4s", "--exec", &program]);
        wait_until(LONG, &format!("the job is {state}"), || cli.json(["stats", "q"])[state] == 1);
        assert_eq!(worker.stop(LONG), Some(0));
    };

    // Pending, scheduled, retrying: held.
    let (first, duplicate) = under_key(&cli, &["--attempts", "2", "--backoff", "fixed:10m"]);
    assert!(!duplicate);
    assert_eq!(under_key(&cli, &[]), (first.clone(), true), "pending");
    run_with("75", "retrying");
    assert_eq!(under_key(&cli, &[]), (first.clone(), true), "retrying");

    // Dead: free; and revival takes it again, or says who has it.
    cli.ok(["jobs", "promote", &first]);
    run_with("75", "dead");
    let (second, duplicate) = under_key(&cli, &["--delay", "1h"]);
    assert!(!duplicate, "a dead job holds nothing");
    assert_eq!(under_key(&cli, &[]), (second.clone(), true), "scheduled");
    let refused = cli.run(["dlq", "retry", "q", &first, "--yes"]);
    assert!(matches!(refused.code, Some(3 | 5)) && refused.stderr.contains(&second), "{refused:?}");

    // Cancelled: free.
    cli.ok(["jobs", "cancel", &second]);
    cli.ok(["dlq", "retry", "q", &first, "--yes"]);
    assert_eq!(under_key(&cli, &[]), (first.clone(), true), "revived");

    // Completed: free.
    run_with("0", "completed");
    let (third, duplicate) = under_key(&cli, &[]);
    assert!(!duplicate, "a completed job holds nothing");

    // Deleted and cleared: free.
    cli.ok(["jobs", "delete", &third]);
    let (fourth, duplicate) = under_key(&cli, &[]);
    assert!(!duplicate, "a deleted job holds nothing");
    cli.ok(["clear", "q", "--yes"]);
    let (fifth, duplicate) = under_key(&cli, &["--ttl", "1ms"]);
    assert!(!duplicate && fifth != fourth, "a cleared job holds nothing");

    // Expired: free.
    run_with("0", "dead");
    let (sixth, duplicate) = under_key(&cli, &["--unique-for", "1h"]);
    assert!(!duplicate, "an expired job holds nothing");

    // A window outlasts the job.
    std::fs::write(&say, "0").unwrap();
    let mut worker = cli.work(["q", "--until-empty", "--exec", &program]);
    assert_eq!(worker.wait(LONG), Some(0));
    assert_eq!(under_key(&cli, &[]), (sixth, true), "inside the window");

    let locks: Vec<String> = redis.query(&["HKEYS", &redis.key("q", "unique")]);
    assert_eq!(locks, ["k"], "no other lock is left");
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn r40_a_short_window_ends_by_itself() {
    let (_redis, cli, ledger) = desk();
    let program = ledger.program("");
    let (first, _) = under_key(&cli, &["--unique-for", "1500ms"]);
    let mut worker = cli.work(["q", "--until-empty", "--exec", &program]);
    assert_eq!(worker.wait(LONG), Some(0));
    wait_until(LONG, "the window closes", || !under_key(&cli, &[]).1);
    assert!(cli.json(["jobs", "show", &first])["state"] == "completed");
}

#[test]
fn r41_fifty_processes_with_one_id_make_one_job() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let start = || {
        let mut command = cli.command(["enqueue", "q", "{\"a\":1}", "--id", "invoice-7", "-o", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..50).map(|_| start()).collect();
    let mut fresh = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let answer = answer.get(0).cloned().unwrap_or(answer);
        assert_eq!(answer["id"], "invoice-7");
        match answer["duplicate"].as_bool().unwrap() {
            true => assert!(said.contains("invoice-7"), "a duplicate is said on stderr: {said:?}"),
            false => fresh += 1,
        }
    }
    assert_eq!(fresh, 1);
    assert_eq!(cli.enqueue("q", "2", &["--id", "invoice-7"]), "invoice-7");
    let snapshot = Snapshot::of(&redis, "q");
    snapshot.assert_conserves([&"invoice-7".to_owned()]);
    assert_eq!(cli.json(["stats", "q"])["totals"]["enqueued"], 1);
    assert_eq!(cli.json(["jobs", "show", "invoice-7"])["payload"], serde_json::json!({"a": 1}), "the first stays");
}

#[test]
fn r41_a_file_of_jobs_with_ids_can_be_sent_twice() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let lines: Vec<_> = (0..1_000).map(|n| format!(r#"{{"id":"row-{n}","payload":{n}}}"#)).collect();
    cli.enqueue_lines("q", lines.clone());
    let dump = || {
        let keys = ["jobs", "pending:2", "seen"].map(|suffix| redis.key("q", suffix));
        keys.map(|key| redis.query::<Vec<u8>>(&["DUMP", &key]))
    };
    let before = dump();
    cli.enqueue_lines("q", lines);
    assert!(before == dump(), "a second run changes nothing");
    let ids: BTreeSet<_> = (0..1_000).map(|n| format!("row-{n}")).collect();
    Snapshot::of(&redis, "q").assert_conserves(&ids);
}

#[test]
fn a_lost_reply_makes_no_second_job() {
    let redis = TestRedis::start();
    // Every third call of a script is executed, and its reply lost.
    let calls = std::sync::atomic::AtomicU64::new(0);
    let proxy = Proxy::start(&redis, move |request| {
        let counted = request.verb().starts_with("EVAL");
        let nth = if counted { calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) } else { 0 };
        if counted && nth % 3 == 1 { Fault::DropReply } else { Fault::None }
    });
    let cli = Cli::new(&redis).env("REDIS_PORT", proxy.port().to_string());
    let lines: Vec<_> = (0..3_000).map(|n| format!(r#"{{"id":"row-{n}","payload":{n}}}"#)).collect();
    cli.enqueue_lines("q", lines);
    let own = (0..6).map(|_| cli.enqueue("q", "1", &[])).collect::<Vec<_>>();
    assert!(proxy.faults() >= 3, "replies were lost: {}", proxy.faults());
    let ids: Vec<_> = (0..3_000).map(|n| format!("row-{n}")).chain(own).collect();
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_eq!(Cli::new(&redis).json(["stats", "q"])["totals"]["enqueued"], 3_006);
}
