//! Claims jobs for the slots of a pool, and some ahead of them; waits where there is nothing to claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, RwLockReadGuard, RwLockWriteGuard, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::error::Error;
use crate::store::{FetchCall, Fetched, Key, Pass, Waiter};
use crate::worker::heartbeat::release;
use crate::worker::lane::{Lane, Pool};
use crate::worker::shared::Shared;

/// A queue in which nothing is known to come is asked again after this time, token or not.
const POLL: Duration = Duration::from_secs(1);
/// How long a worker that stops waits for the answer of a fetch under way.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// A fetch that is not answered by then goes on beside the others: the server of its queue may be away, theirs is not.
const LATE: Duration = Duration::from_millis(250);
/// How long one wait for a token blocks.
const BLOCK: Duration = Duration::from_secs(5);

/// What the fetcher knows of one lane.
struct Asked {
    lane: Arc<Lane>,
    /// Not to be asked before.
    next: Instant,
    /// The number of the last call that was answered.
    calls: u64,
}

/// Runs until the worker stops.
pub(crate) async fn fetcher(shared: Arc<Shared>, pool: Arc<Pool>) {
    let tokens = Tokens::watch(&shared, &pool);
    // An answer on its way holds claims, so it is waited for, but not for long: Redis may be away.
    let stopped = async {
        shared.stop.cancelled().await;
        tokio::select! {
            () = tokio::time::sleep(LAST_ANSWER) => {}
            () = shared.silenced.cancelled() => {}
        }
    };
    tokio::select! {
        () = fetch(&shared, &pool, &tokens) => {}
        () = stopped => {}
    }
    tokens.task.abort();
}

async fn fetch(shared: &Arc<Shared>, pool: &Arc<Pool>, tokens: &Tokens) {
    let new = |lane: &Arc<Lane>| Some(Asked { lane: Arc::clone(lane), next: Instant::now(), calls: 0 });
    let mut round = Round { asked: pool.lanes.iter().map(new).collect(), late: JoinSet::new() };
    while !shared.stop.is_cancelled() {
        let mut fetched_some = false;
        while let Some(came) = round.late.try_join_next() {
            fetched_some |= round.take_back(pool, came) > 0;
        }
        for index in pool.fetches.order() {
            // A pool whose every fetch is late does not turn, and whoever watches sees it.
            if round.asked.iter().any(Option::is_some) {
                pool.turn();
            }
            let Some(room) = round.asked[index].as_ref().and_then(|asked| room(shared, pool, asked)) else { continue };
            let jobs = round.ask(shared, pool, index, room).await;
            fetched_some |= jobs > 0;
            // Slots that came free meanwhile are for whoever's turn it is now.
            if jobs > 0 && room.slots > 0 {
                break;
            }
        }
        if fetched_some {
            continue;
        }
        if shared.is_through().await {
            shared.stop.cancel();
            break;
        }
        rest(shared, pool, &mut round, tokens).await;
    }
    while round.late.join_next().await.is_some() {}
}

/// A lane that was asked, and how many jobs came.
type Came = (usize, Asked, usize);

/// The lanes of a pool, but those whose fetch is late.
struct Round {
    asked: Vec<Option<Asked>>,
    late: JoinSet<Came>,
}

impl Round {
    /// One fetch, waited for while it is not late. How many jobs it brought.
    async fn ask(&mut self, shared: &Arc<Shared>, pool: &Arc<Pool>, index: usize, room: Room) -> usize {
        let Some(mut asked) = self.asked[index].take() else { return 0 };
        let (shared, of_pool) = (Arc::clone(shared), Arc::clone(pool));
        let mut call = Box::pin(async move {
            let jobs = ask(&shared, &of_pool, &mut asked, room).await;
            (index, asked, jobs)
        });
        match timeout(LATE, &mut call).await {
            Ok(came) => self.take_back(pool, Ok(came)),
            Err(_) => {
                self.late.spawn(call);
                0
            }
        }
    }

