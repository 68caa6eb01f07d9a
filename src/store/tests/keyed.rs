//! Keys of jobs as scripts read them, held against the table that Rust is held against.

use std::time::Instant;

use super::config;
use super::redis_server::TestRedis;
use crate::client::Client;
use crate::config::{Durable, Setting};
use crate::job::{KEY_TABLE, KeyField, NewJob, QueueName};
use crate::store::{EnqueueCall, FetchCall, QueueKeys, Store};

/// The claims of these jobs, one fetched after the other.
async fn fifth_fields(store: &Store, keys: &QueueKeys, first_call: u64, jobs: u64) -> Vec<String> {
    let mut fields = Vec::new();
    for call in first_call..first_call + jobs {
        let worker = "host-1-01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEK";
        let ask = FetchCall { worker, call, slots: 1, prefetch: 0, lease_ms: 60_000, alone: false };
        for job in store.fetch(keys, ask).await.unwrap().jobs {
            assert_eq!(job.claim.split('|').count(), 6, "{}", job.claim);
            fields.push(job.claim.split('|').nth(4).unwrap().to_owned());
        }
    }
    fields
}

#[tokio::test]
async fn scripts_and_producers_find_the_same_keys() {
    let redis = TestRedis::start();
    let store = Client::new(&config(redis.env())).unwrap().open_store();
    let mut call = 0;
    for (place, (field, payload, key)) in KEY_TABLE.iter().enumerate() {
        let queue = QueueName::new(&format!("q{place}")).unwrap();
        let (keys, field) = (store.keys(&queue), KeyField::new(field).unwrap());
        store.set(&keys, &[Setting::Key(Some(field.clone())), Setting::KeyConcurrency(Some(9))]).await.unwrap();
        let other = KeyField::new("another").unwrap();
        // Without a head, with that of another field, and with the right one.
        for head in [None, Some(&other), Some(&field)] {
            call += 1;
            let told = EnqueueCall { producer: "p", call, usual: Durable::Off, former: None, key: head };
            let job = NewJob::from_json((*payload).to_owned()).unwrap();
            let answered = store.enqueue(&keys, told, &[&job]).await.unwrap();
            assert_eq!(answered.key.as_ref(), Some(&field));
        }
        let fields = fifth_fields(&store, &keys, 1, 3).await;
        assert_eq!(fields, [key.unwrap_or_default(); 3], "{field} of {payload}");
    }
}

#[tokio::test]
async fn what_is_decoded_in_a_call_is_bounded() {
    let redis = TestRedis::start();
    let store = Client::new(&config(redis.env())).unwrap().open_store();
    let keys = store.keys(&QueueName::new("q").unwrap());
    store.set(&keys, &[Setting::Key(Some("t".parse().unwrap())), Setting::KeyConcurrency(Some(9))]).await.unwrap();
    let payload = |n: usize| format!(r#"{{"t":"t{n}","x":"{}"}}"#, "x".repeat(100_000));
    for n in 0..10 {
        let job = NewJob::from_json(payload(n)).unwrap();
        let told = EnqueueCall { producer: "p", call: n as u64 + 1, usual: Durable::Off, former: None, key: None };
        store.enqueue(&keys, told, &[&job]).await.unwrap();
    }
    let worker = "host-1-01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEK";
    let (mut taken, mut calls) = (0, 0);
    let began = Instant::now();
    while taken < 10 {
        calls += 1;
        let ask = FetchCall { worker, call: calls, slots: 10, prefetch: 0, lease_ms: 60_000, alone: false };
        let fetched = store.fetch(&keys, ask).await.unwrap();
        taken += fetched.jobs.len();
        assert!((1..=3).contains(&fetched.jobs.len()) || taken == 10, "{}", fetched.jobs.len());
        assert!(taken == 10 || fetched.again_ms == Some(0), "there is more at once");
        assert!(began.elapsed().as_secs() < 20);
    }
}
