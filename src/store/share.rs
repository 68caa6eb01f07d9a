//! The fields of a partition's settings.

use std::collections::BTreeMap;

use crate::config::{QueueSettings, Setting};
use crate::job::{Partition, QueueName};
use crate::store::limits::{decode, encode};
use crate::store::{QueueKeys, Store};

/// What holds in each partition as it is set for the queue.
const SAME: [&str; 7] = ["paused", "protected", "aging_us", "crash_limit", "durable", "events", "retry"];

/// What `fields` of a queue's settings say for one of its partitions; see [`QueueSettings::of_partition`]. `busy`: how many jobs
/// that belong to each of them run in former ones, and so count in the concurrency; a partition that has nothing left of it is
/// held.
pub(crate) fn share(
    queue: &QueueName,
    fields: &BTreeMap<String, String>,
    place: Partition,
    busy: &[u64],
) -> Vec<(&'static str, String)> {
    let (number, partitions) = place.number();
    let whole = QueueSettings { partitions, ..decode(queue, fields).settings };
    let mut part = whole.of_partition(number);
    let left = part
        .concurrency
        .filter(|_| !busy.is_empty())
        .and_then(|_| left_of(&whole, busy).get(usize::from(number) - 1).copied());
    let held = left == Some(0);
    if let Some(left) = left.filter(|left| *left > 0) {
        part.concurrency = Some(left);
    }
    let divided = [
        Setting::Rate(part.rate),
        Setting::Concurrency(part.concurrency),
        Setting::MaxLength(part.max_length),
        Setting::RemoveOnComplete(part.remove_on_complete),
        Setting::RemoveOnFail(part.remove_on_fail),
    ];
    let same = SAME.into_iter().filter_map(|field| Some((field, fields.get(field)?.clone())));
    let held = held.then(|| ("held", "1".to_owned()));
    same.chain(divided.iter().flat_map(encode)).chain(held).filter(|(_, text)| !text.is_empty()).collect()
}

pub(super) fn shares_of(whole: &QueueSettings) -> Vec<u32> {
    (1..=whole.partitions).map(|number| whole.of_partition(number).concurrency.unwrap_or(0)).collect()
}

/// What each partition has left of its share of the concurrency beside the `busy` jobs that belong to it. Where more run than
/// the share of one, the others give it, those that have most the most: all together start no more than the queue may.
fn left_of(whole: &QueueSettings, busy: &[u64]) -> Vec<u32> {
    let shares = shares_of(whole);
    let busy: Vec<u32> = busy.iter().map(|count| u32::try_from(*count).unwrap_or(u32::MAX)).collect();
    let mut left: Vec<u32> = shares.iter().zip(&busy).map(|(share, busy)| share.saturating_sub(*busy)).collect();
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    let mut over = sum(&left).saturating_sub(sum(&shares).saturating_sub(sum(&busy)));
    let mut places: Vec<usize> = (0..left.len()).collect();
    places.sort_by_key(|place| left[*place]);
    for (at, place) in places.iter().enumerate() {
        let givers = (places.len() - at) as u64;
        let given = u32::try_from(over / givers).unwrap_or(u32::MAX).min(left[*place]);
        left[*place] -= given;
        over -= u64::from(given);
    }
    left
}

impl Store {
    /// Says that a place of a queue holds as many jobs as may wait there: which partition, and how many that are, where there are
    /// several.
    pub(crate) async fn full(&self, keys: &QueueKeys) -> String {
        let (queue, partition) = (keys.queue(), keys.partition());
        if partition.is_whole() {
            return format!("queue {queue} is full: as many jobs wait as its maxLength allows");
        }
        let stored = self.settings(&self.keys(queue)).await.map(|stored| stored.settings);
        let (number, partitions) = partition.number();
        let of_it = |whole: &QueueSettings| {
            let part = QueueSettings { partitions, ..whole.clone() }.of_partition(number);
            Some((part.max_length?, whole.max_length?))
        };
        let share = stored.ok().as_ref().and_then(of_it).map_or_else(
            || "its share of the maxLength".to_owned(),
            |(share, all)| format!("{share}, its share of the maxLength of {all}"),
        );
        format!(
            "partition {partition} of queue {queue} is full: as many jobs wait there as may, {share} (others may have room)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Partitions;

    #[test]
    fn a_partition_has_its_share_under_the_names_that_scripts_read() {
        let fields =
            [("rate", "100/s:12"), ("rate_us", "10000"), ("rate_burst", "12"), ("concurrency", "10"), ("paused", "1")];
        let fields =
            [&fields[..], &[("durable", ""), ("partitions", "4"), ("key", "tenant"), ("remove_on_complete", "50")]];
        let fields = fields.concat().iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        let last = Partitions::new(8).unwrap().each().last().unwrap();
        let shares: BTreeMap<_, _> = share(&QueueName::new("q").unwrap(), &fields, last, &[]).into_iter().collect();
        let wanted = [
            ("paused", "1"),
            ("rate", "100/8s:1"),
            ("rate_us", "80000"),
            ("rate_burst", "1"),
            ("concurrency", "1"),
            ("remove_on_complete", "7"),
            ("remove_on_fail", "never"),
        ];
        assert_eq!(shares, wanted.into_iter().map(|(field, value)| (field, value.to_owned())).collect());
    }

    #[test]
    fn what_runs_where_it_was_is_taken_off_the_concurrency_and_off_its_partition_first() {
        let left = |concurrency: u32, busy: &[u64]| {
            let whole = QueueSettings { partitions: 4, concurrency: Some(concurrency), ..QueueSettings::default() };
            left_of(&whole, busy)
        };
        assert_eq!(left(16, &[1, 0, 0, 0]), [3, 4, 4, 4]);
        assert_eq!(left(16, &[7, 0, 1, 0]), [0, 3, 2, 3]);
        assert_eq!(left(16, &[16, 0, 0, 0]), [0, 0, 0, 0]);
        assert_eq!(left(16, &[0, 40, 0, 0]), [0, 0, 0, 0]);
        assert_eq!(left(4, &[0, 1, 0, 0]), [1, 0, 1, 1]);
        assert_eq!(left(5, &[0, 2, 0, 0]), [1, 0, 1, 1]);
        for (concurrency, busy) in [(9, [3, 0, 0, 1]), (7, [0, 5, 1, 0]), (100, [40, 1, 1, 0]), (4, [2, 1, 0, 0])] {
            let sum = left(concurrency, &busy).iter().map(|left| u64::from(*left)).sum::<u64>();
            assert_eq!(sum, u64::from(concurrency) - busy.iter().sum::<u64>(), "{concurrency} {busy:?}");
        }
    }

    #[test]
    fn a_partition_that_has_nothing_left_of_the_concurrency_is_held() {
        let fields = [("concurrency", "4"), ("partitions", "4")];
        let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        let name = QueueName::new("q").unwrap();
        let held = |place| share(&name, &fields, place, &[0, 1, 0, 0]).contains(&("held", "1".to_owned()));
        let held: Vec<_> = Partitions::new(4).unwrap().each().map(held).collect();
        assert_eq!(held, [false, true, false, false]);
    }
}
