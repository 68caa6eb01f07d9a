//! What could not be asked because a node of a cluster is away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::job::{Partition, QueueName};

/// Queues that one sentence names.
const NAMED: usize = 20;

/// A node of a cluster that does not answer, and what was left out because of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreached {
    /// Where it is.
    pub node: String,
    /// Why it cannot be asked.
    pub why: String,
    /// What it has.
    #[serde(flatten)]
    pub left_out: LeftOut,
}

/// What was to be asked of a node that is away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Queues, with those of their partitions that it has; none are named where it has the whole queue.
    pub queues: BTreeMap<QueueName, Vec<String>>,
    /// Queues whose settings it has.
    pub settings: BTreeSet<QueueName>,
    /// Whether it has the list of queues: those that are there alone are not known.
    pub list: bool,
    /// What else was left out.
    pub also: BTreeSet<String>,
}

impl LeftOut {
    pub(crate) fn note(&mut self, queue: &QueueName, partition: Partition) {
        let (partitions, name) = (self.queues.entry(queue.clone()).or_default(), partition.to_string());
        if !partition.is_whole() && !partitions.contains(&name) {
            partitions.push(name);
        }
    }

    pub(crate) fn note_settings(&mut self, queue: &QueueName) {
        self.settings.insert(queue.clone());
    }

    /// Whether something of a queue is among it.
    pub(crate) fn has(&self, queue: &QueueName) -> bool {
        self.queues.contains_key(queue)
    }
}

impl Unreached {
    /// It as an error: which node does not answer, and what was left out.
    pub fn error(&self) -> Error {
        Error::new(ErrorKind::Unreachable, format!("{}; left out: {}", self.why, self.left_out))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (queue, partitions) in self.queues.iter().take(NAMED) {
            parts.push(match &partitions[..] {
                [] => format!("queue {queue}"),
                [one] => format!("partition {one} of queue {queue}"),
                names => format!("partitions {} of queue {queue}", names.join(", ")),
            });
        }
        if self.queues.len() > NAMED {
            parts.push(format!("{} more queues", self.queues.len() - NAMED));
        }
        parts.extend(self.settings.iter().take(NAMED).map(|queue| format!("the settings of queue {queue}")));
        if self.list {
            parts.push("the list of queues, so that queues which are only there are not known".to_owned());
        }
        parts.extend(self.also.iter().cloned());
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Partitions;

    #[test]
    fn what_is_left_out_is_told_in_one_sentence() {
        let (one, many) = (QueueName::new("one").unwrap(), QueueName::new("many").unwrap());
        let mut left_out = LeftOut::default();
        left_out.note(&one, Partition::WHOLE);
        Partitions::new(4).unwrap().each().skip(2).for_each(|partition| left_out.note(&many, partition));
        left_out.note_settings(&many);
        left_out.list = true;
        let told = "partitions 3/4, 4/4 of queue many; queue one; the settings of queue many; the list of queues, so that \
                    queues which are only there are not known";
        assert_eq!(left_out.to_string(), told);
        assert!(left_out.has(&one) && left_out.has(&many));
    }
}
