//! Jobs that are enqueued again and again.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema as Shape, SchemaType, Type};
use utoipa::{IntoParams, PartialSchema};

use super::body::JsonText;
use super::enqueue::Accepted;
use super::path::OneSchedule;
use super::problem::Problem;
use super::query::{Query, listed};
use super::route::Route;
use super::{Answered, Api};
use crate::service::QueueService;
use crate::{Missed, Overlap, Priority, QueueName, Schedule, ScheduleChange, ScheduleInfo, ScheduleSwitched, Scope};

pub(super) fn routes() -> Vec<Route> {
    let put = "The body has the fields of a schedule: queue, cron (with timezone) or every, and as wanted the others. The \
               schedule of that name becomes so, and goes on with the tick that it was to have next where its ticks stay the \
               same. The payload is kept byte for byte.";
    let example = json!({
        "queue": "report-generation", "cron": "0 9 * * MON-FRI", "timezone": "Africa/Lagos", "missed": "skip",
        "payload": {
            "reportType": "roi-summary", "format": "csv",
            "parameters": {"startDate": "2024-01-01", "endDate": "2024-01-31"},
        },
    });
    let of_one = |route: Route| route.takes::<OneSchedule>().takes::<OfQueue>();
    let path = "/api/schedules/{schedule}";
    let act = |verb: &str| format!("{path}/{verb}");
    vec![
        Route::get("/api/schedules", "listSchedules", list)
            .does("List the schedules, by queue and name", "")
            .scope(Scope::Read)
            .takes::<OfQueues>()
            .answers_list::<ScheduleInfo>("The schedules", &[]),
        of_one(Route::get(path, "showSchedule", show))
            .does("Show a schedule, and how it stands", "")
            .scope(Scope::Read)
            .answers::<ScheduleInfo>("The schedule"),
        Route::put(path, "putSchedule", put_schedule)
            .does("Add a schedule, or put it in the place of the one of that name", put)
            .scope(Scope::Admin)
            .takes::<OneSchedule>()
            .body("The schedule", body_schema(), example)
            .may_refuse()
            .answers::<ScheduleChange>("What became of it"),
        of_one(Route::delete(path, "removeSchedule", remove))
            .does("Remove a schedule", "Jobs that it has enqueued stay.")
            .scope(Scope::Admin)
            .may_refuse()
            .answers::<ScheduleChange>("It is removed"),
        of_one(Route::post(act("pause"), "pauseSchedule", pause))
            .does("Let a schedule have no ticks", "What would have come meanwhile is not made up for.")
            .scope(Scope::Admin)
            .may_refuse()
            .answers::<ScheduleSwitched>("It is paused"),
        of_one(Route::post(act("resume"), "resumeSchedule", resume))
            .does("Let a paused schedule have ticks again, from the next one on", "")
            .scope(Scope::Admin)
            .may_refuse()
            .answers::<ScheduleSwitched>("It is running"),
        of_one(Route::post(act("run"), "runSchedule", run))
            .does("Enqueue a job of a schedule now", "Paused or not; its ticks stay as they are.")
            .scope(Scope::Admin)
            .may_refuse()
            .accepts(),
    ]
}

fn body_schema() -> RefOr<Shape> {
    // What is null is as if it were not there.
    let maybe = |of: Type| ObjectBuilder::new().schema_type(SchemaType::from_iter([of, Type::Null]));
    let word = |of: RefOr<Shape>| {
        let nothing = ObjectBuilder::new().schema_type(Type::Null);
        Shape::OneOf(OneOfBuilder::new().item(nothing).item(of).build())
    };
    let attempts = maybe(Type::Integer).minimum(Some(1)).maximum(Some(u32::MAX as usize));
    let mut schedule = ObjectBuilder::new()
        .property("queue", QueueName::schema())
        .required("queue")
        .property("payload", Value::schema())
        .property("missed", word(Missed::schema()))
        .property("overlap", word(Overlap::schema()))
        .property("priority", word(Priority::schema()))
        .property("attempts", attempts)
        .property("paused", maybe(Type::Boolean));
    for field in
        ["cron", "timezone", "every", "grace", "jitter", "until", "backoff", "timeout", "ttl", "unique", "uniqueFor"]
    {
        schedule = schedule.property(field, maybe(Type::String));
    }
    schedule.additional_properties(Some(AdditionalProperties::FreeForm(false))).build().into()
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfQueues {
    /// Only of these queues, separated by commas
    #[serde(default, deserialize_with = "listed")]
    #[param(value_type = Vec<QueueName>, style = Form, explode = false, required = false)]
    queue: Vec<QueueName>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfQueue {
    /// That of this queue, where several have one of that name
    queue: Option<QueueName>,
}

async fn list(State(api): State<Api>, Query(OfQueues { queue }): Query<OfQueues>) -> Answered<Vec<ScheduleInfo>> {
    Ok(Json(api.client.schedules().list(&queue).await?))
}

async fn show(
    State(api): State<Api>,
    OneSchedule { schedule }: OneSchedule,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<ScheduleInfo> {
    Ok(Json(api.client.schedules().find(&schedule, queue.as_ref()).await?))
}

async fn put_schedule(
    State(api): State<Api>,
    OneSchedule { schedule: name }: OneSchedule,
    JsonText(text): JsonText,
) -> Answered<ScheduleChange> {
    let schedule = Schedule::from_json(name, &text)?;
    QueueService::check(schedule.queue(), schedule.payload())?;
    Ok(Json(api.client.schedules().add(&schedule, true).await?))
}

async fn remove(
    State(api): State<Api>,
    OneSchedule { schedule }: OneSchedule,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<ScheduleChange> {
    Ok(Json(api.client.schedules().remove(&schedule, queue.as_ref()).await?))
}

async fn pause(
    State(api): State<Api>,
    OneSchedule { schedule }: OneSchedule,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<ScheduleSwitched> {
    Ok(Json(api.client.schedules().pause(&schedule, queue.as_ref()).await?))
}

async fn resume(
    State(api): State<Api>,
    OneSchedule { schedule }: OneSchedule,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Answered<ScheduleSwitched> {
    Ok(Json(api.client.schedules().resume(&schedule, queue.as_ref()).await?))
}

async fn run(
    State(api): State<Api>,
    OneSchedule { schedule }: OneSchedule,
    Query(OfQueue { queue }): Query<OfQueue>,
) -> Result<Accepted, Problem> {
    Ok(Accepted(api.client.schedules().run(&schedule, queue.as_ref()).await?))
}
