//! What every command promises to scripts: help, exit codes, streams, formats.

use std::process::Stdio;
use std::time::Duration;

use crate::support::*;

/// Every command that answers from Redis, in a form that works on the queue `q` with the job `job-0001` in it.
const ASKING: &[&[&str]] = &[
    &["stats"],
    &["stats", "q"],
    &["jobs", "list", "q"],
    &["jobs", "show", "job-0001"],
    &["queues", "list"],
    &["queues", "get", "q"],
    &["workers", "list"],
    &["check", "get", "q"],
    &["dlq", "list", "q"],
    &["dlq", "list", "q", "--group-by", "code"],
    &["token", "list"],
    &["jobs", "show", "job-0001", "--timeline"],
    &["events"],
    &["events", "--queue", "q", "--level", "warn"],
    &["logs", "job-0001"],
    &["schedule", "list"],
    &["schedule", "next"],
    &["audit"],
    &["explain", "job-0001"],
    &["jobs", "export", "q"],
    &["batch", "list"],
    &["batch", "show", "b"],
    &["breaker", "list"],
    &["limits", "list", "q"],
    &["alerts", "list"],
    &["alerts", "show", "redis"],
    &["alerts", "history"],
    &["heal", "q", "--dry-run"],
    &["heal", "--log"],
];

/// Those that change something.
const ACTING: &[&[&str]] = &[
    &["enqueue", "q", "{}"],
    &["enqueue", "q", "--ndjson", "lines"],
    &["work", "q", "--until-empty", "--exec", "true"],
    &["clear", "q", "--yes"],
    &["dlq", "retry", "q", "--all", "--yes"],
    &["dlq", "delete", "q", "--all", "--yes"],
    &["dlq", "purge", "q", "--yes"],
    &["dlq", "retry", "q", "job-0001", "--edit", "{}"],
    &["dlq", "show", "q", "job-0001"],
    &["jobs", "cancel", "job-0001"],
    &["jobs", "retry", "job-0001"],
    &["jobs", "promote", "job-0001"],
    &["jobs", "delete", "job-0001"],
    &["workers", "ended", "w", "--status", "137"],
    &["queues", "pause", "q"],
    &["queues", "resume", "q"],
    &["jobs", "cancel", "--queue", "q", "--all", "--yes"],
    &["jobs", "delete", "--queue", "q", "--state", "dead", "--yes"],
    &["queues", "protect", "q"],
    &["queues", "unprotect", "q"],
    &["queues", "set", "q", "--rate", "5/s"],
    &["check", "set", "q", "--backlog", "10:20"],
    &["undo", "01ARZ3NDEK"],
    &["jobs", "import", "job-line"],
    &["token", "create", "web", "--scope", "read"],
    &["token", "revoke", "web"],
    &["schedule", "add", "morning", "q", "--every", "1h"],
    &["schedule", "show", "morning"],
    &["schedule", "pause", "morning"],
    &["schedule", "resume", "morning"],
    &["schedule", "run", "morning"],
    &["schedule", "remove", "morning"],
    &["schedule", "export"],
    &["scheduler", "--once"],
    &["enqueue", "q", "{}", "--batch", "b", "--on-complete", "q", "{}"],
    &["batch", "seal", "b"],
    &["breaker", "open", "smtp://localhost:25", "--for", "1h"],
    &["breaker", "close", "smtp://localhost:25"],
    &["queues", "set", "q", "--key", "tenantId", "--key-concurrency", "2", "--key-rate", "5/s"],
    &["limits", "set", "q", "acme", "--concurrency", "2"],
    &["limits", "unset", "q", "acme"],
    &["alerts", "set", "late", "--when", "latency", "--above", "5m"],
    &["alerts", "mute", "late", "--for", "1h"],
    &["alerts", "unmute", "--all"],
    &["alerts", "unset", "late"],
    &["alerts", "run", "--once"],
    &["heal", "q"],
];

pub fn all() -> impl Iterator<Item = &'static &'static [&'static str]> {
    ASKING.iter().chain(ACTING)
}

/// With the files that `--ndjson lines` and `jobs import job-line` name.
pub fn with_lines(cli: Cli) -> Cli {
    std::fs::write(cli.home().join("lines"), "{\"payload\":1}\n").unwrap();
    let job = r#"{"id":"a","queue":"q","state":"dead","place":1,"arrivalUs":1,"record":{"payload":1}}"#;
    std::fs::write(cli.home().join("job-line"), job).unwrap();
    cli
}

