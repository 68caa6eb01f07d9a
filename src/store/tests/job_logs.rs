//! What repeated and late calls add to the log of a job: nothing that stands there.

use std::time::Duration;

use super::redis_server::TestRedis;
use super::way;
use crate::clock::Clock;
use crate::job::{JobId, QueueName};
use crate::store::{Confirmer, Connection, LogPart, Patience, Store};

#[tokio::test]
async fn lines_that_come_twice_or_late_stand_in_the_log_once() {
    let redis = TestRedis::start();
    let connection = Connection::new(way(&redis, &[]), Patience::Brief);
    let confirmer = Confirmer::new(way(&redis, &[]), Clock::server(), Duration::from_secs(2));
    let store = Store {
        connection,
        clock: Clock::server(),
        prefix: "t:".into(),
        confirmer,
        noted: None,
        last_search: std::sync::Arc::default(),
    };
    let (keys, id) = (store.keys(&QueueName::new("q").unwrap()), JobId::new("job-1").unwrap());
    let add = async |text: &str, from: Option<u64>| {
        let lengths = store.log(&keys, &[LogPart { id: &id, text, from }]).await.unwrap();
        let text = store.log_part(&keys, &id, 0, 4 << 20).await.unwrap();
        assert_eq!(lengths, [text.len() as u64]);
        String::from_utf8(text).unwrap()
    };
    assert_eq!(add("", None).await, "");
    assert_eq!(redis.query::<u64>(&["EXISTS", "t:{q}:log:job-1"]), 0, "a look makes nothing");
    assert_eq!(add("one\n", Some(0)).await, "one\n");
    assert_eq!(add("one\n", Some(0)).await, "one\n", "its answer was lost");
    assert_eq!(add("one\ntwo\n", Some(0)).await, "one\ntwo\n", "the attempt ended meanwhile");
    assert_eq!(add("one\n", Some(0)).await, "one\ntwo\n", "the first call arrives late");
    assert_eq!(add("one\n", None).await, "one\ntwo\none\n", "another attempt");
    redis.query::<()>(&["DEL", "t:{q}:log:job-1"]);
    assert_eq!(add("four\n", Some(12)).await, "four\n", "the log was dropped meanwhile");
    let much = "x".repeat(1 << 20);
    let log = add(&much, Some(5)).await;
    assert_eq!(add("more\n", Some(log.len() as u64)).await, log, "it is full");
}
