//! Configuration as plain values, read from the environment and a profile file in one place.

mod queue;
mod redis;
mod worker;

pub use queue::{PriorityMode, QueueSettings, Rate, Retention, Setting};
pub use redis::{Endpoint, RedisConfig, RedisMode, Secret, TlsConfig};
pub use worker::WorkerConfig;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::job::QueueName;

/// Everything that can be configured. Made by [`Config::from_env`], or by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// How a worker runs.
    pub worker: WorkerConfig,
    /// Where this tool keeps files.
    pub data_dir: PathBuf,
    /// What the builtin processors need.
    pub processors: ProcessorsConfig,
    /// Settings of queues from the profile file: they hold where nothing is set in Redis.
    pub queues: BTreeMap<QueueName, Vec<Setting>>,
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
    /// `HTTP_SIGNING_KEY` or `HTTP_SIGNING_KEY_FILE`.
    pub http_signing_key: Option<Secret>,
}
