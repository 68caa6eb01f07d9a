//! `doctor` as an operator types it: the four topics of trouble, services, fixes, the report, the contract.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::ops_seed::{NOW_US, Seed};
use crate::support::smtp_sink::{Act, SmtpSink, Stage};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

fn sound() -> TestRedis {
    TestRedis::builder().append_only().set("maxmemory 1gb").start()
}

/// What doctor says, and whether anything wants to be done.
fn doctor(cli: &Cli, args: &[&str]) -> (Vec<Value>, i32) {
    let output = cli.run(["doctor", "-o", "json"].iter().chain(args));
    let code = output.code.unwrap_or_default();
    (output.json().as_array().cloned().unwrap_or_default(), code)
}

fn found(cli: &Cli, code: &str) -> Option<Value> {
    doctor(cli, &[]).0.into_iter().find(|finding| finding["code"] == code)
}

#[track_caller]
fn finding(cli: &Cli, code: &str) -> Value {
    let all = doctor(cli, &[]).0;
    let found = all.iter().find(|finding| finding["code"] == code).cloned();
    found.unwrap_or_else(|| panic!("{code} is not among {all:#?}"))
}

fn text<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding[field].as_str().unwrap_or_default()
}

#[test]
fn nothing_wrong_is_0_and_something_is_1() {
    let redis = sound();
    let cli = Cli::new(&redis);
    let output = cli.run(["doctor"]).expect(0);
    assert_eq!(output.stderr, "the server answers; 0 queues, 0 workers, 0 services: nothing is wrong\n");
    assert!(output.stdout.lines().all(|line| line.starts_with("note\t")), "{}", output.stdout);
    assert!(output.stdout.contains("service_unconfigured\tservices\tnot configured here: mail (SMTP_URL), "));
    cli.enqueue("email", "{}", &["--no-check"]);
    let output = cli.run(["doctor"]).expect(1);
    assert!(output.stdout.starts_with("critical\tno_worker\temail\t1 job waits"), "{}", output.stdout);
    assert!(output.stderr.is_empty(), "{}", output.stderr);
}

#[test]
fn an_answer_comes_in_every_format() {
    let redis = sound();
    let cli = Cli::new(&redis).env("COLUMNS", "80");
    cli.enqueue("q", "{}", &[]);
    let run = |format: &str| cli.run(["doctor", "q", "-o", format]).expect(1).stdout;
    let table = run("table");
    for part in ["critical", "no_worker: q", "found", "1 job waits", "means", "remedy", "ireva-queue work q"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80) && !table.contains('\x1b'), "{table}");
    assert!(run("wide").starts_with("SEVERITY") && run("csv").starts_with("severity,code,about"));
    assert_eq!(run("name"), "no_worker\n");
    assert_eq!(serde_json::from_str::<Value>(run("jsonl").trim()).unwrap()["code"], "no_worker");
    let codes = cli.json(["doctor", "--codes"]);
    let listed = codes.as_array().unwrap();
    assert!(listed.len() > 40 && listed.iter().all(|row| row["meaning"].is_string() && row["remedy"].is_string()));
    Cli::bare().env("REDIS_PORT", "abc").run(["doctor", "--codes"]).expect(0);
}

#[test]
fn what_keeps_doctor_from_looking_has_its_exit_code() {
    let redis = sound();
    let cli = Cli::new(&redis);
    cli.enqueue("email", "{}", &["--no-check"]);
    assert!(cli.run(["doctor", "emial"]).expect(4).stderr.contains("did you mean \"email\"?"));
    cli.run(["doctor", "a b"]).expect(2);
    cli.run(["doctor", "--codes", "--fix"]).expect(2);
    cli.clone().env("REDIS_MODE", "foo").run(["doctor"]).expect(78);
    let port = free_port().to_string();
    let away = cli.clone().env("REDIS_PORT", &port).run(["doctor"]).expect(1);
    assert!(away.stdout.starts_with("critical\tredis_unreachable\tredis\t") && away.stdout.contains(&port), "{away:?}");
    assert!(away.elapsed < Duration::from_secs(6), "{:?}", away.elapsed);
}

