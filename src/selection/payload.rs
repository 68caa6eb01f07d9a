//! A condition on a field of a payload, such as `to=~@example.com$`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::selection::Selection;

/// What a field of the payload must hold: `path=text`, `path!=text`, `path=~regex`, `path!~regex`.
///
/// The path names fields inside fields with dots (`context.firstName`); of a list any element may do, and a number names
/// one (`to.0`). Text is compared with what the field says, numbers as they are written. A field that is not there equals
/// nothing and matches nothing.
#[derive(Debug, Clone)]
pub struct PayloadMatch {
    text: String,
    path: Vec<String>,
    test: Test,
    negated: bool,
}

#[derive(Debug, Clone)]
enum Test {
    Equals(String),
    Matches(Regex),
}

impl PayloadMatch {
    /// A field that says exactly this.
    pub fn equals(path: &str, text: &str) -> Self {
        Self {
            text: format!("{path}={text}"),
            path: path.split('.').map(str::to_owned).collect(),
            test: Test::Equals(text.to_owned()),
            negated: false,
        }
    }

    /// Whether a payload (JSON) meets it.
    pub fn is_met(&self, payload: &str) -> bool {
        let holds = |value: &str| {
            let text = serde_json::from_str::<String>(value);
            let text = text.as_deref().unwrap_or(value);
            match &self.test {
                Test::Equals(wanted) => text == wanted,
                Test::Matches(pattern) => pattern.is_match(text),
            }
        };
        find(payload, &self.path).into_iter().any(holds) != self.negated
    }
}

impl fmt::Display for PayloadMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for PayloadMatch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("write it like to=ada@example.com, to=~@example.com$, kind!=test or kind!~^test");
        let at = text.find(['=', '!']).filter(|at| *at > 0).ok_or_else(wrong)?;
        let (path, rest) = text.split_at(at);
        let (negated, regex, value) = if let Some(value) = rest.strip_prefix("=~") {
            (false, true, value)
        } else if let Some(value) = rest.strip_prefix("!~") {
            (true, true, value)
        } else if let Some(value) = rest.strip_prefix("!=") {
            (true, false, value)
        } else {
            (false, false, rest.strip_prefix('=').ok_or_else(wrong)?)
        };
        let test = if regex { Test::Matches(Selection::pattern(value)?) } else { Test::Equals(value.to_owned()) };
        let path = path.split('.').map(str::to_owned).collect();
        Ok(Self { text: text.to_owned(), path, test, negated })
    }
}

/// The values at a path of a JSON text, each as it is written there; of a list those of every element, unless the path
/// names one by its number.
pub(crate) fn find<'a>(json: &'a str, path: &[String]) -> Vec<&'a str> {
    let json = json.trim();
    if json.starts_with('[') {
        let elements = serde_json::from_str::<Vec<&RawValue>>(json).unwrap_or_default();
        let named = path.first().and_then(|name| name.parse::<usize>().ok()).and_then(|index| elements.get(index));
        return match named {
            Some(element) => find(element.get(), &path[1..]),
            None => elements.into_iter().flat_map(|element| find(element.get(), path)).collect(),
        };
    }
    let Some((name, rest)) = path.split_first() else { return vec![json] };
    let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(json).unwrap_or_default();
    fields.get(name).map(|value| find(value.get(), rest)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"to": ["ada@example.com", "bob@other.org"], "amount": 1250.10, "big": 9007199254740993,
        "context": {"firstName": "Ad\u0061", "tags": [{"n": "x"}, {"n": "y"}]}, "paid": true, "none": null}"#;

    fn met(text: &str) -> bool {
        text.parse::<PayloadMatch>().unwrap().is_met(PAYLOAD)
    }

    #[test]
    fn fields_are_compared_as_they_are_written() {
        let yes = [
            "to=ada@example.com",
            "to=~@example.com$",
            "to.1=bob@other.org",
            "amount=1250.10",
            "big=9007199254740993",
            "context.firstName=Ada",
            "context.tags.n=y",
            "context.tags.0.n=x",
            "paid=true",
            "none=null",
            "missing!=x",
            "missing!~.",
            "to!~nobody",
        ];
        let no =
            ["to=~^bob.*com", "to.0=bob@other.org", "amount=1250.1", "missing=~.*", "paid!=true", "to.7=x", "to!~bob"];
        assert_eq!(yes.iter().filter(|text| !met(text)).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(no.iter().filter(|text| met(text)).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert!(
            !PayloadMatch::equals("a", "1").is_met("no json") && PayloadMatch::equals("a", "1").is_met("{\"a\":1}")
        );
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for text in ["", "to", "=x", "to!x", "to=~(", "~x"] {
            assert!(text.parse::<PayloadMatch>().is_err(), "{text:?}");
        }
        assert_eq!("to=~a=b".parse::<PayloadMatch>().unwrap().to_string(), "to=~a=b");
    }

    #[test]
    fn fuzz_a_condition_is_read_back_and_asked_in_bounded_time() {
        use crate::fuzz::{any_json, fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "to",
            "context.firstName",
            "tags.0",
            ".",
            "=",
            "!=",
            "=~",
            "!~",
            "(a+)+$",
            "(",
            ")",
            "[",
            "{100}",
            "{1000}",
            "\\pL",
            "|",
            "*",
            "^",
            "(?i)",
            "x",
            "é",
        ];
        fuzz((text_of(pieces, 8), any_json(), 0..3_000_usize), |(text, json, length)| {
            let Ok(condition) = text.parse::<PayloadMatch>() else { return Ok(()) };
            prop_assert_eq!(condition.to_string(), text);
            let long = serde_json::json!({"to": "a".repeat(length), "tags": [json.clone(), "x"]}).to_string();
            for payload in [json.to_string(), long, "no json".to_owned()] {
                let _ = condition.is_met(&payload);
            }
            Ok(())
        });
    }

    #[test]
    fn fuzz_what_a_path_finds_is_part_of_the_payload() {
        use crate::fuzz::{any_json, fuzz};
        use proptest::prelude::*;

        fuzz((any_json(), prop::collection::vec("[a-z]{1,4}|[0-9]", 0..4)), |(json, path)| {
            let payload = json.to_string();
            let found = find(&payload, &path);
            prop_assert!(found.iter().map(|value| value.len()).sum::<usize>() <= payload.len());
            for value in found {
                prop_assert!(payload.contains(value) && serde_json::from_str::<serde_json::Value>(value).is_ok());
            }
            Ok(())
        });
    }
}
