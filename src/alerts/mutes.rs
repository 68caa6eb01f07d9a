//! Mutes as they are kept.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::{AlertMute, AlertName, MuteTarget};

/// A mute and what it mutes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MuteInfo {
    /// A name, or `*`.
    pub alert: MuteTarget,
    /// The mute; `None`: it is over.
    #[serde(flatten)]
    pub mute: Option<AlertMute>,
}

/// The mutes that hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Mutes {
    held: BTreeMap<String, AlertMute>,
    /// Those that are over, or that nobody can read.
    pub over: Vec<String>,
}

impl Mutes {
    /// From what is stored, at an instant.
    pub(super) fn new(stored: &BTreeMap<String, String>, now_ms: i64) -> Self {
        let mut mutes = Self::default();
        for (name, text) in stored {
            match serde_json::from_str::<AlertMute>(text) {
                Ok(mute) if mute.until.timestamp_millis() > now_ms => _ = mutes.held.insert(name.clone(), mute),
                _ => mutes.over.push(name.clone()),
            }
        }
        mutes
    }

    /// The mute of an alert, or that of all.
    pub(super) fn of(&self, alert: &AlertName, now_ms: i64) -> Option<&AlertMute> {
        let all = MuteTarget::All.to_string();
        let held = [alert.as_str(), all.as_str()].into_iter().filter_map(|name| self.held.get(name));
        held.filter(|mute| mute.until.timestamp_millis() > now_ms).max_by_key(|mute| mute.until)
    }
}
