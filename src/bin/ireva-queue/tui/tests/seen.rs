//! What is read from a real server, and how it is drawn.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use ireva_queue::config::Config;
use ireva_queue::{
    Client, Concurrency, ErrorKind, JobContext, Located, NewJob, Outcome, ProcessError, Processor, Registry, Worker,
    local_now,
};
use tokio::sync::Notify;

use super::redis_server::TestRedis;
use super::*;
use crate::tui::act::Act;
use crate::tui::load::{Loader, Wants};
use crate::tui::rows::Pane;
use crate::tui::state::Mode;

const DEADLINE: Duration = Duration::from_secs(30);

/// Fails with the code that the payload names; of `hold` it tells a part and goes on until it is let go.
struct Worked(Arc<Notify>);

impl Processor for Worked {
    type Payload = String;

    async fn process(&self, payload: String, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        if payload != "hold" {
            return Err(ProcessError::permanent(payload, "no such mailbox"));
        }
        ctx.progress(1_200, Some(5_000), "rows");
        tokio::select! {
            () = self.0.notified() => Ok(Outcome::done()),
            _ = ctx.cancelled() => Err(ProcessError::transient("stopped", "cancelled")),
        }
    }
}

fn client(redis: &TestRedis) -> Client {
    let env = redis.env();
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Client::new(&Config::from_lookup(lookup, None).unwrap()).unwrap()
}

async fn enqueue(client: &Client, queue: &str, id: &str, payload: &str) {
    let job = NewJob::new(&payload).unwrap().id(JobId::new(id).unwrap());
    client.queue(name(queue)).enqueue(job).await.unwrap();
}

