//! Schedules: each tick at most one job however many fire it, on days on which clocks change, and after an outage.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::join_all;
use ireva_queue::config::Setting;
use ireva_queue::{
    Client, Clock, JobState, Missed, NewJob, Overlap, Schedule, ScheduleName, ScheduleState, Scheduler, Timing,
};

use crate::ops_seed::{client_at, name, run};
use crate::support::*;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn schedule(schedule: &str, queue: &str, timing: Timing) -> Schedule {
    let job = NewJob::from_json(format!("\"{schedule}\"")).unwrap();
    Schedule::new(ScheduleName::new(schedule).unwrap(), name(queue), timing, job).unwrap()
}

fn every(seconds: u64) -> Timing {
    Timing::every(Duration::from_secs(seconds)).unwrap()
}

/// Three schedulers on connections of their own, under one clock that the test moves.
struct Fleet {
    redis: TestRedis,
    clock: Clock,
    clients: Vec<Client>,
}

impl Fleet {
    fn at(start: DateTime<Utc>) -> Self {
        let (redis, clock) = (TestRedis::start(), Clock::fixed(start.timestamp_micros()));
        let clients = (0..3).map(|_| client_at(&redis, &clock)).collect();
        Self { redis, clock, clients }
    }

    fn add(&self, schedule: Schedule) {
        run(self.clients[0].schedules().add(&schedule, false)).unwrap();
    }

    /// All three look at the same instant; how many ticks they fired together.
    fn look_at(&self, now: DateTime<Utc>) -> u64 {
        self.clock.set_us(now.timestamp_micros());
        self.look()
    }

    fn look(&self) -> u64 {
        let look = |client: &Client| {
            let scheduler = Scheduler::new(client);
            async move { scheduler.once().await.unwrap().fired }
        };
        run(join_all(self.clients.iter().map(look))).into_iter().sum()
    }

