//! Takes claims of silent workers back, and notes in the history of each job what is known of its crash.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::clock::instant;
use crate::error::Result;
use crate::job::{Crash, History, JobId, ProcessEnd};
use crate::store::codec::Reply;
use crate::store::{Fallen, QueueKeys, Recovered, Store, scripts};

/// Claims taken back in one call: their histories travel both ways, and each may hold some ten kilobytes.
const STEP: usize = 100;
/// How long a recovery waits to learn how the worker's process ended.
const TOLD_LIMIT: Duration = Duration::from_secs(1);

/// What is stored of a job whose worker fell silent.
struct LastWords {
    history: Option<String>,
    crashes: u32,
    /// The end of its log.
    log: String,
}

impl Store {
    /// Takes back claims of silent workers; `lease_ms` is the grace for a worker without any lease. Named beside a job are
    /// those of `claims` that the same worker holds.
    ///
    /// A history that was read here is still the same when the script writes: only who holds the claim writes to it, and
    /// that ends the claim, which the script compares whole.
    pub(crate) async fn take_back(
        &self,
        keys: &QueueKeys,
        by: (&str, u64),
        claims: &[(JobId, String)],
    ) -> Result<Vec<Recovered>> {
        let mut held = BTreeMap::<&str, Vec<&JobId>>::new();
        for (id, claim) in claims {
            held.entry(worker_of(claim)).or_default().push(id);
        }
        let said = join_all(held.keys().map(|worker| timeout(TOLD_LIMIT, self.told_end(worker)))).await;
        // In a cluster another node may hold that, and be away: then nothing is told.
        let said = said.into_iter().map(|told| told.ok().and_then(Result::ok).flatten());
        let ends: BTreeMap<_, _> = held.keys().copied().zip(said).collect();
        let mut recovered = Vec::with_capacity(claims.len());
        for claims in claims.chunks(STEP) {
            let words = self.last_words(keys, claims).await?;
            let at_ms = self.now_ms().await?;
            let histories: Vec<_> = claims
                .iter()
                .zip(words)
                .map(|((id, claim), words)| {
                    let others = held[worker_of(claim)].iter().copied().filter(|other| *other != id);
                    told((claim, ends[worker_of(claim)]), words, others, at_ms)
                })
                .collect();
            let fallen: Vec<_> = claims
                .iter()
                .zip(&histories)
                .map(|((id, claim), history)| Fallen { id, claim, history: history.as_deref().unwrap_or_default() })
                .collect();
            let ends: BTreeMap<_, _> = claims.iter().map(|(id, claim)| (id, ends[worker_of(claim)])).collect();
            let back = self.recover(keys, by, &fallen).await?.into_iter();
            recovered.extend(back.map(|job| Recovered { end: ends.get(&job.id).copied().flatten(), ..job }));
        }
        Ok(recovered)
    }

    async fn last_words(&self, keys: &QueueKeys, claims: &[(JobId, String)]) -> Result<Vec<LastWords>> {
        let mut command = scripts::LAST_WORDS.on(keys, &self.clock);
        command.arg(Crash::LOG_BYTES);
        claims.iter().for_each(|(id, _)| _ = command.arg(id.as_str()));
        let mut reply = Reply::new("last_words", scripts::LAST_WORDS.ask(&self.connection, &command).await?)?;
        let mut words = Vec::with_capacity(claims.len());
        for _ in claims {
            let history = reply.optional()?;
            let crashes = reply.maybe_number()?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
            words.push(LastWords { history, crashes, log: reply.optional()?.unwrap_or_default() });
        }
        Ok(words)
    }
}

/// Who holds a claim; empty where nobody can read it.
pub(crate) fn worker_of(claim: &str) -> &str {
    claim.rsplit('|').nth(2).unwrap_or_default()
}

/// The history with this crash; `None` leaves what is there, where nobody can read it or the claim.
fn told<'a>(
    (claim, end): (&str, Option<ProcessEnd>),
    words: LastWords,
    others: impl Iterator<Item = &'a JobId>,
    at_ms: i64,
) -> Option<String> {
    let mut history = match &words.history {
        Some(text) => History::decode(text).ok()?,
        None => History::default(),
    };
    let attempt = history.failed.saturating_add(words.crashes).saturating_add(1);
    let crash = Crash::of_claim(claim, instant(at_ms), attempt)?;
    history.crash(crash.by(end).beside(others).with_log(words.log.as_bytes()));
    Some(history.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "7|2:1764000000000000|1764000000000|host-1-AAAA||";

    fn words(history: Option<&str>) -> LastWords {
        LastWords { history: history.map(str::to_owned), crashes: 1, log: "half way\n".to_owned() }
    }

    #[test]
    fn a_crash_joins_what_happened_before_and_an_unreadable_history_stays() {
        let other = JobId::trusted("other");
        let text = told(
            (CLAIM, Some(ProcessEnd::Signal(11))),
            words(Some(r#"{"failed":2,"snoozed":1}"#)),
            [&other].into_iter(),
            9,
        )
        .unwrap();
        let history = History::decode(&text).unwrap();
        assert_eq!((history.failed, history.snoozed, history.crashed.len()), (2, 1, 1));
        let crash = &history.crashed[0];
        assert_eq!((crash.attempt, crash.log.as_str(), crash.beside.len()), (4, "half way", 1));
        assert_eq!((crash.code.as_str(), crash.ended.as_deref()), ("worker_killed", Some("SIGSEGV")));
        assert_eq!(told((CLAIM, None), words(Some("broken")), std::iter::empty(), 9), None);
        assert_eq!(told(("no claim", None), words(None), std::iter::empty(), 9), None);
    }
}
