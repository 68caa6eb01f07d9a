//! Mends what can be mended without a decision: what a worker's janitor would do, done now.

use std::collections::BTreeMap;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, grouped, many};
use crate::doctor::{Doctor, Examination};
use crate::error::Result;
use crate::job::QueueName;
use crate::store::{Audited, Auditor, QueueKeys, Store};

/// Rounds of removing what retention no longer keeps; a round removes some 10,000 jobs of each state.
const TRIM_ROUNDS: usize = 1_000;

/// What was done to queues already, so that nothing is done twice for two findings.
#[derive(Default)]
struct Done {
    audited: BTreeMap<QueueName, Audited>,
    trimmed: BTreeMap<QueueName, u64>,
}

impl Doctor {
    /// Mends the findings that are [`fixable`](field@Finding::fixable), and notes in each what was done. No job that can run is
    /// touched: unique keys and ids that hold nothing are let go of, numbers of claims are counted anew, ended jobs beyond
    /// what the settings keep are removed. May be broken off and repeated.
    ///
    /// # Errors
    /// `Unreachable` and its like; what was done before is noted.
    pub async fn fix(&self, examination: &mut Examination) -> Result<()> {
        let (store, mut done) = (self.client.store(), Done::default());
        for finding in examination.findings.iter_mut().filter(|finding| finding.fixable && finding.fixed.is_none()) {
            let Some(queue) = finding.queue.clone() else { continue };
            finding.fixed = mend(store, &store.keys(&queue), finding, &mut done).await?;
        }
        Ok(())
    }
}

/// Mends one finding; what was done, where anything was.
async fn mend(store: &Store, keys: &QueueKeys, finding: &Finding, done: &mut Done) -> Result<Option<String>> {
    let queue = keys.queue().clone();
    match finding.code {
        Code::UniqueLeaked => {
            let removed = store.sweep(keys).await?;
            Ok((removed > 0).then(|| format!("let go of {} keys and ids that held nothing", grouped(removed))))
        }
        Code::JobsAdrift | Code::ClaimsMiscounted => {
            let audited = match done.audited.get(&queue) {
                Some(audited) => *audited,
                None => {
                    let audited = store.audit(keys, &Auditor::default()).await?;
                    done.audited.insert(queue, audited);
                    audited
                }
            };
            let (count, what) = match finding.code {
                Code::JobsAdrift => (audited.orphaned, "let go of ids without a record"),
                _ => (audited.recounted, "counted the claims of workers anew"),
            };
            Ok((count > 0).then(|| format!("{what}: {}", grouped(count))))
        }
        Code::RetentionBehind => {
            let removed = match done.trimmed.get(&queue) {
                Some(removed) => *removed,
                None => {
                    let removed = trim(store, keys).await?;
                    done.trimmed.insert(queue, removed);
                    removed
                }
            };
            Ok((removed > 0).then(|| format!("removed {}", many(removed, "ended job"))))
        }
        _ => Ok(None),
    }
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
