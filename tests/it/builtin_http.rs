//! The http processor against a real server over sockets.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ireva_queue::builtin::http::{HttpBatch, HttpProcessor, HttpSettings};
use ireva_queue::testing::{TestJob, run, run_as, run_batch};
use ireva_queue::{ErrorClass, JobId, ProcessError};
use rustix::process::Signal;

use crate::support::http_sink::{Answer, HttpSink};
use crate::support::{Cli, TestRedis, free_port, signal, wait_until};

const LIMIT: Duration = Duration::from_millis(500);

fn post_to(url: &str) -> HttpProcessor {
    HttpProcessor::new(HttpSettings::new(url)).unwrap()
}

fn facts(error: &ProcessError) -> (ErrorClass, &str) {
    (error.class(), error.code())
}

/// The digest that openssl makes of `body`.
fn openssl_hmac(key: &str, body: &[u8]) -> String {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-hmac", key]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().rsplit(' ').next().unwrap().to_owned()
}

pub fn signed_right(key: &str, signature: &str, body: &[u8]) -> bool {
    let (time, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let age = ireva_queue::local_now().timestamp() - time.parse::<i64>().unwrap();
    (0..10).contains(&age) && digest == openssl_hmac(key, &[format!("{time}.").as_bytes(), body].concat())
}

#[tokio::test]
async fn a_payload_is_posted_byte_for_byte_with_its_job_and_its_signature() {
    let sink = HttpSink::start();
    let settings =
        HttpSettings { signing_key: Some(b"s3cret key".to_vec()), ..HttpSettings::new(sink.url("/hook?a=1")) };
    let job = TestJob { id: JobId::new("order:42").unwrap(), attempt: 3, ..TestJob::new("hooks") };
    let payload = "{\"amount\": 10.50,  \"name\":\"\u{e9}\"}";
    sink.next(Answer::new(201, r#"{"stored":true}"#));
    let outcome = run_as(&HttpProcessor::new(settings).unwrap(), payload, &job).await.result.unwrap();
    assert_eq!(outcome.result(), Some(r#"{"stored":true}"#));
    let [request] = &sink.requests()[..] else { panic!("one request") };
    assert_eq!((request.line.as_str(), request.body.as_slice()), ("POST /hook?a=1 HTTP/1.1", payload.as_bytes()));
    let headers = [
        ("content-type", "application/json"),
        ("ireva-job-id", "order:42"),
        ("idempotency-key", "order:42"),
        ("ireva-queue", "hooks"),
        ("ireva-attempt", "3"),
    ];
    for (name, value) in headers {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(signed_right("s3cret key", request.header("ireva-signature").unwrap(), &request.body));
    run(&post_to(&sink.url("/")), "1").await.unwrap();
    assert_eq!(sink.requests()[1].header("ireva-signature"), None);
}

/// Stops the worker before it can hear the answer, kills it, and lets another one take over.
#[test]
fn r05_a_request_answered_just_before_the_crash_is_repeated_under_the_same_key() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = Cli::new(&redis);
    cli.keep_completed("hooks");
    let url = sink.url("/");
    let work = ["hooks", "--lease", "4s", "--http", &url];
    let mut first = cli.work(work).ready();
    let pid = first.pid();
    sink.next(Answer { before: Some(Box::new(move || signal(pid, Signal::STOP))), ..Answer::new(200, "") });
    let id = cli.enqueue("hooks", "{}", &["--id", "hook-1"]);
    wait_until(Duration::from_secs(20), "the request is answered", || sink.answered() == 1);
    first.kill9();
    let _second = cli.work(work).ready();
    let ended = || cli.json(["jobs", "show", &id, "--queue", "hooks"])["state"] == "completed";
    wait_until(Duration::from_secs(30), "the job is done", ended);
    let requests = sink.requests();
    let keys: Vec<_> = requests.iter().map(|request| request.header("idempotency-key")).collect();
    assert_eq!(keys, [Some("hook-1"); 2]);
}

#[tokio::test]
async fn a_status_says_how_a_job_ended_and_retry_after_is_obeyed() {
    let sink = HttpSink::start();
    let processor = post_to(&sink.url("/hook?token=s3cret"));
    let table = [
        (400, ErrorClass::Permanent, "http_4xx"),
        (404, ErrorClass::Permanent, "http_4xx"),
        (408, ErrorClass::Transient, "http_408"),
        (425, ErrorClass::Transient, "http_425"),
        (429, ErrorClass::Throttled, "http_429"),
        (500, ErrorClass::Transient, "http_5xx"),
        (503, ErrorClass::Transient, "http_5xx"),
    ];
    for (status, class, code) in table {
        sink.next(Answer::new(status, "because\r\n  of this"));
        let error = run(&processor, "{}").await.unwrap_err();
        assert_eq!(facts(&error), (class, code), "{status}");
        assert!(error.message().contains(": because of this") && !error.message().contains("s3cret"), "{error}");
    }
    sink.next(Answer::new(503, "").header("retry-after", "120"));
    let error = run(&processor, "{}").await.unwrap_err();
    let expected = ProcessError::throttled("http_5xx", error.message()).retry_after(Duration::from_secs(120));
    assert_eq!(error, expected);
    let date = (ireva_queue::local_now() + Duration::from_secs(90)).format("%a, %d %b %Y %H:%M:%S GMT");
    sink.next(Answer::new(429, "").header("retry-after", date.to_string()));
    let error = run(&processor, "{}").await.unwrap_err();
    let fits = |seconds| error == ProcessError::throttled("http_429", error.message()).retry_after(seconds);
    assert!(error.class() == ErrorClass::Throttled && !fits(Duration::ZERO), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (sink, other) = (HttpSink::start(), HttpSink::start());
    sink.next(Answer::new(302, "").header("location", other.url("/")));
    let error = run(&post_to(&sink.url("/")), "{}").await.unwrap_err();
    assert_eq!(facts(&error), (ErrorClass::Permanent, "http_3xx"));
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_slow_body_is_cut_at_the_timeout() {
    let sink = HttpSink::start();
    let slow = || Answer { pace: Duration::from_millis(100), ..Answer::new(200, "x".repeat(100)) };
    let settings = HttpSettings { timeout: LIMIT, ..HttpSettings::new(sink.url("/")) };
    let own_limit = HttpProcessor::new(settings).unwrap();
    let jobs_limit = (post_to(&sink.url("/")), TestJob { timeout: Some(LIMIT), ..TestJob::new("q") });
    for (processor, job) in [(own_limit, TestJob::new("q")), jobs_limit] {
        sink.next(slow());
        let begun = Instant::now();
        let error = run_as(&processor, "{}", &job).await.result.unwrap_err();
        assert_eq!(facts(&error), (ErrorClass::Transient, "timeout"));
        assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LIMIT * 4, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_its_bound() {
    let sink = HttpSink::start();
    sink.next(Answer::new(200, "x".repeat(3 * 1024 * 1024)));
    let outcome = run(&post_to(&sink.url("/")), "{}").await.unwrap();
    let length = outcome.result().unwrap().len();
    assert!(length <= 1024 * 1024 && length > 1024 * 1024 - 10, "{length}");
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_transient() {
    let table = [
        (format!("http://127.0.0.1:{}/", free_port()), "connection_refused"),
        ("http://nowhere.invalid/".to_owned(), "dns_failed"),
        (HttpSink::start().url("/").replace("http:", "https:"), "connection_lost"),
    ];
    for (url, code) in table {
        let error = run(&post_to(&url), "{}").await.unwrap_err();
        assert_eq!(facts(&error), (ErrorClass::Transient, code), "{error}");
    }
}

#[tokio::test]
async fn a_batch_is_one_request_and_each_line_answers_for_its_job() {
    let sink = HttpSink::start();
    let settings = HttpSettings { signing_key: Some(b"k".to_vec()), ..HttpSettings::new(sink.url("/")) };
    let processor = HttpBatch::new(settings).unwrap();
    let job = |id: &str| TestJob { id: JobId::new(id).unwrap(), ..TestJob::new("hooks") };
    let jobs = [(job("a"), "1"), (job("b"), "{\n}"), (job("c"), "3")];
    sink.next(Answer::new(200, "{\"id\":\"b\",\"error\":\"no\",\"class\":\"permanent\"}\n{\"id\":\"a\",\"ok\":7}\n"));
    let answers = run_batch(&processor, &jobs).await;
    assert_eq!(answers[0].result.as_ref().unwrap().result(), Some("7"));
    assert_eq!(*answers[1].result.as_ref().unwrap_err(), ProcessError::permanent("batch_failed", "no"));
    assert_eq!(facts(answers[2].result.as_ref().unwrap_err()), (ErrorClass::Transient, "no_answer"));
    let [request] = &sink.requests()[..] else { panic!("one request") };
    let expected = "{\"id\":\"a\",\"attempt\":1,\"payload\":1}\n{\"id\":\"b\",\"attempt\":1,\"payload\":{ }}\n\
                    {\"id\":\"c\",\"attempt\":1,\"payload\":3}\n";
    assert_eq!(String::from_utf8_lossy(&request.body), expected);
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!((request.header("ireva-queue"), request.header("ireva-batch-size")), (Some("hooks"), Some("3")));
    assert!(signed_right("k", request.header("ireva-signature").unwrap(), &request.body));
    sink.next(Answer::new(503, "").header("retry-after", "5"));
    let answers = run_batch(&processor, &jobs).await;
    assert!(answers.iter().all(|run| run.result.as_ref().unwrap_err().class() == ErrorClass::Throttled));
}
