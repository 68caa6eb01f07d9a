//! Acts on many jobs: what a selection means in every state, and what each act does to it.

use std::time::Duration;

use ireva_queue::{ActOptions, BulkAct, Clock, ErrorKind, JobState, Priority, Selection};

use crate::ops_seed::{NOW_US, Seed, client, client_at, id, name, run};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;

fn all() -> Selection {
    Selection::default()
}

/// A queue with a job in every state.
fn filled(seed: &Seed<'_>) {
    seed.job("pending:0", "urgent", NOW_US, "").job("pending:2", "plain", NOW_US + 1, "");
    seed.job("scheduled", "later", (NOW_MS + 9_000) * 4 + 3, "").job("retrying", "again", (NOW_MS + 9_000) * 4 + 2, "");
    seed.job("completed", "done", NOW_MS, ",\"priority\":\"high\"").letter(
        "dead",
        NOW_MS,
        ["permanent", "smtp_5xx", "no"],
    );
    seed.active("busy", "host-1-AAAA", NOW_MS);
    let paid = format!("{NOW_US}{{\"payload\":{{\"tenantId\":\"t1\",\"to\":[\"a@x.org\",\"b@example.com\"]}}}}");
    for job in ["plain", "later", "dead"] {
        seed.redis.query::<()>(&["HSET", &seed.key("jobs"), job, &paid]);
    }
    let failed = serde_json::json!({"failed": 3, "failures": [{
        "at": "2025-11-24T16:00:00Z", "attempt": 3, "class": "transient", "code": "timeout", "message": "took 3s",
        "durationMs": 5, "worker": "w"}]});
    seed.redis.query::<()>(&["HSET", &seed.key("history"), "again", &failed.to_string()]);
}

#[test]
fn one_selection_means_the_same_jobs_in_every_state() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    filled(&seed);
    let client = client_at(&redis, &Clock::fixed(NOW_US + 60_000_000));
    let chosen = |selection: &Selection| {
        let page = run(client.inspector().select(&name("q"), selection, 0, 99)).unwrap();
        page.items.into_iter().map(|job| job.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&all()), ["later", "urgent", "plain", "busy", "again", "done", "dead"]);
    let payload = |text: &str| Selection { payload: vec![text.parse().unwrap()], ..all() };
    assert_eq!(chosen(&payload("to=~@example.com$")), ["later", "plain", "dead"]);
    assert_eq!(chosen(&Selection { tenant: Some("t1".into()), states: vec![JobState::Dead], ..all() }), ["dead"]);
    assert_eq!(
        chosen(&Selection { priorities: vec![Priority::Critical, Priority::High], ..all() }),
        ["urgent", "done"]
    );
    assert_eq!(chosen(&Selection { code: Some("timeout".into()), ..all() }), ["again"]);
    assert_eq!(chosen(&Selection { attempts: Some("2..3".parse().unwrap()), ..all() }), ["again", "dead"]);
    assert_eq!(chosen(&Selection { older_than: Some(Duration::from_secs(61)), ..all() }), Vec::<String>::new());
    assert_eq!(chosen(&Selection { newer_than: Some(Duration::from_secs(60)), ..all() }).len(), 7);
    assert_eq!(chosen(&Selection { ids: vec![id("dead"), id("busy"), id("no")], ..all() }), ["busy", "dead"]);
    assert_eq!(chosen(&Selection { limit: Some(2), ..all() }), ["later", "urgent"]);
    let page = run(client.inspector().select(&name("q"), &all(), 2, 3)).unwrap();
    assert_eq!((page.items.len(), page.items[0].id.as_str(), page.more), (3, "plain", true));
    assert_eq!(run(client.inspector().select(&name("no"), &all(), 0, 1)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_dry_run_counts_by_state_and_shows_some() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 1_200, (NOW_US, 1)).job("completed", "done", NOW_MS, ",\"priority\":\"high\"");
    let client = client(&redis);
    let bulk = client.queue(name("q")).bulk();
    let counting = ActOptions { dry_run: true, ..ActOptions::default() };
    let dry = |selection: &Selection| run(bulk.run(BulkAct::Remove, selection, &counting, &mut |_| ())).unwrap();
    for selection in [all(), Selection { older_than: Some(Duration::ZERO), ..all() }] {
        let report = dry(&selection);
        let states: Vec<_> = report.states.iter().map(|state| (state.state, state.count)).collect();
        assert_eq!(states, [(JobState::Pending, 1_200), (JobState::Completed, 1)]);
        assert_eq!((report.matched, report.changed, report.sample.len(), report.dry_run), (1_201, 0, 5, true));
    }
    assert_eq!(dry(&Selection { limit: Some(700), ..all() }).matched, 700);
    let ended = dry(&Selection { states: vec![JobState::Completed], ..all() });
    assert_eq!(ended.sample[0].priority, Priority::High, "the record tells it");
    assert_eq!(Snapshot::of(&redis, "q").records.len(), 1_201);
}

