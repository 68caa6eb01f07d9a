//! Which processor runs which queue, as the flags and the configuration say.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ireva_queue::builtin::distribution::DistributionProcessor;
use ireva_queue::builtin::email::{EmailProcessor, EmailSettings};
use ireva_queue::builtin::exec::{ExecBatch, ExecProcessor, ExecSettings, allowed_environment};
use ireva_queue::builtin::export::ExportProcessor;
use ireva_queue::builtin::http::{HttpBatch, HttpProcessor, HttpSettings};
use ireva_queue::builtin::import::ImportProcessor;
use ireva_queue::builtin::notification::{
    NotificationProcessor, NotificationSettings, PushSettings, PushToken, SmsSettings,
};
use ireva_queue::builtin::portfolio::Database;
use ireva_queue::builtin::report::ReportProcessor;
use ireva_queue::config::{Config, Secret};
use ireva_queue::{Client, QueueName, Registry};

use super::storage::{Place, storage};
use super::{Meaning, ProcessorArgs};
use crate::command::db;
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::ui;

const EMAIL: &str = QueueName::KNOWN[0];
const DISTRIBUTION: &str = QueueName::KNOWN[1];
const REPORT: &str = QueueName::KNOWN[2];
const NOTIFICATION: &str = QueueName::KNOWN[3];
const IMPORT: &str = QueueName::KNOWN[4];
const EXPORT: &str = QueueName::KNOWN[5];
const USUAL_BATCH_WAIT: Duration = Duration::from_millis(200);

/// Whether the queue's name says what runs its jobs.
fn is_builtin(queue: &QueueName) -> bool {
    [EMAIL, DISTRIBUTION, REPORT, NOTIFICATION, IMPORT, EXPORT].contains(&queue.as_str())
}

/// A processor for each queue.
///
/// # Errors
/// 78 where a queue has none; what making one says.
pub async fn registry(queues: &[QueueName], args: &ProcessorArgs, context: &Context) -> Result<Registry> {
    let config = context.config()?;
    let mut registry = Registry::new();
    let batch = args.batch_size.map(|size| (size as usize, args.batch_wait.unwrap_or(USUAL_BATCH_WAIT)));
    for queue in queues {
        match (&args.http, batch) {
            _ if !args.exec.is_empty() => register_exec(&mut registry, queue, args, batch)?,
            (Some(url), batch) => register_http(&mut registry, queue, http_settings(url, config), batch)?,
            (None, batch) if !is_builtin(queue) && config.processors.http_url.is_some() => {
                let url = config.processors.http_url.as_ref().map(|url| url.reveal()).unwrap_or_default();
                let settings = http_settings(url, config);
                register_http(&mut registry, queue, settings, batch)
                    .map_err(|error| Stop::new(Code::Config, format!("HTTP_URL: {error}")))?;
            }
            (None, Some(_)) => {
                return Err(Stop::usage("'--batch-size' needs '--exec', '--http' or HTTP_URL").into());
            }
            (None, None) => register_builtin(&mut registry, queue, config, context.client()?).await?,
        }
    }
    Ok(registry)
}

fn register_exec(
    registry: &mut Registry,
    queue: &QueueName,
    args: &ProcessorArgs,
    batch: Option<(usize, Duration)>,
) -> Result<()> {
    let mut settings = ExecSettings::new(args.exec.clone());
    settings.environment = allowed_environment(ui::environment(), &args.pass_env);
    let absent = |error| Stop::usage(format!("invalid value for '--exec': {error}"));
    settings.find_program().map_err(absent)?;
    settings.exit_codes = args.exit_codes.iter().map(|&(code, Meaning(class))| (code, class)).collect();
    match batch {
        Some((size, wait)) => registry.register_batch(queue.clone(), ExecBatch::new(settings)?, size, wait),
        None => registry.register(queue.clone(), ExecProcessor::new(settings)?),
    };
    Ok(())
}

fn http_settings(url: &str, config: &Config) -> HttpSettings {
    let mut settings = HttpSettings::new(url);
    settings.signing_key = config.processors.http_signing_key.as_ref().map(|key| key.reveal().as_bytes().to_vec());
    settings
}

