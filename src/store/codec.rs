//! Reads what scripts and commands answer, whichever protocol the connection speaks.

use std::collections::BTreeMap;

use redis::{FromRedisValue, Value};

use crate::error::{Error, Result};

/// The values of a script's answer, read one after the other.
pub(crate) struct Reply {
    script: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Reply {
    /// The answer of `script`, which is a list (an empty one may come as null).
    pub(crate) fn new(script: &'static str, value: Value) -> Result<Self> {
        match value {
            Value::Array(values) => Ok(Self { script, values: values.into_iter() }),
            Value::Nil => Ok(Self { script, values: Vec::new().into_iter() }),
            _ => Err(unexpected(script)),
        }
    }

    /// How many values are left.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn next(&mut self) -> Result<Value> {
        self.values.next().ok_or_else(|| unexpected(self.script))
    }

    /// The next value as text, `None` where it is null. Bytes that are no UTF-8 are replaced: a hand may have stored them.
    pub(crate) fn optional(&mut self) -> Result<Option<String>> {
        match self.next()? {
            Value::Nil | Value::Boolean(false) => Ok(None),
            Value::BulkString(bytes) => Ok(Some(lossy(bytes))),
            Value::SimpleString(text) => Ok(Some(text)),
            Value::Int(number) => Ok(Some(number.to_string())),
            _ => Err(unexpected(self.script)),
        }
    }

    /// The next value as it is stored, empty where it is null.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes),
            Value::Nil => Ok(Vec::new()),
            Value::SimpleString(text) => Ok(text.into_bytes()),
            Value::Int(number) => Ok(number.to_string().into_bytes()),
            _ => Err(unexpected(self.script)),
        }
    }

    /// The next value as text, empty where it is null.
    pub(crate) fn text(&mut self) -> Result<String> {
        Ok(self.optional()?.unwrap_or_default())
    }

    /// The next value as a whole number, `None` where it is empty or none.
    pub(crate) fn maybe_number(&mut self) -> Result<Option<i64>> {
        Ok(self.optional()?.and_then(|text| whole(&text)))
    }

    /// The next value as a whole number.
    pub(crate) fn number(&mut self) -> Result<i64> {
        self.maybe_number()?.ok_or_else(|| unexpected(self.script))
    }

    /// The next value as a count.
    pub(crate) fn count(&mut self) -> Result<u64> {
        Ok(u64::try_from(self.number()?).unwrap_or_default())
    }

    /// The next value as a list.
    pub(crate) fn list(&mut self) -> Result<Self> {
        Self::new(self.script, self.next()?)
    }

    /// The next value as fields and their values.
    pub(crate) fn map(&mut self) -> Result<BTreeMap<String, String>> {
        let mut list = self.list()?;
        let mut map = BTreeMap::new();
        while !list.is_empty() {
            map.insert(list.text()?, list.text()?);
        }
        Ok(map)
    }
}

/// A whole number as Redis writes scores: `17`, `1.7e+16`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|x| x.is_finite()).map(|x| x as i64))
}

/// The answer of a command as `T`.
pub(crate) fn read<T: FromRedisValue>(command: &'static str, value: Value) -> Result<T> {
    redis::from_redis_value(value).map_err(|error| unexpected(command).with_source(error))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unexpected(script: &str) -> Error {
    Error::internal(format!("{script} gave an answer of another shape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn values_are_read_in_their_order_and_a_missing_one_is_an_error() {
        let map = Value::Array(vec![bulk("a"), bulk("1")]);
        let value = Value::Array(vec![Value::Int(7), bulk("x"), Value::Nil, bulk(""), map]);
        let mut reply = Reply::new("s", value).unwrap();
        assert_eq!((reply.number().unwrap(), reply.text().unwrap()), (7, "x".to_owned()));
        assert_eq!((reply.optional().unwrap(), reply.maybe_number().unwrap()), (None, None));
        assert_eq!(reply.map().unwrap()["a"], "1");
        assert!(reply.is_empty() && reply.text().is_err());
        assert!(Reply::new("s", Value::Int(1)).is_err());
    }

    #[test]
    fn scores_are_whole_numbers_in_any_notation() {
        assert_eq!(whole("1764000000123456"), Some(1_764_000_000_123_456));
        assert_eq!(whole("1.5e+3"), Some(1500));
        assert_eq!((whole("inf"), whole("x"), whole("")), (None, None, None));
    }
}
