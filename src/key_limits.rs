//! Limits of keys: looked at, and set for one key.

use crate::config::Rate;
use crate::error::{Error, Result};
use crate::job::LimitKey;
use crate::stats::KeyLimit;
use crate::store::{OwnLimits, QueueKeys, Store};

/// The limits per key of one queue.
///
/// The key of a job is what stands in its payload at the field that [`QueueSettings::key`](crate::config::QueueSettings::key)
/// names; `key_concurrency` and `key_rate` there hold for every key, and what is set here for one. A job over the limit of
/// its key is parked: it is pending, keeps its place, and lets others by. All of it is live for every worker.
#[derive(Clone)]
pub struct KeyLimits {
    store: Store,
    keys: QueueKeys,
}

/// A change of the limits that are a key's own; what is `None` stays, and `Some(None)` means that there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyLimitChange {
    /// Jobs running at once.
    pub concurrency: Option<Option<u32>>,
    /// Starts per span of time.
    pub rate: Option<Option<Rate>>,
}

impl KeyLimits {
    pub(crate) fn new(store: Store, keys: QueueKeys) -> Self {
        Self { store, keys }
    }

    /// The keys that have something running, something parked or limits of their own, by name; at most 100,000.
    ///
    /// # Errors
    /// `NotFound` when the queue has never been used; `Corrupt` when a hand made another type of one of the keys in Redis.
    pub async fn list(&self) -> Result<Vec<KeyLimit>> {
        if !self.store.is_known(&self.keys).await? {
            return Err(self.store.unknown_queue(self.keys.queue()).await);
        }
        let names = self.store.limited_keys(&self.keys).await?;
        self.look(&names).await
    }

    /// One key, whether anything is known of it or not.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn get(&self, key: &LimitKey) -> Result<KeyLimit> {
        let found = self.look(std::slice::from_ref(key)).await?.pop();
        found.ok_or_else(|| Error::internal("limits gave no answer"))
    }

    /// Sets limits of a key's own. How it stands then.
    ///
    /// # Errors
    /// `Invalid` for a concurrency of 0; `Refused` where the queue has no [`key`](crate::config::QueueSettings::key), or
    /// several partitions.
    pub async fn set(&self, key: &LimitKey, change: KeyLimitChange) -> Result<KeyLimit> {
        if change.concurrency == Some(Some(0)) {
            return Err(Error::invalid("concurrency must be 1 or more (pause the queue to stop it)"));
        }
        let queue = self.keys.queue();
        let layout = self.store.layout(queue).await?;
        if layout.was.is_some() || !layout.now.is_one() {
            return Err(Error::refused(format!(
                "queue {queue} has {}{}: the jobs of a key may be in several, so it cannot be limited (for limits per key: queues \
                 set {queue} --partitions 1)",
                layout.now.told(),
                layout.was.map_or_else(String::new, |was| format!(", and jobs are being moved from {}", was.count()))
            )));
        }
        if self.store.settings(&self.keys).await?.settings.key.is_none() {
            return Err(Error::refused(format!(
                "queue {queue} has no key: say first where payloads hold it (queues set {queue} --key FIELD)"
            )));
        }
        let own = OwnLimits { concurrency: change.concurrency, rate: change.rate };
        self.store.limit_key(&self.keys, key, Some(own)).await?;
        self.get(key).await
    }

    /// Takes the limits of a key's own away: those of the queue hold again. How it stands then.
    ///
    /// # Errors
    /// `NotFound` where it has none.
    pub async fn unset(&self, key: &LimitKey) -> Result<KeyLimit> {
        if !self.store.limit_key(&self.keys, key, None).await? {
            let queue = self.keys.queue();
            return Err(Error::not_found(format!("key \"{key}\" of queue {queue} has no limits of its own")));
        }
        self.get(key).await
    }

    async fn look(&self, names: &[LimitKey]) -> Result<Vec<KeyLimit>> {
        let settings = self.store.settings(&self.keys).await?.settings;
        let standings = self.store.key_standings(&self.keys, names).await?;
        Ok(standings.iter().map(|standing| standing.under(&self.keys, &settings)).collect())
    }
}
