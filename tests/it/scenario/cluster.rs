//! A cluster of three masters: every command, slots on the move, and the loss of a master, while workers work.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// Queues that three masters share.
const QUEUES: [&str; 4] = ["q", "orders", "invoices", "pictures"];

#[test]
fn every_command_works_on_three_masters() {
    let cluster = Cluster::start();
    let cli = cluster.cli();
    let owners: BTreeSet<_> = QUEUES.iter().map(|queue| cluster.owner(queue)).collect();
    assert!(owners.len() > 1, "the queues are on several masters");
    for queue in QUEUES {
        cli.keep_completed(queue);
        cli.enqueue(queue, "1", &["--id", &format!("{queue}-1"), "--unique", "only"]);
        assert_eq!(cli.enqueue(queue, "1", &["--unique", "only"]), format!("{queue}-1"));
        cli.enqueue_lines(queue, (2..6).map(|n| format!("{{\"id\":\"{queue}-{n}\",\"payload\":{n}}}")));
        cli.enqueue(queue, "6", &["--delay", "1h", "--id", &format!("{queue}-6")]);
    }
    let stats = cli.json(["stats"]);
    let pending: u64 = stats.as_array().unwrap().iter().map(|row| row["pending"].as_u64().unwrap()).sum();
    assert_eq!((stats.as_array().unwrap().len(), pending), (4, 20), "{stats}");
    // The job on completion of a batch goes to a queue in another slot.
    cli.enqueue("q", "7", &["--batch", "b", "--on-complete", "orders", "{}", "--id", "q-7"]);
    cli.ok(["batch", "seal", "b"]);
    let mut worker = cli.work(QUEUES.into_iter().chain(["--exec", "cat"])).ready();
    wait_until(LONG, "the other queue's worker gets the job on completion", || {
        let orders = cli.json(["stats", "orders"]);
        (orders["completed"].as_u64(), orders["scheduled"].as_u64()) == (Some(6), Some(1))
    });
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    acts(&cli);
    operate(&cli);
    for server in &cluster.servers {
        assert_eq!(schema_faults(server), Vec::<String>::new());
    }
    for queue in QUEUES {
        Snapshot::of(cluster.server(queue), queue).assert_agrees();
    }
}

/// Dead letters, acts on many jobs, the audit, undo.
fn acts(cli: &Cli) {
    cli.enqueue("q", "8", &["--id", "q-8", "--attempts", "1"]);
    cli.run(["work", "q", "--until-empty", "--exec", "false"]).expect(0);
    assert_eq!(cli.json(["dlq", "list", "q"]).as_array().unwrap().len(), 1);
    cli.ok(["dlq", "retry", "q", "--all", "--yes"]);
    cli.ok(["queues", "pause", "q"]);
    // By its id alone it is looked for on every node.
    assert_eq!(cli.json(["jobs", "show", "q-8"])["queue"], "q");
    cli.ok(["clear", "q", "--yes"]);
    assert_eq!(cli.json(["stats", "q"])["pending"], 0);
    let act = cli.json(["audit"])[0]["id"].as_str().unwrap().to_owned();
    cli.ok(["undo", &act]);
    let stats = cli.json(["stats", "q"]);
    assert_eq!((stats["pending"].as_u64(), stats["scheduled"].as_u64()), (Some(1), Some(1)), "{stats}");
    cli.ok(["queues", "resume", "q"]);
    cli.run(["work", "q", "--until-empty", "--exec", "cat"]).expect(0);
}

