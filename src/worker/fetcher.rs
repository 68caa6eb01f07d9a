//! Claims jobs for the slots of a pool, and some ahead of them; waits where there is nothing to claim.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, RwLockReadGuard, RwLockWriteGuard, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::config::RedisConfig;
use crate::error::Error;
use crate::store::{FetchCall, Fetched, Key, Pass, Waiter};
use crate::worker::heartbeat::release;
use crate::worker::lane::Lane;
use crate::worker::pool::{Burden, Pool};
use crate::worker::shared::Shared;

/// A queue in which nothing is known to come is asked again after this time, token or not.
const POLL: Duration = Duration::from_secs(1);
/// How long a worker that stops waits for the answer of a fetch under way.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// A fetch that is not answered by then goes on beside the others: the server of its queue may be away, theirs is not.
const LATE: Duration = Duration::from_millis(250);
/// However many are late already, none counts as late before this.
const LATE_LEAST: Duration = Duration::from_millis(50);
/// How long one wait for a token blocks.
const BLOCK: Duration = Duration::from_secs(5);

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
    let mut late = Late::new();
    while !shared.stop.is_cancelled() {
        let mut fetched_some = false;
        while let Some(came) = late.try_join_next() {
            fetched_some |= take_back(pool, came) > 0;
        }
        let mut burden = pool.burden();
        for (queue, lane) in pool.order() {
            // A pool whose every fetch is late does not turn, and whoever watches sees it.
            if !lane.asked().late {
                pool.turn();
            }
            let Some(room) = room(shared, pool, (&burden, queue, &lane)) else { continue };
            let jobs = ask_in_time(shared, pool, lane, room, &mut late).await;
            fetched_some |= jobs > 0;
            // Slots that came free meanwhile are for whoever's turn it is now.
            if jobs > 0 && room.slots > 0 {
                break;
            }
            burden = pool.burden();
        }
        if fetched_some {
            continue;
        }
        if shared.is_through().await {
            shared.stop.cancel();
            break;
        }
        rest(shared, pool, &mut late, tokens).await;
    }
    while late.join_next().await.is_some() {}
}

/// A lane that was asked, and how many jobs came.
type Came = (Arc<Lane>, usize);

/// Fetches that go on beside the others.
type Late = JoinSet<Came>;

/// One fetch, waited for while it is not late. How many jobs it brought.
async fn ask_in_time(shared: &Arc<Shared>, pool: &Arc<Pool>, lane: Arc<Lane>, room: Room, late: &mut Late) -> usize {
    let (shared, of_pool, asked) = (Arc::clone(shared), Arc::clone(pool), Arc::clone(&lane));
    let mut call = Box::pin(async move {
        let jobs = ask(&shared, &of_pool, &asked, room).await;
        (asked, jobs)
    });
    // Many places may be on the server that is away, and the others shall not wait for each of them as long.
    let patience = (LATE / u32::try_from(late.len() + 1).unwrap_or(u32::MAX)).max(LATE_LEAST);
    match timeout(patience, &mut call).await {
        Ok(came) => take_back(pool, Ok(came)),
        Err(_) => {
            lane.asked().late = true;
            late.spawn(call);
            0
        }
    }
}

fn take_back(pool: &Pool, came: Result<Came, JoinError>) -> usize {
    let (lane, jobs) = match came {
        Ok(came) => came,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    lane.asked().late = false;
    pool.brought(&lane, jobs);
    jobs
}

/// Waits until there is something to ask for.
async fn rest(shared: &Shared, pool: &Pool, late: &mut Late, tokens: &Tokens) {
    let (burden, mut hungry, mut next) = (pool.burden(), false, None);
    for (queue, lane) in pool.order() {
        let Some(at) = lane.next() else { continue };
        hungry = hungry || pool.wanted(&burden, queue, &lane) != (0, 0);
        next = Some(next.map_or(at, |next: Instant| next.min(at)));
    }
    hungry &= !shared.is_solo();
    tokens.arm(hungry);
    let later = Instant::now() + POLL;
    let next = next.filter(|_| hungry).unwrap_or(later);
    // Never for long, however late a start is allowed again: whoever watches sees that the fetcher turns.
    let next = shared.allowed_at().map_or(later, |at| at.max(next)).min(later);
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = pool.room.notified() => {}
        Some(came) = late.join_next() => {
            take_back(pool, came);
        }
        () = tokens.came.notified() => {
            for (queue, lane) in pool.order() {
                if lane.next().is_some() && lane.woken.swap(false, Ordering::AcqRel) {
                    lane.ask_in(Duration::ZERO);
                    pass_on(shared, pool, queue, &lane).await;
                }
            }
        }
        () = tokio::time::sleep_until(next.into()) => {}
    }
}

