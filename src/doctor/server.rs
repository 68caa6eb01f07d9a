//! Judges the server: who gets in, its clock, its replicas, its sentinels.

use crate::config::Durable;
use crate::doctor::code::Code;
use crate::doctor::facts::{QueueFacts, ServerFacts, skew_ms};
use crate::doctor::finding::{Finding, about_ms, many};
use crate::error::{Error, ErrorKind};
use crate::store::ServerLook;

/// Hosts whose clocks are kept differ by less.
const SKEW_MAX_MS: u64 = 2_000;
/// A replica that has not been heard of for so long is behind.
const LAG_MAX_SECS: u64 = 10;
/// Of the connections that the server allows.
const CLIENTS_HIGH: f64 = 0.9;

/// The releases that mend CVE-2025-49844, by the series that they are of.
const REDIS_MENDED: [[u64; 3]; 5] = [[6, 2, 20], [7, 2, 11], [7, 4, 6], [8, 0, 4], [8, 2, 2]];
const VALKEY_MENDED: [[u64; 3]; 3] = [[7, 2, 11], [8, 0, 6], [8, 1, 4]];

impl ServerFacts {
    /// A field of `INFO`.
    pub(super) fn field(&self, name: &str) -> &str {
        self.look.info.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A number of `INFO`; 0 where it is not there.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or_default()
    }

    /// A setting that `INFO` does not tell.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.look.settings.as_ref()?.get(name).map(String::as_str)
    }

    /// The same of one master of the cluster.
    pub(super) fn of_node(&self, look: &ServerLook) -> Self {
        let skew_ms = skew_ms(look.time_us, self.asked_us);
        Self { look: look.clone(), skew_ms, sentinels: None, cluster: None, ..self.clone() }
    }

    /// Each replica that the master counts.
    fn replicas(&self) -> impl Iterator<Item = Replica<'_>> {
        let is_one = |name: &str| name.strip_prefix("slave").is_some_and(|n| n.parse::<u32>().is_ok());
        self.look.info.iter().filter(move |(name, _)| is_one(name)).map(|(_, text)| Replica::read(text))
    }
}

/// A replica: `ip=…,port=…,state=online,offset=…,lag=0`.
struct Replica<'a> {
    place: String,
    state: &'a str,
    lag_secs: u64,
}

impl<'a> Replica<'a> {
    fn read(text: &'a str) -> Self {
        let field = |name: &str| {
            let fields = text.split(',').filter_map(|field| field.split_once('='));
            fields.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
        };
        Self {
            place: format!("{}:{}", field("ip"), field("port")),
            state: field("state"),
            lag_secs: field("lag").parse().unwrap_or_default(),
        }
    }
}

/// Why nothing could be asked.
pub(super) fn judge_absence(error: &Error) -> Finding {
    let code = match error.kind() {
        ErrorKind::AccessDenied => Code::RedisDenied,
        ErrorKind::NotNow | ErrorKind::Full => Code::RedisNotReady,
        ErrorKind::Config => Code::RedisMisfit,
        _ => Code::RedisUnreachable,
    };
    Finding::server(code, error.to_string())
}

/// What is to be said of a server that answers.
pub(super) fn judge(server: &ServerFacts, queues: &[QueueFacts]) -> Vec<Finding> {
    let mut findings = judge_access(server);
    findings.extend(outdated(server));
    findings.extend(clients(server));
    findings.extend(skew(server));
    findings.extend(replicas(server, queues));
    findings.extend(sentinels(server));
    findings
}

/// Who gets in, and what they may.
pub(super) fn judge_access(server: &ServerFacts) -> Vec<Finding> {
    rights(server).into_iter().chain(open(server)).collect()
}

/// What is to be said of one master of a cluster that answers.
pub(super) fn judge_node(server: &ServerFacts) -> Vec<Finding> {
    let mut findings: Vec<_> = [outdated(server), clients(server), skew(server)].into_iter().flatten().collect();
    findings.extend(server.replicas().filter_map(|replica| lagging(&replica)));
    findings
}

