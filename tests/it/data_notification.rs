//! Notifications from the queue to each channel: real servers over sockets, mails in files, rows on both databases.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ireva_queue::builtin::portfolio::Database;
use serde_json::{Value, json};

use crate::support::http_sink::HttpSink;
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// A queue, a seeded database, and a server that stands for every service.
struct Desk {
    _redis: TestRedis,
    postgres: Option<TestPostgres>,
    sink: HttpSink,
    cli: Cli,
}

fn desk(postgres: Option<TestPostgres>) -> Desk {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let mut cli = Cli::new(&redis);
    if let Some(postgres) = &postgres {
        cli = cli.env("DATABASE_URL", postgres.url());
    }
    cli = cli.env("SMS_URL", sink.url("/sms")).env("SMS_FROM", "+15005550006");
    cli = cli.env("SMS_USER", "AC1").env("SMS_PASSWORD", "sms-pa55");
    cli = cli.env("PUSH_URL", sink.url("/push")).env("PUSH_TOKEN", "push-t0ken").env("SLACK_URL", sink.url("/slack"));
    cli = cli.env("HTTP_SIGNING_KEY", "k3y").env("NOTIFY_ALLOW", sink.url("").replace("http://", ""));
    let mails = cli.home().join("mails").display().to_string();
    cli = cli.env("SMTP_URL", format!("file://{mails}")).env("MAIL_FROM", "iREVA <no-reply@example.com>");
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    cli.keep_completed("notification");
    cli.keep_completed("email");
    Desk { _redis: redis, postgres, sink, cli }
}

impl Desk {
    fn job(&self, id: &str) -> Value {
        self.cli.json(["jobs", "show", id])
    }

    /// The channels of a notification and where each of them stands.
    fn children(&self, id: &str) -> Vec<(String, Value)> {
        let job = self.job(id);
        let children = job["children"].as_array().unwrap_or_else(|| panic!("{job}"));
        children.iter().map(|child| (child["channel"].as_str().unwrap().to_owned(), child["state"].clone())).collect()
    }

    /// Runs what is in line of both queues.
    fn work(&self) {
        let mut worker = self.cli.work(["notification", "email", "--until-empty"]);
        assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    }

    /// The rows that the platform shows: recipient, title and body.
    fn rows(&self) -> Vec<String> {
        let sql = "SELECT tenant_id || '|' || id || '|' || recipient || '|' || title || '|' || body || '|' || priority \
                   FROM notifications ORDER BY id";
        if let Some(postgres) = &self.postgres {
            return postgres.ask(sql).lines().map(str::to_owned).collect();
        }
        let file = self.cli.home().join(".local/share/ireva-queue/portfolio.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Database::Sqlite(pool) = Database::open_file(&file).unwrap() else { panic!("a file") };
            sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap()
        })
    }
}

/// A notification through every channel.
fn everywhere(desk: &Desk) -> String {
    json!({
        "channels": ["email", "sms", "push", "webhook", "slack", "in-app"],
        "recipient": {
            "investorId": 456, "phone": "+2348012345678", "pushToken": "t0k:en", "webhookUrl": desk.sink.url("/hook"),
        },
        "title": "Paid & done", "body": "Your share <1> is on its way.", "priority": "high",
        "context": {"reference": "r-1"},
    })
    .to_string()
}

