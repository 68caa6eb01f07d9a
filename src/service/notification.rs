//! Notifications.

use serde::Serialize;
use serde_json::Value;

use super::{QueueService, RowId, Submission};
use crate::error::Result;
use crate::job::{NewJob, Priority};

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the channels say what they are")]
pub enum Channel {
    Email,
    Sms,
    Push,
    Webhook,
    Slack,
    InApp,
}

/// Who is told, and where the channels find them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The investor, whose name and address the database knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub investor_id: Option<RowId>,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their address, for `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their number, for `sms`: `+2348012345678`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Their device, for `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
    /// Their endpoint, for `webhook`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// Their hook, for `slack`; the worker's where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack_url: Option<String>,
}

impl Recipient {
    /// An investor of the platform.
    pub fn investor(id: impl Into<RowId>) -> Self {
        Self { investor_id: Some(id.into()), ..Self::default() }
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    title: String,
    words: (&'static str, String),
    context: Option<Value>,
    priority: Option<Priority>,
    tenant: Option<RowId>,
}

impl Notification {
    /// These words.
    pub fn new(title: &str, body: &str) -> Self {
        Self::with_words(title, ("body", body.to_owned()))
    }

    /// Those of a template; `context` is an object that holds its variables.
    pub fn from_template(title: &str, template: &str, context: Value) -> Self {
        Self::with_words(title, ("template", template.to_owned())).context(context)
    }

    fn with_words(title: &str, words: (&'static str, String)) -> Self {
        Self { title: title.to_owned(), words, context: None, priority: None, tenant: None }
    }

    /// The variables of a template; webhooks get them as they are.
    pub fn context(self, context: Value) -> Self {
        Self { context: Some(context), ..self }
    }

    /// How urgent the jobs of the channels are; normal where nobody says.
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Whose investors these are; the tenant `default` where nobody says.
    pub fn tenant(self, tenant: impl Into<RowId>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    fn payload(self, channels: &[Channel], recipient: &Recipient) -> Result<NewJob> {
        let mut payload = serde_json::json!({"channels": channels, "recipient": recipient, "title": self.title});
        payload[self.words.0] = self.words.1.into();
        let optional = [
            ("context", self.context),
            ("priority", self.priority.map(|priority| priority.as_str().into())),
            ("tenantId", self.tenant.map(|tenant| tenant.to_string().into())),
        ];
        for (field, value) in optional {
            if let Some(value) = value {
                payload[field] = value;
            }
        }
        NewJob::new(&payload)
    }
}

impl QueueService {
    /// Tells somebody something through each of these channels, which are tried again each by itself.
    pub fn send_notification(
        &self,
        channels: &[Channel],
        recipient: &Recipient,
        notification: Notification,
    ) -> Submission<'_> {
        Submission::of(self, "notification", notification.payload(channels, recipient))
    }
}
