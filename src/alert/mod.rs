//! Alerts, as far as they need nobody: what a rule says, what follows from a number, and what a sink is told.
//!
//! A *rule* watches a number of each of its *subjects* (a queue, a service, the server). Each subject *stands* by itself:
//! well, pending (the number is out of bounds, not for long enough yet) or firing. What changes in one look becomes one
//! *notice* for each *sink*.

mod kind;
mod mute;
mod name;
mod notice;
mod rule;
mod sink;
mod standing;
mod words;

pub use kind::AlertKind;
pub use mute::{AlertMute, MuteTarget};
pub use name::AlertName;
pub(crate) use notice::one_line;
pub use notice::{AlertEvent, AlertNotice, AlertTold};
pub use rule::{AlertRule, AlertSeverity};
pub use sink::{AlertCarrier, AlertSink, AlertSinks, Telling};
pub(crate) use standing::{Change, Phase, Standing, step};
pub use words::AlertWords;
