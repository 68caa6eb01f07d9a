//! The central log: what happens in every queue and every worker, what a job has said, and its life.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// A command that writes to a file until it is stopped.
struct Following {
    process: Guarded,
    name: &'static str,
    cli: Cli,
}

impl Following {
    fn start(cli: &Cli, name: &'static str, args: &[&str]) -> Self {
        let file = |end: &str| File::create(cli.home().join(format!("{name}.{end}"))).unwrap();
        let mut command = cli.command(args);
        let child = command.stdout(file("out")).stderr(file("err")).stdin(Stdio::null()).spawn().unwrap();
        Self { process: Guarded(child), name, cli: cli.clone() }
    }

    fn said(&self, end: &str) -> String {
        std::fs::read_to_string(self.cli.home().join(format!("{}.{end}", self.name))).unwrap()
    }

    /// The events so far; a line that is being written is left out.
    fn events(&self) -> Vec<Value> {
        let text = self.said("out");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// How often each job was named by each event.
    fn told(&self) -> BTreeMap<(String, String), usize> {
        let mut told = BTreeMap::new();
        for event in self.events() {
            for job in event["jobs"].as_array().unwrap() {
                let word = |value: &Value| value.as_str().unwrap().to_owned();
                *told.entry((word(&event["event"]), word(job))).or_default() += 1;
            }
        }
        told
    }

    fn wait_for(&self, what: &str, count: usize) {
        wait_until(LONG, &format!("{count} {what} in {}: {}", self.name, self.said("err")), || {
            self.events().iter().filter(|event| event["event"] == what).count() >= count
        });
    }

    /// Ctrl-C, and the exit code.
    fn interrupt(&mut self) -> Option<i32> {
        signal(self.process.pid(), rustix::process::Signal::INT);
        self.process.wait(LONG, "following").code()
    }
}

/// Connections to Redis that wait for events.
fn waiting(redis: &TestRedis) -> usize {
    redis.query::<String>(&["CLIENT", "LIST"]).lines().filter(|line| line.contains("cmd=xread")).count()
}

/// Jobs `<queue>-<exit code>-<n>` that exit with that code, twice where it is 75.
fn enqueue_ends(cli: &Cli, queue: &str, count: usize) {
    let line = |code: u8, n: usize| {
        let more = r#""attempts":2,"backoff":"fixed:100ms""#;
        format!(r#"{{"payload":{code},"id":"{queue}-{code}-{n}",{more}}}"#)
    };
    cli.enqueue_lines(queue, (0..count).flat_map(|n| [0, 65, 75].map(|code| line(code, n))));
}

#[test]
fn the_central_log_tells_each_failure_retry_and_burial_of_three_workers_once() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("first", "0", &[]);
    let mut all = Following::start(&cli, "all", &["events", "--follow", "-o", "jsonl"]);
    let mut errors = Following::start(&cli, "errors", &["events", "--follow", "--level", "error", "-o", "jsonl"]);
    wait_until(LONG, "both follow", || waiting(&redis) == 2);
    let exit = ["--concurrency", "3", "--exec", "sh", "-c", "exit $(cat)"];
    let mut workers: Vec<_> = (0..3).map(|_| cli.work(["first", "second"].iter().chain(&exit)).ready()).collect();
    enqueue_ends(&cli, "first", 10);
    // One that is not there when following begins.
    enqueue_ends(&cli, "second", 10);
    all.wait_for("dead", 40);
    errors.wait_for("dead", 40);
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0));
    }
    let mut expected = BTreeMap::new();
    for queue in ["first", "second"] {
        for n in 0..10 {
            expected.insert(("retrying".to_owned(), format!("{queue}-75-{n}")), 1);
            expected.insert(("dead".to_owned(), format!("{queue}-75-{n}")), 1);
            expected.insert(("dead".to_owned(), format!("{queue}-65-{n}")), 1);
        }
    }
    let mut told = all.told();
    told.retain(|(event, _), _| event == "retrying" || event == "dead");
    assert_eq!(told, expected);
    expected.retain(|(event, _), _| event == "dead");
    assert_eq!(errors.told(), expected, "only what ended badly");

    let events = all.events();
    let failed: Vec<_> =
        events.iter().filter(|event| event["event"] == "retrying" || event["event"] == "dead").collect();
    for event in &failed {
        let failure = &event["failures"][0];
        assert_eq!(failure["job"], event["jobs"][0], "{event}");
        let second = event["event"] == "dead" && event["jobs"][0].as_str().unwrap().contains("-75-");
        assert_eq!(failure["attempt"], if second { 2 } else { 1 }, "{event}");
    }
    let by: std::collections::BTreeSet<_> = failed.iter().map(|event| event["by"].as_str().unwrap()).collect();
    assert_eq!(by.len(), 3, "each worker is heard: {by:?}");
    assert_eq!((all.interrupt(), errors.interrupt()), (Some(130), Some(130)));
    assert_eq!((all.said("err"), errors.said("err")), (String::new(), String::new()));
}

