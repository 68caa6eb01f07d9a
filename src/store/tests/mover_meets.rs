//! What schedules fire, and what is undone, while the number of partitions of a queue changes: no unique key is held by two.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::mover::{Bench, Hand, id, job, queue_name};
use crate::audit::{Audit, AuditEntry};
use crate::bulk::ActOptions;
use crate::config::Setting;
use crate::error::ErrorKind;
use crate::inspector::Located;
use crate::job::{JobState, NewJob, Partitions};
use crate::schedule::{Schedule, Timing};
use crate::schedules;
use crate::store::{Appointed, Appointment, End, QueueKeys, StoredSchedule, scripts};
use crate::undo::UndoReport;

const KEPT: End<'_> = End::Complete { result: "null" };

impl Bench {
    async fn appoint(&self, name: &str, key: &str) {
        let job = NewJob::new(&1).unwrap().unique(key);
        let timing = Timing::every(Duration::from_secs(3_600)).unwrap();
        let schedule = Schedule::new(name.parse().unwrap(), queue_name(), timing, job).unwrap();
        self.client.schedules().add(&schedule, true).await.unwrap();
    }

    fn number(&self, call: &[&str]) -> u64 {
        self.redis.query(call)
    }

    fn waiting(&self, keys: &QueueKeys) -> u64 {
        self.number(&["ZCARD", &format!("{}pending:2", Self::base(keys))])
    }

    /// Where a schedule is.
    async fn place_of(&self, name: &str) -> QueueKeys {
        let has = |keys: &QueueKeys| self.number(&["HEXISTS", &format!("{}schedules", Self::base(keys)), name]) == 1;
        self.places().await.into_iter().find(has).unwrap()
    }

    /// Lets the tick of a schedule come, and what has come be fired where it is; how the last tick went.
    async fn tick(&self, name: &str) -> Option<String> {
        let keys = self.place_of(name).await;
        let second = self.redis.query::<(i64, i64)>(&["TIME"]).0 - 1;
        let ticks = format!("{}ticks", Self::base(&keys));
        self.redis.query::<()>(&["ZADD", &ticks, "XX", &format!("{second}000"), name]);
        schedules::round(&self.store, &keys, "me", &|_| ()).await.unwrap();
        let last = self.client.schedules().find(&name.parse().unwrap(), Some(&queue_name())).await.unwrap().last;
        last.map(|last| last.outcome)
    }

    /// Begins to move a schedule, as by a command that is killed behind its first step.
    async fn stop(&self, came: bool) -> (QueueKeys, StoredSchedule) {
        let keys = self.place_of("s").await;
        let (now_ms, there) = self.store.schedule(&keys, "s").await.unwrap();
        let there = there.unwrap();
        let next_ms = Some(if came { now_ms - 1 } else { now_ms + 60_000 });
        let (name, revision, text) = ("s", there.revision.as_str(), there.text.as_str());
        let stopped = Appointment { name, revision, paused: false, moving: true, next_ms, word: "moving", text };
        assert_eq!(self.store.appoint(&keys, "me", stopped).await.unwrap(), Appointed::Done);
        let seen = self.store.schedule(&keys, "s").await.unwrap().1.unwrap();
        (keys, seen)
    }

    /// It is in one place, and has ticks.
    async fn goes_on_once(&self) {
        let mut found = Vec::new();
        for keys in self.places().await {
            found.extend(self.store.schedule(&keys, "s").await.unwrap().1);
        }
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].paused && !found[0].moving && found[0].next_ms.is_some(), "{found:?}");
    }

    async fn act(&self, act: &str) -> AuditEntry {
        Audit::new(self.store.clone()).find(act).await.unwrap()
    }

    async fn undo(&self, act: &str) -> UndoReport {
        let (entry, options) = (self.act(act).await, ActOptions::default());
        Audit::new(self.store.clone()).undo(&entry, &options, &mut |_| ()).await.unwrap()
    }

    async fn clear(&self) -> String {
        self.queue.clear(&[], &mut |_| ()).await.unwrap().act.unwrap()
    }
}

