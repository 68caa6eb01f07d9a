//! The handle against real servers that are killed, restarted, stalled and cut off.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::config::{Endpoint, RedisMode, Secret, TlsConfig};
use crate::store::Waiter;

/// A private server on a loopback port, killed on drop.
struct Server {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
    extra: Vec<String>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, dir: &Path, extra: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    command.arg("--dir").arg(dir).args(extra).stdout(Stdio::null());
    command.spawn().unwrap()
}

impl Server {
    async fn start(extra: &[&str]) -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let extra: Vec<String> = extra.iter().map(|&word| word.to_owned()).collect();
        let server = Self { child: spawn(port, dir.path(), &extra), port, dir, extra };
        server.listening().await;
        server
    }

    async fn listening(&self) {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "the server does not listen");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(self.port, self.dir.path(), &self.extra);
    }

    fn config(&self) -> RedisConfig {
        config(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(port: u16) -> RedisConfig {
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, tls: false };
    RedisConfig {
        mode: RedisMode::Standalone(endpoint),
        username: None,
        password: None,
        db: 0,
        tls: TlsConfig::default(),
        prefix: "t:".into(),
    }
}

fn incr() -> redis::Cmd {
    let mut cmd = redis::cmd("INCR");
    cmd.arg("n");
    cmd
}

#[tokio::test]
async fn nobody_listening_is_unreachable_soon_and_by_name() {
    let port = free_port();
    let started = Instant::now();
    let error = Connection::new(config(port), Patience::Brief).call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), format!("cannot reach redis at 127.0.0.1:{port}: connection refused"));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_unknown_host_is_unreachable_by_name() {
    let mut config = config(6379);
    config.mode = RedisMode::Standalone(Endpoint { host: "no-such-host.invalid".into(), port: 6379, tls: false });
    let started = Instant::now();
    let error = Connection::new(config, Patience::Brief).call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("no-such-host.invalid:6379"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_silent_peer_ends_within_the_budget() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let handle = Connection::new(config(listener.local_addr().unwrap().port()), Patience::Brief);
    let error = handle.call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn passwords_are_checked_at_once_and_never_shown() {
    let server = Server::start(&["--requirepass", "right-horse", "--loglevel", "warning"]).await;
    for patience in [Patience::Brief, Patience::Endless] {
        for password in [None, Some("wrong-horse")] {
            let config = RedisConfig { password: password.map(Secret::new), ..server.config() };
            let started = Instant::now();
            let error = Connection::new(config, patience).call(&redis::cmd("PING")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
            assert!(!error.to_string().contains("horse") && error.to_string().contains("127.0.0.1"), "{error}");
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
    let config = RedisConfig { password: Some(Secret::new("right-horse")), db: 3, ..server.config() };
    let answer = Connection::new(config, Patience::Brief).call(&redis::cmd("PING")).await.unwrap();
    assert_eq!(answer.value, Value::SimpleString("PONG".into()));
}

#[tokio::test]
async fn a_missing_script_is_loaded_and_the_call_repeated() {
    let server = Server::start(&[]).await;
    let handle = Connection::new(server.config(), Patience::Brief);
    let source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(redis::Script::new(source).get_hash()).arg(1).arg("n").arg(5);
    assert_eq!(handle.eval(&cmd, source).await.unwrap().value, Value::Int(5));
    handle.call(redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    let answer = handle.eval(&cmd, source).await.unwrap();
    assert_eq!((answer.value, answer.repeated), (Value::Int(10), false));
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let server = Server::start(&[]).await;
    let handle = Connection::new(server.config(), Patience::Brief);
    let other = Connection::new(server.config(), Patience::Brief);
    handle.call(&redis::cmd("PING")).await.unwrap();
    assert_eq!(handle.generation(), 1);
    other.call(redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes")).await.unwrap();
    handle.call(&redis::cmd("PING")).await.unwrap();
    assert_eq!(handle.generation(), 2);
}

#[tokio::test]
async fn an_endless_call_outlives_a_restart_of_the_server() {
    let mut server = Server::start(&[]).await;
    let handle = Connection::new(server.config(), Patience::Endless);
    handle.call(&incr()).await.unwrap();
    server.kill();
    let mut waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.call(&incr()).await }
    });
    assert!(tokio::time::timeout(Duration::from_millis(700), &mut waiting).await.is_err());
    server.restart();
    server.listening().await;
    let back = Instant::now();
    assert_eq!(waiting.await.unwrap().unwrap().value, Value::Int(2));
    assert!(back.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_cluster_is_refused_by_name() {
    let server = Server::start(&["--cluster-enabled", "yes"]).await;
    let error = Connection::new(server.config(), Patience::Endless).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("cluster"), "{error}");
}

#[tokio::test]
async fn a_replica_is_refused_at_the_start() {
    let master = Server::start(&[]).await;
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
    let error = Connection::new(replica.config(), Patience::Endless).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("replica"), "{error}");
}

#[tokio::test]
async fn full_memory_is_not_now_and_comes_back_at_once() {
    let server = Server::start(&[]).await;
    for patience in [Patience::Brief, Patience::Endless] {
        let handle = Connection::new(server.config(), patience);
        handle.call(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1")).await.unwrap();
        let started = Instant::now();
        let error = handle.call(&incr()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotNow, "{error}");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_token_or_the_time_and_survives_a_restart() {
    let mut server = Server::start(&[]).await;
    let handle = Connection::new(server.config(), Patience::Endless);
    let mut waiter = Waiter::new(server.config());
    let lists = ["a".to_owned(), "b".to_owned()];
    assert_eq!(waiter.wait(&lists, Duration::from_millis(30)).await.unwrap(), None);
    handle.call(redis::cmd("RPUSH").arg("b").arg("1")).await.unwrap();
    assert_eq!(waiter.wait(&lists, Duration::from_secs(5)).await.unwrap().as_deref(), Some("b"));
    server.kill();
    assert!(waiter.wait(&lists, Duration::from_secs(5)).await.is_err());
    server.restart();
    handle.call(redis::cmd("RPUSH").arg("a").arg("1")).await.unwrap();
    let started = Instant::now();
    let list = loop {
        match waiter.wait(&lists, Duration::from_secs(5)).await {
            Ok(list) => break list,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(5), "{error}"),
        }
    };
    assert_eq!(list.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_dropped_wait_takes_no_token() {
    let server = Server::start(&[]).await;
    let handle = Connection::new(server.config(), Patience::Brief);
    let mut waiter = Waiter::new(server.config());
    let lists = ["a".to_owned()];
    let dropped = tokio::time::timeout(Duration::from_millis(100), waiter.wait(&lists, Duration::from_secs(60))).await;
    assert!(dropped.is_err());
    let blocked = async || {
        let info = handle.call(redis::cmd("INFO").arg("clients")).await.unwrap().value;
        !redis::from_redis_value::<String>(info).unwrap().contains("blocked_clients:0")
    };
    while blocked().await {
        sleep(Duration::from_millis(5)).await;
    }
    handle.call(redis::cmd("RPUSH").arg("a").arg("1")).await.unwrap();
    assert_eq!(handle.call(redis::cmd("LLEN").arg("a")).await.unwrap().value, Value::Int(1));
    assert_eq!(waiter.wait(&lists, Duration::from_secs(1)).await.unwrap().as_deref(), Some("a"));
}
