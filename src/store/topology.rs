//! Finding out which node of a cluster has which slot.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::plain;
use super::dial::{self, Address, Login};
use super::failure::Failure;
use super::slots::SlotMap;
use crate::config::{Endpoint, RedisConfig, RedisMode, TlsConfig};
use crate::error::ErrorKind;

/// One node is given so long.
const NODE_LIMIT: Duration = Duration::from_secs(1);
/// After the first answer the others are given so long: one that was cut off still tells what was.
const LATECOMERS: Duration = Duration::from_millis(50);

/// The nodes of a cluster that are known. Cloning shares them.
#[derive(Clone)]
pub(super) struct Topology {
    seeds: Vec<Endpoint>,
    known: Arc<Mutex<Vec<Endpoint>>>,
    login: Login,
    tls: TlsConfig,
}

impl Topology {
    /// The cluster of the configuration; `None` in another mode.
    pub(super) fn of(config: &RedisConfig) -> Option<Self> {
        let RedisMode::Cluster(seeds) = &config.mode else { return None };
        let login = Login { username: config.username.clone(), password: config.password.clone(), db: 0 };
        Some(Self { seeds: seeds.clone(), known: Arc::default(), login, tls: config.tls.clone() })
    }

    /// Asks all known nodes at once. The first answer counts where none came before; later what most of them say.
    pub(super) async fn find(&self) -> Result<SlotMap, Failure> {
        let (places, first_time) = self.places();
        let mut asked: FuturesUnordered<_> =
            places.iter().map(|place| async move { (place, self.ask(place).await) }).collect();
        let (mut said, mut failures) = (Vec::<(SlotMap, usize)>::new(), Vec::new());
        let mut until = Instant::now() + NODE_LIMIT * 2;
        while let Ok(Some((_, answer))) = timeout_at(until, asked.next()).await {
            match answer {
                Ok(map) => {
                    if said.is_empty() {
                        until = Instant::now() + if first_time { Duration::ZERO } else { LATECOMERS };
                    }
                    match said.iter_mut().find(|(known, _)| *known == map) {
                        Some((_, votes)) => *votes += 1,
                        None => said.push((map, 1)),
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        drop(asked);
        // Of as many votes the first answer counts.
        let best = said.into_iter().rev().max_by_key(|(_, votes)| *votes);
        let Some((map, _)) = best else { return Err(self.nobody_answers(failures)) };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = map.everybody().cloned().collect();
        Ok(map)
    }

    /// What speaks against the node at `place` having the slot: another that any node names, or that none answers.
    pub(super) async fn doubt(&self, slot: u16, place: &Endpoint) -> Option<String> {
        let places: Vec<_> = self.places().0.into_iter().filter(|known| known != place).collect();
        let mut asked: FuturesUnordered<_> =
            places.iter().map(|known| async move { (known, self.ask(known).await) }).collect();
        let (mut until, mut answers) = (Instant::now() + NODE_LIMIT, 0);
        while let Ok(Some((known, answer))) = timeout_at(until, asked.next()).await {
            let Ok(map) = answer else { continue };
            if answers == 0 {
                until = Instant::now() + LATECOMERS;
            }
            answers += 1;
            if map.owner(slot) != Some(place) {
                let other = map.owner(slot).map_or_else(|| "nobody".to_owned(), Endpoint::to_string);
                return Some(format!("node {known} names {other} for the queue's slot, not {place}"));
            }
        }
        let alone = answers == 0 && !places.is_empty();
        alone.then(|| format!("no other node says whether {place} still has the queue's slot"))
    }

    fn places(&self) -> (Vec<Endpoint>, bool) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = known.clone();
        for seed in &self.seeds {
            if !places.contains(seed) {
                places.push(seed.clone());
            }
        }
        (places, known.is_empty())
    }

    async fn ask(&self, place: &Endpoint) -> Result<SlotMap, Failure> {
        let address = Address::Tcp(place.clone());
        let mut wire = dial::open(&address, &self.login, &self.tls, NODE_LIMIT).await?;
        dial::check(&wire.greeting, &address, true)?;
        let mut cmd = redis::cmd("CLUSTER");
        cmd.arg("SLOTS");
        let reply = timeout(NODE_LIMIT, wire.connection.send_packed_command(&cmd)).await;
        let reply = reply.map_err(|_| Failure::silent(place, NODE_LIMIT))?;
        let reply = plain(reply).map_err(|error| Failure::answering(place, &error))?;
        let down = || {
            let message = format!("the cluster of redis at {place} is down: it has no slots");
            Failure::passing(ErrorKind::Unreachable, message)
        };
        SlotMap::read(&reply, place).ok_or_else(down)
    }

    fn nobody_answers(&self, failures: Vec<Failure>) -> Failure {
        let absent = !failures.is_empty() && failures.iter().all(|failure| failure.absent);
        // What no repeat mends says most: a wrong password, or no cluster.
        let settled =
            failures.iter().find(|failure| failure.kind != ErrorKind::Unreachable).or_else(|| failures.first());
        match settled {
            Some(failure) if failures.len() == 1 || failure.kind != ErrorKind::Unreachable => {
                Failure { executed: false, ..failure.clone() }
            }
            Some(failure) => {
                let message = format!("no node of {self} answers: {}", failure.message);
                Failure { absent, ..Failure::passing(ErrorKind::Unreachable, message) }
            }
            None => Failure::passing(ErrorKind::Unreachable, format!("no node of {self} answers in time")),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.seeds.iter().map(Endpoint::to_string).collect();
        write!(f, "the cluster at {}", places.join(", "))
    }
}
