//! What a key can change, after a question: pausing a queue, reviving dead letters, cancelling a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ireva_queue::{Client, JobState, Located, QueueName, Result, ReviveOptions, Selection};

use crate::output::{counted, grouped, visible};

/// Something to do, named whole, so that what is asked is what is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Lets no more jobs of a queue start.
    Pause(QueueName),
    /// Lets them start again.
    Resume(QueueName),
    /// Revives the dead letters of a queue that have this code.
    Revive {
        queue: QueueName,
        code: String,
        /// How many there were when it was asked, or at least so many.
        count: u64,
        at_least: bool,
    },
    /// Cancels a job.
    Cancel(Located),
}

impl Act {
    /// The question, to be answered by y or n.
    pub fn question(&self) -> String {
        match self {
            Self::Pause(queue) => format!("pause {queue}? no more of its jobs start, running ones go on"),
            Self::Resume(queue) => format!("resume {queue}? its jobs start again"),
            Self::Revive { queue, code, count, at_least } => {
                let more = if *at_least { " or more" } else { "" };
                let letters = counted(*count, "dead letter");
                format!("revive {letters}{more} of {queue} with code {}?", visible(code))
            }
            Self::Cancel(job) => format!("cancel job {} of {}?", job.id, job.queue),
        }
    }

    /// What is being done, and how much of it is.
    pub fn doing(&self, done: u64) -> String {
        match self {
            Self::Pause(queue) => format!("pausing {queue}"),
            Self::Resume(queue) => format!("resuming {queue}"),
            Self::Revive { queue, .. } => {
                format!("reviving dead letters of {queue}: {} done (Esc stops)", grouped(done))
            }
            Self::Cancel(job) => format!("cancelling {}", job.id),
        }
    }

    /// What is said when it was broken off.
    pub fn stopped(&self, done: u64) -> String {
        match self {
            Self::Revive { queue, .. } => format!("stopped: {} of {queue} revived", counted(done, "dead letter")),
            _ => "stopped; it may or may not have happened".to_owned(),
        }
    }

    /// Does it, and says what happened; `done` counts on the way. Dropping it stops between two steps.
    ///
    /// # Errors
    /// As the library's operation.
    pub async fn run(&self, client: &Client, done: &Arc<AtomicU64>) -> Result<String> {
        match self {
            Self::Pause(queue) => {
                let already = if client.queue(queue.clone()).pause().await? { "" } else { " already" };
                Ok(format!("{queue} is{already} paused"))
            }
            Self::Resume(queue) => {
                let already = if client.queue(queue.clone()).resume().await? { "" } else { " already" };
                Ok(format!("{queue} is{already} running"))
            }
            Self::Revive { queue, code, .. } => {
                let selection = Selection { code: Some(code.clone()), ..Selection::default() };
                let done = done.clone();
                let mut told = move |count| done.store(count, Ordering::Relaxed);
                let letters = client.dead_letters(queue.clone());
                let report = letters.revive(&selection, ReviveOptions::default(), &mut told).await?;
                let left = report.skipped.first().map_or_else(String::new, |first| {
                    let count = grouped(report.skipped.len() as u64);
                    format!(", {count} left as they were ({}: {})", first.id, visible(&first.reason))
                });
                Ok(format!("{} of {queue} revived{left}", counted(report.changed, "dead letter")))
            }
            Self::Cancel(job) => {
                let acted = client.inspector().cancel(job).await?;
                Ok(match acted.to {
                    Some(JobState::Active) => format!("{} is being cancelled, its worker is told", job.id),
                    _ => format!("{} was {} and is cancelled", job.id, acted.from),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_name_what_they_are_about() {
        let queue = QueueName::new("email").unwrap();
        assert_eq!(Act::Resume(queue.clone()).question(), "resume email? its jobs start again");
        let revive = |count, at_least| Act::Revive { queue: queue.clone(), code: "a\x1bb".to_owned(), count, at_least };
        assert_eq!(revive(1, false).question(), "revive 1 dead letter of email with code a\\x1bb?");
        assert_eq!(revive(1_000, true).question(), "revive 1,000 dead letters or more of email with code a\\x1bb?");
    }
}
