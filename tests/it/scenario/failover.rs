//! The loss of a master: workers and producers go on with the next one by themselves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ireva_queue::config::Config;
use ireva_queue::{Client, NewJob};
use rustix::process::Signal;
use tokio::task::JoinHandle;

use crate::ops_seed::{name, run};
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// The queue that is durable unless set otherwise.
const MONEY: &str = "roi-distribution";

#[test]
fn r18_workers_and_producers_follow_the_elected_master() {
    let mut set = Sentinels::start();
    let cli = set.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value));
    let ledger = Ledger::new();
    let program = ledger.program("");
    cli.keep_completed("q");
    let work = ["q", "--concurrency", "2", "--lease", "4s", "--exec", &program];
    let mut workers: Vec<_> = (0..4).map(|_| cli.work(work).ready()).collect();

    let mut accepted = Vec::new();
    let mut produce = |count: usize| {
        let until = accepted.len() + count;
        while accepted.len() < until {
            let output = cli.run(["enqueue", "-q", "q", "1"]);
            // Between masters a command says so in time and is safe to repeat.
            assert!(matches!(output.code, Some(0 | 69 | 75)), "{output:?}");
            assert!(output.elapsed < Duration::from_millis(7_500), "{output:?}");
            if output.code == Some(0) {
                accepted.push((output.stdout.trim().to_owned(), now_ms()));
            }
        }
    };
    produce(40);
    let killed_ms = now_ms();
    set.kill_master();
    let elected_ms = now_ms();
    produce(40);

    wait_until(LONG, "what was accepted after the election has run", || {
        let ends = ledger.count("end");
        accepted[40..].iter().all(|(id, _)| ends.contains_key(id))
    });
    let first = ledger.of("start").into_iter().filter(|line| line.at_ms > elected_ms).map(|line| line.at_ms).min();
    let resumed_ms = first.unwrap() - elected_ms;
    assert!(resumed_ms <= 5_000 + 2_500, "the first start after the election came {resumed_ms} ms later");
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
    }

    // Replication is asynchronous: what may be lost was acknowledged in the last moments before the kill.
    let ends = ledger.count("end");
    wait_until(LONG, "nothing is left in hand", || {
        let stats = cli.json(["stats", "q"]);
        stats["active"] == 0 && stats["pending"] == 0
    });
    let lost: Vec<_> = accepted.iter().filter(|(id, _)| !ends.contains_key(id)).collect();
    assert!(lost.iter().all(|(_, at_ms)| killed_ms.saturating_sub(*at_ms) < 1_000), "lost: {lost:?}");
    let snapshot = Snapshot::of(set.master(), "q");
    snapshot.assert_agrees();
    let known: std::collections::BTreeSet<_> = accepted.iter().map(|(id, _)| id.clone()).collect();
    assert!(snapshot.states.keys().all(|id| known.contains(id)), "jobs that nobody enqueued");
    for mut worker in workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
}

