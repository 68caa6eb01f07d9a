//! The email processor against a scripted server, a real one, and a directory.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ireva_queue::builtin::email::{EmailProcessor, EmailSettings};
use ireva_queue::testing::{TestJob, run, run_as};
use ireva_queue::{ErrorClass, JobId};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::smtp_sink::{Act, SmtpSink, Stage};
use crate::support::{Cli, Guarded, TestRedis, free_port, python, signal, wait_for, wait_until};

const LIMIT: Duration = Duration::from_millis(400);

fn settings(url: &str) -> EmailSettings {
    let from = Some("iREVA <no-reply@ireva.example>".to_owned());
    EmailSettings { from, timeout: Duration::from_secs(5), ..EmailSettings::new(url) }
}

fn processor(url: &str) -> EmailProcessor {
    EmailProcessor::new(&settings(url)).unwrap()
}

fn mail() -> String {
    mail_with(json!({}))
}

fn mail_with(more: Value) -> String {
    let mut mail = json!({
        "to": "ada@example.com", "subject": "Welcome", "template": "welcome-email", "context": {"firstName": "Ada"}
    });
    for (name, value) in more.as_object().unwrap() {
        mail[name] = value.clone();
    }
    mail.to_string()
}

fn job(id: &str) -> TestJob {
    TestJob { id: JobId::new(id).unwrap(), ..TestJob::new("email") }
}

async fn failure(processor: &EmailProcessor, payload: &str) -> (ErrorClass, String) {
    let error = run(processor, payload).await.unwrap_err();
    (error.class(), error.code().to_owned())
}

/// Kills the worker between the server's last word and its own, and lets another one take over.
#[test]
fn r05_a_mail_taken_just_before_the_crash_is_sent_once_more_under_the_same_message_id() {
    let (redis, sink) = (TestRedis::start(), SmtpSink::start());
    let cli = Cli::new(&redis).env("SMTP_URL", sink.url()).env("MAIL_FROM", "no-reply@ireva.example");
    cli.keep_completed("email");
    let mut first = cli.work(["email", "--lease", "4s"]).ready();
    let pid = first.pid();
    sink.next(Stage::Dot, Act::First(Box::new(move || signal(pid, Signal::STOP))));
    let id = cli.enqueue("email", &mail(), &["--id", "mail-1"]);
    wait_until(Duration::from_secs(20), "the mail is taken", || sink.mails().len() == 1);
    first.kill9();
    let _second = cli.work(["email", "--lease", "4s"]).ready();
    let ended = || cli.json(["jobs", "show", &id, "--queue", "email"])["state"] == "completed";
    wait_until(Duration::from_secs(30), "the mail is done", ended);
    let ids: Vec<_> = sink.mails().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(ids, ["<mail-1@ireva.example>"; 2]);
}

#[tokio::test]
async fn r53_each_reply_of_a_server_has_its_class() {
    let sink = SmtpSink::start();
    let processor = processor(&sink.url());
    let table = [
        (Stage::Mail, "421 4.3.2 going down", ErrorClass::Throttled, "smtp_throttled"),
        (Stage::Rcpt, "451 4.3.0 later", ErrorClass::Throttled, "smtp_throttled"),
        (Stage::Dot, "452 4.3.1 full", ErrorClass::Throttled, "smtp_throttled"),
        (Stage::Rcpt, "450 4.2.1 rate limit exceeded", ErrorClass::Throttled, "smtp_throttled"),
        (Stage::Rcpt, "450 4.2.0 greylisted", ErrorClass::Transient, "smtp_4xx"),
        (Stage::Data, "454 4.7.0 not now", ErrorClass::Transient, "smtp_4xx"),
        (Stage::Rcpt, "550 5.1.1 no such user", ErrorClass::Permanent, "smtp_5xx"),
        (Stage::Dot, "554 5.7.1 refused", ErrorClass::Permanent, "smtp_5xx"),
        (Stage::Greeting, "554 not for you", ErrorClass::Transient, "smtp_refused"),
        (Stage::Greeting, "421 busy", ErrorClass::Throttled, "smtp_throttled"),
        (Stage::Greeting, "HTTP/1.1 400 Bad Request", ErrorClass::Transient, "smtp_protocol"),
    ];
    for (stage, reply, class, code) in table {
        sink.hang_up();
        sink.next(stage, Act::Say(reply));
        assert_eq!(failure(&processor, &mail()).await, (class, code.to_owned()), "{stage:?} {reply}");
    }
    run(&processor, &mail()).await.unwrap();
}