    fn take_back(&mut self, pool: &Pool, came: Result<Came, JoinError>) -> usize {
        let (index, asked, jobs) = match came {
            Ok(came) => came,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.asked[index] = Some(asked);
        pool.fetches.served(index, jobs);
        jobs
    }
}

/// Waits until there is something to ask for.
async fn rest(shared: &Shared, pool: &Pool, round: &mut Round, tokens: &Tokens) {
    let lanes = || round.asked.iter().flatten();
    let hungry = lanes().any(|asked| wanted(pool, &asked.lane) != (0, 0)) && !shared.is_solo();
    tokens.arm(hungry);
    let later = Instant::now() + POLL;
    let next = lanes().map(|asked| asked.next).min().filter(|_| hungry).unwrap_or(later);
    // Never for long, however late a start is allowed again: whoever watches sees that the fetcher turns.
    let next = shared.allowed_at().map_or(later, |at| at.max(next)).min(later);
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = pool.room.notified() => {}
        Some(came) = round.late.join_next() => {
            round.take_back(pool, came);
        }
        () = tokens.came.notified() => {
            for (asked, woken) in round.asked.iter_mut().zip(tokens.woken.iter()) {
                if let Some(asked) = asked && woken.swap(false, Ordering::AcqRel) {
                    asked.next = Instant::now();
                    pass_on(shared, pool, &asked.lane).await;
                }
            }
        }
        () = tokio::time::sleep_until(next.into()) => {}
    }
}

/// A token came after the room that it was waited for had gone: another worker may have use for it.
async fn pass_on(shared: &Shared, pool: &Pool, lane: &Lane) {
    // Its server has just answered; if it has gone meanwhile, so has the token.
    if wanted(pool, lane) == (0, 0)
        && let Ok(Err(error)) = timeout(LATE, shared.store.pass_on(&lane.keys)).await
    {
        shared.warn_seldom(&error, "a wake-up could not be passed on");
    }
}

/// What may be claimed now: slots and prefetch, and whether the worker holds nothing at all.
#[derive(Clone, Copy)]
struct Room {
    slots: usize,
    prefetch: usize,
}

fn room(shared: &Shared, pool: &Pool, asked: &Asked) -> Option<Room> {
    if asked.next > Instant::now() || shared.is_solo() || !asked.lane.introduced.load(Ordering::Acquire) {
        return None;
    }
    let (slots, prefetch) = wanted(pool, &asked.lane);
    (slots + prefetch > 0 && shared.may_start()).then_some(Room { slots, prefetch })
}

/// Jobs for idle slots of the pool, and jobs ahead of busy ones.
fn wanted(pool: &Pool, lane: &Lane) -> (usize, usize) {
    let mut idle = pool.idle();
    for other in pool.lanes.iter().filter(|other| other.keys.queue() != lane.keys.queue()) {
        idle = idle.saturating_sub(other.table.load().ready.div_ceil(other.unit()));
    }
    let (unit, load) = (lane.unit(), lane.table.load());
    // What waits for a batch to fill takes its own places only.
    let slots = (idle * unit).saturating_sub(load.ready);
    let ahead = pool.ahead(lane);
    // Ends that Redis has not confirmed count too, so that a worker that cannot acknowledge stops fetching.
    if load.held > pool.slots * unit + 3 * ahead.max(1) {
        return (0, 0);
    }
    let over = load.ready.saturating_sub(pool.idle() * unit);
    if slots == 0 && over * 2 > ahead {
        return (0, 0);
    }
    (slots, ahead.saturating_sub(over))
}

