//! What operators see: statistics, lists, single jobs, workers, settings.

use std::time::Duration;

use ireva_queue::config::{PriorityMode, QueueSettings, Setting};
use ireva_queue::{Clock, ErrorKind, JobState, Priority, QueueName};

use crate::ops_seed::{NOW_US, Seed, client, client_at, id, name, run};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;

#[test]
fn statistics_are_those_of_one_instant() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "email" };
    seed.job("pending:0", "a", NOW_US - 3_000_000, "").job("pending:3", "b", NOW_US - 9_000_000, "");
    seed.job("scheduled", "c", (NOW_MS - 1_500) * 4 + 1, "").job("retrying", "d", (NOW_MS + 5_000) * 4, "");
    seed.job("completed", "e", NOW_MS, "").letter("f", NOW_MS, ["permanent", "smtp_5xx", "no"]);
    seed.active("g", "host-1-AAAA", NOW_MS + 1);
    seed.active("h", "host-2-BBBB", NOW_MS - 1);
    redis.query::<()>(&["HSET", &seed.key("meta"), "enqueued", "9", "failed", "4", "orphaned", "1"]);
    let minute = NOW_US / 60_000_000;
    redis.query::<()>(&["HSET", &seed.key(&format!("minute:{minute}")), "enqueued", "4", "completed", "3"]);
    redis.query::<()>(&["HSET", &seed.key(&format!("minute:{}", minute - 1)), "enqueued", "4", "failed", "4"]);
    redis.query::<()>(&["HSET", &seed.key(&format!("minute:{}", minute - 30)), "failed", "5"]);
    redis.query::<()>(&["SADD", "ireva:queue:registry", "email", "unused", "no name"]);

    let clock = Clock::fixed(NOW_US + 15_000_000);
    let client = client_at(&redis, &clock);
    let stats = run(client.queue(name("email")).stats()).unwrap();
    assert_eq!((stats.pending, stats.pending_by_priority), (2, [1, 0, 0, 1]));
    assert_eq!((stats.scheduled, stats.retrying, stats.active), (1, 1, 2));
    assert_eq!((stats.completed, stats.cancelled, stats.dead), (1, 0, 1));
    assert_eq!((stats.oldest_pending_ms, stats.late_ms), (Some(24_000), Some(16_500)));
    assert_eq!((stats.totals.enqueued, stats.totals.failed, stats.totals.orphaned), (9, 4, 1));
    assert_eq!((stats.last_minute.enqueued, stats.last_minute.completed, stats.last_minute.failed), (7, 3, 3));
    assert_eq!((stats.last_hour.failed, stats.last_hour.failure_rate), (9, Some(0.75)));
    assert!(!stats.paused && stats.settings == QueueSettings::default());
    assert_eq!(stats.workers, 0, "both leases are over fifteen seconds later");

    clock.set_us(NOW_US);
    assert_eq!(run(client.queue(name("email")).stats()).unwrap().workers, 1);
    let all = run(client.inspector().queues()).unwrap();
    assert_eq!(all.iter().map(|queue| queue.queue.as_str()).collect::<Vec<_>>(), ["email", "unused"]);
    assert_eq!((all[0].live, all[0].dead), (6, 1));
    assert_eq!(run(client.queue(name("email")).count(&[JobState::Pending, JobState::Active])).unwrap(), 4);
}

#[test]
fn an_unknown_queue_is_named_with_what_may_have_been_meant() {
    let redis = TestRedis::start();
    Seed { redis: &redis, queue: "email" }.job("pending:2", "a", NOW_US, "");
    redis.query::<()>(&["SADD", "ireva:queue:registry", "email"]);
    let client = client(&redis);
    let error = run(client.queue(name("emial")).stats()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "queue \"emial\" not found (did you mean \"email\"?)");
    for error in [
        run(client.inspector().jobs(&name("x"), &[], 0, 10)).unwrap_err(),
        run(client.inspector().find("abcd", Some(&name("x")))).unwrap_err(),
        run(client.dead_letters(name("x")).list(&Default::default(), 0, 10)).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "queue \"x\" not found"));
    }
}

