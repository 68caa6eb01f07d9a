//! Many jobs at once: in batches, all due at one instant, and a million to clear, without holding up the server.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(180);
#[test]
fn batches_make_few_calls_and_a_failed_line_is_retried_alone() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let directory = ledger.directory();
    // One line a call, one file with what each call got; job-500 fails at its first attempt, and none of the others.
    let text = format!(
        r#"#!/bin/sh
call=$(mktemp '{0}/call.XXXXXX')
cat > "$call"
sed -e 's/^.*"id":"job-500","attempt":1,.*$/{{"id":"job-500","error":"not now","class":"transient"}}/;t' \
    -e 's/^.*"id":"\([^"]*\)".*$/{{"id":"\1","ok":true}}/' "$call"
"#,
        directory.display()
    );
    let program = ledger.write("batch", &text);
    cli.keep_completed("q");
    let line = |n| format!(r#"{{"id":"job-{n}","payload":{{"n":{n}}},"backoff":"fixed:1s"}}"#);
    cli.enqueue_lines("q", (0..1_000).map(line));
    let batch = ["q", "--batch-size", "50", "--batch-wait", "200ms", "--exec", &program];
    let mut worker = cli.work(batch);
    wait_until(LONG, "all 1,000 are done", || cli.json(["stats", "q"])["completed"] == 1_000);
    assert_eq!(worker.stop(LONG), Some(0));

    let calls: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let calls: Vec<_> =
        calls.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("call.")).collect();
    let inputs: Vec<_> = calls.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(inputs.len() <= 25, "{} calls", inputs.len());
    assert!(inputs.iter().all(|input| input.lines().count() <= 50));
    let again: Vec<_> = inputs.iter().filter(|input| input.contains(r#""id":"job-500","attempt":2"#)).collect();
    assert_eq!((again.len(), again[0].lines().count()), (1, 1), "retried alone: {again:?}");
    assert_eq!(
        inputs.iter().map(|input| input.lines().count()).sum::<usize>(),
        1_001,
        "each job ran once but that one"
    );
    let totals = &cli.json(["stats", "q"])["totals"];
    assert_eq!((&totals["failed"], &totals["retried"]), (&1.into(), &1.into()));
}

#[test]
fn r46_fifty_thousand_jobs_due_at_one_instant_are_promoted_in_quick_steps() {
    let redis = TestRedis::builder().urgent().start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.ok(["queues", "set", "q", "--max-length", "none"]);
    cli.ok(["queues", "pause", "q"]);
    let due_ms = i64::try_from(now_ms()).unwrap() + 20_000;
    let at = chrono::DateTime::from_timestamp_millis(due_ms).unwrap().to_rfc3339();
    let watch = Watch::start(&redis);
    let lines = (0..50_000).map(|n| format!(r#"{{"id":"job-{n}","payload":{n},"at":"{at}"}}"#));
    cli.clone().deadline(LONG).enqueue_lines("q", lines);
    let mut worker = cli.work(["q", "--exec", &program]).ready();
    let keys = ["scheduled", "pending:2"].map(|suffix| redis.key("q", suffix));
    wait_until(LONG, "all are promoted", || redis.query::<u64>(&["ZCARD", &keys[1]]) == 50_000);
    assert!(i64::try_from(now_ms()).unwrap() >= due_ms, "not before their time");
    assert_eq!(redis.query::<u64>(&["ZCARD", &keys[0]]), 0);
    watch.assert_quick();

    // And fetched, which is the other way to promotion: more come due while a worker fetches.
    let more_ms = i64::try_from(now_ms()).unwrap() + 8_000;
    let at = chrono::DateTime::from_timestamp_millis(more_ms).unwrap().to_rfc3339();
    let lines = (0..20_000).map(|n| format!(r#"{{"id":"more-{n}","payload":{n},"at":"{at}"}}"#));
    cli.clone().deadline(LONG).enqueue_lines("q", lines);
    assert!(redis.query::<u64>(&["ZCARD", &keys[0]]) > 0, "not due before the worker fetches");
    cli.ok(["queues", "resume", "q"]);
    ledger.wait("start", 20, LONG);
    wait_until(LONG, "all are promoted", || redis.query::<u64>(&["ZCARD", &keys[0]]) == 0);
    assert_eq!(worker.stop(LONG), Some(0));
    watch.assert_quick();
    Snapshot::of(&redis, "q").assert_agrees();
}

/// Writes `count` pending jobs as the engine would have, in large steps.
fn fill(redis: &TestRedis, queue: &str, count: u64) {
    let cli = Cli::new(redis);
    // The first one makes the queue known.
    cli.enqueue(queue, "1", &["--id", "n0"]);
    let mut connection = redis.connect().unwrap();
    let (jobs, pending) = (redis.key(queue, "jobs"), redis.key(queue, "pending:2"));
    let base = now_ms() * 1_000;
    for first in (1..count).step_by(10_000) {
        let numbers = first..(first + 10_000).min(count);
        let (mut records, mut line) = (redis::cmd("HSET"), redis::cmd("ZADD"));
        records.arg(&jobs);
        line.arg(&pending);
        for n in numbers {
            records.arg(format!("n{n}")).arg(format!("{}{{\"payload\":{n}}}", base + n));
            line.arg(base + n).arg(format!("n{n}"));
        }
        records.exec(&mut connection).unwrap();
        line.exec(&mut connection).unwrap();
    }
}

#[test]
fn clearing_a_million_jobs_shows_progress_and_never_blocks_the_server() {
    let redis = TestRedis::builder().urgent().start();
    let cli = Cli::new(&redis);
    fill(&redis, "q", 1_000_000);
    assert_eq!(cli.json(["stats", "q"])["pending"], 1_000_000);
    let watch = Watch::start(&redis);
    // On a terminal, so that there is progress to be seen.
    let line = format!("'{}' clear q --yes", Cli::binary().display());
    let mut script = guarded("script");
    script.args(["-qec", &line, "/dev/null"]).env_clear().envs(redis.env()).env("TERM", "xterm");
    script.env("PATH", std::env::var("PATH").unwrap()).stdin(Stdio::null());
    let output = cli.clone().deadline(LONG).finish(script).expect(0);
    assert!(output.stdout.contains("1,000,000"), "{}", output.stdout.chars().take(2_000).collect::<String>());
    let steps = output.stdout.matches("of 1,000,000").count();
    assert!(steps >= 3, "progress was shown {steps} times");
    watch.assert_quick();
    assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key("q", "jobs"), &redis.key("q", "pending:2")]), 0);
    assert_eq!(cli.json(["stats", "q"])["totals"]["removed"], 1_000_000);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
