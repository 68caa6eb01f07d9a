//! Hosts whose clocks are wrong: delays, leases and claims go by the clock of Redis.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// A second late is promised; the rest is the slack of a busy machine.
const LATE_MS: u64 = 1_000 + 1_500;
const DELAY_MS: u64 = 4_000;

/// The shim, compiled.
fn shim(directory: &Path) -> PathBuf {
    let library = directory.join("clock_shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/clock_shim.c");
    let mut cc = Command::new("cc");
    let output =
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output().expect("cc is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The same commands on a host whose clock goes wrong by what is written into the file.
fn host(cli: &Cli, library: &Path, file: &Path) -> Cli {
    std::fs::write(file, "0").unwrap();
    cli.clone().env("LD_PRELOAD", library.display().to_string()).env("CLK_FILE", file.display().to_string())
}

/// The clock of one host jumps by `jump` seconds while it works or produces; nothing comes early, late or twice.
fn jump(jump: i64) {
    let redis = TestRedis::start();
    let (plain, ledger) = (Cli::new(&redis), Ledger::new());
    let library = shim(&ledger.directory());
    // Each of the two queues has a host with a right clock and one with a wrong one.
    let files = ["worker", "producer"].map(|name| ledger.directory().join(name));
    let [working, producing] = [&files[0], &files[1]].map(|file| host(&plain, &library, file));
    let program = ledger.program("test $payload = 1 || sleep 6");
    let flags = ["--concurrency", "4", "--lease", "4s", "--exec", &program];
    let mut workers = vec![
        working.work(["wrong-worker"].iter().chain(&flags)).ready(),
        plain.work(["wrong-worker"].iter().chain(&flags)).ready(),
        plain.work(["wrong-producer"].iter().chain(&flags)).ready(),
    ];
    for queue in ["wrong-worker", "wrong-producer"] {
        plain.keep_completed(queue);
        // Longer than a lease, so that leases are renewed across the jump.
        (0..4).for_each(|_| drop(plain.enqueue(queue, "2", &[])));
    }
    ledger.wait("start", 8, LONG);
    files.iter().for_each(|file| std::fs::write(file, jump.to_string()).unwrap());
    let told = |queue: &str, cli: &Cli| {
        let before = server_ms(&redis);
        let ids: Vec<_> = (0..3).map(|_| cli.enqueue(queue, "1", &["--delay", "4s"])).collect();
        (ids, before, server_ms(&redis))
    };
    let delayed = [told("wrong-worker", &plain), told("wrong-producer", &producing)];
    let done = |queue: &str| plain.json(["stats", queue])["completed"] == 7;
    wait_until(LONG, "all is done", || done("wrong-worker") && done("wrong-producer"));

    let starts = ledger.of("start");
    for (ids, before, after) in &delayed {
        for line in starts.iter().filter(|line| ids.contains(&line.id)) {
            let claimed_ms = line.fence / 1_000;
            assert!(claimed_ms >= before + DELAY_MS, "{} came early: {claimed_ms}, told at {before}", line.id);
            assert!(claimed_ms <= after + DELAY_MS + LATE_MS, "{} came late: {claimed_ms}, told by {after}", line.id);
        }
    }
    assert!(ledger.starts().values().all(|starts| *starts == 1), "{:?}", ledger.starts());
    for queue in ["wrong-worker", "wrong-producer"] {
        assert_eq!(plain.json(["stats", queue])["totals"]["recovered"], 0, "{queue}: no lease ended");
        assert_balanced(&redis, &plain, queue);
    }
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
    }
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

/// Now, by the server.
fn server_ms(redis: &TestRedis) -> u64 {
    let (secs, micros): (u64, u64) = redis.query(&["TIME"]);
    secs * 1_000 + micros / 1_000
}

#[test]
fn r26_a_clock_that_jumps_an_hour_ahead_moves_no_delay_and_no_lease() {
    jump(3_600);
}

#[test]
fn r26_a_clock_that_jumps_an_hour_back_moves_no_delay_and_no_lease() {
    jump(-3_600);
}
