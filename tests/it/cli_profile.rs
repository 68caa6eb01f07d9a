//! Profiles: files of their own names, read-only ones, and where each value comes from.

use serde_json::{Value, json};

use crate::support::*;

/// Writes a profile.
fn profile(cli: &Cli, name: &str, text: &str) {
    let directory = cli.home().join(".config/ireva-queue/profiles");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(format!("{name}.toml")), text).unwrap();
}

fn redis_section(redis: &TestRedis) -> String {
    format!("[redis]\nhost = '127.0.0.1'\nport = {}\n", redis.port())
}

/// The value of that name in the answer of `config show -o json`.
fn value(shown: &Value, name: &str) -> Value {
    shown
        .as_array()
        .unwrap()
        .iter()
        .find(|value| value["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {shown}"))
        .clone()
}

#[test]
fn a_profile_is_a_file_of_its_name() {
    let (here, there) = (TestRedis::start(), TestRedis::start());
    let cli = Cli::bare();
    profile(&cli, "here", &redis_section(&here));
    profile(&cli, "there", &redis_section(&there));
    cli.ok(["--profile", "here", "enqueue", "q", "{}"]);
    let queues = |cli: &Cli, args: &[&str]| cli.json([&["queues", "list"], args].concat()).as_array().unwrap().len();
    assert_eq!((queues(&cli, &["--profile", "here"]), queues(&cli, &["--profile", "there"])), (1, 0));
    let by_variable = cli.clone().env("IREVA_QUEUE_PROFILE", "here");
    assert_eq!((queues(&by_variable, &[]), queues(&by_variable, &["--profile", "there"])), (1, 0));
    let other = cli.home().join("other.toml");
    std::fs::write(&other, redis_section(&there)).unwrap();
    let by_file = cli.clone().env("IREVA_QUEUE_CONFIG", other.to_str().unwrap());
    assert_eq!((queues(&by_file, &[]), queues(&by_file, &["--profile", "here"])), (0, 1));

    let both = by_file.env("IREVA_QUEUE_PROFILE", "here").run(["stats"]).expect(78);
    assert!(
        both.stderr.contains("IREVA_QUEUE_PROFILE") && both.stderr.contains("IREVA_QUEUE_CONFIG"),
        "{}",
        both.stderr
    );
    let unknown = cli.run(["--profile", "prod", "stats"]).expect(78);
    assert!(unknown.stderr.contains("prod.toml: no such file; there are here, there"), "{}", unknown.stderr);
    assert!(cli.run(["--profile", "../here", "stats"]).expect(78).stderr.contains("\"../here\""));
    let homeless = cli.clone().without("HOME").run(["--profile", "here", "stats"]).expect(78);
    assert!(homeless.stderr.contains("XDG_CONFIG_HOME"), "{}", homeless.stderr);
}

#[test]
fn a_variable_that_goes_before_a_named_profile_is_told() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    profile(&cli, "prod", "[redis]\nhost = 'prod.example.com'\n");
    let told = cli.run(["--profile", "prod", "stats"]).expect(0);
    assert!(told.stderr.contains("REDIS_HOST of the environment goes before profile prod"), "{}", told.stderr);
    assert!(!cli.run(["stats"]).expect(0).stderr.contains("REDIS_HOST"));
}

#[test]
fn a_read_only_profile_refuses_every_act_and_answers_every_question() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    cli.enqueue("q", "{}", &["--id", "job-0002", "--delay", "1h"]);
    cli.ok(["queues", "pause", "q"]);
    bury(&cli, "dead", 1);
    cli.ok(["token", "create", "web", "--scope", "read"]);
    std::fs::write(cli.home().join("lines"), "{\"payload\":1}\n").unwrap();
    profile(&cli, "look", &format!("read_only = true\n{}", redis_section(&redis)));
    let before: String = redis.query(&["DEBUG", "DIGEST"]);
    let acts: &[&[&str]] = &[
        &["enqueue", "q", "{}"],
        &["enqueue", "q", "{}", "--spool", "spool"],
        &["enqueue", "q", "--ndjson", "lines"],
        &["work", "q", "--until-empty", "--exec", "true"],
        &["clear", "q", "--yes"],
        &["dlq", "retry", "dead", "--all", "--yes"],
        &["dlq", "retry", "dead", "dead-0", "--edit", "{}"],
        &["dlq", "delete", "dead", "--all", "--yes"],
        &["dlq", "purge", "dead", "--yes"],
        &["jobs", "cancel", "job-0001"],
        &["jobs", "retry", "dead-0"],
        &["jobs", "promote", "job-0002"],
        &["jobs", "delete", "job-0001"],
        &["queues", "pause", "dead"],
        &["queues", "resume", "q"],
        &["queues", "set", "q", "--rate", "5/s"],
        &["token", "create", "app", "--scope", "read"],
        &["token", "revoke", "web"],
        &["db", "migrate"],
        &["db", "seed"],
    ];
    for act in acts {
        let output = cli.run(["--profile", "look"].iter().chain(*act)).expect(5);
        assert!(output.stderr.contains("read-only"), "{act:?}: {}", output.stderr);
    }
    assert_eq!(redis.query::<String>(&["DEBUG", "DIGEST"]), before);
    assert!(!cli.home().join("spool").exists());
    let questions: &[&[&str]] = &[
        &["stats"],
        &["queues", "list"],
        &["queues", "get", "q"],
        &["jobs", "list", "q"],
        &["jobs", "show", "job-0001"],
        &["jobs", "show", "dead-0", "--timeline"],
        &["dlq", "list", "dead"],
        &["dlq", "show", "dead", "dead-0"],
        &["dlq", "retry", "dead", "--all", "--dry-run"],
        &["workers", "list"],
        &["token", "list"],
        &["events"],
        &["logs", "dead-0"],
    ];
    for question in questions {
        cli.run(["--profile", "look"].iter().chain(*question)).expect(0);
    }
    // It is a value like the others: the environment goes before the file.
    cli.clone().env("IREVA_QUEUE_READ_ONLY", "off").run(["--profile", "look", "queues", "resume", "q"]).expect(0);
    cli.env("IREVA_QUEUE_READ_ONLY", "on").run(["queues", "pause", "q"]).expect(5);
}

