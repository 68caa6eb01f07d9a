//! Money under kill -9: a distribution is applied once, whenever its worker dies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ireva_queue::builtin::portfolio::Database;
use serde_json::{Value, json};

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// Runs that are under way at the same time.
const AT_ONCE: u64 = 5;

/// A number from the test's environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map_or(default, |text| text.parse().expect("a number"))
}

/// When a worker is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the job has started.
    After(Duration),
    /// As soon as the distribution stands in the database.
    Committed,
}

/// Odd runs are killed at a random moment, even ones right after the commit.
fn moment(run: u64, seed: u64) -> Moment {
    if run.is_multiple_of(2) {
        return Moment::Committed;
    }
    let noise = (run ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    Moment::After(Duration::from_micros(noise % 25_000))
}

struct Court<'a> {
    cli: &'a Cli,
    url: &'a str,
    seed: u64,
}

impl Court<'_> {
    /// One distribution whose worker is killed; whether that was between the commit and the acknowledgement.
    fn run(&self, run: u64) -> bool {
        let queue = "roi-distribution";
        let cli = self.cli.clone().env("QUEUE_PREFIX", format!("run-{run}:"));
        let period = format!("run-{run}");
        let payload =
            json!({"propertyId": 123, "periodId": period, "distributionDate": "2024-01-31", "totalAmount": "25000.01"});
        let work = [queue, "--lease", "4s", "--concurrency", "1"];
        let mut first = cli.work(work).ready();
        let id = cli.enqueue(queue, &payload.to_string(), &[]);
        let moment = moment(run, self.seed);
        let committed = self.strike(&mut first, moment, &period);
        let in_hand = cli.json(["jobs", "show", &id])["state"] == "active";
        let between = committed && in_hand;
        eprintln!("run {run}: killed {moment:?}, committed {committed}, acknowledged {}", !in_hand);

        let mut second = cli.work(work).ready();
        let state = || cli.run(["jobs", "show", &id, "-o", "json"]).json()["state"].clone();
        wait_until(LONG, "it is completed", || state() == "completed");
        assert_eq!(second.stop(LONG), Some(0), "{:?}", second.log());
        let mails = cli.json(["stats", "email"]);
        let details = cli.json(["jobs", "show", &id]);
        assert!(details["crashes"].as_u64().unwrap() <= 1, "{details}");
        assert_eq!(
            (&mails["totals"]["enqueued"], &mails["pending"]),
            (&json!(self.investors()), &json!(self.investors()))
        );
        between
    }

    /// Kills the worker; whether the distribution stands then.
    fn strike(&self, worker: &mut WorkProcess, moment: Moment, period: &str) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::open(self.url).unwrap();
            let stands = async || database.has_distribution("default", "123", period).await.unwrap();
            match moment {
                Moment::After(delay) => {
                    worker.wait_event("started");
                    // The fault is scheduled, not synchronised: any moment is a right one.
                    let due = Instant::now() + delay;
                    while Instant::now() < due {
                        std::hint::spin_loop();
                    }
                }
                Moment::Committed => {
                    let deadline = Instant::now() + LONG;
                    while !stands().await {
                        assert!(Instant::now() < deadline, "never committed");
                    }
                }
            }
            worker.kill9();
            stands().await
        })
    }

    fn investors(&self) -> u64 {
        let payload =
            r#"{"propertyId":123,"periodId":"dry","distributionDate":"2024-01-31","totalAmount":1,"dryRun":true}"#;
        static KNOWN: AtomicU64 = AtomicU64::new(0);
        if KNOWN.load(Ordering::Acquire) == 0 {
            let cli = self.cli.clone().env("QUEUE_PREFIX", "dry:");
            let mut worker = cli.work(["roi-distribution"]);
            let dry: Value = cli.json(["enqueue", "roi-distribution", payload, "--wait"]);
            worker.stop(LONG);
            KNOWN.store(dry["result"]["investors"].as_u64().unwrap(), Ordering::Release);
        }
        KNOWN.load(Ordering::Acquire)
    }
}

/// `KILL_RUNS` (20) distributions, each with a worker that is killed. The seed is printed.
fn kills(cli: Cli, url: &str) {
    let (runs, seed) = (number("KILL_RUNS", 20), number("KILL_SEED", 1));
    eprintln!("KILL_RUNS={runs} KILL_SEED={seed}");
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    let court = Court { cli: &cli, url, seed };
    court.investors();
    let (next, between) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(runs) {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::SeqCst);
                    if run >= runs {
                        return;
                    }
                    between.fetch_add(u64::from(court.run(run)), Ordering::SeqCst);
                }
            });
        }
    });
    let audit = cli.json(["db", "check"]);
    assert_eq!(
        (&audit["findings"], &audit["distributions"], &audit["mailsWaiting"]),
        (&json!([]), &json!(runs), &json!(0))
    );
    let between = between.into_inner();
    eprintln!("{runs} runs, {between} killed between commit and acknowledgement: every distribution applied once");
    assert!(between * 5 >= runs, "only {between} of {runs} kills came between commit and acknowledgement");
}

#[test]
fn r54_a_distribution_is_applied_once_whenever_its_worker_dies_on_sqlite() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let url = format!("sqlite://{}", cli.home().join("kills.db").display());
    kills(cli.env("DATABASE_URL", format!("{url}?mode=rwc")), &url);
}

#[test]
fn r54_a_distribution_is_applied_once_whenever_its_worker_dies_on_postgresql() {
    let (redis, postgres) = (TestRedis::start(), TestPostgres::start());
    kills(Cli::new(&redis).env("DATABASE_URL", postgres.url()), &postgres.url());
}
