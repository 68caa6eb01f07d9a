//! Tells the queues how the process of a worker ended.

use crate::error::{Error, Result};
use crate::inspector::Inspector;
use crate::job::ProcessEnd;
use crate::stats::WorkerInfo;

impl Inspector {
    /// Writes down how the process of a worker ended, as whoever started it knows, and ends its leases: its jobs run again at
    /// once instead of at the end of the lease, and their crashes say how it ended. Where the process lives after all, its
    /// next beat takes the leases up again, and what was taken back meanwhile it cannot complete.
    ///
    /// # Errors
    /// `NotFound` when no queue knows the worker: it has signed off, or its jobs were taken back already.
    pub async fn worker_ended(&self, worker: &str, end: ProcessEnd) -> Result<WorkerInfo> {
        let known = self.workers().await?.into_iter().find(|known| known.worker == worker);
        let gone = || Error::not_found(format!("worker {worker:?} not found: it has signed off, or was never there"));
        let mut known = known.ok_or_else(gone)?;
        // Before anybody can take its jobs back.
        if self.store.tell_end(worker, end).await? {
            known.ended = Some(end.to_string());
        }
        for queue in &known.queues {
            for place in self.store.places(queue).await? {
                self.store.lapse(&place, worker).await?;
            }
        }
        known.silent = true;
        Ok(known)
    }
}
