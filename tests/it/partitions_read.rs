//! A queue of eight partitions is looked at as one: counted, listed, searched, followed; also while its jobs are being moved.
//! What a change of the number writes is written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ireva_queue::config::Setting;
use ireva_queue::{EventId, JobLine, JobState, NewJob, Queue, Redaction, Selection};
use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed, client, id, name, run};
use crate::partitions::{close, partitions, say};
use crate::support::http::Request;
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;
const LONG: Duration = Duration::from_secs(30);

/// A queue `q` of eight partitions that holds nothing yet.
pub fn eight() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    close(&redis, 1, 8);
    say(&redis, 8);
    let cli = Cli::new(&redis);
    (redis, cli)
}

/// Enqueues jobs `<word>-000`, `<word>-001`, … as a client does.
pub fn fill(cli: &Cli, word: &str, count: usize) {
    cli.enqueue_lines("q", (0..count).map(|n| format!("{{\"id\":\"{word}-{n:03}\",\"payload\":{{\"n\":{n}}}}}")));
}

/// Places letters `<word>-0000`, … over the partitions, three at a time in the same millisecond; their ids from the oldest
/// to the latest.
pub fn letters(redis: &TestRedis, word: &str, count: usize) -> Vec<String> {
    let places = partitions(8);
    let name = |n: usize| format!("{word}-{n:04}");
    let script = "redis.call('HSET', KEYS[3], 'layout', '1') \
        for at = 1, #ARGV, 2 do \
          redis.call('HSET', KEYS[1], ARGV[at], '1764000000000000{\"payload\":{}}') \
          redis.call('ZADD', KEYS[2], ARGV[at + 1], ARGV[at]) \
        end";
    for (at, place) in places.iter().enumerate() {
        let keys = ["jobs", "dead", "meta"].map(|suffix| redis.key(place, suffix));
        // Neither in turn nor alike: the third has twice as many, the last none.
        let place_of = |n: usize| [0, 1, 2, 3, 4, 5, 6, 2][(n * 7 + n / 11) % 8];
        let mine = (0..count).filter(|n| place_of(*n) == at);
        let mine: Vec<_> = mine.flat_map(|n| [name(n), (NOW_MS + (n / 3) as i64).to_string()]).collect();
        if !mine.is_empty() {
            let mut command = vec!["EVAL", script, "3"];
            command.extend(keys.iter().chain(&mine).map(String::as_str));
            redis.query::<()>(&command);
        }
    }
    (0..count).map(name).collect()
}

pub fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

pub fn set_of<T: Ord + Clone>(items: &[T]) -> BTreeSet<T> {
    items.iter().cloned().collect()
}

/// The place that holds a job.
pub fn place_of(redis: &TestRedis, job: &str) -> String {
    let is_there = |place: &String| redis.query::<bool>(&["HEXISTS", &redis.key(place, "jobs"), job]);
    let places: Vec<_> = [partitions(1), partitions(8)].concat().into_iter().filter(is_there).collect();
    assert_eq!(places.len(), 1, "{job} is in one place: {places:?}");
    places[0].clone()
}

