//! The user that `config acl` makes: it can do all the work and nothing else, and what it lacks is told by name.

use std::time::Duration;

use crate::cli_contract::{all, with_lines};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// Makes the user as the command says, for the password `horse`; the tool as that user.
fn user_of(redis: &TestRedis) -> Cli {
    let told = Cli::new(redis).run(["config", "acl", "--user", "app"]).expect(0);
    assert!(told.stderr.contains("password"), "{}", told.stderr);
    let words: Vec<_> = told.stdout.split_whitespace().collect();
    redis.query::<()>(&words);
    redis.query::<()>(&["ACL", "SETUSER", "app", ">horse"]);
    Cli::new(redis).env("REDIS_USERNAME", "app").env("REDIS_PASSWORD", "horse")
}

/// What the server refused since it was asked last.
fn denials(redis: &TestRedis) -> Vec<String> {
    let entries: Vec<std::collections::BTreeMap<String, redis::Value>> = redis.query(&["ACL", "LOG"]);
    redis.query::<()>(&["ACL", "LOG", "RESET"]);
    let text = |entry: &std::collections::BTreeMap<String, redis::Value>, name: &str| {
        redis::from_redis_value::<String>(entry[name].clone()).unwrap()
    };
    entries.iter().map(|entry| format!("{} {}", text(entry, "reason"), text(entry, "object"))).collect()
}

#[test]
fn the_least_user_does_all_the_work_and_the_server_refuses_nothing() {
    let redis = TestRedis::start();
    let replica = replica::replica_of(&redis);
    let cli = with_lines(user_of(&redis));
    let ledger = Ledger::new();
    let program =
        ledger.program("case $payload in *fail*) exit 65;; *once*) test $IREVA_ATTEMPT != 1 || exit 1;; esac");
    cli.ok(["queues", "set", "q", "--key", "tenant", "--key-concurrency", "1", "--durable", "on", "--rate", "100/s"]);
    cli.keep_completed("q");
    let mut worker = cli.work(["q", "other", "--lease", "4s", "--exec", &program]).ready();
    let retry = ["--backoff", "fixed:100ms"];
    for payload in [r#"{"tenant":"a"}"#, r#"{"tenant":"a","x":"fail"}"#, r#"{"tenant":"b","x":"once"}"#] {
        cli.enqueue("q", payload, &retry);
    }
    cli.enqueue("q", "{}", &["--delay", "1s", "--unique", "one"]);
    cli.ok(["schedule", "add", "often", "other", "--every", "1s"]);
    let ended = || {
        let (q, other) = (cli.json(["stats", "q"]), cli.json(["stats", "other"]));
        q["completed"] == 3 && q["dead"] == 1 && other["totals"]["completed"].as_u64() >= Some(1)
    };
    wait_until(LONG, "all have ended", ended);
    // What another worker left behind is taken over.
    let held = ledger.program("sleep 30");
    let mut doomed = cli.work(["held", "--lease", "4s", "--exec", &held]).ready();
    let id = cli.enqueue("held", "{}", &[]);
    wait_until(LONG, "it runs", || cli.json(["jobs", "show", &id])["state"] == "active");
    doomed.kill9();
    let mut heir = cli.work(["held", "--lease", "4s", "--until-empty", "--exec", "true"]);
    assert_eq!(heir.wait(LONG), Some(0), "{:#?}", heir.log());
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    assert_eq!(denials(&redis), Vec::<String>::new());
    drop(replica);
}

#[test]
fn the_least_user_may_give_every_command() {
    let redis = TestRedis::start();
    let cli = with_lines(user_of(&redis));
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    for args in all() {
        let output = cli.run(*args);
        assert!(output.code != Some(77) && !output.stderr.contains("denies access"), "{args:?}: {output:?}");
    }
    for args in [&["doctor"][..], &["config", "show"], &["top", "--once"]] {
        let output = cli.run(args);
        assert!(output.code != Some(77) && !output.stdout.contains("rights_missing"), "{args:?}: {output:?}");
    }
    assert_eq!(denials(&redis), Vec::<String>::new());
    let as_user = |command: &[&str]| {
        let mut words = vec!["ACL", "DRYRUN", "app"];
        words.extend(command);
        redis.query::<String>(&words)
    };
    for command in
        [&["GET", "other:key"][..], &["KEYS", "*"], &["FLUSHALL"], &["CONFIG", "SET", "x", "y"], &["EVAL", "", "0"]]
    {
        assert!(as_user(command).contains("no permissions"), "{command:?}: {}", as_user(command));
    }
}

