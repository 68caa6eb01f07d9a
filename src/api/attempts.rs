//! Wrong tokens, counted by where they come from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many wrong tokens are answered as such in a minute; those beyond are told to wait.
const ALLOWED: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// So many places are remembered; beyond, those whose minute is over are forgotten, else the oldest.
const PLACES_MAX: usize = 10_000;

/// Who has sent wrong tokens lately.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    wrong: u32,
}

impl Attempts {
    /// Notes a wrong token from `peer`; how long it has to wait, where it has sent too many.
    pub(super) fn note(&self, peer: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(peer);
        if counts.len() >= PLACES_MAX && !counts.contains_key(&place) {
            make_room(&mut counts, now);
        }
        let count = counts.entry(place).or_insert(Count { since: now, wrong: 0 });
        if now.saturating_duration_since(count.since) >= MINUTE {
            *count = Count { since: now, wrong: 0 };
        }
        count.wrong = count.wrong.saturating_add(1);
        (count.wrong > ALLOWED).then(|| MINUTE.saturating_sub(now.saturating_duration_since(count.since)))
    }
}

/// The address, of IPv6 the network that is one customer's; those who are not known share one place.
fn place(peer: Option<IpAddr>) -> IpAddr {
    match peer.map(|peer| peer.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        Some(address) => address,
        None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn make_room(counts: &mut HashMap<IpAddr, Count>, now: Instant) {
    counts.retain(|_, count| now.saturating_duration_since(count.since) < MINUTE);
    if counts.len() >= PLACES_MAX {
        let oldest = counts.iter().min_by_key(|(_, count)| count.since).map(|(place, _)| *place);
        oldest.map(|place| counts.remove(&place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn ten_wrong_tokens_a_minute_are_enough() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let note = |peer: &str, secs: u64| attempts.note(address(peer), start + Duration::from_secs(secs));
        assert!((0..10).all(|_| note("10.0.0.1", 0).is_none()));
        assert_eq!(note("10.0.0.1", 20), Some(Duration::from_secs(40)));
        assert_eq!(note("10.0.0.2", 20), None, "others are not meant");
        assert_eq!(note("10.0.0.1", 60), None, "a minute later all is forgiven");
    }

    #[test]
    fn a_network_counts_as_one_place() {
        let same = |a: &str, b: &str| place(address(a)) == place(address(b));
        assert!(same("2001:db8::1", "2001:db8::ffff") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1") && !same("10.0.0.1", "10.0.0.2"));
        assert_ne!(place(None), place(address("10.0.0.1")));
    }

    #[test]
    fn memory_is_bounded() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for n in 0..PLACES_MAX as u32 + 500 {
            attempts.note(Some(std::net::Ipv4Addr::from(n).into()), start + Duration::from_millis(n.into()));
        }
        assert!(attempts.0.lock().unwrap().len() <= PLACES_MAX);
    }
}
