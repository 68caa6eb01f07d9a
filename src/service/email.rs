//! Mails.

use serde::Serialize;

use super::{QueueService, Submission};

/// Whom a mail is for: one address or several, `ada@example.com` or `Ada <ada@example.com>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Recipients(Vec<String>);

impl From<&str> for Recipients {
    fn from(address: &str) -> Self {
        Self(vec![address.to_owned()])
    }
}

impl From<String> for Recipients {
    fn from(address: String) -> Self {
        Self(vec![address])
    }
}

impl From<Vec<String>> for Recipients {
    fn from(addresses: Vec<String>) -> Self {
        Self(addresses)
    }
}

impl<const N: usize> From<[&str; N]> for Recipients {
    fn from(addresses: [&str; N]) -> Self {
        Self(addresses.into_iter().map(str::to_owned).collect())
    }
}

impl QueueService {
    /// A mail made from a template; `context` is an object that holds the template's variables. Copies, attachments and
    /// the like are fields of the payload: give it to [`QueueService::submit`].
    pub fn send_email(
        &self,
        to: impl Into<Recipients>,
        subject: &str,
        template: &str,
        context: &impl Serialize,
    ) -> Submission<'_> {
        #[derive(Serialize)]
        struct Payload<'a, C> {
            to: Recipients,
            subject: &'a str,
            template: &'a str,
            context: &'a C,
        }

        Submission::new(self, "email", &Payload { to: to.into(), subject, template, context })
    }
}
