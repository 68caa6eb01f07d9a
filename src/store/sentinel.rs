//! Finding the master through sentinels, and hearing at once when it moves.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::plain;
use super::diagnose::SentinelLook;
use super::dial::{self, Address, Login, text};
use super::failure::{Failure, words};
use crate::config::{Endpoint, RedisConfig, RedisMode, TlsConfig};
use crate::error::ErrorKind;

/// One sentinel is given so long.
pub(super) const SENTINEL_LIMIT: Duration = Duration::from_secs(1);
/// After the first answer the others are given so long: one of them may know of a newer election.
pub(super) const LATECOMERS: Duration = Duration::from_millis(50);
/// How often each sentinel is asked, in case that its announcement got lost.
const POLL: Duration = Duration::from_secs(1);

/// The flags under which a sentinel still names a master that is on its way out.
const PASSING: [&str; 2] = ["o_down", "failover_in_progress"];

/// The sentinels of one master.
#[derive(Debug, Clone)]
pub(super) struct Sentinels {
    places: Vec<Endpoint>,
    master: String,
    login: Login,
    tls: TlsConfig,
}

/// Where the master is, as one sentinel knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub endpoint: Endpoint,
    /// The number of the election that made it master.
    pub epoch: u64,
    pub named_by: Endpoint,
    /// Whether this sentinel, with others, holds it for dead, or is putting another in its place.
    pub passing: bool,
}

/// What a sentinel tells unasked, or when polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Another master was elected just now.
    Switched(Endpoint),
    /// This is the master, by that election.
    Polled(Endpoint, u64),
}

/// Why one sentinel is of no help.
enum Unhelpful {
    Failed(Failure),
    NotASentinel,
    UnknownMaster,
}

impl Sentinels {
    /// The sentinels of the configuration; `None` in another mode.
    pub(super) fn of(config: &RedisConfig) -> Option<Self> {
        let RedisMode::Sentinel { sentinels, master, username, password } = &config.mode else { return None };
        Some(Self {
            places: sentinels.clone(),
            master: master.clone(),
            login: Login { username: username.clone(), password: password.clone(), db: 0 },
            tls: config.tls.clone(),
        })
    }

