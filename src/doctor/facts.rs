//! What an examination looks at, gathered: a handful of quick questions a queue, all queues at once, never a scan.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::alerts::Waiting;
use crate::breaker::BreakerInfo;
use crate::clock::{instant, local_now};
use crate::config::{Config, RedisConfig, RedisMode};
use crate::doctor::finding::Cause;
use crate::doctor::services::Service;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobState, Layout, Partition, Partitions, QueueName};
use crate::stats::{QueueStats, Unreached, WorkerInfo};
use crate::store::{
    AlertHash, ClusterLook, Counts, Detail, Diagnosed, Found, Hold, Key, QueueKeys, Range, SentinelLook, ServerLook,
    Standstill, Store, Vitals, WorkerSelf, alerts_turn, look_at_sentinels, worker_info,
};

/// Queues or workers that are asked about at the same time.
const CALLS_AT_ONCE: usize = 32;
/// Workers go on with a change of partitions each minute.
const STANDS_STILL_MS: i64 = 180_000;
/// The same where no worker is there to go on: only a command that is at it can, and comes further within seconds.
const LEFT_ALONE_MS: i64 = 15_000;
/// Jobs that failed last, of each state, from which causes are told.
const CAUSES_FROM: u64 = 50;
/// Causes that a finding names.
const CAUSES_MAX: usize = 5;

/// Everything that findings are made from.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub server: Option<ServerFacts>,
    pub queues: Vec<QueueFacts>,
    /// Queues that could not be read, and why.
    pub unreadable: Vec<(QueueName, Error)>,
    pub workers: Vec<WorkerFacts>,
    pub services: Vec<Service>,
    /// `None` where only one queue is looked at.
    pub alerts: Option<AlertFacts>,
    pub breakers: Breakers,
    /// Why some of it could not be asked, where a node of a cluster has gone away meanwhile.
    pub absent: Option<Error>,
    /// The nodes of a cluster that are away, and what was left out because of that.
    pub unreached: Vec<Unreached>,
}

/// Alerts: whether there are rules, who evaluates them, and what nobody has taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertFacts {
    /// Rules that are stored, or stand in the profile file.
    pub rules: usize,
    /// Until when somebody had the turn last, in ms; `None`: nobody ever had.
    pub turn_until_ms: Option<i64>,
    /// Notices that were tried and not taken by all.
    pub waiting: Vec<Waiting>,
    pub now_ms: i64,
}

/// The breakers that are open.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    pub open: Vec<BreakerInfo>,
    /// By the server's clock; nothing where none is open.
    pub now: DateTime<Utc>,
}

/// The server, as it tells of itself and as it is reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFacts {
    pub look: ServerLook,
    /// How far its clock is ahead of this host's, in ms.
    pub skew_ms: i64,
    /// Between which instants of this host it was asked, in µs.
    pub asked_us: (i64, i64),
    /// `None` in another mode.
    pub cluster: Option<ClusterLook>,
    /// `None` in another mode.
    pub sentinels: Option<Vec<SentinelLook>>,
    /// The ACL user that asks, where one is set.
    pub user: Option<String>,
    /// Whether only this host can reach it: a socket or a loopback address.
    pub is_local: bool,
    /// Whether a password or a certificate is needed to get in.
    pub is_guarded: bool,
}

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueFacts {
    pub stats: QueueStats,
    /// Each place that may hold jobs of it.
    pub places: Vec<PlaceFacts>,
    /// Jobs under the queue's own name, where it has several partitions and nobody looks for jobs there.
    pub misplaced: u64,
    pub setting_problems: Vec<String>,
    pub diagnosed: Diagnosed,
    /// Why its latest jobs failed, the most frequent first.
    pub causes: Vec<Cause>,
    /// The service that all its jobs need, where that one's breaker is open.
    pub held_by: Option<String>,
    /// A change of its partitions that nobody goes on with.
    pub standstill: Option<Standstill>,
    /// What keeps its new partitions from being fetched.
    pub hold: Option<Hold>,
}

