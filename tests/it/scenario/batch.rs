//! Batches under failures: nothing counts twice, nothing is forgotten, and the job on completion runs once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ireva_queue::testing::{Ask, ByHand, Ending};
use ireva_queue::{BatchName, Client, JobId, NewJob, OnComplete, Opened};
use serde_json::Value;

use crate::ops_seed::{client, name, run};
use crate::support::*;

const LONG: Duration = Duration::from_secs(180);

fn counts(batch: &Value) -> [u64; 5] {
    ["total", "pending", "completed", "dead", "cancelled"].map(|word| batch[word].as_u64().unwrap())
}

fn show(cli: &Cli) -> Value {
    cli.json(["batch", "show", "b"])
}

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{{\"id\":\"row-{n}\",\"payload\":{n}}}\n")).collect()
}

/// Polls the batch until it is over; its counts never go back.
fn watch_to_the_end(cli: &Cli, total: u64, mut meanwhile: impl FnMut(u64)) -> Value {
    let mut last = [total, total, 0, 0, 0];
    wait_for(LONG, "the batch is over", || {
        let batch = show(cli);
        let now = counts(&batch);
        assert_eq!(now[0], total);
        assert_eq!(now[1], now[0] - now[2] - now[3] - now[4], "{now:?}");
        assert!(now[1] <= last[1] && (2..5).all(|place| now[place] >= last[place]), "{last:?} then {now:?}");
        last = now;
        meanwhile(total - now[1]);
        batch["finishedAt"].is_string().then_some(batch)
    })
}

