//! Limits of keys: what is stored of them, read and written.

use std::collections::BTreeSet;

use crate::clock::instant;
use crate::config::{QueueSettings, Rate};
use crate::error::Result;
use crate::job::LimitKey;
use crate::stats::KeyLimit;
use crate::store::acts::OPERATOR;
use crate::store::codec::{Reply, read};
use crate::store::limits::Limit;
use crate::store::{Key, QueueKeys, Store, scripts};

/// Keys that one call looks at.
const STEP: usize = 500;
/// Keys that are listed at most.
const KEYS_MAX: usize = 100_000;
/// Calls of `hasten` at most: those that it misses are looked at within half a minute.
const HASTEN_CALLS: usize = 1_000;

/// The limits of a key that are its own; `None`: the queue's holds; `Some(None)`: none holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnLimits {
    pub concurrency: Option<Option<u32>>,
    pub rate: Option<Option<Rate>>,
}

impl OwnLimits {
    /// As it is stored; what a hand broke counts as the queue's.
    fn decode(text: &str) -> Self {
        let mut parts = text.split('|');
        let mut part = || parts.next().unwrap_or_default();
        let (concurrency, _, _, rate) = (part(), part(), part(), part());
        fn read<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
            if text == "none" { Some(None) } else { text.parse().ok().map(Some) }
        }
        Self { concurrency: read(concurrency), rate: read(rate) }
    }

    /// As a change of it: what is `None` stays.
    fn encode(self) -> String {
        fn text<T: ToString>(value: Option<Option<T>>) -> String {
            let text = |value: Option<T>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            value.map_or_else(|| "=".to_owned(), text)
        }
        let interval = text(self.rate.map(|rate| rate.map(|rate| rate.interval_us())));
        let burst = self.rate.flatten().map(|rate| rate.burst().to_string()).unwrap_or_default();
        format!("{}|{interval}|{burst}|{}", text(self.concurrency), text(self.rate))
    }
}

/// How a key stands, as it is stored.
#[derive(Debug)]
pub(crate) struct KeyStanding {
    pub key: LimitKey,
    pub own: OwnLimits,
    running: u64,
    parked: u64,
    /// The time that its rate goes by.
    tat_us: Option<i64>,
    now_us: i64,
}

impl KeyStanding {
    /// The key under what is set for its queue. Where that has no key, nothing limits it.
    pub(crate) fn under(&self, keys: &QueueKeys, settings: &QueueSettings) -> KeyLimit {
        let holds = settings.key.is_some();
        let concurrency = self.own.concurrency.unwrap_or(settings.key_concurrency).filter(|_| holds);
        let rate = self.own.rate.unwrap_or(settings.key_rate).filter(|_| holds);
        let waits_for_room = concurrency.is_some_and(|most| self.running >= u64::from(most));
        let next_us = self.now_us + rate.map_or(0, |rate| self.pace_us(&rate));
        KeyLimit {
            key: self.key.clone(),
            queue: keys.queue().clone(),
            running: self.running,
            parked: self.parked,
            concurrency,
            rate,
            own: self.own != OwnLimits::default(),
            next_at: (self.parked > 0 && !waits_for_room).then(|| instant(next_us.div_euclid(1_000))),
        }
    }

    /// How long its rate lets no job start, by the rules of the scripts.
    fn pace_us(&self, rate: &Rate) -> i64 {
        let interval_us = i64::try_from(rate.interval_us()).unwrap_or(i64::MAX);
        let ahead_us = interval_us.saturating_mul(i64::from(rate.burst()));
        let usable = |tat: &i64| (self.now_us..=self.now_us.saturating_add(ahead_us)).contains(tat);
        let tat_us = self.tat_us.filter(usable).unwrap_or(self.now_us);
        (tat_us.saturating_add(interval_us) - ahead_us - self.now_us).max(0)
    }
}

impl Store {
    /// How keys stand, in their order.
    pub(crate) async fn key_standings(&self, keys: &QueueKeys, names: &[LimitKey]) -> Result<Vec<KeyStanding>> {
        let mut standings = Vec::with_capacity(names.len());
        for step in names.chunks(STEP) {
            let mut command = scripts::LIMITS.on(keys, &self.clock);
            step.iter().for_each(|key| _ = command.arg(key.as_str()));
            let mut reply = Reply::new("limits", scripts::LIMITS.ask(&self.connection, &command).await?)?;
            let now_us = reply.number()?;
            for key in step {
                let (running, parked) = (reply.maybe_number()?.unwrap_or_default(), reply.count()?);
                let (own, tat_us) = (OwnLimits::decode(&reply.text()?), reply.maybe_number()?);
                let running = u64::try_from(running).unwrap_or_default();
                standings.push(KeyStanding { key: key.clone(), own, running, parked, tat_us, now_us });
            }
        }
        Ok(standings)
    }

