//! The pace of an act on many jobs: so many a second, until it is told to stop.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Keeps to so many jobs a second.
pub(crate) struct Pace {
    rate: Option<f64>,
    stop: CancellationToken,
    began: Instant,
    done: f64,
}

impl Pace {
    /// # Errors
    /// `Invalid` for a rate that is no positive number.
    pub(crate) fn new(rate: Option<f64>, stop: CancellationToken) -> Result<Self> {
        match rate {
            Some(rate) if !(rate.is_finite() && rate > 0.0) => {
                Err(Error::invalid(format!("rate {rate} is not a positive number of jobs a second")))
            }
            rate => Ok(Self { rate, stop, began: Instant::now(), done: 0.0 }),
        }
    }

    /// How many go at once, at most `most`: a tenth of a second's worth.
    pub(crate) fn step(&self, most: usize) -> usize {
        self.rate.map_or(most, |rate| ((rate / 10.0) as usize).clamp(1, most))
    }

    /// Waits until `count` more may go. Whether they may: not where it was told to stop.
    pub(crate) async fn wait(&mut self, count: usize) -> bool {
        if let Some(rate) = self.rate {
            let due = self.began + Duration::try_from_secs_f64(self.done / rate).unwrap_or(YEAR).min(YEAR);
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.stop.cancelled() => {}
            }
            self.done += count as f64;
        }
        !self.stop.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number() {
        let pace = |rate| Pace::new(rate, CancellationToken::new());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(pace(Some(bad)).is_err());
        }
        assert_eq!((pace(Some(50.0)).unwrap().step(200), pace(None).unwrap().step(200)), (5, 200));
    }

    #[tokio::test]
    async fn it_ends_its_wait_when_it_is_told_to_stop() {
        let stop = CancellationToken::new();
        let mut pace = Pace::new(Some(0.001), stop.clone()).unwrap();
        assert!(pace.wait(1).await);
        let (went, ()) = tokio::join!(pace.wait(1), async { stop.cancel() });
        assert!(!went);
    }
}
