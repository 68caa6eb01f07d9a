//! Tells somebody something, through as many channels as are asked for.

mod channel;
mod children;
mod endpoints;
mod in_app;
mod investor;
mod message;
mod payload;
mod recipient;
mod settings;
mod words;

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use crate::builtin::address::{Resolver, SystemResolver};
use crate::builtin::classify;
use crate::builtin::email::{self, Templates};
use crate::builtin::fields::shown;
use crate::builtin::portfolio::Database;
use crate::builtin::refusal::not_taken;
use crate::clock::local_now;
use crate::error::{Error, Result};
use crate::job::{JobId, NewJob, QueueName};
use crate::processor::{JobContext, Outcome, Outlet, ProcessError, Processor};
use crate::stats::Child;
use channel::Channel;
use endpoints::Endpoints;
use payload::{Asked, Delivery, Notice};
pub use settings::{NotificationSettings, PushSettings, PushToken, SmsSettings};

/// The queue whose jobs are notifications.
pub(super) const QUEUE: &str = "notification";
/// The JSON Schema of its payloads.
pub(super) const SCHEMA: &str = include_str!("schema.json");

/// Tells people something.
///
/// The payload names `channels` (`email`, `sms`, `push`, `webhook`, `slack`, `in-app`), `recipient`, `title`, and either
/// `body` or `template` with its `context`; it may name `priority` and `tenantId`. The recipient is an investor's id, whose
/// name and address the database knows, or an object of `investorId`, `name`, `email`, `phone`, `pushToken`, `webhookUrl`
/// and `slackUrl`; what its channels need is checked for all of them at once.
///
/// Such a job sends nothing: it checks everything, fills in the template, and hands a job to each channel, with the
/// notification's priority and under an id that follows from its own (`<id>.sms`), so that a repeat neither loses nor
/// doubles one. Mails go to the queue `email`; the others come back to this queue as `{"deliver": "sms", …}` and make one
/// request each, or add one row. Each has its own attempts and its own end.
///
/// Requests to URLs of recipients are guarded: public addresses and usual ports only, looked up once and connected to as
/// they were checked, no redirect, no proxy; `NOTIFY_ALLOW` lists the exceptions. Requests to webhooks are signed as those
/// of [`HttpProcessor`](super::http::HttpProcessor), bear the same headers, and their answers mean the same; nothing of an
/// answer is told but its status.
pub struct NotificationProcessor {
    database: Database,
    outlet: Arc<dyn Outlet>,
    templates: Templates,
    endpoints: Endpoints,
}

impl std::fmt::Debug for NotificationProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotificationProcessor").field("database", &self.database.place()).finish_non_exhaustive()
    }
}

/// Whether the payload would be taken.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with it.
pub(super) fn check(payload: &str) -> Result<()> {
    payload::read(payload).map(drop)
}

/// The jobs that a notification hands over; none for what is no notification.
pub(super) fn children(queue: &QueueName, id: &JobId, payload: &str) -> Vec<Child> {
    match payload::read(payload) {
        Ok(Asked::Notice(notice)) => children::children(queue, id, &notice.channels),
        _ => Vec::new(),
    }
}

impl NotificationProcessor {
    /// A processor that looks investors up in `database` and hands the jobs of the channels to `outlet`.
    ///
    /// # Errors
    /// `Config`, naming what is wrong with the settings.
    pub fn new(settings: &NotificationSettings, database: Database, outlet: Arc<dyn Outlet>) -> Result<Self> {
        Self::with_resolver(settings, database, outlet, Arc::new(SystemResolver))
    }