#[tokio::test]
async fn a_schedule_fires_no_second_holder_of_its_key_in_a_place_that_is_left() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.appoint("s", "K").await;
    assert_eq!(bench.tick("s").await.as_deref(), Some("enqueued"));
    let claims = hand.claim(&bench.store, 1).await;
    bench.spread(4).await;
    assert_eq!(bench.tick("s").await.as_deref(), Some("held"), "by its own job, which runs");
    hand.end(&bench.store, &claims[0], KEPT).await;
    assert_eq!(bench.add([job("other").unique("K")]).await, [true]);
    assert_eq!(bench.tick("s").await.as_deref(), Some("held"), "nothing is fired there: the tick waits");
    let home = bench.store.keys(&queue_name());
    assert_eq!(bench.waiting(&home), 0);
    assert!(bench.store.due(&home).await.unwrap().schedules.len() == 1, "it is due yet");
    bench.settle().await;
    let keys = bench.place_of("s").await;
    assert_eq!(bench.waiting(&keys), 1, "the other one is there");
    assert_eq!(bench.tick("s").await.as_deref(), Some("held"));
    assert_eq!(bench.waiting(&keys), 1);
}

#[tokio::test]
async fn a_schedule_that_is_moved_asks_for_its_key_where_it_was() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.appoint("taken", "K").await;
    bench.appoint("free", "F").await;
    bench.add([job("holder").unique("K")]).await;
    let claims = hand.claim(&bench.store, 1).await;
    bench.spread(4).await;
    assert_ne!(Bench::base(&bench.place_of("taken").await), Bench::base(&bench.store.keys(&queue_name())));
    assert_eq!(bench.tick("taken").await.as_deref(), Some("held"), "by a job that runs where it was");
    assert_eq!(bench.tick("free").await.as_deref(), Some("enqueued"), "others go on");
    hand.end(&bench.store, &claims[0], KEPT).await;
    assert_eq!(bench.tick("taken").await.as_deref(), Some("enqueued"));
    bench.settle().await;
}

#[tokio::test]
async fn what_is_undone_comes_back_beside_nothing_that_is_still_moved() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.add([job("a").unique("K"), job("twice"), job("alone")]).await;
    let act = bench.clear().await;
    bench.redis.query::<()>(&["DEL", &format!("{}seen", Bench::base(&bench.store.keys(&queue_name())))]);
    bench.add([job("b").unique("K"), job("twice")]).await;
    let claims = hand.claim(&bench.store, 2).await;
    bench.spread(4).await;
    let undone = bench.undo(&act).await;
    assert_eq!((undone.restored, undone.left), (1, 2), "{undone:?}");
    for claim in &claims {
        hand.end(&bench.store, claim, KEPT).await;
    }
    bench.settle().await;
    let left: u64 = bench.places().await.iter().map(|keys| bench.waiting(keys)).sum();
    assert_eq!(left, 1);
    assert!(bench.queue.contains(&id("alone")).await.unwrap());
}

