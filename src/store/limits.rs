//! What is set for a queue: the fields of its `config`, read and written.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::config::{PriorityMode, QueueSettings, Rate, Retention, Setting};
use crate::error::{Error, Result};
use crate::job::{Partitions, QueueName};
use crate::retry::RetryPolicy;
use crate::store::codec::read;
use crate::store::course::Course;
use crate::store::{Key, QueueKeys, Store, scripts};

/// What `config` says, and which of its fields say nothing that can be read.
pub(crate) struct Stored {
    pub settings: QueueSettings,
    pub paused: bool,
    pub protected: bool,
    /// The number of partitions from which jobs are still being moved.
    pub partitions_was: Option<u16>,
    /// The number that is written down and does not hold yet.
    pub partitions_next: Option<u16>,
    /// One sentence for each bad field.
    pub problems: Vec<String>,
}

/// Reads the fields of `config` of `queue`. A field that cannot be read counts as not set.
pub(crate) fn decode(queue: &QueueName, fields: &BTreeMap<String, String>) -> Stored {
    let mut reader = Fields { fields, problems: Vec::new() };
    let defaults = QueueSettings::of(queue);
    let rate: Option<Rate> = reader.parse("rate");
    reader.agree("rate_us", rate.map(|rate| rate.interval_us()));
    reader.agree("rate_burst", rate.map(|rate| u64::from(rate.burst())));
    let key_rate: Option<Rate> = reader.parse("key_rate");
    reader.agree("key_rate_us", key_rate.map(|rate| rate.interval_us()));
    reader.agree("key_rate_burst", key_rate.map(|rate| u64::from(rate.burst())));
    let retry = reader.filled("retry").and_then(|text| match serde_json::from_str::<RetryPolicy>(text) {
        Ok(policy) => Some(policy),
        Err(error) => reader.bad("retry", text, error),
    });
    let settings = QueueSettings {
        rate,
        concurrency: reader.parse("concurrency"),
        key: reader.parse("key"),
        key_concurrency: reader.parse("key_concurrency"),
        key_rate,
        remove_on_complete: reader.parse("remove_on_complete").unwrap_or(defaults.remove_on_complete),
        remove_on_fail: reader.parse("remove_on_fail").unwrap_or(defaults.remove_on_fail),
        priority_mode: reader
            .parse("aging_us")
            .map_or(PriorityMode::Strict, |span_us| PriorityMode::Aging(Duration::from_micros(span_us))),
        max_length: reader.parse("max_length"),
        crash_limit: reader.parse("crash_limit").unwrap_or(defaults.crash_limit),
        durable: reader.parse("durable").unwrap_or(defaults.durable),
        retry: retry.unwrap_or(defaults.retry),
        partitions: reader.parse("partitions").unwrap_or(defaults.partitions),
    };
    let (partitions_was, partitions_next) = (reader.parse("partitions_was"), reader.parse("partitions_next"));
    let is_set = |field: &str| fields.get(field).is_some_and(|text| text == "1");
    let (paused, protected) = (is_set("paused"), is_set("protected"));
    Stored { settings, paused, protected, partitions_was, partitions_next, problems: reader.problems }
}

struct Fields<'a> {
    fields: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    fn filled(&self, field: &str) -> Option<&'a String> {
        self.fields.get(field).filter(|text| !text.is_empty())
    }

    fn bad<T>(&mut self, field: &str, text: &str, why: impl Display) -> Option<T> {
        self.problems.push(format!("field {field:?} holds {text:?}: {why}"));
        None
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, field: &str) -> Option<T> {
        let text = self.filled(field)?;
        text.parse().map_or_else(|error| self.bad(field, text, error), Some)
    }

    /// A field that is computed from another one holds what it should.
    fn agree(&mut self, field: &str, expected: Option<u64>) {
        let found = self.filled(field).map(String::as_str).unwrap_or_default();
        let expected = expected.map(|number| number.to_string()).unwrap_or_default();
        if found != expected {
            self.bad::<()>(field, found, format!("the rate that is set needs {expected:?}"));
        }
    }
}

