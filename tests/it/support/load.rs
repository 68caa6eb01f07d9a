//! Producers and workers on one queue, all of them real processes, while something breaks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::balance::assert_balanced;
use super::cli::{Cli, Output};
use super::conserve::{Snapshot, schema_faults};
use super::ledger::Ledger;
use super::redis_server::TestRedis;
use super::wait::wait_until;
use super::work::WorkProcess;

/// The queue of a load.
pub const QUEUE: &str = "q";
const LONG: Duration = Duration::from_secs(150);
/// Jobs that a producer hands over at once.
const AT_ONCE: usize = 10;
/// Producers pause while more than this is in line: the load shall last as long as the faults, and not much longer.
const BACKLOG: i64 = 60;

/// Producers and workers on the queue `q`.
pub struct Load {
    pub cli: Cli,
    pub ledger: Ledger,
    pub workers: Vec<WorkProcess>,
    producers: Vec<Producer>,
    flags: Vec<String>,
}

/// What producers were told.
#[derive(Default)]
pub struct Told {
    pub confirmed: BTreeSet<String>,
    /// The commands that did not end well; each was repeated until it did.
    pub failed: Vec<Output>,
    pub slowest: Duration,
}

struct Producer {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    thread: JoinHandle<()>,
}

impl Load {
    /// So many workers with these flags, each job running `body` (see [`Ledger::program`]). Completed jobs are kept.
    pub fn start(cli: &Cli, workers: usize, flags: &[&str], body: &str) -> Self {
        let ledger = Ledger::new();
        let program = ledger.program(body);
        cli.keep_completed(QUEUE);
        let flags = flags.iter().copied().chain(["--exec", &program]).map(str::to_owned).collect();
        let mut load = Self { cli: cli.clone(), ledger, workers: Vec::new(), producers: Vec::new(), flags };
        load.workers = (0..workers).map(|_| load.worker()).collect();
        load.workers = std::mem::take(&mut load.workers).into_iter().map(WorkProcess::ready).collect();
        load
    }

    /// One more worker like the others, not waited for.
    pub fn worker(&self) -> WorkProcess {
        self.cli.work([QUEUE].into_iter().chain(self.flags.iter().map(String::as_str)))
    }

    /// kill -9 of a worker; another takes its place.
    pub fn replace(&mut self, index: usize) {
        self.workers[index].kill9();
        self.workers[index] = self.worker();
    }

    /// So many producers that hand over job after job, on a server of this port, until they are stopped.
    pub fn produce(&mut self, redis: &TestRedis, producers: usize) {
        for _ in 0..producers {
            let name = self.producers.len();
            self.producers.push(Producer::start(self.cli.clone(), redis, name));
        }
    }

    /// What all producers were told so far.
    pub fn told(&self) -> Told {
        let mut all = Told::default();
        for producer in &self.producers {
            let told = producer.told.lock().unwrap();
            all.confirmed.extend(told.confirmed.iter().cloned());
            all.failed.extend(told.failed.iter().cloned());
            all.slowest = all.slowest.max(told.slowest);
        }
        all
    }

    /// Waits until so many jobs are confirmed.
    #[track_caller]
    pub fn wait_confirmed(&self, count: usize) {
        wait_until(LONG, "jobs are confirmed", || self.told().confirmed.len() >= count);
    }

    /// Stops the producers, each after a last answer, and waits until every confirmed job has ended.
    #[track_caller]
    pub fn drain(&mut self, redis: &TestRedis) -> Told {
        self.producers.iter().for_each(|producer| producer.stop.store(true, Ordering::SeqCst));
        wait_until(LONG, "the producers have their last answer", || {
            self.producers.iter().all(|producer| producer.thread.is_finished())
        });
        let told = self.told();
        for producer in std::mem::take(&mut self.producers) {
            producer.thread.join().expect("a producer does not panic");
        }
        let ended = || {
            let count = |suffix: &str| redis.try_query::<usize>(&["ZCARD", &redis.key(QUEUE, suffix)]).unwrap_or(0);
            count("completed") + count("dead")
        };
        wait_until(LONG, "what was confirmed has ended", || ended() >= told.confirmed.len());
        told
    }