/// Jobs not processing: Redis reachable, workers running, backlog.
#[test]
fn jobs_that_do_not_run_are_explained() {
    let redis = sound();
    let cli = Cli::new(&redis);
    cli.enqueue_lines("q", (0..5).map(|n| format!("{{\"payload\":{n}}}")));
    assert_eq!(text(&finding(&cli, "no_worker"), "remedy"), "ireva-queue work q --exec COMMAND");
    cli.ok(["queues", "pause", "q"]);
    assert_eq!(text(&finding(&cli, "queue_paused"), "remedy"), "ireva-queue queues resume q");
    cli.ok(["queues", "resume", "q"]);
    // A worker that lives, as far as its lease says, and takes nothing.
    cli.ok(["clear", "q", "--yes"]);
    let mut worker = cli.work(["q", "--concurrency", "4", "--lease", "60s", "--exec", "true"]).ready();
    wait_until(LONG, "the worker is known", || {
        cli.json(["workers", "list"]).as_array().is_some_and(|all| all.len() == 1)
    });
    worker.signal(rustix::process::Signal::STOP);
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:2", "old-1", NOW_US, "");
    let found = finding(&cli, "jobs_not_started");
    assert!(text(&found, "message").contains("free slots"), "{found}");
    redis.query::<()>(&["ZREM", &seed.key("pending:2"), "old-1"]);
    redis.query::<()>(&["HDEL", &seed.key("jobs"), "old-1"]);
    seed.job("scheduled", "due-1", NOW_US / 1000 * 4, "");
    let found = finding(&cli, "jobs_overdue");
    assert!(text(&found, "message").contains("past its time"), "{found}");
    worker.signal(rustix::process::Signal::CONT);
    wait_until(LONG, "the job is done", || found_none(&cli, "jobs_overdue"));
    assert_eq!(worker.stop(LONG), Some(0));
}

fn found_none(cli: &Cli, code: &str) -> bool {
    found(cli, code).is_none()
}

