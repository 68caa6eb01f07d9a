//! Every reason that a job can have to wait or to have ended, from facts alone.

use super::*;
use crate::breaker::{BreakerError, BreakerState};
use crate::config::Rate;
use crate::job::{BatchName, Crash, JobId, Priority, QueueName};
use crate::stats::JobSummary;

const NOW_MS: i64 = 1_764_000_000_000;

fn instant(ms: i64) -> DateTime<Utc> {
    crate::clock::instant(ms)
}

fn job(state: JobState, since_ms: i64) -> JobDetails {
    JobDetails {
        summary: JobSummary {
            id: JobId::trusted("job-0001"),
            queue: QueueName::new("email").unwrap(),
            state,
            priority: Priority::Normal,
            attempt: 1,
            enqueued_at: None,
            since: instant(since_ms),
            last_error: None,
        },
        payload: None,
        raw: None,
        max_attempts: None,
        backoff: None,
        timeout_ms: None,
        ttl_ms: None,
        unique: None,
        order_key: None,
        partition: None,
        batch: None,
        worker: None,
        fence: None,
        progress: None,
        crashes: 0,
        failed: 0,
        snoozed: 0,
        revived: 0,
        revives: None,
        children: Vec::new(),
        failures: Vec::new(),
        crashed: Vec::new(),
        result: None,
        log: None,
        explanation: None,
    }
}

fn failed(state: JobState, class: ErrorClass, code: &str) -> JobDetails {
    let mut job = job(state, NOW_MS + 20_000);
    job.failed = 5;
    job.summary.last_error = Some(Failure {
        at: instant(NOW_MS),
        attempt: 5,
        class,
        code: code.to_owned(),
        message: "550 no such user\nmore".to_owned(),
        duration_ms: 3,
        worker: "w".to_owned(),
    });
    job
}

/// What is said with these facts, the usual ones changed by `change`.
fn told<'a>(
    job: &'a JobDetails,
    settings: &'a QueueSettings,
    change: impl Fn(&mut Facts<'a>),
) -> (Vec<String>, String, String) {
    let mut facts = facts(job, settings);
    change(&mut facts);
    let explanation = explain(&facts);
    let codes = explanation.reasons.iter().map(|reason| reason.code.clone()).collect();
    let text: Vec<_> = explanation.reasons.into_iter().map(|reason| reason.text).collect();
    (codes, text.join("\n"), explanation.next.join("\n"))
}

/// Those of a queue that nothing holds up.
fn facts<'a>(job: &'a JobDetails, settings: &'a QueueSettings) -> Facts<'a> {
    Facts {
        job,
        settings,
        partition: None,
        paused: false,
        workers: 2,
        active: 0,
        ahead: 0,
        key: None,
        full: None,
        rate_wait: Duration::ZERO,
        ended_last_minute: 0,
        breaker: None,
        lease_until: None,
        now: instant(NOW_MS),
    }
}

