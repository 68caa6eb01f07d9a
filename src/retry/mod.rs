//! Whether and when a failed job runs again: the class of an error, the wait for an attempt, the decision.

mod backoff;
mod class;
mod policy;

pub use backoff::Backoff;
pub use class::ErrorClass;
pub use policy::{Decision, FailureFacts, RetryPolicy};
