//! The handle against servers that are killed, restarted, stalled and cut off.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis::Value;
use rustix::process::Signal;

use super::process::free_port;
use super::proxy::{Fault, Proxy};
use super::redis_server::TestRedis;
use super::{incr, way, way_to};
use crate::ErrorKind;
use crate::config::{Endpoint, RedisConfig, RedisMode, Secret};
use crate::store::{Connection, Patience, Waiter};

#[tokio::test]
async fn nobody_listening_is_unreachable_soon_and_by_name() {
    let port = free_port();
    let started = Instant::now();
    let error = Connection::new(way_to(port), Patience::Brief).call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), format!("cannot reach redis at 127.0.0.1:{port}: connection refused"));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_unknown_host_is_unreachable_by_name() {
    let endpoint = Endpoint { host: "no-such-host.invalid".into(), port: 6379, tls: false };
    let config = RedisConfig { mode: RedisMode::Standalone(endpoint), ..way_to(6379) };
    let started = Instant::now();
    let error = Connection::new(config, Patience::Brief).call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("no-such-host.invalid:6379"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_peer_that_never_answers_ends_the_call_within_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let started = Instant::now();
    let error = Connection::new(way_to(port), Patience::Brief).call(&redis::cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_stops_answering_leaves_the_outcome_unknown() {
    let redis = TestRedis::start();
    let handle = Connection::new(way(&redis, &[]), Patience::Brief);
    handle.call(&incr()).await.unwrap();
    redis.signal(Signal::STOP);
    let started = Instant::now();
    let error = handle.call(&incr()).await.unwrap_err();
    redis.signal(Signal::CONT);
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    handle.call(&incr()).await.unwrap();
}

#[tokio::test]
async fn passwords_are_checked_at_once_and_never_shown() {
    let redis = TestRedis::builder().password("right-horse").start();
    for patience in [Patience::Brief, Patience::Endless] {
        let config = RedisConfig { password: Some(Secret::new("wrong-horse")), ..way_to(redis.port()) };
        for config in [config, way_to(redis.port())] {
            let started = Instant::now();
            let error = Connection::new(config, patience).call(&redis::cmd("PING")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
            assert!(!error.to_string().contains("horse") && error.to_string().contains("127.0.0.1"), "{error}");
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
    let handle = Connection::new(way(&redis, &[("REDIS_DB", "3")]), Patience::Brief);
    handle.call(&incr()).await.unwrap();
    assert!(redis.query::<String>(&["INFO", "keyspace"]).contains("db3:keys=1"));
    assert!(redis.query::<String>(&["CLIENT", "LIST"]).contains("name=ireva-queue"));
}

#[tokio::test]
async fn an_acl_user_needs_no_right_beyond_its_commands() {
    let redis = TestRedis::start();
    redis.query::<()>(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "-@all", "+incr"]);
    let config = way(&redis, &[("REDIS_USERNAME", "app"), ("REDIS_PASSWORD", "pass")]);
    let handle = Connection::new(config, Patience::Brief);
    assert_eq!(handle.call(&incr()).await.unwrap().value, Value::Int(1));
    let error = handle.call(&redis::cmd("FLUSHALL")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
}

#[tokio::test]
async fn a_missing_script_is_loaded_and_the_call_repeated() {
    let redis = TestRedis::start();
    let handle = Connection::new(way(&redis, &[]), Patience::Brief);
    let source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(redis::Script::new(source).get_hash()).arg(1).arg("n").arg(5);
    assert_eq!(handle.eval(&cmd, source).await.unwrap().value, Value::Int(5));
    redis.query::<()>(&["SCRIPT", "FLUSH"]);
    let answer = handle.eval(&cmd, source).await.unwrap();
    assert_eq!((answer.value, answer.repeated), (Value::Int(10), false));
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let redis = TestRedis::start();
    let handle = Connection::new(way(&redis, &[]), Patience::Brief);
    handle.call(&redis::cmd("PING")).await.unwrap();
    assert_eq!(handle.generation(), 1);
    redis.query::<u32>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    handle.call(&redis::cmd("PING")).await.unwrap();
    assert_eq!(handle.generation(), 2);
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_again_and_said_so() {
    for fault in [Fault::DropReply, Fault::SwallowReply] {
        let redis = TestRedis::start();
        let hit = std::sync::atomic::AtomicBool::new(false);
        let proxy = Proxy::start(&redis, move |request| {
            let first = request.verb() == "INCR" && !hit.swap(true, std::sync::atomic::Ordering::SeqCst);
            if first { fault } else { Fault::None }
        });
        let handle = Connection::new(way_to(proxy.port()), Patience::Brief);
        let answer = handle.call(&incr()).await.unwrap();
        assert_eq!((answer.value, answer.repeated), (Value::Int(2), true), "{fault:?}");
        let answer = handle.call(&incr()).await.unwrap();
        assert_eq!((answer.value, answer.repeated), (Value::Int(3), false), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_call_outlives_a_restart_of_the_server() {
    let mut redis = TestRedis::builder().append_only().start();
    let handle = Connection::new(way(&redis, &[]), Patience::Endless);
    handle.call(&incr()).await.unwrap();
    redis.kill9();
    let mut calls: Vec<_> = (0..50)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.call(&incr()).await })
        })
        .collect();
    assert!(tokio::time::timeout(Duration::from_millis(1_500), &mut calls[0]).await.is_err());
    tokio::task::block_in_place(|| redis.restart());
    let back = Instant::now();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert_eq!(handle.generation(), 2);
    assert_eq!(redis.query::<i64>(&["GET", "n"]), 51);
}

#[tokio::test]
async fn a_cluster_is_refused_by_name() {
    let redis = TestRedis::builder().set("cluster-enabled yes").start();
    let error = Connection::new(way(&redis, &[]), Patience::Endless).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("REDIS_MODE=cluster"), "{error}");
}

#[tokio::test]
async fn a_replica_is_refused_at_the_start_and_waited_for_later() {
    let master = TestRedis::start();
    let redis = TestRedis::start();
    let early = Connection::new(way(&redis, &[]), Patience::Endless);
    early.call(&incr()).await.unwrap();
    redis.query::<()>(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    let late = Connection::new(way(&redis, &[]), Patience::Endless).call(&incr()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Config);
    assert!(late.to_string().contains("replica"), "{late}");
    let waiting = tokio::spawn({
        let early = early.clone();
        async move { early.call(&incr()).await }
    });
    redis.query::<()>(&["REPLICAOF", "NO", "ONE"]);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn full_memory_is_not_now_and_comes_back_at_once() {
    let redis = TestRedis::start();
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for patience in [Patience::Brief, Patience::Endless] {
        let started = Instant::now();
        let error = Connection::new(way(&redis, &[]), patience).call(&incr()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotNow, "{error}");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_server_without_room_for_clients_is_asked_with_pauses() {
    let redis = TestRedis::start();
    redis.query::<()>(&["CONFIG", "SET", "maxclients", "1"]);
    let refused = || -> u64 {
        let info: redis::InfoDict = redis.query(&["INFO", "stats"]);
        info.get("rejected_connections").unwrap()
    };
    let handle = Connection::new(way(&redis, &[]), Patience::Endless);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.call(&incr()).await })
        })
        .collect();
    assert!(tokio::time::timeout(Duration::from_secs(2), std::future::pending::<()>()).await.is_err());
    assert!((2..10).contains(&refused()), "{}", refused());
    redis.query::<()>(&["CONFIG", "SET", "maxclients", "100"]);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let brief = Connection::new(way(&redis, &[]), Patience::Brief);
    redis.query::<()>(&["CONFIG", "SET", "maxclients", "1"]);
    let error = brief.call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotNow, "{error}");
}

#[tokio::test]
async fn a_wait_ends_with_the_token_or_the_time_and_survives_a_restart() {
    let mut redis = TestRedis::start();
    let mut waiter = Waiter::new(way(&redis, &[]));
    let lists = ["a".to_owned(), "b".to_owned()];
    assert_eq!(waiter.wait(&lists, Duration::from_millis(30)).await.unwrap(), None);
    redis.query::<()>(&["RPUSH", "b", "1"]);
    assert_eq!(waiter.wait(&lists, Duration::from_secs(5)).await.unwrap().as_deref(), Some("b"));
    redis.kill9();
    assert!(waiter.wait(&lists, Duration::from_secs(5)).await.is_err());
    redis.restart();
    redis.query::<()>(&["RPUSH", "a", "1"]);
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
    let redis = TestRedis::start();
    let mut waiter = Waiter::new(way(&redis, &[]));
    let lists = ["a".to_owned()];
    let dropped = tokio::time::timeout(Duration::from_millis(100), waiter.wait(&lists, Duration::from_secs(60))).await;
    assert!(dropped.is_err());
    let started = Instant::now();
    while redis.query::<redis::InfoDict>(&["INFO", "clients"]).get::<u32>("blocked_clients") != Some(0) {
        assert!(started.elapsed() < Duration::from_secs(5), "the connection goes with its future");
        tokio::task::yield_now().await;
    }
    redis.query::<()>(&["RPUSH", "a", "1"]);
    assert_eq!(redis.query::<u32>(&["LLEN", "a"]), 1);
    assert_eq!(waiter.wait(&lists, Duration::from_secs(1)).await.unwrap().as_deref(), Some("a"));
}
