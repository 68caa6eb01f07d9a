//! What the command line tells where something is out of the ordinary: what stands, and what to do.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::*;

/// Starts a command, sends it Ctrl-C when `ready` says so, and returns its code, stdout and stderr.
fn interrupted(cli: &Cli, args: &[&str], ready: impl Fn() -> bool) -> (Option<i32>, String, String) {
    let mut command = cli.command(args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Guarded(child);
    wait_until(Duration::from_secs(20), "the command is under way", ready);
    signal(child.pid(), Signal::INT);
    let code = child.wait(Duration::from_secs(20), "an interrupted command").code();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (code, stdout, stderr)
}

fn numbers(count: u32) -> String {
    (0..count).map(|n| format!("{n}\n")).collect()
}

#[test]
fn a_queue_that_fills_up_ends_a_bulk_with_what_was_enqueued() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for (queue, options) in [("a", &["-o", "json"][..]), ("b", &["-q"])] {
        cli.ok(["queues", "set", queue, "--max-length", "700"]);
        let args = ["enqueue", queue, "--bare", "--ndjson", "-"];
        let output = cli.clone().stdin(numbers(1_500)).run(args.iter().chain(options)).expect(3);
        assert!(output.stderr.contains("stopped at line 701 (75, not now)"), "{}", output.stderr);
        assert!(output.stderr.contains("--max-length"), "{}", output.stderr);
        assert_eq!(cli.json(["stats", queue])["pending"], 700);
        match queue {
            "a" => assert_eq!(output.json()["enqueued"], 700),
            _ => assert_eq!(output.stdout.lines().count(), 700),
        }
        let nothing = cli.clone().stdin("1\n").run(args).expect(75);
        assert!(nothing.stderr.contains("line 1"), "{}", nothing.stderr);
    }
}

#[test]
fn an_interrupted_wait_leaves_the_id() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.ok(["queues", "set", "q", "--rate", "5/s"]);
    let pending = || cli.json(["stats", "q"])["pending"] == 1;
    let (code, stdout, stderr) =
        interrupted(&cli, &["enqueue", "q", "--wait", "--id", "mine-1"], || pending() && pending());
    assert_eq!((code, stdout.as_str()), (Some(130), "mine-1\n"));
    assert!(stderr.contains("job mine-1 is enqueued; jobs show mine-1"), "{stderr}");
    assert_eq!(cli.json(["stats", "q"])["pending"], 1);
}

#[test]
fn an_interrupted_bulk_says_how_far_it_came() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let mut command = cli.command(["enqueue", "q", "--bare", "--ndjson", "-", "-o", "json"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Guarded(child);
    let mut stdin = child.0.stdin.take().unwrap();
    stdin.write_all(numbers(3_000).as_bytes()).unwrap();
    wait_until(Duration::from_secs(20), "the first lines are enqueued", || {
        cli.run(["stats", "q", "-o", "json"]).stdout.contains("\"pending\": 3000")
    });
    signal(child.pid(), Signal::INT);
    assert_eq!(child.wait(Duration::from_secs(20), "an interrupted bulk").code(), Some(130));
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stdout.contains("\"enqueued\": 3000") && stderr.contains("after line 3000"), "{stdout} {stderr}");
}

#[test]
fn an_interrupted_revival_counts_what_was_revived() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for _ in 0..3 {
        cli.enqueue("q", "{}", &["--attempts", "1"]);
    }
    cli.run(["work", "q", "--until-empty", "--exec", "false"]).expect(0);
    let pending = || cli.json(["stats", "q"])["pending"] == 1;
    let args = ["dlq", "retry", "q", "--all", "--yes", "--rate", "1/h", "-o", "table"];
    let (code, stdout, stderr) = interrupted(&cli, &args, || pending() && pending());
    assert_eq!((code, stdout.as_str()), (Some(130), "1 dead letter revived\n"), "{stderr}");
    assert!(stderr.contains("run it again for the rest"), "{stderr}");
}

