//! Starts the actors of a worker and sees them to their end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alert::AlertSinks;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::host::host_name;
use crate::job::{JobId, Partition};
use crate::processor::Registry;
use crate::store::WorkerSelf;
use crate::worker::breakers::{self, Breakers};
use crate::worker::builder::{Concurrency, WorkerBuilder};
use crate::worker::craft::Craft;
use crate::worker::crew::{Crew, Newcomer};
use crate::worker::pool::Pool;
use crate::worker::shared::{Limiter, Shared};
use crate::worker::shutdown::{LAST_WORDS, Stopper, give_up_after, wind_down};
use crate::worker::surveyor::{self, introduce};
use crate::worker::track::Track;
use crate::worker::{alerter, executor, fetcher};

/// How long a worker that gave Redis up waits for it to take its last words.
const LAST_TRY: Duration = Duration::from_millis(500);

/// A process that runs jobs. Made by [`Worker::builder`], run by [`Worker::run`].
pub struct Worker {
    shared: Arc<Shared>,
    client: Client,
    grace: Duration,
    newcomers: mpsc::UnboundedReceiver<Newcomer>,
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
        let [stop, closed, ended] = [(); 3].map(|()| CancellationToken::new());
        let (to_crew, newcomers) = mpsc::unbounded_channel();
        let mut tracks = Vec::new();
        for queue in builder.registry.queues() {
            let entry = builder.registry.get(queue);
            let entry = entry.ok_or_else(|| Error::invalid(format!("queue {queue} has no processor")))?;
            let craft = Arc::new(Craft::new(queue.clone(), entry.clone()));
            // What a queue is to begin with; whether it has partitions is asked before the first fetch.
            let keys = (store.keys(queue), Partition::WHOLE);
            let newcomer = Newcomer::new(keys, &craft, [&stop, &closed, &ended]);
            tracks.push(Arc::new(Track::new(craft, Arc::clone(&newcomer.lane))));
            let _ = to_crew.send(newcomer);
        }
        let pools = pools(&tracks, &builder);
        let about = about(&builder, &worker, &tracks);
        let shared = Arc::new(Shared {
            store,
            client: builder.client.clone(),
            redis: config.redis,
            breakers: Arc::new(breakers),
            worker,
            tracks,
            pools,
            newcomers: to_crew,
            lease: builder.lease,
            timeout: builder.timeout,
            about,
            listener: builder.listener,
            until_empty: builder.until_empty,
            stop,
            stop_now: CancellationToken::new(),
            give_up: CancellationToken::new(),
            closed,
            ended,
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
        Ok(Self { shared, client: builder.client, grace: builder.grace, newcomers, alerts: builder.alerts })
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
        let Self { shared, client, grace, newcomers, alerts } = self;
        client.ping().await?;
        // Also where this future is dropped: a heart that beats on would keep the claims from everybody.
        let _heart_ends = shared.ended.clone().drop_guard();
        tokio::select! {
            outcome = introduce(&shared) => outcome?,
            () = shared.stop.cancelled() => return Ok(report(&shared)),
        }
        shared.begin();
        let stalled = shared.stalled.clone();
        tokio::select! {
            report = carry_on(shared, grace, newcomers, alerts) => report,
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
    mut newcomers: mpsc::UnboundedReceiver<Newcomer>,
    alerts: Option<AlertSinks>,
) -> Result<WorkerReport> {
    let mut crew = Crew::start(&shared)?;
    crew.actors.spawn(tick(Arc::clone(&shared)));
    crew.actors.spawn(breakers::watch(Arc::clone(&shared)));
    let alerter = alerter::start(&shared, alerts);
    while let Ok(newcomer) = newcomers.try_recv() {
        crew.take_on(&shared, newcomer);
    }
    for track in &shared.tracks {
        crew.actors.spawn(surveyor::survey(Arc::clone(&shared), Arc::clone(track)));
    }
    let (mut slots, mut fetchers) = (JoinSet::new(), JoinSet::new());
    for pool in &shared.pools {
        for _ in 0..pool.slots {
            slots.spawn(executor::slot(Arc::clone(&shared), Arc::clone(pool)));
        }
        fetchers.spawn(fetcher::fetcher(Arc::clone(&shared), Arc::clone(pool)));
    }
    shared.emit(|| Event::new(EventKind::WorkerStarted).message(shared.worker.to_string()));

    while let Some(Some(newcomer)) = shared.stop.run_until_cancelled(newcomers.recv()).await {
        crew.take_on(&shared, newcomer);
    }
    shared.emit(|| Event::new(EventKind::WorkerStopping).message(shared.worker.to_string()));
    give_up_after(&shared, grace);
    while fetchers.join_next().await.is_some() {}
    // What was fetched in a lane that came last ends there, too.
    while let Ok(newcomer) = newcomers.try_recv() {
        crew.take_on(&shared, newcomer);
    }
    wind_down(&shared, slots, grace).await;
    shared.closed.cancel();
    let heart = crew.finish().await;
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
        let lanes = shared.lanes();
        let places = join_all(lanes.iter().map(|lane| shared.store.sign_off(&lane.keys, &shared.worker)));
        let (places, worker) = tokio::join!(places, shared.store.retract(&shared.worker));
        places.into_iter().try_for_each(|place| place.map(drop)).and(worker)
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

fn pools(tracks: &[Arc<Track>], builder: &WorkerBuilder) -> Vec<Arc<Pool>> {
    let weight = |track: &Arc<Track>| {
        builder.weights.iter().rev().find(|(queue, _)| *queue == track.craft.queue).map_or(1, |(_, weight)| *weight)
    };
    match &builder.concurrency {
        Concurrency::Shared(slots) => {
            let weights: Vec<_> = tracks.iter().map(weight).collect();
            vec![Arc::new(Pool::new(tracks.to_vec(), *slots, &weights))]
        }
        Concurrency::PerQueue(queues) => {
            let slots = |track: &Arc<Track>| queues.iter().find(|(queue, _)| *queue == track.craft.queue);
            let slots = |track: &Arc<Track>| slots(track).map_or(1, |(_, slots)| *slots);
            let pool = |track: &Arc<Track>| Pool::new(vec![Arc::clone(track)], slots(track), &[1]);
            tracks.iter().map(|track| Arc::new(pool(track))).collect()
        }
    }
}

fn about(builder: &WorkerBuilder, worker: &str, tracks: &[Arc<Track>]) -> WorkerSelf {
    let slots: BTreeMap<_, _> = match &builder.concurrency {
        Concurrency::Shared(_) => BTreeMap::new(),
        Concurrency::PerQueue(queues) => queues.iter().map(|(queue, slots)| (queue.clone(), *slots as u64)).collect(),
    };
    let concurrency = match &builder.concurrency {
        Concurrency::Shared(shared) => *shared as u64,
        Concurrency::PerQueue(_) => slots.values().sum(),
    };
    let bound = tracks.iter().map(|track| &track.craft).filter(|_| builder.breaker.is_some());
    let needs = bound.filter_map(|craft| Some((craft.queue.clone(), craft.dependency.as_deref()?.to_owned())));
    WorkerSelf {
        worker: worker.to_owned(),
        host: host_name(),
        pid: std::process::id(),
        queues: tracks.iter().map(|track| track.craft.queue.clone()).collect(),
        concurrency,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease_ms: u64::try_from(builder.lease.as_millis()).unwrap_or(u64::MAX),
        started_ms: crate::clock::local_now().timestamp_millis(),
        completed: 0,
        failed: 0,
        vitals: None,
        slots,
        needs: needs.collect(),
        invocation: builder.invocation.clone(),
        ended: None,
    }
}

/// Unique for every start. With its ULID it keeps every claim over 64 bytes, so that Redis keeps them as a hash table;
/// as a listpack, batches would cost nearly twice.
fn worker_id() -> String {
    format!("{}-{}-{}", host_name(), std::process::id(), JobId::generate())
}
