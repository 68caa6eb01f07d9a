//! Every key of a queue, its name and its type. Nothing else spells a key.

use std::sync::Arc;

use crate::job::{JobId, Partition, QueueName};

macro_rules! keys {
    ($($variant:ident $suffix:literal $kind:literal $what:literal,)*) => {
        /// A key of a queue; the docs say its type and what it holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Key {
            $(#[doc = concat!("`{q}:", $suffix, "`, ", $kind, ": ", $what)] $variant,)*
        }

        impl Key {
            /// Every key.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its type, as Redis names it.
            pub(crate) fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            /// What follows `{q}:`.
            pub(crate) fn suffix(self) -> &'static str {
                match self { $(Self::$variant => $suffix,)* }
            }

        }
    };
}

keys! {
    Jobs "jobs" "hash" "id -> record: arrival time in µs, then the producer's JSON object",
    History "history" "hash" "id -> JSON, only for jobs to which something happened",
    Crashes "crashes" "hash" "id -> crashes, only for jobs that crashed",
    Pending0 "pending:0" "zset" "critical jobs in line, id by arrival in µs",
    Pending1 "pending:1" "zset" "high jobs in line, id by arrival in µs",
    Pending2 "pending:2" "zset" "normal jobs in line, id by arrival in µs",
    Pending3 "pending:3" "zset" "low jobs in line, id by arrival in µs",
    Parked "parked" "zset" "pending jobs over the limit of their key, id by level × 2^51 + arrival - 1.5 × 10^15",
    Scheduled "scheduled" "zset" "id by due time in ms × 4 + level",
    Retrying "retrying" "zset" "id by due time in ms × 4 + level",
    Active "active" "hash" "id -> claim: fence|level:arrival|claimed_ms|worker|key|batch",
    Workers "workers" "zset" "worker by the end of its lease in ms",
    Handed "handed" "hash" "worker -> lease_ms and number of its last hand-out; worker@ -> the ids of that; worker# -> its number of claims",
    Completed "completed" "zset" "id by time of completion in ms",
    Cancelled "cancelled" "zset" "id by time of cancellation in ms",
    Dead "dead" "zset" "id by time of burial in ms",
    Unique "unique" "hash" "unique key -> end of its window in ms (0: none)|job id",
    Keys "keys" "hash" "id -> unique key, only for jobs that have one",
    Expiring "expiring" "zset" "id by expiry in ms, only for waiting jobs with a ttl",
    Seen "seen" "zset" "ids chosen by users, and all of a durable queue, by the ms until which they are remembered",
    Config "config" "hash" "the queue's settings",
    Meta "meta" "hash" "layout version, last fence and arrival, totals, rate limiter",
    Batches "batches" "zset" "name of each batch by its begin in ms; `batch:<name>` holds its counts",
    Batched "batched" "hash" "id -> batch, only for live jobs of batches",
    Outbox "outbox" "hash" "id -> queue and record of a job on completion that another queue has not got yet",
    Events "events" "stream" "what happened, capped",
    Wake "wake" "list" "at most one wake-up token",
    Running "running" "hash" "key -> claims of its jobs, where keys are limited",
    Paced "paced" "hash" "key -> the time in µs that its rate goes by",
    Unpark "unpark" "zset" "key of parked jobs by the ms at which they may go on",
    Limits "limits" "hash" "key -> its own limits: concurrency|interval in µs|burst|rate",
    Schedules "schedules" "hash" "name -> schedule: revision|paused|fired|missed|overlapped|last tick, then a JSON object",
    Ticks "ticks" "zset" "schedule by its next tick in ms",
    Leaving "leaving" "hash" "what is on its way to another partition -> a packed copy of it",
}

/// The key names of one queue, or of one of its partitions, spelled once.
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    queue: QueueName,
    partition: Partition,
    names: Arc<[String]>,
}

impl QueueKeys {
    /// The keys of `queue` under `prefix`. The braces keep a queue in one cluster slot. Scripts compute what belongs to a
    /// job (`log:<id>`, `result:<id>`, `progress:<id>`), a producer (`call:<producer>`), a batch (`batch:<name>`), a minute
    /// (`minute:<n>`) or a key (`parked:<key>`) from one of them.
    pub(crate) fn new(prefix: &str, queue: &QueueName) -> Self {
        Self::of_partition(prefix, queue, Partition::WHOLE)
    }

