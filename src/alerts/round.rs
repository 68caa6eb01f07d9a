//! One look: takes the turn, measures, moves what stands, and puts down what is to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use crate::alert::{
    AlertEvent, AlertKind, AlertName, AlertNotice, AlertRule, AlertSeverity, AlertTold, Change, Standing, one_line,
    step,
};
use crate::alerts::history::AlertEntry;
use crate::alerts::mutes::Mutes;
use crate::alerts::reading::{Look, Reading, gone};
use crate::alerts::rules::{AlertSource, Rules};
use crate::alerts::waiting::Waiting;
use crate::alerts::watch::{LastRead, Watch};
use crate::clock::instant;
use crate::error::{Error, ErrorKind, Result};
use crate::measure::Check;
use crate::store::{ALERT_MOVES, AlertHash, AlertMove, AlertMoved};

/// How often it is written down that a rule of a profile file is evaluated.
const FILE_SEEN_EVERY_MS: i64 = 3_600_000;
/// A rule of a profile file that nobody has evaluated for so long is gone.
const FILE_GONE_MS: i64 = 86_400_000;

/// An alert that moves, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moved {
    pub field: String,
    pub before: String,
    pub after: String,
    /// What happened and who is told of it (none: all), where it is told or written down.
    pub change: Option<(Change, AlertTold, Vec<AlertName>)>,
}

/// The field of a subject of a rule, and back.
pub(super) fn field(alert: &AlertName, subject: &str) -> String {
    format!("{alert}|{subject}")
}

pub(super) fn parts(field: &str) -> (&str, &str) {
    field.split_once('|').unwrap_or((field, ""))
}

impl Watch {
    /// Looks, if it is our turn. Whether it was.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering, a node of a cluster that is away, and one stored rule that cannot be read, after all others are seen to.
    pub(super) async fn round(&self) -> Result<bool> {
        let turn = {
            // Nobody begins to be told while the turn may be let go of.
            let free = self.telling.try_lock();
            self.take_turn(free.is_err()).await?
        };
        if !turn.is_ours {
            return Ok(false);
        }
        let (stored, mutes, standings) = tokio::try_join!(
            self.store.alert_fields(AlertHash::Rules),
            self.store.alert_fields(AlertHash::Mutes),
            self.store.alert_fields(AlertHash::Standings),
        )?;
        let Rules { rules, unreadable } = Rules::new(&stored, &self.client.config().alerts.rules);
        let mutes = Mutes::new(&mutes, turn.now_ms);
        let (of_redis, rules): (Vec<_>, Vec<_>) =
            rules.into_values().partition(|(rule, _)| rule.kind == AlertKind::Redis);
        let of_redis = of_redis.into_iter().map(|(rule, _)| rule).collect();
        self.remember(LastRead { rules: of_redis, mutes: mutes.clone() });
        // What nodes have that are away is left as it stands.
        let store = self.store.noting();
        let look = Look::take(&store, &rules.iter().map(|(rule, _)| rule).collect::<Vec<_>>()).await?;
        let moved = plan(&rules, &look, &standings, (&mutes, turn.now_ms));
        // One standing, one entry and a notice for each sink are the most that one alert comes to.
        let at_once = (ALERT_MOVES - self.sinks.names().count().min(100)) / 2;
        for moved in moved.chunks(at_once) {
            if !self.commit(moved, instant(turn.now_ms)).await? {
                return Ok(true);
            }
        }
        // All else is seen to; the rules about Redis have this to tell.
        if let Some(error) = store.unreached_error() {
            return Err(error);
        }
        unreadable.into_iter().next().map_or(Ok(true), Err)
    }

