//! Who did what to many jobs at once, or removed a single one, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::clock::instant;
use crate::error::{Error, Result};
use crate::job::{JobId, Layout, Partitions, QueueName, truncate};
use crate::store::{AUDIT_PAGE, Noted, Store};

/// How long what an act removed is kept aside.
pub(crate) const KEPT: TimeDelta = TimeDelta::hours(1);
const WORDS_MAX_BYTES: usize = 500;
const SUFFIX_MIN: usize = 4;

/// An act on many jobs, or the removal of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its name, by which it is undone.
    pub id: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Who did it: `user@host` from the command line.
    pub by: String,
    /// What it did: `remove`, `cancel`, `retry`, `promote`, `delete queue`, `undo`.
    pub act: String,
    /// The queue.
    pub queue: QueueName,
    /// Which jobs it was about; of an `undo`, the act.
    pub selection: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// How it ended.
    pub ended: ActEnd,
    /// How many jobs it changed; `None` while nobody knows.
    pub count: Option<u64>,
    /// Until when all of it can be undone; `None` where it cannot.
    pub undo_until: Option<DateTime<Utc>>,
    /// The act that undid it.
    pub undone_by: Option<String>,
    /// Over which partitions the queue was spread, where it was over several: when the act began, and when it was undone.
    #[serde(skip)]
    #[cfg_attr(feature = "api", schema(ignore))]
    pub(crate) partitions: Vec<Partitions>,
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ActEnd {
    /// It goes on, or whoever did it was ended in the middle.
    Open,
    /// It came to its end.
    Done,
    /// It was stopped; what was done stays done.
    Stopped,
    /// It failed in the middle; what was done stays done.
    Failed,
}

impl ActEnd {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The audit of every queue under one prefix; about the last 10,000 acts are kept.
#[derive(Clone)]
pub struct Audit {
    pub(crate) store: Store,
}

impl Audit {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The acts on one queue (or on all) that began at most so long ago, the latest first, at most `limit` of them.
    pub async fn list(
        &self,
        queue: Option<&QueueName>,
        since: Option<Duration>,
        limit: u64,
    ) -> Result<Vec<AuditEntry>> {
        let now_ms = self.store.now_ms().await?;
        let since_ms = since.map(|since| now_ms.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
        let mut acts = Vec::new();
        let mut reading = Reading::default();
        while let Some(noted) = reading.next(&self.store).await? {
            if since_ms.is_some_and(|since_ms| noted.at_ms < since_ms) || acts.len() as u64 >= limit {
                break;
            }
            let entry = reading.fold(noted);
            acts.extend(entry.filter(|entry| queue.is_none_or(|queue| *queue == entry.queue)));
        }
        Ok(acts)
    }

    /// The acts on one queue (or on all) that can be undone now, the latest first, at most `limit` of them.
    pub async fn undoable(&self, queue: Option<&QueueName>, limit: u64) -> Result<Vec<AuditEntry>> {
        let now = instant(self.store.now_ms().await?);
        let since = KEPT.to_std().unwrap_or_default();
        let mut acts = self.list(queue, Some(since), u64::MAX).await?;
        acts.retain(|act| act.undone_by.is_none() && act.undo_until.is_some_and(|until| until > now));
        acts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(acts)
    }

    /// The act of this name, or the only one whose name ends so.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the end fits several, or is shorter than four characters.
    pub async fn find(&self, id_or_suffix: &str) -> Result<AuditEntry> {
        let mut found = Vec::new();
        let mut reading = Reading::default();
        if id_or_suffix.len() >= SUFFIX_MIN {
            while let Some(noted) = reading.next(&self.store).await? {
                found.extend(reading.fold(noted).filter(|entry| entry.id.ends_with(id_or_suffix)));
            }
        }
        match found.len() {
            0 => Err(Error::not_found(format!("act {id_or_suffix:?} not found in the audit"))),
            1 => Ok(found.remove(0)),
            _ => {
                let names: Vec<_> = found.iter().take(5).map(|entry| entry.id.as_str()).collect();
                Err(Error::invalid(format!("{id_or_suffix:?} fits several acts: {}", names.join(", "))))
            }
        }
    }
}

/// Reads the stream backwards: how an act ended comes before how it began.
#[derive(Default)]
struct Reading {
    page: std::vec::IntoIter<Noted>,
    before: Option<String>,
    over: bool,
    /// Where a reply was lost an act may begin twice; the later entry is its beginning.
    begun: BTreeSet<String>,
    ends: BTreeMap<String, (ActEnd, Option<u64>)>,
    undone: BTreeMap<String, String>,
    /// Over which partitions a queue was spread when an act was undone.
    carried: BTreeMap<String, Vec<Partitions>>,
}

impl Reading {
    async fn next(&mut self, store: &Store) -> Result<Option<Noted>> {
        if self.page.len() == 0 && !self.over {
            let page = store.noted(self.before.as_deref()).await?;
            self.over = page.len() < AUDIT_PAGE;
            self.before = page.last().map(|noted| noted.id.clone());
            self.page = page.into_iter();
        }
        Ok(self.page.next())
    }