/// The fields that a setting writes. An empty value lifts a limit, and keeps a profile's default from coming back.
pub(crate) fn encode(setting: &Setting) -> Vec<(&'static str, String)> {
    fn text(value: Option<impl Display>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let retention = |rule: &Retention| match rule {
        Retention::Age(age) => format!("{}ms", age.as_millis()),
        rule => rule.to_string(),
    };
    match setting {
        Setting::Rate(rate) => vec![
            ("rate", text(*rate)),
            ("rate_us", text(rate.map(|rate| rate.interval_us()))),
            ("rate_burst", text(rate.map(|rate| rate.burst()))),
        ],
        Setting::Key(field) => vec![("key", text(field.as_ref()))],
        Setting::KeyConcurrency(limit) => vec![("key_concurrency", text(*limit))],
        Setting::KeyRate(rate) => vec![
            ("key_rate", text(*rate)),
            ("key_rate_us", text(rate.map(|rate| rate.interval_us()))),
            ("key_rate_burst", text(rate.map(|rate| rate.burst()))),
        ],
        Setting::Concurrency(limit) => vec![("concurrency", text(*limit))],
        Setting::RemoveOnComplete(rule) => vec![("remove_on_complete", retention(rule))],
        Setting::RemoveOnFail(rule) => vec![("remove_on_fail", retention(rule))],
        Setting::PriorityMode(PriorityMode::Strict) => vec![("aging_us", String::new())],
        Setting::PriorityMode(PriorityMode::Aging(span)) => vec![("aging_us", span.as_micros().to_string())],
        Setting::MaxLength(limit) => vec![("max_length", text(*limit))],
        Setting::CrashLimit(limit) => vec![("crash_limit", limit.to_string())],
        Setting::Durable(mode) => vec![("durable", mode.to_string())],
        Setting::Retry(policy) => {
            vec![("retry", serde_json::to_string(policy).expect("a policy holds only numbers and strings"))]
        }
        // Not a field that is simply written: see `Store::intend`.
        Setting::Partitions(_) => Vec::new(),
    }
}

/// Refuses values that would stop a queue for good or mean nothing.
fn check(setting: &Setting) -> Result<()> {
    let problem = match setting {
        Setting::Concurrency(Some(0)) => "concurrency must be 1 or more (pause the queue to stop it)",
        Setting::KeyConcurrency(Some(0)) => "concurrency of a key must be 1 or more (pause the queue to stop it)",
        Setting::CrashLimit(0) => "crash limit must be 1 or more",
        Setting::Retry(policy) if policy.attempts == 0 => "attempts must be 1 or more",
        Setting::Partitions(count) => return Partitions::new(*count).map(drop),
        _ => return Ok(()),
    };
    Err(Error::invalid(problem))
}

/// A limit that a queue of several partitions cannot have, or not so low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    PerKey,
    Concurrency,
    MaxLength,
}

/// Which fields a change writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    All,
    Unset,
}

impl Store {
    /// What is set for a queue.
    pub(crate) async fn settings(&self, keys: &QueueKeys) -> Result<Stored> {
        let mut command = redis::cmd("HGETALL");
        command.arg(keys.name(Key::Config));
        let fields = self.connection.call(&command).await?;
        Ok(decode(keys.queue(), &read("HGETALL", fields.value)?))
    }

    /// Sets what is given; the rest stays. Whether that changed anything.
    pub(crate) async fn set(&self, keys: &QueueKeys, changes: &[Setting]) -> Result<bool> {
        changes.iter().try_for_each(check)?;
        let changed = self.write(keys, Mode::All, "settings", changes.iter().flat_map(encode).collect()).await?;
        // Also where it stood so already: whoever set it may have died before this.
        if changes.iter().any(|change| matches!(change, Setting::KeyConcurrency(_) | Setting::KeyRate(_))) {
            self.hasten(keys).await?;
        }
        Ok(changed)
    }

