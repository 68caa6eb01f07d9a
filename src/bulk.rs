//! Acts on many jobs of a queue at once: remove, cancel, retry, promote.

use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::audit::{ActEnd, ActNote, KEPT};
use crate::clock::instant;
use crate::error::{Error, ErrorKind, Result};
use crate::job::JobState::{self, Active, Cancelled, Completed, Dead, Pending, Retrying, Scheduled};
use crate::job::{JobId, QueueName};
use crate::pace::Pace;
use crate::selection::Selection;
use crate::stats::{BulkReport, Skipped, StateCount};
use crate::store::{
    ACT_STEP, Care, Detail, Found, Key, Memory, QueueKeys, REVIVE_STEP, Revived, Spread, Store, protected,
};
use crate::walk::Walk;

/// Jobs that one call removes or cancels while it copies them aside: a few milliseconds of the server's time.
const ASIDE_STEP: usize = 200;
/// Nothing is copied aside where more of the memory that the server may use is used.
const MEMORY_PART_MAX: f64 = 0.8;
/// Jobs that a count shows.
const SAMPLE: usize = 5;

/// What is done to many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BulkAct {
    /// Removed for good.
    Remove,
    /// Cancelled: waiting ones at once, active ones within a second.
    Cancel,
    /// Failed ones run again: retrying ones now, dead ones from the start.
    Retry,
    /// Scheduled and retrying ones run now.
    Promote,
}

impl BulkAct {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Promote => "promote",
        }
    }

    /// The states that it can be about, along a job's life.
    pub fn states(self) -> &'static [JobState] {
        match self {
            Self::Remove => &[Scheduled, Pending, Retrying, Completed, Cancelled, Dead],
            Self::Cancel => &[Scheduled, Pending, Active, Retrying],
            Self::Retry => &[Retrying, Dead],
            Self::Promote => &[Scheduled, Retrying],
        }
    }

    /// Whether jobs cease to be, so that a protected queue refuses it and what goes is copied aside.
    pub fn takes_jobs(self) -> bool {
        matches!(self, Self::Remove | Self::Cancel)
    }

    /// The states that a selection means.
    fn meant(self, selection: &Selection) -> Result<Vec<JobState>> {
        let mut states = Vec::new();
        for state in &selection.states {
            match (self, state) {
                (Self::Remove, Active) => {
                    return Err(Error::invalid("active jobs are never removed: cancel them, or stop their workers"));
                }
                (_, state) if !self.states().contains(state) => {
                    return Err(Error::invalid(format!("{state} jobs cannot be the object of {}", self.as_str())));
                }
                (_, state) if states.contains(state) => {}
                (_, state) => states.push(*state),
            }
        }
        Ok(if states.is_empty() { self.states().to_vec() } else { states })
    }
}

/// How many jobs are acted on, by whom and why.
#[derive(Debug, Clone, Default)]
pub struct ActOptions {
    /// At most so many a second.
    pub rate_per_sec: Option<f64>,
    /// Only counts, and shows some.
    pub dry_run: bool,
    /// Those that are retried wait this long before they start.
    pub delay: Option<Duration>,
    /// Who does it, for the audit.
    pub by: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// Ends it after the step that it is at: what was done stays done, and is told.
    pub stop: CancellationToken,
}

impl ActOptions {
    /// What the audit is told: who and why.
    pub(crate) fn told(&self) -> (&str, &str) {
        (self.by.as_deref().unwrap_or("-"), self.reason.as_deref().unwrap_or_default())
    }
}

/// Acts on many jobs of one queue. Every act is written to the [audit](crate::Audit); what is removed or cancelled is
/// copied aside for an hour, so that [`Audit::undo`](crate::Audit::undo) can bring it back.
#[derive(Clone)]
pub struct Bulk {
    store: Store,
    queue: QueueName,
}

impl Bulk {
    pub(crate) fn new(store: Store, queue: QueueName) -> Self {
        Self { store, queue }
    }

