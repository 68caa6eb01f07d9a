//! The tokens of the REST API: name -> hash, scopes and time.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::codec::read;
use crate::store::{Store, keys};
use crate::token::{Scope, TokenInfo, TokenName};

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredToken {
    /// SHA-256 of the token, in hexadecimal digits.
    pub hash: String,
    pub scopes: Vec<Scope>,
    pub created_ms: i64,
}

impl StoredToken {
    /// What may be shown of it.
    pub(crate) fn info(&self, name: TokenName) -> TokenInfo {
        let created_at = DateTime::from_timestamp_millis(self.created_ms).unwrap_or_default();
        TokenInfo { name, scopes: self.scopes.clone(), created_at }
    }
}

impl Store {
    /// Every token by name; `None` for one that is not readable.
    pub(crate) async fn tokens(&self) -> Result<Vec<(String, Option<StoredToken>)>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(keys::tokens(&self.prefix));
        let answer = self.connection.call(&command).await.map_err(|error| error.context("tokens"))?;
        let fields: BTreeMap<String, String> = read("HGETALL", answer.value)?;
        Ok(fields.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).ok())).collect())
    }

    /// How many there are.
    pub(crate) async fn token_count(&self) -> Result<u64> {
        let mut command = redis::cmd("HLEN");
        command.arg(keys::tokens(&self.prefix));
        read("HLEN", self.connection.call(&command).await?.value)
    }

    /// Adds a token. Whether it is there now, and not another of that name.
    pub(crate) async fn add_token(&self, name: &str, token: &StoredToken) -> Result<bool> {
        let text = serde_json::to_string(token).map_err(|error| Error::internal(format!("token: {error}")))?;
        let key = keys::tokens(&self.prefix);
        let mut command = redis::cmd("HSETNX");
        command.arg(&key).arg(name).arg(&text);
        let answer = self.connection.call(&command).await?;
        if read::<u64>("HSETNX", answer.value)? == 1 {
            return Ok(true);
        }
        // The second of two calls finds what the first has written.
        let mut command = redis::cmd("HGET");
        command.arg(&key).arg(name);
        let there: Option<String> = read("HGET", self.connection.call(&command).await?.value)?;
        Ok(answer.repeated && there == Some(text))
    }

    /// Removes a token. Whether it was there.
    pub(crate) async fn remove_token(&self, name: &str) -> Result<bool> {
        let mut command = redis::cmd("HDEL");
        command.arg(keys::tokens(&self.prefix)).arg(name);
        let answer = self.connection.call(&command).await?;
        Ok(read::<u64>("HDEL", answer.value)? == 1 || answer.repeated)
    }
}
