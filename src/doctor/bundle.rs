//! A report to hand to others: everything that an examination saw, without a secret and without a payload.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::clock::local_now;
use crate::config::ConfigValue;
use crate::dead_letters::GroupBy;
use crate::doctor::finding::{Cause, Finding};
use crate::doctor::services::Service;
use crate::doctor::{Doctor, Examination};
use crate::error::Result;
use crate::job::QueueName;
use crate::selection::Selection;
use crate::stats::{QueueStats, WorkerInfo};
use crate::store::Vitals;

/// Events of a queue, the latest.
const EVENTS_MAX: u64 = 50;
/// Dead letters of a queue that are grouped, the oldest.
const LETTERS_MAX: u64 = 10_000;
/// Fields of `INFO` that tell of the host's file system.
const PATHS: [&str; 2] = ["executable", "config_file"];

/// The report. Error messages are left out of it: they may quote what was in a payload; codes say what failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// The version of this crate.
    pub version: &'static str,
    /// When it was made, by this host's clock.
    pub made_at: DateTime<Utc>,
    /// Every variable, its value with secrets hidden, and where it comes from.
    pub configuration: Vec<ConfigValue>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The services that were tried.
    pub services: Vec<Service>,
    /// What the server says of itself.
    pub server: BTreeMap<String, String>,
    /// The statistics of each queue.
    pub queues: Vec<QueueStats>,
    /// The workers.
    pub workers: Vec<BundledWorker>,
    /// What happened last in each queue, the latest first.
    pub events: Vec<BundledEvent>,
    /// The dead letters by cause.
    pub dead_letters: Vec<DeadCause>,
}

/// A worker and what it uses of its machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledWorker {
    /// What lists show.
    #[serde(flatten)]
    pub info: WorkerInfo,
    #[serde(flatten)]
    vitals: Option<Vitals>,
}

/// Something that happened in a queue; jobs are only counted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// The queue.
    pub queue: QueueName,
    /// What.
    pub event: String,
    /// To how many jobs.
    pub count: u64,
    /// The settings that changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Who did it.
    pub by: String,
}

/// Dead letters of a queue that share a code.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadCause {
    /// The queue.
    pub queue: QueueName,
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// When the first of them died.
    pub oldest: DateTime<Utc>,
    /// When the last of them died.
    pub newest: DateTime<Utc>,
}

impl Doctor {
    /// The report of an examination; `configuration` comes from [`Config::explain_env_with`](crate::config::Config::explain_env_with).
    ///
    /// # Errors
    /// What keeps the server from answering, unless that is what the examination found: then those parts are empty.
    pub async fn bundle(&self, examination: &Examination, configuration: Vec<ConfigValue>) -> Result<Bundle> {
        let facts = &examination.facts;
        let (mut events, mut dead_letters) = (Vec::new(), Vec::new());
        for stats in facts.queues.iter().map(|queue| &queue.stats) {
            let store = self.client.store();
            let mut recent = Vec::new();
            for keys in store.streams(&stats.queue).await? {
                recent.extend(store.recent_events(&keys, EVENTS_MAX).await?);
            }
            recent.sort_by_key(|event| Reverse(event.id));
            recent.truncate(EVENTS_MAX as usize);
            events.extend(recent.into_iter().map(|event| BundledEvent {
                at: event.at,
                queue: event.queue,
                event: event.event,
                count: event.count,
                changes: event.changes,
                by: event.by,
            }));
            dead_letters.extend(self.dead_causes(&stats.queue).await?);
        }
        let info = facts.server.as_ref().map(|server| server.look.info.clone()).unwrap_or_default();
        let worker =
            |worker: &super::facts::WorkerFacts| BundledWorker { info: worker.info.clone(), vitals: worker.vitals };
        Ok(Bundle {
            version: env!("CARGO_PKG_VERSION"),
            made_at: local_now(),
            configuration,
            findings: examination.findings.iter().map(without_examples).collect(),
            services: facts.services.clone(),
            server: info.into_iter().filter(|(name, _)| !PATHS.contains(&name.as_str())).collect(),
            queues: facts.queues.iter().map(|queue| queue.stats.clone()).collect(),
            workers: facts.workers.iter().map(worker).collect(),
            events,
            dead_letters,
        })
    }

    async fn dead_causes(&self, queue: &QueueName) -> Result<Vec<DeadCause>> {
        let selection = Selection { limit: Some(LETTERS_MAX), ..Selection::default() };
        let groups = self.client.dead_letters(queue.clone()).groups(&selection, GroupBy::Code).await?;
        let cause = |group: crate::stats::DeadGroup| DeadCause {
            queue: queue.clone(),
            code: group.key,
            count: group.count,
            oldest: group.oldest,
            newest: group.newest,
        };
        Ok(groups.into_iter().map(cause).collect())
    }
}

fn without_examples(finding: &Finding) -> Finding {
    let causes = finding.causes.iter().map(|cause| Cause { example: None, ..cause.clone() }).collect();
    Finding { causes, ..finding.clone() }
}