#[test]
fn lists_keep_the_order_of_each_state_and_tell_whether_there_is_more() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:2", "n2", NOW_US + 2, "").job("pending:2", "n1", NOW_US + 1, "");
    seed.job("pending:0", "c1", NOW_US + 9, "");
    seed.job("scheduled", "s2", (NOW_MS + 2) * 4 + 3, "").job("scheduled", "s1", (NOW_MS + 1) * 4, "");
    seed.job("completed", "e1", NOW_MS, "").job("completed", "e2", NOW_MS + 1, ",\"priority\":\"low\"");
    seed.active("r1", "host-1-AAAA", NOW_MS);
    redis.query::<()>(&["HSET", &seed.key("crashes"), "r1", "1"]);
    let inspector = client(&redis).inspector();
    let list = |states: &[JobState], offset, limit| {
        let page = run(inspector.jobs(&name("q"), states, offset, limit)).unwrap();
        (page.items.iter().map(|job| job.id.to_string()).collect::<Vec<_>>(), page.more)
    };
    let all = ["s1", "s2", "c1", "n1", "n2", "r1", "e2", "e1"];
    assert_eq!(list(&[], 0, 100), (all.map(str::to_owned).to_vec(), false));
    for offset in 0..9 {
        let (ids, more) = list(&[], offset, 3);
        let expected: Vec<_> = all.iter().skip(offset as usize).take(3).map(|id| (*id).to_owned()).collect();
        assert_eq!((ids, more), (expected, offset + 3 < 8), "from {offset}");
    }
    assert_eq!(list(&[JobState::Pending], 1, 1), (vec!["n1".to_owned()], true));

    let page = run(inspector.jobs(&name("q"), &[], 0, 100)).unwrap();
    let job = |id: &str| page.items.iter().find(|job| job.id.as_str() == id).unwrap();
    assert_eq!(
        (job("s2").priority, job("c1").priority, job("e2").priority),
        (Priority::Low, Priority::Critical, Priority::Low)
    );
    assert_eq!((job("r1").attempt, job("r1").state), (2, JobState::Active));
    assert_eq!(job("s1").since.timestamp_millis(), NOW_MS + 1);
    assert_eq!(job("n1").enqueued_at.unwrap().timestamp_micros(), NOW_US);
}

#[test]
fn long_records_come_in_several_answers_and_none_is_lost() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    let long = format!(",\"unique\":\"{}\"", "x".repeat(300_000));
    for n in 0..20 {
        seed.job("dead", &format!("j{n:02}"), NOW_MS + n, &long);
    }
    let client = client(&redis);
    let page = run(client.inspector().jobs(&name("q"), &[JobState::Dead], 0, 100)).unwrap();
    assert_eq!(page.items.len(), 20);
    let ids = (0..20).map(|n| id(&format!("j{n:02}"))).collect();
    let selection = ireva_queue::Selection { ids, ..Default::default() };
    assert_eq!(run(client.dead_letters(name("q")).list(&selection, 0, 100)).unwrap().items.len(), 20);
}

