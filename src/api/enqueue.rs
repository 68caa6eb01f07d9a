//! One job is handed over: the body is its payload, the query its options.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Api;
use super::body::JsonText;
use super::gate::Caller;
use super::payload;
use super::problem::{Problem, Refusal};
use super::query::Query;
use super::route::Route;
use crate::job::PAYLOAD_MAX_BYTES;
use crate::stats::Enqueued;
use crate::{Error, ErrorKind, JobId, JobOptions, NewJob, QueueName, Scope};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Its jobs move money, so that handing one over is an administrator's act.
const ADMIN_QUEUE: &str = "roi-distribution";
/// Ids that `/api/jobs/{id}` cannot name, since something else has that path.
const TAKEN: [&str; 10] = [
    "email",
    "roi-distribution",
    "report",
    "notification",
    "data-import",
    "data-export",
    "stats",
    "clear",
    "queues",
    "events",
];

pub(super) fn routes() -> Vec<Route> {
    let mail = json!({
        "to": "investor@example.com", "subject": "Welcome to iREVA", "template": "welcome-email",
        "context": {"firstName": "John", "investorId": 12345},
    });
    let distribution = json!({
        "propertyId": 123, "periodId": 202_401, "distributionDate": "2024-01-31", "totalAmount": 25_000,
        "calculationMethod": "pro-rata",
    });
    let report = json!({
        "reportType": "investor-statement", "format": "pdf",
        "parameters": {"userId": 456, "startDate": "2024-01-01", "endDate": "2024-01-31", "includeCharts": true},
        "notifyOnComplete": true, "email": "investor@example.com",
    });
    let notification = json!({
        "channels": ["email", "in-app"], "recipient": {"investorId": 456, "email": "investor@example.com"},
        "title": "Your report is ready", "body": "The statement of January can be downloaded.",
    });
    let import = json!({"source": "investors.csv", "target": "investors", "mode": "upsert"});
    let export = json!({"source": "transactions", "format": "csv", "destination": "transactions.csv"});
    let distribute = "Distribute the returns of a property";
    vec![
        route("/api/jobs/email", "enqueueEmail", "email", "Send a mail", mail),
        route("/api/jobs/roi-distribution", "enqueueRoiDistribution", ADMIN_QUEUE, distribute, distribution),
        route("/api/jobs/report", "enqueueReport", "report-generation", "Make a report", report),
        route("/api/jobs/notification", "enqueueNotification", "notification", "Notify somebody", notification),
        route("/api/jobs/data-import", "enqueueDataImport", "data-import", "Import data", import),
        route("/api/jobs/data-export", "enqueueDataExport", "data-export", "Export data", export),
    ]
}

/// A route whose jobs go to one queue.
fn route(path: &'static str, id: &str, queue: &'static str, summary: &str, example: Value) -> Route {
    let handler = move |State(api): State<Api>,
                        Query(options): Query<JobOptions>,
                        IdempotencyKey(key): IdempotencyKey,
                        JsonText(text): JsonText| hand_over(api, queue, text, (options, key));
    let needed = if queue == ADMIN_QUEUE { Scope::Admin } else { Scope::Enqueue };
    let description = format!("The body is the payload of a job of the queue {queue}, and is kept byte for byte.");
    Route::post(path, id, handler)
        .does(summary, &description)
        .scope(needed)
        .takes::<JobOptions>()
        .takes_header("Idempotency-Key", "The id of the job: the same again adds nothing")
        .body("The payload", payload::schema(queue), example)
        .accepts()
}

/// Makes sure that a caller may hand jobs to a queue.
pub(super) fn must_enqueue(caller: &Caller, queue: &QueueName) -> Result<(), Problem> {
    caller.must(if queue.as_str() == ADMIN_QUEUE { Scope::Admin } else { Scope::Enqueue })
}

/// The id that the caller chose for its job, so that the same request again adds nothing.
pub(super) struct IdempotencyKey(pub Option<JobId>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        // Some clients write it as a string of structured headers (RFC 9651), in quotes.
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let id = JobId::new(bare).map_err(|error| error.about("Idempotency-Key"))?;
        Ok(Self(Some(id)))
    }
}

/// 202 with the answer, and where the job can be looked at.
pub(super) struct Accepted(pub Enqueued);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = HeaderValue::try_from(location(&self.0));
        let mut response = (StatusCode::ACCEPTED, Json(self.0)).into_response();
        if let Ok(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

fn location(Enqueued { id, queue, .. }: &Enqueued) -> String {
    if TAKEN.contains(&id.as_str()) { format!("/api/queues/{queue}/jobs/{id}") } else { format!("/api/jobs/{id}") }
}

async fn hand_over(
    api: Api,
    queue: &str,
    payload: String,
    (options, key): (JobOptions, Option<JobId>),
) -> Result<Accepted, Problem> {
    if payload.len() > PAYLOAD_MAX_BYTES {
        return Err(Problem::new(Refusal::TooLarge, format!("a payload has at most {PAYLOAD_MAX_BYTES} bytes")));
    }
    let queue = QueueName::new(queue)?;
    let job = key.into_iter().fold(NewJob::from_json(payload)?, NewJob::id);
    send(&api, &queue, options.put_on(job)?).await
}

/// Hands over one job.
pub(super) async fn send(api: &Api, queue: &QueueName, job: NewJob) -> Result<Accepted, Problem> {
    let id = job.job_id().clone();
    // Whoever does not hear the answer is told this id to send again, so it is remembered like one of the caller's choice.
    let sent = api.service.submit(queue, job.id(id.clone())).await;
    sent.map(Accepted).map_err(|error| in_doubt(&id, error))
}

/// The problem with a job; where it may be there all the same, how to find out without adding it twice.
pub(super) fn in_doubt(id: &JobId, error: Error) -> Problem {
    match error.kind() {
        ErrorKind::OutcomeUnknown => {
            let again = format!("job {id} may be there; send it again with the id {id} (Idempotency-Key: {id}): ");
            Problem::from(error).prefixed(&again)
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_whose_id_is_a_word_of_ours_is_found_in_its_queue() {
        let at = |id: &str| {
            location(&Enqueued { id: JobId::new(id).unwrap(), queue: QueueName::new("q").unwrap(), duplicate: false })
        };
        assert_eq!((at("a-1").as_str(), at("stats").as_str()), ("/api/jobs/a-1", "/api/queues/q/jobs/stats"));
    }
}
