//! Dead letters: list, group, revive, edit, delete.

use std::time::{Duration, Instant};

use ireva_queue::{
    Clock, DeadLetters, ErrorClass, ErrorKind, GroupBy, JobState, Located, NewJob, ReviveOptions, Selection,
};

use crate::ops_seed::{NOW_US, Seed, client, client_at, id, name, run};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;

fn all() -> Selection {
    Selection::default()
}

fn ids(letters: &DeadLetters, selection: &Selection) -> Vec<String> {
    let page = run(letters.list(selection, 0, 1_000)).unwrap();
    page.items.iter().map(|letter| letter.id.to_string()).collect()
}

fn seeded(redis: &TestRedis) -> Seed<'_> {
    let seed = Seed { redis, queue: "q" };
    seed.letter("a", NOW_MS - 40_000, ["permanent", "smtp_5xx", "550 no mailbox \"a@x.org\""]);
    seed.letter("b", NOW_MS - 30_000, ["transient", "timeout", "after 30s"]);
    seed.letter("c", NOW_MS - 20_000, ["permanent", "smtp_5xx", "550 no mailbox \"c@x.org\""]);
    seed.job("dead", "d", NOW_MS - 10_000, "");
    redis.query::<()>(&["HSET", &seed.key("history"), "d", "{\"end\":\"crash_loop\"}"]);
    redis.query::<()>(&["HSET", &seed.key("crashes"), "d", "3"]);
    seed
}

#[test]
fn letters_are_listed_oldest_first_with_their_cause() {
    let redis = TestRedis::start();
    seeded(&redis);
    let letters = client_at(&redis, &Clock::fixed(NOW_US)).dead_letters(name("q"));
    assert_eq!(ids(&letters, &all()), ["a", "b", "c", "d"]);
    let page = run(letters.list(&all(), 1, 2)).unwrap();
    assert_eq!((page.items[0].id.as_str(), page.items.len(), page.more), ("b", 2, true));
    let last = &run(letters.list(&all(), 3, 2)).unwrap().items[0];
    assert_eq!((last.code.as_str(), last.class, last.attempts), ("crash_loop", ErrorClass::Permanent, 3));
    let narrow = |selection: Selection| ids(&letters, &selection);
    assert_eq!(narrow(Selection { class: Some(ErrorClass::Transient), ..all() }), ["b"]);
    assert_eq!(narrow(Selection { code: Some("smtp_5xx".to_owned()), ..all() }), ["a", "c"]);
    assert_eq!(narrow(Selection { error: Some(Selection::pattern("c@x|after").unwrap()), ..all() }), ["b", "c"]);
    assert_eq!(narrow(Selection { older_than: Some(Duration::from_secs(30)), ..all() }), ["a", "b"]);
    assert_eq!(narrow(Selection { newer_than: Some(Duration::from_secs(20)), ..all() }), ["c", "d"]);
    assert_eq!(narrow(Selection { ids: vec![id("c"), id("x"), id("a")], ..all() }), ["c", "a"]);
    assert_eq!(narrow(Selection { limit: Some(3), code: Some("smtp_5xx".to_owned()), ..all() }), ["a", "c"]);
    assert_eq!(narrow(Selection { limit: Some(1), ..all() }), ["a"]);
}

#[test]
fn letters_are_grouped_by_what_they_share() {
    let redis = TestRedis::start();
    seeded(&redis);
    let letters = client(&redis).dead_letters(name("q"));
    let groups = |by| {
        let groups = run(letters.groups(&all(), by)).unwrap();
        groups.into_iter().map(|group| (group.key, group.count)).collect::<Vec<_>>()
    };
    let expected = [("smtp_5xx", 2), ("crash_loop", 1), ("timeout", 1)];
    assert_eq!(groups(GroupBy::Code), expected.map(|(key, count)| (key.to_owned(), count)));
    assert_eq!(groups(GroupBy::Class), [("permanent".to_owned(), 3), ("transient".to_owned(), 1)]);
    assert_eq!(groups(GroupBy::Error)[0], ("# no mailbox \"…\"".to_owned(), 2));
    let group = &run(letters.groups(&all(), GroupBy::Code)).unwrap()[0];
    assert_eq!((group.newest - group.oldest).num_seconds(), 20);
}