#[test]
fn every_value_says_where_it_comes_from_and_secrets_are_hidden() {
    let cli =
        Cli::bare().env("REDIS_PASSWORD", "hush-1").env("SMTP_URL", "smtp://u:hush-2@h").env("REDIS_PORT", "7001");
    profile(&cli, "prod", "[redis]\nhost = 'file.example.com'\nport = 7000\n[queues.email]\nrate = '5/s'\n");
    let shown = cli.run(["--profile", "prod", "config", "show", "-o", "json"]).expect(0);
    assert!(!shown.stdout.contains("hush"), "{}", shown.stdout);
    let shown = shown.json();
    let file = cli.home().join(".config/ireva-queue/profiles/prod.toml");
    let host = value(&shown, "REDIS_HOST");
    assert_eq!(
        (&host["value"], &host["origin"], &host["key"]),
        (&json!("file.example.com"), &json!("profile"), &json!("redis.host"))
    );
    assert_eq!(host["file"], file.to_str().unwrap());
    let port = value(&shown, "REDIS_PORT");
    assert_eq!(
        (&port["value"], &port["origin"], &port["beforeProfile"]),
        (&json!("7001"), &json!("environment"), &json!(true))
    );
    assert_eq!(value(&shown, "REDIS_PASSWORD")["value"], "********");
    assert_eq!(value(&shown, "REDIS_DB")["origin"], "default");
    assert_eq!(value(&shown, "IREVA_QUEUE_PROFILE")["origin"], "flag");
    assert_eq!(value(&shown, "queues.email.rate")["value"], "5/s");

    let plain = cli.ok(["--profile", "prod", "config", "show", "--set", "--origin"]);
    assert!(plain.contains(&format!("REDIS_HOST\tfile.example.com\t{}: redis.host\n", file.display())), "{plain}");
    assert!(
        plain.contains("REDIS_PORT\t7001\tenvironment, before the profile\n") && !plain.contains("REDIS_DB"),
        "{plain}"
    );
    assert!(cli.ok(["config", "show"]).contains("REDIS_HOST\tlocalhost\n"));
    for format in ["table", "wide", "csv", "name", "jsonl"] {
        let output = cli.run(["--profile", "prod", "config", "show", "--origin", "-o", format]).expect(0);
        assert!(output.stdout.contains("REDIS_HOST") && !output.stdout.contains("hush"), "{output:?}");
    }
    // What is wrong is told, and what is there is shown all the same.
    let wrong = cli.env("REDIS_PORT", "abc").run(["config", "show"]).expect(78);
    assert!(wrong.stdout.contains("REDIS_PORT\tabc\n") && wrong.stderr.contains("REDIS_PORT"), "{wrong:?}");
}

#[test]
fn the_profile_file_and_the_profiles_are_told() {
    let cli = Cli::bare();
    let base = cli.home().join(".config/ireva-queue");
    let usual = cli.run(["config", "path"]).expect(0);
    assert_eq!(usual.stdout, format!("{}\n", base.join("config.toml").display()));
    assert!(usual.stderr.contains("not there") && cli.json(["config", "path"])["exists"] == false);
    profile(&cli, "prod", "");
    profile(&cli, "staging", "");
    std::fs::write(base.join("profiles/notes.txt"), "").unwrap();
    assert_eq!(
        cli.ok(["--profile", "prod", "config", "path"]),
        format!("{}\n", base.join("profiles/prod.toml").display())
    );
    let listed = cli.json(["--profile", "prod", "config", "list"]);
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| (one["name"].clone(), one["current"].clone())).collect();
    assert_eq!(names, [(json!("prod"), json!(true)), (json!("staging"), json!(false))]);
    assert_eq!(cli.ok(["config", "list", "-o", "name"]), "prod\nstaging\n");
    cli.clone().without("HOME").run(["config", "path"]).expect(78);
}
