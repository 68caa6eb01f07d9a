//! How an alert stands, as it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::alert::{AlertKind, AlertName, AlertRule, AlertSeverity, AlertWords, Phase, Standing};
use crate::alerts::mutes::Mutes;
use crate::alerts::reading::{Look, Reading};
use crate::alerts::round::{field, parts};
use crate::alerts::rules::AlertSource;
use crate::alerts::waiting::Waiting;
use crate::clock::{instant, span_text};
use crate::measure::Check;

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Well.
    Ok,
    /// There is no number, or nobody has evaluated it yet.
    Unknown,
    /// Out of bounds, not for long enough yet.
    Pending,
    /// Firing.
    Firing,
    /// Nobody is told of it, however it stands.
    Muted,
}

impl AlertState {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Muted => "muted",
        }
    }
}

/// A rule and how one of its subjects stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertInfo {
    /// The rule.
    pub alert: AlertName,
    /// What it watches.
    pub when: AlertKind,
    /// When it fires, in words.
    pub condition: String,
    /// What it is about: a queue, a service; `*` where there is none yet, empty for the server.
    pub subject: String,
    /// How it stands.
    pub state: AlertState,
    /// Whether it fires, muted or not.
    pub firing: bool,
    /// The number now, where there is one.
    pub value: Option<f64>,
    /// The number as it is written.
    pub reading: Option<String>,
    /// Since when it is out of bounds.
    pub since: Option<DateTime<Utc>>,
    /// When the sinks were told last that it fires.
    pub told_at: Option<DateTime<Utc>>,
    /// Sinks that have not got the last notice of it yet.
    pub owed: Vec<AlertName>,
    /// Until when nobody is told.
    pub muted_until: Option<DateTime<Utc>>,
    /// Why nobody is.
    pub mute_reason: Option<String>,
    /// It fires at this number.
    pub threshold: f64,
    /// It is over at this one.
    pub clear: f64,
    /// How long the number must be out of bounds: `1m`.
    #[serde(rename = "for")]
    pub hold: String,
    /// After how long it is told again: `4h`; `None`: never.
    pub repeat: Option<String>,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// Who is told; none: all that whoever evaluates has.
    pub sinks: Vec<AlertName>,
    /// Where the rule comes from.
    pub source: AlertSource,
    /// The rule as it is written.
    pub rule: AlertWords,
}

/// Every subject of these rules, by rule; a rule without any has one row all the same.
pub(super) fn infos(
    rules: &[&(AlertRule, AlertSource)],
    look: &Look,
    (standings, waiting): (&BTreeMap<String, String>, &[Waiting]),
    (mutes, now_ms): (&Mutes, i64),
) -> Vec<AlertInfo> {
    let mut infos = Vec::new();
    for (rule, source) in rules {
        let readings = look.of(rule);
        let mut subjects: BTreeMap<String, Option<&Reading>> =
            readings.iter().map(|reading| (reading.subject.clone(), Some(reading))).collect();
        // What is gone and still stands is told of at the next look.
        let of_rule = standings.keys().map(|field| parts(field)).filter(|(name, _)| *name == rule.name.as_str());
        of_rule.for_each(|(_, subject)| _ = subjects.entry(subject.to_owned()).or_default());
        if subjects.is_empty() {
            let named = rule.queue.as_ref().map(ToString::to_string);
            let any = if matches!(rule.kind, AlertKind::Redis | AlertKind::Memory) { "" } else { "*" };
            subjects.insert(named.unwrap_or_else(|| any.to_owned()), None);
        }
        for (subject, reading) in subjects {
            let text = standings.get(&field(&rule.name, &subject));
            let standing = text.and_then(|text| serde_json::from_str::<Standing>(text).ok());
            let owed = owed(waiting, &rule.name, &subject);
            let info = info((rule, *source), (subject, reading), standing.as_ref(), (mutes, now_ms));
            infos.push(AlertInfo { owed, ..info });
        }
    }
    infos
}

/// Who has not got a notice of an alert.
fn owed(waiting: &[Waiting], alert: &AlertName, subject: &str) -> Vec<AlertName> {
    let about = |it: &&Waiting| it.notice.alerts.iter().any(|told| told.alert == *alert && told.subject == subject);
    let owed: BTreeSet<_> = waiting.iter().filter(about).flat_map(Waiting::without).cloned().collect();
    owed.into_iter().collect()
}

fn info(
    (rule, source): (&AlertRule, AlertSource),
    (subject, reading): (String, Option<&Reading>),
    standing: Option<&Standing>,
    (mutes, now_ms): (&Mutes, i64),
) -> AlertInfo {
    let mute = mutes.of(&rule.name, now_ms);
    // What nobody measures, and what is out of bounds and has not been looked at, is not well.
    let is_unknown = reading.map_or(!rule.kind.is_switch(), |reading| standing.is_none() && rule.is_met(reading.value));
    let phase = standing.map_or(Phase::Ok, |standing| standing.phase);
    let state = match phase {
        _ if mute.is_some() => AlertState::Muted,
        Phase::Ok if is_unknown => AlertState::Unknown,
        Phase::Ok => AlertState::Ok,
        Phase::Pending => AlertState::Pending,
        Phase::Firing => AlertState::Firing,
    };
    // Whoever can look has Redis.
    let of_switch = if rule.kind == AlertKind::Redis { Some(0.0) } else { None };
    let value = reading.map(|reading| reading.value).or(of_switch);
    AlertInfo {
        alert: rule.name.clone(),
        when: rule.kind,
        condition: rule.condition(),
        subject,
        state,
        firing: phase == Phase::Firing,
        value,
        reading: value.map(|value| match rule.kind {
            AlertKind::Redis => "reachable".to_owned(),
            AlertKind::Breaker => "open".to_owned(),
            // To the second: what is shown is past by then.
            AlertKind::Queue(Check::Latency) => span_text(Duration::from_secs(value.round() as u64)),
            kind => kind.text(value),
        }),
        since: standing.filter(|_| phase != Phase::Ok).map(|standing| instant(standing.since_ms)),
        told_at: standing.and_then(|standing| standing.told_ms).map(instant),
        owed: Vec::new(),
        muted_until: mute.map(|mute| mute.until),
        mute_reason: mute.and_then(|mute| mute.reason.clone()),
        threshold: rule.threshold,
        clear: rule.clear,
        hold: span_text(rule.hold),
        repeat: rule.repeat.map(span_text),
        severity: rule.severity,
        sinks: rule.sinks.clone(),
        source,
        rule: rule.into(),
    }
}
