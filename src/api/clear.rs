//! The waiting jobs of a queue are removed.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::bulk::{Progress, carry_out, options};
use super::path::InQueue;
use super::query::{Query, listed};
use super::route::Route;
use super::rules::Pace;
use super::{Answered, Api};
use crate::job::JobState;
use crate::stats::BulkReport;
use crate::{BulkAct, Error, Scope, Selection};

pub(super) fn routes() -> Vec<Route> {
    let description = "Removes what is pending, scheduled or retrying; completed, cancelled and dead ones only where \
                       state names them. Active jobs are never removed.";
    let clear = Route::delete("/api/jobs/clear/{queue}", "clearQueue", clear)
        .does("Remove the waiting jobs of a queue", description)
        .scope(Scope::Admin)
        .takes::<InQueue>()
        .takes::<ClearQuery>()
        .pace(Pace::Own)
        .answers::<BulkReport>("How many were removed");
    vec![clear]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ClearQuery {
    /// The states to clear, separated by commas
    #[serde(deserialize_with = "listed")]
    #[param(value_type = Vec<JobState>, style = Form, explode = false, required = false)]
    state: Vec<JobState>,
    /// Only count
    dry_run: bool,
}

async fn clear(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    Query(ClearQuery { state: mut states, dry_run }): Query<ClearQuery>,
) -> Answered<BulkReport> {
    if states.contains(&JobState::Active) {
        return Err(Error::invalid("active jobs are never removed: cancel them").about("state").into());
    }
    if states.is_empty() {
        states = vec![JobState::Scheduled, JobState::Pending, JobState::Retrying];
    }
    states.sort();
    states.dedup();
    let queue = api.client.queue(queue);
    queue.must_exist().await?;
    let progress = Progress::default();
    let act = async {
        if dry_run {
            return Ok(BulkReport { matched: queue.count(&states).await?, dry_run, ..BulkReport::default() });
        }
        let selection = Selection { states, ..Selection::default() };
        queue.bulk().run(BulkAct::Remove, &selection, &options(dry_run), &mut |done| progress.note(done)).await
    };
    carry_out(&api, &progress, act).await
}