    /// The act that an entry begins; `None` for one that tells of its end, or that nobody can read.
    fn fold(&mut self, noted: Noted) -> Option<AuditEntry> {
        let mut fields = noted.fields;
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        let (id, step) = (field("id"), field("step"));
        let ended = match step.as_str() {
            "begun" => None,
            "done" => Some(ActEnd::Done),
            "stopped" => Some(ActEnd::Stopped),
            _ => Some(ActEnd::Failed),
        };
        if let Some(ended) = ended {
            self.ends.entry(id).or_insert((ended, field("count").parse().ok()));
            return None;
        }
        if !self.begun.insert(id.clone()) {
            return None;
        }
        let at = DateTime::from_timestamp_millis(noted.at_ms).unwrap_or_default();
        let (of, reason) = (field("of"), field("reason"));
        let mut partitions = partitions(&field("partitions"));
        if !of.is_empty() {
            self.carried.entry(of.clone()).or_default().extend(&partitions);
            self.undone.insert(of, id.clone());
        }
        partitions.extend(self.carried.remove(&id).into_iter().flatten());
        let (ended, count) = self.ends.remove(&id).unwrap_or((ActEnd::Open, None));
        Some(AuditEntry {
            at,
            by: field("by"),
            act: field("act"),
            queue: QueueName::new(&field("queue")).ok()?,
            selection: field("selection"),
            reason: (!reason.is_empty()).then_some(reason),
            ended,
            count,
            undo_until: (field("undo") == "1").then(|| at + KEPT),
            undone_by: self.undone.get(&id).cloned(),
            partitions,
            id,
        })
    }
}

/// The numbers of partitions that an entry names.
fn partitions(text: &str) -> Vec<Partitions> {
    text.split(',').filter_map(|count| Partitions::new(count.parse().ok()?).ok()).collect()
}

/// The entries of one act: it is written before its first change, and again at its end.
pub(crate) struct ActNote {
    pub id: String,
    fields: Vec<(&'static str, String)>,
    begun: bool,
}

impl ActNote {
    /// Nothing is written yet.
    pub(crate) fn new(act: &str, queue: &QueueName, selection: String, (by, reason): (&str, &str)) -> Self {
        let id = JobId::generate().to_string();
        let cut = |mut text: String| {
            truncate(&mut text, WORDS_MAX_BYTES);
            text
        };
        let fields = vec![
            ("id", id.clone()),
            ("step", "begun".to_owned()),
            ("act", act.to_owned()),
            ("queue", queue.to_string()),
            ("by", cut(by.to_owned())),
            ("selection", cut(selection)),
            ("reason", cut(reason.to_owned())),
        ];
        Self { id, fields, begun: false }
    }

    /// The same, on a queue that is spread so.
    pub(crate) fn in_layout(self, layout: Layout) -> Self {
        if layout == Layout::ONE {
            return self;
        }
        let counts: Vec<_> =
            layout.was.iter().chain([&layout.now]).map(|spread| spread.each().count().to_string()).collect();
        self.with("partitions", counts.join(","))
    }

    /// The same, with one thing more to say.
    pub(crate) fn with(mut self, field: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((field, value.into()));
        self
    }

    /// Writes that it begins, unless that is written.
    pub(crate) async fn begin(&mut self, store: &Store) -> Result<()> {
        if !self.begun {
            store.note(&self.fields).await?;
            self.begun = true;
        }
        Ok(())
    }

    /// Writes how it ended, where it began. Its name, where it did.
    pub(crate) async fn end(&self, store: &Store, ended: ActEnd, count: u64) -> Result<Option<String>> {
        if !self.begun {
            return Ok(None);
        }
        let fields = [("id", self.id.clone()), ("step", ended.as_str().to_owned()), ("count", count.to_string())];
        store.note(&fields).await?;
        Ok(Some(self.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(at_ms: i64, fields: &[(&str, &str)]) -> Noted {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Noted { id: format!("{at_ms}-0"), at_ms, fields }
    }

    #[test]
    fn an_act_is_put_together_from_its_beginning_and_its_end() {
        let mut reading = Reading::default();
        let begun =
            |id: &'static str| [("id", id), ("step", "begun"), ("act", "remove"), ("queue", "q"), ("undo", "1")];
        assert_eq!(reading.fold(noted(9, &[("id", "b"), ("step", "done"), ("count", "7")])), None);
        let undo = reading.fold(noted(8, &[&begun("b")[..2], &[("queue", "q"), ("of", "a")]].concat())).unwrap();
        assert_eq!((undo.count, undo.ended, undo.undo_until), (Some(7), ActEnd::Done, None));
        let act = reading.fold(noted(5, &begun("a"))).unwrap();
        assert_eq!((act.count, act.ended, act.undone_by.as_deref()), (None, ActEnd::Open, Some("b")));
        assert_eq!(act.undo_until, Some(act.at + KEPT));
        assert_eq!(reading.fold(noted(5, &begun("a"))), None, "it stands there twice, and began once");
        assert_eq!(reading.fold(noted(4, &[("step", "begun"), ("queue", "no name")])), None);
    }
}
