//! What operators ask about one job: why it waits, where it ended, what to do.

use serde_json::json;

use crate::ops_seed::{NOW_US, Seed};
use crate::support::*;

fn codes(explanation: &serde_json::Value) -> Vec<&str> {
    explanation["reasons"].as_array().unwrap().iter().filter_map(|reason| reason["code"].as_str()).collect()
}

#[test]
fn explain_says_why_a_job_waits_and_what_to_do() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for id in ["first-1", "second-2"] {
        cli.enqueue("q", "{}", &["--id", id]);
    }
    cli.enqueue("q", "{}", &["--id", "urgent-3", "--priority", "critical"]);
    cli.enqueue("q", "{}", &["--id", "later-4", "--delay", "1h"]);
    cli.ok(["queues", "pause", "q"]);
    let told = cli.json(["explain", "second-2"]);
    assert_eq!(codes(&told), ["paused", "no_worker", "line"]);
    assert!(told["reasons"][2]["text"].as_str().unwrap().starts_with("2 jobs are"), "{told}");
    assert_eq!(told["next"][0], "ireva-queue queues resume q");
    assert_eq!(told["next"][1], "start one: ireva-queue work q --exec COMMAND");
    assert_eq!((&told["id"], &told["state"]), (&json!("second-2"), &json!("pending")));
    // Where age counts, the urgent one that came a moment later is no further ahead.
    cli.ok(["queues", "set", "q", "--priority-mode", "aging:1ms"]);
    assert_eq!(codes(&cli.json(["explain", "first-1"])), ["paused", "no_worker"]);
    let later = cli.json(["explain", "later-4"]);
    assert_eq!(codes(&later), ["due"]);
    let follow = cli.clone().deadline(std::time::Duration::from_secs(5));
    let mut following = follow.service(["logs", "later-4", "--follow"]);
    wait_until(std::time::Duration::from_secs(30), "it says what the job waits for", || {
        following.log().iter().any(|line| line.contains("job later-4 is scheduled, due in"))
    });
    following.stop(std::time::Duration::from_secs(30));
    let card = cli.ok(["explain", "later-4", "first-1"]);
    assert!(card.contains("jobs promote later-4") && card.contains("queues resume q"), "{card}");
    cli.run(["explain", "nowhere"]).expect(4);
    assert_eq!(cli.run(["explain", "first-1", "nowhere"]).expect(3).stdout.matches("first-1").count(), 1);
}

#[test]
fn the_job_that_follows_a_batch_is_explained_before_it_is_there() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let batch = ["--batch", "november", "--on-complete", "after", "{}"];
    cli.enqueue("q", "{}", &batch);
    cli.enqueue("q", "{}", &["--batch", "november"]);
    let follower = cli.json(["batch", "show", "november"])["onComplete"]["id"].as_str().unwrap().to_owned();
    let told = cli.json(["explain", &follower]);
    assert_eq!(codes(&told), ["batch", "batch_open"]);
    assert!(told["reasons"][0]["text"].as_str().unwrap().ends_with("2 of 2 have not"), "{told}");
    assert_eq!((&told["state"], &told["queue"]), (&json!(null), &json!("after")));
    assert_eq!(cli.json(["explain", &follower[follower.len() - 8..], "--queue", "after"]), told);
    cli.run(["explain", &follower, "--queue", "q"]).expect(4);
    cli.ok(["batch", "seal", "november"]);
    assert_eq!(codes(&cli.json(["explain", &follower])), ["batch"]);
    let card = cli.ok(["explain", &follower, "-o", "table"]);
    assert!(card.contains("batch november of queue q") && card.contains("batch show november"), "{card}");
    cli.ok(["clear", "q", "--all", "--yes"]);
    // Over, and on its way: the workers of the batch's queue hand it over.
    assert_eq!(codes(&cli.json(["explain", &follower])), ["handed_over"]);
    cli.run(["work", "q", "--until-empty", "--exec", "true"]).expect(0);
    wait_until(std::time::Duration::from_secs(30), "it is there", || {
        cli.run(["work", "q", "--until-empty", "--exec", "true"]).expect(0);
        codes(&cli.json(["explain", &follower])) == ["no_worker"]
    });
}

