//! Alerts: rules of the profile file, the sinks that this process has, and how often it looks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use toml::Table;

use super::endpoint;
use super::file::ProfileFile;
use super::redis::Secret;
use super::source::Source;
use crate::alert::{AlertName, AlertRule, AlertWords};

const INTERVAL: Duration = Duration::from_secs(5);
/// The keys of a sink in the profile file.
const SINK_KEYS: [&str; 5] = ["kind", "to", "url", "url_file", "command"];

/// Alerts, as they were configured.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertsConfig {
    /// The rules of the profile file. They go before stored ones of their names.
    pub rules: BTreeMap<AlertName, AlertRule>,
    /// The sinks by name, `log` aside.
    pub sinks: BTreeMap<AlertName, SinkConfig>,
    /// `ALERT_INTERVAL`: how often alerts are evaluated.
    pub interval: Duration,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self { rules: BTreeMap::new(), sinks: BTreeMap::new(), interval: INTERVAL }
    }
}

/// Where alerts are told.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkConfig {
    /// By mail, through `SMTP_URL`.
    Email {
        /// The addresses.
        to: Vec<String>,
    },
    /// By a POST of JSON, signed with `HTTP_SIGNING_KEY`.
    Webhook {
        /// The whole of it is a secret.
        url: Secret,
    },
    /// In a chat.
    Slack {
        /// Its hook; the whole of it is a secret.
        url: Secret,
    },
    /// To a command.
    Exec {
        /// The program and its arguments; no shell reads them.
        command: Vec<String>,
    },
    /// In the worker's log and the events of queues.
    Log,
}

/// Reads this part; what is wrong goes to the source's problems.
pub(super) fn read(
    source: &mut Source<'_>,
    profile: Option<&ProfileFile>,
    (rules, sinks): (Table, Table),
) -> AlertsConfig {
    let interval = source.parse("ALERT_INTERVAL", "100ms to 1m, such as 5s", |text| {
        let bounds = Duration::from_millis(100)..=Duration::from_secs(60);
        humantime::parse_duration(text).ok().filter(|span| bounds.contains(span))
    });
    let mut config = AlertsConfig { interval: interval.unwrap_or(INTERVAL), ..AlertsConfig::default() };
    if let Some(profile) = profile {
        config.rules = read_rules(source, profile, rules);
        config.sinks = read_sinks(source, profile, sinks);
    }
    for (name, sink) in from_environment(source) {
        config.sinks.insert(name, sink);
    }
    config
}

/// The names of a section and their tables.
fn entries(
    source: &mut Source<'_>,
    profile: &ProfileFile,
    (section, table): (&str, Table),
) -> Vec<(AlertName, Map<String, Value>)> {
    let mut entries = Vec::new();
    for (name, value) in table {
        match (AlertName::new(&name), serde_json::to_value(&value)) {
            (Ok(name), Ok(Value::Object(table))) => entries.push((name, table)),
            (Ok(_), _) => {
                source.problem(profile.at(&format!("{section}.{name}: expected a table, not a {}", value.type_str())));
            }
            (Err(error), _) => source.problem(profile.at(&format!("{section}: {error}"))),
        }
    }
    entries
}

fn read_rules(source: &mut Source<'_>, profile: &ProfileFile, table: Table) -> BTreeMap<AlertName, AlertRule> {
    let mut rules = BTreeMap::new();
    for (name, table) in entries(source, profile, ("alerts", table)) {
        let (words, mut problems) = AlertWords::from_table(&table);
        match words.rule(name.clone()) {
            Ok(rule) => _ = rules.insert(name.clone(), rule),
            Err(error) => problems.extend(error.fields().iter().cloned()),
        }
        for problem in problems {
            source.problem(profile.at(&format!("alerts.{name}.{}: {}", problem.field, problem.message)));
        }
    }
    rules
}

fn read_sinks(source: &mut Source<'_>, profile: &ProfileFile, table: Table) -> BTreeMap<AlertName, SinkConfig> {
    let mut sinks = BTreeMap::new();
    for (name, table) in entries(source, profile, ("sinks", table)) {
        let key = |key: &str| format!("{}: sinks.{name}.{key}", profile.path.display());
        for unknown in table.keys().filter(|key| !SINK_KEYS.contains(&key.as_str())) {
            source.problem(format!("{}: unknown key: there are {}", key(unknown), SINK_KEYS.join(", ")));
        }
        let list = |key: &str| match table.get(key) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(text)) => vec![text.clone()],
            _ => Vec::new(),
        };
        let kind = table.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some(own) = own_kind(&name).filter(|own| *own != kind) {
            source.problem(format!("{}: must be {own} for the sink of that name, or name it otherwise", key("kind")));
            continue;
        }
        let sink = match kind {
            "email" => addresses(&list("to")).map(|to| SinkConfig::Email { to }).ok_or_else(|| wrong_to(&key("to"))),
            "webhook" => url(source, &table, &key).map(|url| SinkConfig::Webhook { url }),
            "slack" => url(source, &table, &key).map(|url| SinkConfig::Slack { url }),
            "exec" => command(list("command")).ok_or_else(|| {
                format!(
                    "{}: expected the program and its arguments, such as [\"/usr/local/bin/page\", \"ops\"]",
                    key("command")
                )
            }),
            "log" => Ok(SinkConfig::Log),
            _ => Err(format!("{}: expected email, webhook, slack, exec or log", key("kind"))),
        };
        match sink {
            Ok(sink) => _ = sinks.insert(name, sink),
            // A file that cannot be read has told its own problem.
            Err(problem) if problem.is_empty() => {}
            Err(problem) => source.problem(problem),
        }
    }
    sinks
}