    /// The keys of a partition of `queue`: a slot of their own. No queue's name holds a colon, so no queue is called so. How
    /// many partitions there are is part of the name: a place belongs to one layout, and holds nothing of another.
    pub(crate) fn of_partition(prefix: &str, queue: &QueueName, partition: Partition) -> Self {
        let base = match partition.is_whole() {
            true => format!("{prefix}{{{queue}}}"),
            false => format!("{prefix}{{{queue}:{partition}}}"),
        };
        let names = Key::ALL.iter().map(|key| format!("{base}:{}", key.suffix())).collect();
        Self { queue: queue.clone(), partition, names }
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Which partition of it; all of it where there is but one.
    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    /// Whether these are the keys of the same place.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        self.name(Key::Meta) == other.name(Key::Meta)
    }

    /// The name of the key under which a job's log is kept.
    pub(crate) fn log_of(&self, id: &JobId) -> String {
        format!("{}log:{id}", self.name(Key::Meta).trim_end_matches(Key::Meta.suffix()))
    }

    /// Where what an act removed is set aside: a hash of how far it is brought back; `:1`, `:2`, … behind it are the pieces.
    pub(crate) fn undo(&self, act: &str) -> String {
        format!("{}undo:{act}", self.name(Key::Meta).trim_end_matches(Key::Meta.suffix()))
    }

    /// The name of a key.
    pub(crate) fn name(&self, key: Key) -> &str {
        &self.names[key as usize]
    }
}

/// The set of queue names under a prefix.
pub(crate) fn registry(prefix: &str) -> String {
    format!("{prefix}registry")
}

/// What operators did to many jobs at once: a stream, capped.
pub(crate) fn audit(prefix: &str) -> String {
    format!("{prefix}audit")
}

/// The tokens of the REST API: hash of name -> JSON.
#[cfg(feature = "api")]
pub(crate) fn tokens(prefix: &str) -> String {
    format!("{prefix}tokens")
}

/// The breakers: hash of dependency -> failures, times, who probes it, who opened it.
pub(crate) fn breakers(prefix: &str) -> String {
    format!("{prefix}breakers")
}

/// What all keys of alerts have in their braces, so that one script may change several. No queue can be called so.
const ALERTS: &str = "{:alerts}";

/// The rules of alerts: hash of name -> JSON.
pub(crate) fn alerts(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:rules")
}

/// How alerts stand that are not well: hash of `<rule>|<subject>` -> JSON.
pub(crate) fn alerting(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:standings")
}

/// Who evaluates the alerts: string `holder|until_ms|weight`, and `|weight` of who asks for it.
pub(crate) fn alerts_turn(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:turn")
}

/// Which alerts nobody is told of for a while: hash of name, or `*` -> JSON.
pub(crate) fn alert_mutes(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:mutes")
}

/// Notices that some sinks have not got yet: hash of id -> JSON.
pub(crate) fn alert_outbox(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:outbox")
}

/// What became of alerts: a stream, capped.
pub(crate) fn alert_history(prefix: &str) -> String {
    format!("{prefix}{ALERTS}:history")
}

/// What a worker says of itself: hash with a time to live.
pub(crate) fn worker(prefix: &str, worker: &str) -> String {
    format!("{prefix}worker:{worker}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_names_of_its_own() {
        let queue = QueueName::new("email").unwrap();
        let parts: Vec<_> = crate::job::Partitions::new(8).unwrap().each().collect();
        let keys = QueueKeys::of_partition("ireva:queue:", &queue, parts[2]);
        assert_eq!(keys.name(Key::Jobs), "ireva:queue:{email:3/8}:jobs");
        assert_eq!((keys.undo("01ABC"), keys.queue()), ("ireva:queue:{email:3/8}:undo:01ABC".to_owned(), &queue));
    }

    #[test]
    fn a_queue_stays_in_one_slot_and_names_are_as_documented() {
        let keys = QueueKeys::new("ireva:queue:", &QueueName::new("email").unwrap());
        assert_eq!(keys.name(Key::Jobs), "ireva:queue:{email}:jobs");
        assert_eq!(keys.name(Key::Pending3), "ireva:queue:{email}:pending:3");
        assert_eq!(keys.name(Key::Wake), "ireva:queue:{email}:wake");
        assert_eq!(keys.undo("01ABC"), "ireva:queue:{email}:undo:01ABC");
    }
}
