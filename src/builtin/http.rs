//! Runs each job as a POST of its payload: the status of the answer says how it ended.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use serde_json::value::RawValue;
use sha2::Sha256;

use crate::builtin::answer::{self, BATCH_ANSWER_MAX_BYTES, Bounded, RESULT_MAX_BYTES};
use crate::builtin::classify;
use crate::clock::local_now;
use crate::error::{Error, ErrorKind, Result};
use crate::processor::{BatchJob, BatchProcessor, JobContext, Outcome, ProcessError, Processor};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of the answer to a failed request goes into the error message.
const EXCERPT_MAX_BYTES: usize = 300;

/// Where to, signed with what, in which time.
#[derive(Clone)]
pub struct HttpSettings {
    /// An `http://` or `https://` URL; a user and a password in it become basic authentication.
    pub url: String,
    /// The key that signs each request; unsigned without one.
    pub signing_key: Option<Vec<u8>>,
    /// The longest that a whole request may take; the job's own timeout may end it sooner.
    pub timeout: Duration,
}

impl HttpSettings {
    /// Unsigned requests to `url`, of 30 s at most.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), signing_key: None, timeout: Duration::from_secs(30) }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings").field("signed", &self.signing_key.is_some()).finish_non_exhaustive()
    }
}

/// The connection pool, the address and the key.
struct Endpoint {
    client: Client,
    url: Url,
    /// The URL without what may be secret: scheme, host, port and path.
    shown: String,
    signing_key: Option<Vec<u8>>,
    timeout: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.shown).finish_non_exhaustive()
    }
}

/// What came back.
struct Answer {
    body: Bounded,
    error: Option<ProcessError>,
}

impl Endpoint {
    fn new(settings: HttpSettings) -> Result<Self> {
        let HttpSettings { url, signing_key, timeout } = settings;
        let url = Url::parse(&url).map_err(|error| Error::invalid(format!("URL to post to is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::invalid(format!("URL to post to must be http:// or https://, not {}://", url.scheme())));
        }
        // The path may be a secret too, as with most chat hooks.
        let shown = format!("{}{}", url.origin().ascii_serialization(), if url.path() == "/" { "/" } else { "/…" });
        // One provider for the process; where there is one already, it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("ireva-queue/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Config, format!("HTTP client cannot be set up: {error}")).with_source(error)
            })?;
        Ok(Self { client, url, shown, signing_key, timeout })
    }

    /// One request from connecting to the last byte of the answer, within the timeout.
    async fn post(&self, request: Request) -> Result<Answer, ProcessError> {
        let left = request.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map_or(self.timeout, |left| left.min(self.timeout));
        tokio::time::timeout(limit, self.exchange(request)).await.unwrap_or_else(|_| {
            let limit = crate::clock::span_text(limit);
            Err(ProcessError::transient("timeout", format!("{} gave no whole answer within {limit}", self.shown)))
        })
    }

    async fn exchange(&self, request: Request) -> Result<Answer, ProcessError> {
        let failed = |error: reqwest::Error| {
            let (class, code) = classify::http(&error);
            let causes = causes(&error.without_url());
            ProcessError::new(class, code, format!("request to {} failed: {causes}", self.shown))
        };
        let mut post = self.client.post(self.url.clone()).header(CONTENT_TYPE, request.content_type);
        for (name, value) in &request.headers {
            post = post.header(*name, value);
        }
        if let Some(key) = &self.signing_key {
            post = post.header("Ireva-Signature", signature(key, local_now().timestamp(), &request.body));
        }
        let mut response = post.body(request.body).send().await.map_err(failed)?;
        let (status, wait) = (response.status(), retry_after(response.headers(), local_now()));
        let body = read(&mut response, request.answer_max_bytes).await.map_err(failed)?;
        let error = classify::http_status(status.as_u16(), wait.is_some()).map(|(class, code)| {
            let excerpt = excerpt(&body.bytes);
            let error = ProcessError::new(class, code, format!("{} answered {status}{excerpt}", self.shown));
            wait.into_iter().fold(error, ProcessError::retry_after)
        });
        Ok(Answer { body, error })
    }
}

struct Request {
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    answer_max_bytes: usize,
    deadline: Option<Instant>,
}

/// The body up to its bound; what comes after it is left unread.
async fn read(response: &mut Response, max_bytes: usize) -> reqwest::Result<Bounded> {
    let mut body = Bounded::new(max_bytes);
    while !body.is_full()
        && let Some(chunk) = response.chunk().await?
    {
        body.push(&chunk);
    }
    Ok(body)
}

/// `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.
fn signature(key: &[u8], at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={digest}")
}