/// Looks until what is seen is as wanted. Every job counts as one that has run for long.
async fn look_until(loader: &mut Loader, look: Option<Located>, holds: impl Fn(&Facts) -> bool) -> Facts {
    let end = Instant::now() + DEADLINE;
    loop {
        let now = local_now() + TimeDelta::seconds(100);
        let wants = Wants { queues: Vec::new(), running: 20, look: look.clone(), now };
        let facts = loader.look(&wants).await.unwrap();
        if holds(&facts) {
            return facts;
        }
        assert!(Instant::now() < end, "{facts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_configuration_sees_everything_and_changes_nothing() {
    let redis = TestRedis::start();
    let writer = client(&redis);
    for n in 0..3 {
        enqueue(&writer, "email", &format!("dead-{n}"), "smtp_5xx").await;
    }
    enqueue(&writer, "waiting", "job-0001", "x").await;
    let mut registry = Registry::new();
    registry.register(name("email"), Worked(Arc::default()));
    let worker = Worker::builder(&writer, registry).until_empty(true).build().unwrap();
    worker.run().await.unwrap();
    let mut env = redis.env();
    env.push(("IREVA_QUEUE_READ_ONLY".to_owned(), "on".to_owned()));
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let reader = Client::new(&Config::from_lookup(lookup, None).unwrap()).unwrap();
    let dead = Located::new(name("email"), JobId::new("dead-1").unwrap(), JobState::Dead);
    let seen = look_until(&mut Loader::new(reader.clone()), Some(dead), |facts| facts.causes.len() == 1).await;
    assert_eq!((seen.queues.len(), seen.causes[0].group.count), (2, 3));
    assert!(seen.looked.is_some(), "{seen:?}");
    let error = Act::Pause(name("waiting")).run(&reader, &Arc::default()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("read-only"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_holds_is_shown_and_acted_on() {
    let redis = TestRedis::start();
    let (client, held) = (client(&redis), Arc::new(Notify::new()));
    let mut loader = Loader::new(client.clone());
    enqueue(&client, "waiting", "job-0001", "x").await;
    client.queue(name("waiting")).pause().await.unwrap();
    for n in 0..3 {
        enqueue(&client, "email", &format!("dead-{n}"), if n == 0 { "smtp_5xx" } else { "unknown_template" }).await;
    }
    enqueue(&client, "email", "hold-0001", "hold").await;
    let mut registry = Registry::new();
    registry.register(name("email"), Worked(held.clone()));
    let several = Concurrency::Shared(4);
    let worker = Worker::builder(&client, registry).concurrency(several).build().unwrap();
    let stopper = worker.stopper();
    let work = tokio::spawn(worker.run());

    let job = Located::new(name("email"), JobId::new("hold-0001").unwrap(), JobState::Active);
    let all = |facts: &Facts| {
        let told = facts.running.first().is_some_and(|running| running.progress.is_some());
        let looked = facts.looked.as_ref().and_then(|(_, details)| details.as_ref().ok());
        told && looked.is_some_and(|details| details.progress.is_some())
            && facts.dead() == 3
            && facts.causes.len() == 2
            && facts.workers.len() == 1
    };
    let facts = look_until(&mut loader, Some(job.clone()), all).await;
    let counts: Vec<_> = facts.causes.iter().map(|cause| (cause.group.key.as_str(), cause.group.count)).collect();
    assert_eq!(counts, [("unknown_template", 2), ("smtp_5xx", 1)]);
    for (width, height) in [(80, 24), (120, 40)] {
        let mut state = state(width, height, facts.clone());
        state.now = facts.running[0].job.since + TimeDelta::seconds(754);
        let text = screen(&state).join("\n");
        let words =
            ["waiting", "paused", "hold-0001", "12m 34s", "24% 1,200 of 5,000 rows", "unknown_template", "ready"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        state.focus = Pane::Running;
        state.settle();
        let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
        crate::tui::input::press(&mut state, enter);
        let Mode::Look(look) = &state.mode else { panic!("{:?}", state.mode) };
        assert!(look.lines.iter().any(|line| line.contains("1200 of 5000 rows (24 %)")), "{:?}", look.lines);
        assert!(screen(&state).join("\n").contains("\"hold\""), "the payload");
    }

    let done = Arc::new(AtomicU64::new(0));
    let said = Act::Resume(name("waiting")).run(&client, &done).await.unwrap();
    assert_eq!(said, "waiting is running");
    assert_eq!(Act::Resume(name("waiting")).run(&client, &done).await.unwrap(), "waiting is already running");
    let revive = Act::Revive { queue: name("email"), code: "smtp_5xx".to_owned(), count: 1, at_least: false };
    assert_eq!(revive.run(&client, &done).await.unwrap(), "1 dead letter of email revived");
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 1);
    // It dies again of the same; the numbers tell that it was revived, so the groups are asked for anew.
    look_until(&mut loader, None, |facts| {
        let email = facts.queues.iter().find(|stats| stats.queue == name("email")).unwrap();
        email.totals.revived == 1 && facts.dead() == 3 && facts.causes.len() == 2
    })
    .await;
    Act::Cancel(job.clone()).run(&client, &done).await.unwrap();
    let facts = look_until(&mut loader, Some(job), |facts| facts.running.is_empty()).await;
    assert!(facts.looked.is_some());
    stopper.stop();
    work.await.unwrap().unwrap();
}

#[tokio::test]
async fn groups_are_asked_for_again_only_when_their_numbers_change() {
    let redis = TestRedis::start();
    let client = client(&redis);
    let mut loader = Loader::new(client.clone());
    enqueue(&client, "q", "dead-0001", "smtp_5xx").await;
    let mut registry = Registry::new();
    registry.register(name("q"), Worked(Arc::new(Notify::new())));
    Worker::builder(&client, registry).until_empty(true).build().unwrap().run().await.unwrap();
    let facts = look_until(&mut loader, None, |facts| facts.causes.len() == 1).await;
    assert_eq!(facts.causes[0].group.key, "smtp_5xx");
    // What is stored of it is changed behind the back of the numbers: whoever asked again would see it.
    redis.query::<()>(&["DEL", &redis.key("q", "history")]);
    let facts = look_until(&mut loader, None, |_| true).await;
    assert_eq!(facts.causes[0].group.key, "smtp_5xx");
    let facts = look_until(&mut Loader::new(client), None, |_| true).await;
    assert_ne!(facts.causes[0].group.key, "smtp_5xx");
}

#[tokio::test]
async fn named_queues_alone_are_looked_at_and_must_exist() {
    let redis = TestRedis::start();
    let client = client(&redis);
    enqueue(&client, "a", "job-0001", "x").await;
    enqueue(&client, "b", "job-0002", "x").await;
    let wants = |queue: &str| Wants { queues: vec![name(queue)], running: 5, look: None, now: local_now() };
    let facts = Loader::new(client.clone()).look(&wants("b")).await.unwrap();
    assert_eq!(facts.queues.iter().map(|stats| stats.queue.as_str()).collect::<Vec<_>>(), ["b"]);
    let error = Loader::new(client).look(&wants("c")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
