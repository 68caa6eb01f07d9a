//! One line in the log for each request.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;

use super::gate::Caller;
use super::problem::Hidden;

/// Logs a request once it is answered: without its query and its body, which may hold what is nobody's business.
pub(super) async fn record(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let millis = began.elapsed().as_millis();
    let token = response.extensions().get::<Caller>().map_or("-", Caller::name);
    let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    match response.extensions().get::<Hidden>() {
        Some(Hidden(error)) => tracing::warn!(%method, path, status, millis, peer, token, error, "request"),
        None => tracing::info!(%method, path, status, millis, peer, token, "request"),
    }
    response
}
