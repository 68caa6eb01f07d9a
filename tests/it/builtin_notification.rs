//! The notification processor by itself: where its requests go, what answers mean, and rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ireva_queue::builtin::address::{Looking, Resolver};
use ireva_queue::builtin::notification::{NotificationProcessor, NotificationSettings, PushToken};
use ireva_queue::builtin::portfolio::Database;
use ireva_queue::testing::{TestJob, run_as};
use ireva_queue::{Client, ErrorClass, JobId, Outcome, ProcessError};
use serde_json::json;

use crate::ops_seed::client;
use crate::support::http_sink::{Answer, HttpSink};
use crate::support::*;

/// A processor on its own, with another way to look names up.
struct Alone {
    _redis: TestRedis,
    _home: tempfile::TempDir,
    processor: NotificationProcessor,
}

fn alone(settings: &NotificationSettings, resolver: Arc<dyn Resolver>) -> Alone {
    let (redis, home) = (TestRedis::start(), tempfile::tempdir().unwrap());
    let outlet: Arc<Client> = Arc::new(client(&redis));
    let database = Database::open_file(&home.path().join("portfolio.db")).unwrap();
    let processor = NotificationProcessor::with_resolver(settings, database, outlet, resolver).unwrap();
    Alone { _redis: redis, _home: home, processor }
}

impl Alone {
    async fn deliver(&self, channel: &str, to: &str) -> Result<Outcome, ProcessError> {
        let payload = json!({"deliver": channel, "to": to, "title": "t", "text": "x"}).to_string();
        let job = TestJob { id: JobId::new("n-1.hook").unwrap(), ..TestJob::new("notification") };
        run_as(&self.processor, &payload, &job).await.result
    }
}

/// Answers with one address after the other, whatever the name, and counts.
struct Turning {
    addresses: &'static [&'static str],
    asked: AtomicUsize,
}

impl Turning {
    fn new(addresses: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self { addresses, asked: AtomicUsize::new(0) })
    }
}

impl Resolver for Turning {
    fn look_up<'a>(&'a self, _host: &'a str) -> Looking<'a> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.addresses.len() - 1);
        Box::pin(std::future::ready(Ok(vec![self.addresses[turn].parse().unwrap()])))
    }
}

fn port_of(sink: &HttpSink) -> String {
    sink.url("").rsplit_once(':').unwrap().1.to_owned()
}

#[tokio::test]
async fn r62_a_request_goes_to_the_addresses_that_were_checked_and_is_checked_each_time() {
    let sink = HttpSink::start();
    let port = port_of(&sink);
    let settings = NotificationSettings { allow: vec![format!("127.0.0.1:{port}")], ..Default::default() };
    let turning = Turning::new(&["127.0.0.1", "10.0.0.7"]);
    let alone = alone(&settings, turning.clone());
    // A name that nothing else knows: only the pinned address leads to the server.
    let url = format!("http://hook.invalid:{port}/x?secret=1");
    alone.deliver("webhook", &url).await.unwrap();
    assert_eq!(turning.asked.load(Ordering::SeqCst), 1, "looked up once");
    let requests = sink.requests();
    assert_eq!(requests[0].header("host"), Some(format!("hook.invalid:{port}").as_str()));
    let error = alone.deliver("webhook", &url).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Permanent, "address_refused"), "{error}");
    let told = ["10.0.0.7", "secret"].iter().any(|word| error.message().contains(word));
    assert!(error.message().contains("hook.invalid") && !told, "{error}");
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_means_what_it_means_to_the_http_processor_and_is_never_quoted() {
    let sink = HttpSink::start();
    let settings = NotificationSettings {
        slack_url: Some(sink.url("/T0/B0/s3cret")),
        allow: vec![format!("127.0.0.1:{}", port_of(&sink))],
        ..Default::default()
    };
    let alone = alone(&settings, Turning::new(&["127.0.0.1"]));
    let table = [
        (302, ErrorClass::Permanent, "http_3xx"),
        (401, ErrorClass::Permanent, "http_4xx"),
        (429, ErrorClass::Throttled, "http_429"),
        (503, ErrorClass::Transient, "http_5xx"),
    ];
    for (status, class, code) in table {
        sink.next(Answer::new(status, "inside-information").header("location", sink.url("/elsewhere")));
        let error = alone.deliver("webhook", &sink.url("/s3cret")).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, code), "{status}");
        let told = ["inside-information", "s3cret", "elsewhere"].iter().any(|word| error.message().contains(word));
        assert!(!told && error.message().contains(&status.to_string()), "{error}");
    }
    assert_eq!(sink.requests().len(), table.len(), "no redirect is followed");
    sink.next(Answer::new(503, "").header("retry-after", "120"));
    let error = alone.deliver("webhook", &sink.url("/")).await.unwrap_err();
    assert_eq!(error, ProcessError::throttled("http_5xx", error.message()).retry_after(Duration::from_secs(120)));
    sink.next(Answer::new(200, "x".repeat(3 * 1024 * 1024)));
    let outcome = alone.deliver("webhook", &sink.url("/s3cret")).await.unwrap();
    let target = sink.url("/…");
    assert_eq!(outcome.result(), Some(json!({"channel": "webhook", "target": target}).to_string().as_str()));
    let closed = format!("http://127.0.0.1:{}/", free_port());
    assert_eq!(alone.deliver("webhook", &closed).await.unwrap_err().code(), "address_refused", "another port");
}

