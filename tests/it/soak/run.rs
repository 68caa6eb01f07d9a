//! A random run on real processes, and the judgement over what was recorded of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::history::{Accepted, History, Said};
use super::library::{LibraryWorker, client};
use super::nemesis::Nemesis;
use super::producers::{BACKOFF_MS, Producers};
use super::recorder::Recorder;
use super::rules::violations;
use crate::model::Dice;
use crate::support::*;

/// The second is limited.
const QUEUES: [&str; 2] = ["main", "tight"];
const LIMIT: usize = 2;
const WORKERS: usize = 3;
const LONG: Duration = Duration::from_secs(240);
/// What a command does with its payload; the library's processor does the same.
const BODY: &str = "case $payload in *fail*) test $IREVA_ATTEMPT != 1 || exit 1;; *bad*) exit 65;; *slow*) sleep 1;; *) \
    sleep 0.03;; esac";

/// How long the faults last.
fn duration() -> Duration {
    let given = std::env::var("SOAK_SECONDS").ok().filter(|text| !text.is_empty());
    Duration::from_secs(given.map_or(12, |text| text.parse().expect("SOAK_SECONDS is a number")))
}

/// Everybody on the stage.
struct Stage {
    redis: TestRedis,
    cli: Cli,
    proxy: Proxy,
    ledger: Ledger,
    program: String,
    workers: Vec<WorkProcess>,
    /// Workers that were killed.
    gone: Vec<WorkProcess>,
    library: LibraryWorker,
    recorders: Vec<Recorder>,
}

impl Stage {
    /// Two queues that tell all, three workers that run a command, one through a proxy that may lose replies, and one of
    /// the library, through it, too.
    fn set(losing: &Arc<AtomicBool>) -> Self {
        let redis = TestRedis::builder().append_only().start();
        let (calls, lose) = (AtomicU64::new(0), losing.clone());
        let proxy = Proxy::start(&redis, move |request| {
            let lost = lose.load(Ordering::SeqCst) && request.verb().starts_with("EVAL");
            if lost && calls.fetch_add(1, Ordering::SeqCst) % 3 == 0 { Fault::DropReply } else { Fault::None }
        });
        let (cli, ledger) = (Cli::new(&redis).deadline(Duration::from_secs(120)), Ledger::new());
        for queue in QUEUES {
            cli.keep_completed(queue);
            redis.query::<()>(&["HSET", &redis.key(queue, "config"), "events", "all"]);
        }
        cli.ok(["queues", "set", "tight", "--concurrency", &LIMIT.to_string()]);
        let recorders = QUEUES.iter().map(|queue| Recorder::start(&redis, queue)).collect();
        let program = ledger.program(BODY);
        let library = LibraryWorker::start(&client(&redis, proxy.port()), &QUEUES, ledger.directory().join("ledger"));
        let mut stage =
            Self { redis, cli, proxy, ledger, program, workers: Vec::new(), gone: Vec::new(), library, recorders };
        let workers: Vec<_> = (0..WORKERS).map(|index| work(&stage.cli, &stage.proxy, &stage.program, index)).collect();
        stage.workers = workers.into_iter().map(WorkProcess::ready).collect();
        stage
    }

    /// Waits until nothing waits or runs.
    fn drain(&self) {
        let waits = ["pending:0", "pending:1", "pending:2", "pending:3", "parked", "scheduled", "retrying", "active"];
        let is_gone = |queue: &str, set: &&str| self.redis.query::<u8>(&["EXISTS", &self.redis.key(queue, set)]) == 0;
        wait_until(LONG, "everything that was accepted has ended", || {
            QUEUES.iter().all(|queue| waits.iter().all(|set| is_gone(queue, set)))
        });
    }

