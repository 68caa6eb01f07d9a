//! The name of a batch.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const MAX_LEN: usize = 64;

/// A batch's name, by which the jobs of one queue are counted together: `[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}`.
///
/// The rule keeps a name whole inside a key, a script argument and a shell word. Cloning is free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchName(Arc<str>);

impl BatchName {
    /// A checked name.
    ///
    /// # Errors
    /// `Invalid` when it breaks the rule above.
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if starts_well && name.len() <= MAX_LEN && name.bytes().all(allowed) {
            return Ok(Self(Arc::from(name)));
        }
        Err(Error::invalid(format!(
            "batch name {name:?} is not valid: it starts with a letter or digit, goes on with letters, digits and _.:-, \
             and has at most {MAX_LEN} characters"
        )))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for BatchName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<String> for BatchName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl From<BatchName> for String {
    fn from(name: BatchName) -> Self {
        name.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_key_or_a_script_are_refused() {
        for good in ["payout-2026-11", "a", "7:x_.-"] {
            assert_eq!(BatchName::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(MAX_LEN + 1);
        for bad in ["", "-a", "a|b", "a b", "a{b}", "ä", "a/b", &long] {
            assert!(BatchName::new(bad).is_err(), "{bad:?}");
        }
    }
}
