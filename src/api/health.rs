//! Whether this service is up, and whether it can do its work. Without a token, for those who watch over it.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answered, Api};
use crate::{Error, ErrorKind};

/// Redis has so long to answer.
const LIMIT: Duration = Duration::from_secs(1);

/// All is well.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always ok
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

pub(super) fn router() -> Router<Api> {
    Router::new().route("/healthz", get(async || Json(OK))).route("/readyz", get(ready))
}

async fn ready(State(api): State<Api>) -> Answered<Health> {
    let late =
        |_| Err(Error::new(ErrorKind::Unreachable, format!("redis did not answer within {} s", LIMIT.as_secs())));
    tokio::time::timeout(LIMIT, api.client.ping()).await.unwrap_or_else(late)?;
    Ok(Json(OK))
}
