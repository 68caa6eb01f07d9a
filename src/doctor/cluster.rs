//! Judges the masters of a cluster, each as a server of its own, and the cluster as a whole.

use crate::doctor::code::Code;
use crate::doctor::facts::ServerFacts;
use crate::doctor::finding::{Finding, many};
use crate::doctor::{memory, server};
use crate::stats::Unreached;
use crate::store::ClusterLook;

/// What is to be said of a cluster of which some node answers.
pub(super) fn judge(facts: &ServerFacts, cluster: &ClusterLook, unreached: &[Unreached]) -> Vec<Finding> {
    let mut findings = server::judge_access(facts);
    if cluster.uncovered > 0 {
        let message = format!("no node has {} of the 16384 slots", many(cluster.uncovered as u64, "slot"));
        findings.push(Finding::server(Code::ClusterUncovered, message));
    }
    let mut alone = false;
    for (place, said) in &cluster.masters {
        match said {
            // What was left out because of it is told beside it.
            Err(_) if unreached.iter().any(|unreached| unreached.node == *place) => {}
            Err(why) => findings.push(of_node(place, Finding::server(Code::ClusterNodeDown, why))),
            Ok(look) => {
                let node = facts.of_node(look);
                let has_replica = node.number("connected_slaves") > 0;
                alone |= !has_replica;
                let mut about = server::judge_node(&node);
                about.extend(memory::judge(&node));
                if !has_replica {
                    let add = format!("redis-cli --cluster add-node HOST:PORT {place} --cluster-slave");
                    about.push(Finding::server(Code::ReplicaMissing, "this master has no replica").remedy(add));
                }
                findings.extend(about.into_iter().map(|finding| of_node(place, finding)));
            }
        }
    }
    let mut looks = cluster.masters.iter().filter_map(|(_, said)| said.as_ref().ok());
    let is_strict = looks.any(|look| facts.of_node(look).setting("cluster-require-full-coverage") == Some("yes"));
    if alone && is_strict {
        findings.push(Finding::server(Code::ClusterFullCoverage, "cluster-require-full-coverage is on"));
    }
    findings
}

/// What is to be said of nodes whose queues could not be looked at.
pub(super) fn judge_unreached(unreached: &[Unreached]) -> Vec<Finding> {
    let finding = |unreached: &Unreached| {
        let message = unreached.error().to_string();
        of_node(&unreached.node, Finding::server(Code::ClusterNodeDown, message))
    };
    unreached.iter().map(finding).collect()
}

fn of_node(place: &str, finding: Finding) -> Finding {
    Finding { about: place.to_owned(), ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ServerLook;

    fn look(replicas: &str, coverage: &str) -> ServerLook {
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let info = [
            ("connected_slaves", replicas),
            ("maxmemory", "1000000"),
            ("maxmemory_policy", "noeviction"),
            ("aof_enabled", "1"),
        ];
        let settings = [("appendfsync", "everysec"), ("cluster-require-full-coverage", coverage)];
        ServerLook { info: pairs(&info), settings: Some(pairs(&settings)), ..ServerLook::default() }
    }

    fn codes(uncovered: usize, masters: &[Result<ServerLook, &str>]) -> Vec<(Code, String)> {
        let place =
            |(n, said): (usize, &Result<ServerLook, &str>)| (format!("h:{n}"), said.clone().map_err(str::to_owned));
        let cluster = ClusterLook { uncovered, masters: masters.iter().enumerate().map(place).collect() };
        let facts = ServerFacts { is_local: true, ..ServerFacts::default() };
        judge(&facts, &cluster, &[]).into_iter().map(|finding| (finding.code, finding.about)).collect()
    }

    #[test]
    fn masters_that_are_down_or_alone_are_told_of_by_place() {
        assert_eq!(codes(0, &[Ok(look("1", "yes")), Ok(look("1", "yes"))]), []);
        let found = codes(7, &[Ok(look("1", "no")), Err("gone"), Ok(look("0", "no"))]);
        let about = |code: Code, about: &str| (code, about.to_owned());
        let expected = [
            about(Code::ClusterUncovered, "redis"),
            about(Code::ClusterNodeDown, "h:1"),
            about(Code::ReplicaMissing, "h:2"),
        ];
        assert_eq!(found, expected);
        assert_eq!(codes(0, &[Ok(look("0", "yes"))])[1], about(Code::ClusterFullCoverage, "redis"));
    }
}
