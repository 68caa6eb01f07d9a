//! What jobs may be given beside their payload, by 'enqueue' and by 'schedule add'.

use std::time::Duration;

use ireva_queue::retry::Backoff;
use ireva_queue::{NewJob, Priority};

use crate::parse;

/// The options that every job of a command gets.
#[derive(Debug, clap::Args)]
pub struct JobArgs {
    /// critical, high, normal or low
    #[arg(
        long,
        value_name = "PRIORITY",
        hide_possible_values = true,
        value_parser = parse::one_of::<Priority>(&["critical", "high", "normal", "low"])
    )]
    priority: Option<Priority>,

    /// How often it may run in all
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u32>)]
    attempts: Option<u32>,

    /// The wait between attempts: 5s, fixed:10s, linear:5s, exponential:5s:1h
    #[arg(long, value_name = "BACKOFF", allow_hyphen_values = true)]
    backoff: Option<Backoff>,

    /// How long one attempt may take
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
    timeout: Option<Duration>,

    /// How long it is worth starting
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
    ttl: Option<Duration>,

    /// A key that one live job of the queue may hold; not together with a batch in a
    /// queue of several partitions
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,

    /// Hold the key for this long, even when the job ends sooner
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, requires = "unique", value_parser = parse::positive_span)]
    unique_for: Option<Duration>,
}

impl JobArgs {
    /// The job with what the flags say.
    pub fn put_on(&self, job: NewJob) -> NewJob {
        let job = self.priority.into_iter().fold(job, NewJob::priority);
        let job = self.attempts.into_iter().fold(job, NewJob::attempts);
        let job = self.backoff.into_iter().fold(job, NewJob::backoff);
        let job = self.timeout.into_iter().fold(job, NewJob::timeout);
        let job = self.ttl.into_iter().fold(job, NewJob::ttl);
        let job = self.unique.iter().fold(job, NewJob::unique);
        self.unique_for.into_iter().fold(job, NewJob::unique_for)
    }
}