fn rights(server: &ServerFacts) -> Option<Finding> {
    let missing = &server.look.missing_rights;
    let (keys, commands): (Vec<_>, Vec<_>) = missing.iter().cloned().partition(|rule| rule.starts_with('~'));
    let said = [("send", &commands), ("use keys", &keys)].into_iter().filter(|(_, rules)| !rules.is_empty());
    let said: Vec<_> = said.map(|(verb, rules)| format!("{verb} {}", rules.join(", "))).collect();
    let rules: Vec<_> = commands
        .iter()
        .map(|command| format!("+{command}"))
        .chain(keys.iter().map(|keys| format!("'{keys}'")))
        .collect();
    let finding = Finding::server(Code::RightsMissing, format!("this user may not {}", said.join(" and ")));
    let user = server.user.as_deref().unwrap_or("default");
    (!missing.is_empty()).then(|| finding.remedy(format!("redis-cli ACL SETUSER {user} {}", rules.join(" "))))
}

fn open(server: &ServerFacts) -> Option<Finding> {
    let is_open = !server.is_local && !server.is_guarded;
    is_open.then(|| Finding::server(Code::ServerOpen, "the server is on the network and asks for no password"))
}

fn outdated(server: &ServerFacts) -> Option<Finding> {
    let (name, mended, version) = match server.field("valkey_version") {
        "" => ("redis", &REDIS_MENDED[..], server.field("redis_version")),
        version => ("valkey", &VALKEY_MENDED[..], version),
    };
    let numbers: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let [major, minor, patch] = numbers.first_chunk().copied()?;
    let series = mended.iter().find(|release| release[..2] == [major, minor]);
    let is_old = match series {
        Some(release) => patch < release[2],
        // A series without a mended release: older than the last one that has one.
        None => mended.last().is_some_and(|newest| [major, minor] < [newest[0], newest[1]]),
    };
    is_old.then(|| Finding::server(Code::ServerOutdated, format!("it is {name} {version}")))
}

fn clients(server: &ServerFacts) -> Option<Finding> {
    let (clients, most) = (server.number("connected_clients"), server.number("maxclients"));
    let is_high = most > 0 && clients as f64 >= most as f64 * CLIENTS_HIGH;
    is_high.then(|| Finding::server(Code::ClientsHigh, format!("{clients} of {most} connections are in use")))
}

fn skew(server: &ServerFacts) -> Option<Finding> {
    let skew_ms = server.skew_ms.unsigned_abs();
    let way = if server.skew_ms > 0 { "ahead of" } else { "behind" };
    let message = || format!("the server's clock is {} {way} this host's", about_ms(skew_ms));
    (skew_ms >= SKEW_MAX_MS).then(|| Finding::server(Code::ClockSkew, message()))
}

fn replicas(server: &ServerFacts, queues: &[QueueFacts]) -> Vec<Finding> {
    let mut findings: Vec<_> = server.replicas().filter_map(|replica| lagging(&replica)).collect();
    let has_sentinels = server.sentinels.is_some();
    let durable: Vec<_> = queues.iter().filter(|queue| queue.stats.settings.durable == Durable::On).collect();
    if server.number("connected_slaves") == 0 && (has_sentinels || !durable.is_empty()) {
        let names: Vec<_> = durable.iter().map(|queue| queue.stats.queue.as_str()).collect();
        let message = match names.is_empty() {
            true => "the master that the sentinels watch has no replica".to_owned(),
            false => format!("no replica is there to confirm the jobs of {}", names.join(", ")),
        };
        findings.push(Finding::server(Code::ReplicaMissing, message));
    }
    if has_sentinels && server.setting("min-replicas-to-write") == Some("0") {
        findings.push(Finding::server(Code::ReplicasNotRequired, "min-replicas-to-write is 0"));
    }
    findings
}

fn lagging(replica: &Replica<'_>) -> Option<Finding> {
    let message = match replica.state {
        "online" if replica.lag_secs < LAG_MAX_SECS => return None,
        "online" => format!("replica {} was last heard of {} ago", replica.place, many(replica.lag_secs, "second")),
        state => format!("replica {} is not in step: {state}", replica.place),
    };
    Some(Finding::server(Code::ReplicaLagging, message))
}

