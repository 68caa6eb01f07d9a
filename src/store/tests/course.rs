//! A change of the number of partitions comes to its end: whatever runs for long, whatever a server has lost of it, whatever a
//! hand has written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::mover::{Bench, Hand, id, job, queue_name};
use crate::config::Setting;
use crate::error::ErrorKind;
use crate::job::{Layout, Partitions};
use crate::mover;
use crate::store::{End, QueueKeys};

const DONE: End<'_> = End::Complete { result: "null" };

impl Bench {
    fn home(&self, key: &str) -> String {
        format!("{}{key}", Self::base(&self.store.keys(&queue_name())))
    }

    /// Fields of a hash.
    fn hash(&self, key: &str) -> BTreeMap<String, String> {
        self.redis.query(&["HGETALL", key])
    }

    fn write(&self, key: &str, fields: &[(&str, &str)]) {
        for (field, value) in fields {
            self.redis.query::<()>(&["HSET", key, field, value]);
        }
    }

    fn places_of(&self, count: u16) -> Vec<QueueKeys> {
        let places = Partitions::new(count).unwrap().each();
        places.map(|place| self.store.partition_keys(&queue_name(), place)).collect()
    }

    async fn settled(&self, count: u16) {
        self.spread(count).await;
        self.settle().await;
    }

    async fn now_ms(&self) -> i64 {
        self.store.now_ms().await.unwrap()
    }
}

#[tokio::test]
async fn a_job_that_runs_for_long_takes_up_its_own_share_of_the_concurrency_alone() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.store.set(&bench.store.keys(&queue_name()), &[Setting::Concurrency(Some(4))]).await.unwrap();
    bench.add([job("long").order_key("key-0")]).await;
    let mut long = hand.claim(&bench.store, 1).await;
    bench.add((0..80).map(|n| job(&format!("{n}")).order_key(format!("key-{}", n % 20)))).await;
    bench.spread(4).await;
    assert!(hand.claim(&bench.store, 4).await.is_empty(), "at first all wait for it");
    let told = bench.queue.move_over(&mut |_| ()).await.unwrap();
    assert_eq!((told.done, told.held, told.left, told.running), (false, false, 0, 1));
    // The partition of its key may run one, which is the long one: order keys keep their order, and the queue its limit.
    let hold = bench.store.hold(&queue_name()).await.unwrap().unwrap();
    assert_eq!((hold.running, hold.all), (1, false));
    let started = hand.claim(&bench.store, 4).await;
    assert_eq!(started.len(), 3);
    let held = bench.store.partition_keys(&queue_name(), Partitions::new(4).unwrap().of("key-0"));
    assert!(bench.store.is_held(&held).await.unwrap());
    assert!(started.iter().all(|(keys, ..)| !keys.is_same_place(&held)), "{started:?}");
    // A higher limit lets more of them start.
    bench.queue.set(&[Setting::Concurrency(Some(8))]).await.unwrap();
    let more = hand.claim(&bench.store, 4).await;
    assert_eq!(more.len(), 4, "8 with those that run: {more:?}");
    for claim in long.drain(..).chain(started).chain(more) {
        hand.end(&bench.store, &claim, DONE).await;
    }
    bench.settle().await;
    assert_eq!(hand.claim(&bench.store, 9).await.len(), 8);
    let config = bench.hash(&bench.home("config"));
    assert!(!config.keys().any(|field| field.ends_with("_busy") || field.ends_with("_eased")), "{config:?}");
}

#[tokio::test]
async fn what_runs_in_former_partitions_counts_in_the_only_one_too() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.store.set(&bench.store.keys(&queue_name()), &[Setting::Concurrency(Some(4))]).await.unwrap();
    bench.settled(4).await;
    bench.add([job("long")]).await;
    let long = hand.claim(&bench.store, 1).await;
    bench.add((0..9).map(|n| job(&format!("{n}")))).await;
    bench.spread(1).await;
    assert!(!bench.queue.move_over(&mut |_| ()).await.unwrap().held);
    assert_eq!(hand.claim(&bench.store, 9).await.len(), 3);
    // What goes back into line where it ran is moved, and starts where it belongs.
    hand.end(&bench.store, &long[0], End::Release).await;
    assert!(hand.claim(&bench.store, 9).await.is_empty());
    bench.settle().await;
    assert_eq!(hand.claim(&bench.store, 9).await.len(), 1);
    assert!(!bench.hash(&bench.home("config")).contains_key("held"));
}

/// As a server leaves it that was lost before another had read what it had written last: the places were closed by a change of
/// which the queue knows nothing.
async fn forget_a_change(bench: &Bench, count: u16, to: u16) -> String {
    bench.settled(count).await;
    bench.add((0..50).map(|n| job(&format!("{n}")))).await;
    let later = ((bench.now_ms().await - 600_000) * 1_000).to_string();
    bench.write(&bench.home("config"), &[("partitions_change", "1764000000000000")]);
    for keys in bench.places_of(count) {
        let meta = format!("{}meta", Bench::base(&keys));
        bench.write(&meta, &[("change", &later), ("partitions", &to.to_string())]);
    }
    later
}

