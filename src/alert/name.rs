//! The name of an alert or of a sink.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const MAX_LEN: usize = 64;

/// The name of an alert, or of a sink: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
///
/// The rule keeps a name whole inside keys of tables, fields and shell words. Cloning is free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertName(Arc<str>);

impl AlertName {
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
            "alert name {name:?} is not valid: it starts with a letter or digit, goes on with letters, digits and _.-, \
             and has at most {MAX_LEN} characters"
        )))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for AlertName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<String> for AlertName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl From<AlertName> for String {
    fn from(name: AlertName) -> Self {
        name.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_rule() {
        for good in ["backlog-email", "a", "9", "ops.team_2", &"s".repeat(64)] {
            assert_eq!(AlertName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a|b", "a b", "a:b", "*", "é", "a\n", &"s".repeat(65)] {
            assert!(AlertName::new(bad).is_err(), "{bad:?}");
        }
    }
}
