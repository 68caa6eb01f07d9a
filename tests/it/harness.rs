//! The harness itself: what every other test takes for granted.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

#[test]
fn a_private_server_keeps_its_data_over_a_kill_when_it_appends() {
    let mut redis = TestRedis::builder().append_only().password("s3cret").start();
    redis.query::<()>(&["SET", "a", "1"]);
    redis.kill9();
    assert!(redis.try_query::<String>(&["GET", "a"]).is_err());
    redis.restart();
    assert_eq!(redis.query::<String>(&["GET", "a"]), "1");
    let line = std::fs::read(format!("/proc/{}/cmdline", redis.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains("s3cret"));
}

#[test]
fn a_server_is_gone_with_its_value() {
    let redis = TestRedis::start();
    let (pid, directory) = (redis.pid(), redis.directory().to_owned());
    drop(redis);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists() && !directory.exists());
}

#[test]
fn the_proxy_loses_a_reply_after_the_server_executed_the_request() {
    let redis = TestRedis::start();
    let proxy = Proxy::start(&redis, |request| match request.verb().as_str() {
        "INCR" => Fault::DropReply,
        _ => Fault::None,
    });
    let client = redis::Client::open(("127.0.0.1", proxy.port())).unwrap();
    let mut connection = client.get_connection().unwrap();
    let pong: String = redis::cmd("PING").query(&mut connection).unwrap();
    assert_eq!(pong, "PONG");
    redis::cmd("INCR").arg("n").query::<i64>(&mut connection).unwrap_err();
    assert_eq!((redis.query::<i64>(&["GET", "n"]), proxy.faults()), (1, 1));
}

#[test]
fn a_ledger_tells_overlap_order_and_windows() {
    let ledger = Ledger::new();
    let sign = ledger.directory().join("sign");
    let program =
        ledger.program(&format!("case $payload in wait) until test -e {}; do sleep 0.02; done;; esac", sign.display()));
    let run = |id: &str, payload: &str| {
        let mut command = guarded(&program);
        let pipe = std::process::Stdio::piped();
        let mut child = command.env("IREVA_JOB_ID", id).env("IREVA_ATTEMPT", "1").stdin(pipe).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), payload.as_bytes()).unwrap();
        Guarded(child)
    };
    let mut long = run("a", "wait");
    ledger.wait("start", 1, Duration::from_secs(20));
    run("b", "").wait(Duration::from_secs(20), "b");
    std::fs::write(sign, "").unwrap();
    long.wait(Duration::from_secs(20), "a");
    let order: Vec<_> = ledger.lines().into_iter().map(|line| format!("{} {}", line.id, line.event)).collect();
    assert_eq!(order, ["a start", "b start", "b end", "a end"]);
    assert_eq!(ledger.most_at_once(Duration::from_secs(1)), 2);
    assert_eq!(ledger.most_claims_within(Duration::from_secs(1)), 2);
    assert_eq!(ledger.starts().into_values().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn unknown_keys_are_found() {
    let redis = TestRedis::start();
    redis.query::<()>(&["ZADD", &redis.key("q", "dead"), "1", "a"]);
    redis.query::<()>(&["HSET", &redis.key("q", "jobs"), "a", "x", "b", "x"]);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
    redis.query::<()>(&["SET", &redis.key("q", "log:a"), "x"]);
    redis.query::<()>(&["SET", &redis.key("q", "wake"), "x"]);
    redis.query::<()>(&["SET", "stray", "x"]);
    assert_eq!(schema_faults(&redis).len(), 3);
    let snapshot = Snapshot::of(&redis, "q");
    assert_eq!((snapshot.count("dead"), snapshot.records.len()), (1, 2));
}

#[test]
fn the_sentinels_elect_another_master() {
    let mut set = Sentinels::start();
    let old = set.master_port();
    let began = Instant::now();
    set.kill_master();
    assert_ne!(set.master_port(), old);
    assert!(began.elapsed() < Duration::from_secs(30));
    set.servers[1].signal(Signal::CONT);
}
