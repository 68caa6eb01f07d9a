//! What holds for a worker holds over all places of a queue: its limits, who runs alone, services that are down, its end.

use ireva_queue::BreakerRule;

use super::*;

/// Fails while its service is away.
#[derive(Clone)]
struct Bound {
    noting: Noting,
    away: Arc<AtomicBool>,
}

impl Processor for Bound {
    type Payload = i64;

    fn dependency(&self) -> Option<String> {
        Some("service".to_owned())
    }

    async fn process(&self, millis: i64, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let away = self.away.load(Ordering::SeqCst);
        self.noting.process(millis, ctx).await?;
        match away {
            true => Err(ProcessError::transient("connection_refused", "nobody is there").blame("service")),
            false => Ok(Outcome::done()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_may_do_in_all_it_may_do_over_all_places() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    enqueue(&client, "q", (0..200).map(|n| job(&format!("job-{n}")))).await;
    Started::new(builder(&client, &["q"], &noting).max_jobs(13)).ends().await;
    assert_eq!((noting.count(), held(&redis, &places("q", 8))), (13, 187));
    let rate = "100/s:5".parse().unwrap();
    let began = Instant::now();
    Started::new(builder(&client, &["q"], &noting).rate(rate).max_jobs(105)).ends().await;
    assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
    assert_eq!(noting.count(), 118);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_one_crash_short_of_the_limit_runs_alone_among_all_places() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let busy = |n: usize| NewJob::new(&3).unwrap().id(id(&format!("job-{n}")));
    enqueue(&client, "q", (0..400).map(busy).chain([NewJob::new(&50).unwrap().id(id("poison"))])).await;
    let place = places("q", 8).into_iter().find(|place| lines(&redis, place).contains(&"poison".to_owned())).unwrap();
    redis.query::<()>(&["HSET", &redis.key(&place, "crashes"), "poison", "2"]);
    let report = Started::new(builder(&client, &["q"], &noting).until_empty(true)).ends().await;
    assert_eq!(report.completed, 401);
    let runs = noting.runs();
    let poison = runs.iter().find(|run| run.id == "poison").unwrap();
    assert_eq!(poison.beside, 0);
    let beside =
        |run: &&Run| run.id != "poison" && run.began < poison.ended.unwrap() && run.ended.unwrap() > poison.began;
    assert_eq!(runs.iter().filter(beside).count(), 0, "nothing ran beside it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_tried_with_the_one_job_there_is_in_whichever_place() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    enqueue(&client, "q", [job("only")]).await;
    let bound = Bound { noting: noting.clone(), away: Arc::new(AtomicBool::new(true)) };
    let mut registry = Registry::new();
    registry.register(name("q"), bound.clone());
    let rule = BreakerRule { failures: 1, ..BreakerRule::default() };
    let rule = BreakerRule { first: Duration::from_millis(300), most: Duration::from_millis(600), ..rule };
    let worker = Started::new(Worker::builder(&client, registry).breaker(Some(rule)).lease(LEASE));
    until("it was tried a few times", || noting.count() >= 4).await;
    bound.away.store(false, Ordering::SeqCst);
    until("it is done", || held(&redis, &places("q", 8)) == 0).await;
    assert!(noting.runs().iter().all(|run| run.attempt == 1), "waiting for a service uses no attempt");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_slots_of_its_own_has_as_many_over_all_places() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let one = |n: usize| NewJob::new(&5).unwrap().id(id(&format!("job-{n}")));
    enqueue(&client, "q", (0..120).map(one)).await;
    let own = Concurrency::PerQueue(vec![(name("q"), 2)]);
    Started::new(builder(&client, &["q"], &noting).concurrency(own).until_empty(true)).ends().await;
    assert_eq!((noting.count(), noting.most.load(Ordering::SeqCst)), (120, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_failed_come_again_in_their_places_before_the_worker_ends() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let bound = Bound { noting: noting.clone(), away: Arc::new(AtomicBool::new(true)) };
    let mut registry = Registry::new();
    registry.register(name("q"), bound);
    let one = |n: usize| job(&format!("job-{n}")).attempts(3).backoff("fixed:100ms".parse().unwrap());
    enqueue(&client, "q", (0..80).map(one)).await;
    let worker = Worker::builder(&client, registry).breaker(None).lease(LEASE).until_empty(true);
    let report = Started::new(worker).ends().await;
    assert_eq!((report.completed, report.failed, noting.count()), (0, 240, 240));
    let dead: u64 = places("q", 8).iter().map(|place| redis.query::<u64>(&["ZCARD", &redis.key(place, "dead")])).sum();
    assert_eq!(dead, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_back_what_it_holds_in_every_place() {
    let redis = TestRedis::start();
    let (client, noting) = (client(&redis), Noting::default());
    lay_out(&redis, "q", 8);
    let one = |n: usize| NewJob::new(&-1).unwrap().id(id(&format!("job-{n}")));
    enqueue(&client, "q", (0..64).map(one)).await;
    let many = Concurrency::Shared(64);
    let worker = Started::new(builder(&client, &["q"], &noting).concurrency(many).grace(Duration::from_millis(100)));
    until("all run", || noting.running.load(Ordering::SeqCst) == 64).await;
    let all = places("q", 8);
    assert!(all.iter().all(|place| redis.query::<u64>(&["HLEN", &redis.key(place, "active")]) > 0));
    let report = worker.stop().await;
    assert_eq!((report.released, report.unconfirmed), (64, 0));
    assert_eq!(all.iter().map(|place| lines(&redis, place).len()).sum::<usize>(), 64);
    for place in &all {
        assert!(workers(&redis, place).is_empty());
        Snapshot::of(&redis, place).assert_agrees();
    }
}
