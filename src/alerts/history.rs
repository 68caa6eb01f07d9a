//! What became of alerts, entry by entry.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::{AlertSeverity, AlertTold};

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertEntry {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What: firing, repeated, recovered, muted, unmuted, set, removed, dropped (a notice that a sink did not take for
    /// a day, that is for a sink which is not configured, or the oldest of too many).
    pub event: String,
    /// The rule, or `*` for all.
    pub alert: String,
    /// What it is about: a queue, a service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// How bad it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlertSeverity>,
    /// The number, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether nobody was told, since it was muted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Who: a worker, or an operator.
    pub by: String,
}

impl AlertEntry {
    /// An entry about an alert that says this.
    pub(super) fn new(at: DateTime<Utc>, event: &str, alert: impl ToString, by: &str) -> Self {
        Self {
            at,
            event: event.to_owned(),
            alert: alert.to_string(),
            subject: String::new(),
            severity: None,
            value: None,
            message: String::new(),
            muted: false,
            by: by.to_owned(),
        }
    }

    /// The same with something said.
    pub(super) fn message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// What happened to an alert.
    pub(super) fn of(told: &AlertTold, muted: bool, (at, by): (DateTime<Utc>, &str)) -> Self {
        Self {
            subject: told.subject.clone(),
            severity: Some(told.severity),
            value: told.value,
            message: told.message.clone(),
            muted,
            ..Self::new(at, told.event.as_str(), &told.alert, by)
        }
    }

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
