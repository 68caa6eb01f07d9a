//! `queues set --partitions`: a queue is spread while it is used, whoever dies meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use ireva_queue::NewJob;
use ireva_queue::config::Setting;

use crate::ops_seed::{client, id, name, run};
use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// How many jobs each place of queue `q` holds, by the name in its braces; places that hold none are left out.
fn held(redis: &TestRedis) -> BTreeMap<String, u64> {
    let keys: Vec<String> = redis.query(&["KEYS", "*}:jobs"]);
    let place = |key: &str| key.split(['{', '}']).nth(1).unwrap_or_default().to_owned();
    keys.iter().map(|key| (place(key), redis.query(&["HLEN", key]))).collect()
}

fn fill(redis: &TestRedis, count: usize) {
    let jobs = (0..count).map(|n| NewJob::new(&n).unwrap().id(id(&format!("job-{n}")))).collect();
    let answers = run(client(redis).queue(name("q")).enqueue_many(jobs)).unwrap();
    assert!(answers.into_iter().all(|answer| !answer.unwrap().duplicate));
}

/// Whether nothing is left to be moved.
fn is_settled(redis: &TestRedis, count: u16) -> bool {
    let config: BTreeMap<String, String> = redis.query(&["HGETALL", &redis.key("q", "config")]);
    let field = |field: &str| config.get(field).map(String::as_str).unwrap_or_default();
    field("partitions") == count.to_string()
        && field("partitions_was").is_empty()
        && field("partitions_next").is_empty()
}

#[test]
fn the_command_moves_what_waits_and_tells_what_is_divided() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&redis, 2_000);
    cli.ok(["queues", "set", "q", "--rate", "100/s", "--concurrency", "20"]);
    let set = cli.json(["queues", "set", "q", "--partitions", "8"]);
    assert_eq!((&set["partitions"], &set["concurrency"]), (&json!(8), &json!(20)));
    assert!(is_settled(&redis, 8));
    let places = held(&redis);
    assert_eq!((places.len(), places.values().sum::<u64>()), (8, 2_000), "{places:?}");
    assert!(places.values().all(|held| *held > 180), "{places:?}");
    let shown = cli.ok(["queues", "get", "q", "-o", "table"]);
    for (label, share) in [("rate", "100/8s:1"), ("concurrency", "3 or 2"), ("remove-on-complete", "13")] {
        let told = |line: &str| line.starts_with(&format!("{label}-of-each ")) && line.ends_with(share);
        assert!(shown.lines().any(told), "{label}: {shown}");
    }
    assert_eq!(cli.json(["queues", "get", "q"]), set);
    // What several partitions cannot have is refused with what to do; so is what no queue can have.
    let refused = cli.run(["queues", "set", "q", "--key", "tenant"]).expect(5);
    assert!(refused.stderr.contains("queues set q --partitions 1"), "{}", refused.stderr);
    cli.run(["queues", "set", "q", "--concurrency", "7"]).expect(5);
    for wrong in ["0", "65", "-1", "many"] {
        cli.run(["queues", "set", "q", "--partitions", wrong]).expect(2);
    }
    cli.ok(["queues", "set", "q", "--partitions", "1"]);
    assert_eq!(held(&redis), BTreeMap::from([("q".to_owned(), 2_000)]));
    assert!(!cli.ok(["queues", "get", "q", "-o", "table"]).contains("of-each"));
}

#[test]
fn a_command_that_is_killed_anywhere_is_gone_on_with() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&redis, 5_000);
    let (mut patience, mut killed) = (5, 0);
    for count in ["8", "3"] {
        loop {
            let mut child = Guarded(cli.command(["queues", "set", "q", "--partitions", count]).spawn().unwrap());
            patience += patience / 6 + 7;
            let until = std::time::Instant::now() + Duration::from_millis(patience);
            let ended = loop {
                match child.0.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if std::time::Instant::now() >= until => break None,
                    None => std::thread::yield_now(),
                }
            };
            match ended {
                Some(status) if status.success() => break,
                Some(_) => {}
                None => {
                    child.0.kill().unwrap();
                    child.0.wait().unwrap();
                    killed += 1;
                }
            }
        }
        wait_until(DEADLINE, "all is moved", || is_settled(&redis, count.parse().unwrap()));
        assert_eq!(held(&redis).values().sum::<u64>(), 5_000, "{count}");
    }
    assert!(killed > 10, "{killed} commands were killed");
    assert_eq!(held(&redis).len(), 3);
}