#[test]
fn r32_a_revived_letter_begins_anew_and_keeps_its_history() {
    let redis = TestRedis::start();
    let seed = seeded(&redis);
    seed.letter("e", NOW_MS, ["transient", "timeout", "slow"]);
    let fields = ",\"priority\":\"low\",\"ttl_ms\":60000,\"unique\":\"k\"";
    seed.job("dead", "e", NOW_MS, fields);
    redis.query::<()>(&["HSET", &seed.key("crashes"), "e", "2"]);
    let record: String = redis.query(&["HGET", &seed.key("jobs"), "e"]);
    let client = client_at(&redis, &Clock::fixed(NOW_US + 5));
    let options = ReviveOptions::default();
    let dry = ReviveOptions { dry_run: true, ..options };
    let report = run(client.dead_letters(name("q")).revive(&all(), dry, &mut |_| ())).unwrap();
    assert_eq!((report.matched, report.changed, report.dry_run), (5, 0, true));
    assert_eq!(Snapshot::of(&redis, "q").count("dead"), 5);

    let mut told = 0;
    let one = Selection { ids: vec![id("e")], ..all() };
    let report = run(client.dead_letters(name("q")).revive(&one, options, &mut |n| told = n)).unwrap();
    assert_eq!((report.matched, report.changed, told), (1, 1, 1));
    let job = run(client.inspector().job(&Located::new(name("q"), id("e"), JobState::Pending))).unwrap();
    assert_eq!((job.summary.state, job.summary.priority.level(), job.summary.attempt), (JobState::Pending, 3, 0));
    assert_eq!((job.failed, job.crashes, job.snoozed, job.revived), (0, 0, 0, 1));
    assert_eq!((job.failures.len(), job.unique.as_deref()), (1, Some("k")));
    assert_eq!(redis.query::<String>(&["HGET", &seed.key("jobs"), "e"]), record, "the record is not rewritten");
    assert_eq!(redis.query::<String>(&["HGET", &seed.key("unique"), "k"]), "0|e");
    let expiry: i64 = redis.query(&["ZSCORE", &seed.key("expiring"), "e"]);
    assert_eq!(expiry, NOW_MS + 60_000, "its ttl begins anew");
    assert_eq!(redis.query::<u64>(&["LLEN", &seed.key("wake")]), 1);

    let later = ReviveOptions { delay: Some(Duration::from_secs(9)), ..options };
    assert_eq!(run(client.dead_letters(name("q")).revive(&all(), later, &mut |_| ())).unwrap().changed, 4);
    let due: i64 = redis.query(&["ZSCORE", &seed.key("scheduled"), "d"]);
    assert_eq!(due, (NOW_MS + 9_001) * 4 + 2);
    assert_eq!(run(client.queue(name("q")).stats()).unwrap().totals.revived, 5);
    let page = run(client.dead_letters(name("q")).list(&all(), 0, 9)).unwrap();
    assert!(page.items.is_empty() && !page.more);
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn r40_a_letter_whose_unique_key_is_taken_stays_and_is_told() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    let client = client(&redis);
    let held = run(client.queue(name("q")).enqueue(NewJob::new(&1).unwrap().unique("k"))).unwrap().id;
    for (n, job) in ["one", "two", "three"].into_iter().enumerate() {
        let key = if job == "one" { "k" } else { "free" };
        seed.job("dead", job, NOW_MS + n as i64, &format!(",\"unique\":\"{key}\""));
    }
    seed.job("dead", "four", NOW_MS + 9, "");
    let options = ReviveOptions::default();
    let report = run(client.dead_letters(name("q")).revive(&all(), options, &mut |_| ())).unwrap();
    assert_eq!((report.matched, report.changed), (4, 2));
    let reasons: Vec<_> = report.skipped.iter().map(|job| format!("{}: {}", job.id, job.reason)).collect();
    assert_eq!(
        reasons,
        [format!("one: job {held} holds its unique key"), "three: job two holds its unique key".to_owned()]
    );
    let one = Located::new(name("q"), id("one"), JobState::Dead);
    assert_eq!(run(client.inspector().retry(&one)).unwrap_err().kind(), ErrorKind::Refused);
    // Freed, the key is taken again.
    let holder = Located::new(name("q"), held, JobState::Pending);
    run(client.inspector().cancel(&holder)).unwrap();
    assert_eq!(run(client.inspector().retry(&one)).unwrap().to, Some(JobState::Pending));
    assert_eq!(redis.query::<String>(&["HGET", &seed.key("unique"), "k"]), "0|one");
}

#[test]
fn a_letter_without_a_readable_record_is_no_obstacle() {
    let redis = TestRedis::start();
    let seed = seeded(&redis);
    redis.query::<()>(&["HDEL", &seed.key("jobs"), "a"]);
    redis.query::<()>(&["HSET", &seed.key("jobs"), "b", "{broken"]);
    redis.query::<()>(&["HSET", &seed.key("history"), "c", "{broken"]);
    let letters = client(&redis).dead_letters(name("q"));
    let report = run(letters.revive(&all(), ReviveOptions::default(), &mut |_| ())).unwrap();
    assert_eq!((report.matched, report.changed), (4, 3));
    assert_eq!(report.skipped[0].reason, "nothing is stored of it but its id");
    assert_eq!(run(letters.delete(&all(), false, &mut |_| ())).unwrap().changed, 1);
    assert_eq!(Snapshot::of(&redis, "q").count("pending"), 3);
}

