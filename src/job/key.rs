//! Keys by which the jobs of a queue are limited: where a payload holds them, and how they are written.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The longest key, as it is written.
const KEY_MAX_BYTES: usize = 128;
/// The longest field.
const FIELD_MAX_BYTES: usize = 128;
/// Whole numbers from here on are not told apart by everybody who reads JSON.
const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// Where the payloads of a queue hold the key of their job: `tenantId`, or a path such as `tenant.id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyField(String);

impl KeyField {
    /// A field.
    ///
    /// # Errors
    /// `Invalid` unless it is names of letters, digits, `_` and `-`, parted by dots, of 128 bytes at most.
    pub fn new(text: &str) -> Result<Self> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        if text.len() > FIELD_MAX_BYTES || !text.split('.').all(is_name) {
            return Err(Error::invalid(format!(
                "key {text:?} is not valid: write the field of the payload that holds it, such as tenantId or tenant.id \
                 (letters, digits, _ and -)"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The field as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that a payload holds there, as [`LimitKey::as_str`] writes it.
    pub(crate) fn key_of(&self, payload: &str) -> Option<LimitKey> {
        // The server refuses to read a payload in which half a surrogate pair stands anywhere.
        if payload.contains("\\u") && serde_json::from_str::<serde_json::Value>(payload).is_err() {
            return None;
        }
        let mut found = payload;
        for name in self.0.split('.') {
            found = member(found, name)?;
        }
        match found.as_bytes().first()? {
            b'"' => LimitKey::spell(&serde_json::from_str::<String>(found).ok()?),
            b'-' | b'0'..=b'9' => {
                let number = found.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && n.abs() < NUMBER_MAX)?;
                // Zero has no sign.
                LimitKey::spell(&format!("{:.0}", number + 0.0))
            }
            _ => None,
        }
    }

    /// What stands between arrival and JSON object of a record of ours; empty where the payload has no key.
    pub(crate) fn head(&self, payload: &str) -> String {
        self.key_of(payload).map(|key| format!("@{self}={key}")).unwrap_or_default()
    }
}

impl fmt::Display for KeyField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KeyField {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for KeyField {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<KeyField> for String {
    fn from(field: KeyField) -> Self {
        field.0
    }
}

/// A key of jobs, as it is written everywhere: letters, digits and `_.@:+-` as they are, other bytes as `%` and two hex
/// digits, 128 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LimitKey(String);

impl LimitKey {
    /// A key by its text in a payload, or as it is written.
    ///
    /// # Errors
    /// `Invalid` where it is empty or too long.
    pub fn new(text: &str) -> Result<Self> {
        if is_spelled(text) {
            return Ok(Self(text.to_owned()));
        }
        Self::spell(text)
            .ok_or_else(|| Error::invalid(format!("key {text:?} is not valid: it has 1 to {KEY_MAX_BYTES} letters")))
    }

    /// The text of a payload as a key.
    fn spell(text: &str) -> Option<Self> {
        let mut key = String::with_capacity(text.len());
        for byte in text.bytes() {
            match is_plain(byte) {
                true => key.push(char::from(byte)),
                false => key.push_str(&format!("%{byte:02X}")),
            }
        }
        (1..=KEY_MAX_BYTES).contains(&key.len()).then_some(Self(key))
    }

    /// One that is stored.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// The key as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for LimitKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.@:+-".contains(&byte)
}

/// Whether a text is a key as it is written.
fn is_spelled(text: &str) -> bool {
    let hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut escaped = || byte == b'%' && hex(bytes.next()) && hex(bytes.next());
        if !(is_plain(byte) || escaped()) {
            return false;
        }
    }
    (1..=KEY_MAX_BYTES).contains(&text.len())
}

/// The value of a member of a JSON object, the last one of that name, as it stands there; the others are skipped.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    struct Member<'n>(&'n str);

    impl<'de> Visitor<'de> for Member<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if name == self.0 {
                    found = Some(map.next_value::<&'de RawValue>()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(object);
    reader.deserialize_map(Member(name)).ok().flatten().map(RawValue::get)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Field, payload and the key in it; scripts are held against the same table.
    pub(crate) const TABLE: &[(&str, &str, Option<&str>)] = &[
        ("tenantId", r#"{"a":[1,{"tenantId":"no"}],"tenantId":"acme","z":{}}"#, Some("acme")),
        ("tenantId", r#"{"tenantId":42}"#, Some("42")),
        ("tenantId", r#"{"tenantId":-7}"#, Some("-7")),
        ("tenantId", r#"{"tenantId":0}"#, Some("0")),
        ("tenantId", r#"{"tenantId":-0.0}"#, Some("0")),
        ("tenantId", r#"{"tenantId":1.0}"#, Some("1")),
        ("tenantId", r#"{"tenantId":1e3}"#, Some("1000")),
        ("tenantId", r#"{"tenantId":1.5}"#, None),
        ("tenantId", r#"{"tenantId":9007199254740991}"#, Some("9007199254740991")),
        ("tenantId", r#"{"tenantId":9007199254740990.5}"#, Some("9007199254740990")),
        ("tenantId", r#"{"tenantId":9007199254740992}"#, None),
        ("tenantId", r#"{"tenantId":9007199254740993}"#, None),
        ("tenantId", r#"{"tenantId":1e400}"#, None),
        ("tenantId", r#"{"tenantId":""}"#, None),
        ("tenantId", r#"{"tenantId":null}"#, None),
        ("tenantId", r#"{"tenantId":true}"#, None),
        ("tenantId", r#"{"tenantId":["acme"]}"#, None),
        ("tenantId", r#"{"tenantId":{"id":"acme"}}"#, None),
        ("tenantId", r#"{"other":"acme"}"#, None),
        ("tenantId", r#"["tenantId"]"#, None),
        ("tenantId", r#""tenantId""#, None),
        ("tenantId", "null", None),
        ("tenantId", r#"{"tenantId":"A b|c%=\u007b\n"}"#, Some("A%20b%7Cc%25%3D%7B%0A")),
        ("tenantId", r#"{"tenantId":"\u00fc\ud83d\ude00\u0000"}"#, Some("%C3%BC%F0%9F%98%80%00")),
        ("tenantId", r#"{"tenantId":"ok","x":"\ud800"}"#, None),
        ("tenantId", r#"{"tenantId":"a@b.c:d+e-f_9"}"#, Some("a@b.c:d+e-f_9")),
        ("tenantId", r#"{"tenantId":"a","tenantId":"b"}"#, Some("b")),
        ("tenantId", r#"{"tenantId":"a","tenantId":null}"#, None),
        ("tenant.id", r#"{"tenant":{"id":"acme"}}"#, Some("acme")),
        ("tenant.id", r#"{"tenant.id":"acme"}"#, None),
        ("tenant.id", r#"{"tenant":"id"}"#, None),
        ("tenant.id", r#"{"tenant":{"id":"x"},"tenant":{"no":1}}"#, None),
        ("a-b.c_d", r#"{"a-b":{"c_d":"x"}}"#, Some("x")),
        ("list.1", r#"{"list":["a","b"]}"#, None),
        ("list.1", r#"{"list":{"1":"a"}}"#, Some("a")),
    ];

    #[test]
    fn keys_are_read_where_the_field_says() {
        for (field, payload, key) in TABLE {
            let found = KeyField::new(field).unwrap().key_of(payload);
            assert_eq!(found.as_ref().map(LimitKey::as_str), *key, "{field} of {payload}");
        }
        let long = |length: usize| format!(r#"{{"k":"{}"}}"#, "x".repeat(length));
        let field = KeyField::new("k").unwrap();
        assert!(field.key_of(&long(128)).is_some() && field.key_of(&long(129)).is_none());
        assert_eq!(field.head(r#"{"k":"a b"}"#), "@k=a%20b");
        assert_eq!(field.head("1"), "");
    }

    #[test]
    fn a_field_is_names_and_dots() {
        assert!(["tenantId", "a.b-c._d", "1"].iter().all(|text| KeyField::new(text).is_ok()));
        assert!(["", ".", "a.", "a b", "a=b", "a{", "ä", "a|b"].iter().all(|text| KeyField::new(text).is_err()));
        assert!(KeyField::new(&"x".repeat(129)).is_err());
    }

    #[test]
    fn a_key_may_be_given_as_it_is_written_or_meant() {
        for (text, written) in
            [("acme", "acme"), ("a b", "a%20b"), ("a%20b", "a%20b"), ("50%", "50%25"), ("%2", "%252")]
        {
            assert_eq!(LimitKey::new(text).unwrap().as_str(), written);
        }
        assert!(LimitKey::new("").is_err() && LimitKey::new(&" ".repeat(50)).is_err());
    }
}
