//! The tokens of the REST API: create, list, revoke, recognise.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};
use crate::store::{Store, StoredToken};
use crate::token::{NewToken, Scope, TokenInfo, TokenName};

/// Secret scanners find a leaked token by it.
const MARK: &str = "ivq_";
const RANDOM_BYTES: usize = 32;
/// More than any installation needs; each request is compared with all of them.
const TOKENS_MAX: u64 = 1_000;

/// The tokens under one prefix. Only their hashes are stored.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
}

/// The tokens at one instant.
#[derive(Debug, Clone, Default)]
pub struct TokenSet(Vec<(String, Option<StoredToken>)>);

impl Tokens {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Creates a token for these scopes: 256 random bits, which only the answer shows.
    ///
    /// # Errors
    /// `Refused` when there is one of that name, or a thousand in all; `Invalid` without a scope.
    pub async fn create(&self, name: &TokenName, scopes: &[Scope]) -> Result<NewToken> {
        let mut scopes = scopes.to_vec();
        scopes.sort();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Error::invalid("a token needs a scope: enqueue, read or admin").about("scopes"));
        }
        if self.store.token_count().await? >= TOKENS_MAX {
            return Err(Error::refused(format!("there are {TOKENS_MAX} tokens already: revoke those not in use")));
        }
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random)
            .map_err(|error| Error::internal(format!("the system gives no random numbers: {error}")))?;
        let token = format!("{MARK}{}", hex(&random));
        let created_ms = self.store.now_ms().await?;
        let stored = StoredToken { hash: hex(&digest(&token)), scopes, created_ms };
        if !self.store.add_token(name.as_str(), &stored).await? {
            return Err(Error::refused(format!("there is a token {name:?} already", name = name.as_str())));
        }
        Ok(NewToken { info: stored.info(name.clone()), token })
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// `Corrupt` when a hand has written something unreadable among them: it is named.
    pub async fn list(&self) -> Result<Vec<TokenInfo>> {
        let unreadable = |name: &str| Error::corrupt(format!("token {name:?} is not readable: revoke it"));
        let read = |(name, stored): (String, Option<StoredToken>)| {
            let stored = stored.ok_or_else(|| unreadable(&name))?;
            Ok(stored.info(name.parse().map_err(|_| unreadable(&name))?))
        };
        self.store.tokens().await?.into_iter().map(read).collect()
    }

    /// Takes a token's rights back: at once, and within seconds on running servers.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke(&self, name: &TokenName) -> Result<()> {
        match self.store.remove_token(name.as_str()).await? {
            true => Ok(()),
            false => Err(Error::not_found(format!("token {:?} not found", name.as_str()))),
        }
    }

    /// All of them, to recognise callers by.
    pub async fn all(&self) -> Result<TokenSet> {
        Ok(TokenSet(self.store.tokens().await?))
    }
}

impl TokenSet {
    /// Whether none was ever created. One that is not readable counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token that was presented, if it is one of these. Takes as long whichever it is, or none.
    pub fn find(&self, presented: &str) -> Option<TokenInfo> {
        let hash = hex(&digest(presented));
        let mut found = None;
        for (name, stored) in &self.0 {
            let Some(stored) = stored else { continue };
            if bool::from(stored.hash.as_bytes().ct_eq(hash.as_bytes())) {
                found = Some((name, stored));
            }
        }
        let (name, stored) = found?;
        Some(stored.info(name.parse().ok()?))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_all_of_it() {
        let stored = |token: &str| StoredToken { hash: hex(&digest(token)), scopes: vec![Scope::Read], created_ms: 0 };
        let set = TokenSet(vec![
            ("a".to_owned(), Some(stored("ivq_1"))),
            ("broken".to_owned(), None),
            ("b".to_owned(), Some(stored("ivq_2"))),
        ]);
        assert_eq!(set.find("ivq_2").unwrap().name.as_str(), "b");
        assert!(["", "ivq_", "ivq_22", "IVQ_2", "ivq_3"].iter().all(|wrong| set.find(wrong).is_none()));
        assert!(TokenSet::default().is_empty() && !TokenSet(vec![("broken".to_owned(), None)]).is_empty());
    }

    #[test]
    fn a_hash_is_the_known_one() {
        assert_eq!(hex(&digest("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