    /// Moves them all and puts down the notices, at once. Whether they were as they were seen.
    async fn commit(&self, moved: &[Moved], at: DateTime<Utc>) -> Result<bool> {
        let mut moves = Vec::new();
        for Moved { field, before, after, change } in moved {
            moves.push(AlertMove::standing(field.clone(), before.clone(), after.clone()));
            if let Some((change, told, _)) = change.as_ref().filter(|(change, ..)| change.is_new) {
                moves.push(AlertMove::entry(AlertEntry::of(told, !change.tells, (at, &self.by)).text()));
            }
        }
        let told: Vec<_> = moved.iter().filter_map(|moved| moved.change.as_ref()).filter(|(it, ..)| it.tells).collect();
        let told: Vec<_> = told.iter().map(|(_, told, sinks)| (told.clone(), sinks.clone())).collect();
        let (notices, unknown) = self.addressed(self.notices(&told, at), at);
        moves.extend(unknown.iter().map(|entry| AlertMove::entry(entry.text())));
        for waiting in &notices {
            moves.push(AlertMove::notice(waiting.field(), String::new(), waiting.text()?));
        }
        if moves.is_empty() {
            return Ok(true);
        }
        match self.put_down(&moves, notices.len()).await? {
            AlertMoved::Done => {
                self.count(moved);
                self.say_unknown(&unknown);
                if !notices.is_empty() {
                    self.news.notify_one();
                }
                Ok(true)
            }
            AlertMoved::Changed => Ok(false),
            AlertMoved::NotOurs => {
                self.set_turn(None);
                Ok(false)
            }
        }
    }

    fn count(&self, moved: &[Moved]) {
        for (change, ..) in moved.iter().filter_map(|moved| moved.change.as_ref()).filter(|(change, ..)| change.is_new)
        {
            match change.event {
                AlertEvent::Firing => _ = self.counts.fired.fetch_add(1, Ordering::Relaxed),
                AlertEvent::Recovered => _ = self.counts.recovered.fetch_add(1, Ordering::Relaxed),
                AlertEvent::Repeated => {}
            }
        }
    }

    /// One notice for each sink, of all that it is told; sinks that are told the same share theirs.
    pub(super) fn notices(&self, told: &[(AlertTold, Vec<AlertName>)], at: DateTime<Utc>) -> Vec<Waiting> {
        let mut by_sink = BTreeMap::<AlertName, Vec<usize>>::new();
        for (index, (_, sinks)) in told.iter().enumerate() {
            let all = sinks.is_empty().then(|| self.sinks.names()).into_iter().flatten();
            for sink in all.chain(sinks) {
                by_sink.entry(sink.clone()).or_default().push(index);
            }
        }
        let mut by_content = BTreeMap::<Vec<usize>, Vec<AlertName>>::new();
        for (sink, indices) in by_sink {
            by_content.entry(indices).or_default().push(sink);
        }
        let notice = |(indices, sinks): (Vec<usize>, Vec<AlertName>)| {
            let alerts = indices.into_iter().map(|index| told[index].0.clone()).collect();
            Waiting::new(AlertNotice::new((&self.store.prefix, &self.by), at, alerts), sinks)
        };
        by_content.into_iter().map(notice).collect()
    }
}

