//! A cluster: each command goes to the node that has its slot, over one connection to each node.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::connection::{Patience, Request};
use super::errand::{Errand, dial_pause};
use super::failure::{Failure, Remedy};
use super::route::Route;
use super::server::Server;
use super::slots::{SlotMap, held_to_slot, redirected, slot_of_command};
use super::topology::Topology;
use crate::config::{Endpoint, RedisConfig};
use crate::error::ErrorKind;

/// A call that is not answered for so long: it is asked whether another node has its slot by now.
const LOOK: Duration = Duration::from_secs(1);

/// The connections to the nodes of a cluster, made as they are needed.
pub(super) struct Cluster {
    config: RedisConfig,
    patience: Patience,
    topology: Topology,
    map: Mutex<Option<Arc<SlotMap>>>,
    /// Nodes that something went wrong with since the map was made. Calls to others do not wait for a new one.
    suspects: Mutex<Vec<Endpoint>>,
    servers: Mutex<BTreeMap<String, Arc<Server>>>,
    /// Held by the one caller that asks the nodes; the others wait for what comes of it.
    looking: tokio::sync::Mutex<Looked>,
    /// Answers of nodes that are gone.
    answers: AtomicU64,
}

/// What came of the latest looks at the nodes.
#[derive(Default)]
struct Looked {
    failures: u32,
    at: Option<Instant>,
    failure: Option<Failure>,
}

impl Cluster {
    pub(super) fn new(config: RedisConfig, topology: Topology, patience: Patience) -> Self {
        Self {
            config,
            patience,
            topology,
            map: Mutex::default(),
            suspects: Mutex::default(),
            servers: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            answers: AtomicU64::new(0),
        }
    }

    /// Sends once to the node that has the slot, and once more to where that one sends it.
    pub(super) async fn attempt(&self, errand: &mut Errand, request: Request<'_>) -> Result<Value, Failure> {
        let slot = slot_of_command(request.cmd);
        let held = held_to_slot(request.cmd);
        let request = Request { cmd: held.as_ref().unwrap_or(request.cmd), ..request };
        let mut place = self.place(errand, slot).await?;
        let mut outcome = self.send(errand, slot, &place, request).await;
        // A slot on the move, or a node that has just taken over: a hop costs no pause. More than two are an upheaval.
        for _ in 0..2 {
            let Err(Failure { redirect: Some(redirect), .. }) = &outcome else { break };
            let Some(next) = redirected(&redirect.place, &place) else { break };
            let asking = redirect.once;
            if !asking {
                self.moved(redirect.slot, &next);
            }
            place = next;
            outcome = self.send(errand, slot, &place, Request { asking, ..request }).await;
        }
        outcome.map_err(|failure| match failure.redirect {
            Some(_) => {
                self.suspect(std::slice::from_ref(&place));
                let message = format!("redis at {place} does not have the queue's slot any more");
                Failure { remedy: Remedy::Wait, redirect: None, ..Failure::passing(ErrorKind::NotNow, message) }
            }
            None => failure,
        })
    }

    /// Whether any node was ever reached.
    pub(super) fn was_reached(&self) -> bool {
        self.map.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn leave(&self) {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner).clone();
        map.iter().for_each(|map| self.suspect(map.masters()));
        self.each(Server::leave);
    }

    pub(super) fn answers(&self) -> u64 {
        let mut answers = self.answers.load(Ordering::Acquire);
        self.each(|server| answers += server.answers());
        answers
    }

    fn each(&self, mut act: impl FnMut(&Server)) {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.values().for_each(|server| act(server));
    }

    /// Whether the nodes are known, for which one of them is asked where they are not.
    pub(super) async fn is_found(&self) -> bool {
        self.was_reached() || self.place(&mut Errand::new(Patience::Brief, false), None).await.is_ok()
    }

    /// Why a master does not answer; where a replica may be elected, it is waited for that as long as by any call.
    pub(super) async fn why_absent(&self, place: &str) -> Option<String> {
        let place = self.masters().into_iter().find(|master| master.to_string() == place)?;
        let failure = self.probe(&place).await?;
        let _ = self.look(Instant::now()).await;
        if !self.masters().contains(&place) {
            return None;
        }
        // What any node can answer is asked of the others.
        self.suspect(std::slice::from_ref(&place));
        Some(failure.message)
    }

    /// Why a master does not answer; `None` where it does, or another has its slots by then.
    async fn probe(&self, place: &Endpoint) -> Option<Failure> {
        let (server, ping) = (self.server(place), redis::cmd("PING"));
        let may_change = self.map().is_some_and(|map| map.has_replicas());
        let mut errand = Errand::new(Patience::Brief, false);
        loop {
            let request = Request { cmd: &ping, source: None, asking: false };
            let failure = match server.attempt(&mut errand, request).await {
                Err(failure) if matches!(failure.kind, ErrorKind::Unreachable | ErrorKind::NotNow) => failure,
                // Whatever else it says is said again to whoever asks for something.
                _ => return None,
            };
            let Some(pause) = errand.pause_after(&failure, may_change) else { return Some(failure) };
            errand.failure = Some(failure);
            if may_change {
                let _ = self.look(Instant::now()).await;
                if !self.masters().contains(place) {
                    return None;
                }
            }
            sleep(pause).await;
        }
    }

    fn map(&self) -> Option<Arc<SlotMap>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The nodes that have slots, as far as is known.
    pub(super) fn masters(&self) -> Vec<Endpoint> {
        self.map().map(|map| map.masters().to_vec()).unwrap_or_default()
    }

