//! Every value of a configuration with where it comes from.

use std::path::PathBuf;

use serde::Serialize;

use super::endpoint;
use super::file::ProfileFile;
use super::problems::ConfigProblems;
use super::redis::Secret;
use super::variable::{VARIABLES, Variable};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// A variable of the environment.
    Environment,
    /// The profile file.
    Profile,
    /// Nobody set it.
    Default,
}

impl Origin {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::Default => "default",
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValue {
    /// The name of its variable; of a queue's setting `queues.NAME.SETTING`.
    pub name: String,
    /// The value, or what holds where it is not set; a secret is hidden. `None`: nothing.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The file and the key where it comes from a profile file.
    pub file: Option<PathBuf>,
    /// See `file`.
    pub key: Option<String>,
    /// Whether the profile file has another value, which does not count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub before_profile: bool,
}

/// The values that these three say, and the defaults.
pub(super) fn values(
    flags: &dyn Fn(&str) -> Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
    profile: Option<&ProfileFile>,
) -> Vec<ConfigValue> {
    // What is wrong with the file is told by whoever reads the configuration for good.
    let in_file = profile.map(|profile| profile.parse(&mut ConfigProblems::default()).values).unwrap_or_default();
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let value = |variable: &Variable| {
        let (key, of_file) = (variable.profile, in_file.get(variable.name));
        let (text, origin) = match (filled(flags(variable.name)), filled(environment(variable.name)), of_file) {
            (Some(text), ..) => (text, Origin::Flag),
            (None, Some(text), _) => (text, Origin::Environment),
            (None, None, Some(value)) => (value.text.clone(), Origin::Profile),
            (None, None, None) => (variable.default.to_owned(), Origin::Default),
        };
        let from_file = origin == Origin::Profile;
        ConfigValue {
            name: variable.name.to_owned(),
            value: shown(variable, origin, &text),
            origin,
            file: profile.filter(|_| from_file).map(|profile| profile.path.clone()),
            key: key.filter(|_| from_file).map(str::to_owned),
            before_profile: !from_file && of_file.is_some_and(|value| value.text != text),
        }
    };
    let mut values: Vec<_> = VARIABLES.iter().map(value).collect();
    values.extend(profile.into_iter().flat_map(of_sections));
    values
}

fn shown(variable: &Variable, origin: Origin, text: &str) -> Option<String> {
    match text {
        "" => None,
        text if origin == Origin::Default => Some(text.to_owned()),
        text if variable.secret => Some(Secret::new(text).to_string()),
        // A URL may have a login in it.
        text => Some(endpoint::without_login(text)),
    }
}

/// What the file says of queues, alerts and sinks.
fn of_sections(profile: &ProfileFile) -> Vec<ConfigValue> {
    let table: toml::Table = profile.text.parse().unwrap_or_default();
    let section = |section: &'static str| {
        let things = table.get(section).and_then(toml::Value::as_table).into_iter().flatten();
        things.map(move |(name, settings)| (section, name, settings))
    };
    let mut values = Vec::new();
    for (section, name, settings) in ["queues", "alerts", "sinks"].into_iter().flat_map(section) {
        for (setting, value) in settings.as_table().into_iter().flatten() {
            let key = format!("{section}.{name}.{setting}");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // The whole of a URL is a secret; only the name of a variable may stand there.
            let is_secret = section == "sinks" && setting == "url" && !text.starts_with('$');
            let text = if is_secret { Secret::new(text).to_string() } else { text };
            values.push(ConfigValue {
                name: key.clone(),
                value: Some(text),
                origin: Origin::Profile,
                file: Some(profile.path.clone()),
                key: Some(key),
                before_profile: false,
            });
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_says_where_it_comes_from_and_no_secret_shows() {
        let text =
            "read_only = true\n[redis]\nhost = 'file'\nport = 7000\n[queues.email]\nrate = '5/s'\nconcurrency = 3\n";
        let profile = ProfileFile { path: "c.toml".into(), text: text.to_owned() };
        let pairs = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let flags = pairs(&[("IREVA_QUEUE_PROFILE", "prod")]);
        let environment = pairs(&[
            ("REDIS_HOST", "env"),
            ("REDIS_PASSWORD", "hunter2"),
            ("SMS_URL", "https://u:hunter2@h/"),
            ("REDIS_DB", ""),
        ]);
        let values = values(&flags, &environment, Some(&profile));
        let of = |name: &str| {
            let value = values.iter().find(|value| value.name == name).unwrap();
            (value.value.as_deref(), value.origin, value.before_profile)
        };
        assert_eq!(of("IREVA_QUEUE_PROFILE"), (Some("prod"), Origin::Flag, false));
        assert_eq!(of("REDIS_HOST"), (Some("env"), Origin::Environment, true));
        assert_eq!(of("REDIS_PORT"), (Some("7000"), Origin::Profile, false));
        assert_eq!(of("REDIS_DB"), (Some("0"), Origin::Default, false));
        assert_eq!(of("REDIS_USERNAME"), (None, Origin::Default, false));
        assert_eq!(of("IREVA_QUEUE_READ_ONLY"), (Some("true"), Origin::Profile, false));
        assert_eq!(of("queues.email.rate"), (Some("5/s"), Origin::Profile, false));
        assert_eq!(of("queues.email.concurrency"), (Some("3"), Origin::Profile, false));
        assert!(!format!("{values:?}").contains("hunter2"));
        assert_eq!(of("REDIS_PASSWORD"), (Some("********"), Origin::Environment, false));
    }
}
