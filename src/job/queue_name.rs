//! The name of a queue.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const MAX_LEN: usize = 128;

/// A queue's name, which also says which processor runs its jobs: `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
///
/// The rule keeps a name whole inside a key, a pattern, a path and a shell word. Cloning is free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// The queues that the platform knows by name; each gets a processor of its own.
    pub const KNOWN: [&'static str; 6] =
        ["email", "roi-distribution", "report-generation", "notification", "data-import", "data-export"];

    /// A checked name.
    ///
    /// # Errors
    /// `Invalid` when it breaks the rule above.
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if starts_well && name.len() <= MAX_LEN && name.bytes().all(allowed) {
            return Ok(Self(Arc::from(name)));
        }
        Err(Error::invalid(format!(
            "queue name {name:?} is not valid: it starts with a letter or digit, goes on with letters, digits and _.-, \
             and has at most {MAX_LEN} characters"
        )))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for QueueName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<String> for QueueName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl From<QueueName> for String {
    fn from(name: QueueName) -> Self {
        name.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_rule() {
        for good in ["email", "a", "9", "roi-distribution", "a.b_c", &"q".repeat(128)] {
            assert_eq!(QueueName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "../x", "a:b", "a*", "a?", "[a]", "a b", "é", "{a}", &"q".repeat(129)] {
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
        }
        assert!(QueueName::KNOWN.iter().all(|name| QueueName::new(name).is_ok()));
    }
}
