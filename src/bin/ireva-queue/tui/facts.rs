//! What was last seen in Redis.

use ireva_queue::stats::{DeadGroup, JobDetails, JobSummary, Progress, QueueStats, WorkerInfo};
use ireva_queue::{Located, QueueName};

/// Everything that the panes show.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The queues, by name.
    pub queues: Vec<QueueStats>,
    /// Running jobs, the longest held first: as many as fit.
    pub running: Vec<Running>,
    /// Dead letters by cause, the most frequent first.
    pub causes: Vec<Cause>,
    /// Those who take the jobs of these queues.
    pub workers: Vec<WorkerInfo>,
    /// The job that is looked at; the words say why it cannot be shown.
    pub looked: Option<(Located, Result<Box<JobDetails>, String>)>,
    /// What could not be asked, in a cluster of which nodes are away: a sentence for each.
    pub left_out: Vec<String>,
}

/// A running job.
#[derive(Debug, Clone)]
pub struct Running {
    /// What a list says of it.
    pub job: JobSummary,
    /// Who holds it; asked only of one that has run for a while.
    pub worker: Option<String>,
    /// How far it says it is; asked only of one that has run for a while.
    pub progress: Option<Progress>,
}

/// Dead letters of a queue that share a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The queue.
    pub queue: QueueName,
    /// The code, how many there are, one of them.
    pub group: DeadGroup,
    /// Whether the queue has more dead letters than were looked at, so that there may be more of these.
    pub at_least: bool,
}

impl Facts {
    /// How many jobs run, also those that are not listed.
    pub fn active(&self) -> u64 {
        self.queues.iter().map(|queue| queue.active).sum()
    }

    /// How many dead letters there are, also those that are not grouped.
    pub fn dead(&self) -> u64 {
        self.queues.iter().map(|queue| queue.dead).sum()
    }
}
