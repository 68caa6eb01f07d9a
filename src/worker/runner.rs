//! Starts the actors of a worker and sees them to their end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::alert::AlertSinks;
use crate::client::Client;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::job::{JobId, QueueName};
use crate::mover;
use crate::processor::Registry;
use crate::store::{Connection, Patience, Store, WorkerSelf};
use crate::worker::breakers::{self, Breakers};
use crate::worker::builder::{Concurrency, WorkerBuilder};
use crate::worker::finisher::{Ended, finisher};
use crate::worker::lane::{Lane, Pool};
use crate::worker::shared::{Limiter, Shared};
use crate::worker::shutdown::{LAST_WORDS, Stopper, give_up_after, wind_down};
use crate::worker::{actor, alerter, courier, executor, fetcher, heartbeat, janitor, promoter, recoverer, scheduler};

/// Ends that may wait for the finisher of a queue; beyond that, slots wait.
const ENDS_WAITING: usize = 2_000;
/// A queue whose server answers does not wait longer at the start for one whose server does not.
const LATECOMERS: Duration = Duration::from_secs(2);
/// How long a worker that gave Redis up waits for it to take its last words.
const LAST_TRY: Duration = Duration::from_millis(500);

/// A process that runs jobs. Made by [`Worker::builder`], run by [`Worker::run`].
pub struct Worker {
    shared: Arc<Shared>,
    client: Client,
    grace: Duration,
    inboxes: Vec<mpsc::Receiver<Ended>>,
    alerts: Option<AlertSinks>,
}

/// What a worker did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReport {
    /// Jobs that ended well.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs given back.
    pub released: u64,
    /// Ends of jobs that Redis never confirmed; their leases bring the jobs back.
    pub unconfirmed: u64,
}

impl Worker {
    /// A worker on `client` for the queues that `registry` has a processor for.
    pub fn builder(client: &Client, registry: Registry) -> WorkerBuilder {
        WorkerBuilder::new(client, registry)
    }

    pub(crate) fn new(builder: WorkerBuilder) -> Result<Self> {
        let config = builder.client.config().clone();
        let store = builder.client.open_store();
        let worker: Arc<str> = worker_id().into();
        let breakers = Breakers::new(store.clone(), Arc::clone(&worker), builder.breaker);
        let mut inboxes = Vec::new();
        let mut lanes = Vec::new();
        for queue in builder.registry.queues() {
            let (lane, inbox) = lane(&store, &builder.registry, queue)?;
            lanes.push(lane);
            inboxes.push(inbox);
        }
        let pools = pools(&lanes, &builder);
        let about = about(&builder, &worker, &lanes);
        let shared = Arc::new(Shared {
            store,
            client: builder.client.clone(),
            redis: config.redis,
            breakers: Arc::new(breakers),
            worker,
            lanes,
            pools,
            lease: builder.lease,
            timeout: builder.timeout,
            about,
            listener: builder.listener,
            until_empty: builder.until_empty,
            stop: CancellationToken::new(),
            stop_now: CancellationToken::new(),
            give_up: CancellationToken::new(),
            ended: CancellationToken::new(),
            stalled: CancellationToken::new(),
            give_up_after: builder.give_up_after,
            silenced: CancellationToken::new(),
            gate: RwLock::new(()),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            released: AtomicU64::new(0),
            unconfirmed: AtomicU64::new(0),
            remaining: AtomicU64::new(builder.max_jobs.unwrap_or(u64::MAX)),
            limiter: builder.rate.map(|rate| Mutex::new(Limiter::new(rate))),
            running_empty: AtomicBool::new(false),
            solo: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            ticked_at: Mutex::new(Instant::now()),
            stalls: AtomicBool::new(false),
            warned_at: Mutex::new(None),
        });
        Ok(Self { shared, client: builder.client, grace: builder.grace, inboxes, alerts: builder.alerts })
    }

