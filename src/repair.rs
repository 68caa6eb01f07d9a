//! What is put right where a queue contradicts itself.

use serde::{Serialize, Serializer};

use crate::job::QueueName;

macro_rules! repairs {
    ($($variant:ident $word:literal $event:literal $meaning:literal,)*) => {
        /// A kind of repair.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RepairKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl RepairKind {
            /// Every kind, in the order in which they are made.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What the event stream of the queue calls it; empty where another entry tells of it.
            pub fn event(self) -> &'static str {
                match self { $(Self::$variant => $event,)* }
            }

            /// What was found, and what is done about it.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

repairs! {
    Register "register" "" "The queue was not among the known ones: it is again.",
    Orphan "orphan" "orphaned" "An id whose record is gone: it leaves its state.",
    Double "double" "undoubled" "A job in two states: it stays in the one that comes first, running before waiting before ended.",
    Claim "claim" "reclaimed" "A claim that nobody can read: the job goes back into line.",
    Stray "stray" "reconciled" "A record in no state: the job goes back into line.",
    Leftover "leftover" "swept" "What was kept beside a record that is gone: it goes too, and its batch counts the job as ended.",
    Batches "batches" "rebatched" "The queue has batches and did not know: it does again.",
    Relock "relock" "relocked" "A unique key that its live job did not hold: the job holds it again.",
    Unlock "unlock" "unlocked" "A unique key that nothing holds: it is free.",
    Index "index" "reindexed" "A parked job that its key did not know: the key does again.",
    Move "move" "" "Jobs are where they were before the partitions changed, and nobody moves them: they go where they belong.",
    Recover "recover" "recovered" "A claim of a worker whose lease has ended: the job goes back into line.",
    Adopt "adopt" "" "A claim of a worker that the queue does not know: it has one lease to be renewed.",
    Recount "recount" "recounted" "A wrong number of claims of a worker or key: it is counted anew.",
    Promote "promote" "" "A job that was due and that nobody promoted: it goes into line.",
    Tick "tick" "schedule" "A schedule without a next tick, or a tick without a schedule: it has one, or the tick goes.",
}

impl Serialize for RepairKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What was found of one kind in a queue, and what of it was put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The queue.
    pub queue: QueueName,
    /// The kind.
    pub repair: RepairKind,
    /// What it means.
    pub meaning: &'static str,
    /// How many were found.
    pub found: u64,
    /// How many were put right; 0 where it was only looked.
    pub repaired: u64,
}

impl Repair {
    /// So many of a kind.
    pub(crate) fn new(queue: &QueueName, repair: RepairKind, (found, repaired): (u64, u64)) -> Self {
        Self { queue: queue.clone(), repair, meaning: repair.meaning(), found, repaired }
    }
}
