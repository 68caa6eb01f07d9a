//! Reads along what the scripts tell of their transitions, while the server is killed and connections are cut.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use redis::Value;

use super::history::Step;
use crate::support::{TestRedis, wait_until};

/// Entries of the stream of a queue that are read at once.
const PAGE: &str = "1000";

/// Entries read so far, and their steps.
type Read = Arc<Mutex<(u64, Vec<Step>)>>;

/// Reads the stream of one queue until it is stopped.
pub struct Recorder {
    key: String,
    stop: Arc<AtomicBool>,
    read: Read,
    thread: JoinHandle<()>,
}

impl Recorder {
    pub fn start(redis: &TestRedis, queue: &str) -> Self {
        let (key, port) = (redis.key(queue, "events"), redis.port());
        let (stop, read) = (Arc::new(AtomicBool::new(false)), Read::default());
        let (stopped, into, from) = (stop.clone(), read.clone(), key.clone());
        let thread = std::thread::spawn(move || {
            let (mut last, mut connection) = ("0-0".to_owned(), None);
            while !stopped.load(Ordering::SeqCst) {
                if page(&mut connection, port, &from, &mut last, &into).is_none() {
                    connection = None;
                    // A pace while the server is away, not a wait for anything.
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self { key, stop, read, thread }
    }

    /// Waits until everything is read; how many entries there were, how many were read, and the steps.
    #[track_caller]
    pub fn finish(self, redis: &TestRedis) -> ((u64, u64), Vec<Step>) {
        let info: redis::InfoDict = redis.query(&["INFO", "persistence"]);
        assert_eq!(info.get::<u8>("loading"), Some(0));
        let given: u64 = field(redis.query(&["XINFO", "STREAM", &self.key]), "entries-added");
        wait_until(Duration::from_secs(30), "all transitions are read", || {
            let last: String = field(redis.query(&["XINFO", "STREAM", &self.key]), "last-generated-id");
            let read = self.read.lock().unwrap();
            read.0 >= given || read.1.last().is_some_and(|step| last.starts_with(&step.at_ms.to_string()))
        });
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the recorder does not panic");
        let (entries, steps) = std::mem::take(&mut *self.read.lock().unwrap());
        ((given, entries), steps)
    }
}

fn field<T: redis::FromRedisValue>(info: Vec<Value>, name: &str) -> T {
    let named = info
        .chunks(2)
        .find(|pair| pair[0] == Value::BulkString(name.into()) || pair[0] == Value::SimpleString(name.into()));
    redis::from_redis_value(named.expect("the server tells it")[1].clone()).unwrap()
}

/// Reads one page behind `last`; `None` where the server does not answer.
fn page(held: &mut Option<redis::Connection>, port: u16, key: &str, last: &mut String, into: &Read) -> Option<()> {
    if held.is_none() {
        let client = redis::Client::open(("127.0.0.1", port)).ok()?;
        let connection = client.get_connection_with_timeout(Duration::from_millis(500)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        *held = Some(connection);
    }
    let connection = held.as_mut()?;
    let after = format!("({last}");
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg(&[key, &after, "+", "COUNT", PAGE]).query(connection).ok()?;
    if entries.is_empty() {
        // A pace: the stream is looked at again.
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut read = into.lock().unwrap();
    for (id, fields) in entries {
        let value = |name: &str| fields.chunks(2).find(|pair| pair[0] == name).map_or("", |pair| &pair[1]);
        let at_ms = id.split('-').next()?.parse().ok()?;
        read.0 += 1;
        // What is no job's: settings, and numbers of jobs.
        let of_jobs = !["settings", "paused", "resumed"].contains(&value("event"));
        for job in value("ids").split(' ').filter(|_| of_jobs) {
            let (event, by) = (value("event").to_owned(), value("by").to_owned());
            read.1.push(Step { at_ms, event, id: job.to_owned(), by });
        }
        *last = id;
    }
    Some(())
}