/// `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    Some((at.to_utc() - now).to_std().unwrap_or_default())
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_MAX_BYTES)]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// An error with everything that caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Posts each payload to an endpoint.
///
/// The body is the payload byte for byte, `application/json`. Headers: `Ireva-Job-Id` and `Idempotency-Key` (the job's
/// id, the same at every attempt), `Ireva-Queue`, `Ireva-Attempt`, and with a key
/// `Ireva-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. A status of 2xx is success and the body, up to
/// 1 MiB, the result; 408, 425, 429 and 5xx are tried again, a `Retry-After` is obeyed, every other status is permanent.
/// Redirects are not followed and no proxy is used.
#[derive(Debug)]
pub struct HttpProcessor(Endpoint);

impl HttpProcessor {
    /// A processor that posts to `settings.url`.
    ///
    /// # Errors
    /// `Invalid` when the URL is not one of http or https; `Config` when the system's certificates cannot be used.
    pub fn new(settings: HttpSettings) -> Result<Self> {
        Endpoint::new(settings).map(Self)
    }
}

impl Processor for HttpProcessor {
    type Payload = Box<RawValue>;

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let request = Request {
            content_type: "application/json",
            headers: vec![
                ("Ireva-Job-Id", ctx.job_id().to_string()),
                ("Idempotency-Key", ctx.job_id().to_string()),
                ("Ireva-Queue", ctx.queue().to_string()),
                ("Ireva-Attempt", ctx.attempt().to_string()),
            ],
            body: payload.get().as_bytes().to_vec(),
            answer_max_bytes: RESULT_MAX_BYTES,
            deadline: ctx.deadline(),
        };
        let answer = self.0.post(request).await?;
        if answer.body.is_full() {
            ctx.log(format!("answer was cut at {RESULT_MAX_BYTES} bytes"));
        }
        match answer.error {
            None => Ok(answer::outcome(&answer.body)),
            Some(error) => Err(error),
        }
    }
}

/// Posts many payloads in one request.
///
/// The body is NDJSON (`application/x-ndjson`), one `{"id","attempt","payload"}` a line; the answer to it, with a status
/// of 2xx, has one `{"id":…,"ok":true}` or `{"id":…,"error":"why","class":"transient"}` a line, in any order, as with
/// [`HttpProcessor`] and the lines of an exec batch. A job without an answer failed transiently (`no_answer`). Headers:
/// `Ireva-Queue`, `Ireva-Batch-Size`, `Ireva-Signature`.
#[derive(Debug)]
pub struct HttpBatch(Endpoint);

impl HttpBatch {
    /// A batch processor that posts to `settings.url`.
    ///
    /// # Errors
    /// As [`HttpProcessor::new`].
    pub fn new(settings: HttpSettings) -> Result<Self> {
        Endpoint::new(settings).map(Self)
    }
}

impl BatchProcessor for HttpBatch {
    type Payload = Box<RawValue>;

    async fn process_batch(&self, jobs: Vec<BatchJob<Self::Payload>>) -> Vec<Result<Outcome, ProcessError>> {
        let Some(first) = jobs.first() else { return Vec::new() };
        let request = Request {
            content_type: "application/x-ndjson",
            headers: vec![("Ireva-Queue", first.ctx.queue().to_string()), ("Ireva-Batch-Size", jobs.len().to_string())],
            body: answer::questions(&jobs),
            answer_max_bytes: BATCH_ANSWER_MAX_BYTES,
            deadline: jobs.iter().filter_map(|job| job.ctx.deadline()).min(),
        };
        let failed = match self.0.post(request).await {
            Ok(Answer { body, error: None }) => {
                let why = format!("the endpoint gave no answer for this job: {}", answer::ANSWERS);
                let missing = || ProcessError::transient("no_answer", why.clone());
                let stray = |line: &str| jobs.iter().for_each(|job| job.ctx.log(format!("not an answer: {line}")));
                return answer::answers(&jobs, &body, missing, stray);
            }
            Ok(Answer { error: Some(error), .. }) | Err(error) => error,
        };
        jobs.iter().map(|_| Err(failed.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_signature_covers_time_and_body() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let expected = "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(signature(b"key", 1_700_000_000, br#"{"a":1}"#), expected);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let table = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ];
        for (value, seconds) in table {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_http_urls_are_taken_and_their_secrets_are_not_shown() {
        for url in ["", "ftp://host/", "file:///etc/passwd", "localhost:80", "http://"] {
            assert!(HttpProcessor::new(HttpSettings::new(url)).is_err(), "{url}");
        }
        let endpoint =
            Endpoint::new(HttpSettings::new("https://user:secret@host:8443/hook/secret?token=secret")).unwrap();
        assert_eq!(endpoint.shown, "https://host:8443/…");
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