/// Repeated failures: the error messages by cause, the dead letters, each external service tried.
#[test]
fn repeated_failures_are_told_by_cause_and_the_service_is_tried() {
    let redis = sound();
    let sink = SmtpSink::start();
    let cli = Cli::new(&redis).env("SMTP_URL", sink.url()).env("MAIL_FROM", "queue@example.com");
    let mail = |n: usize| {
        format!(r#"{{"to":"u{n}@example.com","subject":"s","template":"welcome-email","context":{{"firstName":"A"}}}}"#)
    };
    for n in 0..6 {
        sink.next(Stage::Rcpt, Act::Say("550 5.1.1 no such user"));
        cli.enqueue("email", &mail(n), &["--no-check"]);
    }
    cli.run(["work", "email", "--until-empty"]).expect(0);
    let failing = finding(&cli, "jobs_failing");
    assert_eq!(text(&failing, "severity"), "critical");
    let cause = &failing["causes"][0];
    assert_eq!((text(cause, "code"), cause["count"].as_u64()), ("smtp_5xx", Some(6)), "{failing}");
    assert!(text(cause, "example").contains("no such user"), "{failing}");
    let dead = finding(&cli, "dead_growing");
    assert!(text(&dead, "message").starts_with("6 jobs died in the last hour; 6 dead letters"), "{dead}");
    assert!(found(&cli, "service_failed").is_none(), "the server itself is well");
    assert!(sink.raw().contains("NOOP"), "{}", sink.raw());

    let refused = cli.clone().env("SMTP_URL", format!("smtp://127.0.0.1:{}?tls=none", free_port()));
    let failed = finding(&refused, "service_failed");
    assert_eq!((text(&failed, "about"), text(&failed, "queue")), ("mail", "email"));
    assert!(text(&failed, "message").starts_with("connection_refused: "), "{failed}");
    sink.next(Stage::Auth, Act::Say("535 5.7.8 who are you"));
    let locked = cli.clone().env("SMTP_URL", sink.url().replace("smtp://", "smtp://me:pa55-Xy@"));
    let failed = finding(&locked, "service_failed");
    assert!(text(&failed, "message").starts_with("smtp_auth: ") && !failed.to_string().contains("pa55-Xy"), "{failed}");
    sink.next(Stage::Greeting, Act::Hang);
    let output = cli.run(["doctor", "email"]).expect(1);
    assert!(output.stdout.contains("\tmail\ttimeout: ") && output.elapsed < Duration::from_secs(8), "{output:?}");
}

/// A queue that backs up: concurrency, saturated CPU or memory of the workers, more workers, with the number it advises.
#[test]
fn a_queue_that_backs_up_is_explained_with_a_number() {
    let redis = sound();
    let cli = Cli::new(&redis);
    let ledger = Ledger::new();
    let gate = ledger.write("gate", "#!/bin/sh\nread x\nwhile [ ! -e open ]; do sleep 0.05; done\n");
    let mut worker = cli.work(["q", "--concurrency", "2", "--exec", &gate]).ready();
    cli.enqueue_lines("q", (0..12).map(|n| format!("{{\"payload\":{n}}}")));
    wait_until(LONG, "both slots are busy", || cli.json(["workers", "list"])[0]["active"].as_u64() >= Some(2));
    wait_until(LONG, "the backlog is found", || found(&cli, "workers_saturated").is_some());
    let saturated = finding(&cli, "workers_saturated");
    assert!(text(&saturated, "message").contains("all 2 slots of 1 worker are busy"), "{saturated}");
    assert!(
        text(&saturated, "remedy").contains("1 more worker like these (2 in all): ireva-queue work q"),
        "{saturated}"
    );

    cli.ok(["queues", "set", "q", "--concurrency", "2"]);
    let limited = finding(&cli, "limit_reached");
    assert!(text(&limited, "message").contains("2 run at once, which is its concurrency"), "{limited}");
    cli.ok(["queues", "set", "q", "--concurrency", "none"]);

    // What the worker says of its machine, and what is made of it.
    let id = cli.ok(["workers", "list", "-o", "name"]).trim().to_owned();
    let key = format!("ireva:queue:worker:{id}");
    let said = |field: &str| redis.query::<Option<u64>>(&["HGET", &key, field]);
    wait_until(LONG, "the worker tells of its machine", || said("cpu_permille").is_some());
    assert!(said("memory_bytes") > Some(1 << 20) && said("memory_limit_bytes") > said("memory_bytes"));
    worker.signal(rustix::process::Signal::STOP);
    let limit = said("memory_limit_bytes").unwrap_or_default().to_string();
    redis.query::<()>(&["HSET", &key, "cpu_permille", "990", "memory_bytes", &limit]);
    assert_eq!(text(&finding(&cli, "worker_cpu"), "about"), id);
    assert!(text(&finding(&cli, "workers_saturated"), "remedy").contains("on other hosts"));
    assert_eq!(text(&finding(&cli, "worker_memory"), "queue"), "q");
    worker.signal(rustix::process::Signal::CONT);
    std::fs::write(cli.home().join("open"), "").unwrap();
    wait_until(LONG, "the backlog is gone", || cli.json(["stats", "q"])["pending"] == 0);
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn silent_workers_and_different_versions_are_found() {
    let redis = sound();
    let cli = Cli::new(&redis);
    let mut dead = cli.work(["q", "--lease", "4s", "--exec", "sleep", "60"]).ready();
    cli.enqueue("q", "1", &[]);
    dead.wait_event("started");
    dead.kill9();
    wait_until(LONG, "its lease ends", || found(&cli, "worker_silent").is_some());
    assert!(text(&finding(&cli, "claims_orphaned"), "message").starts_with("1 job held"));
    let first = cli.work(["q", "--exec", "true"]).ready();
    wait_until(LONG, "its job is taken back", || found(&cli, "claims_orphaned").is_none());
    let _second = cli.work(["q", "--exec", "true"]).ready();
    wait_until(LONG, "both are known", || cli.json(["workers", "list"]).as_array().is_some_and(|all| all.len() == 2));
    first.signal(rustix::process::Signal::STOP);
    let all = cli.json(["workers", "list"]);
    let id = all.as_array().unwrap().iter().find(|worker| worker["pid"] == first.pid()).unwrap()["worker"].clone();
    redis.query::<()>(&["HSET", &format!("ireva:queue:worker:{}", id.as_str().unwrap()), "version", "0.0.9"]);
    let mixed = finding(&cli, "version_mix");
    assert!(text(&mixed, "message").contains("1 × 0.0.9"), "{mixed}");
    first.signal(rustix::process::Signal::CONT);
}

#[test]
fn every_service_is_tried_and_the_unset_ones_are_named() {
    let redis = sound();
    let cli = Cli::new(&redis);
    let home = cli.home();
    let directory = |name: &str| home.join(name).display().to_string();
    for name in ["imports", "mails"] {
        std::fs::create_dir(directory(name)).unwrap();
    }
    std::fs::write(directory("file"), "").unwrap();
    let old = format!("sqlite://{}?mode=rwc", directory("old.db"));
    let closed = format!("http://user:hush-99@127.0.0.1:{}/secret-path", free_port());
    let cli = cli
        .env("SMTP_URL", format!("file://{}", directory("mails")))
        .env("DATABASE_URL", &old)
        .env("IMPORT_DIR", directory("imports"))
        .env("EXPORT_DIR", directory("gone"))
        .env("REPORT_DIR", directory("file"))
        .env("HTTP_URL", &closed);
    let (all, code) = doctor(&cli, &[]);
    assert_eq!(code, 1);
    let of = |about: &str| all.iter().find(|finding| finding["about"] == about).cloned().unwrap_or_default();
    assert_eq!(
        (text(&of("database"), "code"), text(&of("database"), "remedy")),
        ("database_outdated", "ireva-queue db migrate")
    );
    assert!(text(&of("exports"), "message").starts_with("storage_unreachable: "), "{}", of("exports"));
    assert_eq!(text(&of("reports"), "code"), "service_failed");
    assert!(text(&of("requests"), "message").starts_with("connection_refused: "), "{}", of("requests"));
    assert!(of("mail").is_null() && of("imports").is_null(), "{all:#?}");
    assert!(
        text(&of("services"), "message")
            .ends_with("text messages (SMS_URL), push messages (PUSH_URL), chat (SLACK_URL)")
    );
    let said = Value::Array(all).to_string();
    assert!(!said.contains("hush-99") && !said.contains("secret-path"), "{said}");
    cli.ok(["db", "migrate"]);
    assert!(found(&cli, "database_outdated").is_none());
    assert_eq!(std::fs::read_dir(directory("mails")).unwrap().count(), 0, "a try leaves nothing");
}

#[test]
fn fix_does_the_safe_ones_and_says_so() {
    let redis = sound();
    let (cli, seed) = (Cli::new(&redis), Seed { redis: &redis, queue: "q" });
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
    seed.many("completed", 3_000, (NOW_US / 1000, 1));
    redis.query::<()>(&["HSET", &seed.key("unique"), "k-1", "0|long-gone"]);
    cli.run(["doctor"]).expect(1);
    let output = cli.run(["doctor", "--fix"]).expect(0);
    assert!(output.stderr.contains("retention_behind q: removed 2,900 ended jobs"), "{}", output.stderr);
    assert!(output.stderr.ends_with("nothing else is wrong\n"), "{}", output.stderr);
    assert!(
        output.stdout.contains("unique_leaked\tq\t") && output.stdout.contains("let go of 1 "),
        "{}",
        output.stdout
    );
    assert!(cli.run(["doctor"]).expect(0).stderr.ends_with("1 queue, 0 workers, 0 services: nothing is wrong\n"));
    cli.enqueue("q", "1", &[]);
    cli.run(["doctor", "--fix"]).expect(1);
}

#[test]
fn the_report_holds_everything_but_secrets_and_payloads() {
    let redis = TestRedis::builder().append_only().password("redis-hush-1").start();
    let secrets = [
        ("SMTP_URL", "smtp://mailer:smtp-hush-2@127.0.0.1:9?tls=none"),
        ("DATABASE_URL", "postgres://me:db-hush-3@127.0.0.1:9/ireva"),
        ("HTTP_URL", "http://me:http-hush-4@127.0.0.1:9/hook-hush-5"),
        ("HTTP_SIGNING_KEY", "sign-hush-6"),
        ("AWS_ACCESS_KEY_ID", "aws-hush-7"),
        ("AWS_SECRET_ACCESS_KEY", "aws-hush-8"),
        ("AWS_SESSION_TOKEN", "aws-hush-9"),
        ("SMS_URL", "http://127.0.0.1:9/sms"),
        ("SMS_USER", "texter"),
        ("SMS_PASSWORD", "sms-hush-10"),
        ("PUSH_TOKEN", "push-hush-11"),
        ("SLACK_URL", "http://127.0.0.1:9/services/slack-hush-12"),
    ];
    let cli = secrets.iter().fold(Cli::new(&redis), |cli, (name, value)| cli.env(name, value));
    let script = "read x; echo \"cannot reach $x\" >&2; exit 65";
    cli.enqueue("q", "{\"iban\":\"payload-hush-13\"}", &["--id", "person-hush-14"]);
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", script]).expect(0);
    let mut worker = cli.work(["q", "--exec", "true"]).ready();
    wait_until(LONG, "the worker is known", || {
        cli.json(["workers", "list"]).as_array().is_some_and(|all| all.len() == 1)
    });
    let path = cli.home().join("report.json");
    let output = cli.run(["doctor", "--bundle", &path.display().to_string()]).expect(1);
    assert!(output.stderr.contains("report.json"), "{}", output.stderr);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let report = std::fs::read_to_string(&path).unwrap();
    assert!(!report.contains("hush"), "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();
    let configured = |name: &str| {
        let all = report["configuration"].as_array().unwrap();
        all.iter().find(|variable| variable["name"] == name).cloned().unwrap()
    };
    assert_eq!(configured("REDIS_PASSWORD")["value"], "********");
    assert_eq!(
        (&configured("SMS_USER")["value"], &configured("SMS_USER")["origin"]),
        (&"texter".into(), &"environment".into())
    );
    assert_eq!(configured("QUEUE_PREFIX")["origin"], "default");
    assert_eq!(report["server"]["redis_mode"], "standalone");
    assert_eq!(report["queues"][0]["dead"], 1);
    assert_eq!(report["workers"][0]["pid"], worker.pid());
    assert_eq!((&report["deadLetters"][0]["code"], &report["deadLetters"][0]["count"]), (&"exit_65".into(), &1.into()));
    assert!(report["events"].as_array().unwrap().iter().any(|event| event["event"] == "dead" && event["count"] == 1));
    let codes = report["findings"].as_array().unwrap().iter().map(|finding| text(finding, "code")).collect::<Vec<_>>();
    assert!(codes.contains(&"service_failed") && codes.contains(&"dead_growing"), "{codes:?}");
    let failed = report["services"].as_array().unwrap().iter().filter(|service| service["state"] == "failed").count();
    assert!(failed >= 4, "{}", report["services"]);
    assert_eq!(worker.stop(LONG), Some(0));
}
