//! What went wrong, as every route answers it: one JSON shape (RFC 9457), and the one table from cause to status.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, ErrorKind, FieldProblem};

const MEDIA_TYPE: &str = "application/problem+json";
/// What the type of a problem begins with.
const TYPE: &str = "urn:ireva-queue:problem:";

/// Why a request was not done as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of trouble it is, to decide by: `urn:ireva-queue:problem:` and a word
    #[serde(rename = "type")]
    #[schema(example = "urn:ireva-queue:problem:invalid")]
    kind: String,
    /// The same in words that do not change from case to case
    title: &'static str,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong here, and what to do about it
    detail: String,
    /// What is wrong with which field, parameter or header
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    #[schema(ignore)]
    aside: Box<Aside>,
}

/// What goes with a problem beside its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Aside {
    /// For the log alone.
    hidden: Option<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What the log says about a failed request beside its status.
#[derive(Debug, Clone)]
pub(super) struct Hidden(pub String);

/// Why a request is refused before any call of the library, or outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A token is needed, and none was sent.
    NoToken,
    /// The token is not (or no longer) one of ours.
    WrongToken,
    /// The token has not the scope.
    Scope,
    /// A browser sent it from a page of another place.
    ForeignOrigin,
    /// It was sent to a name that is not ours.
    ForeignHost,
    /// Too many wrong tokens came from there.
    TooManyAttempts,
    /// Too many event streams are open.
    TooManyStreams,
    /// There is no such path.
    NoRoute,
    /// The path is there, the method is not.
    NoMethod,
    /// The body is not declared as JSON.
    NotJson,
    /// The body is too long.
    TooLarge,
    /// The body came too slowly.
    SlowBody,
    /// The answer took too long.
    TimeUp,
    /// A defect of this crate.
    Panicked,
}

/// Status, word and title.
type Facts = (StatusCode, &'static str, &'static str);

/// The table for errors of the library.
fn facts_of_kind(kind: ErrorKind) -> Facts {
    use ErrorKind as K;
    match kind {
        K::Invalid => (StatusCode::BAD_REQUEST, "invalid", "a value of the request is not valid"),
        K::NotFound => (StatusCode::NOT_FOUND, "not-found", "there is no such thing"),
        K::Refused => (StatusCode::CONFLICT, "refused", "its state does not allow it"),
        K::Full => (StatusCode::TOO_MANY_REQUESTS, "full", "the queue is full"),
        K::NotNow | K::Moved => (StatusCode::SERVICE_UNAVAILABLE, "not-now", "not now: repeat it later"),
        K::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, "unreachable", "a service behind this one is away"),
        K::OutcomeUnknown => (StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", "it may or may not have been done"),
        K::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout", "time is up"),
        K::AccessDenied | K::Config | K::LeaseLost | K::Corrupt | K::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this service is not in order")
        }
    }
}

/// The table for everything else.
fn facts_of_refusal(refusal: Refusal) -> Facts {
    use Refusal as R;
    match refusal {
        R::NoToken => (StatusCode::UNAUTHORIZED, "no-token", "a token is needed"),
        R::WrongToken => (StatusCode::UNAUTHORIZED, "wrong-token", "the token is not valid"),
        R::Scope => (StatusCode::FORBIDDEN, "scope", "the token is not for this"),
        R::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign-origin", "pages of other places may not ask"),
        R::ForeignHost => (StatusCode::FORBIDDEN, "foreign-host", "this service is not known under that name"),
        R::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "too many wrong tokens"),
        R::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "too many event streams are open"),
        R::NoRoute => (StatusCode::NOT_FOUND, "no-route", "there is no such path"),
        R::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "no-method", "the path takes no such method"),
        R::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "the body must be JSON"),
        R::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too long"),
        R::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow-body", "the body came too slowly"),
        R::TimeUp => (StatusCode::GATEWAY_TIMEOUT, "timeout", "time is up"),
        R::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this service is not in order"),
    }
}

