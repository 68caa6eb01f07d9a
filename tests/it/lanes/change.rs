//! Workers while the number of partitions of their queue changes, or a node is away that has some. What a change writes is
//! written by hand here.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_follows_a_queue_to_other_places_and_leaves_those_that_it_had() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    keep_none(&redis, "q", 1);
    let hold = |n: usize| NewJob::new(&-1).unwrap().id(id(&format!("hold-{n}")));
    enqueue(&client, "q", (0..2).map(hold).chain((0..50).map(|n| job(&format!("1-{n}"))))).await;
    let worker = Started::new(builder(&client, &["q"], &noting));
    until("the first are run", || noting.count() == 52).await;
    let (mut before, mut sum) = (1, 52);
    for after in [8, 3, 1] {
        spread(&redis, "q", before, after);
        if after != 3 {
            raise(&redis, "q", [before, after]);
        }
        enqueue(&client, "q", (0..100).map(|n| job(&format!("then-{after}-{n}")))).await;
        sum += 100;
        until("those in the new places are run", || noting.count() == sum).await;
        assert!(places("q", after).iter().all(|place| workers(&redis, place) == [worker.id.clone()]));
        // Those that wait for their end keep the lease where they are, also after the change.
        assert_eq!(workers(&redis, &places("q", before)[0]), std::slice::from_ref(&worker.id));
        settle(&redis, "q");
        if before == 1 {
            assert_eq!(redis.query::<u64>(&["HLEN", &redis.key("q", "active")]), 2);
            noting.release();
            until("they have ended", || noting.running.load(Ordering::SeqCst) == 0).await;
        }
        let former: Vec<_> = places("q", before);
        until("the former places are left", || former.iter().all(|place| workers(&redis, place).is_empty())).await;
        before = after;
    }
    let said = redis.query::<String>(&["HGET", &format!("ireva:queue:worker:{}", worker.id), "queues"]);
    assert_eq!(said, "q", "a queue is named once");
    assert_eq!(worker.stop().await.completed, 352);
    for count in [1, 3, 8] {
        assert_left(&redis, &places("q", count));
    }
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_was_left_with_a_job_in_it_is_worked_on() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    keep_none(&redis, "q", 1);
    enqueue(&client, "q", [job("first")]).await;
    let worker = Started::new(builder(&client, &["q"], &noting));
    until("the first is run", || noting.has_run("first")).await;
    until("it has ended", || held(&redis, &["q".to_owned()]) == 0).await;
    // Written by who has never heard of partitions, just before the worker looks.
    let late = (NOW_US / 1_000 + 10_000_000_000_000) * 4 + 2;
    Seed { redis: &redis, queue: "q" }.job("scheduled", "late", late, "");
    redis.query::<()>(&["HSET", &redis.key("q", "jobs"), "late", &format!("{NOW_US}{{\"payload\":0}}")]);
    spread(&redis, "q", 1, 2);
    settle(&redis, "q");
    raise(&redis, "q", [1, 2]);
    until("the new places are worked on", || places("q", 2).iter().all(|place| !workers(&redis, place).is_empty()))
        .await;
    redis.query::<()>(&["ZADD", &redis.key("q", "scheduled"), "2", "late"]);
    until("the late one is run", || noting.count() == 2).await;
    until("and the place is left", || workers(&redis, "q").is_empty()).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_when_its_queue_is_empty_waits_for_the_end_of_a_change() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    enqueue(&client, "q", (0..20).map(|n| job(&format!("old-{n}")))).await;
    spread(&redis, "q", 1, 2);
    // So that the new places keep their jobs until the former one is empty.
    let held_up =
        |place: &String| redis.query::<()>(&["HSET", &redis.key(place, "config"), "paused", "1", "version", "1"]);
    places("q", 2).iter().for_each(held_up);
    enqueue(&client, "q", (0..20).map(|n| job(&format!("new-{n}")))).await;
    let worker = Started::new(builder(&client, &["q"], &noting).until_empty(true));
    until("the old ones are run", || noting.count() == 20).await;
    let asked = || {
        let stats: String = redis.query(&["INFO", "commandstats"]);
        let line = stats.lines().find(|line| line.starts_with("cmdstat_hmget:")).unwrap_or_default().to_owned();
        line.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = asked();
    until("it has looked for more several times", || asked() > before + 20).await;
    assert!(!worker.running.is_finished(), "jobs wait for the end of the change");
    for place in places("q", 2) {
        redis.query::<()>(&["HDEL", &redis.key(&place, "config"), "paused"]);
    }
    settle(&redis, "q");
    raise(&redis, "q", [1, 2]);
    assert_eq!(worker.ends().await.completed, 40);
    assert!(noting.runs()[..20].iter().all(|run| run.id.starts_with("old-")));
    assert_left(&redis, &places("q", 2));
}