#[test]
fn its_partitions_are_counted_as_one() {
    let (redis, cli) = eight();
    fill(&cli, "job", 200);
    cli.enqueue("q", "{}", &["--id", "later", "--delay", "1h"]);
    letters(&redis, "letter", 30);
    for (n, place) in partitions(8).iter().enumerate() {
        redis.query::<()>(&["ZADD", &redis.key(place, "workers"), "9999999999999", "host-1-01ABC"]);
        redis.query::<()>(&["HINCRBY", &redis.key(place, "meta"), "failed", &n.to_string()]);
    }
    let oldest: Vec<(String, i64)> =
        redis.query(&["ZRANGE", &redis.key(&place_of(&redis, "job-007"), "pending:2"), "0", "0", "WITHSCORES"]);
    redis.query::<()>(&["ZADD", &redis.key(&place_of(&redis, "job-007"), "pending:2"), "1000000", &oldest[0].0]);

    let stats = cli.json(["stats", "q"]);
    let counts = ["pending", "scheduled", "active", "dead"].map(|state| stats[state].as_u64().unwrap());
    assert_eq!(counts, [200, 1, 0, 30]);
    assert_eq!((&stats["workers"], &stats["partitions"]), (&json!(1), &json!(8)), "a worker is one in all of them");
    assert_eq!((&stats["totals"]["enqueued"], &stats["totals"]["failed"]), (&json!(201), &json!(28)));
    assert_eq!((&stats["lastHour"]["enqueued"], stats.get("partitionsWas")), (&json!(201), None));
    assert!(stats["oldestPendingMs"].as_u64().unwrap() > 1_000_000_000_000, "the oldest of all: {stats}");
    assert_eq!(cli.json(["stats"])[0]["totals"], stats["totals"], "in the list as alone");
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("partitions"));
    let wide = cli.ok(["stats", "-o", "wide"]);
    assert!(wide.lines().next().unwrap().ends_with("PARTITIONS  MOVING") && wide.contains(" 8  -"), "{wide}");
    assert_eq!(cli.json(["queues", "list"])[0]["live"], 201);

    cli.enqueue("plain", "{}", &[]);
    assert_eq!(cli.json(["stats", "plain"])["partitions"], 1);
    assert!(!cli.ok(["stats", "plain", "-o", "table"]).contains("partitions"));
}

#[test]
fn its_lists_have_one_order_and_pages_that_follow_one_another() {
    let (redis, cli) = eight();
    fill(&cli, "job", 300);
    let all = cli.json(["jobs", "list", "q", "--all"]);
    let since: Vec<_> = all.as_array().unwrap().iter().map(|job| job["since"].as_str().unwrap()).collect();
    assert!(since.is_sorted() && set_of(&ids(&all)).len() == 300, "in the order of their arrival, each once");
    let mut paged = Vec::new();
    for offset in (0..300).step_by(70) {
        paged.extend(ids(&cli.json(["jobs", "list", "q", "--limit", "70", "--offset", &offset.to_string()])));
    }
    assert_eq!(paged, ids(&all));
    assert_eq!(ids(&cli.json(["jobs", "list", "q", "--payload", "n=150"])), ["job-150"]);

    // Over the middle of many a page is found without a look at those before it.
    let oldest_first = letters(&redis, "letter", 3_000);
    let newest_first: Vec<_> = oldest_first.iter().rev().cloned().collect();
    for (offset, limit) in [(0, 5), (499, 30), (1_234, 10), (2_222, 700), (2_995, 50), (3_000, 5)] {
        let wanted = |list: &[String]| list.iter().skip(offset).take(limit).cloned().collect::<Vec<_>>();
        let (skip, count) = (offset.to_string(), limit.to_string());
        let listed =
            run(client(&redis).dead_letters(name("q")).list(&Selection::default(), offset as u64, limit as u64));
        let page = listed.unwrap();
        let told: Vec<_> = page.items.iter().map(|letter| letter.id.to_string()).collect();
        assert_eq!((told, page.more), (wanted(&oldest_first), offset + limit < 3_000), "from {offset} on");
        let dead = cli.json(["jobs", "list", "q", "--state", "dead", "--offset", &skip, "--limit", &count]);
        assert_eq!(ids(&dead), wanted(&newest_first), "the latest first, from {offset} on");
    }
    let groups = cli.json(["dlq", "list", "q", "--group-by", "code"]);
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["count"]), (1, &json!(3_000)));
    let both = cli.json(["jobs", "list", "q", "--state", "pending,dead", "--offset", "290", "--limit", "20"]);
    assert_eq!(ids(&both)[..10], ids(&all)[290..]);
    assert_eq!(ids(&both)[10..], newest_first[..10]);
}