impl QueueFacts {
    /// Its partitions and what is counted there; none where it has but itself.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, &QueueStats)> {
        let places = if self.places.len() > 1 { &self.places[..] } else { &[] };
        places.iter().filter_map(|place| Some((place.partition.as_str(), place.stats.as_ref()?)))
    }
}

/// One place of a queue: the queue itself, or one of its partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlaceFacts {
    /// `3/8`.
    pub partition: String,
    /// Records there are; as many as ids, where nothing is wrong.
    pub records: u64,
    /// Ids in all its states.
    pub ids: u64,
    /// Jobs that wait.
    pub waiting: u64,
    /// What is counted there, and the share of each limit; nothing where it was never used.
    pub stats: Option<QueueStats>,
    pub diagnosed: Diagnosed,
}

/// A worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerFacts {
    pub info: WorkerInfo,
    pub vitals: Option<Vitals>,
    /// The slots of each queue, where queues do not share them.
    pub slots: BTreeMap<QueueName, u64>,
    /// The service that all jobs of a queue need.
    pub needs: BTreeMap<QueueName, String>,
}

/// Looks at everything, or at one queue and what it needs.
///
/// # Errors
/// `NotFound` when that queue was never used; whatever keeps the server from answering.
pub(crate) async fn gather(store: &Store, config: &Config, only: Option<&QueueName>) -> Result<Facts> {
    let (server, queues) = tokio::join!(server(store, &config.redis), queue_names(store, only));
    let server = server?;
    let is_cluster = server.cluster.is_some();
    let mut facts = Facts { server: Some(server), ..Facts::default() };
    let gathered = match queues {
        Ok(queues) => gather_rest(store, queues, &mut facts).await,
        Err(error) => Err(error),
    };
    let gathered = match gathered {
        Ok(()) if only.is_none() => alerts(store, config.alerts.rules.len()).await.map(|found| facts.alerts = found),
        gathered => gathered,
    };
    match gathered {
        Ok(()) => {}
        // Other nodes of a cluster have said what they know.
        Err(error) if is_cluster && error.kind() == ErrorKind::Unreachable => facts.absent = Some(error),
        Err(error) => return Err(error),
    }
    facts.unreached = store.unreached();
    Ok(facts)
}

async fn gather_rest(store: &Store, queues: Vec<QueueName>, facts: &mut Facts) -> Result<()> {
    let ask = |queue: QueueName| async move { (look_at_queue(store, &queue).await, queue) };
    let mut asked = stream::iter(queues).map(ask).buffered(CALLS_AT_ONCE);
    while let Some((looked, queue)) = asked.next().await {
        match store.or_left_out(&queue, looked).map(Option::flatten) {
            Ok(looked) => facts.queues.extend(looked),
            // Of one queue alone: the others are looked at all the same.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Internal) => {
                facts.unreadable.push((queue, error));
            }
            Err(error) => return Err(error),
        }
    }
    (facts.workers, facts.breakers) = tokio::try_join!(workers(store, &facts.queues), open_breakers(store))?;
    for queue in &mut facts.queues {
        let name = &queue.stats.queue;
        let mut needed = facts.workers.iter().filter_map(|worker| worker.needs.get(name));
        queue.held_by =
            needed.find(|needed| facts.breakers.open.iter().any(|open| open.dependency == **needed)).cloned();
    }
    Ok(())
}

async fn alerts(store: &Store, of_file: usize) -> Result<Option<AlertFacts>> {
    if store.leaves_out(&alerts_turn(&store.prefix), "the alerts").await {
        return Ok(None);
    }
    let (stored, holder, outbox, now_ms) = tokio::try_join!(
        store.alert_fields(AlertHash::Rules),
        store.alert_holder(),
        store.alert_fields(AlertHash::Outbox),
        store.now_ms(),
    )?;
    let read = |text: &String| serde_json::from_str::<Waiting>(text).ok();
    let waiting = outbox.values().filter_map(read).filter(|waiting| waiting.attempts > 0).collect();
    let turn_until_ms = holder.map(|(_, until_ms)| until_ms);
    Ok(Some(AlertFacts { rules: stored.len() + of_file, turn_until_ms, waiting, now_ms }))
}

