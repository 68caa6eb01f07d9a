//! `check` as monitoring calls it: one line, a code from 0 to 3, thresholds given or stored.

use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed};
use crate::support::*;

/// A queue with three jobs in line.
fn with_jobs() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue_lines("q", (0..3).map(|n| format!("{{\"payload\":{n}}}")));
    (redis, cli)
}

#[test]
fn a_check_is_one_line_and_a_code() {
    let (_redis, cli) = with_jobs();
    let line = |args: &[&str], code| cli.run(["check"].iter().chain(args)).expect(code).stdout;
    assert_eq!(line(&["backlog", "q"], 0), "BACKLOG OK - 3 jobs in line in q | backlog=3;1000;10000;0\n");
    assert_eq!(
        line(&["backlog", "q", "--warn", "3"], 1),
        "BACKLOG WARNING - 3 jobs in line in q | backlog=3;3;10000;0\n"
    );
    assert_eq!(
        line(&["backlog", "q", "--warn", "1", "--crit", "2"], 2),
        "BACKLOG CRITICAL - 3 jobs in line in q | backlog=3;1;2;0\n"
    );
    assert_eq!(line(&["workers", "q"], 2), "WORKERS CRITICAL - 0 workers for the jobs of q | workers=0;1:;1:;0\n");
    assert_eq!(
        line(&["workers", "q", "--warn", "0", "--crit", "0"], 0),
        "WORKERS OK - 0 workers for the jobs of q | workers=0;0:;0:;0\n"
    );
    assert_eq!(line(&["dead", "q"], 0), "DEAD OK - 0 dead letters in q | dead=0;1;100;0\n");
    cli.ok(["queues", "pause", "q"]);
    assert!(line(&["backlog", "q"], 0).contains("3 jobs in line in q, which is paused |"));
}

#[test]
fn latency_failures_and_dead_letters_are_measured() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    Seed { redis: &redis, queue: "old" }.job("pending:2", "a", NOW_US, "");
    assert!(
        cli.run(["check", "latency", "old"])
            .expect(2)
            .stdout
            .starts_with("LATENCY CRITICAL - the first job in line in old has waited ")
    );
    Seed { redis: &redis, queue: "late" }.job("scheduled", "a", NOW_US / 1000 * 4, "");
    cli.run(["check", "latency", "late", "--warn", "1m", "--crit", "10y"]).expect(1);
    bury(&cli, "bad", 6);
    assert!(cli.run(["check", "failures", "bad"]).expect(2).stdout.contains("100% of the attempts in bad failed"));
    assert!(cli.run(["check", "dead", "bad"]).expect(1).stdout.contains("| dead=6;1;100;0"));
    cli.enqueue("few", "1", &[]);
    cli.run(["work", "few", "--until-empty", "--exec", "sh", "-c", "exit 65"]).expect(0);
    cli.run(["check", "failures", "few"]).expect(0);
}

#[test]
fn every_format_says_the_same() {
    let (_redis, cli) = with_jobs();
    let run = |args: &[&str]| cli.run(["check", "backlog", "q", "--warn", "2"].iter().chain(args)).expect(1).stdout;
    let wanted = json!({
        "check": "backlog", "queue": "q", "state": "warning", "value": 3.0, "warn": 2.0, "crit": 10_000.0,
        "message": "3 jobs in line in q",
    });
    assert_eq!(serde_json::from_str::<Value>(&run(&["--format", "json"])).unwrap(), wanted);
    assert_eq!(run(&["-o", "json"]), run(&["--format", "json"]));
    assert_eq!(run(&["--format", "text"]), "warning: 3 jobs in line in q\n");
    assert_eq!(run(&["-o", "table"]), run(&["--format", "nagios"]));
    let metrics = run(&["--format", "prometheus"]);
    assert!(
        metrics.contains("# TYPE ireva_queue_backlog_jobs gauge\nireva_queue_backlog_jobs{queue=\"q\"} 3\n"),
        "{metrics}"
    );
    assert!(metrics.ends_with("ireva_queue_check_state{check=\"backlog\",queue=\"q\"} 1\n"), "{metrics}");
    assert!(run(&["-o", "csv"]).starts_with("check,queue,state,value,warn,crit,message\nbacklog,q,WARNING,3,2,10000,"));
    assert_eq!(run(&["-o", "name"]), "q\n");
    assert!(run(&["-o", "wide"]).contains("CHECK"));
}

