//! Brings back what an act on many jobs took.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::audit::{ActEnd, ActNote, Audit, AuditEntry};
use crate::bulk::ActOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, QueueName};
use crate::pace::Pace;
use crate::store::{Key, QueueKeys, Restored, Spread, Store};

/// Jobs that one call brings back.
const STEP: usize = 200;
/// Jobs that were left and are named.
const NAMED: usize = 20;

/// What an undo did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UndoReport {
    /// The act that was undone.
    pub undone: String,
    /// Its queue.
    pub queue: QueueName,
    /// Jobs that are back by this call; where it only counted, those that would be looked at.
    pub restored: u64,
    /// Jobs that were left: of that id there is one again, or another job holds the unique key.
    pub left: u64,
    /// Some of those that were left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_ids: Vec<JobId>,
    /// Jobs that were back before.
    pub before: u64,
    /// Whether it only counted.
    pub dry_run: bool,
    /// The name that the audit has of it; `None` where it changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// Whether it was stopped before its end: undo it again for the rest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

impl Audit {
    /// Brings back what an act took, byte for byte: record, history, state, place in line. What came again meanwhile is left
    /// and counted. In bounded steps; safe to break off and to repeat, and to do twice.
    ///
    /// # Errors
    /// `NotFound` when what it took is no longer kept; `Refused` when it took nothing that could be brought back; `NotNow`
    /// when the server's memory is full.
    pub async fn undo(
        &self,
        entry: &AuditEntry,
        options: &ActOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<UndoReport> {
        let store = &self.store;
        let pace = Pace::new(options.rate_per_sec, options.stop.clone())?;
        let mut report = UndoReport {
            undone: entry.id.clone(),
            queue: entry.queue.clone(),
            restored: 0,
            left: 0,
            left_ids: Vec::new(),
            before: 0,
            dry_run: options.dry_run,
            act: None,
            stopped: false,
        };
        let spread = store.spread(&entry.queue).await?;
        let mut kept = Vec::new();
        for keys in places(store, entry, &spread) {
            let taken = format!("what act {} took from queue {} there", entry.id, entry.queue);
            if store.leaves_out(keys.name(Key::Meta), &taken).await {
                continue;
            }
            let known = store.restored(&keys, &entry.id).await?;
            kept.extend(known.map(|known| (keys, known)));
        }
        if kept.is_empty() {
            return match store.unreached_error() {
                Some(error) => Err(error),
                None if entry.undone_by.is_some() => Ok(report),
                None => Err(nothing_kept(entry)),
            };
        }
        report.before = kept.iter().map(|(_, known)| known.back).sum();
        if options.dry_run {
            for (keys, _) in &kept {
                report.restored += store.kept_aside(keys, &entry.id).await?;
            }
            return Ok(report);
        }
        let note = ActNote::new("undo", &entry.queue, format!("act {}", entry.id), options.told());
        // Copies are carried to the partitions of now: who undoes the rest after another change looks for them there.
        let mut note = note.with("of", &entry.id).in_layout(spread.layout);
        if kept.iter().any(|(_, known)| known.more) {
            // It may have been deleted since.
            store.register(&entry.queue).await?;
        }
        let mut undoing = Undoing { store, entry, spread, pace, note: &mut note, report: &mut report, progress };
        if let Err(error) = undoing.bring_back(kept).await {
            // The error says more than whether it could be written down.
            let _ = note.end(store, ActEnd::Failed, report.restored).await;
            return Err(error);
        }
        let ended = if report.stopped { ActEnd::Stopped } else { ActEnd::Done };
        report.act = note.end(store, ended, report.restored).await?;
        Ok(report)
    }
}

/// Where what an act took may be kept: in the places of now, in those that the queue had when the act began, and in those to
/// which it was carried when somebody began to undo it.
fn places(store: &Store, entry: &AuditEntry, spread: &Spread) -> Vec<QueueKeys> {
    let before = entry.partitions.iter().flat_map(|spread| spread.each());
    let before = before.map(|partition| store.partition_keys(&entry.queue, partition));
    let mut places = spread.with_home();
    for keys in before {
        if !places.iter().any(|known| known.is_same_place(&keys)) {
            places.push(keys);
        }
    }
    places
}

/// An undo under way.
struct Undoing<'a> {
    store: &'a Store,
    entry: &'a AuditEntry,
    spread: Spread,
    pace: Pace,
    note: &'a mut ActNote,
    report: &'a mut UndoReport,
    progress: &'a mut (dyn FnMut(u64) + Send),
}

