//! The only code that speaks Redis: connections, key names, scripts, and one function per transition.

mod active;
mod acts;
mod admit;
mod alerts;
mod allotment;
mod arrivals;
mod astray;
mod audit;
mod away;
mod batches;
mod breakers;
mod cluster;
mod codec;
mod confirmer;
mod connection;
mod course;
mod dead;
mod diagnose;
mod dial;
mod embedded;
mod errand;
mod events;
mod failure;
mod inspect;
mod job_logs;
mod key_limits;
mod keys;
mod lifecycle;
mod limits;
mod maintenance;
mod mend;
mod moving;
mod partitions;
mod presence;
mod progress;
mod recovery;
mod rights;
mod route;
mod schedules;
mod scripts;
mod sentinel;
mod server;
mod share;
mod slots;
mod spread;
mod standing;
mod tls;
#[cfg(feature = "api")]
mod tokens;
mod topology;
mod undo;
mod view;
mod waiter;
mod whereabouts;
mod witnesses;

pub(crate) use acts::{ACT_STEP, Care, protected};
pub(crate) use admit::{Admission, Admitted};
pub(crate) use alerts::{ALERT_MOVES, ALERTS_WAITING, AlertHash, AlertMove, AlertMoved, AlertTurn};
pub(crate) use allotment::Allotment;
pub(crate) use astray::{Astray, Lost, Standstill};
pub(crate) use audit::{AUDIT_PAGE, Noted};
pub(crate) use batches::BATCHES_STEP;
pub(crate) use breakers::Pass;
pub(crate) use confirmer::{Calls, Confirmation, Confirmer};
pub(crate) use connection::{Connection, Patience};
pub(crate) use course::{Course, CourseStep, Gate, Hindrance, Hold, Last};
pub(crate) use dead::{REVIVE_STEP, Replaced, Revived};
#[cfg(test)]
pub(crate) use diagnose::{ClaimSample, LockSample};
pub(crate) use diagnose::{ClusterLook, Diagnosed, SentinelLook, ServerLook, look_at_sentinels};
pub use embedded::{EmbeddedStatus, embedded_status, embedded_stop};
pub(crate) use events::read_events;
pub(crate) use inspect::{Counts, Detail, Found, PAGE_JOBS, Place, Range};
pub(crate) use job_logs::LogPart;
pub(crate) use key_limits::OwnLimits;
pub(crate) use keys::{Key, QueueKeys, alerts_turn};
pub(crate) use lifecycle::{
    Accepted, Answered, Claimed, End, EnqueueCall, Fallen, FetchCall, Fetched, Recovered, Settled, Standing,
};
pub(crate) use maintenance::Auditor;
pub(crate) use mend::{Amiss, Looked};
pub(crate) use moving::{Apart, BATCHES_MOVED, Carried, Left, Obstacle, Way};
pub(crate) use presence::Held;
pub(crate) use presence::{Vitals, WorkerSelf};
pub(crate) use progress::text as progress_text;
pub(crate) use recovery::worker_of;
pub(crate) use rights::{rules as acl_rules, sentinel_rules as acl_rules_of_sentinels};
pub(crate) use schedules::{Appointed, Appointment, Elsewhere, Fired, Firing, StoredSchedule, too_many};
pub(crate) use spread::{Spread, Standpoint};
#[cfg(feature = "api")]
pub(crate) use tokens::StoredToken;
pub(crate) use undo::{Memory, Restored};
pub(crate) use view::worker_info;
pub(crate) use waiter::{Blocking, Waiter};

use std::sync::Arc;

use crate::clock::Clock;
use crate::job::QueueName;

/// What every store function needs: the connection, whose time counts, what every key begins with, and who sees that a
/// replica has what was written.
#[derive(Clone)]
pub(crate) struct Store {
    pub connection: Connection,
    pub clock: Clock,
    pub prefix: Arc<str>,
    pub confirmer: Confirmer,
    /// Set where what is on nodes that are away is left out.
    pub noted: Option<Arc<away::Absences>>,
    /// What was found on the nodes of a cluster that answer, while the list of queues was away.
    pub last_search: Arc<away::LastSearch>,
}

impl Store {
    /// The keys of a queue.
    pub(crate) fn keys(&self, queue: &QueueName) -> QueueKeys {
        QueueKeys::new(&self.prefix, queue)
    }
}

#[cfg(test)]
mod tests;
