//! `bench`: every measurement on a real server, and nothing of it left behind.

use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

fn start() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).deadline(LONG);
    (redis, cli)
}

#[test]
fn every_measurement_is_an_object_and_the_queue_is_gone_afterwards() {
    let (redis, cli) = start();
    let measured = cli.json(["bench", "--jobs", "500", "--span", "1s"]);
    let measured = measured.as_array().unwrap();
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let names: Vec<_> = measured.iter().map(|entry| (text(entry, "measure"), entry["concurrency"].as_u64())).collect();
    let expected = [
        ("idle-reads", None),
        ("idle-cpu", None),
        ("worker-memory", None),
        ("latency", None),
        ("enqueue", Some(1)),
        ("enqueue", Some(50)),
        ("enqueue-bulk", None),
        ("memory", None),
        ("drain", Some(100)),
        ("drain", Some(10)),
        ("drain", Some(1)),
    ];
    let expected = expected.map(|(name, concurrency)| (name.to_owned(), concurrency));
    assert_eq!(names, expected, "{measured:#?}");
    for entry in measured {
        let (measure, value) = (text(entry, "measure"), entry["value"].as_f64().unwrap());
        assert!(value > 0.0 && value.is_finite(), "{entry}");
        assert!(
            entry["n"].as_u64().unwrap() >= if measure.contains("idle") { 1 } else { 50 } || measure == "worker-memory"
        );
        let is_rate = entry["unit"] == "jobs/s";
        assert_eq!(is_rate, entry["redis_cpu_us_per_job"].as_f64().is_some_and(|us| us > 0.0), "{entry}");
        assert_eq!(is_rate, entry["worker_cpu_us_per_job"].as_f64().is_some_and(|us| us > 0.0), "{entry}");
    }
    let latency = &measured[3];
    let part = |name: &str| latency[name].as_f64().unwrap();
    assert!(part("p50") <= part("p99") && part("p99") <= part("max"), "{latency}");
    // A mail of 199 bytes cannot take less, nor several times as much.
    assert!((300.0..1_500.0).contains(&measured[7]["value"].as_f64().unwrap()), "{}", measured[7]);
    assert_eq!(redis.query::<usize>(&["SCARD", "ireva:queue:registry"]), 0, "no queue is left");
}

#[test]
fn what_cannot_be_measured_is_refused_by_name() {
    let (_redis, cli) = start();
    cli.enqueue("q", "1", &[]);
    let refused = cli.run(["bench", "drain", "--jobs", "100", "--queue", "q"]).expect(5);
    assert!(refused.stderr.contains("queue q holds 1 jobs"), "{}", refused.stderr);
    assert_eq!(cli.json(["stats", "q"])["pending"], 1, "and it stays as it was");
    let few = cli.run(["bench", "--jobs", "10"]).expect(2);
    assert!(few.stderr.contains("100 to 10000000"), "{}", few.stderr);
    let missing = cli.run(["bench", "--payload", "/nowhere/job.json"]).expect(2);
    assert!(missing.stderr.contains("/nowhere/job.json"), "{}", missing.stderr);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{").unwrap();
    let invalid = cli.run(["bench", "--payload", file.path().to_str().unwrap()]).expect(2);
    assert!(invalid.stderr.contains("JSON"), "{}", invalid.stderr);
}

#[test]
fn a_payload_of_ones_own_is_measured_with_the_concurrency_that_is_named() {
    let (_redis, cli) = start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("\"{}\"", "x".repeat(5_000))).unwrap();
    let payload = file.path().to_str().unwrap();
    let enqueued = cli.json(["bench", "enqueue", "--jobs", "200", "--payload", payload]);
    assert!(enqueued[3]["value"].as_f64().unwrap() > 5_000.0, "{enqueued:#}");
    let drained = cli.json(["bench", "drain", "--jobs", "200", "--payload", payload, "--concurrency", "3"]);
    assert_eq!((drained.as_array().unwrap().len(), &drained[0]["concurrency"]), (1, &serde_json::json!(3)));
    assert_eq!((&drained[0]["n"], &drained[0]["measure"]), (&serde_json::json!(200), &serde_json::json!("drain")));
}

#[test]
fn what_is_broken_off_leaves_no_queue_behind() {
    let (redis, cli) = start();
    let mut running = cli.command(["bench", "idle", "--span", "1m"]).spawn().map(Guarded).unwrap();
    wait_until(LONG, "its worker is there", || redis.query::<usize>(&["EXISTS", &redis.key("bench", "workers")]) == 1);
    signal(running.pid(), rustix::process::Signal::INT);
    assert_eq!(running.wait(LONG, "bench").code(), Some(130));
    assert_eq!(redis.query::<usize>(&["SCARD", "ireva:queue:registry"]), 0);
}
