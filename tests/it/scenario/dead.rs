//! Retries and dead letters: how often, how late, what is kept, and that no bulk act loses or doubles a job.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

#[test]
fn r30_transient_errors_use_every_attempt_and_permanent_ones_a_single_one() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("echo \"no luck $IREVA_ATTEMPT\" >&2; exit $payload");
    let transient: Vec<_> =
        (0..20).map(|_| cli.enqueue("q", "75", &["--attempts", "5", "--backoff", "exponential:400ms"])).collect();
    let permanent: Vec<_> = (0..20).map(|_| cli.enqueue("q", "65", &["--attempts", "5"])).collect();
    let _worker = cli.work(["q", "--concurrency", "8", "--exec", &program]);
    wait_until(LONG, "all are dead", || cli.json(["stats", "q"])["dead"] == 40);

    let starts = ledger.starts();
    assert!(transient.iter().all(|id| starts[id] == 5) && permanent.iter().all(|id| starts[id] == 1), "{starts:?}");
    for id in &transient {
        let lines: Vec<_> = ledger.of("start").into_iter().filter(|line| line.id == *id).collect();
        for (pair, base_ms) in lines.windows(2).zip([400, 800, 1_600, 3_200]) {
            // A quarter to each side, and late by a second (promotion) and slack for a busy machine.
            let waited = pair[1].at_ms - pair[0].at_ms;
            let band = base_ms * 3 / 4..=base_ms * 5 / 4 + 1_000 + 1_500;
            assert!(band.contains(&waited), "{id}: waited {waited} ms, not {band:?}");
        }
        let details = cli.json(["jobs", "show", id]);
        let said: Vec<_> = details["failures"].as_array().unwrap().iter().map(|f| f["message"].to_string()).collect();
        assert!(said.len() == 5 && (1..=5).all(|n| said[n - 1].contains(&format!("no luck {n}"))), "{said:?}");
    }
    let letter = cli.json(["jobs", "show", &permanent[0]]);
    assert_eq!((&letter["failed"], &letter["failures"][0]["class"]), (&1.into(), &"permanent".into()));
    Snapshot::of(&redis, "q").assert_conserves(transient.iter().chain(&permanent));
}

#[test]
fn r31_a_killed_bulk_revival_leaves_every_job_in_one_place() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    bury(&cli, "q", 50_000);
    let accepted: Vec<_> = (0..50_000).map(|n| format!("dead-{n}")).collect();
    let seed = now_ms();
    println!("seed {seed}");
    let mut random = seed;
    let mut revived = 0;
    for _ in 0..8 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let retry = &mut cli.command(["dlq", "retry", "q", "--all", "--yes"]);
        let null = std::process::Stdio::null;
        let mut retry = Guarded(retry.stdout(null()).stderr(null()).spawn().unwrap());
        // Killed after so many more were revived, so that it is in the middle on fast and slow machines.
        let target = (revived + (random >> 33) % 5_000).min(49_000);
        let key = redis.key("q", "dead");
        let left = || redis.query::<u64>(&["ZCARD", &key]);
        wait_until(LONG, "it revives", || 50_000 - left() > target || retry.ended().is_some());
        retry.kill();
        let snapshot = Snapshot::of(&redis, "q");
        snapshot.assert_conserves(&accepted);
        assert_eq!(snapshot.count("dead") + snapshot.count("pending"), 50_000);
        revived = snapshot.count("pending") as u64;
    }
    let report = cli.clone().deadline(LONG).json(["dlq", "retry", "q", "--all", "--yes"]);
    assert_eq!(report["changed"], 50_000 - revived, "{report}");
    let snapshot = Snapshot::of(&redis, "q");
    snapshot.assert_conserves(&accepted);
    assert_eq!(snapshot.count("pending"), 50_000);
    assert_eq!(cli.json(["stats", "q"])["totals"]["revived"], 50_000);
}

#[test]
fn r32_a_revived_job_keeps_what_it_was_and_counts_anew() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let good = ledger.directory().join("good");
    let program = ledger.program(&format!("test -e '{}' || {{ echo bad >&2; exit 75; }}", good.display()));
    let payload = r#"{"n":19.999999999999998, "e":[]}"#;
    cli.keep_completed("q");
    let id = cli.enqueue("q", payload, &["--attempts", "2", "--backoff", "fixed:50ms", "--priority", "high"]);
    let mut worker = cli.work(["q", "--lease", "4s", "--exec", &program]);
    wait_until(LONG, "it is dead", || cli.json(["stats", "q"])["dead"] == 1);
    let before = cli.json(["jobs", "show", &id]);
    std::fs::write(&good, "").unwrap();
    cli.ok(["dlq", "retry", "q", &id, "--yes"]);
    wait_until(LONG, "it is completed", || cli.json(["stats", "q"])["completed"] == 1);
    assert_eq!(worker.stop(LONG), Some(0));

    let after = cli.json(["jobs", "show", &id]);
    for kept in ["id", "payload", "enqueuedAt", "priority", "failures", "maxAttempts"] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    assert_eq!((&before["failed"], &after["failed"], &after["revived"]), (&2.into(), &0.into(), &1.into()));
    assert_eq!((&after["state"], &after["crashes"]), (&"completed".into(), &0.into()));
    let attempts: Vec<_> = ledger.of("start").iter().map(|line| line.attempt).collect();
    assert_eq!(attempts, [1, 2, 1]);
    assert!(cli.run(["dlq", "retry", "q", &id, "--yes"]).code != Some(0), "it is no dead letter any more");
}

