//! The processors that ship, each behind the feature of its name.
//!
//! They get what they need when they are made, from plain settings; which setting comes from which variable is the
//! business of the one who makes them.

#[cfg(feature = "notify")]
pub mod address;
#[cfg(any(feature = "email", feature = "exec", feature = "http"))]
pub mod alert;
#[cfg(any(feature = "exec", feature = "http"))]
mod answer;
#[cfg(any(feature = "db", feature = "email", feature = "exec", feature = "http"))]
mod classify;
#[cfg(feature = "db")]
pub mod distribution;
#[cfg(feature = "email")]
pub mod email;
#[cfg(feature = "exec")]
pub mod exec;
#[cfg(all(feature = "db", feature = "tables"))]
pub mod export;
#[cfg(feature = "db")]
mod fields;
#[cfg(feature = "http")]
pub mod http;
#[cfg(all(feature = "db", feature = "tables"))]
pub mod import;
#[cfg(feature = "notify")]
pub mod notification;
#[cfg(feature = "db")]
pub mod portfolio;
#[cfg(feature = "http")]
mod post;
#[cfg(any(feature = "db", feature = "email"))]
mod problems;
#[cfg(feature = "db")]
mod refusal;
#[cfg(all(feature = "db", feature = "tables"))]
pub mod report;
#[cfg(all(feature = "db", feature = "tables"))]
pub mod storage;

use crate::error::Result;
use crate::job::{JobId, QueueName};
use crate::stats::Child;

/// Checks a payload for the builtin processor of `queue`, before it is enqueued; other queues take any payload.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with the payload.
pub fn check_payload(queue: &str, payload: &str) -> Result<()> {
    match queue {
        #[cfg(feature = "email")]
        email::QUEUE => email::check(payload),
        #[cfg(feature = "db")]
        distribution::QUEUE => distribution::check(payload),
        #[cfg(feature = "notify")]
        notification::QUEUE => notification::check(payload),
        #[cfg(all(feature = "db", feature = "tables"))]
        report::QUEUE => report::check(payload),
        #[cfg(all(feature = "db", feature = "tables"))]
        import::QUEUE => import::check(payload),
        #[cfg(all(feature = "db", feature = "tables"))]
        export::QUEUE => export::check(payload),
        _ => {
            let _ = payload;
            Ok(())
        }
    }
}

/// The JSON Schema (draft 2020-12) of the payloads that the builtin processor of `queue` takes, where there is one.
pub fn payload_schema(queue: &str) -> Option<&'static str> {
    match queue {
        #[cfg(feature = "email")]
        email::QUEUE => Some(email::SCHEMA),
        #[cfg(feature = "db")]
        distribution::QUEUE => Some(distribution::SCHEMA),
        #[cfg(feature = "notify")]
        notification::QUEUE => Some(notification::SCHEMA),
        #[cfg(all(feature = "db", feature = "tables"))]
        report::QUEUE => Some(report::SCHEMA),
        #[cfg(all(feature = "db", feature = "tables"))]
        import::QUEUE => Some(import::SCHEMA),
        #[cfg(all(feature = "db", feature = "tables"))]
        export::QUEUE => Some(export::SCHEMA),
        _ => None,
    }
}

/// The jobs that a job of a builtin processor hands over, as its queue, its id and its payload tell; where they stand is
/// not known here.
pub fn children(queue: &QueueName, id: &JobId, payload: &str) -> Vec<Child> {
    match queue.as_str() {
        #[cfg(feature = "notify")]
        notification::QUEUE => notification::children(queue, id, payload),
        _ => {
            let _ = (id, payload);
            Vec::new()
        }
    }
}
