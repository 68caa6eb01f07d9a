//! The fields of a payload: read strictly and from their digits, and with everything that is wrong named at once.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::builtin::problems::invalid;
use crate::error::{Error, Result};

const ID_MAX_BYTES: usize = 64;
const TEXT_MAX_BYTES: usize = 4_096;
const DIGITS_MAX: usize = 64;
const SHOWN_MAX_CHARS: usize = 60;

/// The fields of a JSON object. What is taken is gone; what is left at the end is unknown.
pub(super) struct Fields {
    what: &'static str,
    fields: BTreeMap<String, Box<RawValue>>,
    problems: Vec<String>,
}

impl Fields {
    /// Reads an object; `what` names the payload in problems, such as `distribution`.
    ///
    /// # Errors
    /// `Invalid`, when it is no JSON object.
    pub fn read(what: &'static str, payload: &str) -> Result<Self> {
        let wrong = |error| Error::invalid(format!("{what} is not valid: the payload is not a JSON object: {error}"));
        let fields = serde_json::from_str(payload).map_err(wrong)?;
        Ok(Self { what, fields, problems: Vec::new() })
    }

    /// What `make` takes out of the fields, if nothing was wrong.
    ///
    /// # Errors
    /// `Invalid`: one sentence with every problem, and their fields.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T> {
        for name in std::mem::take(&mut self.fields).into_keys() {
            self.problem(format!("unknown field {}", shown(&name)));
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(invalid(self.what, &self.problems)),
        }
    }

    /// Notes something that is wrong.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Whether a field is there.
    #[cfg(any(feature = "notify", feature = "tables"))]
    pub fn holds(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| value.get() != "null")
    }

    /// Whether a field is an object.
    #[cfg(feature = "tables")]
    pub fn holds_object(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| value.get().starts_with('{'))
    }

    /// A field as it stands; null is as good as none.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.fields.remove(name).filter(|value| value.get() != "null")
    }

    /// The fields of an object that must be there; [`Fields::close`] takes back what was wrong with them.
    #[cfg(feature = "tables")]
    pub fn object(&mut self, name: &'static str) -> Option<Self> {
        let value = self.must(name)?;
        let fields = serde_json::from_str(value.get()).ok();
        if fields.is_none() {
            self.problem(format!("{name} must be an object, not {}", shown(value.get())));
        }
        fields.map(|fields| Self { what: self.what, fields, problems: Vec::new() })
    }

    /// Ends an object within: its problems are named with `name` before them, and what is left in it is unknown.
    #[cfg(feature = "tables")]
    pub fn close(&mut self, name: &str, mut inner: Self) {
        for field in std::mem::take(&mut inner.fields).into_keys() {
            inner.problem(format!("unknown field {}", shown(&field)));
        }
        let unknown = "unknown field ";
        self.problems.extend(inner.problems.into_iter().map(|problem| match problem.strip_prefix(unknown) {
            Some(field) => format!("{unknown}{name}.{field}"),
            None => format!("{name}.{problem}"),
        }));
    }

    /// A field that must be there.
    fn must(&mut self, name: &str) -> Option<Box<RawValue>> {
        let value = self.take(name);
        if value.is_none() {
            self.problem(format!("{name} is missing"));
        }
        value
    }

    fn as_text(&mut self, name: &str, value: &RawValue) -> Option<String> {
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if text.len() > TEXT_MAX_BYTES => {
                self.problem(format!("{name} has more than {TEXT_MAX_BYTES} bytes"));
                None
            }
            Ok(text) if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                self.problem(format!("{name} has a control character"));
                None
            }
            Ok(text) if !text.trim().is_empty() => Some(text),
            Ok(_) => {
                self.problem(format!("{name} is empty"));
                None
            }
            Err(_) => {
                self.problem(format!("{name} must be a text, not {}", shown(value.get())));
                None
            }
        }
    }

    /// A text that may be there.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        self.as_text(name, &value)
    }

    /// A text that must be there.
    #[cfg(feature = "notify")]
    pub fn text_that_must_be(&mut self, name: &str) -> Option<String> {
        let value = self.must(name)?;
        self.as_text(name, &value)
    }

    /// An id, written as a whole number or as a text; both are the same id.
    pub fn as_id(&mut self, name: &str, value: &RawValue) -> Option<String> {
        let digits = value.get();
        let text = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.to_owned(),
            false => serde_json::from_str::<String>(digits).unwrap_or_default(),
        };
        let sound = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            !text.is_empty() && text.len() <= ID_MAX_BYTES && text.bytes().all(allowed)
        };
        if !sound(&text) {
            let rule = "letters, digits, _ . - and at most 64 of them, or a whole number";
            self.problem(format!("{name} must be an id ({rule}), not {}", shown(digits)));
            return None;
        }
        Some(text)
    }

    /// An id that may be there: a whole number or a text; both are the same id.
    pub fn id(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        self.as_id(name, &value)
    }

    /// An id that must be there.
    pub fn id_that_must_be(&mut self, name: &str) -> Option<String> {
        let value = self.must(name)?;
        self.as_id(name, &value)
    }

    /// The digits of a number that must be there, written as a number or as a text.
    pub fn digits_that_must_be(&mut self, name: &str) -> Option<String> {
        let value = self.must(name)?;
        self.as_digits(name, &value)
    }

    /// The digits of a number, written as a number or as a text.
    pub fn as_digits(&mut self, name: &str, value: &RawValue) -> Option<String> {
        let text = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
        let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        if text.len() > DIGITS_MAX {
            self.problem(format!("{name} has more than {DIGITS_MAX} digits"));
            return None;
        }
        if !number {
            self.problem(format!("{name} must be a number, not {}", shown(value.get())));
            return None;
        }
        Some(text)
    }

    fn as_date(&mut self, name: &str, value: &RawValue) -> Option<NaiveDate> {
        let date = serde_json::from_str::<String>(value.get()).ok();
        let date = date.and_then(|text| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|_| text.len() == 10));
        if date.is_none() {
            self.problem(format!("{name} must be a date such as 2024-01-31, not {}", shown(value.get())));
        }
        date
    }

    /// A date that may be there: `2024-01-31`.
    pub fn date(&mut self, name: &str) -> Option<NaiveDate> {
        let value = self.take(name)?;
        self.as_date(name, &value)
    }

    /// A date that must be there.
    pub fn date_that_must_be(&mut self, name: &str) -> Option<NaiveDate> {
        let value = self.must(name)?;
        self.as_date(name, &value)
    }

    /// Yes or no; no where it is not there.
    pub fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.take(name) else { return false };
        if !matches!(value.get(), "true" | "false") {
            self.problem(format!("{name} must be true or false, not {}", shown(value.get())));
        }
        value.get() == "true"
    }

    /// One of these words, which may be there.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.take(name)?;
        let text = serde_json::from_str::<String>(value.get()).unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.problem(format!("{name} must be one of {}, not {}", known.join(", "), shown(value.get())));
        }
        found
    }

    /// One of these words, which must be there.
    #[cfg(feature = "tables")]
    pub fn word_that_must_be<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        if !self.holds(name) {
            self.problem(format!("{name} is missing"));
        }
        self.word(name, words)
    }

    /// A value of any other shape; `expected` says which.
    pub fn value<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.take(name)?;
        let read = serde_json::from_str(value.get()).ok();
        if read.is_none() {
            self.problem(format!("{name} must be {expected}, not {}", shown(value.get())));
        }
        read
    }
}

