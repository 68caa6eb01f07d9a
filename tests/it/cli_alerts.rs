//! `alerts` for scripts: where rules come from, what the sinks say, and that no secret is said.

use std::time::{Duration, Instant};

use ireva_queue::builtin::alert::ExecSink;
use ireva_queue::builtin::exec::ExecSettings;
use ireva_queue::{AlertName, AlertSinks};
use serde_json::{Value, json};

use crate::ops_seed::{client, run};
use crate::support::http_sink::{Answer, HttpSink};
use crate::support::*;

/// Writes the profile file that is read by itself.
fn profile(cli: &Cli, text: &str) {
    let directory = cli.home().join(".config/ireva-queue");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.toml"), text).unwrap();
}

#[test]
fn a_rule_is_listed_as_it_was_set_and_comes_in_every_format() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("mails", "{}", &[]);
    let set = [
        "alerts",
        "set",
        "backlog-email",
        "--when",
        "backlog",
        "--queue",
        "mails",
        "--above",
        "1000",
        "--clear",
        "500",
        "--for",
        "5m",
        "--repeat",
        "1h",
        "--severity",
        "critical",
        "--sink",
        "ops,log",
    ];
    let output = cli.run(set).expect(0);
    assert!(output.stderr.contains("sink ops is not configured here"), "{}", output.stderr);
    let shown = cli.json(["alerts", "show", "backlog-email"]);
    let fields = [
        "alert",
        "when",
        "condition",
        "subject",
        "state",
        "firing",
        "reading",
        "threshold",
        "clear",
        "for",
        "repeat",
        "severity",
        "sinks",
        "source",
    ];
    let picked: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), shown[*field].clone())).collect();
    let wanted = json!({
        "alert": "backlog-email", "when": "backlog", "condition": "backlog from 1000 on for 5m", "subject": "mails",
        "state": "ok", "firing": false, "reading": "1", "threshold": 1000.0, "clear": 500.0, "for": "5m", "repeat": "1h",
        "severity": "critical", "sinks": ["log", "ops"], "source": "stored",
    });
    assert_eq!(Value::Object(picked), wanted);
    let plain = cli.ok(["alerts", "list"]);
    assert_eq!(plain.lines().count(), 2);
    let row: Vec<_> = plain.lines().next().unwrap().split('\t').collect();
    assert_eq!(row[..5], ["backlog-email", "backlog from 1000 on for 5m", "mails", "ok", "1"]);
    assert_eq!(cli.ok(["alerts", "list", "-o", "name"]), "backlog-email\nredis\n");
    assert!(cli.ok(["alerts", "show", "redis", "-o", "table"]).contains("redis unreachable for 1m"));
    let history = cli.json(["alerts", "history", "--limit", "5"]);
    assert_eq!((&history[0]["event"], &history[0]["alert"]), (&json!("set"), &json!("backlog-email")));
    for format in ["table", "wide", "plain", "csv", "json", "jsonl", "name"] {
        assert!(!cli.ok(["alerts", "history", "-o", format]).is_empty(), "{format}");
    }
}

#[test]
fn rules_are_removed_and_one_that_a_hand_broke_is_named() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.ok(["alerts", "set", "backlog-email", "--when", "backlog", "--above", "5"]);
    let output = cli.run(["alerts", "unset", "backlog-email", "nowhere"]).expect(3);
    assert!(output.stdout.contains("backlog-email") && output.stderr.contains("nowhere"), "{output:?}");
    let output = cli.run(["alerts", "unset", "redis"]).expect(5);
    assert!(output.stderr.contains("always there"), "{}", output.stderr);
    redis.query::<()>(&["HSET", "ireva:queue:{:alerts}:rules", "broken", "{"]);
    let output = cli.run(["alerts", "list"]).expect(1);
    assert!(output.stderr.contains("\"broken\"") && output.stderr.contains("alerts unset broken"), "{}", output.stderr);
    cli.ok(["alerts", "unset", "broken"]);
}

