//! Mends what can be mended without a decision: what a worker's janitor would do, done now.

use std::collections::BTreeMap;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, grouped, many};
use crate::doctor::{Doctor, Examination};
use crate::error::Result;
use crate::heal;
use crate::job::QueueName;
use crate::repair::{Repair, RepairKind};
use crate::store::{QueueKeys, Store};

/// Rounds of removing what retention no longer keeps; a round removes some 10,000 jobs of each state.
const TRIM_ROUNDS: usize = 1_000;

/// What was done to queues already, so that nothing is done twice for two findings.
#[derive(Default)]
struct Done {
    healed: BTreeMap<QueueName, Vec<Repair>>,
    trimmed: BTreeMap<QueueName, u64>,
}

impl Doctor {
    /// Mends the findings that are [`fixable`](field@Finding::fixable), and notes in each what was done. No job that can run is
    /// taken: unique keys and ids that hold nothing are let go of, lost records go back into line, numbers of claims are counted anew, ended jobs beyond
    /// what the settings keep are removed. May be broken off and repeated.
    ///
    /// # Errors
    /// `Unreachable` and its like; what was done before is noted.
    pub async fn fix(&self, examination: &mut Examination) -> Result<()> {
        let (store, mut done) = (self.client.store(), Done::default());
        for finding in examination.findings.iter_mut().filter(|finding| finding.fixable && finding.fixed.is_none()) {
            let Some(queue) = finding.queue.clone() else { continue };
            finding.fixed = mend(store, &queue, finding, &mut done).await?;
        }
        Ok(())
    }
}

/// Mends one finding; what was done, where anything was.
async fn mend(store: &Store, queue: &QueueName, finding: &Finding, done: &mut Done) -> Result<Option<String>> {
    match finding.code {
        Code::UniqueLeaked => {
            // A heal for another finding has let go of those that leaked.
            let healed = done.healed.get(queue).map_or(0, |repairs| repaired(repairs, RepairKind::Unlock));
            let sweep = |keys| async move { Ok(store.sweep(&keys).await?.removed) };
            let removed = healed + store.ask_places(queue, sweep).await?.iter().sum::<u64>();
            Ok((removed > 0).then(|| format!("let go of {} keys and ids that held nothing", grouped(removed))))
        }
        Code::JobsAdrift | Code::ClaimsMiscounted => {
            let repairs = match done.healed.get(queue) {
                Some(repairs) => repairs.clone(),
                None => {
                    let repairs = heal::heal_queue(store, queue, false).await?;
                    done.healed.insert(queue.clone(), repairs.clone());
                    repairs
                }
            };
            let count = |kind| repaired(&repairs, kind);
            let parts: &[(u64, &str)] = &match finding.code {
                Code::JobsAdrift => [
                    (count(RepairKind::Orphan), "let go of ids without a record"),
                    (count(RepairKind::Stray), "put lost jobs back into line"),
                ],
                _ => [(count(RepairKind::Recount), "counted the claims of workers anew"), (0, "")],
            };
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let said: Vec<_> = parts.map(|(count, what)| format!("{what}: {}", grouped(*count))).collect();
            Ok((!said.is_empty()).then(|| said.join(", ")))
        }
        Code::RetentionBehind => {
            let removed = match done.trimmed.get(queue) {
                Some(removed) => *removed,
                None => {
                    let trim = |keys| async move { trim(store, &keys).await };
                    let removed = store.ask_places(queue, trim).await?.iter().sum();
                    done.trimmed.insert(queue.clone(), removed);
                    removed
                }
            };
            Ok((removed > 0).then(|| format!("removed {}", many(removed, "ended job"))))
        }
        _ => Ok(None),
    }
}

/// How many repairs of a kind were made.
fn repaired(repairs: &[Repair], kind: RepairKind) -> u64 {
    repairs.iter().filter(|repair| repair.repair == kind).map(|repair| repair.repaired).sum()
}

async fn trim(store: &Store, keys: &QueueKeys) -> Result<u64> {
    let mut removed = 0;
    for _ in 0..TRIM_ROUNDS {
        match store.trim(keys).await? {
            0 => break,
            step => removed += step,
        }
    }
    Ok(removed)
}
