//! Measures what rules watch.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use crate::alert::{AlertKind, AlertRule};
use crate::breaker::{BreakerInfo, BreakerState};
use crate::error::{ErrorKind, Result};
use crate::job::QueueName;
use crate::stats::QueueStats;
use crate::store::{Memory, Store};

/// Queues that are asked about at the same time.
const CALLS_AT_ONCE: usize = 32;

/// A number of one subject.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub subject: String,
    /// The queue that it is, where it is one.
    pub queue: Option<QueueName>,
    pub value: f64,
    pub message: String,
}

/// What a look has found, for any rule.
#[derive(Debug, Default)]
pub(super) struct Look {
    stats: BTreeMap<QueueName, QueueStats>,
    /// Queues that could not be read this time: nothing follows for them.
    pub unread: BTreeSet<String>,
    memory: Option<f64>,
    /// The server does not tell how much it uses.
    no_memory: bool,
    /// Open breakers, and what is to be said of them.
    open: Vec<(String, String)>,
    /// The node that has the breakers is away.
    no_breakers: bool,
    /// The node that has the list of queues is away: which others there are is not known.
    no_list: bool,
}

impl Look {
    /// Looks at as much as these rules need.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering.
    pub(super) async fn take(store: &Store, rules: &[&AlertRule]) -> Result<Self> {
        let mut look = Self::default();
        let of_queues = || rules.iter().filter(|rule| rule.kind.check().is_some());
        let mut wanted: BTreeSet<QueueName> = of_queues().filter_map(|rule| rule.queue.clone()).collect();
        if of_queues().any(|rule| rule.queue.is_none()) {
            look.no_list = store.is_without_list().await;
            wanted.extend(store.queues().await?);
        }
        let ask = |queue: QueueName| async move { (store.counts_of(&queue).await, queue) };
        let mut asked = stream::iter(wanted).map(ask).buffer_unordered(CALLS_AT_ONCE);
        while let Some((counts, queue)) = asked.next().await {
            match counts {
                // A part of it is no number of the queue.
                Ok(Some(counts)) if counts.is_partial() => _ = look.unread.insert(queue.to_string()),
                Ok(Some(counts)) => _ = look.stats.insert(queue.clone(), counts.stats(queue)),
                Ok(None) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Internal) => {
                    look.unread.insert(queue.to_string());
                }
                // Of a node that is away: the others are looked at all the same.
                Err(error) => store.or_left_out(&queue, Err(error)).map(|_: Option<()>| {
                    look.unread.insert(queue.to_string());
                })?,
            }
        }
        drop(asked);
        if rules.iter().any(|rule| rule.kind == AlertKind::Memory) {
            match store.memory().await? {
                Memory::Part(part) => look.memory = Some(part * 100.0),
                Memory::Unbounded => {}
                Memory::Unknown => look.no_memory = true,
            }
        }
        if rules.iter().any(|rule| rule.kind == AlertKind::Breaker) {
            look.no_breakers = store.is_without_breakers().await;
            let open = store.breakers().await?.1.into_iter().flatten();
            let open = open.filter(|breaker| breaker.state != BreakerState::Closed);
            look.open = open.map(|breaker| (breaker.dependency.clone(), of_breaker(&breaker))).collect();
        }
        Ok(look)
    }

    /// Whether a subject could not be measured this time: it is not gone.
    pub(super) fn is_unread(&self, kind: AlertKind, subject: &str) -> bool {
        match kind {
            AlertKind::Memory => self.no_memory,
            AlertKind::Breaker => self.no_breakers,
            kind => kind.check().is_some() && (self.no_list || self.unread.contains(subject)),
        }
    }

    /// What a rule watches, subject by subject. A subject that is not there is gone.
    pub(super) fn of(&self, rule: &AlertRule) -> Vec<Reading> {
        if let Some(check) = rule.kind.check() {
            let wanted =
                |(queue, _): &(&QueueName, &QueueStats)| rule.queue.as_ref().is_none_or(|wanted| wanted == *queue);
            let reading = |(queue, stats): (&QueueName, &QueueStats)| {
                let value = check.measure(stats);
                let message = check.message(stats, value);
                Reading { subject: queue.to_string(), queue: Some(queue.clone()), value, message }
            };
            return self.stats.iter().filter(wanted).map(reading).collect();
        }
        let of_server = |value: f64, message: String| Reading { subject: String::new(), queue: None, value, message };
        match rule.kind {
            AlertKind::Memory => {
                let message =
                    |value: f64| format!("redis uses {} of the memory that it may use", rule.kind.text(value));
                self.memory.map(|value| of_server(value, message(value))).into_iter().collect()
            }
            AlertKind::Breaker => {
                let reading = |(dependency, message): &(String, String)| Reading {
                    subject: dependency.clone(),
                    ..of_server(1.0, message.clone())
                };
                self.open.iter().map(reading).collect()
            }
            // Whoever can look has Redis: see `away`.
            _ => Vec::new(),
        }
    }
}

/// What is to be said of an open breaker.
fn of_breaker(breaker: &BreakerInfo) -> String {
    let service = &breaker.dependency;
    let since = breaker.opened_at.map(|at| format!(" since {}", at.format("%H:%M:%S UTC"))).unwrap_or_default();
    match breaker.is_held() {
        true => format!("{service} is held back by an operator: its breaker is open, and jobs that need it wait"),
        false => format!("{service} fails: its breaker is open{since}, and jobs that need it wait"),
    }
}

/// What is to be said of a subject of which there is no number any more.
pub(super) fn gone(kind: AlertKind, subject: &str) -> String {
    match kind {
        AlertKind::Breaker => format!("{subject} is used again: its breaker is closed"),
        AlertKind::Memory => "redis has no limit of memory any more".to_owned(),
        AlertKind::Redis => "redis answers again".to_owned(),
        _ => format!("queue {subject} is gone"),
    }
}