#[test]
fn a_new_queue_is_noted_and_an_empty_one_can_be_deleted() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let note = |args: &[&str]| cli.run(args).expect(0).stderr;
    assert_eq!(
        note(&["enqueue", "emaill", "to=ada@example.com"]),
        "queue \"emaill\" is new (did you mean \"email\"?)\n"
    );
    assert_eq!(note(&["enqueue", "emaill", "to=ada@example.com"]), "");
    assert_eq!(note(&["enqueue", "thumbnails"]), "", "nothing for cron to send a mail about");
    assert!(note(&["queues", "set", "thumbnail", "--rate", "1/s"]).contains("did you mean \"thumbnails\"?"));
    assert_eq!(note(&["enqueue", "other", "-q"]), "");

    let refused = cli.run(["queues", "delete", "emaill"]).expect(5);
    assert!(refused.stderr.contains("2 pending") && refused.stderr.contains("clear emaill --state pending"));
    cli.ok(["clear", "emaill", "--yes"]);
    assert_eq!(cli.json(["queues", "delete", "emaill"]), json!({"queue": "emaill", "deleted": true}));
    cli.run(["stats", "emaill"]).expect(4);
    assert!(!cli.ok(["queues", "list", "-o", "name"]).contains("emaill"));
    let mut left: Vec<String> = redis.query(&["KEYS", "*{emaill}:[^mc]*"]);
    left.retain(|key| !key.contains(":undo:"));
    assert_eq!(left, Vec::<String>::new(), "nothing but what can be undone within its hour");
    let mut worker = cli.work(["thumbnail", "--exec", "true"]).ready();
    assert!(cli.run(["queues", "delete", "thumbnail"]).expect(5).stderr.contains("workers"));
    assert_eq!(worker.stop(Duration::from_secs(20)), Some(0));
    cli.run(["queues", "delete", "thumbnail"]).expect(0);
}

#[test]
fn a_duplicate_says_why_nothing_was_added() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "mine-1", "--unique", "k"]);
    let said = |args: &[&str]| cli.run(["enqueue", "q"].iter().chain(args)).expect(0).stderr;
    assert_eq!(said(&["--id", "mine-1"]), "job mine-1 is there already; nothing was added\n");
    assert_eq!(said(&["--unique", "k"]), "job mine-1 holds the unique key; nothing was added\n");
    cli.ok(["jobs", "delete", "mine-1", "--yes"]);
    assert!(said(&["--id", "mine-1"]).starts_with("id mine-1 was used before, and that job is gone"));
    let waiting = cli.run(["enqueue", "q", "--id", "mine-1", "--wait"]).expect(4);
    assert!(waiting.stdout == "mine-1\n" && waiting.stderr.contains("nothing to wait for"), "{waiting:?}");
}

#[test]
fn an_edited_payload_is_checked() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("email", "{}", &["--no-check", "--id", "mail-1", "--attempts", "1"]);
    cli.run(["work", "email", "--until-empty", "--exec", "false"]).expect(0);
    let refused = cli.run(["dlq", "retry", "email", "mail-1", "--edit", "{\"to\":\"x\"}"]).expect(2);
    assert!(refused.stderr.contains("not an address"), "{}", refused.stderr);
    cli.run(["dlq", "retry", "email", "mail-1", "--edit", "{\"to\":\"x\"}", "--no-check"]).expect(0);
}

#[test]
fn a_job_that_never_ran_says_why_and_several_jobs_are_told_whole() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{\"n\":1}", &["--id", "late-1", "--ttl", "1ms", "--delay", "1h"]);
    cli.enqueue("q", "{\"n\":2}", &["--id", "wait-1"]);
    let script = "echo IREVA-RETRY-AFTER: 1h >&3; exit 75";
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", script]).expect(0);
    let late = cli.ok(["jobs", "show", "late-1"]);
    assert!(late.contains("state\tdead\n") && late.contains("cause\texpired: past its ttl"), "{late}");
    let both = cli.ok(["jobs", "show", "late-1", "wait-1"]);
    assert!(both.contains("{\"n\":1}") && both.contains("{\"n\":2}"), "{both}");
    assert!(both.contains("cause\tsnoozed: put off once since") && both.contains("\ndue\t"), "{both}");
    let listed = cli.ok(["jobs", "list", "q", "--state", "scheduled", "-o", "table"]);
    assert!(listed.contains("due in"), "{listed}");
}

#[test]
fn a_worker_that_ran_empty_says_what_stays() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    cli.enqueue("q", "{}", &["--delay", "1h"]);
    cli.ok(["queues", "pause", "q"]);
    let run = || cli.run(["work", "q", "--until-empty", "--exec", "true"]).expect(0).stderr;
    assert!(run().contains("queue q is paused (queues resume q): 1 pending, 1 scheduled stay"));
    cli.ok(["queues", "resume", "q"]);
    assert!(run().contains("queue q: 1 scheduled stay for later"));
}

#[test]
fn names_are_those_of_things_and_help_is_a_command() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    for args in [
        &["queues", "get", "q"][..],
        &["queues", "set", "q", "--rate", "5/s"],
        &["clear", "q", "--yes"],
        &["dlq", "purge", "q", "--yes"],
    ] {
        assert_eq!(cli.ok(args.iter().chain(&["-o", "name"])), "q\n", "{args:?}");
    }
    assert_eq!(cli.ok(["work", "q", "-o", "name", "--until-empty", "--exec", "true"]), "q\n");
    assert_eq!(cli.ok(["help", "work"]), cli.ok(["work", "--help"]));
    let none = cli.run(["dlq", "list", "q", "--code", "nosuch"]).expect(0);
    assert_eq!(none.stderr, "none of the dead letters of q match\n");
    let csv = cli.ok(["stats", "q", "-o", "csv"]);
    assert!(csv.starts_with("queue,pending"));
}

