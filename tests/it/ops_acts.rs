//! What operators do: clear, cancel, delete, promote.

use ireva_queue::{Clock, ErrorKind, JobState, Located};

use crate::ops_seed::{NOW_US, Seed, client, client_at, id, name, run};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;
const EVERY_WAITING: [JobState; 3] = [JobState::Pending, JobState::Scheduled, JobState::Retrying];

fn located(job: &str, state: JobState) -> Located {
    Located::new(name("q"), id(job), state)
}

#[test]
fn clear_takes_what_waits_and_nothing_else() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 1_234, (NOW_US, 1)).job("pending:0", "c", NOW_US, "");
    seed.job("scheduled", "s", NOW_MS * 4, "").job("retrying", "r", NOW_MS * 4, "");
    seed.job("completed", "done", NOW_MS, "").letter("dead", NOW_MS, ["transient", "x", "y"]);
    seed.active("busy", "host-1-AAAA", NOW_MS);
    redis.query::<()>(&["SET", &seed.key("log:r"), "x", "EX", "99"]);
    Seed { redis: &redis, queue: "other" }.job("pending:2", "o", NOW_US, "");
    let queue = client(&redis).queue(name("q"));
    let mut steps = Vec::new();
    let report = run(queue.clear(&[], &mut |removed| steps.push(removed))).unwrap();
    assert_eq!((report.matched, report.changed), (1_237, 1_237));
    assert_eq!((steps.last(), steps.len() > 4, steps.is_sorted()), (Some(&1_237), true, true), "{steps:?}");
    assert_eq!(run(queue.clear(&EVERY_WAITING, &mut |_| ())).unwrap().changed, 0, "safe to repeat");
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert_eq!(left.records.len(), 3);
    assert_eq!(redis.query::<u64>(&["EXISTS", &seed.key("log:r")]), 0);
    assert_eq!(run(queue.stats()).unwrap().totals.removed, 1_237);
    assert_eq!(Snapshot::of(&redis, "other").records.len(), 1);

    assert_eq!(run(queue.clear(&[JobState::Active], &mut |_| ())).unwrap_err().kind(), ErrorKind::Invalid);
    let named = [JobState::Completed, JobState::Dead];
    assert_eq!(run(queue.clear(&named, &mut |_| ())).unwrap().changed, 2);
    assert_eq!(Snapshot::of(&redis, "q").records.len(), 1);
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn clearing_many_jobs_never_holds_the_server_up() {
    let redis = TestRedis::builder().urgent().start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 60_000, (NOW_US, 1));
    let watch = Watch::start(&redis);
    let report = run(client(&redis).queue(name("q")).clear(&[], &mut |_| ())).unwrap();
    assert_eq!(report.changed, 60_000);
    watch.assert_quick();
    // The events of a large clear leave room for others.
    let bytes: u64 = redis.query(&["MEMORY", "USAGE", &seed.key("events")]);
    assert!(bytes < 100_000, "{bytes}");
}

#[test]
fn r40_removing_a_job_gives_its_unique_key_back_unless_its_window_is_open() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    for (job, window_ms) in [("free", 0), ("held", NOW_MS + 1_000)] {
        seed.job("pending:2", job, NOW_US, "");
        let key = format!("key-{job}");
        redis.query::<()>(&["HSET", &seed.key("unique"), &key, &format!("{window_ms}|{job}")]);
        redis.query::<()>(&["HSET", &seed.key("keys"), job, &key]);
    }
    let client = client_at(&redis, &Clock::fixed(NOW_US));
    assert_eq!(run(client.queue(name("q")).clear(&[], &mut |_| ())).unwrap().changed, 2);
    assert_eq!(redis.query::<Vec<String>>(&["HKEYS", &seed.key("unique")]), ["key-held"]);
    assert_eq!(redis.query::<u64>(&["HLEN", &seed.key("keys")]), 0);
}

#[test]
fn a_waiting_job_is_cancelled_at_once_and_an_active_one_is_marked() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:1", "p", NOW_US, "").job("scheduled", "s", NOW_MS * 4, "").job("retrying", "r", NOW_MS * 4, "");
    seed.letter("dead", NOW_MS, ["transient", "x", "y"]);
    let claim = seed.active("busy", "host-1-AAAA", NOW_MS);
    let client = client(&redis);
    let inspector = client.inspector();
    for (job, from) in [("p", JobState::Pending), ("s", JobState::Scheduled), ("r", JobState::Retrying)] {
        let acted = run(inspector.cancel(&located(job, from))).unwrap();
        assert_eq!((acted.from, acted.to), (from, Some(JobState::Cancelled)), "{job}");
    }
    for _ in 0..2 {
        let acted = run(inspector.cancel(&located("busy", JobState::Active))).unwrap();
        assert_eq!((acted.from, acted.to), (JobState::Active, Some(JobState::Active)));
        let marked: String = redis.query(&["HGET", &seed.key("active"), "busy"]);
        assert_eq!(marked, format!("cancelled|{claim}"), "once, however often it is asked");
    }
    let ended = run(inspector.cancel(&located("dead", JobState::Dead))).unwrap_err();
    assert_eq!(
        (ended.kind(), ended.to_string().as_str()),
        (ErrorKind::Refused, "job dead is dead and cannot be cancelled")
    );
    assert_eq!(run(inspector.cancel(&located("nobody", JobState::Pending))).unwrap_err().kind(), ErrorKind::NotFound);
    let stats = run(client.queue(name("q")).stats()).unwrap();
    assert_eq!((stats.cancelled, stats.totals.cancelled, stats.pending, stats.active), (3, 3, 0, 1));
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn where_nothing_is_kept_a_cancelled_job_is_gone() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:2", "p", NOW_US, "");
    redis.query::<()>(&["HSET", &seed.key("config"), "remove_on_complete", "0"]);
    assert_eq!(
        run(client(&redis).inspector().cancel(&located("p", JobState::Pending))).unwrap().to,
        Some(JobState::Cancelled)
    );
    assert!(Snapshot::of(&redis, "q").records.is_empty());
}