#[test]
fn a_notification_reaches_every_channel_once_and_shows_each() {
    for postgres in [None, Some(TestPostgres::start())] {
        let desk = desk(postgres);
        desk.cli.enqueue("notification", &everywhere(&desk), &["--id", "n-1"]);
        let before = desk.children("n-1");
        assert!(before.len() == 6 && before.iter().all(|(_, state)| state.is_null()), "{before:?}");
        desk.work();
        assert!(desk.children("n-1").iter().all(|(_, state)| state == "completed"), "{:?}", desk.children("n-1"));
        let job = desk.job("n-1");
        let mail = json!({"channel": "email", "queue": "email", "id": "n-1.email", "state": "completed"});
        assert_eq!(job["children"][0], mail);
        for child in job["children"].as_array().unwrap() {
            assert_eq!(desk.job(child["id"].as_str().unwrap())["priority"], "high", "{child}");
        }
        let shown = desk.cli.ok(["jobs", "show", "n-1"]);
        assert!(shown.contains("children\tsms      completed  n-1.sms in notification\n"), "{shown}");
        assert_eq!(desk.sink.requests().len(), 4);
        let row = "default|n-1.in-app|456|Paid & done|Your share <1> is on its way.|high";
        assert_eq!(desk.rows(), [row]);
        let mail = std::fs::read_to_string(desk.cli.home().join("mails/n-1.email.eml")).unwrap();
        assert!(mail.contains("Subject: Paid & done") && mail.contains("Hello John,"), "{mail}");
        // The same notification again is a duplicate, and so would be each of its jobs.
        desk.cli.enqueue("notification", &everywhere(&desk), &["--id", "n-1"]);
        desk.work();
        assert_eq!((desk.sink.requests().len(), desk.rows().len()), (4, 1));
    }
}

