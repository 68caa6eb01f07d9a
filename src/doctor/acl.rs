//! The least that an ACL user of the server must be allowed, said as the command that allows it.

use serde::Serialize;

use crate::config::{RedisConfig, RedisMode};
use crate::error::{Error, Result};
use crate::store::{acl_rules, acl_rules_of_sentinels};

/// Its name where none is configured.
const NAME: &str = "ireva-queue";

/// An ACL user that may do what this crate does, and nothing else. The rules come from the list that every command this
/// crate sends is held against, so they are those of this version.
///
/// ```
/// use ireva_queue::config::Config;
/// use ireva_queue::doctor::AclUser;
///
/// let config = Config::from_lookup(|_| None, None).unwrap();
/// let user = AclUser::of_server(&config.redis, Some("app")).unwrap();
/// assert!(user.command.starts_with("ACL SETUSER app on resetkeys ~ireva:queue:* resetchannels -@all +append "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AclUser {
    /// Its name.
    pub user: String,
    /// What it may, in the order in which Redis applies it.
    pub rules: Vec<String>,
    /// The Redis command that makes the user, or changes one: it keeps its passwords and loses what is not listed. A new
    /// one has no password yet, and nobody gets in as it.
    pub command: String,
}

impl AclUser {
    /// The user of the server; `None`: by the name that is configured.
    ///
    /// # Errors
    /// `Invalid` when Redis takes no such name; `Refused` where the server is a private one, which knows no users.
    pub fn of_server(config: &RedisConfig, user: Option<&str>) -> Result<Self> {
        if matches!(config.mode, RedisMode::Embedded { .. }) {
            return Err(Error::refused("an embedded server has no users: its socket is for this one alone"));
        }
        let user = user.or(config.username.as_deref()).unwrap_or(NAME);
        Self::new(user, acl_rules(config))
    }

    /// The user of the sentinels; `None`: by the name that is configured.
    ///
    /// # Errors
    /// `Invalid` when Redis takes no such name.
    pub fn of_sentinels(config: &RedisConfig, user: Option<&str>) -> Result<Self> {
        let configured = match &config.mode {
            RedisMode::Sentinel { username, .. } => username.as_deref(),
            _ => None,
        };
        Self::new(user.or(configured).unwrap_or(NAME), acl_rules_of_sentinels())
    }

    fn new(user: &str, rules: Vec<String>) -> Result<Self> {
        // A space would begin a rule, and a quote a word of redis-cli.
        let is_sound = |c: char| c.is_alphanumeric() || "_-.:@".contains(c);
        if user.is_empty() || user.len() > 128 || !user.chars().all(is_sound) {
            let message = format!("user {user:?}: expected letters, digits and _-.:@, at most 128 bytes");
            return Err(Error::invalid(message));
        }
        let command = format!("ACL SETUSER {user} {}", rules.join(" "));
        Ok(Self { user: user.to_owned(), rules, command })
    }
}