#[test]
fn a_job_in_line_waits_for_what_holds_its_queue_up() {
    let pending = job(JobState::Pending, NOW_MS - 5_000);
    let limited =
        QueueSettings { rate: Some("2/m".parse::<Rate>().unwrap()), concurrency: Some(3), ..QueueSettings::default() };
    let (codes, text, next) = told(&pending, &limited, |facts| {
        (facts.paused, facts.workers, facts.active, facts.ahead) = (true, 0, 3, 41);
        (facts.rate_wait, facts.ended_last_minute) = (Duration::from_secs(12), 6);
    });
    assert_eq!(codes, ["paused", "no_worker", "concurrency_limit", "rate_limit", "line"]);
    assert!(text.contains("in 12s") && text.contains("41 jobs are") && text.contains("6 ended"), "{text}");
    assert!(next.contains("ireva-queue queues resume email") && next.ends_with("email --rate RATE"), "{next}");

    let free = QueueSettings::default();
    assert_eq!(told(&pending, &free, |_| ()).0, ["next"]);
    let (codes, text, next) = told(&pending, &free, |facts| facts.ahead = 1);
    assert!(
        codes == ["line"] && text.contains("1 job is of a higher priority") && next.contains("--priority"),
        "{text}"
    );
    let full = KeyLimit {
        key: crate::job::LimitKey::new("acme").unwrap(),
        queue: QueueName::new("email").unwrap(),
        running: 2,
        parked: 5,
        concurrency: Some(2),
        rate: None,
        own: false,
        next_at: None,
    };
    let (codes, text, next) = told(&pending, &free, |facts| facts.key = Some(&full));
    assert!(codes == ["key_limit"] && text.contains("acme; 2 jobs of it run,") && text.contains("4 more"), "{text}");
    assert!(next.ends_with("ireva-queue limits set email acme --concurrency 3"), "{next}");
    let one = KeyLimit { running: 1, parked: 2, concurrency: Some(1), ..full.clone() };
    let (_, text, _) = told(&pending, &free, |facts| facts.key = Some(&one));
    assert!(text.contains("1 job of it runs, and") && text.contains("1 more of this key waits"), "{text}");
    let (codes, text, _) = told(&pending, &free, |facts| facts.full = Some((8, 1)));
    assert!(codes == ["busy"] && text.starts_with("all 8 slots of 1 worker are busy"), "{text}");
    assert!(told(&pending, &free, |facts| facts.full = Some((1, 1))).1.starts_with("the only slot of 1 worker"));
    let mut thumbnail = pending.clone();
    thumbnail.summary.queue = QueueName::new("thumbnails").unwrap();
    let start = |job| told(job, &free, |facts| facts.workers = 0).2;
    assert_eq!(start(&pending), "start one: ireva-queue work email");
    assert_eq!(start(&thumbnail), "start one: ireva-queue work thumbnails --exec COMMAND");
    let (rate, next_at) = (Some("1/s".parse().unwrap()), Some(instant(NOW_MS + 400)));
    let paced = KeyLimit { running: 1, rate, next_at, ..full.clone() };
    assert!(told(&pending, &free, |facts| facts.key = Some(&paced)).1.contains("may start in 400ms"));
    let mut fallen = pending.clone();
    fallen.crashes = 2;
    assert_eq!(told(&fallen, &free, |_| ()).0, ["alone"]);
}

#[test]
fn a_job_before_its_time_says_when_and_why() {
    let free = QueueSettings::default();
    let (codes, text, next) = told(&job(JobState::Scheduled, NOW_MS + 60_000), &free, |_| ());
    assert!(
        codes == ["due"] && text.contains("2025-11-24T16:01:00Z") && next.contains("jobs promote job-0001"),
        "{text}"
    );
    let retrying = failed(JobState::Retrying, ErrorClass::Transient, "smtp_4xx");
    let (codes, text, next) = told(&retrying, &free, |_| ());
    assert!(codes == ["retry"] && text.contains("attempt 5 of 5") && text.contains("550 no such user"), "{text}");
    assert!(next.contains("greylisting") && !text.contains("more"), "{next}");
    let mut snoozed = failed(JobState::Scheduled, ErrorClass::Throttled, "snoozed");
    snoozed.snoozed = 3;
    assert_eq!(told(&snoozed, &free, |_| ()).0, ["snoozed"]);
    let late = job(JobState::Scheduled, NOW_MS - 3_000);
    let (codes, text, next) = told(&late, &free, |facts| facts.workers = 0);
    assert!(
        codes == ["due", "overdue", "no_worker"] && text.contains("since 3s") && !next.contains("promote"),
        "{text}"
    );
}