#[test]
fn what_is_wrong_is_quoted_with_a_way_out() {
    let cli = Cli::bare();
    let table: &[(&[&str], &[&str])] = &[
        (&["enqueue", "q", "x"], &["\"x\"", "key=value"]),
        (&["enqueue", "q", "=1"], &["\"=1\"", "key=value"]),
        (&["enqueue", "q", "x=1", "x.y=2"], &["\"x.y\"", "object"]),
        (&["enqueue", "q", "--attempts", "abc"], &["abc", "--attempts", "whole number"]),
        (&["enqueue", "q", "--from", "."], &["directory"]),
        (&["enqueue", "email", "to=a@b.co", "subject=s", "template=alert", "replyTo=x@y.co"], &["replyTo", "reply_to"]),
        (&["work", "q", "--http", "foo"], &["--http", "foo", "https://"]),
        (&["work", "q", "--http", "https://u:pw@h/"], &["--http", "HTTP_URL"]),
        (&["work", "q", "--http", "https://h/", "--pass-env", "A"], &["--pass-env"]),
        (&["work", "q", "--exit-codes", "3=x", "--exec", "true"], &["throttled", "transient"]),
    ];
    for (args, parts) in table {
        let output = cli.run(*args).expect(2);
        assert!(parts.iter().all(|part| output.stderr.contains(part)), "{args:?}: {}", output.stderr);
    }
    let data = cli.clone().env("REDIS_MODE", "embedded").env("IREVA_QUEUE_DATA_DIR", "here").run(["stats"]).expect(78);
    assert!(data.stderr.contains("IREVA_QUEUE_DATA_DIR=\"here\": expected an absolute path"), "{}", data.stderr);
    let file = cli.home().join("file");
    std::fs::write(&file, "redis_port = 1\n").unwrap();
    let place = file.display().to_string();
    let data = cli.clone().env("REDIS_MODE", "embedded").env("IREVA_QUEUE_DATA_DIR", &place).run(["stats"]).expect(78);
    assert!(data.stderr.contains(&place) && data.stderr.contains("IREVA_QUEUE_DATA_DIR"), "{}", data.stderr);
    let profile = cli.clone().env("IREVA_QUEUE_CONFIG", &place).run(["stats"]).expect(78);
    assert!(profile.stderr.contains("redis_port") && profile.stderr.contains("redis.port"), "{}", profile.stderr);
    std::fs::write(&file, "\n\nx =\n").unwrap();
    assert!(cli.env("IREVA_QUEUE_CONFIG", &place).run(["stats"]).expect(78).stderr.contains("line 3"));
}

#[test]
fn another_server_or_a_closed_door_says_what_to_set() {
    let port = free_port().to_string();
    let mut server = guarded("python3");
    server.args(["-m", "http.server", "--bind", "127.0.0.1", &port]).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Guarded(server.spawn().unwrap());
    wait_until(Duration::from_secs(20), "the HTTP server listens", || {
        std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
    });
    let output = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port).run(["stats"]).expect(78);
    assert!(output.stderr.contains("does not speak Redis") && output.stderr.contains(&port), "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(2), "{:?}", output.elapsed);
    let redis = TestRedis::builder().password("right-horse").start();
    let without = Cli::new(&redis).without("REDIS_PASSWORD").run(["stats"]).expect(77);
    assert!(without.stderr.contains("set REDIS_PASSWORD"), "{}", without.stderr);
    let wrong = Cli::new(&redis).env("REDIS_PASSWORD", "wrong").run(["stats"]).expect(77);
    assert!(wrong.stderr.contains("REDIS_USERNAME"), "{}", wrong.stderr);
}

#[test]
fn jobs_are_posted_to_the_url_of_the_environment() {
    let redis = TestRedis::start();
    let sink = http_sink::HttpSink::start();
    let url = sink.url("/hook").replace("http://", "http://user:s3cret@");
    let cli = Cli::new(&redis).env("HTTP_URL", &url);
    cli.enqueue("q", "{}", &[]);
    let worked = cli.run(["work", "q", "--until-empty"]).expect(0);
    assert!(!worked.stderr.contains("s3cret") && worked.stdout.starts_with("1\t"), "{worked:?}");
    let requests = sink.requests();
    assert!(requests.len() == 1 && requests[0].header("authorization").is_some());
    let wrong = cli.env("HTTP_URL", "foo-s3cret").run(["work", "q"]).expect(78);
    assert!(wrong.stderr.contains("HTTP_URL") && !wrong.stderr.contains("s3cret"), "{}", wrong.stderr);
}
