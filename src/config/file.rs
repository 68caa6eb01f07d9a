//! The profile file: the same values as the environment, in TOML, and settings of queues.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::{Table, Value};

use super::problems::ConfigProblems;
use super::queue::{QueueSettings, Setting};
use super::source::ProfileValue;
use super::variable::VARIABLES;
use crate::job::{PARTITIONS_MAX, QueueName};

/// A profile file that was read: its path, to name it in problems, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says: TOML.
    pub text: String,
}

/// What a profile file says.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Values by name of variable.
    pub values: BTreeMap<&'static str, ProfileValue>,
    /// Settings of queues.
    pub queues: BTreeMap<QueueName, Vec<Setting>>,
    /// Rules of alerts, not yet read.
    pub alerts: Table,
    /// Sinks of alerts, not yet read.
    pub sinks: Table,
}

impl ProfileFile {
    /// The values by variable, and the settings by queue. Unknown keys are problems.
    pub(super) fn parse(&self, problems: &mut ConfigProblems) -> Parsed {
        let mut parsed = Parsed::default();
        let table: Table = match self.text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                let line = error
                    .span()
                    .and_then(|span| self.text.get(..span.start))
                    .map(|text| text.matches('\n').count() + 1);
                let line = line.map_or_else(String::new, |line| format!("line {line}: "));
                problems.push(self.at(&format!("{line}{}", error.message().replace('\n', " "))));
                return parsed;
            }
        };
        for (name, value) in table {
            match value {
                Value::Table(queues) if name == "queues" => self.read_queues(queues, &mut parsed.queues, problems),
                Value::Table(alerts) if name == "alerts" => parsed.alerts = alerts,
                Value::Table(sinks) if name == "sinks" => parsed.sinks = sinks,
                Value::Table(section) => {
                    for (key, value) in section {
                        self.read_value(&format!("{name}.{key}"), value, &mut parsed.values, problems);
                    }
                }
                value => self.read_value(&name, value, &mut parsed.values, problems),
            }
        }
        parsed
    }

    /// A problem, with where it is.
    pub(super) fn at(&self, problem: &str) -> String {
        format!("{}: {problem}", self.path.display())
    }

    fn read_value(
        &self,
        key: &str,
        value: Value,
        values: &mut BTreeMap<&'static str, ProfileValue>,
        problems: &mut ConfigProblems,
    ) {
        let Some(variable) = VARIABLES.iter().find(|variable| variable.profile == Some(key)) else {
            problems.push(self.at(&unknown(key)));
            return;
        };
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(on) => on.to_string(),
            Value::Array(entries) if entries.iter().all(Value::is_str) => {
                entries.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => {
                problems.push(self.at(&format!("{key}: expected a text or a number, not a {}", other.type_str())));
                return;
            }
        };
        if !text.is_empty() {
            let origin = format!("{}: {key}", self.path.display());
            values.insert(variable.name, ProfileValue { text, origin });
        }
    }

    fn read_queues(
        &self,
        queues: Table,
        settings: &mut BTreeMap<QueueName, Vec<Setting>>,
        problems: &mut ConfigProblems,
    ) {
        for (name, value) in queues {
            let queue = match (QueueName::new(&name), value) {
                (Ok(queue), Value::Table(table)) => (queue, table),
                (Ok(_), other) => {
                    problems.push(self.at(&format!("queues.{name}: expected a table, not a {}", other.type_str())));
                    continue;
                }
                (Err(error), _) => {
                    problems.push(self.at(&format!("queues: {error}")));
                    continue;
                }
            };
            let (queue, table) = queue;
            let of_queue = settings.entry(queue).or_default();
            for (key, value) in table {
                let value = serde_json::to_value(&value).map_err(|error| error.to_string());
                match value.and_then(|value| setting(&key, Some(value))) {
                    Ok(setting) => of_queue.push(setting),
                    Err(problem) => problems.push(self.at(&format!("queues.{name}.{key}: {problem}"))),
                }
            }
        }
    }
}

fn unknown(key: &str) -> String {
    match key.rsplit('.').next().unwrap_or_default() {
        last if last.contains("password") || ["signing_key", "smtp_url", "token"].contains(&last) => {
            format!("{key}: secrets do not stand in this file: name a file that holds it, or set the variable")
        }
        _ => {
            let known = VARIABLES.iter().filter_map(|variable| variable.profile);
            let section = key.split_once('.').map(|(section, _)| format!("{section}."));
            let near: Vec<_> = known
                .clone()
                .filter(|known| section.as_ref().is_some_and(|section| known.starts_with(section.as_str())))
                .collect();
            let listed = if near.is_empty() {
                known.chain(["queues.NAME.…", "alerts.NAME.…", "sinks.NAME.…"]).collect()
            } else {
                near
            };
            format!("unknown key {key}: there are {}", listed.join(", "))
        }
    }
}

/// One setting, read by the rules of [`QueueSettings`]; without a value its default.
pub(super) fn setting(key: &str, value: Option<serde_json::Value>) -> Result<Setting, String> {
    let object = serde_json::Value::Object(value.map(|value| (key.to_owned(), value)).into_iter().collect());
    let read: QueueSettings = serde_json::from_value(object).map_err(|error| error.to_string())?;
    Ok(match key {
        "rate" => Setting::Rate(read.rate),
        "concurrency" if read.concurrency == Some(0) => return Err("expected 1 or more".to_owned()),
        "concurrency" => Setting::Concurrency(read.concurrency),
        "key" => Setting::Key(read.key),
        "keyConcurrency" if read.key_concurrency == Some(0) => return Err("expected 1 or more".to_owned()),
        "keyConcurrency" => Setting::KeyConcurrency(read.key_concurrency),
        "keyRate" => Setting::KeyRate(read.key_rate),
        "removeOnComplete" => Setting::RemoveOnComplete(read.remove_on_complete),
        "removeOnFail" => Setting::RemoveOnFail(read.remove_on_fail),
        "priorityMode" => Setting::PriorityMode(read.priority_mode),
        "maxLength" => Setting::MaxLength(read.max_length),
        "crashLimit" if read.crash_limit == 0 => return Err("expected 1 or more".to_owned()),
        "crashLimit" => Setting::CrashLimit(read.crash_limit),
        "durable" => Setting::Durable(read.durable),
        "retry" => Setting::Retry(read.retry),
        "partitions" if !(1..=PARTITIONS_MAX).contains(&read.partitions) => {
            return Err(format!("expected 1 to {PARTITIONS_MAX}"));
        }
        "partitions" => Setting::Partitions(read.partitions),
        _ => return Err("unknown key".to_owned()),
    })
}