    /// The ids of all jobs of a schedule, without its name.
    fn ticks(&self, queue: &str, schedule: &str) -> BTreeSet<String> {
        let ids: BTreeSet<String> = self.redis.query(&["HKEYS", &self.redis.key(queue, "jobs")]);
        let prefix = format!("{schedule}@");
        ids.iter().filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn state(&self, queue: &str, id: &str) -> Option<JobState> {
        let jobs = self.clients[0].inspector();
        run(jobs.jobs(&name(queue), &[], 0, 100))
            .unwrap()
            .items
            .into_iter()
            .find(|job| job.id.as_str() == id)
            .map(|job| job.state)
    }
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Lets a day pass, a minute at a time, under the eyes of three schedulers.
fn live_through(from: &str, minutes: i64) -> Fleet {
    let from = instant(from);
    let fleet = Fleet::at(from);
    for (schedule_name, pattern) in
        [("half-past-two", "30 2 * * *"), ("minutely", "* * * * *"), ("six-hourly", "0 */6 * * *")]
    {
        fleet.add(schedule(schedule_name, schedule_name, Timing::cron(pattern, "Europe/Berlin").unwrap()));
    }
    for minute in 1..=minutes {
        let now = from + chrono::TimeDelta::minutes(minute);
        assert!(fleet.look_at(now) >= 1, "the minute {now} is fired");
        if minute % 30 == 0 {
            assert_eq!(fleet.look(), 0, "and fired once");
        }
    }
    let stats = run(fleet.clients[0].queue(name("minutely")).stats()).unwrap();
    assert_eq!(stats.totals.enqueued, minutes.unsigned_abs());
    let wanted: BTreeSet<_> = (1..=minutes).map(|minute| text(from + chrono::TimeDelta::minutes(minute))).collect();
    assert_eq!(fleet.ticks("minutely", "minutely"), wanted);
    fleet
}

fn set(ticks: &[&str]) -> BTreeSet<String> {
    ticks.iter().map(|tick| (*tick).to_owned()).collect()
}

#[test]
fn r27_on_the_day_of_23_hours_each_tick_is_fired_once_and_half_past_two_at_three() {
    let fleet = live_through("2027-03-27T23:00:00Z", 23 * 60);
    assert_eq!(fleet.ticks("half-past-two", "half-past-two"), set(&["2027-03-28T01:00:00Z"]));
    let six_hourly = ["2027-03-28T04:00:00Z", "2027-03-28T10:00:00Z", "2027-03-28T16:00:00Z", "2027-03-28T22:00:00Z"];
    assert_eq!(fleet.ticks("six-hourly", "six-hourly"), set(&six_hourly));
}

#[test]
fn r27_on_the_day_of_25_hours_each_tick_is_fired_once() {
    let fleet = live_through("2027-10-30T22:00:00Z", 25 * 60);
    assert_eq!(fleet.ticks("half-past-two", "half-past-two"), set(&["2027-10-31T00:30:00Z"]));
    let six_hourly = ["2027-10-31T05:00:00Z", "2027-10-31T11:00:00Z", "2027-10-31T17:00:00Z", "2027-10-31T23:00:00Z"];
    assert_eq!(fleet.ticks("six-hourly", "six-hourly"), set(&six_hourly));
}

#[test]
fn r28_after_an_outage_the_policy_decides_and_all_decide_the_same() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    let after = |seconds| start + chrono::TimeDelta::seconds(seconds);
    let grace = Duration::from_secs(10);
    for (schedule_name, missed) in [("once", Missed::Once), ("skip", Missed::Skip), ("all", Missed::All)] {
        fleet.add(schedule(schedule_name, "q", every(60)).missed(missed));
    }
    fleet.add(schedule("strict", "q", every(60)).missed(Missed::Skip).grace(grace));
    assert_eq!(fleet.look_at(after(60)), 4);
    // Nobody looks for three ticks and a half.
    assert_eq!(fleet.look_at(after(270)), 1 + 1 + 3);
    let minute = |n: i64| text(after(n * 60));
    let ticks = |schedule: &str| fleet.ticks("q", schedule);
    assert_eq!(ticks("once"), BTreeSet::from([minute(1), minute(4)]));
    assert_eq!(ticks("skip"), BTreeSet::from([minute(1), minute(4)]), "the last one is half a minute late");
    assert_eq!(ticks("all"), BTreeSet::from([minute(1), minute(2), minute(3), minute(4)]));
    assert_eq!(ticks("strict"), BTreeSet::from([minute(1)]));
    let schedules = run(fleet.clients[1].schedules().list(&[])).unwrap();
    let counted: Vec<_> =
        schedules.iter().map(|info| (info.name.as_str(), info.ticks_fired, info.ticks_missed)).collect();
    assert_eq!(counted, [("all", 4, 0), ("once", 2, 2), ("skip", 2, 2), ("strict", 1, 3)]);
    assert!(schedules.iter().all(|info| info.next_at == Some(after(300))));
    // And it goes on as if nothing had been.
    assert_eq!(fleet.look_at(after(300)), 4);
}

/// The ids of `often@…` in the queue, as seconds since 1970.
fn often(redis: &TestRedis) -> Vec<i64> {
    let ids: BTreeSet<String> = redis.query(&["HKEYS", &redis.key("q", "jobs")]);
    ids.iter().filter_map(|id| id.strip_prefix("often@")).map(|tick| instant(tick).timestamp()).collect()
}

fn server_secs(redis: &TestRedis) -> i64 {
    redis.query::<[i64; 2]>(&["TIME"])[0]
}

#[test]
fn r28_three_schedulers_are_killed_over_three_ticks_and_one_job_stands_for_them() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.ok(["schedule", "add", "often", "q", "--every", "2s"]);
    let start = || (0..3).map(|_| cli.service(["scheduler", "--log-format", "json"])).collect::<Vec<_>>();
    let mut schedulers = start();
    wait_until(Duration::from_secs(60), "three ticks are fired", || often(&redis).len() >= 3);
    schedulers.iter_mut().for_each(WorkProcess::kill9);
    let before = often(&redis);
    let (first, last) = (before[0], *before.last().unwrap());
    wait_until(Duration::from_secs(60), "three more ticks have come", || server_secs(&redis) > last + 7);
    assert_eq!(often(&redis), before, "and nobody fired them");
    assert_eq!(cli.json(["schedule", "show", "often"])["ticksFired"].as_u64(), Some(before.len() as u64));

