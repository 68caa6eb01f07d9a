//! What a queue counts against what it holds.

use std::collections::BTreeMap;

use super::cli::Cli;
use super::conserve::Snapshot;
use super::redis_server::TestRedis;

/// The states as `stats` names them.
const GAUGES: [&str; 7] = ["pending", "scheduled", "active", "retrying", "completed", "cancelled", "dead"];

/// I17 of a queue in which nothing moves: gauges are the sizes of the sets, what was enqueued is accounted for, nothing is
/// negative, and the table says what the JSON says. Holds where no operator deleted or retried what had ended well.
#[track_caller]
pub fn assert_balanced(redis: &TestRedis, cli: &Cli, queue: &str) {
    let stats = cli.json(["stats", queue]);
    let table = cli.ok(["stats", queue, "-o", "table"]);
    let snapshot = Snapshot::of(redis, queue);
    for gauge in GAUGES {
        assert_eq!(stats[gauge], snapshot.count(gauge), "{queue}: {gauge} as counted and as held: {stats}");
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(gauge));
        let shown = line.and_then(|line| line.split_whitespace().nth(1)).map(|count| count.replace(',', ""));
        assert_eq!(shown, Some(stats[gauge].to_string()), "{queue}: {gauge} in the table\n{table}");
    }
    let total = |what: &str| stats["totals"][what].as_u64().unwrap_or_else(|| panic!("{queue}: {what}: {stats}"));
    let there = |gauges: &[&str]| gauges.iter().map(|gauge| stats[*gauge].as_u64().unwrap()).sum::<u64>();
    let live = there(&["pending", "scheduled", "active", "retrying", "dead"]);
    let over = ["completed", "cancelled", "removed", "dropped", "orphaned"].map(total).iter().sum::<u64>();
    assert_eq!(total("enqueued"), over + live, "{queue}: {stats}");
    let meta: BTreeMap<String, String> = redis.query(&["HGETALL", &redis.key(queue, "meta")]);
    let negative: Vec<_> = meta.iter().filter(|(_, value)| value.starts_with('-')).collect();
    assert!(negative.is_empty(), "{queue}: {negative:?}");
}
