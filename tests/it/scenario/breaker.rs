//! Services that are down: jobs that need them wait without using attempts, and go on when they are back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::{
    BreakerRule, BreakerState, Client, EventKind, JobContext, NewJob, Outcome, ProcessError, Processor, Registry,
    Worker,
};
use serde_json::json;

use crate::ops_seed::{client, name, run};
use crate::support::smtp_sink::{Act, SmtpSink, Stage};
use crate::support::*;

const LONG: Duration = Duration::from_secs(90);
const RULE: &str = "5:200ms:1s";

fn mail(n: usize) -> String {
    let mail = json!({
        "to": format!("user-{n}@example.com"), "subject": "Welcome", "template": "welcome-email",
        "context": {"firstName": "Ada"}
    });
    format!("{{\"id\":\"mail-{n}\",\"payload\":{mail}}}")
}

#[test]
fn mails_wait_for_a_server_that_is_down_and_are_all_sent_when_it_is_back() {
    let redis = TestRedis::start();
    let port = free_port();
    let (server, url) = (format!("smtp://127.0.0.1:{port}"), format!("smtp://127.0.0.1:{port}?tls=none"));
    let cli = Cli::new(&redis).env("SMTP_URL", url).env("MAIL_FROM", "no-reply@ireva.example");
    cli.keep_completed("email");
    cli.ok(["queues", "set", "email", "--backoff", "fixed:100ms"]);
    cli.enqueue_lines("email", (0..60).map(mail));
    let work = ["email", "--concurrency", "4", "--lease", "4s", "--breaker", RULE];
    let mut workers = [cli.work(work).ready(), cli.work(work).ready()];

    let breaker = wait_for(LONG, "the breaker is open and was probed in vain", || {
        let list = cli.json(["breaker", "list"]);
        let breaker = list.get(0)?.clone();
        (breaker["state"] != "closed" && breaker["failures"].as_u64() > Some(14)).then_some(breaker)
    });
    assert_eq!(breaker["dependency"], server.as_str());
    assert_eq!(breaker["lastError"]["code"], "connection_refused", "{breaker}");
    let told = cli.json(["explain", "mail-59"]);
    assert_eq!(told["reasons"][0]["code"], "breaker_open", "{told}");
    assert!(told["reasons"][0]["text"].as_str().unwrap().contains(&server), "{told}");
    let found = cli.run(["doctor", "email", "-o", "json"]).expect(1);
    let found: Vec<serde_json::Value> = serde_json::from_str(&found.stdout).unwrap();
    let found = found.iter().find(|found| found["code"] == "breaker_open").unwrap();
    assert_eq!((&found["about"], &found["queue"]), (&json!(server), &json!("email")));
    assert_eq!((&found["severity"], &found["causes"][0]["code"]), (&json!("warning"), &json!("connection_refused")));
    assert!(found["message"].as_str().unwrap().contains("email ("), "{found}");
    assert!(found["remedy"].as_str().unwrap().ends_with(&format!("ireva-queue breaker close {server}")), "{found}");
    let stats = cli.json(["stats", "email"]);
    assert_eq!(stats["totals"]["failed"], 4, "the failures before the one that opened it: {stats}");
    assert_eq!((&stats["dead"], &stats["completed"]), (&json!(0), &json!(0)));

    let sink = SmtpSink::start_at(port);
    wait_until(LONG, "all mails are sent", || cli.json(["stats", "email"])["completed"] == 60);
    wait_until(LONG, "the breaker is closed", || cli.json(["breaker", "list"]) == json!([]));
    let sent: BTreeSet<_> = sink.mails().iter().filter_map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(sent.len(), 60);
    let stats = cli.json(["stats", "email"]);
    assert_eq!((&stats["dead"], &stats["totals"]["failed"]), (&json!(0), &json!(4)));
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    let told = |event: &str| workers.iter().flat_map(|worker| worker.events(event)).collect::<Vec<_>>();
    wait_until(LONG, "both are logged", || !told("breaker_opened").is_empty() && !told("breaker_closed").is_empty());
    assert_eq!((told("breaker_opened").len(), told("breaker_closed").len()), (1, 1));
    assert_eq!(told("breaker_opened")[0]["message"], server.as_str());
    let noted: Vec<(String, Vec<String>)> = redis.query(&["XRANGE", &redis.key("email", "events"), "-", "+"]);
    let of_breakers = |(_, fields): &&(String, Vec<String>)| fields[1].starts_with("breaker_");
    let about: Vec<_> = noted.iter().filter(of_breakers).map(|(_, fields)| fields[3].clone()).collect();
    assert_eq!(about, [format!("dependency={server}"), format!("dependency={server}")]);
    let ids: Vec<_> = (0..60).map(|n| format!("mail-{n}")).collect();
    Snapshot::of(&redis, "email").assert_conserves(&ids);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn exports_wait_for_a_database_that_is_stopped_and_are_all_written_when_it_is_back() {
    let (redis, mut postgres) = (TestRedis::start(), TestPostgres::start());
    let cli = Cli::new(&redis).env("DATABASE_URL", postgres.url());
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    cli.keep_completed("data-export");
    cli.ok(["queues", "set", "data-export", "--backoff", "fixed:100ms"]);
    let export = |id: &str| {
        let payload = json!({"source": "investors", "destination": format!("{id}.csv")});
        format!("{{\"id\":\"{id}\",\"payload\":{payload}}}")
    };
    let mut worker = cli.work(["data-export", "--concurrency", "2", "--breaker", "3:200ms:1s"]).ready();
    cli.enqueue_lines("data-export", [export("first-1")]);
    let stats = || cli.json(["stats", "data-export"]);
    wait_until(LONG, "the first is written", || stats()["completed"] == 1);
    postgres.stop();
    let ids: Vec<_> = (0..20).map(|n| format!("export-{n:02}")).collect();
    cli.enqueue_lines("data-export", ids.iter().map(|id| export(id)));
    let breaker = wait_for(LONG, "the breaker is open and was probed in vain", || {
        let list = cli.json(["breaker", "list"]);
        let breaker = list.get(0)?.clone();
        (breaker["state"] != "closed" && breaker["failures"].as_u64() > Some(4)).then_some(breaker)
    });
    let name = breaker["dependency"].as_str().unwrap();
    assert!(name.contains("127.0.0.1") && !name.contains("ireva@"), "{name}");
    assert_eq!(breaker["lastError"]["code"], "database_unreachable");
    assert_eq!(cli.json(["explain", "export-19"])["reasons"][0]["code"], "breaker_open");
    let down = stats();
    assert_eq!(down["totals"]["failed"], 2, "the failures before the one that opened it: {down}");
    assert_eq!((&down["completed"], &down["dead"]), (&json!(1), &json!(0)));

    postgres.start_again();
    wait_until(LONG, "all are written", || stats()["completed"] == 21);
    wait_until(LONG, "the breaker is closed", || cli.json(["breaker", "list"]) == json!([]));
    let (up, failed) = (stats(), worker.events("failed"));
    let used = (&up["totals"]["failed"], &up["dead"]);
    assert_eq!(used, (&json!(2), &json!(0)), "no attempt was used meanwhile: {failed:#?}");
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    let files = std::fs::read_dir(cli.home().join(".local/share/ireva-queue/exports")).unwrap().count();
    assert_eq!(files, 21);
    let all: Vec<_> = ids.into_iter().chain(["first-1".to_owned()]).collect();
    Snapshot::of(&redis, "data-export").assert_conserves(&all);
}

#[test]
fn replies_about_single_mails_open_nothing() {
    let (redis, sink) = (TestRedis::start(), SmtpSink::start());
    let cli = Cli::new(&redis).env("SMTP_URL", sink.url()).env("MAIL_FROM", "no-reply@ireva.example");
    cli.keep_completed("email");
    cli.ok(["queues", "set", "email", "--backoff", "fixed:100ms"]);
    for _ in 0..6 {
        sink.next(Stage::Rcpt, Act::Say("450 4.2.1 mailbox busy\r\n"));
    }
    cli.enqueue_lines("email", (0..6).map(mail));
    let mut worker = cli.work(["email", "--concurrency", "1", "--breaker", "2:200ms:1s"]);
    wait_until(LONG, "all mails are sent", || cli.json(["stats", "email"])["completed"] == 6);
    assert_eq!(cli.json(["stats", "email"])["totals"]["failed"], 6);
    assert_eq!(worker.events("breaker_opened"), Vec::<serde_json::Value>::new());
    assert_eq!(worker.stop(LONG), Some(0));
}

/// Asks the service that its payload names; `away` is down for a while.
#[derive(Clone, Default)]
struct Caller {
    away: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Caller {
    fn asked(&self, service: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == service).count()
    }
}

impl Processor for Caller {
    type Payload = String;

    async fn process(&self, service: String, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        ctx.needs(&service).await?;
        self.asked.lock().unwrap().push(service.clone());
        match service == "away" && self.away.load(Ordering::SeqCst) {
            true => Err(ProcessError::transient("connection_refused", "nobody is there").blame(service)),
            false => Ok(Outcome::done()),
        }
    }
}

/// The same for a queue of which every job needs one service.
struct Bound(Caller);

impl Processor for Bound {
    type Payload = String;

    fn dependency(&self) -> Option<String> {
        Some("held".to_owned())
    }

    async fn process(&self, service: String, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        self.0.process(service, ctx).await
    }
}

fn rule() -> BreakerRule {
    BreakerRule { failures: 3, ..RULE.parse().unwrap() }
}

async fn enqueue(client: &Client, queue: &str, services: impl Iterator<Item = &str>) {
    let jobs = services.map(|service| NewJob::new(&service).unwrap()).collect();
    assert!(client.queue(name(queue)).enqueue_many(jobs).await.unwrap().iter().all(Result::is_ok));
}

async fn until(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !probe().await {
        assert!(std::time::Instant::now() < end, "not within {LONG:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn where_jobs_differ_in_their_services_only_those_of_the_one_that_is_down_wait() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let caller = Caller { away: Arc::new(AtomicBool::new(true)), ..Caller::default() };
    run(async {
        enqueue(&client, "q", (0..200).map(|n| if n % 2 == 0 { "away" } else { "there" })).await;
        let mut registry = Registry::new();
        registry.register(name("q"), caller.clone());
        let opened = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&opened);
        let worker = Worker::builder(&client, registry).breaker(Some(rule())).on_event(move |event| {
            if matches!(event.event, EventKind::BreakerOpened | EventKind::BreakerClosed) {
                told.lock().unwrap().push((event.event, event.message.clone().unwrap_or_default()));
            }
        });
        let worker = worker.build().unwrap();
        let stopper = worker.stopper();
        let running = tokio::spawn(worker.run());
        until("the others are done", async || caller.asked("there") == 100).await;
        let list = client.breakers().list().await.unwrap();
        assert!(list[0].dependency == "away" && list[0].state != BreakerState::Closed, "{list:?}");
        let stats = client.queue(name("q")).stats().await.unwrap();
        assert_eq!((stats.totals.failed, stats.dead), (2, 0), "two failures before the one that opened it");
        assert!(caller.asked("away") < 60, "{} of 100 jobs asked in vain", caller.asked("away"));

        caller.away.store(false, Ordering::SeqCst);
        until("all are done", async || client.queue(name("q")).stats().await.unwrap().totals.completed == 200).await;
        stopper.stop();
        running.await.unwrap().unwrap();
        let opened = opened.lock().unwrap().clone();
        let away = |kind| (kind, "away".to_owned());
        assert_eq!(opened, [away(EventKind::BreakerOpened), away(EventKind::BreakerClosed)]);
        assert!(client.breakers().list().await.unwrap().is_empty());
        assert_eq!(client.queue(name("q")).stats().await.unwrap().totals.failed, 2);
    });
}

#[test]
fn a_breaker_that_an_operator_opened_holds_its_queue_until_it_is_closed() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let caller = Caller::default();
    run(async {
        let held = client.breakers().open("held", None).await.unwrap();
        assert_eq!((held.state, held.opened_by.as_deref()), (BreakerState::Open, Some("operator")));
        enqueue(&client, "bound", ["held", "held"].into_iter()).await;
        enqueue(&client, "free", (0..50).map(|_| "there")).await;
        let mut registry = Registry::new();
        registry.register(name("bound"), Bound(caller.clone())).register(name("free"), caller.clone());
        let start = || {
            let worker = Worker::builder(&client, registry.clone()).breaker(Some(rule())).build().unwrap();
            (worker.stopper(), tokio::spawn(worker.run()))
        };
        let (stopper, running) = start();
        // The worker fetches in turns, so by now it has come by the queue that is held.
        until("the free ones are done", async || caller.asked("there") == 50).await;
        assert_eq!(caller.asked("held"), 0);
        assert_eq!(client.queue(name("bound")).stats().await.unwrap().pending, 2);
        assert!(client.breakers().close("held").await.unwrap().was_open);
        until("the held ones are done", async || caller.asked("held") == 2).await;
        assert!(!client.breakers().list().await.unwrap().iter().any(|breaker| breaker.dependency == "held"));

        stopper.stop();
        running.await.unwrap().unwrap();

        // For a span of time only: then it is tried, and the first answer closes it.
        client.breakers().open("held", Some(Duration::from_millis(300))).await.unwrap();
        enqueue(&client, "bound", ["held"].into_iter()).await;
        let (stopper, running) = start();
        until("it is closed by an answer", async || client.breakers().list().await.unwrap().is_empty()).await;
        until("the job has run", async || caller.asked("held") == 3).await;
        stopper.stop();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn breakers_are_listed_opened_and_closed_by_hand() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let opened = cli.json(["breaker", "open", "https://partner.example.com", "--for", "2h"]);
    assert_eq!((&opened["state"], &opened["openedBy"]), (&json!("open"), &json!("operator")));
    let table = cli.ok(["breaker", "list", "-o", "table"]);
    assert!(table.contains("https://partner.example.com") && table.contains("open"), "{table}");
    assert_eq!(cli.ok(["breaker", "list", "-o", "name"]), "https://partner.example.com\n");
    let found = cli.run(["doctor", "-o", "json"]);
    let found: Vec<serde_json::Value> = serde_json::from_str(&found.stdout).unwrap();
    let found = found.iter().find(|found| found["code"] == "breaker_held").unwrap();
    assert_eq!((&found["severity"], &found["about"]), (&json!("note"), &json!("https://partner.example.com")));
    let partly = cli.run(["breaker", "close", "https://partner.example.com", "smtp://nowhere:25"]).expect(3);
    assert!(partly.stdout.contains("partner") && partly.stderr.contains("nowhere"), "{partly:?}");
    cli.run(["breaker", "close", "https://partner.example.com"]).expect(4);
    assert_eq!(cli.json(["breaker", "list"]), json!([]));
    cli.run(["breaker", "open", ""]).expect(2);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