/// Limits, schedules, breakers, alerts, events, examinations.
fn operate(cli: &Cli) {
    for words in [
        &["queues", "set", "orders", "--key", "tenant", "--key-concurrency", "1"][..],
        &["limits", "set", "orders", "acme", "--concurrency", "2"],
        &["schedule", "add", "morning", "invoices", "--every", "1h"],
        &["schedule", "run", "morning"],
        &["scheduler", "--once"],
        &["breaker", "open", "smtp://localhost:25", "--for", "1h"],
        &["breaker", "close", "smtp://localhost:25"],
        &["alerts", "set", "late", "--when", "latency", "--above", "5m"],
        &["alerts", "mute", "late", "--for", "1h"],
        &["alerts", "run", "--once"],
        &["check", "backlog", "q"],
        &["explain", "q-1"],
        &["heal"],
        &["workers", "list"],
    ] {
        cli.ok(words);
    }
    for (words, rows) in [
        (&["breaker", "list"][..], 0),
        (&["schedule", "list"], 1),
        (&["alerts", "history"], 2),
        (&["events", "--last", "10"], 10),
        (&["queues", "list"], 4),
        (&["batch", "list"], 1),
    ] {
        let found = cli.json(words);
        assert_eq!(found.as_array().map(Vec::len), Some(rows), "{words:?}: {found}");
    }
    // Each master is examined, and each is alone.
    let findings = cli.run(["doctor", "-o", "json"]).expect(1).json();
    let codes = findings.to_string();
    assert_eq!(codes.matches("\"replica_missing\"").count(), 3, "{codes}");
    assert_eq!(codes.matches("\"cluster_full_coverage\"").count(), 1, "{codes}");
}

#[test]
fn a_configuration_and_a_server_that_do_not_fit_are_told_apart() {
    let cluster = Cluster::start();
    let node = &cluster.servers[0];
    let output = Cli::new(node).run(["stats"]).expect(78);
    assert!(output.stderr.contains("REDIS_MODE=cluster") && output.stderr.lines().count() == 1, "{}", output.stderr);
    let alone = TestRedis::start();
    let output = Cli::new(&alone).env("REDIS_MODE", "cluster").run(["stats"]).expect(78);
    assert!(output.stderr.contains("no node of a cluster") && output.stderr.lines().count() == 1, "{}", output.stderr);
    let output = Cli::new(node).env("REDIS_MODE", "cluster").env("REDIS_DB", "3").run(["stats"]).expect(78);
    assert!(output.stderr.contains("REDIS_DB"), "{}", output.stderr);
    // One seed is enough, and may be given as host and port.
    Cli::new(node).env("REDIS_MODE", "cluster").run(["stats"]).expect(0);
}

/// Hands job after job to a queue until it is stopped.
struct Producer {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<(BTreeSet<String>, Vec<Output>)>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Producer {
    fn start(cli: &Cli, queue: &'static str) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<(BTreeSet<String>, Vec<Output>)>>::default());
        let (stopped, tell, cli) = (stop.clone(), told.clone(), cli.clone());
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::SeqCst) {
                let ids: Vec<_> = (0..5).map(|n| format!("{queue}-{count}-{n}")).collect();
                count += 1;
                let lines = ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"payload\":1}}\n")).collect::<String>();
                loop {
                    let output = cli.clone().stdin(lines.as_str()).run(["enqueue", queue, "--ndjson", "-"]);
                    let mut told = tell.lock().unwrap();
                    if output.code == Some(0) {
                        told.0.extend(ids);
                        break;
                    }
                    told.1.push(output);
                }
            }
        });
        Self { stop, told, thread: Some(thread) }
    }

    fn confirmed(&self) -> usize {
        self.told.lock().unwrap().0.len()
    }

    fn wait(&self, more: usize) {
        let until = self.confirmed() + more;
        wait_until(LONG, "jobs are confirmed", || self.confirmed() >= until);
    }

    fn end(mut self) -> (BTreeSet<String>, Vec<Output>) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

fn workers(cli: &Cli, ledger: &Ledger) -> Vec<WorkProcess> {
    let program = ledger.program("");
    cli.keep_completed("q");
    cli.keep_completed("orders");
    let work = ["q", "orders", "--concurrency", "2", "--lease", "4s", "--exec", &program];
    (0..2).map(|_| cli.work(work)).collect::<Vec<_>>().into_iter().map(WorkProcess::ready).collect()
}

fn close(cluster: &Cluster, cli: &Cli, mut workers: Vec<WorkProcess>, accepted: &BTreeSet<String>) {
    wait_until(LONG, "what was confirmed has ended", || {
        let ended = cli.run(["stats", "q", "-o", "json"]);
        ended.code == Some(0) && ended.json()["completed"].as_u64() >= Some(accepted.len() as u64)
    });
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    Snapshot::of(cluster.server("q"), "q").assert_conserves(accepted);
}

