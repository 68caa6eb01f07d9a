//! The worker: fetcher, executor and finisher, with heartbeat, promoter, recoverer, scheduler and janitor
//! beside them.
//!
//! A *lane* is one place of a queue as the worker sees it: its only one, or one of its partitions. The lanes of a queue are on
//! its *track*; a *pool* is a number of slots that one or more queues share. The fetcher of a pool claims jobs for its slots
//! and some ahead of them; a slot runs one job (or batch) after another; the finisher of a lane tells Redis how they ended,
//! all that ended during one round trip together in the next. The surveyor of a queue has lanes come and go with its
//! partitions.

mod actor;
mod alerter;
mod breakers;
mod builder;
mod courier;
mod craft;
mod crew;
mod executor;
mod fetcher;
mod finisher;
mod health;
mod heard;
mod heartbeat;
mod janitor;
mod lane;
mod pool;
mod progress;
mod promoter;
mod recoverer;
mod runner;
mod scheduler;
mod shared;
mod shutdown;
mod silence;
mod surveyor;
mod table;
mod track;
mod turns;
mod vitals;

pub use builder::{Concurrency, WorkerBuilder};
pub use health::WorkerHealth;
pub use runner::{Worker, WorkerReport};
pub use shutdown::Stopper;
pub(crate) use vitals::memory_bytes;
