//! The loop that the periodic actors share.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::worker::shared::Shared;

/// A trouble that lasts is said this seldom.
const WARN_EVERY: Duration = Duration::from_secs(5);

/// Runs `step` at once and then every `interval` until `stop`, spread by up to a tenth so that workers that start together
/// do not stay together. An error is told of and does not end the loop.
pub(crate) async fn every<F, Fut>(
    shared: &Shared,
    (name, interval): (&'static str, Duration),
    stop: &CancellationToken,
    mut step: F,
) where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let (mut round, mut warned) = (0_u32, None::<Instant>);
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = step() => outcome,
        };
        if let Err(error) = outcome
            && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
        {
            warned = Some(Instant::now());
            shared.alert(|| format!("a round of the {name} failed: {error}"));
        }
        round = round.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let spread = f64::from(round) / f64::from(u32::MAX) * 0.1;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval.mul_f64(1.0 - spread)) => {}
        }
    }
}
