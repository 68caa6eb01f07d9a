//! Alerts by hand: looked at, set, muted, tried.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use crate::alert::{AlertMute, AlertName, AlertNotice, AlertRule, AlertSinks, MuteTarget};
use crate::alerts::history::AlertEntry;
use crate::alerts::info::{AlertInfo, infos};
use crate::alerts::mutes::{MuteInfo, Mutes};
use crate::alerts::reading::Look;
use crate::alerts::rules::{AlertSource, Rules, text};
use crate::alerts::tell::Reach;
use crate::alerts::waiting::Waiting;
use crate::alerts::watch::Watch;
use crate::client::Client;
use crate::clock::{instant, local_now, span_text};
use crate::error::{Error, Result};
use crate::job::LONGEST;
use crate::store::{AlertHash, Store};

/// After so long without a look nobody evaluates: longer than from one call of `alerts run --once` to the next by cron.
pub(crate) const UNWATCHED: Duration = Duration::from_secs(120);

/// The alerts of all queues under a prefix.
#[derive(Clone)]
pub struct Alerts {
    client: Client,
    store: Store,
}

/// A sink that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkTried {
    /// Its name.
    pub sink: AlertName,
    /// Whether it took the notice.
    pub ok: bool,
    /// What it said, or why it did not.
    pub message: String,
}

impl Client {
    /// The alerts of all queues.
    pub fn alerts(&self) -> Alerts {
        Alerts { client: self.clone(), store: self.store().clone() }
    }
}

impl Alerts {
    async fn rules(&self) -> Result<BTreeMap<AlertName, (AlertRule, AlertSource)>> {
        let stored = self.store.alert_fields(AlertHash::Rules).await?;
        let rules = Rules::new(&stored, &self.client.config().alerts.rules);
        rules.unreadable.into_iter().next().map_or(Ok(rules.rules), Err)
    }

    /// Every rule, and how each of its subjects stands: those that are stored, those of the profile file of this client, and
    /// the one that is always there.
    ///
    /// # Errors
    /// `Corrupt` where a hand has written an unreadable rule: it is named.
    pub async fn list(&self) -> Result<Vec<AlertInfo>> {
        self.look(None).await
    }

    /// One rule, and how each of its subjects stands.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name; as [`Alerts::list`].
    pub async fn show(&self, name: &AlertName) -> Result<Vec<AlertInfo>> {
        self.look(Some(name)).await
    }

