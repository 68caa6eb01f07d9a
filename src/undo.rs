//! Brings back what an act on many jobs took.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::audit::{ActEnd, ActNote, Audit, AuditEntry};
use crate::bulk::ActOptions;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName};
use crate::pace::Pace;

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
        let (store, keys) = (&self.store, self.store.keys(&entry.queue));
        let mut pace = Pace::new(options.rate_per_sec, options.stop.clone())?;
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
        let Some(before) = store.restored(&keys, &entry.id).await? else {
            return if entry.undone_by.is_some() { Ok(report) } else { Err(nothing_kept(entry)) };
        };
        report.before = before.back;
        if options.dry_run {
            report.restored = store.kept_aside(&keys, &entry.id).await?;
            return Ok(report);
        }
        let note = ActNote::new("undo", &entry.queue, format!("act {}", entry.id), options.told());
        let mut note = note.with("of", &entry.id);
        let mut more = before.more;
        if more {
            // It may have been deleted since.
            store.register(&entry.queue).await?;
        }
        while more {
            if !pace.wait(STEP).await {
                report.stopped = true;
                break;
            }
            note.begin(store).await?;
            let step = match store.restore(&keys, &entry.id).await {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(error) => {
                    // The error says more than whether it could be written down.
                    let _ = note.end(store, ActEnd::Failed, report.restored).await;
                    return Err(error);
                }
            };
            more = step.more;
            report.restored = step.back.saturating_sub(before.back);
            report.left = step.left.saturating_sub(before.left);
            report.left_ids.extend(step.ids.into_iter().take(NAMED.saturating_sub(report.left_ids.len())));
            progress(report.restored);
        }
        let ended = if report.stopped { ActEnd::Stopped } else { ActEnd::Done };
        report.act = note.end(store, ended, report.restored).await?;
        Ok(report)
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
