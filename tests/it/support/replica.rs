//! A replica of a server, in step with it.

use std::time::Duration;

use super::redis_server::TestRedis;
use super::wait::wait_until;

/// A server that replicas follow without delay.
pub fn master() -> TestRedis {
    TestRedis::builder().append_only().set("appendfsync everysec").set("repl-diskless-sync-delay 0").start()
}

/// A replica of `master`, which counts it when this returns.
pub fn replica_of(master: &TestRedis) -> TestRedis {
    let settings = TestRedis::builder().append_only().set("appendfsync everysec").set("repl-diskless-sync-delay 0");
    let replica = settings.set(&format!("replicaof 127.0.0.1 {}", master.port())).start();
    let line = format!("port={},state=online", replica.port());
    wait_until(Duration::from_secs(60), "the replica is in step", || {
        master.query::<String>(&["INFO", "replication"]).contains(&line)
    });
    replica
}
