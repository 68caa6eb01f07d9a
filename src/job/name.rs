//! The rule that names keep to, so that each stays whole inside keys, patterns, paths, script arguments and shell words.

use crate::error::{Error, Result};

/// Holds a name against the rule: it starts with a letter or digit, goes on with letters, digits and `more`, and has at most
/// `most` characters.
pub(crate) fn check((what, name): (&str, &str), more: &str, most: usize) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte);
    let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts_well && name.len() <= most && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} name {name:?} is not valid: it starts with a letter or digit, goes on with letters, digits and {more}, and has \
         at most {most} characters"
    )))
}

/// A type of checked names: what it is called in errors, what may stand in one beside letters and digits, and how long one
/// may be. Cloning is free.
macro_rules! name {
    ($(#[$about:meta])* $type:ident, $what:literal, $more:literal, $most:literal) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// A checked name.
            ///
            /// # Errors
            /// `Invalid` when it breaks the rule above.
            pub fn new(name: &str) -> $crate::error::Result<Self> {
                $crate::job::check_name(($what, name), $more, $most)?;
                Ok(Self(std::sync::Arc::from(name)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> $crate::error::Result<Self> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::error::Error;

            fn try_from(name: String) -> $crate::error::Result<Self> {
                Self::new(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

pub(crate) use name;
