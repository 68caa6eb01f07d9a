//! The worker: fetcher, executor and finisher, with heartbeat, promoter, recoverer, scheduler and janitor
//! beside them.
//!
//! A *lane* is one queue as the worker sees it; a *pool* is a number of slots that one or more lanes share. The fetcher of
//! a pool claims jobs for its slots and some ahead of them; a slot runs one job (or batch) after another; the finisher of
//! a lane tells Redis how they ended, all that ended during one round trip together in the next.

mod actor;
mod alerter;
mod breakers;
mod builder;
mod courier;
mod executor;
mod fetcher;
mod finisher;
mod health;
mod heard;
mod heartbeat;
mod janitor;
mod lane;
mod progress;
mod promoter;
mod recoverer;
mod runner;
mod scheduler;
mod shared;
mod shutdown;
mod table;
mod turns;
mod vitals;

pub use builder::{Concurrency, WorkerBuilder};
pub use health::WorkerHealth;
pub use runner::{Worker, WorkerReport};
pub use shutdown::Stopper;
