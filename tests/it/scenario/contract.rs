//! Names, prefixes and bare environments: what a queue may be called, and what a script can rely on.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::*;

/// Every key of the server with its value.
fn dump(redis: &TestRedis, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = redis.query(&["KEYS", "*"]);
    let held = keys.into_iter().filter(|key| key.starts_with(prefix));
    held.map(|key| (key.clone(), redis.query(&["DUMP", &key]))).collect()
}

#[test]
fn r49_queues_and_prefixes_keep_to_themselves() {
    let redis = TestRedis::start();
    let places: Vec<_> = ["ireva:queue:", "p:", "p:x:"]
        .iter()
        .map(|prefix| (*prefix, Cli::new(&redis).env("QUEUE_PREFIX", prefix)))
        .collect();
    let names = ["a", "a.b", "a-b", "a_b", "0", "A", "aa"];
    let long = "x".repeat(128);
    for (_, cli) in &places {
        names.iter().chain([&long.as_str()]).for_each(|queue| drop(cli.enqueue(queue, "1", &["--id", "same"])));
    }
    for (prefix, cli) in &places {
        let listed = cli.json(["queues", "list"]);
        let listed = listed.get("items").unwrap_or(&listed);
        assert_eq!(listed.as_array().map(Vec::len), Some(names.len() + 1), "{prefix}: {listed}");
        let before = dump(&redis, "");
        cli.ok(["clear", "a", "--yes"]);
        let (own, audit) = (format!("{prefix}{{a}}:"), format!("{prefix}audit"));
        let changed: Vec<_> =
            dump(&redis, "").into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
        let gone: Vec<_> = before.keys().filter(|key| !redis.query::<bool>(&["EXISTS", key])).collect();
        assert!(
            changed.iter().all(|(key, _)| key.starts_with(&own) || *key == audit),
            "clearing a changed {changed:?}"
        );
        assert!(!gone.is_empty() && gone.iter().all(|key| key.starts_with(&own)), "clearing a removed {gone:?}");
        assert_eq!(cli.json(["stats", "aa"])["pending"], 1, "{prefix}");
    }
    for prefix in ["*:", "[a-z]:", "p?", "a b", "{p}:"] {
        let output = Cli::new(&redis).env("QUEUE_PREFIX", prefix).run(["clear", "a", "--yes"]).expect(78);
        assert!(output.stderr.contains("QUEUE_PREFIX"), "{}", output.stderr);
    }
    let before = dump(&redis, "");
    let too_long = "x".repeat(300);
    let refused =
        ["", "a:b", "a*", "a?", "[a]", "a b", "{a}", "../a", "-a", ".a", "é", "a\n", "a\u{1b}[31m", &too_long];
    let cli = &places[0].1;
    for queue in refused {
        for command in
            [vec!["enqueue", "--", queue, "1"], vec!["clear", "--yes", "--", queue], vec!["stats", "--", queue]]
        {
            let output = cli.run(&command).expect(2);
            let quiet = output.stderr.bytes().all(|byte| byte == b'\n' || byte >= b' ');
            assert!(!output.stderr.is_empty() && quiet, "{queue:?}: {:?}", output.stderr);
        }
        assert_eq!(cli.run(["enqueue", "--", queue, "1"]).stdout, "");
    }
    assert!(before == dump(&redis, ""), "refused names leave nothing behind");
}

#[test]
fn r51_commands_work_in_the_environment_of_cron() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).without("HOME");
    let output = cli.run(["enqueue", "q", "to=a@example.com", "n:=1"]).expect(0);
    assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (1, ""), "the id and nothing else");
    let id = output.stdout.trim();
    let output = cli.run(["stats", "-o", "json"]).expect(0);
    assert_eq!(output.stderr, "");
    let stats = output.json();
    let stats = stats.get("items").unwrap_or(&stats);
    assert_eq!(stats[0]["pending"], 1, "{stats}");
    let output = cli.run(["dlq", "list", "q"]).expect(0);
    assert_eq!(output.stdout, "");
    assert_eq!(cli.json(["jobs", "show", id])["payload"], serde_json::json!({"to": "a@example.com", "n": 1}));
    for (command, code) in [
        (vec!["enqueue", "q", "{"], 2),
        (vec!["stats", "nosuch"], 4),
        (vec!["jobs", "show", "nosuch"], 4),
        (vec!["clear", "q"], 5),
        (vec!["nonsense"], 2),
        (vec!["stats", "--nonsense"], 2),
    ] {
        let output = cli.run(&command).expect(code);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{command:?}: {output:?}");
        assert!(!output.stderr.contains('\u{1b}'), "{command:?}: {:?}", output.stderr);
    }
}

#[test]
fn r51_an_absent_or_mute_redis_is_named_within_five_seconds() {
    let redis = TestRedis::start();
    // One port where nobody listens, one that accepts and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [(free_port(), 69), (mute.local_addr().unwrap().port(), 69)];
    for (port, code) in ports {
        let cli = Cli::new(&redis).env("REDIS_PORT", port.to_string());
        for command in
            [&["enqueue", "q", "1"][..], &["stats", "-o", "json"], &["dlq", "list", "q"], &["queues", "list"]]
        {
            let output = cli.run(command);
            // Where the server took the call and said nothing, the outcome is unknown.
            assert!(output.code == Some(code) || output.code == Some(75), "{command:?}: {output:?}");
            assert!(output.stdout.is_empty() && output.stderr.contains(&format!("127.0.0.1:{port}")), "{output:?}");
            assert!(output.elapsed < Duration::from_millis(6_500), "{command:?}: {:?}", output.elapsed);
        }
    }
    let (port, _) = ports[0];
    let output = Cli::new(&redis).env("REDIS_PORT", port.to_string()).run(["stats"]).expect(69);
    assert!(output.elapsed < Duration::from_millis(6_500));
}