#[test]
fn r42_a_thousand_jobs_with_failures_lost_replies_and_a_kill_count_once_each() {
    let redis = TestRedis::start();
    // Every ninth call of a script is executed, and its reply lost.
    let calls = AtomicU64::new(0);
    let proxy = Proxy::start(&redis, move |request| {
        let counted = request.verb().starts_with("EVAL");
        let nth = if counted { calls.fetch_add(1, Ordering::SeqCst) } else { 0 };
        if counted && nth % 9 == 4 { Fault::DropReply } else { Fault::None }
    });
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let through = cli.clone().env("REDIS_PORT", proxy.port().to_string());
    cli.ok(["queues", "set", "q", "--backoff", "fixed:100ms", "--remove-on-complete", "0"]);
    let body = r#"case $payload in *7) exit 65;; *3) [ "$IREVA_ATTEMPT" = 1 ] && exit 75;; esac; true"#;
    let program = ledger.program(body);
    let enqueue = ["enqueue", "q", "--from", "-", "--batch", "b", "--on-complete", "q", "\"done\""];
    through.clone().stdin(lines(1_000)).run(enqueue).expect(0);
    let follower = show(&cli)["onComplete"]["id"].as_str().unwrap().to_owned();

    let work = ["q", "--concurrency", "6", "--lease", "4s", "--exec", &program];
    let mut first = through.work(work);
    let mut second = None;
    let over = watch_to_the_end(&cli, 1_000, |ended| {
        if ended >= 200 && second.is_none() {
            first.kill9();
            second = Some(through.work(work));
        }
    });
    assert_eq!(counts(&over), [1_000, 0, 900, 100, 0]);
    wait_until(LONG, "the job on completion has run", || ledger.count("end").contains_key(&follower));
    assert_eq!(second.unwrap().stop(LONG), Some(0));
    assert_eq!(ledger.starts()[&follower], 1, "exactly once");
    let last = ledger.of("start").into_iter().filter(|line| line.id != follower).map(|line| line.at_ms).max();
    assert!(ledger.of("start").iter().any(|line| line.id == follower && Some(line.at_ms) >= last), "after the last");
    assert!(proxy.faults() > 10, "replies were lost: {}", proxy.faults());
    assert_eq!(cli.json(["stats", "q"])["totals"]["enqueued"], 1_001);
    Snapshot::of(&redis, "q").assert_agrees();
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn r43_an_empty_batch_is_over_at_once() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    for queue in ["q", "other"] {
        cli.clone()
            .stdin("")
            .run(["enqueue", "q", "--from", "-", "--batch", queue, "--on-complete", queue, "1"])
            .expect(0);
        let batch = cli.json(["batch", "show", queue]);
        assert!(counts(&batch) == [0; 5] && batch["finishedAt"].is_string(), "{batch}");
    }
    let mut worker = cli.work(["q", "--exec", &program]);
    let other = || redis.query::<u64>(&["ZCARD", &redis.key("other", "pending:2")]);
    wait_until(LONG, "both have been enqueued", || ledger.of("end").len() == 1 && other() == 1);
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn r43_a_worker_that_dies_while_it_hands_over_loses_nothing_and_doubles_nothing() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    cli.keep_completed("other");
    // The other queue takes nothing for now.
    cli.ok(["queues", "set", "other", "--max-length", "1"]);
    cli.enqueue("other", "0", &["--delay", "1h", "--id", "filler-1"]);
    let enqueue = ["enqueue", "q", "--from", "-", "--batch", "b", "--on-complete", "other", "{\"n\":1.0}"];
    cli.clone().stdin(lines(20)).run(enqueue).expect(0);
    let follower = show(&cli)["onComplete"]["id"].as_str().unwrap().to_owned();
    let mut first = cli.work(["q", "--lease", "4s", "--exec", &program]);
    watch_to_the_end(&cli, 20, |_| ());
    first.kill9();
    let outbox = redis.key("q", "outbox");
    let noted: String = redis.query(&["HGET", &outbox, &follower]);

    cli.ok(["jobs", "delete", "filler-1"]);
    let mut second = cli.work(["q", "--lease", "4s", "--exec", &program]);
    let empty = || redis.query::<u64>(&["EXISTS", &outbox]) == 0;
    wait_until(LONG, "it is handed over", empty);
    let job = cli.json(["jobs", "show", &follower]);
    assert_eq!((job["queue"].as_str(), job["payload"].to_string().as_str()), (Some("other"), r#"{"n":1.0}"#));

    // As if the worker had died between the hand-over and its note of it, also where the job is done and gone.
    redis.query::<()>(&["HSET", &outbox, &follower, &noted]);
    wait_until(LONG, "it is taken from there again", empty);
    cli.ok(["jobs", "delete", &follower]);
    redis.query::<()>(&["HSET", &outbox, &follower, &noted]);
    wait_until(LONG, "and once more", empty);
    assert_eq!(second.stop(LONG), Some(0));
    assert_eq!(cli.json(["stats", "other"])["totals"]["enqueued"], 2, "the filler and one more");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn r43_a_batch_of_100_000_takes_bounded_memory_and_calls_back_once() {
    let redis = TestRedis::start();
    let client: Client = client(&redis);
    let batch: BatchName = "b".parse().unwrap();
    let payload = NewJob::new(&"done").unwrap().payload().to_owned();
    run(async {
        let follower = OnComplete { queue: name("q"), payload };
        let opened = client.batches().open(&name("q"), &batch, Some(&follower)).await.unwrap();
        assert_eq!(opened, Opened::Begun);
        let queue = client.queue(name("q"));
        for _ in 0..20 {
            let jobs = (0..5_000).map(|n| NewJob::new(&n).unwrap().batch(batch.clone())).collect();
            assert!(queue.enqueue_many(jobs).await.unwrap().iter().all(Result::is_ok));
        }
        assert_eq!(client.batches().seal(&name("q"), &batch).await.unwrap().pending, 100_000);
    });
    let size: u64 = redis.query(&["MEMORY", "USAGE", &redis.key("q", "batched"), "SAMPLES", "100"]);
    assert!(size / 100_000 < 128, "{} bytes a job", size / 100_000);
    let own: u64 = redis.query(&["MEMORY", "USAGE", &redis.key("q", "batch:b")]);
    assert!(own < 2_000, "{own} bytes for the batch itself");

    // By hand, 500 at a time, and every call comes twice, as after a lost reply.
    let (by_hand, worker) = (ByHand::new(&client, &name("q")), format!("host-1-{}", JobId::generate()));
    let mut completed = 0;
    run(async {
        for call in 1.. {
            let (worker, slots) = (worker.clone(), 500);
            let ask = Ask { worker: worker.clone(), call, slots, prefetch: 0, lease_ms: 60_000, alone: false };
            let held = by_hand.fetch(&ask).await.unwrap().jobs;
            if held.is_empty() {
                break;
            }
            completed += held.len();
            let done = || Ending::Complete { result: String::new() };
            let ends: Vec<_> = held.into_iter().map(|job| (job.id, job.claim, done())).collect();
            for _ in 0..2 {
                by_hand.end(&worker, &ends).await.unwrap();
            }
        }
    });
    assert_eq!(completed, 100_001, "the jobs, and the one that follows them");
    let over = run(client.batches().find(&batch, None)).unwrap();
    assert_eq!((over.completed, over.pending, over.finished_at.is_some()), (100_000, 0, true));
    assert_eq!(redis.query::<u64>(&["EXISTS", &redis.key("q", "batched")]), 0);
    Snapshot::of(&redis, "q").assert_agrees();
}

#[test]
fn r43_a_batch_survives_the_loss_of_its_master() {
    let mut set = Sentinels::start();
    let cli = set.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value));
    let ledger = Ledger::new();
    let program = ledger.program("");
    let enqueue = ["enqueue", "q", "--from", "-", "--batch", "b", "--on-complete", "q", "\"done\""];
    cli.clone().stdin(lines(300)).run(enqueue).expect(0);
    let key = set.servers[0].key("q", "batch:b");
    let sealed = |server: &TestRedis| server.query::<Option<String>>(&["HGET", &key, "sealed"]).is_some();
    wait_until(LONG, "the replicas have it", || set.servers.iter().all(sealed));
    let follower = show(&cli)["onComplete"]["id"].as_str().unwrap().to_owned();
    let mut worker = cli.work(["q", "--concurrency", "4", "--lease", "4s", "--exec", &program]);
    ledger.wait("end", 60, LONG);
    set.kill_master();
    wait_until(LONG, "the job on completion has run", || ledger.count("end").contains_key(&follower));
    assert_eq!(worker.stop(LONG), Some(0));
    assert_eq!(counts(&show(&cli)), [300, 0, 300, 0, 0]);
    assert_eq!(ledger.starts()[&follower], 1);
    Snapshot::of(set.master(), "q").assert_agrees();
}
