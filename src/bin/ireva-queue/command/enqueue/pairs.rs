//! Fields on the command line: `key=value` is a string, `key:=json` any JSON, and dots nest.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::exit::Stop;

const PATH_MAX: usize = 64;

/// Whether an argument is a field: a name of letters, digits, `_`, `-` and dots before the first `=` or `:=`.
pub fn is_pair(argument: &str) -> bool {
    split(argument).is_some()
}

/// The object that the fields make, in their order. Numbers keep their digits.
///
/// # Errors
/// Usage (2), naming the argument.
pub fn object(fields: &[String]) -> Result<String, Stop> {
    let mut root = Vec::new();
    for field in fields {
        let (path, value) = split(field).ok_or_else(|| {
            Stop::usage(format!("argument {field:?} is not a field: write key=value or key:=json, or one JSON value"))
        })?;
        let value = match value {
            Value::Text(text) => serde_json::value::to_raw_value(text),
            Value::Json(json) => RawValue::from_string(json.trim().to_owned()),
        };
        let value = value.map_err(|error| Stop::usage(format!("field {path:?} is not JSON: {error}")))?;
        let names: Vec<_> = path.split('.').collect();
        if names.len() > PATH_MAX || names.iter().any(|name| name.is_empty()) {
            return Err(Stop::usage(format!("field {path:?} is not valid: names between dots must not be empty")));
        }
        insert(&mut root, &names, value).map_err(|clash| match clash {
            Clash::Twice => Stop::usage(format!("field {path:?} is given twice")),
            Clash::Nested => Stop::usage(format!("field {path:?} is given both as a value and as an object with dots")),
        })?;
    }
    serde_json::to_string(&Node::Object(root)).map_err(|error| Stop::usage(format!("fields: {error}")))
}

enum Value<'a> {
    Text(&'a str),
    Json(&'a str),
}

fn split(argument: &str) -> Option<(&str, Value<'_>)> {
    let (name, value) = argument.split_once('=')?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, Value::Json(value)),
        None => (name, Value::Text(value)),
    };
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts_well = name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (starts_well && name.chars().all(allowed)).then_some((name, value))
}

enum Node {
    Leaf(Box<RawValue>),
    Object(Vec<(String, Node)>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(serializer),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, node)| map.serialize_entry(name, node))?;
                map.end()
            }
        }
    }
}

/// What stands where a value was to go.
enum Clash {
    Twice,
    Nested,
}

/// Puts a value where the names lead; an error when something else is there.
fn insert(fields: &mut Vec<(String, Node)>, names: &[&str], value: Box<RawValue>) -> Result<(), Clash> {
    let Some((first, rest)) = names.split_first() else { return Ok(()) };
    let there = fields.iter_mut().find(|(name, _)| name == first);
    match (there, rest.is_empty()) {
        (None, true) => fields.push(((*first).to_owned(), Node::Leaf(value))),
        (None, false) => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, value)?;
            fields.push(((*first).to_owned(), Node::Object(inner)));
        }
        (Some((_, Node::Object(inner))), false) => insert(inner, rest, value)?,
        (Some((_, Node::Leaf(_))), true) => return Err(Clash::Twice),
        (Some(_), _) => return Err(Clash::Nested),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(fields: &[&str]) -> Result<String, String> {
        let fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        object(&fields).map_err(|stop| stop.to_string())
    }

    #[test]
    fn fields_make_an_object_in_their_order() {
        let fields =
            ["to=ada@example.com", "context.firstName=John", "n:=9007199254740993", "context.x.y:=[1, 2]", "e="];
        let wanted =
            r#"{"to":"ada@example.com","context":{"firstName":"John","x":{"y":[1, 2]}},"n":9007199254740993,"e":""}"#;
        assert_eq!(made(&fields).as_deref(), Ok(wanted));
        assert_eq!(made(&["q=a=b"]).as_deref(), Ok(r#"{"q":"a=b"}"#));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for fields in [&["a=1", "a=2"][..], &["a=1", "a.b=2"], &["a.b=1", "a=2"], &["a:=x"], &["a..b=1"], &["a=1", "b"]]
        {
            let error = made(fields).unwrap_err();
            assert!(error.starts_with("field \"a") || error.contains("\"b\""), "{error}");
        }
    }

    #[test]
    fn json_is_no_field() {
        assert!(!["{\"a\":\"b=c\"}", "\"a=b\"", "[1]", "-", "@f=x", "=x"].iter().any(|argument| is_pair(argument)));
        assert!(["a=b", "a.b-c_d:=1"].iter().all(|argument| is_pair(argument)));
    }

    #[test]
    fn fuzz_fields_make_json_that_says_what_they_say() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces =
            &["a", "b.c", "a.b", "=", ":=", ".", "1", "{", "}", "[", "]", "\"", "\\", "null", " ", "\n", "é", "\u{1b}"];
        fuzz(prop::collection::vec(text_of(pieces, 6), 0..5), |fields| {
            let Ok(json) = object(&fields) else { return Ok(()) };
            let whole: serde_json::Value = serde_json::from_str(&json).unwrap();
            for (path, value) in fields.iter().filter_map(|field| split(field)) {
                let at = path.split('.').fold(&whole, |at, name| &at[name]);
                match value {
                    Value::Text(text) => prop_assert_eq!(at.as_str(), Some(text)),
                    Value::Json(text) => prop_assert_eq!(at, &serde_json::from_str::<serde_json::Value>(text).unwrap()),
                }
            }
            Ok(())
        });
    }
}
