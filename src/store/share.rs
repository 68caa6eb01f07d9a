//! What one partition of a queue has of what is set for the queue.

use std::collections::BTreeMap;

use crate::config::Rate;
use crate::job::Partition;

/// What holds in each partition as it is set for the queue.
const SAME: [&str; 7] = ["paused", "protected", "aging_us", "crash_limit", "durable", "events", "retry"];

/// The settings of a partition: limits and numbers of kept jobs are divided, the rest is the same.
///
/// The shares of `concurrency` and `max_length` add up to what is set; of a rate each has the interval so many times as long,
/// and room for one start at least; of what is kept each keeps so much that all together keep no less.
pub(crate) fn share(fields: &BTreeMap<String, String>, place: Partition) -> Vec<(&'static str, String)> {
    let (number, of) = place.number();
    let set = |field: &str| fields.get(field).filter(|text| !text.is_empty());
    let mut shares: Vec<_> = SAME.into_iter().filter_map(|field| Some((field, set(field)?.clone()))).collect();
    if let Some(rate) = set("rate").and_then(|rate| rate.parse::<Rate>().ok()) {
        let rate = rate.share(of);
        shares.push(("rate", rate.to_string()));
        shares.push(("rate_us", rate.interval_us().to_string()));
        shares.push(("rate_burst", rate.burst().to_string()));
    }
    for field in ["concurrency", "max_length"] {
        if let Some(all) = set(field).and_then(|text| text.parse::<u64>().ok()) {
            shares.push((field, part(all, (number, of)).to_string()));
        }
    }
    for field in ["remove_on_complete", "remove_on_fail"] {
        // Ages hold everywhere; where nothing is set for completed jobs a queue keeps the last hundred.
        let rule = match (set(field), field) {
            (Some(rule), _) => rule.as_str(),
            (None, "remove_on_complete") => "100",
            (None, _) => continue,
        };
        let kept = rule.parse::<u64>().map_or_else(|_| rule.to_owned(), |all| all.div_ceil(u64::from(of)).to_string());
        shares.push((field, kept));
    }
    shares
}

/// What partition `number` of so many has of `all`: the first ones have one more where it does not divide.
fn part(all: u64, (number, of): (u16, u16)) -> u64 {
    let (number, of) = (u64::from(number), u64::from(of));
    all / of + u64::from(number <= all % of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Partitions;

    #[test]
    fn limits_are_divided_and_the_rest_is_the_same() {
        let fields = [
            ("rate", "100/s:12"),
            ("concurrency", "10"),
            ("max_length", "1003"),
            ("remove_on_complete", "50"),
            ("remove_on_fail", "86400000ms"),
            ("paused", "1"),
            ("durable", ""),
            ("partitions", "8"),
            ("key", "tenant"),
        ];
        let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        let shares: Vec<BTreeMap<_, _>> =
            Partitions::new(8).unwrap().each().map(|place| share(&fields, place).into_iter().collect()).collect();
        let sum = |field: &str| shares.iter().map(|share| share[field].parse::<u64>().unwrap()).sum::<u64>();
        assert_eq!((sum("concurrency"), sum("max_length")), (10, 1003));
        assert_eq!((shares[0]["concurrency"].as_str(), shares[7]["concurrency"].as_str()), ("2", "1"));
        let last = &shares[7];
        assert_eq!(
            (last["rate"].as_str(), last["rate_us"].as_str(), last["rate_burst"].as_str()),
            ("100/8s:1", "80000", "1")
        );
        assert_eq!((last["remove_on_complete"].as_str(), last["remove_on_fail"].as_str()), ("7", "86400000ms"));
        assert_eq!((last["paused"].as_str(), last.len()), ("1", 8));
        assert_eq!(share(&BTreeMap::new(), Partition::WHOLE), [("remove_on_complete", "100".to_owned())]);
    }
}
