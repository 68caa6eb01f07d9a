//! The way to the server, by mode: an address, sentinels to ask, or a private server to start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep_until};

use super::dial::{self, Address, Login};
use super::embedded;
use super::errand::dial_pause;
use super::failure::Failure;
use super::sentinel::{Found, Sentinels};
use super::slots::slot_of;
use super::topology::Topology;
use crate::config::{Endpoint, RedisConfig, RedisMode};
use crate::error::ErrorKind;

/// The longest that one connection may take to be made, name resolution and login included.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Finds the server and opens connections to it. Cheap to clone and to make.
#[derive(Clone)]
pub(super) struct Route {
    config: Arc<RedisConfig>,
    login: Login,
    sentinels: Option<Sentinels>,
    /// In a cluster: where it leads.
    cluster: Option<InCluster>,
}

/// Where in a cluster a route leads.
#[derive(Clone)]
enum InCluster {
    /// To one node.
    Node(Endpoint),
    /// To the node that has a slot.
    Slot(Topology, u16),
}

/// A connection to the master, and who named it.
pub(super) struct Opened {
    pub connection: MultiplexedConnection,
    pub found: Option<Found>,
    /// Which node of a cluster it is.
    pub node: Option<Endpoint>,
}

impl Route {
    pub(super) fn new(config: RedisConfig) -> Self {
        let login = match config.mode {
            // The socket is the user's own, and the server knows no logins.
            RedisMode::Embedded { .. } => Login { db: config.db, ..Login::default() },
            _ => Login { username: config.username.clone(), password: config.password.clone(), db: config.db },
        };
        let sentinels = Sentinels::of(&config);
        Self { config: Arc::new(config), login, sentinels, cluster: None }
    }

    /// To one node of the cluster.
    pub(super) fn to_node(config: &RedisConfig, node: Endpoint) -> Self {
        Self { cluster: Some(InCluster::Node(node)), ..Self::new(config.clone()) }
    }

    /// To the node that has the slot of `key`; to the one server where there is no cluster.
    pub(super) fn to_key(config: RedisConfig, key: &str) -> Self {
        let cluster = Topology::of(&config).map(|topology| InCluster::Slot(topology, slot_of(key.as_bytes())));
        Self { cluster, ..Self::new(config) }
    }

    /// What speaks against the node that answered having the slot; nothing outside of a cluster.
    pub(super) async fn doubt(&self, node: Option<&Endpoint>) -> Option<String> {
        match (&self.cluster, node) {
            (Some(InCluster::Slot(topology, slot)), Some(node)) => topology.doubt(*slot, node).await,
            _ => None,
        }
    }

    async fn open_in_cluster(&self) -> Result<Opened, Failure> {
        let node = match &self.cluster {
            Some(InCluster::Node(node)) => node.clone(),
            Some(InCluster::Slot(topology, slot)) => {
                let down = || Failure::passing(ErrorKind::Unreachable, format!("{self} is down: no node has the slot"));
                topology.find().await?.owner(*slot).cloned().ok_or_else(down)?
            }
            None => return Err(Failure::internal("a cluster has no one server")),
        };
        let connection = self.open_at(&Address::Tcp(node.clone())).await?;
        Ok(Opened { connection, found: None, node: Some(node) })
    }

    /// Opens a connection to the master, checked for version, mode and role.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        match &self.config.mode {
            RedisMode::Standalone(endpoint) => {
                // A replica at the very start is a wrong address; later it is a failover by hand.
                let mark = |failure: Failure| Failure { misfit: failure.misfit || failure.wrong_role, ..failure };
                let connection = self.open_at(&Address::Tcp(endpoint.clone())).await.map_err(mark)?;
                Ok(Opened { connection, found: None, node: None })
            }
            RedisMode::Sentinel { .. } => self.open_master().await,
            RedisMode::Cluster(_) => self.open_in_cluster().await,
            RedisMode::Embedded { data_dir, socket } => {
                let address = Address::Socket(socket.clone());
                let connection = match self.open_at(&address).await {
                    Err(failure) if failure.absent => {
                        embedded::ensure(data_dir, socket).await?;
                        self.open_at(&address).await?
                    }
                    outcome => outcome?,
                };
                Ok(Opened { connection, found: None, node: None })
            }
        }
    }

    async fn open_master(&self) -> Result<Opened, Failure> {
        let Some(sentinels) = &self.sentinels else { return Err(Failure::internal("sentinel mode without sentinels")) };
        let found = sentinels.find().await?;
        match self.open_at(&Address::Tcp(found.endpoint.clone())).await {
            Ok(connection) => Ok(Opened { connection, found: Some(found), node: None }),
            Err(failure) => {
                let quorum = sentinels.no_quorum(&found.named_by).await;
                let quorum = quorum.map(|said| format!("; no other can be elected: {said}")).unwrap_or_default();
                let message = format!("{sentinels}, named by {}: {}{quorum}", found.named_by, failure.message);
                // The sentinels may be about to elect another, so nobody listening there is worth a wait.
                Err(Failure { message, absent: false, ..failure })
            }
        }
    }

    async fn open_at(&self, address: &Address) -> Result<MultiplexedConnection, Failure> {
        let wire = dial::open(address, &self.login, &self.config.tls, CONNECT_LIMIT).await?;
        dial::check(&wire.greeting, address, self.cluster.is_some())?;
        Ok(wire.connection)
    }

    /// Those who say when the master moves.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        self.sentinels.as_ref()
    }

    /// How long a server of one's own may take to start; zero where none is started.
    pub(super) fn start_limit(&self) -> Duration {
        match self.config.mode {
            RedisMode::Embedded { .. } => Duration::from_secs(35),
            _ => Duration::ZERO,
        }
    }
}

/// Opens one connection after the other for whoever needs one of its own, at a bounded pace.
pub(super) struct Dialler {
    pub route: Route,
    failures: u32,
    dialled: Option<Instant>,
}

impl Dialler {
    /// To the server, or the node of a cluster, that has `key`.
    pub(super) fn to_key(config: RedisConfig, key: &str) -> Self {
        Self { route: Route::to_key(config, key), failures: 0, dialled: None }
    }

    /// Opens a connection as [`Route::open`] does, not too soon after the one before.
    pub(super) async fn open(&mut self) -> Result<Opened, Failure> {
        if let Some(dialled) = self.dialled {
            sleep_until(dialled + dial_pause(self.failures)).await;
        }
        let outcome = self.route.open().await;
        self.dialled = Some(Instant::now());
        self.failures = if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) };
        outcome
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(InCluster::Node(node)) = &self.cluster {
            return node.fmt(f);
        }
        match (&self.config.mode, &self.sentinels) {
            (RedisMode::Standalone(endpoint), _) => endpoint.fmt(f),
            (_, Some(sentinels)) => sentinels.fmt(f),
            (RedisMode::Embedded { socket, .. }, None) => write!(f, "socket {}", socket.display()),
            (RedisMode::Cluster(seeds), None) => {
                let places: Vec<_> = seeds.iter().map(Endpoint::to_string).collect();
                write!(f, "the cluster at {}", places.join(", "))
            }
            (RedisMode::Sentinel { master, .. }, None) => write!(f, "master {master:?}"),
        }
    }
}
