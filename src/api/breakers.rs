//! Services that are left alone for a while.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::query::Query;
use super::route::Route;
use super::{Answered, Api};
use crate::{BreakerClosed, BreakerInfo, Error, Scope, span_from_text};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/breakers", "listBreakers", list)
            .does("List the services that have failed of late, and how their breakers stand", "")
            .scope(Scope::Read)
            .answers_list::<BreakerInfo>("The breakers, by their services", &[]),
        Route::post("/api/breakers/open", "openBreaker", open)
            .does(
                "Leave a service alone",
                "Until its breaker is closed, or for a span of time; jobs that need it wait and use no attempts.",
            )
            .scope(Scope::Admin)
            .takes::<OneService>()
            .takes::<SpanQuery>()
            .answers::<BreakerInfo>("How the breaker stands"),
        Route::post("/api/breakers/close", "closeBreaker", close)
            .does("Let jobs use a service again, and forget its failures", "")
            .scope(Scope::Admin)
            .takes::<OneService>()
            .may_miss()
            .answers::<BreakerClosed>("Whether it was open"),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OneService {
    /// The service, as the list names it: smtp://mail.example.com:587
    dependency: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SpanQuery {
    /// Try it again after this span, such as 2h
    #[serde(rename = "for")]
    span: Option<String>,
}

async fn list(State(api): State<Api>) -> Answered<Vec<BreakerInfo>> {
    Ok(Json(api.client.breakers().list().await?))
}

async fn open(
    State(api): State<Api>,
    Query(OneService { dependency }): Query<OneService>,
    Query(SpanQuery { span }): Query<SpanQuery>,
) -> Answered<BreakerInfo> {
    let span = span.map(|text| span_from_text(&text)).transpose().map_err(|error| error.about("for"))?;
    if span.is_some_and(|span| span.is_zero()) {
        return Err(Error::invalid("it must be longer than zero").about("for").into());
    }
    Ok(Json(api.client.breakers().open(&dependency, span).await?))
}

async fn close(State(api): State<Api>, Query(OneService { dependency }): Query<OneService>) -> Answered<BreakerClosed> {
    Ok(Json(api.client.breakers().close(&dependency).await?))
}
