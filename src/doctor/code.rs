//! The codes of findings: one table with what each means and what mends it.

use serde::{Serialize, Serializer};

use crate::doctor::finding::{Area, Severity};

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeInfo {
    /// The word, which stays.
    pub code: Code,
    /// What it is about.
    pub area: Area,
    /// How bad it is, unless the finding says otherwise.
    pub severity: Severity,
    /// What it means.
    pub meaning: &'static str,
    /// What mends it; `{about}` stands for the queue, worker or service that the finding is about.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($variant:ident $word:literal $area:ident $severity:ident $meaning:literal $remedy:literal,)*) => {
        /// The stable word of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        /// Every code, in the order in which findings are listed.
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo {
                code: Code::$variant,
                area: Area::$area,
                severity: Severity::$severity,
                meaning: $meaning,
                remedy: $remedy,
            },)*
        ];

        impl Code {
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

codes! {
    RedisUnreachable "redis_unreachable" Server Critical
        "No job is taken, and none is accepted, while the server does not answer."
        "redis-cli -h HOST -p PORT PING; check REDIS_HOST, REDIS_PORT, REDIS_TLS and the network",
    RedisDenied "redis_denied" Server Critical
        "The server answers and does not let this user do what is asked."
        "check REDIS_PASSWORD and REDIS_USERNAME; all rights that a user needs: ireva-queue config acl | redis-cli",
    RedisNotReady "redis_not_ready" Server Critical
        "The server answers and takes no work for now: it loads its data, is a replica, or refuses writes."
        "redis-cli INFO persistence; redis-cli INFO replication",
    RedisMisfit "redis_misfit" Server Critical
        "What listens there cannot carry queues."
        "use Redis 7.0 or newer, or Valkey: one server, behind sentinels, or a cluster (REDIS_MODE)",
    RightsMissing "rights_missing" Server Critical
        "Commands that workers, producers or operators send are refused to this user."
        "ireva-queue config acl | redis-cli",
    ServerOpen "server_open" Server Warning
        "Whoever reaches the port reads every payload and may change every job."
        "set requirepass or an ACL user on the server, and REDIS_PASSWORD_FILE here",
    ServerOutdated "server_outdated" Server Note
        "Releases before these let a user with rights to scripts break out of them (CVE-2025-49844), unless the \
         distribution has mended its package."
        "update to Redis 7.2.11, 7.4.6, 8.0.4 or 8.2.2, or Valkey 7.2.11, 8.0.6 or 8.1.4, or newer",
    ClientsHigh "clients_high" Server Warning
        "Beyond its limit the server refuses connections, those of workers too."
        "redis-cli CONFIG SET maxclients N; redis-cli CLIENT LIST shows who holds them",
    ClockSkew "clock_skew" Server Warning
        "The server's time decides when jobs run, so nothing is late for this; ages shown here and signatures made here \
         are wrong by so much."
        "timedatectl set-ntp true, here and on the server's host",
    PersistenceOff "persistence_off" Server Critical
        "Every job is gone when the server restarts."
        "redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE",
    PersistenceSnapshots "persistence_snapshots" Server Warning
        "With snapshots alone, what came since the last one is gone when the server dies."
        "redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE",
    PersistenceLax "persistence_lax" Server Warning
        "With appendfsync no, up to half a minute of acknowledged work is gone when the host dies."
        "redis-cli CONFIG SET appendfsync everysec && redis-cli CONFIG REWRITE",
    PersistenceFailing "persistence_failing" Server Critical
        "The server cannot write to its disk; by default it refuses every write until it can."
        "df -h; redis-cli INFO persistence; then redis-cli BGSAVE",
    EvictionPolicy "eviction_policy" Server Critical
        "When its memory is full the server deletes keys, which are jobs here."
        "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
    KeysEvicted "keys_evicted" Server Critical
        "The server has deleted keys for want of memory: jobs may be gone."
        "redis-cli CONFIG SET maxmemory-policy noeviction; then look for jobs_adrift below",
    MemoryLow "memory_low" Server Warning
        "At the limit no job is accepted any more; workers go on and drain what is there."
        "redis-cli CONFIG SET maxmemory BYTES; let queues keep less of what has ended (queues set --remove-on-complete)",
    MemoryUnbounded "memory_unbounded" Server Note
        "Without maxmemory the kernel ends the server when the host runs out of memory."
        "redis-cli CONFIG SET maxmemory BYTES && redis-cli CONFIG REWRITE",
    ReplicaMissing "replica_missing" Server Warning
        "Nobody can take the master's place, and durable queues have nobody to confirm their jobs."
        "start a replica: redis-server --replicaof HOST PORT",
    ReplicaLagging "replica_lagging" Server Warning
        "A failover to a replica that is behind loses what it has not read."
        "redis-cli INFO replication on the master and on the replica",
    ReplicasNotRequired "replicas_not_required" Server Note
        "A master that is cut off from its replicas goes on accepting work that a failover throws away."
        "redis-cli CONFIG SET min-replicas-to-write 1 && redis-cli CONFIG REWRITE",
    SentinelUnreachable "sentinel_unreachable" Server Warning
        "One sentinel fewer to find the master by and to elect another."
        "redis-cli -h HOST -p 26379 PING; check REDIS_SENTINEL_URLS",
    SentinelQuorum "sentinel_quorum" Server Critical
        "When the master dies no other is elected."
        "redis-cli -p 26379 SENTINEL CKQUORUM NAME; start the sentinels that are missing",
    ClusterNodeDown "cluster_node_down" Server Critical
        "A master of the cluster does not answer: the queues in its slots stand still until a replica takes its place."
        "redis-cli -h HOST -p PORT CLUSTER NODES on another node; start it again, or give it a replica",
    ClusterUncovered "cluster_uncovered" Server Critical
        "Slots of the cluster belong to no node: a queue in one of them cannot be used."
        "redis-cli --cluster check HOST:PORT, then redis-cli --cluster fix HOST:PORT",
    ClusterFullCoverage "cluster_full_coverage" Server Note
        "One dead master without a replica stops every queue, not only those in its slots."
        "redis-cli CONFIG SET cluster-require-full-coverage no && redis-cli CONFIG REWRITE, on each node",

    QueueUnreadable "queue_unreadable" Queue Critical
        "A key of the queue is not what it should be; a hand or another program wrote it."
        "redis-cli TYPE KEY for the keys of the queue; restore or delete the wrong one",
    SettingsUnreadable "settings_unreadable" Queue Warning
        "A setting that cannot be read counts as not set."
        "ireva-queue queues set {about} sets it anew",
    PartitionsUnmoved "partitions_unmoved" Queue Warning
        "The number of partitions is being changed, and nobody goes on with that: jobs are where the queue had them before. Critical where jobs cannot be added or started until somebody does."
        "ireva-queue queues set {about} --partitions N, with the number that was set, goes on with it; so does a worker",
    PartitionsHeld "partitions_held" Queue Warning
        "Jobs wait in new partitions for those that the queue has where it had them before their number changed."
        "ireva-queue queues set {about} --partitions N, with the number that was set, goes on with the change; so does a worker",
    QueuePaused "queue_paused" Queue Warning
        "No job starts until the queue is resumed."
        "ireva-queue queues resume {about}",
    NoWorker "no_worker" Queue Critical
        "Jobs wait and nobody takes them."
        "ireva-queue work {about} (with --exec COMMAND or --http URL where the queue has no processor of its own)",
    WorkersSaturated "workers_saturated" Queue Warning
        "Every slot is busy and the line grows: jobs come in faster than they are done."
        "ireva-queue work {about} on more hosts, or with a higher --concurrency",
    LimitReached "limit_reached" Queue Warning
        "A limit of the queue or of its keys, not its workers, decides how fast jobs are done."
        "ireva-queue queues set {about} --rate none --concurrency none, or higher ones; of keys: limits list {about}",
    JobsNotStarted "jobs_not_started" Queue Warning
        "Jobs wait although workers have free slots."
        "ireva-queue workers list; look at the log of a worker of {about}",
    JobsOverdue "jobs_overdue" Queue Warning
        "Jobs whose time has come are not yet in line; workers and fetches put them there."
        "ireva-queue workers list; restart a worker of {about}",
    ScheduleLate "schedule_late" Queue Warning
        "The tick of a schedule has come and nobody fired it: no worker of the queue and no scheduler runs, or it is full."
        "ireva-queue schedule list {about}; ireva-queue work {about}, or ireva-queue scheduler",
    QueueFull "queue_full" Queue Warning
        "At maxLength every enqueue is refused."
        "ireva-queue queues set {about} --max-length N, or more workers",
    JobsFailing "jobs_failing" Queue Warning
        "Many attempts fail; the causes say at what."
        "ireva-queue dlq list {about} --group-by error; ireva-queue jobs list {about} --state retrying",
    DeadGrowing "dead_growing" Queue Warning
        "Jobs have been given up within the last hour; they stay until somebody decides."
        "ireva-queue dlq list {about} --group-by code; when the cause is mended: ireva-queue dlq retry {about} --code CODE",
    DeadWaiting "dead_waiting" Queue Note
        "Dead letters of earlier wait for somebody to revive or delete them."
        "ireva-queue dlq list {about} --group-by code",
    JobStuck "job_stuck" Queue Warning
        "A job has been running for very long; its worker lives and still says so."
        "ireva-queue jobs cancel ID",
    ClaimsOrphaned "claims_orphaned" Queue Warning
        "Jobs are held by workers that are gone; any worker of the queue takes them back when the leases have ended."
        "ireva-queue work {about}",
    ClaimsMiscounted "claims_miscounted" Queue Warning
        "The queue counts other numbers of claims for its workers than there are."
        "ireva-queue heal {about}, or a running worker within a minute",
    JobsAdrift "jobs_adrift" Queue Warning
        "There are ids without a record, or records that no state holds: a hand has deleted keys, or the server has."
        "ireva-queue heal {about} lets go of ids without a record and puts lost records back, as a running worker does",
    JobsMisplaced "jobs_misplaced" Queue Critical
        "Jobs stand where no worker looks for them: a version without partitions has added them."
        "stop or update what still enqueues into {about} with an older version; then ireva-queue queues set {about} --partitions 1 \
         takes them in, and --partitions N spreads the queue again",
    PartitionsUneven "partitions_uneven" Queue Note
        "Jobs of one key stay in one partition, so that their order holds: other partitions do not help it."
        "ireva-queue jobs list {about} -o json shows their keys; jobs that need no order among each other need no common order key",
    UniqueLeaked "unique_leaked" Queue Warning
        "Unique keys that hold nothing any more; they block nobody and take memory."
        "ireva-queue doctor {about} --fix, or a running worker within a minute",
    KeepsCompleted "keeps_completed" Queue Warning
        "Jobs that have ended well take the server's memory."
        "ireva-queue queues set {about} --remove-on-complete 24h",
    KeepsDead "keeps_dead" Queue Warning
        "Dead letters take the server's memory, and this queue never drops any."
        "ireva-queue queues set {about} --remove-on-fail 30d",
    RetentionBehind "retention_behind" Queue Warning
        "The queue holds more ended jobs than its settings keep: no worker has tidied it."
        "ireva-queue doctor {about} --fix, or a running worker within a minute",

    WorkerSilent "worker_silent" Worker Warning
        "A worker has let its lease end without signing off: it died, hangs, or is cut off."
        "look at its host; another worker takes its jobs back: ireva-queue workers list",
    WorkerCpu "worker_cpu" Worker Warning
        "A worker uses all cores that it may use: more slots in it would do no more."
        "run workers on more hosts, or give it more cores",
    WorkerMemory "worker_memory" Worker Warning
        "A worker is close to its memory limit, at which the kernel ends it."
        "give it more memory, or a lower --concurrency",
    VersionMix "version_mix" Worker Warning
        "Workers of different versions run side by side: an update that did not reach all."
        "restart the older ones: ireva-queue workers list -o wide",

    ServiceFailed "service_failed" Service Critical
        "A service that processors need was tried just now and did not do."
        "see what it said; jobs that need it are tried again by themselves",
    DatabaseOutdated "database_outdated" Service Critical
        "The schema of the platform's database is older than this version: its processors refuse to start."
        "ireva-queue db migrate",
    BreakerOpen "breaker_open" Service Warning
        "A service failed several times in a row: jobs that need it wait, without using attempts, until it answers."
        "mend the service: the next try that it answers closes its breaker; by hand: ireva-queue breaker close DEPENDENCY",
    BreakerHeld "breaker_held" Service Warning
        "An operator holds a service back: jobs that need it wait, and nobody tries it before the time is over."
        "ireva-queue breaker close DEPENDENCY",
    ServiceUnconfigured "service_unconfigured" Service Note
        "Nothing is set for these here; where their workers run it has to be."
        "set the variables for the workers that need them; see ireva-queue(1)",

    AlertsUnwatched "alerts_unwatched" Alert Critical
        "There are rules of alerts, and nobody evaluates them: nobody is told of anything."
        "start a worker, or: ireva-queue alerts run",
    AlertUndelivered "alert_undelivered" Alert Critical
        "A sink does not take a notice; it is tried for a day."
        "ireva-queue alerts test shows which sink fails, and at what; one that is not configured needs its variable, or [sinks.NAME]",
}

impl Code {
    /// Its row.
    pub fn info(self) -> &'static CodeInfo {
        // In the order of the table.
        &CODES[self as usize]
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_one_word_with_a_meaning_and_a_remedy() {
        let words: BTreeSet<_> = CODES.iter().map(|info| info.code.as_str()).collect();
        assert_eq!(words.len(), CODES.len());
        for info in CODES {
            let word = info.code.as_str();
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
            assert!(info.meaning.ends_with('.') && !info.remedy.is_empty(), "{word}");
            assert_eq!(info.code.info(), info, "{word}");
            let area = info.area;
            assert!(!info.remedy.contains("{about}") || area == Area::Queue, "{word}");
        }
        assert!(CODES.is_sorted_by_key(|info| info.area));
    }
}
