//! Jobs that are counted together.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema};

use super::body::JsonText;
use super::enqueue::must_enqueue;
use super::gate::Caller;
use super::path::OneBatch;
use super::problem::Problem;
use super::query::Query;
use super::route::Route;
use super::{Answered, Api};
use crate::service::QueueService;
use crate::{BatchInfo, Error, OnComplete, QueueName, Scope};

/// How many are listed unless said.
const USUAL_LIMIT: u64 = 50;

pub(super) fn routes() -> Vec<Route> {
    let opened = "Jobs are counted in it by their option batch, until it is sealed. With onComplete a job is enqueued when \
                  every job of it has ended, exactly once. The same again changes nothing; one that is open with another \
                  job on completion is refused.";
    let sealed = "When it is sealed and each of its jobs has ended it is over, and its job on completion is enqueued.";
    let example =
        json!({"onComplete": {"queue": "notification", "payload": {"channels": ["in-app"], "title": "Done"}}});
    vec![
        Route::get("/api/batches", "listBatches", list)
            .does("List the batches, the newest of each queue first", "")
            .scope(Scope::Read)
            .takes::<ListQuery>()
            .may_miss()
            .answers_list::<BatchInfo>("The batches", &[]),
        Route::get("/api/batches/{batch}", "showBatch", show)
            .does("Show how far a batch is", "")
            .scope(Scope::Read)
            .takes::<OneBatch>()
            .takes::<OfQueue>()
            .answers::<BatchInfo>("The batch"),
        Route::put("/api/batches/{batch}", "openBatch", open)
            .does("Open a batch", opened)
            .scope(Scope::Enqueue)
            .takes::<OneBatch>()
            .takes::<InItsQueue>()
            .body("What follows it, or {}", body_schema(), example)
            .may_refuse()
            .answers::<BatchInfo>("The batch"),
        Route::post("/api/batches/{batch}/seal", "sealBatch", seal)
            .does("Let a batch take no more jobs", sealed)
            .scope(Scope::Enqueue)
            .takes::<OneBatch>()
            .takes::<OfQueue>()
            .answers::<BatchInfo>("The batch"),
    ]
}

fn body_schema() -> RefOr<Schema> {
    let closed = || Some(AdditionalProperties::FreeForm(false));
    let follower = ObjectBuilder::new().property("queue", QueueName::schema()).required("queue");
    let follower = follower.property("payload", Value::schema()).required("payload").additional_properties(closed());
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    let either = Schema::OneOf(OneOfBuilder::new().item(nothing).item(follower.build()).build());
    ObjectBuilder::new().property("onComplete", either).additional_properties(closed()).build().into()
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only of this queue
    queue: Option<QueueName>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfQueue {
    /// That of this queue, where several have one of that name
    queue: Option<QueueName>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InItsQueue {
    /// The queue of its jobs
    queue: QueueName,
}

/// What opens a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Opening {
    #[serde(default)]
    on_complete: Option<Following>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Following {
    queue: QueueName,
    payload: Box<RawValue>,
}

async fn list(State(api): State<Api>, Query(query): Query<ListQuery>) -> Answered<Vec<BatchInfo>> {
    let limit = query.limit.unwrap_or(USUAL_LIMIT);
    Ok(Json(api.client.batches().list(query.queue.as_ref(), limit).await?))
}

async fn show(
    State(api): State<Api>,
    OneBatch { batch }: OneBatch,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<BatchInfo> {
    Ok(Json(api.client.batches().find(&batch, queue.as_ref()).await?))
}

async fn open(
    caller: Caller,
    State(api): State<Api>,
    OneBatch { batch }: OneBatch,
    Query(InItsQueue { queue }): Query<InItsQueue>,
    JsonText(text): JsonText,
) -> Answered<BatchInfo> {
    must_enqueue(&caller, &queue)?;
    let Opening { on_complete } =
        serde_json::from_str(&text).map_err(|error| Error::invalid(format!("the body opens no batch: {error}")))?;
    let on_complete = on_complete.map(|Following { queue, payload }| {
        must_enqueue(&caller, &queue)?;
        QueueService::check(&queue, payload.get())?;
        Ok::<_, Problem>(OnComplete { queue, payload })
    });
    let batches = api.client.batches();
    batches.open(&queue, &batch, on_complete.transpose()?.as_ref()).await?;
    Ok(Json(batches.find(&batch, Some(&queue)).await?))
}

async fn seal(
    State(api): State<Api>,
    OneBatch { batch }: OneBatch,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<BatchInfo> {
    let batches = api.client.batches();
    let queue = match queue {
        Some(queue) => queue,
        None => batches.find(&batch, None).await?.queue,
    };
    Ok(Json(batches.seal(&queue, &batch).await?))
}
