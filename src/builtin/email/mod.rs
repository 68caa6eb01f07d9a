//! Sends a mail for each job of the queue `email`: payload to message, message to an SMTP server or a file.

mod message;
mod payload;
mod templates;
mod transport;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::RawValue;

use crate::clock::span_text;
use crate::error::{Error, Result};
use crate::job::JobId;
use crate::processor::{JobContext, Outcome, ProcessError, Processor};
use payload::Mail;
#[cfg(feature = "notify")]
pub(super) use payload::{ENCODED_WORD, is_template_name, mailbox};
pub(super) use templates::Templates;
use transport::Transport;

/// The queue whose jobs are mails.
pub(super) const QUEUE: &str = "email";
/// The JSON Schema of their payloads.
pub(super) const SCHEMA: &str = include_str!("schema.json");

/// Where mails go, who sends them and what they are written with.
#[derive(Clone)]
pub struct EmailSettings {
    /// `smtp://user:password@host:port`, `smtps://…` or `file://DIR`; user and password are percent-encoded.
    ///
    /// `smtp://` (port 587) requires STARTTLS unless it ends in `?tls=opportunistic` or `?tls=none`; `smtps://`
    /// (port 465) speaks TLS from the start; `file://DIR` writes each mail as `DIR/<job id>.eml`.
    pub url: String,
    /// A PEM file with the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The sender of mails that name none: `iREVA <no-reply@example.com>`.
    pub from: Option<String>,
    /// The operator's templates, `NAME.html` and `NAME.txt` (either may be missing); they go before those that ship.
    pub templates: Option<PathBuf>,
    /// The longest that one mail may take, from connecting to the server's last word; the job's timeout may end it
    /// sooner.
    pub timeout: Duration,
}

impl EmailSettings {
    /// Mails through `url`, 30 s each at most; the system's authorities, no default sender, the templates that ship.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ca: None, from: None, templates: None, timeout: Duration::from_secs(30) }
    }
}

impl fmt::Debug for EmailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("EmailSettings")
            .field("ca", &self.ca)
            .field("from", &self.from)
            .field("templates", &self.templates)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Sends mails.
///
/// The payload names `to` (one address or a list), `subject`, `template` and `context` (the template's variables), and
/// may name `from`, `cc`, `bcc`, `reply_to`, `attachments` (each `filename`, base64 `content`, `contentType`) and
/// `tenantId`. Everything that is wrong with a payload is named at once, as `payload_invalid`. The Message-ID is made of
/// the job's id, so that a repeat can be recognised. A mail goes to all of its recipients or fails as a whole.
#[derive(Debug)]
pub struct EmailProcessor {
    templates: Templates,
    transport: Transport,
    from: Option<lettre::message::Mailbox>,
    timeout: Duration,
}

impl EmailProcessor {
    /// A processor with a connection pool of its own. Connects when the first mail is sent.
    ///
    /// # Errors
    /// `Config`, naming what is wrong: the URL, the sender, the authority file, a directory.
    pub fn new(settings: &EmailSettings) -> Result<Self> {
        let sender = settings.from.as_deref().map(payload::mailbox).transpose();
        let from = sender.map_err(|problem| config(format!("the default sender of mails {problem}")))?;
        let templates = Templates::new(settings.templates.as_deref())?;
        let transport = Transport::new(&settings.url, settings.ca.as_deref())?;
        Ok(Self { templates, transport, from, timeout: settings.timeout })
    }

    /// Tries the way out without sending anything: a connection with its login and a word back, or a file that is written
    /// and removed. What it found there.
    ///
    /// # Errors
    /// As a mail would get it, or `timeout` where it takes longer than `limit`.
    pub async fn probe(&self, limit: Duration) -> Result<String, ProcessError> {
        tokio::time::timeout(limit, self.transport.probe()).await.unwrap_or_else(|_| {
            let limit = span_text(limit);
            Err(ProcessError::transient("timeout", format!("{} did not answer within {limit}", self.transport)))
        })
    }
}

impl Processor for EmailProcessor {
    type Payload = Box<RawValue>;

    fn dependency(&self) -> Option<String> {
        self.transport.dependency()
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let left = ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map_or(self.timeout, |left| left.min(self.timeout));
        let (message_id, reply) = self.send(payload.get(), ctx.job_id(), limit).await?;
        ctx.log(format!("{} took the mail: {reply}", self.transport));
        Ok(Outcome::with_result(&json!({"messageId": message_id, "reply": reply})).unwrap_or_default())
    }
}

impl EmailProcessor {
    /// Sends the mail of a payload under an id, within `limit`; its Message-ID, which follows from the id, and what was said
    /// to it.
    pub(in crate::builtin) async fn send(
        &self,
        payload: &str,
        id: &JobId,
        limit: Duration,
    ) -> Result<(String, String), ProcessError> {
        let mail =
            Mail::read(payload).map_err(|problems| ProcessError::permanent("payload_invalid", problems.to_string()))?;
        let from = mail.from.as_ref().or(self.from.as_ref()).ok_or_else(|| {
            // The operator's to mend, so the mail waits for it.
            ProcessError::transient(
                "sender_missing",
                "the mail names no sender: set MAIL_FROM for the worker, or from in the mail",
            )
        })?;
        let texts = self.templates.render(&mail)?;
        let message = message::build(&mail, from, texts, id)?;
        let sending = self.transport.send(&message, id);
        let reply = tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| {
            let limit = span_text(limit);
            let error =
                ProcessError::transient("timeout", format!("{} did not take the mail within {limit}", self.transport));
            Err(self.transport.dependency().into_iter().fold(error, ProcessError::blame))
        })?;
        Ok((message.id, reply))
    }
}

/// The template that a mail names, where it neither ships nor stands in `directory`: then whoever sends the mail needs
/// one of that name. `None` too for what is no mail.
pub fn missing_template(payload: &str, directory: Option<&Path>) -> Option<String> {
    let name = Mail::read(payload).ok()?.template;
    let files = [format!("{name}.html"), format!("{name}.txt")];
    let is_there = |file: &String| {
        templates::shipped(file).is_some() || directory.is_some_and(|directory| directory.join(file).is_file())
    };
    (!files.iter().any(is_there)).then_some(name)
}

/// The variables that a mail's template names and its context lacks, all of them; the template is that of `directory`, else the
/// one that ships. Empty for what is no mail, and where there is no such template.
pub fn missing_variables(payload: &str, directory: Option<&Path>) -> Vec<String> {
    let (Ok(mail), Ok(templates)) = (Mail::read(payload), Templates::new(directory)) else { return Vec::new() };
    templates.missing_in(&mail)
}

/// Checks a mail's payload before it is enqueued.
pub(super) fn check(payload: &str) -> Result<()> {
    Mail::read(payload).map(drop)
}

/// Whether a mail could be written: its payload, and its template with its context.
///
/// # Errors
/// Permanent, saying what to change.
#[cfg(feature = "notify")]
pub(super) fn rehearse(templates: &Templates, payload: &str) -> Result<(), ProcessError> {
    let mail =
        Mail::read(payload).map_err(|problems| ProcessError::permanent("payload_invalid", problems.to_string()))?;
    templates.render(&mail).map(drop)
}

fn config(message: String) -> Error {
    Error::new(crate::error::ErrorKind::Config, message)
}
