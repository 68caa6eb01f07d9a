//! Alerts by mail: a job of the queue `email` where that is well, else at once and directly.

use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::not_taken;
use crate::alert::{AlertCarrier, AlertEvent, AlertName, AlertNotice, AlertSink, AlertTold, Telling};
use crate::builtin::email::{self, EmailProcessor, EmailSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, NewJob, Priority, QueueName};
use crate::processor::Processor;

/// The template that ships.
const TEMPLATE: &str = "alert";
const LIMIT: Duration = Duration::from_secs(30);
/// So many alerts have a row of their own.
const ROWS_MAX: usize = 20;
/// What a subject may have.
const SUBJECT_MAX_CHARS: usize = 180;

/// Mails alerts with the template `alert`. The Message-ID follows from the notice, so a repeat can be recognised.
#[derive(Debug)]
pub struct EmailSink {
    name: AlertName,
    to: Vec<String>,
    direct: Option<EmailProcessor>,
}

impl EmailSink {
    /// A sink of this name that mails `to`. Without settings nothing goes out directly: then it depends on the queue.
    ///
    /// # Errors
    /// `Config`, naming what is wrong with the settings; `Invalid` where an address is none.
    pub fn new(name: AlertName, to: Vec<String>, settings: Option<&EmailSettings>) -> Result<Self> {
        let direct = settings.map(EmailProcessor::new).transpose()?;
        let sink = Self { name, to, direct };
        email::check(&sink.payload(&AlertNotice::for_test(("", ""), crate::clock::local_now())).to_string())?;
        Ok(sink)
    }

    /// One for each notice and sink.
    fn id(&self, notice: &AlertNotice) -> Result<JobId> {
        JobId::new(&format!("{}:{}", notice.id, self.name))
    }

    fn payload(&self, notice: &AlertNotice) -> Value {
        let headline = notice.headline();
        let mut subject: String = headline.chars().take(SUBJECT_MAX_CHARS).collect();
        if subject.len() < headline.len() {
            subject.push('…');
        }
        let message = match &notice.alerts[..] {
            [told] => told.message.clone(),
            _ => "What happened stands below.".to_owned(),
        };
        let mut details: Vec<_> = match &notice.alerts[..] {
            [told] => rows_of_one(told),
            alerts => alerts.iter().take(ROWS_MAX).map(row).collect(),
        };
        if notice.alerts.len() > ROWS_MAX {
            details.push(("more".to_owned(), (notice.alerts.len() - ROWS_MAX).to_string()));
        }
        details.push(("queues under".to_owned(), notice.prefix.clone()));
        details.push(("told by".to_owned(), notice.by.clone()));
        json!({
            "to": self.to,
            "subject": subject,
            "template": TEMPLATE,
            "context": {
                "title": subject,
                "message": message,
                "severity": notice.severity().map_or("info", |severity| severity.as_str()),
                "time": notice.at.to_rfc3339_opts(SecondsFormat::Secs, true),
                "details": details,
            },
        })
    }
}

fn rows_of_one(told: &AlertTold) -> Vec<(String, String)> {
    let mut rows = vec![
        ("alert".to_owned(), told.alert.to_string()),
        ("severity".to_owned(), told.severity.as_str().to_owned()),
        ("fires at".to_owned(), told.condition.clone()),
        ("since".to_owned(), told.since.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ];
    rows.extend((!told.subject.is_empty()).then(|| ("about".to_owned(), told.subject.clone())));
    rows
}

fn row(told: &AlertTold) -> (String, String) {
    let word = match told.event {
        AlertEvent::Recovered => "recovered".to_owned(),
        event => format!("{}, {}", event.as_str(), told.severity),
    };
    (format!("{} ({word})", told.alert), told.message.clone())
}

impl AlertSink for EmailSink {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn tells_directly(&self) -> bool {
        self.direct.is_some()
    }

    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
        Box::pin(async move {
            let Some(direct) = &self.direct else {
                return Err(Error::new(ErrorKind::Config, "SMTP_URL is not set here, so no mail goes out directly"));
            };
            let payload = self.payload(notice).to_string();
            let (_, reply) =
                direct.send(&payload, &self.id(notice)?, LIMIT).await.map_err(|error| not_taken(&error))?;
            Ok(format!("mailed directly to {}: {reply}", self.to.join(", ")))
        })
    }

    fn carrier(&self, notice: &AlertNotice) -> Result<Option<AlertCarrier>> {
        let job = NewJob::new(&self.payload(notice))?.id(self.id(notice)?).priority(Priority::Critical);
        let service = self.direct.as_ref().and_then(Processor::dependency);
        Ok(Some(AlertCarrier { queue: QueueName::new(email::QUEUE)?, job, service }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::local_now;

    #[test]
    fn a_notice_is_a_mail_that_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = EmailSettings::new(format!("file://{}", directory.path().display()));
        settings.from = Some("no-reply@example.org".to_owned());
        let name = AlertName::new("ops").unwrap();
        let sink = EmailSink::new(name.clone(), vec!["ops@example.org".to_owned()], Some(&settings)).unwrap();
        let notice = AlertNotice::for_test(("p:", "w"), local_now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(sink.tell(&notice)).unwrap();
        let mail = std::fs::read_to_string(directory.path().join(format!("{}:ops.eml", notice.id))).unwrap();
        assert!(mail.contains("Subject: test: nothing is wrong, somebody"), "{mail}");
        let carrier = sink.carrier(&notice).unwrap().unwrap();
        assert_eq!((carrier.queue.as_str(), carrier.job.job_id().as_str()), ("email", &*format!("{}:ops", notice.id)));
        assert!(EmailSink::new(name, vec!["nobody".to_owned()], None).is_err());
    }
}
