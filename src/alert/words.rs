//! A rule as it is written: on the command line, in the profile file, in Redis.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::alert::kind::AlertKind;
use crate::alert::name::AlertName;
use crate::alert::rule::{AlertRule, AlertSeverity};
use crate::clock::{span_from_text, span_text};
use crate::error::{Error, FieldProblem, Result};
use crate::job::{LONGEST, QueueName};

/// A rule names at most so many sinks.
const SINKS_MAX: usize = 20;
/// A number that is out of bounds for longer than this fires at any rate.
const HOLD_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Nobody is told more often.
const REPEAT_MIN: Duration = Duration::from_secs(1);
/// Every queue.
const ALL: &str = "*";
/// Not told again while it fires.
const NEVER: &str = "never";
const FIELDS: [&str; 9] = ["when", "queue", "above", "below", "clear", "for", "repeat", "severity", "sinks"];

/// The words of a rule; what is left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertWords {
    /// One of [`AlertKind::words`].
    pub when: String,
    /// A queue, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// It fires at this number and beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// It fires below this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// It is over when the number is back at this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<String>,
    /// How long the number must be out of bounds before it fires: `1m`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// After how long it is told again while it fires: `4h`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// `warning` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The sinks by name; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<String>,
}

impl AlertWords {
    /// The words of a table of the profile file, and what is wrong with it.
    pub(crate) fn from_table(table: &Map<String, Value>) -> (Self, Vec<FieldProblem>) {
        let (mut words, mut problems) = (Self::default(), Vec::new());
        for (key, value) in table {
            let text = match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Array(names) if key == "sinks" && names.iter().all(Value::is_string) => {
                    words.sinks = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                    continue;
                }
                _ => None,
            };
            let slot = match key.as_str() {
                "when" => {
                    words.when = text.clone().unwrap_or_default();
                    None
                }
                "queue" => Some(&mut words.queue),
                "above" => Some(&mut words.above),
                "below" => Some(&mut words.below),
                "clear" => Some(&mut words.clear),
                "for" => Some(&mut words.hold),
                "repeat" => Some(&mut words.repeat),
                "severity" => Some(&mut words.severity),
                "sinks" => {
                    words.sinks = text.iter().cloned().collect();
                    None
                }
                _ => {
                    problems.push(FieldProblem::new(key, format!("is not known: there are {}", FIELDS.join(", "))));
                    continue;
                }
            };
            if text.is_none() {
                problems.push(FieldProblem::new(key, "must be a text or a number"));
            } else if let Some(slot) = slot {
                *slot = text;
            }
        }
        (words, problems)
    }

    /// The rule.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is wrong, field by field.
    pub fn rule(&self, name: AlertName) -> Result<AlertRule> {
        let mut reader = Reader { words: self, problems: Vec::new() };
        let rule = reader.rule(name);
        match rule.filter(|_| reader.problems.is_empty()) {
            Some(rule) => Ok(rule),
            None => Err(Error::invalid_fields(reader.problems)),
        }
    }
}

impl From<&AlertRule> for AlertWords {
    fn from(rule: &AlertRule) -> Self {
        let number = |number: f64| Some(rule.kind.exact_text(number));
        let (above, below) = match rule.kind {
            kind if kind.is_switch() => (None, None),
            kind if kind.is_floor() => (None, number(rule.threshold)),
            _ => (number(rule.threshold), None),
        };
        Self {
            when: rule.kind.as_str().to_owned(),
            queue: rule.kind.check().map(|_| rule.queue.as_ref().map_or(ALL, QueueName::as_str).to_owned()),
            above,
            below,
            clear: (rule.clear != rule.threshold).then(|| rule.kind.exact_text(rule.clear)),
            hold: Some(span_text(rule.hold)),
            repeat: Some(rule.repeat.map_or_else(|| NEVER.to_owned(), span_text)),
            severity: Some(rule.severity.as_str().to_owned()),
            sinks: rule.sinks.iter().map(ToString::to_string).collect(),
        }
    }
}