    /// Ends everybody in order and gathers what was recorded, queue by queue.
    fn close(mut self, mut accepted: BTreeMap<String, BTreeMap<String, Accepted>>) -> Vec<(&'static str, History)> {
        for worker in &mut self.workers {
            assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
        }
        let mut said = self.library.stop();
        for line in self.workers.iter().chain(&self.gone).flat_map(|worker| worker.events("completed")) {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            said.push((text("queue"), Said { event: text("event"), id: text("job") }));
        }
        let (lines, mut strange) = (self.ledger.lines(), schema_faults(&self.redis));
        let mut histories = Vec::new();
        for (queue, recorder) in QUEUES.into_iter().zip(self.recorders) {
            let (entries, steps) = recorder.finish(&self.redis);
            assert_balanced(&self.redis, &self.cli, queue);
            let stats = self.cli.json(["stats", queue]);
            let totals = stats["totals"].as_object().expect("they are an object");
            let accepted = accepted.remove(queue).unwrap_or_default();
            let of_queue = |id: &str| id.starts_with(&format!("{queue}-"));
            histories.push((
                queue,
                History {
                    accepted,
                    steps,
                    entries,
                    ledger: lines.iter().filter(|line| of_queue(&line.id)).cloned().collect(),
                    said: said.iter().filter(|(of, _)| of == queue).map(|(_, said)| said.clone()).collect(),
                    states: Snapshot::of(&self.redis, queue).states,
                    totals: totals.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(0))).collect(),
                    strange_keys: std::mem::take(&mut strange),
                    limit: (queue == "tight").then_some(LIMIT),
                    backoff_ms: BACKOFF_MS,
                },
            ));
        }
        histories
    }
}

/// The last of the workers works through the proxy.
fn work(cli: &Cli, proxy: &Proxy, program: &str, index: usize) -> WorkProcess {
    let through = cli.clone().env("REDIS_PORT", proxy.port().to_string());
    let cli = if index + 1 == WORKERS { &through } else { cli };
    cli.work(["main", "tight", "--concurrency", "4", "--lease", "4s", "--exec", program])
}

/// What was done, in one line.
fn summary(histories: &[(&str, History)], nemesis: &Nemesis) -> String {
    let jobs: usize = histories.iter().map(|(_, history)| history.accepted.len()).sum();
    let steps: usize = histories.iter().map(|(_, history)| history.steps.len()).sum();
    let of = |event: &str| {
        let all = histories.iter().flat_map(|(_, history)| &history.steps);
        all.filter(|step| step.event == event).count()
    };
    let (mut ends, mut starts) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for line in histories.iter().flat_map(|(_, history)| &history.ledger) {
        match line.event.as_str() {
            "end" => ends.push(line.at_ms),
            _ => *starts.entry(&line.id).or_default() += 1,
        }
    }
    ends.sort_unstable();
    let pause = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    let repeated = starts.values().map(|starts| starts - 1).sum::<usize>();
    let duplicates = repeated.saturating_sub(of("retrying") + of("released"));
    let faults: Vec<_> = nemesis.counts.iter().map(|(fault, count)| format!("{count} {fault}")).collect();
    format!(
        "{jobs} jobs, {steps} transitions, faults: {}; {} retried, {} recovered, {} released, {} dead, {} cancelled; \
         {duplicates} started again because a worker was lost, the longest pause {pause} ms",
        faults.join(", "),
        of("retrying"),
        of("recovered"),
        of("released"),
        of("dead") + of("crash_loop"),
        of("cancelled"),
    )
}

#[test]
fn r68_whatever_strikes_the_history_of_each_job_keeps_every_promise() {
    let (mut dice, losing) = (chaos_dice(), Arc::new(AtomicBool::new(false)));
    let mut stage = Stage::set(&losing);
    let handing = client(&stage.redis, stage.proxy.port());
    let producers = Producers::start(&stage.redis, &stage.cli, &handing, (&QUEUES, &mut dice));
    let mut nemesis = Nemesis::new(Dice::new(dice.next()), losing);
    every(Duration::from_millis(400), duration(), || {
        let Stage { redis, cli, proxy, program, workers, gone, .. } = &mut stage;
        nemesis.strike(redis, (workers, gone), (&producers, cli), |index| work(cli, proxy, program, index));
    });
    nemesis.relent(&stage.workers);
    let accepted = producers.stop();
    stage.drain();
    let histories = stage.close(accepted);
    eprintln!("{}", summary(&histories, &nemesis));
    let faults: Vec<_> = histories
        .iter()
        .flat_map(|(queue, history)| violations(history).into_iter().map(move |fault| format!("{queue}: {fault}")))
        .collect();
    eprintln!("{} violations", faults.len());
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(histories.iter().all(|(_, history)| history.accepted.len() > 20), "the queues were worked");
}
