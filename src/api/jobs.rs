//! Single jobs, wherever they stand: by their id alone, or in their queue.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::gate::Caller;
use super::path::{ByIdAlone, ByQueueAndId, InQueue, OneJob};
use super::problem::Problem;
use super::query::Query;
use super::route::Route;
use super::selecting::{SelectionQuery, StatesQuery};
use super::{Answered, Api};
use crate::stats::{JobDetails, JobSummary};
use crate::{Acted, Scope, Selection};

/// How many are listed unless said.
pub(super) const USUAL_LIMIT: u64 = 50;

pub(super) fn routes() -> Vec<Route> {
    let order = "Pending ones in the order in which they run, scheduled and retrying ones by their time, ended ones the \
                 latest first.";
    let list = Route::get("/api/queues/{queue}/jobs", "listJobs", list)
        .does("List the jobs of a queue, all or those selected", order)
        .scope(Scope::Read)
        .takes::<InQueue>()
        .takes::<StatesQuery>()
        .takes::<SelectionQuery>()
        .takes::<ListQuery>()
        .answers_list::<JobSummary>("The jobs", &[LINK]);
    let mut routes = vec![list];
    routes.extend(of_job("/api/jobs/{id}", "").map(Route::takes::<ByIdAlone>));
    routes.extend(of_job("/api/queues/{queue}/jobs/{id}", "InQueue").map(Route::takes::<ByQueueAndId>));
    routes
}

/// What can be done with a job, below the path that names it.
fn of_job(path: &str, suffix: &str) -> impl Iterator<Item = Route> {
    let act = |verb: &str| (format!("{path}/{verb}"), format!("{verb}Job{suffix}"));
    let acts =
        |route: Route| route.scope(Scope::Admin).may_refuse().answers::<Acted>("Where it stood, and where it stands");
    let ((cancel_path, cancel_id), (retry_path, retry_id)) = (act("cancel"), act("retry"));
    let (promote_path, promote_id) = act("promote");
    let found =
        "An id that names another thing below /api/jobs, or that several queues have, is found through its queue.";
    [
        Route::get(path, &format!("showJob{suffix}"), show)
            .does("Show everything about a job", found)
            .scope(Scope::Read)
            .answers::<JobDetails>("The job"),
        acts(Route::delete(path, &format!("deleteJob{suffix}"), delete))
            .does("Delete a job, unless it is active", "For an hour it can be undone; the audit tells who did it."),
        acts(Route::post(cancel_path, &cancel_id, cancel))
            .does("Cancel a job", "A waiting one at once; for an active one its worker is told within a second."),
        acts(Route::post(retry_path, &retry_id, retry))
            .does("Run a failed job again", "A dead one from the start, a retrying one now."),
        acts(Route::post(promote_path, &promote_id, promote)).does("Let a scheduled or retrying job run now", ""),
    ]
    .into_iter()
}

/// The header that leads to the next page.
pub(super) const LINK: (&str, &str) = ("Link", "Where the next page is, where there is one (RFC 8288)");

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u64>,
    /// Leave out so many first
    #[param(minimum = 0, maximum = 100_000_000, default = 0)]
    offset: Option<u64>,
}

async fn list(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    uri: Uri,
    Query(StatesQuery { state: states }): Query<StatesQuery>,
    Query(selection): Query<SelectionQuery>,
    Query(query): Query<ListQuery>,
) -> Result<(HeaderMap, Json<Vec<JobSummary>>), Problem> {
    let (offset, limit) = (query.offset.unwrap_or_default(), query.limit.unwrap_or(USUAL_LIMIT));
    let (selection, inspector) = (selection.read(None)?, api.client.inspector());
    let page = match selection.is_all() {
        true => inspector.jobs(&queue, &states, offset, limit).await?,
        false => inspector.select(&queue, &Selection { states, ..selection }, offset, limit).await?,
    };
    let next = page.more.then(|| offset + page.items.len() as u64);
    Ok((link_to(&uri, next), Json(page.items)))
}

/// The header that names the next page of a list: the same query from another offset on.
pub(super) fn link_to(uri: &Uri, offset: Option<u64>) -> HeaderMap {
    let Some(offset) = offset else { return HeaderMap::new() };
    let mut query = form_urlencoded::Serializer::new(String::new());
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    query.extend_pairs(pairs.filter(|(name, _)| name != "offset"));
    let query = query.append_pair("offset", &offset.to_string()).finish();
    let link = format!("<{}?{query}>; rel=\"next\"", uri.path());
    link.parse().map(|link| HeaderMap::from_iter([(header::LINK, link)])).unwrap_or_default()
}

async fn show(State(api): State<Api>, job: OneJob) -> Answered<JobDetails> {
    let job = job.locate(&api).await?;
    Ok(Json(api.client.inspector().job_with_children(&job, crate::builtin::children).await?))
}

async fn delete(caller: Caller, State(api): State<Api>, job: OneJob) -> Answered<Acted> {
    Ok(Json(api.client.inspector().by(caller.by()).delete(&job.locate(&api).await?).await?))
}

async fn cancel(State(api): State<Api>, job: OneJob) -> Answered<Acted> {
    Ok(Json(api.client.inspector().cancel(&job.locate(&api).await?).await?))
}

async fn retry(State(api): State<Api>, job: OneJob) -> Answered<Acted> {
    Ok(Json(api.client.inspector().retry(&job.locate(&api).await?).await?))
}

async fn promote(State(api): State<Api>, job: OneJob) -> Answered<Acted> {
    Ok(Json(api.client.inspector().promote(&job.locate(&api).await?).await?))
}
