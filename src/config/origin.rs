//! Where each value of the configuration comes from, fit to be shown.

use serde::Serialize;

use super::problems::ConfigProblems;
use super::source::Source;
use super::variable::VARIABLES;
use super::{Config, ProfileFile, endpoint};

/// What stands in place of a secret.
const HIDDEN: &str = "********";

/// A variable, the value that holds, and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configured {
    /// Its name.
    pub name: &'static str,
    /// Its value, a secret as stars; `None` where nothing holds.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The variable is set.
    Environment,
    /// The profile file says so, at this place.
    Profile(String),
    /// Nobody says so.
    Default,
}

impl Config {
    /// Every variable of the table with the value that `lookup` and `profile` give it, whether it is valid or not.
    pub fn origins(lookup: impl Fn(&str) -> Option<String>, profile: Option<&ProfileFile>) -> Vec<Configured> {
        let mut ignored = ConfigProblems::default();
        let settings = profile.map(|profile| profile.parse(&mut ignored).0).unwrap_or_default();
        let source = Source::new(&lookup, settings, ignored);
        let configured = |variable: &super::Variable| {
            let Some(found) = source.find(variable.name) else {
                let default = Some(variable.default).filter(|default| !default.is_empty());
                return Configured { name: variable.name, value: default.map(str::to_owned), origin: Origin::Default };
            };
            let origin = match found.origin == variable.name {
                true => Origin::Environment,
                false => Origin::Profile(found.origin),
            };
            // A login that stands where none belongs is hidden all the same.
            let value = if variable.secret { HIDDEN.to_owned() } else { endpoint::without_login(&found.text) };
            Configured { name: variable.name, value: Some(value), origin }
        };
        VARIABLES.iter().map(configured).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_tells_its_origin_and_no_secret() {
        let profile =
            ProfileFile { path: "/etc/q.toml".into(), text: "[redis]\nhost = \"db\"\nport = 6380\n".to_owned() };
        let lookup = |name: &str| match name {
            "REDIS_PORT" => Some("6381".to_owned()),
            "REDIS_PASSWORD" => Some("hush".to_owned()),
            "AWS_ENDPOINT_URL" => Some("https://me:hush@store".to_owned()),
            "SMS_FROM" => Some(String::new()),
            _ => None,
        };
        let all = Config::origins(lookup, Some(&profile));
        let of = |name: &str| {
            let found = all.iter().find(|configured| configured.name == name).unwrap();
            (found.value.clone().unwrap_or_default(), found.origin.clone())
        };
        assert_eq!(of("REDIS_HOST"), ("db".to_owned(), Origin::Profile("/etc/q.toml: redis.host".to_owned())));
        assert_eq!(of("REDIS_PORT"), ("6381".to_owned(), Origin::Environment));
        assert_eq!(of("REDIS_PASSWORD"), (HIDDEN.to_owned(), Origin::Environment));
        assert_eq!(of("QUEUE_PREFIX"), ("ireva:queue:".to_owned(), Origin::Default));
        assert_eq!(of("SMS_FROM"), (String::new(), Origin::Default));
        assert!(!serde_json::to_string(&all).unwrap().contains("hush"));
        assert_eq!(all.len(), VARIABLES.len());
    }
}