#[test]
fn rules_of_the_profile_file_go_first_and_are_evaluated() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = Cli::new(&redis).env("OPS_HOOK", sink.url("/hush"));
    cli.ok(["alerts", "set", "lines", "--when", "backlog", "--above", "1000"]);
    profile(
        &cli,
        "[alerts.lines]\nwhen = 'backlog'\nqueue = 'q'\nabove = 1\nfor = '0s'\nsinks = ['ops']\n\
         [sinks.ops]\nkind = 'webhook'\nurl = '$OPS_HOOK'\n",
    );
    cli.enqueue("q", "{}", &[]);
    let row = cli.json(["alerts", "show", "lines"]);
    assert_eq!((&row["source"], &row["threshold"]), (&json!("file"), &json!(1.0)));
    for args in [&["alerts", "set", "lines", "--when", "dead"][..], &["alerts", "set", "lines", "--when", "redis"]] {
        let output = cli.run(args).expect(5);
        assert!(output.stderr.contains("profile file"), "{}", output.stderr);
    }
    assert_eq!(cli.json(["alerts", "run", "--once"])["told"], 1, "the log was not asked for");
    let body: Value = serde_json::from_slice(&sink.requests()[0].body).unwrap();
    assert_eq!(body["alerts"][0]["alert"], "lines");
    let shown = cli.ok(["config", "show", "-o", "json"]);
    assert!(shown.contains("alerts.lines.above") && shown.contains("$OPS_HOOK") && !shown.contains("hush"), "{shown}");

    profile(&cli, "[alerts.lines]\nwhen = 'disk'\n[sinks.ops]\nkind = 'slack'\nurl = 'https://h/hush'\n");
    let output = cli.run(["alerts", "list"]).expect(78);
    assert!(
        output.stderr.contains("alerts.lines.when") && output.stderr.contains("sinks.ops.url"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("hush") && !cli.run(["config", "show"]).stdout.contains("hush"));
}

#[test]
fn whoever_does_not_have_the_file_of_a_rule_leaves_its_alerts_alone() {
    let redis = TestRedis::start();
    let (with, without) = (Cli::new(&redis), Cli::new(&redis));
    profile(&with, "[alerts.lines]\nwhen = 'backlog'\nabove = 1\nfor = '0s'\nsinks = ['pagr', 'log']\n");
    with.enqueue("q", "{}", &[]);
    let fired = |cli: &Cli| {
        let report = cli.json(["alerts", "run", "--once"]);
        (report["fired"].clone(), report["recovered"].clone())
    };
    assert_eq!(fired(&with), (json!(1), json!(0)));
    assert_eq!(fired(&without), (json!(0), json!(0)), "it knows nothing of that rule");
    assert_eq!(fired(&with), (json!(0), json!(0)), "nor does it fire anew");
    // The sink is misspelt: it is said, and nothing waits for it.
    let output = with.run(["alerts", "list"]).expect(0);
    assert!(output.stderr.contains("alert lines: sink pagr is not configured here"), "{}", output.stderr);
    assert!(!output.stderr.contains("nobody has evaluated"), "a call every minute is enough: {}", output.stderr);
    let history = with.json(["alerts", "history"]);
    let dropped = history.as_array().unwrap().iter().find(|entry| entry["event"] == "dropped").unwrap();
    assert!(dropped["message"].as_str().unwrap().contains("pagr"), "{dropped}");
    let output = with.run(["alerts", "test"]).expect(3);
    assert!(output.stdout.contains("alert lines names it"), "{}", output.stdout);
}

