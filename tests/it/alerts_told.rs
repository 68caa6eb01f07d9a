//! Who is told of alerts when sinks hang, are too many or are missing, and when whoever tells has to end.

use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::alerts::{LONG, cli, fill, has_turn, notices, set_backlog, told, wait_for_marker, worker};
use crate::support::http_sink::{Answer, HttpSink};
use crate::support::*;

/// Shorter than a webhook is waited for.
const SHORT: Duration = Duration::from_secs(8);
const OUTBOX: &str = "ireva:queue:{:alerts}:outbox";
/// An id that is older than any.
const OLDEST: &str = "alert-00000000000000000000000000";

/// Answers when `hold` returns.
fn held(hold: impl FnOnce() + Send + 'static) -> Answer {
    Answer { before: Some(Box::new(hold)), ..Answer::new(200, "") }
}

/// The messages of the history that are of this event.
fn history(cli: &Cli, event: &str) -> Vec<String> {
    let entries = cli.json(["alerts", "history", "--limit", "1000"]);
    let of_event = entries.as_array().unwrap().iter().filter(|entry| entry["event"] == event);
    of_event.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn texts(sink: &HttpSink) -> Vec<String> {
    notices(sink).iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sink_that_hangs_holds_up_no_other() {
    let (redis, hook, chat) = (TestRedis::start(), HttpSink::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", hook.url("/")).env("ALERT_SLACK_URL", chat.url("/"));
    let (go_on, held_back) = channel::<()>();
    hook.next(held(move || _ = held_back.recv_timeout(SHORT)));
    let _worker = worker(&cli, "w");
    set_backlog(&cli, "backlog-q", "q", &["--repeat", "never"]);
    fill(&cli, "q");
    wait_until(LONG, "both sinks are being told", || hook.requests().len() == 1 && chat.requests().len() == 1);
    cli.ok(["alerts", "set", "marker", "--when", "workers", "--queue", "q", "--for", "0s"]);
    wait_until(LONG, "the other is told the next", || texts(&chat).iter().any(|text| text.contains("marker")));
    assert_eq!((hook.answered(), hook.requests().len()), (0, 1), "one at a time");
    go_on.send(()).unwrap();
    wait_until(LONG, "the one that hung is told as well", || told(&hook, "marker") == ["firing"]);
    assert_eq!(told(&hook, "backlog-q"), ["firing"], "it was waited for");
    assert_eq!(chat.requests().len(), 2);
}

#[test]
fn where_too_much_waits_the_oldest_makes_room_and_the_new_is_told() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/"));
    set_backlog(&cli, "backlog-q", "q", &["--for", "0s", "--sink", "webhook,nowhere"]);
    fill(&cli, "q");
    sink.next(Answer::new(503, "busy"));
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["fired"], &report["notTold"]), (&json!(1), &json!(2)), "{report}");
    assert_eq!(history(&cli, "dropped"), ["sink nowhere is not configured where it is evaluated"]);
    let waiting: Vec<(String, String)> = {
        let fields: Vec<String> = redis.query(&["HGETALL", OUTBOX]);
        fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let [(field, text)] = &waiting[..] else { panic!("nothing waits for a sink that is not there: {waiting:?}") };
    assert!(field.ends_with(":webhook"), "{field}");

    // As many as may wait, none of them due.
    let mut notice: Value = serde_json::from_str(text).unwrap();
    notice["nextMs"] = json!(now_ms() + 600_000);
    let notice = notice.to_string();
    let ids: Vec<_> = (0..1000).map(|n| format!("{OLDEST}-{n:04}:webhook")).collect();
    let filled = ids.iter().flat_map(|id| [id.as_str(), &notice]);
    redis.query::<()>(&["HSET", OUTBOX].into_iter().chain(filled).collect::<Vec<_>>());
    redis.query::<()>(&["HDEL", OUTBOX, field]);
    fill(&cli, "r");
    set_backlog(&cli, "backlog-r", "r", &["--for", "0s"]);
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["fired"], &report["told"]), (&json!(1), &json!(2)), "the log and the webhook: {report}");
    assert_eq!(told(&sink, "backlog-r"), ["firing"]);
    let left: Vec<String> = redis.query(&["HKEYS", OUTBOX]);
    assert!(left.len() == 998 && !left.contains(&ids[0]) && !left.contains(&ids[1]), "{}", left.len());
    let dropped = history(&cli, "dropped");
    assert_eq!(dropped.len(), 3, "{dropped:?}");
    assert!(dropped[0].contains("made room"), "{dropped:?}");
}

#[test]
fn who_looks_once_keeps_its_turn_while_it_tells() {
    let (redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_INTERVAL", "1s").env("ALERT_WEBHOOK_URL", sink.url("/"));
    set_backlog(&cli, "backlog-q", "q", &["--for", "0s"]);
    fill(&cli, "q");
    let (go_on, held_back) = channel::<()>();
    sink.next(held(move || _ = held_back.recv_timeout(SHORT)));
    let until_ms = || {
        let turn: String = redis.query(&["GET", "ireva:queue:{:alerts}:turn"]);
        turn.split('|').nth(1).unwrap().parse::<i64>().unwrap()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cli.json(["alerts", "run", "--once"]));
        wait_until(LONG, "the sink is being told", || sink.requests().len() == 1);
        let begun = until_ms();
        wait_until(SHORT, "the turn is kept", || until_ms() > begun);
        let second = cli.json(["alerts", "run", "--once"]);
        assert_eq!(second["evaluated"], false, "{second}");
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap()["told"], 2);
    });
    assert_eq!(told(&sink, "backlog-q"), ["firing"]);
    assert_eq!(redis.query::<u64>(&["HLEN", OUTBOX]), 0);
}

