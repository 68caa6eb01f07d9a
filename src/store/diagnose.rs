//! Looks over a server and its queues for an examination: a few quick questions, however many jobs there are.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::config::{Endpoint, RedisConfig};
use crate::error::{ErrorKind, Result};
use crate::event::{EventId, QueueEvent};
use crate::job::{JobId, JobState, QueueName};
use crate::store::codec::{Reply, read};
use crate::store::connection::{Connection, Patience};
use crate::store::failure::Failure;
use crate::store::inspect::Counts;
use crate::store::presence::Held;
use crate::store::sentinel::Sentinels;
use crate::store::topology::Topology;
use crate::store::whereabouts::each_once;
use crate::store::{Key, Place, QueueKeys, Store, events, limits, scripts};

/// Claims and unique locks that one look samples.
const SAMPLE: u64 = 50;
/// Settings of the server that `INFO` does not tell.
const SETTINGS: [&str; 4] = ["save", "appendfsync", "min-replicas-to-write", "cluster-require-full-coverage"];

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ServerLook {
    /// The fields of `INFO`.
    pub info: BTreeMap<String, String>,
    /// The settings that it does not tell; `None` where the user may not ask.
    pub settings: Option<BTreeMap<String, String>>,
    /// Commands that the user would need and may not send.
    pub missing_rights: Vec<String>,
    /// Its clock in µs since 1970.
    pub time_us: i64,
}

/// What a sentinel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentinelLook {
    pub place: String,
    /// Why it is of no help.
    pub problem: Option<String>,
    /// Why it could not have another master elected.
    pub no_quorum: Option<String>,
}

/// What a cluster and its masters say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ClusterLook {
    /// Slots that no node has.
    pub uncovered: usize,
    /// Where each master is, and what it says, or why it says nothing.
    pub masters: Vec<(String, std::result::Result<ServerLook, String>)>,
}

/// What was found in a queue beside its statistics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Diagnosed {
    pub now_ms: i64,
    /// Claims at that instant.
    pub claims: u64,
    /// Every worker that the queue knows, at most 1,000.
    pub holders: Vec<Held>,
    /// Some of the claims; all of them where they are few.
    pub sample: Vec<ClaimSample>,
    pub locks: LockSample,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimSample {
    pub id: JobId,
    pub worker: String,
    pub since_ms: i64,
}

/// Unique locks: all, those that were looked at, and those of them that hold nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LockSample {
    pub all: u64,
    pub looked_at: u64,
    pub leaked: u64,
}

impl Diagnosed {
    /// What was found in all places of a queue.
    pub(crate) fn of_all(places: Vec<Self>) -> Self {
        let mut all = Self::default();
        let mut holders = Vec::with_capacity(places.len());
        for place in places {
            all.now_ms = all.now_ms.max(place.now_ms);
            all.claims += place.claims;
            holders.push(place.holders);
            all.sample.extend(place.sample);
            let locks = &mut all.locks;
            locks.all += place.locks.all;
            locks.looked_at += place.locks.looked_at;
            locks.leaked += place.locks.leaked;
        }
        Self { holders: each_once(holders), ..all }
    }
}

impl Counts {
    /// One sentence for each setting that cannot be read.
    pub(crate) fn setting_problems(&self, queue: &QueueName) -> Vec<String> {
        limits::decode(queue, &self.config).problems
    }
}

impl Store {
    /// Asks the server about itself.
    pub(crate) async fn look_at_server(&self) -> Result<ServerLook> {
        let (info, time, settings, missing_rights) =
            tokio::join!(self.info(), self.server_time_us(), self.server_settings(), self.missing_rights());
        Ok(ServerLook { info: info?, settings: settings?, missing_rights: missing_rights?, time_us: time? })
    }

    /// Asks each master of a cluster about itself; `None` in another mode.
    pub(crate) async fn look_at_cluster(&self, config: &RedisConfig) -> Result<Option<ClusterLook>> {
        let Some(topology) = Topology::of(config) else { return Ok(None) };
        let map = topology.find().await.map_err(Failure::into_error)?;
        let ask = |node: &Endpoint| {
            let connection = Connection::to_node(config, node.clone(), Patience::Brief);
            let (store, place) = (Store { connection, ..self.clone() }, node.to_string());
            async move {
                let said = tokio::try_join!(store.info(), store.server_time_us(), store.server_settings());
                let look =
                    |(info, time_us, settings)| ServerLook { info, settings, time_us, missing_rights: Vec::new() };
                (place, said.map(look).map_err(|error| error.to_string()))
            }
        };
        let masters = join_all(map.masters().iter().map(ask)).await;
        Ok(Some(ClusterLook { uncovered: map.uncovered(), masters }))
    }