#[test]
fn slots_move_between_masters_while_a_queue_works() {
    let cluster = Cluster::start();
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let workers = workers(&cli, &ledger);
    let producer = Producer::start(&cli, "q");
    for round in 0..6 {
        producer.wait(30);
        cluster.reshard("q", (cluster.owner("q") + 1 + round % 2) % 3);
    }
    producer.wait(30);
    let (accepted, failed) = producer.end();
    assert!(failed.is_empty(), "{failed:#?}");
    close(&cluster, &cli, workers, &accepted);
    let owner = cluster.owner("q");
    assert_balanced(&cluster.servers[owner], &cli, "q");
    for server in &cluster.servers {
        assert_eq!(schema_faults(server), Vec::<String>::new());
    }
}

#[test]
fn workers_and_producers_follow_the_elected_master_of_a_slot() {
    let mut cluster = Cluster::replicated();
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let mut workers = workers(&cli, &ledger);
    let producer = Producer::start(&cli, "q");
    producer.wait(40);
    let killed = cluster.kill_master("q");
    let elected_ms = now_ms();
    producer.wait(40);
    wait_until(LONG, "jobs start after the election", || ledger.of("start").iter().any(|line| line.at_ms > elected_ms));
    let first = ledger.of("start").into_iter().map(|line| line.at_ms).filter(|at| *at > elected_ms).min().unwrap();
    assert!(first - elected_ms <= 5_000, "the first start after the election came {} ms later", first - elected_ms);
    let (accepted, failed) = producer.end();
    for output in failed {
        assert!(matches!(output.code, Some(69 | 75)) && output.elapsed < Duration::from_millis(7_500), "{output:?}");
    }
    let ends = || ledger.count("end");
    wait_until(LONG, "nothing is left in hand", || {
        let stats = cli.json(["stats", "q"]);
        stats["active"] == 0 && stats["pending"] == 0
    });
    // Replication is asynchronous: the last moments before the kill may be lost.
    let lost = accepted.iter().filter(|id| !ends().contains_key(*id)).count();
    assert!(lost <= 10, "{lost} of {} are lost", accepted.len());
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    cluster.servers[killed].restart();
    Snapshot::of(cluster.server("q"), "q").assert_agrees();
}

#[test]
fn masters_are_replaced_by_hand_and_nothing_is_lost() {
    let cluster = Cluster::replicated();
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let workers = workers(&cli, &ledger);
    let producer = Producer::start(&cli, "q");
    for _ in 0..4 {
        producer.wait(30);
        cluster.switch_master("q");
    }
    producer.wait(30);
    let (accepted, failed) = producer.end();
    // A failover that was not voted for holds writers up for five seconds, longer than a command waits.
    let held_up = |output: &Output| output.code == Some(75) && output.stderr.contains("outcome is unknown");
    assert!(failed.iter().all(held_up), "{failed:#?}");
    close(&cluster, &cli, workers, &accepted);
}

#[test]
fn a_cluster_that_is_down_is_told_of_and_waited_for() {
    let mut cluster = Cluster::start();
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let mut workers = workers(&cli, &ledger);
    let owner = cluster.owner("q");
    let other = (owner + 1) % 3;
    cluster.servers[other].kill9();
    let down = wait_for(LONG, "the cluster is down", || {
        let output = cli.run(["enqueue", "-q", "q", "1"]);
        // On the way there an answer may be lost.
        assert!(matches!(output.code, Some(0 | 69 | 75)), "{output:?}");
        (output.code == Some(69)).then_some(output)
    });
    assert!(down.stderr.contains("is down") && down.elapsed < Duration::from_secs(6), "{down:?}");
    cluster.servers[other].restart();
    wait_until(LONG, "it serves again", || cli.run(["enqueue", "-q", "q", "1", "--id", "last-1"]).code == Some(0));
    wait_until(LONG, "workers go on", || ledger.count("end").contains_key("last-1"));
    for worker in &mut workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
}
