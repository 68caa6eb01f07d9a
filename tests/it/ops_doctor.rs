//! What the doctor finds, each cause set up for real.

use std::time::Duration;

use ireva_queue::config::{Config, Retention, Setting};
use ireva_queue::doctor::{Code, Severity};
use ireva_queue::{Client, Doctor, ErrorKind, Examination, Finding, NewJob, QueueName};

use crate::ops_seed::{NOW_US, Seed, client, name, run};
use crate::support::replica::{master, replica_of};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// A server that nothing is wrong with, but that it is what it is.
fn sound() -> TestRedis {
    TestRedis::builder().append_only().set("maxmemory 1gb").set("maxmemory-policy noeviction").start()
}

fn examine(client: &Client) -> Examination {
    run(Doctor::new(client).examine()).unwrap()
}

/// The codes of what wants to be done.
fn codes(client: &Client) -> Vec<Code> {
    let findings = run(client.doctor()).unwrap();
    findings.iter().filter(|finding| finding.is_open()).map(|finding| finding.code).collect()
}

fn finding(client: &Client, code: Code) -> Finding {
    let findings = run(client.doctor()).unwrap();
    let found = findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("{code} is not among {findings:#?}")).clone()
}

fn client_of(env: &[(String, String)]) -> Client {
    let lookup = |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Client::new(&Config::from_lookup(lookup, None).unwrap()).unwrap()
}

fn enqueue(client: &Client, queue: &str, count: usize) {
    let jobs = (0..count).map(|n| NewJob::new(&n).unwrap()).collect();
    run(client.queue(name(queue)).enqueue_many(jobs)).unwrap();
}

#[test]
fn a_sound_server_without_work_leaves_nothing_to_do() {
    let redis = sound();
    assert_eq!(codes(&client(&redis)), []);
    assert!(!examine(&client(&redis)).is_open());
}

#[test]
fn what_a_restart_would_lose_is_found() {
    let redis = TestRedis::start();
    let client = client(&redis);
    assert_eq!(codes(&client), [Code::PersistenceOff]);
    redis.query::<()>(&["CONFIG", "SET", "save", "3600 1"]);
    assert_eq!(codes(&client), [Code::PersistenceSnapshots]);
    redis.query::<()>(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(codes(&client), []);
    redis.query::<()>(&["CONFIG", "SET", "appendfsync", "no"]);
    assert_eq!(codes(&client), [Code::PersistenceLax]);
}

#[test]
fn a_disk_that_takes_nothing_is_found() {
    let redis = sound();
    // A directory in the place of the file.
    std::fs::create_dir(redis.directory().join("dump.rdb")).unwrap();
    redis.query::<String>(&["BGSAVE"]);
    wait_until(LONG, "the save has failed", || {
        redis.query::<String>(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err")
    });
    let found = finding(&client(&redis), Code::PersistenceFailing);
    assert!(found.severity == Severity::Critical && found.message.contains("rdb_last_bgsave_status"), "{found:?}");
}

#[test]
fn a_policy_that_deletes_jobs_is_found_before_and_after_it_did() {
    let redis = sound();
    let client = client(&redis);
    redis.query::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_eq!(codes(&client), [Code::EvictionPolicy]);
    Seed { redis: &redis, queue: "q" }.many("completed", 50, (NOW_US / 1000, 1));
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]);
    wait_until(LONG, "a key is evicted", || {
        let _ = redis.try_query::<()>(&["SET", "x", &"x".repeat(300_000)]);
        !redis.query::<String>(&["INFO", "stats"]).contains("evicted_keys:0")
    });
    let found = finding(&client, Code::KeysEvicted);
    assert!(found.severity == Severity::Critical && found.remedy.contains("noeviction"), "{found:?}");
}

