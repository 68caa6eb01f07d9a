//! The tokens as they stood a moment ago, so that not every request asks for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::{Error, ErrorKind, TokenInfo, TokenSet, Tokens};

/// A revoked token is good for so much longer.
const AGE_MAX: Duration = Duration::from_secs(1);
/// A token that is not known may have been created since, so that the tokens are read again; not more often than this.
const AGE_MIN: Duration = Duration::from_millis(100);

/// Recognises callers by their tokens.
pub(super) struct Recognition {
    tokens: Tokens,
    latest: Mutex<Option<Read>>,
}

/// What came of the latest question.
struct Read {
    asked_at: Instant,
    answer: Result<Arc<TokenSet>, (ErrorKind, String)>,
}

impl Recognition {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, latest: Mutex::default() }
    }

    /// The token that was presented, if it is one.
    ///
    /// # Errors
    /// What reading the tokens says: without an answer nobody is let in.
    pub(super) async fn find(&self, presented: &str) -> Result<Option<TokenInfo>, Error> {
        match self.read(AGE_MAX).await?.find(presented) {
            Some(found) => Ok(Some(found)),
            None => Ok(self.read(AGE_MIN).await?.find(presented)),
        }
    }

    /// Whether there is no token at all.
    ///
    /// # Errors
    /// As for [`Recognition::find`].
    pub(super) async fn has_none(&self) -> Result<bool, Error> {
        Ok(self.read(AGE_MAX).await?.is_empty())
    }

    /// The tokens, no older than this. One caller asks; those who come meanwhile share the next answer, also where it is
    /// an error.
    async fn read(&self, age_max: Duration) -> Result<Arc<TokenSet>, Error> {
        let came_at = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some(Read { asked_at, answer }) = latest.as_ref() {
            match answer {
                Ok(tokens) if asked_at.elapsed() < age_max => return Ok(Arc::clone(tokens)),
                Err((kind, message)) if *asked_at >= came_at => return Err(Error::new(*kind, message)),
                _ => {}
            }
        }
        let asked_at = Instant::now();
        let answer = self.tokens.all().await.map(Arc::new).map_err(|error| (error.kind(), error.to_string()));
        let read = latest.insert(Read { asked_at, answer });
        read.answer.clone().map_err(|(kind, message)| Error::new(kind, message))
    }
}