#[test]
fn the_janitor_of_a_worker_goes_on_with_a_change() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&redis, 500);
    cli.ok(["queues", "pause", "q"]);
    // As a command leaves it that dies right after it wrote down what it was about to do.
    let now_us = "1764000000000000";
    for (field, value) in [("partitions_next", "4"), ("partitions_change", now_us)] {
        redis.query::<()>(&["HSET", &redis.key("q", "config"), field, value]);
    }
    let found = cli.json(["heal", "q", "--dry-run"]);
    assert_eq!((&found[0]["repair"], &found[0]["repaired"]), (&json!("move"), &json!(0)), "{found}");
    let told = cli.run(["doctor", "q", "-o", "json"]).stdout;
    assert!(told.contains("partitions_unmoved"), "{told}");
    assert_eq!(held(&redis).len(), 1);
    let _worker = cli.work(["q", "--exec", "true"]).ready();
    wait_until(DEADLINE, "the janitor has moved all", || is_settled(&redis, 4));
    assert_eq!((held(&redis).len(), held(&redis).values().sum::<u64>()), (4, 500));
}

#[test]
fn heal_goes_on_with_a_change() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    fill(&redis, 500);
    let now_us = "1764000000000000";
    for (field, value) in [("partitions_next", "2"), ("partitions_change", now_us)] {
        redis.query::<()>(&["HSET", &redis.key("q", "config"), field, value]);
    }
    let healed = cli.json(["heal", "q"]);
    assert_eq!((&healed[0]["repair"], &healed[0]["repaired"]), (&json!("move"), &json!(1)), "{healed}");
    assert!(is_settled(&redis, 2));
    assert_eq!(held(&redis).values().sum::<u64>(), 500);
    assert_eq!(cli.json(["heal", "q"]), json!([]));
}

