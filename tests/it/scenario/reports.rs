//! Reports under faults: a disk that is full.

use std::time::Duration;

use super::files::{mounted, seen_by};
use crate::support::files::names;
use crate::support::reports::payload;
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

#[test]
fn r24_a_report_to_a_full_disk_waits_for_room_and_leaves_nothing_behind() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let place = cli.home().join("full");
    let cli = cli.env("REPORT_DIR", place.to_str().unwrap());
    cli.ok(["db", "seed"]);
    let mut worker = mounted(&cli, &place, "1m", "report-generation");
    let view = seen_by(&worker, &place);
    std::fs::write(view.join("filler"), vec![0; 1020 * 1024]).unwrap();

    let formats: &[&str] = if cfg!(feature = "pdf") { &["csv", "json", "pdf"] } else { &["csv", "json"] };
    let parameters = r#""startDate":"2021-01-01","endDate":"2024-12-31""#;
    let report = |format: &&str| {
        let payload = payload("transaction-history", format, parameters);
        cli.enqueue("report-generation", &payload, &["--backoff", "fixed:1s", "--attempts", "100"])
    };
    let jobs: Vec<String> = formats.iter().map(report).collect();
    let has = |worker: &WorkProcess, event: &str, code: Option<&str>| {
        let events = worker.events(event);
        let told = |job: &String| {
            events.iter().any(|event| event["job"] == job.as_str() && code.is_none_or(|code| event["code"] == code))
        };
        jobs.iter().all(told)
    };
    wait_until(LONG, "every report finds no room", || has(&worker, "retrying", Some("storage_full")));
    // A draft may be under way at any moment, and is hidden.
    let whole = || names(&view).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(whole(), ["filler"], "no file at a final path");

    std::fs::remove_file(view.join("filler")).unwrap();
    wait_until(LONG, "every retry succeeds", || has(&worker, "completed", None));
    assert_eq!(worker.events("dead").len(), 0, "{:#?}", worker.log());
    assert_eq!(names(&view).len(), formats.len(), "no draft is left: {:?}", names(&view));
    assert_eq!(worker.stop(LONG), Some(0));
}