async fn queue_names(store: &Store, only: Option<&QueueName>) -> Result<Vec<QueueName>> {
    let Some(queue) = only else { return store.queues().await };
    if store.absence_of_home(queue).await.is_some() {
        return Ok(vec![queue.clone()]);
    }
    match store.is_known(&store.keys(queue)).await? {
        true => Ok(vec![queue.clone()]),
        false => Err(store.unknown_queue(queue).await),
    }
}

/// Those that cannot be read count as closed, as they do for workers.
async fn open_breakers(store: &Store) -> Result<Breakers> {
    let (now_ms, all) = store.breakers().await?;
    Ok(Breakers { open: all.into_iter().flatten().filter(BreakerInfo::is_open).collect(), now: instant(now_ms) })
}

async fn server(store: &Store, config: &RedisConfig) -> Result<ServerFacts> {
    let before = local_now();
    let (look, sentinels, cluster) =
        tokio::join!(timed(store), look_at_sentinels(config), store.look_at_cluster(config));
    let ((look, mut after), cluster) = (look?, cluster?);
    if cluster.is_some() {
        after = local_now();
    }
    let asked_us = (before.timestamp_micros(), after.timestamp_micros());
    let skew_ms = skew_ms(look.time_us, asked_us);
    let is_loopback = |host: &str| host == "localhost" || host == "::1" || host.starts_with("127.");
    let is_local = match &config.mode {
        RedisMode::Embedded { .. } => true,
        RedisMode::Standalone(endpoint) => is_loopback(&endpoint.host),
        RedisMode::Sentinel { sentinels: places, .. } | RedisMode::Cluster(places) => {
            places.iter().all(|place| is_loopback(&place.host))
        }
    };
    let is_guarded = config.password.is_some() || config.tls.cert.is_some();
    let user = config.username.clone();
    Ok(ServerFacts { look, skew_ms, asked_us, cluster, sentinels, user, is_local, is_guarded })
}

/// How far a clock that was read between two instants of this host is ahead of it.
pub(crate) fn skew_ms(time_us: i64, (before_us, after_us): (i64, i64)) -> i64 {
    let skew_us = match time_us {
        time if time < before_us => time - before_us,
        time if time > after_us => time - after_us,
        _ => 0,
    };
    skew_us / 1000
}

/// What the server says, and when it had said it.
async fn timed(store: &Store) -> Result<(ServerLook, chrono::DateTime<chrono::Utc>)> {
    let look = store.look_at_server().await?;
    Ok((look, local_now()))
}

async fn look_at_queue(store: &Store, queue: &QueueName) -> Result<Option<QueueFacts>> {
    let spread = store.spread(queue).await?;
    let layout = spread.layout;
    let looks: Vec<_> = spread.partitions().map(|place| look_at_place(store, queue, place)).collect();
    let looks = stream::iter(looks).buffered(CALLS_AT_ONCE).try_collect::<Vec<_>>();
    let (places, of_places): (Vec<_>, Vec<_>) = looks.await?.into_iter().unzip();
    // The numbers of an only place are those of the queue, but for what was counted in others within the hour.
    let mut of_places =
        of_places.into_iter().flatten().filter(|of| layout == Layout::ONE && of.former().next().is_none());
    let counts = match of_places.next() {
        Some(counts) => counts,
        None => match store.counts_of(queue).await? {
            Some(counts) => counts,
            None => return Ok(None),
        },
    };
    let stats = counts.stats(queue.clone());
    let home = store.keys(queue);
    // Its own node has its settings, and says how far a change is.
    let is_home = store.absence_of_home(queue).await.is_none();
    let misplaced = match layout.now.is_one() || layout.was.is_some_and(Partitions::is_one) || !is_home {
        true => 0,
        false => store.counts(&home).await?.map_or(0, |counts| counts.records),
    };
    let mut found = Vec::new();
    for (count, set) in [(stats.dead, Key::Dead), (stats.retrying, Key::Retrying)] {
        if count > 0 {
            let look = |keys| async move { failed_last(store, &keys, set, layout.places().count()).await };
            found.extend(store.ask_places(queue, look).await?.into_iter().flatten());
        }
    }
    Ok(Some(QueueFacts {
        setting_problems: counts.setting_problems(queue),
        causes: causes(&found, queue),
        diagnosed: Diagnosed::of_all(places.iter().map(|place| place.diagnosed.clone()).collect()),
        places,
        misplaced,
        held_by: None,
        standstill: if is_home {
            store.standstill(queue, if stats.workers > 0 { STANDS_STILL_MS } else { LEFT_ALONE_MS }).await?
        } else {
            None
        },
        hold: if is_home { store.hold(queue).await? } else { None },
        stats,
    }))
}