    /// Acts on the selected jobs that are there now, in bounded steps, each of which does its part as a whole; `progress`
    /// gets the number changed after each. Safe to break off (best by [`ActOptions::stop`]) and to repeat.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used; `Invalid` for a state that the act cannot be about, and for a rate that
    /// is no positive number; `Refused` when the queue is protected and jobs would go.
    pub async fn run(
        &self,
        act: BulkAct,
        selection: &Selection,
        options: &ActOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<BulkReport> {
        let states = act.meant(selection)?;
        let pace = Pace::new(options.rate_per_sec, options.stop.clone())?;
        let no_undo = if act.takes_jobs() { no_undo(&self.store).await? } else { None };
        if options.dry_run {
            let report = self.survey(selection, &states).await?;
            return Ok(BulkReport { no_undo, ..report });
        }
        let spread = self.store.spread(&self.queue).await?;
        // Where the queue's own node is away, its partitions say whether it is protected.
        let home = match self.store.absence_of_home(&self.queue).await {
            Some(error) => spread.places().first().cloned().ok_or(error)?,
            None => self.store.keys(&self.queue),
        };
        if act.takes_jobs() && self.store.settings(&home).await?.protected {
            return Err(protected(&home));
        }
        let can_undo = act.takes_jobs() && no_undo.is_none();
        let meant = Selection { states: states.clone(), ..selection.clone() }.to_string();
        let note = ActNote::new(act.as_str(), &self.queue, meant, options.told());
        let note = note.in_layout(spread.layout).with("undo", if can_undo { "1" } else { "0" });
        let report = BulkReport { no_undo, ..BulkReport::default() };
        let mut run = Run { bulk: self, act, can_undo, delay: options.delay, pace, note, report, progress };
        // Which are the oldest over several places cannot be told without a look at them.
        let looks = !selection.is_all() || (selection.limit.is_some() && spread.places().len() > 1);
        let outcome = match (act, looks) {
            (BulkAct::Remove, false) => run.clear(spread, &states, selection.limit.unwrap_or(u64::MAX)).await,
            _ => run.go(selection, &states).await,
        };
        run.end(outcome).await
    }

    /// How many jobs are meant, by their states, and some of them.
    async fn survey(&self, selection: &Selection, states: &[JobState]) -> Result<BulkReport> {
        let spread = self.store.spread(&self.queue).await?;
        let mut report = BulkReport { dry_run: true, ..BulkReport::default() };
        let counted = selection.is_all() && selection.limit.is_none();
        if counted {
            for state in states {
                let mut count = 0;
                for set in Key::of_state(*state) {
                    count += self.store.size_in(spread.places(), *set).await?;
                }
                report.tell(*state, count);
            }
        }
        let mut walk = Walk::begin(&self.store, &self.queue, (selection, states), Detail::Arrival).await?;
        while let Some(jobs) = walk.look().await? {
            let missing = SAMPLE.saturating_sub(report.sample.len());
            let shown: Vec<_> = jobs.iter().take(missing).map(|found| found.id.clone()).collect();
            if let Some(first) = jobs.first().filter(|_| !shown.is_empty()) {
                // The record tells the priority of a job that has ended.
                let mut whole = self.store.page_in(&spread, first.place.set, &shown).await?;
                whole.sort_by_key(|found| shown.iter().position(|id| *id == found.id));
                report.sample.extend(whole.iter().map(|found| found.summary(&self.queue)));
            }
            match jobs.first() {
                Some(first) if !counted => report.tell(first.place.state, jobs.len() as u64),
                // The rest need not be looked at.
                _ if report.sample.len() >= SAMPLE => break,
                _ => {}
            }
        }
        Ok(report)
    }
}

/// Why what an act takes cannot be copied aside; `None` where it can.
pub(crate) async fn no_undo(store: &Store) -> Result<Option<String>> {
    Ok(match store.memory().await? {
        Memory::Part(part) if part > MEMORY_PART_MAX => {
            Some(format!("{:.0} % of the memory that the server may use are used", part * 100.0))
        }
        Memory::Unknown => Some("the server does not say how much memory is used".to_owned()),
        Memory::Part(_) | Memory::Unbounded => None,
    })
}

impl BulkReport {
    /// So many more jobs of a state are meant.
    fn tell(&mut self, state: JobState, count: u64) {
        self.matched += count;
        match self.states.iter_mut().find(|known| known.state == state) {
            Some(known) => known.count += count,
            None if count > 0 => self.states.push(StateCount { state, count }),
            None => {}
        }
    }
}

/// An act under way.
struct Run<'a> {
    bulk: &'a Bulk,
    act: BulkAct,
    can_undo: bool,
    delay: Option<Duration>,
    pace: Pace,
    note: ActNote,
    report: BulkReport,
    progress: &'a mut (dyn FnMut(u64) + Send),
}