#[test]
fn the_last_events_come_in_their_order_over_all_queues() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for n in 1..=4 {
        cli.enqueue(["one", "two"][n % 2], "{}", &["--id", &format!("job-{n}")]);
        cli.ok(["jobs", "cancel", &format!("job-{n}")]);
    }
    bury(&cli, "two", 3);
    let jobs = |args: &[&str]| {
        let events = cli.json([&["events"], args].concat());
        let job = |event: &Value| event["jobs"][0].as_str().unwrap_or_default().to_owned();
        events.as_array().unwrap().iter().map(job).collect::<Vec<_>>()
    };
    let mut all = jobs(&[]);
    let mut dead = all.split_off(4);
    dead.sort();
    assert_eq!(
        (all, dead),
        (vec!["job-1".into(), "job-2".into(), "job-3".into(), "job-4".into()], jobs(&["--level", "error"]))
    );
    assert_eq!(jobs(&["--queue", "one", "--last", "1"]), ["job-4"]);
    assert_eq!(jobs(&["--last", "5"])[..2], ["job-3", "job-4"]);
    let failure = &cli.json(["events", "--level", "error", "--last", "1"])[0]["failures"][0];
    assert_eq!(
        (&failure["code"], &failure["message"], &failure["attempt"]),
        (&json!("boom"), &json!("boom"), &json!(1))
    );
    let plain = cli.ok(["events", "--level", "error", "--last", "1"]);
    assert!(plain.contains("\terror\ttwo\tdead\tdead-") && plain.contains("attempt 1 boom: boom"), "{plain}");
    assert!(cli.ok(["events", "-o", "table"]).lines().count() > 7);
    cli.run(["events", "--queue", "nope"]).expect(4);
    let none = cli.run(["events", "--queue", "one", "--level", "error"]).expect(0);
    assert!(none.stdout.is_empty() && !none.stderr.is_empty(), "{none:?}");
    cli.run(["events", "--level", "loud"]).expect(2);
    cli.run(["events", "--after", "1-0"]).expect(2);
}

#[test]
fn following_goes_on_behind_an_event_and_past_an_outage() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    for n in 1..=4 {
        cli.enqueue("q", "{}", &["--id", &format!("job-{n}")]);
    }
    cli.ok(["jobs", "cancel", "job-1", "job-2"]);
    let first = cli.json(["events", "--last", "2"])[0]["id"].as_str().unwrap().to_owned();
    let mut after = Following::start(&cli, "after", &["events", "--follow", "--after", &first, "-o", "jsonl"]);
    let mut last = Following::start(&cli, "last", &["events", "--follow", "--last", "1", "-o", "csv"]);
    after.wait_for("cancelled", 1);
    wait_until(LONG, "both follow", || waiting(&redis) == 2);
    redis.kill9();
    wait_until(LONG, "the outage is told", || [&after, &last].iter().all(|one| !one.said("err").is_empty()));
    redis.restart();
    cli.ok(["jobs", "cancel", "job-3"]);
    after.wait_for("cancelled", 2);
    assert_eq!(after.told().into_keys().map(|(_, job)| job).collect::<Vec<_>>(), ["job-2", "job-3"]);
    wait_until(LONG, "it goes on", || last.said("out").contains("job-3"));
    let rows = last.said("out");
    let rows: Vec<_> = rows.lines().collect();
    assert!(
        rows.len() == 3 && rows[0].starts_with("at,level,queue") && rows[1].contains("job-2"),
        "one header: {rows:?}"
    );
    assert_eq!((after.interrupt(), last.interrupt()), (Some(130), Some(130)));
    assert_eq!(after.said("err").lines().count(), 2, "the outage, and its end: {}", after.said("err"));
}

#[test]
fn people_see_a_line_for_each_event() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-1"]);
    let mut follow = Following::start(&cli, "table", &["events", "--follow", "-o", "table"]);
    wait_until(LONG, "it follows", || waiting(&redis) == 1);
    cli.ok(["queues", "set", "q", "--concurrency", "3"]);
    cli.ok(["jobs", "cancel", "job-1"]);
    wait_until(LONG, "both are shown", || follow.said("out").lines().count() == 2);
    let said = follow.said("out");
    assert!(said.contains("  info   q  settings  concurrency=3  (operator)\n"), "{said}");
    assert!(said.ends_with("  info   q  cancelled  job-1  (operator)\n"), "{said}");
    follow.interrupt();
}