#[test]
fn explain_knows_the_limits_of_a_queue_and_the_worker_of_a_job() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let seed = Seed { redis: &redis, queue: "q" };
    let now_ms = now_ms() as i64;
    seed.active("busy-1", "host-1-AAAA", now_ms + 60_000);
    seed.active("lost-2", "host-2-BBBB", now_ms - 60_000);
    seed.job("pending:2", "waits-3", NOW_US, "");
    cli.ok(["queues", "set", "q", "--concurrency", "2", "--rate", "1/h"]);
    let tat = (now_ms * 1_000 + 1_800_000_000).to_string();
    redis.query::<()>(&["HSET", &seed.key("meta"), "tat", &tat]);
    let told = cli.json(["explain", "waits-3"]);
    assert_eq!(codes(&told), ["concurrency_limit", "rate_limit"]);
    let text = told["reasons"][1]["text"].as_str().unwrap();
    assert!(text.contains("1/h") && text.contains("29m"), "{text}");
    assert_eq!(codes(&cli.json(["explain", "busy-1"])), ["running"]);
    assert_eq!(codes(&cli.json(["explain", "lost-2"])), ["silent_worker"]);
}

#[test]
fn explain_says_when_the_key_or_every_slot_is_taken_though_nothing_is_parked() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    cli.ok(["queues", "set", "k", "--key", "tenant", "--key-concurrency", "1"]);
    for id in ["first-1", "second-2"] {
        cli.enqueue("k", r#"{"tenant":"acme"}"#, &["--id", id]);
    }
    cli.enqueue("k", r#"{"tenant":"beta"}"#, &["--id", "other-3"]);
    let mut worker =
        cli.work(["k", "--concurrency", "1", "--grace", "0s", "--exec", &ledger.program("sleep 60")]).ready();
    ledger.wait("start", 1, std::time::Duration::from_secs(30));
    let told = cli.json(["explain", "second-2"]);
    assert_eq!(codes(&told), ["key_limit", "busy"], "{told}");
    assert!(told["reasons"][0]["text"].as_str().unwrap().contains("1 job of it runs"), "{told}");
    assert!(told["next"][0].as_str().unwrap().ends_with("ireva-queue limits set k acme --concurrency 2"), "{told}");
    assert_eq!(codes(&cli.json(["explain", "other-3"])), ["busy", "line"]);
    let list = cli.run(["limits", "list", "k"]).expect(0);
    assert_eq!((list.stdout.as_str(), list.stderr.as_str()), ("acme\t1\t0\t1\t-\t-\t-\n", ""));
    // Without a key nothing is limited, and that is said.
    cli.ok(["queues", "set", "k", "--key", "none"]);
    let list = cli.run(["limits", "list", "k"]).expect(0);
    assert!(list.stderr.contains("queue k has no key") && !list.stdout.contains("\t1\t0\t1\t"), "{list:?}");
    let set = cli.run(["queues", "set", "k2", "--key-concurrency", "3"]).expect(0);
    assert!(set.stderr.contains("queues set k2 --key FIELD"), "{set:?}");
    worker.stop(std::time::Duration::from_secs(30));
}

#[test]
fn a_dead_letter_is_shown_with_its_attempts_what_buried_it_and_what_to_do() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{\"x\":1}", &["--id", "dead-1", "--attempts", "2", "--backoff", "fixed:10ms"]);
    let script = "echo 'mail server is away' >&2; exit 75";
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", script]).expect(0);
    let shown = cli.json(["dlq", "show", "q", "dead-1"]);
    let failures = shown["failures"].as_array().unwrap();
    assert_eq!((failures.len(), &failures[1]["code"], &shown["payload"]), (2, &json!("exit_75"), &json!({"x": 1})));
    assert!(failures[1]["worker"].as_str().is_some_and(|worker| worker.len() > 26), "{shown}");
    let explanation = &shown["explanation"];
    assert_eq!(codes(explanation), ["exit_75"]);
    let text = explanation["reasons"][0]["text"].as_str().unwrap();
    assert!(text.contains("2 failed, the job's own attempts are 2") && text.contains("away"), "{text}");
    assert!(explanation["next"].to_string().contains("dlq retry q dead-1"), "{explanation}");
    let card = cli.ok(["dlq", "show", "q", "dead-1", "-o", "table"]);
    let worker = failures[0]["worker"].as_str().unwrap();
    assert!(card.contains(worker) && card.contains("why") && card.contains("next"), "{card}");
    assert_eq!(cli.json(["jobs", "show", "dead-1"]).get("explanation"), None, "only where it is asked for");
    assert_eq!(codes(&cli.json(["explain", "dead-1"])), ["exit_75"]);
}
