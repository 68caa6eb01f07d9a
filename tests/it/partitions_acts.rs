//! What operators do to a queue of eight partitions is one act: over all its places, with one entry of the audit, undone as
//! one; also while its jobs are being moved.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::config::Setting;
use ireva_queue::{ActOptions, BulkAct, Clock, ErrorKind, JobState, Located, NewJob, Priority, Selection};
use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed, client, client_at, id, name, run};
use crate::partitions::{close, partitions, say};
use crate::partitions_read::{eight, fill, ids, letters, place_of, set_of};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;
const LONG: std::time::Duration = std::time::Duration::from_secs(30);

/// What is stored of jobs in these places.
fn stored(redis: &TestRedis, places: &[String]) -> BTreeMap<String, Vec<(String, String)>> {
    let sets = ["pending:0", "pending:1", "pending:2", "pending:3", "scheduled", "retrying", "cancelled", "dead"];
    let keys =
        places.iter().flat_map(|place| ["jobs", "history"].into_iter().chain(sets).map(|key| redis.key(place, key)));
    let read = |key: String| {
        let kind: String = redis.query(&["TYPE", &key]);
        let mut values: Vec<(String, String)> = match kind.as_str() {
            "hash" => redis.query(&["HGETALL", &key]),
            "zset" => redis.query(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]),
            _ => return None,
        };
        values.sort();
        Some((key, values))
    };
    keys.filter_map(read).collect()
}

fn acts(cli: &Cli) -> Vec<Value> {
    cli.json(["audit", "q"]).as_array().unwrap().clone()
}

/// A queue of eight partitions whose jobs are being moved out of the one that it had.
fn moving() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&cli, "old", 100);
    Seed { redis: &redis, queue: "q" }.letter("old-letter", NOW_MS, ["permanent", "smtp_5xx", "550"]);
    redis.query::<()>(&["HSET", &redis.key("q", "config"), "partitions_was", "1"]);
    close(&redis, 1, 8);
    say(&redis, 8);
    for place in partitions(8) {
        redis.query::<()>(&["HSET", &redis.key(&place, "meta"), "layout", "1", "partitions", "<1"]);
    }
    fill(&cli, "new", 100);
    (redis, cli)
}

#[test]
fn single_jobs_are_acted_on_where_they_are() {
    let (redis, cli) = eight();
    fill(&cli, "job", 16);
    for n in 0..8 {
        let job = format!("job-{n:03}");
        let place = place_of(&redis, &job);
        let cancelled = cli.json(["jobs", "cancel", &job]);
        assert_eq!((&cancelled["from"], &cancelled["to"]), (&json!("pending"), &json!("cancelled")));
        assert!(redis.query::<Option<i64>>(&["ZSCORE", &redis.key(&place, "cancelled"), &job]).is_some());
    }
    for n in 8..16 {
        assert_eq!(cli.json(["jobs", "delete", &format!("job-{n:03}")])["to"], Value::Null);
    }
    let act = acts(&cli).remove(0)["id"].as_str().unwrap().to_owned();
    assert_eq!(cli.json(["undo", &act])["restored"], 1);
    for (n, place) in partitions(8).iter().enumerate() {
        let seed = Seed { redis: &redis, queue: place };
        seed.letter(&format!("letter-{n}"), NOW_MS, ["permanent", "smtp_5xx", "550 no"]);
        seed.job("scheduled", &format!("later-{n}"), (NOW_MS * 2) * 4 + 2, "");
        assert_eq!(cli.json(["jobs", "promote", &format!("later-{n}")])["to"], "pending");
        assert_eq!(cli.json(["jobs", "retry", &format!("letter-{n}")])["to"], "pending");
        seed.letter(&format!("edited-{n}"), NOW_MS, ["permanent", "smtp_5xx", "550 no"]);
        let new = cli.json(["dlq", "retry", "q", &format!("edited-{n}"), "--edit", "{\"n\":2}"]);
        let new = new["id"].as_str().map(str::to_owned).unwrap_or_else(|| ids(&new).remove(0));
        assert_eq!(cli.json(["jobs", "show", &new])["revives"], format!("edited-{n}"));
    }
    assert_eq!(cli.json(["stats", "q"])["pending"], 1 + 24);
}

