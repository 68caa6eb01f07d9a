//! Judges the workers: who is silent, who is at the end of his machine, and who runs another version.

use std::collections::BTreeMap;

use crate::doctor::code::Code;
use crate::doctor::facts::WorkerFacts;
use crate::doctor::finding::{Finding, about_bytes, many};

/// Thousandths of all cores, and of the memory limit, from which on a worker has no more to give.
const CPU_PERMILLE: u64 = 950;
const MEMORY: f64 = 0.9;

/// What is to be said of the workers.
pub(super) fn judge(workers: &[WorkerFacts]) -> Vec<Finding> {
    let mut findings: Vec<_> = workers.iter().filter_map(silent).collect();
    let live = || workers.iter().filter(|worker| !worker.info.silent);
    findings.extend(live().filter_map(cpu));
    findings.extend(live().filter_map(memory));
    findings.extend(versions(live()));
    findings
}

fn finding(code: Code, worker: &WorkerFacts, message: String) -> Finding {
    let queue = worker.info.queues.first().filter(|_| worker.info.queues.len() == 1).cloned();
    Finding { queue, ..Finding::new(code, worker.info.worker.as_str(), message) }
}

fn silent(worker: &WorkerFacts) -> Option<Finding> {
    let info = &worker.info;
    let since = info.lease_until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let message = || {
        let held = many(info.active, "job");
        format!(
            "process {} on {} has said nothing since its lease ended at {since}; it holds {held}",
            info.pid, info.host
        )
    };
    info.silent.then(|| finding(Code::WorkerSilent, worker, message()))
}

fn cpu(worker: &WorkerFacts) -> Option<Finding> {
    let vitals = worker.vitals?;
    let message = || {
        let cores = many(vitals.cores, "core");
        let info = &worker.info;
        format!("process {} on {} uses {} % of {cores}", info.pid, info.host, vitals.cpu_permille / 10)
    };
    (vitals.cpu_permille >= CPU_PERMILLE).then(|| finding(Code::WorkerCpu, worker, message()))
}

fn memory(worker: &WorkerFacts) -> Option<Finding> {
    let vitals = worker.vitals?;
    let (used, limit) = (vitals.memory_bytes, vitals.memory_limit_bytes);
    let is_full = limit > 0 && used as f64 >= limit as f64 * MEMORY;
    let message = || {
        let info = &worker.info;
        format!("process {} on {} holds {} of {}", info.pid, info.host, about_bytes(used), about_bytes(limit))
    };
    is_full.then(|| finding(Code::WorkerMemory, worker, message()))
}

fn versions<'a>(live: impl Iterator<Item = &'a WorkerFacts>) -> Option<Finding> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for worker in live.filter(|worker| !worker.info.version.is_empty()) {
        *counts.entry(&worker.info.version).or_default() += 1;
    }
    let told: Vec<_> = counts.iter().map(|(version, count)| format!("{count} × {version}")).collect();
    (counts.len() > 1).then(|| Finding::new(Code::VersionMix, "workers", told.join(", ")))
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::job::QueueName;
    use crate::stats::WorkerInfo;
    use crate::store::Vitals;

    /// A worker that nothing is wrong with.
    pub(in crate::doctor) fn worker(name: &str, queue: &str) -> WorkerFacts {
        let info = WorkerInfo {
            worker: name.to_owned(),
            host: "host-1".to_owned(),
            pid: 7,
            version: "0.1.0".to_owned(),
            queues: vec![QueueName::new(queue).unwrap()],
            concurrency: 4,
            lease_ms: 30_000,
            started_at: DateTime::UNIX_EPOCH,
            active: 0,
            completed: 0,
            failed: 0,
            lease_until: DateTime::UNIX_EPOCH,
            silent: false,
            invocation: None,
            ended: None,
        };
        let vitals = Vitals { cpu_permille: 100, cores: 4, memory_bytes: 10 << 20, memory_limit_bytes: 1 << 30 };
        WorkerFacts { info, vitals: Some(vitals), slots: BTreeMap::new(), needs: BTreeMap::new() }
    }

    fn codes(workers: &[WorkerFacts]) -> Vec<Code> {
        judge(workers).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn workers_that_are_well_are_not_spoken_of() {
        assert_eq!(codes(&[worker("a", "q"), worker("b", "q")]), []);
    }

    #[test]
    fn each_trouble_of_a_worker_has_its_code() {
        let (mut silent, mut old, mut full) = (worker("a", "q"), worker("b", "q"), worker("c", "q"));
        silent.info.silent = true;
        silent.info.version = "0.0.9".to_owned();
        assert_eq!(codes(&[silent.clone(), worker("d", "q")]), [Code::WorkerSilent], "its version is of no interest");
        old.info.version = "0.0.9".to_owned();
        full.vitals = Some(Vitals { cpu_permille: 990, memory_bytes: 990 << 20, ..full.vitals.unwrap() });
        assert_eq!(codes(&[old, full]), [Code::WorkerCpu, Code::WorkerMemory, Code::VersionMix]);
        let findings = judge(&[silent]);
        assert!(findings[0].message.contains("process 7 on host-1"), "{}", findings[0].message);
        assert_eq!(findings[0].queue.as_ref().map(QueueName::as_str), Some("q"));
    }
}