    async fn look(&self, only: Option<&AlertName>) -> Result<Vec<AlertInfo>> {
        let rules = self.rules().await?;
        let rules: Vec<_> =
            rules.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).map(|(_, rule)| rule).collect();
        if let Some(name) = only.filter(|_| rules.is_empty()) {
            return Err(not_found(name));
        }
        let measured: Vec<_> = rules.iter().map(|(rule, _)| rule).collect();
        let (look, mutes, standings, outbox, now_ms) = tokio::try_join!(
            Look::take(&self.store, &measured),
            self.store.alert_fields(AlertHash::Mutes),
            self.store.alert_fields(AlertHash::Standings),
            self.store.alert_fields(AlertHash::Outbox),
            self.store.now_ms(),
        )?;
        let waiting: Vec<Waiting> = outbox.values().filter_map(|text| serde_json::from_str(text).ok()).collect();
        Ok(infos(&rules, &look, (&standings, &waiting), (&Mutes::new(&mutes, now_ms), now_ms)))
    }

    /// Stores a rule, in place of one of its name.
    ///
    /// # Errors
    /// `Refused` where there are 200, or the profile file of this client has one of that name, which would go before it.
    pub async fn set(&self, rule: &AlertRule, by: &str) -> Result<()> {
        self.must_not_be_in_file(&rule.name)?;
        let now_ms = self.store.now_ms().await?;
        let entry = AlertEntry::new(instant(now_ms), "set", &rule.name, by).message(rule.condition());
        self.store.alert_put(AlertHash::Rules, rule.name.as_str(), &text(rule)?, &entry.text()).await.map(drop)
    }

    /// Removes a stored rule. What it fires for is told to be over.
    ///
    /// # Errors
    /// `NotFound` where none of that name is stored; `Refused` where it stands in the profile file.
    pub async fn unset(&self, name: &AlertName, by: &str) -> Result<()> {
        let now_ms = self.store.now_ms().await?;
        let entry = AlertEntry::new(instant(now_ms), "removed", name, by);
        if self.store.alert_put(AlertHash::Rules, name.as_str(), "", &entry.text()).await? {
            return Ok(());
        }
        self.must_not_be_in_file(name)?;
        Err(match name.as_str() {
            AlertRule::REDIS => Error::refused("alert \"redis\" is always there: mute it, or set one of that name"),
            _ => not_found(name),
        })
    }

    fn must_not_be_in_file(&self, name: &AlertName) -> Result<()> {
        match self.client.config().alerts.rules.contains_key(name) {
            true => Err(Error::refused(format!("alert \"{name}\" stands in the profile file: change it there"))),
            false => Ok(()),
        }
    }

    /// Nobody is told of these for `span`. Alerts go on standing; what still fires at its end is told then, and the end of
    /// what had been told before.
    ///
    /// # Errors
    /// `NotFound` where there is no such alert; `Invalid` for a span of zero or over a hundred years, or a reason of over 500
    /// bytes.
    pub async fn mute(
        &self,
        target: MuteTarget,
        span: Duration,
        (reason, by): (Option<&str>, &str),
    ) -> Result<MuteInfo> {
        if span.is_zero() || span > LONGEST {
            return Err(Error::invalid("a mute lasts longer than zero, and a hundred years at most"));
        }
        AlertMute::check_reason(reason)?;
        if let MuteTarget::One(name) = &target
            && !self.rules().await?.contains_key(name)
        {
            return Err(not_found(name));
        }
        let now = instant(self.store.now_ms().await?);
        let over = Mutes::new(&self.store.alert_fields(AlertHash::Mutes).await?, now.timestamp_millis()).over;
        for name in over {
            self.store.alert_put(AlertHash::Mutes, &name, "", "").await?;
        }
        let mute = AlertMute { until: now + span, reason: reason.map(str::to_owned), by: by.to_owned() };
        let text = serde_json::to_string(&mute).map_err(|error| Error::internal(format!("mute: {error}")))?;
        let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let entry = AlertEntry::new(now, "muted", &target, by).message(format!("for {}{because}", span_text(span)));
        self.store.alert_put(AlertHash::Mutes, &target.to_string(), &text, &entry.text()).await?;
        Ok(MuteInfo { alert: target, mute: Some(mute) })
    }

    /// Ends a mute.
    ///
    /// # Errors
    /// `NotFound` where it is not muted; one that is muted with all others is not muted by itself.
    pub async fn unmute(&self, target: MuteTarget, by: &str) -> Result<MuteInfo> {
        let now = instant(self.store.now_ms().await?);
        let entry = AlertEntry::new(now, "unmuted", &target, by);
        match self.store.alert_put(AlertHash::Mutes, &target.to_string(), "", &entry.text()).await? {
            true => Ok(MuteInfo { alert: target, mute: None }),
            false if target == MuteTarget::All => Err(Error::not_found("there is no mute of all alerts")),
            false => Err(Error::not_found(format!("alert \"{target}\" is not muted by itself"))),
        }
    }

    /// What became of alerts, the latest first.
    ///
    /// # Errors
    /// As of [`Client::ping`].
    pub async fn history(&self, limit: u64) -> Result<Vec<AlertEntry>> {
        let entries = self.store.alert_history(limit).await?;
        let read = |(at_ms, text): (i64, String)| {
            // What a hand wrote there is shown as it is.
            let unreadable = || AlertEntry::new(instant(at_ms), "unreadable", "*", "").message(&text);
            serde_json::from_str::<AlertEntry>(&text).unwrap_or_else(|_| unreadable())
        };
        Ok(entries.into_iter().map(read).collect())
    }

    /// Who evaluates, where anybody does now.
    ///
    /// # Errors
    /// As of [`Client::ping`].
    pub async fn evaluator(&self) -> Result<Option<String>> {
        let (holder, now_ms) = tokio::try_join!(self.store.alert_holder(), self.store.now_ms())?;
        Ok(holder.filter(|(_, until_ms)| *until_ms > now_ms).map(|(holder, _)| holder))
    }

    /// Whether anybody has looked in the last two minutes: a call of [`Alerter::once`](crate::Alerter::once) every minute
    /// is enough.
    ///
    /// # Errors
    /// As of [`Client::ping`].
    pub async fn is_watched(&self) -> Result<bool> {
        let (holder, now_ms) = tokio::try_join!(self.store.alert_holder(), self.store.now_ms())?;
        Ok(holder.is_some_and(|(_, until_ms)| now_ms - until_ms <= UNWATCHED.as_millis() as i64))
    }

    /// Tells every sink, or one, that this is a test: now, and whether or not Redis is there.
    ///
    /// # Errors
    /// `NotFound` where there is no such sink here.
    pub async fn test(&self, sinks: &AlertSinks, only: Option<&AlertName>, by: &str) -> Result<Vec<SinkTried>> {
        let names: Vec<_> = sinks.names().filter(|name| only.is_none_or(|only| only == *name)).cloned().collect();
        if let Some(only) = only.filter(|_| names.is_empty()) {
            let known: Vec<_> = sinks.names().map(AlertName::as_str).collect();
            return Err(Error::not_found(format!("sink \"{only}\" not found: there are {}", known.join(", "))));
        }
        let watch = Watch::new(&self.client, sinks.clone(), (by.into(), None));
        let notice = AlertNotice::for_test((&self.store.prefix, by), local_now());
        let reach = if self.client.ping().await.is_ok() { Reach::AnyWay } else { Reach::Alone };
        let tell = |sink: AlertName| {
            let (watch, notice) = (&watch, &notice);
            async move {
                let told = watch.tell(&sink, notice, reach).await;
                let ok = told.is_ok();
                SinkTried { sink, ok, message: told.map_or_else(|error| error.to_string(), |told| told.said) }
            }
        };
        let mut tried = join_all(names.into_iter().map(tell)).await;
        if only.is_none() {
            tried.extend(self.missing(sinks));
        }
        Ok(tried)
    }
}

impl Alerts {
    /// Sinks that rules of the profile file name, and that are not there.
    fn missing(&self, sinks: &AlertSinks) -> Vec<SinkTried> {
        let rules = &self.client.config().alerts.rules;
        let mut by_sink = BTreeMap::<&AlertName, &AlertName>::new();
        for rule in rules.values() {
            rule.sinks.iter().for_each(|sink| _ = by_sink.entry(sink).or_insert(&rule.name));
        }
        let missing = by_sink.into_iter().filter(|(sink, _)| sinks.get(sink).is_none());
        let told = |(sink, rule): (&AlertName, &AlertName)| SinkTried {
            sink: sink.clone(),
            ok: false,
            message: format!("sink {sink} is not configured here; alert {rule} names it"),
        };
        missing.map(told).collect()
    }
}

fn not_found(name: &AlertName) -> Error {
    Error::not_found(format!("alert \"{name}\" not found: 'alerts list' shows those that there are"))
}