#[test]
fn every_service_gets_what_it_takes() {
    let desk = desk(None);
    desk.cli.enqueue("notification", &everywhere(&desk), &["--id", "n-1"]);
    desk.work();
    let requests = desk.sink.requests();
    let to = |path: &str| {
        let found: Vec<_> = requests.iter().filter(|request| request.line == format!("POST {path} HTTP/1.1")).collect();
        assert_eq!(found.len(), 1, "{path}");
        found[0]
    };
    let text = |path: &str| String::from_utf8(to(path).body.clone()).unwrap();
    let key = |path: &str| to(path).header("idempotency-key").unwrap().to_owned();

    let form = "To=%2B2348012345678&From=%2B15005550006&Body=Paid+%26+done%0AYour+share+%3C1%3E+is+on+its+way.";
    assert_eq!((text("/sms").as_str(), key("/sms").as_str()), (form, "n-1.sms"));
    assert_eq!(to("/sms").header("content-type"), Some("application/x-www-form-urlencoded"));
    // printf 'AC1:sms-pa55' | base64
    assert_eq!(to("/sms").header("authorization"), Some("Basic QUMxOnNtcy1wYTU1"));

    let push: Value = serde_json::from_str(&text("/push")).unwrap();
    let words = json!({"title": "Paid & done", "body": "Your share <1> is on its way."});
    assert_eq!((&push["message"]["token"], &push["message"]["notification"]), (&json!("t0k:en"), &words));
    assert_eq!(push["message"]["data"]["notificationId"], "n-1");
    assert_eq!(to("/push").header("authorization"), Some("Bearer push-t0ken"));

    assert_eq!(text("/slack"), r#"{"text":"*Paid &amp; done*\nYour share &lt;1&gt; is on its way."}"#);
    assert!(["/sms", "/push", "/slack"].iter().all(|path| to(path).header("ireva-signature").is_none()));

    let hook = r#"{"notificationId":"n-1","tenantId":"default","investorId":"456","title":"Paid & done","body":"Your share <1> is on its way.","priority":"high","context":{"reference":"r-1"}}"#;
    assert_eq!(text("/hook"), hook);
    let headers = [("ireva-job-id", "n-1.webhook"), ("ireva-queue", "notification"), ("ireva-attempt", "1")];
    assert!(headers.iter().all(|(name, value)| to("/hook").header(name) == Some(*value)));
    let signature = to("/hook").header("ireva-signature").unwrap();
    assert!(crate::builtin_http::signed_right("k3y", signature, hook.as_bytes()), "{signature}");
}

#[test]
fn a_template_says_the_same_on_every_channel() {
    let desk = desk(None);
    let payload = json!({
        "channels": ["email", "slack", "in-app"], "recipient": "456", "title": "Your distribution",
        "template": "distribution-paid", "context": {"propertyName": "Palm Court", "amount": 1250.50, "currency": "NGN"},
    });
    desk.cli.enqueue("notification", &payload.to_string(), &["--id", "n-1"]);
    desk.work();
    let mail = std::fs::read_to_string(desk.cli.home().join("mails/n-1.email.eml")).unwrap();
    assert!(mail.contains("Content-Type: text/html") && mail.contains("Palm Court"), "{mail}");
    let chat = String::from_utf8(desk.sink.requests()[0].body.clone()).unwrap();
    for text in [&chat, &desk.rows().join("\n")] {
        assert!(text.contains("Palm Court") && text.contains("1,250.50") && !text.contains("====="), "{text}");
    }
}

#[test]
fn who_waits_for_a_notification_is_told_its_jobs() {
    let desk = desk(None);
    let mut worker = desk.cli.work(["notification"]);
    let id = "x".repeat(128);
    let payload = r#"{"channels":["email","in-app"],"recipient":456,"title":"t","body":"b"}"#;
    let ended = desk.cli.json(["enqueue", "notification", payload, "--id", &id, "--wait"]);
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
    let told = ended["result"]["children"].as_array().unwrap_or_else(|| panic!("{ended}")).clone();
    let shown = desk.job(&id)["children"].as_array().unwrap().clone();
    assert_eq!((told.len(), shown.len()), (2, 2));
    for (told, shown) in told.iter().zip(&shown) {
        assert!(["channel", "queue", "id"].iter().all(|field| told[field] == shown[field]), "{told} {shown}");
        let id = told["id"].as_str().unwrap();
        assert!(id.len() <= 128 && id.ends_with(&format!(".{}", told["channel"].as_str().unwrap())), "{id}");
    }
    assert_eq!((&shown[0]["state"], &told[0]["queue"]), (&json!("pending"), &json!("email")));
}

#[test]
fn what_is_wrong_with_a_notification_ends_it_before_anybody_is_told() {
    let desk = desk(Some(TestPostgres::start()));
    desk.postgres.as_ref().unwrap().ask("UPDATE investors SET email = NULL WHERE id = '457'");
    let payload = |recipient: Value, words: Value| {
        let mut payload = json!({"channels": ["email", "slack", "in-app"], "recipient": recipient, "title": "t"});
        payload.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
        payload
    };
    let body = json!({"body": "b"});
    let table = [
        (payload(json!(9_999), body.clone()), "investor_unknown", "there is no investor 9999 of tenant default"),
        (payload(json!(457), body.clone()), "email_missing", "no email address for investor 457"),
        (payload(json!(456), json!({"template": "none"})), "template_unknown", "there is no template \"none\""),
        (
            payload(json!(456), json!({"template": "distribution-paid", "context": {"amount": "1"}})),
            "template_variable_missing",
            "\"propertyName\" is missing",
        ),
        (
            payload(json!({"investorId": 456}), json!({"body": "b", "tenantId": "acme"})),
            "investor_unknown",
            "of tenant acme",
        ),
        (
            payload(json!({"phone": 1}), json!({})),
            "payload_invalid",
            "recipient.phone must be a text, not 1; recipient.email",
        ),
    ];
    for (n, (payload, ..)) in table.iter().enumerate() {
        desk.cli.enqueue("notification", &payload.to_string(), &["--id", &format!("n-{n}"), "--no-check"]);
    }
    desk.work();
    for (n, (payload, code, part)) in table.iter().enumerate() {
        let job = desk.job(&format!("n-{n}"));
        let error = &job["lastError"];
        assert_eq!((&job["state"], &error["code"]), (&json!("dead"), &json!(code)), "{payload}: {error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{payload}: {error}");
        let told = job["children"].as_array().into_iter().flatten().any(|child| !child["state"].is_null());
        assert!(!told, "{job}");
    }
    assert_eq!((desk.sink.requests().len(), desk.rows().len()), (0, 0));
    let refused = desk.cli.run(["enqueue", "notification", "{}"]).expect(2).stderr;
    for part in ["channels is missing", "recipient is missing", "title is missing", "body is missing"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn a_channel_without_its_service_fails_alone() {
    let desk = desk(None);
    let cli = desk.cli.clone().without("SMS_FROM").without("PUSH_URL").without("SLACK_URL").without("HTTP_SIGNING_KEY");
    desk.cli.enqueue("notification", &everywhere(&desk), &["--id", "n-1"]);
    let mut worker = cli.work(["notification", "email", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    let state = |channel: &str| desk.job(&format!("n-1.{channel}"))["state"].clone();
    for (channel, variable) in [("sms", "SMS_FROM"), ("push", "PUSH_URL"), ("slack", "SLACK_URL")] {
        let error = &desk.job(&format!("n-1.{channel}"))["lastError"];
        assert_eq!((state(channel), &error["code"]), (json!("dead"), &json!("channel_not_configured")), "{error}");
        assert!(error["message"].as_str().unwrap().contains(variable), "{error}");
    }
    assert!(["email", "webhook", "in-app"].iter().all(|channel| state(channel) == "completed"));
    assert_eq!(desk.job("n-1")["state"], "completed");
    assert_eq!(desk.sink.requests()[0].header("ireva-signature"), None);
    // Once it is configured, the dead ones are revived, and nobody is told twice.
    desk.cli.ok(["dlq", "retry", "notification", "--all", "--yes"]);
    desk.work();
    assert_eq!((desk.sink.requests().len(), desk.rows().len()), (4, 1));
}

#[test]
fn wrong_settings_of_channels_are_78_and_named() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let table = [
        ("SMS_URL", "ftp://api.example.com/"),
        ("PUSH_URL", "https://user:hunter2@push.example.com/"),
        ("SLACK_URL", "hunter2"),
        ("NOTIFY_ALLOW", "10.0.0.0/33"),
        ("MAIL_TEMPLATES", "/nonexistent"),
    ];
    for (name, value) in table {
        let stderr = cli.clone().env(name, value).run(["work", "notification"]).expect(78).stderr;
        let names = stderr.contains(name) || (name == "MAIL_TEMPLATES" && stderr.contains(value));
        assert!(names && stderr.lines().count() == 1 && !stderr.contains("hunter2"), "{name}: {stderr}");
    }
}

#[test]
fn a_webhook_over_tls_is_trusted_by_its_name_and_reached_at_the_checked_address() {
    let (redis, home) = (TestRedis::start(), tempfile::tempdir().unwrap());
    crate::builtin_email::certificates(home.path());
    let file = |name: &str| home.path().join(name).display().to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/https_server.py");
    let mut command = python();
    command.arg(script).args([file("server.pem"), file("server.key")]);
    let mut server = Guarded(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let place = format!("localhost:{}", lines.next().unwrap());
    let cli = Cli::new(&redis).env("NOTIFY_ALLOW", &place);
    cli.keep_completed("notification");
    let payload = json!({"deliver": "webhook", "to": format!("https://{place}/hook"), "title": "t", "text": "x"});
    cli.enqueue("notification", &payload.to_string(), &["--id", "n-1", "--backoff", "fixed:1h"]);
    let mut stranger = cli.work(["notification"]);
    let failed = stranger.wait_event("retrying");
    assert_eq!((&failed["class"], &failed["code"]), (&json!("transient"), &json!("tls_untrusted")), "{failed}");
    assert_eq!(stranger.stop(LONG), Some(0));
    cli.ok(["jobs", "promote", "n-1"]);
    let mut worker = cli.env("SSL_CERT_FILE", file("ca.pem")).work(["notification", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    assert_eq!(lines.next(), Some(place));
}

#[test]
fn a_notification_and_its_jobs_are_seen_through_rest() {
    let desk = desk(None);
    let serve = Serve::start(&desk.cli);
    let payload = r#"{"channels":["email","in-app"],"recipient":456,"title":"t","body":"b"}"#;
    let id = serve.post("/api/jobs/notification", payload).expect(202).json()["id"].as_str().unwrap().to_owned();
    desk.work();
    let job = serve.json(&format!("/api/jobs/{id}"));
    let mail = json!({"channel": "email", "queue": "email", "id": format!("{id}.email"), "state": "completed"});
    assert_eq!((&job["children"][0], job["children"].as_array().unwrap().len()), (&mail, 2));
    assert_eq!(job, desk.job(&id), "the command line shows the same");
    let refused =
        serve.post("/api/jobs/notification", r#"{"channels":["sms"],"recipient":456,"title":"t","body":"b"}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("recipient.phone"), "{}", refused.body);
}
