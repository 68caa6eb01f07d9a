//! The waiting jobs of a queue are removed.

use axum::extract::State;

use super::bulk::{ActQuery, Progress, carry_out};
use super::gate::Caller;
use super::path::InQueue;
use super::problem::Problem;
use super::query::Query;
use super::route::Route;
use super::rules::Pace;
use super::selecting::{SelectionQuery, StatesQuery};
use super::{Answered, Api};
use crate::job::JobState;
use crate::stats::BulkReport;
use crate::{BulkAct, Error, Scope};

pub(super) fn routes() -> Vec<Route> {
    let description = "Removes what is pending, scheduled or retrying, all of it or what is selected; completed, cancelled \
                       and dead ones only where state names them. Active jobs are never removed. For an hour it can be \
                       undone.";
    let clear = Route::delete("/api/jobs/clear/{queue}", "clearQueue", clear)
        .does("Remove the waiting jobs of a queue", description)
        .scope(Scope::Admin)
        .takes::<InQueue>()
        .takes::<StatesQuery>()
        .takes::<SelectionQuery>()
        .takes::<ActQuery>()
        .may_refuse()
        .pace(Pace::Own)
        .answers::<BulkReport>("How many were removed");
    vec![clear]
}

async fn clear(
    caller: Caller,
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    Query(StatesQuery { state: mut states }): Query<StatesQuery>,
    Query(selection): Query<SelectionQuery>,
    Query(how): Query<ActQuery>,
) -> Answered<BulkReport> {
    if states.contains(&JobState::Active) {
        return Err(Error::invalid("active jobs are never removed: cancel them").about("state").into());
    }
    if states.is_empty() {
        states = vec![JobState::Scheduled, JobState::Pending, JobState::Retrying];
    }
    let mut selection = selection.read(how.limit)?;
    if how.all && !selection.is_all() {
        return Err(Problem::of_field("all", "cannot be said beside a selection"));
    }
    selection.states = states;
    let queue = api.client.queue(queue);
    queue.must_exist().await?;
    let (bulk, options, progress) = (queue.bulk(), how.options(&caller)?, Progress::default());
    let mut note = |done| progress.note(done);
    carry_out(&api, &progress, bulk.run(BulkAct::Remove, &selection, &options, &mut note)).await
}
