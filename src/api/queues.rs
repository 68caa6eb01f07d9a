//! Queues: which there are, how each is set, whether its jobs start.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use super::body::JsonText;
use super::gate::Caller;
use super::partly::Partly;
use super::path::InQueue;
use super::problem::Problem;
use super::route::Route;
use super::{Answered, Api};
use crate::config::{QueueSettings, Setting};
use crate::retry::RetryPolicy;
use crate::stats::{Deleted, QueueSummary, SettingsInForce, Switched};
use crate::{ActOptions, Error, Scope};

pub(super) fn routes() -> Vec<Route> {
    let patch = "Only what is named changes, for every worker and without a restart: null lifts a limit, or brings the \
                 default back (RFC 7396). Another number of partitions holds at once for new jobs; those that are there are \
                 moved while producers and workers go on. Limits that only the new number can keep are set when all is \
                 moved, which the answer waits for.";
    let example = json!({"rate": "100/s", "concurrency": 20, "removeOnComplete": "24h", "maxLength": null});
    let set = Route::patch("/api/queues/{queue}/settings", "setQueue", set);
    let settings = patch_of::<QueueSettings>(&[("retry", patch_of::<RetryPolicy>(&[]))]);
    vec![
        Route::get("/api/queues", "listQueues", list)
            .does("List the queues", "In a cluster of which a node is away Ireva-Unreached names those that it has.")
            .scope(Scope::Read)
            .answers_list::<QueueSummary>("The queues, by name", &[]),
        Route::get("/api/queues/{queue}/settings", "getQueue", get)
            .does("Show the settings of a queue", "")
            .scope(Scope::Read)
            .takes::<InQueue>()
            .answers::<SettingsInForce>("The settings"),
        set.does("Change settings of a queue", patch)
            .scope(Scope::Admin)
            .takes::<InQueue>()
            .body("The settings that change", settings.into(), example)
            .answers::<SettingsInForce>("All settings, as they are now"),
        Route::delete("/api/queues/{queue}", "deleteQueue", delete)
            .does("Delete a queue that holds no job", "Its settings, counters and events go with it.")
            .scope(Scope::Admin)
            .takes::<InQueue>()
            .may_refuse()
            .answers::<Deleted>("The queue is deleted"),
        Route::post("/api/queues/{queue}/pause", "pauseQueue", pause)
            .does("Let no more jobs of a queue start", "Running ones go on.")
            .scope(Scope::Admin)
            .takes::<InQueue>()
            .answers::<Switched>("The queue is paused"),
        Route::post("/api/queues/{queue}/resume", "resumeQueue", resume)
            .does("Let jobs of a paused queue start again", "")
            .scope(Scope::Admin)
            .takes::<InQueue>()
            .answers::<Switched>("The queue is running"),
    ]
}

/// The schema of a merge patch: every property may be left out, and be null. Those that are objects are patches too.
fn patch_of<T: PartialSchema>(inner: &[(&str, Schema)]) -> Schema {
    let RefOr::T(Schema::Object(mut object)) = T::schema() else { return Schema::default() };
    object.required.clear();
    for (name, property) in &mut object.properties {
        let inner = inner.iter().find(|(known, _)| known == name).map(|(_, schema)| schema.clone().into());
        let nothing = ObjectBuilder::new().schema_type(Type::Null);
        let either = OneOfBuilder::new().item(nothing).item(inner.unwrap_or_else(|| property.clone()));
        // What may be null anyway says so itself.
        if !matches!(property, RefOr::T(Schema::OneOf(_))) {
            *property = Schema::OneOf(either.build()).into();
        }
    }
    Schema::Object(object)
}

async fn list(State(api): State<Api>) -> Result<Partly<Vec<QueueSummary>>, Problem> {
    let client = api.client.of_what_answers();
    Ok(Partly(client.inspector().queues().await?, client))
}

async fn get(State(api): State<Api>, InQueue { queue }: InQueue) -> Answered<SettingsInForce> {
    let queue = api.client.queue(queue);
    queue.must_exist().await?;
    Ok(Json(queue.in_force().await?))
}

async fn set(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    JsonText(text): JsonText,
) -> Answered<SettingsInForce> {
    let patch: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| Error::invalid(format!("the body is not an object of settings: {error}")))?;
    let queue = api.client.queue(queue);
    let changes = Setting::from_patch(queue.name(), &queue.settings().await?, &patch)?;
    if changes.is_empty() {
        return Err(Error::invalid("nothing to set: name at least one setting, such as {\"rate\":\"100/s\"}").into());
    }
    queue.set(&changes).await?;
    let settings = queue.in_force().await?;
    if changes.iter().any(|change| matches!(change, Setting::Partitions(_))) {
        // The answer does not wait for it: where this server ends, workers go on.
        tokio::spawn(async move { queue.move_over(&mut |_| ()).await });
    }
    Ok(Json(settings))
}

async fn delete(caller: Caller, State(api): State<Api>, InQueue { queue }: InQueue) -> Answered<Deleted> {
    let options = ActOptions { by: Some(caller.by()), ..ActOptions::default() };
    api.client.queue(queue.clone()).delete(&options).await?;
    Ok(Json(Deleted { queue, deleted: true }))
}

async fn pause(State(api): State<Api>, InQueue { queue }: InQueue) -> Answered<Switched> {
    let handle = api.client.queue(queue.clone());
    handle.must_exist().await?;
    Ok(Json(Switched { queue, paused: true, changed: handle.pause().await? }))
}

async fn resume(State(api): State<Api>, InQueue { queue }: InQueue) -> Answered<Switched> {
    let handle = api.client.queue(queue.clone());
    handle.must_exist().await?;
    Ok(Json(Switched { queue, paused: false, changed: handle.resume().await? }))
}