struct Reader<'a> {
    words: &'a AlertWords,
    problems: Vec<FieldProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, field: &str, why: impl Into<String>) {
        self.problems.push(FieldProblem::new(field, why));
    }

    /// What `read` makes of a field, where it is there.
    fn read<T>(&mut self, field: &str, text: Option<&String>, read: impl Fn(&str) -> Result<T>) -> Option<T> {
        let text = text?;
        match read(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(field, format!("{text:?}: {error}"));
                None
            }
        }
    }

    fn rule(&mut self, name: AlertName) -> Option<AlertRule> {
        let words = self.words;
        let kind = match words.when.as_str() {
            "" => {
                self.problem("when", format!("is missing: one of {}", AlertKind::words()));
                None
            }
            text => self.read("when", Some(&text.to_owned()), str::parse),
        };
        let hold = self.read("for", words.hold.as_ref(), |text| match span(text)? {
            span if span > HOLD_MAX => Err(Error::invalid("30 days at most")),
            span => Ok(span),
        });
        let repeat = self.read("repeat", words.repeat.as_ref(), |text| match text {
            NEVER => Ok(None),
            text => match span(text)? {
                span if span < REPEAT_MIN => Err(Error::invalid("a second at least, or never")),
                span => Ok(Some(span)),
            },
        });
        let severity = self.read("severity", words.severity.as_ref(), str::parse::<AlertSeverity>);
        let sinks = self.sinks();
        let queue = self.queue(kind);
        let kind = kind?;
        if name.as_str() == AlertRule::REDIS && kind != AlertKind::Redis {
            self.problem(
                "when",
                "must be redis for the alert of that name: it is the one that is always there; give this one another name",
            );
        }
        let (threshold, clear) = self.numbers(kind)?;
        let usual = AlertRule::usual(name, kind);
        Some(AlertRule {
            queue,
            threshold,
            clear,
            hold: hold.unwrap_or(usual.hold),
            repeat: repeat.unwrap_or(usual.repeat),
            severity: severity.unwrap_or(usual.severity),
            sinks,
            ..usual
        })
    }

    fn queue(&mut self, kind: Option<AlertKind>) -> Option<QueueName> {
        let words = self.words;
        let text = words.queue.as_ref().filter(|text| text.as_str() != ALL)?;
        if let Some(kind) = kind.filter(|kind| kind.check().is_none()) {
            self.problem("queue", format!("is not for {kind}, which is about no queue"));
            return None;
        }
        self.read("queue", Some(text), QueueName::new)
    }

    fn sinks(&mut self) -> Vec<AlertName> {
        let words = self.words;
        if words.sinks.len() > SINKS_MAX {
            self.problem("sinks", format!("are more than {SINKS_MAX}"));
        }
        let mut sinks: Vec<_> =
            words.sinks.iter().filter_map(|text| self.read("sinks", Some(text), AlertName::new)).collect();
        sinks.sort();
        sinks.dedup();
        sinks
    }

    /// Threshold and where it is over.
    fn numbers(&mut self, kind: AlertKind) -> Option<(f64, f64)> {
        let words = self.words;
        let (own, other, wrong) = if kind.is_floor() {
            (("below", words.below.as_ref()), ("above", words.above.as_ref()), "fewer are worse: use below")
        } else {
            (("above", words.above.as_ref()), ("below", words.below.as_ref()), "more are worse: use above")
        };
        if kind.is_switch() {
            for (field, text) in [own, other, ("clear", words.clear.as_ref())] {
                if text.is_some() {
                    self.problem(field, format!("is not for {kind}, which is so or is not"));
                }
            }
            return kind.usual().map(|number| (number, number));
        }
        if other.1.is_some() {
            self.problem(other.0, format!("is not for {kind}: {wrong}"));
        }
        if own.1.or(other.1).is_none() && kind.usual().is_none() {
            self.problem(own.0, format!("is missing: the number from which on {kind} fires"));
        }
        let read = |text: &str| kind.number(text);
        let threshold = self.read(own.0, own.1, read).or(kind.usual())?;
        if threshold <= 0.0 {
            let never = "would never fire: nothing is below 0";
            let why = if kind.is_floor() { never } else { "would fire for ever: nothing is below 0" };
            self.problem(own.0, format!("{}: {why}", kind.text(threshold)));
        }
        let clear = self.read("clear", words.clear.as_ref(), read).unwrap_or(threshold);
        let in_order = if kind.is_floor() { clear >= threshold } else { clear <= threshold };
        if !in_order {
            let way = if kind.is_floor() { "below" } else { "above" };
            self.problem("clear", format!("lies {way} the threshold: it would be over before it began"));
        }
        Some((threshold, clear))
    }
}

