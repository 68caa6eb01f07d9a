//! What holds for a request before its handler is asked, as its route says it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Parameter;

use super::Api;
use super::gate::Caller;
use super::problem::{Problem, Refusal};
use super::query;
use crate::Scope;

/// The rules of a route.
#[derive(Default)]
pub(super) struct Rules {
    /// The scope that it takes; without one any caller that was let in may ask.
    pub scope: Option<Scope>,
    /// The parameters that it knows.
    pub parameters: Vec<Parameter>,
    /// How long its answer may take.
    pub pace: Pace,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pace {
    /// Some questions to Redis.
    #[default]
    Quick,
    /// As the handler says: it goes through many jobs, or streams.
    Own,
}

/// Holds a request to the rules of its route.
pub(super) async fn enforce(
    State(rules): State<Arc<Rules>>,
    Extension(api): Extension<Api>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    if let Some(Err(problem)) = rules.scope.map(|scope| caller.must(scope)) {
        return problem.into_response();
    }
    if let Err(problem) = query::check(&rules.parameters, request.uri()) {
        return problem.into_response();
    }
    match rules.pace {
        Pace::Own => next.run(request).await,
        Pace::Quick => within(api.settings.request_timeout, next.run(request)).await,
    }
}

async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s; what was done by then stays done", limit.as_secs());
        Problem::new(Refusal::TimeUp, detail).into_response()
    })
}
