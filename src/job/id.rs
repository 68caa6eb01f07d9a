//! The name of one job.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const MAX_LEN: usize = 128;

/// A job's id: a ULID of 26 characters unless the producer chose its own.
///
/// A chosen id starts with a letter or digit and goes on with letters, digits and `_ . : @ -`, at most 128 in all. The
/// rule keeps ids whole inside claims, script arguments, key names and shell words. Cloning is free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(Arc<str>);

impl JobId {
    /// A fresh id, later ids sorting after earlier ones.
    pub fn generate() -> Self {
        let mut buffer = [0; ulid::ULID_LEN];
        Self(Arc::from(&*ulid::Ulid::generate().array_to_str(&mut buffer)))
    }

    /// An id that the producer chose.
    ///
    /// # Errors
    /// `Invalid` when it breaks the rule above.
    pub fn new(id: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
        let starts_well = id.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if starts_well && id.len() <= MAX_LEN && id.bytes().all(allowed) {
            return Ok(Self(Arc::from(id)));
        }
        Err(Error::invalid(format!(
            "job id {id:?} is not valid: it starts with a letter or digit, goes on with letters, digits and _.:@-, \
             and has at most {MAX_LEN} characters"
        )))
    }

    /// An id read back from Redis, where only valid ones were let in.
    pub(crate) fn trusted(id: &str) -> Self {
        Self(Arc::from(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self> {
        Self::new(id)
    }
}

impl TryFrom<String> for JobId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self> {
        Self::new(&id)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ids_keep_to_the_rule() {
        for good in ["a", "A1", "order:42", "2024-01_roi.v1@x", &"x".repeat(128)] {
            assert_eq!(JobId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ":a", "a b", "a|b", "ä", "a\n", "a*", &"x".repeat(129)] {
            assert!(JobId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn generated_ids_are_valid_and_distinct() {
        let (a, b) = (JobId::generate(), JobId::generate());
        assert_ne!(a, b);
        assert_eq!(JobId::new(a.as_str()).unwrap(), a);
        assert_eq!(a.as_str().len(), 26);
    }

    #[test]
    fn fuzz_a_name_stays_whole_in_keys_claims_and_shell_words() {
        use crate::fuzz::{fuzz, text_of};
        use crate::job::{BatchName, QueueName};
        use proptest::prelude::*;

        let pieces = &["a", "Z9", "_", ".", ":", "@", "-", "|", "{", "}", " ", "\n", "\0", "*", "é", "..", "/"];
        fuzz(prop_oneof![text_of(pieces, 12), "[a-z0-9_.:@-]{0,140}"], |text| {
            let safe = |more: &str| {
                let allowed = |char: char| char.is_ascii_alphanumeric() || more.contains(char);
                text.starts_with(|char: char| char.is_ascii_alphanumeric())
                    && text.len() <= 128
                    && text.chars().all(allowed)
            };
            prop_assert_eq!(JobId::new(&text).is_ok(), safe("_.:@-"));
            prop_assert_eq!(QueueName::new(&text).is_ok(), safe("_.-"));
            let names =
                [JobId::new(&text).map(|id| id.to_string()), BatchName::new(&text).map(|name| name.to_string())];
            for name in names {
                match name {
                    Ok(name) => prop_assert_eq!(&name, &text),
                    Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{}", error),
                }
            }
            Ok(())
        });
    }
}
