//! A master, two replicas and three sentinels.

use std::collections::BTreeMap;
use std::time::Duration;

use super::redis_server::{RedisBuilder, TestRedis};
use super::wait::{wait_for, wait_until};

const MASTER: &str = "mymaster";

/// A set that fails over by itself within a few seconds.
pub struct Sentinels {
    pub servers: Vec<TestRedis>,
    pub sentinels: Vec<TestRedis>,
    variables: Vec<(String, String)>,
}

impl Sentinels {
    /// Ready when every sentinel sees both replicas and both other sentinels.
    pub fn start() -> Self {
        Self::start_with(&|server| server, &|sentinel| sentinel, &[])
    }

    /// The same with more settings of the servers and of the sentinels, and the variables by which the tool gets in.
    pub fn start_with(
        server: &dyn Fn(RedisBuilder) -> RedisBuilder,
        sentinel: &dyn Fn(RedisBuilder) -> RedisBuilder,
        variables: &[(&str, String)],
    ) -> Self {
        let server =
            || server(TestRedis::builder().append_only().set("appendfsync everysec").set("repl-diskless-sync-delay 0"));
        let master = server().start();
        let replica = || {
            let settings = server();
            settings.set(&format!("replicaof 127.0.0.1 {}", master.port())).start()
        };
        let replicas = [replica(), replica()];
        let watch = || {
            let settings = TestRedis::builder().sentinel();
            let settings = settings.set(&format!("sentinel monitor {MASTER} 127.0.0.1 {} 2", master.port()));
            let settings = settings.set(&format!("sentinel down-after-milliseconds {MASTER} 1000"));
            sentinel(settings.set(&format!("sentinel failover-timeout {MASTER} 5000"))).start()
        };
        let sentinels = vec![watch(), watch(), watch()];
        let servers = std::iter::once(master).chain(replicas).collect();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let set = Self { servers, sentinels, variables };
        wait_until(Duration::from_secs(60), "the sentinels see one another and the replicas", || {
            set.sentinels.iter().all(|sentinel| {
                let facts: BTreeMap<String, String> = sentinel.query(&["SENTINEL", "MASTER", MASTER]);
                facts["num-slaves"] == "2" && facts["num-other-sentinels"] == "2" && facts["flags"] == "master"
            })
        });
        wait_until(Duration::from_secs(60), "the replicas are in step", || {
            let info: String = set.servers[0].query(&["INFO", "replication"]);
            info.matches("state=online").count() == 2
        });
        set
    }

    /// The environment through which the tool finds the master.
    pub fn env(&self) -> Vec<(String, String)> {
        let urls: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        let mut env = vec![
            ("REDIS_MODE".to_owned(), "sentinel".to_owned()),
            ("REDIS_SENTINEL_NAME".to_owned(), MASTER.to_owned()),
            ("REDIS_SENTINEL_URLS".to_owned(), urls.join(",")),
        ];
        env.extend(self.variables.iter().cloned());
        env
    }

    /// The port of the master that a living sentinel names.
    pub fn master_port(&self) -> u16 {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let (_, port): (String, String) = self.sentinels[0].query(&ask);
        port.parse().unwrap()
    }

    /// The server that is the master now.
    pub fn master(&mut self) -> &mut TestRedis {
        let port = self.master_port();
        let server = self.servers.iter_mut().find(|server| server.port() == port).expect("the master is one of ours");
        // A server that has changed its role has closed its connections.
        server.hang_up();
        server
    }

    /// Has a replica take the master's place while that lives on; returns when the sentinels name another.
    pub fn switch_master(&self) {
        let old = self.master_port();
        wait_until(Duration::from_secs(60), "a replica can take over", || {
            self.sentinels[0].try_query::<()>(&["SENTINEL", "FAILOVER", MASTER]).is_ok()
        });
        wait_until(Duration::from_secs(60), "another is the master", || self.master_port() != old);
    }

    /// kill -9 of the master; returns when the sentinels have elected another, which says so itself.
    pub fn kill_master(&mut self) {
        let old = self.master_port();
        self.master().kill9();
        wait_for(Duration::from_secs(60), "another master is elected", || {
            let port = self.master_port();
            let server = self.servers.iter().find(|server| server.port() == port && port != old)?;
            let role: Vec<redis::Value> = server.try_query(&["ROLE"]).ok()?;
            (redis::from_redis_value::<String>(role[0].clone()).ok()? == "master").then_some(())
        });
    }
}
