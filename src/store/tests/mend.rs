//! What was found amiss is put right although its jobs have moved on between the look and the mending.

use super::config;
use super::redis_server::TestRedis;
use crate::client::Client;
use crate::job::{NewJob, QueueName};
use crate::repair::RepairKind;
use crate::store::{Claimed, End, FetchCall, QueueKeys, Store};

const WORKER: &str = "host-1-01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEK";

/// The claims of these jobs.
async fn take(store: &Store, keys: &QueueKeys, count: usize) -> Vec<Claimed> {
    let ask = FetchCall { worker: WORKER, call: 1, slots: count, prefetch: 0, lease_ms: 60_000, alone: false };
    let jobs = store.fetch(keys, ask).await.unwrap().jobs;
    assert_eq!(jobs.len(), count);
    jobs
}

#[tokio::test]
async fn a_job_that_ends_after_it_was_found_in_two_sets_is_in_one_afterwards() {
    let redis = TestRedis::start();
    let client = Client::new(&config(redis.env())).unwrap();
    let (store, name) = (client.open_store(), QueueName::new("q").unwrap());
    let (keys, queue) = (store.keys(&name), client.queue(name));
    let jobs: Vec<_> = (0..3).map(|n| NewJob::new(&n).unwrap()).collect();
    for enqueued in queue.enqueue_many(jobs).await.unwrap() {
        enqueued.unwrap();
    }
    let taken = take(&store, &keys, 3).await;
    let key = |suffix: &str| redis.key("q", suffix);
    for job in &taken {
        redis.query::<i64>(&["ZADD", &key("scheduled"), "99999999999999", job.id.as_str()]);
    }

    // Found while all three run; then one completes, one is retried, and one runs still.
    let amiss = store.amiss(&keys).await.unwrap();
    let doubled: Vec<_> = amiss[&RepairKind::Double].iter().map(|(what, _)| *what).collect();
    assert_eq!((amiss.len(), doubled), (1, vec!["scheduled"; 3]));
    for (job, end) in taken.iter().zip([End::Complete { result: "" }, End::Retry { delay_ms: 60_000, history: "{}" }]) {
        let settled = store.end(&keys, WORKER, &[(&job.id, &*job.claim, end)]).await.unwrap();
        assert!(settled.others.is_empty());
    }
    assert_eq!(store.mend(&keys, "heal", &amiss).await.unwrap()[&RepairKind::Double], 3);

    assert_eq!(redis.query::<usize>(&["ZCARD", &key("scheduled")]), 0);
    let there = |set: &str, job: &Claimed| redis.query::<Option<f64>>(&["ZSCORE", &key(set), job.id.as_str()]);
    assert!(there("completed", &taken[0]).is_some() && there("retrying", &taken[1]).is_some());
    assert_eq!(redis.query::<Vec<String>>(&["HKEYS", &key("active")]), [taken[2].id.to_string()]);
    assert!(store.amiss(&keys).await.unwrap().is_empty());

    // What stands in no other set was mended meanwhile, and stays where it is.
    redis.query::<i64>(&["HDEL", &key("active"), taken[2].id.as_str()]);
    redis.query::<i64>(&["ZADD", &key("scheduled"), "99999999999999", taken[2].id.as_str()]);
    assert_eq!(store.mend(&keys, "heal", &amiss).await.unwrap()[&RepairKind::Double], 0);
    assert!(there("scheduled", &taken[2]).is_some());
}