fn register_http(
    registry: &mut Registry,
    queue: &QueueName,
    settings: HttpSettings,
    batch: Option<(usize, Duration)>,
) -> Result<()> {
    match batch {
        Some((size, wait)) => registry.register_batch(queue.clone(), HttpBatch::new(settings)?, size, wait),
        None => registry.register(queue.clone(), HttpProcessor::new(settings)?),
    };
    Ok(())
}

/// The database, up to date.
async fn ready_database(config: &Config) -> Result<Database> {
    let (database, is_own) = db::database(config)?;
    database.ready(is_own).await?;
    Ok(database)
}

/// What the configuration says about mails.
///
/// # Errors
/// 78 where it says nothing.
pub fn email_settings(config: &Config) -> Result<EmailSettings, Stop> {
    let Some(url) = &config.processors.smtp_url else {
        let why = "SMTP_URL is not set: expected smtp://host:port, smtps://host or file:///directory";
        return Err(Stop::new(Code::Config, why));
    };
    let mut settings = EmailSettings::new(url.reveal());
    settings.ca = config.processors.smtp_ca.clone();
    settings.from = config.processors.mail_from.clone();
    settings.templates = config.processors.mail_templates.clone();
    Ok(settings)
}

/// What the configuration says about notifications; a channel that it says nothing about fails its own jobs.
fn notification_settings(config: &Config) -> NotificationSettings {
    let (processors, channels) = (&config.processors, &config.processors.channels);
    let revealed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    let file = channels.push_token_file.clone().map(PushToken::File);
    NotificationSettings {
        sms: SmsSettings {
            url: channels.sms_url.clone(),
            from: channels.sms_from.clone(),
            login: channels.sms_user.clone().zip(revealed(&channels.sms_password)),
        },
        push: PushSettings {
            url: channels.push_url.clone(),
            token: file.or_else(|| revealed(&channels.push_token).map(PushToken::Fixed)),
        },
        slack_url: revealed(&channels.slack_url),
        signing_key: revealed(&processors.http_signing_key).map(String::into_bytes),
        allow: channels.allow.clone(),
        templates: processors.mail_templates.clone(),
        ..NotificationSettings::default()
    }
}

/// The processor that the queue's name means.
///
/// # Errors
/// 78 where it means none, or the configuration lacks what it needs.
pub async fn register_builtin(
    registry: &mut Registry,
    queue: &QueueName,
    config: &Config,
    client: &Client,
) -> Result<()> {
    let name = queue.as_str();
    match name {
        EMAIL => {
            registry.register(queue.clone(), EmailProcessor::new(&email_settings(config)?)?);
            return Ok(());
        }
        DISTRIBUTION => {
            let outlet = Arc::new(client.clone());
            registry.register(queue.clone(), DistributionProcessor::new(ready_database(config).await?, outlet)?);
            return Ok(());
        }
        REPORT => {
            let storage = storage(config, Place::Reports)?;
            let outlet = Arc::new(client.clone());
            registry.register(queue.clone(), ReportProcessor::new(ready_database(config).await?, storage, outlet)?);
            return Ok(());
        }
        NOTIFICATION => {
            let (settings, outlet) = (notification_settings(config), Arc::new(client.clone()));
            let database = ready_database(config).await?;
            registry.register(queue.clone(), NotificationProcessor::new(&settings, database, outlet)?);
            return Ok(());
        }
        IMPORT => {
            let storage = storage(config, Place::Imports)?;
            registry.register(queue.clone(), ImportProcessor::new(ready_database(config).await?, storage));
            return Ok(());
        }
        EXPORT => {
            let storage = storage(config, Place::Exports)?;
            registry.register(queue.clone(), ExportProcessor::new(ready_database(config).await?, storage));
            return Ok(());
        }
        _ => {}
    }
    let why = if QueueName::KNOWN.contains(&name) {
        format!("the processor of {name} is not part of this version: use --exec, --http or HTTP_URL")
    } else {
        format!("no processor for queue {name}: use --exec, --http or HTTP_URL")
    };
    Err(Stop::new(Code::Config, why).into())
}
