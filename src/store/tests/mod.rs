//! What the store does to real servers, seen from inside: through the same private servers as the integration tests.

#![allow(dead_code, unused_imports, reason = "the fixtures are shared with tests that use more of them")]

#[path = "../../../tests/it/support/process.rs"]
mod process;
#[path = "../../../tests/it/support/proxy.rs"]
mod proxy;
#[path = "../../../tests/it/support/redis_server.rs"]
mod redis_server;
#[path = "../../../tests/it/support/sentinel.rs"]
mod sentinels;
#[path = "../../../tests/it/support/wait.rs"]
mod wait;

mod arrivals;
mod columns;
mod connection;
mod course;
mod embedded;
mod forgotten;
mod job_logs;
mod keyed;
mod mend;
mod mover;
mod mover_meets;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;

use crate::config::{Config, RedisConfig};
use redis_server::TestRedis;

/// The configuration that these variables describe.
fn config(env: Vec<(String, String)>) -> Config {
    let lookup = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Config::from_lookup(lookup, None).unwrap()
}

/// The way to a server, with variables beside those that it names itself.
fn way(redis: &TestRedis, more: &[(&str, &str)]) -> RedisConfig {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    config(more.chain(redis.env()).collect()).redis
}

/// The way to a port of this machine.
fn way_to(port: u16) -> RedisConfig {
    config(vec![("REDIS_HOST".to_owned(), "127.0.0.1".to_owned()), ("REDIS_PORT".to_owned(), port.to_string())]).redis
}

fn incr() -> redis::Cmd {
    let mut cmd = redis::cmd("INCR");
    cmd.arg("n");
    cmd
}