    let back = server_secs(&redis);
    let mut schedulers = start();
    wait_until(Duration::from_secs(60), "ticks are fired again", || often(&redis).len() >= before.len() + 3);
    schedulers.iter_mut().for_each(|scheduler| assert_eq!(scheduler.stop(Duration::from_secs(20)), Some(0)));
    let after: Vec<_> = often(&redis).into_iter().filter(|tick| *tick > last).collect();
    let skipped = (after[0] - last) / 2 - 1;
    assert!(
        after[0] > back - 2 && skipped >= 2,
        "one job, that of the last tick, stands for those before: {last}, {after:?}"
    );
    // On a busy machine more than these may come together: each is fired, or counted as missed.
    let info = cli.json(["schedule", "show", "often"]);
    let (fired, missed) = (info["ticksFired"].as_i64().unwrap(), info["ticksMissed"].as_i64().unwrap());
    assert_eq!(fired, i64::try_from(before.len() + after.len()).unwrap());
    assert_eq!(fired + missed, (after[after.len() - 1] - first) / 2 + 1, "{before:?} {after:?}");
    let told = || schedulers.iter().map(|scheduler| scheduler.events("fired").len()).sum::<usize>();
    wait_until(Duration::from_secs(10), "each tick is told by the one that fired it", || told() == after.len());
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn a_lost_answer_neither_loses_nor_doubles_a_tick() {
    let redis = TestRedis::start();
    let calls = AtomicU64::new(0);
    let proxy = Proxy::start(&redis, move |request| {
        let is_script = request.verb() == "EVALSHA";
        let lost = is_script && calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        if lost { Fault::DropReply } else { Fault::None }
    });
    let cli = Cli::new(&redis);
    cli.ok(["schedule", "add", "often", "q", "--cron", "* * * * * *", "--missed", "all"]);
    let through = cli.clone().env("REDIS_PORT", proxy.port().to_string());
    let mut schedulers = [through.service(["scheduler"]), through.service(["scheduler"])];
    wait_until(Duration::from_secs(60), "eight ticks are fired", || often(&redis).len() >= 8);
    schedulers.iter_mut().for_each(|scheduler| assert_eq!(scheduler.stop(Duration::from_secs(20)), Some(0)));
    let (info, ticks) = (cli.json(["schedule", "show", "often"]), often(&redis));
    assert!(proxy.faults() >= 3, "answers were lost");
    assert_eq!(info["ticksFired"].as_u64(), Some(ticks.len() as u64));
    assert_eq!(cli.json(["stats", "q"])["totals"]["enqueued"], info["ticksFired"]);
    assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 1), "{ticks:?}");
}

#[test]
fn workers_fire_the_schedules_of_their_queues_beside_schedulers() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.keep_completed("q");
    cli.ok(["schedule", "add", "often", "q", "--cron", "* * * * * *", "--missed", "all"]);
    cli.ok(["schedule", "add", "other", "r", "--every", "1s"]);
    let work = || cli.work(["q", "--exec", "true"]).ready();
    let (mut workers, mut scheduler) = ([work(), work()], cli.service(["scheduler", "q", "--log-format", "json"]));
    let completed = || redis.query::<u64>(&["ZCARD", &redis.key("q", "completed")]);
    wait_until(Duration::from_secs(60), "five ticks are fired and their jobs done", || completed() >= 5);
    assert_eq!(scheduler.stop(Duration::from_secs(20)), Some(0));
    workers.iter_mut().for_each(|worker| assert_eq!(worker.stop(Duration::from_secs(20)), Some(0)));
    let info = cli.json(["schedule", "show", "often"]);
    let (stats, ticks) = (cli.json(["stats", "q"]), often(&redis));
    assert_eq!(
        (&stats["totals"]["enqueued"], info["ticksFired"].as_u64()),
        (&info["ticksFired"], Some(ticks.len() as u64))
    );
    assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 1), "{ticks:?}");
    let late_us = |id: String| {
        let record: String = redis.query(&["HGET", &redis.key("q", "jobs"), &format!("often@{id}")]);
        let arrival_us: i64 = record[..record.find('{').unwrap()].parse().unwrap();
        arrival_us - instant(&id).timestamp_micros()
    };
    let mut late: Vec<_> =
        ticks.iter().map(|secs| late_us(text(DateTime::from_timestamp(*secs, 0).unwrap()))).collect();
    late.sort_unstable();
    assert!(late[0] >= 0 && late[late.len() / 2] < 1_000_000, "never early, hardly late: {late:?}");
    assert_eq!(redis.query::<u64>(&["HLEN", &redis.key("r", "jobs")]), 0, "nobody was told to look after r");
}

