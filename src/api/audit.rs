//! Who did what to jobs, and taking it back.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::bulk::{Progress, carry_out};
use super::gate::Caller;
use super::path::OneAct;
use super::query::Query;
use super::route::Route;
use super::rules::Pace;
use super::{Answered, Api};
use crate::config::Rate;
use crate::{ActOptions, AuditEntry, Error, QueueName, Scope, UndoReport, span_from_text};

/// How many are listed unless said.
const USUAL_LIMIT: u64 = 50;

pub(super) fn routes() -> Vec<Route> {
    let undone = "As it was, within an hour: payload, history, state and place in line. What came again meanwhile is left \
                  and counted. Twice does nothing twice; what was broken off goes on with the same request.";
    vec![
        Route::get("/api/audit", "listAudit", list)
            .does("List who did what to jobs, and why, the latest first", "")
            .scope(Scope::Read)
            .takes::<QueueQuery>()
            .takes::<SinceQuery>()
            .answers_list::<AuditEntry>("The acts", &[]),
        Route::get("/api/undo", "listUndoable", undoable)
            .does("List the acts that can be undone, the latest first", "")
            .scope(Scope::Read)
            .takes::<QueueQuery>()
            .answers_list::<AuditEntry>("The acts", &[]),
        Route::post("/api/undo/{act}", "undo", undo)
            .does("Bring back what an act took", undone)
            .scope(Scope::Admin)
            .takes::<OneAct>()
            .takes::<UndoQuery>()
            .may_refuse()
            .pace(Pace::Own)
            .answers::<UndoReport>("How many jobs are back"),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct QueueQuery {
    /// Only the acts on this queue
    queue: Option<QueueName>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SinceQuery {
    /// Only those of the last so long, such as 24h
    since: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct UndoQuery {
    /// Only count
    dry_run: bool,
    /// At most so many in a span of time, such as 1000/s
    rate: Option<String>,
    /// Why, for the audit
    reason: Option<String>,
}

async fn list(
    State(api): State<Api>,
    Query(QueueQuery { queue, limit }): Query<QueueQuery>,
    Query(SinceQuery { since }): Query<SinceQuery>,
) -> Answered<Vec<AuditEntry>> {
    let since = since.map(|text| span_from_text(&text)).transpose().map_err(|error| error.about("since"))?;
    Ok(Json(api.client.audit().list(queue.as_ref(), since, limit.unwrap_or(USUAL_LIMIT)).await?))
}

async fn undoable(
    State(api): State<Api>,
    Query(QueueQuery { queue, limit }): Query<QueueQuery>,
) -> Answered<Vec<AuditEntry>> {
    Ok(Json(api.client.audit().undoable(queue.as_ref(), limit.unwrap_or(USUAL_LIMIT)).await?))
}

async fn undo(
    caller: Caller,
    State(api): State<Api>,
    OneAct { act }: OneAct,
    Query(query): Query<UndoQuery>,
) -> Answered<UndoReport> {
    let rate = query.rate.map(|text| text.parse::<Rate>()).transpose();
    let rate = rate.map_err(|error: Error| error.about("rate"))?;
    let options = ActOptions {
        rate_per_sec: rate.map(|rate| 1e6 / rate.interval_us() as f64),
        dry_run: query.dry_run,
        by: Some(caller.by()),
        reason: query.reason,
        ..ActOptions::default()
    };
    let (audit, progress) = (api.client.audit(), Progress::default());
    let act = async {
        let entry = audit.find(act.as_str()).await?;
        audit.undo(&entry, &options, &mut |done| progress.note(done)).await
    };
    carry_out(&api, &progress, act).await
}