#[test]
fn every_help_leads_with_an_example_and_fits_a_terminal() {
    let cli = Cli::bare();
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let help = cli.ok(path.iter().map(String::as_str).chain(["--help"]));
        assert!(help.starts_with("Example:\n  "), "{path:?}: {help}");
        // An example may name a long path; the rest is wrapped.
        let wide = help.split("\n\n").skip(1).flat_map(str::lines).find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{path:?}");
        let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        let names = commands.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| {
            let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
            name.split_whitespace().next().map(str::to_owned)
        });
        waiting.extend(names.map(|name| path.iter().cloned().chain([name]).collect()));
        seen += 1;
    }
    assert!(seen > 25, "only {seen} commands were found");
}

#[test]
fn version_and_help_need_no_environment() {
    let cli = Cli::bare().env("REDIS_PORT", "abc").without("HOME").without("PATH");
    assert_eq!(cli.ok(["--version"]), concat!("ireva-queue ", env!("CARGO_PKG_VERSION"), "\n"));
    cli.run(["stats", "--help"]).expect(0);
    cli.run(["completions", "bash"]).expect(0);
    assert!(cli.run(["enqueue", "q", "a=1", "--dry-run"]).expect(0).stderr.is_empty());
}

#[test]
fn an_unreachable_redis_is_69_within_five_seconds_and_names_host_and_port() {
    let port = free_port().to_string();
    let cli = with_lines(Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port));
    let check = |args: &[&str]| {
        let output = cli.run(args).expect(69);
        let named = output.stderr.starts_with("error: ") && output.stderr.contains(&format!("127.0.0.1:{port}"));
        assert!(named && output.stdout.is_empty(), "{args:?}: {output:?}");
        assert!(output.elapsed < Duration::from_secs(5), "{args:?}: {:?}", output.elapsed);
    };
    std::thread::scope(|scope| all().for_each(|args| drop(scope.spawn(|| check(args)))));
}

#[test]
fn a_server_that_never_answers_is_69_within_five_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port).run(["stats"]).expect(69);
    assert!(
        output.stderr.contains(&port) && output.elapsed < Duration::from_secs(5),
        "{:?} {}",
        output.elapsed,
        output.stderr
    );
}