fn span(text: &str) -> Result<Duration> {
    match span_from_text(text)? {
        span if span > LONGEST => Err(Error::invalid("a hundred years at most")),
        span => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(table: Value) -> Result<AlertRule> {
        let (words, problems) = AlertWords::from_table(table.as_object().unwrap());
        assert_eq!(problems, []);
        words.rule(AlertName::new("a").unwrap())
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        let tables = [
            json!({"when": "backlog", "queue": "email", "above": 1000, "clear": "500", "for": "5m", "repeat": "1h",
                   "severity": "critical", "sinks": ["ops", "log"]}),
            json!({"when": "latency", "above": "5m"}),
            json!({"when": "failures", "above": "5%", "repeat": "never", "for": "0s"}),
            json!({"when": "workers"}),
            json!({"when": "workers", "below": "3", "clear": "4", "queue": "*"}),
            json!({"when": "memory", "above": "90%"}),
            json!({"when": "breaker"}),
            json!({"when": "redis", "for": "2m"}),
        ];
        for table in tables {
            let rule = rule(table).unwrap();
            let text = serde_json::to_string(&AlertWords::from(&rule)).unwrap();
            let again: AlertWords = serde_json::from_str(&text).unwrap();
            assert_eq!(again.rule(rule.name.clone()).unwrap(), rule, "{text}");
        }
    }

    #[test]
    fn a_small_share_is_not_rounded_away() {
        for when in ["failures", "memory"] {
            let read = rule(json!({"when": when, "above": "0.04%", "clear": "0.0125%"})).unwrap();
            let written = AlertWords::from(&read);
            assert_eq!((written.above.as_deref(), written.clear.as_deref()), (Some("0.04%"), Some("0.0125%")));
            assert_eq!(written.rule(read.name.clone()).unwrap(), read);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let wrong = json!({"when": "backlog", "queue": "a b", "below": 1, "for": "soon", "repeat": "0s",
                           "severity": "loud", "sinks": "a|b"});
        let error = rule(wrong).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["for", "repeat", "severity", "sinks", "queue", "below"], "{error}");
        for (table, field) in [
            (json!({}), "when"),
            (json!({"when": "backlog"}), "above"),
            (json!({"when": "backlog", "above": 10, "clear": 11}), "clear"),
            (json!({"when": "workers", "below": 3, "clear": 2}), "clear"),
            (json!({"when": "redis", "above": 1}), "above"),
            (json!({"when": "breaker", "queue": "email"}), "queue"),
            (json!({"when": "memory", "above": "101%"}), "above"),
            (json!({"when": "workers", "below": 0}), "below"),
            (json!({"when": "backlog", "above": 0}), "above"),
            (json!({"when": "latency", "above": "0s"}), "above"),
            (json!({"when": "dead", "repeat": "1ms"}), "repeat"),
            (json!({"when": "dead", "for": "400d"}), "for"),
        ] {
            let error = rule(table.clone()).unwrap_err();
            assert_eq!(error.fields()[0].field, field, "{table}: {error}");
        }
        let backlog = AlertWords { when: "backlog".to_owned(), above: Some("9".to_owned()), ..AlertWords::default() };
        let error = backlog.rule(AlertName::new("redis").unwrap()).unwrap_err();
        assert!(error.fields()[0].field == "when" && error.to_string().contains("always there"), "{error}");
        let (_, problems) = AlertWords::from_table(json!({"colour": 1, "above": true}).as_object().unwrap());
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn fuzz_a_rule_is_written_as_it_is_read() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let keys = prop::sample::select(vec![
            "when", "queue", "above", "below", "clear", "for", "repeat", "severity", "sinks", "x",
        ]);
        let pieces = &[
            "dead",
            "oldest",
            "failure-rate",
            "no-workers",
            "redis-down",
            "pending",
            "q",
            "all",
            "10",
            "5m",
            "0.5",
            "%",
            "90s",
            "never",
            "critical",
            "-1",
            "1e400",
            "NaN",
            " ",
            "mail",
        ];
        let value = prop_oneof![
            3 => text_of(pieces, 2).prop_map(Value::from),
            1 => any::<f64>().prop_map(Value::from),
            1 => prop::collection::vec("[a-z]{1,4}", 0..3).prop_map(Value::from),
        ];
        let kinds = AlertKind::all().map(AlertKind::as_str).collect::<Vec<_>>();
        let table = (prop::collection::vec((keys, value), 0..8), prop::sample::select(kinds), 0..1_000_u32).prop_map(
            |(fields, kind, number)| {
                let mut table: Map<String, Value> =
                    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
                table.insert("when".to_owned(), kind.into());
                table.entry("above").or_insert(number.into());
                table
            },
        );
        fuzz(table, |table| {
            let (words, _) = AlertWords::from_table(&table);
            let name = || AlertName::new("fuzz").unwrap();
            match words.rule(name()) {
                Ok(rule) => prop_assert_eq!(AlertWords::from(&rule).rule(name()).ok(), Some(rule)),
                Err(error) => prop_assert!(error.to_string().len() < 8_000),
            }
            Ok(())
        });
    }
}