/// The kind of a sink whose name a variable gives, or that is always there.
fn own_kind(name: &AlertName) -> Option<&'static str> {
    ["log", "email", "webhook", "slack", "exec"].into_iter().find(|kind| name.as_str() == *kind)
}

fn wrong_to(origin: &str) -> String {
    format!("{origin}: expected addresses such as ops@example.org")
}

/// The URL of a sink: in the file that `url_file` names, or in the variable that `url` names.
fn url(source: &mut Source<'_>, table: &Map<String, Value>, key: &impl Fn(&str) -> String) -> Result<Secret, String> {
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let secret = match (text("url"), text("url_file")) {
        (Some(name), _) => {
            let Some(name) = name.strip_prefix('$') else {
                return Err(format!(
                    "{}: secrets do not stand in this file: write \"$VARIABLE\", or name a file by url_file",
                    key("url")
                ));
            };
            let value = source.named(name).map(Secret::new);
            value.ok_or_else(|| format!("{}: {name} is not set", key("url")))?
        }
        (None, Some(path)) => source.secret_file(&key("url_file"), path).ok_or_else(String::new)?,
        (None, None) => return Err(format!("{}: expected \"$VARIABLE\", or url_file", key("url"))),
    };
    if is_http_url(secret.reveal()) { Ok(secret) } else { Err(wrong_url(&key("url"))) }
}

fn wrong_url(origin: &str) -> String {
    format!("{origin}: expected a URL such as https://hooks.example.com/alerts")
}

/// One sink for each variable that is set, named after its kind.
fn from_environment(source: &mut Source<'_>) -> Vec<(AlertName, SinkConfig)> {
    let mut sinks = Vec::new();
    if let Some(text) = source.text("ALERT_EMAIL_TO") {
        match addresses(&[text]) {
            Some(to) => sinks.push(("email", SinkConfig::Email { to })),
            None => source.problem(wrong_to("ALERT_EMAIL_TO")),
        }
    }
    for (name, variable, file) in [
        ("webhook", "ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_URL_FILE"),
        ("slack", "ALERT_SLACK_URL", "ALERT_SLACK_URL_FILE"),
    ] {
        let Some(url) = source.secret(variable, Some(file)) else { continue };
        match is_http_url(url.reveal()) {
            true if name == "slack" => sinks.push((name, SinkConfig::Slack { url })),
            true => sinks.push((name, SinkConfig::Webhook { url })),
            false => source.problem(wrong_url(variable)),
        }
    }
    if let Some(text) = source.text("ALERT_EXEC") {
        sinks.extend(command(text.split_whitespace().map(str::to_owned).collect()).map(|sink| ("exec", sink)));
    }
    let named = |(name, sink)| Some((AlertName::new(name).ok()?, sink));
    sinks.into_iter().filter_map(named).collect()
}

/// Addresses, each entry with one or several parted by commas.
fn addresses(entries: &[String]) -> Option<Vec<String>> {
    let parts = entries.iter().flat_map(|entry| entry.split(',')).map(str::trim).filter(|part| !part.is_empty());
    let addresses: Vec<_> = parts.map(str::to_owned).collect();
    let is_sound = |address: &String| address.contains('@') && !address.contains(char::is_control);
    (!addresses.is_empty() && addresses.iter().all(is_sound)).then_some(addresses)
}

fn command(words: Vec<String>) -> Option<SinkConfig> {
    let is_sound =
        words.first().is_some_and(|program| !program.is_empty()) && words.iter().all(|word| !word.contains('\0'));
    is_sound.then_some(SinkConfig::Exec { command: words })
}

