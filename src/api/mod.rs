//! The REST API: a router that anyone may mount, and a server for it.
//!
//! A shell as the command line is one: a route reads a request, calls the library once, and answers the value that the
//! library gives, which is the one that `-o json` prints. What a route takes, answers and needs is said once, where it is
//! added; from that come both the OpenAPI document and the checks before the handler.
//!
//! ```no_run
//! use ireva_queue::Client;
//! use ireva_queue::api::{ApiSettings, router};
//! use ireva_queue::config::Config;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(&Config::from_env()?)?;
//! let app: axum::Router = router(client, ApiSettings::default());
//! # Ok(())
//! # }
//! ```

mod attempts;
mod audit;
mod batches;
mod body;
mod breakers;
mod bulk;
mod clear;
mod dead_letters;
mod document;
mod enqueue;
mod enqueue_many;
mod events;
mod gate;
mod health;
mod jobs;
mod partly;
mod path;
mod payload;
mod problem;
mod query;
mod queues;
mod recognition;
mod record;
mod route;
mod rules;
mod schedules;
mod schema;
mod selecting;
mod server;
mod stats;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::Client;
use crate::service::QueueService;
use attempts::Attempts;
use problem::{Problem, Refusal};
use recognition::Recognition;
use route::Routes;

pub use document::document;
pub use gate::is_loopback;
pub use server::Server;

/// How the API is guarded and bounded.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Whether callers without a token are trusted as long as no token exists at all. Only where nobody but this machine
    /// reaches the router.
    pub trust_without_token: bool,
    /// Names beside those of loopback under which callers without a token may reach it.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may ask, such as `https://app.example.com`. Without any there is no CORS.
    pub allowed_origins: Vec<String>,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// The same for acts on many jobs.
    pub bulk_timeout: Duration,
    /// Streams of events at once; each holds a connection to Redis.
    pub streams_max: usize,
    /// Ends the streams of events, which would hold up an orderly stop for ever.
    pub stop: CancellationToken,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            trust_without_token: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            request_timeout: Duration::from_secs(30),
            bulk_timeout: Duration::from_secs(300),
            streams_max: 100,
            stop: CancellationToken::new(),
        }
    }
}

/// What every route works with.
#[derive(Clone)]
struct Api(Arc<Inner>);

struct Inner {
    client: Client,
    service: QueueService,
    settings: ApiSettings,
    recognition: Recognition,
    attempts: Attempts,
    streams: Arc<Semaphore>,
}

impl std::ops::Deref for Api {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What most handlers answer.
type Answered<T> = Result<Json<T>, Problem>;

/// The API under `/api`, with `/healthz` and `/readyz` beside it.
///
/// Behind a server that hands on the peer's address as [`axum::extract::ConnectInfo`] wrong tokens are counted per peer.
pub fn router(client: Client, settings: ApiSettings) -> Router {
    let streams = Arc::new(Semaphore::new(settings.streams_max));
    let recognition = Recognition::new(client.tokens());
    let cors = cors(&settings.allowed_origins);
    let service = QueueService::new(&client);
    let api = Api(Arc::new(Inner { client, service, settings, recognition, attempts: Attempts::default(), streams }));

    let guarded = routes()
        .router
        .fallback(async || Problem::new(Refusal::NoRoute, "see /api/openapi.json for those there are"))
        .method_not_allowed_fallback(async |method: Method| {
            let hint = if method == Method::POST { "; jobs of any queue go to /api/jobs/queues/{queue}" } else { "" };
            Problem::new(Refusal::NoMethod, format!("{method} is not for this path; Allow names those that are{hint}"))
        })
        .layer(from_fn_with_state(api.clone(), gate::admit));
    let mut router = guarded.merge(health::router()).with_state(api);
    if let Some(cors) = cors {
        router = router.layer(cors);
    }
    for (name, value) in HEADERS {
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn(record::record))
}

/// Answers are for programs: no browser shall guess at them, keep them, or run anything of them.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Every route, by its resource.
fn routes() -> Routes {
    Routes::default()
        .tagged("enqueue", enqueue::routes())
        .tagged("enqueue", enqueue_many::routes())
        .tagged("queues", stats::routes())
        .tagged("queues", clear::routes())
        .tagged("jobs", bulk::routes())
        .tagged("queues", queues::routes())
        .tagged("queues", events::routes())
        .tagged("jobs", jobs::routes())
        .tagged("dead letters", dead_letters::routes())
        .tagged("schedules", schedules::routes())
        .tagged("batches", batches::routes())
        .tagged("audit", audit::routes())
        .tagged("workers", workers::routes())
        .tagged("workers", breakers::routes())
        .tagged("service", document::routes())
}

/// What browsers are told about pages of these origins.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<_> = origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let sent = ["authorization", "content-type", "idempotency-key", "last-event-id"].map(HeaderName::from_static);
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(sent)
        .expose_headers([header::LOCATION, header::LINK, header::RETRY_AFTER, partly::LEFT_OUT])
        .max_age(Duration::from_secs(600));
    Some(cors)
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref().cloned());
    let problem = Problem::new(Refusal::Panicked, "the log of this service says why");
    problem.hide(format!("a handler panicked: {}", said.unwrap_or_default())).into_response()
}
