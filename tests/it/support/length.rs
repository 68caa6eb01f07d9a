//! How long faults last: short where every test runs, as the requirements have it in `make chaos`.

use std::time::{Duration, Instant};

use super::wait::wait_until;
use crate::model::Dice;

/// Whether the faults last as long as the requirements say.
pub fn is_full_length() -> bool {
    std::env::var("CHAOS").is_ok_and(|length| length == "full")
}

/// The seconds that a fault lasts.
pub fn length(short_secs: u64, full_secs: u64) -> Duration {
    Duration::from_secs(if is_full_length() { full_secs } else { short_secs })
}

/// What decides about a random scenario: from `CHAOS_SEED`, or a new seed, which it prints.
pub fn chaos_dice() -> Dice {
    let given = std::env::var("CHAOS_SEED").ok().filter(|text| !text.is_empty());
    let seed = given.map_or_else(|| super::now_ms() % 1_000_000, |text| text.parse().expect("CHAOS_SEED is a number"));
    eprintln!("CHAOS_SEED={seed}");
    Dice::new(seed)
}

/// Does `step` every `interval`, for `length` in all. That time passes is what is tested.
pub fn every(interval: Duration, length: Duration, mut step: impl FnMut()) {
    let began = Instant::now();
    let mut due = interval;
    while due <= length {
        wait_until(due + Duration::from_secs(60), "the next fault is due", || began.elapsed() >= due);
        step();
        due = (due + interval).max(began.elapsed());
    }
}

/// Lets a fault last.
pub fn last(length: Duration) {
    let began = Instant::now();
    wait_until(length + Duration::from_secs(60), "the fault has lasted", || began.elapsed() >= length);
}
