//! What is set for a queue, and what follows from that for its partitions.

use serde::Serialize;

use crate::config::{QueueSettings, Rate, Retention};

/// The settings of a queue, how far a change of its partitions has come, and what each partition has of the limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsInForce {
    /// What is set.
    #[serde(flatten)]
    pub settings: QueueSettings,
    /// Over how many partitions it was spread, while jobs are still being moved from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_was: Option<u16>,
    /// Over how many it is to be spread, once that is written down and until it holds for new jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions_next: Option<u16>,
    /// What each partition has of what is divided; nothing where there is but one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of_each: Vec<PartitionShare>,
}

/// What partitions that follow one another have, each, of what is divided among them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PartitionShare {
    /// The number of the first of them, from 1.
    pub first: u16,
    /// The number of the last of them.
    pub last: u16,
    /// Starts per span of time.
    pub rate: Option<Rate>,
    /// Jobs running at once.
    pub concurrency: Option<u32>,
    /// How many jobs may wait.
    pub max_length: Option<u64>,
    /// What is kept of completed and cancelled jobs.
    pub remove_on_complete: Retention,
    /// What is kept of dead letters.
    pub remove_on_fail: Retention,
}

impl SettingsInForce {
    /// Of a queue that is set so and that was spread over `was`, or is to be over `next`.
    pub(crate) fn new(settings: QueueSettings, (was, next): (Option<u16>, Option<u16>)) -> Self {
        let of_each = if settings.partitions > 1 { shares(&settings) } else { Vec::new() };
        Self { settings, partitions_was: was, partitions_next: next, of_each }
    }
}

fn shares(settings: &QueueSettings) -> Vec<PartitionShare> {
    let mut shares: Vec<PartitionShare> = Vec::new();
    for number in 1..=settings.partitions {
        let part = settings.of_partition(number);
        let share = PartitionShare {
            first: number,
            last: number,
            rate: part.rate,
            concurrency: part.concurrency,
            max_length: part.max_length,
            remove_on_complete: part.remove_on_complete,
            remove_on_fail: part.remove_on_fail,
        };
        match shares.last_mut() {
            Some(before)
                if (PartitionShare { first: before.first, ..share.clone() })
                    == (PartitionShare { last: number, ..before.clone() }) =>
            {
                before.last = number;
            }
            _ => shares.push(share),
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_that_have_the_same_are_told_once() {
        let settings =
            QueueSettings { partitions: 8, concurrency: Some(20), max_length: Some(17), ..QueueSettings::default() };
        let told = SettingsInForce::new(settings, (None, None)).of_each;
        let told: Vec<_> =
            told.iter().map(|share| (share.first, share.last, share.concurrency, share.max_length)).collect();
        assert_eq!(told, [(1, 1, Some(3), Some(3)), (2, 4, Some(3), Some(2)), (5, 8, Some(2), Some(2))]);
        assert!(SettingsInForce::new(QueueSettings::default(), (Some(3), None)).of_each.is_empty());
    }
}
