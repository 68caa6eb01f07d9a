//! A queue of several partitions: where jobs go, and what those who enqueue see while their number changes. What a change
//! writes is written by hand here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::config::Config;
use ireva_queue::stats::Enqueued;
use ireva_queue::{Client, ErrorKind, NewJob};

use crate::ops_seed::{client, id, name, run};
use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// The names of the partitions of queue `q`.
pub fn partitions(count: u16) -> Vec<String> {
    if count == 1 { vec!["q".to_owned()] } else { (1..=count).map(|number| format!("q:{number}/{count}")).collect() }
}

/// From now on nothing is added to those of `before`.
pub fn close(redis: &TestRedis, before: u16, after: u16) {
    for partition in partitions(before) {
        redis.query::<()>(&["HSET", &redis.key(&partition, "meta"), "layout", "1", "partitions", &after.to_string()]);
    }
}

/// The queue has so many, and they take jobs.
pub fn say(redis: &TestRedis, after: u16) {
    for partition in partitions(after) {
        redis.query::<()>(&["HDEL", &redis.key(&partition, "meta"), "partitions"]);
    }
    redis.query::<()>(&["HSET", &redis.key("q", "config"), "partitions", &after.to_string()]);
}

fn held(redis: &TestRedis, partition: &str) -> u64 {
    redis.query(&["HLEN", &redis.key(partition, "jobs")])
}

fn all_held(redis: &TestRedis, count: u16) -> u64 {
    partitions(count).iter().map(|partition| held(redis, partition)).sum()
}

fn job(name: &str) -> NewJob {
    NewJob::new(&1).unwrap().id(id(name))
}

fn enqueue(client: &Client, jobs: Vec<NewJob>) -> Vec<Enqueued> {
    run(client.queue(name("q")).enqueue_many(jobs)).unwrap().into_iter().map(Result::unwrap).collect()
}

#[test]
fn each_job_goes_to_the_partition_of_its_key_and_keeps_its_order_there() {
    let redis = TestRedis::start();
    close(&redis, 1, 8);
    say(&redis, 8);
    let ordered = |n: usize| job(&format!("job-{n:03}")).order_key(format!("key-{}", n % 5));
    let jobs: Vec<_> = (0..700).map(|n| if n % 2 == 0 { ordered(n) } else { job(&format!("job-{n:03}")) }).collect();
    let answers = enqueue(&client(&redis), jobs);
    let told: Vec<_> = answers.iter().map(|answer| answer.id.to_string()).collect();
    assert_eq!(told, (0..700).map(|n| format!("job-{n:03}")).collect::<Vec<_>>(), "an answer for each, in their order");
    assert!(answers.iter().all(|answer| !answer.duplicate));
    assert_eq!((held(&redis, "q"), all_held(&redis, 8)), (0, 700));

    let mut lines = BTreeMap::<usize, Vec<(usize, String)>>::new();
    for (place, partition) in partitions(8).iter().enumerate() {
        let line: Vec<String> = redis.query(&["ZRANGE", &redis.key(partition, "pending:2"), "0", "-1"]);
        assert!(line.len() > 20, "{partition} has its share: {}", line.len());
        for id in line {
            let n: usize = id.strip_prefix("job-").unwrap().parse().unwrap();
            if n.is_multiple_of(2) {
                lines.entry(n % 5).or_default().push((place, id));
            }
        }
    }
    for (key, line) in lines {
        assert!(line.iter().all(|(place, _)| *place == line[0].0), "the jobs of key {key} stand in one line");
        assert!(line.is_sorted_by(|a, b| a.1 < b.1) && line.len() == 70, "and in their order: {line:?}");
    }
    assert!(enqueue(&client(&redis), vec![job("job-001"), ordered(2)]).iter().all(|answer| answer.duplicate));
}

