//! Which jobs are meant: the flags that every bulk verb shares.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{Attempts, ErrorClass, JobId, JobState, PayloadMatch, Priority, QueueName, Selection};

use crate::context::Context;
use crate::exit::Stop;
use crate::parse;

/// Flags that narrow what is meant; each given one must hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub struct Narrowing {
    /// Whose last error is transient, throttled or permanent
    #[arg(
        long,
        value_name = "CLASS",
        hide_possible_values = true,
        value_parser = parse::one_of::<ErrorClass>(&["transient", "throttled", "permanent"])
    )]
    class: Option<ErrorClass>,

    /// Whose last error has this code, such as smtp_4xx
    #[arg(long, value_name = "CODE")]
    code: Option<String>,

    /// Whose last error matches this regular expression
    #[arg(long, value_name = "REGEX")]
    error: Option<String>,

    /// Whose payload says so: to=ada@example.com, 'to=~@example.com$', a.b!=x,
    /// a!~^x (may be repeated)
    #[arg(long, value_name = "CONDITION")]
    payload: Vec<PayloadMatch>,

    /// Whose payload names this tenantId
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Of these priorities, separated by commas
    #[arg(
        long,
        value_name = "PRIORITY",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = parse::one_of::<Priority>(&["critical", "high", "normal", "low"])
    )]
    priority: Vec<Priority>,

    /// That had so many attempts: 3, 3.. (or more), ..2 (or fewer), 2..4
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    attempts: Option<Attempts>,

    /// That ended longer ago than this; waiting ones: that were enqueued
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::span)]
    older_than: Option<Duration>,

    /// That ended more recently than this; waiting ones: that were enqueued
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::span)]
    newer_than: Option<Duration>,

    /// Only this one (may be repeated); a unique end of the id is enough
    #[arg(long = "id", value_name = "ID")]
    only: Vec<String>,

    /// At most so many, oldest first
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u64>)]
    limit: Option<u64>,
}

impl Narrowing {
    /// The most that is wanted.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The selection among dead letters, with these ids beside those of `--id`, and those ids that are none of `queue`.
    pub async fn dead_letters(
        &self,
        more_ids: &[String],
        queue: &QueueName,
        context: &Context,
    ) -> Result<(Selection, Vec<anyhow::Error>)> {
        let (mut selection, missing) = self.selection(more_ids, queue, context, Some(JobState::Dead)).await?;
        selection.states = vec![JobState::Dead];
        Ok((selection, missing))
    }

    /// The selection among the jobs of these states, with these ids beside those of `--id`, and those ids that are no jobs
    /// of `queue`.
    pub async fn jobs(
        &self,
        states: &[JobState],
        more_ids: &[String],
        queue: &QueueName,
        context: &Context,
    ) -> Result<(Selection, Vec<anyhow::Error>)> {
        let (mut selection, missing) = self.selection(more_ids, queue, context, None).await?;
        selection.states = states.to_vec();
        selection.states.sort();
        selection.states.dedup();
        Ok((selection, missing))
    }

    async fn selection(
        &self,
        more_ids: &[String],
        queue: &QueueName,
        context: &Context,
        state: Option<JobState>,
    ) -> Result<(Selection, Vec<anyhow::Error>)> {
        let error = self.error.as_deref().map(Selection::pattern).transpose();
        let error = error.map_err(|error| Stop::usage(format!("invalid value for '--error': {error}")))?;
        let wanted: Vec<_> = more_ids.iter().chain(&self.only).collect();
        let (mut ids, mut missing) = (Vec::new(), Vec::new());
        for id in wanted {
            match found(id, queue, context, state).await? {
                Ok(id) if ids.contains(&id) => {}
                Ok(id) => ids.push(id),
                Err(error) => missing.push(error),
            }
        }
        let selection = Selection {
            ids,
            states: Vec::new(),
            class: self.class,
            code: self.code.clone(),
            error,
            payload: self.payload.clone(),
            tenant: self.tenant.clone(),
            priorities: self.priority.clone(),
            attempts: self.attempts,
            older_than: self.older_than,
            newer_than: self.newer_than,
            limit: self.limit,
        };
        Ok((selection, missing))
    }

    /// Whether any flag narrows it; the limit alone does not say which ones are meant.
    pub fn is_given(&self) -> bool {
        let Self { class, code, error, payload, tenant, priority, attempts, only, limit: _, .. } = self;
        class.is_some()
            || code.is_some()
            || error.is_some()
            || !payload.is_empty()
            || tenant.is_some()
            || !priority.is_empty()
            || attempts.is_some()
            || self.older_than.is_some()
            || self.newer_than.is_some()
            || !only.is_empty()
    }

    /// Whether only single jobs were named.
    pub fn names_jobs(&self) -> bool {
        !self.only.is_empty()
    }
}

/// Finds a job by its id or the end of it, in this state where one is wanted. The outer error ends the command, the inner
/// one is about this id alone.
async fn found(
    id: &str,
    queue: &QueueName,
    context: &Context,
    state: Option<JobState>,
) -> Result<Result<JobId, anyhow::Error>> {
    use ireva_queue::ErrorKind::{Invalid, NotFound};
    match context.answering()?.inspector().find(id, Some(queue)).await {
        Ok(found) if state.is_none_or(|state| state == found.state) => Ok(Ok(found.id)),
        Ok(found) => {
            let why = format!("job {} is {}, not among the dead letters of {queue}", found.id, found.state);
            Ok(Err(ireva_queue::Error::refused(why).into()))
        }
        Err(error) if matches!(error.kind(), NotFound | Invalid) => Ok(Err(error.into())),
        Err(error) => Err(error.into()),
    }
}
