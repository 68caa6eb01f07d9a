//! Changes over how many partitions a queue is spread, and moves what it holds, while producers and workers go on.
//!
//! A change is written down first (`partitions_next`), so that whoever meets it carries it on: this command, the next one, or
//! the janitor of any worker. The new places get their settings and are held; the old ones are closed to new jobs; what batches
//! have counted goes over; the new ones are opened; then the queue says its new number. From then on jobs are added to the new
//! places, workers go on with the old ones from the head, and the mover takes from the end, until nothing waits there and the
//! new ones may be fetched. What is left (jobs that still run, schedules whose job runs) follows when it can. Every step may be
//! done twice, by two at once, and broken off anywhere.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use crate::config::Setting;
use crate::error::{Error, Result};
use crate::job::{JobId, Layout, Partition, Partitions, QueueName};
use crate::repair::{Repair, RepairKind};
use crate::store::{Apart, Course, CourseStep, Gate, Hindrance, Key, Last, Left, QueueKeys, Store, Way};

/// Pages that are moved between two looks at what is left.
const ROUND_PAGES: usize = 8;
/// How often it looks at batches, whose counts may still change, and for ids without a record.
const LOOK: Duration = Duration::from_secs(1);
/// How long a mover looks on before it looks again.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where a server does not answer.
const OUTAGE: Duration = Duration::from_secs(1);
/// How long the new places wait for jobs that run in the old ones, where no limit of the queue asks for more. What a worker
/// has claimed ahead starts, or goes back into line, within a tenth of a second.
const LONG_RUN: Duration = Duration::from_secs(5);
/// How long old places stay that hold nothing: who waits for the end of a job still finds its result there.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long the turn of a mover is its own.
const TURN_MS: u64 = 5_000;
/// How long the janitor of a worker moves in each of its rounds, which come every minute.
const ROUND: Duration = Duration::from_secs(50);
/// How long a repair moves.
const HEALING: Duration = Duration::from_secs(10);
/// How long a change moves what it can before it answers.
const FIRST_LOOK: Duration = Duration::from_millis(1_500);

/// How far the jobs of a queue are moved to its new partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Moved {
    /// Over how many partitions the queue is spread.
    pub partitions: u16,
    /// Whether all is where it belongs.
    pub done: bool,
    /// Jobs that were moved, and what else was, by this call.
    pub moved: u64,
    /// Jobs that are still to be moved.
    pub left: u64,
    /// Jobs that run where they were: what becomes of them is moved when they have ended.
    pub running: u64,
    /// Whether the new partitions still wait for the former ones.
    pub held: bool,
}

/// One who moves.
struct Mover<'a> {
    store: &'a Store,
    queue: &'a QueueName,
    who: String,
    /// Whether somebody waits for it: then it does not leave it to others.
    is_asked: bool,
    moved: u64,
    /// Since when nothing waits in the old places.
    idle_since: Option<Instant>,
    /// Since when they hold nothing at all.
    empty_since: Option<Instant>,
    /// When it last looked at what takes long to look at.
    looked_at: Option<Instant>,
}

/// The number of partitions among `changes`.
pub(crate) fn asked_for(changes: &[Setting]) -> Option<u16> {
    changes.iter().rev().find_map(|change| if let Setting::Partitions(count) = change { Some(*count) } else { None })
}

/// Refuses a number of partitions that the queue cannot have with what is set and `changes` to that, before any of it is
/// written.
pub(crate) async fn check(store: &Store, queue: &QueueName, count: u16, changes: &[Setting]) -> Result<()> {
    Partitions::new(count)?;
    let (course, mut settings) = (store.course(queue).await?, store.settings(&store.keys(queue)).await?.settings);
    for change in changes {
        match change {
            Setting::Key(field) => settings.key.clone_from(field),
            Setting::KeyConcurrency(limit) => settings.key_concurrency = *limit,
            Setting::KeyRate(rate) => settings.key_rate = *rate,
            Setting::Concurrency(limit) => settings.concurrency = *limit,
            Setting::MaxLength(limit) => settings.max_length = *limit,
            _ => {}
        }
    }
    let keyed = settings.key.is_some() || settings.key_concurrency.is_some() || settings.key_rate.is_some();
    let hindrance = match () {
        () if course.is_moving() => {
            let on = course.next.unwrap_or(course.layout.now);
            (on.count() != count).then_some(Hindrance::Moving)
        }
        () if course.layout.now.count() == count => None,
        () if count > 1 && keyed => Some(Hindrance::Key),
        () if settings.concurrency.is_some_and(|limit| limit < count.into()) => Some(Hindrance::Concurrency),
        () if settings.max_length.is_some_and(|limit| limit < count.into()) => Some(Hindrance::MaxLength),
        () => keyed_batch(store, queue, &course, count).await?,
    };
    hindrance.map_or(Ok(()), |hindrance| Err(refused(queue, count, &course, hindrance)))
}