    /// SIGTERM for each worker, which must end in order, and then what holds after every scenario: no accepted job lost or
    /// doubled (I1, I2), no start that nothing explains (I5), fences that rise (I4), counters that add up (I17), and no key
    /// outside the schema (I18).
    #[track_caller]
    pub fn close(mut self, redis: &TestRedis, told: &Told) {
        for worker in &mut self.workers {
            assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
        }
        Snapshot::of(redis, QUEUE).assert_conserves(&told.confirmed);
        let stats = self.cli.json(["stats", QUEUE]);
        let total = |what: &str| usize::try_from(stats["totals"][what].as_u64().unwrap()).unwrap();
        let explained = told.confirmed.len() + total("retried") + total("recovered") + total("released");
        let starts = self.ledger.of("start").iter().filter(|line| told.confirmed.contains(&line.id)).count();
        assert!(starts <= explained, "{starts} starts, {explained} explained: {stats}");
        self.assert_fences_rise();
        assert_balanced(redis, &self.cli, QUEUE);
        assert_eq!(schema_faults(redis), Vec::<String>::new());
        assert_eq!(redis.query::<usize>(&["ZCARD", &redis.key(QUEUE, "workers")]), 0, "dead workers are forgotten");
        assert_eq!(redis.query::<usize>(&["HLEN", &redis.key(QUEUE, "handed")]), 0);
    }

    /// A later attempt has a later claim, and no claim starts a job twice.
    fn assert_fences_rise(&self) {
        let mut starts: Vec<_> =
            self.ledger.of("start").into_iter().map(|line| (line.id, line.fence, line.attempt)).collect();
        starts.sort();
        for pair in starts.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert!(pair[0].1 < pair[1].1 && pair[0].2 <= pair[1].2, "claims of one job: {pair:?}");
        }
    }

    /// How many starts there were beyond the first of each job.
    pub fn repeats(&self) -> usize {
        self.ledger.starts().values().map(|starts| starts - 1).sum()
    }

    /// How many attempts began and never ended.
    pub fn interrupted(&self) -> usize {
        self.ledger.of("start").len() - self.ledger.of("end").len()
    }

    /// What all workers told of trouble.
    pub fn alerts(&self) -> Vec<String> {
        let of = |worker: &WorkProcess| worker.events("alert").into_iter().map(|line| line.to_string());
        self.workers.iter().flat_map(of).collect()
    }
}

impl Producer {
    fn start(cli: Cli, redis: &TestRedis, name: usize) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Told::default())));
        let (stopped, tell, line) = (stop.clone(), told.clone(), redis.key(QUEUE, "pending:2"));
        let port = redis.port();
        let thread = std::thread::spawn(move || {
            let mut batch = 0;
            while !stopped.load(Ordering::SeqCst) {
                if backlog(port, &line) > BACKLOG {
                    // A pace, not a wait for anything.
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                let ids: Vec<_> = (0..AT_ONCE).map(|n| format!("p{name}-{batch}-{n}")).collect();
                hand_over(&cli, &ids, &tell);
                batch += 1;
            }
        });
        Self { stop, told, thread }
    }
}

/// What is in line; 0 where the server does not say.
pub fn backlog(port: u16, line: &str) -> i64 {
    let ask = || {
        let client = redis::Client::open(("127.0.0.1", port))?;
        let limit = Duration::from_millis(500);
        let mut connection = client.get_connection_with_timeout(limit)?;
        connection.set_read_timeout(Some(limit))?;
        redis::cmd("ZCARD").arg(line).query::<i64>(&mut connection)
    };
    ask().unwrap_or(0)
}

/// Repeats the command until it succeeds, as an operator would: the ids make that safe.
fn hand_over(cli: &Cli, ids: &[String], told: &Mutex<Told>) {
    let lines = ids.iter().fold(String::new(), |all, id| format!("{all}{{\"id\":\"{id}\",\"payload\":1}}\n"));
    loop {
        let output = cli.clone().stdin(lines.as_str()).run(["enqueue", QUEUE, "--ndjson", "-"]);
        let mut told = told.lock().unwrap();
        told.slowest = told.slowest.max(output.elapsed);
        if output.code == Some(0) {
            told.confirmed.extend(ids.iter().cloned());
            return;
        }
        told.failed.push(output);
        assert!(told.failed.len() < 1_000, "{:?}", told.failed.last());
    }
}