#[test]
fn a_job_is_found_in_whichever_partition_it_is() {
    let (redis, cli) = eight();
    fill(&cli, "job", 40);
    let mut seen = BTreeSet::new();
    for n in 0..40 {
        let job = format!("job-{n:03}");
        let place = place_of(&redis, &job);
        let shown = cli.json(["jobs", "show", &job[1..]]);
        assert_eq!((&shown["id"], &shown["payload"]["n"]), (&json!(job), &json!(n)), "by the end of its id");
        assert_eq!(format!("q:{}", shown["partition"].as_str().unwrap()), place);
        seen.insert(place);
    }
    assert_eq!(seen.len(), 8, "there were some in each");
    assert!(cli.ok(["jobs", "show", "job-007", "-o", "table"]).contains("partition"));
    cli.run(["jobs", "show", "job-777"]).expect(4);
    cli.run(["jobs", "show", "job-777", "--queue", "q"]).expect(4);
    redis.query::<()>(&["SET", &redis.key(&place_of(&redis, "job-005"), "log:job-005"), "said something\n"]);
    assert!(cli.ok(["logs", "job-005"]).contains("said something"));
    cli.ok(["jobs", "cancel", "job-005"]);
    let steps = cli.json(["jobs", "show", "job-005", "--timeline"]).to_string();
    assert!(steps.contains("\"cancelled\"") && steps.contains("\"operator\""), "{steps}");

    // What has left only its log is found as well, and so is what has left only its result.
    let (log, result) = (redis.key("q:5/8", "log:gone-1"), redis.key("q:6/8", "result:gone-2"));
    redis.query::<()>(&["SET", &log, "its last words\n"]);
    redis.query::<()>(&["SET", &result, "{\"ok\":true}"]);
    let queue = client(&redis).queue(name("q"));
    let ended = run(queue.wait(&id("gone-2"), Some(LONG))).unwrap();
    assert_eq!((ended.state, ended.result.unwrap().get()), (JobState::Completed, "{\"ok\":true}"));
    let located = ireva_queue::Located::new(name("q"), id("gone-1"), JobState::Completed);
    let log = run(client(&redis).inspector().log(&located, 0)).unwrap();
    assert_eq!((log.text.as_str(), log.state), ("its last words\n", None));
}

#[test]
fn while_jobs_are_moved_both_places_are_read() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&cli, "old", 100);
    cli.enqueue("q", "{}", &["--id", "old-dead"]);
    Seed { redis: &redis, queue: "q" }.letter("old-letter", NOW_MS, ["permanent", "smtp_5xx", "550"]);
    close(&redis, 1, 8);
    redis.query::<()>(&["HSET", &redis.key("q", "config"), "partitions_was", "1"]);
    say(&redis, 8);
    fill(&cli, "new", 100);
    let stats = cli.json(["stats", "q"]);
    assert_eq!((&stats["pending"], &stats["dead"]), (&json!(201), &json!(1)));
    assert_eq!((&stats["partitions"], &stats["partitionsWas"]), (&json!(8), &json!(1)));
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("8, jobs are being moved from 1"));
    let listed = ids(&cli.json(["jobs", "list", "q", "--state", "pending", "--all"]));
    assert_eq!((listed.len(), set_of(&listed).len()), (201, 201));
    assert!(listed[..100].iter().all(|id| id.starts_with("old-")), "in the order of their arrival");
    assert_eq!(cli.json(["jobs", "show", "old-007"])["queue"], "q");
    assert!(cli.json(["jobs", "show", "old-007"]).get("partition").is_none());
    assert_eq!(ids(&cli.json(["jobs", "list", "q", "--payload", "n=7", "--state", "pending"])), ["old-007", "new-007"]);

    // It is there twice for a moment, as it may be on its way: it is shown once.
    let (from, to) = ("q", "q:3/8");
    copy(&redis, "old-050", (from, to));
    let again = ids(&cli.json(["jobs", "list", "q", "--state", "pending", "--all"]));
    assert_eq!(again.iter().filter(|id| *id == "old-050").count(), 1);
    assert_eq!(cli.json(["jobs", "show", "d-050", "--queue", "q"])["id"], "old-050");
}

/// Puts a pending job into another place as well.
fn copy(redis: &TestRedis, job: &str, (from, to): (&str, &str)) {
    let record: String = redis.query(&["HGET", &redis.key(from, "jobs"), job]);
    let score: String = redis.query(&["ZSCORE", &redis.key(from, "pending:2"), job]);
    redis.query::<()>(&["HSET", &redis.key(to, "jobs"), job, &record]);
    redis.query::<()>(&["ZADD", &redis.key(to, "pending:2"), &score, job]);
}

