//! A server that answers and takes nothing, for each of its reasons: commands say which in time, workers wait and go on.

use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// How long after the end of a state work may resume, and what a busy machine may add.
const RESUME: Duration = Duration::from_millis(5_000 + 2_500);

/// While a job runs the server enters a state in which `enqueue` ends with `code` and names `word`; it leaves the state, and
/// the worker acknowledges that job, which ran once, and takes the next.
fn endures(redis: &TestRedis, (code, word): (i32, &str), enter: impl FnOnce(), leave: impl FnOnce()) {
    let (cli, ledger) = (Cli::new(redis), Ledger::new());
    let program = ledger.program("sleep 1");
    cli.keep_completed("q");
    let mut worker = cli.work(["q", "--lease", "10s", "--exec", &program]).ready();
    cli.enqueue("q", "1", &[]);
    ledger.wait("start", 1, LONG);
    enter();
    let refused = cli.run(["enqueue", "q", "1", "--id", "refused"]).expect(code);
    assert!(refused.stderr.contains(word) && refused.stdout.is_empty(), "{}", refused.stderr);
    assert!(refused.elapsed < Duration::from_secs(6), "{:?}", refused.elapsed);
    ledger.wait("end", 1, LONG);
    leave();
    let left = Instant::now();
    wait_until(LONG, "a job is taken", || cli.run(["enqueue", "q", "1"]).code == Some(0));
    ledger.wait("start", 2, LONG);
    assert!(left.elapsed() < RESUME, "{:?}", left.elapsed());
    wait_until(LONG, "both are acknowledged", || cli.json(["stats", "q"])["completed"] == 2);
    assert!(ledger.starts().values().all(|starts| *starts == 1), "{:?}", ledger.starts());
    assert!(worker.events("alert").len() <= 10, "a flood: {:#?}", worker.log());
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    Snapshot::of(redis, "q").assert_agrees();
}

fn set(redis: &TestRedis, name: &str, value: &str) {
    redis.query::<()>(&["CONFIG", "SET", name, value]);
}

#[test]
fn p14_too_few_replicas() {
    let redis = TestRedis::start();
    let enough = |count: &str| set(&redis, "min-replicas-to-write", count);
    endures(&redis, (75, "NOREPLICAS"), || enough("1"), || enough("0"));
}

#[test]
fn p14_no_memory() {
    let redis = TestRedis::start();
    endures(&redis, (75, "OOM"), || set(&redis, "maxmemory", "1mb"), || set(&redis, "maxmemory", "0"));
}

#[test]
fn p14_a_replica_in_the_masters_place() {
    let redis = TestRedis::start();
    let nowhere = free_port().to_string();
    let enter = || redis.query::<()>(&["REPLICAOF", "127.0.0.1", &nowhere]);
    // A command that starts then has a wrong address, for all it can know; a worker that was there before waits.
    endures(&redis, (78, "is a replica"), enter, || redis.query::<()>(&["REPLICAOF", "NO", "ONE"]));
}

#[test]
fn p14_no_connection_left() {
    let redis = TestRedis::start();
    endures(
        &redis,
        (75, "max number of clients"),
        || set(&redis, "maxclients", "1"),
        || set(&redis, "maxclients", "10000"),
    );
}

#[test]
fn p14_snapshots_that_fail() {
    let redis = TestRedis::builder().set("save 3600 1").start();
    let place = redis.directory().join("dump.rdb");
    let saved = |how: &str| {
        redis.query::<()>(&["BGSAVE"]);
        wait_until(LONG, "the snapshot has ended", || {
            let info: String = redis.query(&["INFO", "persistence"]);
            info.contains("rdb_bgsave_in_progress:0") && info.contains(&format!("rdb_last_bgsave_status:{how}"))
        });
    };
    let enter = || {
        // Where the file should be there is something in its way.
        std::fs::create_dir_all(place.join("stone")).unwrap();
        saved("err");
    };
    let leave = || {
        std::fs::remove_dir_all(&place).unwrap();
        saved("ok");
    };
    endures(&redis, (75, "MISCONF"), enter, leave);
}

#[test]
fn p14_a_server_that_loads_its_data() {
    let redis = TestRedis::builder().set("loading-process-events-interval-bytes 1024").start();
    // It answers after each 1024 bytes, some fifty of these keys: many that are short let it answer soon.
    redis.query::<()>(&["DEBUG", "POPULATE", "30000"]);
    set(&redis, "key-load-delay", "250");
    let loads = std::cell::Cell::new(None);
    let enter = || {
        let mut connection = redis.connect().unwrap();
        loads.set(Some(std::thread::spawn(move || {
            redis::cmd("DEBUG").arg("RELOAD").query::<()>(&mut connection).unwrap();
        })));
        wait_until(LONG, "it loads", || redis.query::<String>(&["INFO", "persistence"]).contains("\nloading:1"));
    };
    endures(&redis, (75, "LOADING"), enter, || loads.take().unwrap().join().unwrap());
}
