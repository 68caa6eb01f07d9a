//! How an attempt ended.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::retry::ErrorClass;

/// The largest result of a job.
pub(crate) const RESULT_MAX_BYTES: usize = 1 << 20;
const CODE_MAX_BYTES: usize = 64;
const MESSAGE_MAX_BYTES: usize = 4 << 10;

/// Success, with a result if there is one to keep.
///
/// A result is kept for an hour where somebody waits for it (`enqueue --wait`), and is at most 1 MiB.
#[derive(Debug, Default)]
pub struct Outcome {
    pub(crate) result: Option<Box<RawValue>>,
}

impl Outcome {
    /// Done, and nothing to tell.
    pub fn done() -> Self {
        Self::default()
    }

    /// Done, with a result.
    ///
    /// # Errors
    /// `Invalid` when it cannot be written as JSON or is larger than 1 MiB.
    pub fn with_result(result: &impl Serialize) -> Result<Self> {
        let result = serde_json::value::to_raw_value(result)
            .map_err(|error| Error::invalid(format!("result cannot be written as JSON: {error}")))?;
        if result.get().len() > RESULT_MAX_BYTES {
            let length = result.get().len();
            return Err(Error::invalid(format!("result has {length} bytes, more than {RESULT_MAX_BYTES}")));
        }
        Ok(Self { result: Some(result) })
    }

    /// The result, as JSON text.
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref().map(RawValue::get)
    }
}

/// Failure: what it says about the next attempt, a stable code word, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessError {
    pub(crate) class: ErrorClass,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) service: Option<Service>,
}

/// What a failed attempt tells about the service that it needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Service {
    /// It is the service that failed, whatever the job.
    Down(String),
    /// It has answered; the job is at fault.
    Up(String),
    /// It was not asked: its breaker is open.
    Held,
}

impl ProcessError {
    /// An error of `class`; `code` is a stable word (`smtp_4xx`) that operators filter on. What is longer than 64 bytes
    /// of code or 4 KiB of message is cut.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        let cut = |mut text: String, most: usize| {
            text.truncate(text.floor_char_boundary(most));
            text
        };
        let (code, message) = (cut(code.into(), CODE_MAX_BYTES), cut(message.into(), MESSAGE_MAX_BYTES));
        Self { class, code, message, retry_after: None, service: None }
    }

    /// May pass by itself: tried again after a growing wait.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }

    /// The service told us to wait: put off without using an attempt.
    pub fn throttled(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Throttled, code, message)
    }

    /// Will not pass by itself: buried at once.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// Not before this wait is over.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// It is this service that failed, whatever the job: counted by the service's breaker where the error is transient.
    /// Names are those of [`JobContext::needs`](crate::JobContext::needs).
    pub fn blame(mut self, dependency: impl Into<String>) -> Self {
        self.service = Some(Service::Down(dependency.into()));
        self
    }

    /// This service has answered, so it is there; the job is at fault.
    pub fn answered_by(mut self, dependency: impl Into<String>) -> Self {
        self.service = Some(Service::Up(dependency.into()));
        self
    }

    /// The service was not asked, and may be after `wait`.
    pub(crate) fn held(dependency: &str, wait: Duration) -> Self {
        let error = Self::throttled("breaker_open", format!("{dependency} is down: its breaker is open"));
        Self { service: Some(Service::Held), ..error.retry_after(wait) }
    }

    /// What it says about the next attempt.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// The stable code word.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.message, self.class, self.code)
    }
}

impl std::error::Error for ProcessError {}