/// Says that a queue shall have so many partitions, and moves what it can in a moment. `false` where it has so many.
///
/// # Errors
/// `Refused` where another change is under way, or something that is set cannot be divided; both are named.
pub(crate) async fn change(store: &Store, queue: &QueueName, count: u16) -> Result<bool> {
    let partitions = Partitions::new(count)?;
    let course = store.course(queue).await?;
    if let Some(hindrance) = keyed_batch(store, queue, &course, count).await? {
        return Err(refused(queue, count, &course, hindrance));
    }
    let begun = match store.intend(queue, partitions).await? {
        Ok(begun) => begun,
        Err(hindrance) => return Err(refused(queue, count, &course, hindrance)),
    };
    if begun {
        carry_on(store, queue, Some(FIRST_LOOK), &mut |_| ()).await?;
    }
    Ok(begun)
}

/// Goes on with what is under way, at most for `limit`, or until all that is left runs; `progress` is told after each step.
/// Who waits for it does not leave it to a worker that is at it.
pub(crate) async fn carry_on(
    store: &Store,
    queue: &QueueName,
    limit: Option<Duration>,
    progress: &mut (dyn FnMut(Moved) + Send),
) -> Result<Moved> {
    let mut mover = Mover::new(store, queue, true);
    let outcome = mover.run(limit, progress).await;
    mover.leave().await?;
    outcome
}

/// What the janitor of a worker does for a place of a queue each minute: mends its settings, and goes on with a change.
pub(crate) async fn keep_on(store: &Store, keys: &QueueKeys) -> Result<()> {
    let queue = keys.queue();
    let course = store.course(queue).await?;
    store.mend_settings(keys, &course).await?;
    if course.remembers && course.layout.was.is_none() {
        store.course_step(queue, CourseStep::Forget, (&course.change, course.layout.now)).await?;
    }
    if course.is_moving() {
        let mut mover = Mover::new(store, queue, false);
        let outcome = mover.run(Some(ROUND), &mut |_| ()).await;
        mover.leave().await?;
        outcome?;
    }
    Ok(())
}

/// Goes on with a change that nobody else is at, for a moment; only looks with `dry_run`.
pub(crate) async fn heal(store: &Store, queue: &QueueName, dry_run: bool) -> Result<Option<Repair>> {
    if store.standstill(queue, 1).await?.is_none() {
        return Ok(None);
    }
    let mut mover = Mover::new(store, queue, true);
    let found = mover.left(store.course(queue).await?.layout).await?;
    let found = (found.waiting + found.ended).max(1);
    if !dry_run {
        mover.run(Some(HEALING), &mut |_| ()).await?;
        mover.leave().await?;
    }
    let repaired = if dry_run { 0 } else { mover.moved.clamp(1, found) };
    Ok(Some(Repair::new(queue, RepairKind::Move, (found, repaired))))
}

/// What a worker sets where nobody has set anything: the number of partitions too.
pub(crate) async fn set_defaults(store: &Store, keys: &QueueKeys, defaults: &[Setting]) -> Result<()> {
    store.set_defaults(keys, defaults).await?;
    if let Some(count) = asked_for(defaults)
        && store.course(keys.queue()).await?.change.is_empty()
    {
        change(store, keys.queue(), count).await?;
    }
    Ok(())
}

/// Jobs that have a batch and a unique key are refused by several partitions; what a queue of one holds of them would go with
/// its batch, and leave its key to others. Those that are added behind this look, until the queue is closed, are not seen.
async fn keyed_batch(store: &Store, queue: &QueueName, course: &Course, count: u16) -> Result<Option<Hindrance>> {
    let begins = course.layout.now.is_one() && count > 1 && !course.is_moving();
    Ok((begins && store.has_keys_in_batches(&store.keys(queue)).await?).then_some(Hindrance::BatchKey))
}

fn refused(queue: &QueueName, count: u16, course: &Course, hindrance: Hindrance) -> Error {
    let why = match hindrance {
        Hindrance::Moving => {
            let on = course.next.unwrap_or(course.layout.now).count();
            format!(
                "its jobs are still being moved to {on} partitions (queues set {queue} --partitions {on} goes on with that)"
            )
        }
        Hindrance::Key => {
            format!(
                "it has limits per key, which no script could keep over several partitions (queues set {queue} --key none --key-concurrency none --key-rate none lifts them)"
            )
        }
        Hindrance::Concurrency => {
            format!(
                "its concurrency is less than {count}, and each partition must be able to run a job (queues set {queue} --concurrency N)"
            )
        }
        Hindrance::BatchKey => {
            "it holds jobs that have both a batch and a unique key, which are refused in several partitions: let them end \
             first, and add no others"
                .to_owned()
        }
        Hindrance::MaxLength => {
            format!(
                "its maxLength is less than {count}, and each partition must be able to hold a job (queues set {queue} --max-length N)"
            )
        }
    };
    Error::refused(format!("queue {queue} cannot have {count} partitions: {why}"))
}

