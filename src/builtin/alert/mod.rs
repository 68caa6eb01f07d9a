//! Sinks of alerts: by mail, to a webhook, into a chat, to a command.

#[cfg(feature = "email")]
mod email;
#[cfg(feature = "exec")]
mod exec;
#[cfg(feature = "http")]
mod slack;
#[cfg(feature = "http")]
mod webhook;

#[cfg(feature = "email")]
pub use email::EmailSink;
#[cfg(feature = "exec")]
pub use exec::ExecSink;
#[cfg(feature = "http")]
pub use slack::SlackSink;
#[cfg(feature = "http")]
pub use webhook::WebhookSink;

use crate::error::{Error, ErrorKind};
use crate::processor::ProcessError;
use crate::retry::ErrorClass;

/// Why a sink did not take a notice: its code first.
fn not_taken(error: &ProcessError) -> Error {
    let kind = match error.class() {
        ErrorClass::Permanent => ErrorKind::Refused,
        ErrorClass::Transient | ErrorClass::Throttled => ErrorKind::Unreachable,
    };
    Error::new(kind, format!("{}: {}", error.code(), error.message()))
}
