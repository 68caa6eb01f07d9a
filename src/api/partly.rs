//! An answer that may leave out what nodes of a cluster have that are away.

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::Client;

/// The header that names what is left out: queues, and partitions of queues, as `q:3/8`.
pub(super) const LEFT_OUT: HeaderName = HeaderName::from_static("ireva-unreached");

/// A value, and the client that was asked for it, which knows what it has left out.
pub(super) struct Partly<T>(pub T, pub Client);

impl<T: Serialize> IntoResponse for Partly<T> {
    fn into_response(self) -> Response {
        let Self(value, client) = self;
        let mut response = Json(value).into_response();
        let mut names = Vec::new();
        for unreached in client.unreached() {
            for (queue, partitions) in &unreached.left_out.queues {
                let of_partitions = partitions.iter().map(|partition| format!("{queue}:{partition}"));
                names.extend(partitions.is_empty().then(|| queue.to_string()).into_iter().chain(of_partitions));
            }
            names.extend(unreached.left_out.list.then(|| "*".to_owned()));
        }
        if let Some(names) = HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty()) {
            response.headers_mut().insert(LEFT_OUT, names);
        }
        response
    }
}
