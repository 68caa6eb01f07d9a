//! The handle through which every command goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::errand::Errand;
use super::route::Route;
use super::server::Server;
use super::slots::slot_of;
use super::topology::Topology;
use crate::config::{Endpoint, RedisConfig};
use crate::error::Result;

/// How long a patient caller waits for one answer.
const ENDLESS_ANSWER: Duration = Duration::from_secs(10);

/// The commands that only look, of those that are sent without a script.
const LOOKS: [&[u8]; 23] = [
    b"PING",
    b"CLUSTER",
    b"TIME",
    b"INFO",
    b"EXISTS",
    b"GET",
    b"GETRANGE",
    b"HGET",
    b"HGETALL",
    b"HLEN",
    b"HMGET",
    b"HRANDFIELD",
    b"HSCAN",
    b"HSTRLEN",
    b"SCAN",
    b"SISMEMBER",
    b"SMEMBERS",
    b"XLEN",
    b"XRANGE",
    b"XREVRANGE",
    b"ZCARD",
    b"ZCOUNT",
    b"ZRANGE",
];

/// How long a call is repeated while the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For commands: an answer or an error within five seconds in all.
    Brief,
    /// For workers: repeated with backoff until the caller drops the future.
    Endless,
    /// For heartbeats: the same, and an answer that takes this long is waited for no more, since the lease runs on.
    Pressing(Duration),
}

impl Patience {
    /// How long one sending waits for its answer before the connection is given up.
    pub(super) fn answer_limit(self) -> Duration {
        match self {
            // Half the budget, so that a lost reply leaves room for one repeat.
            Self::Brief => Duration::from_secs(2),
            Self::Endless => ENDLESS_ANSWER,
            Self::Pressing(limit) => limit.min(ENDLESS_ANSWER),
        }
    }

    /// Whether a call ends by itself when the server stays away.
    pub(super) fn is_brief(self) -> bool {
        self == Self::Brief
    }
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The reply.
    pub value: Value,
    /// Whether the call was sent more than once, so that an earlier one may have been executed.
    pub repeated: bool,
}

/// A shared connection that finds the server, reconnects and repeats. Cloning shares it. Connects at the first call.
///
/// A handle belongs to the runtime that it is first used on: its connection is driven there.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    way: Way,
    patience: Patience,
    /// Asked before anything is sent that writes.
    config: RedisConfig,
}

/// Where commands go.
enum Way {
    /// To the one server.
    One(Arc<Server>),
    /// Each to the node that has its slot.
    Cluster(Box<Cluster>),
}

/// A command on its way.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub cmd: &'a redis::Cmd,
    /// The text of the script that it calls.
    pub source: Option<&'a str>,
    /// Whether the node has been named for this one call only.
    pub asking: bool,
}

impl Connection {
    pub(crate) fn new(config: RedisConfig, patience: Patience) -> Self {
        let way = match Topology::of(&config) {
            Some(topology) => Way::Cluster(Box::new(Cluster::new(config.clone(), topology, patience))),
            None => Way::One(Arc::new(Server::new(Route::new(config.clone()), patience))),
        };
        Self(Arc::new(Inner { way, patience, config }))
    }

    /// To one node of a cluster, whatever the slot.
    pub(super) fn to_node(config: &RedisConfig, node: Endpoint, patience: Patience) -> Self {
        let way = Way::One(Arc::new(Server::new(Route::to_node(config, node), patience)));
        Self(Arc::new(Inner { way, patience, config: config.clone() }))
    }

    /// Sends a command. Every command of this crate may arrive twice, so it is repeated until answered.
    ///
    /// Dropping the future stops the repeating; what was sent may still be executed.
    pub(crate) async fn call(&self, cmd: &redis::Cmd) -> Result<Answer> {
        self.0.carry(Request { cmd, source: None, asking: false }).await
    }

    /// Sends an EVALSHA; where the server does not know the script, loads `source` and repeats.
    pub(crate) async fn eval(&self, cmd: &redis::Cmd, source: &str) -> Result<Answer> {
        self.0.carry(Request { cmd, source: Some(source), asking: false }).await
    }

