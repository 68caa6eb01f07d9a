//! A POST and what its answer means, for every processor that makes requests.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, Url, redirect};
use sha2::Sha256;

use crate::builtin::answer::Bounded;
use crate::builtin::classify;
use crate::clock::local_now;
use crate::error::{Error, ErrorKind, Result};
use crate::processor::{JobContext, ProcessError};
use crate::retry::ErrorClass;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of the answer to a failed request goes into the error message.
const EXCERPT_MAX_BYTES: usize = 300;

/// Where a request goes. Shown without what may be secret: scheme, host and port.
#[derive(Clone)]
pub(super) struct Target {
    pub url: Url,
    shown: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.shown).finish()
    }
}

impl Target {
    /// The service that it is, to a breaker: scheme, host and port.
    pub fn dependency(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The target at `url`.
    ///
    /// # Errors
    /// `Invalid` when it is no `http://` or `https://` URL.
    pub fn parse(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|error| Error::invalid(format!("URL to post to is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::invalid(format!("URL to post to must be http:// or https://, not {}://", url.scheme())));
        }
        // The path may be a secret too, as with most chat hooks.
        let shown = format!("{}{}", url.origin().ascii_serialization(), if url.path() == "/" { "/" } else { "/…" });
        Ok(Self { url, shown })
    }
}

/// What every client has in common: it goes where it is told and nowhere else, and tries once.
pub(super) fn client_builder() -> ClientBuilder {
    // One provider for the process; where there is one already, it stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("ireva-queue/", env!("CARGO_PKG_VERSION")))
}

/// A client that shares its connections.
///
/// # Errors
/// `Config` when the system's certificates cannot be used.
pub(super) fn client() -> Result<Client> {
    client_builder().build().map_err(no_client)
}

/// Why there is no client.
pub(super) fn no_client(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Config, format!("HTTP client cannot be set up: {error}")).with_source(error)
}

/// A request to make.
pub(super) struct Post {
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// How much of the answer is read; 0 where it is of no use.
    pub answer_max_bytes: usize,
    /// Whether an error quotes what the target said. Not where the target is of the payload's choice.
    pub quotes: bool,
    /// What a status means; the second argument is whether the answer said when to come again.
    pub classify: fn(u16, bool) -> Option<(ErrorClass, &'static str)>,
    /// How long it may take from connecting to the last byte of the answer.
    pub limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub body: Bounded,
    pub error: Option<ProcessError>,
}

impl Post {
    /// Signs the body.
    pub fn signed(mut self, key: Option<&[u8]>) -> Self {
        let signature = key.map(|key| signature(key, local_now().timestamp(), &self.body));
        self.headers.extend(signature.map(|signature| ("Ireva-Signature", signature)));
        self
    }

    /// Makes the request, once.
    pub async fn send(self, client: &Client, target: &Target) -> Result<Answer, ProcessError> {
        let limit = self.limit;
        tokio::time::timeout(limit, self.exchange(client, target)).await.unwrap_or_else(|_| {
            let limit = crate::clock::span_text(limit);
            let error = ProcessError::transient("timeout", format!("{target} gave no whole answer within {limit}"));
            Err(error.blame(target.dependency()))
        })
    }

    async fn exchange(self, client: &Client, target: &Target) -> Result<Answer, ProcessError> {
        let failed = |error: reqwest::Error| {
            let (class, code) = classify::http(&error);
            let causes = causes(&error.without_url());
            ProcessError::new(class, code, format!("request to {target} failed: {causes}")).blame(target.dependency())
        };
        let mut post = client.post(target.url.clone()).header(CONTENT_TYPE, self.content_type);
        for (name, value) in &self.headers {
            post = post.header(*name, value);
        }
        let mut response = post.body(self.body).send().await.map_err(failed)?;
        let (status, wait) = (response.status(), retry_after(response.headers(), local_now()));
        let body = match self.answer_max_bytes {
            // Nobody wants it, so what becomes of it must not make a failure of a success.
            0 => Bounded::new(0),
            most => read(&mut response, most).await.map_err(failed)?,
        };
        let error = (self.classify)(status.as_u16(), wait.is_some()).map(|(class, code)| {
            let excerpt = if self.quotes { excerpt(&body.bytes) } else { String::new() };
            let error = ProcessError::new(class, code, format!("{target} answered {status}{excerpt}"));
            let error = match status.as_u16() {
                // The service is there, and the request is at fault.
                _ if class == ErrorClass::Permanent => error.answered_by(target.dependency()),
                502..=504 if class == ErrorClass::Transient => error.blame(target.dependency()),
                _ if code == "http_auth" => error.blame(target.dependency()),
                // A 500 may be this one request's doing.
                _ => error,
            };
            wait.into_iter().fold(error, ProcessError::retry_after)
        });
        Ok(Answer { body, error })
    }
}

/// Whether anything answers at the host of a target; any status will do.
pub(super) async fn reach(client: &Client, target: &Target, limit: Duration) -> Result<String, ProcessError> {
    let mut origin = target.url.clone();
    origin.set_path("/");
    origin.set_query(None);
    // Only where a URL cannot have a login at all are these refused.
    let _ = origin.set_username("");
    let _ = origin.set_password(None);
    let place = origin.origin().ascii_serialization();
    match tokio::time::timeout(limit, client.head(origin).send()).await {
        Ok(Ok(_)) => Ok(format!("{place} answers")),
        Ok(Err(error)) => {
            let (class, code) = classify::http(&error);
            Err(ProcessError::new(class, code, format!("{place}: {}", causes(&error.without_url()))))
        }
        Err(_) => {
            let limit = crate::clock::span_text(limit);
            Err(ProcessError::transient("timeout", format!("{place} did not answer within {limit}")))
        }
    }
}

/// What a target is told about the job.
pub(super) fn job_headers(ctx: &JobContext) -> Vec<(&'static str, String)> {
    vec![
        ("Ireva-Job-Id", ctx.job_id().to_string()),
        ("Idempotency-Key", ctx.job_id().to_string()),
        ("Ireva-Queue", ctx.queue().to_string()),
        ("Ireva-Attempt", ctx.attempt().to_string()),
    ]
}

/// The time for a request: the settings' own, or less where the attempt has less.
pub(super) fn limit(timeout: Duration, deadline: Option<Instant>) -> Duration {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.map_or(timeout, |left| left.min(timeout))
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
            assert!(Target::parse(url).is_err(), "{url}");
        }
        let target = Target::parse("https://user:secret@host:8443/hook/secret?token=secret").unwrap();
        assert_eq!(target.to_string(), "https://host:8443/…");
        assert!(!format!("{target:?}").contains("secret"));
    }
}
