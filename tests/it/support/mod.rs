//! What the tests stand on: private servers, the real binary, a ledger of what ran, and checks of what is stored.
//!
//! Nothing is shared between tests, nothing waits by sleeping, and every process dies with its test.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod cli;
mod conserve;
mod ledger;
mod process;
mod proxy;
mod python;
mod redis_server;
mod sentinel;
mod wait;
mod work;

pub use cli::{Cli, Output};
pub use conserve::{Snapshot, schema_faults};
pub use ledger::{Ledger, Line};
pub use process::{Guarded, free_port, guarded, signal};
pub use proxy::{Fault, Proxy, Request};
pub use python::python;
pub use redis_server::{RedisBuilder, TestRedis};
pub use sentinel::Sentinels;
pub use wait::{wait_for, wait_until};
pub use work::WorkProcess;
