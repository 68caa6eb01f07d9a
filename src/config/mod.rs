//! Configuration as plain values, read from the environment and a profile file in one place.

mod alerts;
mod channels;
mod endpoint;
mod environment;
mod file;
mod files;
mod mail;
mod origin;
mod patch;
mod problems;
mod queue;
mod redis;
mod share;
mod source;
mod variable;
mod worker;

pub use alerts::{AlertsConfig, SinkConfig};
pub use channels::ChannelsConfig;
pub use environment::{Explained, Profile};
pub use file::ProfileFile;
pub use files::{FilesConfig, S3Config};
pub use origin::{ConfigValue, Origin};
pub use problems::ConfigProblems;
pub use queue::{Durable, PriorityMode, QueueSettings, Rate, Retention, Setting};
pub use redis::{Endpoint, RedisConfig, RedisMode, Secret, TlsConfig};
pub use variable::{VARIABLES, Variable};
pub use worker::WorkerConfig;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::job::QueueName;
use source::Source;

/// Long enough for a replica on another continent, short enough for a command that has five seconds in all.
const DURABLE_WAIT: Duration = Duration::from_secs(2);

/// Everything that can be configured. Made by [`Config::from_env`], or by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// How a worker runs.
    pub worker: WorkerConfig,
    /// Where this tool keeps files; empty where neither `IREVA_QUEUE_DATA_DIR` nor `HOME` says so.
    pub data_dir: PathBuf,
    /// What the builtin processors need.
    pub processors: ProcessorsConfig,
    /// Settings of queues from the profile file: they hold where nothing is set in Redis.
    pub queues: BTreeMap<QueueName, Vec<Setting>>,
    /// Rules of alerts, sinks, and how often is looked.
    pub alerts: AlertsConfig,
    /// How long an enqueue in a durable queue waits for a replica: 2 s, which no variable changes, since a command has five
    /// seconds in all. In whole milliseconds, at least one.
    pub durable_wait: Duration,
}

impl Config {
    /// The configuration that `lookup` (by name of variable, see [`VARIABLES`]) and `profile` describe, with defaults
    /// for the rest. An empty value counts as not set; a variable goes before the profile.
    ///
    /// Asks nothing but its arguments, save the files that hold secrets: those that `REDIS_PASSWORD_FILE`, `HTTP_URL_FILE` and
    /// the like name.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        profile: Option<&ProfileFile>,
    ) -> Result<Self, ConfigProblems> {
        let mut problems = ConfigProblems::default();
        let parsed = profile.map(|profile| profile.parse(&mut problems)).unwrap_or_default();
        let file::Parsed { values, queues, alerts, sinks } = parsed;
        let mut source = Source::new(&lookup, values, problems);
        let data_dir = source.data_dir();
        let redis = redis::read(&mut source, &data_dir);
        let worker = worker::read(&mut source);
        let mut processors = mail::read(&mut source);
        processors.files = files::read(&mut source);
        let alerts = alerts::read(&mut source, profile, (alerts, sinks));
        source.finish(Self { redis, worker, data_dir, processors, queues, alerts, durable_wait: DURABLE_WAIT })
    }
}

/// What the builtin processors need, as it was configured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessorsConfig {
    /// `SMTP_URL`: `smtp://user:password@host:port`, `smtps://…`, `file://DIR`.
    pub smtp_url: Option<Secret>,
    /// `SMTP_CA`: PEM file of the authority to trust instead of the system's.
    pub smtp_ca: Option<PathBuf>,
    /// `MAIL_FROM`: the sender of mails that name none.
    pub mail_from: Option<String>,
    /// `MAIL_TEMPLATES`: directory of the operator's templates.
    pub mail_templates: Option<PathBuf>,
    /// `HTTP_URL` or `HTTP_URL_FILE`: where jobs are posted to, whole, with whatever is secret in it.
    pub http_url: Option<Secret>,
    /// `DATABASE_URL`: `sqlite://FILE` or `postgres://user:password@host:port/name`.
    pub database_url: Option<Secret>,
    /// Where files come from and go to.
    pub files: FilesConfig,
    /// `HTTP_SIGNING_KEY` or `HTTP_SIGNING_KEY_FILE`.
    pub http_signing_key: Option<Secret>,
    /// Where notifications go.
    pub channels: ChannelsConfig,
}

#[cfg(test)]
mod tests;