    async fn send(
        &self,
        errand: &mut Errand,
        slot: Option<u16>,
        place: &Endpoint,
        request: Request<'_>,
    ) -> Result<Value, Failure> {
        let (server, repeats) = (self.server(place), errand.repeats());
        let call = server.attempt(errand, request);
        tokio::pin!(call);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut call => break outcome,
                // A node that hangs is waited for only as long as no other has its slot.
                () = sleep(LOOK) => {
                    let Some(slot) = slot else {
                        let message = format!("redis at {place} does not answer");
                        break Err(Failure { executed: true, ..Failure::passing(ErrorKind::Unreachable, message) });
                    };
                    let _ = self.look(Instant::now()).await;
                    if self.owner(slot).is_some_and(|owner| owner != *place) {
                        server.leave();
                        let message = format!("redis at {place} does not answer, and another has the queue's slot");
                        break Err(Failure { executed: true, ..Failure::passing(ErrorKind::Unreachable, message) });
                    }
                }
            }
        };
        // One that only asks for a moment has its slots still.
        let is_brief = |failure: &Failure| failure.kind == ErrorKind::NotNow && failure.remedy == Remedy::Wait;
        let passes = |failure: &Failure| is_brief(failure) && repeats < 2;
        let settled = |failure: &Failure| failure.redirect.is_some() || failure.remedy == Remedy::Nothing;
        if matches!(&outcome, Err(failure) if !settled(failure) && !passes(failure)) {
            self.suspect(std::slice::from_ref(place));
        }
        outcome
    }

    /// Where a call goes: a node that nothing went wrong with is not asked for twice.
    async fn place(&self, errand: &mut Errand, slot: Option<u16>) -> Result<Endpoint, Failure> {
        if let Some(place) = self.known_place(errand, slot).filter(|place| !self.is_suspect(place)) {
            return Ok(place);
        }
        errand.dialled = true;
        let asked = Instant::now();
        match errand.connect_by(Duration::ZERO) {
            None => self.look(asked).await?,
            Some(until) => timeout_at(until, self.look(asked)).await.unwrap_or_else(|_| {
                let message = format!("no node of {} answers in time", self.topology);
                Err(Failure::passing(ErrorKind::Unreachable, message))
            })?,
        }
        self.known_place(errand, slot).ok_or_else(|| {
            let message = format!("{} is down: no node has the queue's slot", self.topology);
            Failure { remedy: Remedy::Wait, ..Failure::passing(ErrorKind::Unreachable, message) }
        })
    }

    /// The node that has a slot; for a call about none any will do, another one after a failure.
    fn known_place(&self, errand: &Errand, slot: Option<u16>) -> Option<Endpoint> {
        if let Some(slot) = slot {
            return self.owner(slot);
        }
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let sound: Vec<_> = map.masters().iter().filter(|master| !self.is_suspect(master)).collect();
        let sound = if sound.is_empty() { map.masters().iter().collect() } else { sound };
        let turn = usize::try_from(errand.repeats()).unwrap_or_default();
        sound.get(turn % sound.len().max(1)).map(|place| (*place).clone())
    }

    fn is_suspect(&self, place: &Endpoint) -> bool {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner).contains(place)
    }

    fn suspect(&self, places: &[Endpoint]) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places {
            if !suspects.contains(place) {
                suspects.push(place.clone());
            }
        }
    }

    /// The node that has a slot, as far as is known.
    pub(super) fn owner(&self, slot: u16) -> Option<Endpoint> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.owner(slot).cloned()
    }

    fn moved(&self, slot: u16, to: &Endpoint) {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = map.as_mut() {
            Arc::make_mut(map).moved(slot, to.clone());
        }
    }

    fn server(&self, place: &Endpoint) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let route = Route::to_node(&self.config, place.clone());
            Arc::new(Server::new(route, self.patience))
        };
        Arc::clone(servers.entry(place.to_string()).or_insert_with(new))
    }

    /// Asks the nodes who has which slot, or takes what came of it since `asked`.
    async fn look(&self, asked: Instant) -> Result<(), Failure> {
        let mut looked = self.looking.lock().await;
        if let Some(at) = looked.at {
            if at >= asked {
                return looked.failure.clone().map_or(Ok(()), Err);
            }
            sleep_until(at + dial_pause(looked.failures)).await;
        }
        let outcome = self.topology.find().await;
        looked.at = Some(Instant::now());
        match outcome {
            Ok(map) => {
                (looked.failures, looked.failure) = (0, None);
                self.suspects.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.keep(&map);
                *self.map.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(map));
                Ok(())
            }
            Err(failure) => {
                looked.failures = looked.failures.saturating_add(1);
                // Wrong as long as no node was ever reached; later perhaps a cluster in upheaval.
                let failure = match failure.remedy {
                    Remedy::Nothing if self.was_reached() && failure.kind == ErrorKind::Config => {
                        Failure { remedy: Remedy::Reconnect, ..failure }
                    }
                    _ => failure,
                };
                looked.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Forgets the connections to nodes that are gone.
    fn keep(&self, map: &SlotMap) {
        let there: Vec<String> = map.everybody().map(Endpoint::to_string).collect();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|place, server| {
            let stays = there.contains(place);
            if !stays {
                self.answers.fetch_add(server.answers(), Ordering::AcqRel);
            }
            stays
        });
    }
}
