//! Where the channels lead, as the worker is told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Endpoints and keys of the channels. What is not set fails the jobs of its channel, and of no other.
#[derive(Clone)]
pub struct NotificationSettings {
    /// Text messages.
    pub sms: SmsSettings,
    /// Messages on devices.
    pub push: PushSettings,
    /// `SLACK_URL`: the chat for recipients that name none.
    pub slack_url: Option<String>,
    /// The key that signs the requests to webhooks; unsigned without one.
    pub signing_key: Option<Vec<u8>>,
    /// `NOTIFY_ALLOW`: where URLs of recipients may lead although it is not public, or at another port than 80, 443, 8080
    /// and 8443: `hooks.internal`, `hooks.internal:9000`, `10.0.0.0/8`, `[fd00::7]:9000`.
    pub allow: Vec<String>,
    /// The operator's templates, as for mails.
    pub templates: Option<PathBuf>,
    /// The longest that a whole request may take; the job's own timeout may end it sooner.
    pub timeout: Duration,
}

impl Default for NotificationSettings {
    /// No endpoint, no key, an empty list, the templates that ship, and 30 s.
    fn default() -> Self {
        Self {
            sms: SmsSettings::default(),
            push: PushSettings::default(),
            slack_url: None,
            signing_key: None,
            allow: Vec::new(),
            templates: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A service that sends text messages, with the form that Twilio takes.
#[derive(Clone, Default)]
pub struct SmsSettings {
    /// `SMS_URL`.
    pub url: Option<String>,
    /// `SMS_FROM`: the number, or the name, that messages come from.
    pub from: Option<String>,
    /// `SMS_USER` and `SMS_PASSWORD`.
    pub login: Option<(String, String)>,
}

/// A service that sends messages to devices, with the JSON that Firebase Cloud Messaging (HTTP v1) takes.
#[derive(Clone, Default)]
pub struct PushSettings {
    /// `PUSH_URL`.
    pub url: Option<String>,
    /// The bearer token.
    pub token: Option<PushToken>,
}

/// A bearer token.
#[derive(Clone)]
pub enum PushToken {
    /// `PUSH_TOKEN`: always the same.
    Fixed(String),
    /// `PUSH_TOKEN_FILE`: read for each message, since such tokens last an hour and somebody renews the file.
    File(PathBuf),
}

impl fmt::Debug for NotificationSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationSettings")
            .field("sms", &self.sms)
            .field("push", &self.push)
            .field("slack", &self.slack_url.is_some())
            .field("signed", &self.signing_key.is_some())
            .field("allow", &self.allow)
            .field("templates", &self.templates)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SmsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsSettings")
            .field("from", &self.from)
            .field("login", &self.login.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PushSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushSettings").field("token", &self.token).finish_non_exhaustive()
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed(********)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
