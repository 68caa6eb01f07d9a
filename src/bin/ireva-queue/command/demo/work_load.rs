//! The jobs of the demo, and what runs them.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::builtin::email::EmailProcessor;
use ireva_queue::builtin::exec::{ExecProcessor, ExecSettings, allowed_environment};
use ireva_queue::builtin::http::{HttpProcessor, HttpSettings};
use ireva_queue::config::Config;
use ireva_queue::retry::Backoff;
use ireva_queue::{Client, NewJob, Priority, QueueName, Registry};
use serde_json::{Value, json};

use crate::command::work::email_settings;
use crate::ui;

/// How many jobs there are.
pub const COUNT: u64 = 40;
/// The template that one mail asks for and nobody has written yet.
pub const MISSING_TEMPLATE: &str = "quarterly-letter";

const EMAIL: &str = "email";
const PARTNER: &str = "partner";
const THUMBNAILS: &str = "thumbnails";
const ATTEMPTS: u32 = 8;

/// Fails for good for a broken picture, and once for a large one.
const THUMBNAIL: &str = r#"
read -r picture
case $picture in
*broken*) echo "not a picture: unexpected end of file" >&2; exit 65 ;;
*large*) [ "$IREVA_ATTEMPT" -gt 1 ] || { echo "no memory left for a large picture" >&2; exit 75; } ;;
esac
echo "{\"thumbnail\":\"$IREVA_JOB_ID.png\"}"
"#;

/// The queues.
pub fn queues() -> Result<[QueueName; 3]> {
    Ok([QueueName::new(EMAIL)?, QueueName::new(PARTNER)?, QueueName::new(THUMBNAILS)?])
}

/// Enqueues all jobs; how many.
pub async fn enqueue(client: &Client) -> Result<usize> {
    let mut count = 0;
    for (queue, payloads) in queues()?.into_iter().zip([mails(), credits(), pictures()]) {
        count += payloads.len();
        let jobs = payloads.iter().map(job).collect::<ireva_queue::Result<Vec<_>>>()?;
        for answer in client.queue(queue).enqueue_many(jobs).await? {
            answer?;
        }
    }
    Ok(count)
}

fn job(payload: &Value) -> ireva_queue::Result<NewJob> {
    let backoff = Backoff::exponential(Duration::from_millis(400), Duration::from_millis(1_500));
    let job = NewJob::new(payload)?.attempts(ATTEMPTS).backoff(backoff);
    Ok(if payload["template"] == "alert" { job.priority(Priority::Critical) } else { job })
}

/// What runs the jobs.
pub fn registry(config: &Config, partner: &str) -> Result<Registry> {
    let [email, credits, thumbnails] = queues()?;
    let mut command = ExecSettings::new(["sh", "-c", THUMBNAIL].map(Into::into).to_vec());
    command.environment = allowed_environment(ui::environment(), &[] as &[&str]);
    let mut registry = Registry::new();
    registry.register(email, EmailProcessor::new(&email_settings(config)?)?);
    registry.register(credits, HttpProcessor::new(HttpSettings::new(partner))?);
    registry.register(thumbnails, ExecProcessor::new(command)?);
    Ok(registry)
}

/// 24 mails, four of which cannot be sent: two without an address, one without a template, one without a name.
fn mails() -> Vec<Value> {
    let names = ["Ada", "Bola", "Chidi", "Dayo", "Efe"];
    let good = (0..20).map(|n| {
        let name = names[n % names.len()];
        let to = format!("{}{n}@example.com", name.to_lowercase());
        let (template, subject, context) = mail_text(n % 5, name);
        json!({"to": to, "subject": subject, "template": template, "context": context})
    });
    let no_address = (0..2).map(
        |n| json!({"to": format!("nobody{n}"), "subject": "Welcome", "template": "welcome-email", "context": {"firstName": "Nobody"}}),
    );
    let no_template = json!({
        "to": "femi@example.com", "subject": "Your quarter", "template": MISSING_TEMPLATE,
        "context": {"firstName": "Femi", "quarter": "Q3 2026", "amount": "12,500.00 NGN"},
    });
    let no_name = json!({"to": "gbenga@example.com", "subject": "Welcome", "template": "welcome-email"});
    good.chain(no_address).chain([no_template, no_name]).collect()
}

fn mail_text(kind: usize, name: &str) -> (&'static str, String, Value) {
    let link = "https://example.com/dashboard";
    match kind {
        0 => ("welcome-email", format!("Welcome, {name}"), json!({"firstName": name, "dashboardUrl": link})),
        1 => (
            "monthly-roi",
            "Your returns for October".to_owned(),
            json!({
                "firstName": name, "month": "October 2026", "total": "18250.50", "rate": "1.4",
                "properties": [{"name": "Lekki Heights", "amount": "12000.00"}, {"name": "Ikoyi Court", "amount": "6250.50"}],
            }),
        ),
        2 => (
            "report-ready",
            "Your report is ready".to_owned(),
            json!({"firstName": name, "reportName": "Annual statement 2025", "downloadUrl": link}),
        ),
        3 => (
            "distribution-paid",
            "Your distribution has been paid".to_owned(),
            json!({"firstName": name, "propertyName": "Lekki Heights", "amount": "12000.00"}),
        ),
        _ => (
            "alert",
            "Disk space is low".to_owned(),
            json!({"title": "Disk space is low", "message": "Less than 10 % is left on db-1.", "severity": "warning"}),
        ),
    }
}

/// 10 requests, two of which are for accounts that the partner does not know.
fn credits() -> Vec<Value> {
    let account = |n: u32| if n % 5 == 4 { format!("closed-{n}") } else { format!("NG-{n:04}") };
    (0..10).map(|n| json!({"account": account(n), "amount": "250.00"})).collect()
}

/// 6 pictures, of which one is broken and two are large.
fn pictures() -> Vec<Value> {
    let names = ["lobby", "garden-large", "roof", "broken-scan", "kitchen", "view-large"];
    names.iter().map(|name| json!({"picture": format!("{name}.jpg")})).collect()
}
