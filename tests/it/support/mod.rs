//! What the tests stand on: private servers, the real binary, a ledger of what ran, and checks of what is stored.
//!
//! Nothing is shared between tests, nothing waits by sleeping, and every process dies with its test.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod authority;
mod balance;
mod cli;
mod cluster;
mod conserve;
pub mod files;
pub mod http;
pub mod http_sink;
mod ledger;
mod length;
mod load;
mod postgres;
mod process;
mod proxy;
mod python;
mod redis_server;
pub mod replica;
pub mod reports;
pub mod s3_server;
mod sentinel;
mod serve;
pub mod smtp_sink;
pub mod spread;
mod wait;
mod watch;
mod work;

pub use authority::{Authority, Certificate};
pub use balance::assert_balanced;
pub use cli::{Cli, Output};
pub use cluster::Cluster;
pub use conserve::{Snapshot, schema_faults};
pub use ledger::{Ledger, Line, now_ms};
pub use length::{chaos_dice, every, is_full_length, last, length};
pub use load::{Load, QUEUE, Told, backlog};
pub use postgres::TestPostgres;
pub use process::{Guarded, free_port, guarded, signal};
pub use proxy::{Fault, Proxy, Request};
pub use python::python;
pub use redis_server::{RedisBuilder, TestRedis};
pub use sentinel::Sentinels;
pub use serve::{Serve, served};
pub use wait::{wait_for, wait_until};
pub use watch::Watch;
pub use work::WorkProcess;

/// Fills the dead letters of `queue` with `count` jobs `dead-0`, `dead-1`, …, buried for good by a real worker.
pub fn bury(cli: &Cli, queue: &str, count: usize) {
    let ledger = Ledger::new();
    let answer = r#"{"id":"\1","error":"boom","class":"permanent","code":"boom"}"#;
    let program = ledger.write("bury", &format!("#!/bin/sh\nexec sed 's/^.*\"id\":\"\\([^\"]*\\)\".*$/{answer}/'\n"));
    cli.enqueue_lines(queue, (0..count).map(|n| format!(r#"{{"id":"dead-{n}","payload":{n}}}"#)));
    let mut worker = cli.work([
        queue,
        "--concurrency",
        "1000",
        "--batch-size",
        "500",
        "--batch-wait",
        "50ms",
        "--until-empty",
        "--exec",
        &program,
    ]);
    let code = worker.wait(std::time::Duration::from_secs(120));
    assert_eq!(code, Some(0), "{:#?}", worker.log());
}
