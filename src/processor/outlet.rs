//! Where a processor hands the jobs that follow from its own.

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;
use crate::job::{NewJob, QueueName};
use crate::stats::Enqueued;

/// One answer for each job handed over.
pub type HandedOver<'a> = Pin<Box<dyn Future<Output = Result<Vec<Result<Enqueued>>>> + Send + 'a>>;

/// Takes jobs for queues. [`Client`](crate::Client) is one.
///
/// A processor that is run again hands the same jobs over again, so it gives them ids that follow from its own work:
/// those that are there already are answered as duplicates.
pub trait Outlet: Send + Sync + 'static {
    /// Hands jobs to a queue, in their order.
    ///
    /// # Errors
    /// As of [`Queue::enqueue_many`](crate::Queue::enqueue_many).
    fn hand_over<'a>(&'a self, queue: &'a QueueName, jobs: Vec<NewJob>) -> HandedOver<'a>;
}
