//! Alerts: rules that are kept, who evaluates them, who is told, and what was.
//!
//! Every worker that is given [sinks](crate::AlertSinks), and [`Alerter`] where none runs, asks for the *turn* at each look;
//! one has it, for three looks, by the server's clock. Only that one measures, moves what stands, and delivers. What it
//! moves and what it has to tell go into Redis in one script, from how it saw them: whoever takes over goes on from there,
//! and nothing is lost or told anew. A sink is told twice only where the one who told it died before it could cross it off.
//!
//! Each sink has notices of its own and is told one at a time, new ones before those that it did not take; one that hangs
//! holds up no other. Where 1,000 wait, the oldest make room.
//!
//! While Redis is away, the one whose turn it was goes on by itself: it alone tells that Redis is away, directly, and that
//! it is back.

mod alerter;
mod away;
mod carried;
mod deliver;
mod history;
mod info;
mod manage;
mod mutes;
mod put_down;
mod reading;
mod round;
mod rules;
mod tell;
mod waiting;
mod watch;

pub use alerter::{Alerter, AlerterReport};
pub use history::AlertEntry;
pub use info::{AlertInfo, AlertState};
pub(crate) use manage::UNWATCHED;
pub use manage::{Alerts, SinkTried};
pub use mutes::MuteInfo;
pub use rules::AlertSource;
pub(crate) use waiting::Waiting;
