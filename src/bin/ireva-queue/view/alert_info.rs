//! Alerts: how they stand, one that was removed, one that is muted.

use ireva_queue::{AlertInfo, AlertName, AlertSeverity, AlertState, MuteInfo};
use serde::Serialize;

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

fn state(info: &AlertInfo) -> Cell {
    let tone = match info.state {
        AlertState::Ok => Tone::Good,
        AlertState::Pending => Tone::Warn,
        AlertState::Firing if info.severity == AlertSeverity::Warning => Tone::Warn,
        AlertState::Firing => Tone::Bad,
        AlertState::Unknown | AlertState::Muted => Tone::Dim,
    };
    let state = info.state.as_str();
    match (info.state, info.firing, info.since) {
        // Whoever mutes it wants to know what it is.
        (AlertState::Muted, true, _) => Cell::text("firing, muted").tone(Tone::Warn),
        (AlertState::Muted, _, Some(_)) => Cell::text("pending, muted").tone(tone),
        _ => Cell::text(state).tone(tone),
    }
}

fn sinks(info: &AlertInfo) -> Cell {
    let names: Vec<_> = info.sinks.iter().map(AlertName::as_str).collect();
    if names.is_empty() { Cell::text("all") } else { Cell::text(names.join(",")) }
}

/// When it was told last, or who has not heard of it yet.
fn told(info: &AlertInfo) -> Cell {
    let owed: Vec<_> = info.owed.iter().map(AlertName::as_str).collect();
    match owed.is_empty() {
        true => Cell::maybe_at(info.told_at),
        false => Cell::text(format!("not yet: {}", owed.join(","))).tone(Tone::Warn),
    }
}

fn clear(info: &AlertInfo) -> Cell {
    if info.when.is_switch() { Cell::none() } else { Cell::text(info.when.text(info.clear)) }
}

fn subject(info: &AlertInfo) -> Cell {
    if info.subject.is_empty() { Cell::none() } else { Cell::text(&info.subject) }
}

impl View for AlertInfo {
    const NAMES_ONCE: bool = true;

    const COLUMNS: &'static [Column] = &[
        Column::new("ALERT"),
        Column::new("WHEN").wraps().gives_way(4),
        Column::new("ABOUT"),
        Column::new("STATE"),
        Column::new("VALUE"),
        Column::new("SINCE").gives_way(1),
        Column::new("TOLD").gives_way(2),
        Column::new("SINKS").gives_way(5),
        Column::new("SOURCE").gives_way(6),
        Column::new("MUTED UNTIL").gives_way(3),
        Column::new("SEVERITY").wide(),
        Column::new("CLEAR").wide(),
        Column::new("REPEAT").wide(),
        Column::new("REASON").wraps().wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.alert.as_str()),
            Cell::text(&self.condition),
            subject(self),
            state(self),
            Cell::maybe(self.reading.as_ref()),
            Cell::maybe_at(self.since),
            told(self),
            sinks(self),
            Cell::text(self.source.as_str()),
            Cell::maybe_at(self.muted_until),
            Cell::text(self.severity.as_str()),
            clear(self),
            Cell::text(self.repeat.as_deref().unwrap_or("never")),
            Cell::maybe(self.mute_reason.as_ref()),
        ]
    }

    fn name(&self) -> String {
        self.alert.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut blocks = vec![
            Block::Field("alert", Cell::text(self.alert.as_str())),
            Block::Field("when", Cell::text(&self.condition)),
            Block::Field("about", subject(self)),
            Block::Field("state", state(self)),
            Block::Field("value", Cell::maybe(self.reading.as_ref())),
        ];
        if !self.when.is_switch() {
            blocks.push(Block::Field("clear", Cell::text(self.when.text(self.clear))));
        }
        blocks.extend([
            Block::Field("since", Cell::maybe_at(self.since)),
            Block::Field("told", told(self)),
            Block::Field("repeat", Cell::text(self.repeat.as_deref().unwrap_or("never"))),
            Block::Field("severity", Cell::text(self.severity.as_str())),
            Block::Field("sinks", sinks(self)),
            Block::Field("source", Cell::text(self.source.as_str())),
        ]);
        if self.muted_until.is_some() {
            blocks.push(Block::Field("muted until", Cell::maybe_at(self.muted_until)));
            blocks.push(Block::Field("reason", Cell::maybe(self.mute_reason.as_ref())));
        }
        Some(blocks)
    }
}

/// A rule that was removed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertRemoved {
    /// Its name.
    pub alert: AlertName,
    /// Always true.
    pub removed: bool,
}

impl View for AlertRemoved {
    const COLUMNS: &'static [Column] = &[Column::new("ALERT"), Column::new("REMOVED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.alert.as_str()), Cell::text("yes")]
    }

    fn name(&self) -> String {
        self.alert.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(format!("{} is removed", self.alert))])
    }
}

impl View for MuteInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("ALERT"),
        Column::new("MUTED UNTIL"),
        Column::new("REASON").wraps(),
        Column::new("BY").gives_way(1),
    ];

    fn cells(&self) -> Vec<Cell> {
        let mute = self.mute.as_ref();
        vec![
            Cell::text(self.alert.to_string()),
            Cell::maybe_at(mute.map(|mute| mute.until)),
            Cell::maybe(mute.and_then(|mute| mute.reason.as_ref())),
            Cell::maybe(mute.map(|mute| &mute.by)),
        ]
    }

    fn name(&self) -> String {
        self.alert.to_string()
    }
}