    /// Its id: host, pid and a ULID, unique for every start.
    pub fn id(&self) -> &str {
        &self.shared.worker
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.shared))
    }

    /// Runs until it is stopped, until the queues are empty, or until so many jobs have ended, as built. Dropping the
    /// future ends nothing orderly: the leases bring back what was claimed.
    ///
    /// # Errors
    /// `Unreachable`, `AccessDenied` or `Config` when the server cannot be worked with at the start, `Refused` when another
    /// version laid out a queue; `NotNow` when processors have blocked their runtime for two leases, after which the process
    /// is of no more use, and when Redis gave no answer for as long as the worker was built to wait.
    pub async fn run(self) -> Result<WorkerReport> {
        let Self { shared, client, grace, inboxes, alerts } = self;
        client.ping().await?;
        // Also where this future is dropped: a heart that beats on would keep the claims from everybody.
        let _heart_ends = shared.ended.clone().drop_guard();
        tokio::select! {
            outcome = introduce(&shared, client.config()) => outcome?,
            () = shared.stop.cancelled() => return Ok(report(&shared)),
        }
        shared.begin();
        let stalled = shared.stalled.clone();
        tokio::select! {
            report = carry_on(shared, grace, inboxes, alerts) => report,
            // Nothing on this runtime gets a turn, so the claims are left to their leases.
            () = stalled.cancelled() => Err(Error::new(
                ErrorKind::NotNow,
                "processors have blocked every thread of their runtime for two leases: give long computations to \
                 spawn_blocking; their jobs run again elsewhere",
            )),
        }
    }
}

/// From the first fetch to the last word.
async fn carry_on(
    shared: Arc<Shared>,
    grace: Duration,
    inboxes: Vec<mpsc::Receiver<Ended>>,
    alerts: Option<AlertSinks>,
) -> Result<WorkerReport> {
    let mut actors = JoinSet::new();
    actors.spawn(tick(Arc::clone(&shared)));
    let heart = start_heart(&shared)?;
    actors.spawn(breakers::watch(Arc::clone(&shared)));
    let alerter = alerter::start(&shared, alerts);
    for lane in &shared.lanes {
        start_keepers(&mut actors, &shared, lane);
    }
    let mut finishers = JoinSet::new();
    for (lane, inbox) in shared.lanes.iter().zip(inboxes) {
        finishers.spawn(finisher(Arc::clone(&shared), Arc::clone(lane), inbox));
    }
    let (mut slots, mut fetchers) = (JoinSet::new(), JoinSet::new());
    for pool in &shared.pools {
        for _ in 0..pool.slots {
            slots.spawn(executor::slot(Arc::clone(&shared), Arc::clone(pool)));
        }
        fetchers.spawn(fetcher::fetcher(Arc::clone(&shared), Arc::clone(pool)));
    }
    shared.emit(|| Event::new(EventKind::WorkerStarted).message(shared.worker.to_string()));

    shared.stop.cancelled().await;
    shared.emit(|| Event::new(EventKind::WorkerStopping).message(shared.worker.to_string()));
    give_up_after(&shared, grace);
    while fetchers.join_next().await.is_some() {}
    wind_down(&shared, slots, grace).await;
    for lane in &shared.lanes {
        lane.closed.cancel();
    }
    while finishers.join_next().await.is_some() {}
    actors.shutdown().await;
    alerter::finish(alerter, &shared).await;
    // First, so that no beat takes up the lease again. It is not waited for where Redis does not answer.
    shared.ended.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(1), heart).await;
    sign_off(&shared).await;
    let report = report(&shared);
    shared.emit(|| Event::new(EventKind::WorkerStopped).message(shared.worker.to_string()));
    if shared.silenced.is_cancelled() {
        return Err(given_up(&shared, report.unconfirmed));
    }
    Ok(report)
}

/// Why a worker ended that waited for Redis long enough.
fn given_up(shared: &Shared, unconfirmed: u64) -> Error {
    let waited = humantime::format_duration(shared.give_up_after.unwrap_or_default());
    let lost = match unconfirmed {
        0 => String::new(),
        ends => format!("; {ends} ends of jobs stay unconfirmed, and those jobs run again when their leases end"),
    };
    Error::new(ErrorKind::NotNow, format!("redis has not answered for {waited}, so the worker has ended{lost}"))
}