#[test]
fn a_right_that_is_taken_away_is_named_with_what_gives_it_back() {
    let redis = TestRedis::builder().append_only().start();
    let cli = user_of(&redis);
    let worker_of = || cli.work(["q", "--exec", "true"]);
    let mut worker = worker_of().ready();
    cli.ok(["queues", "set", "other", "--rate", "5/s"]);
    for (rule, named, commands) in [
        ("-xadd", "xadd", &[&["queues", "pause", "other"][..]][..]),
        ("-hset", "hset", &[&["enqueue", "q", "{}"][..], &["queues", "set", "q", "--rate", "5/s"]]),
        ("-zadd", "zadd", &[&["enqueue", "q", "{}"]]),
        ("-evalsha", "evalsha", &[&["enqueue", "q", "{}"], &["stats", "q"]]),
        ("-info", "info", &[]),
    ] {
        redis.query::<()>(&["ACL", "SETUSER", "app", rule]);
        for args in commands {
            let output = cli.run(*args).expect(77);
            let named = output.stderr.contains(named) && output.stderr.contains("ACL SETUSER app")
                || output.stderr.contains(&format!("'{named}'")) && output.stderr.contains("config acl");
            assert!(named && output.stdout.is_empty(), "{rule} {args:?}: {}", output.stderr);
        }
        let found = cli.run(["doctor", "-o", "json"]).expect(1).json();
        let finding = found
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| matches!(finding["code"].as_str(), Some("rights_missing" | "redis_denied")));
        let finding = finding.unwrap_or_else(|| panic!("{rule}: {found}"));
        let (message, remedy) = (finding["message"].as_str().unwrap(), finding["remedy"].as_str().unwrap());
        assert!(message.contains(named), "{rule}: {message}");
        // The command that mends it does.
        match remedy.strip_prefix("redis-cli ") {
            Some(command) => redis.query::<()>(&command.split(' ').collect::<Vec<_>>()),
            None => {
                assert!(remedy.contains("ireva-queue config acl | redis-cli"), "{remedy}");
                let line = cli.ok(["config", "acl"]);
                redis.query::<()>(&line.split_whitespace().collect::<Vec<_>>());
            }
        }
        cli.run(["doctor", "-o", "json"]).json().as_array().unwrap().iter().for_each(|finding| {
            assert!(finding["code"] != "rights_missing" && finding["code"] != "redis_denied", "{rule}: {finding}");
        });
    }
    assert!(worker.ended().is_none(), "{:#?}", worker.log());
    cli.enqueue("q", "{}", &[]);
    wait_until(LONG, "the worker goes on", || cli.json(["stats", "q"])["totals"]["completed"] == 1);
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());

    redis.query::<()>(&["ACL", "SETUSER", "app", "resetkeys", "~ireva:queue:{*"]);
    let found = cli.run(["doctor", "-o", "json"]).expect(1).json().to_string();
    assert!(found.contains("keys") && found.contains("ireva-queue config acl | redis-cli"), "{found}");
}

#[test]
fn the_line_is_that_of_the_configuration_in_every_format() {
    let cli = Cli::bare().env("QUEUE_PREFIX", "jobs:").env("REDIS_DB", "3").env("REDIS_USERNAME", "site");
    let line = cli.ok(["config", "acl"]);
    assert!(line.starts_with("ACL SETUSER site on resetkeys ~jobs:* resetchannels -@all +"), "{line}");
    assert!(line.contains(" +select ") && line.contains(" +script|load ") && line.lines().count() == 1, "{line}");
    let json = cli.json(["config", "acl"]);
    assert_eq!((&json["user"], json["command"].as_str()), (&"site".into(), Some(line.trim_end())));
    assert_eq!(cli.ok(["config", "acl", "-o", "name"]), "site\n");
    assert_eq!(cli.ok(["config", "acl", "-o", "table"]), line);
    let sentinels = cli.ok(["config", "acl", "--sentinels", "--user", "guard"]);
    assert!(sentinels.starts_with("ACL SETUSER guard on resetkeys resetchannels &+switch-master -@all"), "{sentinels}");
    cli.run(["config", "acl", "--user", "a b"]).expect(2);
    cli.clone().env("REDIS_PORT", "abc").run(["config", "acl"]).expect(78);
    cli.env("REDIS_MODE", "embedded").run(["config", "acl"]).expect(5);
}