impl Run<'_> {
    /// Writes the end of it, and tells.
    async fn end(mut self, outcome: Result<()>) -> Result<BulkReport> {
        let store = &self.bulk.store;
        if let Err(error) = outcome {
            // The error says more than whether it could be written down.
            let _ = self.note.end(store, ActEnd::Failed, self.report.changed).await;
            return Err(error);
        }
        let ended = if self.report.stopped { ActEnd::Stopped } else { ActEnd::Done };
        self.report.act = self.note.end(store, ended, self.report.changed).await?;
        if self.can_undo && self.report.changed > 0 {
            self.report.undo_until = Some(instant(store.now_ms().await?) + KEPT);
        }
        Ok(self.report)
    }

    /// How many jobs one call is about.
    fn step(&self) -> usize {
        let most = match self.act {
            BulkAct::Retry => REVIVE_STEP,
            _ if self.can_undo => ASIDE_STEP,
            _ => ACT_STEP,
        };
        self.pace.step(most)
    }

    /// Lets the next step begin; whether it may.
    async fn may_go_on(&mut self, jobs: usize) -> Result<bool> {
        if self.pace.wait(jobs).await {
            self.note.begin(&self.bulk.store).await?;
            return Ok(true);
        }
        self.report.stopped = true;
        Ok(false)
    }

    /// Removes what these states hold now, at most `left`, without reading what is stored of it. What is added behind the
    /// last ones meanwhile stays.
    async fn clear(&mut self, mut spread: Spread, states: &[JobState], mut left: u64) -> Result<()> {
        for set in states.iter().flat_map(|state| Key::of_state(*state)) {
            loop {
                // What moves to another partition goes from the first of these to the last.
                for (at, keys) in spread.places().iter().enumerate() {
                    if at == spread.former().len() {
                        self.bulk.store.wait_for_arrivals(&spread).await?;
                    }
                    left = left.saturating_sub(self.clear_set(keys, *set, left).await?);
                }
                let now = self.bulk.store.spread(&self.bulk.queue).await?;
                if now.is_still(&spread) || self.report.stopped {
                    break;
                }
                spread = now;
            }
        }
        Ok(())
    }

    /// How many are removed.
    async fn clear_set(&mut self, keys: &QueueKeys, set: Key, most: u64) -> Result<u64> {
        let (store, mut removed) = (&self.bulk.store, 0);
        let mut ahead = store.size(keys, set).await?.min(most);
        let Some((_, last)) = store.marks(keys, set, (0, 1), true).await?.pop() else { return Ok(0) };
        while ahead > 0 && !self.report.stopped {
            let most = (self.step() as u64).min(ahead);
            let mut step = store.marks(keys, set, (0, most), false).await?;
            step.retain(|(_, score)| *score <= last);
            if step.is_empty() || !self.may_go_on(step.len()).await? {
                break;
            }
            ahead = ahead.saturating_sub(step.len() as u64);
            let gone = store.remove(keys, set, &step, self.care()).await?;
            removed += gone;
            self.report.matched += gone;
            self.tell(gone);
        }
        Ok(removed)
    }

    /// Acts on what is selected, page by page.
    async fn go(&mut self, selection: &Selection, states: &[JobState]) -> Result<()> {
        let Bulk { store, queue } = self.bulk;
        let detail = if self.act == BulkAct::Retry { Detail::Whole } else { Detail::Arrival };
        let mut walk = Walk::begin(store, queue, (selection, states), detail).await?;
        while let Some(batch) = walk.next().await? {
            let set = batch.set;
            for (place, jobs) in batch.by_place() {
                for step in jobs.chunks(self.step()) {
                    if !self.may_go_on(step.len()).await? {
                        return Ok(());
                    }
                    self.report.matched += step.len() as u64;
                    let (mut changed, stay) = self.act_on((walk.keys(place), set), step).await?;
                    if changed + stay < step.len() as u64 {
                        for (keys, jobs) in walk.moved_on(place, step).await? {
                            let gone_on = |id: &JobId| jobs.iter().any(|job| job.id == *id);
                            self.report.skipped.retain(|skipped| !gone_on(&skipped.id));
                            changed += self.act_on((&keys, set), &jobs).await?.0;
                        }
                    }
                    walk.stay(place, stay);
                    self.tell(changed);
                }
            }
        }
        Ok(())
    }

    /// Acts on jobs of one set; how many are changed, and how many stay where they are. What was not as it was seen has left
    /// the set, or stands behind the end of the walk.
    async fn act_on(&mut self, (keys, set): (&QueueKeys, Key), jobs: &[Found]) -> Result<(u64, u64)> {
        let store = &self.bulk.store;
        Ok(match (self.act, set) {
            (BulkAct::Remove, _) => {
                let marks: Vec<_> = jobs.iter().map(|job| (job.id.clone(), job.place.score())).collect();
                (store.remove(keys, set, &marks, self.care()).await?, 0)
            }
            (BulkAct::Cancel, _) => (done(store.cancel(keys, set, &seen(jobs), self.care()).await?), 0),
            (BulkAct::Retry, Key::Dead) => self.revive(keys, jobs).await?,
            (BulkAct::Retry | BulkAct::Promote, _) => (done(store.advance(keys, set, &seen(jobs)).await?), 0),
        })
    }

    /// How many of these letters are revived, and how many stay where they are.
    async fn revive(&mut self, keys: &QueueKeys, letters: &[Found]) -> Result<(u64, u64)> {
        if let Some(answers) = ask_back(&self.bulk.store, keys, (self.delay, letters)).await? {
            return Ok(self.told_of(letters, answers));
        }
        // While jobs are moved, what has a unique key is refused, and with it all that comes in the same call.
        let is_keyed = |letter: &Found| letter.record().is_some_and(|record| record.unique.is_some());
        let (keyed, plain): (Vec<_>, Vec<_>) = letters.iter().cloned().partition(is_keyed);
        let mut counts = self.told_of(&keyed, Vec::new());
        if !plain.is_empty() {
            let answers = ask_back(&self.bulk.store, keys, (self.delay, &plain)).await?.unwrap_or_default();
            let (back, stay) = self.told_of(&plain, answers);
            counts = (counts.0 + back, counts.1 + stay);
        }
        Ok(counts)
    }

    /// How many are revived, and how many stay where they are; those without an answer were refused.
    fn told_of(&mut self, letters: &[Found], answers: Vec<Revived>) -> (u64, u64) {
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat(None));
        let (mut back, mut stay) = (0, 0);
        for (letter, revived) in letters.iter().zip(answers) {
            let (reason, stays) = match revived {
                Some(Revived::Done) => {
                    back += 1;
                    continue;
                }
                Some(Revived::Held(holder)) => (format!("job {holder} holds its unique key"), true),
                Some(Revived::NoRecord) => ("nothing is stored of it but its id".to_owned(), true),
                Some(Revived::Elsewhere(Some(state))) => (format!("it is {state} by now"), state == Dead),
                Some(Revived::Elsewhere(None)) => ("it is gone".to_owned(), false),
                None => {
                    ("jobs of its queue are being moved to other partitions: repeat it in a moment".to_owned(), true)
                }
            };
            stay += u64::from(stays);
            self.report.skipped.push(Skipped { id: letter.id.clone(), reason });
        }
        (back, stay)
    }

    fn care(&self) -> Care<'_> {
        Care { aside: self.can_undo.then_some(self.note.id.as_str()), guarded: true }
    }

    fn tell(&mut self, changed: u64) {
        self.report.changed += changed;
        (self.progress)(self.report.changed);
    }
}

