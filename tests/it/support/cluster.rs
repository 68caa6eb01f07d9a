//! A cluster of three masters, with a replica for each where that is wanted.

use std::time::{Duration, Instant};

use super::cli::Cli;
use super::process::free_port;
use super::redis_server::{RedisBuilder, TestRedis};
use super::wait::{wait_for, wait_until};

const LONG: Duration = Duration::from_secs(60);
/// A failover by hand that has not come about by then never will.
const FAILOVER_ENDS: Duration = Duration::from_millis(5_500);
const SLOTS: usize = 16_384;
const MASTERS: usize = 3;

/// A cluster that fails over by itself within a few seconds.
pub struct Cluster {
    /// The three masters, then their replicas.
    pub servers: Vec<TestRedis>,
}

impl Cluster {
    /// Three masters; ready when each of them knows all and serves.
    pub fn start() -> Self {
        Self::with(0, |node| node)
    }

    /// Three masters with a replica each, ready when the replicas are in step.
    pub fn replicated() -> Self {
        Self::with(MASTERS, |node| node)
    }

    /// With more that each node is started with.
    pub fn with(replicas: usize, also: impl Fn(RedisBuilder) -> RedisBuilder) -> Self {
        let node = || {
            let node = TestRedis::builder()
                .append_only()
                .set("appendfsync everysec")
                .set("cluster-enabled yes")
                .set("cluster-node-timeout 1000");
            let node = node.set("repl-diskless-sync-delay 0").set(&format!("cluster-port {}", free_port()));
            also(node).start()
        };
        let cluster = Self { servers: (0..MASTERS + replicas).map(|_| node()).collect() };
        let bus = |server: &TestRedis| server.query::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])[1].clone();
        for (index, server) in cluster.servers.iter().enumerate() {
            server.query::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            if index < MASTERS {
                let (first, last) = (index * SLOTS / MASTERS, (index + 1) * SLOTS / MASTERS - 1);
                server.query::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            }
            let port = server.port().to_string();
            cluster.servers[0].query::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus(server)]);
        }
        wait_until(LONG, "the nodes know one another and serve", || {
            cluster.servers.iter().all(|server| {
                let info: String = server.query(&["CLUSTER", "INFO"]);
                let known = format!("cluster_known_nodes:{}\r", cluster.servers.len());
                info.contains("cluster_state:ok") && info.contains(&known)
            })
        });
        for index in MASTERS..cluster.servers.len() {
            let master: String = cluster.servers[index % MASTERS].query(&["CLUSTER", "MYID"]);
            wait_until(LONG, "a replica may follow its master", || {
                cluster.servers[index].try_query::<()>(&["CLUSTER", "REPLICATE", &master]).is_ok()
            });
        }
        wait_until(LONG, "the replicas are in step and known", || {
            let first = &cluster.servers[0];
            let nodes: String = first.query(&["CLUSTER", "NODES"]);
            nodes.matches("slave").count() == replicas
                && cluster.servers[..MASTERS].iter().all(|master| {
                    let info: String = master.query(&["INFO", "replication"]);
                    info.matches("state=online").count() == replicas / MASTERS
                })
        });
        cluster
    }

    /// The tool, told of the first node.
    pub fn cli(&self) -> Cli {
        self.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value))
    }

    /// The environment through which the tool finds the nodes.
    pub fn env(&self) -> Vec<(String, String)> {
        let places: Vec<_> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        vec![("REDIS_MODE".to_owned(), "cluster".to_owned()), ("REDIS_CLUSTER_URLS".to_owned(), places[..2].join(","))]
    }

    /// The slot of a queue.
    pub fn slot(&self, queue: &str) -> u16 {
        let server = self.servers.iter().find(|server| server.try_query::<()>(&["PING"]).is_ok()).unwrap();
        server.query(&["CLUSTER", "KEYSLOT", &format!("{{{queue}}}")])
    }

    /// Which server has a queue now, as it says itself.
    pub fn owner(&self, queue: &str) -> usize {
        wait_for(LONG, "a node has the queue", || self.owner_now(queue))
    }

    fn owner_now(&self, queue: &str) -> Option<usize> {
        let key = self.servers[0].key(queue, "meta");
        self.servers.iter().position(|server| server.try_query::<redis::Value>(&["EXISTS", &key]).is_ok())
    }

    /// The server that has a queue.
    pub fn server(&self, queue: &str) -> &TestRedis {
        &self.servers[self.owner(queue)]
    }

    /// Moves the slot of a queue to another master, as `redis-cli --cluster reshard` does.
    pub fn reshard(&self, queue: &str, to: usize) {
        let (from, slot) = (self.owner(queue), self.slot(queue).to_string());
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let id = |server: &TestRedis| server.query::<String>(&["CLUSTER", "MYID"]);
        let (source_id, target_id) = (id(source), id(target));
        target.query::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]);
        source.query::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]);
        loop {
            let keys: Vec<String> = source.query(&["CLUSTER", "GETKEYSINSLOT", &slot, "3"]);
            if keys.is_empty() {
                break;
            }
            let port = target.port().to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            source.query::<()>(&words);
        }
        for server in [target, source].into_iter().chain(&self.servers) {
            // Nodes that are neither learn of it by themselves.
            let _ = server.try_query::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]);
        }
    }

    /// Has the replica of the master that has a queue take its place while that lives on.
    pub fn switch_master(&self, queue: &str) {
        let owner = self.owner(queue);
        let id: String = self.servers[owner].query(&["CLUSTER", "MYID"]);
        let replica = wait_for(LONG, "it has a replica in step", || {
            self.servers.iter().find(|server| {
                let mine = || -> redis::RedisResult<bool> {
                    let nodes: String = server.try_query(&["CLUSTER", "NODES"])?;
                    let info: String = server.try_query(&["INFO", "replication"])?;
                    let me = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
                    Ok(me.contains(&id) && me.contains("slave") && info.contains("master_link_status:up"))
                };
                mine().unwrap_or(false)
            })
        });
        let has_moved = || self.owner_now(queue).is_some_and(|now| now != owner);
        let began = Instant::now();
        while !has_moved() {
            assert!(
                began.elapsed() < LONG,
                "the replica was never elected: {}",
                replica.query::<String>(&["CLUSTER", "INFO"])
            );
            // Masters do not vote about the same master twice within two node timeouts, and Redis gives up after 5 s.
            let _ = replica.try_query::<()>(&["CLUSTER", "FAILOVER"]);
            let asked = Instant::now();
            wait_until(LONG, "it is elected, or it gave up", || has_moved() || asked.elapsed() > FAILOVER_ENDS);
        }
    }

    /// kill -9 of the master that has a queue; returns when another has it.
    pub fn kill_master(&mut self, queue: &str) -> usize {
        let owner = self.owner(queue);
        self.servers[owner].kill9();
        let key = self.servers[0].key(queue, "meta");
        wait_until(LONG, "another has the queue", || {
            let serves = |server: &TestRedis| server.try_query::<redis::Value>(&["EXISTS", &key]).is_ok();
            self.servers.iter().any(serves)
        });
        owner
    }
}
