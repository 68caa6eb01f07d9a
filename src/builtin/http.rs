//! Runs each job as a POST of its payload: the status of the answer says how it ended.

use std::fmt;
use std::time::Duration;

use reqwest::Client;
use serde_json::value::RawValue;

use crate::builtin::answer::{self, BATCH_ANSWER_MAX_BYTES, RESULT_MAX_BYTES};
use crate::builtin::classify;
use crate::builtin::post::{self, Answer, Post, Target};
use crate::error::Result;
use crate::processor::{BatchJob, BatchProcessor, JobContext, Outcome, ProcessError, Processor};

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

/// Whether anything answers where `url` leads: a HEAD request to its host, without its path and its login, so that no
/// hook is set off. What it found there.
///
/// # Errors
/// As a job would get it, or `timeout` after `limit`.
pub async fn probe(url: &str, limit: Duration) -> Result<String, ProcessError> {
    let invalid = |error: crate::Error| ProcessError::transient("url_invalid", error.to_string());
    let target = Target::parse(url).map_err(invalid)?;
    post::reach(&post::client().map_err(invalid)?, &target, limit).await
}

/// The connection pool, the address and the key.
struct Endpoint {
    client: Client,
    target: Target,
    signing_key: Option<Vec<u8>>,
    timeout: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Endpoint {
    fn new(settings: HttpSettings) -> Result<Self> {
        let HttpSettings { url, signing_key, timeout } = settings;
        Ok(Self { target: Target::parse(&url)?, client: post::client()?, signing_key, timeout })
    }

    /// Posts, signed where there is a key.
    async fn send(&self, post: Post) -> Result<Answer, ProcessError> {
        post.signed(self.signing_key.as_deref()).send(&self.client, &self.target).await
    }
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

    fn dependency(&self) -> Option<String> {
        Some(self.0.target.dependency())
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let post = Post {
            content_type: "application/json",
            headers: post::job_headers(ctx),
            body: payload.get().as_bytes().to_vec(),
            answer_max_bytes: RESULT_MAX_BYTES,
            quotes: true,
            classify: classify::http_status,
            limit: post::limit(self.0.timeout, ctx.deadline()),
        };
        let answer = self.0.send(post).await?;
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

    fn dependency(&self) -> Option<String> {
        Some(self.0.target.dependency())
    }

    async fn process_batch(&self, jobs: Vec<BatchJob<Self::Payload>>) -> Vec<Result<Outcome, ProcessError>> {
        let Some(first) = jobs.first() else { return Vec::new() };
        let post = Post {
            content_type: "application/x-ndjson",
            headers: vec![("Ireva-Queue", first.ctx.queue().to_string()), ("Ireva-Batch-Size", jobs.len().to_string())],
            body: answer::questions(&jobs),
            answer_max_bytes: BATCH_ANSWER_MAX_BYTES,
            quotes: true,
            classify: classify::http_status,
            limit: post::limit(self.0.timeout, jobs.iter().filter_map(|job| job.ctx.deadline()).min()),
        };
        let failed = match self.0.send(post).await {
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

    #[test]
    fn only_http_urls_are_taken_and_their_secrets_are_not_shown() {
        for url in ["", "ftp://host/", "file:///etc/passwd", "localhost:80", "http://"] {
            assert!(HttpProcessor::new(HttpSettings::new(url)).is_err(), "{url}");
        }
        let url = "https://user:secret@host:8443/hook/secret?token=secret";
        let processor = HttpProcessor::new(HttpSettings::new(url)).unwrap();
        assert!(!format!("{processor:?}").contains("secret"));
    }
}
