//! A server that takes no writes, for want of memory or of disk: work in hand ends, nothing is lost, and all goes on alone.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// What a busy machine may add to a promise.
const SLACK_MS: u64 = 1_500;

#[test]
fn r21_a_server_without_memory_takes_no_new_work_and_ends_what_is_under_way() {
    let redis = TestRedis::builder().set("maxmemory-policy noeviction").start();
    let flags = ["--concurrency", "50", "--lease", "10s"];
    // Of ten jobs one fails for good and one for now.
    let body = "sleep 3; case $IREVA_JOB_ID in *-9) exit 65;; *-8) test $IREVA_ATTEMPT != 1 || exit 1;; esac";
    let mut load = Load::start(&Cli::new(&redis), 2, &flags, body);
    let lines = |name: char, count: u32| {
        (0..count).map(move |n| format!(r#"{{"id":"{name}{}-{}","payload":1,"backoff":"fixed:1s"}}"#, n / 10, n % 10))
    };
    load.cli.enqueue_lines(QUEUE, lines('a', 100));
    load.ledger.wait("start", 100, LONG);

    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let full = Instant::now();
    let refused = load.cli.run(["enqueue", QUEUE, "1"]).expect(75);
    assert!(refused.stderr.contains("OOM") && refused.stderr.contains("memory"), "{}", refused.stderr);
    let count = |state: &str| redis.query::<usize>(&["ZCARD", &redis.key(QUEUE, state)]);
    wait_until(LONG, "what was under way has ended", || count("completed") == 90 && count("dead") == 10);
    let cli = &load.cli;
    assert_eq!(cli.json(["stats", QUEUE])["dead"], 10);
    assert_eq!(cli.json(["dlq", "list", QUEUE]).as_array().map(Vec::len), Some(10));
    cli.ok(["dlq", "delete", QUEUE, "--id", "a0-9", "--yes"]);
    cli.ok(["clear", QUEUE, "--state", "completed", "--limit", "10", "--yes"]);
    assert_eq!((count("completed"), count("dead")), (80, 9));
    wait_until(LONG, "it lasted", || full.elapsed() >= length(0, 30));
    cli.run(["enqueue", QUEUE, "1"]).expect(75);

    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let lifted_ms = now_ms();
    cli.enqueue_lines(QUEUE, lines('b', 5));
    wait_until(LONG, "work goes on", || load.ledger.of("start").iter().any(|line| line.id.starts_with('b')));
    assert!(now_ms() - lifted_ms < 2_000 + SLACK_MS, "{} ms", now_ms() - lifted_ms);
    wait_until(LONG, "all is done", || count("completed") == 85);
    let snapshot = Snapshot::of(&redis, QUEUE);
    assert_eq!((snapshot.count("completed"), snapshot.count("dead"), snapshot.states.len()), (85, 9, 94));
    snapshot.assert_agrees();
    let totals = &load.cli.json(["stats", QUEUE])["totals"];
    assert_eq!((&totals["enqueued"], &totals["completed"], &totals["dead"]), (&105.into(), &95.into(), &10.into()));
    assert_eq!(totals["removed"], 11);
    for worker in &mut load.workers {
        assert!(worker.events("alert").len() <= 20, "a flood: {:#?}", worker.events("alert"));
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

/// A small disk of its own, gone with its value.
struct SmallDisk {
    place: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where it may not be mounted.
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("ireva-disk-").tempdir().unwrap();
        let place = directory.path().join("disk");
        std::fs::create_dir(&place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "ireva-test"]).arg(&place);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self { place, _directory: directory })
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.place.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.place.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file there keeps it to its own end.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}

/// The processor time that a process has used, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let times = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}

#[test]
fn r22_a_full_disk_under_redis_stops_work_quietly_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("6m") else {
        eprintln!("no file system may be mounted here, so no disk can be filled");
        return;
    };
    let settings =
        TestRedis::builder().append_only().set("appendfsync everysec").set(&format!("dir {}", disk.place.display()));
    let redis = settings.set("auto-aof-rewrite-percentage 0").start();
    let load = Load::start(&Cli::new(&redis), 2, &["--concurrency", "4", "--lease", "10s"], "sleep 1");
    load.cli.enqueue_lines(QUEUE, (0..8).map(|n| format!(r#"{{"id":"a-{n}","payload":1}}"#)));
    load.ledger.wait("start", 8, LONG);
    disk.fill();
    let refused = wait_for(LONG, "writes are refused", || {
        Some(load.cli.run(["enqueue", QUEUE, "1", "--id", "lost-and-found"])).filter(|output| output.code != Some(0))
    });
    let refused = refused.expect(75);
    assert!(refused.stderr.contains("MISCONF"), "{}", refused.stderr);
    load.ledger.wait("end", 8, LONG);

    let (began, said) =
        (Instant::now(), |load: &Load| load.workers.iter().map(|one| one.log().len()).collect::<Vec<_>>());
    let (lines, used) = (said(&load), load.workers.iter().map(|one| ticks(one.pid())).collect::<Vec<_>>());
    last(length(5, 30));
    let secs = began.elapsed().as_secs_f64();
    for (index, worker) in load.workers.iter().enumerate() {
        let rate = (worker.log().len() - lines[index]) as f64 / secs;
        let share = (ticks(worker.pid()) - used[index]) as f64 / secs;
        eprintln!("worker {index}: {rate:.1} lines a second, {share:.1} % of a core");
        assert!(rate < 10.0, "{rate} lines a second: {:#?}", worker.log());
        assert!(share < 20.0, "{share} % of a core");
    }

    disk.free();
    let freed_ms = now_ms();
    let again = wait_for(LONG, "writes are taken", || {
        let lines = (0..8).map(|n| format!("{{\"id\":\"b-{n}\",\"payload\":1}}\n")).collect::<String>();
        Some(load.cli.clone().stdin(lines).run(["enqueue", QUEUE, "--ndjson", "-"]))
            .filter(|output| output.code == Some(0))
    });
    load.ledger.wait("start", 16, LONG);
    let first = load.ledger.of("start").iter().filter(|line| line.id.starts_with('b')).map(|line| line.at_ms).min();
    assert!(
        first.unwrap() - freed_ms < 5_000 + SLACK_MS,
        "{} ms after there was room: {again:?}",
        first.unwrap() - freed_ms
    );
    let mut confirmed: std::collections::BTreeSet<_> =
        (0..8).flat_map(|n| [format!("a-{n}"), format!("b-{n}")]).collect();
    // Before the disk was seen to be full the job was taken.
    confirmed.extend(Snapshot::of(&redis, QUEUE).states.into_keys().filter(|id| id == "lost-and-found"));
    let done = || redis.query::<usize>(&["ZCARD", &redis.key(QUEUE, "completed")]) == confirmed.len();
    wait_until(LONG, "all is done", done);
    assert_eq!(load.repeats(), 0, "what had ended was not run again");
    load.close(&redis, &Told { confirmed, ..Told::default() });
    drop(redis);
}