#[test]
fn each_act_changes_what_is_selected_and_nothing_else() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    filled(&seed);
    let client = client(&redis);
    let bulk = client.queue(name("q")).bulk();
    let act = |act, selection: Selection| run(bulk.run(act, &selection, &ActOptions::default(), &mut |_| ())).unwrap();
    let state = |job: &str| {
        let states = Snapshot::of(&redis, "q").states;
        states.get(job).map(|states| states.join(","))
    };
    let tenant = || Selection { tenant: Some("t1".into()), ..all() };
    let removed = act(BulkAct::Remove, Selection { states: vec![JobState::Pending], ..tenant() });
    assert_eq!(
        (removed.matched, removed.changed, state("plain"), state("urgent")),
        (1, 1, None, Some("pending".into()))
    );
    assert_eq!(act(BulkAct::Promote, tenant()).changed, 1);
    assert_eq!((state("later"), state("again")), (Some("pending".into()), Some("retrying".into())));
    assert_eq!(act(BulkAct::Retry, all()).changed, 2);
    assert_eq!((state("again"), state("dead")), (Some("pending".into()), Some("pending".into())));
    let named = Selection { ids: vec![id("busy"), id("urgent")], ..all() };
    assert_eq!(act(BulkAct::Cancel, named).changed, 2);
    assert_eq!((state("urgent"), state("busy")), (Some("cancelled".into()), Some("active".into())));
    let claim: String = redis.query(&["HGET", &seed.key("active"), "busy"]);
    assert!(claim.starts_with("cancelled|"), "its worker is told: {claim}");
    let wrong = Selection { states: vec![JobState::Active], ..all() };
    let error = run(bulk.run(BulkAct::Remove, &wrong, &ActOptions::default(), &mut |_| ())).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("cancel them"), "{error}");
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn thousands_are_selected_without_missing_or_doubling_one() {
    let redis = TestRedis::start();
    let seed = Seed { redis: &redis, queue: "q" };
    seed.many("pending:2", 2_500, (NOW_US, 1));
    for n in (0..2_500).step_by(2) {
        let record = format!("{NOW_US}{{\"payload\":{{\"to\":\"b@other.org\"}}}}");
        redis.query::<()>(&["HSET", &seed.key("jobs"), &format!("job{n}"), &record]);
    }
    let client = client(&redis);
    let bulk = client.queue(name("q")).bulk();
    let selection = Selection { payload: vec!["to=~other".parse().unwrap()], ..all() };
    let mut steps = Vec::new();
    let report =
        run(bulk.run(BulkAct::Remove, &selection, &ActOptions::default(), &mut |done| steps.push(done))).unwrap();
    assert_eq!((report.matched, report.changed, steps.last()), (1_250, 1_250, Some(&1_250)));
    assert!(steps.len() > 5 && steps.is_sorted(), "{steps:?}");
    assert_eq!(Snapshot::of(&redis, "q").count("pending"), 1_250);
    let later = ActOptions { rate_per_sec: Some(0.0), ..ActOptions::default() };
    assert_eq!(run(bulk.run(BulkAct::Cancel, &all(), &later, &mut |_| ())).unwrap_err().kind(), ErrorKind::Invalid);
}
