//! Alerts with real workers, real sinks and a Redis that goes away: told once, by one, and never lost.

use std::time::Duration;

use ireva_queue::config::Config;
use ireva_queue::{
    AlertName, AlertNotice, AlertSink, AlertSinks, AlertWords, Client, JobContext, NewJob, Outcome, ProcessError,
    Processor, Registry, Telling, Worker,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::builtin_http::signed_right;
use crate::ops_seed::{name, run};
use crate::support::http_sink::{Answer, HttpSink};
use crate::support::smtp_sink::SmtpSink;
use crate::support::*;

pub const LONG: Duration = Duration::from_secs(60);

/// Looks ten times a second.
pub fn cli(redis: &TestRedis) -> Cli {
    Cli::new(redis).env("ALERT_INTERVAL", "100ms")
}

/// A worker of `queue` that does nothing.
pub fn worker(cli: &Cli, queue: &str) -> WorkProcess {
    cli.work([queue, "--exec", "true"]).ready()
}

pub fn set_backlog(cli: &Cli, name: &str, queue: &str, more: &[&str]) {
    let hold: &[&str] = if more.contains(&"--for") { &[] } else { &["--for", "200ms"] };
    let words = ["alerts", "set", name, "--when", "backlog", "--queue", queue, "--above", "3"];
    cli.ok(words.iter().chain(hold).chain(more));
}

pub fn fill(cli: &Cli, queue: &str) {
    cli.enqueue_lines(queue, (0..5).map(|n| format!("{{\"id\":\"job-{n}\",\"payload\":{n}}}")));
}

/// Every notice that came, with the id in its header.
pub fn notices(sink: &HttpSink) -> Vec<Value> {
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
    sink.requests().iter().map(|request| read(&request.body)).collect()
}

/// What was told of one alert, in its order.
pub fn told(sink: &HttpSink, alert: &str) -> Vec<String> {
    let notices = notices(sink);
    let alerts = notices.iter().flat_map(|notice| notice["alerts"].as_array().unwrap());
    alerts.filter(|told| told["alert"] == alert).map(|told| told["event"].as_str().unwrap().to_owned()).collect()
}

/// A second alert that fires now and is told after everything before it: what was not told by then never is.
pub fn wait_for_marker(cli: &Cli, sink: &HttpSink) {
    cli.ok(["alerts", "set", "marker", "--when", "workers", "--queue", "q", "--for", "0s"]);
    wait_until(LONG, "the marker is told", || told(sink, "marker") == ["firing"]);
}

fn holder_pid(redis: &TestRedis) -> Option<u32> {
    let turn: Option<String> = redis.query(&["GET", "ireva:queue:{:alerts}:turn"]);
    let holder = turn?.split('|').next()?.to_owned();
    // Host, pid, ULID; a host may have dashes of its own.
    holder.rsplit('-').nth(1)?.parse().ok()
}

pub fn has_turn(redis: &TestRedis, worker: &WorkProcess) -> bool {
    holder_pid(redis) == Some(worker.pid())
}

#[test]
fn three_workers_tell_once_again_after_the_interval_and_the_end_once() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/hook/hush")).env("HTTP_SIGNING_KEY", "s3cret key");
    set_backlog(&cli, "backlog-q", "q", &["--repeat", "2s", "--severity", "critical"]);
    let mut workers = [worker(&cli, "w"), worker(&cli, "w"), worker(&cli, "w")];
    fill(&cli, "q");
    wait_until(LONG, "it is told twice", || told(&sink, "backlog-q").len() == 2);
    let row = cli.json(["alerts", "show", "backlog-q"]);
    assert_eq!((&row["state"], &row["firing"], &row["value"]), (&json!("firing"), &json!(true), &json!(5.0)), "{row}");
    cli.ok(["clear", "q", "--yes"]);
    wait_until(LONG, "its end is told", || told(&sink, "backlog-q").last().is_some_and(|last| last == "recovered"));
    wait_for_marker(&cli, &sink);
    let events = told(&sink, "backlog-q");
    let (last, before) = events.split_last().unwrap();
    assert_eq!((before[0].as_str(), last.as_str()), ("firing", "recovered"), "{events:?}");
    assert!(before[1..].iter().all(|event| event == "repeated"), "{events:?}");

    let [request, ..] = &sink.requests()[..] else { panic!("there are requests") };
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(request.header("ireva-alert-id"), body["id"].as_str());
    assert_eq!(request.header("idempotency-key"), body["id"].as_str());
    assert!(signed_right("s3cret key", request.header("ireva-signature").unwrap(), &request.body));
    assert_eq!((&body["state"], &body["title"]), (&json!("firing"), &json!("firing: backlog-q: 5 jobs in line in q")));
    let at = |index: usize| {
        let notice = &notices(&sink)[index];
        ireva_queue::instant_from_text(notice["at"].as_str().unwrap()).unwrap().timestamp_millis()
    };
    assert!(at(1) - at(0) >= 2_000, "repeated after its interval");

    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    let logged = |event: &str| {
        let of_alert = |line: &Value| line["message"].as_str().unwrap().starts_with("backlog-q:");
        workers.iter().flat_map(|worker| worker.events(event)).filter(of_alert).count()
    };
    assert_eq!((logged("alert_firing"), logged("alert_recovered")), (before.len(), 1), "the log says the same");
    let streamed: Vec<(String, Vec<String>)> = redis.query(&["XRANGE", &redis.key("q", "events"), "-", "+"]);
    let of_alerts = streamed.iter().filter(|(_, fields)| fields[3].starts_with("alert=backlog-q critical: 5 jobs"));
    assert_eq!(of_alerts.count(), before.len().min(1));
    let history = cli.json(["alerts", "history"]);
    let of_backlog = history.as_array().unwrap().iter().rev().filter(|entry| entry["alert"] == "backlog-q");
    let kinds: Vec<_> = of_backlog.map(|entry| entry["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, [&["set".to_owned()], &events[..]].concat());
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn what_a_dead_holder_left_is_told_by_the_next_under_the_same_id() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/hook"));
    let mut workers = vec![worker(&cli, "w"), worker(&cli, "w"), worker(&cli, "w")];
    set_backlog(&cli, "backlog-q", "q", &["--repeat", "never"]);
    // The sink has the notice, and the one who told it dies before it can cross it off.
    let pid = wait_for(LONG, "somebody has the turn", || holder_pid(&redis));
    let mut killed = workers.swap_remove(workers.iter().position(|worker| worker.pid() == pid).unwrap());
    let kill = Answer { before: Some(Box::new(move || killed.kill9())), ..Answer::new(200, "") };
    sink.next(kill);
    fill(&cli, "q");
    wait_until(LONG, "it is told again", || notices(&sink).len() == 2);
    let ids: Vec<_> = notices(&sink).iter().map(|notice| notice["id"].clone()).collect();
    assert_eq!(ids[0], ids[1], "a receiver can tell that it has it already");

    // The one who told it dies when all is done: the next knows.
    wait_until(LONG, "it is crossed off", || redis.query::<u64>(&["HLEN", "ireva:queue:{:alerts}:outbox"]) == 0);
    let holder = wait_for(LONG, "somebody has the turn", || workers.iter().position(|worker| has_turn(&redis, worker)));
    workers[holder].kill9();
    let mut killed = workers.swap_remove(holder);
    wait_until(LONG, "the last one takes over", || has_turn(&redis, &workers[0]));
    cli.ok(["clear", "q", "--yes"]);
    wait_until(LONG, "its end is told", || told(&sink, "backlog-q").last().is_some_and(|last| last == "recovered"));
    wait_for_marker(&cli, &sink);
    assert_eq!(told(&sink, "backlog-q"), ["firing", "firing", "recovered"]);
    assert!(killed.ended().is_some());
    // One that stops in order hands over at once.
    let next = worker(&cli, "w");
    assert_eq!(workers[0].stop(LONG), Some(0));
    wait_until(LONG, "the next takes over", || has_turn(&redis, &next));
}

#[test]
fn a_redis_that_is_away_is_told_directly_once_and_so_is_its_return() {
    let (mut redis, sink) = (TestRedis::builder().append_only().start(), SmtpSink::start());
    let cli = cli(&redis)
        .env("ALERT_EMAIL_TO", "ops@example.org")
        .env("SMTP_URL", sink.url())
        .env("MAIL_FROM", "no-reply@ireva.example");
    cli.ok(["alerts", "set", "redis", "--when", "redis", "--for", "1s", "--repeat", "never"]);
    let mut workers: Vec<_> = (0..3).map(|_| cli.work(["email"]).ready()).collect();
    wait_until(LONG, "somebody has the turn", || holder_pid(&redis).is_some());
    redis.kill9();
    let subjects = || sink.mails().iter().map(|mail| mail.header("Subject").unwrap()).collect::<Vec<_>>();
    wait_until(LONG, "it is told that it is away", || !subjects().is_empty());
    let mail = sink.mails().remove(0);
    assert_eq!(mail.to, ["ops@example.org"]);
    assert!(subjects()[0].starts_with("firing: redis: redis does not answer: "), "{:?}", subjects());
    redis.restart();
    wait_until(LONG, "it is told that it is back", || subjects().len() == 2);
    assert!(subjects()[1].starts_with("recovered: redis: redis answers again, after"), "{:?}", subjects());
    wait_until(LONG, "both are written down", || {
        let history = cli.json(["alerts", "history"]);
        let of_redis = history.as_array().unwrap().iter().filter(|entry| entry["by"] != "" && entry["event"] != "set");
        of_redis.map(|entry| entry["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>() == ["recovered", "firing"]
    });
    let logged = |event| workers.iter().flat_map(|worker| worker.events(event)).count();
    wait_until(LONG, "both are logged", || logged("alert_firing") > 0 && logged("alert_recovered") > 0);
    assert_eq!((logged("alert_firing"), logged("alert_recovered")), (1, 1), "one tells, the others are silent");
    // Whoever evaluates now goes on as if nothing had been.
    set_backlog(&cli, "backlog-q", "q", &[]);
    fill(&cli, "q");
    wait_until(LONG, "the next alert is told", || subjects().len() == 3);
    assert!(subjects()[2].starts_with("firing: backlog-q"), "{:?}", subjects());
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
}

#[test]
fn mails_go_through_the_queue_where_it_is_well_and_directly_where_not() {
    let (redis, sink) = (TestRedis::start(), SmtpSink::start());
    let cli = cli(&redis)
        .env("ALERT_EMAIL_TO", "ops@example.org, boss@example.org")
        .env("SMTP_URL", sink.url())
        .env("MAIL_FROM", "no-reply@ireva.example");
    cli.keep_completed("email");
    let worker = cli.work(["email"]).ready();
    let jobs = || {
        let list = cli.json(["jobs", "list", "email", "--state", "pending,completed"]);
        list.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    set_backlog(&cli, "backlog-q", "q", &[]);
    fill(&cli, "q");
    wait_until(LONG, "the job of the mail is done", || jobs().len() == 1 && sink.mails().len() == 1);
    let id = jobs().remove(0);
    assert!(id.starts_with("alert-") && id.ends_with(":email"), "{id}");
    let mail = sink.mails().remove(0);
    assert_eq!(mail.to, ["ops@example.org", "boss@example.org"]);
    assert_eq!(mail.header("Subject").unwrap(), "firing: backlog-q: 5 jobs in line in q");
    let ulid = id.strip_prefix("alert-").unwrap().trim_end_matches(":email");
    assert!(mail.header("Message-ID").unwrap().contains(ulid), "{:?}", mail.header("Message-ID"));

    // Paused, nobody would send it.
    cli.ok(["queues", "pause", "email"]);
    cli.ok(["clear", "q", "--yes"]);
    wait_until(LONG, "the end is mailed all the same", || sink.mails().len() == 2);
    assert_eq!(jobs().len(), 1, "not through the queue");
    cli.ok(["queues", "resume", "email"]);
    // About the queue itself it goes directly, however well that is.
    cli.ok(["alerts", "set", "mails", "--when", "workers", "--below", "9", "--queue", "email", "--for", "0s"]);
    wait_until(LONG, "the third mail", || sink.mails().len() == 3);
    assert_eq!(jobs().len(), 1, "not through the queue");
    assert!(worker.log().iter().all(|line| !line.contains("not told")), "{:#?}", worker.log());
}

#[test]
fn a_mail_whose_worker_dies_goes_directly_and_is_not_told_before() {
    let (redis, sink) = (TestRedis::start(), SmtpSink::start());
    let cli = cli(&redis)
        .env("ALERT_EMAIL_TO", "ops@example.org")
        .env("SMTP_URL", sink.url())
        .env("MAIL_FROM", "no-reply@ireva.example");
    cli.keep_completed("email");
    let mut worker = cli.work(["email"]).ready();
    wait_until(LONG, "it is known", || cli.run(["stats", "email", "-o", "json"]).json()["workers"] == 1);
    worker.kill9();
    cli.ok(["alerts", "set", "backlog-q", "--when", "backlog", "--queue", "q", "--above", "3", "--for", "0s"]);
    fill(&cli, "q");
    // It counts as alive for a while yet, so the queue gets the mail as soon as its turn is over.
    wait_until(LONG, "it fires", || cli.json(["alerts", "run", "--once"])["fired"] == 1);
    let jobs = || cli.json(["jobs", "list", "email", "--state", "pending,cancelled"]);
    assert_eq!(jobs()[0]["state"], "pending");
    let row = cli.json(["alerts", "show", "backlog-q"]);
    assert_eq!(row["owed"], json!(["email"]), "nobody has the mail yet: {row}");
    assert!(cli.ok(["alerts", "list", "-o", "table"]).contains("not yet"));
    wait_until(2 * LONG, "the mail goes directly", || {
        cli.ok(["alerts", "run", "--once"]);
        !sink.mails().is_empty()
    });
    assert_eq!(jobs()[0]["state"], "cancelled", "a worker that comes back does not mail it again");
    let row = cli.json(["alerts", "show", "backlog-q"]);
    assert_eq!((&row["owed"], &row["firing"]), (&json!([]), &json!(true)));
    let id = jobs()[0]["id"].as_str().unwrap().to_owned();
    let ulid = id.strip_prefix("alert-").unwrap().trim_end_matches(":email");
    assert!(sink.mails()[0].header("Message-ID").unwrap().contains(ulid));
    let _back = cli.work(["email"]).ready();
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!((sink.mails().len(), redis.query::<u64>(&["HLEN", "ireva:queue:{:alerts}:outbox"])), (1, 0));
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn a_mail_that_only_the_queue_can_send_stays_there_and_doctor_says_so() {
    let redis = TestRedis::start();
    let cli = cli(&redis).env("ALERT_EMAIL_TO", "ops@example.org");
    cli.ok(["alerts", "set", "backlog-q", "--when", "backlog", "--queue", "q", "--above", "3", "--for", "0s"]);
    fill(&cli, "q");
    cli.ok(["alerts", "run", "--once"]);
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!(cli.json(["jobs", "list", "email"])[0]["state"], "pending");
    let found = cli.run(["doctor", "-o", "json"]).stdout;
    assert!(found.contains("alert_undelivered") && found.contains("queue email is paused, has no worker"), "{found}");
    let output = cli.run(["alerts", "test", "--sink", "email"]).expect(1);
    assert!(output.stdout.contains("nothing is set here to send it directly"), "{output:?}");
    cli.ok(["clear", "email", "--yes"]);
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!(redis.query::<u64>(&["HLEN", "ireva:queue:{:alerts}:outbox"]), 0, "an operator removed it");
}

#[test]
fn one_look_is_one_notice_and_a_mute_holds_it_back() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_SLACK_URL", sink.url("/services/hush"));
    let texts = || {
        let text = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["text"].as_str().unwrap().to_owned();
        sink.requests().iter().map(|request| text(&request.body)).collect::<Vec<_>>()
    };
    for queue in ["a", "b", "c"] {
        fill(&cli, queue);
    }
    cli.ok(["alerts", "set", "lines", "--when", "backlog", "--above", "3", "--for", "0s"]);
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!(report, json!({"evaluated": true, "fired": 3, "recovered": 0, "told": 2, "notTold": 0}));
    assert!(texts()[0].starts_with(":rotating_light: *3 alerts firing: lines*\n"), "{:?}", texts());
    assert!(texts()[0].contains("5 jobs in line in b"), "{:?}", texts());

    let muted = cli.json(["alerts", "mute", "lines", "--for", "1h", "--reason", "moving"]);
    assert_eq!((&muted["alert"], &muted["reason"]), (&json!("lines"), &json!("moving")));
    cli.ok(["clear", "a", "--yes"]);
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["recovered"], &report["told"]), (&json!(1), &json!(0)));
    let states = cli.json(["alerts", "show", "lines"]);
    let of = |row: &Value| (row["subject"].clone(), row["state"].clone(), row["firing"].clone());
    let states: Vec<_> = states.as_array().unwrap().iter().map(of).collect();
    let row = |queue: &str, firing: bool| (json!(queue), json!("muted"), json!(firing));
    assert_eq!(states, [row("a", false), row("b", true), row("c", true)]);
    cli.ok(["alerts", "unmute", "lines"]);
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!(texts().len(), 2, "the end of what had been told is told after the mute");
    assert!(texts()[1].starts_with(":white_check_mark: *recovered: lines: "), "{:?}", texts());
    // A rule that is removed fires no more.
    cli.ok(["alerts", "unset", "lines"]);
    cli.ok(["alerts", "run", "--once"]);
    assert!(texts()[2].starts_with(":white_check_mark: *2 alerts recovered: lines*"), "{:?}", texts());
    assert_eq!(cli.json(["alerts", "run", "--once"])["told"], 0);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn a_sink_that_does_not_take_it_is_tried_again_and_doctor_says_so() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/hook/hush"));
    cli.ok(["alerts", "set", "backlog-q", "--when", "backlog", "--queue", "q", "--above", "3", "--for", "0s"]);
    fill(&cli, "q");
    let codes = |cli: &Cli| {
        let findings = cli.run(["doctor", "-o", "json"]).json();
        findings
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(codes(&cli).contains(&"alerts_unwatched".to_owned()), "{:?}", codes(&cli));
    sink.next(Answer::new(503, "busy"));
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["told"], &report["notTold"]), (&json!(1), &json!(1)), "the log took it: {report}");
    let found = codes(&cli);
    assert!(
        found.contains(&"alert_undelivered".to_owned()) && !found.contains(&"alerts_unwatched".to_owned()),
        "{found:?}"
    );
    let told = cli.run(["doctor", "-o", "json"]).stdout;
    assert!(told.contains("http_5xx") && !told.contains("hush"), "{told}");
    wait_until(LONG, "it is told after the pause", || {
        cli.ok(["alerts", "run", "--once"]);
        notices(&sink).len() == 2
    });
    assert_eq!(notices(&sink)[0]["id"], notices(&sink)[1]["id"]);
    assert!(!codes(&cli).contains(&"alert_undelivered".to_owned()));
}

#[test]
fn whoever_can_tell_more_goes_first() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let poor = cli(&redis);
    let mut first = worker(&poor, "w");
    wait_until(LONG, "it has the turn", || has_turn(&redis, &first));
    let rich = worker(&poor.clone().env("ALERT_WEBHOOK_URL", sink.url("/")), "w");
    wait_until(LONG, "the one with a sink takes over", || has_turn(&redis, &rich));
    set_backlog(&poor, "backlog-q", "q", &[]);
    fill(&poor, "q");
    wait_until(LONG, "it is told", || told(&sink, "backlog-q") == ["firing"]);
    rich.signal(Signal::STOP);
    wait_until(LONG, "the other takes over when the turn is over", || has_turn(&redis, &first));
    rich.signal(Signal::CONT);
    wait_until(LONG, "and gives it back", || has_turn(&redis, &rich));
    assert_eq!(told(&sink, "backlog-q"), ["firing"]);
    assert_eq!(first.stop(LONG), Some(0));
}

#[test]
fn memory_breakers_and_dead_letters_are_watched_as_well() {
    let (redis, sink) = (TestRedis::builder().set("maxmemory 100mb").start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/"));
    bury(&cli, "q", 2);
    cli.ok(["alerts", "set", "memory", "--when", "memory", "--above", "0.1%", "--for", "0s"]);
    cli.ok(["alerts", "set", "services", "--when", "breaker", "--for", "0s"]);
    cli.ok(["alerts", "set", "dead", "--when", "dead", "--for", "0s"]);
    cli.ok(["breaker", "open", "smtp://mail.example.com:587"]);
    wait_until(LONG, "all three are told", || {
        cli.ok(["alerts", "run", "--once"]);
        ["memory", "services", "dead"].iter().all(|name| !told(&sink, name).is_empty())
    });
    let alerts: Vec<_> = notices(&sink).iter().flat_map(|it| it["alerts"].as_array().unwrap().clone()).collect();
    let message = |name: &str| {
        let of = alerts.iter().find(|told| told["alert"] == name).unwrap();
        of["message"].as_str().unwrap().to_owned()
    };
    assert!(
        message("services").starts_with("smtp://mail.example.com:587 is held back by an operator"),
        "{}",
        message("services")
    );
    assert!(message("memory").starts_with("redis uses "), "{}", message("memory"));
    assert_eq!(message("dead"), "2 dead letters in q");
    cli.ok(["breaker", "close", "smtp://mail.example.com:587"]);
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!(told(&sink, "services"), ["firing", "recovered"]);
    let last = notices(&sink).pop().unwrap();
    assert_eq!(last["alerts"][0]["message"], "smtp://mail.example.com:587 is used again: its breaker is closed");
}

/// A sink of somebody's own.
struct Pager(UnboundedSender<AlertNotice>);

impl AlertSink for Pager {
    fn kind(&self) -> &'static str {
        "pager"
    }

    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
        Box::pin(async move {
            self.0.send(notice.clone()).unwrap();
            Ok("paged".to_owned())
        })
    }
}

