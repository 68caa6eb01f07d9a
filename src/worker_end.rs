//! Tells the queues how the process of a worker ended.

use crate::error::Result;
use crate::inspector::Inspector;
use crate::job::ProcessEnd;
use crate::stats::WorkerInfo;

impl Inspector {
    /// Writes down how the process of one of [`Inspector::workers`] ended, as whoever started it knows, and ends its leases:
    /// its jobs run again at once instead of at the end of the lease, and their crashes say how it ended. Where the process
    /// lives after all, its next beat takes the leases up again, and what was taken back meanwhile it cannot complete. What is
    /// known of the worker now.
    ///
    /// # Errors
    /// `Unreachable` and the like; the leases end only when the end was written down.
    pub async fn worker_ended(&self, worker: &WorkerInfo, end: ProcessEnd) -> Result<WorkerInfo> {
        // Before anybody can take its jobs back.
        let is_told = self.store.tell_end(&worker.worker, end).await?;
        for queue in &worker.queues {
            for place in self.store.places(queue).await? {
                self.store.lapse(&place, &worker.worker).await?;
            }
        }
        let ended = if is_told { Some(end.to_string()) } else { worker.ended.clone() };
        Ok(WorkerInfo { ended, silent: true, ..worker.clone() })
    }
}