#[test]
fn thresholds_are_stored_for_a_queue() {
    let (redis, cli) = with_jobs();
    let stored = cli.json(["check", "set", "q", "--backlog", "2:3", "--latency", "5m:1h", "--workers", "2:0"]);
    assert_eq!(stored[0], json!({"check": "backlog", "warn": 2.0, "crit": 3.0, "stored": true}));
    assert_eq!(cli.json(["check", "get", "q"]), stored);
    assert_eq!(redis.query::<String>(&["HGET", &redis.key("q", "config"), "check_latency"]), "5m:1h");
    cli.run(["check", "backlog", "q"]).expect(2);
    cli.run(["check", "backlog", "q", "--crit", "4"]).expect(1);
    cli.run(["check", "workers", "q"]).expect(1);
    cli.ok(["check", "set", "q", "--backlog", "none"]);
    assert!(cli.ok(["check", "get", "q"]).starts_with("backlog\t1000\t10000\t-\nlatency\t5m\t1h\tyes\n"));
    cli.run(["check", "backlog", "q"]).expect(0);
    cli.run(["check", "get", "nosuch"]).expect(4);
    cli.run(["check", "set", "nosuch", "--dead", "1:2"]).expect(4);
    for wrong in ["3:2", "x", "1", "-1:2"] {
        let output = cli.run(["check", "set", "q", &format!("--backlog={wrong}")]).expect(2);
        assert!(output.stderr.contains("--backlog"), "{}", output.stderr);
    }
    cli.run(["check", "set", "q"]).expect(2);
    assert_eq!(cli.json(["queues", "get", "q"])["rate"], Value::Null, "the queue's own settings are untouched");
}

#[test]
fn what_keeps_a_check_from_its_number_is_critical_outside_and_unknown_inside() {
    let (mut redis, cli) = with_jobs();
    let unknown: &[&[&str]] = &[
        &["check", "backlog", "nosuch"],
        &["check", "backlog", "q", "--warn", "many"],
        &["check", "latency", "q", "--crit", "5"],
        &["check", "backlog", "q", "--frobnicate"],
        &["check", "backlog"],
        &["check", "backlog", "a b"],
        &["check", "colour", "q"],
    ];
    for args in unknown {
        let output = cli.run(*args).expect(3);
        assert!(!format!("{}{}", output.stdout, output.stderr).is_empty(), "{args:?}");
    }
    let line = cli.run(["check", "dead", "nosuch"]).expect(3).stdout;
    assert_eq!(line, "DEAD UNKNOWN - queue \"nosuch\" not found\n");
    let wrong = cli.clone().env("REDIS_MODE", "foo").run(["check", "dead", "q"]).expect(3);
    assert!(wrong.stdout.starts_with("DEAD UNKNOWN - ") && wrong.stdout.lines().count() == 1, "{wrong:?}");
    redis.kill9();
    let away = cli.run(["check", "dead", "q"]).expect(2);
    assert!(away.stdout.starts_with("DEAD CRITICAL - cannot reach redis at 127.0.0.1:"), "{away:?}");
    assert!(away.elapsed < std::time::Duration::from_secs(5) && away.stderr.is_empty(), "{away:?}");
    let metrics = cli.run(["check", "dead", "q", "--format", "prometheus"]).expect(2).stdout;
    assert!(metrics.ends_with("ireva_queue_check_state{check=\"dead\",queue=\"q\"} 2\n"), "{metrics}");
}

#[test]
fn a_password_that_is_wrong_is_unknown_and_not_shown() {
    let redis = TestRedis::builder().password("right-horse").start();
    let output = Cli::new(&redis).env("REDIS_PASSWORD", "wrong-horse").run(["check", "backlog", "q"]).expect(3);
    assert!(output.stdout.starts_with("BACKLOG UNKNOWN - ") && !output.stdout.contains("horse"), "{output:?}");
}
