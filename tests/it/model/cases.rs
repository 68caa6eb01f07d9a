//! What the random runs found, each as the shortest run that showed it.

use ireva_queue::config::Setting;
use ireva_queue::testing::{Accepted, Ask, ByHand, TakenBack};
use ireva_queue::{Client, Clock, JobId, NewJob, QueueName};

use crate::ops_seed::{NOW_US, client_at, run};
use crate::support::{Snapshot, TestRedis};

const QUEUE: &str = "case";
const LEASE_MS: u64 = 4_000;

struct Case {
    redis: TestRedis,
    clock: Clock,
    client: Client,
    by_hand: ByHand,
}

impl Case {
    fn with(settings: &[Setting]) -> Self {
        let redis = TestRedis::start();
        let clock = Clock::fixed(NOW_US);
        let client = client_at(&redis, &clock);
        let queue = QueueName::new(QUEUE).unwrap();
        run(client.queue(queue.clone()).set(settings)).unwrap();
        let by_hand = ByHand::new(&client, &queue);
        Self { redis, clock, client, by_hand }
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> Vec<Accepted> {
        self.enqueue_as(1, jobs)
    }

    fn enqueue_as(&self, call: u64, jobs: Vec<NewJob>) -> Vec<Accepted> {
        run(self.by_hand.enqueue("p", call, &jobs)).unwrap()
    }

    fn fetch(&self, worker: &str, call: u64, slots: usize) -> Vec<(JobId, String)> {
        let ask = Ask { worker: worker.to_owned(), call, slots, prefetch: 0, lease_ms: LEASE_MS, alone: true };
        run(self.by_hand.fetch(&ask)).unwrap().jobs.into_iter().map(|job| (job.id, job.claim)).collect()
    }

    /// Every worker falls silent, and its claims are taken back.
    fn crash(&self, lives: i64) -> Vec<TakenBack> {
        self.clock.set_us(NOW_US + lives * 10_000_000);
        let claims = run(self.by_hand.active()).unwrap();
        run(self.by_hand.recover("r", LEASE_MS, &claims)).unwrap()
    }
}

fn job(id: &str) -> NewJob {
    NewJob::from_json("{}".to_owned()).unwrap().id(JobId::new(id).unwrap())
}

#[test]
fn r67_one_call_cannot_add_two_jobs_with_one_unique_key() {
    let case = Case::with(&[]);
    let answers = case.enqueue(vec![job("a").unique("k"), job("b"), job("c").unique("k")]);
    assert_eq!(answers, [Accepted::Added, Accepted::Added, Accepted::Held(JobId::new("a").unwrap())]);
}

#[test]
fn r67_expired_jobs_that_retention_drops_are_counted_once_and_leave_nothing() {
    let case = Case::with(&[Setting::RemoveOnFail("1".parse().unwrap())]);
    // They expire in another order than that of their ids.
    let ttl = |id: &str, ms| job(id).ttl(std::time::Duration::from_millis(ms));
    case.enqueue(vec![ttl("a", 30), ttl("b", 20), ttl("c", 10)]);
    case.clock.set_us(NOW_US + 1_000_000);
    run(case.by_hand.promote(100)).unwrap();
    let snapshot = Snapshot::of(&case.redis, QUEUE);
    snapshot.assert_agrees();
    assert_eq!(snapshot.count("dead"), 1);
    let totals = run(case.client.queue(QueueName::new(QUEUE).unwrap()).stats()).unwrap().totals;
    assert_eq!((totals.expired, totals.dead, totals.dropped), (3, 3, 2));
}

#[test]
fn r67_under_a_crash_limit_of_one_neighbours_come_back_and_a_poison_job_ends() {
    let case = Case::with(&[Setting::CrashLimit(1)]);
    case.enqueue(vec![job("a"), job("b")]);
    assert_eq!(case.fetch("w1", 1, 2).len(), 2);
    let mut back: Vec<_> = case.crash(1).into_iter().map(|job| (job.to, job.crashes)).collect();
    assert_eq!(back, [("pending".to_owned(), 1), ("pending".to_owned(), 1)]);
    // From now on each runs alone, and a crash is its own.
    assert_eq!(case.fetch("w2", 1, 2).len(), 1);
    back = case.crash(2).into_iter().map(|job| (job.to, job.crashes)).collect();
    assert_eq!(back, [("dead".to_owned(), 2)]);
}

#[test]
fn r67_a_lower_crash_limit_takes_no_crash_back() {
    let case = Case::with(&[Setting::CrashLimit(9)]);
    case.enqueue(vec![job("a"), job("b")]);
    for life in 1..=3 {
        assert_eq!(case.fetch(&format!("w{life}"), 1, 2).len(), 2);
        case.crash(life);
    }
    assert_eq!(case.fetch("w4", 1, 2).len(), 2);
    run(case.client.queue(QueueName::new(QUEUE).unwrap()).set(&[Setting::CrashLimit(2)])).unwrap();
    let back: Vec<_> = case.crash(4).into_iter().map(|job| (job.to, job.crashes)).collect();
    assert_eq!(back, [("pending".to_owned(), 3), ("pending".to_owned(), 3)]);
}

#[test]
fn r67_a_slot_that_a_recovery_frees_wakes_a_worker() {
    let case = Case::with(&[Setting::Concurrency(Some(1)), Setting::CrashLimit(1)]);
    case.enqueue(vec![job("a"), job("b")]);
    assert_eq!(case.fetch("w1", 1, 2).len(), 1);
    assert_eq!(case.crash(1)[0].to, "pending", "whose crash it was is known from the next one on");
    assert_eq!(case.fetch("w2", 1, 2).len(), 1);
    case.redis.query::<()>(&["DEL", &case.redis.key(QUEUE, "wake")]);
    assert_eq!(case.crash(2)[0].to, "dead");
    assert_eq!(case.redis.query::<u64>(&["LLEN", &case.redis.key(QUEUE, "wake")]), 1);
}

#[test]
fn one_worker_at_a_time_runs_empty_for_a_job_while_its_lease_stands_and_the_job_waits() {
    let case = Case::with(&[]);
    let ask = |worker: &str, call, alone| {
        let ask = Ask { worker: worker.to_owned(), call, slots: 1, prefetch: 0, lease_ms: 600_000, alone };
        let out = run(case.by_hand.fetch(&ask)).unwrap();
        (out.run_empty, out.jobs.into_iter().map(|job| job.id.to_string()).collect::<Vec<_>>())
    };
    case.enqueue(vec![job("poison")]);
    for life in 1..=2 {
        assert_eq!(case.fetch("victim", life, 1).len(), 1);
        case.crash(life.cast_signed());
    }
    assert_eq!(ask("a", 1, false), (true, vec![]), "the first one that is asked");
    case.clock.set_us(NOW_US + 500_000_000);
    assert_eq!(ask("b", 1, false), (false, vec![]), "another has been asked, however long ago");
    assert_eq!(ask("a", 2, false), (true, vec![]));
    case.clock.set_us(NOW_US + 1_200_000_000);
    assert_eq!(ask("b", 2, false), (true, vec![]), "the one that was asked is silent");
    assert_eq!(ask("a", 3, true), (false, vec!["poison".to_owned()]), "whoever holds nothing takes it");
    // The job is over: the next one asks whom it meets.
    run(case.client.queue(QueueName::new(QUEUE).unwrap()).set(&[Setting::CrashLimit(2)])).unwrap();
    case.enqueue_as(2, vec![job("second")]);
    assert_eq!(ask("victim", 9, true).1, ["second"]);
    case.crash(200);
    assert!(ask("c", 1, false).0);
}
