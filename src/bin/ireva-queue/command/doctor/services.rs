//! Tries the services that builtin processors need, as this environment configures them, all at once.

use std::path::Path;
use std::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture, join_all};
use ireva_queue::builtin::email::EmailProcessor;
use ireva_queue::builtin::http;
use ireva_queue::builtin::storage::Access;
use ireva_queue::config::{Config, Secret};
use ireva_queue::doctor::Service;
use ireva_queue::{ProcessError, QueueName};

use crate::command::db;
use crate::command::work::{Place, email_settings, storage};

/// One service is given so long.
const LIMIT: Duration = Duration::from_secs(3);

const EMAIL: &str = QueueName::KNOWN[0];
const DISTRIBUTION: &str = QueueName::KNOWN[1];
const REPORT: &str = QueueName::KNOWN[2];
const NOTIFICATION: &str = QueueName::KNOWN[3];
const IMPORT: &str = QueueName::KNOWN[4];
const EXPORT: &str = QueueName::KNOWN[5];

/// How it went; `None`: nothing is configured.
type Tried = Option<Result<String, ProcessError>>;

/// Those of all queues, or of one.
pub async fn all(config: &Config, only: Option<&QueueName>) -> Vec<Service> {
    let channels = &config.processors.channels;
    let slack = channels.slack_url.as_ref().map(Secret::reveal);
    let posts = config.processors.http_url.as_ref().map(Secret::reveal);
    let with_database = [DISTRIBUTION, REPORT, NOTIFICATION, IMPORT, EXPORT];
    let tries: Vec<(_, Vec<&str>, LocalBoxFuture<'_, Tried>)> = vec![
        (("mail", "SMTP_URL"), vec![EMAIL], mail(config).boxed_local()),
        (("database", "DATABASE_URL"), with_database.to_vec(), database(config).boxed_local()),
        (("imports", "IMPORT_DIR"), vec![IMPORT], files(config, Place::Imports).boxed_local()),
        (("exports", "EXPORT_DIR"), vec![EXPORT], files(config, Place::Exports).boxed_local()),
        (("reports", "REPORT_DIR"), vec![REPORT], files(config, Place::Reports).boxed_local()),
        (("text messages", "SMS_URL"), vec![NOTIFICATION], reach(channels.sms_url.as_deref()).boxed_local()),
        (("push messages", "PUSH_URL"), vec![NOTIFICATION], reach(channels.push_url.as_deref()).boxed_local()),
        (("chat", "SLACK_URL"), vec![NOTIFICATION], reach(slack).boxed_local()),
        (("requests", "HTTP_URL"), others(only), reach(posts).boxed_local()),
    ];
    // Queues without a processor of their own have other ways to be run.
    let tries = tries.into_iter().filter(|((_, variable), ..)| *variable != "HTTP_URL" || posts.is_some());
    let wanted = tries.filter(|(_, queues, _)| only.is_none_or(|only| queues.contains(&only.as_str())));
    let asked = wanted.map(|(name, queues, tried)| async move { Service::new(name, &queues, tried.await) });
    join_all(asked).await
}

/// The one queue that is asked about, where no builtin processor runs its jobs: they may be posted.
fn others(only: Option<&QueueName>) -> Vec<&str> {
    only.map(QueueName::as_str).into_iter().filter(|name| !QueueName::KNOWN.contains(name)).collect()
}

/// What is wrong with a configuration that was read all the same.
fn unusable(error: impl std::fmt::Display) -> Tried {
    Some(Err(ProcessError::transient("configuration_invalid", error.to_string())))
}

async fn mail(config: &Config) -> Tried {
    config.processors.smtp_url.as_ref()?;
    let settings = match email_settings(config) {
        Ok(settings) => settings,
        Err(stop) => return unusable(stop),
    };
    match EmailProcessor::new(&settings) {
        Ok(processor) => Some(processor.probe(LIMIT).await),
        Err(error) => unusable(error),
    }
}

/// A file of one's own is made at the first use: nothing is wrong before it.
async fn database(config: &Config) -> Tried {
    let is_own = config.processors.database_url.is_none();
    if is_own && !is_there(&config.data_dir, "portfolio.db") {
        return None;
    }
    match db::database(config) {
        Ok((database, _)) => Some(match database.probe(LIMIT).await {
            // Its processors migrate it when they start.
            Err(error) if is_own && error.code() == "database_outdated" => Ok(database.place()),
            tried => tried,
        }),
        Err(error) => unusable(error),
    }
}

async fn files(config: &Config, place: Place) -> Tried {
    let files = &config.processors.files;
    let (root, own, access) = match place {
        Place::Imports => (&files.import_dir, "imports", Access::Read),
        Place::Exports => (&files.export_dir, "exports", Access::Write),
        Place::Reports => (&files.report_dir, "reports", Access::Write),
    };
    if root.is_none() && !is_there(&config.data_dir, own) {
        return None;
    }
    match storage(config, place) {
        Ok(storage) => Some(storage.probe(access, LIMIT).await),
        Err(error) => unusable(error),
    }
}

async fn reach(url: Option<&str>) -> Tried {
    Some(http::probe(url?, LIMIT).await)
}

fn is_there(data_dir: &Path, name: &str) -> bool {
    !data_dir.as_os_str().is_empty() && data_dir.join(name).exists()
}