#[test]
fn rules_that_cannot_work_are_refused_or_shown_as_unknown() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for (wrong, named) in [
        (&["redis", "--when", "backlog", "--above", "9"][..], "'--when' must be redis for the alert of that name"),
        (&["a", "--when", "workers", "--below", "0"], "'--below' 0: would never fire"),
        (&["a", "--when", "backlog", "--above", "0"], "'--above' 0: would fire for ever"),
        (&["a", "--when", "dead", "--repeat", "1ms"], "'--repeat'"),
    ] {
        let output = cli.run(["alerts", "set"].iter().chain(wrong)).expect(2);
        assert!(output.stderr.contains(named), "{}", output.stderr);
    }
    let output = cli.run(["alerts", "set", "memory", "--when", "memory", "-o", "json"]).expect(0);
    assert!(output.stderr.contains("redis has no maxmemory"), "{}", output.stderr);
    assert_eq!(output.json()["state"], "unknown");
    for queue in ["one", "two"] {
        cli.enqueue(queue, "{}", &[]);
    }
    cli.ok(["alerts", "set", "lines", "--when", "backlog", "--above", "1", "--for", "0s"]);
    assert_eq!(cli.json(["alerts", "show", "lines"])[0]["state"], "unknown", "nobody has looked");
    cli.ok(["alerts", "mute", "lines", "--for", "1h"]);
    cli.ok(["alerts", "run", "--once"]);
    cli.ok(["clear", "one", "--yes"]);
    cli.ok(["alerts", "run", "--once"]);
    let row = cli.ok(["alerts", "list", "-o", "table"]).lines().nth(1).unwrap().to_owned();
    assert!(row.starts_with("lines") && row.contains("firing, muted"), "what fires comes first: {row}");
    assert_eq!(cli.json(["alerts", "list", "--firing"]).as_array().unwrap().len(), 1);
    assert_eq!(cli.json(["alerts", "list", "lines", "--queue", "one"])[0]["subject"], "one");
    assert_eq!(cli.ok(["alerts", "list", "lines", "-o", "name"]), "lines\n");
    cli.run(["alerts", "list", "nowhere"]).expect(4);
}

#[test]
fn a_test_tells_each_sink_with_or_without_redis() {
    let sink = HttpSink::start();
    let port = free_port().to_string();
    let cli = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port);
    let cli = cli.env("ALERT_WEBHOOK_URL", sink.url("/hush")).env("ALERT_SLACK_URL", sink.url("/hush"));
    let outbox = cli.home().join("mails");
    let cli = cli
        .env("ALERT_EMAIL_TO", "ops@example.org")
        .env("SMTP_URL", format!("file://{}", outbox.display()))
        .env("MAIL_FROM", "no-reply@example.org");
    let tried = cli.json(["alerts", "test"]);
    let row = |tried: &Value| (tried["sink"].as_str().unwrap().to_owned(), tried["ok"].as_bool().unwrap());
    let rows: Vec<_> = tried.as_array().unwrap().iter().map(row).collect();
    let wanted = ["email", "log", "slack", "webhook"].map(|name| (name.to_owned(), true));
    assert_eq!(rows, wanted, "{tried}");
    assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 1, "the mail went directly");
    let bodies: Vec<Value> =
        sink.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert!(bodies.iter().any(|body| body["test"] == json!(true) && body["state"] == "test"), "{bodies:?}");

    sink.next(Answer::new(404, "no such hook"));
    let output = cli.run(["alerts", "test", "--sink", "webhook"]).expect(1);
    assert!(output.stdout.contains("failed") && output.stdout.contains("http_4xx"), "{output:?}");
    assert!(output.stderr.contains("1 of 1 sink did not take it"), "said once: {}", output.stderr);
    sink.next(Answer::new(500, ""));
    sink.next(Answer::new(500, ""));
    let output = cli.run(["alerts", "test", "-o", "json"]).expect(3);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains("hush"), "{output:?}");
    let output = cli.run(["alerts", "test", "--sink", "pager"]).expect(4);
    assert!(output.stderr.contains("email, log, slack, webhook"), "{}", output.stderr);
    let output = cli.clone().env("ALERT_EXEC", "/no/such/program").run(["alerts", "test"]).expect(3);
    assert!(output.stdout.contains("sink exec") && output.stdout.contains("webhook"), "{}", output.stdout);
}