#[tokio::test]
async fn r53_a_server_that_drops_or_hangs_never_holds_a_mail_longer_than_its_limit() {
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let sink = SmtpSink::start();
        let processor = EmailProcessor::new(&EmailSettings { timeout: LIMIT, ..settings(&sink.url()) }).unwrap();
        sink.next(stage, Act::Hang);
        let begun = Instant::now();
        assert_eq!(failure(&processor, &mail()).await, (ErrorClass::Transient, "timeout".to_owned()), "{stage:?}");
        assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LIMIT * 4, "{stage:?} {:?}", begun.elapsed());
        sink.next(stage, Act::Drop);
        assert_eq!(
            failure(&processor, &mail()).await,
            (ErrorClass::Transient, "connection_lost".to_owned()),
            "{stage:?}"
        );
        run(&processor, &mail()).await.unwrap_or_else(|error| panic!("after {stage:?}: {error}"));
    }
}

#[tokio::test]
async fn r53_a_mail_that_was_cut_off_leaves_no_replies_for_the_next_one() {
    let sink = SmtpSink::start();
    let processor = processor(&sink.url());
    let short = TestJob { timeout: Some(LIMIT), ..job("short") };
    sink.next(Stage::Dot, Act::SaySlowly("250 2.0.0 queued at last", LIMIT / 4));
    let error = run_as(&processor, &mail(), &short).await.result.unwrap_err();
    assert_eq!(error.code(), "timeout");
    sink.next(Stage::Rcpt, Act::Say("550 5.1.1 no such user"));
    assert_eq!(failure(&processor, &mail()).await, (ErrorClass::Permanent, "smtp_5xx".to_owned()));
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn r53_a_repeat_after_a_lost_reply_bears_the_same_message_id() {
    let sink = SmtpSink::start();
    let processor = processor(&sink.url());
    sink.next(Stage::Dot, Act::Drop);
    let first = run_as(&processor, &mail(), &job("order:42")).await.result.unwrap_err();
    assert_eq!((first.class(), first.code()), (ErrorClass::Transient, "connection_lost"));
    let second = TestJob { attempt: 2, ..job("order:42") };
    let result = run_as(&processor, &mail(), &second).await.result.unwrap();
    let result: Value = serde_json::from_str(result.result().unwrap()).unwrap();
    assert_eq!(result["messageId"], "<order=3A42@ireva.example>");
    assert_eq!(result["reply"], "250 2.0.0 queued as 42");
    let ids: Vec<_> = sink.mails().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(ids, ["<order=3A42@ireva.example>"; 2]);
}

#[tokio::test]
async fn r53_a_wrong_password_waits_for_the_operator() {
    let sink = SmtpSink::start();
    let url = sink.url().replace("smtp://", "smtp://user:s3cret@");
    let processor = processor(&url);
    sink.next(Stage::Auth, Act::Say("535 5.7.8 wrong password"));
    let error = run(&processor, &mail()).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "smtp_auth"));
    assert!(!error.message().contains("s3cret") && !format!("{processor:?}").contains("s3cret"));
    run(&processor, &mail()).await.unwrap();
}

#[tokio::test]
async fn r53_a_slow_server_is_waited_for() {
    let sink = SmtpSink::start();
    sink.next(Stage::Dot, Act::SaySlowly("250 2.0.0 taken", Duration::from_millis(10)));
    let outcome = run(&processor(&sink.url()), &mail()).await.unwrap();
    assert!(outcome.result().unwrap().contains("250 2.0.0 taken"));
}