    /// Sets what nobody has set yet.
    pub(crate) async fn set_defaults(&self, keys: &QueueKeys, defaults: &[Setting]) -> Result<bool> {
        defaults.iter().try_for_each(check)?;
        self.write(keys, Mode::Unset, "settings", defaults.iter().flat_map(encode).collect()).await
    }

    /// Pauses or resumes a queue. Whether that changed anything.
    pub(crate) async fn set_paused(&self, keys: &QueueKeys, paused: bool) -> Result<bool> {
        let (event, value) = if paused { ("paused", "1") } else { ("resumed", "") };
        self.write(keys, Mode::All, event, vec![("paused", value.to_owned())]).await
    }

    /// Sets fields of other modules in the settings, such as thresholds; an empty value lifts one.
    pub(crate) async fn set_texts(&self, keys: &QueueKeys, fields: Vec<(&'static str, String)>) -> Result<bool> {
        self.write(keys, Mode::All, "settings", fields).await
    }

    /// Keeps acts on many jobs from removing any, or lets them again. Whether that changed anything.
    pub(crate) async fn set_protected(&self, keys: &QueueKeys, protected: bool) -> Result<bool> {
        let (event, value) = if protected { ("protected", "1") } else { ("unprotected", "") };
        self.write(keys, Mode::All, event, vec![("protected", value.to_owned())]).await
    }

    /// Why a queue of several partitions cannot have a limit, with their number, and what to do.
    pub(super) async fn not_with_partitions(&self, queue: &QueueName, limit: Limit) -> Error {
        let (stands, most) = match self.course(queue).await {
            Ok(Course { layout, next, .. }) => {
                let most = layout.was.into_iter().chain(next).chain([layout.now]).map(Partitions::count).max();
                let stands = match (layout.was, next) {
                    (Some(was), _) => format!("its jobs are being moved from {} to {}", was.told(), layout.now.count()),
                    (None, Some(next)) => {
                        format!("it has {} and is being moved to {}", layout.now.told(), next.count())
                    }
                    (None, None) => format!("it has {}", layout.now.told()),
                };
                (stands, most.unwrap_or(1).to_string())
            }
            // It says so itself where it is asked next.
            Err(_) => ("it has several partitions".to_owned(), "their number".to_owned()),
        };
        Error::refused(match limit {
            Limit::PerKey => {
                format!(
                    "queue {queue} cannot have limits per key: {stands}, and the jobs of a key may be in several; bring it back to one first \
                 (queues set {queue} --partitions 1)"
                )
            }
            Limit::Concurrency => format!(
                "the concurrency of queue {queue} cannot be so low: {stands}, and each partition must be able to run a job; set \
                 {most} or more (or bring it to fewer in one command: queues set {queue} --partitions 1 --concurrency N)"
            ),
            Limit::MaxLength => format!(
                "the maxLength of queue {queue} cannot be so low: {stands}, and each partition must be able to hold a job; set \
                 {most} or more (or bring it to fewer in one command: queues set {queue} --partitions 1 --max-length N)"
            ),
        })
    }

    /// Writes what is set for a queue, and each partition's share of it into the partition.
    async fn write(
        &self,
        keys: &QueueKeys,
        mode: Mode,
        event: &str,
        fields: Vec<(&'static str, String)>,
    ) -> Result<bool> {
        if fields.is_empty() {
            return Ok(false);
        }
        // Whichever of its places is named: what is set for a queue stands under its own name.
        let mut command = scripts::SETTINGS.on(&self.keys(keys.queue()), &self.clock);
        command.arg(if mode == Mode::All { "set" } else { "default" }).arg(event).arg("operator");
        for (field, value) in &fields {
            command.arg(field).arg(value);
        }
        let answer = scripts::SETTINGS.send(&self.connection, &command).await?;
        let changed: i64 = read("settings", answer.value)?;
        if changed < 0 {
            let limit = [Limit::PerKey, Limit::Concurrency, Limit::MaxLength].into_iter().nth((-changed - 1) as usize);
            return Err(self.not_with_partitions(keys.queue(), limit.unwrap_or(Limit::PerKey)).await);
        }
        // Also where it stood so already: whoever set it may have died before this.
        self.copy_settings(keys.queue()).await?;
        // Where the first of two calls got lost it is the one that may have changed something.
        Ok(changed > 0 || answer.repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Durable;

    fn read_of(queue: &str, fields: &BTreeMap<String, String>) -> Stored {
        decode(&QueueName::new(queue).unwrap(), fields)
    }

    fn fields(settings: &[Setting]) -> BTreeMap<String, String> {
        settings.iter().flat_map(encode).map(|(field, value)| (field.to_owned(), value)).collect()
    }

    #[test]
    fn settings_come_back_as_they_were_set() {
        let wanted = QueueSettings {
            rate: Some("100/s:20".parse().unwrap()),
            concurrency: Some(3),
            key: Some("tenant.id".parse().unwrap()),
            key_concurrency: Some(2),
            key_rate: Some("30/m:2".parse().unwrap()),
            remove_on_complete: "24h".parse().unwrap(),
            remove_on_fail: "1000".parse().unwrap(),
            priority_mode: "aging:10m".parse().unwrap(),
            max_length: Some(5),
            crash_limit: 4,
            durable: Durable::On,
            retry: RetryPolicy { attempts: 9, ..RetryPolicy::default() },
            partitions: 1,
        };
        let stored = read_of(
            "q",
            &fields(&[
                Setting::Rate(wanted.rate),
                Setting::Concurrency(wanted.concurrency),
                Setting::Key(wanted.key.clone()),
                Setting::KeyConcurrency(wanted.key_concurrency),
                Setting::KeyRate(wanted.key_rate),
                Setting::RemoveOnComplete(wanted.remove_on_complete),
                Setting::RemoveOnFail(wanted.remove_on_fail),
                Setting::PriorityMode(wanted.priority_mode),
                Setting::MaxLength(wanted.max_length),
                Setting::CrashLimit(wanted.crash_limit),
                Setting::Durable(wanted.durable),
                Setting::Retry(wanted.retry),
            ]),
        );
        assert_eq!((stored.settings, stored.problems), (wanted, Vec::<String>::new()));
        let lifted = [Setting::Rate(None), Setting::Concurrency(None), Setting::MaxLength(None), Setting::Key(None)];
        let lifted = read_of("q", &fields(&[&lifted[..], &[Setting::PriorityMode(PriorityMode::Strict)]].concat()));
        assert_eq!((lifted.settings, lifted.problems), (QueueSettings::default(), Vec::new()));
    }

    #[test]
    fn what_a_hand_broke_counts_as_not_set_and_is_named() {
        let mut broken = fields(&[Setting::Rate(Some("10/s".parse().unwrap())), Setting::CrashLimit(5)]);
        for (field, value) in [("concurrency", "x"), ("rate_us", "1000000000000"), ("retry", "{"), ("durable", "yes")] {
            broken.insert(field.to_owned(), value.to_owned());
        }
        let stored = read_of("roi-distribution", &broken);
        assert_eq!((stored.settings.concurrency, stored.settings.crash_limit), (None, 5));
        assert_eq!(stored.settings.durable, Durable::Auto, "what holds for the queue of that name");
        assert_eq!(stored.problems.len(), 4, "{:?}", stored.problems);
        for field in ["concurrency", "rate_us", "retry", "durable"] {
            assert!(stored.problems.iter().any(|problem| problem.contains(&format!("{field:?}"))), "{field}");
        }
    }
}
