//! A self-healing job queue on Redis.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod builtin;
mod client;
mod clock;
pub mod config;
mod dead_letters;
mod error;
mod event;
mod inspector;
pub mod job;
pub mod processor;
mod producer;
mod queue;
pub mod retry;
mod selection;
pub mod stats;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

pub use client::Client;
pub use clock::{Clock, local_now, span_text};
pub use dead_letters::{DeadLetters, GroupBy, ReviveOptions};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventKind};
pub use inspector::{Acted, Inspector, Located};
pub use job::{JobId, JobState, NewJob, Priority, QueueName};
pub use processor::{BatchJob, BatchProcessor, JobContext, Outcome, ProcessError, Processor, Registry};
pub use queue::Queue;
pub use retry::ErrorClass;
pub use selection::Selection;
pub use worker::{Concurrency, Stopper, Worker, WorkerBuilder, WorkerReport};