/// What became of each of these letters; `None` where none is revived while jobs are moved.
async fn ask_back(
    store: &Store,
    keys: &QueueKeys,
    (delay, letters): (Option<Duration>, &[Found]),
) -> Result<Option<Vec<Revived>>> {
    match store.revive(keys, delay, letters).await {
        Err(error) if error.kind() == ErrorKind::Moved => Ok(None),
        answers => answers.map(Some),
    }
}

fn seen(jobs: &[Found]) -> Vec<(JobId, String)> {
    jobs.iter().map(|job| job.place.seen(&job.id)).collect()
}

fn done(each: Vec<bool>) -> u64 {
    each.into_iter().filter(|done| *done).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_about_the_states_that_it_can_change() {
        let meant = |act: BulkAct, states: &[JobState]| {
            act.meant(&Selection { states: states.to_vec(), ..Selection::default() })
        };
        assert_eq!(meant(BulkAct::Retry, &[]).unwrap(), [Retrying, Dead]);
        assert_eq!(
            meant(BulkAct::Remove, &[Dead, Pending, Dead]).unwrap(),
            [Dead, Pending],
            "in the order given, once"
        );
        assert!(meant(BulkAct::Remove, &[Active]).unwrap_err().to_string().contains("cancel them"));
        assert!(meant(BulkAct::Cancel, &[Dead]).unwrap_err().to_string().contains("dead"));
        assert!(BulkAct::Cancel.takes_jobs() && !BulkAct::Promote.takes_jobs());
    }
}
