//! Operators at work while a worker is.

use std::time::Duration;

use ireva_queue::config::Setting;
use ireva_queue::{
    JobContext, JobState, NewJob, Outcome, Priority, ProcessError, Processor, Registry, ReviveOptions, Selection,
    Worker,
};

use crate::ops_seed::{client, name, run};
use crate::support::*;

struct Mixed;

impl Processor for Mixed {
    type Payload = u64;

    async fn process(&self, payload: u64, _ctx: &JobContext) -> Result<Outcome, ProcessError> {
        match payload % 10 {
            0 => Err(ProcessError::permanent("bad", "never")),
            1 => Err(ProcessError::transient("busy", "later")),
            _ => Ok(Outcome::done()),
        }
    }
}

#[test]
fn i1_i17_every_job_is_accounted_for_whatever_operators_do_meanwhile() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let (queue, inspector, letters) = (client.queue(name("q")), client.inspector(), client.dead_letters(name("q")));
    let mut registry = Registry::new();
    registry.register(name("q"), Mixed);
    let worker = Worker::builder(&client, registry).build().unwrap();
    let stopper = worker.stopper();
    let all = Selection::default();
    let enqueued = run(async {
        let running = tokio::spawn(worker.run());
        let mut enqueued = 0;
        for round in 0..20_u64 {
            let jobs = (0..150).map(|n| {
                let job = NewJob::new(&(round * 150 + n)).unwrap().priority(Priority::ALL[(n % 4) as usize]);
                if n % 7 == 0 { job.delay(Duration::from_millis(n * 20)) } else { job }
            });
            enqueued += queue.enqueue_many(jobs.collect()).await.unwrap().len() as u64;
            let found = inspector.jobs(&name("q"), &[], 0, 60).await.unwrap().items;
            for (n, job) in found.iter().enumerate() {
                // Each may have gone on since it was listed; what counts is that none gets lost.
                let Ok(job) = inspector.find(job.id.as_str(), Some(&name("q"))).await else { continue };
                let _ = match n % 4 {
                    0 => inspector.cancel(&job).await,
                    1 => inspector.promote(&job).await,
                    // What was completed or cancelled would be counted a second time.
                    2 if !matches!(job.state, JobState::Completed | JobState::Cancelled) => {
                        inspector.delete(&job).await
                    }
                    _ => inspector.retry(&job).await,
                };
            }
            letters.revive(&all, ReviveOptions::default(), &mut |_| ()).await.unwrap();
            match round % 5 {
                1 => _ = queue.pause().await.unwrap(),
                2 => _ = queue.resume().await.unwrap(),
                3 => _ = queue.clear(&[JobState::Pending, JobState::Retrying], &mut |_| ()).await.unwrap(),
                4 => _ = letters.delete(&all, false, &mut |_| ()).await.unwrap(),
                _ => _ = queue.set(&[Setting::Concurrency(Some(round as u32 + 1))]).await.unwrap(),
            }
        }
        stopper.stop();
        running.await.unwrap().unwrap();
        enqueued
    });
    let left = Snapshot::of(&redis, "q");
    left.assert_agrees();
    let stats = run(queue.stats()).unwrap();
    let totals = stats.totals;
    let live = stats.pending + stats.scheduled + stats.retrying;
    assert_eq!((totals.enqueued, stats.active, totals.orphaned), (enqueued, 0, 0));
    assert_eq!(totals.enqueued, totals.completed + totals.cancelled + totals.removed + live + stats.dead, "{stats:?}");
    assert!(totals.cancelled > 20 && totals.removed > 20 && totals.completed > 20 && totals.revived > 2, "{totals:?}");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