#[test]
fn an_act_on_many_is_one_and_so_is_its_undo() {
    let (redis, cli) = eight();
    fill(&cli, "job", 400);
    letters(&redis, "letter", 200);
    let before = stored(&redis, &partitions(8));
    let counted = cli.json(["clear", "q", "--state", "pending,dead", "--dry-run"]);
    assert_eq!((&counted["matched"], ids(&counted["sample"]).len()), (&json!(600), 5));
    assert_eq!(stored(&redis, &partitions(8)), before);

    let cleared = cli.json(["clear", "q", "--state", "pending,dead", "--yes", "--reason", "all of them"]);
    assert_eq!((&cleared["matched"], &cleared["changed"]), (&json!(600), &json!(600)));
    assert!(stored(&redis, &partitions(8)).is_empty());
    assert_eq!(acts(&cli).len(), 1, "one entry, however many places");
    assert_eq!((&acts(&cli)[0]["count"], &acts(&cli)[0]["selection"]), (&json!(600), &json!("state pending,dead")));
    let act = cleared["act"].as_str().unwrap();
    assert_eq!(cli.json(["undo", act, "--dry-run"])["restored"], 600);
    let undone = cli.json(["undo", act]);
    assert_eq!((&undone["restored"], &undone["left"]), (&json!(600), &json!(0)));
    assert_eq!(stored(&redis, &partitions(8)), before, "each is back in its own place");
    let twice = cli.json(["undo", act]);
    assert_eq!((&twice["restored"], &twice["before"]), (&json!(0), &json!(600)));

    let selected = cli.json(["jobs", "cancel", "--queue", "q", "--payload", "n=~^1.$", "--yes"]);
    assert_eq!(selected["changed"], 10);
    assert_eq!(cli.json(["undo", selected["act"].as_str().unwrap()])["restored"], 10);
    assert_eq!(cli.json(["dlq", "delete", "q", "--all", "--yes"])["changed"], 200);
    assert_eq!(cli.json(["jobs", "list", "q", "--state", "dead"]), json!([]));
    let undone = acts(&cli)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(cli.json(["undo", &undone])["restored"], 200);
    assert_eq!(cli.json(["dlq", "retry", "q", "--all", "--yes"])["changed"], 200);
    let stats = cli.json(["stats", "q"]);
    assert_eq!((&stats["pending"], &stats["dead"], &stats["totals"]["revived"]), (&json!(600), &json!(0), &json!(200)));
    assert!(schema_faults(&redis).is_empty() || !schema_faults(&redis).iter().any(|fault| fault.contains("undo")));
}

#[test]
fn of_a_limited_act_the_oldest_over_all_places_are_taken() {
    let (redis, cli) = eight();
    let all = letters(&redis, "letter", 300);
    assert_eq!(cli.json(["clear", "q", "--state", "dead", "--limit", "120", "--yes"])["changed"], 120);
    assert_eq!(ids(&cli.json(["dlq", "list", "q", "--limit", "500"])), all[120..]);
    assert_eq!(cli.json(["dlq", "retry", "q", "--code", "unknown", "--limit", "30", "--yes"])["changed"], 30);
    assert_eq!(ids(&cli.json(["dlq", "list", "q", "--limit", "500"])), all[150..]);
    let named = ["--id", "letter-0299", "--id", "letter-0151", "--id", "letter-0200"];
    let gone = cli.json([&["dlq", "delete", "q", "--yes"][..], &named[..]].concat());
    assert_eq!(gone["changed"], 3);
    assert_eq!(ids(&cli.json(["dlq", "list", "q", "--limit", "500"])).len(), 147);
}

#[test]
fn while_jobs_are_moved_acts_reach_both_places() {
    let (redis, cli) = moving();
    let all = [partitions(1), partitions(8)].concat();
    assert_eq!(cli.json(["jobs", "cancel", "old-001"])["to"], "cancelled");
    assert_eq!(cli.json(["jobs", "cancel", "new-001"])["to"], "cancelled");
    let cancelled = cli.json(["jobs", "cancel", "--queue", "q", "--payload", "n=2", "--yes"]);
    assert_eq!(cancelled["changed"], 2);

    // Nothing is added to a place that is left, not even one of its own letters: that is said, and it is for later.
    let refused = cli.run(["jobs", "retry", "old-letter"]).expect(75);
    assert!(refused.stderr.contains("are being moved to other partitions"), "{}", refused.stderr);
    Seed { redis: &redis, queue: "q:4/8" }.letter("new-letter", NOW_MS, ["permanent", "smtp_5xx", "550"]);
    let partly = cli.run(["dlq", "retry", "q", "--all", "--yes", "-o", "json"]).expect(3);
    assert_eq!(partly.json()["changed"], 1);
    assert!(partly.stderr.contains("old-letter") && partly.stderr.contains("are being moved"), "{}", partly.stderr);

    let before = ids(&cli.json(["jobs", "list", "q", "--all"]));
    let cleared = cli.json(["clear", "q", "--state", "pending,dead,cancelled", "--yes"]);
    assert_eq!((&cleared["changed"], before.len()), (&json!(202), 202));
    assert_eq!(stored(&redis, &all).len(), 0);
    // What was in the place that is left comes back where jobs are added now.
    let undone = cli.json(["undo", cleared["act"].as_str().unwrap()]);
    assert_eq!((&undone["restored"], &undone["left"]), (&json!(202), &json!(0)));
    assert!(stored(&redis, &partitions(1)).is_empty());
    assert_eq!(set_of(&ids(&cli.json(["jobs", "list", "q", "--all"]))), set_of(&before));
    assert_eq!(cli.json(["jobs", "retry", "old-letter"])["to"], "pending");
}

