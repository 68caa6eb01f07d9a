//! A job that is parked for the limit of its key is pending in every view.

use ireva_queue::config::Setting;
use ireva_queue::{ActOptions, BulkAct, JobLine, JobState, NewJob, Redaction, Selection};

use crate::key_limits::{Bench, tenant};
use crate::ops_seed::{NOW_US, id, name, run};

#[test]
fn parked_jobs_are_pending_in_every_view() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    bench.add("run", "acme");
    bench.fetch("w", 1);
    for n in 0..8 {
        bench.add(&format!("job-{n}"), "acme");
    }
    bench.add_job(NewJob::from_json(r#"{"tenant":"acme"}"#.to_owned()).unwrap().id(id("uni")).unique("u"));
    assert!(bench.ids("w", 20).is_empty());
    assert_eq!(bench.line("parked").len(), 9);
    let inspector = bench.client.inspector();
    let listed = run(inspector.jobs(&name("q"), &[JobState::Pending], 0, 50)).unwrap();
    assert!(listed.items.len() == 9 && listed.items.iter().all(|job| job.state == JobState::Pending));
    assert_eq!(run(bench.queue.count(&[JobState::Pending])).unwrap(), 9);
    let found = run(inspector.find("job-3", None)).unwrap();
    assert_eq!(found.state, JobState::Pending);
    let told = run(inspector.explain(&found)).unwrap();
    let reason = told.reasons.iter().find(|reason| reason.code == "key_limit").unwrap();
    assert!(reason.text.contains("acme") && reason.text.contains("its concurrency is 1"), "{}", reason.text);
    // Its unique key is held, the queue is not empty, and its length counts it.
    let again = NewJob::from_json("1".to_owned()).unwrap();
    assert!(run(bench.queue.enqueue(again.clone().unique("u"))).unwrap().duplicate);
    assert!(run(bench.queue.enqueue(again.clone().unless_queued())).unwrap().duplicate);
    bench.set(&[Setting::MaxLength(Some(9))]);
    assert!(run(bench.queue.enqueue(again)).is_err());
    bench.set(&[Setting::MaxLength(None)]);
    // One by one.
    run(inspector.cancel(&run(inspector.find("job-0", None)).unwrap())).unwrap();
    bench.check();
    run(inspector.delete(&run(inspector.find("job-1", None)).unwrap())).unwrap();
    bench.check();
    let promoted = run(inspector.promote(&run(inspector.find("job-2", None)).unwrap()));
    assert_eq!(promoted.unwrap_err().kind(), ireva_queue::ErrorKind::Refused, "it is pending already");
    let one = Selection { ids: vec![id("job-4")], states: vec![JobState::Pending], ..Selection::default() };
    let report = run(bench.queue.bulk().run(BulkAct::Cancel, &one, &ActOptions::default(), &mut |_| ())).unwrap();
    assert_eq!(report.changed, 1);
    bench.check();
    assert_eq!(run(bench.queue.count(&[JobState::Pending])).unwrap(), 6);
    assert!(run(bench.queue.delete(&ActOptions::default())).is_err(), "it holds jobs");
}

#[test]
fn a_clear_takes_parked_jobs_and_its_undo_brings_them_back_byte_for_byte() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    bench.add("run", "acme");
    let running = bench.fetch("w", 1).jobs;
    for n in 0..30 {
        bench.add(&format!("job-{n:02}"), "acme");
    }
    assert!(bench.ids("w", 50).is_empty());
    let (records, order) = (bench.hash("jobs"), bench.line("parked"));
    let pending = Selection { states: vec![JobState::Pending], ..Selection::default() };
    let options = ActOptions::default();
    let report = run(bench.queue.bulk().run(BulkAct::Remove, &pending, &options, &mut |_| ())).unwrap();
    assert_eq!((report.changed, bench.hash("jobs").len()), (30, 1));
    bench.check();
    let entry = run(bench.client.audit().find(&report.act.unwrap())).unwrap();
    run(bench.client.audit().undo(&entry, &ActOptions::default(), &mut |_| ())).unwrap();
    assert_eq!((bench.hash("jobs"), bench.line("pending:2")), (records, order.clone()));
    // Over the limit they still are.
    assert!(bench.ids("w", 50).is_empty());
    assert_eq!(bench.line("parked"), order);
    bench.complete("w", &running);
    assert_eq!(bench.ids("w", 50), ["job-00"]);
}

#[test]
fn parked_jobs_expire_and_move_to_another_server() {
    let mut bench = Bench::start(&tenant(Some(1), None));
    bench.add("run", "acme");
    bench.fetch("w", 1);
    let job = NewJob::from_json(r#"{"tenant":"acme"}"#.to_owned()).unwrap().id(id("short"));
    bench.add_job(job.ttl(std::time::Duration::from_secs(5)).priority("low".parse().unwrap()));
    bench.add("stays", "acme");
    assert!(bench.ids("w", 9).is_empty());
    let selection = Selection { states: vec![JobState::Pending], ..Selection::default() };
    let mut lines = Vec::new();
    let mut take = |page: Vec<JobLine>| {
        lines.extend(page.iter().map(|line| serde_json::to_string(line).unwrap()));
        true
    };
    run(bench.queue.export(&selection, &Redaction::default(), &mut take)).unwrap();
    assert_eq!(lines.len(), 2);
    let low = lines.iter().find(|line| line.contains("short")).unwrap();
    let place = serde_json::from_str::<serde_json::Value>(low).unwrap()["place"].as_i64().unwrap();
    assert!((NOW_US..NOW_US + 1_000).contains(&place), "its place in line, not that among the parked: {place}");
    bench.pass(6_000_000);
    assert!(bench.ids("w", 9).is_empty());
    assert_eq!((bench.line("dead"), bench.line("parked")), (vec!["short".to_owned()], vec!["stays".to_owned()]));
    bench.check();
}
