//! Waiting for a condition with a deadline.

use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);

/// Asks until `condition` holds; panics with `what` when it does not within `deadline`.
pub fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(deadline, what, || condition().then_some(()));
}

/// Asks until `probe` has an answer; panics with `what` when it has none within `deadline`.
pub fn wait_for<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::sleep(STEP);
    }
}
