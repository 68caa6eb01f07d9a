//! The way to the server, by mode: an address, sentinels to ask, or a private server to start.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::dial::{self, Address, Login};
use super::failure::Failure;
use crate::config::{RedisConfig, RedisMode};
use crate::error::ErrorKind;

/// The longest that one connection may take to be made, name resolution and login included.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Finds the server and opens connections to it. Cheap to clone and to make.
#[derive(Clone)]
pub(super) struct Route {
    config: RedisConfig,
    login: Login,
}

impl Route {
    pub(super) fn new(config: RedisConfig) -> Self {
        let login = Login::of(&config);
        Self { config, login }
    }

    /// Opens a connection to the master, checked for version, mode and role.
    pub(super) async fn open(&self) -> Result<MultiplexedConnection, Failure> {
        match &self.config.mode {
            RedisMode::Standalone(endpoint) => self.open_at(&Address::Tcp(endpoint.clone())).await,
            RedisMode::Sentinel { .. } => {
                Err(Failure::final_(ErrorKind::Config, "sentinel mode is not built yet".to_owned()))
            }
            RedisMode::Embedded { .. } => {
                Err(Failure::final_(ErrorKind::Config, "embedded mode is not built yet".to_owned()))
            }
        }
    }

    async fn open_at(&self, address: &Address) -> Result<MultiplexedConnection, Failure> {
        let wire = dial::open(address, &self.login, &self.config.tls, CONNECT_LIMIT).await?;
        dial::check(&wire.greeting, address)?;
        Ok(wire.connection)
    }

    /// Whether another server may become the master.
    pub(super) fn has_failover(&self) -> bool {
        matches!(self.config.mode, RedisMode::Sentinel { .. })
    }

    /// How long a server of one's own may take to start; zero where none is started.
    pub(super) fn start_limit(&self) -> Duration {
        match self.config.mode {
            RedisMode::Embedded { .. } => Duration::from_secs(35),
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.config.mode {
            RedisMode::Standalone(endpoint) => endpoint.fmt(f),
            RedisMode::Sentinel { sentinels, master, .. } => {
                write!(f, "master {master:?} of sentinels ")?;
                for (place, sentinel) in sentinels.iter().enumerate() {
                    write!(f, "{}{sentinel}", if place > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            RedisMode::Embedded { data_dir, .. } => write!(f, "data directory {}", data_dir.display()),
        }
    }
}