#[test]
fn what_was_taken_from_partitions_that_are_gone_comes_back_where_jobs_belong_now() {
    let (redis, cli) = eight();
    fill(&cli, "job", 120);
    let deleted = run(async {
        let inspector = client(&redis).inspector();
        inspector.delete(&Located::new(name("q"), id("job-000"), JobState::Pending)).await
    });
    assert_eq!(deleted.unwrap().to, None);
    let single = acts(&cli).remove(0)["id"].as_str().unwrap().to_owned();
    let act = cli.json(["clear", "q", "--yes"])["act"].as_str().unwrap().to_owned();
    close(&redis, 8, 3);
    say(&redis, 3);
    fill(&cli, "job", 5);
    assert_eq!(cli.json(["undo", &act, "--dry-run"])["restored"], 119);
    let undone = cli.run(["undo", &act, "-o", "json"]).expect(3);
    assert_eq!((&undone.json()["restored"], &undone.json()["left"]), (&json!(115), &json!(4)), "four are there again");
    assert_eq!(cli.run(["undo", &single, "-o", "json"]).expect(5).json()["left"], 1);
    let listed = ids(&cli.json(["jobs", "list", "q", "--all"]));
    assert_eq!((listed.len(), set_of(&listed).len()), (120, 120));
    // They stand where a repeated enqueue finds them.
    let again: Vec<_> =
        (0..120).map(|n| ireva_queue::NewJob::new(&n).unwrap().id(id(&format!("job-{n:03}")))).collect();
    let answers = run(client(&redis).queue(name("q")).enqueue_many(again)).unwrap();
    assert!(answers.into_iter().all(|answer| answer.unwrap().duplicate));
    assert_eq!(cli.json(["undo", &act])["restored"], 0);
}

#[test]
fn jobs_are_carried_from_a_queue_of_eight_into_one_of_three() {
    let (redis, cli) = eight();
    fill(&cli, "job", 150);
    cli.enqueue("q", "{}", &["--id", "ordered-1", "--order-key", "k"]);
    cli.enqueue("q", "{}", &["--id", "unique-1", "--unique", "u"]);
    letters(&redis, "letter", 50);
    let file = cli.ok(["jobs", "export", "q"]);
    let exported: BTreeSet<String> =
        file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()).collect();
    assert_eq!((file.lines().count(), exported.len()), (202, 202));

    let other = TestRedis::start();
    close(&other, 1, 3);
    say(&other, 3);
    let there = Cli::new(&other);
    assert_eq!(there.clone().stdin(file.clone()).json(["jobs", "import", "-"])["imported"], 202);
    assert_eq!(there.clone().stdin(file.clone()).json(["jobs", "import", "-"])["duplicates"], 202);
    let stats = there.json(["stats", "q"]);
    assert_eq!((&stats["pending"], &stats["dead"], &stats["partitions"]), (&json!(152), &json!(50), &json!(3)));
    // Each is where a producer looks for it.
    for args in [["--id", "ordered-1", "--order-key", "k"], ["--id", "other", "--unique", "u"]] {
        let answer = there.json([&["enqueue", "q", "{}"][..], &args[..]].concat());
        assert_eq!(answer["duplicate"], true, "{answer}");
    }

    // What has not been moved yet is there as well.
    let (redis, cli) = moving();
    let file = cli.ok(["jobs", "export", "q"]);
    assert_eq!(cli.clone().stdin(file.clone()).json(["jobs", "import", "-", "--dry-run"])["duplicates"], 201);
    assert_eq!(cli.clone().stdin(file.clone()).json(["jobs", "import", "-"])["duplicates"], 201);
    assert_eq!(cli.json(["stats", "q"])["pending"], 200);
    // What nobody knows goes where jobs are added now, unless its unique key is still held where they were.
    let keyed = "{\"priority\":\"high\",\"unique\":\"u\",\"payload\":1}";
    redis.query::<()>(&["HSET", &redis.key("q", "unique"), "u", "0|old-000"]);
    let line = |id: &str| {
        format!("{{\"id\":\"{id}\",\"queue\":\"q\",\"state\":\"pending\",\"place\":{NOW_US},\"arrivalUs\":{NOW_US},")
    };
    let lines = format!("{}\"record\":{{\"payload\":1}}}}\n{}\"record\":{keyed}}}\n", line("fresh-1"), line("fresh-2"));
    let mixed = cli.clone().stdin(lines).run(["jobs", "import", "-", "-o", "json"]).expect(3).json();
    assert_eq!((&mixed["imported"], &mixed["skipped"][0]["id"]), (&json!(1), &json!("fresh-2")));
    assert_ne!(place_of(&redis, "fresh-1"), "q");
}