#[test]
fn r33_dead_letters_are_dropped_only_when_told_and_then_counted() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    bury(&cli, "kept", 300);
    assert_eq!(cli.json(["stats", "kept"])["dead"], 300);

    cli.ok(["queues", "set", "count", "--remove-on-fail", "10"]);
    bury(&cli, "count", 300);
    let stats = cli.json(["stats", "count"]);
    assert_eq!((&stats["dead"], &stats["totals"]["dead"]), (&10.into(), &300.into()));
    assert_eq!(stats["totals"]["dropped"], 290);
    let events: redis::Value = redis.query(&["XRANGE", &redis.key("count", "events"), "-", "+"]);
    assert!(format!("{events:?}").contains("dropped"), "each drop is in the events");
    let snapshot = Snapshot::of(&redis, "count");
    snapshot.assert_agrees();
    assert_eq!(snapshot.records.len(), 10, "records and histories went with them");

    bury(&cli, "age", 20);
    cli.ok(["queues", "set", "age", "--remove-on-fail", "1s"]);
    let ledger = Ledger::new();
    let program = ledger.program("exit 65");
    let _worker = cli.work(["age", "--exec", &program]);
    wait_until(LONG, "a further burial, or the janitor, drops what is older than a second", || {
        cli.enqueue("age", "1", &[]);
        cli.json(["stats", "age"])["totals"]["dropped"].as_u64() >= Some(20)
    });
    let left: Vec<String> = redis.query(&["ZRANGE", &redis.key("age", "dead"), "0", "-1"]);
    assert!(left.iter().all(|id| !id.starts_with("dead-")), "{left:?}");
}

#[test]
fn r34_what_cannot_be_read_is_buried_with_its_bytes() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.keep_completed("q");
    let good: Vec<_> = (0..3).map(|_| cli.enqueue("q", "1", &[])).collect();
    let raw = [("cut", "1764000000000000{\"payload\":{\"to\":"), ("text", "hello there"), ("bare", "17{\"other\":1}")];
    for (id, record) in raw {
        redis.query::<()>(&["HSET", &redis.key("q", "jobs"), id, record]);
        redis.query::<()>(&["ZADD", &redis.key("q", "pending:2"), "1", id]);
    }
    redis.query::<()>(&["ZADD", &redis.key("q", "pending:2"), "2", "nobody"]);
    let mut worker = cli.work(["q", "--until-empty", "--exec", &program]);
    assert_eq!(worker.wait(LONG), Some(0));

    let stats = cli.json(["stats", "q"]);
    assert_eq!((&stats["completed"], &stats["dead"]), (&3.into(), &3.into()), "{stats}");
    assert_eq!(stats["totals"]["orphaned"], 1, "an id without a record is counted and leaves the line");
    for (id, record) in raw {
        let letter = cli.json(["dlq", "show", "q", id]);
        let letter = letter.get(0).cloned().unwrap_or(letter);
        assert_eq!(letter["raw"], record, "{letter}");
    }
    let codes = cli.json(["dlq", "list", "q", "--group-by", "code"]);
    assert!(codes.to_string().contains("record_unreadable"), "{codes}");
    let ids: Vec<_> = good.into_iter().chain(raw.map(|(id, _)| id.to_owned())).collect();
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_eq!(ledger.starts().len(), 3);
}

#[test]
fn r64_hostile_patterns_are_bounded() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    bury(&cli, "q", 10_000);
    // How long reading 10,000 letters takes in this build on this machine; an engine that backtracks takes hours.
    let plain = cli.run(["dlq", "list", "q", "--error", "^boom", "--limit", "10000"]).expect(0);
    assert!(plain.stdout.lines().count() >= 10_000);
    for pattern in ["(a+)+$", "(.*)*x{50}", "(b|bo|boo)*$", r"(\w+\s?)*!"] {
        let began = Instant::now();
        cli.run(["dlq", "list", "q", "--error", pattern, "--limit", "10000"]).expect(0);
        assert!(began.elapsed() < plain.elapsed * 4 + Duration::from_secs(1), "{pattern}: {:?}", began.elapsed());
    }
    // One argument may have 128 KiB on Linux, so a pattern of 1 MiB cannot even be handed over.
    for pattern in ["x".repeat(100_000), "(((x{1000}){1000}){1000})".to_owned(), "(".to_owned()] {
        let output = cli.run(["dlq", "list", "q", "--error", &pattern]).expect(2);
        assert!(output.elapsed < Duration::from_secs(5) && output.stderr.contains("--error"), "{}", output.stderr);
    }
    let found: BTreeSet<_> = cli
        .ok(["dlq", "list", "q", "--error", "^boom$", "--limit", "7", "-o", "name"])
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(found.len(), 7);
}