#[test]
fn high_memory_names_the_queues_that_keep_the_most() {
    let redis = sound();
    let (client, seed) = (client(&redis), Seed { redis: &redis, queue: "email" });
    run(client.queue(name("email")).set(&[Setting::RemoveOnComplete(Retention::Never)])).unwrap();
    seed.many("completed", 3_000, (NOW_US / 1000, 1));
    Seed { redis: &redis, queue: "reports" }.many("dead", 2_000, (NOW_US / 1000, 1));
    redis.query::<()>(&["SADD", "ireva:queue:registry", "email", "reports"]);
    assert_eq!(codes(&client), [], "there is room");
    let used: u64 = redis
        .query::<String>(&["INFO", "memory"])
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
        .unwrap();
    redis.query::<()>(&["CONFIG", "SET", "maxmemory", &(used * 10 / 9).to_string()]);
    let found = codes(&client);
    for code in [Code::MemoryLow, Code::KeepsCompleted, Code::KeepsDead] {
        assert!(found.contains(&code), "{code} is not among {found:?}");
    }
    assert!(finding(&client, Code::KeepsCompleted).remedy.contains("queues set email --remove-on-complete"));
    assert!(finding(&client, Code::KeepsDead).remedy.contains("queues set reports --remove-on-fail"));
}

#[test]
fn a_server_that_cannot_be_asked_is_a_finding_with_its_cause() {
    let mut redis = TestRedis::builder().password("right-horse").start();
    let mut env = redis.env();
    assert_eq!(codes(&client_of(&env)), [Code::PersistenceOff]);
    env.push(("REDIS_PASSWORD".to_owned(), "wrong".to_owned()));
    assert_eq!(codes(&client_of(&env)), [Code::RedisDenied]);
    redis.kill9();
    let found = finding(&client_of(&redis.env()), Code::RedisUnreachable);
    assert!(found.message.contains(&redis.port().to_string()) && found.severity == Severity::Critical, "{found:?}");
}

#[test]
fn a_replica_in_the_masters_place_is_a_misfit() {
    let master = master();
    let replica = replica_of(&master);
    assert_eq!(codes(&client(&replica)), [Code::RedisMisfit]);
}

