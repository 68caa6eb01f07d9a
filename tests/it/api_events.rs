//! Events as they happen, through the REST API.

use std::time::Duration;

use serde_json::json;

use crate::support::http::Request;
use crate::support::*;

fn follow(queue: &str) -> Request {
    Request::new("GET", &format!("/api/jobs/events?queue={queue}"))
}

#[test]
fn events_come_as_they_happen() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    cli.ok(["queues", "pause", "q"]);
    let mut stream = follow("q").open(&serve.address);
    let kind = stream.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    assert_eq!((stream.status, kind), (200, Some("text/event-stream")));
    cli.ok(["queues", "set", "q", "--concurrency", "3"]);
    cli.ok(["jobs", "cancel", "job-0001"]);
    let set = stream.next_event().unwrap();
    assert_eq!((&set.json()["event"], &set.json()["changes"]), (&json!("settings"), &json!(["concurrency=3"])));
    let cancelled = stream.next_event().unwrap();
    let data = cancelled.json();
    assert_eq!((&data["event"], &data["queue"], &data["by"]), (&json!("cancelled"), &json!("q"), &json!("operator")));
    assert_eq!((&data["jobs"], &data["count"]), (&json!(["job-0001"]), &json!(1)));
    assert_eq!(data["id"], cancelled.id.as_str(), "what happened before is not told");
}

#[test]
fn a_stream_goes_on_behind_the_last_event_that_was_seen() {
    let (_redis, cli, serve) = served();
    for n in 1..=5 {
        cli.enqueue("q", "{}", &["--id", &format!("job-{n}")]);
    }
    let mut first = follow("q").open(&serve.address);
    for n in 1..=2 {
        cli.ok(["jobs", "cancel", &format!("job-{n}")]);
    }
    assert_eq!(first.next_event().unwrap().json()["jobs"], json!(["job-1"]));
    let seen = first.next_event().unwrap();
    drop(first);
    for n in 3..=4 {
        cli.ok(["jobs", "cancel", &format!("job-{n}")]);
    }
    let mut again = follow("q").header("Last-Event-ID", &seen.id).open(&serve.address);
    let jobs: Vec<_> = (0..2).map(|_| again.next_event().unwrap().json()["jobs"][0].clone()).collect();
    assert_eq!(jobs, ["job-3", "job-4"], "nothing is missing and nothing comes twice");
    let path = format!("/api/jobs/events?queue=q&after={}", seen.id);
    assert_eq!(Request::new("GET", &path).open(&serve.address).next_event().unwrap().json()["jobs"], json!(["job-3"]));
    cli.ok(["jobs", "cancel", "job-5"]);
    assert_eq!(again.next_event().unwrap().json()["jobs"], json!(["job-5"]));
}

#[test]
fn who_comes_back_too_late_is_told_of_the_gap() {
    let (redis, cli, serve) = served();
    for n in 1..=3 {
        cli.enqueue("q", "{}", &["--id", &format!("job-{n}")]);
        cli.ok(["jobs", "cancel", &format!("job-{n}")]);
    }
    redis.query::<()>(&["XTRIM", &redis.key("q", "events"), "MAXLEN", "1"]);
    let mut stream = follow("q").header("Last-Event-ID", "1000-0").open(&serve.address);
    let gap = stream.next_event().unwrap();
    assert_eq!((gap.event.as_str(), gap.json()), ("gap", json!({"queue": "q", "after": "1000-0"})));
    let next = stream.next_event().unwrap();
    assert_eq!((next.event.as_str(), &next.json()["jobs"]), ("", &json!(["job-3"])));
}

#[test]
fn a_stream_outlives_a_restart_of_redis() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    let serve = Serve::start(&cli);
    for n in 1..=2 {
        cli.enqueue("q", "{}", &["--id", &format!("job-{n}")]);
    }
    let mut stream = follow("q").open(&serve.address);
    cli.ok(["jobs", "cancel", "job-1"]);
    assert_eq!(stream.next_event().unwrap().json()["jobs"], json!(["job-1"]));
    redis.restart();
    cli.ok(["jobs", "cancel", "job-2"]);
    assert_eq!(stream.next_event().unwrap().json()["jobs"], json!(["job-2"]));
}

#[test]
fn wrong_streams_are_refused() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    serve.get("/api/jobs/events?queue=none").expect(404);
    assert_eq!(serve.get("/api/jobs/events?queue=a%20b").expect(400).fields(), ["queue"]);
    assert_eq!(serve.get("/api/jobs/events").expect(400).fields(), ["queue"]);
    assert_eq!(serve.get("/api/jobs/events?queue=q&after=x").expect(400).fields(), ["after"]);
    assert_eq!(serve.send(follow("q").header("Last-Event-ID", "$")).expect(400).fields(), ["Last-Event-ID"]);
}

#[test]
fn a_stream_ends_with_its_token() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    let token = cli.ok(["token", "create", "web", "--scope", "read"]).trim().to_owned();
    cli.ok(["token", "create", "other", "--scope", "admin"]);
    wait_until(Duration::from_secs(5), "the token is known", || serve.send(follow("none").token(&token)).status == 404);
    let mut stream = follow("q").token(&token).open(&serve.address);
    assert_eq!(stream.status, 200);
    cli.ok(["token", "revoke", "web"]);
    let began = std::time::Instant::now();
    assert_eq!(stream.next_event(), None);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_stream_without_a_token_ends_when_one_exists() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    let mut stream = follow("q").open(&serve.address);
    cli.ok(["token", "create", "web", "--scope", "read"]);
    assert_eq!(stream.next_event(), None);
}

/// Connections to Redis that wait for events.
fn waiting(redis: &TestRedis) -> usize {
    redis.query::<String>(&["CLIENT", "LIST"]).lines().filter(|line| line.contains("cmd=xread")).count()
}

#[test]
fn a_stream_that_is_left_gives_its_connection_back() {
    let (redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    let streams: Vec<_> = (0..3).map(|_| follow("q").open(&serve.address)).collect();
    wait_until(Duration::from_secs(10), "each has a connection", || waiting(&redis) == 3);
    drop(streams);
    wait_until(Duration::from_secs(30), "they are given back", || waiting(&redis) == 0);
}

#[test]
fn streams_are_bounded() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    let mut streams: Vec<_> = (0..100).map(|_| follow("q").open(&serve.address)).collect();
    assert!(streams.iter().all(|stream| stream.status == 200));
    let refused = serve.send(follow("q")).expect(503);
    assert_eq!((refused.problem().as_str(), refused.header("retry-after")), ("too-many-streams", Some("10")));
    serve.get("/api/queues").expect(200);
    drop(streams.pop());
    wait_until(Duration::from_secs(30), "a place is free again", || follow("q").open(&serve.address).status == 200);
}
