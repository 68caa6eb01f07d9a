//! Changes over how many partitions a queue is spread, and moves what it holds, while producers and workers go on.
//!
//! A change is written down first (`partitions_next`), so that whoever meets it carries it on: this command, the next one, or
//! the janitor of any worker. The new places get their settings and are held; the old ones are closed to new jobs; what batches
//! have counted goes over; the new ones are opened; then the queue says its new number. From then on jobs are added to the new
//! places, workers go on with the old ones from the head, and the mover takes from the end, until nothing waits there and the
//! new ones may be fetched. What is left (jobs that still run, schedules whose job runs) follows when it can. Every step may be
//! done twice, by two at once, and broken off anywhere.

mod busy;
mod hindrance;
mod introduce;
mod setting;

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use self::hindrance::{check, keyed_batch, refused};
pub(crate) use self::setting::{Pace, prepare};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::job::{JobId, Layout, Partition, Partitions, QueueName};
use crate::repair::{Repair, RepairKind};
use crate::store::{
    Apart, Astray, BATCHES_MOVED, Carried, Course, CourseStep, Gate, Hindrance, Key, Last, Left, Lost, Obstacle,
    QueueKeys, Store, Way,
};

/// Pages that are moved between two looks at what is left.
const ROUND_PAGES: usize = 8;
/// How often it looks at batches, whose counts may still change, and for ids without a record.
const LOOK: Duration = Duration::from_secs(1);
/// How often it says which jobs each place takes: a server may have lost it.
const SAYS_AGAIN: Duration = Duration::from_secs(5);
/// How long a mover looks on before it looks again.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where a server does not answer.
const OUTAGE: Duration = Duration::from_secs(1);
/// How long the new places wait for jobs that run in the old ones; after that these count in the queue's concurrency. What a worker
/// has claimed ahead starts, or goes back into line, within a tenth of a second.
const LONG_RUN: Duration = Duration::from_secs(5);
/// How long old places stay that hold nothing: who waits for the end of a job still finds its result there.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long the turn of a mover is its own.
const TURN_MS: u64 = 5_000;
/// How long the janitor of a worker moves in each of its rounds, which come every minute.
const ROUND: Duration = Duration::from_secs(50);
/// How long a repair moves, and how long it waits for the end of a change of which all is moved.
const HEALING: Duration = Duration::from_secs(10);
const ENDING: Duration = Duration::from_secs(3);
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
    /// Why nothing is moved now, or not from some places: a new place has no room, or no replica of it answers.
    hindered: Option<Error>,
    /// Of how many things that are on their way it is known that they have arrived, though no replica has confirmed it.
    arrived: u64,
    /// When it last said once more which jobs each place takes.
    said_at: Option<Instant>,
    /// Since when nothing waits in the old places.
    idle_since: Option<Instant>,
    /// Since when they hold nothing at all.
    empty_since: Option<Instant>,
    /// When it last looked at what takes long to look at.
    looked_at: Option<Instant>,
    /// What runs in the old places, by the new place that it belongs to.
    running: Vec<u64>,
    /// When it last looked at that.
    counted_at: Option<Instant>,
    /// When it last said that the change has come further.
    told_at: Option<Instant>,
}

/// The number of partitions among `changes`.
pub(crate) fn asked_for(changes: &[Setting]) -> Option<u16> {
    changes.iter().rev().find_map(|change| if let Setting::Partitions(count) = change { Some(*count) } else { None })
}

/// Says that a queue shall have so many partitions; `false` where it has so many, and nothing is to be moved.
///
/// # Errors
/// `Refused` where another change is under way, or something that is set cannot be divided; both are named.
pub(crate) async fn change(store: &Store, queue: &QueueName, count: u16) -> Result<bool> {
    let partitions = Partitions::new(count)?;
    let course = store.course(queue).await?;
    if let Some(hindrance) = keyed_batch(store, queue, &course, count).await? {
        return Err(refused(queue, count, &course, hindrance));
    }
    let begun = store.intend(queue, partitions).await?;
    begun.map_err(|hindrance| refused(queue, count, &course, hindrance))
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
    let course = mend_course(store, queue, std::slice::from_ref(keys)).await?;
    // The node of one place may be away: what the others hold is moved all the same.
    let mended = store.mend_settings(keys, &course).await;
    if course.remembers && course.layout.was.is_none() {
        store.course_step(queue, CourseStep::Forget, (&course.change, course.layout.now)).await?;
    }
    if course.is_moving() {
        let mut mover = Mover::new(store, queue, false);
        let outcome = mover.run(Some(ROUND), &mut |_| ()).await;
        mover.leave().await?;
        outcome?;
    }
    mended.map(drop)
}

/// Mends what a server has lost of how the partitions of a queue stand, as these places say it; how they stand.
async fn mend_course(store: &Store, queue: &QueueName, places: &[QueueKeys]) -> Result<Course> {
    let course = store.course(queue).await?;
    let Astray { lost, shut } = store.astray(&course, places).await?;
    store.open(&course, &shut).await?;
    let Some(lost) = lost else { return Ok(course) };
    begin_again(store, queue, lost).await?;
    store.course(queue).await
}