#[test]
fn a_wrong_password_is_77_and_is_not_shown() {
    let redis = TestRedis::builder().password("right-horse").start();
    let cli = with_lines(Cli::new(&redis).env("REDIS_PASSWORD", "wrong-horse"));
    for args in all() {
        let output = cli.run(*args).expect(77);
        assert!(!output.stderr.contains("horse") && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
    Cli::new(&redis).run(["stats"]).expect(0);
}

#[test]
fn every_problem_of_the_environment_is_named_at_once_and_is_78() {
    let cli = with_lines(Cli::bare().env("REDIS_PORT", "abc").env("REDIS_MODE", "foo").env("REDIS_PASSWORD", "hush"));
    for args in all() {
        let output = cli.run(*args).expect(78);
        let named = ["REDIS_PORT", "abc", "REDIS_MODE", "foo"].iter().all(|part| output.stderr.contains(part));
        assert!(named && !output.stderr.contains("hush") && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
    let output = Cli::bare().env("REDIS_MODE", "cluster").env("REDIS_DB", "3").run(["stats"]).expect(78);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
}

#[test]
fn what_asks_is_refused_with_5_where_nobody_can_answer() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let id = cli.enqueue("q", "{}", &[]);
    let refused: &[&[&str]] = &[
        &["clear", "q"],
        &["clear", "q", "--state", "completed,dead", "--no-input"],
        &["dlq", "retry", "q", "--all"],
        &["dlq", "delete", "q", "--code", "x"],
        &["dlq", "purge", "q"],
        &["jobs", "cancel", "--queue", "q", "--all"],
        &["jobs", "delete", "--queue", "q", "--state", "pending"],
    ];
    for args in refused {
        let output = cli.run(*args).expect(5);
        assert!(output.stderr.contains("--yes") && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
    assert_eq!(cli.ok(["jobs", "list", "q", "-o", "name"]).trim(), id);
}

#[test]
fn an_unknown_queue_or_job_is_4() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    let table: &[&[&str]] = &[
        &["stats", "nope"],
        &["jobs", "list", "nope"],
        &["jobs", "show", "nowhere"],
        &["jobs", "cancel", "nowhere", "neither"],
        &["jobs", "show", "job-0001", "--queue", "other"],
        &["doctor", "nope"],
        &["check", "get", "nope"],
        &["dlq", "show", "q", "nowhere"],
        &["dlq", "retry", "q", "nowhere"],
        &["dlq", "delete", "q", "nowhere"],
        &["undo", "nowhere"],
        &["explain", "nowhere"],
        &["jobs", "export", "nope"],
        &["queues", "protect", "nope"],
        &["jobs", "delete", "--queue", "q", "--id", "nowhere"],
        &["batch", "show", "nowhere"],
        &["batch", "seal", "nowhere"],
        &["batch", "list", "nope"],
        &["breaker", "close", "nowhere"],
        &["limits", "list", "nope"],
        &["limits", "unset", "q", "nobody"],
        &["alerts", "show", "nowhere"],
        &["alerts", "unset", "nowhere"],
        &["alerts", "mute", "nowhere", "--for", "1h"],
        &["alerts", "unmute", "redis"],
        &["alerts", "test", "--sink", "nowhere"],
    ];
    for args in table {
        let output = cli.run(*args).expect(4);
        assert!(output.stderr.starts_with("error: ") && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn limits_of_keys_are_set_listed_and_taken_away_in_every_format() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let refused = cli.run(["limits", "set", "q", "acme", "--rate", "1/s"]).expect(5);
    assert!(refused.stderr.contains("queues set q --key"), "{}", refused.stderr);
    let set = cli.json(["queues", "set", "q", "--key", "tenant.id", "--key-concurrency", "2", "--key-rate", "30/m"]);
    let told = serde_json::json!([set["key"], set["keyConcurrency"], set["keyRate"]]);
    assert_eq!(told, serde_json::json!(["tenant.id", 2, "30/m"]));
    let own = cli.json(["limits", "set", "q", "a b", "--concurrency", "5", "--rate", "none"]);
    let expected = serde_json::json!({"key": "a%20b", "queue": "q", "running": 0, "parked": 0, "concurrency": 5,
        "rate": null, "own": true, "nextAt": null});
    assert_eq!(own, expected);
    let plain = cli.ok(["limits", "list", "q"]);
    assert_eq!(plain.trim_end().split('\t').take(6).collect::<Vec<_>>(), ["a%20b", "0", "0", "5", "-", "yes"]);
    assert!(cli.ok(["limits", "list", "q", "-o", "table"]).starts_with("KEY "));
    for format in ["wide", "json", "jsonl", "csv", "name"] {
        assert!(cli.ok(["limits", "list", "q", "-o", format]).contains("a%20b"), "{format}");
    }
    assert_eq!(cli.json(["limits", "unset", "q", "a%20b"])["own"], false);
    assert_eq!(cli.json(["limits", "list", "q"]), serde_json::json!([]));
    let lifted = cli.json(["queues", "set", "q", "--key", "none"]);
    assert_eq!(lifted["key"], serde_json::Value::Null);
}

#[test]
fn some_found_and_some_not_is_3() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    let output = cli.run(["jobs", "cancel", "job-0001", "nowhere"]).expect(3);
    assert!(output.stdout.contains("job-0001") && output.stderr.contains("nowhere"), "{output:?}");
    let output = cli.run(["jobs", "cancel", "job-0001"]).expect(5);
    assert!(output.stderr.contains("job-0001") && output.stderr.contains("cancelled"), "{output:?}");
}

#[test]
fn eighty_columns_keep_what_a_list_is_looked_at_for() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("COLUMNS", "80").env("USER", "ada");
    cli.enqueue("report-generation", "{}", &["--delay", "1h", "--no-check"]);
    cli.ok(["schedule", "add", "every-morning", "report-generation", "{}", "--cron", "0 9 * * *", "--no-check"]);
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    cli.ok(["jobs", "delete", "job-0001", "--reason", "a typo"]);
    let table = |args: &[&str]| cli.ok(args.iter().chain(&["-o", "table"]));
    for (args, title) in [(["schedule", "list"].as_slice(), "WHEN"), (&["audit"], "BY"), (&["alerts", "list"], "SINCE")]
    {
        let told = table(args);
        assert!(told.lines().next().unwrap().contains(title), "{args:?}\n{told}");
    }
    let events = table(&["events"]);
    assert!(events.lines().any(|line| line.len() > 24 && line[..24].ends_with('Z')), "{events}");
    let long = cli.run(["breaker", "open", "smtp://mail.example.com:25", "-o", "table"]).expect(0);
    assert!(long.stdout.contains("until closed") && long.stderr.contains("smtp://mail.example.com:25"), "{long:?}");
    cli.ok(["breaker", "open", "smtp://mail.example.com:25", "--quiet"]);
}

#[test]
fn every_answer_comes_in_every_format_and_alone_on_stdout() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("COLUMNS", "100");
    cli.enqueue("q", "{\"a\":1}", &["--id", "job-0001", "--batch", "b"]);
    for args in ASKING.iter().filter(|args| {
        !["workers", "dlq", "token", "events", "logs", "schedule", "audit", "breaker", "limits", "heal"]
            .contains(&args[0])
            && args.get(1) != Some(&"export")
            && args.get(1) != Some(&"history")
    }) {
        let run = |format: &str| cli.run(args.iter().copied().chain(["-o", format])).expect(0);
        for format in ["table", "wide", "plain", "csv", "name"] {
            let output = run(format);
            assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?} {format}: {output:?}");
            assert!(!output.stdout.contains('\x1b'), "{args:?} {format}");
        }
        assert!(run("json").json().is_object() || run("json").json().is_array(), "{args:?}");
        for line in run("jsonl").stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"));
        }
        let fields = |text: String| text.lines().map(|line| line.matches('\t').count()).collect::<Vec<_>>();
        assert_eq!(
            fields(cli.ok(args.iter().copied())),
            fields(run("plain").stdout),
            "{args:?}: the default when piped"
        );
        let wide = run("table").stdout.lines().map(|line| line.chars().count()).max();
        assert!(wide <= Some(100), "{args:?}: {}", run("table").stdout);
    }
}

#[test]
fn nothing_to_list_is_no_error_and_no_output() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for args in [&["stats"][..], &["queues", "list"], &["workers", "list"], &["batch", "list"], &["breaker", "list"]] {
        let output = cli.run(args.iter().copied()).expect(0);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
        assert_eq!(cli.json(args.iter().copied()), serde_json::json!([]), "{args:?}");
        assert!(cli.run(args.iter().copied().chain(["-q"])).expect(0).stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn colour_is_shown_where_it_is_asked_for() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let colored = |cli: &Cli, args: &[&str]| cli.ok(["stats", "-o", "table"].iter().chain(args)).contains('\x1b');
    assert!(!colored(&cli, &[]));
    assert!(colored(&cli, &["--color", "always"]));
    assert!(colored(&cli.clone().env("CLICOLOR_FORCE", "1"), &[]));
    assert!(!colored(&cli.clone().env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1"), &[]));
    assert!(colored(&cli.clone().env("CLICOLOR_FORCE", "1").env("NO_COLOR", ""), &[]));
    assert!(!colored(&cli.clone().env("CLICOLOR_FORCE", "1"), &["--color", "never"]));
}

#[test]
fn r08_a_reader_that_goes_away_is_no_error() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue_lines("q", (0..300).map(|n| format!("{{\"payload\":{n},\"id\":\"job-{n:04}\"}}")));
    let listing = [&["jobs", "list", "q", "--all"][..], &["jobs", "export", "q"]];
    for args in [&["stats"][..], &["completions", "bash"], &["--help"], &["man"]].into_iter().chain(listing) {
        let mut command = cli.command(args.iter().copied());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn r08_a_full_disk_behind_stdout_is_1_and_says_so() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        cli.command(["stats"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("standard output") && !said.contains("panic"), "{said}");
}

#[test]
fn r51_cron_has_no_terminal_no_home_and_no_language() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("HOME", "").env("TERM", "").env("LANG", "");
    let id = cli.run(["enqueue", "q", "{}"]).expect(0);
    assert!(id.stdout.lines().count() == 1 && id.stderr.is_empty(), "{id:?}");
    assert_eq!(cli.json(["stats"])[0]["pending"], 1);
    assert!(cli.run(["dlq", "list", "q"]).expect(0).stdout.is_empty());
}

#[test]
fn r57_secrets_are_in_no_output() {
    let redis = TestRedis::builder().password("hush-redis").start();
    let cli = with_lines(Cli::new(&redis))
        .env("SMTP_URL", "smtp://user:hush-smtp@127.0.0.1:1?tls=none")
        .env("HTTP_SIGNING_KEY", "hush-http");
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    for args in all().filter(|args| args[0] != "work") {
        let output = cli.run(args.iter().copied().chain(["-vv", "-o", "json"]));
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(!said.contains("hush"), "{args:?}: {said}");
    }
}
