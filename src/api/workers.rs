//! Who takes jobs.

use axum::Json;
use axum::extract::State;

use super::route::Route;
use super::{Answered, Api};
use crate::Scope;
use crate::stats::WorkerInfo;

pub(super) fn routes() -> Vec<Route> {
    let list = Route::get("/api/workers", "listWorkers", list)
        .does("List the workers, and those that fell silent with jobs in hand", "")
        .scope(Scope::Read)
        .answers_list::<WorkerInfo>("The workers, by id", &[]);
    vec![list]
}

async fn list(State(api): State<Api>) -> Answered<Vec<WorkerInfo>> {
    Ok(Json(api.client.inspector().workers().await?))
}
