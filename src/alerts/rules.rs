//! Which rules hold: the one that is always there, stored ones, those of a profile file.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::{AlertName, AlertRule, AlertWords};
use crate::error::{Error, Result};

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSource {
    /// It is always there.
    Default,
    /// Stored in Redis.
    Stored,
    /// In the profile file of whoever looks.
    File,
}

impl AlertSource {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Stored => "stored",
            Self::File => "file",
        }
    }
}

/// The rules that hold, by name.
pub(super) struct Rules {
    pub rules: BTreeMap<AlertName, (AlertRule, AlertSource)>,
    /// Stored ones that cannot be read.
    pub unreadable: Vec<Error>,
}

impl Rules {
    /// From what is stored and what a profile file says.
    pub(super) fn new(stored: &BTreeMap<String, String>, file: &BTreeMap<AlertName, AlertRule>) -> Self {
        let usual = AlertRule::redis();
        let mut rules = BTreeMap::from([(usual.name.clone(), (usual, AlertSource::Default))]);
        let mut unreadable = Vec::new();
        for (name, text) in stored {
            match read(name, text) {
                Ok(rule) => _ = rules.insert(rule.name.clone(), (rule, AlertSource::Stored)),
                Err(error) => unreadable.push(error),
            }
        }
        rules.extend(file.iter().map(|(name, rule)| (name.clone(), (rule.clone(), AlertSource::File))));
        Self { rules, unreadable }
    }
}

/// A stored rule.
fn read(name: &str, text: &str) -> Result<AlertRule> {
    let unreadable = |why: String| {
        Error::corrupt(format!("alert {name:?} is not readable: {why}; set it anew, or remove it: alerts unset {name}"))
    };
    let words: AlertWords = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    let name = AlertName::new(name).map_err(|error| unreadable(error.to_string()))?;
    words.rule(name).map_err(|error| unreadable(error.to_string()))
}

/// How a rule is stored.
pub(super) fn text(rule: &AlertRule) -> Result<String> {
    serde_json::to_string(&AlertWords::from(rule)).map_err(|error| Error::internal(format!("alert: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertKind;

    #[test]
    fn the_file_goes_before_what_is_stored_and_that_before_the_default() {
        let name = |name: &str| AlertName::new(name).unwrap();
        let stored = |when: &str| format!(r#"{{"when":"{when}","above":"7"}}"#);
        let fields = BTreeMap::from([
            ("a".to_owned(), stored("backlog")),
            ("b".to_owned(), stored("dead")),
            ("c".to_owned(), "{".to_owned()),
        ]);
        let file = BTreeMap::from([(name("b"), AlertRule::usual(name("b"), AlertKind::Breaker))]);
        let rules = Rules::new(&fields, &file);
        let sources: Vec<_> = rules.rules.iter().map(|(name, (_, source))| (name.as_str(), source.as_str())).collect();
        assert_eq!(sources, [("a", "stored"), ("b", "file"), ("redis", "default")]);
        assert!(rules.unreadable[0].to_string().contains("\"c\""), "{:?}", rules.unreadable);
        let rule = &rules.rules[&name("a")].0;
        assert_eq!(read("a", &text(rule).unwrap()).unwrap(), *rule);
    }
}