#[test]
fn rights_that_are_missing_are_named() {
    let redis = sound();
    let user = ["ACL", "SETUSER", "worker", "on", ">pw", "~ireva:queue:*", "+@all", "-wait", "-xadd", "-config"];
    redis.query::<()>(&user);
    let mut env = redis.env();
    env.extend([("REDIS_USERNAME", "worker"), ("REDIS_PASSWORD", "pw")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let client = client_of(&env);
    let found = finding(&client, Code::RightsMissing);
    assert_eq!(found.message, "this user may not send wait, xadd");
    assert!(found.remedy.ends_with("ACL SETUSER worker +wait +xadd"), "{}", found.remedy);
    redis.query::<()>(&["ACL", "SETUSER", "worker", "+wait", "+xadd"]);
    assert_eq!(codes(&client), [], "what it may not ask is left out");
}

#[test]
fn connections_close_to_their_limit_are_found() {
    let redis = sound();
    let client = client(&redis);
    assert_eq!(codes(&client), []);
    redis.query::<()>(&["CONFIG", "SET", "maxclients", "2"]);
    assert_eq!(codes(&client), [Code::ClientsHigh]);
}

#[test]
fn a_durable_queue_needs_a_replica_that_is_in_step() {
    let master = master();
    let client = client(&master);
    run(client.queue(name("money")).set(&[Setting::Durable("on".parse().unwrap())])).unwrap();
    let found = finding(&client, Code::ReplicaMissing);
    assert!(found.message.contains("money"), "{found:?}");
    let replica = replica_of(&master);
    assert_eq!(codes(&client), []);
    replica.signal(rustix::process::Signal::STOP);
    wait_until(LONG, "the replica is behind", || codes(&client).contains(&Code::ReplicaLagging));
    let found = finding(&client, Code::ReplicaLagging);
    assert!(found.message.contains(&replica.port().to_string()), "{found:?}");
    replica.signal(rustix::process::Signal::CONT);
}

#[test]
fn sentinels_that_are_too_few_are_found() {
    let mut set = Sentinels::start();
    let client = client_of(&set.env());
    assert!(codes(&client).is_empty(), "{:#?}", run(client.doctor()));
    assert_eq!(finding(&client, Code::ReplicasNotRequired).severity, Severity::Note);
    for sentinel in &mut set.sentinels[1..] {
        sentinel.kill9();
    }
    wait_until(LONG, "the last sentinel knows that it is alone", || codes(&client).contains(&Code::SentinelQuorum));
    let found = codes(&client);
    assert_eq!(found.iter().filter(|code| **code == Code::SentinelUnreachable).count(), 2, "{found:?}");
    assert!(finding(&client, Code::SentinelQuorum).message.contains("NOQUORUM"));
}

#[test]
fn jobs_that_nobody_takes_are_found_and_a_pause_is_why() {
    let redis = sound();
    let client = client(&redis);
    enqueue(&client, "email", 3);
    let found = finding(&client, Code::NoWorker);
    assert!(found.message.starts_with("3 jobs wait") && found.remedy == "ireva-queue work email", "{found:?}");
    run(client.queue(name("email")).pause()).unwrap();
    assert_eq!(codes(&client), [Code::QueuePaused]);
    assert_eq!(finding(&client, Code::QueuePaused).remedy, "ireva-queue queues resume email");
    run(client.queue(name("email")).clear(&[], &mut |_| ())).unwrap();
    assert_eq!(codes(&client), [], "a pause that holds nothing up is only noted");
}

#[test]
fn a_queue_close_to_its_length_is_found() {
    let redis = sound();
    let client = client(&redis);
    enqueue(&client, "q", 9);
    run(client.queue(name("q")).set(&[Setting::MaxLength(Some(10))])).unwrap();
    assert_eq!(codes(&client), [Code::NoWorker, Code::QueueFull]);
}

#[test]
fn what_hands_broke_is_found_queue_by_queue() {
    let redis = sound();
    let client = client(&redis);
    for queue in ["odd", "torn", "sane"] {
        enqueue(&client, queue, 1);
        run(client.queue(name(queue)).pause()).unwrap();
    }
    redis.query::<()>(&["HSET", &redis.key("odd", "config"), "concurrency", "many"]);
    redis.query::<()>(&["SET", &redis.key("torn", "dead"), "x"]);
    let found = finding(&client, Code::QueueUnreadable);
    assert_eq!(found.queue, Some(name("torn")));
    let found = finding(&client, Code::SettingsUnreadable);
    assert!(found.queue == Some(name("odd")) && found.message.contains("many"), "{found:?}");
    assert_eq!(codes(&client).iter().filter(|code| **code == Code::QueuePaused).count(), 2, "the others are looked at");
}

#[test]
fn what_contradicts_itself_is_found_and_mended() {
    let redis = sound();
    let (client, seed) = (client(&redis), Seed { redis: &redis, queue: "q" });
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
    seed.job("completed", "gone-1", NOW_US / 1000, "").job("completed", "here-1", NOW_US / 1000, "");
    redis.query::<()>(&["HDEL", &seed.key("jobs"), "gone-1"]);
    redis.query::<()>(&["HSET", &seed.key("unique"), "k-1", "0|long-gone", "k-2", "1000|long-gone"]);
    redis.query::<()>(&["ZADD", &seed.key("workers"), "9999999999999", "host-7-AAAA"]);
    redis.query::<()>(&["HSET", &seed.key("handed"), "host-7-AAAA#", "4"]);
    let doctor = Doctor::new(&client);
    let mut examination = examine(&client);
    let found: Vec<_> = examination.findings.iter().filter(|finding| finding.is_open()).map(|f| f.code).collect();
    assert_eq!(found, [Code::ClaimsMiscounted, Code::JobsAdrift, Code::UniqueLeaked]);
    run(doctor.fix(&mut examination)).unwrap();
    let done: Vec<_> = examination.findings.iter().filter_map(|finding| finding.fixed.clone()).collect();
    assert_eq!(done.len(), 3, "{done:?}");
    assert!(!examination.is_open());
    assert_eq!(codes(&client), []);
    assert_eq!(redis.query::<u64>(&["HLEN", &seed.key("unique")]), 0);
    assert_eq!(redis.query::<u64>(&["ZCARD", &seed.key("completed")]), 1);
}

#[test]
fn unique_keys_that_hold_something_are_no_leak() {
    let redis = sound();
    let client = client(&redis);
    let unique = |key: &str| NewJob::new(&1).unwrap().unique(key);
    let jobs = vec![unique("waits"), unique("window").unique_for(Duration::from_secs(3600))];
    run(client.queue(name("q")).enqueue_many(jobs)).unwrap();
    run(client.queue(name("q")).pause()).unwrap();
    assert_eq!(codes(&client), [Code::QueuePaused]);
}

#[test]
fn more_ended_jobs_than_are_to_be_kept_are_found_and_removed() {
    let redis = sound();
    let (client, seed) = (client(&redis), Seed { redis: &redis, queue: "q" });
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
    seed.many("completed", 15_000, (NOW_US / 1000, 1));
    assert_eq!(codes(&client), [Code::RetentionBehind]);
    let mut examination = examine(&client);
    run(Doctor::new(&client).fix(&mut examination)).unwrap();
    assert_eq!(redis.query::<u64>(&["ZCARD", &seed.key("completed")]), 100);
    assert_eq!(codes(&client), []);
}

#[test]
fn claims_of_workers_that_are_gone_and_jobs_that_run_for_ever_are_found() {
    let redis = sound();
    let (client, seed) = (client(&redis), Seed { redis: &redis, queue: "q" });
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
    seed.active("long-1", "host-1-AAAA", 9_999_999_999_999);
    assert_eq!(codes(&client), [Code::JobStuck], "claimed a year ago");
    assert!(finding(&client, Code::JobStuck).remedy.contains("jobs cancel long-1"));
    seed.active("lost-1", "host-2-BBBB", NOW_US / 1000);
    let found = codes(&client);
    assert_eq!(found, [Code::JobStuck, Code::ClaimsOrphaned, Code::WorkerSilent]);
    let silent = finding(&client, Code::WorkerSilent);
    assert!(silent.about == "host-2-BBBB" && silent.message.ends_with("it holds 1 job"), "{silent:?}");
}

#[test]
fn one_queue_is_looked_at_alone() {
    let redis = TestRedis::start();
    let client = client(&redis);
    enqueue(&client, "a", 1);
    enqueue(&client, "b", 1);
    let found = run(Doctor::new(&client).queue(name("a")).examine()).unwrap().findings;
    let told: Vec<_> = found.iter().map(|finding| (finding.code, finding.about.as_str())).collect();
    assert_eq!(told, [(Code::NoWorker, "a")], "neither the other queue nor the server");
    let unknown = run(Doctor::new(&client).queue(QueueName::new("bb").unwrap()).examine()).unwrap_err();
    assert!(unknown.kind() == ErrorKind::NotFound && unknown.to_string().contains("did you mean"), "{unknown}");
}

#[test]
fn a_hundred_thousand_jobs_cost_the_server_no_more_than_a_few() {
    let redis = sound();
    let client = client(&redis);
    for n in 0..20 {
        let queue = format!("q-{n}");
        let seed = Seed { redis: &redis, queue: &queue };
        seed.many("pending:2", 4_000, (NOW_US, 1)).many("dead", 1_000, (NOW_US / 1000, 1));
        redis.query::<()>(&["SADD", "ireva:queue:registry", &queue]);
    }
    let watch = Watch::start(&redis);
    let calls = |redis: &TestRedis| {
        let stats = redis.query::<String>(&["INFO", "stats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).map(str::to_owned);
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap()
    };
    let before = calls(&redis);
    assert_eq!(codes(&client).iter().filter(|code| **code == Code::NoWorker).count(), 20);
    let sent = calls(&redis) - before;
    assert!(sent < 20 * 500, "{sent} commands, those within scripts included");
    watch.assert_quick();
}