#[test]
fn a_queue_is_deleted_only_when_its_partitions_are_one_again() {
    let (redis, cli) = eight();
    fill(&cli, "job", 8);
    let refused = |cli: &Cli, why: &str| {
        let said = cli.run(["queues", "delete", "q"]).expect(5).stderr;
        assert!(said.contains(why), "{said}");
    };
    refused(&cli, "it holds 8 pending");
    cli.ok(["clear", "q", "--yes"]);
    refused(&cli, "queues set q --partitions 1");
    close(&redis, 8, 1);
    say(&redis, 1);
    redis.query::<()>(&["HDEL", &redis.key("q", "meta"), "partitions"]);
    cli.ok(["queues", "delete", "q"]);
    assert_eq!(cli.json(["queues", "list"]), json!([]));
}

#[test]
fn what_is_cleared_while_jobs_move_is_all_that_there_was() {
    const JOBS: usize = 6_000;
    let redis = TestRedis::start();
    let queue = client(&redis).queue(name("q"));
    let new = |n: usize| NewJob::new(&n).unwrap().id(id(&format!("job-{n:05}")));
    for count in [8, 3, 1] {
        run(queue.enqueue_many((0..JOBS).map(new).collect())).unwrap();
        let act = std::thread::scope(|scope| {
            let mover = scope.spawn(|| {
                run(queue.set(&[Setting::Partitions(count)])).unwrap();
                run(queue.move_over(&mut |_| ())).unwrap();
            });
            let moving = || run(client(&redis).queue(name("q")).stats()).unwrap().partitions_was.is_some();
            wait_until(LONG, "the change", || moving() || mover.is_finished());
            let cleared = run(queue.clear(&[], &mut |_| ())).unwrap();
            assert_eq!(cleared.changed, JOBS as u64, "to {count}");
            mover.join().unwrap();
            cleared.act.unwrap()
        });
        assert_eq!(run(queue.stats()).unwrap().pending, 0);
        // The copies were taken before the partitions were gone, and come back after that.
        let undone = run(async {
            let audit = client(&redis).audit();
            audit.undo(&audit.find(&act).await?, &ActOptions::default(), &mut |_| ()).await
        });
        assert_eq!(undone.unwrap().restored, JOBS as u64, "to {count}");
        assert_eq!(run(queue.clear(&[], &mut |_| ())).unwrap().changed, JOBS as u64);
        // The ids are remembered for a day, so the next ones are others.
        for place in [partitions(1), partitions(8), partitions(3)].concat() {
            redis.query::<()>(&["DEL", &redis.key(&place, "seen")]);
        }
    }
}

#[test]
fn what_is_selected_while_jobs_move_is_all_of_it() {
    const JOBS: u64 = 3_000;
    let redis = TestRedis::start();
    let queue = client(&redis).queue(name("q"));
    for count in [8, 3, 1] {
        let new = |n: u64| NewJob::new(&n).unwrap().id(id(&format!("job-{count}-{n:05}")));
        run(queue.enqueue_many((0..JOBS).map(new).collect())).unwrap();
        let normal = Selection { priorities: vec![Priority::Normal], ..Selection::default() };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                run(queue.set(&[Setting::Partitions(count)])).unwrap();
                run(queue.move_over(&mut |_| ())).unwrap();
            });
            let report = run(queue.bulk().run(BulkAct::Cancel, &normal, &ActOptions::default(), &mut |_| ())).unwrap();
            assert_eq!((report.changed, report.skipped.len()), (JOBS, 0), "to {count}");
        });
        assert_eq!(run(queue.stats()).unwrap().pending, 0);
    }
}

#[test]
fn a_protected_queue_keeps_its_jobs_in_all_places() {
    let (redis, cli) = eight();
    fill(&cli, "job", 8);
    cli.ok(["queues", "protect", "q"]);
    cli.run(["clear", "q", "--yes"]).expect(5);
    assert_eq!(cli.json(["stats", "q"])["pending"], 8);
    let clock = Clock::server();
    let error = run(client_at(&redis, &clock).queue(name("q")).delete(&ActOptions::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
