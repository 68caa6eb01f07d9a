//! One heal beside running workers, after a random row of damage; and a server that comes back with an older backup.

use std::time::Duration;

use crate::model::Dice;
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// Keys without which every job still has its record; not `config`, which says that completed jobs stay.
const BESIDE: [&str; 14] = [
    "history",
    "crashes",
    "pending:2",
    "active",
    "workers",
    "handed",
    "completed",
    "unique",
    "keys",
    "expiring",
    "seen",
    "meta",
    "events",
    "wake",
];

/// Jobs of the queue `q`, under these ids.
fn enqueue(cli: &Cli, ids: impl Iterator<Item = String>) -> Vec<String> {
    let ids: Vec<_> = ids.collect();
    cli.enqueue_lines("q", ids.iter().map(|id| format!(r#"{{"id":"{id}","payload":1}}"#)));
    ids
}

/// What a hand may do to the keys of a queue that leaves the records whole; what it did.
fn damage(redis: &TestRedis, dice: &mut Dice, step: u64) -> Vec<String> {
    let key = |suffix: &str| redis.key("q", suffix);
    let any = |verb: &str, suffix: &str| redis.query::<Option<String>>(&[verb, &key(suffix)]);
    let waiting = || any("ZRANDMEMBER", "pending:2").unwrap_or_else(|| "ghost".to_owned());
    let running = || any("HRANDFIELD", "active").unwrap_or_else(|| "ghost".to_owned());
    let ended = || any("ZRANDMEMBER", "completed").unwrap_or_else(|| "ghost".to_owned());
    let ghost = format!("ghost-{step}");
    let words = match dice.below(12) {
        0..=3 => vec!["DEL".to_owned(), key(dice.one_of(&BESIDE))],
        4 => vec!["ZREM".to_owned(), key("pending:2"), waiting()],
        5 => vec!["HDEL".to_owned(), key("active"), running()],
        6 => vec!["HSET".to_owned(), key("active"), running(), "no claim at all".to_owned()],
        7 => vec!["ZADD".to_owned(), key("dead"), "1".to_owned(), ended()],
        8 => vec!["ZADD".to_owned(), key("scheduled"), "99999999999999".to_owned(), waiting()],
        9 => vec!["ZADD".to_owned(), key(dice.one_of(&["pending:1", "retrying", "dead"])), "1".to_owned(), ghost],
        10 => vec!["HSET".to_owned(), key(dice.one_of(&["history", "crashes", "keys"])), ghost, "1".to_owned()],
        _ => vec!["HSET".to_owned(), key("unique"), ghost, "0|nobody".to_owned()],
    };
    let words_of: Vec<_> = words.iter().map(String::as_str).collect();
    redis.query::<redis::Value>(&words_of);
    words
}

#[test]
fn whatever_a_hand_does_to_the_keys_beside_the_records_under_load_one_heal_brings_every_job_back() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let mut dice = chaos_dice();
    cli.keep_completed("q");
    let program = ledger.program("sleep 0.1");
    let work = || cli.work(["q", "--concurrency", "4", "--lease", "4s", "--exec", &program]);
    let mut workers = [work().ready(), work().ready()];
    let mut accepted = enqueue(&cli, (0..60).map(|n| format!("job-{n}")));
    let mut done = Vec::new();
    for step in 0..if is_full_length() { 200 } else { 24 } {
        accepted.extend(enqueue(&cli, (0..5).map(|n| format!("job-{step}-{n}"))));
        done.push(damage(&redis, &mut dice, step).join(" "));
    }
    eprintln!("{}", done.join("\n"));

    cli.run(["heal", "q"]).expect(0);
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
    let left = cli.json(["heal", "q", "--dry-run"]);
    assert!(left.as_array().unwrap().is_empty(), "{left}");

    // Whatever was put among the wrong ones is no worse for it: what lives runs to its end.
    let mut last = work().ready();
    let stood = |suffix: &str| redis.query::<usize>(&["ZCARD", &redis.key("q", suffix)]);
    wait_until(LONG, "what lives has ended", || {
        stood("completed") + stood("dead") + stood("scheduled") == accepted.len()
    });
    assert_eq!(last.stop(LONG), Some(0));
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
}

#[test]
fn after_an_older_backup_is_restored_workers_go_on_and_fences_still_rise() {
    let mut redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    cli.keep_completed("q");
    let program = ledger.program("sleep 0.05");
    let work = || cli.work(["q", "--concurrency", "4", "--lease", "4s", "--exec", &program]).ready();
    let mut workers = [work(), work()];
    let kept = enqueue(&cli, (0..120).map(|n| format!("kept-{n}")));
    ledger.wait("start", 20, LONG);
    redis.query::<()>(&["SAVE"]);
    let file = |name: &str| redis.directory().join(name);
    std::fs::copy(file("dump.rdb"), file("older.rdb")).unwrap();
    assert!(redis.query::<usize>(&["HLEN", &redis.key("q", "jobs")]) >= kept.len());

    // What is accepted after the backup is lost with it, whoever restores it; the rest runs to its end here, and again there.
    enqueue(&cli, (0..40).map(|n| format!("later-{n}")));
    wait_until(LONG, "all has ended", || cli.json(["stats", "q"])["completed"] == 160);
    let fence_before = ledger.of("start").iter().map(|line| line.fence).max().unwrap();
    let starts_before = ledger.of("start").len();
    redis.kill9();
    std::fs::copy(redis.directory().join("older.rdb"), redis.directory().join("dump.rdb")).unwrap();
    redis.restart();

    let after = enqueue(&cli, (0..20).map(|n| format!("after-{n}")));
    let accepted: Vec<_> = kept.into_iter().chain(after).collect();
    wait_until(LONG, "all that the backup holds has ended", || cli.json(["stats", "q"])["completed"] == accepted.len());
    let again = ledger.of("start").split_off(starts_before);
    assert!(again.iter().any(|line| line.id.starts_with("kept-")), "the backup was older");
    let low: Vec<_> = again.iter().filter(|line| line.fence <= fence_before).collect();
    assert!(low.is_empty(), "fences fell: {low:?}");
    cli.run(["heal", "q"]).expect(0);
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    Snapshot::of(&redis, "q").assert_conserves(&accepted);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
