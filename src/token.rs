//! What lets a program use the REST API: a token's name and scopes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::name;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Handing over jobs, but for those that move money.
    Enqueue,
    /// Looking at everything.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope, the weakest first.
    pub const ALL: [Self; 3] = [Self::Enqueue, Self::Read, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Whether whoever has it may do what `needed` is for.
    pub fn covers(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        known.ok_or_else(|| Error::invalid(format!("scope {word:?} is not one of enqueue, read, admin")))
    }
}

name! {
    /// The name under which a token is listed and revoked: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    TokenName, "token", "_.-", 64
}

/// A token, without what is secret about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Its name.
    pub name: TokenName,
    /// What it may be used for, the weakest first.
    pub scopes: Vec<Scope>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl TokenInfo {
    /// Whether it may be used for `needed`.
    pub fn covers(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }
}

/// A token that was just created: the only time that it can be seen.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewToken {
    /// Name, scopes and time.
    #[serde(flatten)]
    pub info: TokenInfo,
    /// What the program sends as `Authorization: Bearer …`.
    pub token: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("info", &self.info).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_covers_everything_and_the_others_themselves() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>().unwrap(), scope);
            assert!(Scope::Admin.covers(scope) && scope.covers(scope));
        }
        assert!(!Scope::Read.covers(Scope::Enqueue) && !Scope::Enqueue.covers(Scope::Read));
        assert!(!Scope::Read.covers(Scope::Admin) && "root".parse::<Scope>().is_err());
    }

    #[test]
    fn names_keep_to_the_rule() {
        for good in ["ci", "a", "web-1.eu_west", &"x".repeat(64)] {
            assert!(good.parse::<TokenName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<TokenName>().is_err(), "{bad:?}");
        }
    }
}
