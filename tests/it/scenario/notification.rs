//! Notifications: a channel that fails is tried again alone, a worker that dies between two of them loses and doubles
//! none, and no URL leads inside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http_sink::{Answer, HttpSink};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

fn place(sink: &HttpSink) -> String {
    sink.url("").replace("http://", "")
}

fn state(cli: &Cli, id: &str) -> Value {
    cli.json(["jobs", "show", id])["state"].clone()
}

#[test]
fn r56_only_the_channel_that_fails_is_tried_again() {
    let redis = TestRedis::start();
    let (sms, push, hook) = (HttpSink::start(), HttpSink::start(), HttpSink::start());
    let cli = Cli::new(&redis).env("SMS_URL", sms.url("/")).env("SMS_FROM", "iREVA").env("PUSH_URL", push.url("/"));
    let cli = cli.env("NOTIFY_ALLOW", place(&hook));
    cli.keep_completed("notification");
    cli.ok(["queues", "set", "notification", "--backoff", "fixed:500ms"]);
    hook.next(Answer::new(500, "no"));
    hook.next(Answer::new(503, "still not"));
    let payload = json!({
        "channels": ["sms", "push", "webhook"], "title": "t", "body": "b",
        "recipient": {"phone": "+2348012345678", "pushToken": "t", "webhookUrl": hook.url("/")},
    });
    cli.enqueue("notification", &payload.to_string(), &["--id", "n-1"]);
    let mut worker = cli.work(["notification"]);
    wait_until(LONG, "the webhook is told", || {
        cli.run(["jobs", "show", "n-1.webhook", "-o", "json"]).code == Some(0)
            && state(&cli, "n-1.webhook") == "completed"
    });
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
    let keys = |sink: &HttpSink| -> Vec<String> {
        sink.requests().iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&hook), ["n-1.webhook"; 3]);
    assert_eq!((keys(&sms), keys(&push)), (vec!["n-1.sms".to_owned()], vec!["n-1.push".to_owned()]));
    let failed = |id: &str| cli.json(["jobs", "show", id])["failed"].clone();
    assert_eq!(["n-1", "n-1.sms", "n-1.push", "n-1.webhook"].map(failed), [0, 0, 0, 2].map(Value::from));
}

/// A queue of mails that waits for a replica there is none of holds the notification between its two hand-overs.
#[test]
fn r56_a_worker_that_dies_between_two_channels_neither_loses_nor_doubles_one() {
    let (redis, hook) = (TestRedis::start(), HttpSink::start());
    let cli = Cli::new(&redis).env("NOTIFY_ALLOW", place(&hook));
    cli.keep_completed("notification");
    cli.ok(["db", "seed"]);
    cli.ok(["queues", "set", "email", "--durable", "on"]);
    let payload = json!({
        "channels": ["email", "webhook", "in-app"], "title": "t", "body": "b",
        "recipient": {"investorId": 456, "webhookUrl": hook.url("/")},
    });
    cli.enqueue("notification", &payload.to_string(), &["--id", "n-1"]);
    let work = ["notification", "--lease", "4s"];
    let mut first = cli.work(work);
    let mails = || cli.json(["stats", "email"])["totals"]["enqueued"].clone();
    let line = redis.key("email", "pending:2");
    wait_until(LONG, "the mail is handed over", || redis.query::<u64>(&["ZCARD", &line]) == 1);
    first.kill9();
    let job = cli.json(["jobs", "show", "n-1"]);
    let states: Vec<_> = job["children"].as_array().unwrap().iter().map(|child| child["state"].clone()).collect();
    assert_eq!((&job["state"], states), (&json!("active"), vec![json!("pending"), Value::Null, Value::Null]));

    cli.ok(["queues", "set", "email", "--durable", "off"]);
    let mut second = cli.work(work);
    wait_until(LONG, "the notification is handed over", || state(&cli, "n-1") == "completed");
    wait_until(LONG, "the channels are told", || {
        ["n-1.webhook", "n-1.in-app"].iter().all(|id| state(&cli, id) == "completed")
    });
    assert_eq!(second.stop(LONG), Some(0), "{:?}", second.log());
    assert_eq!((mails(), hook.requests().len()), (json!(1), 1));
    assert_eq!(cli.json(["stats", "notification"])["totals"]["enqueued"], 3);
    assert_eq!(cli.json(["jobs", "show", "n-1"])["crashes"], 1);
}