#[test]
fn a_unique_key_is_held_whatever_else_its_jobs_ask_for() {
    let redis = TestRedis::start();
    close(&redis, 1, 8);
    say(&redis, 8);
    let client = client(&redis);
    let unique = |name: &str, n: usize| job(name).unique(format!("order-{n}"));
    assert!((0..50).all(|n| !enqueue(&client, vec![unique(&format!("a-{n}"), n)])[0].duplicate));
    for n in 0..50 {
        let answer = enqueue(&client, vec![unique(&format!("b-{n}"), n).order_key(format!("k-{n}"))]).pop().unwrap();
        assert_eq!((answer.id.as_str(), answer.duplicate), (&*format!("a-{n}"), true));
    }
    let error = run(client.queue(name("q")).enqueue(job("c").unless_queued())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(all_held(&redis, 8), 50);
}

#[test]
fn a_client_that_knew_another_number_goes_on() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let jobs = |word: &str| (0..100).map(|n| job(&format!("{word}-{n}"))).collect::<Vec<_>>();
    let mut before = 1;
    for after in [8, 3, 64, 1] {
        assert_eq!(enqueue(&client, jobs(&format!("old-{before}"))).len(), 100);
        close(&redis, before, after);
        say(&redis, after);
        assert!(enqueue(&client, jobs(&format!("new-{after}"))).iter().all(|answer| !answer.duplicate));
        assert!(enqueue(&client, jobs(&format!("new-{after}"))).iter().all(|answer| answer.duplicate));
        // `q` alone has had a hundred before.
        assert_eq!(all_held(&redis, after), if after == 1 { 200 } else { 100 }, "{before} to {after}");
        before = after;
    }
}

#[test]
fn while_the_number_changes_nothing_is_added_and_then_all_is() {
    let redis = TestRedis::start();
    let (client, heard, _proxy) = listened_to(&redis);
    let queue = client.queue(name("q"));
    close(&redis, 1, 8);
    std::thread::scope(|scope| {
        let many = scope.spawn(|| run(queue.enqueue_many((0..50).map(|n| job(&format!("job-{n}"))).collect())));
        let asked = || heard.lock().unwrap().iter().filter(|verb| *verb == "HMGET").count();
        wait_until(DEADLINE, "the client to ask twice", || asked() >= 2);
        assert_eq!((all_held(&redis, 1), all_held(&redis, 8)), (0, 0));
        say(&redis, 8);
        assert!(many.join().unwrap().unwrap().iter().all(Result::is_ok));
    });
    assert_eq!((all_held(&redis, 1), all_held(&redis, 8)), (0, 50));
}

#[test]
fn a_change_that_does_not_end_is_told_and_nothing_was_added() {
    let redis = TestRedis::start();
    close(&redis, 1, 8);
    let error = run(client(&redis).queue(name("q")).enqueue(job("a"))).unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Moved, true), "{error}");
    Cli::new(&redis).run(["enqueue", "q", "1"]).expect(75);
    redis.query::<()>(&["HSET", &redis.key("q", "config"), "partitions", "many"]);
    let error = run(client(&redis).queue(name("q")).enqueue(job("a"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!((all_held(&redis, 1), all_held(&redis, 8)), (0, 0));
}

#[test]
fn a_queue_of_one_partition_is_asked_nothing_more() {
    let redis = TestRedis::start();
    let (client, heard, _proxy) = listened_to(&redis);
    // The first call brings the script and makes the queue known.
    enqueue(&client, vec![job("first")]);
    heard.lock().unwrap().clear();
    for n in 0..10 {
        enqueue(&client, vec![job(&format!("job-{n}")).order_key("k")]);
    }
    assert_eq!(*heard.lock().unwrap(), vec!["EVALSHA"; 10]);
}

/// A client, the commands that it sends, and what listens to them.
fn listened_to(redis: &TestRedis) -> (Client, Arc<Mutex<Vec<String>>>, Proxy) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let verbs = Arc::clone(&heard);
    let proxy = Proxy::start(redis, move |request| {
        verbs.lock().unwrap().push(request.verb());
        Fault::None
    });
    let mut env: BTreeMap<_, _> = redis.env().into_iter().collect();
    env.insert("REDIS_PORT".to_owned(), proxy.port().to_string());
    let client = Client::new(&Config::from_lookup(|name| env.get(name).cloned(), None).unwrap()).unwrap();
    (client, heard, proxy)
}
