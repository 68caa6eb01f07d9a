//! Finding the master through sentinels, and following it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::process::free_port;
use super::redis_server::TestRedis;
use super::sentinels::Sentinels;
use super::{config, incr};
use crate::ErrorKind;
use crate::config::RedisConfig;
use crate::store::{Connection, Patience};

fn through(ports: &[u16], master: &str) -> RedisConfig {
    let urls: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let env = [("REDIS_MODE", "sentinel"), ("REDIS_SENTINEL_NAME", master), ("REDIS_SENTINEL_URLS", &urls.join(","))];
    config(env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()).redis
}

fn sentinel_of(master: &TestRedis) -> TestRedis {
    let watch = format!("sentinel monitor mymaster 127.0.0.1 {} 2", master.port());
    TestRedis::builder().sentinel().set(&watch).set("sentinel down-after-milliseconds mymaster 500").start()
}

#[tokio::test]
async fn r20_dead_silent_and_foreign_entries_are_skipped() {
    let master = TestRedis::start();
    let sentinel = sentinel_of(&master);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    let ports = [free_port(), master.port(), silent, sentinel.port()];
    let started = Instant::now();
    let handle = Connection::new(through(&ports, "mymaster"), Patience::Brief);
    handle.call(&incr()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(master.query::<i64>(&["GET", "n"]), 1);
}

#[tokio::test]
async fn r20_an_unknown_master_is_named_with_the_sentinel() {
    let master = TestRedis::start();
    let sentinel = sentinel_of(&master);
    for patience in [Patience::Brief, Patience::Endless] {
        let handle = Connection::new(through(&[sentinel.port()], "nosuch"), patience);
        let error = handle.call(&incr()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let said = error.to_string();
        assert!(said.contains("\"nosuch\"") && said.contains(&sentinel.port().to_string()), "{said}");
    }
}

#[tokio::test]
async fn r20_no_sentinel_at_all_is_told_entry_by_entry_within_five_seconds() {
    let redis = TestRedis::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [free_port(), silent.local_addr().unwrap().port()];
    let started = Instant::now();
    let error = Connection::new(through(&ports, "m"), Patience::Brief).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(ports.iter().all(|port| error.to_string().contains(&port.to_string())), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let error = Connection::new(through(&[redis.port()], "m"), Patience::Brief).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("is not a sentinel"), "{error}");
}

#[tokio::test]
async fn r20_a_lost_quorum_is_told_with_sentinel_and_master() {
    let mut master = TestRedis::start();
    let sentinel = sentinel_of(&master);
    master.kill9();
    let started = Instant::now();
    let handle = Connection::new(through(&[sentinel.port()], "mymaster"), Patience::Brief);
    let error = handle.call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    let said = error.to_string();
    assert!(said.contains("\"mymaster\"") && said.contains(&sentinel.port().to_string()), "{said}");
    assert!(said.contains("NOQUORUM") && said.contains("connection refused"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let master = TestRedis::start();
    let watch = format!("sentinel monitor mymaster 127.0.0.1 {} 1", master.port());
    let sentinel = TestRedis::builder().sentinel().password("guard-horse").set(&watch).start();
    let error = Connection::new(through(&[sentinel.port()], "mymaster"), Patience::Endless).call(&incr()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    assert!(error.to_string().contains("REDIS_SENTINEL_PASSWORD"), "{error}");
    let mut env = vec![("REDIS_SENTINEL_PASSWORD".to_owned(), "guard-horse".to_owned())];
    env.push(("REDIS_MODE".to_owned(), "sentinel".to_owned()));
    env.push(("REDIS_SENTINEL_URLS".to_owned(), format!("127.0.0.1:{}", sentinel.port())));
    Connection::new(config(env).redis, Patience::Brief).call(&incr()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_follows_the_master_after_its_death_and_after_a_planned_failover() {
    let mut set = tokio::task::block_in_place(Sentinels::start);
    let handle = Connection::new(config(set.env()).redis, Patience::Endless);
    handle.call(&incr()).await.unwrap();
    let writing = tokio::spawn({
        let handle = handle.clone();
        async move {
            for _ in 0..20 {
                handle.call(&incr()).await.unwrap();
            }
        }
    });
    writing.await.unwrap();
    tokio::task::block_in_place(|| set.kill_master());
    let elected = Instant::now();
    handle.call(&incr()).await.unwrap();
    assert!(elected.elapsed() < Duration::from_secs(5), "{:?}", elected.elapsed());

    let before = handle.generation();
    tokio::task::block_in_place(|| set.switch_master());
    let elected = Instant::now();
    while handle.generation() == before {
        // No call fails meanwhile, whichever server it meets.
        handle.call(&incr()).await.unwrap();
        assert!(elected.elapsed() < Duration::from_secs(5));
    }
}