/// What follows from a look for everything that stands or is measured.
pub(super) fn plan(
    rules: &[(AlertRule, AlertSource)],
    look: &Look,
    standings: &BTreeMap<String, String>,
    (mutes, now_ms): (&Mutes, i64),
) -> Vec<Moved> {
    let mut moved = Vec::new();
    let mut consider =
        |(rule, source): (&AlertRule, AlertSource), reading: Option<&Reading>, subject: &str, why: &str| {
            let field = field(&rule.name, subject);
            let text = standings.get(&field);
            // What a hand broke counts as well.
            let before = text.and_then(|text| serde_json::from_str::<Standing>(text).ok());
            let muted = mutes.of(&rule.name, now_ms).is_some();
            let (after, change) = step(rule, before.as_ref(), reading.map(|reading| reading.value), (muted, now_ms));
            let file_ms = (source == AlertSource::File).then(|| seen_ms(before.as_ref(), now_ms));
            let after = after.map(|after| Standing { file_ms, ..after });
            let after_text = after.as_ref().and_then(|it| serde_json::to_string(it).ok()).unwrap_or_default();
            let before_text = text.cloned().unwrap_or_default();
            // Those who were told that it fires are told that it is over, whatever became of the rule.
            let of_before =
                before.as_ref().filter(|before| before.told_ms.is_some()).map(|before| before.sinks.clone());
            let since_ms = before.or(after).map_or(now_ms, |standing| standing.since_ms);
            if before_text != after_text || change.is_some() {
                let change = change.map(|change| {
                    let told = told(rule, (reading, subject, why), (change.event, since_ms));
                    let of_before = of_before.filter(|_| change.event == AlertEvent::Recovered);
                    (change, told, of_before.unwrap_or_else(|| rule.sinks.clone()))
                });
                moved.push(Moved { field, before: before_text, after: after_text, change });
            }
        };
    let mut seen = BTreeSet::new();
    for (rule, source) in rules {
        for reading in look.of(rule) {
            consider((rule, *source), Some(&reading), &reading.subject, "");
            seen.insert(field(&rule.name, &reading.subject));
        }
    }
    for known in standings.keys().filter(|known| !seen.contains(known.as_str())) {
        let (name, subject) = parts(known);
        let found = rules.iter().find(|(rule, _)| rule.name.as_str() == name);
        let rule = found.map(|(rule, _)| rule);
        if rule.is_none() && is_of_another_file(&standings[known], now_ms) {
            continue;
        }
        // What could not be measured this time stands as it did.
        if rule.is_some_and(|rule| look.is_unread(rule.kind, subject)) {
            continue;
        }
        let why = rule.map_or_else(|| "its rule is gone".to_owned(), |rule| gone(rule.kind, subject));
        let Ok(name) = AlertName::new(name) else { continue };
        let stand_in = || AlertRule {
            severity: AlertSeverity::Warning,
            ..AlertRule::usual(name, AlertKind::Queue(Check::Backlog))
        };
        let rule = rule.cloned().unwrap_or_else(stand_in);
        consider((&rule, found.map_or(AlertSource::Stored, |(_, source)| *source)), None, subject, &why);
    }
    moved
}

/// When a rule of the profile file was evaluated: written anew once an hour, not at every look.
fn seen_ms(before: Option<&Standing>, now_ms: i64) -> i64 {
    let known = before.and_then(|standing| standing.file_ms);
    known.filter(|known| (0..FILE_SEEN_EVERY_MS).contains(&(now_ms - known))).unwrap_or(now_ms)
}

/// Whether the rule of a standing is in a profile file that we do not have, and that somebody has evaluated of late.
fn is_of_another_file(text: &str, now_ms: i64) -> bool {
    let file_ms = serde_json::from_str::<Standing>(text).ok().and_then(|standing| standing.file_ms);
    file_ms.is_some_and(|file_ms| now_ms - file_ms < FILE_GONE_MS)
}

/// What is told of an alert.
pub(super) fn told(
    rule: &AlertRule,
    (reading, subject, why): (Option<&Reading>, &str, &str),
    (event, since_ms): (AlertEvent, i64),
) -> AlertTold {
    AlertTold {
        alert: rule.name.clone(),
        event,
        severity: rule.severity,
        queue: reading.and_then(|reading| reading.queue.clone()),
        subject: one_line(subject),
        value: reading.map(|reading| reading.value),
        condition: rule.condition(),
        message: one_line(reading.map_or(why, |reading| &reading.message)),
        since: instant(since_ms),
    }
}

