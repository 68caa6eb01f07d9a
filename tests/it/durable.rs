//! Durable queues: an enqueue is a success once a replica holds the job, and not before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ireva_queue::config::{Config, Durable, Setting};
use ireva_queue::{Client, ErrorKind, JobState, NewJob, Outlet, Queue};
use rustix::process::Signal;
use serde_json::json;

use crate::ops_seed::{client, id, name, run};
use crate::support::replica::{master, replica_of};
use crate::support::*;

const SOON: Duration = Duration::from_secs(20);
/// What a command may take in all: five seconds, and the start of a process on a busy machine.
const IN_TIME: Duration = Duration::from_millis(6_500);

fn configured(port: u16, change: impl FnOnce(&mut Config)) -> Client {
    let lookup = |name: &str| match name {
        "REDIS_HOST" => Some("127.0.0.1".to_owned()),
        "REDIS_PORT" => Some(port.to_string()),
        _ => None,
    };
    let mut config = Config::from_lookup(lookup, None).unwrap();
    change(&mut config);
    Client::new(&config).unwrap()
}

fn durable(client: &Client, queue: &str) -> Queue {
    let queue = client.queue(name(queue));
    run(queue.set(&[Setting::Durable(Durable::On)])).unwrap();
    queue
}

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|n| NewJob::new(&n).unwrap().id(id(&format!("job-{n}")))).collect()
}

