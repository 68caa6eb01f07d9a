//! Sees what was handed to a durable queue confirmed by a replica, and hands it over again where a failover has lost it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Handed, Producer};
use crate::config::Durable;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, NewJob};
use crate::stats::Enqueued;
use crate::store::{Calls, Confirmation};

/// From the last call on, all is said after this, or after two waits for a replica where that is longer: a wait that is
/// under way goes first.
const BUDGET: Duration = Duration::from_millis(4_500);

/// What a call has handed to a durable queue, and nothing has confirmed yet.
pub(super) struct Unconfirmed {
    /// Its number.
    pub call: u64,
    pub begun: Instant,
    pub durable: Durable,
    /// To be handed over again where the call is lost.
    pub jobs: Vec<NewJob>,
}

impl Producer {
    /// Waits until what was handed over is confirmed, all of it at once; nothing in a queue that is not durable. What is
    /// not confirmed in time is answered so, each job for itself: `OutcomeUnknown`, or what no repeat mends as it is.
    pub(super) async fn confirm(&self, handed: &mut [Handed]) {
        let begun = handed.iter().filter_map(|handed| Some(handed.unconfirmed.as_ref()?.begun)).max();
        let until = begun.map(|begun| begun + BUDGET.max(self.0.store.confirmer.wait() * 2));
        while let (Some(calls), Some(until)) = (self.unconfirmed(handed), until) {
            match self.0.store.confirmer.confirm(&calls, until).await {
                Ok(Confirmation::Given) => break,
                Ok(Confirmation::Lost) => self.again(handed, until).await,
                Err(error) => {
                    let (kind, queue) = (error.kind(), self.0.keys.queue());
                    let stored = |id: &JobId| {
                        format!("job {id} is stored in queue {queue}, but no replica has confirmed it: {error}")
                    };
                    handed.iter_mut().filter(|handed| handed.unconfirmed.is_some()).for_each(|handed| {
                        handed.doubt(kind, stored);
                    });
                }
            }
        }
    }

    /// The calls whose jobs, or the jobs that stand for them, a replica must hold.
    fn unconfirmed(&self, handed: &[Handed]) -> Option<Calls> {
        let mut span = None::<(u64, u64)>;
        let mut durable = Durable::Auto;
        for Handed { answers, unconfirmed, .. } in handed {
            let Some(unconfirmed) = unconfirmed.as_ref().filter(|_| answers.iter().any(Result::is_ok)) else {
                continue;
            };
            let (first, last) = span.unwrap_or((unconfirmed.call, unconfirmed.call));
            span = Some((first.min(unconfirmed.call), last.max(unconfirmed.call)));
            durable = unconfirmed.durable;
        }
        let producer = self.0.id.as_str().to_owned();
        span.map(|span| Calls { keys: self.0.keys.clone(), producer, span, durable })
    }

    /// Hands over once more what another server than the present master had accepted. Where that server's history lives on
    /// after all, the jobs are duplicates by their ids, which a durable queue remembers. What comes behind a call that
    /// failed, or found the queue full, is not sent here either.
    async fn again(&self, handed: &mut [Handed], until: Instant) {
        self.0.store.connection.leave();
        let mut stop: Option<Error> = None;
        for handed in handed {
            let Some(unconfirmed) = handed.unconfirmed.take() else { continue };
            let anew = match stop.take() {
                Some(error) => Err(error),
                None => timeout_at(until, self.submit(unconfirmed.jobs))
                    .await
                    .unwrap_or_else(|_| Err(Error::new(ErrorKind::OutcomeUnknown, "time is up"))),
            };
            match anew {
                // Nothing was written; the other server may come back as the master, with these jobs.
                Ok(anew) if !anew.back.is_empty() => {
                    let error =
                        Error::new(ErrorKind::OutcomeUnknown, "the number of its queue's partitions changes just now");
                    handed.doubt(error.kind(), |id| format!("job {id} must be told again: {error}"));
                    stop = Some(error);
                }
                Ok(anew) => {
                    let before = std::mem::take(&mut handed.answers);
                    handed.answers =
                        before.into_iter().zip(anew.answers).map(|(one, other)| latter(one, other)).collect();
                    handed.unconfirmed = anew.unconfirmed;
                    let refused = handed.answers.iter().find_map(|answer| answer.as_ref().err());
                    stop = refused.map(|error| Error::new(error.kind(), error.to_string()));
                }
                Err(error) => {
                    // The old server may come back as the master, with these jobs.
                    let kind = if error.is_transient() { ErrorKind::OutcomeUnknown } else { error.kind() };
                    handed.doubt(kind, |id| {
                        format!("another redis is the master now, and job {id} must be told again there: {error}")
                    });
                    stop = Some(error);
                }
            }
        }
    }
}

impl Handed {
    /// Answers each job that was accepted with an error, since nothing confirms it.
    fn doubt(&mut self, kind: ErrorKind, message: impl Fn(&JobId) -> String) {
        self.unconfirmed = None;
        for answer in &mut self.answers {
            if let Ok(accepted) = answer {
                *answer = Err(Error::new(kind, message(&accepted.id)));
            }
        }
    }
}

/// The answer to a job that was handed over twice: the second, but for a duplicate of its own self.
fn latter(before: Result<Enqueued>, anew: Result<Enqueued>) -> Result<Enqueued> {
    match (before, anew) {
        (Ok(before), Ok(anew)) if anew.duplicate && anew.id == before.id => Ok(before),
        (_, anew) => anew,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::QueueName;

    fn enqueued(id: &str, duplicate: bool) -> Result<Enqueued> {
        Ok(Enqueued { id: JobId::new(id).unwrap(), queue: QueueName::new("q").unwrap(), duplicate })
    }

    #[test]
    fn a_job_that_was_handed_over_twice_is_no_duplicate_of_itself() {
        let table = [
            (("a", false), ("a", true), ("a", false)),
            (("a", true), ("a", true), ("a", true)),
            // The first server was lost with it.
            (("a", false), ("a", false), ("a", false)),
            (("a", true), ("a", false), ("a", false)),
            // Its unique key is another job's there.
            (("a", false), ("b", true), ("b", true)),
        ];
        for (before, anew, answer) in table {
            let merged = latter(enqueued(before.0, before.1), enqueued(anew.0, anew.1)).unwrap();
            assert_eq!(merged, enqueued(answer.0, answer.1).unwrap(), "{before:?} {anew:?}");
        }
        let full = latter(enqueued("a", false), Err(Error::new(ErrorKind::Full, "full")));
        assert_eq!(full.unwrap_err().kind(), ErrorKind::Full);
    }
}