/// Goes on with a change that nobody else is at, for a while, and to its end where all is moved; only looks with `dry_run`.
pub(crate) async fn heal(store: &Store, queue: &QueueName, dry_run: bool) -> Result<Option<Repair>> {
    heal_for(store, queue, dry_run, HEALING).await
}

pub(crate) async fn heal_for(
    store: &Store,
    queue: &QueueName,
    dry_run: bool,
    limit: Duration,
) -> Result<Option<Repair>> {
    if store.standstill(queue, TURN_MS as i64).await?.is_none() {
        return Ok(None);
    }
    let mut course = store.course(queue).await?;
    let places: Vec<_> = course.layout.now.each().map(|place| store.partition_keys(queue, place)).collect();
    if !dry_run {
        course = mend_course(store, queue, &places).await?;
    }
    let mut mover = Mover::new(store, queue, true);
    let found = mover.left(course.layout).await?;
    let found = (found.waiting + found.ended).max(1);
    if dry_run {
        return Ok(Some(Repair::new(queue, RepairKind::Move, (found, 0))));
    }
    let mut moved = mover.run(Some(limit), &mut |_| ()).await?;
    if !moved.done && moved.left + moved.running == 0 {
        moved = mover.run(Some(ENDING), &mut |_| ()).await?;
    }
    mover.leave().await?;
    // What runs where it was is nothing that could be put right; a change that has not come to its end is.
    let is_whole = moved.done || moved.left == 0 && moved.running > 0;
    let repaired = if is_whole { found } else { mover.moved.min(found - 1) };
    Ok(Some(Repair::new(queue, RepairKind::Move, (found, repaired))))
}

/// Writes down once more that a queue is to have the number of partitions for which a place of it is being left: what was
/// written down was lost, with a server that had it alone.
async fn begin_again(store: &Store, queue: &QueueName, lost: Lost) -> Result<()> {
    match store.intend_after(queue, lost.partitions, Some(lost.change)).await? {
        // Somebody was first.
        Ok(_) | Err(Hindrance::Moving) => Ok(()),
        Err(hindrance) => {
            let course = store.course(queue).await?;
            Err(refused(queue, lost.partitions.count(), &course, hindrance))
        }
    }
}

/// What a worker sets where nobody has set anything: the number of partitions too.
pub(crate) async fn set_defaults(store: &Store, keys: &QueueKeys, defaults: &[Setting]) -> Result<()> {
    store.set_defaults(keys, defaults).await?;
    if let Some(count) = asked_for(defaults)
        && store.course(keys.queue()).await?.change.is_empty()
    {
        change(store, keys.queue(), count).await?;
        carry_on(store, keys.queue(), Some(FIRST_LOOK), &mut |_| ()).await?;
    }
    Ok(())
}

impl<'a> Mover<'a> {
    fn new(store: &'a Store, queue: &'a QueueName, is_asked: bool) -> Self {
        let who = JobId::generate().to_string();
        Self {
            store,
            queue,
            who,
            is_asked,
            moved: 0,
            hindered: None,
            arrived: 0,
            said_at: None,
            idle_since: None,
            empty_since: None,
            looked_at: None,
            running: Vec::new(),
            counted_at: None,
            told_at: None,
        }
    }