#[test]
fn the_rest_api_changes_it_and_the_server_moves_the_jobs() {
    let (redis, cli, serve) = served();
    fill(&redis, 300);
    let answer = serve.patch("/api/queues/q/settings", r#"{"partitions": 4}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_until(DEADLINE, "all is moved", || is_settled(&redis, 4));
    assert_eq!((held(&redis).len(), held(&redis).values().sum::<u64>()), (4, 300));
    assert_eq!(serve.json("/api/queues/q/settings"), cli.json(["queues", "get", "q"]));
    assert_eq!(serve.patch("/api/queues/q/settings", r#"{"partitions": 0}"#).status, 400);
    assert_eq!(serve.patch("/api/queues/q/settings", r#"{"key": "tenant"}"#).status, 409);
}

#[test]
fn a_profile_says_it_where_nobody_has() {
    let redis = TestRedis::start();
    let queue = client(&redis).queue(name("q"));
    run(queue.set_defaults(&[Setting::Partitions(4), Setting::Concurrency(Some(8))])).unwrap();
    assert_eq!(run(queue.settings()).unwrap().partitions, 4);
    run(queue.set(&[Setting::Partitions(2)])).unwrap();
    run(queue.set_defaults(&[Setting::Partitions(4)])).unwrap();
    let settings = run(queue.settings()).unwrap();
    assert_eq!((settings.partitions, settings.concurrency), (2, Some(8)));
}

#[test]
fn a_queue_is_spread_over_the_masters_of_a_cluster() {
    let cluster = Cluster::start();
    let cli = cluster.cli();
    cli.enqueue_lines("q", (0..2_000).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let held = || {
        let mut held = Vec::new();
        for server in &cluster.servers {
            let keys: Vec<String> = server.query(&["KEYS", "*}:jobs"]);
            held.push(keys.iter().map(|key| server.query::<u64>(&["HLEN", key])).sum::<u64>());
        }
        held
    };
    assert_eq!(held().iter().filter(|held| **held > 0).count(), 1, "one slot, one master: {:?}", held());
    assert_eq!(cli.json(["queues", "set", "q", "--partitions", "8"])["partitions"], 8);
    assert_eq!(
        (held().iter().sum::<u64>(), held().iter().filter(|held| **held > 0).count()),
        (2_000, 3),
        "{:?}",
        held()
    );
    cli.ok(["queues", "set", "q", "--partitions", "1"]);
    assert_eq!(held().iter().filter(|held| **held == 2_000).count(), 1, "{:?}", held());
}

/// The replicas of the masters that do not have queue `q`.
fn replicas_elsewhere(cluster: &Cluster) -> Vec<&TestRedis> {
    let home = cluster.server("q").port().to_string();
    let is_elsewhere = |server: &&TestRedis| {
        let info: redis::InfoDict = server.query(&["INFO", "replication"]);
        info.get::<String>("master_port").is_some_and(|port| port != home)
    };
    cluster.servers.iter().filter(is_elsewhere).collect()
}

#[test]
fn nothing_is_closed_before_the_replicas_of_a_durable_queue_s_new_places_answer() {
    let cluster = Cluster::replicated();
    let cli = cluster.cli();
    cli.enqueue_lines("q", (0..100).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    let replicas = replicas_elsewhere(&cluster);
    assert_eq!(replicas.len(), 2);
    replicas.iter().for_each(|replica| replica.signal(Signal::STOP));
    let told = cli.run(["queues", "set", "q", "--partitions", "8"]);
    let new = cli.run(["enqueue", "q", "{}"]);
    let shown = cli.run(["stats", "q", "-o", "json"]);
    replicas.iter().for_each(|replica| replica.signal(Signal::CONT));
    assert!(told.code == Some(75) && told.stderr.contains("until a replica there has it"), "{told:?}");
    assert!(new.code == Some(0), "producers go on: {new:?}");
    assert!(shown.stdout.contains("\"pending\": 101"), "{shown:?}");
    cli.ok(["queues", "set", "q", "--partitions", "8"]);
    assert_eq!(cli.json(["stats", "q"])["pending"], 101);
}

#[test]
fn what_replicas_hold_of_a_durable_queue_is_forgotten_when_those_of_its_new_place_have_it() {
    let cluster = Cluster::replicated();
    let cli = cluster.cli();
    cli.enqueue_lines("q", (0..100).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    // Said, but nothing moved.
    let full = another_master(&cluster);
    full.query::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let told = cli.run(["queues", "set", "q", "--partitions", "8"]);
    assert!(told.code == Some(75) && told.stderr.contains("takes nothing in"), "{told:?}");
    let replicas = replicas_elsewhere(&cluster);
    replicas.iter().for_each(|replica| replica.signal(Signal::STOP));
    full.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    let told = cli.run(["queues", "set", "q", "--partitions", "8"]);
    let leaving: u64 = cluster.server("q").query(&["HLEN", &cluster.servers[0].key("q", "leaving")]);
    let shown = cli.run(["stats", "q", "-o", "json"]);
    // What has arrived is worked all the same.
    let worker = cli.work(["q", "--exec", "true"]).ready();
    let done = || cli.run(["stats", "q", "-o", "json"]).stdout.contains("\"completed\": 100");
    let began = std::time::Instant::now();
    while !done() && began.elapsed() < DEADLINE {}
    let worked = done();
    replicas.iter().for_each(|replica| replica.signal(Signal::CONT));
    assert!(told.code == Some(75) && told.stderr.contains("until a replica there has it"), "{told:?}");
    assert!(told.stderr.contains("; the change to 8 partitions is on: the workers of q go on with it"), "{told:?}");
    assert_eq!(leaving, 100, "they stand where they were, too");
    assert!(shown.stdout.contains("\"pending\": 100"), "{shown:?}");
    assert!(worked, "{:?}", worker.log());
    drop(worker);
    cli.ok(["queues", "set", "q", "--partitions", "8"]);
    assert!(is_settled(cluster.server("q"), 8));
    assert_eq!(cli.json(["stats", "q"])["totals"]["completed"], 100);
}

/// A master that has neither queue `q` nor the names of all queues, to which commands write.
fn another_master(cluster: &Cluster) -> &TestRedis {
    let home = cluster.owner("q");
    let registry = cluster.servers[0].key("q", "").replace("{q}:", "registry");
    let has_names = |server: &TestRedis| server.try_query::<redis::Value>(&["EXISTS", &registry]).is_ok();
    let others = [(home + 1) % 3, (home + 2) % 3].map(|at| &cluster.servers[at]);
    others.into_iter().find(|server| !has_names(server)).unwrap()
}

#[test]
fn nothing_is_moved_to_a_node_whose_memory_is_full() {
    let cluster = Cluster::start();
    let cli = cluster.cli();
    cli.enqueue_lines("q", (0..100).map(|n| format!(r#"{{"id":"job-{n}","payload":{n}}}"#)));
    let full = another_master(&cluster);
    full.query::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let told = cli.run(["queues", "set", "q", "--partitions", "8"]);
    assert!(told.code == Some(75) && told.stderr.contains("takes nothing in"), "{told:?}");
    let stays: u64 = cluster.server("q").query(&["HLEN", &cluster.servers[0].key("q", "jobs")]);
    assert_eq!(stays, 100);
    full.query::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    cli.ok(["queues", "set", "q", "--partitions", "8"]);
    assert_eq!(cli.json(["stats", "q"])["pending"], 100);
}
