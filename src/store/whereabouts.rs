//! In which place of a queue that is which goes by a name, and what workers hold over all places.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use crate::error::{ErrorKind, Result};
use crate::job::QueueName;
use crate::store::{Held, QueueKeys, Store};

/// So long what goes by a name is offered again while the number of partitions changes, as jobs are.
const MOVING: Duration = Duration::from_secs(5);
/// How long it waits before it asks where that belongs once more.
const PAUSE: Duration = Duration::from_millis(20);

impl Store {
    /// The place to which what goes by `name` is added.
    pub(crate) async fn place_of(&self, queue: &QueueName, name: &str) -> Result<QueueKeys> {
        let layout = self.layout(queue).await?;
        Ok(self.partition_keys(queue, layout.now.of(name)))
    }

    /// Does `act` at the place to which what goes by `name` is added. It is tried in the queue's own place first, so that a
    /// queue of one partition costs no question; a place that takes nothing any more says so, and where it is is asked then.
    ///
    /// # Errors
    /// What `act` says; `Moved` where the number of partitions changes for longer than a change takes.
    pub(crate) async fn at_place_of<T, Acting: Future<Output = Result<T>>>(
        &self,
        queue: &QueueName,
        name: &str,
        act: impl Fn(QueueKeys) -> Acting,
    ) -> Result<T> {
        let (until, mut tried) = (Instant::now() + MOVING, self.keys(queue));
        loop {
            // Boxed, as all that is asked here: what it is nested in would else be too deep for the compiler.
            match Box::pin(act(tried.clone())).await {
                Err(error) if error.kind() == ErrorKind::Moved && Instant::now() < until => {
                    let there = self.place_of(queue, name).await?;
                    if there.is_same_place(&tried) {
                        // A change has begun that has not said the new number yet.
                        sleep(PAUSE).await;
                    }
                    tried = there;
                }
                answer => return answer,
            }
        }
    }

    /// Asks every place of a queue, those that are being left before the others: what moves meanwhile is met at least once.
    /// One answer for each, in the order of [`Store::places`].
    ///
    /// # Errors
    /// The first one that comes.
    pub(crate) async fn ask_places<T, Asking: Future<Output = Result<T>>>(
        &self,
        queue: &QueueName,
        ask: impl Fn(QueueKeys) -> Asking,
    ) -> Result<Vec<T>> {
        let spread = self.spread(queue).await?;
        let mut answers = Vec::new();
        for places in [spread.former(), spread.present()] {
            let asks = places.iter().map(|keys| Box::pin(ask(keys.clone())));
            answers.extend(try_join_all(asks).await?);
        }
        Ok(answers)
    }

    /// Asks the places where what goes by `name` may be: the one that it has left, then the one where it is added.
    ///
    /// # Errors
    /// The first one that comes.
    pub(crate) async fn ask_places_of<T, Asking: Future<Output = Result<T>>>(
        &self,
        queue: &QueueName,
        name: &str,
        ask: impl Fn(QueueKeys) -> Asking,
    ) -> Result<Vec<T>> {
        let layout = self.layout(queue).await?;
        let mut answers = Vec::new();
        for partition in self.partitions_there(queue, layout.places_of(name).collect()).await {
            answers.push(Box::pin(ask(self.partition_keys(queue, partition))).await?);
        }
        Ok(answers)
    }

    /// The workers that a queue knows in any of its places, the longest silent first: each once, with all that it holds, and
    /// with its latest lease.
    pub(crate) async fn holders_of(&self, queue: &QueueName) -> Result<Vec<Held>> {
        Ok(each_once(self.ask_places(queue, |keys| async move { self.holders(&keys).await }).await?))
    }
}

/// The workers of several places, each once.
pub(crate) fn each_once(of_places: Vec<Vec<Held>>) -> Vec<Held> {
    let mut by_worker = BTreeMap::<String, Held>::new();
    for held in of_places.into_iter().flatten() {
        let known = by_worker.entry(held.worker.clone());
        let known = known.or_insert_with(|| Held { worker: held.worker, lease_until_ms: i64::MIN, claims: 0 });
        known.lease_until_ms = known.lease_until_ms.max(held.lease_until_ms);
        known.claims += held.claims;
    }
    let mut holders: Vec<_> = by_worker.into_values().collect();
    holders.sort_by_key(|held| held.lease_until_ms);
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_one_however_many_places_it_works_in() {
        let held = |worker: &str, lease_until_ms, claims| Held { worker: worker.to_owned(), lease_until_ms, claims };
        let of_places =
            vec![vec![held("a", 5, 1), held("b", 9, 2)], vec![held("a", 7, 3)], vec![], vec![held("c", 1, 0)]];
        let told: Vec<_> =
            each_once(of_places).into_iter().map(|held| (held.worker, held.lease_until_ms, held.claims)).collect();
        assert_eq!(told, [("c".to_owned(), 1, 0), ("a".to_owned(), 7, 4), ("b".to_owned(), 9, 2)]);
    }
}
