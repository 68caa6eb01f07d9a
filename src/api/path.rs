//! What the path of a request names: a queue, a job, a schedule, a batch, an act.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::Api;
use super::problem::Problem;
use crate::{BatchName, Error, JobId, Located, QueueName, ScheduleName};

/// The queue of `{queue}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct InQueue {
    /// The queue
    pub queue: QueueName,
}

/// The schedule of `{schedule}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OneSchedule {
    /// The schedule
    pub schedule: ScheduleName,
}

/// The batch of `{batch}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OneBatch {
    /// The batch
    pub batch: BatchName,
}

/// The act of `{act}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OneAct {
    /// The name of the act, as the audit has it
    #[param(value_type = String)]
    pub act: JobId,
}

/// The path that names a job by its id.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it documents what `OneJob` reads")]
pub(super) struct ByIdAlone {
    /// The whole id of the job
    id: JobId,
}

/// The path that names a job by its queue and its id.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "it documents what `OneJob` reads")]
pub(super) struct ByQueueAndId {
    /// The queue
    queue: QueueName,
    /// The whole id of the job
    id: JobId,
}

/// The job that the path names by `{id}`, and by `{queue}` where the route has it.
pub(super) struct OneJob {
    queue: Option<QueueName>,
    id: JobId,
}

impl OneJob {
    /// Its id.
    pub(super) fn id(&self) -> &JobId {
        &self.id
    }

    /// Finds it.
    pub(super) async fn locate(&self, api: &Api) -> Result<Located, Problem> {
        Ok(api.client.inspector().locate(&self.id, self.queue.as_ref()).await?)
    }
}

/// What is named by one part of the path.
macro_rules! one_part {
    ($($path:ident $part:ident,)*) => {
        $(impl<S: Send + Sync> FromRequestParts<S> for $path {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let names = Names::read(parts, state).await?;
                Ok(Self { $part: names.part(stringify!($part))?.ok_or_else(Names::missing)? })
            }
        })*
    };
}

one_part! { InQueue queue, OneSchedule schedule, OneBatch batch, OneAct act, }

impl<S: Send + Sync> FromRequestParts<S> for OneJob {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = Names::read(parts, state).await?;
        Ok(Self { queue: names.part("queue")?, id: names.part("id")?.ok_or_else(Names::missing)? })
    }
}

/// The parts of the path that the route gives a name.
struct Names(RawPathParams);

impl Names {
    async fn read<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        params.map(Self).map_err(|_| Error::invalid("the path is not UTF-8").into())
    }

    fn part<T: FromStr<Err = Error>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let text = self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
        text.map(|text| text.parse().map_err(|error: Error| error.about(name).into())).transpose()
    }

    fn missing() -> Problem {
        Error::internal("the route does not name what its handler reads").into()
    }
}