#[test]
fn r62_no_url_of_a_recipient_leads_inside() {
    let (redis, open, inside) = (TestRedis::start(), HttpSink::start(), HttpSink::start());
    let cli = Cli::new(&redis).env("NOTIFY_ALLOW", place(&open));
    // No proxy is asked either.
    let cli = cli.env("HTTP_PROXY", inside.url("")).env("http_proxy", inside.url("")).env("ALL_PROXY", inside.url(""));
    let port = place(&inside).rsplit_once(':').unwrap().1.to_owned();
    open.next(Answer::new(302, "inside-information").header("location", inside.url("/")));
    let table = [
        ("http://127.0.0.1/".to_owned(), "address_refused", "127.0.0.1 is refused: it leads to a loopback address"),
        ("http://[::1]:8080/".to_owned(), "address_refused", "a loopback address"),
        ("http://[::ffff:127.0.0.1]/".to_owned(), "address_refused", "a loopback address"),
        ("http://0x7f000001/".to_owned(), "address_refused", "a loopback address"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "address_refused", "a link-local address"),
        ("https://10.1.2.3/".to_owned(), "address_refused", "a private address"),
        (
            "http://localhost/".to_owned(),
            "address_refused",
            "host localhost is refused: it leads to a loopback address",
        ),
        (format!("http://localhost:{port}/"), "address_refused", "is not 80, 443, 8080 or 8443"),
        (inside.url("/"), "address_refused", "is not 80, 443, 8080 or 8443"),
        ("file:///etc/passwd".to_owned(), "address_refused", "not file://"),
        ("gopher://127.0.0.1:70/".to_owned(), "address_refused", "not gopher://"),
        (open.url("/").replace("http://", "http://user:pa55@"), "address_refused", "it holds a user or a password"),
        (open.url("/redirects"), "http_3xx", "302"),
    ];
    for (n, (url, ..)) in table.iter().enumerate() {
        for channel in ["webhook", "slack"].iter().take(if url.ends_with("/redirects") { 1 } else { 2 }) {
            let payload = json!({"deliver": channel, "to": url, "title": "t", "text": "x"});
            cli.enqueue("notification", &payload.to_string(), &["--id", &format!("{channel}-{n}")]);
        }
    }
    let mut worker = cli.work(["notification", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    for (n, (url, code, part)) in table.iter().enumerate() {
        for channel in ["webhook", "slack"].iter().take(if url.ends_with("/redirects") { 1 } else { 2 }) {
            let job = cli.json(["jobs", "show", &format!("{channel}-{n}")]);
            let error = &job["lastError"];
            assert_eq!((&job["state"], &error["code"]), (&json!("dead"), &json!(code)), "{channel} {url}: {error}");
            let message = error["message"].as_str().unwrap();
            let told = ["inside-information", "pa55"].iter().any(|word| message.contains(word));
            assert!(message.contains(part) && !told, "{channel} {url}: {error}");
            assert!(!url.contains("localhost") || !message.contains("127.0.0.1"), "{error}");
        }
    }
    assert!(inside.requests().is_empty());
    assert_eq!(open.requests().len(), 1);
    // A notification with such a URL is refused before anything is handed over.
    let payload = r#"{"channels":["webhook"],"recipient":{"webhookUrl":"file:///etc/passwd"},"title":"t","body":"b"}"#;
    let refused = cli.run(["enqueue", "notification", payload]).expect(2);
    assert!(
        refused.stderr.contains("recipient.webhookUrl must be a whole http:// or https:// URL"),
        "{}",
        refused.stderr
    );
}

#[test]
fn r57_no_error_and_no_record_shows_a_secret_of_a_channel() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let secrets = ["sms-pa55-Qz17", "push-t0ken-Lm93", "s1ack-path-Hb42", "signing-k3y-Xw55"];
    let cli = Cli::new(&redis).env("SMS_URL", sink.url("/sms")).env("SMS_FROM", "iREVA").env("SMS_USER", "AC1");
    let cli = cli.env("SMS_PASSWORD", secrets[0]).env("PUSH_URL", sink.url("/push")).env("PUSH_TOKEN", secrets[1]);
    let cli = cli.env("SLACK_URL", sink.url(&format!("/{}", secrets[2]))).env("HTTP_SIGNING_KEY", secrets[3]);
    let cli = cli.env("NOTIFY_ALLOW", place(&sink));
    // A service that quotes what it was told.
    let quotes = format!("{{\"error\":\"bad credentials {}\"}}", secrets.join(" "));
    (0..4).for_each(|_| sink.next(Answer::new(422, quotes.clone())));
    let payload = json!({
        "channels": ["sms", "push", "slack", "webhook"], "title": "t", "body": "b",
        "recipient": {"phone": "+2348012345678", "pushToken": "t", "webhookUrl": sink.url("/hook")},
    });
    cli.enqueue("notification", &payload.to_string(), &["--id", "n-1"]);
    let mut worker = cli.work(["notification", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    assert_eq!((cli.json(["stats", "notification"])["dead"].clone(), sink.requests().len()), (json!(4), 4));
    let mut texts = worker.log();
    texts
        .extend(["sms", "push", "slack", "webhook"].map(|channel| cli.ok(["jobs", "show", &format!("n-1.{channel}")])));
    texts.push(cli.ok(["dlq", "list", "notification", "-o", "json"]));
    for key in redis.query::<Vec<String>>(&["KEYS", "*"]) {
        texts.push(String::from_utf8_lossy(&redis.query::<Vec<u8>>(&["DUMP", &key])).into_owned());
    }
    for (text, secret) in texts.iter().flat_map(|text| secrets.map(|secret| (text, secret))) {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
