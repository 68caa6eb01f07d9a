//! The body of a request: bounded in length and time, and kept as it came.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::problem::{Problem, Refusal};
use crate::Error;
use crate::job::PAYLOAD_MAX_BYTES;

/// A payload at its limit, with options or white space around it.
pub(super) const BODY_MAX_BYTES: usize = PAYLOAD_MAX_BYTES + 64 * 1024;
/// A body takes no longer than this.
const LIMIT: Duration = Duration::from_secs(20);
/// Of a body that is too long so much is still taken, so that the caller stops sending and reads why.
const DRAINED_MAX_BYTES: usize = 32 * 1024 * 1024;
const DRAINING: Duration = Duration::from_secs(5);

/// JSON text, byte for byte but for white space around it; whether it is JSON is for its reader to say.
pub(super) struct JsonText(pub String);

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Problem::new(Refusal::NotJson, "send the header 'Content-Type: application/json'"));
        }
        let length: Option<u64> =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let bytes = match length {
            // Who asks before sending is told at once.
            Some(length) if length > BODY_MAX_BYTES as u64 && parts.headers.contains_key(header::EXPECT) => {
                return Err(too_large());
            }
            Some(length) if length > BODY_MAX_BYTES as u64 => Err(body.into_data_stream()),
            _ => read(body).await?,
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(rest) => {
                drain(rest).await;
                return Err(too_large());
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| Error::invalid("the body is not UTF-8"))?;
        let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
        Ok(Self(if trimmed.len() == text.len() { text } else { trimmed.to_owned() }))
    }
}

/// JSON, also in one of its dialects such as `application/merge-patch+json`. Forms of pages cannot send it.
fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The whole body, or what is left of one that is too long.
async fn read(body: Body) -> Result<Result<Vec<u8>, BodyDataStream>, Problem> {
    let (mut stream, until) = (body.into_data_stream(), Instant::now() + LIMIT);
    let mut bytes = Vec::new();
    loop {
        let slow = |_| Problem::new(Refusal::SlowBody, format!("it must be here within {} s", LIMIT.as_secs()));
        let Some(part) = timeout_at(until, stream.next()).await.map_err(slow)? else { return Ok(Ok(bytes)) };
        let part = part.map_err(|_| Error::invalid("the body ended before its end"))?;
        if bytes.len() + part.len() > BODY_MAX_BYTES {
            return Ok(Err(stream));
        }
        bytes.extend_from_slice(&part);
    }
}

async fn drain(mut rest: BodyDataStream) {
    let until = Instant::now() + DRAINING;
    let mut drained = 0;
    while let Ok(Some(Ok(part))) = timeout_at(until, rest.next()).await {
        drained += part.len();
        if drained > DRAINED_MAX_BYTES {
            break;
        }
    }
}

fn too_large() -> Problem {
    Problem::new(Refusal::TooLarge, format!("a payload has at most {PAYLOAD_MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_by_many_names() {
        let declared = |kind: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            is_json(&headers)
        };
        let good = ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"];
        assert!(good.into_iter().all(declared));
        let bad = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "text/plain; application/json",
            "application/jsonx",
            "",
        ];
        assert!(!bad.into_iter().any(declared) && !is_json(&HeaderMap::new()));
    }
}