/// A value for a problem: quoted where it is no text yet, and never at length.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    let plain = |letter: char| matches!(letter, '"' | '\'' | '\\');
    let mut text = String::with_capacity(short.len());
    for letter in short.chars() {
        if plain(letter) { text.push(letter) } else { text.extend(letter.escape_debug()) }
    }
    format!("{text}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(payload: &str) -> String {
        let mut fields = Fields::read("thing", payload).unwrap();
        let _ = (fields.id_that_must_be("id"), fields.text("name"), fields.date("on"), fields.flag("dry"));
        let _ = (fields.digits_that_must_be("amount"), fields.word("kind", &[("a", 1), ("b", 2)]));
        fields.finish::<()>(None).unwrap_err().to_string()
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let payload = r#"{"id":"a b","name":"","on":"2024-02-30","dry":1,"amount":"x","kind":"c","more":1}"#;
        let said = problems(payload);
        for part in [
            "id must be an id",
            "name is empty",
            "on must be a date",
            "dry must be true or false",
            "amount must be a number",
            "kind must be one of a, b",
            "unknown field more",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(problems("{}").contains("id is missing; amount is missing"));
        assert!(Fields::read("thing", "[1]").is_err_and(|error| error.to_string().contains("not a JSON object")));
    }

    #[test]
    fn numbers_and_ids_come_from_their_digits() {
        let mut fields = Fields::read("thing", r#"{"a":9007199254740993,"b":"0.10","c":2.50,"d":"007"}"#).unwrap();
        assert_eq!(fields.id("a").as_deref(), Some("9007199254740993"));
        assert_eq!(fields.digits_that_must_be("b").as_deref(), Some("0.10"));
        assert_eq!(fields.digits_that_must_be("c").as_deref(), Some("2.50"));
        assert_eq!(fields.id("d").as_deref(), Some("007"));
        assert!(fields.finish(Some(())).is_ok());
    }
}
