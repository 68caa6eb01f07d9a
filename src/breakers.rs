//! Breakers by hand: looked at, opened, closed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::breaker::{BreakerClosed, BreakerInfo, BreakerRule, DEPENDENCY_MAX_BYTES};
use crate::error::{Error, Result};
use crate::job::LONGEST;
use crate::store::Store;

/// The breakers of the services that processors need, shared by all workers under a prefix.
///
/// A processor names the service that failed ([`ProcessError::blame`](crate::ProcessError::blame)). After some transient
/// failures in a row its breaker opens: a queue whose jobs all need it
/// ([`Processor::dependency`](crate::Processor::dependency)) is not fetched, and where jobs differ
/// ([`JobContext::needs`](crate::JobContext::needs)) those that need it are put off. One job at a time tries it, after waits
/// that double up to a bound; the first answer closes the breaker. None of this uses attempts.
#[derive(Clone)]
pub struct Breakers {
    store: Store,
}

impl Breakers {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Every breaker that has counted failures or is open, by its dependency.
    ///
    /// # Errors
    /// `Corrupt` when a hand has written something unreadable among them: it is named.
    pub async fn list(&self) -> Result<Vec<BreakerInfo>> {
        self.store.breakers().await?.1.into_iter().collect()
    }

    /// The services that all jobs of a queue need, as the workers that run say.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn needed(&self) -> Result<BTreeSet<String>> {
        let (mut asked, mut needed) = (BTreeSet::new(), BTreeSet::new());
        for queue in self.store.queues().await? {
            for held in self.store.holders_of(&queue).await? {
                if asked.insert(held.worker.clone()) {
                    let said = self.store.worker(&held.worker).await?;
                    needed.extend(said.into_iter().flat_map(|said| said.needs.into_values()));
                }
            }
        }
        Ok(needed)
    }

    /// Opens a breaker: nobody tries the dependency for `span`, or until it is closed by hand. How it stands.
    ///
    /// # Errors
    /// `Invalid` when the name is empty, over 200 bytes or holds control characters, or the span is over a hundred years.
    pub async fn open(&self, dependency: &str, span: Option<Duration>) -> Result<BreakerInfo> {
        let fits = (1..=DEPENDENCY_MAX_BYTES).contains(&dependency.len()) && !dependency.contains(char::is_control);
        if !fits {
            return Err(Error::invalid(format!(
                "a dependency has 1 to {DEPENDENCY_MAX_BYTES} bytes and no control characters"
            )));
        }
        let span = span.unwrap_or(LONGEST);
        if span > LONGEST {
            return Err(Error::invalid("a breaker can be held open for a hundred years at most"));
        }
        self.store.breaker_open(dependency, span, BreakerRule::default().first).await?;
        let list = self.list().await?;
        let opened = list.into_iter().find(|breaker| breaker.dependency == dependency);
        opened.ok_or_else(|| not_found(dependency))
    }

    /// Closes a breaker and forgets its failures.
    ///
    /// # Errors
    /// `NotFound` when nothing is known of it.
    pub async fn close(&self, dependency: &str) -> Result<BreakerClosed> {
        // Not by the list, which one that cannot be read would fail.
        let known = self.list().await.map_or(true, |list| list.iter().any(|known| known.dependency == dependency));
        let was_open = self.store.breaker_close(dependency, "operator").await? == Some(true);
        if known || was_open {
            Ok(BreakerClosed { dependency: dependency.to_owned(), was_open })
        } else {
            Err(not_found(dependency))
        }
    }
}

fn not_found(dependency: &str) -> Error {
    Error::not_found(format!("breaker \"{dependency}\" not found: nothing has failed there"))
}
