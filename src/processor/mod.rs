//! The contract between the queue and the code that runs its jobs.
//!
//! A [`Processor`] takes one payload at a time; a [`BatchProcessor`] takes many and answers for each. A [`Registry`] says
//! which queue is run by which. Processors get what they need when they are made, and read neither the environment nor
//! the configuration.

mod context;
mod gate;
mod outcome;
mod outlet;
mod progress;
mod registry;
mod said;

use std::future::Future;

use serde::de::DeserializeOwned;

pub(crate) use context::Facts;
pub use context::{Cancelled, JobContext, Linger};
pub(crate) use gate::{Asked, Gate};
#[cfg(any(feature = "exec", feature = "http"))]
pub(crate) use outcome::RESULT_MAX_BYTES;
pub(crate) use outcome::Service;
pub use outcome::{Outcome, ProcessError};
pub use outlet::{HandedOver, Outlet};
pub(crate) use progress::Board;
pub(crate) use registry::{BatchItem, Entry};
pub use registry::{BatchJob, Registry};
pub(crate) use said::Said;

/// Runs the jobs of a queue, one at a time (and several of them at once, each on its own).
///
/// A payload that does not deserialize into `Payload` never reaches `process`: the job fails for good as
/// `payload_invalid`. The future is dropped at the job's timeout, when the job is cancelled or when the claim is lost, so
/// what must not be torn apart belongs into a task of its own. A panic is a transient failure with code `panic`.
pub trait Processor: Send + Sync + 'static {
    /// What the payload is read into; [`Box<RawValue>`](serde_json::value::RawValue) for the bytes as they are.
    type Payload: DeserializeOwned + Send + 'static;

    /// The one service that every job of the queue needs, such as `smtp://mail.example.com:587`: while its breaker is open the
    /// queue is not fetched. `None` where jobs differ: they say what they need by [`JobContext::needs`].
    fn dependency(&self) -> Option<String> {
        None
    }

    /// Runs one job.
    fn process(
        &self,
        payload: Self::Payload,
        ctx: &JobContext,
    ) -> impl Future<Output = Result<Outcome, ProcessError>> + Send;
}

/// Runs the jobs of a queue many at a time.
pub trait BatchProcessor: Send + Sync + 'static {
    /// What each payload is read into.
    type Payload: DeserializeOwned + Send + 'static;

    /// The one service that every job of the queue needs; see [`Processor::dependency`].
    fn dependency(&self) -> Option<String> {
        None
    }

    /// Runs the jobs and answers for each, in their order. A job without an answer (the list is too short) failed
    /// transiently with code `no_answer`.
    fn process_batch(
        &self,
        jobs: Vec<BatchJob<Self::Payload>>,
    ) -> impl Future<Output = Vec<Result<Outcome, ProcessError>>> + Send;
}