#[test]
fn an_edited_letter_becomes_a_new_job_that_names_it() {
    let redis = TestRedis::start();
    let seed = seeded(&redis);
    let fields = ",\"priority\":\"high\",\"attempts\":9,\"unique\":\"k\"";
    seed.job("dead", "a", NOW_MS - 40_000, fields);
    let client = client(&redis);
    let letters = client.dead_letters(name("q"));
    let invalid = run(letters.revive_edited(&id("a"), "{".to_owned(), None)).unwrap_err();
    assert_eq!(invalid.kind(), ErrorKind::Invalid);
    let new = run(letters.revive_edited(&id("a"), r#"{"to":[]}"#.to_owned(), None)).unwrap();
    let job = run(client.inspector().job(&Located::new(name("q"), new.clone(), JobState::Pending)));
    let job = job.unwrap();
    assert_eq!((job.summary.state, job.summary.priority.level()), (JobState::Pending, 1));
    assert_eq!((job.payload.unwrap().get(), job.max_attempts), (r#"{"to":[]}"#, Some(9)));
    assert_eq!((job.revives, job.unique.as_deref(), job.failed), (Some(id("a")), Some("k"), 0));
    assert_eq!(run(letters.revive_edited(&id("a"), "1".to_owned(), None)).unwrap_err().kind(), ErrorKind::NotFound);
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert!(!left.records.contains("a") && left.records.len() == 4);
    let totals = run(client.queue(name("q")).stats()).unwrap().totals;
    assert_eq!((totals.enqueued, totals.removed, totals.revived), (1, 1, 1));
    let later = run(letters.revive_edited(&id("b"), "1".to_owned(), Some(Duration::from_secs(60)))).unwrap();
    assert_eq!(Snapshot::of(&redis, "q").in_state("scheduled").into_iter().collect::<Vec<_>>(), [later.to_string()]);
}

#[test]
fn selected_letters_are_deleted_and_the_others_stay() {
    let redis = TestRedis::start();
    seeded(&redis);
    let letters = client(&redis).dead_letters(name("q"));
    let code = Selection { code: Some("smtp_5xx".to_owned()), ..all() };
    let dry = run(letters.delete(&code, true, &mut |_| ())).unwrap();
    assert_eq!((dry.matched, dry.changed, dry.dry_run), (2, 0, true));
    assert_eq!(run(letters.delete(&code, false, &mut |_| ())).unwrap().changed, 2);
    assert_eq!(ids(&letters, &all()), ["b", "d"]);
    assert_eq!(run(letters.delete(&Selection { limit: Some(1), ..all() }, false, &mut |_| ())).unwrap().changed, 1);
    assert_eq!(ids(&letters, &all()), ["d"]);
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key("q", "dead")]), 1);
}

#[test]
fn many_letters_of_one_instant_are_revived_without_holding_the_server_up() {
    let redis = TestRedis::builder().urgent().start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("dead", 20_000, (NOW_MS, 0));
    let watch = Watch::start(&redis);
    let letters = client(&redis).dead_letters(name("q"));
    let options = ReviveOptions::default();
    let half = Selection { limit: Some(9_999), ..all() };
    assert_eq!(run(letters.revive(&half, options, &mut |_| ())).unwrap().changed, 9_999);
    let mut steps = Vec::new();
    assert_eq!(run(letters.revive(&all(), options, &mut |n| steps.push(n))).unwrap().changed, 10_001);
    assert!(steps.len() > 40 && steps.is_sorted());
    watch.assert_quick();
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    assert_eq!(left.count("pending"), 20_000);
}

#[test]
fn letters_are_revived_at_the_rate_that_was_asked_for() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("dead", 30, (NOW_MS, 0));
    let letters = client(&redis).dead_letters(name("q"));
    let options = ReviveOptions { rate_per_sec: Some(50.0), ..ReviveOptions::default() };
    let began = Instant::now();
    assert_eq!(run(letters.revive(&all(), options, &mut |_| ())).unwrap().changed, 30);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(490), "30 in steps of 5 at 50 a second took {took:?}");
    let bad = ReviveOptions { rate_per_sec: Some(0.0), ..options };
    assert_eq!(run(letters.revive(&all(), bad, &mut |_| ())).unwrap_err().kind(), ErrorKind::Invalid);
}
