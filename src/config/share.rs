//! What one partition of a queue has of what is set for the queue.

use super::queue::{QueueSettings, Retention};

impl QueueSettings {
    /// What holds in partition `number` (from 1): limits and the number of completed jobs that are kept are divided, the rest is the same.
    ///
    /// The shares of `concurrency` and `max_length` add up to what is set; a rate has the same starts in a span so many times
    /// as long, and a burst of one at least; of completed jobs each keeps so many that all together keep no less. Of dead letters
    /// each keeps as many as the queue may: those of one key are in one partition, and none is dropped that the queue would keep.
    ///
    /// ```
    /// use ireva_queue::config::QueueSettings;
    /// let email = QueueSettings { partitions: 8, concurrency: Some(20), rate: Some("100/s".parse()?), ..QueueSettings::default() };
    /// assert_eq!((email.of_partition(4).concurrency, email.of_partition(5).concurrency), (Some(3), Some(2)));
    /// assert_eq!(email.of_partition(1).rate.unwrap().to_string(), "100/8s:1");
    /// # Ok::<(), ireva_queue::Error>(())
    /// ```
    pub fn of_partition(&self, number: u16) -> Self {
        let of = u64::from(self.partitions.max(1));
        // The first ones have one more where it does not divide.
        let part = |all: u64| all / of + u64::from(u64::from(number) <= all % of);
        let kept = |rule: Retention| match rule {
            Retention::Count(count) => Retention::Count(count.div_ceil(of)),
            rule => rule,
        };
        Self {
            rate: self.rate.map(|rate| if of == 1 { rate } else { rate.share(self.partitions) }),
            concurrency: self.concurrency.map(|all| u32::try_from(part(all.into())).unwrap_or(all)),
            max_length: self.max_length.map(part),
            remove_on_complete: kept(self.remove_on_complete),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_divided_and_the_rest_is_the_same() {
        let whole = QueueSettings {
            rate: Some("100/s:12".parse().unwrap()),
            concurrency: Some(10),
            max_length: Some(1003),
            remove_on_complete: "50".parse().unwrap(),
            remove_on_fail: "8".parse().unwrap(),
            crash_limit: 7,
            partitions: 8,
            ..QueueSettings::default()
        };
        let shares: Vec<_> = (1..=8).map(|number| whole.of_partition(number)).collect();
        assert_eq!(shares.iter().filter_map(|share| share.concurrency).sum::<u32>(), 10);
        assert_eq!(shares.iter().filter_map(|share| share.max_length).sum::<u64>(), 1003);
        let last = &shares[7];
        assert_eq!((last.concurrency, last.max_length), (Some(1), Some(125)));
        assert_eq!((last.rate.unwrap().interval_us(), last.rate.unwrap().burst()), (80_000, 1));
        assert_eq!((last.remove_on_complete, last.remove_on_fail), (Retention::Count(7), Retention::Count(8)));
        assert_eq!((last.crash_limit, last.retry), (7, whole.retry));
        let one = QueueSettings { partitions: 1, ..whole };
        assert_eq!(one.of_partition(1), one);
    }
}
