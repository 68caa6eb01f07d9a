//! Workers and a producer while `queues set --partitions` changes their queue for real.

use super::*;

/// Enqueues fifty jobs at a time, in the order of their numbers and of twelve order keys, until it is told to stop; never far
/// ahead of those who run them.
async fn produce(client: Client, noting: Noting, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        if count > noting.count() + 1_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let one = |n: usize| job(&format!("{:02}-{n:06}", n % 12)).order_key(format!("key-{}", n % 12));
        enqueue(&client, "q", (count..count + 50).map(one)).await;
        count += 50;
    }
    count
}

/// Changes the number of partitions from one to others and back while `workers` work; how many jobs were accepted.
async fn spread_while(redis: &TestRedis, client: &Client, noting: &Noting, workers: Vec<Started>) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let producer = tokio::spawn(produce(client.clone(), noting.clone(), Arc::clone(&stop)));
    let cli = Cli::new(redis);
    for count in ["4", "8", "3", "1"] {
        let before = noting.count();
        tokio::task::block_in_place(|| cli.ok(["queues", "set", "q", "--partitions", count]));
        until("jobs are run behind the change", || noting.count() > before + 50).await;
    }
    stop.store(true, Ordering::SeqCst);
    let accepted = producer.await.unwrap();
    until("all are run", || noting.ids().len() == accepted && noting.running.load(Ordering::SeqCst) == 0).await;
    let former: Vec<_> = [3, 4, 8].into_iter().flat_map(|count| places("q", count)).collect();
    until("no place is worked that is no more", || former.iter().all(|place| super::workers(redis, place).is_empty()))
        .await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(schema_faults(redis), Vec::<String>::new());
    assert_eq!(held(redis, &former), 0, "all was moved");
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_follow_a_queue_that_is_spread_under_them_and_run_each_job_once() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    let workers = (0..3).map(|_| Started::new(builder(&client, &["q"], &noting))).collect();
    let accepted = spread_while(&redis, &client, &noting, workers).await;
    assert_eq!((noting.count(), noting.ids().len()), (accepted, accepted));
    assert!(noting.runs().iter().all(|run| run.attempt == 1), "no claim was taken for lost");
    Snapshot::of(&redis, "q").assert_agrees();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_an_order_key_keep_their_order_while_their_queue_is_spread() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    let one = builder(&client, &["q"], &noting).concurrency(Concurrency::Shared(1));
    spread_while(&redis, &client, &noting, vec![Started::new(one)]).await;
    let mut of_key = BTreeMap::<String, Vec<String>>::new();
    for run in noting.runs() {
        of_key.entry(run.id[..2].to_owned()).or_default().push(run.id);
    }
    assert_eq!(of_key.len(), 12);
    for (key, ids) in of_key {
        let broken = ids.windows(2).find(|two| two[0] >= two[1]);
        assert_eq!(broken, None, "key {key}");
    }
}