#[test]
fn a_job_is_found_by_its_id_or_a_suffix_that_only_it_has() {
    let redis = TestRedis::start();
    let (a, b) = (Seed { redis: &redis, queue: "a" }, Seed { redis: &redis, queue: "b" });
    a.job("pending:1", "01AAAAAAAA-first", NOW_US, "").letter("01BBBBBBBB-second", NOW_MS, ["transient", "x", "y"]);
    b.job("retrying", "01CCCCCCCC-first", NOW_MS * 4, "").active("01DDDDDDDD-fourth", "host-1-AAAA", NOW_MS);
    redis.query::<()>(&["SADD", "ireva:queue:registry", "a", "b"]);
    a.many("completed", 2_500, (NOW_MS, 1));
    let inspector = client(&redis).inspector();
    let find = |text: &str, queue: Option<&str>| {
        let queue = queue.map(name);
        run(inspector.find(text, queue.as_ref())).map(|job| (job.queue.to_string(), job.id.to_string(), job.state))
    };
    let found = |queue: &str, id: &str, state| (queue.to_owned(), id.to_owned(), state);
    assert_eq!(find("01AAAAAAAA-first", None).unwrap(), found("a", "01AAAAAAAA-first", JobState::Pending));
    assert_eq!(find("second", None).unwrap(), found("a", "01BBBBBBBB-second", JobState::Dead));
    assert_eq!(find("fourth", None).unwrap(), found("b", "01DDDDDDDD-fourth", JobState::Active));
    assert_eq!(find("-first", Some("b")).unwrap(), found("b", "01CCCCCCCC-first", JobState::Retrying));
    assert_eq!(find("job7", None).unwrap(), found("a", "job7", JobState::Completed));
    assert_eq!(find("b777", None).unwrap(), found("a", "job777", JobState::Completed));
    let several = find("-first", None).unwrap_err();
    assert_eq!(several.kind(), ErrorKind::Invalid);
    assert!(several.to_string().contains("01AAAAAAAA-first in a, 01CCCCCCCC-first in b"), "{several}");
    assert_eq!(find("nowhere", None).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(find("rst", None).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn everything_about_a_job_is_shown_even_when_its_record_is_broken() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    let fields = ",\"attempts\":7,\"backoff\":\"fixed:3s\",\"timeout_ms\":1500,\"revives\":\"old\"";
    seed.letter("dead", NOW_MS, ["transient", "timeout", "slow"]).job("dead", "dead", NOW_MS, fields);
    redis.query::<()>(&["SET", &seed.key("log:dead"), "one\n"]);
    seed.active("busy", "host-1-AAAA", NOW_MS);
    redis.query::<()>(&["HSET", &seed.key("jobs"), "busy", "12\u{1b}[2J{\"pay"]);
    let inspector = client(&redis).inspector();
    let show = |id: &str| run(async { inspector.job(&inspector.find(id, Some(&name("q"))).await?).await }).unwrap();
    let dead = show("dead");
    assert_eq!(dead.payload.unwrap().get(), r#"{"n":"dead"}"#);
    assert_eq!((dead.max_attempts, dead.backoff.as_deref(), dead.timeout_ms), (Some(7), Some("fixed:3s"), Some(1500)));
    assert_eq!((dead.failed, dead.failures.len(), dead.log.as_deref()), (2, 1, Some("one\n")));
    assert_eq!(dead.revives, Some(id("old")));
    assert_eq!(dead.summary.last_error.unwrap().message, "slow");
    let busy = show("busy");
    assert!(busy.payload.is_none());
    assert_eq!(busy.raw.as_deref(), Some("12\\u{1b}[2J{\"pay"));
    assert_eq!((busy.worker.as_deref(), busy.fence), (Some("host-1-AAAA"), Some(NOW_US)));
}

#[test]
fn workers_are_listed_with_what_they_hold_and_said() {
    let redis = TestRedis::start();
    let (a, b) = (Seed { redis: &redis, queue: "a" }, Seed { redis: &redis, queue: "b" });
    redis.query::<()>(&["SADD", "ireva:queue:registry", "a", "b"]);
    a.active("j1", "node-1-7-AAAA", NOW_MS + 9_000);
    b.active("j2", "node-1-7-AAAA", NOW_MS + 8_000);
    b.active("j3", "node-2-8-BBBB", NOW_MS - 1);
    let said = ["host", "node-1", "pid", "7", "version", "0.1.0", "queues", "a b", "concurrency", "4"];
    let key = "ireva:queue:worker:node-1-7-AAAA";
    redis.query::<()>(&[&["HSET", key][..], &said, &["lease_ms", "30000", "started_ms", "5"]].concat());
    let workers = run(client_at(&redis, &Clock::fixed(NOW_US)).inspector().workers()).unwrap();
    let [one, two] = &workers[..] else { panic!("{workers:?}") };
    assert_eq!((one.worker.as_str(), one.host.as_str(), one.pid, one.active), ("node-1-7-AAAA", "node-1", 7, 2));
    assert_eq!((one.concurrency, one.lease_ms, one.silent), (4, 30_000, false));
    assert_eq!(one.lease_until.timestamp_millis(), NOW_MS + 9_000);
    assert_eq!(one.queues.iter().map(QueueName::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((two.host.as_str(), two.pid, two.active, two.silent), ("node-2", 8, 1, true));
}

#[test]
fn settings_are_live_kept_and_told() {
    let redis = TestRedis::start();
    let queue = client(&redis).queue(name("q"));
    let key = |suffix: &str| redis.key("q", suffix);
    let version = || redis.query::<Option<u64>>(&["HGET", &key("config"), "version"]).unwrap_or_default();
    run(async {
        queue.set_defaults(&[Setting::Concurrency(Some(9)), Setting::Rate(Some("5/s".parse()?))]).await?;
        let set = queue.set(&[Setting::Concurrency(Some(3)), Setting::PriorityMode("aging:10m".parse()?)]).await?;
        assert_eq!((set.concurrency, set.rate.unwrap().to_string().as_str()), (Some(3), "5/s"));
        assert_eq!(set.priority_mode, PriorityMode::Aging(Duration::from_secs(600)));
        let before = version();
        queue.set(&[Setting::Concurrency(Some(3))]).await?;
        assert_eq!(version(), before, "nothing changed");
        queue.set(&[Setting::Concurrency(None), Setting::Rate(None)]).await?;
        assert!(version() > before);
        // What was lifted on purpose does not come back with the next worker's profile.
        queue.set_defaults(&[Setting::Concurrency(Some(9)), Setting::MaxLength(Some(5))]).await?;
        let set = queue.settings().await?;
        assert_eq!((set.concurrency, set.rate, set.max_length), (None, None, Some(5)));
        let refused = queue.set(&[Setting::MaxLength(Some(1)), Setting::Concurrency(Some(0))]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(queue.settings().await?.max_length, Some(5), "refused as a whole");

        assert_eq!((queue.pause().await?, queue.pause().await?), (true, false));
        assert!(queue.stats().await?.paused);
        assert_eq!((queue.resume().await?, queue.resume().await?), (true, false));
        assert!(!queue.stats().await?.paused);
        Ok::<_, ireva_queue::Error>(())
    })
    .unwrap();
    assert_eq!(redis.query::<u64>(&["LLEN", &key("wake")]), 1);
    assert_eq!(redis.query::<u64>(&["XLEN", &key("events")]), 6);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn r39_a_setting_that_a_hand_broke_is_named_and_stops_nothing_else() {
    let redis = TestRedis::start();
    let queue = client(&redis).queue(name("q"));
    let config = redis.key("q", "config");
    run(queue.set(&[Setting::Rate(Some("10/s".parse().unwrap())), Setting::Concurrency(Some(2))])).unwrap();
    redis.query::<()>(&["HSET", &config, "rate_us", "1000000000000", "concurrency", "many", "version", "x"]);
    let stats = run(queue.stats()).unwrap();
    assert_eq!((stats.settings.concurrency, stats.settings.rate.unwrap().to_string().as_str()), (None, "10/s"));
    let error = run(queue.settings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("\"rate_us\"") && error.to_string().contains("\"concurrency\""), "{error}");
    let repaired = [Setting::Rate(Some("10/s".parse().unwrap())), Setting::Concurrency(Some(2))];
    run(queue.set(&repaired)).unwrap();
    assert_eq!(run(queue.settings()).unwrap().concurrency, Some(2));
    redis.query::<()>(&["DEL", &config]);
    redis.query::<()>(&["SET", &config, "1"]);
    for error in [run(queue.stats()).unwrap_err(), run(queue.pause()).unwrap_err()] {
        assert!(error.to_string().contains("WRONGTYPE") || error.to_string().contains("wrong"), "{error}");
    }
}

#[test]
fn a_waiting_caller_learns_how_the_job_ended() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("completed", "done", NOW_MS, "").letter("dead", NOW_MS, ["permanent", "bad", "no"]);
    seed.job("scheduled", "later", (NOW_MS + 1) * 4, "");
    redis.query::<()>(&["SET", &seed.key("result:done"), "{\"a\":[]}"]);
    redis.query::<()>(&["SET", &seed.key("result:trimmed"), "null"]);
    let queue = client(&redis).queue(name("q"));
    let wait = |job: &str| run(queue.wait(&id(job), Some(Duration::from_millis(100))));
    let done = wait("done").unwrap();
    assert_eq!((done.state, done.result.unwrap().get()), (JobState::Completed, "{\"a\":[]}"));
    assert_eq!(wait("trimmed").unwrap().state, JobState::Completed);
    let dead = wait("dead").unwrap();
    assert_eq!((dead.state, dead.error.unwrap().code.as_str()), (JobState::Dead, "bad"));
    seed.job("dead", "late", NOW_MS, "");
    redis.query::<()>(&["HSET", &seed.key("history"), "late", "{\"end\":\"expired\"}"]);
    let late = wait("late").unwrap().error.unwrap();
    assert_eq!((late.code.as_str(), late.at.timestamp_millis()), ("expired", NOW_MS));
    assert_eq!(wait("later").unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(wait("nobody").unwrap_err().kind(), ErrorKind::NotFound);
    let ended = run(async {
        let cancel = async {
            let inspector = client(&redis).inspector();
            inspector.cancel(&inspector.find("later", Some(&name("q"))).await?).await
        };
        let later = id("later");
        tokio::join!(queue.wait(&later, Some(Duration::from_secs(20))), cancel)
    });
    assert_eq!((ended.0.unwrap().state, ended.1.unwrap().to), (JobState::Cancelled, Some(JobState::Cancelled)));
}