/// Scheme and host; a login may stand before it. The rest is for the one who asks it to judge.
fn is_http_url(text: &str) -> bool {
    let Some(("http" | "https", rest)) = text.split_once("://") else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    endpoint::host(host).is_some() && port.is_none_or(|port| endpoint::port(port).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigProblems};
    use super::*;

    fn read(pairs: &[(&str, &str)], profile: &str) -> Result<AlertsConfig, ConfigProblems> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let profile = ProfileFile { path: "c.toml".into(), text: profile.to_owned() };
        Config::from_lookup(lookup, Some(&profile)).map(|config| config.alerts)
    }

    fn name(name: &str) -> AlertName {
        AlertName::new(name).unwrap()
    }

    #[test]
    fn rules_and_sinks_stand_in_the_profile_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "https://hooks.example.com/hunter2\n").unwrap();
        let profile = format!(
            "[alert]\ninterval = '1s'\n[alerts.backlog-email]\nwhen = 'backlog'\nqueue = 'email'\nabove = 1000\n\
             sinks = ['ops', 'log']\n[alerts.slow]\nwhen = 'latency'\nabove = '5m'\n[sinks.ops]\nkind = 'email'\n\
             to = ['a@example.org', 'b@example.org']\n[sinks.chat]\nkind = 'slack'\nurl_file = '{}'\n\
             [sinks.hook]\nkind = 'webhook'\nurl = '$OPS_HOOK'\n[sinks.page]\nkind = 'exec'\n\
             command = ['/bin/page', 'a b']\n[sinks.journal]\nkind = 'log'\n",
            file.path().display()
        );
        let config = read(&[("OPS_HOOK", "https://u:hunter2@h/")], &profile).unwrap();
        assert_eq!((config.rules.len(), config.sinks.len(), config.interval), (2, 5, Duration::from_secs(1)));
        assert_eq!(config.rules[&name("backlog-email")].sinks, [name("log"), name("ops")]);
        let SinkConfig::Slack { url } = &config.sinks[&name("chat")] else { panic!("{:?}", config.sinks) };
        assert_eq!(url.reveal(), "https://hooks.example.com/hunter2");
        let page = SinkConfig::Exec { command: vec!["/bin/page".to_owned(), "a b".to_owned()] };
        assert_eq!(config.sinks[&name("page")], page);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn each_variable_is_a_sink_and_goes_before_the_profile() {
        let pairs = [
            ("ALERT_EMAIL_TO", "a@example.org, b@example.org"),
            ("ALERT_WEBHOOK_URL", "https://h/hook"),
            ("ALERT_SLACK_URL", "https://h/slack"),
            ("ALERT_EXEC", "page ops"),
        ];
        let config = read(&pairs, "[sinks.email]\nkind = 'email'\nto = 'other@example.org'\n").unwrap();
        let names: Vec<_> = config.sinks.keys().map(AlertName::as_str).collect();
        assert_eq!(names, ["email", "exec", "slack", "webhook"]);
        let to = vec!["a@example.org".to_owned(), "b@example.org".to_owned()];
        assert_eq!(config.sinks[&name("email")], SinkConfig::Email { to });
        assert_eq!(read(&[], "").unwrap(), AlertsConfig::default());
    }

    #[test]
    fn all_problems_are_named_and_no_secret() {
        let profile = "[alerts.a]\nwhen = 'disk'\n[alerts.b]\nwhen = 'backlog'\ncolour = 1\n[alerts.'x y']\n[alerts.c]\n\
                       when = 'dead'\nfor = 'soon'\n[sinks.d]\nkind = 'slack'\nurl = 'https://h/hunter2'\n[sinks.e]\n\
                       kind = 'webhook'\nurl = '$NOT_SET'\n[sinks.f]\nkind = 'email'\nto = 'nobody'\n[sinks.g]\n\
                       kind = 'exec'\n[sinks.h]\nkind = 'pager'\ncolour = 2\n[sinks.i]\nkind = 'slack'\n\
                       url_file = '/nonexistent/file'\n[sinks.log]\nkind = 'email'\nto = 'a@example.org'\n\
                       [sinks.slack]\nkind = 'webhook'\nurl = '$OPS'\n";
        let pairs = [("ALERT_WEBHOOK_URL", "hunter2"), ("ALERT_EMAIL_TO", "x"), ("ALERT_INTERVAL", "1ms")];
        let problems = read(&pairs, profile).unwrap_err().to_string();
        for named in [
            "alerts.a.when",
            "alerts.b.colour",
            "alerts.b.above",
            "\"x y\"",
            "alerts.c.for",
            "sinks.d.url:",
            "NOT_SET",
            "sinks.f.to",
            "sinks.g.command",
            "sinks.h.kind",
            "sinks.h.colour",
            "/nonexistent/file",
            "sinks.log.kind: must be log",
            "sinks.slack.kind: must be slack",
            "ALERT_WEBHOOK_URL:",
            "ALERT_EMAIL_TO",
            "ALERT_INTERVAL",
        ] {
            assert!(problems.contains(named), "{named} in:\n{problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