#[test]
fn a_tick_while_the_job_before_is_not_done_is_skipped_queued_or_takes_its_place() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    let minute = |n: i64| start + chrono::TimeDelta::minutes(n);
    let id = |schedule: &str, n: i64| format!("{schedule}@{}", text(minute(n)));
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
        fleet.add(schedule(overlap.as_str(), overlap.as_str(), every(60)).overlap(overlap));
    }
    assert_eq!(fleet.look_at(minute(1)), 3);
    assert_eq!(fleet.look_at(minute(2)), 2);
    assert_eq!(fleet.ticks("skip", "skip").len(), 1);
    assert_eq!(fleet.state("queue", &id("queue", 1)), Some(JobState::Pending));
    assert_eq!(fleet.state("queue", &id("queue", 2)), Some(JobState::Pending));
    assert_eq!(fleet.state("replace", &id("replace", 1)), Some(JobState::Cancelled));
    assert_eq!(fleet.state("replace", &id("replace", 2)), Some(JobState::Pending));
    let show =
        |schedule: &str| run(fleet.clients[0].schedules().find(&ScheduleName::new(schedule).unwrap(), None)).unwrap();
    let last = show("skip").last.unwrap();
    assert_eq!((last.outcome.as_str(), last.job.unwrap().to_string()), ("overlapped", id("skip", 1)));
    assert_eq!(show("skip").ticks_overlapped, 1);
    // Done: the next tick has its job again.
    run(fleet.clients[0].queue(name("skip")).clear(&[], &mut |_| {})).unwrap();
    assert_eq!(fleet.look_at(minute(3)), 3);
    assert_eq!(fleet.state("skip", &id("skip", 3)), Some(JobState::Pending));
    for queue in ["skip", "queue", "replace"] {
        Snapshot::of(&fleet.redis, queue).assert_agrees();
    }
    assert_eq!(schema_faults(&fleet.redis), Vec::<String>::new());
}

#[test]
fn a_running_job_is_told_to_stop_for_the_one_that_takes_its_place() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 600");
    cli.ok(["schedule", "add", "often", "q", "--every", "3s", "--overlap", "replace"]);
    let worker = cli.work(["q", "--concurrency", "2", "--exec", &program]).ready();
    ledger.wait("start", 3, Duration::from_secs(60));
    wait_until(Duration::from_secs(60), "those before were cancelled", || worker.events("cancelled").len() >= 2);
    assert!(cli.json(["stats", "q"])["active"].as_u64().unwrap() <= 2);
}

#[test]
fn a_full_queue_holds_a_tick_back_and_a_held_key_stands_for_it() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    let minute = |n: i64| start + chrono::TimeDelta::minutes(n);
    let queue = fleet.clients[0].queue(name("q"));
    run(queue.set(&[Setting::MaxLength(Some(1))])).unwrap();
    run(queue.enqueue(NewJob::new(&1).unwrap())).unwrap();
    fleet.add(schedule("a", "q", every(60)));
    fleet.clock.set_us(minute(1).timestamp_micros());
    let error = run(Scheduler::new(&fleet.clients[0]).once()).unwrap_err();
    assert!(error.kind() == ireva_queue::ErrorKind::Full && error.to_string().contains("schedule a"), "{error}");
    assert_eq!(run(fleet.clients[0].schedules().late(Duration::ZERO)).unwrap().len(), 0, "it has only just come");
    fleet.clock.set_us(minute(1).timestamp_micros() + 1_000_000);
    assert_eq!(run(fleet.clients[0].schedules().late(Duration::ZERO)).unwrap().len(), 1);
    run(queue.clear(&[], &mut |_| {})).unwrap();
    assert_eq!(fleet.look(), 1);
    assert_eq!(fleet.ticks("q", "a"), BTreeSet::from([text(minute(1))]));

    let job = NewJob::from_json("1".to_owned()).unwrap().unique("k");
    fleet.add(Schedule::new(ScheduleName::new("b").unwrap(), name("r"), every(60), job).unwrap());
    run(queue.clear(&[], &mut |_| {})).unwrap();
    assert_eq!(fleet.look_at(minute(2)), 2);
    run(queue.clear(&[], &mut |_| {})).unwrap();
    assert_eq!(fleet.look_at(minute(3)), 1, "the job of b holds the key");
    let info = run(fleet.clients[0].schedules().find(&ScheduleName::new("b").unwrap(), None)).unwrap();
    assert_eq!((info.ticks_fired, info.ticks_overlapped, info.last.unwrap().outcome.as_str()), (1, 1, "held"));
}

