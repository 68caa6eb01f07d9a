//! The sentinels as witnesses: whether the master that has just answered was theirs to the end.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::sentinel::{Found, LATECOMERS, SENTINEL_LIMIT, Sentinels};
use crate::config::Endpoint;
use crate::error::ErrorKind;

/// Every sentinel of the configuration, on connections that stay.
pub(super) struct Witnesses {
    sentinels: Sentinels,
    held: Vec<(Endpoint, Option<MultiplexedConnection>)>,
}

impl Witnesses {
    pub(super) fn new(sentinels: &Sentinels) -> Self {
        let held = sentinels.places().iter().map(|place| (place.clone(), None)).collect();
        Self { sentinels: sentinels.clone(), held }
    }

    /// Asks all of them at once whether `master` is still the master and stays it.
    ///
    /// # Errors
    /// One knows of a newer election or takes part in one, or none answers.
    pub(super) async fn vouch(&mut self, master: &Found) -> Result<(), Failure> {
        let Self { sentinels, held } = self;
        let mut asked: FuturesUnordered<_> =
            held.iter_mut().map(|(place, held)| sentinels.ask_held(place, held)).collect();
        let (mut until, mut said) = (Instant::now() + SENTINEL_LIMIT, Vec::new());
        while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
            if let Some(found) = answer {
                if said.is_empty() {
                    until = Instant::now() + LATECOMERS;
                }
                said.push(found);
            }
        }
        match doubt(master, &said) {
            None => Ok(()),
            Some(doubt) => Err(Failure::passing(ErrorKind::Unreachable, doubt)),
        }
    }
}

/// What speaks against `master`, by what the sentinels said; nothing does where all that count agree.
fn doubt(master: &Found, said: &[Found]) -> Option<String> {
    let place = &master.endpoint;
    if said.is_empty() {
        return Some(format!("no sentinel says whether redis at {place} is still the master"));
    }
    // One that was cut off may still name the master before this one.
    let newer = |found: &&Found| found.endpoint != *place && found.epoch >= master.epoch;
    if let Some(found) = said.iter().find(newer) {
        return Some(format!("sentinel {} names redis at {}, not {place}", found.named_by, found.endpoint));
    }
    let passing = said.iter().find(|found| found.endpoint == *place && found.passing)?;
    Some(format!("sentinel {} is putting another in the place of redis at {place}", passing.named_by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(port: u16, epoch: u64, passing: bool) -> Found {
        let at = |port| Endpoint { host: "h".into(), port, tls: false };
        Found { endpoint: at(port), epoch, named_by: at(26_379), passing }
    }

    #[test]
    fn a_master_stands_as_long_as_no_sentinel_knows_better() {
        let master = found(1, 5, false);
        let stands = |said: &[Found]| doubt(&master, said).is_none();
        assert!(stands(&[found(1, 5, false), found(1, 5, false)]));
        assert!(stands(&[found(1, 5, false), found(2, 4, true)]), "one that was cut off");
        assert!(!stands(&[]), "nobody says so");
        assert!(!stands(&[found(1, 5, false), found(2, 6, false)]), "another was elected");
        assert!(!stands(&[found(1, 5, false), found(2, 5, false)]), "by the same election");
        assert!(!stands(&[found(1, 5, false), found(1, 6, true)]), "an election is under way");
    }
}
