//! A queue that another version laid out: nobody writes into it, and everybody says why.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn r52_a_queue_of_another_layout_is_refused_by_name_and_left_as_it_is() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.keep_completed("q");
    let work = ["q", "--concurrency", "2", "--exec", &program];
    let mut ids = vec![cli.enqueue("q", "1", &["--delay", "1h"]), cli.enqueue("q", "1", &["--delay", "1h"])];
    let mut running = cli.work(work).ready();
    let jobs = redis.key("q", "jobs");
    let state = || {
        let keys: Vec<String> = redis.query(&["KEYS", "ireva:queue:{q}:*"]);
        // Leases and tokens that somebody waits for are nobody's jobs.
        let lasting = keys.into_iter().filter(|key| ![":workers", ":wake"].iter().any(|end| key.ends_with(end)));
        let dumped = lasting.map(|key| (key.clone(), redis.query::<Option<Vec<u8>>>(&["DUMP", &key])));
        dumped.filter_map(|(key, value)| Some((key, value?))).collect::<BTreeMap<_, _>>()
    };
    for layout in ["2", "0"] {
        redis.query::<()>(&["HSET", &redis.key("q", "meta"), "layout", layout]);
        let before = state();
        let said = format!("stored in layout {layout}, this version writes layout 1");
        for command in [
            &["enqueue", "-q", "q", "1"][..],
            &["queues", "pause", "q"],
            &["queues", "set", "q", "--rate", "5/s"],
            &["jobs", "cancel", &ids[0]],
            &["jobs", "delete", &ids[0], "--yes"],
            &["jobs", "promote", &ids[0]],
            &["clear", "q", "--yes"],
            &["schedule", "add", "nightly", "q", "--every", "1h", "1"],
        ] {
            let output = cli.run(command);
            assert_eq!(output.code, Some(5), "{command:?}: {output:?}");
            assert!(output.stderr.contains(&said) && output.stdout.is_empty(), "{command:?}: {output:?}");
        }
        let mut late = cli.work(work);
        assert_eq!(late.wait(LONG), Some(5), "{:?}", late.log());
        let told = |line: &String| line.contains("queue q") && line.contains(&said);
        wait_until(LONG, "its last words are read", || late.log().iter().any(told));
        wait_until(LONG, "the worker that runs says so", || {
            running.events("alert").iter().any(|alert| alert["message"].as_str().unwrap().contains(&said))
        });
        let after = state();
        let changed: Vec<_> =
            before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).collect();
        assert!(changed.is_empty(), "layout {layout}: {changed:?}");
        assert_eq!(redis.query::<usize>(&["HLEN", &jobs]), ids.len());
    }
    assert!(running.ended().is_none(), "{:?}", running.log());
    redis.query::<()>(&["HSET", &redis.key("q", "meta"), "layout", "1"]);
    ids.push(cli.enqueue("q", "1", &[]));
    wait_until(LONG, "it goes on", || cli.json(["stats", "q"])["completed"] == 1);
    assert_eq!(running.stop(LONG), Some(0));
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_balanced(&redis, &cli, "q");
}