    /// The same with another way to look up the hosts of recipients' URLs.
    ///
    /// # Errors
    /// As [`NotificationProcessor::new`].
    pub fn with_resolver(
        settings: &NotificationSettings,
        database: Database,
        outlet: Arc<dyn Outlet>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self> {
        let templates = Templates::new(settings.templates.as_deref())?;
        Ok(Self { database, outlet, templates, endpoints: Endpoints::new(settings, resolver)? })
    }

    fn failed(&self, error: &sqlx::Error) -> ProcessError {
        let (class, code) = classify::database(error);
        let place = self.database.place();
        let failed = ProcessError::new(class, code, format!("{place}: {}", classify::database_words(error)));
        if code == "database_unreachable" { failed.blame(place) } else { failed }
    }

    /// Checks everything, and then hands a job to each channel.
    async fn hand_over(&self, notice: &Notice, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let (name, email) = self.reach(notice).await?;
        let context = words::context(notice, name.as_deref());
        let mail = match (&email, notice.channels.contains(&Channel::Email)) {
            (Some(email), true) => {
                let mail = words::mail(notice, &context, email);
                email::rehearse(&self.templates, &mail)?;
                mail
            }
            _ => String::new(),
        };
        let text = match notice.channels.iter().any(|channel| *channel != Channel::Email) {
            true => words::text(notice, &context, &self.templates)?,
            false => String::new(),
        };
        let children = children::children(ctx.queue(), ctx.job_id(), &notice.channels);
        let (mut mails, mut deliveries) = (Vec::new(), Vec::new());
        for (child, channel) in children.iter().zip(&notice.channels) {
            let payload = match channel {
                Channel::Email => mail.clone(),
                channel => delivery(notice, *channel, &text, ctx.job_id()),
            };
            let too_large = |error: Error| ProcessError::permanent("payload_invalid", error.to_string());
            let job = NewJob::from_json(payload).map_err(too_large)?;
            let job = job.id(child.id.clone()).priority(notice.priority);
            if *channel == Channel::Email { mails.push(job) } else { deliveries.push(job) }
        }
        self.give(&children::queue_of(ctx.queue(), Channel::Email), mails, ctx).await?;
        self.give(ctx.queue(), deliveries, ctx).await?;
        let named = |child: &Child| json!({"channel": child.channel, "queue": child.queue, "id": child.id});
        let result = json!({"children": children.iter().map(named).collect::<Vec<_>>()});
        Ok(Outcome::with_result(&result).unwrap_or_default())
    }

    /// Name and address of the recipient, from the payload before the database.
    async fn reach(&self, notice: &Notice) -> Result<(Option<String>, Option<String>), ProcessError> {
        let (recipient, tenant) = (&notice.recipient, &notice.tenant);
        let Some(id) = &recipient.investor else { return Ok((recipient.name.clone(), recipient.email.clone())) };
        let found = investor::find(&self.database, tenant, id).await.map_err(|error| self.failed(&error))?;
        let investor = found.ok_or_else(|| {
            let why = format!("there is no investor {id} of tenant {tenant}: check recipient and tenantId");
            ProcessError::permanent("investor_unknown", why)
        })?;
        let email = recipient.email.clone().or(investor.email);
        if email.is_none() && notice.channels.contains(&Channel::Email) {
            let name = shown(&investor.name);
            let why =
                format!("no email address for investor {id} ({name}): add it to the investor, then revive this job");
            return Err(ProcessError::permanent("email_missing", why));
        }
        Ok((Some(recipient.name.clone().unwrap_or(investor.name)), email))
    }

    /// Hands jobs to a queue; those that are there from an attempt before are left as they are.
    async fn give(&self, queue: &QueueName, jobs: Vec<NewJob>, ctx: &JobContext) -> Result<(), ProcessError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let refused = |error: Error| not_taken(queue, &error);
        let answers = self.outlet.hand_over(queue, jobs).await.map_err(refused)?;
        for answer in answers {
            let taken = answer.map_err(refused)?;
            let already = if taken.duplicate { " (there already)" } else { "" };
            ctx.log(format!("handed to queue {queue}: {}{already}", taken.id));
        }
        Ok(())
    }

    async fn deliver(&self, delivery: &Delivery, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        if delivery.channel != Channel::InApp {
            return self.endpoints.send(delivery, ctx).await;
        }
        let stored = in_app::store(&self.database, delivery, ctx.job_id().as_str(), local_now()).await;
        let is_new = stored.map_err(|error| self.failed(&error))?;
        ctx.log(if is_new { "stored" } else { "stored before" });
        let result = json!({"channel": delivery.channel.as_str(), "alreadyStored": !is_new});
        Ok(Outcome::with_result(&result).unwrap_or_default())
    }
}

/// What a channel is handed.
fn delivery(notice: &Notice, channel: Channel, text: &str, id: &JobId) -> String {
    let recipient = &notice.recipient;
    let to = match channel {
        Channel::Email => recipient.email.clone(),
        Channel::Sms => recipient.phone.clone(),
        Channel::Push => recipient.push_token.clone(),
        Channel::Webhook => recipient.webhook_url.clone(),
        Channel::Slack => recipient.slack_url.clone(),
        Channel::InApp => recipient.investor.clone(),
    };
    let delivery = Delivery {
        channel,
        to,
        title: notice.title.clone(),
        text: text.to_owned(),
        // The others have nowhere to put it.
        context: if channel == Channel::Webhook { notice.context.clone() } else { payload::Context::new() },
        priority: notice.priority,
        tenant: notice.tenant.clone(),
        notice: Some(id.to_string()),
        investor: recipient.investor.clone(),
    };
    serde_json::to_string(&delivery).expect("texts and JSON can be written as JSON")
}

impl Processor for NotificationProcessor {
    type Payload = Box<RawValue>;

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let asked =
            payload::read(payload.get()).map_err(|why| ProcessError::permanent("payload_invalid", why.to_string()))?;
        match asked {
            Asked::Notice(notice) => self.hand_over(&notice, ctx).await,
            Asked::Delivery(delivery) => self.deliver(&delivery, ctx).await,
        }
    }
}
