//! Jobs are handed to any queue, one or many at once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Api;
use super::body::JsonText;
use super::enqueue::{Accepted, IdempotencyKey, in_doubt, must_enqueue, send};
use super::gate::Caller;
use super::path::InQueue;
use super::problem::{Problem, Refusal};
use super::route::Route;
use crate::stats::Enqueued;
use crate::{BatchName, Error, JobId, NewJob, QueueName};

/// So many fit into one call to Redis: they are added together, or none is.
const JOBS_MAX: usize = 300;

pub(super) fn routes() -> Vec<Route> {
    let description = "The body is a job: an object with its payload and, as wanted, id, priority, delay, at, attempts, \
                       backoff, timeout, ttl, unique, uniqueFor, orderKey, unlessQueued, batch; or a list of at most 300 of them. Of a list each job is \
                       accepted or refused by itself, and where one is refused the answer is 207. The queue \
                       roi-distribution takes the scope admin.";
    let example = json!([{"payload": {"order": 42}, "id": "order-42", "priority": "high"}, {"payload": {"order": 43}}]);
    let mut route = Route::post("/api/jobs/queues/{queue}", "enqueue", enqueue)
        .does("Hand jobs to a queue", description)
        .scope(crate::Scope::Enqueue)
        .takes::<InQueue>()
        .takes_header("Idempotency-Key", "The id of a single job: the same again adds nothing")
        .body("A job, or a list of jobs", body_schema(), example);
    let one = route.refer::<Enqueued>();
    let many = route.refer::<EnqueueResults>();
    let either = OneOfBuilder::new().item(one).item(many.clone()).build();
    let location = [("Location", "Where a single job is")];
    vec![
        route
            .answer("202", "Every job is accepted", "application/json", Schema::OneOf(either).into(), &location)
            .answer("207", "Some jobs of the list are refused", "application/json", many, &[]),
    ]
}

fn body_schema() -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let attempts = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(u32::MAX as usize));
    let mut job =
        ObjectBuilder::new().property("payload", Value::schema()).required("payload").property("id", JobId::schema());
    for option in ["priority", "delay", "at", "backoff", "timeout", "ttl", "unique", "uniqueFor", "orderKey"] {
        job = job.property(option, text());
    }
    let job = job.property("unlessQueued", ObjectBuilder::new().schema_type(Type::Boolean));
    let job = job.property("batch", BatchName::schema());
    let job =
        job.property("attempts", attempts).additional_properties(Some(AdditionalProperties::FreeForm(false))).build();
    let list = ArrayBuilder::new().items(job.clone()).max_items(Some(JOBS_MAX)).build();
    Schema::OneOf(OneOfBuilder::new().item(job).item(Schema::Array(list)).build()).into()
}

/// What became of a list of jobs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EnqueueResults {
    /// Jobs added
    enqueued: u64,
    /// Jobs that were there already
    duplicates: u64,
    /// Jobs refused
    refused: u64,
    /// One for each, in their order
    results: Vec<EnqueueResult>,
}

/// What became of one of them: a job, or a problem.
#[derive(Serialize, ToSchema)]
struct EnqueueResult {
    /// The status that it would have had alone: 202, or that of its problem
    status: u16,
    /// The job
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Enqueued>,
    /// Why it was refused
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl From<Result<Enqueued, Problem>> for EnqueueResult {
    fn from(result: Result<Enqueued, Problem>) -> Self {
        match result {
            Ok(job) => Self { status: StatusCode::ACCEPTED.as_u16(), job: Some(job), problem: None },
            Err(problem) => Self { status: problem.status(), job: None, problem: Some(problem) },
        }
    }
}

/// One job, or a list of results.
enum Answer {
    One(Accepted),
    Many(EnqueueResults),
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::One(accepted) => accepted.into_response(),
            Self::Many(results) if results.refused > 0 => (StatusCode::MULTI_STATUS, Json(results)).into_response(),
            Self::Many(results) => (StatusCode::ACCEPTED, Json(results)).into_response(),
        }
    }
}

async fn enqueue(
    caller: Caller,
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    IdempotencyKey(key): IdempotencyKey,
    JsonText(text): JsonText,
) -> Result<Answer, Problem> {
    must_enqueue(&caller, &queue)?;
    if text.starts_with('[') {
        if key.is_some() {
            return Err(Problem::of_field("Idempotency-Key", "is for one job: in a list give each job an id"));
        }
        return many(&api, &queue, &text).await.map(Answer::Many);
    }
    let job = NewJob::from_line(&text, |job| key.iter().cloned().fold(job, NewJob::id))?;
    if key.is_some_and(|key| key != *job.job_id()) {
        return Err(Problem::of_field("id", "is another than the Idempotency-Key"));
    }
    send(&api, &queue, job).await.map(Answer::One)
}

async fn many(api: &Api, queue: &QueueName, text: &str) -> Result<EnqueueResults, Problem> {
    let entries: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("the body is not JSON: {error}")))?;
    if entries.len() > JOBS_MAX {
        let detail = format!("the list has {} jobs, more than {JOBS_MAX}: send it in parts", entries.len());
        return Err(Problem::new(Refusal::TooLarge, detail));
    }
    let (mut jobs, mut results) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for entry in entries {
        // What can be sent takes its answer from there.
        results.push(NewJob::from_line(entry.get(), |job| job).map(|job| {
            // Remembered like one of the caller's choice, for whoever does not hear the answer.
            let id = job.job_id().clone();
            jobs.push(job.id(id.clone()));
            id
        }));
    }
    let mut sent = api.service.submit_many(queue, jobs).await?.into_iter();
    let missing = || Err(Error::internal("a job got no answer"));
    let answers = results.into_iter().map(|result| match result {
        Ok(id) => sent.next().unwrap_or_else(missing).map_err(|error| in_doubt(&id, error)),
        Err(error) => Err(error.into()),
    });
    let mut report = EnqueueResults { enqueued: 0, duplicates: 0, refused: 0, results: Vec::new() };
    for answer in answers {
        match &answer {
            Ok(job) if job.duplicate => report.duplicates += 1,
            Ok(_) => report.enqueued += 1,
            Err(_) => report.refused += 1,
        }
        report.results.push(answer.into());
    }
    Ok(report)
}