#[test]
fn a_sink_that_was_being_told_when_redis_went_is_not_told_twice() {
    let mut redis = TestRedis::builder().append_only().start();
    let (hook, chat) = (HttpSink::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", hook.url("/")).env("ALERT_SLACK_URL", chat.url("/"));
    cli.ok(["alerts", "set", "redis", "--when", "redis", "--for", "1s", "--repeat", "never", "--sink", "log"]);
    let worker = worker(&cli, "w");
    set_backlog(&cli, "backlog-q", "q", &["--repeat", "never"]);
    let (go_on, held_back) = channel::<()>();
    let pid = redis.pid();
    // The first has it, and nobody can note that; meanwhile the other is being told.
    hook.next(held(move || signal(pid, Signal::KILL)));
    chat.next(held(move || _ = held_back.recv_timeout(SHORT)));
    fill(&cli, "q");
    wait_until(LONG, "both are told", || hook.answered() == 1 && chat.requests().len() == 1);
    worker.wait_event("alert_firing");
    wait_until(LONG, "the outage is known", || worker.events("alert_firing").len() == 2);
    go_on.send(()).unwrap();
    redis.kill9();
    redis.restart();
    wait_until(LONG, "both are crossed off", || redis.query::<u64>(&["HLEN", OUTBOX]) == 0);
    wait_for_marker(&cli, &hook);
    assert_eq!(told(&hook, "backlog-q"), ["firing"]);
    assert_eq!(texts(&chat).iter().filter(|text| text.contains("backlog-q")).count(), 1, "{:?}", texts(&chat));
}

#[test]
fn a_worker_that_gives_redis_up_says_that_the_end_of_the_outage_will_not_be_told() {
    let (mut redis, sink) = (TestRedis::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/"));
    cli.ok(["alerts", "set", "redis", "--when", "redis", "--for", "1s", "--repeat", "never"]);
    let mut worker = cli.work(["w", "--give-up-after", "20s", "--grace", "1s", "--exec", "true"]).ready();
    wait_until(LONG, "it has the turn", || has_turn(&redis, &worker));
    // The next look shows that it knows so.
    let turn = || redis.query::<String>(&["GET", "ireva:queue:{:alerts}:turn"]);
    let first = turn();
    wait_until(LONG, "it has looked again", || turn() != first);
    redis.kill9();
    wait_until(LONG, "the outage is told", || told(&sink, "redis") == ["firing"]);
    assert_eq!(worker.wait(LONG), Some(75), "{:#?}", worker.log());
    assert_eq!(told(&sink, "redis"), ["firing", "repeated"]);
    let last = notices(&sink).pop().unwrap()["alerts"][0]["message"].as_str().unwrap().to_owned();
    assert!(last.starts_with("redis is still away, and ") && last.ends_with("its return will not be told"), "{last}");
}

#[test]
fn the_end_of_a_rule_that_is_gone_is_told_to_those_who_heard_of_it() {
    let (redis, hook, chat) = (TestRedis::start(), HttpSink::start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", hook.url("/")).env("ALERT_SLACK_URL", chat.url("/"));
    fill(&cli, "q");
    set_backlog(&cli, "backlog-q", "q", &["--for", "0s", "--sink", "webhook"]);
    assert_eq!(cli.json(["alerts", "run", "--once"])["told"], 1);
    cli.ok(["alerts", "unset", "backlog-q"]);
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["recovered"], &report["told"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!((told(&hook, "backlog-q"), chat.requests().len()), (vec!["firing".into(), "recovered".into()], 0));

    // The same where the rule names others meanwhile.
    set_backlog(&cli, "backlog-q", "q", &["--for", "0s", "--sink", "webhook"]);
    cli.ok(["alerts", "run", "--once"]);
    set_backlog(&cli, "backlog-q", "q", &["--for", "0s", "--sink", "slack"]);
    cli.ok(["clear", "q", "--yes"]);
    cli.ok(["alerts", "run", "--once"]);
    assert_eq!((told(&hook, "backlog-q").len(), chat.requests().len()), (4, 0));
}

#[test]
fn an_alert_of_memory_stands_while_redis_does_not_tell_how_much_it_uses() {
    let (redis, sink) = (TestRedis::builder().set("maxmemory 20mb").start(), HttpSink::start());
    let cli = cli(&redis).env("ALERT_WEBHOOK_URL", sink.url("/"));
    cli.ok(["alerts", "set", "memory", "--when", "memory", "--above", "1%", "--for", "0s"]);
    cli.ok(["alerts", "run", "--once"]);
    redis.query::<()>(&["ACL", "SETUSER", "default", "-info"]);
    let report = cli.json(["alerts", "run", "--once"]);
    assert_eq!((&report["evaluated"], &report["recovered"]), (&json!(true), &json!(0)), "{report}");
    redis.query::<()>(&["ACL", "SETUSER", "default", "+info"]);
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(cli.json(["alerts", "run", "--once"])["recovered"], 1);
    assert_eq!(told(&sink, "memory"), ["firing", "recovered"]);
}