#[tokio::test]
async fn connections_are_used_again_and_replaced_when_they_are_gone() {
    let sink = SmtpSink::start();
    let processor = processor(&sink.url());
    for _ in 0..3 {
        run(&processor, &mail()).await.unwrap();
    }
    assert_eq!(sink.connections(), 1);
    sink.hang_up();
    run(&processor, &mail()).await.unwrap();
    assert_eq!((sink.connections(), sink.mails().len()), (2, 4));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_transient_and_named() {
    let port = free_port();
    let processor_of = |url: &str| processor(url);
    let error = run(&processor_of(&format!("smtp://127.0.0.1:{port}")), &mail()).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "connection_refused"));
    assert!(error.message().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert_eq!(
        failure(&processor_of("smtp://nowhere.invalid"), &mail()).await,
        (ErrorClass::Transient, "dns_failed".to_owned())
    );
    let sink = SmtpSink::start();
    let required = processor_of(&format!("smtp://{}", sink.address()));
    assert_eq!(failure(&required, &mail()).await, (ErrorClass::Transient, "tls_unavailable".to_owned()));
    let error = run(&required, &mail()).await.unwrap_err();
    assert!(error.message().contains("?tls=none"), "{error}");
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn r60_hostile_fields_never_reach_the_server() {
    let sink = SmtpSink::start();
    let processor = processor(&sink.url());
    let hostile = "x\r\nBcc: victim@example.com\r\n\r\nbody";
    let fields = [
        json!({"subject": hostile}),
        json!({"subject": "=?utf-8?q?a=0ABcc:_victim=40example.com?="}),
        json!({"from": "=?utf-8?q?a=0A?= <a@example.com>"}),
        json!({"to": format!("Ada {hostile} <ada@example.com>")}),
        json!({"to": "ada@example.com\r\nRCPT TO:<victim@example.com>"}),
        json!({"to": "ada@example.com> SIZE=1\r\nDATA"}),
        json!({"cc": ["ok@example.com", "a\n@example.com"]}),
        json!({"bcc": "a\0@example.com"}),
        json!({"from": format!("{hostile} <a@example.com>")}),
        json!({"reply_to": "a@example.com\nX-Evil: 1"}),
        json!({"attachments": [{"filename": format!("a{hostile}.txt"), "content": "aGk="}]}),
        json!({"attachments": [{"filename": "a.txt", "content": "aGk=", "contentType": "text/plain\r\nX-Evil: 1"}]}),
    ];
    for field in fields {
        let verdict = failure(&processor, &mail_with(field.clone())).await;
        assert_eq!(verdict, (ErrorClass::Permanent, "payload_invalid".to_owned()), "{field}");
    }
    assert_eq!((sink.connections(), sink.raw()), (0, String::new()));
}

#[tokio::test]
async fn r60_a_body_cannot_end_its_mail_and_the_headers_are_those_intended() {
    let sink = SmtpSink::start();
    let hostile = "a\r\n.\r\nMAIL FROM:<evil@example.com>\r\nb\n.\nc\r.\rd\n..e\n\r\n.\r\nQUIT\r\n";
    let payload = mail_with(json!({
        "context": {"firstName": hostile}, "subject": "Grüße: ., \"x\"",
        "to": ["\"Ada, Countess\" <ada@example.com>", "Bøb <bob@example.com>"], "cc": "c@example.com",
        "bcc": "hidden@example.com", "reply_to": "help@ireva.example", "tenantId": "t1",
        "attachments": [{"filename": "ü \"q\".pdf", "content": "DQouDQo=", "contentType": "application/pdf"}],
    }));
    run(&processor(&sink.url()), &payload).await.unwrap();
    let [mail] = &sink.mails()[..] else { panic!("{} mails", sink.mails().len()) };
    assert_eq!(mail.from, "no-reply@ireva.example");
    assert_eq!(mail.to, ["ada@example.com", "bob@example.com", "c@example.com", "hidden@example.com"]);
    let mut names = mail.header_names();
    names.sort_unstable();
    let intended = ["Cc", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Reply-To", "Subject", "To"];
    assert_eq!(names, intended);
    assert!(!mail.raw.contains("hidden@example.com"));
    let raw = sink.raw();
    assert_eq!(raw.matches("MAIL FROM:").count() - mail.raw.matches("MAIL FROM:").count(), 1);
    assert_eq!(raw.matches("\r\n.\r\n").count(), 1, "one end of a mail");
    let lines = raw.split("\r\n");
    assert!(lines.clone().all(|line| !line.contains(['\r', '\n', '\0']) && line.len() <= 998 && line.is_ascii()));
    let parsed = parse(&mail.raw);
    assert_eq!(parsed["subject"], "Grüße: ., \"x\"");
    assert_eq!(parsed["filenames"], json!(["ü \"q\".pdf"]));
    assert_eq!(parsed["attached"], json!(["0d0a2e0d0a"]));
    assert!(parsed["plain"].as_str().unwrap().contains("MAIL FROM:<evil@example.com>"));
}

/// What a mail reader that is not ours makes of it.
fn parse(raw: &str) -> Value {
    let script = "import sys, json, email, email.policy\n\
        m = email.message_from_bytes(sys.stdin.buffer.read().replace(b'\\r\\n..', b'\\r\\n.'), policy=email.policy.default)\n\
        a = list(m.iter_attachments())\n\
        print(json.dumps({'subject': m['subject'], 'filenames': [p.get_filename() for p in a],\n\
          'attached': [p.get_content().hex() for p in a], 'plain': m.get_body(('plain',)).get_content(),\n\
          'html': m.get_body(('html',)).get_content()}))";
    let mut child = python().args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), raw.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn r64_a_payload_is_never_template_source() {
    let sink = SmtpSink::start();
    let context = json!({"firstName": "{{7*7}} {% include '/etc/passwd' %} <script>x</script>", "a.b": "{{c}}", "": 1});
    run(&processor(&sink.url()), &mail_with(json!({"context": context, "subject": "{{7*7}}"}))).await.unwrap();
    let parsed = parse(&sink.mails()[0].raw);
    assert_eq!(parsed["subject"], "{{7*7}}");
    let (plain, html) = (parsed["plain"].as_str().unwrap(), parsed["html"].as_str().unwrap());
    assert!(plain.contains("{{7*7}} {% include '/etc/passwd' %} <script>"), "{plain}");
    assert!(html.contains("{{7*7}} {% include") && html.contains("&lt;script&gt;") && !html.contains("<script>"));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let sink = SmtpSink::start();
    let processor_without_sender = EmailProcessor::new(&EmailSettings::new(sink.url())).unwrap();
    let table = [
        (json!({"context": {}}), "template_variable_missing", "\"firstName\""),
        (json!({"template": "no-such"}), "template_unknown", "\"no-such\""),
        (json!({"template": "../alert"}), "payload_invalid", "is not a name"),
        (json!({"to": [], "subject": null, "colour": "red"}), "payload_invalid", "to is missing"),
    ];
    for (field, code, part) in table {
        let error = run(&processor(&sink.url()), &mail_with(field)).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (ErrorClass::Permanent, code));
        assert!(error.message().contains(part), "{error}");
    }
    let verdict = failure(&processor_without_sender, &mail()).await;
    assert_eq!(verdict, (ErrorClass::Transient, "sender_missing".to_owned()));
    assert_eq!(sink.connections(), 0);
    let check = |payload: &str| ireva_queue::builtin::check_payload("email", payload);
    assert!(check(&mail()).is_ok() && ireva_queue::builtin::check_payload("other", "{}").is_ok());
    let text = check(r#"{"subject": 1, "colour": "red"}"#).unwrap_err().to_string();
    for part in ["to is missing", "subject must be a text", "template is missing", "unknown field \"colour\""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn a_directory_gets_one_file_a_mail() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let processor = processor(&format!("file://{}", out.display()));
    for _ in 0..2 {
        run_as(&processor, &mail(), &job("order:42@x")).await.result.unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["order:42@x.eml"]);
    let text = std::fs::read_to_string(out.join(&names[0])).unwrap();
    assert!(text.contains("To: ada@example.com\r\n") && text.contains("Subject: Welcome\r\n"));
    std::fs::remove_dir_all(&out).unwrap();
    assert_eq!(failure(&processor, &mail()).await, (ErrorClass::Transient, "file_failed".to_owned()));
}

#[test]
fn what_cannot_work_is_refused_when_the_processor_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no certificate").unwrap();
    let good = settings("smtp://localhost");
    let table = [
        EmailSettings { url: "smtp://user:s3cret@host:x".to_owned(), ..good.clone() },
        EmailSettings { ca: Some(directory.path().join("none.pem")), ..good.clone() },
        EmailSettings { ca: Some(file.clone()), ..good.clone() },
        EmailSettings { from: Some("nobody".to_owned()), ..good.clone() },
        EmailSettings { templates: Some(file.clone()), ..good.clone() },
        EmailSettings { url: format!("file://{}/x", file.display()), ..good },
    ];
    for settings in table {
        let error = EmailProcessor::new(&settings).unwrap_err();
        assert_eq!(error.kind(), ireva_queue::ErrorKind::Config, "{error}");
        assert!(!error.to_string().contains("s3cret"));
    }
}

/// A certificate for 127.0.0.1 and localhost, signed by an authority made for the test.
pub fn certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    std::fs::write(directory.join("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile ext");
}

/// aiosmtpd in a process of its own; its mails come as lines.
struct Aiosmtpd {
    _process: Guarded,
    port: u16,
    lines: std::sync::mpsc::Receiver<Value>,
}

impl Aiosmtpd {
    fn start(mode: &str, certificates: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/aiosmtpd_server.py");
        let mut command = python();
        let port = free_port();
        command.arg(script).arg(mode).arg(port.to_string());
        command.arg(certificates.join("server.pem")).arg(certificates.join("server.key"));
        let mut process = Guarded(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap())));
        Self { _process: process, port, lines: receiver }
    }

    fn mail(&self) -> Value {
        wait_for(Duration::from_secs(5), "a mail at aiosmtpd", || self.lines.try_recv().ok())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_takes_mails_over_starttls_and_tls_with_a_login() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let ca = Some(directory.path().join("ca.pem"));
    for (mode, scheme) in [("starttls", "smtp"), ("implicit", "smtps")] {
        let server = Aiosmtpd::start(mode, directory.path());
        let url = |password: &str| format!("{scheme}://user%40ireva:{password}@localhost:{}", server.port);
        let right = EmailSettings { ca: ca.clone(), ..settings(&url("p:a%2Fss@w%25rd")) };
        let processor = EmailProcessor::new(&right).unwrap();
        for subject in ["One", "Zwei: Grüße"] {
            run(&processor, &mail_with(json!({"subject": subject, "bcc": "b@example.com"}))).await.unwrap();
            let mail = server.mail();
            assert_eq!((mail["tls"].as_bool(), mail["authenticated"].as_bool()), (Some(true), Some(true)), "{mode}");
            assert_eq!(mail["to"], json!(["ada@example.com", "b@example.com"]));
            assert_eq!(parse(mail["content"].as_str().unwrap())["subject"], subject);
        }
        let wrong = EmailSettings { ca: ca.clone(), ..settings(&url("wrong")) };
        let verdict = failure(&EmailProcessor::new(&wrong).unwrap(), &mail()).await;
        assert_eq!(verdict, (ErrorClass::Transient, "smtp_auth".to_owned()), "{mode}");
        let stranger = EmailSettings { ca: None, ..right };
        let verdict = failure(&EmailProcessor::new(&stranger).unwrap(), &mail()).await;
        assert_eq!(verdict, (ErrorClass::Transient, "tls_untrusted".to_owned()), "{mode}");
    }
}
