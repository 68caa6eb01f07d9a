//! Layouts of a queue written by hand: what `queues set --partitions` writes, at any point of a change.

use super::redis_server::TestRedis;

/// The names of the places of `queue` when it has so many partitions, as they stand between the braces.
pub fn places(queue: &str, count: u16) -> Vec<String> {
    match count {
        1 => vec![queue.to_owned()],
        count => (1..=count).map(|number| format!("{queue}:{number}/{count}")).collect(),
    }
}

/// `queue` has so many partitions, and never had others.
pub fn spread(redis: &TestRedis, queue: &str, count: u16) {
    redis.query::<()>(&["SADD", "ireva:queue:registry", queue]);
    move_on(redis, queue, (1, count));
    move_over(redis, queue);
}

/// The jobs of `queue` are being moved from so many partitions to so many.
pub fn move_on(redis: &TestRedis, queue: &str, (before, after): (u16, u16)) {
    for place in places(queue, before) {
        redis.query::<()>(&["HSET", &redis.key(&place, "meta"), "layout", "1", "partitions", &after.to_string()]);
    }
    for place in places(queue, after) {
        redis.query::<()>(&["HSET", &redis.key(&place, "meta"), "layout", "1"]);
        redis.query::<()>(&["HDEL", &redis.key(&place, "meta"), "partitions"]);
    }
    let (now, was) = (after.to_string(), before.to_string());
    redis.query::<()>(&["HSET", &redis.key(queue, "config"), "partitions", &now, "partitions_was", &was]);
}

/// All of them are moved.
pub fn move_over(redis: &TestRedis, queue: &str) {
    redis.query::<()>(&["HDEL", &redis.key(queue, "config"), "partitions_was"]);
}

/// The places of `queue` that hold `key`, by name.
pub fn holding(redis: &TestRedis, queue: &str, counts: &[u16], key: &str) -> Vec<String> {
    let all = counts.iter().flat_map(|count| places(queue, *count));
    all.filter(|place| redis.query::<u64>(&["EXISTS", &redis.key(place, key)]) == 1).collect()
}