#[test]
fn a_job_whose_service_is_down_says_since_when_and_when_it_is_tried() {
    let free = QueueSettings::default();
    let mut down = BreakerInfo {
        dependency: "smtp://mail:25".to_owned(),
        state: BreakerState::Open,
        failures: 5,
        last_failure_at: None,
        last_error: Some(BreakerError { code: "connection_refused".to_owned(), message: "nobody".to_owned() }),
        opened_at: Some(instant(NOW_MS - 60_000)),
        probe_at: Some(instant(NOW_MS + 5_000)),
        opened_by: Some("w-1".to_owned()),
    };
    let pending = job(JobState::Pending, NOW_MS - 5_000);
    let codes = |job: &JobDetails, down: &BreakerInfo| {
        let mut facts = facts(job, &free);
        facts.breaker = Some(down);
        let explanation = explain(&facts);
        let codes: Vec<_> = explanation.reasons.iter().map(|reason| reason.code.clone()).collect();
        (codes, explanation.reasons.last().unwrap().text.clone(), explanation.next.join("; "))
    };
    let (why, text, next) = codes(&pending, &down);
    assert_eq!(why, ["breaker_open"]);
    assert!(
        text.contains("smtp://mail:25, which is down since 2025-11-24T15:59:00Z (connection_refused: nobody)"),
        "{text}"
    );
    assert!(text.contains("tried next at 2025-11-24T16:00:05Z"), "{text}");
    assert!(next.ends_with("breaker close smtp://mail:25"), "{next}");
    let mut snoozed = job(JobState::Scheduled, NOW_MS + 3_000);
    snoozed.snoozed = 3;
    assert_eq!(codes(&snoozed, &down).0, ["snoozed", "breaker_open"]);
    snoozed.summary.last_error = failed(JobState::Scheduled, ErrorClass::Throttled, "snoozed").summary.last_error;
    let facts = Facts { breaker: Some(&down), ..facts(&snoozed, &free) };
    assert!(explain(&facts).reasons[0].text.contains("as its service is left alone"));
    assert_eq!(codes(&job(JobState::Scheduled, NOW_MS + 3_000), &down).0, ["due"], "it is not due, service or not");
    (down.opened_by, down.probe_at) = (Some("operator".to_owned()), Some(instant(NOW_MS) + crate::job::LONGEST));
    let (_, text, next) = codes(&pending, &down);
    assert!(text.ends_with("an operator holds back since 2025-11-24T15:59:00Z, until it is closed"), "{text}");
    assert_eq!(next, "ireva-queue breaker close smtp://mail:25");
}

#[test]
fn a_job_in_a_partition_that_waits_is_told_what_for_and_what_lets_it_start() {
    let limits = |concurrency| QueueSettings { concurrency: Some(concurrency), ..QueueSettings::default() };
    let (job, share, of) = (job(JobState::Pending, NOW_MS), limits(2), Partitions::new(8).unwrap());
    let with = |partition, waiting, all| {
        let hold = Some(Hold { partitions: 8, waiting, running: 1, all });
        let partition = OfPartition { partition, of, whole: limits(16), hold };
        let facts = Facts { partition: Some(&partition), ..facts(&job, &share) };
        let explanation = explain(&facts);
        assert_eq!(explanation.reasons[0].code, "partitions_held");
        (explanation.reasons[0].text.clone(), explanation.next.join("\n"))
    };
    let place = of.of("k");
    let (text, next) = with(place, 3, true);
    assert_eq!(
        text,
        format!("its partition {place} is not fetched yet: 3 jobs wait and 1 job runs where the queue had them before")
    );
    assert!(next.contains("queues set email --partitions 8 goes on with the change"), "{next}");
    let (text, next) = with(place, 0, false);
    assert!(
        text.ends_with("1 job runs since before the partitions changed, and counts in the queue's concurrency of 16"),
        "{text}"
    );
    assert!(next.contains("queues set email --concurrency 24 (or none) lets it start"), "{next}");
    let (text, _) = with(Partitions::new(2).unwrap().of("k"), 0, false);
    assert!(text.contains("on its way to where it belongs now"), "{text}");
}

#[test]
fn a_job_in_a_partition_is_held_up_by_its_share() {
    let pending = job(JobState::Pending, NOW_MS - 5_000);
    let limits = |rate: &str, concurrency| QueueSettings {
        rate: Some(rate.parse::<Rate>().unwrap()),
        concurrency: Some(concurrency),
        ..QueueSettings::default()
    };
    let (share, of) = (limits("25/s", 2), Partitions::new(8).unwrap());
    let partition = OfPartition { partition: of.of("k"), of, whole: limits("200/s", 16), hold: None };
    let here = facts(&pending, &share);
    let explained = explain(&Facts {
        partition: Some(&partition),
        active: 2,
        ahead: 3,
        workers: 0,
        rate_wait: Duration::from_millis(30),
        ..here
    });
    let text: Vec<_> = explained.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let name = partition.partition;
    assert_eq!(text[0], format!("no worker takes jobs of partition {name} of queue email"));
    assert_eq!(
        text[1],
        format!(
            "2 jobs run, and the share of its partition {name} in the queue's concurrency of 16 is 2: one must end first"
        )
    );
    assert_eq!(
        text[2],
        format!(
            "the share of its partition {name} in the queue's rate of 200/s is 25/s: the next job may start in 30ms"
        )
    );
    assert!(text[3].ends_with(&format!("in its line in partition {name}")), "{}", text[3]);
    assert_eq!(explained.next[1], "wait, or ireva-queue queues set email --concurrency 24");
}