/// The room as the breaker of the queue's one service leaves it: all of it, one job that tries the service, or none.
async fn past_the_breaker(shared: &Shared, asked: &mut Asked, room: Room) -> Option<Room> {
    let dependency = asked.lane.dependency.as_deref();
    let Some(dependency) = dependency.filter(|dependency| shared.breakers.is_open(Some(dependency))) else {
        return Some(room);
    };
    // Who has no slot free leaves the try to others.
    let pass = if room.slots > 0 { shared.breakers.pass(dependency).await } else { Pass::Wait(POLL) };
    match pass {
        Pass::Free => Some(room),
        Pass::Probe => {
            asked.lane.probes.store(1, Ordering::Release);
            Some(Room { slots: 1, prefetch: 0 })
        }
        Pass::Wait(wait) => {
            asked.next = Instant::now() + wait.clamp(Duration::from_millis(10), POLL);
            asked.lane.gives.store(false, Ordering::Release);
            None
        }
    }
}

/// What keeps a job that must run alone from running beside others. It is held while a fetch is under way, until what that
/// brings is in the table.
enum Door<'a> {
    /// No other fetch of this worker is under way.
    Alone {
        _gate: RwLockWriteGuard<'a, ()>,
    },
    Beside {
        _gate: RwLockReadGuard<'a, ()>,
    },
}

impl<'a> Door<'a> {
    /// Alone where the worker holds nothing: only then may it be given such a job.
    async fn pass(shared: &'a Shared) -> Self {
        if shared.held() == 0
            && let Ok(gate) = shared.gate.try_write()
        {
            return Self::Alone { _gate: gate };
        }
        Self::Beside { _gate: shared.gate.read().await }
    }

    fn is_alone(&self, shared: &Shared) -> bool {
        matches!(self, Self::Alone { .. }) && shared.held() == 0
    }

    /// Whether jobs that came late, when others may have been taken, still fit.
    fn lets_in(&self, shared: &Shared, lane: &Lane, fetched: &Fetched) -> bool {
        if has_solo(lane, fetched) { self.is_alone(shared) } else { !shared.is_solo() }
    }
}

/// Whether a job among them must run alone: one more crash would be its last.
fn has_solo(lane: &Lane, fetched: &Fetched) -> bool {
    let limit = lane.settings().crash_limit;
    fetched.jobs.iter().any(|job| job.crashes > 0 && job.crashes + 1 >= limit)
}

/// One fetch. How many jobs it brought.
async fn ask(shared: &Arc<Shared>, pool: &Pool, asked: &mut Asked, room: Room) -> usize {
    let lane = Arc::clone(&asked.lane);
    let Some(room) = past_the_breaker(shared, asked, room).await else { return 0 };
    let mut door = Some(Door::pass(shared).await);
    let alone = door.as_ref().is_some_and(|door| door.is_alone(shared));
    // Asked again now that no fetch that may bring such a job is under way.
    if shared.is_solo() || (shared.runs_empty() && !alone && shared.held() > 0) {
        asked.next = Instant::now() + Duration::from_millis(10);
        return 0;
    }
    // Before starts are reserved: whoever finds none left must see that they may come back.
    let _under_way = lane.fetches.begin();
    let granted = shared.reserve(room.slots + room.prefetch);
    if granted == 0 {
        return 0;
    }
    let slots = room.slots.min(granted);
    let call = FetchCall {
        worker: &shared.worker,
        call: asked.calls + 1,
        slots,
        prefetch: granted - slots,
        lease_ms: shared.lease_ms(),
        alone,
    };
    let call = shared.store.fetch(&lane.keys, call);
    tokio::pin!(call);
    let outcome = match timeout(LATE, &mut call).await {
        Ok(outcome) => outcome,
        Err(_) => {
            // What others ask for must not wait for this answer: whether it fits is seen when it is there.
            door = None;
            call.await
        }
    };
    match outcome {
        Ok(mut fetched) => {
            asked.calls += 1;
            shared.give_back(granted - fetched.jobs.len().min(granted));
            lane.fetched();
            lane.heard();
            let _door = match door {
                Some(door) => door,
                None => {
                    let door = Door::pass(shared).await;
                    if !door.lets_in(shared, &lane, &fetched) {
                        release(shared, &shared.store, &lane, std::mem::take(&mut fetched.jobs)).await;
                    }
                    door
                }
            };
            take_in(shared, pool, asked, fetched).await
        }
        Err(error) => {
            shared.give_back(granted);
            shared.warn_seldom(&error, "no jobs can be fetched");
            lane.gives.store(false, Ordering::Release);
            asked.next = Instant::now() + POLL;
            0
        }
    }
}