/// Makes the queues known, with the settings of the profile file where nothing is set, and learns which services are down.
async fn introduce(shared: &Arc<Shared>, config: &Config) -> Result<()> {
    let mut under_way = JoinSet::new();
    for lane in &shared.lanes {
        let (shared, lane) = (Arc::clone(shared), Arc::clone(lane));
        let defaults = config.queues.get(lane.keys.queue()).cloned();
        under_way.spawn(async move {
            shared.store.check_layout(&lane.keys).await?;
            if let Some(defaults) = &defaults {
                mover::set_defaults(&shared.store, &lane.keys, defaults).await?;
            }
            lane.introduced.store(true, Ordering::Release);
            // In a cluster the list of queues is on another node; where that is away, the janitor adds the queue later.
            if let Ok(registered) = timeout(LATECOMERS, shared.store.register(lane.keys.queue())).await {
                registered?;
            }
            Result::Ok(())
        });
    }
    let mut first = under_way.join_next().await;
    // Where Redis is not there, what came before says so.
    if let Ok(Err(error)) = timeout(LATECOMERS, shared.breakers.look()).await {
        shared.alert(|| format!("the breakers could not be read: {error}"));
    }
    let until = tokio::time::Instant::now() + LATECOMERS;
    while let Some(outcome) = first {
        outcome.unwrap_or_else(|error| Err(Error::internal(format!("a queue could not be introduced: {error}"))))?;
        first = match timeout_at(until, under_way.join_next()).await {
            Ok(outcome) => outcome,
            // The server of some queues is away, that of others is not: these go on.
            Err(_) => break,
        };
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let stop = shared.stop.clone();
        while let Some(Some(Ok(outcome))) = stop.run_until_cancelled(under_way.join_next()).await {
            if let Err(error) = outcome {
                shared.alert(|| format!("a queue is not worked on: {error}"));
            }
        }
    });
    Ok(())
}

fn report(shared: &Shared) -> WorkerReport {
    WorkerReport {
        completed: shared.completed.load(Ordering::Relaxed),
        failed: shared.failed.load(Ordering::Relaxed),
        released: shared.released.load(Ordering::Relaxed),
        unconfirmed: shared.unconfirmed.load(Ordering::Relaxed),
    }
}

/// Shows the heartbeat that the runtime of the processors is alive.
async fn tick(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        shared.tick();
    }
}

/// Gives up the leases, so that nobody has to wait for them to end.
async fn sign_off(shared: &Shared) {
    let farewell = async {
        let queues = join_all(shared.lanes.iter().map(|lane| shared.store.sign_off(&lane.keys, &shared.worker)));
        let (queues, worker) = tokio::join!(queues, shared.store.retract(&shared.worker));
        queues.into_iter().collect::<Result<()>>().and(worker)
    };
    // A server that has been silent for so long is asked once more, and not waited for.
    let patience = if shared.silenced.is_cancelled() { LAST_TRY } else { LAST_WORDS };
    tokio::select! {
        outcome = tokio::time::timeout(patience, farewell) => match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.alert(|| format!("the worker could not sign off: {error}")),
            Err(_) => shared.alert(|| "the worker could not sign off in time; its leases end by themselves".to_owned()),
        },
        () = shared.give_up.cancelled() => {}
    }
}

/// Promoter, recoverer, scheduler, courier and janitor of a queue.
fn start_keepers(actors: &mut JoinSet<()>, shared: &Arc<Shared>, lane: &Arc<Lane>) {
    keep(actors, (shared, lane), ("promoter", promoter::INTERVAL), promoter::promote);
    keep(actors, (shared, lane), ("recoverer", recoverer::interval(shared.lease)), recoverer::recover);
    keep(actors, (shared, lane), ("scheduler", scheduler::INTERVAL), scheduler::fire);
    keep(actors, (shared, lane), ("courier", courier::INTERVAL), courier::deliver);
    keep(actors, (shared, lane), ("janitor", janitor::INTERVAL), janitor::tidy);
}