#[tokio::test]
async fn a_change_that_the_queue_has_forgotten_is_begun_anew() {
    let bench = Bench::new();
    let later = forget_a_change(&bench, 4, 3).await;
    let before = bench.image().await;
    let standstill = bench.store.standstill(&queue_name(), 180_000).await.unwrap().unwrap();
    assert_eq!((standstill.partitions, standstill.stops), (3, true));
    mover::keep_on(&bench.store, &bench.places_of(4)[2]).await.unwrap();
    let course = bench.store.course(&queue_name()).await.unwrap();
    assert_eq!(course.layout, Layout { now: Partitions::new(3).unwrap(), was: None });
    assert!(course.change.parse::<i64>().unwrap() > later.parse().unwrap());
    assert_eq!(bench.image().await, before);
    assert_eq!(bench.add([job("new"), job("7")]).await, [true, false]);
}

#[tokio::test]
async fn heal_begins_a_forgotten_change_anew() {
    let bench = Bench::new();
    forget_a_change(&bench, 2, 1).await;
    let found = mover::heal(&bench.store, &queue_name(), true).await.unwrap().unwrap();
    assert_eq!(found.repaired, 0);
    assert_eq!(bench.store.course(&queue_name()).await.unwrap().layout.now.count(), 2, "a dry run");
    mover::heal(&bench.store, &queue_name(), false).await.unwrap().unwrap();
    assert_eq!(bench.store.course(&queue_name()).await.unwrap().layout, Layout::ONE);
    assert_eq!(bench.image().await.keys().filter(|name| !name.contains(' ')).count(), 50);
}

#[tokio::test]
async fn progress_begins_with_all_that_is_to_be_moved() {
    let bench = Bench::new();
    bench.add((0..1_000).map(|n| job(&format!("{n}")))).await;
    let mut told = Vec::new();
    let changes = [Setting::Partitions(4), Setting::Concurrency(Some(9))];
    bench.queue.set_and_move(&changes, &mut |moved| told.push((moved.moved, moved.left))).await.unwrap();
    assert_eq!(told[0], (0, 1_000));
    assert!(told.iter().all(|(moved, left)| moved + left >= 1_000), "{told:?}");
}

#[tokio::test]
async fn heal_brings_a_change_of_which_all_is_moved_to_its_end() {
    let bench = Bench::new();
    bench.add((0..50).map(|n| job(&format!("{n}")))).await;
    bench.write(&bench.home("config"), &[("partitions_next", "4"), ("partitions_change", "1764000000000000")]);
    let healed = mover::heal_for(&bench.store, &queue_name(), false, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((healed.found, healed.repaired), (1, 1));
    let course = bench.store.course(&queue_name()).await.unwrap();
    assert_eq!((course.layout, course.is_moving()), (Layout { now: Partitions::new(4).unwrap(), was: None }, false));
}

#[tokio::test]
async fn heal_that_does_not_come_to_the_end_of_a_change_says_so() {
    let bench = Bench::new();
    bench.add((0..9_000).map(|n| job(&format!("{n}")))).await;
    bench.write(&bench.home("config"), &[("partitions_next", "4"), ("partitions_change", "1764000000000000")]);
    let healed = mover::heal_for(&bench.store, &queue_name(), false, Duration::ZERO).await.unwrap().unwrap();
    assert!(healed.repaired < healed.found, "{healed:?}");
    assert!(bench.store.course(&queue_name()).await.unwrap().is_moving());
}

#[tokio::test]
async fn settings_whose_last_change_was_lost_reach_their_partitions_again() {
    let bench = Bench::new();
    bench.settled(4).await;
    bench.queue.pause().await.unwrap();
    let home = bench.home("config");
    let version: u64 = bench.hash(&home)["version"].parse().unwrap();
    bench.redis.query::<()>(&["HDEL", &home, "paused"]);
    bench.write(&home, &[("version", &(version - 1).to_string())]);
    mover::keep_on(&bench.store, &bench.places_of(4)[1]).await.unwrap();
    let mut versions = BTreeSet::from([bench.hash(&home)["version"].clone()]);
    for keys in bench.places_of(4) {
        let config = bench.hash(&format!("{}config", Bench::base(&keys)));
        assert!(!config.contains_key("paused"), "{config:?}");
        versions.insert(config["version"].clone());
    }
    assert_eq!(versions.len(), 1);
}

#[tokio::test]
async fn a_log_that_a_hand_made_another_type_of_does_not_stop_a_change() {
    let bench = Bench::new();
    bench.add((0..9).map(|n| job(&format!("{n}")))).await;
    let before = bench.image().await;
    let said = bench.store.keys(&queue_name()).log_of(&id("4"));
    bench.redis.query::<()>(&["DEL", &said]);
    bench.write(&said, &[("a", "hand")]);
    bench.settled(2).await;
    assert_eq!(bench.image().await, before);
}

#[tokio::test]
async fn a_mover_that_fails_each_time_shows_as_a_standstill() {
    let bench = Bench::new();
    bench.add([job("a")]).await;
    let now_ms = bench.now_ms().await;
    let begun = ((now_ms - 600_000) * 1_000).to_string();
    bench.write(&bench.home("config"), &[("partitions_next", "2"), ("partitions_change", &begun)]);
    bench.write(&bench.home("meta"), &[("mover", &format!("somebody|{}", now_ms + 5_000))]);
    assert!(bench.store.standstill(&queue_name(), 180_000).await.unwrap().unwrap().for_ms >= 600_000);
    bench.write(&bench.home("meta"), &[("moved_ms", &now_ms.to_string())]);
    assert_eq!(bench.store.standstill(&queue_name(), 180_000).await.unwrap(), None);
}

#[tokio::test]
async fn dead_letters_within_the_limit_stay_when_the_queue_is_spread() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    let limit = Setting::RemoveOnFail("8".parse().unwrap());
    bench.store.set(&bench.store.keys(&queue_name()), &[limit]).await.unwrap();
    bench.add((0..8).map(|n| job(&format!("{n}")).order_key("one"))).await;
    for claim in hand.claim(&bench.store, 8).await {
        hand.end(&bench.store, &claim, End::Bury { history: "{}" }).await;
    }
    bench.settled(4).await;
    for keys in bench.places().await {
        bench.store.trim(&keys).await.unwrap();
    }
    assert_eq!((bench.image().await.len(), bench.total("dropped").await), (8, 0));
}