impl Undoing<'_> {
    /// Brings back what is kept in these places, each in its own, as far as it is not back yet. What was taken in a partition
    /// that the queue has no longer comes back into those that it has.
    async fn bring_back(&mut self, kept: Vec<(QueueKeys, Restored)>) -> Result<()> {
        let present = self.spread.present().to_vec();
        let (open, closed): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|(keys, _)| present.iter().any(|open| open.is_same_place(keys)));
        let closed: Vec<_> = closed.iter().filter(|(_, known)| known.more).collect();
        let carried = !closed.is_empty();
        for (keys, _) in closed {
            while self.may_go_on(0).await?
                && self.store.carry_copies(keys, &self.entry.id, self.spread.layout.now).await?
            {}
        }
        for keys in present {
            let before = open.iter().find(|(known, _)| known.is_same_place(&keys));
            let before = before.map(|(_, known)| known.clone()).unwrap_or_default();
            self.restore(&keys, Restored { more: before.more || carried, ..before }).await?;
        }
        Ok(())
    }

    async fn restore(&mut self, keys: &QueueKeys, before: Restored) -> Result<()> {
        let (restored, left) = (self.report.restored, self.report.left);
        let mut more = before.more;
        while more && self.may_go_on(STEP).await? {
            let Some(step) = self.restore_some(keys).await? else { break };
            more = step.more;
            let report = &mut *self.report;
            report.restored = restored + step.back.saturating_sub(before.back);
            report.left = left + step.left.saturating_sub(before.left);
            report.left_ids.extend(step.ids.into_iter().take(NAMED.saturating_sub(report.left_ids.len())));
            (self.progress)(report.restored);
        }
        Ok(())
    }

    /// Brings some back. While jobs are moved, the places that they are moved from are asked first: what has come again may be
    /// there.
    async fn restore_some(&mut self, keys: &QueueKeys) -> Result<Option<Restored>> {
        let (store, act) = (self.store, &self.entry.id);
        match store.restore(keys, act, None).await {
            Err(error) if error.kind() == ErrorKind::Moved => {}
            step => return step,
        }
        let asked = match store.layout(keys.queue()).await?.was {
            Some(was) => store.ask_former(keys, act, was).await.map(Some),
            // They are all there by now, or another change has begun.
            None => Ok(None),
        };
        let step = match asked {
            Ok(asked) => store.restore(keys, act, asked.as_ref()).await,
            Err(error) => Err(error),
        };
        step.map_err(|error| match error.kind() {
            ErrorKind::Moved => {
                let why = format!("jobs of queue {} are being moved to other partitions", keys.queue());
                Error::new(
                    ErrorKind::Moved,
                    format!("act {act} is not undone to its end: {why}: repeat it in a moment"),
                )
            }
            _ => error,
        })
    }

    /// Lets the next step begin; whether it may.
    async fn may_go_on(&mut self, jobs: usize) -> Result<bool> {
        if self.report.stopped || !self.pace.wait(jobs).await {
            self.report.stopped = true;
            return Ok(false);
        }
        self.note.begin(self.store).await?;
        Ok(true)
    }
}

fn nothing_kept(entry: &AuditEntry) -> Error {
    let AuditEntry { id, act, undo_until, .. } = entry;
    match undo_until {
        Some(until) => Error::not_found(format!("what act {id} took was kept until {} and is gone", time(*until))),
        None if matches!(act.as_str(), "remove" | "cancel") => {
            Error::refused(format!("act {id} cannot be undone: memory was too full to keep what it took"))
        }
        None => Error::refused(format!("act {id} cannot be undone: it was a {act}, which takes no jobs")),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