/// Numbers that must agree are of one instant, and so of one place.
async fn look_at_place(store: &Store, queue: &QueueName, partition: Partition) -> Result<(PlaceFacts, Option<Counts>)> {
    let keys = store.partition_keys(queue, partition);
    let (counts, diagnosed) = tokio::try_join!(store.counts(&keys), store.diagnose(&keys))?;
    let partition = partition.to_string();
    let Some(counts) = counts else {
        return Ok((PlaceFacts { partition, diagnosed, ..PlaceFacts::default() }, None));
    };
    let [critical, high, normal, low, scheduled, _, retrying, ..] = counts.sizes;
    let waiting = critical + high + normal + low + scheduled + retrying;
    let (records, ids, stats) = (counts.records, counts.sizes.iter().sum(), Some(counts.stats(queue.clone())));
    Ok((PlaceFacts { partition, records, ids, waiting, stats, diagnosed }, Some(counts)))
}

/// The last ones of one of so many places.
async fn failed_last(store: &Store, keys: &QueueKeys, set: Key, places: usize) -> Result<Vec<Found>> {
    let count = CAUSES_FROM.div_ceil(places.max(1) as u64);
    store.page(keys, set, Range::Newest { first: 0, count }, Detail::Arrival).await
}

/// Why these jobs failed last, by code.
fn causes(found: &[Found], queue: &QueueName) -> Vec<Cause> {
    let mut by_code = BTreeMap::<String, Cause>::new();
    for job in found {
        let (code, class, error) = match job.place.state {
            JobState::Dead => {
                let letter = job.letter(queue);
                (letter.code, letter.class, letter.error)
            }
            _ => match job.last_error() {
                Some(failure) => (failure.code, failure.class, failure.message),
                None => continue,
            },
        };
        // The latest come first, so the first that is met tells what is going on.
        let first_line = error.lines().next().unwrap_or_default().to_owned();
        let example = Some(first_line).filter(|line| !line.is_empty());
        by_code.entry(code.clone()).or_insert(Cause { code, class, count: 0, example }).count += 1;
    }
    let mut causes: Vec<_> = by_code.into_values().collect();
    causes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
    causes.truncate(CAUSES_MAX);
    causes
}

/// The workers that these queues know, by id.
async fn workers(store: &Store, queues: &[QueueFacts]) -> Result<Vec<WorkerFacts>> {
    let now_ms = queues.iter().map(|queue| queue.diagnosed.now_ms).max().unwrap_or_default();
    let mut held_by = BTreeMap::<&str, Vec<_>>::new();
    for queue in queues {
        for held in &queue.diagnosed.holders {
            held_by.entry(&held.worker).or_default().push((queue.stats.queue.clone(), held.clone()));
        }
    }
    let ask = |(worker, held): (&str, Vec<_>)| {
        let worker = worker.to_owned();
        async move { (store.worker(&worker).await, held) }
    };
    let asks: Vec<_> = held_by.into_iter().map(ask).collect();
    let mut asked = stream::iter(asks).buffered(CALLS_AT_ONCE);
    let mut workers = Vec::new();
    while let Some((said, held)) = asked.next().await {
        let said = said?;
        let of = |said: &WorkerSelf| (said.vitals, said.slots.clone(), said.needs.clone());
        let (vitals, slots, needs) = said.as_ref().map(of).unwrap_or_default();
        workers.extend(worker_info(said, &held, now_ms).map(|info| WorkerFacts { info, vitals, slots, needs }));
    }
    Ok(workers)
}
