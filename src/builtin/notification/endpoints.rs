//! Takes a delivery to the service of its channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::json;

use super::channel::Channel;
use super::message::{self, Message};
use super::payload::Delivery;
use super::settings::{NotificationSettings, PushToken};
use crate::builtin::address::{Allowed, Guard, Pinned, Resolver};
use crate::builtin::classify;
use crate::builtin::post::{self, Post, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::processor::{JobContext, Outcome, ProcessError};

/// Services by channel, and the way to those that recipients name.
pub(super) struct Endpoints {
    sms: Sms,
    push: Push,
    slack: Option<Target>,
    signing_key: Option<Vec<u8>>,
    timeout: Duration,
    /// For the worker's own services.
    client: Client,
    /// For all others: each request has a client of its own, which knows only the addresses that were checked.
    tls: rustls::ClientConfig,
    guard: Guard,
}

struct Sms {
    target: Option<Target>,
    from: Option<String>,
    login: Option<(String, String)>,
}

struct Push {
    target: Option<Target>,
    token: Option<PushToken>,
}

/// Where a message goes.
enum Way<'a> {
    /// To a service of the worker's own.
    Own(&'a Target),
    /// To a URL that came with the job.
    Foreign(&'a str),
}

impl Endpoints {
    /// # Errors
    /// `Config`, naming the variable that is wrong, or when the system's certificates cannot be used.
    pub fn new(settings: &NotificationSettings, resolver: Arc<dyn Resolver>) -> Result<Self> {
        let named = |name: &str, error: Error| Error::new(ErrorKind::Config, format!("{name}: {error}"));
        let target = |name: &str, url: &Option<String>| {
            url.as_deref().map(Target::parse).transpose().map_err(|error| named(name, error))
        };
        let (sms, push) = (&settings.sms, &settings.push);
        let allowed = Allowed::parse(&settings.allow).map_err(|error| named("NOTIFY_ALLOW", error))?;
        let client = post::client()?;
        let verified = rustls::ClientConfig::builder().with_platform_verifier().map_err(post::no_client)?;
        Ok(Self {
            sms: Sms { target: target("SMS_URL", &sms.url)?, from: sms.from.clone(), login: sms.login.clone() },
            push: Push { target: target("PUSH_URL", &push.url)?, token: push.token.clone() },
            slack: target("SLACK_URL", &settings.slack_url)?,
            signing_key: settings.signing_key.clone(),
            timeout: settings.timeout,
            client,
            tls: verified.with_no_client_auth(),
            guard: Guard::new(allowed, resolver),
        })
    }

    /// Makes the one request of a delivery.
    pub async fn send(&self, delivery: &Delivery, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let (way, message) = self.address(delivery).await?;
        if message.is_cut {
            ctx.log("the text was shortened to what the channel takes");
        }
        let is_webhook = delivery.channel == Channel::Webhook;
        let headers = match is_webhook {
            true => post::job_headers(ctx),
            false => vec![("Idempotency-Key", ctx.job_id().to_string())],
        };
        let started = Instant::now();
        let limit = post::limit(self.timeout, ctx.deadline());
        let (client, target) = self.client_of(&way, limit).await?;
        ctx.needs(&target.dependency()).await?;
        let post = Post {
            content_type: message.content_type,
            headers: headers.into_iter().chain(message.headers).collect(),
            body: message.body,
            // What is answered beside the status is of no use.
            answer_max_bytes: 0,
            quotes: false,
            classify: match way {
                Way::Own(_) => classify::own_http_status,
                Way::Foreign(_) => classify::http_status,
            },
            limit: limit.saturating_sub(started.elapsed()),
        };
        let post = post.signed(self.signing_key.as_deref().filter(|_| is_webhook));
        let answer = post.send(&client, &target).await?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        ctx.log(format!("{target} took the message"));
        let result = json!({"channel": delivery.channel.as_str(), "target": target.to_string()});
        Ok(Outcome::with_result(&result).unwrap_or_default())
    }

    /// Where the delivery goes, and what is said there.
    async fn address<'a>(&'a self, delivery: &'a Delivery) -> Result<(Way<'a>, Message), ProcessError> {
        let to = delivery.to.as_deref();
        let (way, message) = match delivery.channel {
            Channel::Sms => {
                let target = self.sms.target.as_ref().ok_or_else(|| not_configured("sms", "SMS_URL"))?;
                let from = self.sms.from.as_deref().ok_or_else(|| not_configured("sms", "SMS_FROM"))?;
                (Way::Own(target), message::sms(delivery, from, self.sms.login.as_ref()))
            }
            Channel::Push => {
                let target = self.push.target.as_ref().ok_or_else(|| not_configured("push", "PUSH_URL"))?;
                let token = self.push.token().await?;
                (Way::Own(target), message::push(delivery, token.as_deref()))
            }
            Channel::Slack => {
                let own = || self.slack.as_ref().map(Way::Own);
                let way = to.map(Way::Foreign).or_else(own);
                let missing = || not_configured("slack", "SLACK_URL (or slackUrl of the recipient)");
                (way.ok_or_else(missing)?, message::slack(delivery))
            }
            Channel::Webhook => (Way::Foreign(to.unwrap_or_default()), message::webhook(delivery)),
            Channel::Email | Channel::InApp => {
                let why = format!("channel {} makes no request", delivery.channel);
                return Err(ProcessError::permanent("payload_invalid", why));
            }
        };
        Ok((way, message))
    }

    /// The client and the target of a way; a foreign one is checked first, and the client goes nowhere else.
    async fn client_of(&self, way: &Way<'_>, limit: Duration) -> Result<(Client, Target), ProcessError> {
        let url = match way {
            Way::Own(target) => return Ok((self.client.clone(), (*target).clone())),
            Way::Foreign(url) => url,
        };
        let cleared = tokio::time::timeout(limit, self.guard.clear(url)).await.unwrap_or_else(|_| {
            let limit = crate::clock::span_text(limit);
            Err(ProcessError::transient("timeout", format!("the host of the URL was not looked up within {limit}")))
        })?;
        let builder = post::client_builder().tls_backend_preconfigured(self.tls.clone());
        let client = builder.dns_resolver(Pinned(cleared.addresses)).build().map_err(|error| {
            let (class, code) = classify::http(&error);
            ProcessError::new(class, code, format!("no request can be made to {}: {error}", cleared.target))
        })?;
        Ok((client, cleared.target))
    }
}

impl Push {
    /// The token as it is now.
    async fn token(&self) -> Result<Option<String>, ProcessError> {
        let path = match &self.token {
            None => return Ok(None),
            Some(PushToken::Fixed(token)) => return Ok(Some(token.clone())),
            Some(PushToken::File(path)) => path,
        };
        let read = tokio::fs::read_to_string(path).await;
        let token = read.map_err(|error| {
            let (class, code) = classify::token_file(&error);
            ProcessError::new(class, code, format!("PUSH_TOKEN_FILE={}: {error}", path.display()))
        })?;
        let token = token.trim();
        // Between being emptied and being written anew, say.
        if token.is_empty() || token.contains(|c: char| c.is_control()) {
            let why = format!("PUSH_TOKEN_FILE={} holds no token", path.display());
            return Err(ProcessError::transient("token_missing", why));
        }
        Ok(Some(token.to_owned()))
    }
}

fn not_configured(channel: &str, variable: &str) -> ProcessError {
    let why = format!("channel {channel} is not configured: set {variable} for the worker, then revive this job");
    ProcessError::permanent("channel_not_configured", why)
}