#[test]
fn a_job_that_follows_a_batch_waits_for_its_jobs() {
    let name = |name: &str| QueueName::new(name).unwrap();
    let follower = BatchFollower { queue: name("notification"), id: JobId::trusted("after-1") };
    let mut batch = BatchInfo {
        batch: BatchName::new("november").unwrap(),
        queue: name("email"),
        total: 40,
        pending: 3,
        completed: 37,
        dead: 0,
        cancelled: 0,
        sealed: false,
        created_at: instant(NOW_MS - 60_000),
        finished_at: None,
        on_complete: None,
    };
    let codes = |batch: &BatchInfo| {
        let explanation = explain_follower(batch, &follower);
        assert_eq!((explanation.id.as_str(), explanation.state), ("after-1", None));
        explanation.reasons.into_iter().map(|reason| (reason.code, reason.text)).collect::<Vec<_>>()
    };
    let told = codes(&batch);
    assert_eq!(told.iter().map(|(code, _)| &**code).collect::<Vec<_>>(), ["batch", "batch_open"]);
    assert!(told[0].1.ends_with("batch november of queue email has ended: 3 of 40 have not"), "{}", told[0].1);
    (batch.pending, batch.sealed, batch.finished_at) = (0, true, Some(instant(NOW_MS)));
    assert_eq!(codes(&batch)[0].0, "handed_over");
}

#[test]
fn an_active_job_is_at_work_or_its_worker_is_silent() {
    let mut active = job(JobState::Active, NOW_MS - 90_000);
    active.worker = Some("host-1-AAAA".to_owned());
    let free = QueueSettings::default();
    let (codes, text, _) = told(&active, &free, |facts| facts.lease_until = Some(instant(NOW_MS + 1)));
    assert!(codes == ["running"] && text.contains("host-1-AAAA has it for 1m 30s"), "{text}");
    assert_eq!(told(&active, &free, |facts| facts.lease_until = Some(instant(NOW_MS))).0, ["silent_worker"]);
}

#[test]
fn a_dead_letter_names_the_rule_that_buried_it_and_the_advice_for_its_code() {
    let free = QueueSettings::default();
    let (codes, text, next) = told(&failed(JobState::Dead, ErrorClass::Permanent, "smtp_5xx"), &free, |_| ());
    assert!(codes == ["smtp_5xx"] && text.contains("permanentAttempts 1"), "{text}");
    assert!(next.contains("mend the address") && next.contains("ireva-queue dlq retry email job-0001"), "{next}");
    let (_, text, _) = told(&failed(JobState::Dead, ErrorClass::Transient, "timeout"), &free, |_| ());
    assert!(text.contains("5 failed, the queue's attempts are 5"), "{text}");
    let mut own = failed(JobState::Dead, ErrorClass::Transient, "timeout");
    own.max_attempts = Some(3);
    assert!(told(&own, &free, |_| ()).1.contains("the job's own attempts are 3"));
    let mut expired = failed(JobState::Dead, ErrorClass::Permanent, "expired");
    expired.ttl_ms = Some(600_000);
    assert!(told(&expired, &free, |_| ()).1.contains("ttl of 10m"));
    let mut looping = failed(JobState::Dead, ErrorClass::Permanent, "crash_loop");
    looping.crashes = 3;
    assert!(told(&looping, &free, |_| ()).1.contains("crashLimit is 3"));
    let claim = "7|2:1|1764000000000|host-1-AAAA||alone";
    let crash = Crash::of_claim(claim, instant(NOW_MS), 3).unwrap();
    looping.crashed.push(crash.with_log(b"reads the file\nhas read 7 lines\n"));
    let text = told(&looping, &free, |_| ()).1;
    assert!(text.contains("in the hands of host-1-AAAA, where it ran alone; it said last: has read 7 lines"), "{text}");
    assert_eq!(told(&job(JobState::Dead, NOW_MS), &free, |_| ()).0, ["unknown"]);
}

#[test]
fn what_has_ended_well_needs_nothing() {
    let free = QueueSettings::default();
    assert_eq!(told(&job(JobState::Completed, NOW_MS), &free, |_| ()).0, ["completed"]);
    assert_eq!(told(&job(JobState::Cancelled, NOW_MS), &free, |_| ()).0, ["cancelled"]);
}