fn sentinels(server: &ServerFacts) -> Vec<Finding> {
    let Some(sentinels) = &server.sentinels else { return Vec::new() };
    let silent = sentinels.iter().filter_map(|sentinel| sentinel.problem.as_ref());
    let mut findings: Vec<_> = silent.map(|problem| Finding::server(Code::SentinelUnreachable, problem)).collect();
    let without = sentinels.iter().find_map(|sentinel| Some((&sentinel.place, sentinel.no_quorum.as_ref()?)));
    findings.extend(
        without.map(|(place, words)| Finding::server(Code::SentinelQuorum, format!("sentinel {place} says: {words}"))),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;
    use crate::store::SentinelLook;

    fn server(info: &[(&str, &str)]) -> ServerFacts {
        let info = info.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let look = ServerLook { info, ..ServerLook::default() };
        ServerFacts { look, is_local: true, ..ServerFacts::default() }
    }

    fn codes(server: &ServerFacts) -> Vec<Code> {
        judge(server, &[]).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_sound_server_is_not_spoken_of() {
        let sound = server(&[("redis_version", "8.2.2"), ("connected_clients", "9"), ("maxclients", "10000")]);
        assert_eq!(codes(&sound), []);
    }

    #[test]
    fn releases_before_the_mended_ones_are_noted() {
        let is_old = |name: &str, version: &str| codes(&server(&[(name, version)])) == [Code::ServerOutdated];
        for (version, old) in [("7.0.15", true), ("7.2.10", true), ("7.2.11", false), ("8.0.3", true), ("8.4.0", false)]
        {
            assert_eq!(is_old("redis_version", version), old, "{version}");
        }
        for (version, old) in [("7.2.10", true), ("8.1.4", false), ("9.0.0", false), ("odd", false)] {
            assert_eq!(is_old("valkey_version", version), old, "{version}");
        }
        assert_eq!(judge(&server(&[("redis_version", "7.0.15")]), &[])[0].severity, Severity::Note);
    }

    #[test]
    fn doors_rights_clients_and_clocks_are_looked_at() {
        let mut facts = server(&[("connected_clients", "95"), ("maxclients", "100")]);
        facts.is_local = false;
        facts.skew_ms = -61_000;
        facts.look.missing_rights = vec!["wait".to_owned(), "xadd".to_owned()];
        assert_eq!(codes(&facts), [Code::RightsMissing, Code::ServerOpen, Code::ClientsHigh, Code::ClockSkew]);
        let findings = judge(&facts, &[]);
        assert_eq!(findings[0].remedy, "redis-cli ACL SETUSER default +wait +xadd");
        assert_eq!(findings[3].message, "the server's clock is 1m 1s behind this host's");
        facts.is_guarded = true;
        assert!(!codes(&facts).contains(&Code::ServerOpen));
    }

    #[test]
    fn replicas_and_sentinels_must_be_there() {
        let mut facts = server(&[
            ("connected_slaves", "2"),
            ("slave0", "ip=10.0.0.2,port=6379,state=online,offset=5,lag=0"),
            ("slave1", "ip=10.0.0.3,port=6379,state=online,offset=5,lag=30"),
            ("slave_read_only", "1"),
        ]);
        let sentinel = |problem: Option<&str>, no_quorum: Option<&str>| SentinelLook {
            place: "h:26379".to_owned(),
            problem: problem.map(str::to_owned),
            no_quorum: no_quorum.map(str::to_owned),
        };
        assert_eq!(codes(&facts), [Code::ReplicaLagging]);
        facts.look.info.clear();
        facts.sentinels = Some(vec![sentinel(Some("cannot reach"), None), sentinel(None, Some("NOQUORUM 1 usable"))]);
        assert_eq!(codes(&facts), [Code::ReplicaMissing, Code::SentinelUnreachable, Code::SentinelQuorum]);
    }

    #[test]
    fn why_nothing_could_be_asked_has_its_own_code() {
        let code = |kind| judge_absence(&Error::new(kind, "x")).code;
        assert_eq!(code(ErrorKind::Unreachable), Code::RedisUnreachable);
        assert_eq!(code(ErrorKind::AccessDenied), Code::RedisDenied);
        assert_eq!(code(ErrorKind::NotNow), Code::RedisNotReady);
        assert_eq!(code(ErrorKind::Config), Code::RedisMisfit);
    }
}
