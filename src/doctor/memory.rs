//! Judges what the server keeps and where: memory, eviction, persistence, and the queues that keep the most.

use crate::config::Retention;
use crate::doctor::code::Code;
use crate::doctor::facts::{QueueFacts, ServerFacts};
use crate::doctor::finding::{Finding, Severity, about_bytes, grouped, many};

/// Of its limit, from which on memory is low, and from which on it is as good as full.
const LOW: f64 = 0.8;
const FULL: f64 = 0.95;
/// A queue that keeps more ended jobs than this is named.
const KEPT_MANY: u64 = 10_000;
/// The same while memory is low.
const KEPT_SOME: u64 = 1_000;
/// Ended jobs beyond what the settings keep, from which on nobody seems to tidy.
const BEHIND: u64 = 1_000;

/// What is to be said of the server's memory and disk.
pub(super) fn judge(server: &ServerFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(persistence(server));
    findings.extend(failing(server));
    findings.extend(eviction(server));
    findings.extend(headroom(server));
    findings
}

fn persistence(server: &ServerFacts) -> Option<Finding> {
    if server.field("aof_enabled") == "1" {
        let is_lax = server.setting("appendfsync") == Some("no");
        return is_lax.then(|| Finding::server(Code::PersistenceLax, "appendfsync is no"));
    }
    // A server that does not say whether it saves has at least once where it has a last time.
    match server.setting("save") {
        Some("") => {
            Some(Finding::server(Code::PersistenceOff, "the server has no append-only file and saves no snapshots"))
        }
        Some(save) => Some(Finding::server(
            Code::PersistenceSnapshots,
            format!("the server has no append-only file; it saves snapshots (save {save})"),
        )),
        None if server.look.info.is_empty() => None,
        None => Some(Finding::server(
            Code::PersistenceSnapshots,
            "the server has no append-only file; whether it saves snapshots may not be asked",
        )),
    }
}

fn failing(server: &ServerFacts) -> Option<Finding> {
    let states = ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"];
    let failed: Vec<_> = states.into_iter().filter(|name| server.field(name) == "err").collect();
    (!failed.is_empty())
        .then(|| Finding::server(Code::PersistenceFailing, format!("the last try failed: {}", failed.join(", "))))
}

fn eviction(server: &ServerFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (policy, evicted) = (server.field("maxmemory_policy"), server.number("evicted_keys"));
    if !matches!(policy, "" | "noeviction") {
        // What has a time to live is counters, calls and words of workers; losing those doubles no job by itself.
        let is_partial = policy.starts_with("volatile") || server.number("maxmemory") == 0;
        let severity = if is_partial { Severity::Warning } else { Severity::Critical };
        let message = format!("maxmemory-policy is {policy}");
        findings.push(Finding::server(Code::EvictionPolicy, message).severity(severity));
    }
    if evicted > 0 {
        let message = format!("the server has evicted {}", many(evicted, "key"));
        findings.push(Finding::server(Code::KeysEvicted, message));
    }
    findings
}

/// How much of its memory the server uses, 0 to 1, and of how much.
fn used(server: &ServerFacts) -> Option<(f64, u64)> {
    let (used, limit) = match server.number("maxmemory") {
        0 => (server.number("used_memory_rss"), server.number("total_system_memory")),
        limit => (server.number("used_memory"), limit),
    };
    (limit > 0).then(|| (used as f64 / limit as f64, limit))
}

fn headroom(server: &ServerFacts) -> Option<Finding> {
    let (part, limit) = used(server)?;
    let is_bounded = server.number("maxmemory") > 0;
    if part < LOW {
        let message = || format!("maxmemory is not set; the host has {}", about_bytes(limit));
        return (!is_bounded).then(|| Finding::server(Code::MemoryUnbounded, message()));
    }
    let whose = if is_bounded { "its maxmemory" } else { "the host's memory" };
    let message = format!("the server uses {:.0} % of {whose} of {}", part * 100.0, about_bytes(limit));
    let severity = if part >= FULL { Severity::Critical } else { Severity::Warning };
    Some(Finding::server(Code::MemoryLow, message).severity(severity))
}

/// What is to be said of what queues keep. Where memory is low, smaller numbers count.
pub(super) fn judge_kept(queue: &QueueFacts, server: Option<&ServerFacts>) -> Vec<Finding> {
    let is_low = server.and_then(used).is_some_and(|(part, _)| part >= LOW);
    let most = if is_low { KEPT_SOME } else { KEPT_MANY };
    let (stats, mut findings) = (&queue.stats, Vec::new());
    let settings = &stats.settings;
    let ended = stats.completed + stats.cancelled;
    if ended >= most && !is_count_below(settings.remove_on_complete, most) {
        let message = format!(
            "{} completed and cancelled jobs are kept; removeOnComplete is {}",
            grouped(ended),
            settings.remove_on_complete
        );
        findings.push(Finding::of_queue(Code::KeepsCompleted, &stats.queue, message));
    }
    if stats.dead >= most && settings.remove_on_fail == Retention::Never {
        let message = format!("{} are kept; removeOnFail is never", many(stats.dead, "dead letter"));
        findings.push(Finding::of_queue(Code::KeepsDead, &stats.queue, message));
    }
    let kept = [
        ("completed", stats.completed, settings.remove_on_complete),
        ("cancelled", stats.cancelled, settings.remove_on_complete),
        ("dead", stats.dead, settings.remove_on_fail),
    ];
    findings.extend(kept.into_iter().filter_map(|(state, count, rule)| {
        let Retention::Count(limit) = rule else { return None };
        let message = || format!("{} {state} jobs are there, and {} are to be kept", grouped(count), grouped(limit));
        (count > limit.saturating_add(BEHIND))
            .then(|| Finding::of_queue(Code::RetentionBehind, &stats.queue, message()).fixable())
    }));
    findings
}

