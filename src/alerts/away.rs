//! While Redis is away: the one whose turn it was tells so, by its own clock, and alone.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::alert::{AlertEvent, AlertName, AlertTold, Phase, Standing, one_line, step};
use crate::alerts::history::AlertEntry;
use crate::alerts::reading::Reading;
use crate::alerts::round::told;
use crate::alerts::waiting::Waiting;
use crate::alerts::watch::{LastRead, Watch, lock};
use crate::clock::local_now;
use crate::error::{Error, ErrorKind, Result};
use crate::store::AlertMove;

/// Notices about Redis that may wait, and entries that are kept until they can be written down.
const KEPT: usize = 100;

/// What is known of an outage; only in memory, since there is nowhere else.
#[derive(Default)]
pub(super) struct Away {
    since: Option<Since>,
    standings: BTreeMap<AlertName, Standing>,
    /// Notices that some sinks have not got.
    pub owed: Vec<Waiting>,
    /// What is to be written down when Redis is back.
    entries: Vec<AlertEntry>,
}

/// When it began.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Instant,
    /// The same by this host's wall clock, read once: from then on only spans are added.
    wall: DateTime<Utc>,
    /// Whether the turn was ours then.
    is_ours: bool,
}

impl Since {
    fn now(&self) -> DateTime<Utc> {
        self.wall + self.at.elapsed()
    }
}

impl Away {
    pub(super) fn is_away(&self) -> bool {
        self.since.is_some()
    }
}

impl Watch {
    /// A look that began at `began` found Redis away.
    pub(super) fn is_away(&self, began: Instant, error: &Error) {
        let since = {
            let mut away = lock(&self.away);
            let wall = local_now() - began.elapsed();
            let since = *away.since.get_or_insert(Since { at: began, wall, is_ours: self.had_turn(began) });
            if away.standings.is_empty() {
                // It has been away since the look began, not since it gave up.
                let begun = Standing {
                    phase: Phase::Pending,
                    since_ms: since.wall.timestamp_millis(),
                    told_ms: None,
                    file_ms: None,
                    sinks: Vec::new(),
                };
                let rules = self.last().rules;
                away.standings = rules.into_iter().map(|rule| (rule.name, begun.clone())).collect();
            }
            since
        };
        if since.is_ours {
            let message = away_text(error);
            self.step_own((1.0, &message), since.now());
        }
    }

    /// A look found Redis there; what became of an outage is told and written down.
    ///
    /// # Errors
    /// What keeps it from being written down: it is tried again.
    pub(super) async fn is_back(&self) -> Result<()> {
        let since = lock(&self.away).since;
        if let Some(since) = since {
            if since.is_ours {
                let span = Duration::from_secs(since.at.elapsed().as_secs().max(1));
                let message = format!("redis answers again, after {}", crate::clock::span_text(span));
                self.step_own((0.0, &message), since.now());
            }
            let mut away = lock(&self.away);
            (away.since, away.standings) = (None, BTreeMap::new());
        }
        let entries = lock(&self.away).entries.clone();
        if !entries.is_empty() {
            let moves: Vec<_> = entries.iter().map(|entry| AlertMove::entry(entry.text())).collect();
            self.store.alert_move(None, &moves).await?;
            lock(&self.away).entries.drain(..entries.len());
        }
        Ok(())
    }

    /// The rules about Redis, one step on.
    fn step_own(&self, (value, message): (f64, &str), at: DateTime<Utc>) {
        let LastRead { rules, mutes } = self.last();
        let now_ms = at.timestamp_millis();
        let mut away = lock(&self.away);
        let mut notices = Vec::<(AlertTold, Vec<AlertName>)>::new();
        for rule in &rules {
            let before = away.standings.get(&rule.name).cloned();
            let muted = mutes.of(&rule.name, now_ms).is_some();
            let (after, change) = step(rule, before.as_ref(), Some(value), (muted, now_ms));
            match &after {
                Some(after) => _ = away.standings.insert(rule.name.clone(), after.clone()),
                None => _ = away.standings.remove(&rule.name),
            }
            let Some(change) = change else { continue };
            let reading = Reading { subject: String::new(), queue: None, value, message: one_line(message) };
            let since_ms = before.or(after).map_or(now_ms, |standing| standing.since_ms);
            let told = told(rule, (Some(&reading), "", ""), (change.event, since_ms));
            if change.is_new && away.entries.len() < KEPT {
                away.entries.push(AlertEntry::of(&told, !change.tells, (at, &self.by)));
                let count = match change.event {
                    AlertEvent::Firing => Some(&self.counts.fired),
                    AlertEvent::Recovered => Some(&self.counts.recovered),
                    AlertEvent::Repeated => None,
                };
                count.into_iter().for_each(|count| _ = count.fetch_add(1, Ordering::Relaxed));
            }
            if change.tells {
                notices.push((told, rule.sinks.clone()));
            }
        }
        self.owe(&mut away, &notices, at);
    }

    fn owe(&self, away: &mut Away, notices: &[(AlertTold, Vec<AlertName>)], at: DateTime<Utc>) {
        let (notices, unknown) = self.addressed(self.notices(notices, at), at);
        self.say_unknown(&unknown);
        let room = KEPT.saturating_sub(away.entries.len());
        away.entries.extend(unknown.into_iter().take(room));
        if !notices.is_empty() {
            let room = KEPT.saturating_sub(away.owed.len());
            away.owed.extend(notices.into_iter().take(room));
            self.own_news.notify_one();
        }
    }

    /// Told to stop during an outage that was told: whoever heard of it hears that its end will not be told. Only we know
    /// of it, and Redis cannot be told.
    pub(super) fn take_leave(&self) {
        let LastRead { rules, mutes } = self.last();
        let mut away = lock(&self.away);
        let Some(since) = away.since.filter(|since| since.is_ours) else { return };
        let (at, mut notices) = (since.now(), Vec::new());
        for rule in &rules {
            let standing = away.standings.get(&rule.name).filter(|standing| standing.phase == Phase::Firing);
            let is_muted = mutes.of(&rule.name, at.timestamp_millis()).is_some();
            let Some(standing) = standing.filter(|it| it.told_ms.is_some() && !is_muted) else { continue };
            let message = format!("redis is still away, and {} ends now: its return will not be told", self.by);
            let reading = Reading { subject: String::new(), queue: None, value: 1.0, message: one_line(&message) };
            let told = told(rule, (Some(&reading), "", ""), (AlertEvent::Repeated, standing.since_ms));
            notices.push((told, standing.sinks.clone()));
        }
        self.owe(&mut away, &notices, at);
    }
}

/// What is the matter with Redis, in words.
fn away_text(error: &Error) -> String {
    let text = error.to_string();
    // Whether the last call was carried out is nobody's question here.
    let text = text.strip_suffix(": the outcome is unknown").unwrap_or(&text);
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::OutcomeUnknown | ErrorKind::Timeout => {
            format!("redis does not answer: {text}")
        }
        _ => format!("redis cannot be worked with: {text}"),
    }
}