    /// Asks all sentinels at once; the address of the newest election that any of them knows.
    pub(super) async fn find(&self) -> Result<Found, Failure> {
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|place| async move { (place, self.ask_anew(place).await) }).collect();
        let (mut best, mut unhelpful) = (None::<Found>, Vec::new());
        let mut until = Instant::now() + SENTINEL_LIMIT * 2;
        while let Ok(Some((place, answer))) = timeout_at(until, asked.next()).await {
            match answer {
                Ok(found) => {
                    if best.is_none() {
                        until = Instant::now() + LATECOMERS;
                    }
                    if best.as_ref().is_none_or(|best| best.epoch < found.epoch) {
                        best = Some(found);
                    }
                }
                Err(reason) => unhelpful.push((place, reason)),
            }
        }
        drop(asked);
        best.ok_or_else(|| self.nobody_knows(&unhelpful))
    }

    /// What keeps the sentinels from electing another master; `None` where nothing does.
    pub(super) async fn no_quorum(&self, place: &Endpoint) -> Option<String> {
        let mut connection = self.open(place).await.ok()?;
        let mut cmd = redis::cmd("SENTINEL");
        cmd.arg("CKQUORUM").arg(&self.master);
        let reply = timeout(SENTINEL_LIMIT, connection.send_packed_command(&cmd)).await.ok()?;
        plain(reply).err().map(|error| words(&error))
    }

    /// Asks all of them at once whether they know the master and could have another elected.
    pub(super) async fn look(&self) -> Vec<SentinelLook> {
        let look = |place| async move {
            let (problem, no_quorum) = match self.ask_anew(place).await {
                Ok(_) => (None, self.no_quorum(place).await),
                Err(reason) => (Some(self.reason(place, &reason)), None),
            };
            SentinelLook { place: place.to_string(), problem, no_quorum }
        };
        join_all(self.places.iter().map(look)).await
    }

    /// Where they are.
    pub(super) fn places(&self) -> &[Endpoint] {
        &self.places
    }

    /// What the sentinel at `place` says, asked on the connection that is held to it; a new one is made where there is
    /// none. Kept for the next question only where it has answered this one.
    pub(super) async fn ask_held(&self, place: &Endpoint, held: &mut Option<MultiplexedConnection>) -> Option<Found> {
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.open(place).await.ok()?,
        };
        let found = self.ask(&mut connection, place).await.ok()?;
        *held = Some(connection);
        Some(found)
    }

    async fn open(&self, place: &Endpoint) -> Result<MultiplexedConnection, Unhelpful> {
        let address = Address::Tcp(place.clone());
        let wire = dial::open(&address, &self.login, &self.tls, SENTINEL_LIMIT).await.map_err(Unhelpful::Failed)?;
        if wire.greeting.mode == "sentinel" { Ok(wire.connection) } else { Err(Unhelpful::NotASentinel) }
    }

    async fn ask_anew(&self, place: &Endpoint) -> Result<Found, Unhelpful> {
        let mut connection = self.open(place).await?;
        self.ask(&mut connection, place).await
    }

    async fn ask(&self, connection: &mut MultiplexedConnection, place: &Endpoint) -> Result<Found, Unhelpful> {
        let mut cmd = redis::cmd("SENTINEL");
        cmd.arg("MASTER").arg(&self.master);
        let failed = |failure| Unhelpful::Failed(failure);
        let reply = timeout(SENTINEL_LIMIT, connection.send_packed_command(&cmd)).await;
        let reply = reply.map_err(|_| failed(Failure::silent(place, SENTINEL_LIMIT)))?;
        let reply = plain(reply).map_err(|error| match error.detail() {
            Some(detail) if detail.starts_with("No such master") => Unhelpful::UnknownMaster,
            _ => failed(Failure::answering(place, &error)),
        })?;
        let field = |name: &str| -> Option<&str> {
            let Value::Array(fields) = &reply else { return None };
            let pair = fields.chunks_exact(2).find(|pair| text(&pair[0]) == Some(name))?;
            text(&pair[1])
        };
        let endpoint = field("ip").map(str::to_owned).zip(field("port").and_then(|port| port.parse().ok()));
        let (host, port) = endpoint.ok_or(Unhelpful::NotASentinel)?;
        let epoch = field("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        let passing = field("flags").is_some_and(|flags| flags.split(',').any(|flag| PASSING.contains(&flag)));
        let endpoint = Endpoint { host, port, tls: self.tls.enabled };
        Ok(Found { endpoint, epoch, named_by: place.clone(), passing })
    }

    /// The failure that says what every sentinel lacked.
    fn nobody_knows(&self, unhelpful: &[(&Endpoint, Unhelpful)]) -> Failure {
        let said: Vec<_> = unhelpful.iter().map(|(place, reason)| self.reason(place, reason)).collect();
        let silent = if said.is_empty() { "none answered in time".to_owned() } else { said.join("; ") };
        let message = format!("no sentinel names the master {:?}: {silent}", self.master);
        let all = |is: fn(&Unhelpful) -> bool| !unhelpful.is_empty() && unhelpful.iter().all(|(_, reason)| is(reason));
        let denied = |reason: &Unhelpful| matches!(reason, Unhelpful::Failed(failure) if failure.kind == ErrorKind::AccessDenied);
        if unhelpful.iter().any(|(_, reason)| denied(reason)) {
            return Failure::final_(ErrorKind::AccessDenied, message);
        }
        // A certificate that does not fit, everywhere: no repeat mends that.
        if all(|reason| matches!(reason, Unhelpful::Failed(failure) if failure.kind == ErrorKind::Config)) {
            return Failure::final_(ErrorKind::Config, message);
        }
        // Nobody knows the name, or nobody is a sentinel: wrong at the start, but later perhaps a set in upheaval.
        let misfit = unhelpful.iter().any(|(_, reason)| !matches!(reason, Unhelpful::Failed(_)));
        let absent = all(|reason| matches!(reason, Unhelpful::Failed(failure) if failure.absent));
        Failure { misfit, absent, ..Failure::passing(ErrorKind::Unreachable, message) }
    }

    fn reason(&self, place: &Endpoint, reason: &Unhelpful) -> String {
        match reason {
            // They have variables of their own, and their place stands in the list.
            Unhelpful::Failed(failure) => failure
                .message
                .replace("redis at ", "sentinel ")
                .replace("REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD")
                .replace("REDIS_USERNAME", "REDIS_SENTINEL_USERNAME")
                .replace("config acl", "config acl --sentinels")
                .replace("REDIS_HOST", "REDIS_SENTINEL_URLS"),
            Unhelpful::NotASentinel => format!("{place} is not a sentinel"),
            Unhelpful::UnknownMaster => format!("sentinel {place} knows no master {:?}", self.master),
        }
    }

    /// Listens to every sentinel and asks each once a second, until the tasks are aborted.
    pub(super) fn watch(&self, tell: impl Fn(News) + Clone + Send + 'static) -> Vec<AbortHandle> {
        let listening = self.places.iter().map(|place| {
            let (sentinels, place, tell) = (self.clone(), place.clone(), tell.clone());
            tokio::spawn(async move { sentinels.listen(&place, tell).await }).abort_handle()
        });
        let polling = self.places.iter().map(|place| {
            let (sentinels, place, tell) = (self.clone(), place.clone(), tell.clone());
            tokio::spawn(async move { sentinels.poll(&place, tell).await }).abort_handle()
        });
        listening.chain(polling).collect()
    }

    async fn listen(&self, place: &Endpoint, tell: impl Fn(News)) {
        let address = Address::Tcp(place.clone());
        loop {
            if let Ok(mut heard) = dial::listen(&address, &self.login, &self.tls, "+switch-master").await {
                while let Some(message) = heard.next().await {
                    let said = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
                    if let Some((host, port)) = switched(&said, &self.master) {
                        tell(News::Switched(Endpoint { host, port, tls: self.tls.enabled }));
                    }
                }
            }
            sleep(POLL).await;
        }
    }

    async fn poll(&self, place: &Endpoint, tell: impl Fn(News)) {
        let mut held = None;
        loop {
            sleep(POLL).await;
            if let Some(found) = self.ask_held(place, &mut held).await {
                tell(News::Polled(found.endpoint, found.epoch));
            }
        }
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.places.iter().map(Endpoint::to_string).collect();
        write!(f, "master {:?} of sentinels {}", self.master, places.join(", "))
    }
}

/// The new address in `name old-host old-port new-host new-port`.
fn switched(said: &str, master: &str) -> Option<(String, u16)> {
    let words: Vec<_> = said.split(' ').collect();
    match words[..] {
        [name, _, _, host, port] if name == master => Some((host.to_owned(), port.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_of_our_master_counts() {
        assert_eq!(switched("m 10.0.0.1 1 10.0.0.2 2", "m"), Some(("10.0.0.2".to_owned(), 2)));
        assert_eq!(switched("n 10.0.0.1 1 10.0.0.2 2", "m"), None);
        assert_eq!(switched("m 10.0.0.1 1", "m"), None);
    }
}
