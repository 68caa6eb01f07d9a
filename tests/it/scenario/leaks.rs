//! What stays behind when all work is done.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(150);

/// Everything that the server is told, as `MONITOR` shows it: the names of the commands.
fn monitor(redis: &TestRedis) -> Arc<Mutex<BTreeSet<String>>> {
    let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (names, mut connection) = (seen.clone(), redis.connect().unwrap());
    redis::cmd("MONITOR").exec(&mut connection).unwrap();
    std::thread::spawn(move || {
        // Ends with the server.
        while let Ok(redis::Value::SimpleString(line)) = connection.recv_response() {
            let name = line.split('"').nth(1).unwrap_or_default().to_uppercase();
            names.lock().unwrap().insert(name);
        }
    });
    seen
}

/// The keys that live for ever, by what follows the queue's name.
fn lasting(redis: &TestRedis) -> BTreeSet<String> {
    let keys: Vec<String> = redis.query(&["KEYS", "*"]);
    let mortal = |key: &String| redis.query::<i64>(&["PTTL", key]) >= 0;
    let name = |key: String| key.rsplit_once("}:").map_or(key.clone(), |(_, suffix)| suffix.to_owned());
    keys.into_iter().filter(|key| !mortal(key)).map(name).collect()
}

#[test]
fn r47_after_the_work_only_what_is_documented_stays() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let seen = monitor(&redis);
    let count = if is_full_length() { 100_000 } else { 10_000 };
    cli.ok(["queues", "set", "q", "--remove-on-complete", "1s"]);
    // Ids that users choose are remembered for a day; these are not. Some jobs wait, some hold a key, one in ten fails.
    let line = |n: u32| match n % 10 {
        0 => format!("{{\"payload\":{n},\"unique\":\"key-{n}\"}}\n"),
        1 => format!("{{\"payload\":{n},\"delay\":\"100ms\"}}\n"),
        _ => format!("{{\"payload\":{n}}}\n"),
    };
    let ledger = Ledger::new();
    // A batch a line: the payload's last digit decides.
    let program = ledger.write(
        "end",
        "#!/bin/sh\nexec sed -e 's/^.*\"id\":\"\\([^\"]*\\)\".*\"payload\":[0-9]*7}*$/{\"id\":\"\\1\",\"error\":\"no\",\"class\":\"permanent\"}/;t' \
         -e 's/^.*\"id\":\"\\([^\"]*\\)\".*$/{\"id\":\"\\1\",\"ok\":true}/'\n",
    );
    let flags = ["--concurrency", "1000", "--batch-size", "500", "--batch-wait", "20ms", "--exec", &program];
    let mut worker = cli.work(["q"].iter().chain(&flags)).ready();
    for from in (0..count).step_by(5_000) {
        let lines: String = (from..from + 5_000).map(line).collect();
        cli.clone().stdin(lines).run(["enqueue", "q", "--ndjson", "-"]).expect(0);
    }
    let total = |what: &str| redis.query::<Option<u32>>(&["HGET", &redis.key("q", "meta"), what]).unwrap_or(0);
    wait_until(LONG, "all have ended", || total("completed") + total("dead") == count);
    assert_eq!(total("dead"), count / 10, "{:#?}", worker.events("dead").first());
    cli.ok(["dlq", "purge", "q", "--yes"]);
    // The next call trims what retention keeps no longer, and the janitor the rest.
    let one_more = || cli.enqueue_lines("q", [r#"{"payload":1}"#.to_owned()]);
    wait_until(LONG, "retention has passed", || {
        one_more();
        redis.query::<u32>(&["ZCARD", &redis.key("q", "completed")]) < 500
    });
    last(Duration::from_secs(2));
    one_more();
    wait_until(LONG, "the last is done", || {
        let keys = ["active", "pending:2", "scheduled", "retrying"];
        keys.iter().all(|key| !redis.query::<bool>(&["EXISTS", &redis.key("q", key)]))
    });
    assert_eq!(worker.stop(LONG), Some(0));

    let documented = ["registry", "audit"].map(|key| format!("ireva:queue:{key}"));
    let documented: BTreeSet<_> =
        documented.into_iter().chain(["meta", "config", "events"].map(str::to_owned)).collect();
    let mut stays = lasting(&redis);
    // What was completed in the last second is still kept, and a token may lie there for the next worker.
    let kept = redis.query::<u32>(&["ZCARD", &redis.key("q", "completed")]);
    assert_eq!((kept <= 5, redis.query::<u32>(&["HLEN", &redis.key("q", "jobs")])), (true, kept));
    assert!(redis.query::<u32>(&["LLEN", &redis.key("q", "wake")]) <= 1);
    stays.retain(|key| !["completed", "jobs", "wake"].contains(&key.as_str()));
    let stray: Vec<_> = stays.difference(&documented).collect();
    assert!(stray.is_empty(), "keys that live for ever: {stray:?}");
    assert!(redis.query::<u32>(&["XLEN", &redis.key("q", "events")]) < 20_000, "the events are capped");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
    let seen = seen.lock().unwrap();
    // The test itself lists keys.
    let forbidden: Vec<_> = seen.iter().filter(|name| name.starts_with("FLUSH") || *name == "SAVE").collect();
    assert!(seen.contains("EVALSHA") && forbidden.is_empty(), "{forbidden:?} of {seen:?}");
}
