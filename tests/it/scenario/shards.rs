//! The masters of a cluster one by one: a dead one holds up nobody else, a durable queue outlives its own, and each is
//! reached through TLS by a user of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::failover::Producers;
use crate::cli_contract::{all, with_lines};
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
/// Each on a master of its own.
const QUEUES: [&str; 3] = ["orders", "pictures", "q"];

#[test]
fn a_dead_master_holds_up_only_its_own_queues() {
    let mut cluster = Cluster::with(0, |node| node.set("cluster-require-full-coverage no"));
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let owners: BTreeSet<_> = QUEUES.iter().map(|queue| cluster.owner(queue)).collect();
    assert_eq!(owners.len(), 3, "each queue has its own master");
    QUEUES.iter().for_each(|queue| cli.keep_completed(queue));
    let program = ledger.program("case $payload in *slow*) sleep 12;; esac");
    let work = QUEUES.into_iter().chain(["--concurrency", "4", "--lease", "5s", "--exec", &program]);
    let mut worker = cli.work(work).ready();
    // It runs for longer than a lease while a master is dead.
    let slow = cli.enqueue("q", r#""slow""#, &[]);
    let warm: Vec<_> = QUEUES.iter().map(|queue| cli.enqueue(queue, "1", &[])).collect();
    wait_until(LONG, "all queues are worked on", || {
        let starts = ledger.starts();
        warm.iter().chain([&slow]).all(|id| starts.contains_key(id))
    });

    // It has the list of queues, too.
    let dead = cluster.owner("orders");
    cluster.servers[dead].kill9();
    let started = |id: &str| ledger.of("start").into_iter().find(|line| line.id == id).map(|line| line.at_ms);
    let mut late = Vec::new();
    for turn in 0..20 {
        let queue = ["pictures", "q"][turn % 2];
        let output = wait_for(LONG, "the job is taken", || {
            // Until the masters have agreed that one is dead they take writes; a moment after that they may pause.
            let output = cli.run(["enqueue", "-q", queue, "1"]);
            (output.code == Some(0)).then_some(output)
        });
        let (id, asked_ms) = (output.stdout.trim().to_owned(), now_ms());
        let at_ms = wait_for(LONG, "it starts", || started(&id));
        late.push(at_ms.saturating_sub(asked_ms));
    }
    late.sort_unstable();
    assert!(late[19] <= 1_000, "ms from the enqueue to the start: {late:?}");
    let doctor = cli.run(["doctor", "-o", "json"]).expect(1);
    let place = format!("127.0.0.1:{}", cluster.servers[dead].port());
    assert!(doctor.stdout.contains("cluster_node_down") && doctor.stdout.contains(&place), "{}", doctor.stdout);
    // A worker that starts now works on the others, too.
    let second = Ledger::new();
    let program = second.program("");
    let mut other = cli.work(QUEUES.into_iter().chain(["--lease", "5s", "--exec", &program])).ready();
    wait_until(LONG, "it works beside a dead master", || {
        cli.enqueue("q", "1", &[]);
        !second.starts().is_empty()
    });
    wait_until(LONG, "the slow one has ended", || ledger.count("end").contains_key(&slow));
    assert_eq!(ledger.starts()[&slow], 1, "its lease was kept");

    cluster.servers[dead].restart();
    let last = wait_for(LONG, "the dead one is back", || {
        let output = cli.run(["enqueue", "-q", "orders", "1"]);
        (output.code == Some(0)).then(|| output.stdout.trim().to_owned())
    });
    wait_until(LONG, "and is worked on", || [&ledger, &second].iter().any(|one| one.count("end").contains_key(&last)));
    for worker in [&mut worker, &mut other] {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
    for queue in QUEUES {
        Snapshot::of(cluster.server(queue), queue).assert_agrees();
    }
}

#[test]
fn the_jobs_of_a_dead_worker_run_again_though_the_node_that_knew_the_worker_is_dead_too() {
    let mut cluster = Cluster::with(0, |node| node.set("cluster-require-full-coverage no"));
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    cli.keep_completed("q");
    let home = cluster.owner("q");
    let program = ledger.program("test $IREVA_ATTEMPT != 1 || sleep 60");
    let work = ["q", "--concurrency", "1", "--lease", "4s", "--exec", &program];
    let knows = |worker: &str| {
        let key = format!("ireva:queue:worker:{worker}");
        cluster.servers.iter().position(|server| server.try_query::<redis::Value>(&["EXISTS", &key]).is_ok()).unwrap()
    };
    // What a worker says of itself is wherever the hash of its name leads.
    let (mut worker, other) = wait_for(LONG, "another node than the queue's knows the worker", || {
        let mut worker = cli.work(work).ready();
        let name = worker.wait_event("worker_started")["message"].as_str().unwrap().to_owned();
        if knows(&name) == home {
            worker.stop(LONG);
            return None;
        }
        Some((worker, knows(&name)))
    });
    let id = cli.enqueue("q", "1", &[]);
    ledger.wait("start", 1, LONG);
    worker.kill9();
    cluster.servers[other].kill9();
    let heir = cli.work(work).ready();
    let killed_ms = now_ms();
    wait_until(LONG, "its job runs again", || ledger.count("end").contains_key(&id));
    let ended_ms = ledger.of("end")[0].at_ms;
    assert!(ended_ms - killed_ms <= 4_000 + 5_000 + 2_500, "after {} ms", ended_ms - killed_ms);
    drop(heir);
}

#[test]
fn what_a_durable_queue_confirmed_outlives_its_master() {
    let mut cluster = Cluster::replicated();
    let cli = cluster.cli();
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    let producers = Producers::to("q", &cluster.env(), 4, Duration::ZERO);
    producers.produce(200);
    let killed = cluster.kill_master("q");
    // With nobody to hold its writes the elected one confirms nothing; as its replica the old one does.
    cluster.servers[killed].restart();
    producers.produce(200);
    let confirmed = producers.stop();
    let snapshot = Snapshot::of(cluster.server("q"), "q");
    let lost: Vec<_> = confirmed.iter().filter(|id| !snapshot.states.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.len());
    snapshot.assert_agrees();
}

#[test]
fn nodes_are_reached_through_tls_by_the_least_user() {
    let authority = Authority::new();
    let settings = authority.settings(&authority.for_loopback(), false);
    let cluster = Cluster::with(0, |node| node.tls(&settings).set("tls-cluster yes"));
    let cli = cluster.cli().env("REDIS_TLS", "on").env("REDIS_TLS_CA", authority.ca().display().to_string());
    let rules = cli.ok(["config", "acl", "--user", "app"]);
    let words: Vec<_> = rules.split_whitespace().collect();
    for node in &cluster.servers {
        node.query::<()>(&words);
        node.query::<()>(&["ACL", "SETUSER", "app", ">horse"]);
        node.query::<()>(&[
            "ACL",
            "SETUSER",
            "default",
            "-@all",
            "+@connection",
            "+acl",
            "+cluster",
            "+info",
            "+config",
        ]);
    }
    let cli = cli.env("REDIS_USERNAME", "app").env("REDIS_PASSWORD", "horse");
    QUEUES.iter().for_each(|queue| cli.keep_completed(queue));
    QUEUES.iter().for_each(|queue| _ = cli.enqueue(queue, "{}", &[]));
    cli.run(["work"].into_iter().chain(QUEUES).chain(["--until-empty", "--exec", "true"])).expect(0);
    let stats = cli.json(["stats"]);
    assert!(stats.as_array().unwrap().iter().all(|row| row["completed"] == 1), "{stats}");
    let refused = cli.clone().env("REDIS_PASSWORD", "cow").run(["stats"]).expect(77);
    assert!(refused.stderr.contains("REDIS_PASSWORD"), "{}", refused.stderr);
    for node in &cluster.servers {
        let denied: Vec<redis::Value> = node.query(&["ACL", "LOG"]);
        let denied: Vec<_> =
            denied.iter().map(|entry| format!("{entry:?}")).filter(|entry| !entry.contains("\"auth\"")).collect();
        assert!(denied.is_empty(), "{denied:#?}");
    }
}

#[test]
fn every_command_ends_as_on_one_server() {
    let (alone, cluster) = (TestRedis::start(), Cluster::start());
    let [alone, cli] = [Cli::new(&alone), cluster.cli()].map(|cli| {
        let cli = with_lines(cli);
        cli.enqueue("q", "{}", &["--id", "job-0001"]);
        cli
    });
    for args in all() {
        let (there, here) = (alone.run(*args), cli.run(*args));
        assert_eq!(here.code, there.code, "{args:?}: {here:?}, alone: {there:?}");
    }
}

#[test]
fn the_rest_api_serves_a_cluster() {
    let cluster = Cluster::start();
    let cli = cluster.cli();
    let serve = Serve::start(&cli);
    for queue in QUEUES {
        serve.post(&format!("/api/jobs/queues/{queue}"), r#"{"payload":1}"#).expect(202);
    }
    let queues = serve.json("/api/queues");
    assert_eq!(queues.as_array().map(Vec::len), Some(3), "{queues}");
    let stats = cli.json(["stats"]);
    assert!(stats.as_array().unwrap().iter().all(|row| row["pending"] == 1), "{stats}");
}