    /// Whether commands go to the nodes of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.0.way, Way::Cluster(_))
    }

    /// Gives the connection up, so that the next call finds the server anew. Calls under way may still be answered.
    pub(crate) fn leave(&self) {
        match &self.0.way {
            Way::One(server) => server.leave(),
            Way::Cluster(cluster) => cluster.leave(),
        }
    }

    /// Whether it is known which nodes a cluster has; they are asked where it is not.
    pub(super) async fn knows_nodes(&self) -> bool {
        match &self.0.way {
            Way::One(_) => false,
            Way::Cluster(cluster) => cluster.is_found().await,
        }
    }

    /// Why a master of a cluster does not answer; `None` where it does.
    pub(super) async fn why_absent(&self, node: &str) -> Option<String> {
        match &self.0.way {
            Way::One(_) => None,
            Way::Cluster(cluster) => cluster.why_absent(node).await,
        }
    }

    /// The node of a cluster that has a key, as far as is known.
    pub(super) fn node_of(&self, key: &str) -> Option<String> {
        match &self.0.way {
            Way::One(_) => None,
            Way::Cluster(cluster) => cluster.owner(slot_of(key.as_bytes())).map(|node| node.to_string()),
        }
    }

    /// The masters of a cluster, as far as they are known.
    pub(super) fn nodes(&self) -> BTreeSet<String> {
        match &self.0.way {
            Way::One(_) => BTreeSet::new(),
            Way::Cluster(cluster) => cluster.masters().iter().map(ToString::to_string).collect(),
        }
    }

    /// To one master of a cluster alone.
    pub(super) fn to_node_at(&self, place: &str) -> Option<Self> {
        let Way::Cluster(cluster) = &self.0.way else { return None };
        let node = cluster.masters().into_iter().find(|node| node.to_string() == place)?;
        Some(Self::to_node(&self.0.config, node, Patience::Brief))
    }

    /// The ACL user, where one is set.
    pub(super) fn username(&self) -> Option<&str> {
        self.0.config.username.as_deref()
    }

    /// How often the server has answered: it rises with every reply, refusals and that it is loading included.
    pub(crate) fn answers(&self) -> u64 {
        match &self.0.way {
            Way::One(server) => server.answers(),
            Way::Cluster(cluster) => cluster.answers(),
        }
    }

    #[cfg(test)]
    /// Counts the servers this handle has been connected to: it rises with every reconnect.
    pub(crate) fn generation(&self) -> u64 {
        match &self.0.way {
            Way::One(server) => server.generation(),
            Way::Cluster(_) => 0,
        }
    }
}

impl Inner {
    async fn carry(&self, request: Request<'_>) -> Result<Answer> {
        let changes = changes(request.cmd, request.source);
        if changes {
            self.config.must_be_writable()?;
        }
        let mut errand = Errand::new(self.patience, changes);
        loop {
            let (outcome, connected_before) = match &self.way {
                Way::One(server) => (server.attempt(&mut errand, request).await, server.was_reached()),
                Way::Cluster(cluster) => (cluster.attempt(&mut errand, request).await, cluster.was_reached()),
            };
            let failure = match outcome {
                Ok(value) => return Ok(Answer { value, repeated: errand.executed }),
                Err(failure) => failure,
            };
            errand.executed |= failure.executed;
            let Some(pause) = errand.pause_after(&failure, connected_before) else { return Err(errand.error(failure)) };
            tracing::info!("{}; trying again", failure.message);
            errand.failure = Some(failure);
            sleep(pause).await;
        }
    }
}

/// Whether a call changes anything: scripts say so in their first line.
fn changes(cmd: &redis::Cmd, source: Option<&str>) -> bool {
    match (source, cmd.args_iter().next()) {
        (Some(source), _) => !source.lines().next().is_some_and(|flags| flags.contains("no-writes")),
        (None, Some(redis::Arg::Simple(name))) => !LOOKS.contains(&name),
        (None, _) => true,
    }
}

/// A refusal is an error of the call, not a value.
pub(super) fn plain(reply: RedisResult<Value>) -> RedisResult<Value> {
    match reply {
        Ok(Value::ServerError(error)) => Err(error.into()),
        reply => reply,
    }
}