#[test]
fn a_job_is_promoted_to_the_end_of_its_line() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:3", "first", NOW_US, "").job("scheduled", "s", (NOW_MS + 99_000) * 4 + 3, "");
    seed.job("retrying", "r", (NOW_MS + 99_000) * 4 + 3, "");
    let client = client_at(&redis, &Clock::fixed(NOW_US));
    let inspector = client.inspector();
    let acted = run(inspector.promote(&located("s", JobState::Scheduled))).unwrap();
    assert_eq!((acted.from, acted.to), (JobState::Scheduled, Some(JobState::Pending)));
    assert_eq!(run(inspector.retry(&located("r", JobState::Retrying))).unwrap().to, Some(JobState::Pending));
    assert_eq!(redis.query::<Vec<String>>(&["ZRANGE", &seed.key("pending:3"), "0", "-1"]), ["first", "s", "r"]);
    assert_eq!(redis.query::<u64>(&["LLEN", &seed.key("wake")]), 1);
    let again = run(inspector.promote(&located("s", JobState::Scheduled))).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Refused);
    assert_eq!(run(inspector.retry(&located("s", JobState::Pending))).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn a_job_is_deleted_only_where_it_was_found() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.job("pending:2", "p", NOW_US, "").letter("d", NOW_MS, ["transient", "x", "y"]);
    seed.active("busy", "host-1-AAAA", NOW_MS);
    let inspector = client(&redis).inspector();
    assert_eq!(run(inspector.delete(&located("p", JobState::Dead))).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(run(inspector.delete(&located("busy", JobState::Active))).unwrap_err().kind(), ErrorKind::Refused);
    for (job, state) in [("p", JobState::Pending), ("d", JobState::Dead)] {
        let acted = run(inspector.delete(&located(job, state))).unwrap();
        assert_eq!((acted.from, acted.to), (state, None));
        assert_eq!(run(inspector.delete(&located(job, state))).unwrap_err().kind(), ErrorKind::NotFound);
    }
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert_eq!(left.records.len(), 1);
}

#[test]
fn a_lost_reply_does_an_act_once_and_tells_it_right() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 700, (NOW_US, 1)).job("scheduled", "s", NOW_MS * 4, "").job("retrying", "r", NOW_MS * 4, "");
    seed.letter("d", NOW_MS, ["transient", "x", "y"]);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    // The answer to every other script is lost after the server has done it.
    let proxy = Proxy::start(&redis, move |request| {
        let script = request.verb() == "EVALSHA";
        let turn = script && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1;
        if turn { Fault::DropReply } else { Fault::None }
    });
    let client = client_through(&proxy);
    let inspector = client.inspector();
    run(async {
        assert_eq!(client.queue(name("q")).clear(&[JobState::Pending], &mut |_| ()).await?.changed, 700);
        assert_eq!(inspector.cancel(&located("s", JobState::Scheduled)).await?.to, Some(JobState::Cancelled));
        assert_eq!(inspector.promote(&located("r", JobState::Retrying)).await?.to, Some(JobState::Pending));
        assert_eq!(inspector.retry(&located("d", JobState::Dead)).await?.to, Some(JobState::Pending));
        assert_eq!(inspector.delete(&located("d", JobState::Pending)).await?.to, None);
        Ok::<_, ireva_queue::Error>(())
    })
    .unwrap();
    assert!(proxy.faults() > 0);
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    let totals = run(crate::ops_seed::client(&redis).queue(name("q")).stats()).unwrap().totals;
    assert_eq!((totals.removed, totals.cancelled, totals.revived), (701, 1, 1));
}

pub fn client_through(proxy: &Proxy) -> ireva_queue::Client {
    let port = proxy.port().to_string();
    let lookup = |variable: &str| match variable {
        "REDIS_HOST" => Some("127.0.0.1".to_owned()),
        "REDIS_PORT" => Some(port.clone()),
        _ => None,
    };
    ireva_queue::Client::new(&ireva_queue::config::Config::from_lookup(lookup, None).unwrap()).unwrap()
}
