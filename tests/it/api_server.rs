//! The server of the REST API as a process: how it starts, what it logs, how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::http::Request;
use crate::support::*;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn it_says_where_it_listens_and_logs_each_request() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let mut serve = Serve::start(&cli);
    serve.get("/api/queues?secret=hush").expect(400);
    serve.post("/api/jobs/report", "{\"secret\":\"hush\"}").expect(400);
    serve.get("/api/jobs/a%1Bb").expect(400);
    let line = |part: &str| wait_for(LONG, part, || serve.process.log().into_iter().find(|line| line.contains(part)));
    let first = line("/api/queues");
    for part in ["method=GET", "status=400", "peer=\"127.0.0.1\"", "millis="] {
        assert!(first.contains(part), "{part}: {first}");
    }
    line("/api/jobs/report");
    let log = serve.process.log().join("\n");
    assert!(!log.contains("hush") && !log.contains('\x1b'), "neither queries nor bodies are logged: {log}");
    assert_eq!(serve.process.stop(LONG), Some(0));
}

#[test]
fn quiet_is_quiet() {
    let redis = TestRedis::start();
    let port = free_port();
    let bind = format!("127.0.0.1:{port}");
    let mut process = Cli::new(&redis).service(["serve", "-q", "--bind", &bind]);
    let asks = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_until(LONG, "it listens", asks);
    assert_eq!(Request::new("GET", "/healthz").send(&bind).status, 200);
    assert_eq!(process.stop(LONG), Some(0));
    assert_eq!(process.log(), Vec::<String>::new());
}

#[test]
fn an_address_that_cannot_be_used_is_named() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let serve = Serve::start(&cli);
    let taken = cli.run(["serve", "--bind", &serve.address]).expect(1);
    assert!(taken.stderr.contains(&serve.address) && taken.stderr.contains("in use"), "{}", taken.stderr);
    for wrong in ["8080", "127.0.0.1", "example.com:80", ""] {
        assert!(cli.run(["serve", "--bind", wrong]).expect(2).stderr.contains("ADDRESS:PORT"), "{wrong}");
    }
}

#[test]
fn it_is_healthy_without_redis_and_ready_with_it() {
    let mut redis = TestRedis::start();
    let cli = Cli::new(&redis);
    redis.kill9();
    let serve = Serve::start(&cli);
    assert_eq!(serve.json("/healthz"), json!({"status": "ok"}));
    let began = Instant::now();
    let not = serve.get("/readyz").expect(503);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!not.body.contains(&redis.port().to_string()) && not.problem() == "unreachable", "{}", not.body);
    redis.restart();
    wait_until(LONG, "it is ready", || serve.get("/readyz").status == 200);
    redis.signal(Signal::STOP);
    let began = Instant::now();
    serve.get("/readyz").expect(503);
    assert!(began.elapsed() < Duration::from_secs(3), "a silent server counts as away: {:?}", began.elapsed());
    redis.signal(Signal::CONT);
}

/// A request whose head is read and whose body of `length` bytes is waited for: the server has asked for it.
fn under_way(serve: &Serve, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&serve.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; go_on.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(go_on));
    stream
}

#[test]
fn a_request_under_way_is_answered_and_streams_end_when_it_is_told_to_stop() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let mut serve = Serve::with(&cli, &["--grace", "30s"]);
    let mut stream = Request::new("GET", "/api/jobs/events?queue=q").open(&serve.address);
    let idle = TcpStream::connect(&serve.address).unwrap();
    let mut slow = under_way(&serve, "/api/jobs/queues/q", 13);
    slow.write_all(b"{\"payload\"").unwrap();
    let began = Instant::now();
    serve.process.signal(Signal::TERM);
    assert_eq!(stream.next_event(), None, "the stream ends");
    wait_until(LONG, "it takes no more connections", || TcpStream::connect(&serve.address).is_err());
    slow.write_all(b":1}").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(serve.process.wait(LONG), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "nobody idle holds it up: {:?}", began.elapsed());
    assert_eq!(cli.json(["stats", "q"])["pending"], 2);
    drop(idle);
}

#[test]
fn the_grace_period_ends_what_does_not_end() {
    let redis = TestRedis::start();
    let mut serve = Serve::with(&Cli::new(&redis), &["--grace", "500ms"]);
    let _stuck = under_way(&serve, "/api/jobs/report", 7);
    assert_eq!(serve.process.stop(LONG), Some(0));
    wait_until(LONG, "it says so", || serve.process.log().iter().any(|line| line.contains("cut off")));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let redis = TestRedis::start();
    let mut serve = Serve::with(&Cli::new(&redis), &["--grace", "10m"]);
    let _stuck = under_way(&serve, "/api/jobs/report", 7);
    serve.process.signal(Signal::INT);
    wait_until(LONG, "it takes no more connections", || TcpStream::connect(&serve.address).is_err());
    serve.process.signal(Signal::INT);
    assert_eq!(serve.process.wait(LONG), Some(130));
}

#[test]
fn connections_are_kept_for_further_requests() {
    let redis = TestRedis::start();
    let serve = Serve::start(&Cli::new(&redis));
    let mut stream = TcpStream::connect(&serve.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"{\"status\":\"ok\"}") {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..read]);
        }
    }
}

#[test]
fn systemd_hears_that_it_is_ready_once_redis_answers() {
    let mut redis = TestRedis::start();
    let cli = Cli::new(&redis);
    redis.kill9();
    let socket = cli.home().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let cli = cli.env("NOTIFY_SOCKET", socket.to_str().unwrap()).env("WATCHDOG_USEC", "400000");
    let hear = || loop {
        let mut text = [0; 64];
        let read = manager.recv(&mut text).unwrap();
        let word = String::from_utf8_lossy(&text[..read]).into_owned();
        if !word.starts_with("STATUS=") {
            return word;
        }
    };
    let mut serve = Serve::start(&cli);
    serve.get("/readyz").expect(503);
    redis.restart();
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    serve.process.signal(Signal::TERM);
    wait_until(LONG, "it says that it stops", || hear() == "STOPPING=1");
    assert_eq!(serve.process.wait(LONG), Some(0));
}