#[tokio::test]
async fn a_janitor_waits_for_a_turn_whose_holder_is_dead() {
    let bench = Bench::new();
    bench.add((0..20).map(|n| job(&format!("{n}")))).await;
    let keys = bench.store.keys(&queue_name());
    bench.store.intend(&queue_name(), Partitions::new(2).unwrap()).await.unwrap().unwrap();
    assert!(bench.store.mover_turn(&queue_name(), ("dead", false), 2_000).await.unwrap());
    tokio::time::timeout(Duration::from_secs(40), mover::keep_on(&bench.store, &keys)).await.unwrap().unwrap();
    let course = bench.store.course(&queue_name()).await.unwrap();
    assert_eq!((course.is_moving(), course.layout.now.count()), (false, 2));
}

#[tokio::test]
async fn limits_that_former_partitions_cannot_have_are_refused_until_they_are_gone() {
    let (bench, mut hand) = (Bench::new(), Hand::new(1));
    bench.settled(4).await;
    bench.add([job("long")]).await;
    let long = hand.claim(&bench.store, 1).await;
    bench.spread(1).await;
    let settings = [
        Setting::Key(Some("tenant".parse().unwrap())),
        Setting::KeyConcurrency(Some(1)),
        Setting::Concurrency(Some(3)),
        Setting::MaxLength(Some(3)),
    ];
    for setting in &settings {
        let error = bench.queue.set(std::slice::from_ref(setting)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{setting:?}: {error}");
    }
    // Whoever looked before the change began, and writes a limit of a key's own after that.
    let own = crate::store::OwnLimits { concurrency: Some(Some(1)), rate: None };
    let keys = bench.store.keys(&queue_name());
    let error = bench.store.limit_key(&keys, &"a".parse().unwrap(), Some(own)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    hand.end(&bench.store, &long[0], DONE).await;
    bench.settle().await;
    bench.queue.set(&settings).await.unwrap();
    assert!(bench.store.limit_key(&keys, &"a".parse().unwrap(), Some(own)).await.unwrap());
}

#[tokio::test]
async fn settings_that_come_late_leave_nothing_in_a_place_that_is_gone() {
    let bench = Bench::new();
    bench.settled(4).await;
    bench.settled(2).await;
    // As who copies sees the queue that began to before the places of four were cleared away.
    bench.write(&bench.home("config"), &[("partitions_was", "4")]);
    bench.store.copy_settings(&queue_name()).await.unwrap();
    for keys in bench.places_of(4) {
        assert!(bench.hash(&format!("{}config", Bench::base(&keys))).is_empty());
    }
    bench.redis.query::<()>(&["HDEL", &bench.home("config"), "partitions_was"]);
    // A later change to the same number finds them empty, and fills them.
    bench.settled(4).await;
    for keys in bench.places_of(4) {
        assert!(bench.hash(&format!("{}config", Bench::base(&keys))).contains_key("version"));
    }
}
