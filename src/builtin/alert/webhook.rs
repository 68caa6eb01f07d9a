//! Alerts as a POST of JSON, signed as the http processor signs.

use std::fmt;
use std::time::Duration;

use reqwest::Client;

use super::not_taken;
use crate::alert::{AlertNotice, AlertSink, Telling};
use crate::builtin::classify;
use crate::builtin::post::{self, Post, Target};
use crate::error::{Error, Result};

const LIMIT: Duration = Duration::from_secs(10);

/// Posts each notice whole, with `Ireva-Alert-Id` and `Idempotency-Key` (the same where it comes again) and, with a key,
/// `Ireva-Signature` as [`HttpProcessor`](crate::builtin::http::HttpProcessor) has it. 2xx is taken.
pub struct WebhookSink {
    client: Client,
    target: Target,
    signing_key: Option<Vec<u8>>,
}

impl WebhookSink {
    /// A sink that posts to `url`, the whole of which is a secret.
    ///
    /// # Errors
    /// `Invalid` when it is no URL of http or https; `Config` when the system's certificates cannot be used.
    pub fn new(url: &str, signing_key: Option<Vec<u8>>) -> Result<Self> {
        Ok(Self { client: post::client()?, target: Target::parse(url)?, signing_key })
    }
}

impl fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSink").field("target", &self.target).finish_non_exhaustive()
    }
}

impl AlertSink for WebhookSink {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
        Box::pin(async move {
            let body = serde_json::to_vec(&Whole { state: notice.state(), title: notice.headline(), notice })
                .map_err(|error| Error::internal(format!("alert: {error}")))?;
            let id = notice.id.to_string();
            let headers = vec![("Ireva-Alert-Id", id.clone()), ("Idempotency-Key", id)];
            send(&self.client, &self.target, headers, body, self.signing_key.as_deref()).await
        })
    }
}

/// What is posted: the notice, with what it comes to.
#[derive(serde::Serialize)]
struct Whole<'a> {
    state: &'static str,
    title: String,
    #[serde(flatten)]
    notice: &'a AlertNotice,
}

/// Posts JSON to where somebody is told.
pub(super) async fn send(
    client: &Client,
    target: &Target,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    signing_key: Option<&[u8]>,
) -> Result<String> {
    let post = Post {
        content_type: "application/json",
        headers,
        body,
        answer_max_bytes: 1_024,
        quotes: true,
        classify: classify::http_status,
        limit: LIMIT,
    };
    let answer = post.signed(signing_key).send(client, target).await.map_err(|error| not_taken(&error))?;
    match answer.error {
        None => Ok(format!("{target} took it")),
        Some(error) => Err(not_taken(&error)),
    }
}
