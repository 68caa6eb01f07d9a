//! The platform's business in its own words: send this mail, schedule that distribution.

mod arguments;
mod distribution;
mod email;
mod notification;
mod report;
mod submission;
mod transfer;

use crate::builtin::{check_payload, payload_schema};
use crate::client::Client;
use crate::error::Result;
use crate::job::{NewJob, QueueName};
use crate::stats::{BulkReport, Enqueued, QueueStats};

pub use arguments::{Amount, RowId};
pub use distribution::{CalculationMethod, Distribution, Override};
pub use email::Recipients;
pub use notification::{Channel, Notification, Recipient};
pub use report::{Report, ReportFormat, ReportParameters, ReportType};
pub use submission::Submission;
pub use transfer::{Export, ExportSource, FilterValue, Import, ImportMode, OnError, TableFormat, Target};

/// Hands the platform's work to its queues, with typed arguments that become the payloads of the builtin processors.
///
/// Every request is a [`Submission`]: options are put on it, and awaiting it hands it over and gives the job's id.
///
/// ```no_run
/// use std::time::Duration;
/// use ireva_queue::config::Config;
/// use ireva_queue::service::{Distribution, QueueService};
/// use ireva_queue::{Client, JobId, Priority};
/// use serde_json::json;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let service = QueueService::new(&Client::new(&Config::from_env()?)?);
/// let context = json!({"firstName": "John", "investorId": 12345});
/// let id = service.send_email("john@example.com", "Welcome to iREVA", "welcome-email", &context).await?;
///
/// let january = Distribution::new(202_401, "2024-01-31".parse()?).initiated_by("finance");
/// service.schedule_roi_distribution(123, 25_000, january).id(JobId::new("roi-123-202401")?).await?;
///
/// service
///     .send_email("john@example.com", "Your tour", "welcome-email", &context)
///     .delay(Duration::from_secs(3_600))
///     .priority(Priority::Low)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct QueueService {
    client: Client,
}

impl QueueService {
    /// The service over `client`.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Hands a job to a queue, after its payload was held against what the queue's builtin processor wants; the batch that it
    /// names is opened if it is not there.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is wrong with the payload; as of [`Queue::enqueue`](crate::Queue::enqueue).
    pub async fn submit(&self, queue: &QueueName, job: NewJob) -> Result<Enqueued> {
        Self::check(queue, job.payload().get())?;
        self.client.batches().open_for(queue, [&job]).await?;
        self.client.queue(queue.clone()).enqueue(job).await
    }

    /// Hands many jobs to a queue, one answer for each, and opens the batches that they name. Those whose payload the queue's processor would not take are
    /// answered with what is wrong with it, and not sent.
    ///
    /// # Errors
    /// As of [`Queue::enqueue_many`](crate::Queue::enqueue_many).
    pub async fn submit_many(&self, queue: &QueueName, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        let mut sound = Vec::with_capacity(jobs.len());
        let checked: Vec<Result<()>> = jobs
            .into_iter()
            .map(|job| {
                Self::check(queue, job.payload().get())?;
                sound.push(job);
                Ok(())
            })
            .collect();
        self.client.batches().open_for(queue, &sound).await?;
        let mut sent = self.client.queue(queue.clone()).enqueue_many(sound).await?.into_iter();
        let missing = || Err(crate::Error::internal("a job got no answer"));
        Ok(checked.into_iter().map(|checked| checked.and_then(|()| sent.next().unwrap_or_else(missing))).collect())
    }

    /// Holds a payload against what the queue's builtin processor wants; other queues take any.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is wrong with it.
    pub fn check(queue: &QueueName, payload: &str) -> Result<()> {
        check_payload(queue.as_str(), payload)
    }

    /// The JSON Schema (draft 2020-12) of the payloads that the queue's builtin processor wants; `None` where any payload
    /// will do, or the processor is not built in.
    pub fn schema(queue: &QueueName) -> Option<&'static str> {
        payload_schema(queue.as_str())
    }

    /// The state of one queue, or of all of them by name.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn queue_statistics(&self, queue: Option<&QueueName>) -> Result<Vec<QueueStats>> {
        match queue {
            Some(queue) => Ok(vec![self.client.queue(queue.clone()).stats().await?]),
            None => self.client.inspector().stats().await,
        }
    }

    /// Removes what waits in a queue: pending, scheduled and retrying jobs, never one that runs.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used.
    pub async fn clear_queue(&self, queue: &QueueName) -> Result<BulkReport> {
        let queue = self.client.queue(queue.clone());
        queue.must_exist().await?;
        queue.clear(&[], &mut |_| {}).await
    }
}
