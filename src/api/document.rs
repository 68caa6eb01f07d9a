//! The OpenAPI document: made from the routes themselves.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder, Tag};
use utoipa::{PartialSchema, ToSchema};

use super::health::Health;
use super::payload;
use super::problem::Problem;
use super::route::{Route, Routes, TOKEN, problems};

const DESCRIPTION: &str = "Hands jobs to the queues of ireva-queue, and looks after them. Every value is the one that the \
command line prints with -o json. Errors are problems (RFC 9457): decide by type, read detail, and errors names fields. A \
job that is handed over under an Idempotency-Key is added once, however often it is sent. On loopback no token is needed \
as long as none exists; scopes are enqueue, read and admin, which covers the others.";

/// The document as JSON text: what `GET /api/openapi.json` serves.
pub fn document() -> String {
    let mut document = serde_json::to_value(document_of(super::routes())).unwrap_or_default();
    payload::add_to(&mut document);
    // The same text whichever features are built.
    document.sort_all_objects();
    format!("{document:#}\n")
}

pub(super) fn routes() -> Vec<Route> {
    let document = Route::get("/api/openapi.json", "document", serve).does("Show this document", "").answer(
        "200",
        "An OpenAPI document",
        "application/json",
        ObjectBuilder::new().build().into(),
        &[],
    );
    vec![document]
}

async fn serve() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(document);
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

fn document_of(routes: Routes) -> OpenApi {
    let Routes { mut paths, mut schemas, .. } = routes;
    for (path, id, summary) in [
        ("/healthz", "health", "Whether this service is up"),
        ("/readyz", "ready", "Whether Redis answers within a second"),
    ] {
        paths.add_path_operation(path, vec![HttpMethod::Get], probe(id, summary));
    }
    schemas.push((Health::name().into_owned(), Health::schema()));
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("A token of 'ireva-queue token create'")).build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(problems())
        .security_scheme(TOKEN, SecurityScheme::Http(bearer))
        .build();
    let info = InfoBuilder::new()
        .title("ireva-queue")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).identifier(Some(env!("CARGO_PKG_LICENSE"))).build(),
        ))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).tags(Some(tags())).build()
}

fn tags() -> Vec<Tag> {
    let tags = [
        ("enqueue", "Hand over jobs"),
        ("jobs", "Single jobs"),
        ("queues", "Queues, their state and their settings"),
        ("dead letters", "What failed for good"),
        ("schedules", "Jobs that are enqueued again and again"),
        ("batches", "Jobs that are counted together"),
        ("audit", "Who did what to jobs, and taking it back"),
        ("workers", "Who takes jobs, and the services that they need"),
        ("service", "This service itself"),
    ];
    tags.map(|(name, what)| TagBuilder::new().name(name).description(Some(what)).build()).into()
}

fn probe(id: &str, summary: &str) -> OperationBuilder {
    let content = |name: &str| ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    let ok = ResponseBuilder::new().description("Yes").content("application/json", content("Health")).build();
    let not = ResponseBuilder::new().description("No").content("application/problem+json", content("Problem")).build();
    let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).tag("service");
    operation = operation.securities(Some([])).response("200", ok);
    if id == "ready" { operation.response("503", not.clone()).response("500", not) } else { operation }
}
