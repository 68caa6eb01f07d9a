//! Delays: never early, hardly late, and exactly what was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// From the claim to the first line of the program: a fork, a shell and `date` on a busy machine.
const LATE_MS: u64 = 1_000 + 500;

/// Enqueues 1,000 jobs due 3 to 32 s from now; the due time of each, in milliseconds since 1970.
fn spread(cli: &Cli) -> BTreeMap<String, u64> {
    let base = now_ms() + 3_000;
    let due: BTreeMap<_, _> = (0..1_000).map(|n| (format!("job-{n}"), base + n * 29)).collect();
    let line = |(id, at): (&String, &u64)| {
        let at = chrono::DateTime::from_timestamp_millis(i64::try_from(*at).unwrap()).unwrap();
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        format!(r#"{{"id":"{id}","payload":1,"at":"{at}"}}"#)
    };
    cli.enqueue_lines("q", due.iter().map(line));
    due
}

#[test]
fn r25_jobs_start_at_their_time_and_not_before() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    let _worker = cli.work(["q", "--concurrency", "8", "--exec", &program]).ready();
    let due = spread(&cli);
    ledger.wait("start", 1_000, LONG);

    let starts = ledger.of("start");
    let early = starts.iter().filter(|line| line.fence < due[&line.id] * 1_000).collect::<Vec<_>>();
    assert!(early.is_empty(), "claimed before their time: {early:?}");
    let mut late: Vec<_> = starts.iter().map(|line| line.at_ms - due[&line.id]).collect();
    late.sort_unstable();
    assert!(late[989] <= LATE_MS, "99 of 100 start within a second: {} ms", late[989]);
}

#[test]
fn r25_a_restart_of_redis_delays_only_what_was_due_meanwhile() {
    let mut redis = TestRedis::builder().append_only().start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    let worker = cli.work(["q", "--concurrency", "8", "--exec", &program]).ready();
    let due = spread(&cli);
    ledger.wait("start", 400, LONG);
    let down_ms = now_ms();
    redis.restart();
    // The worker is back within 5 s of the server, and works off what waited for it.
    let up_ms = now_ms() + 5_000 + 2_000;
    ledger.wait("start", 1_000, LONG);
    wait_until(LONG, "each is done", || ledger.count("end").len() == 1_000);

    let starts = ledger.of("start");
    assert!(starts.iter().all(|line| line.fence >= due[&line.id] * 1_000), "claimed before their time");
    let calm = starts.iter().filter(|line| due[&line.id] + 1_000 < down_ms || due[&line.id] > up_ms);
    let mut late: Vec<_> = calm.map(|line| line.at_ms - due[&line.id]).collect();
    late.sort_unstable();
    assert!(late.len() > 400 && late[late.len() * 99 / 100 - 1] <= LATE_MS, "{:?}", late.last());
    // Only what was in hand when the server died may have run twice.
    let twice = ledger.starts().values().filter(|starts| **starts > 1).count();
    assert!(twice <= 16, "{twice} jobs ran twice: {:#?}", worker.events("recovered"));
}

#[test]
fn r29_delays_are_taken_exactly_or_refused_by_name() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let stored_ms = |id: &str| {
        let due: Option<f64> = redis.query(&["ZSCORE", &redis.key("q", "scheduled"), id]);
        let record: String = redis.query(&["HGET", &redis.key("q", "jobs"), id]);
        let arrival_us: i64 = record[..record.find('{').unwrap()].parse().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "scores are whole numbers below 2^53")]
        due.map(|due| (due as i64 / 4, arrival_us / 1_000))
    };
    for (delay, expected_ms) in
        [("1ms", 1), ("5m", 300_000), ("1s 500ms", 1_500), ("36h", 129_600_000), ("10y", 315_576_000_000_i64)]
    {
        let id = cli.enqueue("q", "1", &["--delay", delay]);
        let (due_ms, arrived_ms) = stored_ms(&id).unwrap_or_else(|| panic!("{delay}: not scheduled"));
        assert!((due_ms - arrived_ms - expected_ms).abs() <= 1, "{delay}: {due_ms} - {arrived_ms}");
    }
    for delay in ["0", "0s"] {
        let id = cli.enqueue("q", "1", &["--delay", delay]);
        assert!(stored_ms(&id).is_none(), "{delay}: starts now");
    }
    for at in ["2001-02-03T04:05:06Z", "2001-02-03T04:05:06+02:00"] {
        let id = cli.enqueue("q", "1", &["--at", at]);
        assert!(stored_ms(&id).is_none(), "{at}: is past, so it starts now");
    }
    let id = cli.enqueue("q", "1", &["--at", "2031-02-03T04:05:06.789+01:00"]);
    assert_eq!(stored_ms(&id).unwrap().0, 1_927_854_306_789);
    for delay in ["-1", "-5m", "1e18", "NaN", "inf", "", "soon", "5", "999999999y", "0x10"] {
        let output = cli.run(["enqueue", "q", "1", &format!("--delay={delay}")]).expect(2);
        assert!(output.stderr.contains("delay"), "{delay}: {}", output.stderr);
    }
    for at in ["tomorrow", "2031-13-01T00:00:00Z", "1e18", "", "2031-02-03"] {
        let output = cli.run(["enqueue", "q", "1", &format!("--at={at}")]).expect(2);
        assert!(output.stderr.contains("--at"), "{at}: {}", output.stderr);
    }
    let output = cli.stdin("{\"payload\":1,\"delay\":\"never\"}\n{\"payload\":2,\"delay\":\"2s\"}\n");
    let output = output.run(["enqueue", "q", "--ndjson", "-"]).expect(3);
    assert!(output.stderr.contains("line 1") && output.stderr.contains("delay"), "{}", output.stderr);
}