    /// Until all is moved that can be, or for `limit`.
    async fn run(&mut self, limit: Option<Duration>, progress: &mut (dyn FnMut(Moved) + Send)) -> Result<Moved> {
        let began = Instant::now();
        loop {
            let course = self.store.course(self.queue).await?;
            if !course.is_moving() {
                return Ok(self.told(&course, Left::default()));
            }
            let is_over = limit.is_some_and(|limit| began.elapsed() >= limit);
            if !self.store.mover_turn(self.queue, (&self.who, self.is_asked), TURN_MS).await? {
                // Who has the turn may be dead: it is free soon then.
                if is_over || limit.is_none() {
                    return Ok(self.told(&course, Left::default()));
                }
                tokio::time::sleep(Duration::from_millis(TURN_MS)).await;
                continue;
            }
            if self.is_asked && course.next.is_some() && self.told_at.is_none() {
                let left = self.still_in(course.layout.now).await?;
                progress(self.told(&course, left));
            }
            let before = self.moved;
            let step = match course.next {
                Some(next) => self.introduce(&course, next).await.map(|further| (None, further)),
                None => self.step(&course).await.map(|(left, steps)| (Some(left), steps)),
            };
            let (left, steps) = match step {
                Ok((Some(left), steps)) => (left, steps),
                Ok((None, further)) => {
                    self.came_further(further).await?;
                    if !further && is_over {
                        return Ok(self.told(&course, Left::default()));
                    }
                    if !further {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
                // The server of one place may be away: what the others hold goes on.
                Err(_) if !self.is_asked && !is_over => {
                    tokio::time::sleep(OUTAGE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let told = self.told(&course, left);
            progress(told);
            if self.is_asked
                && let Some(hindered) = self.hindered.take()
            {
                return Err(hindered);
            }
            let all_that_can = left.waiting + left.ended == 0 && left.running > 0;
            self.came_further(steps || self.moved > before || all_that_can).await?;
            if (self.is_asked && all_that_can && !course.held) || is_over {
                return Ok(told);
            }
            if !steps && self.moved == before {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Says, once a while, that the change has come further, or that there is nothing to do but to wait for what runs.
    async fn came_further(&mut self, has: bool) -> Result<()> {
        if has && self.told_at.is_none_or(|at| at.elapsed() >= LOOK) {
            self.told_at = Some(Instant::now());
            self.store.mover_came_further(self.queue, &self.who, TURN_MS).await?;
        }
        Ok(())
    }

    /// Moves some of it; what is left, and whether the change has come a step further.
    async fn step(&mut self, course: &Course) -> Result<(Left, bool)> {
        if self.said_at.is_none_or(|at| at.elapsed() >= SAYS_AGAIN) {
            self.said_at = Some(Instant::now());
            // A node may be away, and is told when it is back.
            let _ = self.say_gates(course).await;
        }
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

    /// What the old places still hold.
    async fn left(&self, layout: Layout) -> Result<Left> {
        match layout.was {
            Some(was) => self.still_in(was).await,
            None => Ok(Left::default()),
        }
    }

    /// What these places hold.
    async fn still_in(&self, places: Partitions) -> Result<Left> {
        let looks = places.each().map(|place| {
            let keys = self.keys(place);
            async move { self.store.vacancy(&keys).await }
        });
        join_all(looks).await.into_iter().try_fold(Left::default(), |all, left| Ok(all.and(left?)))
    }

    /// Moves some of what each old place holds, all places at once.
    async fn round(&mut self, course: &Course) -> Result<()> {
        let Layout { now, was: Some(was) } = course.layout else { return Ok(()) };
        let places: Vec<_> = now.each().map(|place| self.keys(place)).collect();
        let rooms = join_all(places.iter().map(|keys| self.store.must_have_room(keys))).await;
        self.hindered = rooms.into_iter().find_map(Result::err);
        self.arrived = 0;
        if self.hindered.is_some() {
            // Workers go on with the old places.
            return Ok(());
        }
        let looks = self.looked_at.is_none_or(|at| at.elapsed() >= LOOK);
        if looks {
            self.looked_at = Some(Instant::now());
        }
        let this = &*self;
        let rounds = was.each().map(|place| this.empty_some(this.way(course, place, now), looks));
        for (place, outcome) in was.each().zip(join_all(rounds).await) {
            match outcome {
                Ok(moved) => self.moved += moved,
                Err(Obstacle::Unconfirmed(error)) => {
                    self.arrived += self.store.vacancy(&self.keys(place)).await?.leaving;
                    self.hindered = Some(error);
                }
                Err(Obstacle::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// What waits goes first, so that it is held up least. `looks`: also at what takes long to look at.
    async fn empty_some(&self, way: Way<'_>, looks: bool) -> Carried {
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
        if moved == 0 && looks && left.waiting + left.ended > 0 {
            // What cannot leave has no record, or goes with a schedule in the next round.
            store.drop_all_orphans(&keys).await?;
        }
        if left.waiting > 0 {
            return Ok(moved);
        }
        if left.rest > 0 {
            moved += store.move_known(way).await?;
        }
        let batches = if looks { store.batch_names(&keys).await? } else { Vec::new() };
        for names in batches.chunks(BATCHES_MOVED) {
            let (mut pages, mut page) = (0, 1);
            while page > 0 && pages < ROUND_PAGES {
                page = store.move_apart(way, Apart::Batches(names)).await?;
                (moved, pages) = (moved + page, pages + 1);
            }
        }
        Ok(moved)
    }

    async fn move_sets(&self, way: Way<'_>, sets: &[Key]) -> Carried {
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
        let waiting = self.holding(left);
        let idle = since(&mut self.idle_since, waiting == 0);
        let empty = since(&mut self.empty_since, left.is_empty());
        let waits = waiting > 0 || (left.running > 0 && idle < LONG_RUN);
        if course.held && waits {
            return Ok(false);
        }
        if course.limited && left.running > 0 {
            return self.share_out(course, (was, now), left).await;
        }
        if course.held || !course.busy.is_empty() {
            self.store.lift(self.queue, (&course.change, now), &[]).await?;
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
        let corrupt = || Error::corrupt(format!("queue {}: no change has number {:?}", self.queue, course.change));
        let change = course.number_when_settled().ok_or_else(corrupt)?;
        // A later change has said what it wants.
        let _ = self.set_gates(now, &change, Gate::Open, Last::default()).await?;
        self.store.settle_course(self.queue, course, was).await?;
        self.store.copy_settings(self.queue).await?;
        Ok(true)
    }
}