/// Producers that hand job after job to a queue until they are stopped.
pub(super) struct Producers {
    client: Client,
    queue: &'static str,
    pace: Duration,
    confirmed: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Producers {
    /// As fast as they can, to the queue that is durable by itself.
    fn start(set: &Sentinels, count: usize) -> Self {
        Self::to(MONEY, &set.env(), count, Duration::ZERO)
    }

    /// To `queue` of the server of `env`, each with a pause after every job.
    pub(super) fn to(queue: &'static str, env: &[(String, String)], count: usize, pace: Duration) -> Self {
        let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let client = Client::new(&Config::from_lookup(lookup, None).unwrap()).unwrap();
        let (confirmed, stop) = Default::default();
        let mut producers = Self { client, queue, pace, confirmed, stop, tasks: Vec::new() };
        run(async {
            producers.tasks = (0..count).map(|_| tokio::spawn(producers.one())).collect();
        });
        producers
    }

    fn one(&self) -> impl Future<Output = ()> + use<> {
        let (queue, pace) = (self.client.queue(name(self.queue)), self.pace);
        let (confirmed, stop) = (Arc::clone(&self.confirmed), Arc::clone(&self.stop));
        async move {
            while !stop.load(Ordering::SeqCst) {
                let job = NewJob::new(&"10.00").unwrap();
                // Between masters a job is told again under its id, as an operator would.
                while let Err(error) = queue.enqueue(job.clone()).await {
                    assert!(error.is_transient(), "{error:?}");
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                }
                confirmed.lock().unwrap().push(job.job_id().to_string());
                tokio::time::sleep(pace).await;
            }
        }
    }

    pub(super) fn confirmed(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    pub(super) fn produce(&self, count: usize) {
        let until = self.confirmed() + count;
        wait_until(LONG, "jobs are confirmed", || self.confirmed() >= until);
    }

    /// Stops them; what was confirmed.
    pub(super) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.into_iter().for_each(|task| run(task).unwrap());
        let confirmed = self.confirmed.lock().unwrap();
        confirmed.clone()
    }

    /// Stops them; what was confirmed and is not in the queue of the present master.
    fn lost(self, set: &mut Sentinels) -> Vec<String> {
        let confirmed = self.stop();
        let master = set.master();
        let key = master.key(MONEY, "jobs");
        // A server that has changed its role has closed its connections.
        let held = wait_for(LONG, "the master answers", || master.try_query::<Vec<String>>(&["HKEYS", &key]).ok());
        let held: BTreeSet<String> = held.into_iter().collect();
        confirmed.into_iter().filter(|id| !held.contains(id)).collect()
    }
}

#[test]
fn r18_a_durable_queue_loses_nothing_when_its_master_is_killed() {
    let mut set = Sentinels::start();
    let producers = Producers::start(&set, 8);
    producers.produce(400);
    set.kill_master();
    producers.produce(100);
    let lost = producers.lost(&mut set);
    assert!(lost.is_empty(), "{} confirmed jobs are gone: {lost:?}", lost.len());
}

#[test]
fn r19_a_durable_queue_loses_nothing_when_its_master_is_replaced_and_lives_on() {
    let mut set = Sentinels::start();
    let producers = Producers::start(&set, 8);
    for _ in 0..5 {
        producers.produce(100);
        set.switch_master();
    }
    producers.produce(100);
    let lost = producers.lost(&mut set);
    assert!(lost.is_empty(), "{} confirmed jobs are gone: {lost:?}", lost.len());
}

#[test]
fn a_durable_queue_loses_nothing_when_its_master_stalls_and_comes_back_behind_the_election() {
    let mut set = Sentinels::start();
    let cli = set.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value));
    cli.keep_completed(MONEY);
    let mut workers: Vec<_> =
        (0..2).map(|_| cli.work([MONEY, "--concurrency", "4", "--exec", "true"]).ready()).collect();
    let producers = Producers::to(MONEY, &set.env(), 2, Duration::from_millis(20));
    producers.produce(50);
    let old = set.master_port();
    let stalled = set.servers.iter().position(|server| server.port() == old).unwrap();
    set.servers[stalled].signal(Signal::STOP);
    wait_until(LONG, "another is elected", || set.master_port() != old);
    let elected = Instant::now();
    producers.produce(10);
    assert!(elected.elapsed() < Duration::from_millis(7_500), "{:?}", elected.elapsed());

    // It still holds itself for the master, until a sentinel tells it.
    set.servers[stalled].signal(Signal::CONT);
    producers.produce(50);
    wait_until(LONG, "it has become a replica", || {
        set.servers[stalled].hang_up();
        let info = set.servers[stalled].try_query::<String>(&["INFO", "replication"]).unwrap_or_default();
        info.contains("role:slave") && info.contains("master_link_status:up")
    });
    producers.produce(50);
    let count = producers.confirmed();
    let lost = producers.lost(&mut set);
    assert!(lost.is_empty(), "{} of {count} confirmed jobs are gone: {lost:?}", lost.len());
    wait_until(LONG, "all have run", || {
        let stats = cli.json(["stats", MONEY]);
        stats["pending"] == 0 && stats["active"] == 0 && stats["completed"].as_u64() >= Some(count as u64)
    });
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
}