/// Changes the number of partitions of `q` again and again, moving all its jobs each time, until `look` has looked on.
fn look_on_while_jobs_move(queue: &Queue, mut look: impl FnMut()) {
    let over = AtomicBool::new(false);
    let mut looks = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for count in [8, 3, 5, 1] {
                run(queue.set(&[Setting::Partitions(count)])).unwrap();
                let moved = run(queue.move_over(&mut |_| ())).unwrap();
                assert!(moved.done, "{moved:?}");
            }
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            look();
            looks += 1;
        }
    });
    assert!(looks > 3, "it was looked at while jobs moved: {looks} times");
}

#[test]
fn who_reads_while_jobs_move_meets_each_of_them_once() {
    const JOBS: usize = 4_000;
    let redis = TestRedis::start();
    let client = client(&redis);
    let queue = client.queue(name("q"));
    let new = |n: usize| NewJob::new(&n).unwrap().id(id(&format!("job-{n:05}")));
    run(queue.enqueue_many((0..JOBS).map(new).collect())).unwrap();
    let later = |n: usize| NewJob::new(&n).unwrap().id(id(&format!("later-{n:05}"))).delay(LONG * 100);
    run(queue.enqueue_many((0..600).map(later).collect())).unwrap();
    look_on_while_jobs_move(&queue, || {
        let mut met = Vec::new();
        let mut take = |jobs: Vec<JobLine>| {
            met.extend(jobs.iter().map(|job| job.id.to_string()));
            true
        };
        let all = Selection { states: vec![JobState::Pending, JobState::Scheduled], ..Selection::default() };
        assert!(run(queue.export(&all, &Redaction::default(), &mut take)).unwrap().is_empty());
        assert_eq!((met.len(), set_of(&met).len()), (JOBS + 600, JOBS + 600));
        assert!(met[..JOBS].is_sorted(), "in their order");
        // Each is found, too, wherever it is just then.
        for n in [0, 1_999, 3_999] {
            assert!(run(queue.contains(&id(&format!("job-{n:05}")))).unwrap());
            let located = run(client.inspector().locate(&id(&format!("job-{n:05}")), None)).unwrap();
            assert_eq!(run(client.inspector().job(&located)).unwrap().summary.id, located.id);
        }
    });
}

#[test]
fn its_events_are_told_as_those_of_one_queue() {
    let (redis, cli) = eight();
    fill(&cli, "job", 24);
    let before = client(&redis);
    let queue = name("q");
    let mut events = run(before.events(&queue, None)).unwrap();
    cli.ok(["queues", "pause", "q"]);
    for place in partitions(8) {
        // Each partition hears of what is set for the queue.
        redis.query::<()>(&[
            "XADD",
            &redis.key(&place, "events"),
            "*",
            "event",
            "paused",
            "ids",
            "paused=1",
            "by",
            "x",
        ]);
    }
    for n in 0..24 {
        cli.ok(["jobs", "cancel", &format!("job-{n:03}")]);
    }
    let (mut told, mut last) = (Vec::new(), EventId::START);
    wait_until(LONG, "all events", || {
        for event in run(events.next(Duration::from_millis(100))).unwrap() {
            last = event.id;
            told.push((event.event, event.jobs.first().map(ToString::to_string)));
        }
        told.len() >= 25
    });
    assert_eq!(told[0], ("paused".to_owned(), None));
    let cancelled: Vec<_> = told[1..].iter().filter_map(|(_, job)| job.clone()).collect();
    assert_eq!(cancelled, (0..24).map(|n| format!("job-{n:03}")).collect::<Vec<_>>(), "in the order in which it was");
    let listed = cli.json(["events", "--queue", "q", "--last", "100"]);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(listed.iter().filter(|event| **event == "paused").count(), 1);
    assert_eq!(listed.iter().filter(|event| **event == "cancelled").count(), 24);

    // Who goes on behind the last one misses nothing, and is not told that something is missing.
    fill(&cli, "more", 2);
    cli.ok(["jobs", "cancel", "more-000"]);
    let mut again = run(before.events(&queue, Some(last))).unwrap();
    assert!(!again.has_gap());
    let next = run(again.next(LONG)).unwrap();
    assert_eq!((next.len(), next[0].jobs[0].as_str()), (1, "more-000"));
}