    /// The fields of `INFO`, of each master where there are several.
    pub(crate) async fn server_infos(&self) -> Result<Vec<BTreeMap<String, String>>> {
        if !self.connection.knows_nodes().await {
            return Ok(vec![self.info().await?]);
        }
        let nodes = self.connection.nodes().into_iter().filter_map(|node| self.connection.to_node_at(&node));
        let ask = |connection| async { Self { connection, ..self.clone() }.info().await };
        join_all(nodes.map(ask)).await.into_iter().collect()
    }

    async fn info(&self) -> Result<BTreeMap<String, String>> {
        let text: String = read("INFO", self.connection.call(&redis::cmd("INFO")).await?.value)?;
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(text.lines().filter_map(field).collect())
    }

    async fn server_time_us(&self) -> Result<i64> {
        let (secs, micros): (i64, i64) = read("TIME", self.connection.call(&redis::cmd("TIME")).await?.value)?;
        Ok(secs * 1_000_000 + micros)
    }

    async fn server_settings(&self) -> Result<Option<BTreeMap<String, String>>> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(&SETTINGS);
        match self.connection.call(&command).await {
            Ok(answer) => read("CONFIG", answer.value).map(Some),
            // Not ours to know, or a service where nobody may: what needs it is left out.
            Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Config | ErrorKind::Internal) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks over a queue beside its statistics.
    pub(crate) async fn diagnose(&self, keys: &QueueKeys) -> Result<Diagnosed> {
        let mut command = scripts::DIAGNOSE.on(keys, &self.clock);
        command.arg(SAMPLE).arg(SAMPLE);
        let mut reply = Reply::new("diagnose", scripts::DIAGNOSE.ask(&self.connection, &command).await?)?;
        let (now_us, claims) = (reply.number()?, reply.count()?);
        let (mut held, mut holders) = (reply.list()?, Vec::new());
        while !held.is_empty() {
            let (worker, lease_until_ms) = (held.text()?, held.number()?);
            let claims = held.maybe_number()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            holders.push(Held { worker, lease_until_ms, claims });
        }
        let (mut claimed, mut sample) = (reply.list()?, Vec::new());
        while !claimed.is_empty() {
            let (id, mark) = (claimed.text()?, claimed.text()?);
            let place = Place { set: Key::Active, state: JobState::Active, mark };
            let worker = place.worker().unwrap_or_default().to_owned();
            sample.push(ClaimSample { id: JobId::trusted(&id), worker, since_ms: place.since_ms() });
        }
        let locks = LockSample { all: reply.count()?, looked_at: reply.count()?, leaked: reply.count()? };
        Ok(Diagnosed { now_ms: now_us / 1000, claims, holders, sample, locks })
    }

    /// The last events of a queue, the latest first.
    pub(crate) async fn recent_events(&self, keys: &QueueKeys, count: u64) -> Result<Vec<QueueEvent>> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(keys.name(Key::Events)).arg("+").arg(EventId::START.to_string()).arg("COUNT").arg(count);
        let mut entries = Reply::new("XREVRANGE", self.connection.call(&command).await?.value)?;
        let mut recent = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            recent.push(events::event(keys, entries.list()?)?);
        }
        Ok(recent)
    }

    /// Some fields of a queue's settings, as they are stored; empty where nothing is.
    pub(crate) async fn setting_texts<const N: usize>(
        &self,
        keys: &QueueKeys,
        fields: [&str; N],
    ) -> Result<[String; N]> {
        let mut command = redis::cmd("HMGET");
        command.arg(keys.name(Key::Config)).arg(&fields);
        let mut texts = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
        let mut stored = [const { String::new() }; N];
        for text in &mut stored {
            *text = texts.text()?;
        }
        Ok(stored)
    }
}

/// Asks every sentinel of the configuration; `None` in another mode.
pub(crate) async fn look_at_sentinels(config: &RedisConfig) -> Option<Vec<SentinelLook>> {
    Some(Sentinels::of(config)?.look().await)
}