/// A token came after the room that it was waited for had gone: another worker may have use for it.
async fn pass_on(shared: &Shared, pool: &Pool, queue: usize, lane: &Lane) {
    // Its server has just answered; if it has gone meanwhile, so has the token.
    if pool.wanted(&pool.burden(), queue, lane) == (0, 0)
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

fn room(shared: &Shared, pool: &Pool, (burden, queue, lane): (&Burden, usize, &Lane)) -> Option<Room> {
    if lane.next().is_none_or(|next| next > Instant::now()) || shared.is_solo() {
        return None;
    }
    let (slots, prefetch) = pool.wanted(burden, queue, lane);
    (slots + prefetch > 0 && shared.may_start()).then_some(Room { slots, prefetch })
}

/// The room as the breaker of the queue's one service leaves it: all of it, one job that tries the service, or none.
async fn past_the_breaker(shared: &Shared, lane: &Lane, room: Room) -> Option<Room> {
    let dependency = lane.craft.dependency.as_deref();
    let Some(dependency) = dependency.filter(|dependency| shared.breakers.is_open(Some(dependency))) else {
        return Some(room);
    };
    // Who has no slot free leaves the try to others.
    let pass = match room.slots {
        0 => Pass::Wait(POLL),
        _ if lane.craft.is_seeking() => Pass::Probe,
        _ => shared.breakers.pass(dependency).await,
    };
    match pass {
        Pass::Free => Some(room),
        Pass::Probe => {
            if !lane.craft.is_seeking() {
                lane.craft.seek();
            }
            Some(Room { slots: 1, prefetch: 0 })
        }
        Pass::Wait(wait) => {
            lane.ask_in(wait.clamp(Duration::from_millis(10), POLL));
            lane.gives.store(false, Ordering::Release);
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
async fn ask(shared: &Arc<Shared>, pool: &Pool, lane: &Lane, room: Room) -> usize {
    let Some(room) = past_the_breaker(shared, lane, room).await else { return 0 };
    let mut door = Some(Door::pass(shared).await);
    let alone = door.as_ref().is_some_and(|door| door.is_alone(shared));
    // Asked again now that no fetch that may bring such a job is under way.
    if shared.is_solo() || (shared.runs_empty() && !alone && shared.held() > 0) {
        lane.ask_in(Duration::from_millis(10));
        return 0;
    }
    // Before starts are reserved: whoever finds none left must see that they may come back.
    let _under_way = lane.fetches.begin();
    if lane.is_leaving() || lane.is_returning() {
        return 0;
    }
    let granted = shared.reserve(room.slots + room.prefetch);
    if granted == 0 {
        return 0;
    }
    let slots = room.slots.min(granted);
    let call = FetchCall {
        worker: &shared.worker,
        call: lane.asked().calls + 1,
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
            lane.asked().calls += 1;
            shared.give_back(granted - fetched.jobs.len().min(granted));
            lane.fetched();
            lane.heard();
            let _door = match door {
                Some(door) => door,
                None => {
                    let door = Door::pass(shared).await;
                    if !door.lets_in(shared, lane, &fetched) {
                        release(shared, &shared.store, lane, std::mem::take(&mut fetched.jobs)).await;
                    }
                    door
                }
            };
            take_in(shared, pool, lane, fetched).await
        }
        Err(error) => {
            shared.give_back(granted);
            shared.warn_seldom(&error, "no jobs can be fetched");
            lane.gives.store(false, Ordering::Release);
            lane.ask_in(POLL);
            0
        }
    }
}

async fn take_in(shared: &Arc<Shared>, pool: &Pool, lane: &Lane, fetched: Fetched) -> usize {
    let count = fetched.jobs.len();
    // Before any of the jobs starts, so that it ends by the rules of its time.
    if !lane.knows(fetched.settings_version) {
        // What has changed may be the number of partitions.
        if !lane.is_unread() {
            lane.craft.look.notify_one();
        }
        if let Err(error) = reload(shared, lane, fetched.settings_version).await {
            shared.warn_seldom(&error, "the queue's settings could not be read");
        }
    }
    if count > 0 {
        lane.craft.found();
    }
    let drained = count == 0 && fetched.again_ms.is_none_or(|again_ms| again_ms > 1_000);
    lane.drained.store(drained, Ordering::Release);
    lane.gives.store(count > 0 || fetched.again_ms == Some(0), Ordering::Release);
    lane.paused.store(fetched.paused, Ordering::Release);
    shared.run_empty(fetched.run_empty);
    let solo = has_solo(lane, &fetched);
    lane.craft.weighed(fetched.jobs.iter().map(|job| job.record.len()));
    lane.table.admit(fetched.jobs);
    if solo {
        shared.go_solo();
    }
    lane.beat.notify_one();
    for _ in 0..count.min(pool.slots) {
        pool.job.notify_one();
    }
    let wait = fetched.again_ms.map_or(POLL, |again_ms| Duration::from_millis(again_ms).min(POLL));
    lane.ask_in(wait);
    count
}

/// Reads the queue's settings anew.
async fn reload(shared: &Shared, lane: &Lane, version: u64) -> Result<(), Error> {
    let stored = shared.store.settings(&lane.keys).await?;
    lane.set_settings(stored.settings, version);
    Ok(())
}

/// Tokens that say that a place of a queue has something to claim, waited for on a connection of their own.
struct Tokens {
    came: Arc<Notify>,
    armed: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Tokens {
    fn watch(shared: &Arc<Shared>, pool: &Arc<Pool>) -> Self {
        let came = Arc::new(Notify::new());
        let (armed, arm) = mpsc::channel(1);
        let task = tokio::spawn(watch(shared.redis.clone(), Arc::clone(pool), arm, Arc::clone(&came)));
        Self { came, armed, task }
    }

    fn arm(&self, hungry: bool) {
        if hungry {
            // Full: it is armed already.
            let _ = self.armed.try_send(());
        }
    }
}

/// Waits for a token in any lane of a pool. One is taken only while the pool has room: another worker may have use for it
/// otherwise.
async fn watch(redis: RedisConfig, pool: Arc<Pool>, mut arm: mpsc::Receiver<()>, came: Arc<Notify>) {
    let mut changes = pool.changes();
    loop {
        changes.borrow_and_update();
        let lanes = pool.lanes();
        let lists: Vec<_> = lanes.iter().map(|lane| lane.keys.name(Key::Wake).to_owned()).collect();
        let mut waiter = Waiter::new(redis.clone());
        loop {
            let armed = tokio::select! {
                armed = arm.recv() => armed,
                () = waiter.rest() => continue,
                _ = changes.changed() => break,
            };
            if armed.is_none() {
                return;
            }
            let token = tokio::select! {
                token = waiter.wait(&lists, BLOCK) => token,
                // A token that came just now is lost with the connection, which costs no more than the poll.
                _ = changes.changed() => break,
            };
            match token {
                Ok(list) => {
                    if let Some(index) = list.and_then(|list| lists.iter().position(|name| *name == list)) {
                        lanes[index].woken.store(true, Ordering::Release);
                    }
                    came.notify_one();
                }
                // The poll goes on without tokens.
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}
