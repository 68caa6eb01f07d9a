//! The fields of a partition's settings.

use std::collections::BTreeMap;

use crate::config::{QueueSettings, Setting};
use crate::job::{Partition, QueueName};
use crate::store::limits::{decode, encode};

/// What holds in each partition as it is set for the queue.
const SAME: [&str; 7] = ["paused", "protected", "aging_us", "crash_limit", "durable", "events", "retry"];

/// What `fields` of a queue's settings say for one of its partitions; see [`QueueSettings::of_partition`].
pub(crate) fn share(
    queue: &QueueName,
    fields: &BTreeMap<String, String>,
    place: Partition,
) -> Vec<(&'static str, String)> {
    let (number, partitions) = place.number();
    let whole = QueueSettings { partitions, ..decode(queue, fields).settings };
    let part = whole.of_partition(number);
    let divided = [
        Setting::Rate(part.rate),
        Setting::Concurrency(part.concurrency),
        Setting::MaxLength(part.max_length),
        Setting::RemoveOnComplete(part.remove_on_complete),
        Setting::RemoveOnFail(part.remove_on_fail),
    ];
    let same = SAME.into_iter().filter_map(|field| Some((field, fields.get(field)?.clone())));
    same.chain(divided.iter().flat_map(encode)).filter(|(_, text)| !text.is_empty()).collect()
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
        let shares: BTreeMap<_, _> = share(&QueueName::new("q").unwrap(), &fields, last).into_iter().collect();
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
}