struct Idle;

impl Processor for Idle {
    type Payload = Value;

    async fn process(&self, _: Value, _: &JobContext) -> Result<Outcome, ProcessError> {
        Ok(Outcome::done())
    }
}

#[test]
fn a_worker_of_the_library_tells_sinks_of_its_own() {
    let redis = TestRedis::start();
    let env = redis.env();
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut config = Config::from_lookup(lookup, None).unwrap();
    config.alerts.interval = Duration::from_millis(100);
    let (sender, mut notices) = unbounded_channel();
    run(async {
        let client = Client::new(&config).unwrap();
        client.queue(name("q")).enqueue(NewJob::new(&1).unwrap()).await.unwrap();
        let words = AlertWords {
            when: "backlog".to_owned(),
            above: Some("1".to_owned()),
            hold: Some("0s".to_owned()),
            sinks: vec!["pager".to_owned()],
            ..AlertWords::default()
        };
        let rule = words.rule(AlertName::new("lines").unwrap()).unwrap();
        client.alerts().set(&rule, "tester").await.unwrap();
        let mut registry = Registry::new();
        registry.register(name("other"), Idle);
        let sinks = AlertSinks::new().with(AlertName::new("pager").unwrap(), Pager(sender));
        let worker = Worker::builder(&client, registry).alerts(sinks).build().unwrap();
        let (stopper, by) = (worker.stopper(), worker.id().to_owned());
        let running = tokio::spawn(worker.run());
        let notice = tokio::time::timeout(LONG, notices.recv()).await.unwrap().unwrap();
        assert_eq!((notice.headline().as_str(), &notice.by), ("firing: lines: 1 job in line in q", &by));
        assert_eq!(client.alerts().evaluator().await.unwrap(), Some(by));
        stopper.stop();
        running.await.unwrap().unwrap();
        assert_eq!(client.alerts().evaluator().await.unwrap(), None, "the turn is given back");
    });
}