#[test]
fn a_command_gets_the_notice_and_no_secret() {
    let redis = TestRedis::start();
    let ledger = Ledger::new();
    let cli = Cli::new(&redis).env("HTTP_SIGNING_KEY", "hush").env("ALERT_SLACK_URL", "http://127.0.0.1:1/hush");
    let directory = cli.home();
    let script = format!("#!/bin/sh\nenv > {0}/env\ncat > {0}/stdin\n", directory.display());
    let cli = cli.env("ALERT_EXEC", format!("{} ops", ledger.write("page", &script)));
    cli.ok(["alerts", "test", "--sink", "exec"]);
    let environment = std::fs::read_to_string(directory.join("env")).unwrap();
    for named in ["IREVA_ALERT_STATE=test", "IREVA_ALERT_ID=alert-", "IREVA_ALERT_COUNT=1", "IREVA_ALERT_NAMES=test"] {
        assert!(environment.contains(named), "{named} in {environment}");
    }
    assert!(!environment.contains("hush") && !environment.contains("REDIS_"), "{environment}");
    let notice: Value = serde_json::from_str(&std::fs::read_to_string(directory.join("stdin")).unwrap()).unwrap();
    assert_eq!((&notice["test"], &notice["alerts"][0]["alert"]), (&json!(true), &json!("test")));

    let failing = ledger.write("fail", "#!/bin/sh\necho no pager >&2\nexit 7\n");
    let output = cli.env("ALERT_EXEC", failing).run(["alerts", "test", "--sink", "exec"]).expect(1);
    assert!(output.stdout.contains("exit_7") && output.stdout.contains("no pager"), "{}", output.stdout);
}

#[test]
fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let redis = TestRedis::start();
    let ledger = Ledger::new();
    let pids = ledger.write("pids", "");
    let script = format!("#!/bin/sh\nsleep 600 &\necho $! >> {pids}\necho $$ >> {pids}\nwait\n");
    let mut settings = ExecSettings::new(vec![ledger.write("hang", &script).into()]);
    settings.environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
    let sink = ExecSink::new(settings).unwrap().limit(Duration::from_millis(500));
    let name = AlertName::new("exec").unwrap();
    let began = Instant::now();
    let tried = run(async {
        let sinks = AlertSinks::new().with(name.clone(), sink);
        client(&redis).alerts().test(&sinks, Some(&name), "tester").await.unwrap()
    });
    assert!(!tried[0].ok && tried[0].message.starts_with("timeout: "), "{tried:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        wait_until(Duration::from_secs(20), "the process is gone", gone);
    }
}

#[test]
fn no_secret_of_a_sink_is_said() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis)
        .env("ALERT_WEBHOOK_URL", "http://user:hush@127.0.0.1:1/hush")
        .env("ALERT_SLACK_URL", "http://127.0.0.1:1/services/hush")
        .env("ALERT_EMAIL_TO", "ops@example.org")
        .env("SMTP_URL", "smtp://user:hush@127.0.0.1:1?tls=none")
        .env("MAIL_FROM", "no-reply@example.org")
        .env("HTTP_SIGNING_KEY", "hush");
    cli.ok(["alerts", "set", "lines", "--when", "backlog", "--above", "1", "--for", "0s"]);
    cli.enqueue("q", "{}", &[]);
    let bundle = cli.home().join("bundle.json").display().to_string();
    for args in [
        &["alerts", "run", "--once", "-vv"][..],
        &["alerts", "test", "-vv", "-o", "json"],
        &["alerts", "list", "-o", "json"],
        &["alerts", "show", "lines", "-o", "json"],
        &["alerts", "history", "-o", "json"],
        &["config", "show", "-o", "json"],
        &["doctor", "-o", "json", "--bundle", &bundle],
    ] {
        let output = cli.run(args);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("hush"), "{args:?}: {output:?}");
    }
    assert!(!std::fs::read_to_string(&bundle).unwrap().contains("hush"));
    let stored: Vec<String> = redis.query(&["HVALS", "ireva:queue:{:alerts}:outbox"]);
    let stored = stored.join("\n");
    assert!(!stored.contains("hush") && stored.contains("connection_refused"), "{stored}");
}

#[test]
fn names_of_alerts_and_sinks_are_completed() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("ALERT_EXEC", "true");
    cli.ok(["alerts", "set", "lines", "--when", "backlog", "--above", "1"]);
    let offered = |current: &str, before: &[&str]| {
        let output = cli.run(["__complete", "zsh", "--", current].iter().chain(before)).expect(0);
        output.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("", &["alerts", "test", "--sink"]), ["exec", "log"]);
    // What Redis does not answer in time is left out, which a busy machine may need a few looks for.
    wait_until(Duration::from_secs(30), "the alerts are offered", || {
        offered("", &["alerts", "mute"]) == ["lines", "redis"]
    });
}