#[test]
fn a_schedule_ends_and_what_nobody_can_read_hinders_no_other() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    let minute = |n: i64| start + chrono::TimeDelta::minutes(n);
    fleet.add(schedule("short", "q", every(60)).until(minute(2)));
    fleet.add(schedule("long", "q", every(60)));
    let key = |suffix: &str| fleet.redis.key("q", suffix);
    fleet.redis.query::<()>(&["HSET", &key("schedules"), "broken", "nonsense"]);
    let tick = minute(1).timestamp_millis().to_string();
    fleet.redis.query::<()>(&["ZADD", &key("ticks"), &tick, "broken", &tick, "orphan"]);
    for n in 1..=3 {
        fleet.clock.set_us(minute(n).timestamp_micros());
        let error = run(Scheduler::new(&fleet.clients[0]).once()).unwrap_err();
        assert!(error.to_string().contains("\"broken\""), "{error}");
    }
    assert_eq!((fleet.ticks("q", "short").len(), fleet.ticks("q", "long").len()), (2, 3));
    assert_eq!(fleet.redis.query::<Option<String>>(&["ZSCORE", &key("ticks"), "orphan"]), None);
    let schedules = fleet.clients[0].schedules();
    let info = run(schedules.find(&ScheduleName::new("short").unwrap(), None)).unwrap();
    assert_eq!((info.state, info.next_at), (ScheduleState::Ended, None));
    assert!(run(schedules.list(&[])).unwrap_err().to_string().contains("\"broken\""));
    run(schedules.remove(&ScheduleName::new("broken").unwrap(), None)).unwrap();
    assert_eq!(run(schedules.list(&[])).unwrap().len(), 2);
}

#[test]
fn a_schedule_that_changes_keeps_the_tick_that_has_come() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    let schedules = fleet.clients[0].schedules();
    fleet.add(schedule("a", "q", every(60)));
    fleet.clock.set_us((start + chrono::TimeDelta::seconds(61)).timestamp_micros());
    let edited = schedule("a", "q", every(60)).overlap(Overlap::Skip);
    let changed = run(schedules.add(&edited, true)).unwrap();
    assert_eq!(changed.next_at, Some(start + chrono::TimeDelta::seconds(60)));
    assert_eq!(fleet.look(), 1);
    let slower = run(schedules.add(&schedule("a", "q", every(3_600)), true)).unwrap();
    assert_eq!(slower.next_at, Some(start + chrono::TimeDelta::hours(1)));
    let info = run(schedules.find(&ScheduleName::new("a").unwrap(), None)).unwrap();
    assert_eq!((info.ticks_fired, info.every.as_deref()), (1, Some("1h")));
}

#[test]
fn jobs_are_spread_over_the_jitter_and_never_early() {
    let start = instant("2027-01-01T12:00:00Z");
    let fleet = Fleet::at(start);
    for n in 0..20 {
        fleet.add(schedule(&format!("s{n}"), "q", every(60)).jitter(Duration::from_secs(30)));
    }
    let tick = start + chrono::TimeDelta::minutes(1);
    assert_eq!(fleet.look_at(tick), 20);
    let jobs = run(fleet.clients[0].inspector().jobs(&name("q"), &[JobState::Scheduled], 0, 100)).unwrap();
    let after: Vec<_> = jobs.items.iter().map(|job| (job.since - tick).num_milliseconds()).collect();
    assert!(after.len() >= 18 && after.iter().all(|after_ms| (0..=30_000).contains(after_ms)), "{after:?}");
    assert!(after.iter().collect::<BTreeSet<_>>().len() > 15, "{after:?}");
}
