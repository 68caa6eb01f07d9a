//! Makes a failing run short: leaves acts out for as long as it still fails.

use std::time::{Duration, Instant};

use super::step::Act;
use super::{Failed, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A part of `acts` that fails too, and how; none of its halves, quarters, … can be left out, or time was up.
pub fn shrink(all_events: bool, acts: Vec<Act>, why: String) -> (Vec<Act>, String) {
    let until = Instant::now() + PATIENCE;
    let (mut acts, mut why) = (acts, why);
    let mut size = acts.len().div_ceil(2);
    while size > 0 && Instant::now() < until {
        let (mut from, mut shorter) = (0, false);
        while from < acts.len() && Instant::now() < until {
            let end = (from + size).min(acts.len());
            let part: Vec<Act> = [&acts[..from], &acts[end..]].concat();
            match replay(all_events, &part) {
                Err(Failed { at, why: because }) => {
                    acts = part;
                    acts.truncate(at + 1);
                    why = because;
                    shorter = true;
                }
                Ok(()) => from = end,
            }
        }
        size = if size == 1 && !shorter { 0 } else { size.div_ceil(2).min((size - 1).max(1)) };
    }
    (acts, why)
}

fn replay(all_events: bool, acts: &[Act]) -> Result<(), Failed> {
    run(all_events, |_, at| acts.get(at).cloned())
}
