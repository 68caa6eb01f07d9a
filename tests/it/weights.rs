//! How the slots of a worker are shared among its queues.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::{
    Concurrency, JobContext, NewJob, Outcome, ProcessError, Processor, QueueName, Registry, Worker, WorkerBuilder,
};

use crate::ops_seed::{client, name};
use crate::support::*;

/// Takes so long, and notes its queue at the start.
#[derive(Clone)]
struct Noting {
    takes: Duration,
    started: Arc<Mutex<Vec<QueueName>>>,
}

impl Processor for Noting {
    type Payload = serde_json::Value;

    async fn process(&self, _payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        self.started.lock().unwrap().push(ctx.queue().clone());
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        Ok(Outcome::done())
    }
}

/// The queues of the first `count` of all starts, with so many jobs in each of the queues.
fn starts(
    (takes, slots): (Duration, usize),
    queues: &[(&str, usize)],
    count: usize,
    adjust: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
) -> BTreeMap<String, usize> {
    let redis = TestRedis::start();
    let client = client(&redis);
    let noting = Noting { takes, started: Arc::default() };
    let mut registry = Registry::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for (queue, jobs) in queues {
            registry.register(name(queue), noting.clone());
            let jobs = (0..*jobs).map(|_| NewJob::from_json("1".to_owned()).unwrap()).collect();
            client.queue(name(queue)).enqueue_many(jobs).await.unwrap();
        }
        let builder = Worker::builder(&client, registry).concurrency(Concurrency::Shared(slots)).until_empty(true);
        adjust(builder).build().unwrap().run().await.unwrap();
    });
    let started = noting.started.lock().unwrap();
    assert_eq!(started.len(), queues.iter().map(|(_, jobs)| jobs).sum::<usize>());
    let mut shares = BTreeMap::new();
    started.iter().take(count).for_each(|queue| *shares.entry(queue.to_string()).or_default() += 1);
    shares
}

fn part(shares: &BTreeMap<String, usize>, queue: &str) -> f64 {
    shares.get(queue).copied().unwrap_or_default() as f64 / shares.values().sum::<usize>() as f64
}

#[test]
fn starts_are_shared_by_weight_while_all_have_work() {
    let weights = || vec![(name("a"), 3), (name("b"), 1)];
    // Jobs that are claimed one by one, and such as are claimed hundreds at a time.
    for (takes, jobs, count) in [(20, 200, 200), (0, 6_000, 6_000)] {
        let queues = [("a", jobs), ("b", jobs)];
        let shares = starts((Duration::from_millis(takes), 4), &queues, count, |builder| builder.weights(weights()));
        assert!((part(&shares, "a") - 0.75).abs() < 0.08, "{takes} ms: {shares:?}");
    }
    let shares = starts((Duration::from_millis(20), 4), &[("a", 100), ("b", 100), ("c", 100)], 150, |builder| builder);
    assert!(["a", "b", "c"].iter().all(|queue| (part(&shares, queue) - 0.333).abs() < 0.08), "{shares:?}");
}

#[test]
fn a_queue_without_work_leaves_its_share_to_the_others() {
    let weights = vec![(name("a"), 1_000), (name("b"), 1)];
    let shares =
        starts((Duration::from_millis(5), 4), &[("a", 4), ("b", 200)], 204, |builder| builder.weights(weights));
    assert_eq!(shares["b"], 200);
}

#[test]
fn a_weight_needs_a_queue_and_a_number() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let noting = Noting { takes: Duration::ZERO, started: Arc::default() };
    let builder = || {
        let mut registry = Registry::new();
        registry.register(name("a"), noting.clone());
        Worker::builder(&client, registry)
    };
    assert!(builder().weights(vec![(name("a"), 5)]).build().is_ok());
    for wrong in [(name("b"), 1), (name("a"), 0), (name("a"), 1_001)] {
        assert!(builder().weights(vec![wrong.clone()]).build().is_err(), "{wrong:?}");
    }
}
