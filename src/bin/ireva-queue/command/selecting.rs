//! Which dead letters are meant: the flags that every bulk verb shares.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{ErrorClass, JobId, JobState, QueueName, Selection};

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

    /// That died longer ago than this
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::span)]
    older_than: Option<Duration>,

    /// That died more recently than this
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

    /// The selection, with these ids beside those of `--id`, and those ids that are no dead letters of `queue`.
    pub async fn selection(
        &self,
        more_ids: &[String],
        queue: &QueueName,
        context: &Context,
    ) -> Result<(Selection, Vec<anyhow::Error>)> {
        let error = self.error.as_deref().map(Selection::pattern).transpose();
        let error = error.map_err(|error| Stop::usage(format!("invalid value for '--error': {error}")))?;
        let wanted: Vec<_> = more_ids.iter().chain(&self.only).collect();
        let (mut ids, mut missing) = (Vec::new(), Vec::new());
        for id in wanted {
            match dead_letter(id, queue, context).await? {
                Ok(id) if ids.contains(&id) => {}
                Ok(id) => ids.push(id),
                Err(error) => missing.push(error),
            }
        }
        let Self { class, ref code, older_than, newer_than, limit, .. } = *self;
        Ok((Selection { ids, class, code: code.clone(), error, older_than, newer_than, limit }, missing))
    }

    /// Whether any flag narrows it; the limit alone does not say which ones are meant.
    pub fn is_given(&self) -> bool {
        let Self { class, code, error, older_than, newer_than, only, limit: _ } = self;
        class.is_some()
            || code.is_some()
            || error.is_some()
            || older_than.is_some()
            || newer_than.is_some()
            || !only.is_empty()
    }

    /// Whether only single jobs were named.
    pub fn names_jobs(&self) -> bool {
        !self.only.is_empty()
    }
}

/// Finds a dead letter by its id or the end of it. The outer error ends the command, the inner one is about this id alone.
async fn dead_letter(id: &str, queue: &QueueName, context: &Context) -> Result<Result<JobId, anyhow::Error>> {
    use ireva_queue::ErrorKind::{Invalid, NotFound};
    match context.client()?.inspector().find(id, Some(queue)).await {
        Ok(found) if found.state == JobState::Dead => Ok(Ok(found.id)),
        Ok(found) => {
            let why = format!("job {} is {}, not among the dead letters of {queue}", found.id, found.state);
            Ok(Err(ireva_queue::Error::refused(why).into()))
        }
        Err(error) if matches!(error.kind(), NotFound | Invalid) => Ok(Err(error.into())),
        Err(error) => Err(error.into()),
    }
}
