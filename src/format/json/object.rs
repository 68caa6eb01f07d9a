//! A JSON object as a row: every number digit by digit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::number::exact_value;
use super::super::row::{CELL_BYTES_MAX, COLUMNS_MAX};
use super::super::value::{Value, shortened};

/// The cells of an object in their order.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub names: Vec<String>,
    pub values: Vec<Value>,
    /// The first thing that is wrong: in which column, if in one, and what.
    pub fault: Option<(Option<String>, String)>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(name) = map.next_key::<String>()? {
            let raw: &RawValue = map.next_value()?;
            if object.names.len() == COLUMNS_MAX {
                object.fault.get_or_insert((None, format!("the row has more than {COLUMNS_MAX} columns")));
            }
            if object.fault.is_some() {
                continue;
            }
            match value(raw.get()) {
                Ok(value) => {
                    object.names.push(name);
                    object.values.push(value);
                }
                Err(problem) => object.fault = Some((Some(name), problem)),
            }
        }
        Ok(object)
    }
}

/// The value of a cell; raw JSON begins with its first character.
fn value(raw: &str) -> Result<Value, String> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| format!("the text is not valid: {error}"))?;
            match text.len() > CELL_BYTES_MAX {
                true => Err(format!("the cell is longer than {CELL_BYTES_MAX} bytes")),
                false => Ok(Value::Text(text)),
            }
        }
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'{' | b'[') => Err(format!("a cell is a text, a number, true, false or null, found {}", shortened(raw))),
        _ => exact_value(raw).ok_or_else(|| {
            format!("the number {} has more digits than can be kept, 28 with those after the point", shortened(raw))
        }),
    }
}
