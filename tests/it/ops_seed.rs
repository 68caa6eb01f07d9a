//! Queues in states that would take long to reach, written straight into the server.

use std::sync::LazyLock;

use ireva_queue::config::Config;
use ireva_queue::{Client, Clock, JobId, QueueName};

use tokio::runtime::{Builder, Runtime};

use crate::support::TestRedis;

/// What every test clock begins with: whole seconds, whole minutes.
pub const NOW_US: i64 = 1_764_000_000_000_000;

pub fn client_at(redis: &TestRedis, clock: &Clock) -> Client {
    let env = redis.env();
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let config = Config::from_lookup(lookup, None).unwrap();
    Client::with_clock(&config, clock.clone()).unwrap()
}

pub fn client(redis: &TestRedis) -> Client {
    client_at(redis, &Clock::server())
}

pub fn name(queue: &str) -> QueueName {
    QueueName::new(queue).unwrap()
}

pub fn id(id: &str) -> JobId {
    JobId::new(id).unwrap()
}

/// Runs what a future does to its end, on the one runtime of the test: a client belongs to the first that it is used on.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    RUNTIME.block_on(future)
}

/// A queue to be filled.
pub struct Seed<'a> {
    pub redis: &'a TestRedis,
    pub queue: &'a str,
}

impl Seed<'_> {
    pub fn key(&self, suffix: &str) -> String {
        self.redis.key(self.queue, suffix)
    }

    /// A job in a sorted set; its record says what `fields` says beside the payload (`,"priority":"low"`).
    pub fn job(&self, set: &str, id: &str, score: i64, fields: &str) -> &Self {
        self.redis.query::<()>(&["HSET", &self.key("meta"), "layout", "1"]);
        let record = format!("{NOW_US}{{\"payload\":{{\"n\":\"{id}\"}}{fields}}}");
        self.redis.query::<()>(&["HSET", &self.key("jobs"), id, &record]);
        self.redis.query::<()>(&["ZADD", &self.key(set), &score.to_string(), id]);
        self
    }

    /// An active job of a worker whose lease ends at `lease_ms`.
    pub fn active(&self, id: &str, worker: &str, lease_ms: i64) -> String {
        self.job("pending:2", id, NOW_US, "");
        self.redis.query::<()>(&["ZREM", &self.key("pending:2"), id]);
        let claim = format!("{NOW_US}|2:{NOW_US}|{}|{worker}||", NOW_US / 1000);
        self.redis.query::<()>(&["HSET", &self.key("active"), id, &claim]);
        self.redis.query::<()>(&["ZADD", &self.key("workers"), &lease_ms.to_string(), worker]);
        self.redis.query::<()>(&["HINCRBY", &self.key("handed"), &format!("{worker}#"), "1"]);
        claim
    }

    /// A dead letter whose last failure has this class, code and message.
    pub fn letter(&self, id: &str, died_ms: i64, [class, code, message]: [&str; 3]) -> &Self {
        self.job("dead", id, died_ms, "");
        let failure = serde_json::json!({
            "at": "2025-11-24T16:00:00Z", "attempt": 2, "class": class, "code": code, "message": message,
            "durationMs": 5, "worker": "w",
        });
        let history = serde_json::json!({"failed": 2, "snoozed": 1, "failures": [failure]}).to_string();
        self.redis.query::<()>(&["HSET", &self.key("history"), id, &history]);
        self
    }

    /// `count` jobs `job0`, `job1`, … in a sorted set with scores from `score` on, each `step` further.
    pub fn many(&self, set: &str, count: usize, (score, step): (i64, i64)) -> &Self {
        let script = "redis.call('HSET', KEYS[3], 'layout', '1') \
            for n = ARGV[1], ARGV[2] - 1 do \
              redis.call('HSET', KEYS[1], 'job' .. n, '1764000000000000{\"payload\":{\"to\":\"a@example.com\"}}') \
              redis.call('ZADD', KEYS[2], string.format('%.0f', ARGV[3] + n * ARGV[4]), 'job' .. n) \
            end";
        for from in (0..count).step_by(5_000) {
            let until = (from + 5_000).min(count).to_string();
            let keys = [self.key("jobs"), self.key(set), self.key("meta")];
            let numbers = [from.to_string(), until, score.to_string(), step.to_string()];
            let mut command = vec!["EVAL", script, "3"];
            command.extend(keys.iter().chain(&numbers).map(String::as_str));
            self.redis.query::<()>(&command);
        }
        self
    }
}