/// How often the server has run each command, those inside scripts included.
fn commands(redis: &TestRedis) -> BTreeMap<String, u64> {
    let stats: String = redis.query(&["INFO", "commandstats"]);
    let read = |line: &str| {
        let (command, facts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((command.to_owned(), facts.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(read).collect()
}

fn waits(redis: &TestRedis) -> u64 {
    commands(redis).get("wait").copied().unwrap_or_default()
}

fn blocked(redis: &TestRedis) -> u64 {
    redis.query::<redis::InfoDict>(&["INFO", "clients"]).get("blocked_clients").unwrap()
}

/// The ids of all jobs of a queue.
fn held(redis: &TestRedis, queue: &str) -> BTreeSet<String> {
    redis.query::<Vec<String>>(&["HKEYS", &redis.key(queue, "jobs")]).into_iter().collect()
}

#[test]
fn an_enqueue_is_confirmed_by_a_replica_or_ends_with_75_and_the_job_stored() {
    let master = master();
    let replica = replica_of(&master);
    let cli = Cli::new(&master);
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    let first = cli.enqueue("q", "{}", &[]);
    assert_eq!(waits(&master), 1);
    assert!(held(&replica, "q").contains(&first), "a replica holds what was confirmed");

    replica.signal(Signal::STOP);
    for command in ["first", "again"] {
        let stalled = cli.run(["enqueue", "q", "{}", "--id", "mine-1"]).expect(75);
        assert!(stalled.elapsed >= Duration::from_secs(2) && stalled.elapsed < IN_TIME, "{command}: {stalled:?}");
        let said = "job mine-1 is stored in queue q, but no replica has confirmed it: none answered within 2s; \
                    run it again with --id mine-1, which adds nothing twice";
        assert!(stalled.stdout.is_empty() && stalled.stderr.contains(said), "{command}: {stalled:?}");
        assert_eq!(cli.json(["jobs", "show", "mine-1"])["state"], "pending");
        assert_eq!(cli.json(["stats", "q"])["pending"], 2, "{command}");
    }
    replica.signal(Signal::CONT);
    let answer = cli.json(["enqueue", "q", "{}", "--id", "mine-1"]);
    assert_eq!(answer, json!({"id": "mine-1", "queue": "q", "duplicate": true}));
    assert_eq!((waits(&master), held(&replica, "q").contains("mine-1")), (4, true));
}

#[test]
fn what_a_processor_hands_over_is_confirmed_whatever_the_queue_is() {
    let master = master();
    let client = client(&master);
    let email = name("email");
    // Without a replica there is nobody to wait for.
    assert!(run(client.hand_over(&email, jobs(1))).unwrap()[0].is_ok());
    let replica = replica_of(&master);
    assert!(run(client.hand_over(&email, jobs(2))).unwrap().iter().all(Result::is_ok));
    assert_eq!(waits(&master), 1, "one wait for all of them");
    replica.signal(Signal::STOP);
    let unconfirmed = run(client.hand_over(&email, jobs(1))).unwrap();
    assert_eq!(unconfirmed[0].as_ref().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert!(run(client.queue(email.clone()).enqueue(NewJob::new(&1).unwrap())).is_ok(), "others do not wait");
    run(client.queue(email.clone()).set(&[Setting::Durable(Durable::Off)])).unwrap();
    assert!(run(client.hand_over(&email, jobs(1))).unwrap()[0].is_ok(), "unless an operator says otherwise");
}

#[test]
fn auto_asks_for_a_replica_only_where_there_is_one_and_on_always_does() {
    let master = master();
    let cli = Cli::new(&master);
    // The queue that moves money is so by itself.
    cli.enqueue("roi-distribution", "{}", &["--no-check"]);
    cli.ok(["queues", "set", "q", "--durable", "auto"]);
    cli.enqueue("q", "{}", &[]);
    assert_eq!(waits(&master), 0);
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    let alone = cli.run(["enqueue", "q", "{}", "--id", "mine-1"]).expect(75);
    assert!(alone.elapsed < IN_TIME && alone.stderr.contains("the server has no replica"), "{alone:?}");
    assert_eq!((cli.json(["stats", "q"])["pending"].clone(), waits(&master)), (json!(2), 0));

    let replica = replica_of(&master);
    cli.enqueue("q", "{}", &["--id", "mine-1"]);
    cli.enqueue("roi-distribution", "{}", &["--no-check"]);
    assert_eq!(waits(&master), 2);
    replica.signal(Signal::STOP);
    cli.run(["enqueue", "roi-distribution", "{}", "--no-check"]).expect(75);
    cli.ok(["queues", "set", "roi-distribution", "--durable", "off"]);
    cli.run(["enqueue", "roi-distribution", "{}", "--no-check"]).expect(0);
}

#[test]
fn the_setting_is_seen_wherever_settings_are() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("roi-distribution", "{}", &["--no-check"]);
    assert_eq!(cli.json(["queues", "get", "roi-distribution"])["durable"], "auto");
    assert_eq!(cli.json(["queues", "set", "q", "--durable", "on"])["durable"], "on");
    assert!(cli.ok(["queues", "get", "q"]).contains("durable\ton\n"));
    assert_eq!(cli.json(["stats", "q"])["settings"]["durable"], "on");
    assert_eq!(cli.json(["queues", "list"])[1]["settings"]["durable"], "auto");
    let wide = cli.ok(["queues", "list", "-o", "wide"]);
    let durable: Vec<_> = wide.lines().map(|line| line.split_whitespace().rev().nth(3).unwrap()).collect();
    assert_eq!(durable, ["DURABLE", "on", "auto"]);
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("durable         on\n"));
    let wrong = cli.run(["queues", "set", "q", "--durable", "yes"]).expect(2);
    assert!(wrong.stderr.contains("auto, on or off"), "{}", wrong.stderr);
}

#[test]
fn a_stalled_wait_holds_up_nobody_else() {
    let master = master();
    let replica = replica_of(&master);
    let client = configured(master.port(), |config| config.durable_wait = Duration::from_secs(60));
    let (slow, plain) = (durable(&client, "slow"), client.queue(name("plain")));
    replica.signal(Signal::STOP);
    let mut stalled = None;
    run(async { stalled = Some(tokio::spawn(async move { slow.enqueue(jobs(1).remove(0)).await })) });
    let stalled = stalled.unwrap();
    wait_until(SOON, "the durable enqueue waits", || blocked(&master) == 1);
    run(async {
        for job in jobs(1_000) {
            assert!(!plain.enqueue(job).await.unwrap().duplicate);
        }
    });
    assert!(blocked(&master) == 1 && !stalled.is_finished(), "it waits all the while");
    assert_eq!(held(&master, "plain").len(), 1_000);
    replica.signal(Signal::CONT);
    assert!(!run(stalled).unwrap().unwrap().duplicate);
}

#[test]
fn one_wait_is_for_all_that_came_together() {
    let master = master();
    let replica = replica_of(&master);
    let cli = Cli::new(&master);
    cli.ok(["queues", "set", "q", "--durable", "on"]);
    cli.enqueue_lines("q", (0..7_000).map(|n| format!(r#"{{"payload":{n}}}"#)));
    assert_eq!(waits(&master), 3, "one for each hand-over of 3,000 lines");
    assert_eq!(held(&replica, "q").len(), 7_000);
    replica.signal(Signal::STOP);
    let lines = (0..10).map(|n| format!("{{\"payload\":{n},\"id\":\"line-{n}\"}}\n")).collect::<String>();
    let enqueue = || cli.clone().stdin(lines.as_str()).run(["enqueue", "q", "--ndjson", "-"]);
    let stalled = enqueue().expect(75);
    let said = "stopped at line 1 (75, outcome unknown): job line-0 is stored in queue q, but no replica has confirmed it: \
                none answered within 2s; line 1 and some behind it may be there: lines with ids can be sent again from there";
    assert!(stalled.stdout.is_empty() && stalled.stderr.contains(said), "{stalled:?}");
    replica.signal(Signal::CONT);
    enqueue().expect(0);
    assert_eq!((held(&master, "q").len(), waits(&master)), (7_010, 5));

    let client = configured(master.port(), |_| ());
    let (one, other) = (durable(&client, "one"), durable(&client, "other"));
    run(async {
        let enqueue = |queue: &Queue, job: NewJob| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.enqueue(job).await })
        };
        let calls: Vec<_> =
            jobs(500).into_iter().flat_map(|job| [enqueue(&one, job.clone()), enqueue(&other, job)]).collect();
        for call in calls {
            assert!(!call.await.unwrap().unwrap().duplicate);
        }
    });
    assert!(waits(&master) <= 5 + 50, "{} waits for 1,000 concurrent jobs", waits(&master));
    assert_eq!((held(&replica, "one").len(), held(&replica, "other").len()), (500, 500));
}

#[test]
fn each_job_that_no_replica_has_confirmed_says_so_under_its_id() {
    let master = master();
    let replica = replica_of(&master);
    let queue = durable(&configured(master.port(), |_| ()), "q");
    run(queue.set(&[Setting::MaxLength(Some(2))])).unwrap();
    replica.signal(Signal::STOP);
    let answers = run(queue.enqueue_many(jobs(400))).unwrap();
    replica.signal(Signal::CONT);
    let errors: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap_err()).collect();
    assert_eq!(errors.len(), 400);
    for (place, error) in errors.iter().enumerate() {
        let (kind, said) = match place {
            0 | 1 => (ErrorKind::OutcomeUnknown, format!("job job-{place} is stored in queue q, but no replica")),
            _ => (ErrorKind::Full, "queue q is full".to_owned()),
        };
        assert!(error.kind() == kind && error.to_string().contains(&said), "{place}: {error:?}");
    }
    let again = run(queue.enqueue_many(jobs(2))).unwrap();
    assert!(again.iter().all(|answer| answer.as_ref().unwrap().duplicate), "{again:?}");
    assert_eq!(held(&replica, "q").len(), 2);
}

#[test]
fn a_queue_that_is_not_durable_pays_nothing() {
    let master = master();
    let _replica = replica_of(&master);
    let client = configured(master.port(), |_| ());
    let plain = client.queue(name("plain"));
    let counted = |jobs: Vec<NewJob>| {
        master.query::<()>(&["CONFIG", "RESETSTAT"]);
        run(async {
            for job in jobs {
                plain.enqueue(job).await.unwrap();
            }
        });
        commands(&master)
    };
    // The first call loads the script and registers the queue.
    counted(jobs(1));
    let found = counted(jobs(101).split_off(1));
    let others = ["info", "wait", "role", "ping", "script|load", "client|list", "expire"];
    let sent: Vec<_> = others.iter().filter(|command| found.get(**command).is_some_and(|&calls| calls > 1)).collect();
    assert!(sent.is_empty(), "{found:?}");
    // The layout, what is known of the ids, and what is set: the one look into the settings tells of this one too.
    assert_eq!((found["evalsha"], found["hmget"], found["get"], found["set"]), (100, 300, 100, 100), "{found:?}");
    let clients: String = master.query(&["CLIENT", "LIST", "TYPE", "normal"]);
    assert_eq!(clients.matches("name=ireva-queue ").count(), 1, "{clients}");
}

#[test]
fn what_another_server_never_saw_is_handed_over_again() {
    let (old, new) = (master(), master());
    let (_old_replica, new_replica) = (replica_of(&old), replica_of(&new));
    for server in [&old, &new] {
        durable(&client(server), "q");
    }
    let target = Arc::new(AtomicU16::new(old.port()));
    let proxy = Proxy::to(Arc::clone(&target), |_| Fault::None);
    let queue = configured(proxy.port(), |_| ()).queue(name("q"));
    // The shared connection leads to the old server, the one that confirms to the new.
    run(queue.settings()).unwrap();
    target.store(new.port(), Ordering::SeqCst);
    let answers = run(queue.enqueue_many(jobs(700))).unwrap();
    assert!(answers.iter().all(|answer| !answer.as_ref().unwrap().duplicate));
    assert_eq!((held(&old, "q").len(), held(&new, "q").len(), held(&new_replica, "q").len()), (700, 700, 700));
    assert_eq!((waits(&old), waits(&new)), (0, 1));
}

#[test]
fn a_hand_over_that_a_failover_cuts_in_two_is_made_whole() {
    let (old, new) = (master(), master());
    let (_old_replica, new_replica) = (replica_of(&old), replica_of(&new));
    for server in [&old, &new] {
        durable(&client(server), "q");
        // So that no call has to be sent again for a script that is not loaded yet.
        run(client(server).queue(name("other")).enqueue(jobs(1).remove(0))).unwrap();
    }
    let target = Arc::new(AtomicU16::new(old.port()));
    let (calls, switch) = (AtomicU64::new(0), (Arc::clone(&target), new.port()));
    let proxy = Proxy::to(Arc::clone(&target), move |request| {
        // The second call of 300 jobs finds the old server gone.
        if request.words.len() > 300 && calls.fetch_add(1, Ordering::SeqCst) == 1 {
            switch.0.store(switch.1, Ordering::SeqCst);
            return Fault::Break;
        }
        Fault::None
    });
    let queue = configured(proxy.port(), |_| ()).queue(name("q"));
    let answers = run(queue.enqueue_many(jobs(700))).unwrap();
    assert!(answers.iter().all(|answer| !answer.as_ref().unwrap().duplicate));
    assert_eq!((held(&old, "q").len(), held(&new, "q").len(), held(&new_replica, "q").len()), (300, 700, 700));
    assert_eq!(proxy.faults(), 1);
}

#[test]
fn what_the_next_master_has_no_room_for_is_not_overtaken_there() {
    let (old, new) = (master(), master());
    let (_old_replica, new_replica) = (replica_of(&old), replica_of(&new));
    durable(&client(&old), "q");
    run(durable(&client(&new), "q").set(&[Setting::MaxLength(Some(400))])).unwrap();
    let target = Arc::new(AtomicU16::new(old.port()));
    let proxy = Proxy::to(Arc::clone(&target), |_| Fault::None);
    let queue = configured(proxy.port(), |_| ()).queue(name("q"));
    run(queue.settings()).unwrap();
    target.store(new.port(), Ordering::SeqCst);
    let answers = run(queue.enqueue_many(jobs(1_000))).unwrap();
    let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(ireva_queue::Error::kind)).collect();
    let (full, unknown) = (Some(ErrorKind::Full), Some(ErrorKind::OutcomeUnknown));
    assert_eq!(kinds, [vec![None; 400], vec![full; 200], vec![unknown; 400]].concat());
    let untold = answers[600].as_ref().unwrap_err().to_string();
    assert!(untold.contains("another redis is the master now, and job job-600 must be told again there"), "{untold}");
    assert_eq!((held(&old, "q").len(), held(&new_replica, "q").len()), (1_000, 400));
}

#[test]
fn a_lost_answer_of_the_confirmation_is_asked_for_again() {
    let master = master();
    let replica = replica_of(&master);
    durable(&client(&master), "q");
    for verb in ["INFO", "WAIT"] {
        let hit = AtomicU64::new(0);
        let proxy = Proxy::start(&master, move |request| {
            let first = request.verb() == verb && hit.fetch_add(1, Ordering::SeqCst) == 0;
            if first { Fault::DropReply } else { Fault::None }
        });
        let queue = configured(proxy.port(), |_| ()).queue(name("q"));
        let job = NewJob::new(&verb).unwrap();
        let added = run(queue.enqueue(job)).unwrap();
        assert!(!added.duplicate && held(&replica, "q").contains(added.id.as_str()), "{verb}");
        assert_eq!(proxy.faults(), 1, "{verb}");
    }
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_nobody_an_error() {
    let master = master();
    let _replica = replica_of(&master);
    let queue = durable(&configured(master.port(), |_| ()), "q");
    for job in jobs(3) {
        run(queue.enqueue(job)).unwrap();
        master.query::<u32>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }
    assert_eq!(held(&master, "q").len(), 3);
}

#[test]
fn a_master_that_falls_silent_before_it_confirms_leaves_the_outcome_unknown() {
    let master = master();
    let _replica = replica_of(&master);
    durable(&client(&master), "q");
    let stopped = Arc::new(OnceLock::new());
    let (pid, once) = (master.pid(), Arc::clone(&stopped));
    let proxy = Proxy::start(&master, move |request| {
        if request.verb() == "WAIT" && once.set(Instant::now()).is_ok() {
            signal(pid, Signal::STOP);
        }
        Fault::None
    });
    let queue = configured(proxy.port(), |_| ()).queue(name("q"));
    let began = Instant::now();
    let error = run(queue.enqueue(jobs(1).remove(0))).unwrap_err();
    master.signal(Signal::CONT);
    assert!(stopped.get().is_some());
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(error.to_string().contains("job job-0 is stored in queue q, but no replica has confirmed it"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(run(queue.enqueue(jobs(1).remove(0))).unwrap().duplicate);
}

#[test]
fn a_right_that_is_missing_is_named_and_the_job_is_stored() {
    let master = master();
    let _replica = replica_of(&master);
    durable(&client(&master), "q");
    master.query::<()>(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-wait"]);
    let cli = Cli::new(&master).env("REDIS_USERNAME", "app").env("REDIS_PASSWORD", "pass");
    let refused = cli.run(["enqueue", "q", "{}", "--id", "mine-1"]).expect(77);
    assert!(refused.stderr.contains("job mine-1 is stored") && refused.stderr.contains("'wait'"), "{}", refused.stderr);
    assert_eq!(cli.json(["jobs", "show", "mine-1"])["state"], "pending");
    let lines =
        cli.clone().stdin("{\"payload\":1,\"id\":\"line-1\"}\n").run(["enqueue", "q", "--ndjson", "-"]).expect(77);
    assert!(lines.stderr.contains("job line-1 is stored") && lines.stderr.contains("may be there"), "{}", lines.stderr);
}

#[test]
fn a_durable_queue_remembers_every_id() {
    let master = master();
    let _replica = replica_of(&master);
    let client = configured(master.port(), |_| ());
    let (durable, plain) = (durable(&client, "q"), client.queue(name("plain")));
    for (queue, duplicate) in [(durable, true), (plain, false)] {
        let job = NewJob::new(&1).unwrap();
        assert!(!run(queue.enqueue(job.clone())).unwrap().duplicate);
        run(queue.clear(&[JobState::Pending], &mut |_| ())).unwrap();
        assert_eq!(run(queue.enqueue(job)).unwrap().duplicate, duplicate, "what may be sent again is not run twice");
    }
}