#[test]
fn a_dead_node_holds_up_only_the_places_that_it_has() {
    let mut cluster = Cluster::with(0, |node| node.set("cluster-require-full-coverage no"));
    let (cli, ledger) = (cluster.cli(), Ledger::new());
    let all = places("q", 8);
    let home = cluster.owner("q");
    let owners: Vec<_> = all.iter().map(|place| cluster.owner(place)).collect();
    for server in 0..3 {
        assert!(owners.contains(&server), "each node has some of the places: {owners:?}");
    }
    let key = |place: &str, suffix: &str| cluster.servers[0].key(place, suffix);
    cluster.servers[home].query::<()>(&["HSET", &key("q", "meta"), "layout", "1", "partitions", "8"]);
    cluster.servers[home].query::<()>(&["HSET", &key("q", "config"), "partitions", "8"]);
    let line = |name: &str, n: usize, order: usize| {
        format!("{{\"id\":\"{name}-{n}\",\"payload\":1,\"orderKey\":\"{order}\"}}")
    };
    cli.enqueue_lines("q", (0..40).map(|n| line("first", n, n)));
    // Where each order key leads.
    let mut place_of = BTreeMap::new();
    for (place, owner) in all.iter().zip(&owners) {
        let ids: Vec<String> = cluster.servers[*owner].query(&["ZRANGE", &key(place, "pending:2"), "0", "-1"]);
        ids.iter().for_each(|id| _ = place_of.insert(id["first-".len()..].parse::<usize>().unwrap(), *owner));
    }
    assert_eq!(place_of.len(), 40);
    let program = ledger.program("");
    let work = ["q", "--concurrency", "4", "--lease", "5s", "--exec", &program];
    let mut worker = cli.work(work).ready();
    let ended = |ledger: &Ledger, word: &str, ids: &[usize]| {
        let ends = ledger.count("end");
        ids.iter().all(|n| ends.contains_key(&format!("{word}-{n}")))
    };
    let keys: Vec<_> = (0..40).collect();
    wait_until(LONG, "all places are worked on", || ended(&ledger, "first", &keys));

    let dead = (0..3).find(|server| *server != home).unwrap();
    cluster.servers[dead].kill9();
    let (lost, there): (Vec<_>, Vec<_>) = keys.iter().partition(|n| place_of[n] == dead);
    let lines = |word: &str, keys: &[usize]| keys.iter().map(|n| line(word, *n, *n) + "\n").collect::<String>();
    let told = lines("second", &there);
    wait_until(LONG, "the jobs of the others are taken", || {
        cli.clone().stdin(told.as_str()).run(["enqueue", "q", "--ndjson", "-"]).code == Some(0)
    });
    wait_until(LONG, "and run", || ended(&ledger, "second", &there));
    // A worker that starts now works in the other places, too.
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    let mut worker = cli.work(work).ready();
    let told = lines("third", &there);
    cli.clone().stdin(told.as_str()).run(["enqueue", "q", "--ndjson", "-"]).expect(0);
    wait_until(LONG, "they are run beside a dead node", || ended(&ledger, "third", &there));

    cluster.servers[dead].restart();
    let told = lines("fourth", &lost);
    wait_until(LONG, "the dead one is back", || {
        cli.clone().stdin(told.as_str()).run(["enqueue", "q", "--ndjson", "-"]).code == Some(0)
    });
    wait_until(LONG, "and its places are worked on", || ended(&ledger, "fourth", &lost));
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    for (place, owner) in all.iter().zip(owners) {
        Snapshot::of(&cluster.servers[owner], place).assert_agrees();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_a_place_that_came_later_keeps_its_lease() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    let worker = Started::new(builder(&client, &["q"], &noting));
    until("it works", || !workers(&redis, "q").is_empty()).await;
    spread(&redis, "q", 1, 2);
    raise(&redis, "q", [1, 2]);
    enqueue(&client, "q", [NewJob::new(&-1).unwrap().id(id("long"))]).await;
    until("it runs", || noting.count() == 1).await;
    let held = |place: &String| redis.query::<bool>(&["HEXISTS", &redis.key(place, "active"), "long"]);
    let place = places("q", 2).into_iter().find(held).unwrap();
    let lease = || redis.query::<f64>(&["ZSCORE", &redis.key(&place, "workers"), &worker.id]);
    let first = lease();
    until("more than a lease has passed", || lease() > first + 2.0 * LEASE.as_millis() as f64).await;
    noting.release();
    until("it has ended", || !held(&place)).await;
    let report = worker.stop().await;
    assert_eq!((report.completed, noting.count()), (1, 1), "nobody took it back");
}