#[test]
fn who_follows_a_queue_hears_of_partitions_that_it_gets() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&cli, "old", 3);
    let mut events = run(client(&redis).events_of(&[], None)).unwrap();
    cli.ok(["jobs", "cancel", "old-000"]);
    let mut told = Vec::new();
    let mut hear = |count: usize| {
        wait_until(LONG, &format!("{count} events"), || {
            let come = run(events.next(Duration::from_millis(100))).unwrap();
            told.extend(come.into_iter().filter(|event| event.event == "cancelled").flat_map(|event| event.jobs));
            told.len() >= count
        });
        told.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    hear(1);
    close(&redis, 1, 8);
    say(&redis, 8);
    cli.ok(["queues", "set", "q", "--rate", "1000/s"]);
    fill(&cli, "new", 16);
    for n in 0..16 {
        cli.ok(["jobs", "cancel", &format!("new-{n:03}")]);
    }
    let heard = hear(17);
    assert_eq!((heard.len(), set_of(&heard).len()), (17, 17));
}

#[test]
fn rest_shows_it_as_one_queue() {
    let (redis, cli) = eight();
    fill(&cli, "job", 60);
    letters(&redis, "letter", 120);
    let serve = Serve::start(&cli);
    let stats = serve.json("/api/jobs/stats/q");
    assert_eq!((&stats["pending"], &stats["partitions"]), (&json!(60), &json!(8)));
    let (mut next, mut met) = (Some("/api/queues/q/dead-letters?limit=50".to_owned()), Vec::new());
    while let Some(path) = next {
        let reply = serve.get(&path).expect(200);
        met.extend(ids(&reply.json()));
        let link = reply.header("link").map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
        next = link;
    }
    assert_eq!(met, (0..120).map(|n| format!("letter-{n:04}")).collect::<Vec<_>>());
    let shown = serve.json("/api/jobs/job-017");
    assert_eq!(format!("q:{}", shown["partition"].as_str().unwrap()), place_of(&redis, "job-017"));
    let mut stream = Request::new("GET", "/api/jobs/events?queue=q").open(&serve.address);
    let jobs: Vec<_> = (0..8).map(|n| format!("job-{n:03}")).collect();
    for job in &jobs {
        serve.act(&format!("/api/jobs/{job}/cancel")).expect(200);
    }
    let told: Vec<_> = jobs.iter().map(|_| stream.next_event().unwrap().json()["jobs"][0].clone()).collect();
    assert_eq!(told.iter().map(|job| job.as_str().unwrap().to_owned()).collect::<Vec<_>>(), jobs);
}

#[test]
fn in_a_cluster_it_is_read_over_all_masters() {
    let cluster = Cluster::start();
    let cli = cluster.cli();
    let put = |queue: &str, command: &[&str]| cluster.server(queue).query::<()>(command);
    let key = |place: &str, suffix: &str| cluster.servers[0].key(place, suffix);
    put("q", &["HSET", &key("q", "meta"), "layout", "1", "partitions", "8"]);
    put("q", &["HSET", &key("q", "config"), "partitions", "8"]);
    fill(&cli, "job", 120);
    let mut owners = BTreeMap::<usize, u64>::new();
    for place in partitions(8) {
        let held: u64 = cluster.server(&place).query(&["HLEN", &key(&place, "jobs")]);
        *owners.entry(cluster.owner(&place)).or_default() += held;
    }
    assert!(owners.len() == 3 && owners.values().sum::<u64>() == 120, "{owners:?}");
    assert_eq!(cli.json(["stats", "q"])["pending"], 120);
    let all = ids(&cli.json(["jobs", "list", "q", "--all"]));
    assert_eq!(set_of(&all).len(), 120);
    let following = cli.json(["jobs", "show", "job-111"]);
    assert_eq!(following["payload"]["n"], 111);
    let cleared = cli.json(["clear", "q", "--yes"]);
    assert_eq!(cleared["changed"], 120);
    let undone = cli.json(["undo", cleared["act"].as_str().unwrap()]);
    assert_eq!(undone["restored"], 120);
    let events = cli.json(["events", "--queue", "q", "--last", "1000"]);
    let told = |word: &str| events.as_array().unwrap().iter().filter(|event| event["event"] == word).count();
    assert!(told("removed") >= 3 && told("restored") >= 3, "{events}");
    assert_eq!(ids(&cli.json(["jobs", "list", "q", "--all"])), all);
}
