//! A self-healing job queue on Redis: the library under the `ireva-queue` command line.
//!
//! A producer hands a [`NewJob`] to a [`Queue`]; a [`Worker`] claims it, gives its payload to a [`Processor`] and tells the
//! queue how it ended. Nothing is lost when a worker, a connection or the Redis process dies; a job may then run again,
//! under the same id, which serves as its idempotency key.
//!
//! ```no_run
//! use ireva_queue::config::Config;
//! use ireva_queue::{Client, JobContext, NewJob, Outcome, ProcessError, Processor, QueueName, Registry, Worker};
//!
//! struct Greeter;
//!
//! impl Processor for Greeter {
//!     type Payload = String;
//!
//!     async fn process(&self, name: String, ctx: &JobContext) -> Result<Outcome, ProcessError> {
//!         ctx.log(format!("hello {name}, attempt {}", ctx.attempt()));
//!         Ok(Outcome::done())
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(&Config::from_env()?)?;
//! let queue = QueueName::new("greetings")?;
//! client.queue(queue.clone()).enqueue(NewJob::new(&"Ada")?).await?;
//!
//! let mut registry = Registry::new();
//! registry.register(queue, Greeter);
//! Worker::builder(&client, registry).until_empty(true).build()?.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The life of a job
//!
//! [`job::TRANSITIONS`] is the one table of what may follow what; each transition is one Lua script, one function of the
//! store, one event.
//!
//! | transition | from | to | |
//! |---|---|---|---|
//! | Enqueue, Schedule | - | pending, scheduled | the same id again is a duplicate and changes nothing |
//! | Promote | scheduled, retrying | pending | when due, by the server's clock; its place in line is that of the moment |
//! | Claim | pending | active | most urgent level first, oldest first; or by age where `priorityMode` is `aging` |
//! | Complete | active | completed | gone at once where `removeOnComplete` is 0 |
//! | Retry | active | retrying | after a transient error, with a growing wait; uses an attempt |
//! | Snooze | active | scheduled | a service said wait; uses no attempt, at most 100 times or 24 h in a row |
//! | Release | active | pending | not started, or the worker stops; back to its old place, uses no attempt |
//! | Recover | active | pending, dead | its worker's lease ended; back to its old place; counts a crash |
//! | Bury | active | dead | a permanent error, or the last attempt |
//! | Expire | scheduled, pending, retrying | dead | past its `ttl`, found by fetch or promotion; code `expired` |
//! | Cancel | any live state | cancelled | at once; from active when its worker has stopped the processor |
//! | Revive | dead | pending, scheduled | attempts and crashes begin anew, the history stays |
//! | Remove | any but active | - | explicit and counted |
//! | Restore | -, cancelled | any but active | an undo, or an import: as it stood, byte for byte |
//!
//! Attempt numbers are failures + crashes + 1. Who crashes is not known when a worker dies with several jobs in hand, so
//! each counts a crash; a job with a crash is never claimed ahead; one crash short of `crashLimit` (3) it runs alone in an
//! otherwise empty worker, and only a crash there buries it (`crash_loop`). A poison job ends among the dead letters, its
//! neighbours never do. Of each crash the history keeps what is known ([`job::Crash`]): nobody was there to tell why.
//!
//! A job may ask to be added only where its queue holds no job that waits or runs ([`NewJob::unless_queued`]); else it is
//! answered as a duplicate of one of those. What cannot be handed over may be put into a [`Spool`], a directory with a file
//! for each job under the id that it keeps, from which it is delivered once.
//!
//! A unique key is held while its job is scheduled, pending, active or retrying, and, with a window, until the window ends
//! however the job ends; completion, death, cancellation, expiry and removal give it back otherwise. A revived job takes it
//! again, or is refused where another holds it.
//!
//! # Durable queues
//!
//! Replication of Redis is asynchronous, so a failover may lose the last moments before it. In a queue that is
//! [durable](config::Durable) (`durable` set to `on`, or to `auto` where there are replicas; `roi-distribution` is `auto` by
//! itself) an enqueue is a success only once a replica holds its jobs, also where they were there already. Where none
//! confirms in time the answer is [`ErrorKind::OutcomeUnknown`]: the jobs are stored, and the same jobs under the same ids
//! can be handed over again, which adds nothing and waits again; a durable queue remembers every id for that.
//!
//! The answer of the enqueue script says whether the queue is durable, so others pay nothing. The wait is a `WAIT 1` on a
//! connection of its own, one for all that came together (one for each [`Queue::enqueue_many`]), after a write there that
//! checks that the jobs stand in what this server holds; behind sentinels it counts only if none of them has put another
//! master in its place meanwhile, for the old one's replicas go on confirming what they will throw away. What a failover
//! has lost before that is handed over again. Of the sentinels list all, and give all servers the same
//! `replica-priority`, so that the one that has read most is elected. The server's user needs the rights `+wait` and `+info`;
//! [`doctor::AclUser`] has all that one needs.
//!
//! What operators do (retry, edit, cancel, delete, settings) and what workers report is answered by the master alone.
//!
//! # Following, and looking without touching
//!
//! [`Client::events_of`] follows what happens in some queues or in all of them, with the failed attempts that led to it,
//! and [`Client::last_events`] looks back; both read the queues' event streams and cost the jobs nothing. Of one job
//! [`Inspector::timeline`] tells the life and [`Inspector::log`] what its attempts said.
//!
//! A configuration that is [read-only](config::RedisConfig::read_only) sends nothing to Redis that writes: one check, where
//! every command goes through, refuses it.
//!
//! # Schedules
//!
//! A [`Schedule`] enqueues a job at each tick of a cron pattern in a time zone, or of a span ([`Timing`] says which ticks
//! there are on days on which clocks are set forward or back). Workers fire the schedules of their queues, and a
//! [`Scheduler`] those of all queues; however many do, a tick has at most one job: the script that fires it compares the
//! tick with what the caller saw, moves the schedule to its next one and enqueues the job under an id that follows from
//! both, all in one. Ticks go by the server's clock, never early. A failover undoes the move and the job together.
//!
//! Where nobody fired for a while, [`Missed`] says what becomes of the ticks: by default (`once`) one job, that of the last
//! tick, stands for all of them; `skip` drops them, `all` fires each; with a grace a tick later than that is dropped in any
//! case. Whoever comes first decides, and all decide the same. [`Overlap`] says what becomes of a tick while the job of the
//! one before is not done; a paused queue goes on to get the jobs of its schedules.
//!
//! # Acts on many jobs
//!
//! One [`Selection`] says which jobs are meant, whatever is done to them: by [`Bulk`] they are removed, cancelled, retried or
//! promoted, at a pace, until a token stops it. Each step is one script over at most 500 jobs that carries where it saw each,
//! so an act may be broken off anywhere and repeated.
//!
//! Every act is written to the [`Audit`] before its first change (who, what, which, why) and again at its end (how many); so is the removal of a single job. What
//! an act removes or cancels is copied aside in the same script, in pieces of about a mebibyte that are kept for an hour, and
//! [`Audit::undo`] brings it back exactly as it was: record, history, set, score, unique key. What came again meanwhile is left
//! and counted; done twice it does nothing twice. Where more than 80 % of the server's `maxmemory` are used nothing is copied,
//! which a dry run says beforehand. A queue that is [protected](Queue::protect) refuses all that would take jobs from it.
//!
//! Jobs move between servers as lines of JSON ([`Queue::export`], [`Queue::import`]): an id that is there, or was within a day,
//! is never written over.
//!
//! # Batches
//!
//! A [batch](Batches) counts jobs of one queue together. Whatever ends a job for the first time (completion, burial, expiry,
//! a crash loop, cancellation, removal) takes it out of `batched` and counts it, in the same script, so nothing counts it
//! twice. The script that finds a sealed batch without live jobs ends it and enqueues its job on completion: at once in the
//! same queue; for another queue it is noted in `outbox`, which the workers of the queue empty, under one id until it is taken.
//! `meta` says whether the queue has batches, in the read that asks for its layout: queues without them pay nothing.
//!
//! # Breakers
//!
//! A [breaker](Breakers) guards a service that jobs need. An attempt that ends in a transient error which blames a service
//! ([`ProcessError::blame`]) counts in `<prefix>breakers`; five in a row open the breaker. A queue whose jobs all need that
//! service ([`Processor::dependency`]) is then not fetched, and what was claimed and has not started goes back into line;
//! where jobs differ, [`JobContext::needs`] puts those of the service off. When the wait is over one worker at a time has one
//! job try the service; a failure doubles the wait, an answer (a success, or an error about the job alone) closes the breaker.
//! The failure that opens it, and those that end while it is open, put their jobs off without using an attempt, for as long as
//! it takes. Workers read the breakers once a second, beside the path of the jobs: they are shared by queues in
//! different slots, so no queue's settings can tell of them. Where nothing fails, a fetch and an end cost one look at a flag in
//! the worker's own memory.
//!
//! # Limits
//!
//! `rate` and `concurrency` hold for a queue over all workers. Where `key` says at which field payloads hold the key of their
//! job (a tenant, say), `keyConcurrency` and `keyRate` hold for each key, and [`KeyLimits`] sets others for one. Fetch counts
//! the claims of each key in `running`; a job over the limit of its key leaves its line for `parked`, where it is pending in
//! every view and keeps its rank, and lets those of other keys by. `unpark` says when its key may go on: who ends a job of
//! the key lets it go on at once, a rate at its time; then fetch moves so many back to their old places before it takes the
//! usual line. Where limits are lifted all come back. Jobs whose payload has no key are not limited, and claims from before
//! the limits were set are not counted.
//!
//! The key stands in front of a record where the producer knew the field, which the answer to its first enqueue tells it; of
//! others fetch decodes the payload, to read: the one place where a script does. Counts that a hand or a crash made wrong
//! heal: by the number of all claims at once, by the janitor's count within a minute; a rate's time out of bounds begins anew.
//!
//! # Alerts
//!
//! A [rule](AlertRule) watches a number of each of its subjects: every queue or one, every service with a breaker, the server.
//! Each subject stands by itself (pending, firing; well ones are not kept). Of all that evaluate (workers that are
//! [given sinks](WorkerBuilder::alerts), [`Alerter`]) one has the turn, `<prefix>{:alerts}:turn`, for three looks by the server's
//! clock. It alone measures, steps, and moves what follows in one script that compares each standing with how it was seen:
//! standings, history, and the notices that sinks are owed. Sinks are told from that outbox and crossed off one by one, with
//! growing pauses, for a day. So nothing is lost with a holder, and a sink is told twice, under one id, only where its
//! teller died before it could cross it off.
//!
//! Sinks are of the process, never of Redis. [`AlertSink::carrier`] lets a queue carry the notice where that is well; about
//! the queue itself, or about Redis, it is told directly. While Redis is away, the one whose turn it was when that began
//! steps the rules about Redis by its own monotonic clock, in memory, tells directly, and writes the history when it is back.
//!
//! # In a cluster
//!
//! With `REDIS_MODE=cluster` each command goes to the node that has its slot, over one connection to each node. All keys of a
//! queue are in one slot, and those of alerts in another, so a script never spans two. Redirections are followed; after a
//! failure the nodes are asked anew who has which slot. While a slot moves Redis holds its keys in two places: a script then
//! declares one key that never exists, so it is refused before its first command, and repeated until the move is over. Waits
//! for tokens and events are one for each slot. After a failure only calls to the node that failed wait until the nodes have
//! been asked; each queue of a worker has its own heartbeat and keepers, and a fetch that is late goes on beside the others, so
//! a node that is away holds up its own queues alone. A confirmation by a replica counts only where no other node names another
//! owner of the slot. Whoever looks over much asks each node once whether it is there, leaves out what those have that are not,
//! and tells it ([`Client::of_what_answers`]). Redis holds a queue on one node: one queue is as fast as one node, unless it has partitions.
//!
//! # Partitions
//!
//! A queue that outgrows its node is spread over up to 64 partitions ([`Setting::Partitions`](config::Setting::Partitions)), each
//! a slot of its own. What is about the queue as a whole (settings, pause, their events) stays under the queue's own name; each
//! partition holds all that is about jobs, as a queue of its own would, and a copy of the settings in which limits are divided
//! ([`QueueSettings::of_partition`](config::QueueSettings::of_partition)). No script sees two partitions. So what must be seen
//! together is put together: a job goes by its batch, else its unique key, else its [order key](NewJob::order_key), else its
//! id; a schedule by the unique key of its jobs, else its name. What cannot be held by one script (limits per key,
//! [`NewJob::unless_queued`], a unique key in a batch) is refused by name.
//!
//! A place is called after its layout: `3/8` is the third of eight, and places of two layouts have nothing in common. `meta`
//! says whether it takes jobs; who adds one to a place that does not is sent away (`Moved`, which callers of this crate see only
//! where that lasts), asks where the job belongs, and goes there. So a queue of one partition costs no question, and a producer
//! needs to know nothing.
//!
//! A change of the number is written down first and carried on by whoever meets it: the command, the next one, the janitor of
//! any worker. The old places are closed, the new ones opened, the number is said; from then on [`Queue::move_over`] takes jobs
//! from the end of each line, in pages that a place takes in once, while workers go on at its head. The new places are held
//! until the old ones have nothing in line, so that no job overtakes another of its key. Where jobs still run there after five
//! seconds and the queue has a concurrency, the old places are held, what runs there is counted, and each new one has its share
//! without those that belong to it. A place that is closed by a change which the settings do not know, since their node lost it,
//! has it begun anew; a copy of the settings that is later than they are raises their version. While two layouts stand, producers ask
//! the old places for ids and unique keys, and readers look at the old places before the new ones. Workers have a lane for each
//! place, which share the slots and the weight of their queue; they come and go while it runs. A page is forgotten where it was
//! when it has arrived; in a cluster, where that is another stream of writes, when a replica of the new node has it. Places
//! know only their own ids, so two jobs of one id may come to one place: one of them goes by `id@3-of-8` from then on.
//!
//! # What Redis holds
//!
//! Every key of a queue begins with `<prefix>{<queue>}:`, so that a queue stays in one cluster slot; those of partition 3 of 8
//! with `<prefix>{<queue>:3/8}:`. Both hold the same keys.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `jobs` | hash | id -> record: arrival in µs, `@<field>=<key>` where keys limit the queue, then the producer's JSON object, payload byte for byte inside |
//! | `history` | hash | id -> JSON of failures, crashes and other ends, only for jobs to which something happened |
//! | `crashes` | hash | id -> crashes |
//! | `pending:0` … `pending:3` | zset | critical, high, normal, low: id by arrival in µs |
//! | `parked`, `parked:<key>` | zset | pending jobs over the limit of their key, and those of one key: id by level × 2^51 + arrival - 1.5 × 10^15 |
//! | `running`, `paced` | hash | key -> claims of its jobs; the time in µs that its rate goes by |
//! | `unpark`, `limits` | zset, hash | key of parked jobs by the ms at which they may go on; key -> its own limits |
//! | `scheduled`, `retrying` | zset | id by due time in ms × 4 + level |
//! | `active` | hash | id -> claim: `fence\|level:arrival\|claimed_ms\|worker\|key\|batch`, the last one `alone` where the job must run alone; `cancelled\|` before it once cancelled |
//! | `workers`, `handed` | zset, hash | end of each worker's lease; its last hand-out (number, and ids in `worker@`) and its number of claims (`worker#`) |
//! | `completed`, `cancelled`, `dead` | zset | id by time in ms |
//! | `unique`, `keys` | hash | unique key -> end of window and id; id -> unique key |
//! | `expiring` | zset | id by expiry in ms, only for jobs with a `ttl` |
//! | `seen` | zset | ids chosen by producers, and all of a durable queue, remembered for a day after the job is gone |
//! | `config`, `meta` | hash | settings, thresholds of checks, how far a change of the partitions is; layout version, last fence and arrival, totals, rate limiter, whether the place takes jobs, who moves them and when the last went |
//! | `leaving` | hash | what a page holds that moves to another partition, until it has arrived |
//! | `minute:<n>` | hash, 2 h | counters of one minute |
//! | `events` | stream, capped | failures, burials, recoveries, operator acts; jobs by name, or `+` and how many |
//! | `batches`, `batch:<name>` | zset, hash | batch by its begin in ms; counts, `sealed`, `finished_ms`, the job on completion; gone a week after its end |
//! | `batched`, `outbox` | hash | id -> batch, only for live jobs of batches; id -> queue and record of a job on completion on its way to another queue |
//! | `wake` | list | at most one wake-up token |
//! | `schedules`, `ticks` | hash, zset | name -> `revision\|paused\|fired\|missed\|overlapped\|last tick` and the schedule as JSON; name by its next tick in ms |
//! | `call:<producer>`, `call:from:<place>` | string, 10 min | the producer's last enqueue, or the last page from another place, and its answer, in a durable queue `~<mode> <since> ` before it, where a key is set `@<field> ` |
//! | `log:<id>`, `result:<id>` | string, 24 h and 1 h | what attempts said; a result |
//! | `undo:<act>`, `undo:<act>:<n>` | hash, list, 1 h | how far an act is undone; copies of what it took, twelve values a job |
//!
//! Beside them, `<prefix>registry` (set of queue names), `<prefix>worker:<id>` (what a worker says of itself, expiring),
//! `<prefix>audit` (stream, capped: acts on many jobs), `<prefix>breakers` (hash: dependency ->
//! `failures|last_ms|opened_ms|due_ms|wait_ms|probe|by|said`; closed ones go) and `<prefix>tokens` (hash: name of a token of the
//! REST API -> its SHA-256, scopes and time). Of alerts: `<prefix>{:alerts}:rules` and `…:mutes` (hashes: name -> rule, name
//! or `*` -> mute), `…:standings` (hash: `rule|subject` -> how it stands, where it is not well), `…:turn`
//! (string: `holder|until_ms|weight`, and the weight of who asks for it), `…:outbox` (hash: `id:sink` -> notice and the sink that has not got it) and
//! `…:history` (stream, the last 1,000 entries); all JSON but the turn.
//!
//! # The modules
//!
//! Imports point down this list. Domain: `error`, `clock`, `currency`, [`job`], [`retry`], `batch`, `breaker`, `measure`,
//! `alert`, `schedule`, [`stats`], `event`, `repair`; [`mod@format`], tables in files, which knows nothing of jobs. Contracts: [`config`], [`processor`].
//! Store: the only code that speaks Redis.
//! Engine: [`Client`], [`Queue`], [`DeadLetters`], [`Bulk`], [`Audit`], [`Batches`], [`Breakers`], [`KeyLimits`], [`Inspector`], [`Schedules`],
//! [`Alerts`], [`Worker`], [`Spool`]; [`doctor`] finds out what is wrong, [`Healer`] puts right what contradicts itself, [`check`] holds one number of a queue against its thresholds,
//! [`mod@bench`] measures.
//! Then [`builtin`], the processors that ship, and
//! [`service`], the platform's business in words of its own, above them because it holds payloads against what they want;
//! and the shells, which know public names only: the binary, and the REST API.
//!
//! # Features
//!
//! `cli` the binary, `tui` its dashboard, `tls` Redis over TLS, `email`, `exec`, `http` builtin processors, `db` the
//! platform's database and the processors that work on it, `notify` notifications, `tables` files of rows (csv, json,
//! excel), `s3` files of processors in an object store, `pdf` reports as PDF, `api` the REST API, `testing` a way to run one
//! payload through a processor. `full`, the default, is all of these; none of them is the library alone. `parquet`, exports
//! in that format, is outside of `full`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod alert;
mod alerts;
#[cfg(feature = "api")]
pub mod api;
mod audit;
mod batch;
mod batches;
pub mod bench;
mod breaker;
mod breakers;
pub mod builtin;
mod bulk;
pub mod check;
mod client;
mod clock;
pub mod config;
#[cfg(any(feature = "db", feature = "tables"))]
mod currency;
mod dead_letters;
pub mod doctor;
mod error;
mod event;
mod events;
mod explain;
#[cfg(feature = "tables")]
pub mod format;
#[cfg(test)]
#[path = "tests/fuzz.rs"]
mod fuzz;
mod heal;
mod host;
mod inspector;
pub mod job;
mod job_log;
mod jobs_file;
mod key_limits;
mod measure;
mod mover;
mod pace;
pub mod processor;
mod producer;
mod queue;
mod removal;
mod repair;
pub mod retry;
mod schedule;
mod schedules;
mod selection;
pub mod service;
mod spool;
pub mod stats;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timeline;
#[cfg(feature = "api")]
mod token;
#[cfg(feature = "api")]
mod tokens;
mod undo;
mod walk;
mod worker;
mod worker_end;