/// What callers are told where the error itself is about what stands behind this service.
fn public_detail(kind: ErrorKind) -> Option<&'static str> {
    use ErrorKind as K;
    match kind {
        K::Invalid | K::NotFound | K::Refused | K::Full | K::Timeout => None,
        K::NotNow | K::Moved => Some("the store behind the queue does not take this now: repeat it later"),
        K::Unreachable => Some("the store behind the queue cannot be reached: repeat it later"),
        K::OutcomeUnknown => Some(
            "no answer came from the store behind the queue: repeat it, where a job is handed over \
                                   under the same id",
        ),
        K::AccessDenied | K::Config | K::LeaseLost | K::Corrupt | K::Internal => {
            Some("the log of this service says why")
        }
    }
}

impl Problem {
    fn of_facts((status, word, title): Facts, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPE}{word}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            aside: Box::default(),
        }
    }

    /// A refusal that says `detail`.
    pub(super) fn new(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self::of_facts(facts_of_refusal(refusal), detail)
    }

    /// An invalid value of a parameter, header or field.
    pub(super) fn of_field(field: &str, message: impl Into<String>) -> Self {
        Error::invalid_fields(vec![FieldProblem::new(field, message)]).into()
    }

    /// The same with something said first that may be shown.
    pub(super) fn prefixed(mut self, text: &str) -> Self {
        self.detail = format!("{text}{}", self.detail);
        self
    }

    /// The same with something for the log alone.
    pub(super) fn hide(mut self, text: String) -> Self {
        self.aside.hidden = Some(text);
        self
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.aside.header = Some((name, value));
        self
    }

    /// The same, saying when to come again.
    pub(super) fn retry_after(self, secs: u64) -> Self {
        self.header(header::RETRY_AFTER, secs.into())
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let public = public_detail(kind);
        let detail = public.map_or_else(|| error.to_string(), str::to_owned);
        let mut problem = Self::of_facts(facts_of_kind(kind), detail);
        problem.errors = error.fields().to_vec();
        problem.aside.hidden = public.map(|_| error.to_string());
        if error.is_transient() { problem.retry_after(1) } else { problem }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let Aside { hidden, header } = std::mem::take(&mut *self.aside);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        if let Some(hidden) = hidden {
            response.extensions_mut().insert(Hidden(hidden));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_status_and_tells_nothing_of_what_stands_behind() {
        let table = [
            (ErrorKind::Invalid, 400, true),
            (ErrorKind::NotFound, 404, true),
            (ErrorKind::Refused, 409, true),
            (ErrorKind::Full, 429, true),
            (ErrorKind::NotNow, 503, false),
            (ErrorKind::Moved, 503, false),
            (ErrorKind::Unreachable, 503, false),
            (ErrorKind::OutcomeUnknown, 504, false),
            (ErrorKind::Timeout, 504, true),
            (ErrorKind::AccessDenied, 500, false),
            (ErrorKind::Config, 500, false),
            (ErrorKind::LeaseLost, 500, false),
            (ErrorKind::Corrupt, 500, false),
            (ErrorKind::Internal, 500, false),
        ];
        for (kind, status, told) in table {
            let problem = Problem::from(Error::new(kind, "redis at 10.0.0.1:6379 hush"));
            assert_eq!((problem.status, problem.detail.contains("10.0.0.1")), (status, told), "{kind:?}");
            assert_eq!(problem.aside.hidden.is_some(), !told, "{kind:?}");
        }
    }

    #[test]
    fn fields_are_named_one_by_one() {
        let fields = vec![FieldProblem::new("to", "is missing"), FieldProblem::new("limit", "is not a number")];
        let problem = serde_json::to_value(Problem::from(Error::invalid_fields(fields))).unwrap();
        let wanted = serde_json::json!({
            "type": "urn:ireva-queue:problem:invalid",
            "title": "a value of the request is not valid",
            "status": 400,
            "detail": "to is missing; limit is not a number",
            "errors": [{"field": "to", "message": "is missing"}, {"field": "limit", "message": "is not a number"}],
        });
        assert_eq!(problem, wanted);
    }
}