    /// The keys of a queue that have something running, something parked or limits of their own, at most 100,000.
    pub(crate) async fn limited_keys(&self, keys: &QueueKeys) -> Result<Vec<LimitKey>> {
        let mut found = BTreeSet::new();
        for (verb, key) in [("HSCAN", Key::Running), ("HSCAN", Key::Limits), ("ZSCAN", Key::Unpark)] {
            let mut cursor = 0;
            loop {
                let mut command = redis::cmd(verb);
                command.arg(keys.name(key)).arg(cursor).arg("COUNT").arg(STEP);
                let page: (u64, Vec<(String, String)>) = read(verb, self.connection.call(&command).await?.value)?;
                found.extend(page.1.into_iter().map(|(name, _)| LimitKey::trusted(name)));
                cursor = page.0;
                if cursor == 0 || found.len() >= KEYS_MAX {
                    break;
                }
            }
        }
        Ok(found.into_iter().take(KEYS_MAX).collect())
    }

    /// Sets limits that are a key's own, those that are given; `None` takes all of them away. Whether that changed anything.
    pub(crate) async fn limit_key(&self, keys: &QueueKeys, key: &LimitKey, own: Option<OwnLimits>) -> Result<bool> {
        let mut command = scripts::LIMIT.on(keys, &self.clock);
        command.arg(OPERATOR).arg(key.as_str()).arg(own.map(OwnLimits::encode).unwrap_or_default());
        let answer = scripts::LIMIT.send(&self.connection, &command).await?;
        let changed: i64 = read("limit", answer.value)?;
        if changed < 0 {
            return Err(self.not_with_partitions(keys.queue(), Limit::PerKey).await);
        }
        Ok(changed > 0 || answer.repeated)
    }

    /// The limits of keys have changed: those with parked jobs are looked at now.
    pub(crate) async fn hasten(&self, keys: &QueueKeys) -> Result<()> {
        for _ in 0..HASTEN_CALLS {
            let command = scripts::HASTEN.on(keys, &self.clock);
            let hastened: usize = read("hasten", scripts::HASTEN.ask(&self.connection, &command).await?)?;
            if hastened < STEP {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_of_a_change_stays() {
        let table = [
            (OwnLimits { concurrency: Some(Some(2)), rate: None }, "2|=||="),
            (OwnLimits { concurrency: Some(None), rate: Some(None) }, "none|none||none"),
            (OwnLimits { concurrency: None, rate: Some(Some("30/m:2".parse().unwrap())) }, "=|2000000|2|30/m:2"),
        ];
        for (change, text) in table {
            assert_eq!(change.encode(), text);
        }
        let stored = OwnLimits { concurrency: None, rate: Some(Some("30/m:2".parse().unwrap())) };
        assert_eq!(OwnLimits::decode("|2000000|2|30/m:2"), stored);
        assert_eq!(OwnLimits::decode("none|none||none"), OwnLimits { concurrency: Some(None), rate: Some(None) });
        assert_eq!((OwnLimits::decode(""), OwnLimits::decode("x|y")), (OwnLimits::default(), OwnLimits::default()));
    }

    #[test]
    fn a_key_goes_on_when_its_rate_says_so() {
        let now_us = 1_764_000_000_000_000;
        let standing = |tat_us| KeyStanding {
            key: LimitKey::trusted("acme".to_owned()),
            own: OwnLimits::default(),
            running: 1,
            parked: 3,
            tat_us,
            now_us,
        };
        let keys = QueueKeys::new("p:", &crate::job::QueueName::new("q").unwrap());
        let settings = |concurrency, rate: &str| QueueSettings {
            key: Some("tenant".parse().unwrap()),
            key_concurrency: concurrency,
            key_rate: Some(rate.parse().unwrap()),
            ..QueueSettings::default()
        };
        let next = |tat_us, settings| standing(tat_us).under(&keys, &settings).next_at;
        assert_eq!(next(Some(now_us + 400_000), settings(None, "1/s")), Some(instant(now_us / 1_000 + 400)));
        let lifted = standing(None).under(&keys, &QueueSettings { key: None, ..settings(Some(1), "1/s") });
        assert_eq!((lifted.concurrency, lifted.rate), (None, None), "no key, no limit");
        assert_eq!(next(Some(now_us * 2), settings(None, "1/s")), Some(instant(now_us / 1_000)), "begins anew");
        assert_eq!(next(None, settings(Some(1), "1/s")), None, "one must end first");
    }
}