fn is_count_below(rule: Retention, most: u64) -> bool {
    matches!(rule, Retention::Count(count) if count < most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::queues::tests::queue;
    use crate::store::ServerLook;

    fn server(info: &[(&str, &str)], settings: &[(&str, &str)]) -> ServerFacts {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let look = ServerLook { info: map(info), settings: Some(map(settings)), ..ServerLook::default() };
        ServerFacts { look, ..ServerFacts::default() }
    }

    fn codes(server: &ServerFacts) -> Vec<Code> {
        judge(server).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn what_a_restart_would_lose_is_said() {
        let aof = ("aof_enabled", "1");
        assert_eq!(codes(&server(&[aof], &[("appendfsync", "everysec")])), []);
        assert_eq!(codes(&server(&[aof], &[("appendfsync", "no")])), [Code::PersistenceLax]);
        let rdb = ("aof_enabled", "0");
        assert_eq!(codes(&server(&[rdb], &[("save", "")])), [Code::PersistenceOff]);
        assert_eq!(codes(&server(&[rdb], &[("save", "3600 1")])), [Code::PersistenceSnapshots]);
        let unknown =
            ServerFacts { look: ServerLook { settings: None, ..server(&[rdb], &[]).look }, ..Default::default() };
        assert_eq!(codes(&unknown), [Code::PersistenceSnapshots]);
        let err = ("aof_last_write_status", "err");
        assert_eq!(codes(&server(&[aof, err], &[])), [Code::PersistenceFailing]);
    }

    #[test]
    fn a_policy_that_deletes_keys_is_worst_where_there_is_a_limit() {
        let aof = ("aof_enabled", "1");
        let judged = |policy: &str, limit: &str| {
            let facts = [aof, ("maxmemory_policy", policy), ("maxmemory", limit), ("used_memory", "1")];
            judge(&server(&facts, &[])).first().map(|finding| (finding.code, finding.severity))
        };
        assert_eq!(judged("allkeys-lru", "1000"), Some((Code::EvictionPolicy, Severity::Critical)));
        assert_eq!(judged("volatile-lru", "1000"), Some((Code::EvictionPolicy, Severity::Warning)));
        assert_eq!(judged("allkeys-lru", "0"), Some((Code::EvictionPolicy, Severity::Warning)));
        assert_eq!(judged("noeviction", "1000"), None);
        assert_eq!(codes(&server(&[aof, ("evicted_keys", "3")], &[])), [Code::KeysEvicted]);
    }

    #[test]
    fn headroom_is_that_below_the_limit_or_of_the_host() {
        let judged = |info: &[(&str, &str)]| {
            let info = [&[("aof_enabled", "1")], info].concat();
            judge(&server(&info, &[])).first().map(|finding| (finding.code, finding.severity))
        };
        assert_eq!(judged(&[("maxmemory", "100"), ("used_memory", "79")]), None);
        assert_eq!(judged(&[("maxmemory", "100"), ("used_memory", "85")]), Some((Code::MemoryLow, Severity::Warning)));
        assert_eq!(judged(&[("maxmemory", "100"), ("used_memory", "96")]), Some((Code::MemoryLow, Severity::Critical)));
        let host = [("total_system_memory", "100"), ("used_memory_rss", "20")];
        assert_eq!(judged(&host), Some((Code::MemoryUnbounded, Severity::Note)));
    }

    #[test]
    fn queues_that_keep_much_are_named_sooner_where_memory_is_low() {
        let mut facts = queue("email");
        facts.stats.completed = 2_000;
        facts.stats.dead = 2_000;
        facts.stats.settings.remove_on_complete = Retention::Never;
        let codes = |facts: &QueueFacts, server: &ServerFacts| {
            judge_kept(facts, Some(server)).iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        let (roomy, low) = (server(&[], &[]), server(&[("maxmemory", "100"), ("used_memory", "90")], &[]));
        assert_eq!(codes(&facts, &roomy), []);
        assert_eq!(codes(&facts, &low), [Code::KeepsCompleted, Code::KeepsDead]);
        facts.stats.settings.remove_on_complete = Retention::Count(100);
        facts.stats.settings.remove_on_fail = Retention::Count(5_000);
        assert_eq!(codes(&facts, &low), [Code::RetentionBehind]);
    }
}