#[test]
fn a_log_is_shown_and_followed_to_the_end_of_its_job() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "job-0001", "--attempts", "2", "--backoff", "fixed:200ms"]);
    assert!(cli.run(["logs", "job-0001"]).expect(0).stderr.contains("nothing yet"));
    let mut follow = Following::start(&cli, "log", &["logs", "job-0001", "--follow"]);
    let mut worker =
        cli.work(["q", "--exec", "sh", "-c", "echo attempt $JOB_ATTEMPT >&2; printf 'two\\033[2J\\n' >&2; exit 75"]);
    assert_eq!(follow.process.wait(LONG, "the log ends").code(), Some(0));
    assert_eq!(worker.stop(LONG), Some(0));
    let (said, told) = (follow.said("out"), follow.said("err"));
    assert!(said.lines().count() >= 4 && said.matches("two\\x1b[2J").count() == 2, "{said}");
    assert!(told.contains("job-0001 is dead"), "{told}");
    assert_eq!(cli.ok(["logs", "0001"]), said);
    assert_eq!(cli.json(["logs", "job-0001"])[0]["job"], "job-0001");
    cli.run(["logs", "nowhere"]).expect(4);
}

#[test]
fn what_a_running_attempt_says_is_followed_while_it_runs() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let go = cli.home().join("go");
    let script = format!("echo begun >&2; while [ ! -e '{}' ]; do sleep 0.1; done; echo 'done' >&2", go.display());
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    let mut follow = Following::start(&cli, "log", &["logs", "job-0001", "--follow"]);
    let mut worker = cli.work(["q", "--exec", "sh", "-c", &script]);
    wait_until(LONG, "the first line is shown", || follow.said("out") == "begun\n");
    assert_eq!(cli.json(["jobs", "show", "job-0001"])["state"], "active");
    assert_eq!(cli.ok(["logs", "job-0001"]), "begun\n");
    std::fs::write(&go, "").unwrap();
    assert_eq!(follow.process.wait(LONG, "the log ends").code(), Some(0));
    assert_eq!(follow.said("out"), "begun\ndone\n");
    assert_eq!(cli.ok(["logs", "job-0001"]), "begun\ndone\n", "nothing stands there twice");
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn the_life_of_a_job_is_told_step_by_step() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let steps = |id: &str| {
        let steps = cli.json(["jobs", "show", id, "--timeline"]);
        let step = |step: &Value| (step["event"].as_str().unwrap().to_owned(), step["attempt"].as_u64());
        steps.as_array().unwrap().iter().map(step).collect::<Vec<_>>()
    };
    let told =
        |names: &[(&str, Option<u64>)]| names.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect::<Vec<_>>();
    cli.enqueue("q", "75", &["--id", "job-0001", "--attempts", "2", "--backoff", "fixed:100ms"]);
    cli.enqueue("q", "0", &["--id", "job-0002", "--delay", "1h"]);
    assert_eq!(steps("job-0001"), told(&[("enqueued", None)]));
    assert_eq!(steps("job-0002"), told(&[("enqueued", None), ("due", None)]));
    cli.ok(["jobs", "promote", "job-0002"]);
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", "exit $(cat)"]).expect(0);
    wait_until(LONG, "it is dead", || {
        cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", "exit $(cat)"]).expect(0);
        cli.json(["jobs", "show", "job-0001"])["state"] == "dead"
    });
    assert_eq!(steps("job-0001"), told(&[("enqueued", None), ("retrying", Some(1)), ("dead", Some(2))]));
    assert_eq!(steps("job-0002"), told(&[("enqueued", None), ("promoted", None), ("completed", None)]));
    cli.ok(["jobs", "retry", "job-0001"]);
    assert_eq!(steps("job-0001").last().unwrap().0, "revived");
    // Where the stream is gone, the history still tells the failures.
    redis.query::<()>(&["DEL", &redis.key("q", "events")]);
    assert_eq!(steps("job-0001"), told(&[("enqueued", None), ("failed", Some(1)), ("failed", Some(2))]));
    let plain = cli.ok(["jobs", "show", "job-0001", "--timeline"]);
    assert!(plain.lines().count() == 3 && plain.lines().nth(1).unwrap().contains("\tfailed\t1\t"), "{plain}");
    let both = cli.run(["jobs", "show", "job-0001", "nowhere", "--timeline"]).expect(3);
    assert_eq!(both.stdout, plain);
}