fn keep<F, Fut>(
    actors: &mut JoinSet<()>,
    (shared, lane): (&Arc<Shared>, &Arc<Lane>),
    (name, interval): (&'static str, Duration),
    step: F,
) where
    F: Fn(Arc<Shared>, Arc<Lane>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    let (shared, lane) = (Arc::clone(shared), Arc::clone(lane));
    actors.spawn(async move {
        let stop = shared.stop.clone();
        actor::every(&shared, (name, interval), &stop, || step(Arc::clone(&shared), Arc::clone(&lane))).await;
    });
}

/// The heartbeat on its thread; the future ends with it.
fn start_heart(shared: &Arc<Shared>) -> Result<impl Future<Output = ()> + use<>> {
    let (beats, heart) = tokio::sync::oneshot::channel::<()>();
    let shared = Arc::clone(shared);
    let connection = Connection::new(shared.redis.clone(), Patience::Pressing(shared.lease / 3));
    let store = Store { connection, ..shared.store.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format!("the heartbeat has no runtime: {error}")))?;
    std::thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let ended = shared.ended.clone();
                tokio::select! {
                    () = heartbeat::heartbeat(shared, store) => {}
                    () = ended.cancelled() => {}
                }
            });
            drop(beats);
        })
        .map_err(|error| Error::internal(format!("the heartbeat has no thread: {error}")))?;
    Ok(async {
        let _ = heart.await;
    })
}

fn lane(store: &Store, registry: &Registry, queue: &QueueName) -> Result<(Arc<Lane>, mpsc::Receiver<Ended>)> {
    let entry = registry.get(queue).ok_or_else(|| Error::invalid(format!("queue {queue} has no processor")))?;
    let (ended, inbox) = mpsc::channel(ENDS_WAITING);
    Ok((Arc::new(Lane::new(store.keys(queue), entry.clone(), ended)), inbox))
}

fn pools(lanes: &[Arc<Lane>], builder: &WorkerBuilder) -> Vec<Arc<Pool>> {
    let weight = |lane: &Arc<Lane>| {
        builder.weights.iter().rev().find(|(queue, _)| queue == lane.keys.queue()).map_or(1, |(_, weight)| *weight)
    };
    match &builder.concurrency {
        Concurrency::Shared(slots) => {
            let weights: Vec<_> = lanes.iter().map(weight).collect();
            vec![Arc::new(Pool::new(lanes.to_vec(), *slots, &weights))]
        }
        Concurrency::PerQueue(queues) => {
            let slots = |lane: &Arc<Lane>| queues.iter().find(|(queue, _)| queue == lane.keys.queue());
            let slots = |lane: &Arc<Lane>| slots(lane).map_or(1, |(_, slots)| *slots);
            let pool = |lane: &Arc<Lane>| Pool::new(vec![Arc::clone(lane)], slots(lane), &[1]);
            lanes.iter().map(|lane| Arc::new(pool(lane))).collect()
        }
    }
}

fn about(builder: &WorkerBuilder, worker: &str, lanes: &[Arc<Lane>]) -> WorkerSelf {
    let slots: BTreeMap<_, _> = match &builder.concurrency {
        Concurrency::Shared(_) => BTreeMap::new(),
        Concurrency::PerQueue(queues) => queues.iter().map(|(queue, slots)| (queue.clone(), *slots as u64)).collect(),
    };
    let concurrency = match &builder.concurrency {
        Concurrency::Shared(shared) => *shared as u64,
        Concurrency::PerQueue(_) => slots.values().sum(),
    };
    let bound = lanes.iter().filter(|_| builder.breaker.is_some());
    let needs = bound.filter_map(|lane| Some((lane.keys.queue().clone(), lane.dependency.as_deref()?.to_owned())));
    WorkerSelf {
        worker: worker.to_owned(),
        host: host(),
        pid: std::process::id(),
        queues: lanes.iter().map(|lane| lane.keys.queue().clone()).collect(),
        concurrency,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease_ms: u64::try_from(builder.lease.as_millis()).unwrap_or(u64::MAX),
        started_ms: crate::clock::local_now().timestamp_millis(),
        completed: 0,
        failed: 0,
        vitals: None,
        slots,
        needs: needs.collect(),
    }
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).take(64).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}

/// Unique for every start. With its ULID it keeps every claim over 64 bytes, so that Redis keeps them as a hash table;
/// as a listpack, batches would cost nearly twice.
fn worker_id() -> String {
    format!("{}-{}-{}", host(), std::process::id(), JobId::generate())
}