#[tokio::test]
async fn an_undo_that_is_broken_off_goes_on_after_another_change() {
    const JOBS: u64 = 1_000;
    let bench = Bench::new();
    bench.add((0..JOBS).map(|n| job(&format!("{n}")))).await;
    let act = bench.clear().await;
    bench.spread(4).await;
    bench.settle().await;
    // As by one that was killed behind its first steps.
    let (entry, stop) = (bench.act(&act).await, CancellationToken::new());
    let stopped = stop.clone();
    let options = ActOptions { stop, ..ActOptions::default() };
    let mut stop_soon = |_| stopped.cancel();
    let first = Audit::new(bench.store.clone()).undo(&entry, &options, &mut stop_soon).await.unwrap();
    assert!(first.stopped && first.restored > 0 && first.restored < JOBS, "{first:?}");
    bench.spread(2).await;
    bench.settle().await;
    let rest = bench.undo(&act).await;
    assert_eq!((rest.restored, rest.left), (JOBS - first.restored, 0), "{rest:?}");
    assert_eq!(bench.queue.stats().await.unwrap().pending, JOBS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_undo_at_once_carry_each_copy_once() {
    const JOBS: u64 = 3_000;
    let bench = Bench::new();
    bench.add((0..JOBS).map(|n| job(&format!("{n}")))).await;
    let act = bench.clear().await;
    bench.spread(4).await;
    bench.settle().await;
    let (home, to) = (bench.store.keys(&queue_name()), Partitions::new(4).unwrap());
    let carriers: Vec<_> = (0..3)
        .map(|_| {
            let (store, home, act) = (bench.store.clone(), home.clone(), act.clone());
            tokio::spawn(async move { while store.carry_copies(&home, &act, to).await.unwrap() {} })
        })
        .collect();
    for carrier in carriers {
        carrier.await.unwrap();
    }
    let mut kept = 0;
    for keys in bench.places().await {
        kept += bench.store.kept_aside(&keys, &act).await.unwrap();
    }
    assert_eq!(kept, JOBS);
    assert_eq!(bench.undo(&act).await.restored, JOBS);
}

#[tokio::test]
async fn what_a_mover_that_died_had_on_its_way_is_met() {
    const JOBS: u64 = 40;
    for (before, after) in [(1, 3), (3, 1)] {
        let (bench, mut hand) = (Bench::new(), Hand::new(1));
        bench.spread(before).await;
        bench.settle().await;
        bench.add((0..JOBS).map(|n| job(&format!("{n}")))).await;
        let former = bench.places().await;
        let claims = hand.claim(&bench.store, JOBS as usize).await;
        assert_eq!(claims.len() as u64, JOBS);
        bench.spread(after).await;
        for claim in &claims {
            hand.end(&bench.store, claim, End::Release).await;
        }
        let change = bench.store.course(&queue_name()).await.unwrap().change;
        // As by a mover that dies before it has brought anything.
        let leave = async || {
            for keys in &former {
                let mut command = scripts::MOVE_OUT.on(keys, &bench.store.clock);
                command.arg(&change).arg("pending:2").arg(4);
                scripts::MOVE_OUT.ask(&bench.store.connection, &command).await.unwrap();
            }
        };
        leave().await;
        assert_eq!(bench.queue.stats().await.unwrap().pending, JOBS, "{before} to {after}");
        leave().await;
        let last = Located::new(queue_name(), id(&format!("{}", JOBS - 1)), JobState::Pending);
        bench.client.inspector().delete(&last).await.unwrap();
        leave().await;
        assert_eq!(bench.queue.clear(&[], &mut |_| ()).await.unwrap().changed, JOBS - 1, "{before} to {after}");
        bench.settle().await;
        assert_eq!(bench.queue.stats().await.unwrap().pending, 0, "{before} to {after}");
    }
}

#[tokio::test]
async fn a_schedule_whose_move_is_broken_off_goes_on() {
    let bench = Bench::new();
    bench.spread(8).await;
    bench.settle().await;
    let (name, queue) = ("s".parse().unwrap(), queue_name());
    let schedules = bench.client.schedules();
    // Nobody comes again: it goes on as it was.
    bench.appoint("s", "one").await;
    let (keys, _) = bench.stop(true).await;
    schedules::round(&bench.store, &keys, "me", &|_| ()).await.unwrap();
    bench.goes_on_once().await;
    assert_eq!(schedules.find(&name, Some(&queue)).await.unwrap().ticks_fired, 0);
    // The same command again ends it.
    bench.stop(false).await;
    bench.appoint("s", "two-2").await;
    bench.goes_on_once().await;
    assert_eq!(schedules.find(&name, Some(&queue)).await.unwrap().unique.as_deref(), Some("two-2"));
    // It is there already: it is removed where it was.
    let (keys, seen) = bench.stop(true).await;
    let to = bench.places().await.into_iter().find(|place| !place.is_same_place(&keys)).unwrap();
    bench.store.settle(&to, &seen, (false, Some(4_000_000_000_000), &seen.text)).await.unwrap();
    schedules::round(&bench.store, &keys, "me", &|_| ()).await.unwrap();
    bench.goes_on_once().await;
    assert!(bench.place_of("s").await.is_same_place(&to));
}

#[tokio::test]
async fn a_queue_that_holds_keys_in_batches_is_not_spread() {
    let bench = Bench::new();
    bench.client.batches().open(&queue_name(), &"b".parse().unwrap(), None).await.unwrap();
    bench.add([job("a").batch("b".parse().unwrap()).unique("K"), job("c").unique("C")]).await;
    let error = bench.queue.set(&[Setting::Partitions(8)]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("a batch and a unique key"), "{error}");
    assert!(!bench.store.course(&queue_name()).await.unwrap().is_moving());
    let mut hand = Hand::new(1);
    for claim in &hand.claim(&bench.store, 2).await {
        hand.end(&bench.store, claim, KEPT).await;
    }
    bench.spread(8).await;
    bench.settle().await;
}