pub use alert::{
    AlertCarrier, AlertEvent, AlertKind, AlertMute, AlertName, AlertNotice, AlertRule, AlertSeverity, AlertSink,
    AlertSinks, AlertTold, AlertWords, MuteTarget, Telling,
};
pub use alerts::{AlertEntry, AlertInfo, AlertSource, AlertState, Alerter, AlerterReport, Alerts, MuteInfo, SinkTried};
pub use audit::{ActEnd, Audit, AuditEntry};
pub use batch::{BatchFollower, BatchInfo, OnComplete, Opened};
pub use batches::Batches;
pub use breaker::{BreakerClosed, BreakerError, BreakerInfo, BreakerRule, BreakerState};
pub use breakers::Breakers;
pub use bulk::{ActOptions, Bulk, BulkAct};
pub use client::Client;
pub use clock::{Clock, instant_from_text, local_now, span_from_text, span_text};
pub use dead_letters::{DeadLetters, GroupBy, ReviveOptions};
pub use doctor::{Doctor, Examination, Finding};
pub use error::{Error, ErrorKind, FieldProblem, Result};
pub use event::{Event, EventId, EventKind, JobFailure, Level, QueueEvent};
pub use events::Events;
pub use heal::Healer;
pub use host::host_name;
pub use inspector::{Acted, Inspector, Located};
pub use job::{BatchName, JobId, JobOptions, JobState, KeyField, LimitKey, NewJob, Priority, ProcessEnd, QueueName};
pub use job_log::JobLog;
pub use jobs_file::{ImportReport, JOB_LINE_MAX_BYTES, JobLine, Redaction};
pub use key_limits::{KeyLimitChange, KeyLimits};
pub use mover::Moved;
pub use processor::{BatchJob, BatchProcessor, JobContext, Outcome, Outlet, ProcessError, Processor, Registry};
pub use queue::Queue;
pub use repair::{Repair, RepairKind};
pub use retry::ErrorClass;
pub use schedule::{
    ChangeKind, LastTick, Missed, Overlap, SCHEDULE_PAYLOAD_MAX_BYTES, Schedule, ScheduleChange, ScheduleInfo,
    ScheduleName, ScheduleState, ScheduleSwitched, Tick, Timing,
};
pub use schedules::{ImportOptions, Scheduler, SchedulerReport, Schedules};
pub use selection::{Attempts, Candidate, PayloadMatch, Selection};
pub use spool::{Flushed, SetAside, Spool, SpoolEntry, Spooled};
pub use store::{EmbeddedStatus, embedded_status, embedded_stop};
pub use timeline::TimelineStep;
#[cfg(feature = "api")]
pub use token::{NewToken, Scope, TokenInfo, TokenName};
#[cfg(feature = "api")]
pub use tokens::{TokenSet, Tokens};
pub use undo::UndoReport;
pub use worker::{Concurrency, Stopper, Worker, WorkerBuilder, WorkerHealth, WorkerReport};

/// The examples of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