#[tokio::test]
async fn a_push_token_in_a_file_is_read_for_each_message() {
    let (sink, home) = (HttpSink::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("token");
    let mut settings = NotificationSettings::default();
    settings.push.url = Some(sink.url("/push"));
    settings.push.token = Some(PushToken::File(file.clone()));
    let alone = alone(&settings, Turning::new(&["127.0.0.1"]));
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        alone.deliver("push", "t0k:en").await.unwrap();
    }
    // Just being renewed, or no longer good: nothing that the job could help.
    std::fs::write(&file, "").unwrap();
    let error = alone.deliver("push", "t0k:en").await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "token_missing"));
    let requests = sink.requests();
    std::fs::write(&file, "old").unwrap();
    sink.next(Answer::new(401, ""));
    let error = alone.deliver("push", "t0k:en").await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "http_auth"));
    let sent: Vec<_> = requests.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(sent, ["Bearer first", "Bearer second"]);
    std::fs::remove_file(&file).unwrap();
    let error = alone.deliver("push", "t0k:en").await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "token_missing"), "{error}");
}

#[tokio::test]
async fn a_row_is_added_once_however_often_its_job_runs() {
    let (redis, home, postgres) = (TestRedis::start(), tempfile::tempdir().unwrap(), TestPostgres::start());
    let outlet: Arc<Client> = Arc::new(client(&redis));
    let file = Database::open_file(&home.path().join("portfolio.db")).unwrap();
    for database in [file, Database::open(&postgres.url()).unwrap()] {
        database.migrate().await.unwrap();
        database.seed().await.unwrap();
        let settings = NotificationSettings::default();
        let processor = NotificationProcessor::new(&settings, database, outlet.clone()).unwrap();
        let job = TestJob { id: JobId::new("n-1.in-app").unwrap(), ..TestJob::new("notification") };
        let payload = r#"{"deliver":"in-app","to":456,"title":"t","text":"x"}"#;
        for already in [false, true, true] {
            let outcome = run_as(&processor, payload, &job).await.result.unwrap();
            assert_eq!(
                outcome.result(),
                Some(json!({"channel": "in-app", "alreadyStored": already}).to_string().as_str())
            );
        }
        let other = payload.replace("456", r#"456,"tenantId":"acme""#);
        let error = run_as(&processor, &other, &job).await.result.unwrap_err();
        assert_eq!((error.class(), error.code()), (ErrorClass::Permanent, "database_constraint"), "{error}");
    }
    assert_eq!(postgres.ask("SELECT count(*) FROM notifications"), "1");
}