async fn take_in(shared: &Arc<Shared>, pool: &Pool, asked: &mut Asked, fetched: Fetched) -> usize {
    let (lane, count) = (&asked.lane, fetched.jobs.len());
    // Before any of the jobs starts, so that it ends by the rules of its time.
    if !lane.knows(fetched.settings_version)
        && let Err(error) = reload(shared, lane, fetched.settings_version).await
    {
        shared.warn_seldom(&error, "the queue's settings could not be read");
    }
    let drained = count == 0 && fetched.again_ms.is_none_or(|again_ms| again_ms > 1_000);
    lane.drained.store(drained, Ordering::Release);
    lane.gives.store(count > 0 || fetched.again_ms == Some(0), Ordering::Release);
    lane.paused.store(fetched.paused, Ordering::Release);
    shared.run_empty(fetched.run_empty);
    let solo = has_solo(lane, &fetched);
    lane.weighed(fetched.jobs.iter().map(|job| job.record.len()));
    lane.table.admit(fetched.jobs);
    if solo {
        shared.go_solo();
    }
    lane.beat.notify_one();
    for _ in 0..count.min(pool.slots) {
        pool.job.notify_one();
    }
    let wait = fetched.again_ms.map_or(POLL, |again_ms| Duration::from_millis(again_ms).min(POLL));
    asked.next = Instant::now() + wait;
    count
}

/// Reads the queue's settings anew.
async fn reload(shared: &Shared, lane: &Lane, version: u64) -> Result<(), Error> {
    let stored = shared.store.settings(&lane.keys).await?;
    lane.set_settings(stored.settings, version);
    Ok(())
}

/// Tokens that say that a queue has something to claim, waited for on a connection of their own.
struct Tokens {
    came: Arc<Notify>,
    woken: Arc<Vec<AtomicBool>>,
    armed: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Tokens {
    fn watch(shared: &Arc<Shared>, pool: &Pool) -> Self {
        let lists: Vec<String> = pool.lanes.iter().map(|lane| lane.keys.name(Key::Wake).to_owned()).collect();
        let woken: Arc<Vec<AtomicBool>> = Arc::new(lists.iter().map(|_| AtomicBool::new(false)).collect());
        let came = Arc::new(Notify::new());
        let (armed, mut arm) = mpsc::channel(1);
        let mut waiter = Waiter::new(shared.redis.clone());
        let (their_woken, their_came) = (Arc::clone(&woken), Arc::clone(&came));
        // A token is taken only while the pool has room: another worker may have use for it otherwise.
        let task = tokio::spawn(async move {
            loop {
                let armed = tokio::select! {
                    armed = arm.recv() => armed,
                    () = waiter.rest() => continue,
                };
                if armed.is_none() {
                    break;
                }
                match waiter.wait(&lists, BLOCK).await {
                    Ok(Some(list)) => {
                        if let Some(index) = lists.iter().position(|name| *name == list) {
                            their_woken[index].store(true, Ordering::Release);
                        }
                        their_came.notify_one();
                    }
                    Ok(None) => their_came.notify_one(),
                    // The poll goes on without tokens.
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        });
        Self { came, woken, armed, task }
    }

    fn arm(&self, hungry: bool) {
        if hungry {
            // Full: it is armed already.
            let _ = self.armed.try_send(());
        }
    }
}