impl<'a> Mover<'a> {
    fn new(store: &'a Store, queue: &'a QueueName, is_asked: bool) -> Self {
        let who = JobId::generate().to_string();
        Self { store, queue, who, is_asked, moved: 0, idle_since: None, empty_since: None, looked_at: None }
    }

    /// Until all is moved that can be, or for `limit`.
    async fn run(&mut self, limit: Option<Duration>, progress: &mut (dyn FnMut(Moved) + Send)) -> Result<Moved> {
        let began = Instant::now();
        loop {
            let course = self.store.course(self.queue).await?;
            if !course.is_moving() {
                return Ok(self.told(&course, Left::default()));
            }
            if !self.store.mover_turn(self.queue, (&self.who, self.is_asked), TURN_MS).await? {
                return Ok(self.told(&course, Left::default()));
            }
            if let Some(next) = course.next {
                self.introduce(&course, next).await?;
                continue;
            }
            let is_over = limit.is_some_and(|limit| began.elapsed() >= limit);
            let before = self.moved;
            let (left, steps) = match self.step(&course).await {
                Ok(step) => step,
                // The server of one place may be away: what the others hold goes on.
                Err(_) if !self.is_asked && !is_over => {
                    tokio::time::sleep(OUTAGE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let told = self.told(&course, left);
            progress(told);
            let all_that_can = left.waiting + left.ended == 0 && left.running > 0 && (!course.held || course.limited);
            if (self.is_asked && all_that_can) || is_over {
                return Ok(told);
            }
            if !steps && self.moved == before {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Moves some of it; what is left, and whether the change has come a step further.
    async fn step(&mut self, course: &Course) -> Result<(Left, bool)> {
        self.round(course).await?;
        let left = self.left(course.layout).await?;
        Ok((left, self.conclude(course, left).await?))
    }

    /// Lets others move.
    async fn leave(&self) -> Result<()> {
        self.store.mover_turn(self.queue, (&self.who, false), 0).await.map(drop)
    }

    fn told(&self, course: &Course, left: Left) -> Moved {
        Moved {
            partitions: course.next.unwrap_or(course.layout.now).count(),
            done: !course.is_moving(),
            moved: self.moved,
            left: left.waiting + left.ended,
            running: left.running,
            held: course.held,
        }
    }

    fn keys(&self, place: Partition) -> QueueKeys {
        self.store.partition_keys(self.queue, place)
    }

    fn way<'b>(&'b self, course: &'b Course, from: Partition, to: Partitions) -> Way<'b> {
        Way { queue: self.queue, from, to, change: &course.change }
    }

    /// Everything up to the new number: nothing can be added while it is on.
    async fn introduce(&self, course: &Course, next: Partitions) -> Result<()> {
        let (store, now) = (self.store, course.layout.now);
        store.copy_settings(self.queue).await?;
        let Some(last) = self.set_gates(now, &course.change, Gate::Closed(next), Last::default()).await? else {
            return Ok(());
        };
        // Before the first job of a batch comes to its new place, the batch is there.
        for place in now.each() {
            for batch in store.batch_names(&self.keys(place)).await? {
                store.move_apart(self.way(course, place, next), Apart::Batch(&batch)).await?;
            }
        }
        if self.set_gates(next, &course.change, Gate::OpenTo(now), last).await?.is_some()
            && store.course_step(self.queue, CourseStep::Say, (&course.change, next)).await?
        {
            store.copy_settings(self.queue).await?;
        }
        Ok(())
    }

    /// Says which jobs may be added to each place; the last fence and arrival of them all. `None` where a later change has
    /// said something else.
    async fn set_gates(&self, places: Partitions, change: &str, gate: Gate, last: Last) -> Result<Option<Last>> {
        let gates = places.each().map(|place| {
            let keys = self.keys(place);
            async move { self.store.set_gate(&keys, change, gate, last).await }
        });
        let mut all = last;
        for answer in join_all(gates).await {
            let Some(found) = answer? else { return Ok(None) };
            all = Last { fence: all.fence.max(found.fence), arrival: all.arrival.max(found.arrival) };
        }
        Ok(Some(all))
    }

    /// What the old places still hold.
    async fn left(&self, layout: Layout) -> Result<Left> {
        let Some(was) = layout.was else { return Ok(Left::default()) };
        let looks = was.each().map(|place| {
            let keys = self.keys(place);
            async move { self.store.vacancy(&keys).await }
        });
        join_all(looks).await.into_iter().try_fold(Left::default(), |all, left| Ok(all.and(left?)))
    }

    /// Moves some of what each old place holds, all places at once.
    async fn round(&mut self, course: &Course) -> Result<()> {
        let Layout { now, was: Some(was) } = course.layout else { return Ok(()) };
        let looks = self.looked_at.is_none_or(|at| at.elapsed() >= LOOK);
        if looks {
            self.looked_at = Some(Instant::now());
        }
        let this = &*self;
        let rounds = was.each().map(|place| this.empty_some(this.way(course, place, now), looks));
        let moved = join_all(rounds).await.into_iter().try_fold(0, |all, moved| Ok::<_, Error>(all + moved?))?;
        self.moved += moved;
        Ok(())
    }

    /// What waits goes first, so that it is held up least. `looks`: also at what takes long to look at.
    async fn empty_some(&self, way: Way<'_>, looks: bool) -> Result<u64> {
        const WAITING: [Key; 7] =
            [Key::Pending3, Key::Pending2, Key::Pending1, Key::Pending0, Key::Parked, Key::Scheduled, Key::Retrying];
        const ENDED: [Key; 3] = [Key::Completed, Key::Cancelled, Key::Dead];
        let (store, keys) = (self.store, self.keys(way.from));
        let (left, mut moved) = (store.vacancy(&keys).await?, 0);
        if left.schedules > 0 {
            for schedule in store.schedules(&keys).await?.1 {
                moved += store.move_apart(way, Apart::Schedule(&schedule.name)).await?;
            }
        }
        moved += self.move_sets(way, if left.waiting > 0 { &WAITING } else { &ENDED }).await?;
        if left.waiting > 0 {
            if moved == 0 && looks {
                // What cannot leave has no record, or goes with a schedule in the next round.
                store.drop_all_orphans(&keys).await?;
            }
            return Ok(moved);
        }
        if left.rest > 0 {
            moved += store.move_known(way).await?;
        }
        let batches = if looks { store.batch_names(&keys).await? } else { Vec::new() };
        for batch in batches {
            moved += store.move_apart(way, Apart::Batch(&batch)).await?;
        }
        Ok(moved)
    }

    async fn move_sets(&self, way: Way<'_>, sets: &[Key]) -> Result<u64> {
        let (mut moved, mut pages) = (0, 0);
        for set in sets {
            while pages < ROUND_PAGES {
                let page = self.store.move_jobs(way, *set).await?;
                if page == 0 {
                    break;
                }
                (moved, pages) = (moved + page, pages + 1);
            }
        }
        Ok(moved)
    }

    /// The next step of the change, where it has come. Whether there was one.
    async fn conclude(&mut self, course: &Course, left: Left) -> Result<bool> {
        let Layout { now, was: Some(was) } = course.layout else { return Ok(false) };
        let since = |then: &mut Option<Instant>, holds: bool| {
            *then = if holds { then.or_else(|| Some(Instant::now())) } else { None };
            then.map_or(Duration::ZERO, |then| then.elapsed())
        };
        let idle = since(&mut self.idle_since, left.waiting == 0);
        let empty = since(&mut self.empty_since, left.is_empty());
        if course.held {
            let ended = left.running == 0 || (idle >= LONG_RUN && !course.limited);
            if left.waiting > 0 || !ended {
                return Ok(false);
            }
            self.store.course_step(self.queue, CourseStep::Lift, (&course.change, now)).await?;
            self.store.copy_settings(self.queue).await?;
            return Ok(true);
        }
        if empty < LAST_LOOK {
            return Ok(false);
        }
        self.settle(course, was, now).await
    }

    /// Clears the old places away, which hold nothing, and opens the new ones to all.
    async fn settle(&self, course: &Course, was: Partitions, now: Partitions) -> Result<bool> {
        for place in was.each() {
            self.store.move_apart(self.way(course, place, now), Apart::Totals).await?;
            if !self.store.retire(self.queue, place, &course.change).await? {
                return Ok(false);
            }
        }
        // Later than what opened them to some, and sooner than any other change.
        let change = course.change.parse::<i64>().map(|change| (change + 1).to_string());
        let change = change
            .map_err(|_| Error::corrupt(format!("queue {}: no change has number {:?}", self.queue, course.change)))?;
        self.set_gates(now, &change, Gate::Open, Last::default()).await?;
        self.store.course_step(self.queue, CourseStep::Settle, (&course.change, now)).await?;
        self.store.copy_settings(self.queue).await?;
        Ok(true)
    }
}