/// Whether an error says that Redis cannot be worked with, and not that something stored is wrong.
pub(super) fn is_away(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Corrupt | ErrorKind::Internal | ErrorKind::Invalid | ErrorKind::Refused | ErrorKind::Full
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertSinks, Phase};
    use crate::client::Client;
    use crate::config::Config;

    fn rule(name: &str, sinks: &[&str]) -> AlertRule {
        let usual = AlertRule::usual(AlertName::new(name).unwrap(), AlertKind::Queue(Check::Backlog));
        let sinks = sinks.iter().map(|sink| AlertName::new(sink).unwrap()).collect();
        AlertRule { threshold: 10.0, clear: 10.0, hold: std::time::Duration::ZERO, sinks, ..usual }
    }

    #[test]
    fn a_standing_whose_rule_is_gone_is_over_and_broken_ones_begin_anew() {
        let pager = AlertName::new("pager").unwrap();
        let standing =
            Standing { phase: Phase::Firing, since_ms: 1, told_ms: Some(2), sinks: vec![pager.clone()], file_ms: None };
        let text = serde_json::to_string(&standing).unwrap();
        let standings = BTreeMap::from([("a|q".to_owned(), text.clone()), ("b|q".to_owned(), "{".to_owned())]);
        let stored = |name: &str| (rule(name, &[]), AlertSource::Stored);
        let moved = plan(&[stored("b")], &Look::default(), &standings, (&Mutes::default(), 10));
        let told: Vec<_> = moved.iter().map(|moved| (moved.field.as_str(), moved.after.as_str())).collect();
        assert_eq!(told, [("a|q", ""), ("b|q", "")]);
        let (change, told, sinks) = moved[0].change.as_ref().unwrap();
        assert_eq!(sinks, &[pager], "those who were told that it fires");
        assert_eq!(
            (change.event, change.tells, told.message.as_str()),
            (AlertEvent::Recovered, true, "its rule is gone")
        );
        assert_eq!((moved[1].change.as_ref(), moved[1].before.as_str()), (None, "{"));
        let mut unread = Look::default();
        unread.unread.insert("q".to_owned());
        let held = plan(&[stored("a"), stored("b")], &unread, &standings, (&Mutes::default(), 10));
        assert_eq!(held, [], "a queue that cannot be read now stands as it did");
    }

    #[test]
    fn an_alert_of_another_profile_file_is_left_alone_for_a_day() {
        let standing =
            Standing { phase: Phase::Firing, since_ms: 1, told_ms: Some(2), sinks: Vec::new(), file_ms: Some(1_000) };
        let standings = BTreeMap::from([("a|q".to_owned(), serde_json::to_string(&standing).unwrap())]);
        let at = |now_ms| plan(&[], &Look::default(), &standings, (&Mutes::default(), now_ms)).len();
        assert_eq!((at(2_000), at(1_000 + FILE_GONE_MS)), (0, 1));
        let known =
            plan(&[(rule("a", &[]), AlertSource::File)], &Look::default(), &standings, (&Mutes::default(), 2_000));
        assert_eq!(known.len(), 1, "whoever has the file knows that the queue is gone");
        assert_eq!((seen_ms(Some(&standing), 2_000), seen_ms(Some(&standing), 4_000_000)), (1_000, 4_000_000));
    }

    #[test]
    fn each_sink_is_told_once_of_all_that_concerns_it() {
        let client = Client::new(&Config::from_lookup(|_| None, None).unwrap()).unwrap();
        let ops = AlertName::new("ops").unwrap();
        let watch = Watch::new(&client, AlertSinks::new().log(ops), ("w".into(), None));
        let told = |name: &str, sinks: &[&str]| {
            let rule = rule(name, sinks);
            (told(&rule, (None, "q", "x"), (AlertEvent::Firing, 1)), rule.sinks)
        };
        let alerts = [told("a", &[]), told("b", &["ops"]), told("c", &["page"])];
        let notices: Vec<_> = watch
            .notices(&alerts, instant(5))
            .into_iter()
            .map(|waiting| {
                let names: Vec<_> = waiting.notice.alerts.iter().map(|told| told.alert.to_string()).collect();
                (names.join(" "), waiting.owed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            })
            .collect();
        let wanted = [("a", "log"), ("a b", "ops"), ("c", "page")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(notices, wanted);
        let same = watch.notices(&alerts[..1], instant(5));
        assert_eq!((same.len(), same[0].owed.len()), (1, 2), "sinks that are told the same share a notice");
    }
}
